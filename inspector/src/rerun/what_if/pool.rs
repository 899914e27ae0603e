//! The virtual work pool: as many workers as asked for, and jobs that run as long as recorded.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use loop_core::work_pool::{Finished, Job, Pending, Pool, Shutdown, Sink, Worker};
use loop_probes::event::Event;
use loop_probes::ids::{TaskId, Ticks};
use loop_probes::recorder::Recorder;

use super::task::Remote;
use super::world::world;

/// The result of a job.
type JobResult = Option<Remote>;

struct TakenJob {
    job: Job<JobResult>,
    worker: u16,
    start_ns: u64,
    /// When it was submitted, its cost, and the time that an idle worker needs to take it.
    submitted: (u64, u64, u64),
}

/// Submitted jobs, and the times at which workers become free.
pub(super) struct Jobs {
    /// By the time at which a worker becomes free, then by its number.
    free: RefCell<BinaryHeap<Reverse<(u64, u16)>>>,
    workers: u16,
    /// By the time at which they end, then in order of submission.
    taken: RefCell<BTreeMap<(u64, u64), TakenJob>>,
    /// When the jobs that wait for a worker are taken.
    waiting: RefCell<BinaryHeap<Reverse<u64>>>,
    next: Cell<u64>,
    /// The cost of the next job, and the time that an idle worker needs to take it.
    announced: Cell<(u64, u64)>,
    /// Jobs that will be cancelled, by their index in the script.
    remembered: RefCell<HashMap<u32, TaskId>>,
    sink: RefCell<Option<Rc<Sink<JobResult>>>>,
    pub(super) recorder: RefCell<Recorder>,
}

impl Jobs {
    pub(super) fn new(workers: u16) -> Self {
        let workers = workers.max(1);
        Self {
            free: RefCell::new((0..workers).map(|worker| Reverse((0, worker))).collect()),
            workers,
            taken: RefCell::default(),
            waiting: RefCell::default(),
            next: Cell::new(0),
            announced: Cell::new((0, 0)),
            remembered: RefCell::default(),
            sink: RefCell::default(),
            recorder: RefCell::new(Recorder::disabled()),
        }
    }

    /// Sets the cost of the job that is submitted next.
    pub(super) fn announce(&self, cost_ns: u64, wake_ns: u64) {
        self.announced.set((cost_ns, wake_ns));
    }

    /// When the next job ends.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.taken.borrow().first_key_value().map(|((end_ns, _), _)| *end_ns)
    }

    /// Finishes the job that ends next.
    pub(super) fn finish_next(&self, end: Ticks) {
        let taken = self.taken.borrow_mut().pop_first();
        let (Some((_, TakenJob { job, worker, start_ns, .. })), Some(sink)) =
            (taken, self.sink.borrow().clone())
        else {
            return;
        };
        let recorder = self.recorder.borrow();
        let (Job { task, tag, queued, .. }, start) = (&job, Ticks(start_ns));
        let (task, tag, queued) = (*task, *tag, *queued);
        let (outcome, result) = job.execute(&Worker::new(worker, &recorder));
        recorder.record(end, Event::WorkRan { task, tag, worker, outcome, queued, start });
        sink(Finished { task, tag, worker, queued, start, end, outcome, result });
    }

    /// Remembers a job that will be cancelled.
    pub(super) fn remember(&self, place: u32, task: TaskId) {
        self.remembered.borrow_mut().insert(place, task);
    }

    /// The number of jobs and workers.
    pub(super) fn count(&self) -> u64 {
        self.taken.borrow().len() as u64 + u64::from(self.workers)
    }

    /// Forgets the job at this index, and returns its task to be cancelled.
    pub(super) fn cancelled(&self, place: u32) -> Option<TaskId> {
        self.remembered.borrow_mut().remove(&place)
    }

    /// Takes back a job that no worker has started: those behind it move up.
    pub(super) fn take_back(&self, task: TaskId, now_ns: u64) -> Option<Job<JobResult>> {
        let all = self.taken.take().into_iter();
        let (mut unbegun, begun): (Vec<_>, Vec<_>) = all.partition(|(_, taken)| taken.start_ns > now_ns);
        let mut free: Vec<u64> = vec![0; usize::from(self.workers)];
        for ((end_ns, _), taken) in &begun {
            free[usize::from(taken.worker)] = free[usize::from(taken.worker)].max(*end_ns);
        }
        *self.free.borrow_mut() =
            free.iter().enumerate().map(|(worker, free_ns)| Reverse((*free_ns, worker as u16))).collect();
        *self.taken.borrow_mut() = begun.into_iter().collect();
        self.waiting.borrow_mut().clear();
        unbegun.sort_by_key(|((_, number), _)| *number);
        let mut found = None;
        for (_, TakenJob { job, submitted: (at_ns, cost_ns, wake_ns), .. }) in unbegun {
            if job.task == task {
                found = Some(job);
            } else {
                self.assign(job, at_ns, cost_ns, wake_ns);
            }
        }
        found
    }

    fn submit(&self, job: Job<JobResult>, now_ns: u64) -> u32 {
        let (cost_ns, wake_ns) = self.announced.take();
        self.assign(job, now_ns, cost_ns, wake_ns);
        self.depth(now_ns).max(1)
    }

    /// Assigns a job submitted at `now_ns` to the worker that becomes free first.
    fn assign(&self, job: Job<JobResult>, now_ns: u64, cost_ns: u64, wake_ns: u64) {
        let mut free = self.free.borrow_mut();
        // Of several idle workers, the one with the lowest number.
        let idle = free.peek().is_some_and(|Reverse((free_ns, _))| *free_ns <= now_ns);
        let Reverse((free_ns, worker)) = free.pop().unwrap_or(Reverse((0, 0)));
        let start_ns = now_ns.max(free_ns).saturating_add(wake_ns);
        let end_ns = start_ns.saturating_add(cost_ns);
        free.push(Reverse((end_ns, worker)));
        if !idle {
            self.waiting.borrow_mut().push(Reverse(start_ns));
        }
        self.next.set(self.next.get() + 1);
        let submitted = (now_ns, cost_ns, wake_ns);
        self.taken
            .borrow_mut()
            .insert((end_ns, self.next.get()), TakenJob { job, worker, start_ns, submitted });
    }

    fn depth(&self, now_ns: u64) -> u32 {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.peek().is_some_and(|Reverse(start_ns)| *start_ns <= now_ns) {
            waiting.pop();
        }
        waiting.len() as u32
    }
}

/// The pool of this thread's world.
#[derive(Debug)]
pub(super) struct WorldPool;

impl WorldPool {
    pub(super) fn new(sink: Sink<JobResult>) -> Self {
        if let Some(world) = world() {
            *world.jobs.sink.borrow_mut() = Some(Rc::new(sink));
        }
        Self
    }
}

impl Pool<JobResult> for WorldPool {
    fn submit(&mut self, job: Job<JobResult>) -> Result<u32, Job<JobResult>> {
        let Some(world) = world() else { return Err(job) };
        Ok(world.jobs.submit(job, world.now_ns()))
    }

    fn take_back(&mut self, task: TaskId) -> Option<Job<JobResult>> {
        let world = world()?;
        world.jobs.take_back(task, world.now_ns())
    }

    fn depth(&self) -> u32 {
        world().map_or(0, |world| world.jobs.depth(world.now_ns()))
    }

    fn workers(&self) -> u16 {
        world().map_or(1, |world| world.jobs.workers)
    }

    fn shutdown(&mut self, _pending: Pending, _timeout: Option<Duration>) -> Shutdown<JobResult> {
        if let Some(world) = world() {
            world.jobs.taken.borrow_mut().clear();
        }
        Shutdown { handed_back: Vec::new(), unjoined: 0 }
    }

    fn detach(&mut self) {}
}
