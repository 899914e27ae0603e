//! A borrowed loop of either kind.
//!
//! The handle is a [`Context`] except for operations that need a host: those return an error on a mini loop, where the
//! context's operation would silently do nothing.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::environment::{Environment, Stream};
use crate::error::{LoopKind, WrongLoopKind};
use crate::task::{Context, Task};

/// A borrowed loop of either kind. The owner of a loop gets it from [`AnyEventLoop::with`](super::AnyEventLoop::with), a
/// running task from [`Context::event_loop`].
///
/// # Examples
///
/// One function for both kinds of loop:
///
/// ```
/// use std::io::Write;
/// use std::time::Duration;
/// use loop_core::environment::{CapturedOutput, Stream, Environment};
/// use loop_core::{AnyEventLoop, Any, Builtin, EventLoop, EventLoopHandle, Task};
///
/// fn count_down<T: Task + From<Any<T>>>(on: &mut EventLoopHandle<'_, T>, from: u32) {
///     let _ = writeln!(on.stdout(), "{from}");
///     if let Some(next) = from.checked_sub(1) {
///         let task = Any::once("count down", move |cx| count_down(&mut cx.event_loop(), next));
///         on.set_timeout(Duration::from_millis(1), task.into());
///     }
/// }
///
/// let printed = CapturedOutput::default();
/// let builder = || {
///     let stdout = Stream::new(printed.clone());
///     EventLoop::<Builtin>::builder().environment(Environment { stdout, ..Environment::default() })
/// };
/// let both: [AnyEventLoop<Builtin>; 2] = [builder().build()?.into(), builder().build_mini()?.into()];
/// for mut event_loop in both {
///     event_loop.with(|on| count_down(on, 1));
///     event_loop.run()?;
/// }
/// assert_eq!(printed.text(), "1\n0\n1\n0\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventLoopHandle<'a, T: Task> {
    cx: Context<'a, T>,
}

impl<T: Task> Context<'_, T> {
    /// This loop, for code that runs on either kind of loop.
    pub fn event_loop(&mut self) -> EventLoopHandle<'_, T> {
        let Self { core, clock, poller } = self;
        EventLoopHandle { cx: Context { core, clock: *clock, poller: &mut **poller } }
    }

    /// The kind of this loop.
    #[must_use]
    pub fn kind(&self) -> LoopKind {
        self.core.kind
    }

    /// Environment variables and streams of this loop.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        self.core.environment()
    }
}

impl<'a, T: Task> Deref for EventLoopHandle<'a, T> {
    type Target = Context<'a, T>;

    fn deref(&self) -> &Context<'a, T> {
        &self.cx
    }
}

impl<'a, T: Task> DerefMut for EventLoopHandle<'a, T> {
    fn deref_mut(&mut self) -> &mut Context<'a, T> {
        &mut self.cx
    }
}

impl<'a, T: Task> EventLoopHandle<'a, T> {
    /// The stream for results.
    #[must_use]
    pub fn stdout(&self) -> Stream {
        self.cx.environment().stdout.clone()
    }

    /// The stream for diagnostics.
    #[must_use]
    pub fn stderr(&self) -> Stream {
        self.cx.environment().stderr.clone()
    }

    /// Queues a microtask: it runs at the checkpoint after the current task.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop, because microtasks need a host.
    pub fn microtask(&mut self, task: T) -> Result<(), WrongLoopKind> {
        self.with_host("a microtask")?.microtask(task);
        Ok(())
    }

    /// Requests a collection at the next check of the GC controller.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop, because it has no heap.
    pub fn request_gc(&mut self) -> Result<(), WrongLoopKind> {
        self.with_host("a collection")?.request_gc();
        Ok(())
    }

    /// Notifies the GC controller that memory is short.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop, because it has no heap.
    pub fn memory_pressure(&mut self) -> Result<(), WrongLoopKind> {
        self.with_host("a notice of memory pressure")?.memory_pressure();
        Ok(())
    }

    /// Marks the running task as reloading the program, as [`Context::reload`] does.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop, because it has no program to reload.
    pub fn reload(&mut self) -> Result<(), WrongLoopKind> {
        self.with_host("a reload")?.reload();
        Ok(())
    }

    fn with_host(&mut self, what: &'static str) -> Result<&mut Context<'a, T>, WrongLoopKind> {
        match self.kind() {
            LoopKind::EventLoop => Ok(&mut self.cx),
            got @ LoopKind::Mini => Err(WrongLoopKind { what, needs: LoopKind::EventLoop, got }),
        }
    }
}

impl<T: Task> fmt::Debug for EventLoopHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoopHandle").field("face", &self.kind()).finish_non_exhaustive()
    }
}
