//! Work between tasks: microtask checkpoints, the deferred queue, immediates.

use super::baseline::Figures;
use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// Microtask checkpoints in which something ran.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Microtasks {
    /// Microtasks that ran.
    pub ran: u64,
    /// Microtasks that a budget left for later, summed over checkpoints.
    pub left: u64,
    /// Microtasks per checkpoint. The count is the number of checkpoints.
    pub ran_per_checkpoint: Histogram,
    /// Durations of checkpoints.
    pub run_ns: Histogram,
    /// Microtasks of the last checkpoints.
    pub samples: Recent<u32>,
}

impl Microtasks {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            ran: 0,
            left: 0,
            ran_per_checkpoint: Histogram::new(),
            run_ns: Histogram::new(),
            samples: Recent::new(config.samples_kept),
        }
    }

    /// Checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> u64 {
        self.run_ns.count()
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { ran, left, ran_per_checkpoint, run_ns, samples: _ } = self;
        by.counts([ran, left]);
        by.histogram(ran_per_checkpoint);
        by.histogram(run_ns);
    }

    pub(crate) fn add(&mut self, ran: u32, left: u32, run_ns: u64) {
        self.ran += u64::from(ran);
        self.left += u64::from(left);
        self.ran_per_checkpoint.record(u64::from(ran));
        self.run_ns.record(run_ns);
        self.samples.push(ran);
    }
}

/// Batch runs, of the deferred queue or of immediates.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Batches {
    /// Entries posted; 0 where posts are not recorded.
    pub posted: u64,
    /// Posts whose key was already queued.
    pub existed: u64,
    /// Entries that ran.
    pub ran: u64,
    /// Entries that stayed for the next batch.
    pub kept: u64,
    /// Durations of batches. The count is the number of batches.
    pub run_ns: Histogram,
}

impl Batches {
    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { posted, existed, ran, kept, run_ns } = self;
        by.counts([posted, existed, ran, kept]);
        by.histogram(run_ns);
    }

    pub(crate) fn add(&mut self, ran: u32, kept: u32, run_ns: u64) {
        self.ran += u64::from(ran);
        self.kept += u64::from(kept);
        self.run_ns.record(run_ns);
    }
}
