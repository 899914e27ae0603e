//! Builder of an agenda.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use loop_probes::clock::SystemClock;
use loop_probes::recorder::Recorder;
use loop_probes::session::Session;

use super::failure::AgendaError;
use super::handle::{Agenda, AgendaHandle};
use super::recorder::AgendaRecorder;
use super::shared::{AgendaParts, AgendaShared};
use super::shutdown::AliveWorker;
use super::tag_counts::TagCounts;
use super::worker_thread::WorkerThread;
use crate::handle::Handle;
use crate::keep_alive::tasklets::AgendaKeepAlive;
use crate::task::Task;
use crate::work_pool::threads::{RecorderFactory, cores};

/// Default time that a dropped agenda waits for its workers.
const DROP_WAIT: Duration = Duration::from_secs(1);

/// Sets up an [`Agenda`].
#[must_use = "a builder does nothing until `build`"]
pub struct AgendaBuilder {
    name: String,
    workers: Option<u16>,
    clock: SystemClock,
    recorder: Recorder,
    worker_recorders: RecorderFactory,
    keep: Option<Arc<AgendaKeepAlive>>,
    drop_wait: Duration,
}

impl Agenda {
    /// Returns a builder to set the workers, the loop to attach to, and the recorders.
    pub fn builder() -> AgendaBuilder {
        AgendaBuilder {
            name: "agenda".to_owned(),
            workers: None,
            clock: SystemClock::new(),
            recorder: Recorder::disabled(),
            worker_recorders: Box::new(|_worker| Recorder::disabled()),
            keep: None,
            drop_wait: DROP_WAIT,
        }
    }
}

impl AgendaBuilder {
    /// Sets the agenda's name in errors, reports and rings; `agenda` by default. Call it before
    /// [`session`](Self::session).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the number of worker threads; one per core by default.
    pub const fn workers(mut self, workers: u16) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Attaches the agenda to the loop behind `handle`: waiting and running tasklets keep that loop alive and are listed
    /// there by label.
    pub fn attach<T: Task>(mut self, handle: &Handle<T>) -> Self {
        self.keep = Some(handle.agenda_keep());
        self
    }

    /// Records into `session` by the session's clock: additions in a ring with the agenda's name, each worker in a ring
    /// `NAME worker N`.
    pub fn session(self, session: &Session) -> Self {
        let (workers, name) = (session.clone(), self.name.clone());
        let recorder = session.recorder(&name);
        self.clock(session.clock())
            .recorder(recorder)
            .worker_recorders(Box::new(move |worker| workers.recorder(&format!("{name} worker {worker}"))))
    }

    /// Sets the record clock, which must be the one that the recorders' rings use.
    pub const fn clock(mut self, clock: SystemClock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the recorder of additions and other events outside of workers; none by default.
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = recorder;
        self
    }

    /// Sets a function that creates each worker's recorder, on the worker's thread.
    pub fn worker_recorders(mut self, make: RecorderFactory) -> Self {
        self.worker_recorders = make;
        self
    }

    /// Sets how long dropping the agenda waits for running tasklets; one second by default.
    pub const fn drop_wait(mut self, limit: Duration) -> Self {
        self.drop_wait = limit;
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// [`AgendaError`] if the number of workers is 0, or the system refuses a thread.
    pub fn build(self) -> Result<Agenda, AgendaError> {
        let Self { name, workers, clock, recorder, worker_recorders, keep, drop_wait } = self;
        let workers = workers.unwrap_or_else(cores);
        if workers == 0 {
            return Err(AgendaError::NoWorkers);
        }
        let parts = AgendaParts {
            name,
            clock,
            workers,
            external_recorder: AgendaRecorder::new(recorder),
            recorders: worker_recorders,
            tag_counts: TagCounts::new(keep),
        };
        let (shared, own_queues) = AgendaShared::new(parts);
        // Build the agenda before its workers, so that dropping it ends those already started if another cannot start.
        let mut agenda = Agenda { handle: AgendaHandle { shared }, threads: Vec::new(), drop_wait };
        for (worker, queues) in (0..workers).zip(own_queues) {
            let shared = Arc::clone(&agenda.handle.shared);
            let alive = AliveWorker::new(&shared, worker);
            let work = move || {
                let _alive = alive;
                WorkerThread::new(shared, worker, queues).work();
            };
            let thread = thread::Builder::new().name(format!("agenda-{worker}")).spawn(work);
            let agenda_name = || agenda.handle.name().to_owned();
            let spawn = |source| AgendaError::Spawn { agenda: agenda_name(), worker, source };
            let thread = thread.map_err(spawn)?;
            agenda.threads.push(thread);
        }
        Ok(agenda)
    }
}

impl fmt::Debug for AgendaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgendaBuilder")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
