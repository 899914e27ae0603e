//! The inbox of a loop, as its futures see it: they queue requests, and the loop carries them out.

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
    Watch(Rc<SourceWaiters>),
    /// Forget a source.
    Unwatch(Rc<SourceWaiters>),
    /// A job is no longer awaited.
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
    /// How often the running poll may still complete I/O immediately.
    io_left: Cell<u32>,
    /// The error that the running poll reported.
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

/// The state that a future and its handle share, for code that does not need the type of the result.
pub(crate) trait JoinTarget {
    /// Key of the future, once it is spawned.
    fn key(&self) -> &Cell<Option<FutureKey>>;
    /// Ends it without a result, unless it has one.
    fn end(&self, error: JoinError);
}

/// The output of `future`, or `None` as soon as the loop shuts down.
pub(crate) async fn until_shutdown<F: Future>(inbox: &dyn Inbox, future: F) -> Option<F::Output> {
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
