//! Runs batches (the task queue, immediates, tasks deferred to the end of the turn) and the drain after each callback:
//! microtasks, then the deferred queue. A task that reloads the program ends its batch at once; the rest of the batch
//! runs in the next turn, in order.

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, LabelKind, LoopCall, Outcome, Phase};
use loop_probes::ids::TaskId;
use loop_probes::recorder::Running;

use super::EventLoop;
use crate::core::Current;
use crate::policy::{DrainRule, Validation};
use crate::poller::Poller;
use crate::task::Task;

/// How a pass over the task queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// The queue is empty, or the budget is spent.
    Empty,
    /// A task asked to reload the program.
    Reload,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Passes over the task queue until nothing is queued, the tick's budget is spent, or a task asks to reload.
    pub(super) fn run_passes(&mut self) {
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
    }

    /// Runs the task queue until it is empty, the tick's budget is spent, or a task asks to reload.
    pub(super) fn run_pass(&mut self) -> Pass {
        self.validate();
        self.begin_phase(Phase::Tasks);
        let before = self.core.scheduler.tasks_taken();
        let takes_plain = self.runs_plain();
        let ended = loop {
            if self.task_time_is_spent() {
                self.core.scheduler.spend_budget();
            }
            let next = if takes_plain {
                self.run_plain()
            } else {
                self.core.scheduler.next_task().ok_or(Pass::Empty)
            };
            let next = match next {
                Ok(next) => next,
                Err(pass) => break pass,
            };
            if self.run_next(next) == Outcome::Reload {
                break Pass::Reload;
            }
        };
        if self.core.scheduler.tasks_taken() != before {
            if self.policy().drain == DrainRule::AfterEveryPass && ended == Pass::Empty {
                self.drain(None);
            }
            self.end_phase();
        }
        ended
    }

    /// Whether a task waits and this tick's time for tasks is over. That time starts with the first call.
    #[inline]
    fn task_time_is_spent(&mut self) -> bool {
        let Some(time) = self.policy().task_time_per_tick else { return false };
        if self.core.scheduler.tasks.is_empty() {
            return false;
        }
        let now = self.read(ClockPoint::Budget);
        now >= *self.tasks_until.get_or_insert_with(|| crate::timer::due_after(now, time))
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

    pub(super) fn run_immediates(&mut self) {
        if self.core.scheduler.immediates.is_empty() {
            return;
        }
        let start = self.core.at;
        self.begin_phase(Phase::Immediates);
        self.core.scheduler.immediates.begin_batch();
        let mut ran = 0;
        while let Some(queued) = self.core.scheduler.immediates.next_of_batch() {
            ran += 1;
            if self.run_task(queued) == Outcome::Reload {
                break;
            }
        }
        if self.core.on {
            let moved_to_next = self.core.scheduler.immediates.len() as u32;
            self.core.record(Event::Immediates { ran, moved_to_next, start });
        }
        self.end_phase();
        self.now = None;
    }

    /// Drains after a batch, if the policy drains once per pass, so that the work does not wait for the next poll.
    pub(super) fn drain_after_pass(&mut self) {
        if self.policy().drain == DrainRule::AfterEveryPass {
            self.drain_as_phases();
            self.now = None;
        }
    }

    pub(super) fn apply_pending_releases(&mut self) {
        let released = self.core.scheduler.refs.apply_later();
        if released > 0 {
            self.core.called(LoopCall::Released);
        }
        self.core.ref_changed(loop_probes::event::RefKind::Handle, -(released as i32));
    }

    pub(super) fn run_after_loop(&mut self) {
        let callbacks = self.core.scheduler.take_after_loop();
        if callbacks.is_empty() {
            return;
        }
        self.begin_phase(Phase::Tasks);
        let mut callbacks = callbacks.into_iter();
        for queued in callbacks.by_ref() {
            if self.run_task(queued) == Outcome::Reload {
                break;
            }
        }
        self.core.scheduler.put_back_after_loop(callbacks);
        self.end_phase();
        self.now = None;
    }

    pub(super) fn report_rejections(&mut self) {
        if let Some(mut host) = self.host.take() {
            let current = Current::NONE;
            // Without `heap_may_change`: this runs in each turn, and would make an idle loop wake up to measure its heap.
            let _ = self.invoke_unmarked(current, |cx| host.report_rejections(cx));
            self.host = Some(host);
        }
    }

    /// Drains after `trigger`; `None` for a drain that belongs to no task.
    #[inline]
    pub(super) fn drain(&mut self, trigger: Option<TaskId>) {
        self.owes_drain = false;
        if let Some(host) = &mut self.host {
            host.release_weak();
        }
        self.checkpoint(trigger);
        self.core.scheduler.begin_deferred();
        while self.core.scheduler.deferred().has_next() {
            self.run_deferred(trigger);
            // Microtasks queued by deferred callbacks must not wait for another task; callbacks that they defer also run
            // in this drain.
            self.checkpoint(trigger);
        }
    }

    /// A drain that belongs to no task and is recorded as phases.
    pub(super) fn drain_as_phases(&mut self) {
        self.owes_drain = false;
        if let Some(host) = &mut self.host {
            host.release_weak();
        }
        self.checkpoint_phase();
        self.core.scheduler.begin_deferred();
        while self.core.scheduler.deferred().has_next() {
            self.begin_phase(Phase::Deferred);
            self.run_deferred(None);
            self.end_phase();
            self.checkpoint_phase();
        }
    }

    fn checkpoint_phase(&mut self) {
        if self.has_microtasks() {
            self.begin_phase(Phase::Microtasks);
            self.checkpoint(None);
            self.end_phase();
        }
    }

    #[inline]
    fn has_microtasks(&self) -> bool {
        !self.core.scheduler.microtasks().is_empty()
            || self.host.as_ref().is_some_and(|host| host.has_microtasks())
    }

    #[inline]
    fn checkpoint(&mut self, trigger: Option<TaskId>) {
        if self.has_microtasks() {
            self.run_microtasks(trigger);
        }
    }

    fn run_microtasks(&mut self, trigger: Option<TaskId>) {
        let start = self.core.at;
        if self.core.on {
            self.core.recorder.set_running(start, Running::Phase(Phase::Microtasks));
        }
        let current = Current { task: trigger, ..Current::NONE };
        let mut ran = 0_u32;
        self.core.heap_may_change();
        self.core.scheduler.microtasks_mut().begin_checkpoint();
        loop {
            let before = ran;
            if !self.core.scheduler.microtasks().is_empty() {
                // One panic guard for many microtasks: a panic ends this call, and the next call runs the rest.
                let _ = self.invoke_unmarked(current, |cx| {
                    let depth = cx.core.depth;
                    while let Some(task) = cx.core.scheduler.microtasks_mut().take() {
                        ran += 1;
                        cx.dispatch(task);
                        cx.core.depth = depth;
                    }
                });
            } else if self.host.as_ref().is_some_and(|host| host.has_microtasks())
                && self.core.scheduler.microtasks_mut().spend()
                && self.run_host_microtask(current)
            {
                ran += 1;
            }
            if ran == before {
                break;
            }
        }
        let left = self.core.scheduler.microtasks().len() as u32;
        self.mark();
        if self.core.on {
            self.core.record(Event::Microtasks { trigger, ran, left, start });
        }
    }

    fn run_host_microtask(&mut self, current: Current) -> bool {
        let Some(mut host) = self.host.take() else { return false };
        let (_, ran) = self.invoke_unmarked(current, |cx| host.run_microtask(cx));
        self.host = Some(host);
        // A microtask that panicked also counts as run.
        ran.unwrap_or(true)
    }

    fn run_deferred(&mut self, trigger: Option<TaskId>) {
        let start = self.core.at;
        if self.core.on {
            self.core.recorder.set_running(start, Running::Phase(Phase::Deferred));
        }
        let current = Current { task: trigger, ..Current::NONE };
        let (mut ran, mut kept) = (0, 0);
        self.core.heap_may_change();
        while let Some((key, mut callback)) = self.core.scheduler.deferred_mut().take() {
            let (_, keep) = self.invoke_unmarked(current, |cx| callback(cx));
            // A callback that panicked is not called again.
            let keep = keep.unwrap_or(false);
            ran += 1;
            if keep {
                kept += 1;
                if self.core.on {
                    // Only kept callbacks need a record: the drain's record has the number of callbacks.
                    let task = trigger.unwrap_or_default();
                    self.core.record(Event::InputReturned { task, value: ran });
                }
                self.core.scheduler.deferred_mut().keep(key, callback);
            }
        }
        self.mark();
        if self.core.on {
            self.core.record(Event::DeferredRan { ran, kept, start });
        }
    }
}
