//! The work pool: runs work that would block the loop.
//!
//! A job runs on one of the pool's workers; its result goes to the pool's sink, on the worker's thread, and the
//! sink posts it to the loop. A job that panics is rejected, and its worker continues. [`Pool`] is the
//! interface: [`threads::WorkPool`] has real threads, a virtual pool runs jobs inline.

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
    /// Its id; its completion runs on the loop as a task of the same id.
    pub task: TaskId,
    /// Its tag.
    pub tag: Tag,
    /// When it was scheduled.
    pub queued: Ticks,
    /// The closure to run.
    pub run: Run<R>,
}

impl<R> Job<R> {
    /// Runs the job on `worker` and returns its outcome and result. A panic becomes [`Rejected::Panicked`].
    #[must_use = "the result is what the job ran for"]
    pub fn execute(self, worker: &Worker<'_>) -> (Outcome, Result<R, Rejected>) {
        let run = self.run;
        // The closure's captures are dropped with it, unwound or not: nothing half-done remains visible.
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
    /// Worker `index`, from 0, about to run one job.
    #[must_use]
    pub fn new(index: u16, recorder: &'a Recorder) -> Self {
        Self { index, recorder, failed: Cell::new(false) }
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The worker's recorder.
    #[must_use]
    pub fn recorder(&self) -> &'a Recorder {
        self.recorder
    }

    /// Reports an error of the job: its outcome is [`Outcome::Failed`].
    pub fn fail(&self) {
        self.failed.set(true);
    }
}

/// Why a job has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// It panicked.
    #[error("the job panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
    /// It was taken back before a worker began it, or its loop ended.
    #[error("the job was cancelled")]
    Cancelled,
    /// The pool refused it.
    #[error("the job was refused: {message}")]
    Refused {
        /// The reason.
        message: String,
    },
}

/// A finished job.
#[derive(Debug)]
pub struct FinishedJob<R> {
    /// The job.
    pub task: TaskId,
    /// Its tag.
    pub tag: Tag,
    /// The worker that ran it, from 0.
    pub worker: u16,
    /// When it was scheduled.
    pub queued: Ticks,
    /// When the worker took it.
    pub start: Ticks,
    /// When it ended.
    pub end: Ticks,
    /// How it ended.
    pub outcome: Outcome,
    /// Its result.
    pub result: Result<R, Rejected>,
}

/// What a shutdown of the pool does with waiting jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingWork {
    /// They run first.
    Finish,
    /// They are handed back to the caller.
    HandBack,
}

/// Remainders of a shutdown.
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
    /// Takes `job`, and returns how many are now waiting for a worker, including this one.
    ///
    /// # Errors
    ///
    /// The job itself, once the pool is shut down.
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>>;

    /// Gives back a job that no worker has begun; `None` if one has, or there is no such job.
    fn take_back(&mut self, task: TaskId) -> Option<Job<R>>;

    /// Number of jobs waiting for a worker.
    fn depth(&self) -> u32;

    /// Number of workers.
    fn workers(&self) -> u16;

    /// Takes no more jobs, ends the workers and waits for them, at most for `timeout` (`None`: as long as their
    /// jobs last). Jobs that could not run in time are handed back. A second shutdown only waits again.
    fn shutdown(&mut self, pending: PendingWork, timeout: Option<Duration>) -> PoolShutdown<R>;

    /// Stops waiting for workers that a shutdown left in a job, even when the pool is dropped.
    fn detach(&mut self);
}
