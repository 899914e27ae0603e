//! A tasklet's view of its worker.

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::ids::TaskId;
use loop_probes::recorder::Recorder;

use super::AgendaHandle;
use super::admission::AdmissionState;
use super::collect::CollectError;
use super::failure::Refused;
use super::tasklet::{Tasklet, TaskletInfo};
use super::worker_thread::WorkerThread;

/// The worker that a tasklet runs on. It lives as long as the run.
pub struct Worker<'a> {
    worker_thread: &'a WorkerThread,
    info: TaskletInfo,
}

impl<'a> Worker<'a> {
    pub(super) const fn new(worker_thread: &'a WorkerThread, info: TaskletInfo) -> Self {
        Self { worker_thread, info }
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.worker_thread.index
    }

    /// Metadata of the running tasklet.
    #[must_use]
    pub const fn info(&self) -> &TaskletInfo {
        &self.info
    }

    /// The worker's recorder.
    #[must_use]
    pub fn recorder(&self) -> &'a Recorder {
        self.worker_thread.agenda_recorder.recorder()
    }

    /// Adds a tasklet to the worker's own queue: it runs here, or on an idle worker that steals it.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.worker_thread.inner.add_local(
            tasklet,
            &self.worker_thread.local,
            &self.worker_thread.agenda_recorder,
        )
    }

    /// If a collection is waiting for the workers, takes part in it here. For long tasklets: hold nothing across
    /// this call that a collection may move or free.
    pub fn safe_point(&self) {
        if self.worker_thread.inner.rendezvous.is_asked() {
            self.worker_thread.meet();
        }
    }

    /// Like [`AgendaHandle::collect`]; this worker takes part at this point.
    ///
    /// # Errors
    ///
    /// [`CollectError`] if a worker does not arrive in time, another collection is under way, or the agenda was
    /// shut down.
    pub fn collect<R: Send + 'static>(
        &self,
        bound: Duration,
        collect: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, CollectError> {
        let inner = &self.worker_thread.inner;
        let until = crate::timer::due_after(inner.clock.now(), bound);
        let (round, returning) = inner.begin_returning(collect)?;
        self.worker_thread.meet_until(round, until);
        returning.end(inner)
    }

    /// Whether the agenda is shutting down: a long tasklet may want to end early.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.worker_thread.inner.admission.admission_state() != AdmissionState::Open
    }

    /// A handle on its agenda.
    #[must_use]
    pub fn agenda(&self) -> AgendaHandle {
        AgendaHandle { inner: self.worker_thread.inner.clone() }
    }
}

impl std::fmt::Debug for Worker<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("index", &self.index())
            .field("about", &self.info)
            .finish_non_exhaustive()
    }
}
