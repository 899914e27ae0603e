//! Embeds the loop in another one: what to wait for, for how long at most, and one turn.
//!
//! A foreign loop needs only these three calls to drive ours: it watches [`EventLoop::readiness`], sleeps no longer
//! than [`EventLoop::next_wait`], and then calls [`EventLoop::turn_within`].

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
    /// A descriptor that is readable while a source of the loop is ready, or after the loop was woken. `None` if
    /// the poller has none.
    #[must_use]
    pub fn readiness(&self) -> Option<Source> {
        self.poller.readiness()
    }

    /// How long until the loop has something to do without [`readiness`](Self::readiness) becoming readable: zero
    /// if work is waiting, `None` if nothing is due or nothing keeps it alive. Call it after each turn: from then
    /// on, posts of other threads make the descriptor readable.
    #[must_use]
    pub fn next_wait(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let (plan, _) = self.plan_wait(now);
        if self.shutdown_report().is_some() {
            return None;
        }
        // With nothing to keep it alive it plans no wait, yet only a post can bring it back.
        self.core.shared.announce_wait();
        if self.may_end() { None } else { plan.timeout }
    }

    /// One [`turn`](Self::turn) whose poll waits at most for `timeout`; true if something ran. It consumes a
    /// request to stop; a requested shutdown continues from turn to turn.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn turn_within(&mut self, timeout: Duration) -> Result<bool, LoopError> {
        let until = crate::timer::due_after(self.clock.now(), timeout);
        self.turn_no_longer_than(until)
    }

    pub(super) fn turn_no_longer_than(&mut self, until: Timestamp) -> Result<bool, LoopError> {
        let ran = |this: &Self| {
            let metrics = &this.core.metrics;
            metrics.tasks_run + metrics.reloads + metrics.io_ready + metrics.woke
        };
        let before = ran(self);
        self.begin_outside();
        self.until = Some(until);
        if self.core.on {
            self.core.record(Event::InputRun { until_ns: Some(Timestamp::as_ns(until)) });
        }
        let turned = match self.advance_shutdown() {
            Some(_) => Ok(()),
            // The result of an exit check is for runs only. The driver of this loop waits for its poller, which
            // must be polled to consume its wake-ups.
            None => self.ticked(None, |this| {
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
