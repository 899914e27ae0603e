//! The queues: for each priority, a shared queue and one per worker.
//!
//! Additions from outside go to the shared queue. Additions by a tasklet go to the queue of its worker, to which only
//! that worker pushes; a worker that finds nothing else steals from there, oldest first. All queues are first in, first
//! out, so order is lost only between queues of the same priority. With one worker only the shared queue is used.
//!
//! A fetch goes through the priorities from the highest, and checks all queues of one before the next. Tasklets are
//! fetched one at a time, because a batch would be invisible to other workers while it moves.

use std::cell::Cell;

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};
use loop_probes::event::Priority;

use super::admission::Admission;

/// Number of fetches after which a worker checks the shared queue first, so that tasklets that add tasklets do not starve
/// those added from outside.
const SHARED_FIRST: u32 = 16;

const PRIORITIES: usize = Priority::ALL.len();

/// One queue per priority, indexed by priority code.
type Each<Q> = [Q; PRIORITIES];

/// The queues reachable from any thread.
pub(super) struct Queues<E> {
    shared: Each<Injector<E>>,
    /// Stealing ends of the workers' queues, by worker.
    stealers: Box<[Each<Stealer<E>>]>,
}

/// The queues of one worker.
pub(super) struct WorkerQueues<E> {
    own: Each<Deque<E>>,
    worker: usize,
    fetches: Cell<u32>,
}

const fn place(priority: Priority) -> usize {
    priority.code() as usize
}

impl<E> Queues<E> {
    /// Creates the queues for `workers`, and each worker's ends.
    pub(super) fn new(workers: u16) -> (Self, Vec<WorkerQueues<E>>) {
        let local = |worker| {
            let own = std::array::from_fn(|_| Deque::new_fifo());
            WorkerQueues { own, worker, fetches: Cell::new(0) }
        };
        let locals: Vec<WorkerQueues<E>> = (0..usize::from(workers)).map(local).collect();
        let stealers = locals.iter().map(|local| std::array::from_fn(|place| local.own[place].stealer()));
        let queues = Self { shared: std::array::from_fn(|_| Injector::new()), stealers: stealers.collect() };
        (queues, locals)
    }

    /// Adds a tasklet from outside.
    pub(super) fn push(&self, priority: Priority, entry: E) {
        self.shared[place(priority)].push(entry);
    }

    /// Adds a tasklet from a worker. If there is no other worker to steal it, the shared queue keeps the order.
    pub(super) fn push_local(&self, local: &WorkerQueues<E>, priority: Priority, entry: E) {
        if self.stealers.len() == 1 {
            self.push(priority, entry);
        } else {
            local.own[place(priority)].push(entry);
        }
    }

    /// Takes the tasklet that a worker runs next.
    pub(super) fn fetch(&self, local: &WorkerQueues<E>, admission: &Admission) -> Option<E> {
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

    fn fetch_of(&self, priority: Priority, local: &WorkerQueues<E>) -> Option<E> {
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

    /// Takes any tasklet of `priority`, on a thread that is not a worker.
    pub(super) fn drain(&self, priority: Priority, admission: &Admission) -> Option<E> {
        let stealers =
            || self.stealers.iter().find_map(|stealers| taken(|| stealers[place(priority)].steal()));
        let entry = taken(|| self.shared[place(priority)].steal()).or_else(stealers)?;
        admission.left(priority);
        Some(entry)
    }
}

/// Retries steals that lost a race, until one succeeds or the queue is empty.
fn taken<E>(steal: impl Fn() -> Steal<E>) -> Option<E> {
    loop {
        match steal() {
            Steal::Success(entry) => return Some(entry),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
