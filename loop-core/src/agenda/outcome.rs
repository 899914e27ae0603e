//! Metadata of a tasklet, and how its runs end.

use std::error::Error;

use loop_probes::event::Priority;
use loop_probes::ids::{TaskId, Ticks};

/// Metadata of a tasklet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskletInfo {
    /// Its number, from 1 within its agenda.
    pub task: TaskId,
    /// Its label.
    pub label: &'static str,
    /// Its priority.
    pub priority: Priority,
    /// When it was first added, by the agenda's record clock.
    pub created: Ticks,
    /// When it was last put into its queue, by the same clock.
    pub queued: Ticks,
    /// Number of runs, including the current one.
    pub runs: u32,
}

impl TaskletInfo {
    /// Metadata of a tasklet that was not added yet.
    pub(super) const fn new(label: &'static str) -> Self {
        let (task, priority) = (TaskId(0), Priority::Normal);
        Self { task, label, priority, created: Ticks(0), queued: Ticks(0), runs: 0 }
    }
}

/// What happens to a tasklet after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// It is done.
    Done,
    /// It runs again, behind those of its priority that wait.
    Again,
}

/// Any error of a tasklet.
pub type TaskletError = Box<dyn Error + Send + Sync>;

/// What the closure of a tasklet may return: `R` itself, or a `Result` of it with an error of any type.
pub trait TaskletResult<R>: sealed::Sealed {
    /// The outcome of the run.
    ///
    /// # Errors
    ///
    /// The closure's error.
    fn into_result(self) -> Result<R, TaskletError>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for super::Next {}
    impl<R, E> Sealed for Result<R, E> {}
}

impl TaskletResult<Self> for () {
    fn into_result(self) -> Result<Self, TaskletError> {
        Ok(self)
    }
}

impl TaskletResult<Self> for Next {
    fn into_result(self) -> Result<Self, TaskletError> {
        Ok(self)
    }
}

impl<R, E: Into<TaskletError>> TaskletResult<R> for Result<R, E> {
    fn into_result(self) -> Result<R, TaskletError> {
        self.map_err(Into::into)
    }
}

/// A tasklet failed and will not run again.
#[derive(Debug, thiserror::Error)]
#[error("tasklet {} #{} failed in run {} on worker {worker}: {cause}", .info.label, .info.task, .info.runs)]
#[non_exhaustive]
pub struct TaskletFailure {
    /// The tasklet.
    pub info: TaskletInfo,
    /// The worker that it ran on, from 0.
    pub worker: u16,
    /// The error or the panic.
    #[source]
    pub cause: Cause,
}

/// How a tasklet failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// It returned this error.
    #[error(transparent)]
    Error(TaskletError),
    /// It panicked.
    #[error("it panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
}
