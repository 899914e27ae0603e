//! The loop's whole state, recorded at the start and every few seconds; and a new loop restored to such a state. See
//! [`crate::replay`].

use std::num::NonZeroU64;
use std::sync::Arc;

use loop_probes::clock::Clock;
use loop_probes::event::{
    ClockPoint, Event, GcReason, LabelKind, LoopCall, PolicyField, Queue, RefKind, StopReason,
};
use loop_probes::ids::{IoSource, TaskId, Ticks, Timestamp};

use super::EventLoop;
use super::sampling::{QUEUES, SAMPLED};
use crate::body::{Body, Queued};
use crate::core::{Core, Outstanding, Registration, Subscription, Then};
use crate::error::{RequestError, RunError};
use crate::failure::OnError;
use crate::gc::{GcController, GcState};
use crate::poller::Poller;
use crate::replay::{
    ExternalEvents, Flags, LoopState, QueuedState, RECORDED, Restored, SourceState, TimerState, finished,
};
use crate::shutdown::OnShutdown;
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
    /// Records the scheduler's state at the start and every few seconds.
    pub(super) fn snapshot_when_due(&mut self, tick: u64) {
        // The last turn's reading is good enough for "every few seconds".
        let now = match self.latest.take() {
            Some(latest) => latest,
            // The first snapshot itself says when the next is due.
            None if self.snapshot_due.is_none() => self.clock.now(),
            None => self.read(ClockPoint::Tick),
        };
        self.latest = None;
        if self.snapshot_due.is_some_and(|due| now < due) {
            return;
        }
        let due = crate::timer::due_after(now, self.policy().snapshot_interval);
        self.snapshot_due = Some(due);
        // Tasks that were queued while nothing was recorded may have tags without a name.
        self.core.name_tags();
        let of_the_loop = self.snapshot_loop(due);
        // A snapshot has no number of these.
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
        // Bounded in number, and everything that follows is worthless without them.
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
            // The start of the wait of a task queued while nothing was recorded is unknown.
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
        // Last, because this is the least important part to leave out.
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

    /// Records the purposes of sources, for readers that attached after their registration: not part of the state.
    fn explain_sources(&self, most: u32) {
        let sources = self.sources_in_order().into_iter();
        let named = sources.filter_map(|(source, found)| Some((source, found.name.as_deref()?)));
        for (source, name) in named.take(most as usize) {
            let label = self.recorder.intern(self.at, LabelKind::Text, name);
            self.record(Event::IoLabel { source, label });
        }
    }

    /// Sources by number: the same state gives the same snapshot.
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

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Injects external events into a loop that is re-executed.
    #[must_use]
    pub fn external_events(&self) -> ExternalEvents<T> {
        ExternalEvents::new(Arc::clone(&self.core.shared))
    }

    /// Restores a new loop to a recorded state: its next tick is [`LoopState::tick`], and it continues from there as the
    /// recorded one did. Nothing is recorded while restoring. The pool and the source of signals are created
    /// immediately.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the poller refuses a source, or the pool does not start.
    pub fn restore(&mut self, state: LoopState<T>) -> Result<Restored, RequestError> {
        self.core.on = false;
        // A poller that no handler can wake is an error only once a signal is requested.
        let _ = self.core.start_signals(&mut self.poller);
        self.context().start_pool()?;
        let LoopState { tick, next_task, next_timer, next_source, calls, now, polled, snapshot_due, .. } =
            state;
        self.core.scheduler.begin_in(tick, next_task, now);
        (self.core.next_source, self.core.calls, self.core.woken) = (next_source, calls, state.woken);
        (self.polled, self.snapshot_due, self.latest) = (polled, snapshot_due, state.has_read.then_some(now));
        (self.signals_dropped, self.owes_drain) = (state.signals_dropped, state.owes_drain);
        if state.stopping {
            self.core.scheduler.stop();
        }
        if state.futures {
            let _ = self.context().local();
        }
        let mut restored = Restored::default();
        for TimerState { timer, task, due, period_ns, referenced, on_shutdown } in state.timers {
            let tag = self.core.tag(&task);
            let period_ns = period_ns.and_then(NonZeroU64::new);
            let scheduler = &mut self.core.scheduler;
            let key = scheduler.timers.restore(
                timer,
                due,
                period_ns,
                referenced,
                Body::Task(task),
                tag,
                on_shutdown,
            );
            restored.timers.insert(timer, key);
        }
        self.core.scheduler.timers.skip_ids_to(next_timer);
        for queued in state.tasks {
            let queued = self.core.restored(queued);
            self.core.scheduler.queue(queued);
        }
        for (queued, referenced) in state.immediates {
            let queued = self.core.restored(queued);
            let id = queued.id;
            self.core.scheduler.immediates.set(queued);
            self.core.scheduler.immediates.set_referenced(id, referenced);
        }
        for queued in state.after_loop {
            let queued = self.core.restored(queued);
            self.core.scheduler.after_loop(queued);
        }
        state.microtasks.into_iter().for_each(|task| self.core.scheduler.microtasks_mut().push(task));
        for (key, kept, callback) in state.deferred {
            let deferred = self.core.scheduler.deferred_mut();
            if kept {
                deferred.restore_kept(key, callback);
            } else {
                deferred.post_with(key, || callback);
            }
        }
        self.core.restore_gc(state.gc, &state.notices);
        for source in state.sources {
            self.restore_source(source)?;
        }
        for (signo, task) in state.handlers {
            let tag = self.core.tag(&task);
            if let Some(signals) = &mut self.core.signals {
                signals.install(signo.into())?;
            }
            self.core.handlers.insert(signo, Subscription { task, tag });
        }
        self.core.restore_work(state.work, state.finished);
        self.core.scheduler.refs.hold(RECORDED, state.held);
        for (what, count) in state.refs {
            self.core.restore_refs(what, count);
        }
        for (index, queue) in QUEUES.into_iter().enumerate() {
            self.depths[index] = self.core.depth_of(queue);
        }
        for (queue, depth) in state.depths {
            let index = QUEUES.iter().position(|known| *known == queue).unwrap_or(SAMPLED - 1);
            self.depths[index] = depth;
        }
        Ok(restored)
    }

    /// Runs the way the recorded loop did: until `until` at the latest, or until `done`, which is called before each
    /// turn and before each poll.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn run_as_recorded(
        &mut self,
        until: Option<Timestamp>,
        mut done: impl FnMut() -> bool,
    ) -> Result<StopReason, RunError> {
        self.run_while(until, &mut done)
    }

    /// One turn the way the recorded loop did it within a time: its poll waits until `until` at the latest.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn turn_as_recorded(&mut self, until: Timestamp) -> Result<bool, RunError> {
        self.turn_no_longer_than(until)
    }

    fn restore_source(&mut self, source: SourceState<T>) -> Result<(), RequestError> {
        let SourceState { source, watched, task, interest, referenced, called, on_shutdown } = source;
        self.poller.add(Arc::clone(&watched), interest, source.0 as usize)?;
        let tag = self.core.tag(&task);
        let registration = Registration {
            task: Body::Task(task),
            tag,
            referenced,
            fd: watched,
            name: None,
            on_error: OnError::default(),
            on_shutdown,
            interest,
            called,
        };
        self.core.sources.insert(source.0, registration);
        Ok(())
    }
}

impl<T: Task> Core<T> {
    fn restored(&mut self, queued: QueuedState<T>) -> Queued<T> {
        let QueuedState { id, task, origin, signo } = queued;
        let tag = self.tag(&task);
        Queued { task: Body::Task(task), id, tag, origin, signo, queued: self.at }
    }

    fn restore_gc(&mut self, state: Option<GcState>, notices: &[GcReason]) {
        let config = self.scheduler.policy().gc;
        if let Some(state) = state {
            self.scheduler.gc = GcController::restore(config, state);
        }
        for notice in notices {
            match notice {
                GcReason::Requested => self.scheduler.gc.request(),
                GcReason::Pressure => self.scheduler.gc.pressure(),
                // Other reasons do not come from notices.
                _ => {}
            }
        }
    }

    fn restore_work(
        &mut self,
        work: Vec<(TaskId, T, Option<TaskId>)>,
        set_aside: Vec<(TaskId, Option<T::Remote>)>,
    ) {
        for (task, rejected, parent) in work {
            let tag = self.tag(&rejected);
            let then = Some(Then::Task(Box::new(move |_| rejected)));
            let on_shutdown = OnShutdown::Finish;
            self.work.insert(task, Outstanding { tag, parent, on_shutdown, then, awaited: false });
        }
        self.finished.extend(set_aside.into_iter().map(|(task, remote)| finished(task, remote, Ticks(0))));
    }

    fn restore_refs(&mut self, what: RefKind, count: u32) {
        match what {
            RefKind::Agenda => {
                self.shared.agenda.replay(count);
                self.scheduler.refs.add(what, i32::try_from(count).unwrap_or(i32::MAX));
            }
            RefKind::Io | RefKind::Work | RefKind::Signal | RefKind::Future => {
                self.scheduler.refs.add(what, i32::try_from(count).unwrap_or(i32::MAX));
            }
            // Counted by their queues; references held by the program need more than their kind.
            RefKind::Task | RefKind::Timer | RefKind::Immediate | RefKind::Handle => {}
        }
    }
}
