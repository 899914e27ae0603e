//! The timers, signals and tasks that a tick delayed: those that waited too long, at least partly during the tick.
//!
//! A breakdown divides one wait among its causes; this module goes the other way, from one cause to the waits.

use std::collections::{BTreeMap, BTreeSet};

use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::timeline::{TickSummary, TimelineConfig, signal_name};

use super::fold::Fold;

/// A wait that overlaps a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delayed {
    /// The event that ended the wait.
    pub stamped: Stamped,
    /// When the wait began.
    pub from: Timestamp,
    /// When the wait ended.
    pub to: Timestamp,
    /// The part of the wait within the tick, in nanoseconds.
    pub ns: u64,
}

impl Delayed {
    /// The whole wait, in nanoseconds.
    #[must_use]
    pub const fn waited_ns(&self) -> u64 {
        self.to.ns_since(self.from)
    }

    /// Name of what waited: the tag, or the signal with the prefix `signal`.
    #[must_use]
    pub fn name(&self, labels: &Labels) -> String {
        match self.stamped.event {
            Event::TimerFired { tag, .. } | Event::TaskRan { tag, .. } => labels.tag(tag).into_owned(),
            Event::SignalDelivered { signo, .. } => format!("signal {}", signal_name(signo)),
            _ => String::new(),
        }
    }
}

/// Everything that a tick delayed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelayedByTick {
    /// The waits, largest part within the tick first.
    pub all: Vec<Delayed>,
    /// Whether the log no longer reaches back to the tick: only the worst waits, whose breakdowns are kept, are listed.
    pub worst_only: bool,
}

/// Waits with the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTotal {
    /// The name that the waits share.
    pub name: String,
    /// The number of waits.
    pub count: u64,
    /// Total of the waits within the tick, in nanoseconds.
    pub ns: u64,
}

impl DelayedByTick {
    /// Groups the waits by name, largest first.
    #[must_use]
    pub fn by_name(&self, labels: &Labels) -> Vec<GroupTotal> {
        let mut names: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for delayed in &self.all {
            let (count, ns) = names.entry(delayed.name(labels)).or_default();
            (*count, *ns) = (*count + 1, ns.saturating_add(delayed.ns));
        }
        let mut all: Vec<GroupTotal> =
            names.into_iter().map(|(name, (count, ns))| GroupTotal { name, count, ns }).collect();
        all.sort_by_key(|total| std::cmp::Reverse(total.ns));
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
pub fn by_tick(fold: &Fold, tick: &TickSummary) -> DelayedByTick {
    let config = fold.timeline.config();
    let delayed = |stamped: &Stamped| {
        let (from, to) = late_wait(stamped, config).filter(|_| stamped.source == tick.source)?;
        let ns = to.min(tick.end).ns_since(from.max(tick.start));
        (ns > 0).then_some(Delayed { stamped: *stamped, from, to, ns })
    };
    let log = fold.log();
    let worst_only =
        fold.timeline.events > log.len() as u64 && log.front().is_some_and(|oldest| oldest.at > tick.start);
    let mut all: Vec<Delayed> = if worst_only {
        kept(fold).iter().filter_map(delayed).collect()
    } else {
        log.iter().rev().take_while(|stamped| stamped.at >= tick.start).filter_map(delayed).collect()
    };
    // The task of a timer or a signal waited only because the timer or signal did: it does not count again.
    let theirs: BTreeSet<TaskId> = all.iter().filter_map(task_of).collect();
    all.retain(
        |delayed| !matches!(delayed.stamped.event, Event::TaskRan { task, .. } if theirs.contains(&task)),
    );
    all.sort_by_key(|delayed| (std::cmp::Reverse(delayed.ns), delayed.from, delayed.to));
    DelayedByTick { all, worst_only }
}

/// The task that ran for a timer or a signal.
const fn task_of(delayed: &Delayed) -> Option<TaskId> {
    match delayed.stamped.event {
        Event::TimerFired { task, .. } | Event::SignalDelivered { task, .. } => Some(task),
        _ => None,
    }
}

/// The events that ended the waits whose breakdowns are kept.
fn kept(fold: &Fold) -> Vec<Stamped> {
    let stamped = |source: SourceId, at, event| Stamped { at, source, event };
    let timers = fold.timeline.late_timers().into_iter().map(|late| {
        let late = late.what;
        let (timer, tag, task) = (late.timer, late.tag, late.task);
        let (due, fired, skipped) = (late.due, late.fired, late.skipped);
        stamped(late.source, fired, Event::TimerFired { timer, tag, task, due, fired, skipped })
    });
    let signals = fold.timeline.late_signals().into_iter().map(|late| {
        let late = late.what;
        let (signo, task, arrived) = (late.signo, late.task, late.arrived);
        stamped(late.source, late.delivered, Event::SignalDelivered { signo, task, arrived })
    });
    timers.chain(signals).collect()
}

#[cfg(test)]
mod tests;
