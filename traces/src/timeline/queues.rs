//! Queue depths: current, past and greatest.
//!
//! A loop samples the queues that changed at the start of each tick. The figures weigh each depth by how long it
//! lasted, so they also use the events between samples: a queued task carries the depth including itself, and a task
//! that starts has left the queue. After lost records, a depth is unknown until the queue's next event. Timers and
//! deferred callbacks are counted by the events that arm, post and remove them. Microtasks are queued without an event;
//! the checkpoint that ran them bounds their number.

mod deferred;
mod depth;
mod stats;
mod waiting;

use loop_probes::event::{Event, Queue};
use loop_probes::ids::{TaskId, Timestamp};

use super::baseline::Figures;
use super::config::TimelineConfig;
use deferred::DeferredCount;
pub use stats::QueueStats;
pub(crate) use stats::Reached;
pub(crate) use waiting::QueuedTask;
use waiting::{Room, WaitingTasks};

/// All queues.
#[derive(Clone, Debug, PartialEq)]
pub struct Queues {
    queues: Vec<QueueStats>,
    /// Indexed by the place of the emitter.
    emitters: Vec<EmitterQueues>,
    waits_left_out: u64,
    followed_max: usize,
    /// The number of tracked tasks outside of the task queues.
    others_followed: usize,
    /// Whether callbacks were deferred, and it is not yet known whether within a drain.
    has_posts: bool,
    /// A snapshot whose end has not been read yet: its emitter, and the entries listed so far of each queue.
    snapshot: Option<(usize, [u32; Queue::ALL.len()])>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct EmitterQueues {
    /// Whether the emitter records when it queues a task, so that a task with equal queued and start times has not
    /// waited. For other emitters, the wait of such a task is unknown.
    records_queueing: bool,
    /// Whether it records the queue waits of tasks, if only when they start.
    records_waits: bool,
    /// The task of the timer that fired last: it runs without being queued.
    fired_task: Option<TaskId>,
    /// Whether records were lost since the last tick began, timer fired or task ran.
    is_after_loss: bool,
    /// Whether any records were ever lost.
    has_lost: bool,
    /// Queued tasks of the emitter that have not run.
    waiting: WaitingTasks,
    /// Tasks queued before records were lost, which may or may not have run.
    before_loss: u64,
    /// Whether the emitter's loop has stopped and not resumed.
    is_stopped: bool,
    deferred: DeferredCount,
    /// The task that left a queue last, and that queue, if it was tracked.
    left: Option<(TaskId, Queue)>,
    /// Tasks that left a queue since its first record.
    tasks_left: u32,
}

/// Which of a loop's armed timers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimersKnown {
    All,
    /// Only timers armed since the reading began.
    SinceReading,
    /// Only as many timers as are tracked; the loop has more.
    UpToLimit,
}

/// Queues whose entries a snapshot lists. One it does not mention is empty.
const IN_SNAPSHOTS: [Queue; 8] = [
    Queue::Tasks,
    Queue::Immediates,
    Queue::Deferred,
    Queue::Timers,
    Queue::Microtasks,
    Queue::Signals,
    Queue::Work,
    Queue::AfterLoop,
];

/// Whether the queue is filled without a record, by other threads, signal handlers, or callbacks: its depth is known only
/// when the loop takes from it.
const fn is_filled_unseen(queue: Queue) -> bool {
    matches!(queue, Queue::Concurrent | Queue::Signals | Queue::Microtasks)
}

impl Queues {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        let queue = |queue: &Queue| QueueStats::new(*queue, config.rate_window);
        Self {
            queues: Queue::ALL.iter().map(queue).collect(),
            emitters: Vec::new(),
            waits_left_out: 0,
            followed_max: config.queued_followed,
            others_followed: 0,
            has_posts: false,
            snapshot: None,
        }
    }

    /// Every queue in the order of its code, including those never seen.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &QueueStats> + '_ {
        self.queues.iter()
    }

    /// Queues about which anything is known, even if only that they were empty.
    pub fn known(&self) -> impl Iterator<Item = &QueueStats> + '_ {
        let is_known = |queue: &&QueueStats| queue.in_snapshot || queue.depths.is_known();
        self.queues.iter().filter(move |queue| is_known(queue) || queue.depth_max.get() > 0)
    }

    /// Queues with a sample or an entry.
    pub fn seen(&self) -> impl Iterator<Item = &QueueStats> + '_ {
        self.queues.iter().filter(|queue| queue.sampled.is_some() || queue.depth_max.get() > 0)
    }

    /// One queue.
    #[must_use]
    pub fn queue(&self, queue: Queue) -> &QueueStats {
        &self.queues[place_of(queue)]
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        self.queues.iter_mut().for_each(|queue| queue.figures(by));
        by.count(&mut self.waits_left_out);
    }

    fn queue_mut(&mut self, queue: Queue) -> &mut QueueStats {
        &mut self.queues[place_of(queue)]
    }

    /// Records the depth of the agenda, which belongs to no loop; `None` if it is unknown. It was `added` to at `at`, if that
    /// is not 0, and has at least this depth.
    pub(crate) fn agenda_is(&mut self, at: Timestamp, depth: Option<Reached>, added: u32) {
        self.queue_mut(Queue::Agenda).is_between(OF_THE_PROCESS, at, depth, added);
    }

    /// Samples the depth of the agenda as a tick begins.
    pub(crate) fn agenda_sampled(&mut self) {
        self.queue_mut(Queue::Agenda).sampled_between();
    }

    /// Whether equal queued and start times mean a wait of zero. Otherwise the task was in no queue (a timer's), or its
    /// emitter does not record queueing.
    #[inline]
    pub(crate) fn records_waits_of(&self, place: Option<usize>, task: TaskId) -> bool {
        let emitter = place.and_then(|place| self.emitters.get(place));
        emitter.is_some_and(|emitter| emitter.records_queueing && emitter.fired_task != Some(task))
    }

    /// A task's queue wait; `None` if it was in no queue (a timer's task: its delay is the timer's lag), or if that was
    /// not recorded. The first task after lost records may be that of a timer whose firing was lost.
    #[inline]
    pub(crate) fn wait_of(
        &mut self,
        place: Option<usize>,
        task: TaskId,
        (queued, start): (Timestamp, Timestamp),
        in_part: bool,
    ) -> Option<u64> {
        let waited_ns = start.ns_since(queued);
        let Some(emitter) = place.and_then(|place| self.emitters.get_mut(place)) else {
            return (queued < start).then_some(waited_ns);
        };
        if emitter.fired_task == Some(task) {
            return None;
        }
        if std::mem::take(&mut emitter.is_after_loss) {
            self.waits_left_out += u64::from(queued < start);
            return None;
        }
        emitter.records_waits |= queued < start;
        (queued < start || emitter.records_queueing && !in_part).then_some(waited_ns)
    }

    /// Waits counted nowhere, because lost records may have shown that they are not waits at all.
    pub(crate) const fn waits_left_out(&self) -> u64 {
        self.waits_left_out
    }

    /// Whether tasks of the emitter at `place` may wait without a record so far: posts of other threads, or all tasks if it
    /// records their waits only when they start.
    pub(crate) fn may_wait_unseen(&self, place: usize) -> bool {
        let emitter = self.emitters.get(place);
        emitter.is_some_and(|emitter| emitter.records_queueing || emitter.records_waits)
    }

    /// The tasks of the emitter at `place` that were queued and have not ended, including those left at its stop.
    pub(crate) fn waiting(&self, place: usize) -> impl Iterator<Item = &QueuedTask> {
        self.emitters.get(place).into_iter().flat_map(|emitter| emitter.waiting.iter())
    }

    /// The number of tasks of the emitter at `place` that may be waiting, or may have run in records that were lost.
    pub(crate) fn may_wait(&self, place: usize) -> u64 {
        self.emitters.get(place).map_or(0, |emitter| emitter.before_loss + emitter.waiting.untracked())
    }

    /// Forgets what waits for the emitter at `place`: another loop uses its ring.
    pub(crate) fn forget(&mut self, place: usize) {
        self.change_waiting(place, WaitingTasks::forget);
        self.none_before_loss(place);
        if let Some(emitter) = self.emitters.get_mut(place) {
            emitter.deferred = DeferredCount::default();
        }
    }

    fn none_before_loss(&mut self, place: usize) {
        if let Some(emitter) = self.emitters.get_mut(place) {
            emitter.before_loss = 0;
        }
    }

    /// The queue that a tracked task has just left.
    pub(crate) fn left_by(&self, place: usize, task: TaskId) -> Option<Queue> {
        let left = self.emitters.get(place)?.left.filter(|(its, _)| *its == task);
        left.map(|(_, queue)| queue)
    }

    #[inline]
    fn change_waiting<R>(&mut self, place: usize, change: impl FnOnce(&mut WaitingTasks) -> R) -> Option<R> {
        let waiting = &mut self.emitter(place)?.waiting;
        let before = waiting.others();
        let changed = change(waiting);
        let after = waiting.others();
        self.others_followed = self.others_followed + after - before;
        Some(changed)
    }

    #[inline]
    fn emitter(&mut self, place: usize) -> Option<&mut EmitterQueues> {
        if place >= self.emitters.len() && place != OF_THE_PROCESS {
            self.emitters.resize(place + 1, EmitterQueues::default());
        }
        self.emitters.get_mut(place)
    }

    /// Records that the emitter at `place` has at least `least` timers armed: all of them, if that is `known`.
    pub(crate) fn timers_are(&mut self, place: usize, at: Timestamp, least: u32, known: TimersKnown) {
        let stats = self.queue_mut(Queue::Timers);
        match known {
            TimersKnown::All => return stats.reached(place, at, least),
            TimersKnown::SinceReading => stats.is_counted_from_unknown(place),
            TimersKnown::UpToLimit => stats.has_uncounted = true,
        }
        stats.was_as_deep_as(least);
    }

    /// Updates queues from `event` of the emitter at `place`, if it concerns them.
    #[inline]
    pub(crate) fn see(&mut self, at: Timestamp, place: Option<usize>, event: &Event) {
        let place = place.unwrap_or(OF_THE_PROCESS);
        if let Event::TaskRan { .. } = event
            && let Some(emitter) = self.emitter(place)
        {
            emitter.tasks_left = emitter.tasks_left.saturating_add(1);
        }
        if self.has_posts && deferred::is_outside_of_drains(event) {
            self.settle_posts(place, at);
        }
        match *event {
            Event::TickStart { .. } => {
                if let Some(emitter) = self.emitters.get_mut(place) {
                    emitter.is_after_loss = false;
                    if std::mem::take(&mut emitter.is_stopped) {
                        self.queues.iter_mut().for_each(|queue| queue.depths.resumed(place, at));
                    }
                }
                self.tick_started(place, at);
            }
            Event::LoopStopped { .. } => {
                if let Some(emitter) = self.emitter(place) {
                    emitter.is_stopped = true;
                    self.queues.iter_mut().for_each(|queue| queue.depths.stopped(place, at));
                }
            }
            Event::QueueDepth { queue, depth } | Event::SnapshotQueue { queue, depth }
                if is_filled_unseen(queue) =>
            {
                self.queue_mut(queue).sampled_alone(at, depth);
            }
            // The whole batch was in the queue. No sample shows a batch that was taken within a tick.
            Event::InputBatch { queue: Queue::Concurrent, taken } => {
                self.queue_mut(Queue::Concurrent).was_as_deep_as(taken);
            }
            Event::SignalArrived { depth, .. } => self.queue_mut(Queue::Signals).was_as_deep_as(depth),
            Event::QueueDepth { queue, depth } => {
                self.deferred_are(place, queue, depth);
                self.change_waiting(place, |waiting| waiting.sampled(queue, depth));
                self.becomes_known(place, queue, depth, 0);
                self.queue_mut(queue).sampled(place, at, depth);
                if (queue, depth) == (Queue::Tasks, 0) {
                    self.none_before_loss(place);
                }
            }
            Event::TimerFired { task, .. } => {
                if let Some(emitter) = self.emitter(place) {
                    (emitter.fired_task, emitter.is_after_loss) = (Some(task), false);
                }
            }
            Event::TaskQueued { task, tag, place: placement, queued, .. } => {
                if let Some(emitter) = self.emitter(place) {
                    emitter.records_queueing = true;
                }
                let others = self.followed_max.saturating_sub(self.others_followed);
                let (task, room) =
                    (QueuedTask { task, tag, queued }, Room { tasks: self.followed_max, others });
                self.change_waiting(place, |waiting| waiting.queued(placement.queue, task, room));
                match placement.queue {
                    // A post that was still in the queue when the loop was closed.
                    Queue::Concurrent => self.queue_mut(Queue::Concurrent).was_as_deep_as(placement.depth),
                    queue => {
                        // The running task may have left it, too.
                        self.becomes_known(place, queue, placement.depth, 1);
                        self.queue_mut(queue).joined(place, at, placement.depth);
                    }
                }
            }
            Event::TaskRan { task, start, .. } if self.records_waits_of(Some(place), task) => {
                let queue = self.change_waiting(place, |waiting| waiting.ran(task)).flatten();
                if let Some(emitter) = self.emitter(place) {
                    emitter.left = queue.map(|queue| (task, queue));
                }
                match queue {
                    None if self.emitters.get(place).is_some_and(|emitter| emitter.has_lost) => {
                        // The record that queued the task was lost, so the task was in one of these queues.
                        for queue in [Queue::Immediates, Queue::Tasks, Queue::AfterLoop] {
                            self.queue_mut(queue).change(start, |depths| depths.lost(place, start));
                        }
                    }
                    _ => {
                        if queue == Some(Queue::Tasks) {
                            // The queue is first in, first out, so the tasks queued before the loss have left it.
                            self.none_before_loss(place);
                        }
                        let queue = queue.unwrap_or(Queue::Tasks);
                        self.queue_mut(queue).change(start, |depths| depths.took(place, start));
                    }
                }
            }
            Event::Immediates { moved_to_next, .. } => {
                self.becomes_known(place, Queue::Immediates, moved_to_next, 0);
                self.queue_mut(Queue::Immediates).reached(place, at, moved_to_next);
            }
            Event::Microtasks { ran, left, .. } => {
                let most = ran.saturating_add(left);
                // At least one was there, and those left were there at the end.
                let least = left.max(most.min(1));
                let stats = self.queue_mut(Queue::Microtasks);
                stats.was_between(at, Reached { least, most });
                stats.through_time.set(at, Some(left));
            }
            Event::DeferredPosted { existed: false, .. } => self.deferred_one(place, at),
            Event::DeferredRemoved { .. } => {
                if let Some(emitter) = self.emitter(place) {
                    let is_known = emitter.deferred.is_known;
                    emitter.deferred.removed();
                    let count = emitter.deferred.known();
                    let stats = self.queue_mut(Queue::Deferred);
                    if !is_known {
                        stats.is_counted_from_unknown(place);
                    }
                    stats.change(at, |depths| depths.counted(place, at, count));
                }
            }
            Event::DeferredRan { ran, kept, start } => self.deferred_ran(place, (start, at), ran, kept),
            Event::WorkQueued { depth, .. } => self.queue_mut(Queue::Work).reached(place, at, depth),
            Event::WorkRan { start, .. } => {
                self.queue_mut(Queue::Work).change(start, |depths| depths.took_by_other(start))
            }
            Event::SnapshotBegin { .. } => self.snapshot = Some((place, [0; Queue::ALL.len()])),
            Event::SnapshotQueue { queue, depth } => {
                self.queue_mut(queue).sampled(place, at, depth);
                self.listed(place, queue, depth);
            }
            Event::SnapshotTask { queue, .. } => self.listed(place, queue, 1),
            Event::SnapshotTimer { .. } => self.listed(place, Queue::Timers, 1),
            Event::SnapshotDeferred { .. } => self.listed(place, Queue::Deferred, 1),
            Event::SnapshotEnd { left_out, .. } => self.snapshot_ended(place, at, left_out == 0),
            Event::Lost { from, .. } => {
                self.snapshot = self.snapshot.take_if(|(its, _)| *its != place);
                if let Some(emitter) = self.emitter(place) {
                    (emitter.is_after_loss, emitter.has_lost) = (true, true);
                    emitter.before_loss +=
                        emitter.waiting.iter().count() as u64 + emitter.waiting.untracked();
                    emitter.deferred = DeferredCount::default();
                }
                self.change_waiting(place, WaitingTasks::forget);
                for queue in &mut self.queues {
                    // A loss before the emitter's first record begins at an unknown time.
                    queue.change(from, |depths| match from < at {
                        true => depths.lost(place, from),
                        false => depths.lost_before(place, at),
                    });
                }
            }
            _ => {}
        }
    }

    /// The depth of a queue is known from here on. Up to as many as the tasks that ran since the first record, and `more`,
    /// can have left it before.
    #[inline]
    fn becomes_known(&mut self, place: usize, queue: Queue, depth: u32, more: u32) {
        let left = self.emitters.get(place).map_or(0, |emitter| emitter.tasks_left);
        self.queue_mut(queue).becomes_known(place, depth, left.saturating_add(more));
    }

    /// A sample or a snapshot shows the depth of a queue.
    fn deferred_are(&mut self, place: usize, queue: Queue, depth: u32) {
        if queue == Queue::Deferred
            && let Some(emitter) = self.emitter(place)
        {
            emitter.deferred.are(depth);
        }
    }

    /// A callback was deferred. Posts have the time of the last boundary, so the depth over time is unknown until the next
    /// one.
    fn deferred_one(&mut self, place: usize, at: Timestamp) {
        let Some(emitter) = self.emitter(place) else { return };
        emitter.deferred.posted();
        let is_known = emitter.deferred.is_known;
        self.has_posts = true;
        let stats = self.queue_mut(Queue::Deferred);
        stats.was_as_deep_as(1);
        if !is_known {
            stats.is_counted_from_unknown(place);
        }
        stats.change(at, |depths| depths.counted(place, at, None));
    }

    /// No drain was running on the loop at `place`: all callbacks posted so far were in the queue at once.
    #[cold]
    fn settle_posts(&mut self, place: usize, at: Timestamp) {
        let Some(deferred) = self.emitters.get_mut(place).map(|emitter| &mut emitter.deferred) else {
            return;
        };
        let Some(reached) = deferred.settled() else { return };
        let known = deferred.known();
        self.has_posts = self.emitters.iter().any(|emitter| emitter.deferred.posted > 0);
        let stats = self.queue_mut(Queue::Deferred);
        stats.was_between(at, reached);
        stats.change(at, |depths| depths.counted(place, at, known));
    }

    fn deferred_ran(&mut self, place: usize, (start, at): (Timestamp, Timestamp), ran: u32, kept: u32) {
        let Some(emitter) = self.emitter(place) else { return };
        let is_known = emitter.deferred.is_known;
        let reached = emitter.deferred.drained(ran, kept);
        let known = emitter.deferred.known();
        let stats = self.queue_mut(Queue::Deferred);
        if !is_known {
            stats.is_counted_from_unknown(place);
        }
        stats.change(start, |depths| depths.counted(place, start, None));
        stats.was_between(at, reached);
        stats.change(at, |depths| depths.counted(place, at, known));
    }

    fn listed(&mut self, place: usize, queue: Queue, entries: u32) {
        if let Some((_, depths)) = self.snapshot.as_mut().filter(|(its, _)| *its == place) {
            let depth = &mut depths[place_of(queue)];
            *depth = depth.saturating_add(entries);
        }
    }

    fn snapshot_ended(&mut self, place: usize, at: Timestamp, whole: bool) {
        let Some((_, depths)) = self.snapshot.take_if(|(its, _)| *its == place && whole) else { return };
        self.none_before_loss(place);
        self.deferred_are(place, Queue::Deferred, depths[place_of(Queue::Deferred)]);
        for queue in IN_SNAPSHOTS {
            let (stats, depth) = (self.queue_mut(queue), depths[place_of(queue)]);
            stats.in_snapshot = true;
            stats.was_as_deep_as(depth);
            if !is_filled_unseen(queue) {
                self.becomes_known(place, queue, depth, 0);
                let stats = self.queue_mut(queue);
                stats.change(at, |depths| depths.sampled(place, at, depth));
            }
        }
    }

    /// A queue that is not reported as changed keeps its last reported depth.
    fn tick_started(&mut self, place: usize, at: Timestamp) {
        for queue in [Queue::Tasks, Queue::Immediates, Queue::AfterLoop, Queue::Work, Queue::Deferred] {
            self.queue_mut(queue).change(at, |depths| depths.unchanged(place, at));
        }
        let deferred = self.queue(Queue::Deferred).depths.depth_of(place);
        if let Some(depth) = deferred {
            self.deferred_are(place, Queue::Deferred, depth);
        }
    }
}

/// The place of queues that belong to no emitter.
const OF_THE_PROCESS: usize = usize::MAX;

/// Wire codes count from 1 without gaps, in the order of `ALL`.
fn place_of(queue: Queue) -> usize {
    usize::from(queue.code()) - 1
}

#[cfg(test)]
mod tests;
