//! Restores a new loop to a recorded state. See [`crate::replay`].

use std::num::NonZeroU64;
use std::sync::Arc;

use loop_probes::clock::Clock;
use loop_probes::event::{GcReason, RefKind, StopReason};
use loop_probes::ids::{TaskId, Ticks, Timestamp};

use super::EventLoop;
use super::observe::{QUEUES, SAMPLED};
use crate::body::Body;
use crate::body::Queued;
use crate::core::Core;
use crate::core::{Outstanding, Registration, Subscription, Then};
use crate::error::LoopError;
use crate::gc::{GcController, GcState};
use crate::owner::OnError;
use crate::poller::Poller;
use crate::replay::{
    ExternalEvents, LoopState, QueuedState, RECORDED, Restored, SourceState, TimerState, finished,
};
use crate::shutdown::OnShutdown;
use crate::task::Task;

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
    /// [`LoopError`] if the poller refuses a source, or the pool does not start.
    pub fn restore(&mut self, state: LoopState<T>) -> Result<Restored, LoopError> {
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
            let key = scheduler.restore_timer(
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
        self.core.scheduler.skip_timer_ids_to(next_timer);
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
    ) -> Result<StopReason, LoopError> {
        self.run_while(until, &mut done)
    }

    /// One turn the way the recorded loop did it within a time: its poll waits until `until` at the latest.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn turn_as_recorded(&mut self, until: Timestamp) -> Result<bool, LoopError> {
        self.turn_no_longer_than(until)
    }

    fn restore_source(&mut self, source: SourceState<T>) -> Result<(), LoopError> {
        let SourceState { source, watched, task, interest, referenced, called, on_shutdown } = source;
        self.poller.add(Arc::clone(&watched), interest, source.0 as usize)?;
        let tag = self.core.tag(&task);
        let registration = Registration {
            task: Body::Task(task),
            tag,
            referenced,
            fd: watched,
            explanation: None,
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
