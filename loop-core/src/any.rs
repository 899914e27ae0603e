//! For code that runs on an [`EventLoop`] as well as on a [`MiniEventLoop`].
//!
//! [`AnyEventLoop`] owns a loop of either kind, [`EventLoopHandle`] borrows one. Operations that only one kind supports
//! return [`WrongLoopKind`] on the other.

mod handle;

use crate::error::{LoopKind, WrongLoopKind};
pub use handle::EventLoopHandle;

use std::ops::{Deref, DerefMut};

use loop_probes::clock::{Clock, SystemClock};

use crate::event_loop::EventLoop;
use crate::mini::MiniEventLoop;
use crate::poller::Poller;
use crate::poller::os::OsPoller;
use crate::task::Task;

/// A loop of either kind.
///
/// # Examples
///
/// ```
/// use loop_core::{AnyEventLoop, Builtin, EventLoop, MiniEventLoop};
///
/// fn count(event_loop: &mut AnyEventLoop<Builtin>) -> Result<u64, loop_core::RunError> {
///     event_loop.with(|on| on.post(Builtin::once("one", |_| ())));
///     event_loop.run()?;
///     Ok(event_loop.metrics().tasks_run)
/// }
///
/// assert_eq!(count(&mut EventLoop::new()?.into())?, 1);
/// assert_eq!(count(&mut MiniEventLoop::new()?.into())?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum AnyEventLoop<T: Task, C: Clock = SystemClock, P: Poller = OsPoller> {
    /// A loop with a host.
    EventLoop(Box<EventLoop<T, C, P>>),
    /// A loop without a host.
    Mini(Box<MiniEventLoop<T, C, P>>),
}

impl<T: Task, C: Clock, P: Poller> AnyEventLoop<T, C, P> {
    /// The kind of loop.
    #[must_use]
    pub const fn kind(&self) -> LoopKind {
        match self {
            Self::EventLoop(_) => LoopKind::EventLoop,
            Self::Mini(_) => LoopKind::Mini,
        }
    }

    /// Gives access to the loop from outside, as [`EventLoop::with`] does.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut EventLoopHandle<'_, T>) -> R) -> R {
        match self {
            Self::EventLoop(event_loop) => event_loop.with(|cx| f(&mut cx.event_loop())),
            Self::Mini(mini) => mini.with(|cx| f(&mut cx.event_loop())),
        }
    }

    /// Returns the loop as an event loop.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] if this is a mini loop.
    pub fn as_event_loop(&mut self) -> Result<&mut EventLoop<T, C, P>, WrongLoopKind> {
        match self {
            Self::EventLoop(event_loop) => Ok(event_loop),
            Self::Mini(_) => Err(WrongLoopKind {
                what: "the whole interface",
                needs: LoopKind::EventLoop,
                got: LoopKind::Mini,
            }),
        }
    }

    /// Returns the loop as a mini loop.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] if this is an [`EventLoop`].
    pub fn as_mini(&mut self) -> Result<&mut MiniEventLoop<T, C, P>, WrongLoopKind> {
        match self {
            Self::Mini(mini) => Ok(mini),
            Self::EventLoop(_) => Err(WrongLoopKind {
                what: "the mini interface",
                needs: LoopKind::Mini,
                got: LoopKind::EventLoop,
            }),
        }
    }
}

/// Gives access to the methods of [`EventLoop`], which a mini loop wraps.
impl<T: Task, C: Clock, P: Poller> Deref for AnyEventLoop<T, C, P> {
    type Target = EventLoop<T, C, P>;

    fn deref(&self) -> &EventLoop<T, C, P> {
        match self {
            Self::EventLoop(event_loop) => event_loop,
            Self::Mini(mini) => mini,
        }
    }
}

impl<T: Task, C: Clock, P: Poller> DerefMut for AnyEventLoop<T, C, P> {
    fn deref_mut(&mut self) -> &mut EventLoop<T, C, P> {
        match self {
            Self::EventLoop(event_loop) => event_loop,
            Self::Mini(mini) => mini,
        }
    }
}

impl<T: Task, C: Clock, P: Poller> From<EventLoop<T, C, P>> for AnyEventLoop<T, C, P> {
    fn from(event_loop: EventLoop<T, C, P>) -> Self {
        Self::EventLoop(Box::new(event_loop))
    }
}

impl<T: Task, C: Clock, P: Poller> From<MiniEventLoop<T, C, P>> for AnyEventLoop<T, C, P> {
    fn from(mini: MiniEventLoop<T, C, P>) -> Self {
        Self::Mini(Box::new(mini))
    }
}
