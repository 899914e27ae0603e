//! Runs the loop: until the run ends, or one turn or half a turn at a time.

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, LoopCall, StopReason};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running;

use super::EventLoop;
use super::tick::{Flow, Half};
use crate::error::RunError;
use crate::poller::Poller;
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Runs until nothing referenced is pending, or until a stop or a shutdown. Waiting work is kept when the run is
    /// stopped, and another run continues with it.
    ///
    /// # Errors
    ///
    /// [`RunError::Wait`] if the poller fails, [`RunError::Panicked`] if the policy ends the loop on a panic.
    pub fn run(&mut self) -> Result<StopReason, RunError> {
        self.run_while(None, &mut || false)
    }

    /// Like [`run`](Self::run), but returns [`StopReason::Deadline`] at `until`. Runs at least one turn, which does not
    /// wait if `until` has passed, so that ready work always runs.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn run_until(&mut self, until: Timestamp) -> Result<StopReason, RunError> {
        self.run_while(Some(until), &mut || false)
    }

    /// Like [`run_until`](Self::run_until), for at most `limit` from now. [`Duration::ZERO`] runs one turn without waiting,
    /// like libuv's `UV_RUN_NOWAIT`.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn run_for(&mut self, limit: Duration) -> Result<StopReason, RunError> {
        let until = crate::timer::due_after(self.clock.now(), limit);
        self.run_until(until)
    }

    /// Runs until `done` returns true. Returns false if the run ended before that, because nothing referenced was pending
    /// or it was stopped. `done` is called before each turn and before each poll, so that the loop does not wait once
    /// `done` is true.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn tick_until(&mut self, mut done: impl FnMut() -> bool) -> Result<bool, RunError> {
        Ok(self.run_while(None, &mut done)? == StopReason::Deadline)
    }

    /// Runs until `until`, or until `done` returns true. Returns [`StopReason::Deadline`] for both.
    pub(super) fn run_while(
        &mut self,
        until: Option<Timestamp>,
        done: &mut dyn FnMut() -> bool,
    ) -> Result<StopReason, RunError> {
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
            // A run that ends at a deadline is only paused.
            if reason != StopReason::Deadline {
                self.core.record(Event::LoopStopped { reason });
            }
            self.core.recorder.set_running(self.core.at, Running::Outside);
            if reason == StopReason::Shutdown {
                // Let a lossless recording catch up, in case the process ends now.
                self.core.recorder.pause_to_drain();
            }
        }
        ended
    }

    fn turn_until(&mut self, done: &mut dyn FnMut() -> bool) -> Result<StopReason, RunError> {
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
                // The last callback of the turn failed: this run fails, not the next one.
                Flow::Exit if self.core.failed.is_some() => {}
                Flow::Exit => return Ok(StopReason::Drained),
                Flow::Done => return Ok(StopReason::Deadline),
            }
        }
    }

    /// Whether the exit rule ends the run now. Records if only external events prevent that.
    pub(super) fn ends(&self) -> bool {
        let ends = self.may_end();
        if !ends && self.core.on && self.core.shutdown.running().is_none() && self.core.scheduler.is_drained()
        {
            self.core.record(Event::InputNews { ends: true });
        }
        ends
    }

    /// Whether the exit rule ends the run now. False during a shutdown, which has its own end.
    pub(super) fn may_end(&self) -> bool {
        self.core.shutdown.running().is_none() && self.core.scheduler.is_drained() && !self.has_news()
    }

    /// Runs one turn: [`tick`](Self::tick), then [`auto_tick`](Self::auto_tick), recorded as one tick.
    ///
    /// # Errors
    ///
    /// [`RunError::Wait`] if the poller fails.
    pub fn turn(&mut self) -> Result<(), RunError> {
        self.ticked(Some(LoopCall::Turn), |this| this.run_both(&mut || false)).map(drop)
    }

    fn run_both(&mut self, done: &mut dyn FnMut() -> bool) -> Result<Flow, RunError> {
        match self.run_steps(Half::Tick, done)? {
            Flow::Next => self.run_steps(Half::AutoTick, done),
            ended => Ok(ended),
        }
    }

    /// Runs the first half of a turn, in the policy's order. With Bun's policy: external arrivals, then the task queue
    /// until it is empty or the tick's budget is spent. Never waits.
    pub fn tick(&mut self) {
        // Only a poll can fail, and no policy polls here.
        let _ = self.ticked(Some(LoopCall::Tick), |this| this.run_steps(Half::Tick, &mut || false));
    }

    /// Runs the second half of a turn, in the policy's order. With Bun's policy: immediates, the poll, readiness callbacks,
    /// due timers. The poll waits if no work is queued and something keeps the loop alive.
    ///
    /// # Errors
    ///
    /// [`RunError::Wait`] if the poller fails.
    pub fn auto_tick(&mut self) -> Result<(), RunError> {
        self.ticked(Some(LoopCall::AutoTick), |this| this.run_steps(Half::AutoTick, &mut || false)).map(drop)
    }
}
