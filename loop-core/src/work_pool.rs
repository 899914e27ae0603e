//! The work pool: runs work that would block the loop.
//!
//! A job runs on one of the pool's workers. On the worker's thread, its result goes to the pool's sink, which posts it to
//! the loop. A job that panics is rejected, and its worker continues. [`threads::WorkPool`] implements [`Pool`] with
//! real threads; a virtual pool runs jobs on the loop's thread.

pub mod threads;

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;

use crate::failure::panic_message;

/// The closure that a worker runs.
pub type Run<R> = Box<dyn FnOnce(&Worker<'_>) -> R + Send>;

/// Receives every result, on the worker's thread.
pub type JobSink<R> = Box<dyn Fn(FinishedJob<R>) + Send + Sync>;

/// One job for the pool.
pub struct Job<R> {
    /// The job's id. Its completion runs on the loop as a task with the same id.
    pub task: TaskId,
    /// The job's tag.
    pub tag: Tag,
    /// When the job was queued.
    pub queued: Ticks,
    /// The closure to run.
    pub run: Run<R>,
}

impl<R> Job<R> {
    /// Runs the job on `worker` and returns its outcome and result. A panic becomes [`Rejected::Panicked`].
    #[must_use = "the result is what the job ran for"]
    pub fn execute(self, worker: &Worker<'_>) -> (Outcome, Result<R, Rejected>) {
        let run = self.run;
        // Unwind safe: the closure's captures are dropped with it, so no broken state remains visible.
        match catch_unwind(AssertUnwindSafe(|| run(worker))) {
            Ok(result) if worker.failed.get() => (Outcome::Failed, Ok(result)),
            Ok(result) => (Outcome::Done, Ok(result)),
            Err(payload) => (Outcome::Panicked, Err(Rejected::Panicked { message: panic_message(payload) })),
        }
    }
}

impl<R> fmt::Debug for Job<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("task", &self.task).field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// The worker that a job runs on.
#[derive(Debug)]
pub struct Worker<'a> {
    index: u16,
    recorder: &'a Recorder,
    failed: Cell<bool>,
}

impl<'a> Worker<'a> {
    /// Worker `index`, counted from 0, for one job.
    #[must_use]
    pub fn new(index: u16, recorder: &'a Recorder) -> Self {
        Self { index, recorder, failed: Cell::new(false) }
    }

    /// The worker's number, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The worker's recorder.
    #[must_use]
    pub fn recorder(&self) -> &'a Recorder {
        self.recorder
    }

    /// Marks the job as failed: its outcome becomes [`Outcome::Failed`].
    pub fn fail(&self) {
        self.failed.set(true);
    }
}

/// Why a job has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The job panicked.
    #[error("the job panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
    /// The job was cancelled before a worker started it, or its loop ended.
    #[error("the job was cancelled")]
    Cancelled,
    /// The pool refused the job.
    #[error("the job was refused: {message}")]
    Refused {
        /// The reason.
        message: String,
    },
}

/// A finished job.
#[derive(Debug)]
pub struct FinishedJob<R> {
    /// The job's id.
    pub task: TaskId,
    /// The job's tag.
    pub tag: Tag,
    /// The worker that ran the job, from 0.
    pub worker: u16,
    /// When the job was queued.
    pub queued: Ticks,
    /// When the worker took the job.
    pub start: Ticks,
    /// When the job ended.
    pub end: Ticks,
    /// How the job ended.
    pub outcome: Outcome,
    /// The job's result, or why there is none.
    pub result: Result<R, Rejected>,
}

/// What a shutdown of the pool does with waiting jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PendingWork {
    /// Waiting jobs run first.
    Finish,
    /// Waiting jobs are handed back to the caller.
    HandBack,
}

/// What a shutdown left: jobs that did not run, and workers that did not end.
#[derive(Debug)]
#[must_use = "it lists what did not run"]
pub struct PoolShutdown<R> {
    /// Jobs that never ran, oldest first.
    pub handed_back: Vec<Job<R>>,
    /// Number of workers that were still in a job when the time was up. Each ends after its job.
    pub unjoined: usize,
}

/// Runs jobs outside the loop's thread.
pub trait Pool<R> {
    /// Queues `job`. Returns how many jobs now wait for a worker, including this one.
    ///
    /// # Errors
    ///
    /// Hands the job back if the pool was shut down.
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>>;

    /// Cancels and returns a job. `None` if a worker has started it, or the job is unknown.
    fn take_back(&mut self, task: TaskId) -> Option<Job<R>>;

    /// Number of jobs waiting for a worker.
    fn depth(&self) -> u32;

    /// Number of workers.
    fn workers(&self) -> u16;

    /// Refuses new jobs, ends the workers, and waits for them at most `timeout` (`None` means until their jobs end). Jobs
    /// that could not run in time are handed back. A second shutdown only waits again.
    fn shutdown(&mut self, pending: PendingWork, timeout: Option<Duration>) -> PoolShutdown<R>;

    /// Gives up on workers that a shutdown left in a job: dropping the pool does not wait for them.
    fn detach(&mut self);
}
