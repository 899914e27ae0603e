//! Futures on the loop.

pub(crate) mod wait;

use crate::context::Context;
use crate::task::Task;

/// A spawned future, for as long as it is spawned: its place, and how often the place was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FutureKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl<T: Task> Context<'_, T> {
    /// Polls a future whose turn it is.
    pub(crate) fn poll_future(&mut self, _future: FutureKey) {}
}
