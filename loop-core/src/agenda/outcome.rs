//! Metadata of a tasklet, and the outcomes of its runs.

use std::error::Error;

use loop_probes::event::Priority;
use loop_probes::ids::{TaskId, Ticks};

/// Metadata of a tasklet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskletInfo {
    /// The tasklet's number within its agenda, from 1.
    pub task: TaskId,
    /// The tasklet's label.
    pub label: &'static str,
    /// The tasklet's priority.
    pub priority: Priority,
    /// When the tasklet was first added, by the agenda's record clock.
    pub created: Ticks,
    /// When the tasklet was last queued, by the agenda's record clock.
    pub queued: Ticks,
    /// Number of runs, including the current one.
    pub runs: u32,
}

impl TaskletInfo {
    /// Metadata of a tasklet that is not added yet.
    pub(super) const fn new(label: &'static str) -> Self {
        let (task, priority) = (TaskId(0), Priority::Normal);
        Self { task, label, priority, created: Ticks(0), queued: Ticks(0), runs: 0 }
    }
}

/// What happens to a tasklet after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// The tasklet is done.
    Done,
    /// The tasklet runs again, behind the waiting tasklets of its priority.
    Again,
}

/// Error returned by a tasklet.
pub type TaskletError = Box<dyn Error + Send + Sync>;

/// Return type of a tasklet's closure: `R`, or a `Result` of `R` with any error type.
pub trait TaskletResult<R>: sealed::Sealed {
    /// Converts to a `Result`.
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
    /// Metadata of the tasklet.
    pub info: TaskletInfo,
    /// The worker that ran the tasklet, from 0.
    pub worker: u16,
    /// The error or the panic.
    #[source]
    pub cause: Cause,
}

/// How a tasklet failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The tasklet returned this error.
    #[error(transparent)]
    Error(TaskletError),
    /// The tasklet panicked.
    #[error("it panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
}
