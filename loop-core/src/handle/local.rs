//! The local handle: access to a loop from its own thread, mainly for futures.

use std::fmt;
use std::future::{Future, poll_fn};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use loop_probes::ids::Timestamp;

use super::Handle;
use crate::future::inbox::{Inbox, Plain, until_shutdown};
use crate::future::join::{Fallible, JoinHandle, NewFuture, Total};
use crate::future::local::{LocalInbox, Op};
use crate::future::time::{Elapsed, Interval, Sleep, with_limit};
use crate::future::watched::Watched;
use crate::future::work::WorkHandle;
use crate::options::Options;
use crate::queue::deferred::DeferKey;
use crate::shutdown::Shutdown;
use crate::tag::TagOf;
use crate::task::{Context, ContextCall, Task};
use crate::work_pool::Worker;

/// Access to a loop from its own thread, mainly for futures: timers, sources, jobs, other futures. Cheap to clone; does
/// not keep the loop alive. Other threads use a [`Handle`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::sim::Sim;
/// use loop_core::{Builtin, EventLoop};
///
/// let sim = Sim::new();
/// let mut event_loop = sim.build(EventLoop::<Builtin>::builder());
/// let mut answer = event_loop.spawn("answer", |lp| async move {
///     lp.sleep(Duration::from_secs(3600)).await;
///     let slow = lp.timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
///     assert!(slow.is_err());
///     lp.work("sum", |_worker| (1..=10).sum::<u32>()).await
/// });
/// event_loop.run()?; // takes no time: the clock is a virtual one
/// assert_eq!(answer.take(), Some(Ok(Ok(55))));
/// assert_eq!(sim.elapsed(), Duration::from_secs(3601));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LocalHandle<T: Task> {
    local: Rc<LocalInbox<T>>,
}

impl<T: Task> LocalHandle<T> {
    pub(crate) const fn new(local: Rc<LocalInbox<T>>) -> Self {
        Self { local }
    }

    pub(crate) fn inbox(&self) -> Rc<dyn Inbox> {
        Rc::<LocalInbox<T>>::clone(&self.local)
    }

    /// The monotonic time, read from the loop's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.local.state().clock.now()
    }

    /// Completes when `delay` has passed since the first poll. Dropping the future clears its timer.
    #[must_use = "a future does nothing unless it is awaited"]
    pub fn sleep(&self, delay: Duration) -> Sleep {
        Sleep::new(self.inbox(), delay)
    }

    /// Ticks every `period`, starting when the first tick is awaited.
    #[must_use = "an interval does nothing unless its ticks are awaited"]
    pub fn interval(&self, period: Duration) -> Interval {
        Interval::new(self.inbox(), period)
    }

    /// Awaits `future` for at most `limit`, and then drops it.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if `future` did not complete within `limit`.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        with_limit(self.sleep(limit), limit, future).await
    }

    /// Completes after all tasks that are queued now have run.
    pub async fn yield_now(&self) {
        let mut yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Lets futures wait for `source`, which can be anything with a descriptor. The source is made non-blocking, polled
    /// only while a future waits for it, and closed when the [`Watched`] is dropped.
    #[must_use = "dropping it closes the source"]
    pub fn watch<S: AsFd + Send + Sync + 'static>(&self, source: S) -> Watched<S> {
        Watched::owned(self.inbox(), source)
    }

    /// Like [`watch`](Self::watch), for a shared source, which its last owner closes. The source must already be
    /// non-blocking, because other owners may rely on its mode.
    #[must_use = "dropping it ends the registration"]
    pub fn watch_shared<S: AsFd + Send + Sync + 'static>(&self, source: Arc<S>) -> Watched<S> {
        Watched::shared(self.inbox(), source)
    }

    /// Queues `job` on the work pool immediately. Await the returned handle for the result. Dropping the handle cancels
    /// the job if no worker has started it.
    pub fn work<R: Send + 'static>(
        &self,
        tag: impl Into<TagOf>,
        job: impl FnOnce(&Worker<'_>) -> R + Send + 'static,
    ) -> WorkHandle<R> {
        let (handle, wait, run) = WorkHandle::new::<T::Remote>(self.inbox(), job);
        let tag = tag.into();
        self.local.push_op(Op::Work(tag, wait, run));
        handle
    }

    /// Spawns another future; see [`Context::spawn`](crate::Context::spawn).
    pub fn spawn<F, R>(&self, options: impl Into<Options<T>>, make: impl FnOnce(Self) -> F) -> JoinHandle<R>
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        let (new, handle) = NewFuture::new(options.into(), self.inbox(), Total(make(self.clone())));
        self.spawn_new(new);
        handle
    }

    /// Spawns a future that can fail; see
    /// [`Context::spawn_checked`](crate::Context::spawn_checked).
    pub fn spawn_checked<F, R, E>(
        &self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(Self) -> F,
    ) -> JoinHandle<Result<R, E>>
    where
        F: Future<Output = Result<R, E>> + 'static,
        R: 'static,
        E: fmt::Display + 'static,
    {
        let (new, handle) = NewFuture::new(options.into(), self.inbox(), Fallible(make(self.clone())));
        self.spawn_new(new);
        handle
    }

    fn spawn_new(&self, new: NewFuture<T>) {
        if self.local.is_closed() {
            new.refuse();
        } else {
            self.local.push_op(Op::Spawn(new));
        }
    }

    /// Queues a task.
    pub fn post(&self, task: T) {
        self.local.push_op(Op::Post(task));
    }

    /// Runs `task` once, not before `delay` has passed. The delay counts from the end of the running poll or callback.
    pub fn set_timeout(&self, delay: Duration, task: T) {
        self.with(move |cx| {
            cx.set_timeout(delay, task);
        });
    }

    /// Posts `callback` to the deferred queue; see [`Context::defer`](crate::Context::defer).
    pub fn defer(
        &self,
        key: impl Into<DeferKey>,
        callback: impl FnMut(&mut Context<'_, T>) -> bool + 'static,
    ) {
        let key = key.into();
        self.with(move |cx| {
            cx.defer(key, callback);
        });
    }

    /// Calls `f` with the loop's context right after the running poll or callback. Outside of callbacks, calls it before
    /// the loop next polls.
    pub fn with(&self, f: impl FnOnce(&mut Context<'_, T>) + 'static) {
        let call: ContextCall<T> = Box::new(f);
        self.local.push_op(Op::With(call));
    }

    /// Queues a microtask, which runs after the running poll or callback, before any other task.
    pub fn microtask(&self, task: T) {
        self.local.push_op(Op::Microtask(task));
    }

    /// Marks the running poll as failed, records `message`, and applies the future's [`OnError`](crate::OnError) rule.
    pub fn fail(&self, message: impl fmt::Display) {
        self.local.state().failed.replace(Some(message.to_string()));
    }

    /// Ends the loop's run after the current turn.
    pub fn stop(&self) {
        self.local.push(Plain::Stop);
    }

    /// Shuts the loop down; see [`Shutdown`].
    pub fn shutdown(&self, shutdown: Shutdown) {
        self.local.push(Plain::Shutdown(shutdown));
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.local.state().is_shutting_down()
    }

    /// Completes when a shutdown begins, or immediately if one has begun.
    pub async fn shutting_down(&self) {
        until_shutdown(&*self.local, std::future::pending::<()>()).await;
    }

    /// Awaits `future` until the loop shuts down. Then drops `future` and returns `None`.
    pub async fn until_shutdown<F: Future>(&self, future: F) -> Option<F::Output> {
        until_shutdown(&*self.local, future).await
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<T> {
        Handle::new(Arc::clone(&self.local.shared))
    }
}

impl<T: Task> Clone for LocalHandle<T> {
    fn clone(&self) -> Self {
        Self { local: Rc::clone(&self.local) }
    }
}

impl<T: Task> fmt::Debug for LocalHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalHandle")
            .field("is_shutting_down", &self.is_shutting_down())
            .finish_non_exhaustive()
    }
}
