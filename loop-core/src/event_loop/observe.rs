//! What the loop says about itself beside its work: queue depths, snapshots, phases.

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Phase, Queue, RefKind};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running;

use super::EventLoop;
use super::core::Core;
use crate::poller::Poller;
use crate::task::Task;

/// Queues whose depth is sampled.
pub(super) const SAMPLED: usize = QUEUES.len() + 1;
const QUEUES: [Queue; 6] =
    [Queue::Tasks, Queue::Immediates, Queue::Deferred, Queue::Timers, Queue::Signals, Queue::Work];

const REFS: [RefKind; 9] = [
    RefKind::Task,
    RefKind::Timer,
    RefKind::Immediate,
    RefKind::Io,
    RefKind::Work,
    RefKind::Signal,
    RefKind::Handle,
    RefKind::Agenda,
    RefKind::Future,
];

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// A phase begins at the latest boundary.
    #[inline]
    pub(super) fn begin_phase(&mut self, phase: Phase) {
        if self.core.on {
            self.core.phase = (phase, self.core.at);
            self.core.recorder.set_running(self.core.at, Running::Phase(phase));
        }
    }

    /// The phase that began last, and in which something ran, is over at the latest boundary.
    #[inline]
    pub(super) fn end_phase(&mut self) {
        if self.core.on {
            let (phase, start) = self.core.phase;
            self.core.record(Event::Phase { phase, start });
        }
    }

    /// A callback that made itself a phase is over: `phase` goes on.
    #[inline]
    pub(super) fn resume_phase(&mut self, phase: Phase) {
        if self.core.on && self.core.phase.0 != phase {
            self.end_phase();
            self.begin_phase(phase);
        }
    }

    /// Gives a lossless recording time to catch up, between two tasks.
    #[inline]
    pub(super) fn relieve(&mut self) {
        if self.core.on && self.core.recorder.pressure() {
            self.run_relief();
        }
    }

    #[cold]
    fn run_relief(&mut self) {
        // Phases do not overlap: the running one is cut in two.
        let (phase, start) = self.core.phase;
        self.core.record(Event::Phase { phase, start });
        let start = self.core.at;
        self.core.recorder.set_running(start, Running::Phase(Phase::Recorder));
        self.core.recorder.relieve();
        self.mark();
        self.core.record(Event::Phase { phase: Phase::Recorder, start });
        self.begin_phase(phase);
    }

    /// Records the depths that changed since they were recorded last.
    pub(super) fn sample_queues(&mut self) {
        for (index, queue) in QUEUES.into_iter().enumerate() {
            self.sample(index, queue, self.core.depth_of(queue));
        }
    }

    /// The same for what other threads posted: their queue is counted when its batch is taken.
    pub(super) fn sample_concurrent(&mut self, taken: u32) {
        if self.core.on {
            self.sample(QUEUES.len(), Queue::Concurrent, taken);
        }
    }

    fn sample(&mut self, index: usize, queue: Queue, depth: u32) {
        if depth != self.depths[index] {
            self.depths[index] = depth;
            self.core.record(Event::QueueDepth { queue, depth });
        }
    }

    /// Records the scheduler's state at the start and every few seconds: re-execution starts there.
    pub(super) fn snapshot_when_due(&mut self, tick: u64) {
        // What the last turn read is good enough for "every few seconds".
        let now = self.latest.take().unwrap_or_else(|| self.clock.now());
        if self.snapshot_due.is_some_and(|due| now < due) {
            return;
        }
        self.snapshot_due = Some(crate::timer::due_after(now, self.policy().snapshot_interval));
        // Tasks that were queued while nobody recorded have tags that nobody named.
        self.core.name_tags();
        self.core.snapshot(tick, self.until);
    }
}

impl<T: Task> Core<T> {
    fn depth_of(&self, queue: Queue) -> u32 {
        match queue {
            Queue::Tasks => self.scheduler.tasks.len() as u32,
            Queue::Immediates => self.scheduler.immediates.len() as u32,
            Queue::Deferred => self.scheduler.deferred().len() as u32,
            Queue::Timers => self.scheduler.timer_count() as u32,
            Queue::Microtasks => self.scheduler.microtasks().len() as u32,
            Queue::Signals => self.signals.as_ref().map_or(0, |signals| signals.pending()),
            Queue::Work => self.pool.as_ref().map_or(0, |pool| pool.depth()),
            Queue::AfterLoop => self.scheduler.waiting_after_loop().len() as u32,
            // Other threads' until its batch is taken.
            Queue::Concurrent => 0,
            // The agenda's own, which its recorder tells with each tasklet.
            Queue::Agenda => 0,
        }
    }

    fn snapshot(&self, tick: u64, until: Option<Timestamp>) {
        let (next_task, next_timer) = (self.scheduler.next_id(), self.scheduler.next_timer_id());
        self.record(Event::SnapshotBegin { tick, next_task, next_timer });
        let parts_max = self.scheduler.policy().snapshot_parts_max;
        let (mut parts, mut left_out) = (0, 0);
        let mut part = |event| {
            if parts < parts_max {
                parts += 1;
                self.record(event);
            } else {
                left_out += 1;
            }
        };
        if let Some(until) = until {
            part(Event::InputRun { until_ns: Some(until.as_ns()) });
        }
        for what in REFS {
            let count = self.scheduler.count(what);
            if count > 0 {
                part(Event::SnapshotRef { what, count });
            }
        }
        let gc = self.scheduler.gc.state();
        part(Event::SnapshotGc {
            mode: gc.mode,
            unchanged_ticks: gc.unchanged_ticks,
            heap_bytes: gc.heap_bytes,
            periodic_due_ns: gc.periodic_due.map(|due| due.as_ns()),
            one_shot_due_ns: gc.one_shot_due.map(|due| due.as_ns()),
            one_shot_fired: gc.one_shot_fired,
        });
        self.scheduler.gc.notices().for_each(|reason| part(Event::InputGc { reason }));
        for queue in [Queue::Microtasks, Queue::Signals, Queue::Work] {
            let depth = self.depth_of(queue);
            if depth > 0 {
                part(Event::SnapshotQueue { queue, depth });
            }
        }
        self.scheduler.deferred().keys().for_each(|key| part(Event::SnapshotDeferred { key }));
        for timer in self.scheduler.armed() {
            part(Event::SnapshotTimer {
                timer: timer.timer,
                tag: timer.tag,
                due: timer.due,
                period_ns: timer.period_ns,
                referenced: timer.referenced,
            });
        }
        for (task, id, note) in self.scheduler.tasks.iter() {
            // One that was queued while nobody recorded waits since nobody knows when.
            let (tag, since) = note.unwrap_or_else(|| (self.scheduler.tag_of(task), self.at));
            part(Event::SnapshotTask { task: id, tag, queue: Queue::Tasks, queued: since.min(self.at) });
        }
        let immediates = self.scheduler.immediates.iter();
        let immediates = immediates.map(|(queued, referenced)| (queued, Queue::Immediates, referenced));
        let after_loop = self.scheduler.waiting_after_loop().iter();
        let after_loop = after_loop.map(|queued| (queued, Queue::AfterLoop, true));
        for (queued, queue, referenced) in immediates.chain(after_loop) {
            let (task, since) = (queued.id, queued.queued.min(self.at));
            part(Event::SnapshotTask { task, tag: queued.tag, queue, queued: since });
            if !referenced {
                part(Event::ImmediateRef { task, referenced });
            }
        }
        // Last: what is left out is least missed here.
        self.snapshot_pending().into_iter().for_each(&mut part);
        self.record(Event::SnapshotEnd { parts, left_out });
    }
}
