//! Runs a collection while all workers are stopped, as RefPerSys' garbage collection does.
//!
//! On request, every worker stops at its next safe point: between two tasklets, or where a long tasklet offers one. The
//! last worker to arrive collects, then all continue. The requester waits for a limited time. If a worker does not
//! arrive in time, the requester gets the missing workers and their tasklets, and the others continue without a
//! collection.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver};

use loop_probes::clock::Clock;
use loop_probes::event::Event;

use super::failure::CollectError;
use super::rendezvous::{Abandoned, Refusal, Round};
use super::shared::{AgendaShared, Collection, CollectionDone};

/// Receives the end of a collection.
pub(super) type CollectionEnd<R> = Receiver<Result<R, CollectError>>;

impl<W> AgendaShared<W> {
    /// Requests a collection from all workers.
    pub(super) fn begin_collect(
        &self,
        run: Box<dyn FnOnce() + Send>,
        done: CollectionDone,
    ) -> Result<Round, CollectError> {
        let asked = self.rendezvous.ask(Collection { run, done, start: self.clock.ticks() });
        let round = asked.map_err(|(refusal, _collection)| match refusal {
            Refusal::Busy => CollectError::Busy { agenda: self.name.clone() },
            Refusal::Closed => self.collections_closed(),
        })?;
        self.parking.wake_all();
        Ok(round)
    }

    /// Requests a collection whose return value the requester waits for.
    pub(super) fn begin_returning<R: Send + 'static>(
        &self,
        collect: impl FnOnce() -> R + Send + 'static,
    ) -> Result<(Round, CollectionEnd<R>), CollectError> {
        let (sender, returned) = mpsc::channel();
        let (notify, end) = mpsc::channel();
        let run = Box::new(move || {
            // Cannot fail: `notify` below owns the receiver.
            let _ = sender.send(collect());
        });
        let closed = self.collections_closed();
        let done = Box::new(move |result: Result<(), CollectError>| {
            // Cannot fail: the requester waits with the receiver.
            let _ = notify.send(result.and_then(|()| returned.recv().map_err(|_| closed)));
        });
        Ok((self.begin_collect(run, done)?, end))
    }

    /// Stops waiting for the workers. False if all have arrived or the collection is over.
    pub(super) fn give_up(&self, round: Round) -> bool {
        let Some(Abandoned { job, missing }) = self.rendezvous.give_up(round) else { return false };
        let (expected, start) = (self.rendezvous.expected(), job.start);
        let arrived = expected - missing.len() as u16;
        let missing = self.missing(missing);
        self.with_external_recorder(|at, recorder| {
            let (arrived, expected, start) = (arrived.into(), expected.into(), start.min(at));
            recorder.record(at, Event::GcRendezvous { arrived, expected, start });
        });
        let late = CollectError::Late { agenda: self.name.clone(), arrived, expected, missing };
        notify(job.done, Err(late));
        true
    }

    /// Refuses further collections.
    pub(super) fn close_rendezvous(&self) {
        if let Some(Abandoned { job, .. }) = self.rendezvous.close() {
            notify(job.done, Err(self.collections_closed()));
        }
    }

    pub(super) fn collections_closed(&self) -> CollectError {
        CollectError::Closed { agenda: self.name.clone() }
    }
}

/// Reports the end of a collection to its requester.
pub(super) fn notify(done: CollectionDone, result: Result<(), CollectError>) {
    // The callback is application code: its panic must not end a worker.
    let _ = catch_unwind(AssertUnwindSafe(|| done(result)));
}
