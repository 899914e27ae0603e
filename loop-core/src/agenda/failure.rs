//! What goes wrong with a tasklet, and with the agenda.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use loop_probes::ids::TaskId;

use super::tasklet::{About, Tasklet, TaskletError};

/// Hears of a failure. False: it reached nobody.
pub(super) type Owner = Box<dyn FnOnce(Failure) -> bool + Send>;

/// A tasklet failed, and is not run again.
#[derive(Debug, thiserror::Error)]
#[error("tasklet {} #{} failed in run {} on worker {worker}: {cause}", .about.label, .about.task, .about.runs)]
#[non_exhaustive]
pub struct Failure {
    /// The tasklet.
    pub about: About,
    /// The worker that it ran on, from 0.
    pub worker: u16,
    /// What it said.
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
        /// What the panic said, made printable.
        message: String,
    },
}

/// The agenda takes nothing more. Hands the tasklet back.
#[derive(Debug, thiserror::Error)]
#[error("the agenda takes no more tasklets: it was shut down before {label} came")]
pub struct Refused {
    label: &'static str,
    /// Nobody locks it. It lets an error be shared, as errors are, whose tasklet cannot.
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

/// Why there is no agenda.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgendaError {
    /// An agenda without workers runs nothing.
    #[error("an agenda needs at least 1 worker")]
    NoWorkers,
    /// The system gives no more threads.
    #[error("cannot start worker {worker} of agenda {agenda}")]
    Spawn {
        /// The agenda.
        agenda: String,
        /// The worker, from 0.
        worker: u16,
        /// What the system said.
        source: io::Error,
    },
}

/// A worker that does not come, or does not end, and what keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The worker, from 0.
    pub worker: u16,
    /// The tasklet it is in; `None` where it is between two.
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

/// Lists workers in an error.
pub(super) fn listed(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join(", ")
}
