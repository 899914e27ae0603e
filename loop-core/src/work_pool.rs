//! The work pool: where what would block the loop runs.
//!
//! A job runs on one of the pool's workers; its result goes to the sink that the pool was made with, on the
//! worker's thread, and the sink posts it to the loop. A job that panics is rejected, and its worker goes on.
//! [`Pool`] is the seam: [`threads::WorkPool`] has real threads, a virtual pool runs jobs inline.

pub mod threads;

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;

use crate::panic_message::panic_message;

/// What runs on a worker.
pub type Run<R> = Box<dyn FnOnce(&Worker<'_>) -> R + Send>;

/// Receives every result, on the worker's thread.
pub type Sink<R> = Box<dyn Fn(Finished<R>) + Send + Sync>;

/// One job for the pool.
pub struct Job<R> {
    /// Its id; its completion runs on the loop as a task of the same id.
    pub task: TaskId,
    /// What kind of work it is.
    pub tag: Tag,
    /// When it was scheduled.
    pub queued: Ticks,
    /// What it does.
    pub run: Run<R>,
}

impl<R> Job<R> {
    /// Runs the job on `worker` and says how it ended. A panic becomes [`Rejected::Panicked`].
    #[must_use = "the result is what the job ran for"]
    pub fn execute(self, worker: &Worker<'_>) -> (Outcome, Result<R, Rejected>) {
        let run = self.run;
        // What the closure captured goes with it, unwound or not: nothing is seen half done.
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

    /// Its way into the ring.
    #[must_use]
    pub fn recorder(&self) -> &'a Recorder {
        self.recorder
    }

    /// The job reports an error: its outcome is [`Outcome::Failed`].
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
        /// What the panic said, made printable.
        message: String,
    },
    /// It was taken back before a worker had begun it, or its loop ended.
    #[error("the job was cancelled")]
    Cancelled,
    /// The pool did not take it.
    #[error("the job was refused: {message}")]
    Refused {
        /// Why.
        message: String,
    },
}

/// A job is over.
#[derive(Debug)]
pub struct Finished<R> {
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
    /// What it returned.
    pub result: Result<R, Rejected>,
}

/// What becomes of jobs that wait when the pool is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// They run first.
    Finish,
    /// They come back to the caller.
    HandBack,
}

/// What a shutdown left.
#[derive(Debug)]
#[must_use = "it says what did not run"]
pub struct Shutdown<R> {
    /// Jobs that never ran, oldest first.
    pub handed_back: Vec<Job<R>>,
    /// Workers that were still in a job when the time was up. They end with it.
    pub unjoined: usize,
}

/// Runs jobs beside the loop.
pub trait Pool<R> {
    /// Takes `job`, and says how many wait for a worker now, this one included.
    ///
    /// # Errors
    ///
    /// The job itself, once the pool is shut down.
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>>;

    /// Gives a job back that no worker has begun; `None` where one has, or there is no such job.
    fn take_back(&mut self, task: TaskId) -> Option<Job<R>>;

    /// Jobs that wait for a worker.
    fn depth(&self) -> u32;

    /// Workers.
    fn workers(&self) -> u16;

    /// Takes no more jobs, ends the workers and waits for them, at most for `timeout` (`None`: as long as their
    /// jobs last). What could not be finished by then comes back. A second shutdown finds nothing left to do
    /// but to wait again.
    fn shutdown(&mut self, pending: Pending, timeout: Option<Duration>) -> Shutdown<R>;

    /// Waits no more for workers that a shutdown left in a job, not even when the pool is dropped.
    fn let_go(&mut self);
}
