//! The queues of the loop, one file for each.

pub mod concurrent;
pub mod deferred;
pub mod fifo;
pub mod immediate;
pub(crate) mod tasks;
