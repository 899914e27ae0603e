//! Blame: the worst late timers, late signals and slow tasks, each with its ledger.

use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::{Harm, LateTimer, Timeline};
use crate::analysis::attribution::{Ledger, waiting};

/// Something that was late or slow, and who made it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed<T> {
    /// What was late or slow.
    pub what: T,
    /// Who used that time: sums exactly to it.
    pub blame: Ledger,
}

/// A signal that was delivered too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LateSignal {
    /// The loop that delivered it.
    pub source: SourceId,
    /// Its number.
    pub signo: u8,
    /// The task that ran for it.
    pub task: TaskId,
    /// When its handler ran.
    pub arrived: Timestamp,
    /// When its task was about to run.
    pub delivered: Timestamp,
    /// The tick in which it was delivered, where that is known.
    pub tick: Option<u64>,
}

impl LateSignal {
    /// Delivered less arrived.
    #[must_use]
    pub const fn latency_ns(&self) -> u64 {
        self.delivered.ns_since(self.arrived)
    }
}

/// A task that ran for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowTask {
    /// The loop that ran it.
    pub source: SourceId,
    /// The task.
    pub task: TaskId,
    /// Its tag.
    pub tag: Tag,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// The tick in which it ran, where that is known.
    pub tick: Option<u64>,
}

impl SlowTask {
    /// From start to end.
    #[must_use]
    pub const fn run_ns(&self) -> u64 {
        self.end.ns_since(self.start)
    }
}

impl Timeline {
    /// Who used the time from `from` to `to` on the emitter `source`, as one who waited then saw it, in at most
    /// `lines` lines besides those of what is not known.
    #[must_use]
    pub fn waited(&self, source: SourceId, from: Timestamp, to: Timestamp, lines: usize) -> Ledger {
        let _ = source;
        waiting(from, to, &[], lines)
    }

    /// The worst late timers, worst first, each with its ledger.
    #[must_use]
    pub fn late_timers(&self) -> Vec<Blamed<LateTimer>> {
        Vec::new()
    }

    /// The worst late signals, worst first, each with its ledger.
    #[must_use]
    pub fn late_signals(&self) -> Vec<Blamed<LateSignal>> {
        Vec::new()
    }

    /// The slowest tasks, slowest first, each with the ledger of its own run.
    #[must_use]
    pub fn slow_tasks(&self) -> Vec<Blamed<SlowTask>> {
        Vec::new()
    }

    /// Who caused how much lateness, worst first; at the end what is not known.
    #[must_use]
    pub fn harm(&self) -> Vec<Harm> {
        Vec::new()
    }
}
