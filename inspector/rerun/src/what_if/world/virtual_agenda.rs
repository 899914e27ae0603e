//! The state of the virtual agenda: as many workers as asked for, and the tasklets that wait for them.
//!
//! As in the real one, a worker fetches from the highest priority first, and first in, first out within a priority.
//! Tasklets added by a tasklet join the common queues, and there is no work stealing; collections, for which all workers
//! stop, count as part of the tasklets they interrupted.

use std::collections::{BTreeSet, VecDeque};

use loop_probes::event::{Event, Priority, WorkerPhase};
use loop_probes::ids::{TaskId, Ticks};

use crate::what_if::cost::Cursor;

/// A waiting tasklet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) tasklet: u32,
    pub(super) task: TaskId,
    pub(super) queued_ns: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum WorkerState {
    Idle,
    /// Woken or done with a tasklet: fetches the next one when due.
    Coming,
    Running {
        of: Waiting,
        start_ns: u64,
        /// The list of the acts that remain to be done.
        acts: u32,
    },
}

#[derive(Debug)]
struct Worker {
    state: WorkerState,
    phase: WorkerPhase,
}

/// An event with its time and emitter: 0, or a worker from 1.
pub(in crate::what_if) type AgendaEvent = (u16, Ticks, Event<Ticks>);

/// The virtual agenda. See the [module](self).
#[derive(Debug)]
pub(super) struct Agenda {
    /// Waiting tasklets by priority.
    waiting: [VecDeque<Waiting>; Priority::ALL.len()],
    workers: Vec<Worker>,
    idle: BTreeSet<u16>,
    /// The next action time of each worker that is not idle.
    due: BTreeSet<(u64, u16)>,
    last_task: u64,
    /// Tasklets waiting or running.
    pub(super) pending: u32,
    /// Latencies of idle workers that are woken.
    pub(super) wake: Cursor,
    /// Pauses of workers between two tasklets.
    pub(super) next: Cursor,
    /// Recorded events, in order of time.
    pub(super) events: Vec<AgendaEvent>,
}

impl Agenda {
    pub(super) fn new(workers: u16) -> Self {
        let worker = |_| Worker { state: WorkerState::Idle, phase: WorkerPhase::Idle };
        Self {
            waiting: Default::default(),
            workers: (0..workers).map(worker).collect(),
            idle: (0..workers).collect(),
            due: BTreeSet::new(),
            last_task: 0,
            pending: 0,
            wake: Cursor::default(),
            next: Cursor::default(),
            events: Vec::new(),
        }
    }

    /// The time of the next action of any worker.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.due.first().map(|(at_ns, _)| *at_ns)
    }

    pub(super) fn emit(&mut self, emitter: u16, at_ns: u64, event: Event<Ticks>) {
        self.events.push((emitter, Ticks(at_ns), event));
    }

    pub(super) fn change(&mut self, worker: u16, at_ns: u64, to: WorkerPhase) {
        let from = std::mem::replace(&mut self.workers[usize::from(worker)].phase, to);
        if from != to {
            self.emit(worker + 1, at_ns, Event::WorkerState { worker, from, to });
        }
    }

    pub(super) fn set_due(&mut self, worker: u16, at_ns: u64, state: WorkerState) {
        self.workers[usize::from(worker)].state = state;
        self.due.insert((at_ns, worker));
    }

    /// The next due worker, when it is due, and its state.
    pub(super) fn take_due(&mut self) -> Option<(u64, u16, WorkerState)> {
        let (at_ns, worker) = self.due.pop_first()?;
        Some((at_ns, worker, self.workers[usize::from(worker)].state))
    }

    /// An idle worker, which is no longer idle.
    pub(super) fn take_idle(&mut self) -> Option<u16> {
        self.idle.pop_first()
    }

    pub(super) fn set_idle(&mut self, worker: u16) {
        self.workers[usize::from(worker)].state = WorkerState::Idle;
        self.idle.insert(worker);
    }

    pub(super) fn new_task(&mut self) -> TaskId {
        self.last_task += 1;
        TaskId(self.last_task)
    }

    /// Queues a tasklet; returns how many of its priority wait.
    pub(super) fn queue(&mut self, priority: Priority, tasklet: Waiting) -> u32 {
        let waiting = &mut self.waiting[usize::from(priority.code())];
        waiting.push_back(tasklet);
        waiting.len() as u32
    }

    pub(super) fn fetch(&mut self) -> Option<Waiting> {
        self.waiting.iter_mut().rev().find_map(VecDeque::pop_front)
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.iter().all(VecDeque::is_empty)
    }
}
