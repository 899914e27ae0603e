//! The work pool and the heap, from a running task.

use std::sync::Arc;

use loop_probes::event::{Event, GcReason, RefKind};
use loop_probes::ids::TaskId;

use super::Context;
use crate::error::LoopError;
use crate::event_loop::core::Outstanding;
use crate::handle::Inbound;
use crate::task::{TagOf, Task};
use crate::work_pool::{Job, Rejected, Sink, Worker};

impl<T: Task> Context<'_, T> {
    /// Runs `run` on the work pool, and what it returns as a task of this loop. Keeps the loop alive until that
    /// task has run. Where `run` panics, the task is what `rejected` makes of that instead. Both the job and
    /// its completion are recorded under `tag`.
    ///
    /// # Errors
    ///
    /// [`LoopError::Pool`] where the pool cannot start, [`LoopError::PoolClosed`] where it was shut down.
    pub fn work(
        &mut self,
        tag: TagOf,
        run: impl FnOnce(&Worker<'_>) -> T::Remote + Send + 'static,
        rejected: impl FnOnce(Rejected) -> T + 'static,
    ) -> Result<TaskId, LoopError> {
        self.start_pool()?;
        let tag = self.core.resolve(tag);
        let queued = self.stamp();
        let pool = self.core.pool.as_mut().ok_or(LoopError::PoolClosed)?;
        let task = self.core.scheduler.new_id();
        let depth = pool
            .submit(Job { task, tag, queued, run: Box::new(run) })
            .map_err(|_refused| LoopError::PoolClosed)?;
        let parent = self.core.current.task;
        self.core.work.insert(task, Outstanding { tag, parent, rejected: Some(Box::new(rejected)) });
        if self.core.on {
            self.core.record(Event::WorkQueued { task, tag, depth, parent });
        }
        self.core.add_ref(RefKind::Work, 1);
        Ok(task)
    }

    fn start_pool(&mut self) -> Result<(), LoopError> {
        if let Some(make) = self.core.pool_factory.take() {
            let shared = Arc::clone(&self.core.shared);
            let sink: Sink<T::Remote> = Box::new(move |finished| {
                // Refused only after the loop has ended: then nobody waits for the result.
                let _ = shared.push(Inbound::Work(Box::new(finished)), None);
            });
            self.core.pool = Some(make(sink)?);
        }
        Ok(())
    }

    /// Asks for a collection at the next check of the GC controller.
    pub fn request_gc(&mut self) {
        self.core.scheduler.gc.request();
        self.tell_gc(GcReason::Requested);
    }

    /// Tells the GC controller that memory is short: its next check collects.
    pub fn memory_pressure(&mut self) {
        self.core.scheduler.gc.pressure();
        self.tell_gc(GcReason::Pressure);
    }

    fn tell_gc(&mut self, reason: GcReason) {
        if self.core.on {
            self.stamp();
            self.core.record(Event::InputGc { reason });
        }
    }
}
