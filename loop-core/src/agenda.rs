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
//! A worker takes High tasklets first, then Normal, then Low. So a new High tasklet overtakes all waiting Low tasklets,
//! and Low ones run only when the other two queues are empty; [`Statistics`] and the recorded events `agenda_added` and
//! `agenda_ran` show how long they wait. Within a priority the order is first in, first out. With several workers,
//! tasklets added by a tasklet wait in the queue of its worker, from which other workers may steal: tasklets of the same
//! priority in different queues may then overtake each other. With a single worker the order is strict.
//!
//! # A loop and its agenda
//!
//! An agenda can be [attached](AgendaBuilder::attach) to a loop. While any tasklet waits or runs, that loop stays alive
//! and lists the tasklet by its label; the end of the last one wakes the loop. Tasklets post to the loop through its
//! [`Handle`](crate::Handle). A loop that ends does not stop its agenda, which has its own [`shutdown`](Agenda::shutdown).

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
