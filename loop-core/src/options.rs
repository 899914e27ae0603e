//! Options of a source or future: its name, whether it keeps the loop alive, and what happens on errors and in a
//! shutdown.

use std::borrow::Cow;

use crate::failure::OnError;
use crate::shutdown::OnShutdown;

/// Options for registering a source or spawning a future. A string converts to options with that name.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
/// use loop_core::poller::Interest;
/// use loop_core::{Builtin, EventLoop, OnError, Options};
///
/// let (near, _far) = UnixStream::pair()?;
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.with(|cx| {
///     let options = Options::new("commands of the operator").on_error(OnError::Stop);
///     cx.register_with(options, Arc::new(near), Interest::READABLE, Builtin::repeat("command", |_| ()))
/// })?;
/// assert_eq!(event_loop.pending()[0].name, "commands of the operator");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Options<T> {
    pub(crate) name: Option<Cow<'static, str>>,
    pub(crate) referenced: bool,
    pub(crate) on_error: OnError<T>,
    /// `None` means the default for the kind of work.
    pub(crate) on_shutdown: Option<OnShutdown>,
}

impl<T> Options<T> {
    /// Options with a name, shown in lists and in the inspector. For a future, the name is also the tag of its polls.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Makes the source or future not keep the loop alive.
    #[must_use]
    pub fn unreferenced(mut self) -> Self {
        self.referenced = false;
        self
    }

    /// Sets what happens after an error: a panic, a call of [`fail`](crate::Context::fail), or the `Err` of a checked
    /// future. [`OnError::Report`] by default.
    #[must_use]
    pub fn on_error(mut self, rule: OnError<T>) -> Self {
        self.on_error = rule;
        self
    }

    /// Sets what a shutdown does with the source or future. By default a source is removed at once
    /// ([`OnShutdown::Cancel`]), and a future may run until the deadline ([`OnShutdown::Finish`]).
    #[must_use]
    pub fn on_shutdown(mut self, rule: OnShutdown) -> Self {
        self.on_shutdown = Some(rule);
        self
    }
}

/// No name: the source or future is listed by its tag.
impl<T> Default for Options<T> {
    fn default() -> Self {
        Self { name: None, referenced: true, on_error: OnError::Report, on_shutdown: None }
    }
}

impl<T> From<&'static str> for Options<T> {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl<T> From<String> for Options<T> {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}
