//! Breakdowns in an export: stalls, late timers, late signals and slow tasks carry theirs as arguments. They are
//! instants, so that slices get no numbers of their own.

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::analysis::attribution::Ledger;
use crate::timeline::{TickSummary, Timeline, TimelineConfig, Waiter};

/// Lines of a breakdown besides those for unknown time.
const LINES: usize = 8;

/// One tick of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TickId {
    pub(super) source: SourceId,
    pub(super) tick: u64,
    pub(super) start: Timestamp,
}

/// Folds along with the export, so that breakdowns are available when an event is written.
#[derive(Debug)]
pub(super) struct Blamer {
    timeline: Timeline,
    late_timer_ns: u64,
    late_signal_ns: u64,
}

impl Blamer {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let TimelineConfig { late_timer_ns, late_signal_ns, .. } = TimelineConfig::of(metadata);
        // The lists of worst cases and the delay caused are not used here.
        let never = u64::MAX;
        let config = TimelineConfig {
            late_timer_ns: never,
            late_signal_ns: never,
            late_task_ns: never,
            late_kept: 0,
            ledger_lines: LINES,
            ..TimelineConfig::of(metadata)
        };
        Self { timeline: Timeline::new(config), late_timer_ns, late_signal_ns }
    }

    pub(super) fn see(&mut self, stamped: &Stamped) {
        self.timeline.follow(stamped);
    }

    /// The breakdown of a tick that has just ended as a stall.
    pub(super) fn stall(&self, id: &TickId) -> Option<&Ledger> {
        let mut stalls = self.timeline.stalls.newest_first();
        let found = stalls.find(|stall| {
            let TickSummary { source, tick, start, .. } = stall.tick;
            TickId { source, tick, start } == *id
        });
        found.map(|stall| &stall.blame)
    }

    /// The breakdown of a late timer or signal that has just been recorded, or of a slow task that has just ended.
    pub(super) fn late(&self, stamped: &Stamped) -> Option<Ledger> {
        let (kind, from, to, limit_ns) = match stamped.event {
            Event::SlowTask { task, tag, start, .. } => {
                return Some(self.timeline.run_of(stamped.source, task, tag, start, stamped.at));
            }
            Event::TimerFired { .. } => {
                let (due, began) = stamped.timer_wait()?;
                (Waiter::Timer, due, began, self.late_timer_ns)
            }
            Event::SignalDelivered { arrived, .. } => {
                (Waiter::Signal, arrived, stamped.at, self.late_signal_ns)
            }
            _ => return None,
        };
        (to.ns_since(from) > limit_ns).then(|| self.timeline.waited(kind, stamped.source, from, to, LINES))
    }
}
