//! State shared by the agenda, its handles and its workers, and the admission of tasklets.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use loop_probes::clock::{Anchor, Clock, SystemClock};
use loop_probes::event::Priority;
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::tags;

use super::admission::Admission;
use super::collection::Collection;
use super::failure::Missing;

use super::parking::Gate;
use super::queues::{Local, Queues};
use super::recorder::AgendaRecorder;
use super::rendezvous::Rendezvous;
use super::statistics::{PriorityStatistics, Scale, Slot, Statistics, WorkerStatistics, sum};
use super::tag_counts::TagCounts;
use super::tasklet::{QueuedTasklet, Refused, Tasklet};
use crate::sync::{Condvar, Mutex as SyncMutex};
use crate::work_pool::threads::RecorderFactory;

thread_local! {
    /// The agenda whose worker this thread is, by its address; 0 is none.
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
}

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) clock: SystemClock,
    first: Anchor,
    pub(super) queues: Queues,
    pub(super) admission: Admission,
    pub(super) gate: Gate,
    pub(super) rendezvous: Rendezvous<Collection>,
    pub(super) slots: Box<[Slot]>,
    pub(super) tag_counts: Arc<TagCounts>,
    added: [AtomicU64; Priority::ALL.len()],
    last_task: AtomicU64,
    /// Recorder shared by all threads that are not workers. Behind a lock, because there may be many of them.
    external_recorder: Mutex<AgendaRecorder>,
    is_recorded: bool,
    pub(super) recorders: RecorderFactory,
    /// Tasklets that asked to run again after the agenda closed.
    pub(super) returned: Mutex<Vec<QueuedTasklet>>,
    /// Whether each worker's thread is still alive.
    pub(super) alive: SyncMutex<Vec<bool>>,
    pub(super) ended: Condvar,
}

/// The parts an agenda is built from.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) clock: SystemClock,
    pub(super) workers: u16,
    pub(super) external_recorder: AgendaRecorder,
    pub(super) recorders: RecorderFactory,
    pub(super) tag_counts: Arc<TagCounts>,
}

impl Inner {
    pub(super) fn new(parts: Parts) -> (Arc<Self>, Vec<Local>) {
        let Parts { name, clock, workers, external_recorder, recorders, tag_counts } = parts;
        let (queues, locals) = Queues::new(workers);
        let inner = Self {
            name,
            clock,
            first: clock.anchor(),
            queues,
            admission: Admission::new(),
            gate: Gate::new(),
            rendezvous: Rendezvous::new(workers),
            slots: (0..workers).map(|_| Slot::new()).collect(),
            tag_counts,
            added: Default::default(),
            last_task: AtomicU64::new(0),
            is_recorded: external_recorder.is_on(),
            external_recorder: Mutex::new(external_recorder),
            recorders,
            returned: Mutex::default(),
            alive: SyncMutex::new(vec![false; usize::from(workers)]),
            ended: Condvar::new(),
        };
        (Arc::new(inner), locals)
    }

    /// Adds a tasklet from any thread.
    pub(super) fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        let Some(depth) = self.admission.enter(tasklet.priority) else { return Err(Refused::new(tasklet)) };
        let mut entry = self.entry(tasklet);
        if self.is_recorded {
            self.with_external_recorder(|at, external_recorder| {
                entry.stamp(at);
                external_recorder.added(at, &entry.info, entry.tag, depth);
            });
        } else {
            entry.stamp(self.clock.ticks());
        }
        let task = entry.info.task;
        self.queues.push(entry);
        self.gate.wake_one();
        Ok(task)
    }

    /// Adds a tasklet from a worker, to the worker's own queue.
    pub(super) fn add_local(
        &self,
        tasklet: Tasklet,
        local: &Local,
        agenda_recorder: &AgendaRecorder,
    ) -> Result<TaskId, Refused> {
        let Some(depth) = self.admission.enter(tasklet.priority) else { return Err(Refused::new(tasklet)) };
        let mut entry = self.entry(tasklet);
        entry.stamp(self.clock.ticks());
        let task = entry.info.task;
        agenda_recorder.added(entry.info.queued, &entry.info, entry.tag, depth);
        self.queues.push_local(local, entry);
        self.gate.wake_one();
        Ok(task)
    }

    /// Requeues a tasklet that ran, at `now`. Its worker is awake and about to look for work, so no wake-up is
    /// needed.
    pub(super) fn add_again(
        &self,
        mut entry: QueuedTasklet,
        now: Ticks,
        local: &Local,
        agenda_recorder: &AgendaRecorder,
    ) -> Result<(), Box<QueuedTasklet>> {
        let Some(depth) = self.admission.enter(entry.info.priority) else { return Err(Box::new(entry)) };
        entry.info.queued = now;
        self.count_added(entry.info.priority);
        agenda_recorder.added(now, &entry.info, entry.tag, depth);
        self.queues.push_local(local, entry);
        Ok(())
    }

    fn entry(&self, tasklet: Tasklet) -> QueuedTasklet {
        self.tag_counts.begin(tasklet.tag);
        self.count_added(tasklet.priority);
        let task = TaskId(self.last_task.fetch_add(1, Ordering::Relaxed) + 1);
        QueuedTasklet::new(tasklet, task)
    }

    fn count_added(&self, priority: Priority) {
        self.added[usize::from(priority.code())].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes into the shared ring, with a time read under its lock, since the times within a ring must not go
    /// back.
    pub(super) fn with_external_recorder<R>(&self, write: impl FnOnce(Ticks, &AgendaRecorder) -> R) -> R {
        let external_recorder = self.external_recorder.lock().unwrap_or_else(PoisonError::into_inner);
        write(self.clock.ticks(), &external_recorder)
    }

    /// Counts the end of a tasklet that left its queue, however it ended.
    pub(super) fn over(&self, tag: Tag) {
        self.tag_counts.end(tag);
    }

    /// The tasklet that each of `workers` is in.
    pub(super) fn missing(&self, workers: impl IntoIterator<Item = u16>) -> Vec<Missing> {
        let current = |worker| self.slots.get(usize::from(worker)).and_then(Slot::current);
        workers.into_iter().map(|worker| Missing { worker, tasklet: current(worker) }).collect()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Marks the calling thread as a worker of this agenda.
    pub(super) fn enlist(&self) {
        WORKER_OF.set(self.address());
    }

    /// Whether the calling thread is a worker of this agenda.
    pub(super) fn is_on_worker(&self) -> bool {
        WORKER_OF.get() == self.address()
    }

    pub(super) fn statistics(&self) -> Statistics {
        let scale = Scale::since(self.first, self.clock);
        let of_priority = |priority: Priority| PriorityStatistics {
            priority,
            added: self.added[usize::from(priority.code())].load(Ordering::Relaxed),
            waiting: self.admission.waiting(priority),
            tally: sum(self.slots.iter().map(|slot| slot.tally(priority, &scale))),
        };
        let of_worker = |(worker, slot): (usize, &Slot)| WorkerStatistics {
            worker: worker as u16,
            state: slot.state(),
            current: slot.current(),
            tally: sum(Priority::ALL.iter().map(|priority| slot.tally(*priority, &scale))),
        };
        let priorities: Vec<_> = Priority::ALL.iter().rev().copied().map(of_priority).collect();
        let workers: Vec<_> = self.slots.iter().enumerate().map(of_worker).collect();
        let mut pending: Vec<_> = self
            .tag_counts
            .counts()
            .map(|(tag, count)| (tags::name(tag).unwrap_or_else(|| "untagged".into()), count))
            .collect();
        pending.sort();
        Statistics {
            agenda: self.name.clone(),
            added: priorities.iter().map(|of| of.added).sum(),
            tally: sum(priorities.iter().map(|of| of.tally)),
            unreported: self.slots.iter().map(Slot::unreported_count).sum(),
            pending,
            priorities,
            workers,
        }
    }
}
