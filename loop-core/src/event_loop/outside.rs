//! Calls from outside of the loop between two turns, and single turns for a foreign loop that runs ours.
//!
//! These calls are recorded if no other event shows them. A foreign loop needs three of them: it watches
//! [`EventLoop::readiness`], sleeps no longer than [`EventLoop::next_wait`], and then calls [`EventLoop::turn_within`].

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{Event, LoopCall, Origin};
use loop_probes::ids::Timestamp;

use super::EventLoop;
use super::tick::Half;
use crate::core::Current;
use crate::error::RunError;
use crate::poller::{Poller, Source};
use crate::task::{Context, Task};

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Nests one level deeper. Callbacks from outside run between `enter` and [`exit`](Self::exit).
    pub fn enter(&mut self) {
        self.core.depth += 1;
    }

    /// Leaves a level. Leaving the outermost drains the microtasks and the deferred queue.
    pub fn exit(&mut self) {
        if self.core.depth == 1 {
            self.validator.drain();
            self.begin_outside();
            self.core.scheduler.refill_deferred();
            if self.host_has_microtasks() {
                self.core.called(LoopCall::HostDrain);
            } else if self.owes_drain || self.core.scheduler.needs_drain() {
                self.core.called(LoopCall::Drain);
            }
            self.drain(None);
        }
        self.core.depth = self.core.depth.saturating_sub(1);
    }

    /// Runs a callback from outside: enter, call, exit. A panic in it is caught and recorded.
    pub fn run_callback(&mut self, label: &'static str, callback: impl FnOnce(&mut Context<'_, T>)) {
        self.enter();
        self.call(label, callback);
        self.exit();
    }

    /// Runs a callback from outside without entering or exiting, which the caller must do.
    pub fn call(&mut self, label: &'static str, callback: impl FnOnce(&mut Context<'_, T>)) {
        if self.core.depth <= 1 {
            self.validator.callback(label);
        }
        self.begin_outside();
        let start = self.core.at;
        let current = Current { origin: Origin::Callback, ..Current::OUTSIDE };
        self.core.heap_may_change();
        let _ = self.invoke(current, callback);
        if self.core.on {
            let label = self.core.label(label);
            self.core.record(Event::CallbackRan { label, start });
        }
        self.tell_host_microtasks();
    }

    /// Gives access to the loop from outside, for setup. `f` is not recorded as a callback and not followed by a drain. A
    /// panic in `f` propagates to the caller.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut Context<'_, T>) -> R) -> R {
        self.begin_outside();
        self.note_heap();
        self.run_outside(f)
    }

    /// Begins a call from outside: carries out requests that were made between two turns.
    pub(super) fn begin_outside(&mut self) {
        self.core.on = self.core.recorder.is_enabled();
        self.mark();
        if self.core.futures.has_ops() {
            self.note_heap();
            self.carry_out_outside();
        }
    }

    /// Carries out requests that local handles made outside of callbacks.
    pub(super) fn carry_out_outside(&mut self) {
        if self.core.futures.has_ops() {
            let _ = self.invoke(Current::OUTSIDE, |_| ());
        }
    }

    /// Notes that the heap may change, and records that if it is news.
    pub(super) fn note_heap(&mut self) {
        let had_run = self.core.scheduler.gc.state().ran;
        self.core.heap_may_change();
        if self.core.scheduler.gc.state().ran != had_run {
            self.core.called(LoopCall::Heap);
        }
    }

    pub(super) fn run_outside<R>(&mut self, f: impl FnOnce(&mut Context<'_, T>) -> R) -> R {
        let depth = self.core.depth;
        self.core.depth += 1;
        let returned = catch_unwind(AssertUnwindSafe(|| f(&mut self.context())));
        // Also after a panic: with levels left open, nothing would be drained any more.
        self.core.depth = depth;
        self.tell_host_microtasks();
        returned.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Records that the host has microtasks, if no other event shows that.
    pub(super) fn tell_host_microtasks(&self) {
        if self.core.on && self.host_has_microtasks() {
            self.core.called(LoopCall::HostMicrotasks);
        }
    }

    pub(super) fn host_has_microtasks(&self) -> bool {
        self.host.as_ref().is_some_and(|host| host.has_microtasks())
    }

    /// A descriptor that is readable while a source of the loop is ready, or after the loop was woken. `None` if the
    /// poller has no such descriptor.
    #[must_use]
    pub fn readiness(&self) -> Option<Source> {
        self.poller.readiness()
    }

    /// Time until the loop has work even if [`readiness`](Self::readiness) does not become readable: zero if work is
    /// waiting, `None` if nothing is due or nothing keeps the loop alive. Call this after each turn; until the next turn,
    /// posts of other threads then make the descriptor readable.
    #[must_use]
    pub fn next_wait(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let (plan, _) = self.plan_wait(now);
        if self.shutdown_report().is_some() {
            return None;
        }
        // A loop that nothing keeps alive must announce its wait too, because a post may bring it back.
        self.core.shared.announce_wait();
        if self.may_end() { None } else { plan.timeout }
    }

    /// Runs one [`turn`](Self::turn) whose poll waits at most `timeout`. Returns true if something ran. Consumes a request
    /// to stop. A requested shutdown continues from turn to turn.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn turn_within(&mut self, timeout: Duration) -> Result<bool, RunError> {
        let until = crate::timer::due_after(self.clock.now(), timeout);
        self.turn_no_longer_than(until)
    }

    pub(super) fn turn_no_longer_than(&mut self, until: Timestamp) -> Result<bool, RunError> {
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
            // Ignore the exit check, which is for runs: the foreign loop waits for our poller's descriptor, so the poll
            // must happen to consume wake-ups.
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
