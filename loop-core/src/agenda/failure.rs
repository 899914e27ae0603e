//! Errors of the agenda.

use std::fmt;
use std::io;
use std::sync::Arc;

use loop_probes::ids::TaskId;

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

/// Why there was no collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CollectError {
    /// Not all workers arrived in time.
    #[error(
        "{arrived} of {expected} workers of agenda {agenda} stopped for the collection; missing: {}: \
         let long tasklets call `AgendaWorker::safe_point`",
        listed(.missing)
    )]
    Late {
        /// The agenda.
        agenda: String,
        /// Workers that arrived.
        arrived: u16,
        /// Workers that should have arrived.
        expected: u16,
        /// Those that did not, and the tasklets they are in.
        missing: Vec<Missing>,
    },
    /// One collection at a time.
    #[error("agenda {agenda} is about to collect already: wait for that collection")]
    Busy {
        /// The agenda.
        agenda: String,
    },
    /// The agenda was shut down.
    #[error("agenda {agenda} collects no more: it was shut down")]
    Closed {
        /// The agenda.
        agenda: String,
    },
    /// A tasklet would have waited for its own worker.
    #[error(
        "a tasklet of agenda {agenda} cannot wait for its own worker: collect through `AgendaWorker::collect`"
    )]
    OnWorker {
        /// The agenda.
        agenda: String,
    },
    /// The collection itself panicked. All workers continued.
    #[error("the collection of agenda {agenda} panicked: {message}")]
    Panicked {
        /// The agenda.
        agenda: String,
        /// The panic's message, made printable.
        message: String,
    },
}

/// A worker that does not arrive, or does not end, and the tasklet it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The worker, from 0.
    pub worker: u16,
    /// The tasklet it is in; `None` if it is between two.
    pub tasklet: Option<CurrentTasklet>,
}

/// The tasklet that a worker is in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentTasklet {
    /// Its number.
    pub task: TaskId,
    /// Its label.
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

/// Formats workers for an error message.
fn listed(missing: &[Missing]) -> String {
    missing.iter().map(Missing::to_string).collect::<Vec<_>>().join(", ")
}
