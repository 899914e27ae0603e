//! The body: what a queue, a timer or a readiness source runs.
//!
//! Nearly always the application's own task. The rest serves futures: polling one, and waking those that await
//! a timer, a job or a source. It is one enum so that all of them wait in the same queues, in one order; the
//! application's own is the first arm of a `match`, a branch that is nearly always taken.

use std::rc::Rc;

use crate::failure::Failure;
use crate::future::wait::{SourceWaiters, Wait};
use crate::future::wake::FutureKey;
use crate::payload::Payload;
use crate::queue::fifo;

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
    Ready(Rc<SourceWaiters>),
    /// An owner's task, run for an error.
    FailureReport(Box<FailureReport<T>>),
}

/// A queued body with the data that its record needs.
pub(crate) type Queued<T> = fifo::Queued<Body<T>>;

/// An owner's task and the error that it is run for.
#[derive(Debug)]
pub(crate) struct FailureReport<T> {
    pub(crate) task: T,
    pub(crate) failure: Failure,
}

impl<T: Payload> Body<T> {
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
