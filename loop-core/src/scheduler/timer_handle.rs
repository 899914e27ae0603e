//! Timer handles: while one exists, a one-shot timer that fired can be re-armed, like Node's `Timeout` objects.
//!
//! The task of a fired one-shot is freed at once if there is no handle to it. If there is, the task moves to the
//! state shared by the handles and is freed with the last of them, at that very moment; the timer's place is
//! reclaimed the next time the timers are checked.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};

use super::Scheduler;
use super::timers::{Delay, TimerEntry, TimerGone};
use crate::task::Task;
use crate::task::body::Body;
use crate::timer::Timer;

/// Keeps a timer that fired: [`Context::refresh_timer`](crate::Context::refresh_timer) re-arms it, with its delay,
/// its reference, and its task if that can run [`again`](Task::again). A clone is a handle to the same timer.
///
/// It does not keep the loop alive, and dropping it does not clear the timer.
pub struct TimerHandle<T> {
    kept: Rc<Kept<T>>,
}

/// State shared by the handles of a timer.
#[derive(Debug)]
pub(super) struct Kept<T> {
    timer: Timer,
    /// Its task, from its firing until it is re-armed.
    task: RefCell<Option<Body<T>>>,
    released: Released,
}

/// Timers whose last handle was dropped.
#[derive(Clone, Debug, Default)]
pub(super) struct Released(Rc<RefCell<Vec<Timer>>>);

impl<T> TimerHandle<T> {
    /// The timer, for calls that take one.
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
    /// The state shared by its handles, if there are any.
    #[inline]
    pub(super) fn kept(&self) -> Option<Rc<Kept<T>>> {
        self.handle.as_ref().and_then(Weak::upgrade)
    }
}

impl<T: Task> Scheduler<T> {
    /// Returns a handle to a timer.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it fired without a handle, was cleared, or never existed.
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

    /// Parks a timer that fired, after its callback: if it is a one-shot with a handle, the handle keeps its task.
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

    /// Reclaims the places of timers that fired and whose last handle was dropped since.
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
