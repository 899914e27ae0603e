//! An event that a future waits for, and that wakes it.
//!
//! The future and the loop share one `Wait`. The loop keeps it where it would keep a task (in a timer, in a
//! job), and fires it when that is due.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loop_probes::ids::TaskId;

use crate::timer::Timer;

/// An event that a future waits for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// How often it fired since the last poll.
    fired: Cell<u32>,
    waker: RefCell<Option<Waker>>,
    /// The timer that fires it, if any.
    pub(crate) timer: Cell<Option<Timer>>,
    /// The job that fires it, if any.
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

    /// How often it fired since the last call; if it has not, `cx` is woken when it does.
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
            // A waker is foreign code: dropping it may re-enter here.
            drop(slot);
            drop(old);
        }
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
