//! The event loop: the only place that calls a clock or a poller.
//!
//! It asks the [`Scheduler`] for the next step, performs it, and records each boundary: one reading of the record
//! clock serves as the end of one thing and the start of the next.

mod batches;
mod builder;
mod call;
mod gc;
mod inbound;
mod observe;
mod outside;
mod poll;
mod shutdown;
mod snapshot;
mod tick;

pub use crate::core::Metrics;
pub use builder::Builder;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::clock::{Clock, SystemClock};
use loop_probes::event::{ClockPoint, Event, LoopCall, StopReason};
use loop_probes::ids::{TaskId, Ticks, Timestamp};
use loop_probes::recorder::{Recorder, Running};

use self::observe::SlowLimit;
use self::outside::Validator;
use self::tick::{Flow, Half};
use crate::core::Core;
use crate::environment::Environment;
use crate::error::LoopError;
use crate::future::{JoinHandle, LocalHandle};
use crate::handle::Handle;
use crate::host::Host;
use crate::keep_alive::Pending;
use crate::options::Options;
use crate::policy::Policy;
use crate::poller::os::OsPoller;
use crate::poller::{Poller, Ready};
use crate::scheduler::Scheduler;
use crate::task::Context;
use crate::task::Task;

/// An event loop over the application's own task enum. See the [crate docs](crate).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::{Builtin, EventLoop};
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.with(|cx| {
///     cx.set_timeout(Duration::from_millis(1), Builtin::once("later", |_| ()));
/// });
/// event_loop.run()?; // ends when nothing referenced is pending
/// assert_eq!(event_loop.metrics().tasks_run, 1);
/// # Ok::<(), loop_core::LoopError>(())
/// ```
pub struct EventLoop<T: Task, C: Clock = SystemClock, P: Poller = OsPoller> {
    core: Core<T>,
    clock: C,
    poller: P,
    host: Option<Box<dyn Host<T>>>,
    validator: Validator,
    slow: SlowLimit,
    ready: Vec<Ready>,
    /// Queue depths last recorded, by queue.
    depths: [u32; observe::SAMPLED],
    snapshot_due: Option<Timestamp>,
    /// The scheduler's latest reading of the monotonic clock, until the next tick has looked at it.
    latest: Option<Timestamp>,
    /// The reading used by the steps of this tick until something ran.
    now: Option<Timestamp>,
    /// When this tick's time budget for tasks ends, once it has begun.
    tasks_until: Option<Timestamp>,
    /// When the last poll took place.
    polled: Option<Timestamp>,
    /// Whether the policy has an exit check of its own within the turn.
    exits_in_turn: bool,
    /// When the caller of `run_until` wants the loop back.
    until: Option<Timestamp>,
    /// Whether a run is in progress.
    running: bool,
    /// Whether a task reloaded the program and what it left is not drained yet.
    owes_drain: bool,
    signals_dropped: u64,
}

impl<T: Task> EventLoop<T> {
    /// A loop on this thread with [`Policy::bun`] that records nothing.
    ///
    /// # Errors
    ///
    /// [`LoopError::OpenPoller`] if the system provides no poller.
    pub fn new() -> Result<Self, LoopError> {
        Builder::new().build()
    }

    /// Returns a builder to set policy, recorder, host, pool, clock and poller.
    #[must_use]
    pub fn builder() -> Builder<T> {
        Builder::new()
    }
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Runs until nothing referenced is pending or it is asked to stop. Nothing is lost by a stop: the next run
    /// continues.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] if the poller fails, [`LoopError::Panicked`] if the policy ends the loop on a panic.
    pub fn run(&mut self) -> Result<StopReason, LoopError> {
        self.run_while(None, &mut || false)
    }

    /// Runs until `until` at the latest; returns [`StopReason::Deadline`] if that is why it returned. It makes at least
    /// one turn, which does not wait if that time has passed: so what is ready always runs.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn run_until(&mut self, until: Timestamp) -> Result<StopReason, LoopError> {
        self.run_while(Some(until), &mut || false)
    }

    /// Runs for `limit` at the longest, as [`run_until`](Self::run_until). With [`Duration::ZERO`] that is one turn
    /// without waiting, as libuv's `UV_RUN_NOWAIT`.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn run_for(&mut self, limit: Duration) -> Result<StopReason, LoopError> {
        let until = crate::timer::due_after(self.clock.now(), limit);
        self.run_until(until)
    }

    /// Runs until `done` returns true; false if the loop ended before that: nothing referenced was pending any more,
    /// or it was asked to stop. `done` is called before each turn, and within it before the poll, so that the loop
    /// does not wait after a task has caused `done`.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn tick_until(&mut self, mut done: impl FnMut() -> bool) -> Result<bool, LoopError> {
        Ok(self.run_while(None, &mut done)? == StopReason::Deadline)
    }

    /// Runs until `until`, or until `done` returns true; [`StopReason::Deadline`] for both.
    fn run_while(
        &mut self,
        until: Option<Timestamp>,
        done: &mut dyn FnMut() -> bool,
    ) -> Result<StopReason, LoopError> {
        self.begin_outside();
        (self.until, self.running) = (until, true);
        if self.core.on {
            self.core.record(Event::InputRun { until_ns: until.map(Timestamp::as_ns) });
        }
        let ended = self.turn_until(done);
        (self.until, self.running) = (None, false);
        self.core.on = self.core.recorder.is_enabled();
        self.mark();
        if self.core.on {
            let reason = ended.as_ref().map_or(StopReason::Failed, |reason| *reason);
            // A deadline only pauses the loop.
            if reason != StopReason::Deadline {
                self.core.record(Event::LoopStopped { reason });
            }
            self.core.recorder.set_running(self.core.at, Running::Outside);
            if reason == StopReason::Shutdown {
                // Leave nothing of the run in the ring, whatever happens to the process now.
                self.core.recorder.pause_to_drain();
            }
        }
        ended
    }

    fn turn_until(&mut self, done: &mut dyn FnMut() -> bool) -> Result<StopReason, LoopError> {
        let mut has_turned = false;
        loop {
            self.core.take_stop();
            self.carry_out_outside();
            if let Some(failed) = self.core.failed.take() {
                self.core.scheduler.take_stop();
                return Err(failed);
            }
            if let Some(over) = self.advance_shutdown() {
                return Ok(over);
            }
            if self.core.scheduler.take_stop() {
                return Ok(StopReason::Stopped);
            }
            if done() {
                return Ok(StopReason::Deadline);
            }
            if let Some(until) = self.until
                && self.read(ClockPoint::Until) >= until
                && has_turned
            {
                return Ok(StopReason::Deadline);
            }
            if !self.exits_in_turn && self.ends() {
                return Ok(StopReason::Drained);
            }
            has_turned = true;
            match self.ticked(None, |this| this.run_both(done))? {
                Flow::Next => {}
                // What ran last in the turn may have panicked: the run fails, not the next one.
                Flow::Exit if self.core.failed.is_some() => {}
                Flow::Exit => return Ok(StopReason::Drained),
                Flow::Done => return Ok(StopReason::Deadline),
            }
        }
    }

    /// Whether the exit rule ends the run now; records it if only external events prevent that.
    fn ends(&self) -> bool {
        let ends = self.may_end();
        if !ends && self.core.on && self.core.shutdown.running().is_none() && self.core.scheduler.is_drained()
        {
            self.core.record(Event::InputNews { ends: true });
        }
        ends
    }

    /// Whether the exit rule ends the run now. During a shutdown the deadline decides, not this rule.
    fn may_end(&self) -> bool {
        self.core.shutdown.running().is_none() && self.core.scheduler.is_drained() && !self.has_news()
    }

    /// Runs one turn: [`tick`](Self::tick), then [`auto_tick`](Self::auto_tick), recorded as one tick.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] if the poller fails.
    pub fn turn(&mut self) -> Result<(), LoopError> {
        self.ticked(Some(LoopCall::Turn), |this| this.run_both(&mut || false)).map(drop)
    }

    fn run_both(&mut self, done: &mut dyn FnMut() -> bool) -> Result<Flow, LoopError> {
        match self.run_steps(Half::Tick, done)? {
            Flow::Next => self.run_steps(Half::AutoTick, done),
            ended => Ok(ended),
        }
    }

    /// The first half of a turn, in the policy's order; with Bun's, external arrivals, then the task queue until it
    /// is empty or the tick's budget is spent. Never waits.
    pub fn tick(&mut self) {
        // Only a poll can fail, and no policy polls here.
        let _ = self.ticked(Some(LoopCall::Tick), |this| this.run_steps(Half::Tick, &mut || false));
    }

    /// The second half of a turn, in the policy's order; with Bun's, immediates, the poll, readiness callbacks, due
    /// timers. Waits while something keeps the loop alive and there is nothing to do.
    ///
    /// # Errors
    ///
    /// [`LoopError::Wait`] if the poller fails.
    pub fn auto_tick(&mut self) -> Result<(), LoopError> {
        self.ticked(Some(LoopCall::AutoTick), |this| this.run_steps(Half::AutoTick, &mut || false)).map(drop)
    }

    /// Asks the run to end after the current turn; called before a run, it makes that run return at once.
    pub fn stop(&mut self) {
        self.core.shared.ask_to_stop();
    }

    /// Queues a task.
    pub fn post(&mut self, task: T) -> TaskId {
        self.with(|cx| cx.post(task))
    }

    /// Spawns a future; see [`Context::spawn`].
    pub fn spawn<F, R>(
        &mut self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<R>
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        self.with(|cx| cx.spawn(options, make))
    }

    /// Spawns a future that can fail; see [`Context::spawn_checked`].
    pub fn spawn_checked<F, R, E>(
        &mut self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<Result<R, E>>
    where
        F: Future<Output = Result<R, E>> + 'static,
        R: 'static,
        E: fmt::Display + 'static,
    {
        self.with(|cx| cx.spawn_checked(options, make))
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<T> {
        Handle::new(Arc::clone(&self.core.shared))
    }

    /// Everything referenced that keeps the loop alive, by name.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.core.pending()
    }

    /// Whether anything keeps the loop alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.core.scheduler.is_alive()
    }

    /// Counters since the loop began.
    #[must_use]
    pub const fn metrics(&self) -> Metrics {
        self.core.metrics
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.core.scheduler.policy()
    }

    /// The scheduler, for inspection.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler<T> {
        &self.core.scheduler
    }

    /// Environment variables and streams of the tools that run on it.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        self.core.environment()
    }

    /// The recorder.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.core.recorder
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// Ends the loop: from here on posts are refused and handed back. Returns what other threads had posted and the
    /// loop had not taken. Dropping the loop does the same.
    pub fn close(&mut self) -> Vec<T::Remote> {
        let was_open = !self.core.shared.queue.is_closed();
        self.core.on = self.core.recorder.is_enabled();
        let posted = self.release_all();
        self.mark();
        // Without this, its timers would be taken for overdue from here on.
        if was_open && self.core.on {
            self.core.record(Event::LoopStopped { reason: StopReason::Closed });
        }
        posted
    }

    fn release_all(&mut self) -> Vec<T::Remote> {
        self.end_futures();
        self.mark();
        self.core.close()
    }

    fn context(&mut self) -> Context<'_, T> {
        Context { core: &mut self.core, clock: &self.clock, poller: &mut self.poller }
    }

    /// Reads the record clock, if anything records it: the boundary between two things.
    #[inline]
    fn mark(&mut self) -> Ticks {
        if self.core.on {
            self.core.at = self.clock.ticks();
        }
        self.core.at
    }

    /// Reads the monotonic clock for the scheduler, and records the reading.
    fn read(&mut self, point: ClockPoint) -> Timestamp {
        let now = self.clock.now_at(point);
        self.latest = Some(now);
        if self.core.on {
            self.core.record(Event::InputClock { point, now });
        }
        now
    }

    fn has_news(&self) -> bool {
        self.core.shared.has_news()
            || self.core.agenda_has_news()
            || self.core.futures.has_news()
            || self.core.shutdown.is_asked()
            || self.core.signals.as_ref().is_some_and(|signals| signals.pending() > 0)
            || self.host_has_microtasks()
    }
}

impl<T: Task, C: Clock, P: Poller> Drop for EventLoop<T, C, P> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T: Task, C: Clock, P: Poller> fmt::Debug for EventLoop<T, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("policy", &self.policy().name)
            .field("metrics", &self.core.metrics)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
