//! Events that wake futures: a [`Wait`] belongs to one future, a [`SourceWaiters`] to all futures that wait for one
//! source.
//!
//! A future and its loop share a `Wait`. The loop stores it in a timer or a job in place of a task, and fires it when
//! the timer fires or the job finishes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_probes::ids::{IoSource, Tag, TaskId};

use crate::error::RequestError;
use crate::poller::{Interest, Readiness, Source};
use crate::timer::Timer;

/// An event that a future waits for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// Number of times the event fired since the last poll.
    fired: Cell<u32>,
    waker: RefCell<Option<Waker>>,
    /// The timer that fires this wait, if any.
    pub(crate) timer: Cell<Option<Timer>>,
    /// The job that fires this wait, if any.
    pub(crate) job: Cell<Option<TaskId>>,
}

impl Wait {
    pub(crate) fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Records the event and wakes the future.
    pub(crate) fn fire(&self) {
        self.fired.set(self.fired.get().saturating_add(1));
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns how often the event fired since the last call. If it has not, wakes `cx` when it does.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<u32> {
        match self.fired.take() {
            0 => {
                self.wake_with(cx.waker());
                Poll::Pending
            }
            fired => Poll::Ready(fired),
        }
    }

    fn wake_with(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if slot.as_ref().is_none_or(|old| !old.will_wake(waker)) {
            let old = slot.replace(waker.clone());
            // A waker runs foreign code when dropped, which may re-enter here.
            drop(slot);
            drop(old);
        }
    }
}

/// State shared by the loop and a [`Watched`](super::Watched): which futures wait for what.
pub(crate) struct SourceWaiters {
    pub(crate) source: Source,
    /// Number and interest of the source, once it is registered.
    pub(crate) registered: Cell<Option<(IoSource, Interest)>>,
    /// Tag of the future that first waited for the source.
    pub(crate) tag: Cell<Option<Tag>>,
    /// Whether the set of waiting futures changed. The loop updates the registration before its next poll.
    pub(crate) changed: Cell<bool>,
    pub(super) waiting: RefCell<Vec<(Interest, Rc<Wait>)>>,
    /// Why the source cannot be waited for.
    pub(super) refused: RefCell<Option<RequestError>>,
}

impl SourceWaiters {
    pub(super) fn new(source: Source) -> Rc<Self> {
        Rc::new(Self {
            source,
            registered: Cell::new(None),
            tag: Cell::new(None),
            changed: Cell::new(false),
            waiting: RefCell::default(),
            refused: RefCell::default(),
        })
    }

    /// The combined interest of all waiting futures.
    pub(crate) fn wanted(&self) -> Interest {
        self.waiting.borrow().iter().fold(Interest::NONE, |all, (interest, _)| all | *interest)
    }

    /// Wakes the futures that wait for this readiness. Errors and hang-ups wake all of them.
    pub(crate) fn fire(&self, readiness: Readiness) {
        let is_for = |interest: Interest| {
            let trouble = Readiness::ERROR | Readiness::HANG_UP;
            readiness.bits() & trouble.bits() != 0
                || (interest == Interest::READABLE && readiness.contains(Readiness::READABLE))
                || (interest == Interest::WRITABLE && readiness.contains(Readiness::WRITABLE))
        };
        let fired: Vec<_> = self.waiting.borrow_mut().extract_if(.., |(of, _)| is_for(*of)).collect();
        fired.iter().for_each(|(_, wait)| wait.fire());
    }

    /// Passes `error` to all waiting futures, because the source cannot be waited for.
    pub(crate) fn refuse(&self, error: RequestError) {
        self.refused.replace(Some(error));
        self.waiting.take().iter().for_each(|(_, wait)| wait.fire());
    }
}

impl fmt::Debug for SourceWaiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceWaiters").field("registered", &self.registered).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn readings_before_the_first_request_are_not_lost() {
        let wait = Wait::new();
        wait.fire();
        wait.fire();
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(wait.poll(&cx), Poll::Ready(2));
        assert_eq!(wait.poll(&cx), Poll::Pending);
    }
}
