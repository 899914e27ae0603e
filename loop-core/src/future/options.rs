//! Options for a future: its label, and its handling on errors and on shutdown.

use crate::owner::OnError;
use crate::shutdown::OnShutdown;

/// Options for spawning a future. A string alone is enough: it becomes the label.
#[derive(Debug)]
pub struct FutureOptions<T> {
    pub(crate) label: &'static str,
    pub(crate) referenced: bool,
    pub(crate) on_error: OnError<T>,
    pub(crate) on_shutdown: OnShutdown,
}

impl<T> FutureOptions<T> {
    /// Options for a future called `label` in lists and in the record: its polls carry it as their tag.
    #[must_use]
    pub fn new(label: &'static str) -> Self {
        Self { label, referenced: true, on_error: OnError::Report, on_shutdown: OnShutdown::Finish }
    }

    /// Does not keep the loop alive.
    #[must_use]
    pub fn unreferenced(mut self) -> Self {
        self.referenced = false;
        self
    }

    /// Handling of its errors: a panic, [`LocalHandle::fail`](super::LocalHandle::fail), and the `Err` of a
    /// checked future. [`OnError::Report`] by default.
    #[must_use]
    pub fn on_error(mut self, rule: OnError<T>) -> Self {
        self.on_error = rule;
        self
    }

    /// What a shutdown does with it. [`OnShutdown::Finish`] by default: it may run until the deadline.
    #[must_use]
    pub fn on_shutdown(mut self, rule: OnShutdown) -> Self {
        self.on_shutdown = rule;
        self
    }
}

impl<T> From<&'static str> for FutureOptions<T> {
    fn from(label: &'static str) -> Self {
        Self::new(label)
    }
}
