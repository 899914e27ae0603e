//! The virtual work pool: a job runs on the loop thread, at the time at which it ends.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::Event;
use loop_probes::ids::{TaskId, Ticks, Timestamp};
use loop_probes::recorder::Recorder;

use super::Sim;
use crate::timer::due_after;
use crate::work_pool::{Finished, Job, Pending, Pool, Shutdown, Sink, Worker};

/// Durations of jobs, and availability of workers.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) durations: VecDeque<Duration>,
    /// When each worker becomes free.
    pub(super) free_at: Vec<Timestamp>,
    pub(super) recorder: Recorder,
    /// Jobs waiting for a worker, by the time at which one takes them.
    waiting: Vec<Timestamp>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            durations: VecDeque::new(),
            free_at: vec![Timestamp(0)],
            recorder: Recorder::disabled(),
            waiting: Vec::new(),
        }
    }
}

/// The work pool of a virtual world.
pub struct SimPool<R> {
    sim: Sim,
    sink: Rc<Sink<R>>,
    closed: bool,
    /// Unfinished jobs, and when a worker takes each.
    jobs: Jobs<R>,
}

type Jobs<R> = Rc<RefCell<HashMap<TaskId, (Job<R>, Timestamp)>>>;

impl<R> SimPool<R> {
    pub(super) fn new(sim: Sim, sink: Sink<R>) -> Self {
        Self { sim, sink: Rc::new(sink), closed: false, jobs: Rc::default() }
    }
}

impl<R: 'static> Pool<R> for SimPool<R> {
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>> {
        if self.closed {
            return Err(job);
        }
        let now = self.sim.clock.now();
        let mut plan = self.sim.pool.borrow_mut();
        let duration = plan.durations.pop_front().unwrap_or_default();
        // The worker that is free first, and among equals the one with the lowest number.
        let free = plan.free_at.iter().enumerate().min_by_key(|(_, free)| **free);
        let (worker, start) = free.map_or((0, now), |(worker, free)| (worker, now.max(*free)));
        let end = due_after(start, duration);
        plan.free_at[worker] = end;
        plan.waiting.retain(|taken| *taken > now);
        if start > now {
            plan.waiting.push(start);
        }
        let depth = plan.waiting.len() as u32;
        drop(plan);
        let (sim, sink) = (self.sim.clone(), Rc::clone(&self.sink));
        let (task, jobs) = (job.task, Rc::clone(&self.jobs));
        self.jobs.borrow_mut().insert(task, (job, start));
        let run = move || {
            // A job that was taken back leaves its worker idle.
            let job = jobs.borrow_mut().remove(&task);
            if let Some((job, _)) = job {
                sink(execute(&sim, job, worker as u16, Ticks(start.0)));
            }
        };
        self.sim.at_time(end, run);
        Ok(depth)
    }

    fn take_back(&mut self, task: TaskId) -> Option<Job<R>> {
        let (now, mut jobs) = (self.sim.clock.now(), self.jobs.borrow_mut());
        if jobs.get(&task)?.1 <= now {
            return None;
        }
        let (job, taken) = jobs.remove(&task)?;
        let waiting = &mut self.sim.pool.borrow_mut().waiting;
        if let Some(index) = waiting.iter().position(|other| *other == taken) {
            waiting.remove(index);
        }
        Some(job)
    }

    fn depth(&self) -> u32 {
        let now = self.sim.clock.now();
        self.sim.pool.borrow().waiting.iter().filter(|taken| **taken > now).count() as u32
    }

    fn workers(&self) -> u16 {
        self.sim.pool.borrow().free_at.len() as u16
    }

    /// Submitted jobs run to completion in any case: their times are already scheduled.
    fn shutdown(&mut self, _pending: Pending, _timeout: Option<Duration>) -> Shutdown<R> {
        self.closed = true;
        Shutdown { handed_back: Vec::new(), unjoined: 0 }
    }

    fn detach(&mut self) {}
}

fn execute<R>(sim: &Sim, job: Job<R>, worker: u16, start: Ticks) -> Finished<R> {
    let Job { task, tag, queued, .. } = job;
    let plan = sim.pool.borrow();
    let (outcome, result) = job.execute(&Worker::new(worker, &plan.recorder));
    let end = sim.clock.ticks();
    // Virtual time has one record clock: a job posted while nothing was recorded has no time.
    let queued = if queued == Ticks(0) { start } else { queued };
    plan.recorder.record(end, Event::WorkRan { task, tag, worker, outcome, queued, start });
    Finished { task, tag, worker, queued, start, end, outcome, result }
}

impl<R> fmt::Debug for SimPool<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimPool").field("closed", &self.closed).finish_non_exhaustive()
    }
}
