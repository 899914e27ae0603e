//! The work pool.
#![expect(missing_docs, reason = "signatures first")]

pub mod threads;

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;
use std::time::Duration;

/// What runs on a worker.
pub type Run<R> = Box<dyn FnOnce(&Worker<'_>) -> R + Send>;

pub struct Job<R> {
    pub task: TaskId,
    pub tag: Tag,
    pub queued: Ticks,
    pub run: Run<R>,
}
/// The worker that a job runs on.
pub struct Worker<'a> {
    index: u16,
    recorder: &'a Recorder,
    failed: std::cell::Cell<bool>,
}
impl<'a> Worker<'a> {
    pub(crate) fn new(index: u16, recorder: &'a Recorder) -> Self {
        Self { index, recorder, failed: std::cell::Cell::new(false) }
    }
    pub(crate) fn outcome(&self) -> Outcome {
        if self.failed.get() { Outcome::Failed } else { Outcome::Done }
    }
    pub fn index(&self) -> u16 {
        self.index
    }
    pub fn recorder(&self) -> &Recorder {
        self.recorder
    }
    /// The job reports an error: its outcome is `Failed`.
    pub fn fail(&self) {
        self.failed.set(true);
    }
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    #[error("the job panicked: {message}")]
    Panicked { message: String },
}
#[derive(Debug)]
pub struct Finished<R> {
    pub task: TaskId,
    pub tag: Tag,
    pub worker: u16,
    pub queued: Ticks,
    pub start: Ticks,
    pub end: Ticks,
    pub outcome: Outcome,
    pub result: Result<R, Rejected>,
}
/// Receives every result, on the worker's thread.
pub type Sink<R> = Box<dyn Fn(Finished<R>) + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    Finish,
    HandBack,
}
pub struct Shutdown<R> {
    pub handed_back: Vec<Job<R>>,
    /// Workers that were still in a job at the deadline; they were left running.
    pub unjoined: usize,
}
pub trait Pool<R> {
    /// Jobs that wait now, this one included; the job comes back when the pool is shut down.
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>>;
    fn depth(&self) -> u32;
    fn workers(&self) -> u16;
    fn shutdown(&mut self, pending: Pending, timeout: Option<Duration>) -> Shutdown<R>;
}
