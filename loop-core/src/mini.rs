//! The mini event loop: the event loop without a script host. Bun's installer and shell run on such a loop.

use std::fmt;
use std::ops::{Deref, DerefMut};

use loop_probes::clock::{Clock, SystemClock};

use crate::error::{BuildError, LoopKind, WrongLoopKind};
use crate::event_loop::{Builder, EventLoop};
use crate::policy::PollRule;
use crate::poller::Poller;
use crate::poller::os::OsPoller;
use crate::task::Task;

/// A loop without a script host, for tools that use tasks, timers, sources and a pool, but no microtasks and no heap. It
/// polls only when no task is queued. It wraps an [`EventLoop`], to which it dereferences.
///
/// # Examples
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::time::Duration;
/// use loop_core::{Builtin, MiniEventLoop};
///
/// let mut tool = MiniEventLoop::<Builtin>::new()?;
/// let fetched = Rc::new(Cell::new(false));
/// let done = Rc::clone(&fetched);
/// tool.with(|cx| cx.set_timeout(Duration::from_millis(1), Builtin::once("fetch", move |_| done.set(true))));
/// assert!(tool.tick_until(|| fetched.get())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MiniEventLoop<T: Task, C: Clock = SystemClock, P: Poller = OsPoller> {
    event_loop: EventLoop<T, C, P>,
}

impl<T: Task> MiniEventLoop<T> {
    /// A mini loop on this thread, with the process's environment and streams, that records nothing.
    ///
    /// # Errors
    ///
    /// [`BuildError::OpenPoller`] if the system provides no poller.
    pub fn new() -> Result<Self, BuildError> {
        EventLoop::builder().build_mini()
    }
}

impl<T: Task> Builder<T> {
    /// Builds a mini loop on the system's clock, poller, signals and threads. The default policy is
    /// [`Policy::mini`](crate::Policy::mini). With any policy, a mini loop polls only when no task is queued.
    ///
    /// # Errors
    ///
    /// The errors of [`build`](Self::build), and [`BuildError::WrongLoopKind`] if a host was given.
    pub fn build_mini(self) -> Result<MiniEventLoop<T>, BuildError> {
        Ok(MiniEventLoop { event_loop: self.mini()?.build()? })
    }

    /// Builds a mini loop on another clock and poller, as [`build_on`](Self::build_on) does.
    ///
    /// # Errors
    ///
    /// [`BuildError::WrongLoopKind`] if a host was given.
    pub fn build_mini_on<C, P>(self, clock: C, poller: P) -> Result<MiniEventLoop<T, C, P>, BuildError>
    where
        C: Clock + Clone + Send + Sync + 'static,
        P: Poller,
    {
        self.build_mini_with(|builder| builder.build_on(clock, poller))
    }

    /// Builds a mini loop from the loop that `build` makes.
    pub(crate) fn build_mini_with<C: Clock, P: Poller>(
        self,
        build: impl FnOnce(Self) -> EventLoop<T, C, P>,
    ) -> Result<MiniEventLoop<T, C, P>, BuildError> {
        Ok(MiniEventLoop { event_loop: build(self.mini()?) })
    }

    fn mini(mut self) -> Result<Self, BuildError> {
        if self.has_host() {
            let what = "a script host";
            return Err(WrongLoopKind { what, needs: LoopKind::EventLoop, got: LoopKind::Mini }.into());
        }
        self.kind = LoopKind::Mini;
        self.policy.get_or_insert_with(crate::Policy::mini).poll = PollRule::WhenNoTask;
        Ok(self)
    }
}

/// Gives access to the methods of the wrapped [`EventLoop`].
impl<T: Task, C: Clock, P: Poller> Deref for MiniEventLoop<T, C, P> {
    type Target = EventLoop<T, C, P>;

    fn deref(&self) -> &EventLoop<T, C, P> {
        &self.event_loop
    }
}

impl<T: Task, C: Clock, P: Poller> DerefMut for MiniEventLoop<T, C, P> {
    fn deref_mut(&mut self) -> &mut EventLoop<T, C, P> {
        &mut self.event_loop
    }
}

impl<T: Task, C: Clock, P: Poller> fmt::Debug for MiniEventLoop<T, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MiniEventLoop").field(&self.event_loop).finish()
    }
}
