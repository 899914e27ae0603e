//! The virtual agenda: as many workers as asked for, three priorities, and tasklets that run as long as recorded and do
//! what they did.
//!
//! As in the real one, a worker fetches from the highest priority first, and first in, first out within a priority. The
//! last pending tasklet wakes the loop. Tasklets added by a tasklet join the common queues, and there is no work
//! stealing; collections, for which all workers stop, count as part of the tasklets they interrupted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};

use loop_core::low_level::replay::ExternalEvents;
use loop_probes::event::{Event, Priority, WorkerPhase};
use loop_probes::ids::{TaskId, Ticks};

use super::super::cost::Cursor;
use super::super::script::{NONE, Op};
use super::{Played, World};

/// A waiting tasklet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    tasklet: u32,
    task: TaskId,
    queued_ns: u64,
}

#[derive(Clone, Copy, Debug)]
enum WorkerState {
    Idle,
    /// Woken or done with a tasklet: fetches the next one when due.
    Coming,
    Running {
        of: Waiting,
        start_ns: u64,
        /// The range of the acts that remain to be done.
        acts: (u32, u32),
    },
}

struct Worker {
    state: WorkerState,
    phase: WorkerPhase,
}

#[derive(Default)]
struct WorkerSet {
    /// By priority.
    waiting: [VecDeque<Waiting>; Priority::ALL.len()],
    workers: Vec<Worker>,
    idle: BTreeSet<u16>,
    /// The next action time of each worker that is not idle.
    due: BTreeSet<(u64, u16)>,
    /// Tasklets waiting or running.
    pending: u32,
    last_task: u64,
}

/// The virtual agenda. See the [module](self).
pub(super) struct Agenda {
    worker_set: RefCell<WorkerSet>,
    /// The time of the next action of any worker.
    next_ns: Cell<Option<u64>>,
    wake: Cursor,
    next: Cursor,
    /// The loop, which pending tasklets keep alive.
    pub(super) outside: RefCell<Option<ExternalEvents<Played>>>,
    /// Recorded events with their time and emitter (0, or a worker from 1).
    events: RefCell<Vec<(u16, Ticks, Event<Ticks>)>>,
}

impl Agenda {
    pub(super) fn new(workers: u16) -> Self {
        let worker = |_| Worker { state: WorkerState::Idle, phase: WorkerPhase::Idle };
        let worker_set = WorkerSet {
            workers: (0..workers).map(worker).collect(),
            idle: (0..workers).collect(),
            ..WorkerSet::default()
        };
        Self {
            worker_set: RefCell::new(worker_set),
            next_ns: Cell::new(None),
            wake: Cursor::default(),
            next: Cursor::default(),
            outside: RefCell::default(),
            events: RefCell::default(),
        }
    }

    /// The time of the next action.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.next_ns.get()
    }

    /// Takes the events recorded since the last call, in order of time.
    pub(super) fn take_events(&self) -> Vec<(u16, Ticks, Event<Ticks>)> {
        self.events.take()
    }

    fn emit(&self, emitter: u16, at_ns: u64, event: Event<Ticks>) {
        self.events.borrow_mut().push((emitter, Ticks(at_ns), event));
    }

    fn change(&self, worker: u16, at_ns: u64, to: WorkerPhase) {
        let mut worker_set = self.worker_set.borrow_mut();
        let from = std::mem::replace(&mut worker_set.workers[usize::from(worker)].phase, to);
        if from != to {
            self.emit(worker + 1, at_ns, Event::WorkerState { worker, from, to });
        }
    }

    fn set_due(&self, worker: u16, at_ns: u64, state: WorkerState) {
        let mut worker_set = self.worker_set.borrow_mut();
        worker_set.workers[usize::from(worker)].state = state;
        worker_set.due.insert((at_ns, worker));
        self.next_ns.set(worker_set.due.first().map(|(at_ns, _)| *at_ns));
    }

    fn set_pending(&self, change: impl FnOnce(u32) -> u32) {
        let mut worker_set = self.worker_set.borrow_mut();
        worker_set.pending = change(worker_set.pending);
        let pending = worker_set.pending;
        drop(worker_set);
        if let Some(outside) = &*self.outside.borrow() {
            outside.agenda(pending);
        }
    }
}

impl World {
    /// Adds a tasklet on behalf of `emitter`.
    pub(in crate::what_if) fn add_tasklet(&self, tasklet: u32, emitter: u16) {
        if self.plan.is_dropped(self.script.tasklets[tasklet as usize].tag) || self.plan.agenda_workers == 0 {
            return;
        }
        let task = {
            let mut worker_set = self.agenda.worker_set.borrow_mut();
            worker_set.last_task += 1;
            TaskId(worker_set.last_task)
        };
        self.agenda.set_pending(|pending| pending.saturating_add(1));
        self.queue_tasklet(tasklet, task, emitter);
        let idle = self.agenda.worker_set.borrow_mut().idle.pop_first();
        if let Some(worker) = idle {
            let now_ns = self.now_ns();
            let near = || self.agenda.wake.near(&self.script.costs.tasklet_wake, now_ns);
            let wake_ns = self.script.tasklets[tasklet as usize].wake_ns.unwrap_or_else(near);
            self.agenda.set_due(worker, now_ns.saturating_add(wake_ns), WorkerState::Coming);
        }
    }

    fn queue_tasklet(&self, tasklet: u32, task: TaskId, emitter: u16) {
        let recorded = self.script.tasklets[tasklet as usize];
        let (priority, queued_ns) = (recorded.priority, self.now_ns());
        let depth = {
            let waiting = &mut self.agenda.worker_set.borrow_mut().waiting[usize::from(priority.code())];
            waiting.push_back(Waiting { tasklet, task, queued_ns });
            waiting.len() as u32
        };
        let tag = self.plan.tag_of(recorded.tag);
        self.agenda.emit(emitter, queued_ns, Event::AgendaAdded { task, tag, priority, depth });
    }

    /// Performs the next action of the worker that is due.
    pub(super) fn step_agenda(&self) {
        let (now_ns, worker, state) = {
            let mut worker_set = self.agenda.worker_set.borrow_mut();
            let Some((at_ns, worker)) = worker_set.due.pop_first() else { return };
            self.agenda.next_ns.set(worker_set.due.first().map(|(at_ns, _)| *at_ns));
            (at_ns.max(self.now_ns()), worker, worker_set.workers[usize::from(worker)].state)
        };
        match state {
            WorkerState::Idle => {}
            WorkerState::Coming => self.fetch(worker, now_ns),
            WorkerState::Running { of, start_ns, acts: (next, last) } if next < last => {
                let act = self.script.acts[next as usize];
                self.perform(act.what, worker);
                self.resume_tasklet(worker, of, start_ns, (next + 1, last));
            }
            WorkerState::Running { of, start_ns, .. } => self.end_tasklet(worker, of, start_ns, now_ns),
        }
    }

    fn fetch(&self, worker: u16, now_ns: u64) {
        let found = {
            let mut worker_set = self.agenda.worker_set.borrow_mut();
            worker_set.waiting.iter_mut().rev().find_map(VecDeque::pop_front)
        };
        let Some(of) = found else {
            let mut worker_set = self.agenda.worker_set.borrow_mut();
            worker_set.workers[usize::from(worker)].state = WorkerState::Idle;
            worker_set.idle.insert(worker);
            drop(worker_set);
            return self.agenda.change(worker, now_ns, WorkerPhase::Idle);
        };
        self.agenda.change(worker, now_ns, WorkerPhase::Run);
        let recorded = self.script.tasklets[of.tasklet as usize];
        if !recorded.is_known {
            self.synthesized(|synthesized| synthesized.tasklets += 1);
        }
        self.resume_tasklet(worker, of, now_ns, recorded.acts);
    }

    /// Schedules the next of `acts`, or the end of the tasklet.
    fn resume_tasklet(&self, worker: u16, of: Waiting, start_ns: u64, acts: (u32, u32)) {
        let recorded = self.script.tasklets[of.tasklet as usize];
        let after_ns = if acts.0 < acts.1 {
            self.script.acts[acts.0 as usize].after_ns.min(recorded.cost_ns)
        } else {
            recorded.cost_ns
        };
        let at_ns = start_ns.saturating_add(self.plan.scaled(recorded.tag, after_ns)).max(self.now_ns());
        self.agenda.set_due(worker, at_ns, WorkerState::Running { of, start_ns, acts });
    }

    fn end_tasklet(&self, worker: u16, of: Waiting, start_ns: u64, now_ns: u64) {
        let recorded = self.script.tasklets[of.tasklet as usize];
        let (tag, priority) = (self.plan.tag_of(recorded.tag), recorded.priority);
        let ran = Event::AgendaRan {
            task: of.task,
            tag,
            priority,
            worker,
            outcome: recorded.outcome,
            queued: Ticks(of.queued_ns),
            start: Ticks(start_ns),
        };
        self.agenda.emit(worker + 1, now_ns, ran);
        if recorded.next == NONE {
            self.agenda.set_pending(|pending| pending.saturating_sub(1));
        } else {
            self.queue_tasklet(recorded.next, of.task, worker + 1);
        }
        let next_ns = self.agenda.next.near(&self.script.costs.tasklet_next, now_ns);
        let is_empty = self.agenda.worker_set.borrow().waiting.iter().all(VecDeque::is_empty);
        let at_ns = if is_empty { now_ns } else { now_ns.saturating_add(next_ns) };
        self.agenda.set_due(worker, at_ns, WorkerState::Coming);
    }

    /// Performs an act of a tasklet.
    fn perform(&self, what: Op, worker: u16) {
        let at_ns = self.now_ns();
        let emitter = worker + 1;
        match what {
            Op::Tasklet(tasklet) => self.add_tasklet(tasklet, emitter),
            Op::Post(run) => {
                let recorded = self.script.run(run).tag;
                if self.plan.is_dropped(recorded) {
                    return;
                }
                let source = self.plan.agenda_side(emitter);
                self.post(run, |handle, remote| handle.clone().posting_as(source).post(remote));
            }
            Op::Span { label, run_ns } => {
                let start = Ticks(at_ns.saturating_sub(run_ns));
                self.agenda.emit(emitter, at_ns, Event::Span { label: self.label(label), start });
            }
            Op::Mark(label) => {
                self.agenda.emit(emitter, at_ns, Event::Mark { label: self.label(label) });
            }
            _ => {}
        }
    }
}
