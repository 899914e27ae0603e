//! What a spawner says about a future: its label, and what becomes of it when things go wrong or end.

use crate::owner::OnError;
use crate::shutdown::OnShutdown;
use crate::task::Task;

/// How a future is spawned. A label alone will often do: it is turned into options.
#[derive(Debug)]
pub struct FutureOptions<T: Task> {
    pub(crate) label: &'static str,
    pub(crate) referenced: bool,
    pub(crate) on_error: OnError<T>,
    pub(crate) on_shutdown: OnShutdown,
}

impl<T: Task> FutureOptions<T> {
    /// A future that is called `label` in lists and in the record: its polls carry it as their tag.
    #[must_use]
    pub fn new(label: &'static str) -> Self {
        Self { label, referenced: true, on_error: OnError::Report, on_shutdown: OnShutdown::Finish }
    }

    /// It does not keep the loop alive.
    #[must_use]
    pub fn unreferenced(mut self) -> Self {
        self.referenced = false;
        self
    }

    /// What its errors do: a panic, [`LocalHandle::fail`](super::LocalHandle::fail), and the `Err` of one that was
    /// spawned as checked. [`OnError::Report`] unless said otherwise.
    #[must_use]
    pub fn on_error(mut self, rule: OnError<T>) -> Self {
        self.on_error = rule;
        self
    }

    /// What a shutdown does with it. [`OnShutdown::Finish`] unless said otherwise: it may run until the deadline.
    #[must_use]
    pub fn on_shutdown(mut self, rule: OnShutdown) -> Self {
        self.on_shutdown = rule;
        self
    }
}

impl<T: Task> From<&'static str> for FutureOptions<T> {
    fn from(label: &'static str) -> Self {
        Self::new(label)
    }
}
