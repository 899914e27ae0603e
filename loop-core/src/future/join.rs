//! A future about to be spawned, its options, and the spawner's handle, which awaits the result or cancels the future.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::inbox::{Inbox, JoinError, JoinTarget, Plain};
use super::wake::FutureKey;
use crate::options::Options;

/// Handle to a spawned future: await it for its result, or cancel it.
///
/// Dropping the handle detaches the future: the future keeps running, keeps the loop alive as before, and its result
/// is dropped.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::future::JoinError;
/// use loop_core::{Builtin, EventLoop};
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// let mut sum = event_loop.spawn("sum", |lp| async move {
///     let slow = lp.spawn("never", |lp| async move { lp.sleep(Duration::MAX).await });
///     let quick = lp.spawn("quick", |_| async { 40 });
///     slow.cancel();
///     assert_eq!(slow.await, Err(JoinError::Cancelled));
///     quick.await.unwrap_or_default() + 2
/// });
/// event_loop.run()?;
/// assert_eq!(sum.take(), Some(Ok(42)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinHandle<R> {
    state: Rc<JoinState<R>>,
    inbox: Rc<dyn Inbox>,
}

/// State shared by a future and its handle.
pub(crate) struct JoinState<R> {
    result: RefCell<Option<Result<R, JoinError>>>,
    waker: RefCell<Option<Waker>>,
    is_finished: Cell<bool>,
    key: Cell<Option<FutureKey>>,
}

impl<R> JoinState<R> {
    pub(crate) fn new() -> Rc<Self> {
        let (result, waker) = (RefCell::new(None), RefCell::new(None));
        Rc::new(Self { result, waker, is_finished: Cell::new(false), key: Cell::new(None) })
    }

    /// Sets the result. Later calls do nothing.
    pub(crate) fn finish(&self, result: Result<R, JoinError>) {
        if self.is_finished.replace(true) {
            return;
        }
        *self.result.borrow_mut() = Some(result);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<R> JoinTarget for JoinState<R> {
    fn key(&self) -> &Cell<Option<FutureKey>> {
        &self.key
    }

    fn end(&self, error: JoinError) {
        self.finish(Err(error));
    }
}

impl<R: 'static> JoinHandle<R> {
    pub(crate) fn new(state: Rc<JoinState<R>>, inbox: Rc<dyn Inbox>) -> Self {
        Self { state, inbox }
    }

    /// Drops the future at the loop's next opportunity, before its next poll. Awaiting the handle then gives
    /// [`JoinError::Cancelled`]; a future that has already completed keeps its result.
    pub fn cancel(&self) {
        if !self.is_finished() {
            self.inbox.push(Plain::Cancel(self.joined()));
        }
    }

    /// Stops the future from keeping the loop alive: it runs only while something else does.
    #[must_use = "chain it, or drop the handle to detach the future"]
    pub fn unref(self) -> Self {
        self.inbox.push(Plain::Reference(self.joined(), false));
        self
    }

    /// Whether the future has completed, panicked, or been cancelled or refused.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.is_finished.get()
    }

    /// Takes the result without awaiting it. `None` until the future has ended, and after the result was taken.
    pub fn take(&mut self) -> Option<Result<R, JoinError>> {
        self.state.result.borrow_mut().take()
    }

    fn joined(&self) -> Rc<dyn JoinTarget> {
        Rc::<JoinState<R>>::clone(&self.state)
    }
}

impl<R: 'static> Future for JoinHandle<R> {
    type Output = Result<R, JoinError>;

    /// # Panics
    ///
    /// If polled after the result was taken, by an earlier poll or by [`take`](JoinHandle::take).
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.take() {
            return Poll::Ready(result);
        }
        assert!(!self.is_finished(), "the result of this future was taken already");
        let old = self.state.waker.borrow_mut().replace(cx.waker().clone());
        drop(old);
        Poll::Pending
    }
}

impl<R> fmt::Debug for JoinHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("is_finished", &self.state.is_finished.get())
            .finish_non_exhaustive()
    }
}

/// How a spawned future ended: with an error, or without.
type Ended = Result<(), String>;

/// A spawned future. Its result goes to the handle, its outcome to the loop.
pub(crate) type Spawned = Pin<Box<dyn Future<Output = Ended>>>;

/// A future that counts as successful with any output.
pub(crate) struct Total<F>(pub(crate) F);
/// A future that fails if its output is an `Err`.
pub(crate) struct Fallible<F>(pub(crate) F);

/// Extracts the error from a future's output.
pub(crate) trait Checked {
    type Output: 'static;
    type Future: Future<Output = Self::Output> + 'static;
    fn future(self) -> Self::Future;
    fn check(output: &Self::Output) -> Ended;
}

impl<F: Future<Output: 'static> + 'static> Checked for Total<F> {
    type Output = F::Output;
    type Future = F;
    fn future(self) -> F {
        self.0
    }
    fn check(_: &F::Output) -> Ended {
        Ok(())
    }
}

impl<F, R: 'static, E: fmt::Display + 'static> Checked for Fallible<F>
where
    F: Future<Output = Result<R, E>> + 'static,
{
    type Output = Result<R, E>;
    type Future = F;
    fn future(self) -> F {
        self.0
    }
    fn check(output: &Result<R, E>) -> Ended {
        output.as_ref().map(drop).map_err(E::to_string)
    }
}

/// A future about to be spawned.
pub(crate) struct NewFuture<T> {
    pub(crate) options: Options<T>,
    pub(super) future: Spawned,
    pub(super) joined: Rc<dyn JoinTarget>,
}

impl<T> NewFuture<T> {
    pub(crate) fn new<C: Checked>(
        options: Options<T>,
        inbox: Rc<dyn Inbox>,
        future: C,
    ) -> (Self, JoinHandle<C::Output>) {
        let state = JoinState::new();
        let (joined, future) = (Rc::clone(&state), future.future());
        let to_handle = Rc::clone(&state);
        let spawned = Box::pin(async move {
            let output = future.await;
            let ended = C::check(&output);
            to_handle.finish(Ok(output));
            ended
        });
        (Self { options, future: spawned, joined }, JoinHandle::new(state, inbox))
    }

    /// Refuses to spawn the future.
    pub(crate) fn refuse(self) {
        self.joined.end(JoinError::Refused);
    }
}
