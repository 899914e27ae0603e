//! The jobs of a what-if: each runs as long as recorded, on as many workers as asked for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use loop_core::low_level::oracle::{JobRun, PendingJob, VirtualPool};
use loop_probes::ids::{TaskId, Ticks};
use loop_probes::recorder::Recorder;

/// Submitted jobs, and the workers that run them.
pub(in super::super) struct Jobs {
    pool: RefCell<VirtualPool>,
    submitted: Cell<u64>,
    /// The cost of the next job, and the time that an idle worker needs to take it.
    announced: Cell<(u64, u64)>,
    /// Jobs that will be cancelled, by their index in the script.
    remembered: RefCell<HashMap<u32, TaskId>>,
    recorder: Recorder,
}

impl Jobs {
    pub(super) fn new(workers: u16, recorder: Recorder) -> Self {
        Self {
            pool: RefCell::new(VirtualPool::new(workers)),
            submitted: Cell::new(0),
            announced: Cell::new((0, 0)),
            remembered: RefCell::default(),
            recorder,
        }
    }

    /// Sets the cost of the job that is submitted next.
    pub(in super::super) fn announce(&self, cost_ns: u64, wake_ns: u64) {
        self.announced.set((cost_ns, wake_ns));
    }

    pub(super) fn submit(&self, job: PendingJob, now_ns: u64) -> u32 {
        let ((cost_ns, wake_ns), order) = (self.announced.take(), self.submitted.get());
        self.submitted.set(order + 1);
        self.pool.borrow_mut().submit(job, order, now_ns, cost_ns, wake_ns);
        self.depth(now_ns).max(1)
    }

    /// Takes back a job that no worker has started.
    pub(in super::super) fn take_back(&self, task: TaskId, now_ns: u64) -> Option<PendingJob> {
        self.pool.borrow_mut().take_back(task, now_ns)
    }

    pub(super) fn depth(&self, now_ns: u64) -> u32 {
        self.pool.borrow_mut().depth(now_ns)
    }

    /// When the next job ends.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.pool.borrow().next_end().map(|(end_ns, _)| end_ns)
    }

    /// Finishes the job that ends next.
    pub(super) fn finish_next(&self, end: Ticks) {
        let ended = self.pool.borrow_mut().pop();
        if let Some((job, worker, start_ns)) = ended {
            job.finish(JobRun { worker, start: Ticks(start_ns), end, recorder: &self.recorder });
        }
    }

    /// Remembers a job that will be cancelled.
    pub(in super::super) fn remember(&self, place: u32, task: TaskId) {
        self.remembered.borrow_mut().insert(place, task);
    }

    /// Forgets the job at this index, and returns its task to be cancelled.
    pub(in super::super) fn cancelled(&self, place: u32) -> Option<TaskId> {
        self.remembered.borrow_mut().remove(&place)
    }

    /// The number of jobs and workers.
    pub(in super::super) fn count(&self) -> u64 {
        let pool = self.pool.borrow();
        pool.len() as u64 + u64::from(pool.workers())
    }

    /// Drops the jobs that have not ended.
    pub(super) fn clear(&self) {
        self.pool.borrow_mut().clear();
    }
}
