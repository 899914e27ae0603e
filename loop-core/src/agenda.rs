//! The agenda: tasklets of three priorities on worker threads, beside a loop (RefPerSys).
//!
//! ```text
//!  any thread ── add ──►  high   ┐                        ┌─ worker 0 ─┐   idle ─► run ─► idle
//!  a tasklet ─── add ──►  normal ├─ looked at again for ──┼─ worker 1 ─┤    │       │
//!  the loop ──── add ──►  low    ┘  every fetch, from     └─ ...       ┘    └─► gc ─► end-gc
//!                                   the top
//!  the loop ◄─ posts, failures, "nothing is pending" ── workers                 all at once
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
mod failure;
mod handle;
mod outcome;
pub(crate) mod parking;
mod queues;
mod recorder;
mod rendezvous;
mod shared;
mod shutdown;
mod statistics;
mod tag_counts;
mod tasklet;
mod work;
mod worker_thread;

pub use self::builder::AgendaBuilder;
pub use self::failure::{AgendaError, CollectError, CurrentTasklet, Missing};
pub use self::handle::{Agenda, AgendaHandle};
pub use self::outcome::{Cause, Next, TaskletError, TaskletFailure, TaskletInfo, TaskletResult};
pub use self::rendezvous::Round;
pub use self::shutdown::AgendaShutdown;
pub use self::statistics::{PriorityStatistics, Statistics, Tally, WorkerStatistics};
pub use self::tasklet::{AgendaWorker, Priority, Refused, Tasklet};
pub use crate::agenda_loop::{AgendaLoop, AgendaLoopBuilder, AgendaLoopError};
