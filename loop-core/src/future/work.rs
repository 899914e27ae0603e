//! Jobs on the work pool as futures.
//!
//! A shared slot of the result's own type carries it to the loop's thread, so it need not be one of the application's
//! tasks.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use super::inbox::{Inbox, Plain};
use super::wait::Wait;
use crate::work_pool::{Rejected, Worker};

/// State shared by the loop and a [`WorkHandle`].
#[derive(Debug, Default)]
pub(crate) struct JobWait {
    pub(crate) wait: Rc<Wait>,
    rejected: RefCell<Option<Rejected>>,
}

impl JobWait {
    /// Records why the job has no result. The awaiting future gets the reason when the wait fires.
    pub(crate) fn reject(&self, reason: Rejected) {
        self.rejected.replace(Some(reason));
    }
}

type ResultSlot<R> = Arc<Mutex<Option<R>>>;

/// Handle to a job on the pool: await it for the result.
///
/// Dropping the handle cancels the job if no worker has started it; a running job continues, and its result is dropped.
#[must_use = "dropping the handle cancels the job"]
pub struct WorkHandle<R> {
    inbox: Rc<dyn Inbox>,
    job: Rc<JobWait>,
    slot: ResultSlot<R>,
    is_done: bool,
}

impl<R: Send + 'static> WorkHandle<R> {
    /// Creates the handle, the part the loop keeps, and the part the worker runs.
    #[expect(clippy::type_complexity, reason = "used in one place, which names the three parts")]
    pub(crate) fn new<Remote>(
        inbox: Rc<dyn Inbox>,
        job: impl FnOnce(&Worker<'_>) -> R + Send + 'static,
    ) -> (Self, Rc<JobWait>, Box<dyn FnOnce(&Worker<'_>) -> Option<Remote> + Send>) {
        let (wait, slot) = (Rc::<JobWait>::default(), ResultSlot::<R>::default());
        let results = Arc::clone(&slot);
        let run = move |worker: &Worker<'_>| {
            let result = job(worker);
            *results.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            None
        };
        (Self { inbox, job: Rc::clone(&wait), slot, is_done: false }, wait, Box::new(run))
    }
}

impl<R> Future for WorkHandle<R> {
    type Output = Result<R, Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.job.wait.poll(cx));
        self.is_done = true;
        let result = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rejected = || self.job.rejected.borrow_mut().take().unwrap_or(Rejected::Cancelled);
        Poll::Ready(result.ok_or_else(rejected))
    }
}

impl<R> Drop for WorkHandle<R> {
    fn drop(&mut self) {
        if !self.is_done {
            self.inbox.push(Plain::CancelWork(Rc::clone(&self.job.wait)));
        }
    }
}

impl<R> fmt::Debug for WorkHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkHandle").field("is_done", &self.is_done).finish_non_exhaustive()
    }
}
