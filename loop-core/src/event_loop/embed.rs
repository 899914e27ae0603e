//! The loop as a part of another one: what to wait for, how long at most, one turn.
//!
//! These three are all that a foreign loop needs to drive ours: it watches [`EventLoop::readiness`], sleeps no
//! longer than [`EventLoop::next_wait`], and then calls [`EventLoop::turn_within`].

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::Event;
use loop_probes::ids::Timestamp;

use super::EventLoop;
use super::tick::Half;
use crate::error::LoopError;
use crate::poller::{Poller, Source};
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// A descriptor that is readable while a source of the loop is ready, or somebody woke it. `None` where the
    /// poller has none.
    #[must_use]
    pub fn readiness(&self) -> Option<Source> {
        self.poller.readiness()
    }

    /// How long until the loop has something to do without a word from [`readiness`](Self::readiness): zero where
    /// work waits, `None` where nothing is due or nothing keeps it alive. To be asked after each turn: from then on
    /// other threads that post make the descriptor readable.
    #[must_use]
    pub fn next_wait(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let (plan, _) = self.plan_wait(now);
        if self.shutdown_report().is_some() {
            return None;
        }
        // Where nothing keeps it alive it plans no wait, and yet only a post will bring it back.
        self.core.shared.announce_wait();
        if self.may_end() { None } else { plan.timeout }
    }

    /// One [`turn`](Self::turn) whose poll waits at most for `timeout`; true where something ran. A stop that the
    /// loop is asked for is used up by it; a shutdown that it is asked for goes on from turn to turn.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn turn_within(&mut self, timeout: Duration) -> Result<bool, LoopError> {
        let ran = |this: &Self| this.core.metrics.tasks_run + this.core.metrics.io_ready;
        let before = ran(self);
        let until = crate::timer::due_after(self.clock.now(), timeout);
        self.until = Some(until);
        self.core.on = self.core.recorder.is_enabled();
        self.mark();
        if self.core.on {
            self.core.record(Event::InputRun { until_ns: Some(Timestamp::as_ns(until)) });
        }
        let turned = match self.advance_shutdown() {
            Some(_) => Ok(()),
            // What an exit check says is for a run. Who drives this loop waits for its poller, and that has to be
            // asked for its wake-ups to be over.
            None => self.ticked(|this| {
                this.run_steps(Half::Tick, &mut || false)?;
                this.run_steps(Half::AutoTick, &mut || false).map(drop)
            }),
        };
        self.until = None;
        self.core.shared.take_stop();
        self.core.scheduler.take_stop();
        turned?;
        match self.core.failed.take() {
            Some(failed) => Err(failed),
            None => Ok(ran(self) > before),
        }
    }
}
