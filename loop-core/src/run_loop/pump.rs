//! A run: the registrations in our loop that pump a foreign loop, and their removal.
//!
//! Each run has a number. A stop handle or a late timer of an earlier run compares its number with the current one, and
//! leaves the new run alone.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use loop_probes::ids::IoSource;

use super::foreign::PumpError;
use crate::task::{Context, Task};
use crate::timer::Timer;

/// The current run of a foreign loop.
#[derive(Debug, Default)]
pub(super) struct ForeignRun {
    /// The number of the latest run.
    pub(super) latest: Cell<u64>,
    /// The number of the run in progress.
    pub(super) on: Cell<Option<u64>>,
    /// Registrations of the latest run, and the loop that has them.
    pub(super) registered: RefCell<Registered>,
    pub(super) failed: RefCell<Option<PumpError>>,
}

#[derive(Debug, Default)]
pub(super) struct Registered {
    /// Identity of the loop: the address of the state that it shares with its handles.
    home: usize,
    pub(super) timer: Option<Timer>,
    pub(super) source: Option<IoSource>,
}

impl ForeignRun {
    pub(super) fn is_on(&self) -> bool {
        self.on.get().is_some()
    }

    pub(super) fn is_by_readiness(&self) -> bool {
        self.is_on() && self.registered.borrow().source.is_some()
    }

    pub(super) fn take_error(&self) -> Option<PumpError> {
        self.failed.borrow_mut().take()
    }

    pub(super) fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        let was_on = self.on.take().is_some();
        self.unregister(cx);
        was_on
    }

    /// Starts a new run, which replaces the previous one.
    pub(super) fn begin<T: Task>(&self, cx: &mut Context<'_, T>) -> u64 {
        self.stop(cx);
        let number = self.latest.get() + 1;
        self.latest.set(number);
        self.on.set(Some(number));
        *self.registered.borrow_mut() = Registered { home: cx.identity(), ..Registered::default() };
        number
    }

    /// Removes the registrations in `cx`'s loop. Those in another loop end when they are next called.
    pub(super) fn unregister<T: Task>(&self, cx: &mut Context<'_, T>) {
        if self.registered.borrow().home != cx.identity() {
            return;
        }
        let Registered { timer, source, .. } = std::mem::take(&mut *self.registered.borrow_mut());
        if let Some(timer) = timer {
            cx.clear_timer(timer);
        }
        if let Some(source) = source {
            // Fails only if the poller has already dropped the descriptor.
            let _ = cx.remove(source);
        }
    }
}

/// Ends the run that returned this handle, and no other run.
#[derive(Clone, Debug)]
pub struct StopHandle {
    running: Rc<ForeignRun>,
    number: u64,
}

impl StopHandle {
    pub(super) const fn new(running: Rc<ForeignRun>, number: u64) -> Self {
        Self { running, number }
    }

    /// Ends the handle's run. Returns false if the run is already over.
    pub fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        self.is_on() && self.running.stop(cx)
    }

    /// Ends the handle's run from a callback of the foreign loop, which has no [`Context`]. There is no further pump, and
    /// the registrations are removed when the current pump returns. Returns false if the run is already over.
    pub fn stop_pumping(&self) -> bool {
        let was_on = self.is_on();
        if was_on {
            self.running.on.set(None);
        }
        was_on
    }

    /// Whether the handle's run is in progress.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.running.on.get() == Some(self.number)
    }
}
