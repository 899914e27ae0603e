//! Operations on the work pool and the GC controller.

use std::rc::Rc;
use std::sync::Arc;

use loop_probes::event::{Event, GcReason, RefKind};
use loop_probes::ids::{NonMax, TaskId};

use crate::core::{Outstanding, Then};
use crate::error::RequestError;
use crate::future::wait::Wait;
use crate::future::work::JobWait;
use crate::inbound::Inbound;
use crate::shutdown::OnShutdown;
use crate::tag::TagOf;
use crate::task::{Context, Task};
use crate::work_pool::{Job, JobSink, Rejected, Run, Worker};

impl<T: Task> Context<'_, T> {
    /// Runs `run` on the work pool, and then its result as a task of this loop. If `run` panics, the task is made by
    /// `rejected` instead. The job keeps the loop alive until that task has run. The job and its completion are recorded
    /// under `tag`, which may be a label.
    ///
    /// # Errors
    ///
    /// [`RequestError::Pool`] if the pool cannot start, [`RequestError::PoolClosed`] if it was shut down,
    /// [`RequestError::ShuttingDown`] if the loop is shutting down.
    pub fn work(
        &mut self,
        tag: impl Into<TagOf>,
        run: impl FnOnce(&Worker<'_>) -> T::Remote + Send + 'static,
        rejected: impl FnOnce(Rejected) -> T + 'static,
    ) -> Result<TaskId, RequestError> {
        let run = Box::new(move |worker: &Worker<'_>| Some(run(worker)));
        self.submit(tag.into(), run, Then::Task(Box::new(rejected)))
    }

    /// Like [`work`](Self::work), for a job that a future awaits: a refusal is reported to the future.
    pub(crate) fn work_awaited(&mut self, tag: TagOf, job: Rc<JobWait>, run: Run<Option<T::Remote>>) {
        match self.submit(tag, run, Then::Future(Rc::clone(&job))) {
            Ok(task) => job.wait.job.set(Some(task)),
            Err(error) => {
                job.reject(Rejected::Refused { message: error.to_string() });
                job.wait.fire();
            }
        }
    }

    /// Cancels a job that is no longer awaited, unless a worker has started it.
    pub(crate) fn cancel_awaited(&mut self, wait: &Wait) {
        let Some(task) = wait.job.take() else { return };
        let taken = self.core.pool.as_mut().and_then(|pool| pool.take_back(task));
        if taken.is_some() {
            self.core.settle_work(task);
        }
    }

    fn submit(
        &mut self,
        tag: TagOf,
        run: Run<Option<T::Remote>>,
        then: Then<T>,
    ) -> Result<TaskId, RequestError> {
        self.check_open(RefKind::Work)?;
        self.start_pool()?;
        let tag = self.core.resolve(tag);
        let queued = self.stamp();
        let pool = self.core.pool.as_mut().ok_or(RequestError::PoolClosed)?;
        let task = self.core.scheduler.new_id();
        let depth =
            pool.submit(Job { task, tag, queued, run }).map_err(|_refused| RequestError::PoolClosed)?;
        let parent = self.core.current.task;
        let (awaited, on_shutdown) = (matches!(then, Then::Future(_)), OnShutdown::Finish);
        let job = Outstanding { tag, parent, on_shutdown, then: Some(then), awaited };
        self.core.work.insert(task, job);
        if self.core.on {
            let parent = parent.map(NonMax::from);
            self.core.record(Event::WorkQueued { task, tag, depth, parent });
        }
        self.core.add_ref(RefKind::Work, 1);
        Ok(task)
    }

    pub(crate) fn start_pool(&mut self) -> Result<(), RequestError> {
        if let Some(make) = self.core.pool_factory.take() {
            let shared = Arc::clone(&self.core.shared);
            let sink: JobSink<Option<T::Remote>> = Box::new(move |finished| {
                // Refused only after the loop has ended, when nothing waits for the result.
                let _ = shared.push(Inbound::Work(Box::new(finished)), None);
            });
            self.core.pool = Some(make(sink)?);
        }
        Ok(())
    }

    /// Requests a collection at the next check of the GC controller.
    pub fn request_gc(&mut self) {
        self.core.scheduler.gc.request();
        self.record_gc_request(GcReason::Requested);
    }

    /// Notifies the GC controller that memory is short: its next check collects.
    pub fn memory_pressure(&mut self) {
        self.core.scheduler.gc.pressure();
        self.record_gc_request(GcReason::Pressure);
    }

    fn record_gc_request(&mut self, reason: GcReason) {
        if self.core.on {
            self.stamp();
            self.core.record(Event::InputGc { reason });
        }
    }
}
