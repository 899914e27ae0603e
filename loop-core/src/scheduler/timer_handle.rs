//! Handles of timers: as long as somebody has one, a one-shot that fired can be armed again, as Node's `Timeout`
//! objects can.
//!
//! What a fired one-shot ran is freed at once where nobody has a handle to it. Where somebody has, it moves to what
//! the handles share and is freed with the last of them, in that very moment; the timer's place is taken back in
//! the next look at the timers.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};

use super::Scheduler;
use super::timers::{Delay, TimerEntry, TimerGone};
use crate::task::Task;
use crate::task::body::Body;
use crate::timer::Timer;

/// Keeps a timer that fired: [`Context::refresh_timer`](crate::Context::refresh_timer) arms it again, with its task
/// where that can run [`again`](Task::again), its delay and its reference. A clone is a handle to the same timer.
///
/// It does not keep the loop alive, and dropping it does not clear the timer.
pub struct TimerHandle<T> {
    kept: Rc<Kept<T>>,
}

/// What the handles of a timer share.
#[derive(Debug)]
pub(super) struct Kept<T> {
    timer: Timer,
    /// What it ran, from its firing until it is armed again.
    task: RefCell<Option<Body<T>>>,
    released: Released,
}

/// Timers whose last handle went.
#[derive(Clone, Debug, Default)]
pub(super) struct Released(Rc<RefCell<Vec<Timer>>>);

impl<T> TimerHandle<T> {
    /// The timer, for everything that takes one.
    #[must_use]
    pub fn timer(&self) -> Timer {
        self.kept.timer
    }
}

impl<T> Clone for TimerHandle<T> {
    fn clone(&self) -> Self {
        Self { kept: Rc::clone(&self.kept) }
    }
}

impl<T> fmt::Debug for TimerHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimerHandle").field(&self.kept.timer).finish()
    }
}

impl<T> Kept<T> {
    pub(super) fn take(&self) -> Option<Body<T>> {
        self.task.borrow_mut().take()
    }
}

impl<T> Drop for Kept<T> {
    fn drop(&mut self) {
        self.released.0.borrow_mut().push(self.timer);
    }
}

impl<T> TimerEntry<T> {
    /// What its handles share, where there are any.
    #[inline]
    pub(super) fn kept(&self) -> Option<Rc<Kept<T>>> {
        self.handle.as_ref().and_then(Weak::upgrade)
    }
}

impl<T: Task> Scheduler<T> {
    /// A handle to a timer.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] where it fired and nobody kept it, was cleared, or never was.
    pub fn timer_handle(&mut self, timer: Timer) -> Result<TimerHandle<T>, TimerGone> {
        let gone = TimerGone(timer.id());
        let is_parked = self.timers.is_parked(timer);
        let entry = self.timers.value_mut(timer).ok_or(gone)?;
        if let Some(kept) = entry.kept() {
            return Ok(TimerHandle { kept });
        }
        if is_parked {
            return Err(gone);
        }
        let kept = Rc::new(Kept { timer, task: RefCell::default(), released: self.released.clone() });
        entry.handle = Some(Rc::downgrade(&kept));
        Ok(TimerHandle { kept })
    }

    /// A timer fired and its callback is over: where it is a one-shot with a handle, the handle keeps its task.
    #[inline]
    pub(super) fn park(&mut self, timer: Timer) -> bool {
        let is_kept =
            |entry: &&mut TimerEntry<T>| matches!(entry.delay, Delay::Once(_)) && entry.task.is_some();
        let Some(entry) = self.timers.value_mut(timer).filter(is_kept) else { return false };
        let Some(kept) = entry.kept() else { return false };
        if !self.timers.park(timer) {
            return false;
        }
        let task = self.timers.value_mut(timer).and_then(|entry| entry.task.take());
        kept.task.replace(task);
        true
    }

    /// Takes back the places of timers that fired and whose last handle went since.
    pub(super) fn reclaim(&mut self) {
        loop {
            let Some(timer) = self.released.0.borrow_mut().pop() else { return };
            let has_handle = self.timers.value(timer).is_some_and(|entry| entry.kept().is_some());
            if !has_handle && self.timers.is_parked(timer) {
                let _ = self.timers.clear(timer);
            }
        }
    }
}
