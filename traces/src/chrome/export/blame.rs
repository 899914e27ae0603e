//! Breakdowns in an export: stalls, late timers, late signals and slow tasks carry theirs as arguments. They are
//! instants, so that slices get no numbers of their own.
//!
//! Any number of timers may have waited for the same long history, and each breakdown visits all of it. An
//! [`Allowance`] bounds that work; a wait that it does not cover is `not kept`.

use loop_probes::event::Event;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::attribution::{Breakdown, Share, What};
use crate::timeline::{Allowance, Stall, Timeline, TimelineConfig, Waiter};

/// Lines of a breakdown besides those for unknown time.
const LINES: usize = 8;

/// Folds along with the export, so that breakdowns are available when an event is written.
#[derive(Debug)]
pub(super) struct Blamer {
    pub(super) timeline: Timeline,
    allowance: Allowance,
    late_timer_ns: u64,
    late_signal_ns: u64,
}

impl Blamer {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let TimelineConfig { late_timer_ns, late_signal_ns, .. } = TimelineConfig::of(metadata);
        let config = TimelineConfig { breakdown_lines: LINES, ..TimelineConfig::followed(metadata) };
        Self { timeline: Timeline::new(config), allowance: Allowance::new(), late_timer_ns, late_signal_ns }
    }

    pub(super) fn see(&mut self, stamped: &Stamped) {
        self.timeline.follow(stamped);
        self.allowance.grow(0);
    }

    /// The stall that the tick which ended with `stamped`, the last event seen, was; `None` if it was none.
    pub(super) fn stall(&self, stamped: &Stamped) -> Option<&Stall> {
        let Event::TickEnd { tick, start, .. } = stamped.event else { return None };
        let ended = (stamped.source, tick, start, stamped.at);
        self.last_stall().filter(|Stall { tick, .. }| (tick.source, tick.tick, tick.start, tick.end) == ended)
    }

    pub(super) fn last_stall(&self) -> Option<&Stall> {
        self.timeline.stalls.newest_first().next()
    }

    /// The breakdown of a late timer or signal that has just been recorded, or of a slow task that has just ended.
    pub(super) fn late(&mut self, stamped: &Stamped) -> Option<Breakdown> {
        let (from, to, limit_ns) = match stamped.event {
            Event::SlowTask { start, .. } => (start, stamped.at, None),
            Event::TimerFired { .. } => {
                let (due, began) = stamped.timer_wait()?;
                (due, began, Some(self.late_timer_ns))
            }
            Event::SignalDelivered { arrived, .. } => (arrived, stamped.at, Some(self.late_signal_ns)),
            _ => return None,
        };
        let total_ns = to.ns_since(from);
        if limit_ns.is_some_and(|limit_ns| total_ns <= limit_ns) {
            return None;
        }
        let (timeline, source) = (&self.timeline, stamped.source);
        if !self.allowance.pay(timeline.breakdown_cost(source, from)) {
            let shares = [(What::Evicted, total_ns), (What::Unattributed, 0)];
            return Some(Breakdown { shares: shares.map(|(what, ns)| Share { what, ns }).into(), total_ns });
        }
        Some(match stamped.event {
            Event::SlowTask { task, tag, .. } => timeline.run_of(source, task, tag, from, to),
            Event::TimerFired { .. } => timeline.waited(Waiter::Timer, source, from, to, LINES),
            _ => timeline.waited(Waiter::Signal, source, from, to, LINES),
        })
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::Outcome;
    use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};

    use super::*;

    const MS: u64 = 1_000_000;

    /// Timers are due while thousands of tasks run, and fire one after the other.
    #[test]
    fn late_timers_of_one_long_stall_are_broken_down_within_the_allowance() {
        const TASKS: u64 = 3_000;
        const TIMERS: u64 = 100;
        let at = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
        let (tag, outcome) = (Tag(1), Outcome::Done);
        let tasks = (0..TASKS).map(|number| {
            let (task, start) = (TaskId(number), Timestamp(number * MS));
            at((number + 1) * MS, Event::TaskRan { task, tag, outcome, queued: start, start })
        });
        let stall = TASKS * MS;
        let fired = |number: u64| {
            let (timer, task, fired) = (TimerId(number), TaskId(TASKS + number), Timestamp(stall));
            at(stall + number, Event::TimerFired { timer, tag, task, due: Timestamp(0), fired, skipped: 0 })
        };
        let (start, tasks_run) = (Timestamp(0), TASKS as u32);
        let end = at(stall + TIMERS, Event::TickEnd { tick: 1, tasks_run, start });
        let begin = at(0, Event::TickStart { tick: 1 });
        let events: Vec<Stamped> =
            [begin].into_iter().chain(tasks).chain((0..TIMERS).map(fired)).chain([end]).collect();
        let mut blamer = Blamer::new(&Metadata::new("test"));
        events.iter().for_each(|stamped| blamer.see(stamped));
        let cost = blamer.timeline.breakdown_cost(SourceId(1), Timestamp(0));
        assert!((TASKS..TASKS * 2).contains(&cost), "it visits each task: {cost}");
        const COVERED: u64 = 10;
        assert!(blamer.allowance.pay(Allowance::MAX - COVERED * cost), "those before these took the rest");
        let mut broken_down = 0;
        for number in 0..TIMERS {
            let breakdown = blamer.late(&fired(number)).expect("it is late");
            let sum: u64 = breakdown.shares.iter().map(|share| share.ns).sum();
            assert_eq!((breakdown.total_ns, sum), (stall + number, stall + number));
            if breakdown.of(&What::Evicted) == 0 {
                assert_eq!(broken_down, number, "the first ones");
                broken_down += 1;
            }
        }
        assert_eq!(broken_down, COVERED);
    }
}
