//! The collection that the last worker to arrive runs, and the callback for its result.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::ids::Ticks;

use super::failure::CollectError;
use crate::failure::panic_message;

pub(super) type Done = Box<dyn FnOnce(Result<(), CollectError>) + Send>;

/// A job of the last worker to arrive: a collection, and the callback for its result.
pub(super) struct Collection {
    pub(super) run: Box<dyn FnOnce() + Send>,
    pub(super) done: Done,
    /// When it was requested.
    pub(super) start: Ticks,
}

impl Collection {
    /// Runs the collection. The workers are still standing.
    pub(super) fn run(self, agenda: &str) -> Collected {
        let Self { run, done, .. } = self;
        let result = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| CollectError::Panicked {
            agenda: agenda.to_owned(),
            message: panic_message(panic),
        });
        Collected { done, result }
    }

    pub(super) fn refused(self, error: CollectError) {
        Collected { done: self.done, result: Err(error) }.notify_requester();
    }
}

/// A collection that ended, one way or the other.
pub(super) struct Collected {
    done: Done,
    result: Result<(), CollectError>,
}

impl Collected {
    /// Reports the result to the requester.
    pub(super) fn notify_requester(self) {
        let Self { done, result } = self;
        // A foreign callback: its panic must not end a worker.
        let _ = catch_unwind(AssertUnwindSafe(|| done(result)));
    }
}
