//! Errors of tasklets and of the agenda.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use loop_probes::ids::TaskId;

use super::tasklet::{Tasklet, TaskletError, TaskletInfo};

/// Receives a failure. Returns false if it reached no one.
pub(super) type Owner = Box<dyn FnOnce(TaskletFailure) -> bool + Send>;

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

/// The agenda refuses the tasklet. Hands it back.
#[derive(Debug, thiserror::Error)]
#[error("the agenda takes no more tasklets: it was shut down before {label} was added")]
pub struct Refused {
    label: &'static str,
    /// Never contended. The mutex makes the error `Sync`, which its tasklet is not.
    tasklet: Mutex<Tasklet>,
}

impl Refused {
    pub(super) const fn new(tasklet: Tasklet) -> Self {
        Self { label: tasklet.label(), tasklet: Mutex::new(tasklet) }
    }

    /// The tasklet.
    pub fn into_tasklet(self) -> Tasklet {
        self.tasklet.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an agenda cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgendaError {
    /// An agenda without workers runs nothing.
    #[error("an agenda needs at least 1 worker")]
    NoWorkers,
    /// The system refused a thread.
    #[error("cannot start worker {worker} of agenda {agenda}")]
    Spawn {
        /// The agenda.
        agenda: String,
        /// The worker, from 0.
        worker: u16,
        /// The system's error.
        source: io::Error,
    },
}

/// A worker that does not arrive, or does not end, and the tasklet it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The worker, from 0.
    pub worker: u16,
    /// The tasklet it is in; `None` if it is between two.
    pub tasklet: Option<Current>,
}

/// The tasklet that a worker is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Current {
    /// Its number.
    pub task: TaskId,
    /// Its label.
    pub label: Arc<str>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tasklet {
            Some(Current { task, label }) => write!(f, "worker {} (in {label} #{task})", self.worker),
            None => write!(f, "worker {} (between two tasklets)", self.worker),
        }
    }
}

/// Formats workers for an error message.
pub(super) fn listed(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join(", ")
}
