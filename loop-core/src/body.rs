//! The body: what a queue, a timer or a readiness source runs.
//!
//! A body is nearly always a task of the application. Other bodies poll futures, or wake futures that await a timer, a
//! job or a source. One enum for all of them lets them wait in the same queues, in one order. The application's task is
//! the first arm of each `match`, a well-predicted branch.

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
    /// Wakes the future that awaits a timer or a job.
    Wake(Rc<Wait>),
    /// Wakes the futures that await a source's readiness.
    Ready(Rc<SourceWaiters>),
    /// Runs an owner's task for a failure.
    FailureReport(Box<FailureReport<T>>),
}

/// A queued body with the data that its record needs.
pub(crate) type Queued<T> = fifo::Queued<Body<T>>;

/// An owner's task and the failure that it handles.
#[derive(Debug)]
pub(crate) struct FailureReport<T> {
    pub(crate) task: T,
    pub(crate) failure: Failure,
}

impl<T: Payload> Body<T> {
    /// Returns a copy to run now, while `self` stays for the next time. `None` if the body runs only once.
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
