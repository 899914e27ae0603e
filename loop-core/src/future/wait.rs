//! What a future waits for: it happens some day, and wakes the future.

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// Something that a future waits for.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// How often it happened since somebody looked.
    fired: Cell<u32>,
    waker: RefCell<Option<Waker>>,
}

impl Wait {
    /// It happened.
    pub(crate) fn fire(&self) {
        self.fired.set(self.fired.get().saturating_add(1));
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
