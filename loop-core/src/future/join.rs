//! The spawner's handle: awaits the future's result, or cancels the future.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::FutureKey;
use super::local::{Inbox, Plain};

/// Why a future has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// It was cancelled, or its loop ended.
    #[error("the future was cancelled before it was done")]
    Cancelled,
    /// A poll panicked.
    #[error("the future panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
    /// It was never spawned.
    #[error("the future was not spawned: the loop is shutting down, or has ended")]
    Refused,
}

/// Handle to a spawned future: await it for its result, or cancel it.
///
/// Dropping the handle detaches the future: it keeps running, keeps the loop alive as before, and its result is
/// dropped.
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
/// # Ok::<(), loop_core::LoopError>(())
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

/// The same, for code that does not need the type of the result.
pub(crate) trait Joined {
    /// Key of the future, once it is spawned.
    fn key(&self) -> &Cell<Option<FutureKey>>;
    /// Ends it without a result, unless it has one.
    fn end(&self, error: JoinError);
}

impl<R> JoinState<R> {
    pub(crate) fn new() -> Rc<Self> {
        let (result, waker) = (RefCell::new(None), RefCell::new(None));
        Rc::new(Self { result, waker, is_finished: Cell::new(false), key: Cell::new(None) })
    }

    /// Sets the result when the future ends; the first end counts.
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

impl<R> Joined for JoinState<R> {
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

    /// Drops the future at the loop's next opportunity, before it is polled again. Awaiting it then gives
    /// [`JoinError::Cancelled`]; a future that is already done keeps its result.
    pub fn cancel(&self) {
        if !self.is_finished() {
            self.inbox.push(Plain::Cancel(self.joined()));
        }
    }

    /// Stops the future from keeping the loop alive: it runs while something else does.
    #[must_use = "chain it, or drop the handle to detach the future"]
    pub fn unref(self) -> Self {
        self.inbox.push(Plain::Reference(self.joined(), false));
        self
    }

    /// Whether the future has ended, in whatever way.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.is_finished.get()
    }

    /// Takes the result if there is one that was not taken: for callers that do not await it.
    pub fn take(&mut self) -> Option<Result<R, JoinError>> {
        self.state.result.borrow_mut().take()
    }

    fn joined(&self) -> Rc<dyn Joined> {
        Rc::<JoinState<R>>::clone(&self.state)
    }
}

impl<R: 'static> Future for JoinHandle<R> {
    type Output = Result<R, JoinError>;

    /// # Panics
    ///
    /// If polled after it gave its result, or after [`take`](JoinHandle::take) did.
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
