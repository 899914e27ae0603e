//! Futures on the loop: spawned, polled as tasks, woken from any thread.
//!
//! A spawned future belongs to the loop and runs on the loop's thread, so it need not be `Send`. Each poll is a task: it
//! waits in the task queue with [`Origin::Future`](loop_probes::event::Origin::Future), is recorded, and is
//! followed by microtasks and the deferred queue like any other task. A future requests a timer, a source, a job or
//! another future through a [`LocalHandle`], which queues the request; the loop carries it out right after the poll.
//! So no future borrows the loop, and none can re-enter it.
//!
//! ```text
//!  future ──ops──▶ inbox ──after the poll──▶ loop: timers, poller, pool
//!    ▲                                          │ fires
//!    └── poll ◀── task queue ◀── woken list ◀───┴── wakers, from any thread
//! ```
//!
//! | file | content |
//! |---|---|
//! | `inbox.rs`, `local.rs` | queue for the requests of futures; `handle/local.rs` is the handle that fills it |
//! | `table.rs` | the spawned futures |
//! | `wake.rs` | wakers and the list of woken futures |
//! | `wait.rs` | events that futures wait for |
//! | `join.rs` | a future about to be spawned, and the handle that its spawner keeps |
//! | `time.rs`, `watched.rs`, `work.rs` | timers, sources and jobs as futures |

pub(crate) mod inbox;
pub(crate) mod join;
pub(crate) mod local;
pub(crate) mod table;
pub(crate) mod time;
pub(crate) mod wait;
pub(crate) mod wake;
pub(crate) mod watched;
pub(crate) mod work;

pub use crate::handle::LocalHandle;
pub use inbox::JoinError;
pub use join::JoinHandle;
pub use time::{Elapsed, Interval, Sleep};
pub use watched::{Readable, Watched};
pub use work::WorkHandle;
