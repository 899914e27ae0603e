//! The queues: for each priority one that all share, and one of each worker's own.
//!
//! Additions from outside go to the shared queue. What a tasklet adds goes to the queue of its worker, where nobody
//! else pushes; a worker that finds nothing else steals from there, oldest first. Both kinds are first in, first
//! out, so order is lost only between queues of the same priority, and with one worker there is but one queue each.
//!
//! A fetch goes through the priorities from the top and looks through all queues of one before it looks at the
//! next: nothing is fetched in batches, because a batch would be out of sight while it moves.

use std::cell::Cell;

use crossbeam_deque::{Injector, Steal, Stealer, Worker as Deque};
use loop_probes::event::Priority;

use super::intake::Intake;
use super::tasklet::Entry;

/// Every so many fetches a worker looks into the shared queue first: tasklets that add tasklets must not keep those
/// waiting that came from outside.
const SHARED_FIRST: u32 = 16;

const PRIORITIES: usize = Priority::ALL.len();

/// A queue of each priority, by its code.
type Each<Q> = [Q; PRIORITIES];

/// The queues that any thread reaches.
pub(super) struct Queues {
    shared: Each<Injector<Entry>>,
    /// The way into the workers' own queues, by worker.
    stealers: Box<[Each<Stealer<Entry>>]>,
}

/// The queues of one worker.
pub(super) struct Local {
    own: Each<Deque<Entry>>,
    worker: usize,
    fetches: Cell<u32>,
}

const fn place(priority: Priority) -> usize {
    priority.code() as usize
}

impl Queues {
    /// Queues for `workers`, and what each of them has for itself.
    pub(super) fn new(workers: u16) -> (Self, Vec<Local>) {
        let local =
            |worker| Local { own: std::array::from_fn(|_| Deque::new_fifo()), worker, fetches: Cell::new(0) };
        let locals: Vec<Local> = (0..usize::from(workers)).map(local).collect();
        let stealers = locals.iter().map(|local| std::array::from_fn(|place| local.own[place].stealer()));
        let queues = Self { shared: std::array::from_fn(|_| Injector::new()), stealers: stealers.collect() };
        (queues, locals)
    }

    /// Adds from outside.
    pub(super) fn push(&self, entry: Entry) {
        self.shared[place(entry.about.priority)].push(entry);
    }

    /// Adds on a worker. Where there is nobody to steal from it, the shared queue keeps the order.
    pub(super) fn push_local(&self, local: &Local, entry: Entry) {
        if self.stealers.len() == 1 {
            self.push(entry);
        } else {
            local.own[place(entry.about.priority)].push(entry);
        }
    }

    /// What a worker runs next.
    pub(super) fn fetch(&self, local: &Local, intake: &Intake) -> Option<Entry> {
        for priority in Priority::ALL.iter().rev().copied() {
            if intake.waiting(priority) == 0 {
                continue;
            }
            let entry = self.fetch_of(priority, local);
            if entry.is_some() {
                local.fetches.set(local.fetches.get().wrapping_add(1));
                intake.left(priority);
                return entry;
            }
        }
        None
    }

    fn fetch_of(&self, priority: Priority, local: &Local) -> Option<Entry> {
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

    /// Takes anything of `priority`, in the place of a worker.
    pub(super) fn drain(&self, priority: Priority, intake: &Intake) -> Option<Entry> {
        let stealers =
            || self.stealers.iter().find_map(|stealers| taken(|| stealers[place(priority)].steal()));
        let entry = taken(|| self.shared[place(priority)].steal()).or_else(stealers)?;
        intake.left(priority);
        Some(entry)
    }
}

/// Tries until it is clear whether there is something: a race that was lost is no answer.
fn taken(steal: impl Fn() -> Steal<Entry>) -> Option<Entry> {
    loop {
        match steal() {
            Steal::Success(entry) => return Some(entry),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
