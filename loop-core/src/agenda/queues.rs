//! The queues: for each priority, a shared one and one for each worker.
//!
//! Additions from outside go to the shared queue. Additions by a tasklet go to the queue of its worker, which only
//! that worker pushes to; a worker that finds nothing else steals from there, oldest first. Both kinds are first
//! in, first out, so order is lost only between queues of the same priority, and with one worker only the shared
//! queue is used.
//!
//! A fetch goes through the priorities from the top and checks all queues of one before moving to the next. Nothing
//! is fetched in batches, because a batch would be invisible to other workers while it moves.

use std::cell::Cell;

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};
use loop_probes::event::Priority;

use super::admission::Admission;
use super::tasklet::QueuedTasklet;

/// Once in this many fetches a worker checks the shared queue first: tasklets that add tasklets must not starve
/// those added from outside.
const SHARED_FIRST: u32 = 16;

const PRIORITIES: usize = Priority::ALL.len();

/// One queue per priority, indexed by priority code.
type Each<Q> = [Q; PRIORITIES];

/// The queues reachable from any thread.
pub(super) struct Queues {
    shared: Each<Injector<QueuedTasklet>>,
    /// Stealing ends of the workers' own queues, by worker.
    stealers: Box<[Each<Stealer<QueuedTasklet>>]>,
}

/// The queues of one worker.
pub(super) struct Local {
    own: Each<Deque<QueuedTasklet>>,
    worker: usize,
    fetches: Cell<u32>,
}

const fn place(priority: Priority) -> usize {
    priority.code() as usize
}

impl Queues {
    /// Creates the queues for `workers`, and each worker's own ends.
    pub(super) fn new(workers: u16) -> (Self, Vec<Local>) {
        let local =
            |worker| Local { own: std::array::from_fn(|_| Deque::new_fifo()), worker, fetches: Cell::new(0) };
        let locals: Vec<Local> = (0..usize::from(workers)).map(local).collect();
        let stealers = locals.iter().map(|local| std::array::from_fn(|place| local.own[place].stealer()));
        let queues = Self { shared: std::array::from_fn(|_| Injector::new()), stealers: stealers.collect() };
        (queues, locals)
    }

    /// Adds a tasklet from outside.
    pub(super) fn push(&self, entry: QueuedTasklet) {
        self.shared[place(entry.info.priority)].push(entry);
    }

    /// Adds a tasklet from a worker. If there is no other worker to steal it, the shared queue keeps the order.
    pub(super) fn push_local(&self, local: &Local, entry: QueuedTasklet) {
        if self.stealers.len() == 1 {
            self.push(entry);
        } else {
            local.own[place(entry.info.priority)].push(entry);
        }
    }

    /// The tasklet that a worker runs next.
    pub(super) fn fetch(&self, local: &Local, admission: &Admission) -> Option<QueuedTasklet> {
        for priority in Priority::ALL.iter().rev().copied() {
            if admission.waiting(priority) == 0 {
                continue;
            }
            let entry = self.fetch_of(priority, local);
            if entry.is_some() {
                local.fetches.set(local.fetches.get().wrapping_add(1));
                admission.left(priority);
                return entry;
            }
        }
        None
    }

    fn fetch_of(&self, priority: Priority, local: &Local) -> Option<QueuedTasklet> {
        let own = || local.own[place(priority)].pop();
        let shared = || taken(|| self.shared[place(priority)].steal());
        let first = if local.fetches.get().is_multiple_of(SHARED_FIRST) {
            shared().or_else(own)
        } else {
            own().or_else(shared)
        };
        first.or_else(|| {
            let workers = self.stealers.len();
            let others = (1..workers).map(|step| (local.worker + step) % workers);
            others.into_iter().find_map(|other| taken(|| self.stealers[other][place(priority)].steal()))
        })
    }

    /// Takes any tasklet of `priority` without being a worker.
    pub(super) fn drain(&self, priority: Priority, admission: &Admission) -> Option<QueuedTasklet> {
        let stealers =
            || self.stealers.iter().find_map(|stealers| taken(|| stealers[place(priority)].steal()));
        let entry = taken(|| self.shared[place(priority)].steal()).or_else(stealers)?;
        admission.left(priority);
        Some(entry)
    }
}

/// Retries until it is clear whether there is a tasklet: a lost race is not an answer.
fn taken(steal: impl Fn() -> Steal<QueuedTasklet>) -> Option<QueuedTasklet> {
    loop {
        match steal() {
            Steal::Success(entry) => return Some(entry),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
