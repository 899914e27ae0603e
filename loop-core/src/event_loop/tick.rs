//! The order of a tick. Which step comes when is here; what a step does is in the files beside.

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, LabelKind, Outcome, Phase};
use loop_probes::recorder::Running;

use super::EventLoop;
use crate::error::LoopError;
use crate::policy::{DrainRule, Validation};
use crate::poller::Poller;
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Brackets `steps` as one tick of the record.
    pub(super) fn ticked<R>(&mut self, steps: impl FnOnce(&mut Self) -> R) -> R {
        self.core.on = self.core.recorder.is_enabled();
        self.core.shared.set_recording(self.core.on);
        let start = self.mark();
        let tick = self.core.scheduler.begin_tick();
        self.core.metrics.ticks += 1;
        let ran_before = self.core.metrics.tasks_run;
        if self.core.on {
            self.core.record(Event::TickStart { tick });
            self.core.recorder.calibrate_if_due(start);
            self.sample_queues();
            self.snapshot_when_due(tick);
        }
        let returned = steps(self);
        if self.core.on {
            let tasks_run = (self.core.metrics.tasks_run - ran_before) as u32;
            self.mark();
            self.core.record(Event::TickEnd { tick, tasks_run, start });
            self.core.recorder.set_running(self.core.at, Running::Outside);
        }
        returned
    }

    pub(super) fn do_tick(&mut self) {
        self.core.depth += 1;
        self.apply_refs();
        self.drain_signals();
        if self.watches_heap() {
            let now = self.read(ClockPoint::Tick);
            self.gc_timers(now);
            let taken = self.take_concurrent();
            self.sample_concurrent(taken);
            self.gc_check(now);
        } else {
            let taken = self.take_concurrent();
            self.sample_concurrent(taken);
        }
        loop {
            let pass = self.run_pass();
            self.take_concurrent();
            self.report_rejections();
            if pass == Pass::Reload || self.core.scheduler.budget_spent() {
                break;
            }
            if !self.core.scheduler.tasks.is_empty() {
                continue;
            }
            self.drain_as_phases();
            self.take_concurrent();
            if self.core.scheduler.tasks.is_empty() {
                break;
            }
        }
        self.core.depth -= 1;
    }

    /// Runs the task queue until it is empty, the tick's budget is spent, or a task asks to reload.
    fn run_pass(&mut self) -> Pass {
        self.validate();
        self.begin_phase(Phase::Tasks);
        let mut ran = 0_u32;
        let mut ended = Pass::Empty;
        while let Some(queued) = self.core.scheduler.next_task() {
            let id = queued.id;
            let outcome = self.run_task(queued);
            ran += 1;
            if !self.core.work.is_empty() {
                self.settle(id);
            }
            if outcome == Outcome::Reload {
                ended = Pass::Reload;
                break;
            }
        }
        if ran > 0 {
            if self.policy().drain == DrainRule::AfterEveryPass && ended == Pass::Empty {
                self.drain(None);
            }
            self.end_phase();
        }
        ended
    }

    fn validate(&mut self) {
        if self.policy().validation == Validation::Off {
            return;
        }
        if let Err(broken) = self.validator.pass() {
            let message = broken.to_string();
            if self.core.on {
                let rule = self.core.recorder.intern(self.core.at, LabelKind::Text, &message);
                self.core.record(Event::Violation { rule });
            }
            assert!(self.policy().validation != Validation::Panic, "{message}");
        }
    }

    pub(super) fn do_auto_tick(&mut self) -> Result<(), LoopError> {
        self.core.depth += 1;
        self.run_immediates();
        self.drain_after_pass();
        self.apply_pending_releases();
        let polled = self.poll_and_fire();
        if polled.is_ok() {
            self.run_after_loop();
            self.drain_after_pass();
            self.report_rejections();
        }
        self.core.depth -= 1;
        polled
    }

    fn run_immediates(&mut self) {
        if self.core.scheduler.immediates.is_empty() {
            return;
        }
        let start = self.core.at;
        self.begin_phase(Phase::Immediates);
        self.core.scheduler.immediates.begin_batch();
        let mut ran = 0;
        while let Some(queued) = self.core.scheduler.immediates.next_of_batch() {
            self.run_task(queued);
            ran += 1;
        }
        if self.core.on {
            let moved_to_next = self.core.scheduler.immediates.len() as u32;
            self.core.record(Event::Immediates { ran, moved_to_next, start });
        }
        self.end_phase();
    }

    /// What the policy drains once for many callbacks must not wait for the next poll to end.
    fn drain_after_pass(&mut self) {
        if self.policy().drain == DrainRule::AfterEveryPass {
            self.drain_as_phases();
        }
    }

    fn apply_pending_releases(&mut self) {
        let released = self.core.scheduler.refs.apply_later();
        self.core.ref_changed(loop_probes::event::RefKind::Handle, -(released as i32));
    }

    fn run_after_loop(&mut self) {
        let callbacks = self.core.scheduler.take_after_loop();
        if callbacks.is_empty() {
            return;
        }
        self.begin_phase(Phase::Tasks);
        for queued in callbacks {
            self.run_task(queued);
        }
        self.end_phase();
    }

    fn report_rejections(&mut self) {
        if let Some(mut host) = self.host.take() {
            let current = super::core::Current::NONE;
            let _ = self.invoke_unmarked(current, |cx| host.report_rejections(cx));
            self.host = Some(host);
        }
    }
}

/// How a pass over the task queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// The queue is empty, or the budget spent.
    Empty,
    /// A task asked to reload the program.
    Reload,
}
