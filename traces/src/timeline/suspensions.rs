//! Suspensions: times at which nothing of the process ran.

use loop_probes::ids::Timestamp;

use crate::analysis::attribution::sweep::Nodes;
use crate::recent::Recent;

/// One suspension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// When the process is last known to have run before it.
    pub alive: Timestamp,
    /// From here on it did not run.
    pub start: Timestamp,
    /// When it could run again.
    pub end: Timestamp,
    /// For how long the machine slept, which the clock of the other times does not count.
    pub asleep_ns: u64,
}

/// All suspensions of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Suspensions {
    /// How often.
    pub count: u64,
    /// How long, all together: what `CLOCK_MONOTONIC` counts of it.
    pub total_ns: u64,
    /// For how long the machine slept, all together.
    pub asleep_ns: u64,
    /// The last ones.
    pub recent: Recent<Suspension>,
}

impl Suspensions {
    pub(crate) fn new(keep: usize) -> Self {
        Self { count: 0, total_ns: 0, asleep_ns: 0, recent: Recent::new(keep) }
    }

    pub(crate) fn add(&mut self, suspension: Suspension) {
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(suspension.end.ns_since(suspension.start));
        self.asleep_ns = self.asleep_ns.saturating_add(suspension.asleep_ns);
        self.recent.push(suspension);
    }

    /// Adds to `nodes` those between `from` and `to`: the last ones, because only they are kept.
    pub(crate) fn gather(&self, from: Timestamp, to: Timestamp, nodes: &mut Nodes) {
        for it in self.recent.iter().filter(|it| it.alive < to && it.end > from) {
            nodes.suspend(it.alive, it.start, it.end);
        }
    }
}
