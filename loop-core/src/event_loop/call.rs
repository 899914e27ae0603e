//! Calls the application's tasks and callbacks, each guarded against panics; plain tasks take a fast path.
//!
//! On the fast path a task costs its queue entry, its call, and a check for work that it left; while recording, also its
//! two records. One panic guard covers a whole batch, and is set up again after a task that panicked. Tasks followed by a
//! call to the host, completions of jobs and deliveries of signals take the slow path
//! ([`run_next`](EventLoop::run_next)).

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Origin, Outcome};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Running;

use super::EventLoop;
use super::batches::Pass;
use super::sampling::SlowLimit;
use crate::body::{Body, Queued};
use crate::core::{Core, Current};
use crate::error::RunError;
use crate::failure::panic_message;
use crate::policy::{DrainRule, PanicRule};
use crate::poller::Poller;
use crate::queue::tasks::NextTask;
use crate::signal::Arrival;
use crate::tag;
use crate::task::{Context, Task};

/// Payload of a panic.
pub(super) type Panic = Box<dyn Any + Send>;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Calls `f` as `current`, then reads the clock: [`Core::at`](crate::core::Core) is the end of the call.
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

    /// Like [`invoke`](Self::invoke) without a clock reading, for many calls that are measured together.
    ///
    /// Requests that `f` made through a [`LocalHandle`](crate::LocalHandle) are part of the call, whether `f` returned or
    /// panicked: they are carried out before the call ends, and so before its checkpoint.
    #[inline]
    pub(super) fn invoke_unmarked<R>(
        &mut self,
        current: Current,
        f: impl FnOnce(&mut Context<'_, T>) -> R,
    ) -> (Outcome, Option<R>) {
        let outer = mem::replace(&mut self.core.current, current);
        let depth = self.core.depth;
        self.core.depth += 1;
        let mut context = self.context();
        let mut returned = catch_unwind(AssertUnwindSafe(|| f(&mut context)));
        if self.core.futures.has_ops() {
            returned = self.carry_out_after(returned);
        }
        // Leave levels that the callback entered and did not exit.
        self.core.depth = depth;
        let ended = mem::replace(&mut self.core.current, outer);
        match returned {
            Ok(returned) => (ended.outcome, Some(returned)),
            Err(panic) => {
                self.panicked(current, panic);
                (Outcome::Panicked, None)
            }
        }
    }

    /// Carries out the requests of the call that ended with `returned`. Returns the last panic, which is recorded last.
    #[inline(never)]
    pub(super) fn carry_out_after<R>(&mut self, mut returned: Result<R, Panic>) -> Result<R, Panic> {
        while self.core.futures.has_ops() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.context().carry_out()))
                && let Err(before) = mem::replace(&mut returned, Err(panic))
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
            self.core.failed.get_or_insert(RunError::Panicked { tag, message });
            self.context().stop();
        }
    }

    /// Runs a task of the task queue, and everything that follows it.
    pub(super) fn run_next(&mut self, next: NextTask<Body<T>>) -> Outcome {
        match next {
            NextTask::Plain(task, id) => {
                // The task was queued while nothing was recorded, or the policy rules out the fast path.
                let current = Current { task: Some(id), tag: self.core.tag_of(&task), ..Current::NONE };
                self.run_as(current, self.core.at, task)
            }
            NextTask::Noted(queued) => {
                let completes = (queued.origin == Origin::Work).then_some(queued.id);
                let outcome = self.run_task(queued);
                if let Some(job) = completes {
                    self.settle(job);
                }
                outcome
            }
        }
    }

    /// Runs a queued task to completion, and drains. The task starts at the previous boundary.
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
            // The task did not run, because its future was cancelled before.
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

    /// Carries out requests made outside of callbacks, and queues the futures woken while `trigger` ran.
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

    /// Records a task as slow if it ran too long from `start` until now.
    #[inline]
    pub(super) fn check_slow(&mut self, task: TaskId, tag: Tag, start: Ticks) {
        if self.slow.is_exceeded(start, self.core.at, &self.clock) {
            self.core.record(Event::SlowTask { task, tag, limit_ns: self.slow.limit_ns(), start });
        }
    }
}

/// Why a batch of plain tasks ended.
enum End<T> {
    /// The queue is empty, or the budget is spent.
    Empty,
    /// The next task is not plain.
    Special(NextTask<Body<T>>),
    /// The last task left work that must run first.
    Attention,
}

/// Data for a task's record, collected before the task runs.
#[derive(Clone, Copy, Default)]
struct Begun {
    tag: Tag,
    queued: Ticks,
    start: Ticks,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Whether plain tasks may take the fast path.
    pub(super) fn runs_plain(&self) -> bool {
        let policy = self.policy();
        self.host.is_none() && policy.panics == PanicRule::Continue && policy.task_time_per_tick.is_none()
    }

    /// Runs plain tasks up to the first task that is not plain. Returns that task, or how the pass ended.
    pub(super) fn run_plain(&mut self) -> Result<NextTask<Body<T>>, Pass> {
        // Valid for the whole pass: each tick checks once whether events are recorded.
        if self.core.on { self.run_plain_as::<true>() } else { self.run_plain_as::<false>() }
    }

    fn run_plain_as<const RECORDED: bool>(&mut self) -> Result<NextTask<Body<T>>, Pass> {
        let drains = self.policy().drain == DrainRule::AfterEveryTask;
        let (depth, budget) = (self.core.depth, self.core.scheduler.budget());
        let outer = mem::replace(&mut self.core.current, Current::NONE);
        let mut not_counted = 0;
        let ended = loop {
            self.core.depth = depth + 1;
            let mut begun = Begun::default();
            let Self { core, clock, poller, slow, .. } = self;
            let mut context = Context { core, clock, poller };
            let ended = catch_unwind(AssertUnwindSafe(|| {
                batch::<T, C, RECORDED>(&mut context, clock, slow, drains, &mut begun)
            }));
            let ended = if ended.is_err() { self.carry_out_after(ended) } else { ended };
            // Leave levels that a task entered and did not exit.
            self.core.depth = depth;
            let current = mem::replace(&mut self.core.current, Current::NONE);
            let id = current.task.unwrap_or(TaskId(0));
            let mut outcome = current.outcome;
            match ended {
                Ok(End::Empty) => break Err(Pass::Empty),
                Ok(End::Special(next)) => {
                    not_counted += 1;
                    break Ok(next);
                }
                Ok(End::Attention) => {}
                Err(panic) => {
                    outcome = Outcome::Panicked;
                    self.panicked(current, panic);
                    if RECORDED {
                        self.core.at = self.clock.ticks();
                        ran(&self.core, id, begun, outcome, &mut self.slow, &self.clock);
                    }
                }
            }
            if outcome == Outcome::Reload {
                self.core.metrics.reloads += 1;
                self.owes_drain = true;
                not_counted += 1;
                break Err(Pass::Reload);
            }
            // A future that was cancelled before its turn was dropped, which does not count as a task.
            not_counted += u32::from(outcome == Outcome::Cancelled);
            self.drain_after(id);
            if self.core.futures.in_use {
                self.settle_futures(current);
            }
            self.pause_to_drain();
        };
        self.core.current = outer;
        self.core.metrics.tasks_run += u64::from(budget - self.core.scheduler.budget() - not_counted);
        ended
    }
}

#[inline]
fn batch<T: Task, C: Clock, const RECORDED: bool>(
    cx: &mut Context<'_, T>,
    clock: &C,
    slow: &mut SlowLimit,
    drains: bool,
    begun: &mut Begun,
) -> End<T> {
    let depth = cx.core.depth;
    loop {
        let core = &mut *cx.core;
        let Some((task, id, is_noted)) = core.scheduler.take_task() else { return End::Empty };
        if is_noted && !(RECORDED && core.scheduler.tasks.is_next_note_for_the_record()) {
            return End::Special(core.scheduler.tasks.pop_note(task, id));
        }
        if RECORDED {
            let start = core.at;
            let (tag, queued) = if is_noted {
                core.scheduler.tasks.skip_note()
            } else {
                // The task was queued while nothing was recorded.
                (core.tag_of(&task), start)
            };
            *begun = Begun { tag, queued, start };
            core.recorder.set_running(start, Running::Task { task: id, tag });
            core.current.tag = tag;
        }
        core.current.task = Some(id);
        cx.run(task);
        if cx.core.scheduler.attention() && cx.core.futures.has_ops() {
            cx.carry_out();
        }
        let core = &mut *cx.core;
        core.depth = depth;
        let outcome = core.current.outcome;
        if RECORDED {
            core.at = clock.ticks();
            ran(core, id, *begun, outcome, slow, clock);
            if core.recorder.should_drain() {
                return End::Attention;
            }
        }
        if outcome != Outcome::Done || core.scheduler.attention() {
            if !RECORDED && drains && outcome == Outcome::Done && core.scheduler.microtasks().is_unbounded() {
                run_microtasks(cx);
            }
            if left_something(cx.core, outcome, drains) {
                return End::Attention;
            }
        }
    }
}

/// The checkpoint of a task whose run time is not recorded. A microtask that panics counts as a panic of the task, and the
/// next drain runs the rest.
#[inline(never)]
fn run_microtasks<T: Task>(cx: &mut Context<'_, T>) {
    let depth = cx.core.depth;
    loop {
        while let Some(task) = cx.core.scheduler.microtasks_mut().take() {
            cx.dispatch(task);
            cx.core.depth = depth;
            // A failure of a microtask is not a failure of its task.
            cx.core.current.outcome = Outcome::Done;
        }
        if !cx.core.futures.has_ops() {
            break;
        }
        cx.carry_out();
        cx.core.current.outcome = Outcome::Done;
    }
}

#[inline(never)]
fn left_something<T: Task>(core: &mut Core<T>, outcome: Outcome, drains: bool) -> bool {
    core.scheduler.attend(core.futures.in_use);
    outcome != Outcome::Done || drains && core.scheduler.needs_drain() || core.futures.has_news()
}

/// Records that a task ran until now.
#[inline]
fn ran<T: Task, C: Clock>(
    core: &Core<T>,
    task: TaskId,
    begun: Begun,
    outcome: Outcome,
    slow: &mut SlowLimit,
    clock: &C,
) {
    let Begun { tag, queued, start } = begun;
    core.record(Event::TaskRan { task, tag, outcome, queued: queued.min(start), start });
    if slow.is_exceeded(start, core.at, clock) {
        core.record(Event::SlowTask { task, tag, limit_ns: slow.limit_ns(), start });
    }
}
