//! The fast path of the task queue, for tasks without special handling.
//!
//! While nothing is recorded, a plain task costs its place in the queue, its call, and a check whether it left
//! something to do; while recording, its two records on top. The guard against panics covers the whole batch and is
//! set up again after a task that panicked. Tasks followed by a call to the host, completions to be settled and
//! signals to be delivered take the slow path ([`run_next`](EventLoop::run_next)).

use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::Running;

use super::EventLoop;
use super::batches::Pass;
use crate::body::Body;
use crate::core::{Core, Current};
use crate::policy::{DrainRule, PanicRule};
use crate::poller::Poller;
use crate::queue::tasks::Next;
use crate::slow::SlowLimit;
use crate::task::Context;
use crate::task::Task;

/// Why a batch of plain tasks ended.
enum End<T> {
    /// The queue is empty, or the budget is spent.
    Empty,
    /// The next task is not plain.
    Special(Next<Body<T>>),
    /// The last task left something to do.
    Attention,
}

/// Data from before a task ran that its record needs.
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

    /// Runs plain tasks up to the first that is not plain; returns that task, or how the pass ended.
    pub(super) fn run_plain(&mut self) -> Result<Next<Body<T>>, Pass> {
        // Valid for the whole pass: each tick checks once whether events are recorded.
        if self.core.on { self.run_plain_as::<true>() } else { self.run_plain_as::<false>() }
    }

    fn run_plain_as<const RECORDED: bool>(&mut self) -> Result<Next<Body<T>>, Pass> {
        let drains = self.policy().drain == DrainRule::AfterEveryTask;
        let (depth, budget) = (self.core.depth, self.core.scheduler.budget());
        let outer = replace(&mut self.core.current, Current::NONE);
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
            // Drop the levels that a task opened and did not close.
            self.core.depth = depth;
            let current = replace(&mut self.core.current, Current::NONE);
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
            // A future that was cancelled before its turn was only dropped.
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
                // It was queued while nothing was recorded.
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
            if core.recorder.pressure() {
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

/// The checkpoint of a task when its run time is not recorded: a microtask that panics looks like its task, and the
/// rest run in the drain that follows.
#[inline(never)]
fn run_microtasks<T: Task>(cx: &mut Context<'_, T>) {
    let depth = cx.core.depth;
    loop {
        while let Some(task) = cx.core.scheduler.microtasks_mut().take() {
            cx.dispatch(task);
            cx.core.depth = depth;
            // The task is done; failures of its microtasks are not its own.
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
