//! The agenda: tasklets of three priorities on worker threads, beside a loop (RefPerSys).
//!
//! ```text
//!  any thread ── add ──►  high   ┐                        ┌─ worker 0 ─┐   idle ─► run ─► idle
//!  a tasklet ─── add ──►  normal ├─ looked at again for ──┼─ worker 1 ─┤    │       │
//!  the loop ──── add ──►  low    ┘  every fetch, from     └─ ...       ┘    └─► gc ─► end-gc
//!                                   the top
//!  the loop ◄─ posts, failures, "nothing is pending any more" ── workers        all at once
//! ```
//!
//! # Order
//!
//! A worker takes from High first, then from Normal, then from Low. So a new High overtakes every waiting Low, and Low
//! runs only when the other two are empty; [`Statistics`] and the recorded `agenda_added` and `agenda_ran` show how long
//! it waits. Within a priority the order is first in, first out. With several workers, a tasklet's additions wait in
//! the queue of its own worker and may be stolen from there by others: between queues, and only within one
//! priority, that order is not kept. A single worker has no one to steal from and keeps it strictly.
//!
//! # A loop and its agenda
//!
//! An agenda that is [attached](AgendaBuilder::attach) shares the wake-up of its loop: tasklets post through the
//! loop's [`Handle`](crate::Handle), the last pending one wakes the loop, and while any tasklet waits or runs, the
//! loop stays alive and lists it by its label. A loop that ends does not stop its agenda, which has its own
//! [`shutdown`](Agenda::shutdown).

mod admission;
mod builder;
mod collect;
mod collection;
mod failure;
pub(crate) mod inner;
pub(crate) mod parking;
mod queues;
mod recorder;
mod rendezvous;
mod shutdown;
mod statistics;
mod tag_counts;
mod tasklet;
mod worker_thread;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use loop_probes::ids::TaskId;

use self::admission::AdmissionState;
use self::inner::Inner;

pub use self::builder::AgendaBuilder;
pub use self::failure::{AgendaError, CollectError, CurrentTasklet, Missing};
pub use self::rendezvous::Round;
pub use self::shutdown::AgendaShutdown;
pub use self::statistics::{PriorityStatistics, Statistics, Tally, WorkerStatistics};
pub use self::tasklet::{
    AgendaWorker, Cause, Next, Priority, Refused, Tasklet, TaskletError, TaskletFailure, TaskletInfo,
    TaskletResult,
};
pub use crate::agenda_loop::{AgendaLoop, AgendaLoopBuilder, AgendaLoopError};

/// Tasklets of three priorities on worker threads. See the [module](self).
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
    handle: AgendaHandle,
    threads: Vec<JoinHandle<()>>,
    drop_wait: Duration,
}

impl Agenda {
    /// Returns a builder to set its workers, the loop it belongs to, and its recorders.
    pub fn builder() -> AgendaBuilder {
        AgendaBuilder::new()
    }

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
    inner: Arc<Inner>,
}

impl AgendaHandle {
    /// Adds a tasklet behind those of its priority that wait. Returns its number, from 1.
    ///
    /// # Errors
    ///
    /// [`Refused`] hands the tasklet back if the agenda was shut down.
    pub fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.inner.add(tasklet)
    }

    /// Counters since the beginning. Exact once nothing is pending.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }

    /// The agenda's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Number of workers.
    #[must_use]
    pub fn workers(&self) -> u16 {
        self.inner.slots.len() as u16
    }

    /// Whether it was shut down and refuses tasklets.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.admission.admission_state() != AdmissionState::Open
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
