//! The fast path of the task queue, for as long as nobody wants to know about single tasks: nobody records, no host
//! has to be asked after each, a panic does not end the loop.
//!
//! A plain task then costs its place in the queue, its call, and a look at whether it left something to do. The guard
//! against panics stands around the whole batch and is put up again behind a task that panicked.

use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::clock::Clock;
use loop_probes::event::Outcome;
use loop_probes::ids::TaskId;

use super::EventLoop;
use super::batches::Pass;
use super::core::Current;
use crate::context::Context;
use crate::policy::{DrainRule, PanicRule};
use crate::poller::Poller;
use crate::queue::tasks::Next;
use crate::task::Task;

/// Why a batch of plain tasks is over.
enum End<T> {
    /// The queue is empty, or the budget spent.
    Empty,
    /// The next task is not plain.
    Noted(Next<T>),
    /// The last one left something to do.
    Attention,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Whether plain tasks may take the fast path. Good for a pass: each tick asks once whether somebody records.
    pub(super) fn runs_plain(&self) -> bool {
        !self.core.on && self.host.is_none() && self.policy().panics == PanicRule::Continue
    }

    /// Runs plain tasks, up to the first that is not plain: that one is returned, or how the pass ended.
    pub(super) fn run_plain(&mut self) -> Result<Next<T>, Pass> {
        let drains = self.policy().drain == DrainRule::AfterEveryTask;
        let (depth, budget) = (self.core.depth, self.core.scheduler.budget());
        let outer = replace(&mut self.core.current, Current::NONE);
        let mut not_counted = 0;
        let ended = loop {
            self.core.depth = depth + 1;
            let mut context = self.context();
            let ended = catch_unwind(AssertUnwindSafe(|| batch(&mut context, drains)));
            // Levels that a task opened and did not close are its own.
            self.core.depth = depth;
            let current = replace(&mut self.core.current, Current::NONE);
            match ended {
                Ok(End::Empty) => break Err(Pass::Empty),
                Ok(End::Noted(next)) => {
                    not_counted = 1;
                    break Ok(next);
                }
                Ok(End::Attention) => {}
                Err(panic) => self.panicked(current, panic),
            }
            if current.outcome == Outcome::Reload {
                not_counted = 1;
                break Err(Pass::Reload);
            }
            self.drain_after(current.task.unwrap_or(TaskId(0)));
        };
        self.core.current = outer;
        self.core.metrics.tasks_run += u64::from(budget - self.core.scheduler.budget() - not_counted);
        ended
    }
}

#[inline]
fn batch<T: Task>(cx: &mut Context<'_, T>, drains: bool) -> End<T> {
    let depth = cx.core.depth;
    loop {
        let Some((task, id, is_noted)) = cx.core.scheduler.take_task() else { return End::Empty };
        if is_noted {
            return End::Noted(cx.core.scheduler.tasks.pop_note(task, id));
        }
        cx.core.current.task = Some(id);
        task.run(cx);
        cx.core.depth = depth;
        let outcome = cx.core.current.outcome;
        if (outcome != Outcome::Done || cx.core.scheduler.may_drain())
            && (outcome != Outcome::Done || drains && cx.core.scheduler.needs_drain())
        {
            return End::Attention;
        }
    }
}
