//! A tick: performs the steps of the policy in order. The other files of this folder implement the steps.

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

/// How the turn continues after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next step follows.
    Next,
    /// The run is over.
    Exit,
    /// The run's `done` returned true before a poll.
    Done,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Runs `steps`, and records them as one tick. `called` is the call that runs the tick, if it is not part of a run.
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

    /// Performs the steps of a half turn, up to its end, an error, or the end of the run. `done` is called before a poll.
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
                // A task that reloaded the program skipped its drain, which must happen before anything else. The drain
                // does not reset `now` here, so a reading after a poll stays valid, as after callbacks.
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

    /// Performs one step. A step that ran callbacks invalidates the last clock reading, except for readiness callbacks:
    /// timers after them still use the reading made after the poll.
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

    /// The clock reading that the steps share. Reads the clock if there is no valid reading.
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
