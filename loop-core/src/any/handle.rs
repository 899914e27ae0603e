//! The handle for code that runs on either loop: borrows the loop for the duration of a call.
//!
//! Operations common to both loops are passed on. Those that need a host are checked here, so that using one on a
//! mini loop is an error rather than a silent no-op.

use std::ffi::OsStr;
use std::fmt;
use std::time::Duration;

use loop_probes::ids::{IoSource, TaskId, Timestamp};

use crate::environment::{Environment, Stream};
use crate::error::{LoopError, LoopKind, WrongLoopKind};
use crate::future::{FutureOptions, JoinHandle, LocalHandle};
use crate::handle::Handle;
use crate::poller::{Interest, Source};
use crate::queue::deferred::DeferKey;
use crate::task::Context;
use crate::task::{TagOf, Task};
use crate::timer::Timer;
use crate::timer::TimerGone;
use crate::work_pool::{Rejected, Worker};

/// Either loop, borrowed: owners get it from [`AnyEventLoop::with`](super::AnyEventLoop::with), running tasks from
/// [`Context::event_loop`].
///
/// # Examples
///
/// One algorithm, written once:
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
/// # Ok::<(), loop_core::LoopError>(())
/// ```
pub struct EventLoopHandle<'a, T: Task> {
    cx: Context<'a, T>,
}

impl<T: Task> Context<'_, T> {
    /// This loop, for code that runs on either kind.
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

impl<'a, T: Task> EventLoopHandle<'a, T> {
    /// The kind of loop.
    #[must_use]
    pub fn kind(&self) -> LoopKind {
        self.cx.kind()
    }

    /// Queues a task behind all waiting ones.
    pub fn post(&mut self, task: T) -> TaskId {
        self.cx.post(task)
    }

    /// Runs `task` in the batch before the next poll, as [`Context::immediate`].
    pub fn immediate(&mut self, task: T) -> TaskId {
        self.cx.immediate(task)
    }

    /// Posts `callback` to the deferred queue, as [`Context::defer`].
    pub fn defer(
        &mut self,
        key: impl Into<DeferKey>,
        callback: impl FnMut(&mut Context<'_, T>) -> bool + 'static,
    ) -> bool {
        self.cx.defer(key, callback)
    }

    /// Runs `task` once, not before `delay` has passed.
    pub fn set_timeout(&mut self, delay: Duration, task: T) -> Timer {
        self.cx.set_timeout(delay, task)
    }

    /// Runs `task` repeatedly, as [`Context::set_interval`] does.
    ///
    /// # Errors
    ///
    /// [`LoopError::RunsOnce`] or [`LoopError::NeverDispatched`] if the task cannot run repeatedly.
    pub fn set_interval(&mut self, period: Duration, task: T) -> Result<Timer, LoopError> {
        self.cx.set_interval(period, task)
    }

    /// Clears a timer; false if it fired, was cleared, or never existed.
    pub fn clear_timer(&mut self, timer: Timer) -> bool {
        self.cx.clear_timer(timer)
    }

    /// Restarts a timer, as [`Context::refresh_timer`] does.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed and no handle kept it.
    pub fn refresh_timer(&mut self, timer: Timer) -> Result<(), TimerGone> {
        self.cx.refresh_timer(timer)
    }

    /// Sets whether a timer keeps the loop alive.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed.
    pub fn set_timer_referenced(&mut self, timer: Timer, referenced: bool) -> Result<(), TimerGone> {
        self.cx.set_timer_referenced(timer, referenced)
    }

    /// Runs `run` on the work pool and its result as a task on the loop, as [`Context::work`] does.
    ///
    /// # Errors
    ///
    /// The errors of [`Context::work`].
    pub fn work(
        &mut self,
        tag: impl Into<TagOf>,
        run: impl FnOnce(&Worker<'_>) -> T::Remote + Send + 'static,
        rejected: impl FnOnce(Rejected) -> T + 'static,
    ) -> Result<TaskId, LoopError> {
        self.cx.work(tag, run, rejected)
    }

    /// Spawns a future on the loop, as [`Context::spawn`] does.
    pub fn spawn<F, R>(
        &mut self,
        options: impl Into<FutureOptions<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<R>
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        self.cx.spawn(options, make)
    }

    /// The handle for futures and other code on the loop's thread.
    pub fn local(&mut self) -> LocalHandle<T> {
        self.cx.local()
    }

    /// Runs `task` whenever `source` is ready, as [`Context::register`] does.
    ///
    /// # Errors
    ///
    /// The errors of [`Context::register`].
    pub fn register(&mut self, source: Source, interest: Interest, task: T) -> Result<IoSource, LoopError> {
        self.cx.register(source, interest, task)
    }

    /// Changes a source's interest.
    ///
    /// # Errors
    ///
    /// [`LoopError::SourceGone`] if it is not registered.
    pub fn modify(&mut self, source: IoSource, interest: Interest) -> Result<(), LoopError> {
        self.cx.modify(source, interest)
    }

    /// Removes a source and gives it back.
    ///
    /// # Errors
    ///
    /// [`LoopError::SourceGone`] if it is not registered.
    pub fn remove(&mut self, source: IoSource) -> Result<Source, LoopError> {
        self.cx.remove(source)
    }

    /// Runs `task` for each arrival of signal `signo`, as [`Context::on_signal`] does.
    ///
    /// # Errors
    ///
    /// The errors of [`Context::on_signal`].
    pub fn on_signal(&mut self, signo: i32, task: T) -> Result<(), LoopError> {
        self.cx.on_signal(signo, task)
    }

    /// Keeps the loop alive until [`release`](Self::release) has been called as often with the same label.
    pub fn hold(&mut self, label: &'static str) {
        self.cx.hold(label);
    }

    /// Takes back one [`hold`](Self::hold).
    pub fn release(&mut self, label: &'static str) {
        self.cx.release(label);
    }

    /// Asks the loop to end its run after this turn.
    pub fn stop(&mut self) {
        self.cx.stop();
    }

    /// Marks the running task as failed, as [`Context::fail`] does.
    pub fn fail(&mut self, message: impl fmt::Display) {
        self.cx.fail(message);
    }

    /// The monotonic time, read from the loop's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.cx.now()
    }

    /// A handle for other threads.
    #[must_use]
    pub fn remote(&self) -> Handle<T> {
        self.cx.handle()
    }

    /// An environment variable, if it is set.
    #[must_use]
    pub fn env(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.cx.environment().env(name)
    }

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
    /// [`WrongLoopKind`] on a mini loop: microtasks need a host.
    pub fn microtask(&mut self, task: T) -> Result<(), WrongLoopKind> {
        self.with_host("a microtask")?.microtask(task);
        Ok(())
    }

    /// Requests a collection at the next check of the GC controller.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop: it watches no heap.
    pub fn request_gc(&mut self) -> Result<(), WrongLoopKind> {
        self.with_host("a collection")?.request_gc();
        Ok(())
    }

    /// Notifies the GC controller that memory is short.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop: it watches no heap.
    pub fn memory_pressure(&mut self) -> Result<(), WrongLoopKind> {
        self.with_host("a notice of memory pressure")?.memory_pressure();
        Ok(())
    }

    /// Marks the running task as reloading the program, as [`Context::reload`] does.
    ///
    /// # Errors
    ///
    /// [`WrongLoopKind`] on a mini loop: there is no program to reload.
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
