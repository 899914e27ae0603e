//! The inbox of a loop: futures queue requests in it, and the loop carries them out.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use loop_probes::clock::Clock;

use super::wait::{SourceWaiters, Wait};
use super::wake::FutureKey;
use crate::shutdown::Shutdown;
use crate::timer::Delay;

/// I/O operations that one poll of a future may complete immediately. After that the future yields, so that a
/// connection that always has something to read starves nothing else.
const IO_PER_POLL: u32 = 64;

/// Requests of futures that do not depend on the task type.
pub(crate) enum Plain {
    /// Arm a timer that fires the wait.
    Arm(Delay, Rc<Wait>),
    /// Clear the timer of a wait.
    Clear(Rc<Wait>),
    /// The set of futures waiting for a source changed.
    Watch(Rc<SourceWaiters>),
    /// Forget a source.
    Unwatch(Rc<SourceWaiters>),
    /// Cancel a job that is no longer awaited.
    CancelWork(Rc<Wait>),
    /// Drop a future.
    Cancel(Rc<dyn JoinTarget>),
    /// Set whether a future keeps the loop alive.
    Reference(Rc<dyn JoinTarget>, bool),
    Stop,
    Shutdown(Shutdown),
}

/// Queue for the requests of futures.
pub(crate) trait Inbox {
    fn push(&self, op: Plain);
    fn state(&self) -> &LocalState;
}

/// State shared by the loop and its futures besides the inbox.
pub(crate) struct LocalState {
    pub(crate) clock: Box<dyn Clock>,
    /// I/O operations that the running poll may still complete immediately.
    io_left: Cell<u32>,
    /// Error reported by the running poll.
    pub(crate) failed: RefCell<Option<String>>,
    shutting_down: Cell<bool>,
    /// Waits to fire when a shutdown begins.
    pub(super) until_shutdown: RefCell<Vec<Rc<Wait>>>,
    /// Whether the loop has ended: requests are no longer carried out.
    pub(super) closed: Cell<bool>,
}

impl LocalState {
    pub(super) fn new(clock: Box<dyn Clock>) -> Self {
        Self {
            clock,
            io_left: Cell::new(IO_PER_POLL),
            failed: RefCell::new(None),
            shutting_down: Cell::new(false),
            until_shutdown: RefCell::default(),
            closed: Cell::new(false),
        }
    }

    /// Resets the I/O budget for a new poll.
    pub(crate) fn begin_poll(&self) {
        self.io_left.set(IO_PER_POLL);
        self.failed.replace(None);
    }

    /// Takes the error that the poll reported.
    pub(crate) fn take_failed(&self) -> Option<String> {
        self.failed.borrow_mut().take()
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.get()
    }

    /// Marks the start of a shutdown, and wakes the futures that wait for one.
    pub(crate) fn begin_shutdown(&self) {
        self.shutting_down.set(true);
        let waiting = self.until_shutdown.take();
        waiting.iter().for_each(|wait| wait.fire());
    }

    /// Fires `wait` when a shutdown begins, immediately if one has begun.
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

    /// Spends one operation of the I/O budget. If none is left, wakes the future for the next turn and returns
    /// `Pending`.
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

/// Why a future has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The future was cancelled, or its loop ended.
    #[error("the future was cancelled before it completed")]
    Cancelled,
    /// A poll of the future panicked.
    #[error("the future panicked: {message}")]
    Panicked {
        /// The panic's message, made printable.
        message: String,
    },
    /// The future was never spawned.
    #[error("the future was not spawned: the loop is shutting down, or has ended")]
    Refused,
}

/// The state that a future and its handle share, for code that does not need the type of the result.
pub(crate) trait JoinTarget {
    /// Key of the future, once it is spawned.
    fn key(&self) -> &Cell<Option<FutureKey>>;
    /// Sets `error` as the outcome, unless the future already has one.
    fn end(&self, error: JoinError);
}

/// Returns the output of `future`, or `None` as soon as the loop shuts down.
pub(crate) async fn until_shutdown<F: Future>(inbox: &dyn Inbox, future: F) -> Option<F::Output> {
    /// Removes the wait from the list of waits for a shutdown on drop.
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
