//! A task as seen by the parts of a loop that hold tasks and never run one.
//!
//! [`Task`](crate::Task) names the [`Context`](crate::Context) that its tasks run with, and the context holds the loop's
//! state. This trait breaks that circle: the scheduler, the futures and the state are written for a payload, and every
//! task is one.

use crate::tag::TagOf;

/// Implemented for every [`Task`](crate::Task), and for nothing else.
pub trait Payload: Sized + 'static {
    /// What other threads send.
    type Remote: Send + 'static;
    /// A callback of the deferred queue.
    type Deferred;
    /// A call that a future makes with the whole context.
    type Call;

    /// The names of its own tags.
    const TAGS: &'static [&'static str];

    /// Its tag.
    fn tag(&self) -> TagOf;

    /// A copy to run later, if it can run again.
    fn again(&self) -> Option<Self>;
}
