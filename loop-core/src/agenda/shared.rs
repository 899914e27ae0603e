//! State shared by an agenda, its handles and its workers, and the admission of tasklets. Generic over the tasklets'
//! work `W`, which this module never runs.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loop_probes::clock::{Anchor, Clock, SystemClock};
use loop_probes::event::Priority;
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::tags;

use super::admission::{Admission, AdmissionState};
use super::failure::{CollectError, Missing};
use super::outcome::TaskletInfo;
use super::parking::Parking;
use super::queues::{Queues, WorkerQueues};
use super::recorder::AgendaRecorder;
use super::rendezvous::Rendezvous;
use super::statistics::{PriorityStatistics, Scale, Statistics, WorkerSlot, WorkerStatistics, sum};
use super::tag_counts::TagCounts;
use crate::sync::{Condvar, Mutex, locked};
use crate::work_pool::threads::RecorderFactory;

thread_local! {
    /// Address of the agenda whose worker this thread is; 0 if the thread is not a worker.
    static WORKER_OF: Cell<usize> = const { Cell::new(0) };
}

/// A tasklet in a queue, or about to enter one.
pub(super) struct QueuedTasklet<W> {
    pub(super) info: TaskletInfo,
    pub(super) tag: Tag,
    pub(super) work: W,
}

impl<W> QueuedTasklet<W> {
    /// Sets the tasklet's times when it is first added.
    pub(super) fn stamp(&mut self, now: Ticks) {
        (self.info.created, self.info.queued) = (now, now);
    }
}

/// Receives the result of a collection.
pub(super) type CollectionDone = Box<dyn FnOnce(Result<(), CollectError>) + Send>;

/// A requested collection: what the last worker to arrive runs while all are stopped, and the callback for its result.
pub(super) struct Collection {
    pub(super) run: Box<dyn FnOnce() + Send>,
    pub(super) done: CollectionDone,
    /// When the collection was requested.
    pub(super) start: Ticks,
}

/// See the [module](self).
pub(super) struct AgendaShared<W> {
    pub(super) name: String,
    pub(super) clock: SystemClock,
    first: Anchor,
    pub(super) queues: Queues<QueuedTasklet<W>>,
    pub(super) admission: Admission,
    pub(super) parking: Parking,
    pub(super) rendezvous: Rendezvous<Collection>,
    pub(super) slots: Box<[WorkerSlot]>,
    pub(super) tag_counts: Arc<TagCounts>,
    added: [AtomicU64; Priority::ALL.len()],
    last_task: AtomicU64,
    /// Recorder shared by all threads that are not workers, and so behind a lock.
    external_recorder: Mutex<AgendaRecorder>,
    is_recorded: bool,
    pub(super) recorders: RecorderFactory,
    /// Tasklets that asked to run again after the agenda closed.
    pub(super) returned: Mutex<Vec<QueuedTasklet<W>>>,
    /// Whether each worker's thread is still alive.
    pub(super) alive: Mutex<Vec<bool>>,
    /// Signalled when a worker's thread ends.
    pub(super) ended: Condvar,
}

/// The parts an agenda is built from.
pub(super) struct AgendaParts {
    pub(super) name: String,
    pub(super) clock: SystemClock,
    pub(super) workers: u16,
    pub(super) external_recorder: AgendaRecorder,
    pub(super) recorders: RecorderFactory,
    pub(super) tag_counts: Arc<TagCounts>,
}

impl<W> AgendaShared<W> {
    pub(super) fn new(parts: AgendaParts) -> (Arc<Self>, Vec<WorkerQueues<QueuedTasklet<W>>>) {
        let AgendaParts { name, clock, workers, external_recorder, recorders, tag_counts } = parts;
        let (queues, own_queues) = Queues::new(workers);
        let shared = Self {
            name,
            clock,
            first: clock.anchor(),
            queues,
            admission: Admission::new(),
            parking: Parking::new(),
            rendezvous: Rendezvous::new(workers),
            slots: (0..workers).map(|_| WorkerSlot::new()).collect(),
            tag_counts,
            added: Default::default(),
            last_task: AtomicU64::new(0),
            is_recorded: external_recorder.is_on(),
            external_recorder: Mutex::new(external_recorder),
            recorders,
            returned: Mutex::new(Vec::new()),
            alive: Mutex::new(vec![false; usize::from(workers)]),
            ended: Condvar::new(),
        };
        (Arc::new(shared), own_queues)
    }

    /// Adds a tasklet from any thread. Hands it back if the agenda was shut down.
    pub(super) fn add(&self, mut entry: QueuedTasklet<W>) -> Result<TaskId, QueuedTasklet<W>> {
        let Some(depth) = self.admit(&mut entry) else { return Err(entry) };
        if self.is_recorded {
            self.with_external_recorder(|at, recorder| {
                entry.stamp(at);
                recorder.added(at, &entry.info, entry.tag, depth);
            });
        } else {
            entry.stamp(self.clock.ticks());
        }
        let task = entry.info.task;
        self.queues.push(entry.info.priority, entry);
        self.parking.wake_one();
        Ok(task)
    }

    /// Numbers and counts a new tasklet. Returns how many tasklets of its priority now wait; `None` if the agenda was shut
    /// down.
    pub(super) fn admit(&self, entry: &mut QueuedTasklet<W>) -> Option<u32> {
        let depth = self.admission.enter(entry.info.priority)?;
        self.tag_counts.begin(entry.tag);
        self.count_added(entry.info.priority);
        entry.info.task = TaskId(self.last_task.fetch_add(1, Ordering::Relaxed) + 1);
        entry.info.runs = 0;
        Some(depth)
    }

    /// Counts a tasklet that was put into a queue.
    pub(super) fn count_added(&self, priority: Priority) {
        self.added[usize::from(priority.code())].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes into the shared ring. The time is read under the lock, because times within a ring must not decrease.
    pub(super) fn with_external_recorder<R>(&self, write: impl FnOnce(Ticks, &AgendaRecorder) -> R) -> R {
        let external_recorder = locked(&self.external_recorder);
        write(self.clock.ticks(), &external_recorder)
    }

    /// Whether the agenda refuses tasklets.
    pub(super) fn is_closed(&self) -> bool {
        self.admission.state() != AdmissionState::Open
    }

    /// The given workers, each with its current tasklet.
    pub(super) fn missing(&self, workers: impl IntoIterator<Item = u16>) -> Vec<Missing> {
        let current = |worker| self.slots.get(usize::from(worker)).and_then(WorkerSlot::current);
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
        let of_worker = |(worker, slot): (usize, &WorkerSlot)| WorkerStatistics {
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
            unreported: self.slots.iter().map(WorkerSlot::unreported_count).sum(),
            pending,
            priorities,
            workers,
        }
    }
}
