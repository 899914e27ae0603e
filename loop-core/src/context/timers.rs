//! Timers, from a running task.

use std::time::Duration;

use loop_probes::event::{ClockPoint, Event, RefKind};
use loop_probes::ids::{Tag, Timestamp};

use super::Context;
use crate::error::LoopError;
use crate::scheduler::{Delay, Refreshed, TimerGone, TimerHandle, name_of};
use crate::task::Task;
use crate::task::body::Body;
use crate::timer::{ScriptDelay, Timer};

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
    /// [`LoopError::RunsOnce`] where [`Task::again`] has no copy, [`LoopError::NeverDispatched`] where it must not
    /// run.
    pub fn set_interval(&mut self, period: Duration, task: T) -> Result<Timer, LoopError> {
        self.check_again(&task, RefKind::Timer)?;
        let tag = self.core.tag(&task);
        Ok(self.arm(Delay::Every(period), Body::Task(task), tag))
    }

    /// Arms many timers, each to run its task once, at one reading of the clock: no delay begins before that, and
    /// the timers of one call cost one reading, which is most of what arming one costs.
    pub fn set_timeouts(&mut self, timers: impl IntoIterator<Item = (Duration, T)>) -> Vec<Timer> {
        let now = self.arming_time();
        let timers = timers.into_iter().map(|(delay, task)| {
            let tag = self.core.tag(&task);
            self.arm_at(now, Delay::Once(delay), Body::Task(task), tag)
        });
        timers.collect()
    }

    /// As [`set_timeout`](Self::set_timeout), for a script: its delay is a number of milliseconds, and what no
    /// script can mean is 1 ms, with a warning as a mark in the record ([`ScriptDelay`]).
    pub fn set_timeout_ms(&mut self, delay_ms: f64, task: T) -> Timer {
        let delay = self.script_delay(delay_ms);
        self.set_timeout(delay, task)
    }

    /// As [`set_interval`](Self::set_interval), for a script: see [`set_timeout_ms`](Self::set_timeout_ms).
    ///
    /// # Errors
    ///
    /// As [`set_interval`](Self::set_interval).
    pub fn set_interval_ms(&mut self, period_ms: f64, task: T) -> Result<Timer, LoopError> {
        let period = self.script_delay(period_ms);
        self.set_interval(period, task)
    }

    fn script_delay(&mut self, ms: f64) -> Duration {
        let ScriptDelay { delay, warning } = ScriptDelay::from_ms(ms);
        if let Some(warning) = warning {
            self.mark(warning.as_str());
        }
        delay
    }

    /// The time at which something is armed.
    pub(crate) fn arming_time(&mut self) -> Timestamp {
        self.stamp();
        self.read(ClockPoint::Arm)
    }

    pub(crate) fn arm(&mut self, delay: Delay, task: Body<T>, tag: Tag) -> Timer {
        let now = self.arming_time();
        self.arm_at(now, delay, task, tag)
    }

    #[inline]
    fn arm_at(&mut self, now: Timestamp, delay: Delay, task: Body<T>, tag: Tag) -> Timer {
        let (timer, due) = self.core.scheduler.arm(now, delay, task, tag);
        self.armed(timer, tag, due, delay);
        timer
    }

    #[inline]
    pub(crate) fn armed(&mut self, timer: Timer, tag: Tag, due: Timestamp, delay: Delay) {
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
    }

    /// Clears a timer: it never fires again, not even where a handle keeps it. False where it fired, was cleared, or never was.
    pub fn clear_timer(&mut self, timer: Timer) -> bool {
        let cleared = self.core.scheduler.clear(timer);
        if cleared && self.core.on {
            self.stamp();
            self.core.record(Event::TimerCleared { timer: timer.id() });
        }
        cleared
    }

    /// Restarts a timer with its whole delay, behind its peers. From its own callback too, where its task can
    /// run [`again`](Task::again); and after it fired, while somebody has a [handle](Self::timer_handle) to it.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] where it is not armed, and nobody kept it.
    pub fn refresh_timer(&mut self, timer: Timer) -> Result<(), TimerGone> {
        let now = self.arming_time();
        let Refreshed { tag, due, period_ns, unreferenced_anew } = self.core.scheduler.refresh(now, timer)?;
        if self.core.on {
            let timer = timer.id();
            self.core.record(Event::TimerArmed { timer, tag, due, period_ns });
            if unreferenced_anew {
                // Who reads the record had forgotten the timer.
                self.core.record(Event::TimerRef { timer, referenced: false });
            }
        }
        Ok(())
    }

    /// A handle to a timer: while there is one, the timer can be restarted after it fired.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] where it fired and nobody kept it, was cleared, or never was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use loop_core::{Builtin, EventLoop};
    ///
    /// let mut event_loop = EventLoop::<Builtin>::new()?;
    /// let timeout = event_loop.with(|cx| {
    ///     let timer = cx.set_timeout(Duration::from_millis(1), Builtin::repeat("timeout", |_| ()));
    ///     cx.timer_handle(timer)
    /// })?;
    /// event_loop.run()?; // it fires
    /// event_loop.with(|cx| cx.refresh_timer(timeout.timer()))?;
    /// event_loop.run()?; // and fires again
    /// assert_eq!(event_loop.metrics().tasks_run, 2);
    /// # Ok::<(), loop_core::LoopError>(())
    /// ```
    pub fn timer_handle(&mut self, timer: Timer) -> Result<TimerHandle<T>, TimerGone> {
        self.core.scheduler.timer_handle(timer)
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
        if task.is_never_dispatched() {
            return Err(self.never_dispatched(task));
        }
        if task.again().is_some() {
            return Ok(());
        }
        Err(LoopError::RunsOnce { tag: name_of(self.core.tag(task)), what })
    }

    fn never_dispatched(&mut self, task: &T) -> LoopError {
        LoopError::NeverDispatched { tag: name_of(self.core.tag(task)) }
    }

    /// A task was to run that must never: it fails, and the run ends with the error.
    #[cold]
    pub(crate) fn refuse_dispatch(&mut self, task: &T) {
        let refused = self.never_dispatched(task);
        self.fail(&refused);
        self.core.failed.get_or_insert(refused);
        self.core.scheduler.stop();
    }
}
