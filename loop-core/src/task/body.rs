//! The body: what a queue, a timer or a source of readiness runs when its turn comes.
//!
//! Nearly always the application's own task. The rest is what futures need: the poll of one, and waking whoever
//! awaits a timer, a job or a source. One enum, so that all of them wait in the same queues, in one order; the
//! application's own stays the first arm of a `match`, one branch that is always taken.

use std::rc::Rc;

use super::Task;
use crate::context::Context;
use crate::future::FutureKey;
use crate::future::wait::Wait;
use crate::future::watched::Registry;
use crate::owner::Failure;

/// What runs.
#[derive(Debug)]
pub(crate) enum Body<T> {
    /// The application's task.
    Task(T),
    /// Polls a spawned future.
    Poll(FutureKey),
    /// Wakes whoever awaits this timer or job.
    Wake(Rc<Wait>),
    /// Wakes those who await what this source is ready for.
    Ready(Rc<Registry>),
    /// The application's task, told of an error.
    Told(Box<Told<T>>),
}

/// Runs `task`, unless its tag must never be.
#[inline]
pub(crate) fn dispatch<T: Task>(task: T, cx: &mut Context<'_, T>) {
    if task.is_never_dispatched() { cx.refuse_dispatch(&task) } else { task.run(cx) }
}

/// A task and the error that it is told of.
#[derive(Debug)]
pub(crate) struct Told<T> {
    pub(crate) task: T,
    pub(crate) failure: Failure,
}

impl<T: Task> Body<T> {
    #[inline]
    pub(crate) fn run(self, cx: &mut Context<'_, T>) {
        match self {
            Self::Task(task) => dispatch(task, cx),
            other => other.run_rare(cx),
        }
    }

    #[cold]
    fn run_rare(self, cx: &mut Context<'_, T>) {
        match self {
            Self::Task(task) => dispatch(task, cx),
            Self::Poll(future) => cx.poll_future(future),
            Self::Wake(wait) => wait.fire(),
            Self::Ready(registry) => cx.source_ready(&registry),
            Self::Told(told) => cx.run_told(*told),
        }
    }

    /// A copy that runs now, while `self` stays for the next time. `None` where it runs once.
    #[inline]
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Task(task) => task.again().map(Self::Task),
            Self::Wake(wait) => Some(Self::Wake(Rc::clone(wait))),
            Self::Ready(registry) => Some(Self::Ready(Rc::clone(registry))),
            Self::Poll(_) | Self::Told(_) => None,
        }
    }
}
