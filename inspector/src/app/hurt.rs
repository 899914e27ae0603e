//! What a tick delayed: timers, signals and tasks that waited for too long, partly during the tick. A breakdown divides
//! one wait among its causes; this is the reverse for one tick.

use std::collections::{BTreeMap, BTreeSet};

use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::timeline::{TickSummary, TimelineConfig, signal_name};

use super::fold::Fold;

/// A wait that overlaps a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hurt {
    /// The event that ended the wait.
    pub told: Stamped,
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// The part of it within the tick, in nanoseconds.
    pub ns: u64,
}

impl Hurt {
    /// The whole wait, in nanoseconds.
    #[must_use]
    pub const fn waited_ns(&self) -> u64 {
        self.to.ns_since(self.from)
    }

    /// The name of what waited: its tag; signals are marked as such.
    #[must_use]
    pub fn name(&self, labels: &Labels) -> String {
        match self.told.event {
            Event::TimerFired { tag, .. } | Event::TaskRan { tag, .. } => labels.tag(tag).into_owned(),
            Event::SignalDelivered { signo, .. } => format!("signal {}", signal_name(signo)),
            _ => String::new(),
        }
    }
}

/// Everything that a tick delayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AllHurt {
    /// The waits, largest part within the tick first.
    pub all: Vec<Hurt>,
    /// The log no longer reaches back to the tick: these are only the ones among the worst whose breakdowns are kept.
    pub worst_only: bool,
}

/// Waits with the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// The name.
    pub name: String,
    /// The number of waits.
    pub count: u64,
    /// Their total within the tick, in nanoseconds.
    pub ns: u64,
}

impl AllHurt {
    /// Groups the waits by name, largest first.
    #[must_use]
    pub fn by_name(&self, labels: &Labels) -> Vec<Together> {
        let mut names: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for hurt in &self.all {
            let (count, ns) = names.entry(hurt.name(labels)).or_default();
            (*count, *ns) = (*count + 1, ns.saturating_add(hurt.ns));
        }
        let mut all: Vec<Together> =
            names.into_iter().map(|(name, (count, ns))| Together { name, count, ns }).collect();
        all.sort_by_key(|together| std::cmp::Reverse(together.ns));
        all
    }
}

/// The start and end of a wait that was too long, if this event ends one.
#[must_use]
pub fn late_wait(stamped: &Stamped, config: &TimelineConfig) -> Option<(Timestamp, Timestamp)> {
    let (from, to, limit_ns) = match stamped.event {
        Event::TimerFired { .. } => {
            let (due, began) = stamped.timer_wait()?;
            (due, began, config.late_timer_ns)
        }
        Event::SignalDelivered { arrived, .. } => (arrived, stamped.at, config.late_signal_ns),
        Event::TaskRan { outcome: Outcome::Cancelled, .. } => return None,
        Event::TaskRan { queued, start, .. } => (queued, start, config.late_task_ns),
        _ => return None,
    };
    (to.ns_since(from) > limit_ns).then_some((from, to))
}

/// What `tick` delayed, according to `fold`. Waits that have not ended are not included.
#[must_use]
pub fn by_tick(fold: &Fold, tick: &TickSummary) -> AllHurt {
    let config = fold.timeline.config();
    let hurt = |told: &Stamped| {
        let (from, to) = late_wait(told, config).filter(|_| told.source == tick.source)?;
        let ns = to.min(tick.end).ns_since(from.max(tick.start));
        (ns > 0).then_some(Hurt { told: *told, from, to, ns })
    };
    let log = fold.log();
    let worst_only =
        fold.timeline.events > log.len() as u64 && log.front().is_some_and(|oldest| oldest.at > tick.start);
    let mut all: Vec<Hurt> = if worst_only {
        kept(fold).iter().filter_map(hurt).collect()
    } else {
        log.iter().rev().take_while(|told| told.at >= tick.start).filter_map(hurt).collect()
    };
    // The task of a timer or a signal waited only because that did.
    let theirs: BTreeSet<TaskId> = all.iter().filter_map(task_of).collect();
    all.retain(|hurt| !matches!(hurt.told.event, Event::TaskRan { task, .. } if theirs.contains(&task)));
    all.sort_by_key(|hurt| (std::cmp::Reverse(hurt.ns), hurt.from, hurt.to));
    AllHurt { all, worst_only }
}

/// The task that ran for a timer or a signal.
const fn task_of(hurt: &Hurt) -> Option<TaskId> {
    match hurt.told.event {
        Event::TimerFired { task, .. } | Event::SignalDelivered { task, .. } => Some(task),
        _ => None,
    }
}

/// The events that ended the waits whose breakdowns are kept.
fn kept(fold: &Fold) -> Vec<Stamped> {
    let told = |source: SourceId, at, event| Stamped { at, source, event };
    let timers = fold.timeline.late_timers().into_iter().map(|late| {
        let late = late.what;
        let (timer, tag, task) = (late.timer, late.tag, late.task);
        let (due, fired, skipped) = (late.due, late.fired, late.skipped);
        told(late.source, fired, Event::TimerFired { timer, tag, task, due, fired, skipped })
    });
    let signals = fold.timeline.late_signals().into_iter().map(|late| {
        let late = late.what;
        let (signo, task, arrived) = (late.signo, late.task, late.arrived);
        told(late.source, late.delivered, Event::SignalDelivered { signo, task, arrived })
    });
    timers.chain(signals).collect()
}

#[cfg(test)]
mod tests;
