//! The work pool on real threads.
//!
//! The queue is behind a mutex, whose cost is small compared with a job that is worth a thread. Each worker creates its
//! recorder on its own thread, and records the jobs that it runs.

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loop_probes::clock::{Clock, SystemClock};
use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::TaskId;
use loop_probes::recorder::{Recorder, Running};

use super::{FinishedJob, Job, JobSink, PendingWork, Pool, PoolShutdown, Rejected, Worker};

/// Why a pool cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The pool would have no workers.
    #[error("a work pool needs at least 1 worker")]
    NoWorkers,
    /// The system refused a thread.
    #[error("cannot start worker {worker} of the work pool")]
    Spawn {
        /// The worker, from 0.
        worker: u16,
        /// The system's error.
        source: io::Error,
    },
}

/// The default number of workers: one per core.
pub(crate) fn cores() -> u16 {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(0xffff) as u16)
}

/// Creates the recorder of the worker with the given number, on the worker's thread.
pub type RecorderFactory = Box<dyn Fn(u16) -> Recorder + Send + Sync>;

/// A pool of threads. Dropping it discards waiting jobs and waits for running ones.
pub struct WorkPool<R: Send + 'static> {
    shared: Arc<PoolShared<R>>,
    threads: Vec<JoinHandle<()>>,
    workers: u16,
}

struct PoolShared<R> {
    state: Mutex<JobQueue<R>>,
    /// Signalled when a job arrives or the pool closes.
    changed: Condvar,
    /// Signalled when a worker ends.
    ended: Condvar,
    clock: SystemClock,
    recorders: RecorderFactory,
    sink: JobSink<R>,
}

struct JobQueue<R> {
    jobs: VecDeque<Job<R>>,
    is_closed: bool,
    alive: usize,
    /// Number of workers that are running a job.
    busy: usize,
}

impl<R: Send + 'static> WorkPool<R> {
    /// Starts `workers` threads; `None` means one per core. Results go to `sink`; if `sink` panics, only that result is
    /// lost.
    ///
    /// # Errors
    ///
    /// [`PoolError`] if `workers` is 0, or the system refuses a thread.
    pub fn new(
        workers: Option<u16>,
        clock: SystemClock,
        recorders: RecorderFactory,
        sink: JobSink<R>,
    ) -> Result<Self, PoolError> {
        let workers = workers.unwrap_or_else(cores);
        if workers == 0 {
            return Err(PoolError::NoWorkers);
        }
        let state = JobQueue { jobs: VecDeque::new(), is_closed: false, alive: 0, busy: 0 };
        let shared = PoolShared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            ended: Condvar::new(),
            clock,
            recorders,
            sink,
        };
        // Create the pool before its workers, so that dropping it ends those already started if another cannot start.
        let mut pool = Self { shared: Arc::new(shared), threads: Vec::new(), workers };
        for worker in 0..workers {
            let alive = AliveGuard::new(&pool.shared);
            let thread =
                thread::Builder::new().name(format!("work-{worker}")).spawn(move || alive.0.work(worker));
            pool.threads.push(thread.map_err(|source| PoolError::Spawn { worker, source })?);
        }
        Ok(pool)
    }

    fn close(&self, pending: PendingWork) -> Vec<Job<R>> {
        let mut state = self.shared.lock();
        state.is_closed = true;
        self.shared.changed.notify_all();
        match pending {
            PendingWork::Finish => Vec::new(),
            PendingWork::HandBack => state.jobs.drain(..).collect(),
        }
    }
}

/// Counts a worker as alive until its thread ends, also by a panic.
struct AliveGuard<R>(Arc<PoolShared<R>>);

impl<R> AliveGuard<R> {
    fn new(shared: &Arc<PoolShared<R>>) -> Self {
        shared.lock().alive += 1;
        Self(Arc::clone(shared))
    }
}

impl<R> Drop for AliveGuard<R> {
    fn drop(&mut self) {
        self.0.lock().alive -= 1;
        self.0.ended.notify_all();
    }
}

impl<R> PoolShared<R> {
    fn lock(&self) -> MutexGuard<'_, JobQueue<R>> {
        // Nothing panics under the lock; even if it did, the state would still be consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, worker: u16) {
        let recorder = (self.recorders)(worker);
        while let Some(job) = self.next_job() {
            let finished = self.run(worker, &recorder, job);
            self.lock().busy -= 1;
            // The sink is the caller's code: its panic must not end a worker.
            let _ = catch_unwind(AssertUnwindSafe(|| (self.sink)(finished)));
        }
    }

    fn next_job(&self) -> Option<Job<R>> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.busy += 1;
                return Some(job);
            }
            if state.is_closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, index: u16, recorder: &Recorder, job: Job<R>) -> FinishedJob<R> {
        let (task, tag, queued) = (job.task, job.tag, job.queued);
        let start = self.clock.ticks();
        recorder.set_running(start, Running::Task { task, tag });
        let (outcome, result) = job.execute(&Worker::new(index, recorder));
        let end = self.clock.ticks();
        if let Err(Rejected::Panicked { message }) = &result {
            let message = recorder.intern(end, LabelKind::Text, message);
            recorder.record(end, Event::Exception { task: Some(task), message });
        }
        recorder.record(end, Event::WorkRan { task, tag, worker: index, outcome, queued, start });
        recorder.set_running(end, Running::Outside);
        FinishedJob { task, tag, worker: index, queued, start, end, outcome, result }
    }
}

impl<R: Send + 'static> Pool<R> for WorkPool<R> {
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>> {
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        self.shared.changed.notify_one();
        Ok(state.jobs.len() as u32)
    }

    fn take_back(&mut self, task: TaskId) -> Option<Job<R>> {
        let mut state = self.shared.lock();
        let index = state.jobs.iter().position(|job| job.task == task)?;
        state.jobs.remove(index)
    }

    fn depth(&self) -> u32 {
        self.shared.lock().jobs.len() as u32
    }

    fn workers(&self) -> u16 {
        self.workers
    }

    fn shutdown(&mut self, pending: PendingWork, timeout: Option<Duration>) -> PoolShutdown<R> {
        let mut handed_back = self.close(pending);
        let mut state = self.shared.lock();
        let busy = |state: &mut JobQueue<R>| state.alive > 0;
        state = match timeout {
            None => self.shared.ended.wait_while(state, busy).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.shared.ended.wait_timeout_while(state, timeout, busy);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        handed_back.extend(state.jobs.drain(..));
        // Only busy workers count: the others end as soon as they are scheduled.
        let unjoined = state.busy;
        drop(state);
        if unjoined == 0 {
            for thread in self.threads.drain(..) {
                // A worker can panic only in the recorder factory, so there is no error to report.
                let _ = thread.join();
            }
        }
        PoolShutdown { handed_back, unjoined }
    }

    fn detach(&mut self) {
        self.threads.clear();
    }
}

impl<R: Send + 'static> Drop for WorkPool<R> {
    fn drop(&mut self) {
        let own = thread::current().id();
        if self.threads.iter().any(|thread| thread.thread().id() == own) {
            // A job or the sink drops the pool: a worker cannot wait for itself.
            drop(self.close(PendingWork::HandBack));
        } else if !self.threads.is_empty() {
            drop(self.shutdown(PendingWork::HandBack, None));
        }
    }
}

impl<R: Send + 'static> fmt::Debug for WorkPool<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkPool")
            .field("workers", &self.workers)
            .field("depth", &self.depth())
            .finish_non_exhaustive()
    }
}
