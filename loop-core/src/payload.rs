//! A task as seen by code that stores tasks but never runs them.
//!
//! [`Task`](crate::Task) depends on [`Context`](crate::Context), which depends on the loop's state. This trait breaks the
//! cycle: the scheduler, the futures and the state are generic over a payload, and every task is a payload.

use crate::tag::TagOf;

/// Implemented for every [`Task`](crate::Task), and for nothing else.
pub trait Payload: Sized + 'static {
    /// The type that other threads send.
    type Remote: Send + 'static;
    /// A callback of the deferred queue.
    type Deferred;
    /// A callback with the loop's context, requested by a future.
    type Call;

    /// The names of the task type's tags.
    const TAGS: &'static [&'static str];

    /// The task's tag.
    fn tag(&self) -> TagOf;

    /// A copy of the task, if it can run again.
    fn again(&self) -> Option<Self>;
}
