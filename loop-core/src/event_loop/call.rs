//! Calls the application's tasks and callbacks, each guarded against its own panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Origin, Outcome};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Running;

use super::EventLoop;
use crate::body::Body;
use crate::body::Queued;
use crate::core::Current;
use crate::error::LoopError;
use crate::panic_message::panic_message;
use crate::policy::{DrainRule, PanicRule};
use crate::poller::Poller;
use crate::queue::tasks::Next;
use crate::signal::Arrival;
use crate::tag;
use crate::task::Context;
use crate::task::Task;

/// What a call panicked with.
pub(super) type Panic = Box<dyn Any + Send>;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Calls `f` as `current`. Reads the clock afterwards: [`Core::at`](crate::core::Core) is its end.
    #[inline]
    pub(super) fn invoke<R>(
        &mut self,
        current: Current,
        f: impl FnOnce(&mut Context<'_, T>) -> R,
    ) -> (Outcome, Option<R>) {
        let returned = self.invoke_unmarked(current, f);
        self.mark();
        returned
    }

    /// The same without a clock reading: for one of many calls that share their extent.
    ///
    /// What `f` asked for through a [`LocalHandle`](crate::LocalHandle) is part of the call, whether `f` returned or
    /// panicked: it is carried out before the call ends, and so before its checkpoint.
    #[inline]
    pub(super) fn invoke_unmarked<R>(
        &mut self,
        current: Current,
        f: impl FnOnce(&mut Context<'_, T>) -> R,
    ) -> (Outcome, Option<R>) {
        let outer = std::mem::replace(&mut self.core.current, current);
        let depth = self.core.depth;
        self.core.depth += 1;
        let mut context = self.context();
        let mut returned = catch_unwind(AssertUnwindSafe(|| f(&mut context)));
        if self.core.futures.has_ops() {
            returned = self.carry_out_after(returned);
        }
        // Drop the levels that the callback opened and did not close.
        self.core.depth = depth;
        let ended = std::mem::replace(&mut self.core.current, outer);
        match returned {
            Ok(returned) => (ended.outcome, Some(returned)),
            Err(panic) => {
                self.panicked(current, panic);
                (Outcome::Panicked, None)
            }
        }
    }

    /// Carries out what the call that ended with `returned` asked for. The last panic is returned: it is recorded last.
    #[inline(never)]
    pub(super) fn carry_out_after<R>(&mut self, mut returned: Result<R, Panic>) -> Result<R, Panic> {
        while self.core.futures.has_ops() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.context().carry_out()))
                && let Err(before) = std::mem::replace(&mut returned, Err(panic))
            {
                self.panicked(self.core.current, before);
            }
        }
        returned
    }

    #[cold]
    pub(super) fn panicked(&mut self, current: Current, panic: Panic) {
        let message = panic_message(panic);
        self.core.metrics.panics += 1;
        self.core.exception(current.task, &message);
        self.core.failure = Some(message.clone());
        if self.policy().panics == PanicRule::Stop {
            let tag = tag::name(current.tag).as_deref().unwrap_or("untagged").to_owned();
            self.core.failed.get_or_insert(LoopError::Panicked { tag, message });
            self.context().stop();
        }
    }

    /// Runs a task of the task queue, and everything that follows it.
    pub(super) fn run_next(&mut self, next: Next<Body<T>>) -> Outcome {
        match next {
            Next::Plain(task, id) => {
                // It was queued while nothing was recorded, or the policy needs to know about each task.
                let current = Current { task: Some(id), tag: self.core.tag_of(&task), ..Current::NONE };
                self.run_as(current, self.core.at, task)
            }
            Next::Noted(queued) => {
                let completes = (queued.origin == Origin::Work).then_some(queued.id);
                let outcome = self.run_task(queued);
                if let Some(job) = completes {
                    self.settle(job);
                }
                outcome
            }
        }
    }

    /// Runs a queued task to completion, and drains. The previous boundary is its start.
    #[inline]
    pub(super) fn run_task(&mut self, queued: Queued<T>) -> Outcome {
        let Queued { task, id, tag, origin: _, signo, queued: since } = queued;
        let mut current = Current { task: Some(id), tag, ..Current::NONE };
        if signo != 0 {
            current.signal = Some(Arrival { signo, arrived: since });
            if self.core.on {
                let arrived = since.min(self.core.at);
                self.core.record(Event::SignalDelivered { signo, task: id, arrived });
            }
        }
        self.run_as(current, since, task)
    }

    /// Runs `task` as `current`, records it, and drains.
    #[inline]
    pub(super) fn run_as(&mut self, current: Current, queued: Ticks, task: Body<T>) -> Outcome {
        let Current { task: Some(id), tag, .. } = current else {
            debug_assert!(false, "every task has an id");
            return Outcome::Cancelled;
        };
        let start = self.core.at;
        if self.core.on {
            self.core.recorder.set_running(start, Running::Task { task: id, tag });
        }
        self.core.heap_may_change();
        let (outcome, _) = self.invoke(current, |cx| cx.run(task));
        if self.core.on {
            let queued = queued.min(start);
            self.core.record(Event::TaskRan { task: id, tag, outcome, queued, start });
            self.check_slow(id, tag, start);
        }
        match outcome {
            Outcome::Reload => {
                self.core.metrics.reloads += 1;
                self.owes_drain = true;
            }
            Outcome::Woke => {
                self.core.metrics.woke += 1;
                self.drain_after(id);
            }
            // It did not run: the future was cancelled before its turn.
            Outcome::Cancelled => self.drain_after(id),
            _ => {
                self.core.metrics.tasks_run += 1;
                self.drain_after(id);
            }
        }
        if self.core.futures.in_use {
            self.settle_futures(current);
        }
        self.pause_to_drain();
        outcome
    }

    /// Queues the futures that were woken after `trigger` ran, and carries out what was requested outside of all calls.
    #[inline(never)]
    pub(super) fn settle_futures(&mut self, trigger: Current) {
        if self.core.futures.has_ops() {
            let _ = self.invoke_unmarked(trigger, |_| ());
        }
        if self.core.futures.woken.has_some() {
            self.context().queue_woken(trigger.task);
        }
    }

    #[inline]
    pub(super) fn drain_after(&mut self, trigger: TaskId) {
        match self.policy().drain {
            DrainRule::AfterEveryTask => self.drain(Some(trigger)),
            DrainRule::AfterEveryPass => {}
        }
    }

    /// Reports a task as slow if it ran too long, from `start` until now.
    #[inline]
    pub(super) fn check_slow(&mut self, task: TaskId, tag: Tag, start: Ticks) {
        if self.slow.is_exceeded(start, self.core.at, &self.clock) {
            self.core.record(Event::SlowTask { task, tag, limit_ns: self.slow.limit_ns(), start });
        }
    }
}
