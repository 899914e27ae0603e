//! Suspensions: periods in which the process did not run at all.

use loop_probes::ids::Timestamp;

use super::baseline::Figures;
use super::ticks::TickSummary;
use crate::attribution::sweep::Nodes;
use crate::attribution::{Breakdown, busy};
use crate::recent::Recent;
use crate::span::TickSpan;

/// One suspension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// When the process was last known to run before.
    pub alive: Timestamp,
    /// When it stopped running.
    pub start: Timestamp,
    /// When it could run again.
    pub end: Timestamp,
    /// How long the machine slept, which the other times do not include.
    pub asleep_ns: u64,
}

/// All suspensions of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspensions {
    /// Number of suspensions.
    pub count: u64,
    /// Total duration, as counted by `CLOCK_MONOTONIC`.
    pub total_ns: u64,
    /// Total time the machine slept.
    pub asleep_ns: u64,
    /// The most recent suspensions.
    pub recent: Recent<Suspension>,
}

impl Suspensions {
    pub(crate) fn new(keep: usize) -> Self {
        Self { count: 0, total_ns: 0, asleep_ns: 0, recent: Recent::new(keep) }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { count, total_ns, asleep_ns, recent: _ } = self;
        by.counts([count, total_ns, asleep_ns]);
    }

    /// Forgets what was before `from`.
    pub(super) fn forget_before(&mut self, from: Timestamp) {
        self.recent.retain(|suspension| suspension.end > from);
    }

    pub(crate) fn add(&mut self, suspension: Suspension) {
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(suspension.end.ns_since(suspension.start));
        self.asleep_ns = self.asleep_ns.saturating_add(suspension.asleep_ns);
        self.recent.push(suspension);
    }

    /// The breakdown of a tick's busy time.
    pub(super) fn blame_tick(&self, tick: &TickSummary, spans: &[TickSpan], lines: usize) -> Breakdown {
        let mut nodes = Nodes::default();
        nodes.add_tick((tick.start, tick.end), spans, tick.spans_left_out > 0);
        self.blame_busy((tick.start, tick.end), tick.busy_ns, nodes, lines)
    }

    /// The breakdown of `busy_ns` of the time from `start` to `end`, in which `nodes` ran.
    pub(super) fn blame_busy(
        &self,
        (start, end): (Timestamp, Timestamp),
        busy_ns: u64,
        mut nodes: Nodes,
        lines: usize,
    ) -> Breakdown {
        self.gather(start, end, &mut nodes);
        busy(start, end, nodes, lines).settled(busy_ns)
    }

    /// Adds the kept suspensions between `from` and `to` to `nodes`.
    pub(crate) fn gather(&self, from: Timestamp, to: Timestamp, nodes: &mut Nodes) {
        for it in self.recent.iter().filter(|it| it.alive < to && it.end > from) {
            nodes.suspend(it.alive, it.start, it.end);
        }
    }
}
