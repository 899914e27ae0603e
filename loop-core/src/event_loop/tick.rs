//! A tick: carries out the steps of the policy in order. The steps themselves are in the neighbouring files.

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, LoopCall};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running;

use super::EventLoop;
use crate::error::RunError;
use crate::policy::Step;
use crate::poller::Poller;
use crate::task::Task;

/// One of the two lists of steps that a policy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Tick,
    AutoTick,
}

/// What follows a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next step.
    Next,
    /// Nothing: the run is over.
    Exit,
    /// Nothing: the caller wants the loop back before it polls.
    Done,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Brackets `steps` as one tick of the record; `called` is how the caller asked for it, outside of a run.
    pub(super) fn ticked<R>(&mut self, called: Option<LoopCall>, steps: impl FnOnce(&mut Self) -> R) -> R {
        if called.is_some() {
            self.begin_outside();
        } else {
            self.core.on = self.core.recorder.is_enabled();
        }
        self.core.shared.set_recording(self.core.on);
        let start = self.mark();
        let tick = self.core.scheduler.begin_tick();
        self.core.metrics.ticks += 1;
        let ran_before = self.core.metrics.tasks_run;
        if self.core.on {
            self.core.record(Event::TickStart { tick });
            if let Some(called) = called {
                self.core.called(called);
            }
            self.core.recorder.calibrate_if_due(start);
            self.sample_queues();
            self.snapshot_when_due(tick);
        }
        (self.now, self.tasks_until) = (None, None);
        let returned = steps(self);
        if self.core.on {
            let tasks_run = (self.core.metrics.tasks_run - ran_before) as u32;
            self.mark();
            self.core.record(Event::TickEnd { tick, tasks_run, start });
            self.core.recorder.set_running(self.core.at, Running::Outside);
        }
        returned
    }

    /// Carries out the steps of a half, up to its end, an error, or the end of the run. `done` is called before a poll.
    pub(super) fn run_steps(&mut self, half: Half, done: &mut dyn FnMut() -> bool) -> Result<Flow, RunError> {
        self.core.depth += 1;
        let mut index = 0;
        let flow = loop {
            let policy = self.policy();
            let steps = match half {
                Half::Tick => &policy.tick,
                Half::AutoTick => &policy.auto_tick,
            };
            let Some(step) = steps.get(index).copied() else { break Ok(Flow::Next) };
            if self.owes_drain {
                // A task that reloads the program returns at once; what it left comes before anything else. The clock
                // reading stays valid where it is valid after callbacks: after a poll.
                self.drain_as_phases();
            }
            match self.run_step(step, done) {
                Ok(Flow::Next) => index += 1,
                ended => break ended,
            }
        };
        self.core.depth -= 1;
        flow
    }

    /// Carries out one step. A step that ran something invalidates the last clock reading, except for readiness
    /// callbacks: the sources a poll found ready and the timers due when it returned belong to the same moment.
    fn run_step(&mut self, step: Step, done: &mut dyn FnMut() -> bool) -> Result<Flow, RunError> {
        match step {
            Step::References => self.apply_refs(),
            Step::Signals => self.drain_signals(),
            Step::GcTimers => self.gc_timers_step(),
            Step::Concurrent => {
                let taken = self.take_concurrent();
                self.sample_concurrent(taken);
            }
            Step::Work => self.take_finished(),
            Step::GcCheck => self.gc_check_step(ClockPoint::Tick),
            Step::GcCheckIfAlive if self.core.scheduler.is_alive() => {
                self.gc_check_step(ClockPoint::BeforePoll);
            }
            Step::GcCheckIfAlive => {}
            Step::Tasks => {
                self.run_pass();
                self.now = None;
            }
            Step::Passes => {
                self.run_passes();
                self.now = None;
            }
            Step::Immediates => self.run_immediates(),
            Step::Drain => self.drain_after_pass(),
            Step::LastDrain => {
                self.drain_as_phases();
                self.now = None;
            }
            Step::Exit if self.ends() => return Ok(Flow::Exit),
            Step::Exit => {}
            Step::Releases => self.apply_pending_releases(),
            Step::Poll => return self.poll(done),
            Step::Io => self.run_ready(),
            Step::Timers => self.run_timers(),
            Step::AfterLoop => self.run_after_loop(),
            Step::Rejections => self.report_rejections(),
        }
        Ok(Flow::Next)
    }

    /// The clock reading that the steps use; taken if there is no valid one.
    pub(super) fn pass_time(&mut self, point: ClockPoint) -> Timestamp {
        if let Some(now) = self.now {
            return now;
        }
        let now = self.read(point);
        self.slow.observe(self.core.at, now);
        self.now = Some(now);
        now
    }
}
