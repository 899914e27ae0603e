//! The agenda and its handles.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::ids::TaskId;

use super::failure::CollectError;
use super::rendezvous::Round;
use super::shared::AgendaShared;
use super::statistics::Statistics;
use super::tasklet::{AgendaWorker, Refused, Tasklet, TaskletWork};
use crate::timer::due_after;

/// Tasklets of three priorities on worker threads. See the [module](super).
///
/// # Examples
///
/// ```
/// use loop_core::agenda::{Agenda, Priority, Tasklet};
/// use loop_core::{Builtin, EventLoop};
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// let handle = event_loop.handle();
/// let agenda = Agenda::builder().workers(2).attach(&handle).build()?;
/// agenda.add(
///     Tasklet::once("look it up", move |worker| {
///         let worker = worker.index();
///         let found = Builtin::remote("found", move |_| assert!(worker < 2));
///         handle.post(found).map_err(|closed| closed.to_string())
///     })
///     .priority(Priority::High),
/// )?;
/// event_loop.run()?; // until the tasklet is done, and what it posted
/// assert_eq!(event_loop.metrics().tasks_run, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Agenda {
    pub(super) handle: AgendaHandle,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) drop_wait: Duration,
}

impl Agenda {
    /// Returns a handle for any thread. Handles do not keep the agenda alive.
    #[must_use]
    pub fn handle(&self) -> AgendaHandle {
        self.handle.clone()
    }

    /// Adds a tasklet, as [`AgendaHandle::add`] does.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.handle.add(tasklet)
    }

    /// Counters since the agenda began, as from [`AgendaHandle::statistics`].
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.handle.statistics()
    }
}

impl fmt::Debug for Agenda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

/// Handle to an agenda, for any thread. Cheap to clone.
#[derive(Clone)]
pub struct AgendaHandle {
    pub(super) shared: Arc<AgendaShared<TaskletWork>>,
}

impl AgendaHandle {
    /// Adds a tasklet behind the waiting tasklets of the same priority. Returns its number; numbers start at 1.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.shared.add(tasklet.queued).map_err(Refused::new)
    }

    /// Counters since the agenda began. Exact once no tasklet is pending.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.statistics()
    }

    /// The agenda's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Number of workers.
    #[must_use]
    pub fn workers(&self) -> u16 {
        self.shared.slots.len() as u16
    }

    /// Whether the agenda was shut down and refuses tasklets.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

impl AgendaHandle {
    /// Runs `collect` on one worker while all workers are stopped, and returns its result. The workers have `bound` to
    /// stop; the duration of the collection is not limited.
    ///
    /// # Errors
    ///
    /// [`CollectError`] if a worker does not stop in time (the error names it and its tasklet), if another collection is
    /// in progress, or if the agenda was shut down. A worker that reaches its safe point too late just continues.
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
        let shared = &self.shared;
        if shared.is_on_worker() {
            return Err(CollectError::OnWorker { agenda: shared.name.clone() });
        }
        let (round, end) = shared.begin_returning(collect)?;
        end.recv_timeout(bound).unwrap_or_else(|error| {
            if error == RecvTimeoutError::Timeout {
                shared.give_up(round);
            }
            end.recv().unwrap_or_else(|_| Err(shared.collections_closed()))
        })
    }

    /// Requests a collection without waiting, for callers such as a loop. Calls `done` with the outcome, on an
    /// unspecified thread. There is no time limit: to abandon the collection, call [`give_up`](Self::give_up).
    ///
    /// # Errors
    ///
    /// [`CollectError::Busy`] or [`CollectError::Closed`]. In these cases `done` is not called.
    pub fn begin_collect(
        &self,
        collect: impl FnOnce() + Send + 'static,
        done: impl FnOnce(Result<(), CollectError>) + Send + 'static,
    ) -> Result<Round, CollectError> {
        self.shared.begin_collect(Box::new(collect), Box::new(done))
    }

    /// Abandons a collection: stopped workers continue, and its `done` receives [`CollectError::Late`]. Returns false
    /// if all workers have stopped already, or the collection is over.
    pub fn give_up(&self, round: Round) -> bool {
        self.shared.give_up(round)
    }
}

impl AgendaWorker<'_> {
    /// Like [`AgendaHandle::collect`], for a running tasklet: this call is its worker's safe point.
    ///
    /// # Errors
    ///
    /// The errors of [`AgendaHandle::collect`].
    pub fn collect<R: Send + 'static>(
        &self,
        bound: Duration,
        collect: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, CollectError> {
        let shared = &self.thread.shared;
        let until = due_after(shared.clock.now(), bound);
        let (_round, end) = shared.begin_returning(collect)?;
        self.thread.meet(Some(until));
        end.recv().unwrap_or_else(|_| Err(shared.collections_closed()))
    }

    /// Returns a handle to the worker's agenda.
    #[must_use]
    pub fn agenda(&self) -> AgendaHandle {
        AgendaHandle { shared: Arc::clone(&self.thread.shared) }
    }
}

impl fmt::Debug for AgendaHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agenda")
            .field("name", &self.name())
            .field("workers", &self.workers())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
