//! Records snapshots: the loop's state at the start and at intervals.

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, LabelKind, LoopCall, PolicyField, Queue, RefKind};
use loop_probes::ids::{IoSource, Ticks, Timestamp};

use super::EventLoop;
use super::sampling::SAMPLED;
use crate::core::{Core, Registration};
use crate::poller::Poller;
use crate::replay::Flags;
use crate::task::Task;

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
    /// Records a snapshot if one is due.
    pub(super) fn snapshot_when_due(&mut self, tick: u64) {
        // The last turn's clock reading is accurate enough for this interval.
        let now = match self.latest.take() {
            Some(latest) => latest,
            // Not recorded as a clock reading: the first snapshot contains when the next is due.
            None if self.snapshot_due.is_none() => self.clock.now(),
            None => self.read(ClockPoint::Tick),
        };
        self.latest = None;
        if self.snapshot_due.is_some_and(|due| now < due) {
            return;
        }
        let due = crate::timer::due_after(now, self.policy().snapshot_interval);
        self.snapshot_due = Some(due);
        // Tasks that were queued while nothing was recorded may have tags whose names are not recorded yet.
        self.core.name_tags();
        let of_the_loop = self.snapshot_loop(due);
        // A snapshot does not contain the host's microtasks.
        self.tell_host_microtasks();
        self.core.snapshot(tick, self.until, of_the_loop);
    }

    fn snapshot_loop(&mut self, due: Timestamp) -> Event<Ticks> {
        let mut flags = Flags::SHOWS_CALLS;
        for (flag, is_set) in [
            (Flags::WOKEN, self.core.woken),
            (Flags::RUNNING, self.running),
            (Flags::HEAP, self.watches_heap()),
            (Flags::FUTURES, self.core.futures.in_use),
            (Flags::STOPPING, self.core.scheduler.is_stopping()),
            (Flags::SHUTTING_DOWN, self.core.shutdown.has_begun() || self.core.shutdown.is_asked()),
            (Flags::OWES_DRAIN, self.owes_drain),
        ] {
            if is_set {
                flags |= flag;
            }
        }
        Event::SnapshotLoop {
            due,
            polled_ns: self.polled.map(|polled| polled.as_ns().into()),
            signals_dropped: u32::try_from(self.signals_dropped).unwrap_or(u32::MAX),
            next_source: self.core.next_source,
            calls: self.core.calls,
            concurrent: self.depths[SAMPLED - 1],
            finished: self.core.finished.len() as u32,
            held: self.core.scheduler.refs.held().clamp(i32::MIN.into(), i32::MAX.into()) as i32,
            flags: flags.bits(),
        }
    }
}

impl<T: Task> Core<T> {
    fn snapshot(&self, tick: u64, until: Option<Timestamp>, of_the_loop: Event<Ticks>) {
        let (next_task, next_timer) = (self.scheduler.next_id(), self.scheduler.timers.next_id());
        self.record(Event::SnapshotBegin { tick, next_task, next_timer });
        // Not limited by `snapshot_parts_max`: these parts are few, and the others are useless without them.
        self.record(of_the_loop);
        let policy = self.policy_parts().inspect(|part| self.record(*part)).count() as u32;
        let parts_max = self.scheduler.policy().snapshot_parts_max.saturating_add(policy + 1);
        let (mut parts, mut left_out) = (policy + 1, 0);
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
            periodic_due_ns: gc.periodic_due.map(|due| due.as_ns().into()),
            one_shot_due_ns: gc.one_shot_due.map(|due| due.as_ns().into()),
            one_shot_fired: gc.one_shot_fired,
            sample_due_ns: gc.sample_due.map(|due| due.as_ns().into()),
            ran: gc.ran,
        });
        self.scheduler.gc.notices().for_each(|reason| part(Event::InputGc { reason }));
        (0..self.scheduler.refs.later()).for_each(|_| part(Event::InputCall { call: LoopCall::Release }));
        for queue in [Queue::Microtasks, Queue::Signals, Queue::Work] {
            let depth = self.depth_of(queue);
            if depth > 0 {
                part(Event::SnapshotQueue { queue, depth });
            }
        }
        let deferred = self.scheduler.deferred().keys();
        deferred.for_each(|(key, kept)| part(Event::SnapshotDeferred { key, kept }));
        for timer in self.scheduler.timers.armed() {
            part(Event::SnapshotTimer {
                timer: timer.timer,
                tag: timer.tag,
                due: timer.due,
                period_ns: timer.period_ns,
                referenced: timer.referenced,
            });
        }
        for (task, id, note) in self.scheduler.tasks.iter() {
            // For a task queued while nothing was recorded, the queue time is unknown.
            let (tag, since) = note.unwrap_or_else(|| (self.scheduler.tag_of(task), self.at));
            part(Event::SnapshotTask { task: id, tag, queue: Queue::Tasks, queued: since.min(self.at) });
        }
        for (task, origin, signo) in self.scheduler.tasks.special() {
            part(Event::SnapshotOrigin { task, origin, signo });
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
        self.source_parts().into_iter().for_each(&mut part);
        self.handlers.iter().for_each(|(signo, handler)| {
            part(Event::SnapshotSignal { signo: *signo, tag: handler.tag });
        });
        let mut jobs: Vec<_> = self.work.iter().map(|(task, job)| (*task, job.tag, job.parent)).collect();
        jobs.sort_unstable();
        jobs.into_iter().for_each(|(task, tag, parent)| part(Event::SnapshotWork { task, tag, parent }));
        // Last, because these parts are the least important if some must be left out.
        self.snapshot_pending().into_iter().for_each(&mut part);
        self.record(Event::SnapshotEnd { parts, left_out });
        self.explain_sources(parts_max);
    }

    fn policy_parts(&self) -> impl Iterator<Item = Event<Ticks>> {
        let policy = self.scheduler.policy();
        let name = self.recorder.intern(self.at, LabelKind::Text, &policy.name);
        let name = (PolicyField::Name, Some(u64::from(name.0)));
        let values = std::iter::once(name).chain(policy.values());
        values.map(|(field, value)| Event::SnapshotPolicy { field, value })
    }

    /// Records the names of sources, for readers that attached after their registration. They are not part of the state.
    fn explain_sources(&self, most: u32) {
        let sources = self.sources_in_order().into_iter();
        let named = sources.filter_map(|(source, found)| Some((source, found.name.as_deref()?)));
        for (source, name) in named.take(most as usize) {
            let label = self.recorder.intern(self.at, LabelKind::Text, name);
            self.record(Event::IoLabel { source, label });
        }
    }

    /// Sources sorted by number, so that the same state gives the same snapshot.
    fn sources_in_order(&self) -> Vec<(IoSource, &Registration<T>)> {
        let mut sources: Vec<_> =
            self.sources.iter().map(|(number, found)| (IoSource(*number), found)).collect();
        sources.sort_unstable_by_key(|(source, _)| *source);
        sources
    }

    fn source_parts(&self) -> Vec<Event<Ticks>> {
        let part = |(number, source): (IoSource, &Registration<T>)| Event::SnapshotIo {
            source: number,
            tag: source.tag,
            interest: source.interest.bits(),
            referenced: source.referenced,
            read: source.called[0],
            write: source.called[1],
        };
        self.sources_in_order().into_iter().map(part).collect()
    }
}
