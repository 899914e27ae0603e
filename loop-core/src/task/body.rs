//! The body: what a queue, a timer or a source of readiness runs when its turn comes.
//!
//! Nearly always the application's own task. The rest is what futures need: the poll of one, and waking whoever
//! awaits a timer or a source. One enum, so that all of them wait in the same queues, in one order; the
//! application's own stays the first arm of a `match`, one branch that is always taken.

use std::rc::Rc;

use super::Task;
use crate::context::Context;
use crate::future::FutureKey;
use crate::future::wait::Wait;

/// What runs.
#[derive(Debug)]
pub(crate) enum Body<T> {
    /// The application's task.
    Task(T),
    /// Polls a spawned future.
    Poll(FutureKey),
    /// Wakes whoever awaits this timer or source.
    Wake(Rc<Wait>),
}

impl<T: Task> Body<T> {
    #[inline]
    pub(crate) fn run(self, cx: &mut Context<'_, T>) {
        match self {
            Self::Task(task) => task.run(cx),
            other => other.run_rare(cx),
        }
    }

    #[cold]
    fn run_rare(self, cx: &mut Context<'_, T>) {
        match self {
            Self::Task(task) => task.run(cx),
            Self::Poll(future) => cx.poll_future(future),
            Self::Wake(wait) => wait.fire(),
        }
    }

    /// A copy that runs now, while `self` stays for the next time. `None` where it runs once.
    #[inline]
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Task(task) => task.again().map(Self::Task),
            Self::Wake(wait) => Some(Self::Wake(Rc::clone(wait))),
            Self::Poll(_) => None,
        }
    }
}
