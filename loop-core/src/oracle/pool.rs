//! Jobs of virtual pools, and the schedule of their workers. A job runs on the loop's thread at the time it ends.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::rc::Rc;

use loop_probes::event::Event;
use loop_probes::ids::{TaskId, Ticks};
use loop_probes::recorder::Recorder;

use crate::work_pool::{FinishedJob, Job, JobSink, Worker};

/// When and on which worker a job ran.
#[derive(Clone, Copy, Debug)]
pub struct JobRun<'a> {
    /// The worker, from 0.
    pub worker: u16,
    /// When the worker took the job.
    pub start: Ticks,
    /// When the job ended.
    pub end: Ticks,
    /// The workers' recorder.
    pub recorder: &'a Recorder,
}

/// A submitted job, with any result type.
pub struct PendingJob {
    /// The job's id.
    pub task: TaskId,
    held: Box<dyn Any>,
    finish: fn(Box<dyn Any>, JobRun<'_>),
}

/// A job with the sink that its result goes to.
type Held<R> = (Job<R>, Rc<JobSink<R>>);

impl PendingJob {
    pub(super) fn new<R: 'static>(job: Job<R>, sink: Rc<JobSink<R>>) -> Self {
        Self { task: job.task, held: Box::new((job, sink)), finish: finish::<R> }
    }

    /// Runs the job and delivers its result.
    pub fn finish(self, run: JobRun<'_>) {
        (self.finish)(self.held, run);
    }

    pub(super) fn into_job<R: 'static>(self) -> Option<Job<R>> {
        self.held.downcast::<Held<R>>().ok().map(|held| held.0)
    }
}

impl fmt::Debug for PendingJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingJob").field("task", &self.task).finish_non_exhaustive()
    }
}

fn finish<R: 'static>(held: Box<dyn Any>, run: JobRun<'_>) {
    let Ok(held) = held.downcast::<Held<R>>() else { return };
    let (job, sink) = *held;
    let (JobRun { worker, start, end, recorder }, Job { task, tag, queued, .. }) = (run, &job);
    // A job submitted while nothing was recorded has no queue time: use its start.
    let queued = if *queued == Ticks(0) { start } else { *queued };
    let (task, tag) = (*task, *tag);
    let (outcome, result) = job.execute(&Worker::new(worker, recorder));
    recorder.record(end, Event::WorkRan { task, tag, worker, outcome, queued, start });
    sink(FinishedJob { task, tag, worker, queued, start, end, outcome, result });
}

/// The workers of a virtual pool. Times are in nanoseconds.
#[derive(Debug)]
pub struct VirtualPool {
    /// For each worker, when it becomes free, and its number.
    free: BinaryHeap<Reverse<(u64, u16)>>,
    workers: u16,
    /// Jobs by the time at which they end, then by order.
    taken: BTreeMap<(u64, u64), Taken>,
    /// Start times of the jobs that wait for a worker.
    waiting: BinaryHeap<Reverse<u64>>,
}

#[derive(Debug)]
struct Taken {
    job: PendingJob,
    worker: u16,
    start_ns: u64,
    /// When the job was submitted, how long it lasts, and how long an idle worker needs to take it.
    submitted: (u64, u64, u64),
}

impl VirtualPool {
    /// A pool of at least one worker.
    #[must_use]
    pub fn new(workers: u16) -> Self {
        let workers = workers.max(1);
        Self {
            free: (0..workers).map(|worker| Reverse((0, worker))).collect(),
            workers,
            taken: BTreeMap::new(),
            waiting: BinaryHeap::new(),
        }
    }

    /// Number of workers.
    #[must_use]
    pub const fn workers(&self) -> u16 {
        self.workers
    }

    /// Number of jobs that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether all jobs have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Drops all jobs that have not ended.
    pub fn clear(&mut self) {
        self.taken.clear();
    }

    /// Assigns a job that lasts `cost_ns` to the worker that is free first. The worker takes the job `wake_ns` after that.
    /// If jobs end at the same time, the one with the lower `order` ends first.
    pub fn submit(&mut self, job: PendingJob, order: u64, now_ns: u64, cost_ns: u64, wake_ns: u64) {
        // Among workers free at the same time, the lowest number.
        let Reverse((free_ns, worker)) = self.free.pop().unwrap_or(Reverse((0, 0)));
        let start_ns = now_ns.max(free_ns).saturating_add(wake_ns);
        let end_ns = start_ns.saturating_add(cost_ns);
        self.free.push(Reverse((end_ns, worker)));
        if free_ns > now_ns {
            self.waiting.push(Reverse(start_ns));
        }
        let submitted = (now_ns, cost_ns, wake_ns);
        self.taken.insert((end_ns, order), Taken { job, worker, start_ns, submitted });
    }

    /// End time and order of the job that ends next.
    #[must_use]
    pub fn next_end(&self) -> Option<(u64, u64)> {
        self.taken.first_key_value().map(|(end, _)| *end)
    }

    /// Takes the job that ends next, with its worker and start time.
    pub fn pop(&mut self) -> Option<(PendingJob, u16, u64)> {
        self.taken.pop_first().map(|(_, Taken { job, worker, start_ns, .. })| (job, worker, start_ns))
    }

    /// Cancels and returns a job that no worker has started. Later jobs move up.
    pub fn take_back(&mut self, task: TaskId, now_ns: u64) -> Option<PendingJob> {
        let is_it = |taken: &Taken| taken.job.task == task && taken.start_ns > now_ns;
        if !self.taken.values().any(is_it) {
            return None;
        }
        let all = std::mem::take(&mut self.taken).into_iter();
        let (mut unbegun, begun): (Vec<_>, Vec<_>) = all.partition(|(_, taken)| taken.start_ns > now_ns);
        let mut free: Vec<u64> = vec![0; usize::from(self.workers)];
        for ((end_ns, _), taken) in &begun {
            free[usize::from(taken.worker)] = free[usize::from(taken.worker)].max(*end_ns);
        }
        self.free =
            free.iter().enumerate().map(|(worker, free_ns)| Reverse((*free_ns, worker as u16))).collect();
        self.taken = begun.into_iter().collect();
        self.waiting.clear();
        unbegun.sort_by_key(|((_, order), _)| *order);
        let mut found = None;
        for ((_, order), Taken { job, submitted: (at_ns, cost_ns, wake_ns), .. }) in unbegun {
            if job.task == task {
                found = Some(job);
            } else {
                self.submit(job, order, at_ns, cost_ns, wake_ns);
            }
        }
        found
    }

    /// Number of jobs that wait for a worker.
    #[must_use]
    pub fn depth(&mut self, now_ns: u64) -> u32 {
        while self.waiting.peek().is_some_and(|Reverse(start_ns)| *start_ns <= now_ns) {
            self.waiting.pop();
        }
        self.waiting.len() as u32
    }
}
