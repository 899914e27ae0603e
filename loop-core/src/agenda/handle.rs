//! The agenda and its handles: what a program holds.

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
    /// A handle for other threads. It does not keep the agenda from being dropped.
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

    /// Counters since the beginning, as from [`AgendaHandle::statistics`].
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

/// Reaches an agenda from any thread. Cheap to clone.
#[derive(Clone)]
pub struct AgendaHandle {
    pub(super) shared: Arc<AgendaShared<TaskletWork>>,
}

impl AgendaHandle {
    /// Adds a tasklet behind those of its priority that wait. Returns its number, from 1.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.shared.add(tasklet.queued).map_err(Refused::new)
    }

    /// Counters since the beginning. Exact once nothing is pending.
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

    /// Whether it was shut down and refuses tasklets.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
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
        self.shared.begin_collect(Box::new(collect), Box::new(done))
    }

    /// Stops waiting for the workers of a collection: those that arrived continue, and its `done` receives
    /// [`CollectError::Late`]. False if all had arrived, or it is over.
    pub fn give_up(&self, round: Round) -> bool {
        self.shared.give_up(round)
    }
}

impl AgendaWorker<'_> {
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
        let shared = &self.thread.shared;
        let until = due_after(shared.clock.now(), bound);
        let (_round, end) = shared.begin_returning(collect)?;
        self.thread.meet(Some(until));
        end.recv().unwrap_or_else(|_| Err(shared.collections_closed()))
    }

    /// A handle on its agenda.
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
