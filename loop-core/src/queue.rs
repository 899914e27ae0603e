//! The queues of the loop.

pub(crate) mod bounded;
pub mod concurrent;
pub mod deferred;
pub mod fifo;
pub mod immediate;
pub mod microtask;
pub(crate) mod tasks;
