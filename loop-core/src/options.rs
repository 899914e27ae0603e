//! What the owner of a source or future decides: its name, whether it keeps the loop alive, what its errors do, and what
//! a shutdown does with it.

use std::borrow::Cow;

use crate::failure::OnError;
use crate::shutdown::OnShutdown;

/// Options for registering a source or spawning a future. A string alone is enough: it becomes the name.
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
    /// The default of its kind if `None`.
    pub(crate) on_shutdown: Option<OnShutdown>,
}

impl<T> Options<T> {
    /// Options for something called `name` in lists and in the inspector. The polls of a future carry it as their tag.
    #[must_use]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }

    /// Does not keep the loop alive.
    #[must_use]
    pub fn unreferenced(mut self) -> Self {
        self.referenced = false;
        self
    }

    /// Handling of its errors; [`OnError::Report`] by default. Errors are a panic, [`fail`](crate::Context::fail), and
    /// the `Err` of a checked future.
    #[must_use]
    pub fn on_error(mut self, rule: OnError<T>) -> Self {
        self.on_error = rule;
        self
    }

    /// What a shutdown does with it. By default a source is removed at once ([`OnShutdown::Cancel`]), and a future may
    /// run until the deadline ([`OnShutdown::Finish`]).
    #[must_use]
    pub fn on_shutdown(mut self, rule: OnShutdown) -> Self {
        self.on_shutdown = Some(rule);
        self
    }
}

/// No name: a source is listed by its tag.
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
