//! The local handle: a future's access to its loop, and the inbox behind it.
//!
//! A future cannot borrow the loop that polls it. It queues its requests, and the loop carries them out in order at the
//! end of the poll, whether that returned or panicked; those of any other callback at the end of the callback. So they
//! come before the checkpoint that follows. Requests made on the loop's thread while no callback runs are carried out
//! before the loop next polls at the latest.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::ids::Timestamp;

use super::join::{JoinHandle, Joined};
use super::options::FutureOptions;
use super::table::{Fallible, NewFuture, Total};
use super::time::{Elapsed, Interval, Sleep, with_limit};
use super::wait::Wait;
use super::watched::{Registry, Watched};
use super::work::{JobWait, WorkHandle};
use crate::handle::Handle;
use crate::scheduler::Delay;
use crate::shutdown::Shutdown;
use crate::task::{TagOf, Task};
use crate::work_pool::Worker;

/// How often one poll of a future may complete I/O immediately: then it yields, so that a connection that always has
/// something to read starves nothing else.
const IO_PER_POLL: u32 = 64;

/// Requests of futures that do not depend on the task type.
pub(crate) enum Plain {
    /// Arm a timer that fires the wait.
    Arm(Delay, Rc<Wait>),
    /// Clear its timer.
    Clear(Rc<Wait>),
    /// The set of futures waiting for a source changed.
    Watch(Rc<Registry>),
    /// Forget a source.
    Unwatch(Rc<Registry>),
    /// A job is no longer awaited.
    CancelWork(Rc<Wait>),
    /// Drop a future.
    Cancel(Rc<dyn Joined>),
    /// Set whether a future keeps the loop alive.
    Reference(Rc<dyn Joined>, bool),
    Stop,
    Shutdown(Shutdown),
}

/// Requests of futures.
pub(crate) enum Op<T: Task> {
    Plain(Plain),
    Post(T),
    Microtask(T),
    Spawn(NewFuture<T>),
    /// Call something with the whole context.
    With(WithContext<T>),
    Work(TagOf, Rc<JobWait>, Job<T>),
}

/// A call that needs the whole context.
type WithContext<T> = Box<dyn FnOnce(&mut crate::context::Context<'_, T>)>;

type Job<T> = Box<dyn FnOnce(&Worker<'_>) -> Option<<T as Task>::Remote> + Send>;

/// Queue for the requests of futures.
pub(crate) trait Inbox {
    fn push(&self, op: Plain);
    fn state(&self) -> &LocalState;
}

/// State shared by the loop and its futures besides the inbox.
pub(crate) struct LocalState {
    clock: Box<dyn Clock>,
    /// How often the running poll may still complete I/O immediately.
    io_left: Cell<u32>,
    /// The error that the running poll reported.
    failed: RefCell<Option<String>>,
    shutting_down: Cell<bool>,
    /// Waits to fire when a shutdown begins.
    until_shutdown: RefCell<Vec<Rc<Wait>>>,
    /// Whether the loop has ended: requests are no longer carried out.
    closed: Cell<bool>,
}

impl LocalState {
    /// Prepares for a poll.
    pub(crate) fn begin_poll(&self) {
        self.io_left.set(IO_PER_POLL);
        self.failed.replace(None);
    }

    /// The error that the poll reported.
    pub(crate) fn take_failed(&self) -> Option<String> {
        self.failed.borrow_mut().take()
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.get()
    }

    /// Marks the beginning of a shutdown, and wakes those waiting for it.
    pub(crate) fn begin_shutdown(&self) {
        self.shutting_down.set(true);
        let waiting = self.until_shutdown.take();
        waiting.iter().for_each(|wait| wait.fire());
    }

    /// Fires `wait` when a shutdown begins; immediately if one has.
    pub(crate) fn at_shutdown(&self, wait: &Rc<Wait>) {
        if self.is_shutting_down() {
            wait.fire();
        } else {
            self.until_shutdown.borrow_mut().push(Rc::clone(wait));
        }
    }

    pub(crate) fn forget(&self, wait: &Rc<Wait>) {
        self.until_shutdown.borrow_mut().retain(|other| !Rc::ptr_eq(other, wait));
    }

    /// Pending, and woken for the next turn, if the poll has done enough I/O.
    pub(crate) fn spend_io(&self, cx: &Context<'_>) -> Poll<()> {
        match self.io_left.get().checked_sub(1) {
            Some(left) => {
                self.io_left.set(left);
                Poll::Ready(())
            }
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// The inbox of one loop.
pub(crate) struct Local<T: Task> {
    ops: RefCell<VecDeque<Op<T>>>,
    state: LocalState,
    handle: Handle<T>,
}

impl<T: Task> Local<T> {
    pub(crate) fn new(clock: Box<dyn Clock>, handle: Handle<T>) -> Rc<Self> {
        let state = LocalState {
            clock,
            io_left: Cell::new(IO_PER_POLL),
            failed: RefCell::new(None),
            shutting_down: Cell::new(false),
            until_shutdown: RefCell::default(),
            closed: Cell::new(false),
        };
        Rc::new(Self { ops: RefCell::default(), state, handle })
    }

    fn op(&self, op: Op<T>) {
        if self.state.closed.get() {
            // Outside the borrow: dropping its contents may re-enter here.
            drop(op);
        } else {
            self.ops.borrow_mut().push_back(op);
        }
    }

    #[inline]
    pub(crate) fn has_ops(&self) -> bool {
        !self.ops.borrow().is_empty()
    }

    pub(crate) fn take_op(&self) -> Option<Op<T>> {
        self.ops.borrow_mut().pop_front()
    }

    /// Marks the loop as ended.
    pub(crate) fn close(&self) {
        self.state.closed.set(true);
        for op in self.ops.take() {
            if let Op::Spawn(new) = op {
                new.refuse();
            }
        }
        self.state.until_shutdown.take();
    }
}

impl<T: Task> Inbox for Local<T> {
    fn push(&self, op: Plain) {
        self.op(Op::Plain(op));
    }

    fn state(&self) -> &LocalState {
        &self.state
    }
}

/// Access to a loop from its own thread, above all for the futures it runs: timers, sources, jobs, other futures.
/// Cheap to clone; does not keep the loop alive. Other threads use a [`Handle`].
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
/// # Ok::<(), loop_core::LoopError>(())
/// ```
pub struct LocalHandle<T: Task> {
    local: Rc<Local<T>>,
}

impl<T: Task> LocalHandle<T> {
    pub(crate) const fn new(local: Rc<Local<T>>) -> Self {
        Self { local }
    }

    pub(crate) fn inbox(&self) -> Rc<dyn Inbox> {
        Rc::<Local<T>>::clone(&self.local)
    }

    /// The monotonic time, read from the loop's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.local.state.clock.now()
    }

    /// Completes when `delay` has passed, counted from the first poll. Dropping it clears its timer.
    #[must_use = "a future does nothing unless it is awaited"]
    pub fn sleep(&self, delay: Duration) -> Sleep {
        Sleep::new(self.inbox(), delay)
    }

    /// Ticks every `period`, counted from when it is first awaited.
    #[must_use = "an interval does nothing unless its ticks are awaited"]
    pub fn interval(&self, period: Duration) -> Interval {
        Interval::new(self.inbox(), period)
    }

    /// Returns the output of `future`, or an error if `limit` passes first: then the future is dropped.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if it took longer.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        with_limit(self.sleep(limit), limit, future).await
    }

    /// Lets everything already queued run first.
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

    /// Lets futures wait for `source`, which is anything with a descriptor. It is made non-blocking, polled only
    /// while a future waits for it, and closed when the [`Watched`] is dropped.
    #[must_use = "dropping it closes the source"]
    pub fn watch<S: AsFd + Send + Sync + 'static>(&self, source: S) -> Watched<S> {
        Watched::owned(self.inbox(), source)
    }

    /// The same for a shared source: it is closed when its last owner drops it. It has to be non-blocking already,
    /// because other owners may rely on its mode.
    #[must_use = "dropping it ends the registration"]
    pub fn watch_shared<S: AsFd + Send + Sync + 'static>(&self, source: Arc<S>) -> Watched<S> {
        Watched::shared(self.inbox(), source)
    }

    /// Runs `job` on the work pool, starting immediately; await the returned handle for its result. Dropping the
    /// handle takes the job back if no worker has begun it.
    pub fn work<R: Send + 'static>(
        &self,
        label: &'static str,
        job: impl FnOnce(&Worker<'_>) -> R + Send + 'static,
    ) -> WorkHandle<R> {
        let (handle, wait, run) = WorkHandle::new::<T::Remote>(self.inbox(), job);
        let tag = TagOf::Global(crate::task::tag::tag_of_label(label));
        self.local.op(Op::Work(tag, wait, run));
        handle
    }

    /// Spawns another future; see [`Context::spawn`](crate::Context::spawn).
    pub fn spawn<F, R>(
        &self,
        options: impl Into<FutureOptions<T>>,
        make: impl FnOnce(Self) -> F,
    ) -> JoinHandle<R>
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        let (new, handle) = NewFuture::new(options.into(), self.inbox(), Total(make(self.clone())));
        self.spawn_new(new);
        handle
    }

    /// Spawns a future whose `Err` counts as its failure; see
    /// [`Context::spawn_checked`](crate::Context::spawn_checked).
    pub fn spawn_checked<F, R, E>(
        &self,
        options: impl Into<FutureOptions<T>>,
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
        if self.local.state.closed.get() {
            new.refuse();
        } else {
            self.local.op(Op::Spawn(new));
        }
    }

    /// Queues a task.
    pub fn post(&self, task: T) {
        self.local.op(Op::Post(task));
    }

    /// Calls `f` with the loop's context: right after the poll of the running future, or the running callback, and
    /// before the loop next polls at the latest.
    pub fn with(&self, f: impl FnOnce(&mut crate::context::Context<'_, T>) + 'static) {
        self.local.op(Op::With(Box::new(f)));
    }

    /// Queues a microtask: from a future or another callback, it runs right after that, before any other task.
    pub fn microtask(&self, task: T) {
        self.local.op(Op::Microtask(task));
    }

    /// Marks the running poll as failed: this message is recorded and goes to the future's
    /// [`OnError`](crate::OnError) rule.
    pub fn fail(&self, message: impl fmt::Display) {
        self.local.state.failed.replace(Some(message.to_string()));
    }

    /// Asks the loop to end its run after the current turn.
    pub fn stop(&self) {
        self.local.push(Plain::Stop);
    }

    /// Asks the loop to shut down; see [`Shutdown`].
    pub fn shutdown(&self, shutdown: Shutdown) {
        self.local.push(Plain::Shutdown(shutdown));
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_shutting_down(&self) -> bool {
        self.local.state.is_shutting_down()
    }

    /// Completes when a shutdown begins; immediately if one has.
    pub async fn shutting_down(&self) {
        until_shutdown(&*self.local, std::future::pending::<()>()).await;
    }

    /// Returns the output of `future`; `None` as soon as the loop shuts down: then the future is dropped.
    pub async fn until_shutdown<F: Future>(&self, future: F) -> Option<F::Output> {
        until_shutdown(&*self.local, future).await
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<T> {
        self.local.handle.clone()
    }
}

/// The output of `future`, or `None` as soon as the loop shuts down.
pub(super) async fn until_shutdown<F: Future>(inbox: &dyn Inbox, future: F) -> Option<F::Output> {
    /// Removes its wait from the list on drop.
    struct Listed<'a>(&'a LocalState, Rc<Wait>);

    impl Drop for Listed<'_> {
        fn drop(&mut self) {
            self.0.forget(&self.1);
        }
    }

    let listed = Listed(inbox.state(), Wait::new());
    listed.0.at_shutdown(&listed.1);
    let mut future = pin!(future);
    poll_fn(|cx| match listed.1.poll(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
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
