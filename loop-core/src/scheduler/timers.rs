//! The scheduler's timers: turns delays into due times, and due timers into tasks.
//!
//! While a timer handle exists, a one-shot that fired can be re-armed, like Node's `Timeout` objects. Without a handle,
//! the task of a fired one-shot is freed immediately. With handles, the task moves to the state that they share, and is
//! freed when the last handle is dropped; the timer's slot is reclaimed the next time the timers are checked.

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
    /// `None` while a task that runs only once is running, and while the handles' shared state has the task.
    task: Option<Body<T>>,
    tag: Tag,
    delay: Delay,
    on_shutdown: OnShutdown,
    /// The state shared by the timer's handles, while any exist.
    handle: Option<Weak<Kept<T>>>,
}

/// Keeps a one-shot timer after it fired, so that [`Context::refresh_timer`](crate::Context::refresh_timer) can re-arm
/// it with the same delay and task. The task must be able to run [`again`](crate::Task::again). Clones are handles to the
/// same timer.
///
/// A handle does not keep the loop alive, and dropping it does not clear the timer.
pub struct TimerHandle<T> {
    kept: Rc<Kept<T>>,
}

/// State shared by the handles of a timer.
#[derive(Debug)]
struct Kept<T> {
    timer: Timer,
    /// The timer's task, from when the timer fired until it is re-armed.
    task: RefCell<Option<Body<T>>>,
    released: Released,
}

/// Timers whose last handle was dropped.
#[derive(Clone, Debug, Default)]
struct Released(Rc<RefCell<Vec<Timer>>>);

impl<T> TimerHandle<T> {
    /// The timer's key.
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
    /// The state shared by the timer's handles, if any exist.
    #[inline]
    fn kept(&self) -> Option<Rc<Kept<T>>> {
        self.handle.as_ref().and_then(Weak::upgrade)
    }
}

/// A timer that was re-armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// Tag of the timer's task.
    pub tag: Tag,
    /// When the timer is due.
    pub due: Timestamp,
    /// The period of an interval, in nanoseconds.
    pub period_ns: Option<u64>,
    /// Whether the timer had been kept only by a handle and is unreferenced.
    pub now_unreferenced: bool,
}

/// A due timer and its task.
#[derive(Debug)]
pub struct Due<T> {
    /// The timer's key, due time and skipped periods.
    pub fired: Fired,
    /// The task to run now.
    pub(crate) task: Body<T>,
    /// The task's tag.
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
    /// Timers that fired and whose handles were all dropped.
    released: Released,
}

/// The due time of a timer armed at `now`, and its entry.
fn fresh<T>(now: Timestamp, delay: Delay, task: Body<T>, tag: Tag) -> (Timestamp, TimerEntry<T>) {
    let entry = TimerEntry { task: Some(task), tag, delay, on_shutdown: OnShutdown::Cancel, handle: None };
    (due_after(now, delay.first()), entry)
}

impl<T: Payload> Timers<T> {
    /// An empty set of timers that starts at `now`.
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

    /// Arms a timer at `now` under its recorded number. Returns its key and due time.
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
            // The original delay is not recorded; re-arming supplies one.
            None => Delay::Once(Duration::ZERO),
        };
        let entry = TimerEntry { task: Some(task), tag, delay, on_shutdown, handle: None };
        self.queue.restore(id, due, period_ns, referenced, entry)
    }

    /// Makes new timers get numbers from `next` on.
    pub(crate) fn skip_ids_to(&mut self, next: TimerId) {
        self.queue.skip_ids_to(next);
    }

    /// Whether a timer is armed or its callback is running.
    pub(crate) fn has(&self, timer: Timer) -> bool {
        self.queue.value(timer).is_some()
    }

    /// Sets the delay for the next time a timer is re-armed.
    pub(crate) fn set_delay(&mut self, timer: Timer, delay: Delay) {
        if let Some(entry) = self.queue.value_mut(timer) {
            entry.delay = delay;
        }
    }

    /// Re-arms a timer with its original delay, behind timers due at the same time. Also works for a timer that fired, if a
    /// handle kept it.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer is not armed, not kept by a handle, and not running a task that can run again.
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

    /// Clears a timer, so that it never fires again. True if it was armed or is firing.
    #[inline]
    pub(crate) fn clear(&mut self, timer: Timer) -> bool {
        let was_parked = self.queue.is_parked(timer);
        let Some(entry) = self.queue.clear(timer) else { return false };
        if was_parked {
            drop(entry.kept().and_then(|kept| kept.take()));
        }
        !was_parked
    }

    /// Sets whether a timer keeps the loop alive. True if that changed something now; for a timer kept only by a handle it
    /// takes effect when the timer is re-armed.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer is not armed and no handle kept it.
    pub(crate) fn set_referenced(&mut self, timer: Timer, referenced: bool) -> Result<bool, TimerGone> {
        let changed = self.queue.set_referenced(timer, referenced).ok_or(TimerGone(timer.id()))?;
        Ok(changed && !self.queue.is_parked(timer))
    }

    /// Sets what a shutdown does with a timer.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer is not armed.
    pub(crate) fn set_on_shutdown(&mut self, timer: Timer, rule: OnShutdown) -> Result<(), TimerGone> {
        self.queue.value_mut(timer).ok_or(TimerGone(timer.id()))?.on_shutdown = rule;
        Ok(())
    }

    /// Timers that a shutdown clears. Timers that futures await are not included, since they end with their futures.
    pub(crate) fn to_cancel(&self) -> Vec<Timer> {
        let armed = self.queue.armed().into_iter();
        let cancelled = armed.filter(|armed| {
            let TimerEntry { task, on_shutdown, .. } = armed.value;
            *on_shutdown == OnShutdown::Cancel && !matches!(task, Some(Body::Wake(_)))
        });
        cancelled.map(|armed| armed.timer).collect()
    }

    /// Number of timers that may finish during a shutdown.
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

    /// Id that the next new timer gets.
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

    /// Takes the next due timer of the pass. `ran` is the number of timers that the pass has already returned.
    pub(crate) fn pop_due(&mut self, pass: &TimerPass, ran: u32) -> Option<Due<T>> {
        if self.rule == TimerRule::OnePerTurn && ran > 0 {
            return None;
        }
        loop {
            let fired = self.queue.pop_due(pass)?;
            let Some(entry) = self.queue.value_mut(fired.timer) else { continue };
            // A task that can run again stays in the entry, so that the callback can refresh the timer.
            let copy = entry.task.as_ref().and_then(Body::again);
            if let Some(task) = copy.or_else(|| entry.task.take()) {
                return Some(Due { fired, task, tag: entry.tag });
            }
            let _ = self.queue.clear(fired.timer);
        }
    }

    /// Ends the firing of a timer whose callback began at `started`. Returns the timer's next due time, if it is armed.
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

    /// After the callback of a one-shot with a handle, parks the timer and moves its task to the handles' shared state.
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
