//! The queues of the loop, one file for each.

pub mod concurrent;
