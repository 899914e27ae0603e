//! Options for a source: its purpose, and its handling on errors and on shutdown.

use crate::owner::OnError;
use crate::shutdown::OnShutdown;

/// Options for registering a source. A string alone is enough: it becomes the explanation.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
/// use loop_core::poller::Interest;
/// use loop_core::{Builtin, EventLoop, IoOptions, OnError};
///
/// let (near, _far) = UnixStream::pair()?;
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.with(|cx| {
///     let options = IoOptions::new("commands of the operator").on_error(OnError::Stop);
///     cx.register_with(options, Arc::new(near), Interest::READABLE, Builtin::repeat("command", |_| ()))
/// })?;
/// assert_eq!(event_loop.pending()[0].name, "commands of the operator");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IoOptions<T> {
    pub(crate) explanation: Option<Box<str>>,
    pub(crate) referenced: bool,
    pub(crate) on_error: OnError<T>,
    pub(crate) on_shutdown: OnShutdown,
}

impl<T> IoOptions<T> {
    /// Options for a source whose purpose is `explanation`, which lists and the inspector show as its
    /// name.
    #[must_use]
    pub fn new(explanation: impl Into<Box<str>>) -> Self {
        Self { explanation: Some(explanation.into()), ..Self::default() }
    }

    /// Does not keep the loop alive.
    #[must_use]
    pub fn unreferenced(mut self) -> Self {
        self.referenced = false;
        self
    }

    /// Handling of its callback's errors; [`OnError::Report`] by default.
    #[must_use]
    pub fn on_error(mut self, rule: OnError<T>) -> Self {
        self.on_error = rule;
        self
    }

    /// What a shutdown does with it; [`OnShutdown::Cancel`] by default: it is removed at once.
    #[must_use]
    pub fn on_shutdown(mut self, rule: OnShutdown) -> Self {
        self.on_shutdown = rule;
        self
    }
}

/// No explanation: it is listed by its tag.
impl<T> Default for IoOptions<T> {
    fn default() -> Self {
        let (on_error, on_shutdown) = (OnError::Report, OnShutdown::Cancel);
        Self { explanation: None, referenced: true, on_error, on_shutdown }
    }
}

impl<T> From<&str> for IoOptions<T> {
    fn from(explanation: &str) -> Self {
        Self::new(explanation)
    }
}
