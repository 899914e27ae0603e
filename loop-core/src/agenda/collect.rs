//! Runs a collection while all workers stand still (RefPerSys' garbage collection).
//!
//! On request, every worker stops at its next safe point, which is between two tasklets or where a long one offers
//! one; the last to arrive collects, then all continue. The requester waits for a limited time only. After that it
//! gets the workers that did not arrive, with the tasklet each is in, and the others continue without a collection.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::Event;

use super::AgendaHandle;
use super::collection::{Collection, Done};
use super::failure::CollectError;
use super::inner::Inner;
use super::rendezvous::{Abandoned, Refusal, Round};

impl Inner {
    /// Asks all workers to meet.
    pub(super) fn begin_collect(
        &self,
        run: Box<dyn FnOnce() + Send>,
        done: Done,
    ) -> Result<Round, CollectError> {
        let collection = Collection { run, done, start: self.clock.ticks() };
        let round =
            self.rendezvous.ask(collection).map_err(|(refusal, _collection)| self.refusal(refusal))?;
        self.gate.wake_all();
        Ok(round)
    }

    fn refusal(&self, refusal: Refusal) -> CollectError {
        let agenda = self.name.clone();
        match refusal {
            Refusal::Busy => CollectError::Busy { agenda },
            Refusal::Closed => CollectError::Closed { agenda },
        }
    }

    /// Stops waiting for the workers. False if all arrived, or the collection is over.
    pub(super) fn give_up(&self, round: Round) -> bool {
        let Some(Abandoned { job, missing }) = self.rendezvous.give_up(round) else { return false };
        let (expected, start) = (self.rendezvous.expected(), job.start);
        let arrived = expected - missing.len() as u16;
        let missing = self.missing(missing);
        self.with_external_recorder(|at, external_recorder| {
            let start = start.min(at);
            external_recorder.record(
                at,
                Event::GcRendezvous { arrived: arrived.into(), expected: expected.into(), start },
            );
        });
        job.refused(CollectError::Late { agenda: self.name.clone(), arrived, expected, missing });
        true
    }

    /// Refuses further collections.
    pub(super) fn close_rendezvous(&self) {
        if let Some(Abandoned { job, .. }) = self.rendezvous.close() {
            job.refused(CollectError::Closed { agenda: self.name.clone() });
        }
    }

    /// The same, with a channel for the return value.
    pub(super) fn begin_returning<R: Send + 'static>(
        &self,
        collect: impl FnOnce() -> R + Send + 'static,
    ) -> Result<(Round, Returning<R>), CollectError> {
        let (sender, returned) = mpsc::channel();
        let (notify, receiver) = mpsc::channel();
        let run = Box::new(move || {
            // The requester is waiting for it.
            let _ = sender.send(collect());
        });
        let done = Box::new(move |result| {
            let _ = notify.send(result);
        });
        let round = self.begin_collect(run, done)?;
        Ok((round, Returning { returned, ended: receiver }))
    }
}

/// The future result of a collection.
pub(super) struct Returning<R> {
    returned: Receiver<R>,
    ended: Receiver<Result<(), CollectError>>,
}

impl<R> Returning<R> {
    /// Waits at most `limit`; `None` if it is not over by then.
    fn wait(&self, inner: &Inner, limit: Duration) -> Option<Result<R, CollectError>> {
        match self.ended.recv_timeout(limit) {
            Ok(result) => Some(self.result(inner, result)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(inner.refusal(Refusal::Closed))),
        }
    }

    /// Waits for the end.
    pub(super) fn end(&self, inner: &Inner) -> Result<R, CollectError> {
        let result = self.ended.recv().unwrap_or_else(|_| Err(inner.refusal(Refusal::Closed)));
        self.result(inner, result)
    }

    fn result(&self, inner: &Inner, result: Result<(), CollectError>) -> Result<R, CollectError> {
        result?;
        self.returned.recv().map_err(|_| inner.refusal(Refusal::Closed))
    }
}

impl AgendaHandle {
    /// Runs `collect` on one worker while all of them stand still, and waits for it. The workers have `bound` to
    /// arrive; the duration of the collection itself is not limited.
    ///
    /// # Errors
    ///
    /// [`CollectError`] if a worker does not arrive in time (it is named, with its tasklet), if another
    /// collection is under way, or if the agenda was shut down. A worker that arrives later continues with its
    /// work: it never joins a later collection half-way.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use loop_core::agenda::Agenda;
    ///
    /// let agenda = Agenda::builder().workers(2).build()?;
    /// assert_eq!(agenda.handle().collect(Duration::from_secs(5), || "collected")?, "collected");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn collect<R: Send + 'static>(
        &self,
        bound: Duration,
        collect: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, CollectError> {
        let inner = &self.inner;
        if inner.is_on_worker() {
            return Err(CollectError::OnWorker { agenda: inner.name.clone() });
        }
        let (round, returning) = inner.begin_returning(collect)?;
        if let Some(result) = returning.wait(inner, bound) {
            return result;
        }
        inner.give_up(round);
        returning.end(inner)
    }

    /// The same for callers that must not wait, such as a loop: makes the request and calls `done` with the outcome,
    /// on an unspecified thread. When the time is up, call [`give_up`](Self::give_up).
    ///
    /// # Errors
    ///
    /// [`CollectError::Busy`] or [`CollectError::Closed`]; then `done` is not called.
    pub fn begin_collect(
        &self,
        collect: impl FnOnce() + Send + 'static,
        done: impl FnOnce(Result<(), CollectError>) + Send + 'static,
    ) -> Result<Round, CollectError> {
        self.inner.begin_collect(Box::new(collect), Box::new(done))
    }

    /// Stops waiting for the workers of a collection: those that arrived continue, and its `done` receives
    /// [`CollectError::Late`]. False if all had arrived, or it is over.
    pub fn give_up(&self, round: Round) -> bool {
        self.inner.give_up(round)
    }
}
