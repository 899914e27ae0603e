//! Operations on timers.

use std::time::Duration;

use loop_probes::event::{ClockPoint, Event, RefKind};
use loop_probes::ids::{Tag, Timestamp};

use crate::body::Body;
use crate::error::{RequestError, RunError};
use crate::scheduler::{Refreshed, TimerHandle};
use crate::tag::name_of;
use crate::task::Context;
use crate::task::Task;
use crate::timer::{Delay, ScriptDelay, Timer, TimerGone};

impl<T: Task> Context<'_, T> {
    /// Runs `task` once, not before `delay` has passed.
    pub fn set_timeout(&mut self, delay: Duration, task: T) -> Timer {
        let tag = self.core.tag(&task);
        self.arm(Delay::Once(delay), Body::Task(task), tag)
    }

    /// Runs `task` every `period`. The next period begins when the callback starts, so firings of a slow callback do not
    /// pile up; the number of skipped periods is recorded.
    ///
    /// # Errors
    ///
    /// [`RequestError::RunsOnce`] if [`Task::again`] returns no copy, [`RequestError::NeverDispatched`] if the task
    /// must not run.
    pub fn set_interval(&mut self, period: Duration, task: T) -> Result<Timer, RequestError> {
        self.check_again(&task, RefKind::Timer)?;
        let tag = self.core.tag(&task);
        Ok(self.arm(Delay::Every(period), Body::Task(task), tag))
    }

    /// Arms many timers, each of which runs its task once. All delays count from one reading of the clock, which saves most
    /// of the cost of arming.
    pub fn set_timeouts(&mut self, timers: impl IntoIterator<Item = (Duration, T)>) -> Vec<Timer> {
        let now = self.arming_time();
        let timers = timers.into_iter().map(|(delay, task)| {
            let tag = self.core.tag(&task);
            self.arm_at(now, Delay::Once(delay), Body::Task(task), tag)
        });
        timers.collect()
    }

    /// Like [`set_timeout`](Self::set_timeout), for scripts: the delay is a number of milliseconds. A delay that is not a
    /// number, below 1 ms or above 2^31 − 1 ms becomes 1 ms, and a warning is recorded as a mark.
    pub fn set_timeout_ms(&mut self, delay_ms: f64, task: T) -> Timer {
        let delay = self.script_delay(delay_ms);
        self.set_timeout(delay, task)
    }

    /// Like [`set_interval`](Self::set_interval), for scripts: see [`set_timeout_ms`](Self::set_timeout_ms).
    ///
    /// # Errors
    ///
    /// The errors of [`set_interval`](Self::set_interval).
    pub fn set_interval_ms(&mut self, period_ms: f64, task: T) -> Result<Timer, RequestError> {
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

    /// Reads the time from which a delay counts.
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
        let (timer, due) = self.core.scheduler.timers.arm(now, delay, task, tag);
        self.armed(timer, tag, due, delay);
        timer
    }

    #[inline]
    fn armed(&mut self, timer: Timer, tag: Tag, due: Timestamp, delay: Delay) {
        self.record_armed(timer, tag, due, delay);
        if self.core.shutdown.has_begun() {
            // A loop that shuts down waits only for timers that may finish.
            let _ = self.set_timer_referenced(timer, false);
        }
    }

    #[inline]
    pub(crate) fn record_armed(&self, timer: Timer, tag: Tag, due: Timestamp, delay: Delay) {
        if self.core.on {
            let period_ns = match delay {
                Delay::Once(_) => None,
                Delay::Every(period) => Some(u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1)),
            };
            self.core.record(Event::TimerArmed { timer: timer.id(), tag, due, period_ns });
        }
    }

    /// Clears a timer, so that it never fires again, even if a handle keeps it. Returns false if it fired, was cleared, or
    /// never existed.
    pub fn clear_timer(&mut self, timer: Timer) -> bool {
        let cleared = self.core.scheduler.timers.clear(timer);
        if cleared && self.core.on {
            self.stamp();
            self.core.record(Event::TimerCleared { timer: timer.id() });
        }
        cleared
    }

    /// Re-arms a timer with its original delay, behind timers due at the same time. Also works in the timer's callback, if
    /// its task can run [`again`](Task::again), and after the timer fired, while a [handle](Self::timer_handle) exists.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer is not armed and no handle kept it.
    pub fn refresh_timer(&mut self, timer: Timer) -> Result<(), TimerGone> {
        let now = self.arming_time();
        let Refreshed { tag, due, period_ns, now_unreferenced } =
            self.core.scheduler.timers.refresh(now, timer)?;
        if self.core.on {
            let timer = timer.id();
            self.core.record(Event::TimerArmed { timer, tag, due, period_ns });
            if now_unreferenced {
                // Readers of the record dropped the timer when it fired, and with it that it is unreferenced.
                self.core.record(Event::TimerRef { timer, referenced: false });
            }
        }
        Ok(())
    }

    /// Returns a handle to a timer. While a handle exists, the timer can be re-armed after it fired.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer fired without a handle, was cleared, or never existed.
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
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timer_handle(&mut self, timer: Timer) -> Result<TimerHandle<T>, TimerGone> {
        self.core.scheduler.timers.handle(timer)
    }

    /// Sets whether a timer keeps the loop alive. An unreferenced timer still fires while something else keeps the loop
    /// alive.
    ///
    /// # Errors
    ///
    /// [`TimerGone`] if the timer is not armed and no handle kept it.
    pub fn set_timer_referenced(&mut self, timer: Timer, referenced: bool) -> Result<(), TimerGone> {
        let changed = self.core.scheduler.timers.set_referenced(timer, referenced)?;
        if changed && self.core.on {
            self.stamp();
            self.core.record(Event::TimerRef { timer: timer.id(), referenced });
        }
        Ok(())
    }

    pub(super) fn check_again(&mut self, task: &T, what: RefKind) -> Result<(), RequestError> {
        if task.is_never_dispatched() {
            return Err(RequestError::NeverDispatched { tag: name_of(self.core.tag(task)) });
        }
        if task.again().is_some() {
            return Ok(());
        }
        Err(RequestError::RunsOnce { tag: name_of(self.core.tag(task)), what })
    }

    /// Fails a task that must never run, and ends the run with the error.
    #[cold]
    pub(crate) fn refuse_dispatch(&mut self, task: &T) {
        let refused = RunError::NeverDispatched { tag: name_of(self.core.tag(task)) };
        self.fail(&refused);
        self.core.failed.get_or_insert(refused);
        self.stop();
    }
}
