//! Errors of the agenda.

use std::fmt;
use std::io;
use std::sync::Arc;

use loop_probes::ids::TaskId;

/// Why an agenda cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgendaError {
    /// The agenda would have no workers.
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

/// Why a collection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Not all workers stopped in time.
    #[error(
        "{arrived} of {expected} workers of agenda {agenda} stopped for the collection; missing: {}: \
         let long tasklets call `AgendaWorker::safe_point`",
        listed(.missing)
    )]
    Late {
        /// The agenda.
        agenda: String,
        /// Number of workers that stopped.
        arrived: u16,
        /// Number of workers.
        expected: u16,
        /// The workers that did not stop, and their tasklets.
        missing: Vec<Missing>,
    },
    /// Another collection is in progress.
    #[error("agenda {agenda} is already collecting: wait for that collection")]
    Busy {
        /// The agenda.
        agenda: String,
    },
    /// The agenda was shut down.
    #[error("agenda {agenda} cannot collect: it was shut down")]
    Closed {
        /// The agenda.
        agenda: String,
    },
    /// A tasklet tried to wait for its own worker.
    #[error(
        "a tasklet of agenda {agenda} cannot wait for its own worker: collect through `AgendaWorker::collect`"
    )]
    OnWorker {
        /// The agenda.
        agenda: String,
    },
    /// The collection panicked. All workers continued.
    #[error("the collection of agenda {agenda} panicked: {message}")]
    Panicked {
        /// The agenda.
        agenda: String,
        /// The panic's message, made printable.
        message: String,
    },
}

/// A worker that did not stop or end in time, and its current tasklet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The worker, from 0.
    pub worker: u16,
    /// The tasklet that the worker runs; `None` if it is between two tasklets.
    pub tasklet: Option<CurrentTasklet>,
}

/// The tasklet that a worker is running.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentTasklet {
    /// The tasklet's number.
    pub task: TaskId,
    /// The tasklet's label.
    pub label: Arc<str>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tasklet {
            Some(CurrentTasklet { task, label }) => write!(f, "worker {} (in {label} #{task})", self.worker),
            None => write!(f, "worker {} (between two tasklets)", self.worker),
        }
    }
}

/// Lists workers for an error message.
fn listed(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join(", ")
}
