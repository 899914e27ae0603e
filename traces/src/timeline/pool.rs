//! The work pool: its jobs, and the workers that run them.

use std::collections::BTreeMap;

use loop_probes::ids::{TaskId, Timestamp};

use super::baseline::Figures;
use super::worst_runs::WorstRun;
use crate::histogram::Histogram;

/// Maximum number of workers with figures of their own, of the pool and of the agenda.
pub(crate) const WORKERS_MAX: usize = 1024;

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Jobs that it ran.
    pub ran: u64,
    /// Time that the worker spent in jobs.
    pub busy_ns: u64,
}

/// Jobs and workers.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Workers {
    /// Number of jobs scheduled.
    pub queued: u64,
    /// Run by a worker.
    pub ran: u64,
    /// Completed on the loop thread.
    pub settled: u64,
    /// Failed or panicked.
    pub failed: u64,
    /// Queue waits in nanoseconds, from scheduled to taken by a worker.
    pub queue_wait_ns: Histogram,
    /// Run times in nanoseconds, from taken to done.
    pub run_ns: Histogram,
    /// Figures of each worker, by its number.
    pub workers: Vec<WorkerStats>,
    /// When a job ended last.
    pub(crate) last_ended: Option<Timestamp>,
    /// Jobs that are not settled. Loops number their jobs independently.
    unsettled: BTreeMap<TaskId, Unsettled>,
    /// Jobs settled without a run: cancelled before a worker took them.
    withdrawn: u64,
    /// Jobs that had not ended when the figures began.
    before: u64,
}

/// The jobs of one number that are not settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Unsettled {
    scheduled: u32,
    ran: u32,
}

impl Workers {
    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        // What has not ended has not, whenever it was scheduled.
        let not_ended = self.not_ended();
        let Self { queued, ran, settled, failed, queue_wait_ns, run_ns, workers, withdrawn, .. } = self;
        by.counts([queued, ran, settled, failed, withdrawn]);
        by.histogram(queue_wait_ns);
        by.histogram(run_ns);
        for (key, WorkerStats { ran, busy_ns }) in (0..).zip(workers) {
            by.part(key, false, |by| by.counts([ran, busy_ns]));
        }
        self.before = (not_ended + self.ran + self.withdrawn).saturating_sub(self.queued);
    }

    /// A job was scheduled; it is tracked if fewer than `tracked_max` are.
    pub(crate) fn scheduled(&mut self, job: TaskId, tracked_max: usize) {
        self.queued += 1;
        if self.unsettled.len() < tracked_max || self.unsettled.contains_key(&job) {
            self.unsettled.entry(job).or_default().scheduled += 1;
        }
    }

    pub(crate) fn settled(&mut self, job: TaskId) {
        self.settled += 1;
        let Some(jobs) = self.unsettled.get_mut(&job) else { return };
        if jobs.ran > 0 {
            jobs.ran -= 1;
        } else {
            jobs.scheduled -= 1;
            self.withdrawn += 1;
        }
        if *jobs == Unsettled::default() {
            self.unsettled.remove(&job);
        }
    }

    /// Jobs that a worker may still run, or that were dropped with their loop.
    pub(crate) const fn not_ended(&self) -> u64 {
        self.before.saturating_add(self.queued).saturating_sub(self.ran).saturating_sub(self.withdrawn)
    }

    pub(crate) fn ran(&mut self, worker: u16, run: &WorstRun, failed: bool) {
        let (job, run_ns) = (run.task, run.run_ns);
        self.ran += 1;
        self.last_ended = self.last_ended.max(Some(run.at));
        if let Some(jobs) = self.unsettled.get_mut(&job).filter(|jobs| jobs.scheduled > 0) {
            jobs.scheduled -= 1;
            jobs.ran += 1;
        }
        self.failed += u64::from(failed);
        if let Some(waited_ns) = run.queue_wait_ns {
            self.queue_wait_ns.record(waited_ns);
        }
        self.run_ns.record(run_ns);
        if let Some(worker) = self.worker(worker) {
            worker.ran += 1;
            worker.busy_ns = worker.busy_ns.saturating_add(run_ns);
        }
    }

    fn worker(&mut self, worker: u16) -> Option<&mut WorkerStats> {
        let place = usize::from(worker);
        if place >= WORKERS_MAX {
            return None;
        }
        if place >= self.workers.len() {
            self.workers.resize_with(place + 1, WorkerStats::default);
        }
        self.workers.get_mut(place)
    }
}
