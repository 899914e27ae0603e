//! The body: what a queue, a timer or a readiness source runs.
//!
//! Nearly always the application's own task. The rest serves futures: polling one, and waking those that await
//! a timer, a job or a source. It is one enum so that all of them wait in the same queues, in one order; the
//! application's own is the first arm of a `match`, a branch that is nearly always taken.

use std::rc::Rc;

use super::Task;
use crate::context::Context;
use crate::future::FutureKey;
use crate::future::wait::Wait;
use crate::future::watched::Registry;
use crate::owner::Failure;

/// A unit of work to run.
#[derive(Debug)]
pub(crate) enum Body<T> {
    /// The application's task.
    Task(T),
    /// Polls a spawned future.
    Poll(FutureKey),
    /// Wakes the future that awaits this timer or job.
    Wake(Rc<Wait>),
    /// Wakes the futures that await this source's readiness.
    Ready(Rc<Registry>),
    /// An owner's task, run for an error.
    FailureReport(Box<FailureReport<T>>),
}

/// Runs `task`, unless its tag must never be dispatched.
#[inline]
pub(crate) fn dispatch<T: Task>(task: T, cx: &mut Context<'_, T>) {
    if task.is_never_dispatched() { cx.refuse_dispatch(&task) } else { task.run(cx) }
}

/// An owner's task and the error that it is run for.
#[derive(Debug)]
pub(crate) struct FailureReport<T> {
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
            Self::Wake(wait) => cx.wake_future(&wait),
            Self::Ready(registry) => cx.source_ready(&registry),
            Self::FailureReport(report) => cx.run_failure_report(*report),
        }
    }

    /// A copy to run now, while `self` stays for the next time. `None` if it runs only once.
    #[inline]
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Task(task) => task.again().map(Self::Task),
            Self::Wake(wait) => Some(Self::Wake(Rc::clone(wait))),
            Self::Ready(registry) => Some(Self::Ready(Rc::clone(registry))),
            Self::Poll(_) | Self::FailureReport(_) => None,
        }
    }
}
