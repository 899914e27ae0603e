//! The scheduler's timers: turns delays into due times, and due timers into tasks.
//!
//! While a timer handle exists, a one-shot that fired can be re-armed, like Node's `Timeout` objects. The task of a
//! fired one-shot is freed at once if there is no handle to it. If there is, the task moves to the state shared by the
//! handles and is freed with the last of them, at that very moment; the timer's place is reclaimed the next time the
//! timers are checked.

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroU64;
use std::rc::{Rc, Weak};
use std::time::Duration;

use loop_probes::ids::{Tag, TimerId, Timestamp};

use crate::body::Body;
use crate::payload::Payload;
use crate::policy::TimerRule;
use crate::shutdown::OnShutdown;
use crate::timer::{Delay, Finished, Fired, Order, Timer, TimerGone, TimerPass, TimerQueue, due_after};

/// The scheduler's data for a timer.
#[derive(Debug)]
pub struct TimerEntry<T> {
    /// `None` while a task that runs only once is running, and while the handle has the task.
    task: Option<Body<T>>,
    tag: Tag,
    delay: Delay,
    on_shutdown: OnShutdown,
    /// The state shared by its handles, while there are any.
    handle: Option<Weak<Kept<T>>>,
}

/// Keeps a timer that fired: [`Context::refresh_timer`](crate::Context::refresh_timer) re-arms it, with its delay,
/// its reference, and its task if that can run [`again`](crate::Task::again). A clone is a handle to the same timer.
///
/// It does not keep the loop alive, and dropping it does not clear the timer.
pub struct TimerHandle<T> {
    kept: Rc<Kept<T>>,
}

/// State shared by the handles of a timer.
#[derive(Debug)]
struct Kept<T> {
    timer: Timer,
    /// Its task, from its firing until it is re-armed.
    task: RefCell<Option<Body<T>>>,
    released: Released,
}

/// Timers whose last handle was dropped.
#[derive(Clone, Debug, Default)]
struct Released(Rc<RefCell<Vec<Timer>>>);

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
    fn take(&self) -> Option<Body<T>> {
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
    fn kept(&self) -> Option<Rc<Kept<T>>> {
        self.handle.as_ref().and_then(Weak::upgrade)
    }
}

/// A timer that was re-armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The tag of its task.
    pub tag: Tag,
    /// When it is due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<u64>,
    /// It had fired and was kept only by its handle, and it is unreferenced.
    pub now_unreferenced: bool,
}

/// A due timer and its task.
#[derive(Debug)]
pub struct Due<T> {
    /// Its key, due time and skipped periods.
    pub fired: Fired,
    /// The task to run now.
    pub(crate) task: Body<T>,
    /// The tag of its task.
    pub tag: Tag,
}

/// An armed timer, for snapshots and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArmedTimer {
    pub timer: TimerId,
    pub tag: Tag,
    pub due: Timestamp,
    pub period_ns: Option<u64>,
    pub referenced: bool,
}

/// The timers of a scheduler.
pub(crate) struct Timers<T> {
    queue: TimerQueue<TimerEntry<T>>,
    rule: TimerRule,
    /// Timers that fired and whose handles were since dropped.
    released: Released,
}

/// The due time of a timer armed at `now`, and its entry.
fn fresh<T>(now: Timestamp, delay: Delay, task: Body<T>, tag: Tag) -> (Timestamp, TimerEntry<T>) {
    let entry = TimerEntry { task: Some(task), tag, delay, on_shutdown: OnShutdown::Cancel, handle: None };
    (due_after(now, delay.first()), entry)
}

impl<T: Payload> Timers<T> {
    /// No timers, from `now` on.
    pub(super) fn new(rule: TimerRule, now: Timestamp) -> Self {
        let order = match rule {
            TimerRule::AllDue => Order::Due,
            TimerRule::OnePerTurn => Order::Arming,
        };
        let mut timers = Self { queue: TimerQueue::in_order(order), rule, released: Released::default() };
        timers.advance(now);
        timers
    }

    /// Moves the queue's time to `now`.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.queue.advance(now);
    }

    /// When the next timer is due.
    pub(super) fn next_due(&mut self) -> Option<Timestamp> {
        self.queue.next_due()
    }

    /// Number of timers that keep the loop alive.
    pub(super) fn referenced(&self) -> usize {
        self.queue.referenced()
    }

    /// Arms a timer at `now`. Returns its key and due time.
    pub(crate) fn arm(
        &mut self,
        now: Timestamp,
        delay: Delay,
        task: Body<T>,
        tag: Tag,
    ) -> (Timer, Timestamp) {
        let (due, entry) = fresh(now, delay, task, tag);
        (self.queue.arm(due, delay.period_ns(), entry), due)
    }

    /// Arms a timer at `now` under a number that it had before. Returns its key and due time.
    pub(crate) fn arm_as(
        &mut self,
        id: TimerId,
        now: Timestamp,
        delay: Delay,
        task: Body<T>,
        tag: Tag,
    ) -> (Timer, Timestamp) {
        let (due, entry) = fresh(now, delay, task, tag);
        (self.queue.restore(id, due, delay.period_ns(), true, entry), due)
    }

    /// Arms a timer with its data from a snapshot.
    #[expect(clippy::too_many_arguments, reason = "all that a snapshot says about a timer")]
    pub(crate) fn restore(
        &mut self,
        id: TimerId,
        due: Timestamp,
        period_ns: Option<NonZeroU64>,
        referenced: bool,
        task: Body<T>,
        tag: Tag,
        on_shutdown: OnShutdown,
    ) -> Timer {
        let delay = match period_ns {
            Some(period) => Delay::Every(Duration::from_nanos(period.get())),
            // Its delay is no longer known; re-arming it supplies one.
            None => Delay::Once(Duration::ZERO),
        };
        let entry = TimerEntry { task: Some(task), tag, delay, on_shutdown, handle: None };
        self.queue.restore(id, due, period_ns, referenced, entry)
    }

    /// Makes new timers get numbers from `next` on.
    pub(crate) fn skip_ids_to(&mut self, next: TimerId) {
        self.queue.skip_ids_to(next);
    }

    /// Whether a timer is armed, or its callback is running now.
    pub(crate) fn has(&self, timer: Timer) -> bool {
        self.queue.value(timer).is_some()
    }

    /// Sets the delay with which a timer is armed the next time.
    pub(crate) fn set_delay(&mut self, timer: Timer, delay: Delay) {
        if let Some(entry) = self.queue.value_mut(timer) {
            entry.delay = delay;
        }
    }

    /// Restarts a timer with its original delay, behind its peers: including one that fired, if a handle kept it.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed, not kept, and not running a task that can run again.
    pub(crate) fn refresh(&mut self, now: Timestamp, timer: Timer) -> Result<Refreshed, TimerGone> {
        let gone = TimerGone(timer.id());
        let was_parked = self.queue.is_parked(timer);
        let is_referenced = self.queue.is_referenced(timer).ok_or(gone)?;
        let entry = self.queue.value_mut(timer).ok_or(gone)?;
        if was_parked {
            entry.task = entry.kept().and_then(|kept| kept.take());
        }
        if entry.task.is_none() {
            return Err(gone);
        }
        let (tag, delay) = (entry.tag, entry.delay);
        let due = due_after(now, delay.first());
        if !self.queue.rearm(timer, due, delay.period_ns()) {
            return Err(gone);
        }
        let period_ns = delay.period_ns().map(NonZeroU64::get);
        Ok(Refreshed { tag, due, period_ns, now_unreferenced: was_parked && !is_referenced })
    }

    /// Clears a timer; true if it was armed or is firing. It never fires again.
    #[inline]
    pub(crate) fn clear(&mut self, timer: Timer) -> bool {
        let was_parked = self.queue.is_parked(timer);
        let Some(entry) = self.queue.clear(timer) else { return false };
        if was_parked {
            drop(entry.kept().and_then(|kept| kept.take()));
        }
        !was_parked
    }

    /// Sets whether a timer keeps the loop alive; true if that changed something now. For a timer kept only by
    /// its handle, takes effect when it is re-armed.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed and no handle kept it.
    pub(crate) fn set_referenced(&mut self, timer: Timer, referenced: bool) -> Result<bool, TimerGone> {
        let changed = self.queue.set_referenced(timer, referenced).ok_or(TimerGone(timer.id()))?;
        Ok(changed && !self.queue.is_parked(timer))
    }

    /// Sets what a shutdown does with a timer.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed.
    pub(crate) fn set_on_shutdown(&mut self, timer: Timer, rule: OnShutdown) -> Result<(), TimerGone> {
        self.queue.value_mut(timer).ok_or(TimerGone(timer.id()))?.on_shutdown = rule;
        Ok(())
    }

    /// Timers that a shutdown clears. Those awaited by a future are handled with the future.
    pub(crate) fn to_cancel(&self) -> Vec<Timer> {
        let armed = self.queue.armed().into_iter();
        let cancelled = armed.filter(|armed| {
            let TimerEntry { task, on_shutdown, .. } = armed.value;
            *on_shutdown == OnShutdown::Cancel && !matches!(task, Some(Body::Wake(_)))
        });
        cancelled.map(|armed| armed.timer).collect()
    }

    /// Number of timers that may finish.
    pub(crate) fn to_finish(&self) -> u32 {
        let armed = self.queue.armed().into_iter();
        armed.filter(|armed| armed.value.on_shutdown == OnShutdown::Finish).count() as u32
    }

    /// Every armed timer.
    pub(crate) fn ids(&self) -> Vec<Timer> {
        self.queue.armed().into_iter().map(|armed| armed.timer).collect()
    }

    /// Number of armed timers.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The id of the next new timer.
    pub(crate) fn next_id(&self) -> TimerId {
        self.queue.next_id()
    }

    /// Begins a pass over the timers due at `now`. `None` if there are none.
    #[must_use]
    pub(crate) fn begin_pass(&mut self, now: Timestamp) -> Option<TimerPass> {
        self.reclaim();
        if self.queue.next_due().is_some_and(|due| due <= now) {
            return Some(self.queue.begin_pass(now));
        }
        self.queue.advance(now);
        None
    }

    /// The next due timer of the pass; `ran` is the number it has already returned.
    pub(crate) fn pop_due(&mut self, pass: &TimerPass, ran: u32) -> Option<Due<T>> {
        if self.rule == TimerRule::OnePerTurn && ran > 0 {
            return None;
        }
        loop {
            let fired = self.queue.pop_due(pass)?;
            let Some(entry) = self.queue.value_mut(fired.timer) else { continue };
            // A task that can run again stays, so that its own callback may refresh the timer.
            let copy = entry.task.as_ref().and_then(Body::again);
            if let Some(task) = copy.or_else(|| entry.task.take()) {
                return Some(Due { fired, task, tag: entry.tag });
            }
            let _ = self.queue.clear(fired.timer);
        }
    }

    /// Called after the callback of a timer, which began at `started`. Returns its next due time.
    pub(crate) fn ran(&mut self, timer: Timer, started: Timestamp) -> Option<Timestamp> {
        if self.park(timer) {
            return None;
        }
        match self.queue.finish(timer, started) {
            Finished::Armed(due) => Some(due),
            Finished::Done(_) | Finished::Cleared => None,
        }
    }

    /// All armed timers, in arming order.
    pub(crate) fn armed(&self) -> Vec<ArmedTimer> {
        let armed = self.queue.armed().into_iter();
        armed
            .map(|armed| ArmedTimer {
                timer: armed.timer.id(),
                tag: armed.value.tag,
                due: armed.due,
                period_ns: armed.period_ns.map(NonZeroU64::get),
                referenced: armed.referenced,
            })
            .collect()
    }

    /// Returns a handle to a timer.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it fired without a handle, was cleared, or never existed.
    pub(crate) fn handle(&mut self, timer: Timer) -> Result<TimerHandle<T>, TimerGone> {
        let gone = TimerGone(timer.id());
        let is_parked = self.queue.is_parked(timer);
        let entry = self.queue.value_mut(timer).ok_or(gone)?;
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
    fn park(&mut self, timer: Timer) -> bool {
        let is_kept =
            |entry: &&mut TimerEntry<T>| matches!(entry.delay, Delay::Once(_)) && entry.task.is_some();
        let Some(entry) = self.queue.value_mut(timer).filter(is_kept) else { return false };
        let Some(kept) = entry.kept() else { return false };
        if !self.queue.park(timer) {
            return false;
        }
        let task = self.queue.value_mut(timer).and_then(|entry| entry.task.take());
        kept.task.replace(task);
        true
    }

    /// Reclaims the places of timers that fired and whose last handle was dropped since.
    fn reclaim(&mut self) {
        loop {
            let Some(timer) = self.released.0.borrow_mut().pop() else { return };
            let has_handle = self.queue.value(timer).is_some_and(|entry| entry.kept().is_some());
            if !has_handle && self.queue.is_parked(timer) {
                let _ = self.queue.clear(timer);
            }
        }
    }
}
