//! The scheduler's timers: turns delays into due times, and due timers into tasks.

use std::num::NonZeroU64;
use std::rc::Weak;
use std::time::Duration;

use loop_probes::ids::{Tag, TimerId, Timestamp};

use super::Scheduler;
use super::timer_handle::Kept;
use crate::policy::{Policy, TimerRule};
use crate::shutdown::OnShutdown;
use crate::task::Task;
use crate::task::body::Body;
use crate::timer::{Finished, Fired, Order, Pass, Timer, TimerQueue, due_after};

/// When a timer fires, counted from its arming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Once.
    Once(Duration),
    /// Repeatedly; a period of zero means one nanosecond.
    Every(Duration),
}

impl Delay {
    const fn first(self) -> Duration {
        match self {
            Self::Once(delay) | Self::Every(delay) => delay,
        }
    }

    fn period_ns(self) -> Option<NonZeroU64> {
        match self {
            Self::Once(_) => None,
            Self::Every(period) => {
                let ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
                NonZeroU64::new(ns)
            }
        }
    }
}

/// There is no such timer: it fired, was cleared, or never existed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timer {0} is not armed: it fired, was cleared, or belongs to another loop")]
pub struct TimerGone(pub TimerId);

/// The scheduler's data for a timer.
#[derive(Debug)]
pub struct TimerEntry<T> {
    /// `None` while a task that runs only once is running, and while the handle has the task.
    pub(super) task: Option<Body<T>>,
    tag: Tag,
    pub(super) delay: Delay,
    pub(super) on_shutdown: OnShutdown,
    /// The state shared by its handles, while there are any.
    pub(super) handle: Option<Weak<Kept<T>>>,
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

/// Creates the queue for the policy's timers, at `now`.
pub(super) fn queue<T>(policy: &Policy, now: Timestamp) -> TimerQueue<TimerEntry<T>> {
    let mut timers = TimerQueue::in_order(match policy.timers {
        TimerRule::AllDue => Order::Due,
        TimerRule::OnePerTurn => Order::Arming,
    });
    timers.advance(now);
    timers
}

/// The due time of a timer armed at `now`, and its entry.
fn fresh<T>(now: Timestamp, delay: Delay, task: Body<T>, tag: Tag) -> (Timestamp, TimerEntry<T>) {
    let entry = TimerEntry { task: Some(task), tag, delay, on_shutdown: OnShutdown::Cancel, handle: None };
    (due_after(now, delay.first()), entry)
}

impl<T: Task> Scheduler<T> {
    /// Arms a timer at `now`. Returns its key and due time.
    pub(crate) fn arm(
        &mut self,
        now: Timestamp,
        delay: Delay,
        task: Body<T>,
        tag: Tag,
    ) -> (Timer, Timestamp) {
        let (due, entry) = fresh(now, delay, task, tag);
        (self.timers.arm(due, delay.period_ns(), entry), due)
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
        (self.timers.restore(id, due, delay.period_ns(), true, entry), due)
    }

    /// Arms a timer with its data from a snapshot.
    #[expect(clippy::too_many_arguments, reason = "all that a snapshot says about a timer")]
    pub(crate) fn restore_timer(
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
        self.timers.restore(id, due, period_ns, referenced, entry)
    }

    /// Makes new timers get numbers from `next` on.
    pub(crate) fn skip_timer_ids_to(&mut self, next: TimerId) {
        self.timers.skip_ids_to(next);
    }

    /// Whether a timer is armed, or its callback is running now.
    pub(crate) fn has_timer(&self, timer: Timer) -> bool {
        self.timers.value(timer).is_some()
    }

    /// Sets the delay with which a timer is armed the next time.
    pub(crate) fn set_delay(&mut self, timer: Timer, delay: Delay) {
        if let Some(entry) = self.timers.value_mut(timer) {
            entry.delay = delay;
        }
    }

    /// Restarts a timer with its original delay, behind its peers: including one that fired, if a handle kept it.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed, not kept, and not running a task that can run again.
    pub fn refresh(&mut self, now: Timestamp, timer: Timer) -> Result<Refreshed, TimerGone> {
        let gone = TimerGone(timer.id());
        let was_parked = self.timers.is_parked(timer);
        let is_referenced = self.timers.is_referenced(timer).ok_or(gone)?;
        let entry = self.timers.value_mut(timer).ok_or(gone)?;
        if was_parked {
            entry.task = entry.kept().and_then(|kept| kept.take());
        }
        if entry.task.is_none() {
            return Err(gone);
        }
        let (tag, delay) = (entry.tag, entry.delay);
        let due = due_after(now, delay.first());
        if !self.timers.rearm(timer, due, delay.period_ns()) {
            return Err(gone);
        }
        let period_ns = delay.period_ns().map(NonZeroU64::get);
        Ok(Refreshed { tag, due, period_ns, now_unreferenced: was_parked && !is_referenced })
    }

    /// Clears a timer; true if it was armed or is firing. It never fires again.
    #[inline]
    pub fn clear(&mut self, timer: Timer) -> bool {
        let was_parked = self.timers.is_parked(timer);
        let Some(entry) = self.timers.clear(timer) else { return false };
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
    pub fn set_timer_referenced(&mut self, timer: Timer, referenced: bool) -> Result<bool, TimerGone> {
        let changed = self.timers.set_referenced(timer, referenced).ok_or(TimerGone(timer.id()))?;
        Ok(changed && !self.timers.is_parked(timer))
    }

    /// Sets what a shutdown does with a timer.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if it is not armed.
    pub fn set_timer_on_shutdown(&mut self, timer: Timer, rule: OnShutdown) -> Result<(), TimerGone> {
        self.timers.value_mut(timer).ok_or(TimerGone(timer.id()))?.on_shutdown = rule;
        Ok(())
    }

    /// Timers that a shutdown clears. Those awaited by a future are handled with the future.
    pub(crate) fn timers_to_cancel(&self) -> Vec<Timer> {
        let armed = self.timers.armed().into_iter();
        let cancelled = armed.filter(|armed| {
            let TimerEntry { task, on_shutdown, .. } = armed.value;
            *on_shutdown == OnShutdown::Cancel && !matches!(task, Some(Body::Wake(_)))
        });
        cancelled.map(|armed| armed.timer).collect()
    }

    /// Number of timers that may finish.
    pub(crate) fn timers_to_finish(&self) -> u32 {
        let armed = self.timers.armed().into_iter();
        armed.filter(|armed| armed.value.on_shutdown == OnShutdown::Finish).count() as u32
    }

    /// Every armed timer.
    pub(crate) fn timer_ids(&self) -> Vec<Timer> {
        self.timers.armed().into_iter().map(|armed| armed.timer).collect()
    }

    /// Number of armed timers.
    #[must_use]
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// The id of the next new timer.
    #[must_use]
    pub fn next_timer_id(&self) -> TimerId {
        self.timers.next_id()
    }

    /// Begins a pass over the timers due at `now`. `None` if there are none.
    #[must_use]
    pub fn begin_timers(&mut self, now: Timestamp) -> Option<Pass> {
        self.reclaim();
        if self.timers.next_due().is_some_and(|due| due <= now) {
            return Some(self.timers.begin_pass(now));
        }
        self.timers.advance(now);
        None
    }

    /// The next due timer of the pass; `ran` is the number it has already returned.
    pub fn next_due(&mut self, pass: &Pass, ran: u32) -> Option<Due<T>> {
        if self.policy.timers == TimerRule::OnePerTurn && ran > 0 {
            return None;
        }
        loop {
            let fired = self.timers.pop_due(pass)?;
            let Some(entry) = self.timers.value_mut(fired.timer) else { continue };
            // A task that can run again stays, so that its own callback may refresh the timer.
            let copy = entry.task.as_ref().and_then(Body::again);
            if let Some(task) = copy.or_else(|| entry.task.take()) {
                return Some(Due { fired, task, tag: entry.tag });
            }
            let _ = self.timers.clear(fired.timer);
        }
    }

    /// Called after the callback of a timer, which began at `started`. Returns its next due time.
    pub fn timer_ran(&mut self, timer: Timer, started: Timestamp) -> Option<Timestamp> {
        if self.park(timer) {
            return None;
        }
        match self.timers.finish(timer, started) {
            Finished::Armed(due) => Some(due),
            Finished::Done(_) | Finished::Cleared => None,
        }
    }

    /// All armed timers, in arming order.
    pub(crate) fn armed(&self) -> Vec<ArmedTimer> {
        let armed = self.timers.armed().into_iter();
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
}
