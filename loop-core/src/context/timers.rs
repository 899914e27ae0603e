//! Timers, from a running task.

use std::time::Duration;

use loop_probes::event::{ClockPoint, Event, RefKind};
use loop_probes::ids::Tag;

use super::Context;
use crate::error::LoopError;
use crate::scheduler::{Delay, TimerGone};
use crate::task::body::Body;
use crate::task::{Task, tag};
use crate::timer::Timer;

impl<T: Task> Context<'_, T> {
    /// Runs `task` once, not before `delay` has passed.
    pub fn set_timeout(&mut self, delay: Duration, task: T) -> Timer {
        let tag = self.core.tag(&task);
        self.arm(Delay::Once(delay), Body::Task(task), tag)
    }

    /// Runs `task` again and again. The next period begins when a callback starts, so a slow one does not pile
    /// up firings: what a late one skipped is recorded.
    ///
    /// # Errors
    ///
    /// [`LoopError::RunsOnce`] where [`Task::again`] has no copy.
    pub fn set_interval(&mut self, period: Duration, task: T) -> Result<Timer, LoopError> {
        self.check_again(&task, RefKind::Timer)?;
        let tag = self.core.tag(&task);
        Ok(self.arm(Delay::Every(period), Body::Task(task), tag))
    }

    pub(crate) fn arm(&mut self, delay: Delay, task: Body<T>, tag: Tag) -> Timer {
        self.stamp();
        let now = self.read(ClockPoint::Arm);
        let (timer, due) = self.core.scheduler.arm(now, delay, task, tag);
        if self.core.on {
            let period_ns = match delay {
                Delay::Once(_) => None,
                Delay::Every(period) => Some(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1)),
            };
            self.core.record(Event::TimerArmed { timer: timer.id(), tag, due, period_ns });
        }
        if self.core.shutdown.has_begun() {
            // A loop that shuts down waits for those alone whose owner says so.
            let _ = self.set_timer_referenced(timer, false);
        }
        timer
    }

    /// Clears a timer: it never fires again. False where it fired, was cleared, or never was.
    pub fn clear_timer(&mut self, timer: Timer) -> bool {
        let cleared = self.core.scheduler.clear(timer);
        if cleared && self.core.on {
            self.stamp();
            self.core.record(Event::TimerCleared { timer: timer.id() });
        }
        cleared
    }

    /// Restarts a timer with its whole delay, behind its peers. From its own callback too, where its task can
    /// run [`again`](Task::again).
    ///
    /// # Errors
    ///
    /// [`TimerGone`] where it is not armed.
    pub fn refresh_timer(&mut self, timer: Timer) -> Result<(), TimerGone> {
        self.stamp();
        let now = self.read(ClockPoint::Arm);
        let (tag, due, period_ns) = self.core.scheduler.refresh(now, timer)?;
        if self.core.on {
            self.core.record(Event::TimerArmed { timer: timer.id(), tag, due, period_ns });
        }
        Ok(())
    }

    /// Says whether a timer keeps the loop alive. An unreferenced one fires while something else does.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] where it is not armed.
    pub fn set_timer_referenced(&mut self, timer: Timer, referenced: bool) -> Result<(), TimerGone> {
        let changed = self.core.scheduler.set_timer_referenced(timer, referenced)?;
        if changed && self.core.on {
            self.stamp();
            self.core.record(Event::TimerRef { timer: timer.id(), referenced });
        }
        Ok(())
    }

    pub(super) fn check_again(&mut self, task: &T, what: RefKind) -> Result<(), LoopError> {
        if task.again().is_some() {
            return Ok(());
        }
        let tag = self.core.tag(task);
        Err(LoopError::RunsOnce { tag: tag::name(tag).as_deref().unwrap_or("untagged").to_owned(), what })
    }
}
