//! Restores a new loop to a recorded state, and runs it as the recorded loop ran. See [`crate::replay`].

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;

use loop_probes::clock::Clock;
use loop_probes::event::{GcReason, RefKind, StopReason};
use loop_probes::ids::{TaskId, Ticks, Timestamp};

use super::EventLoop;
use super::sampling::{QUEUES, SAMPLED};
use crate::body::{Body, Queued};
use crate::core::{Core, Outstanding, Registration, Subscription, Then};
use crate::error::{RequestError, RunError};
use crate::failure::OnError;
use crate::gc::{GcController, GcState};
use crate::poller::Poller;
use crate::replay::{
    ExternalEvents, LoopState, QueuedState, RECORDED, Restored, SourceState, TimerState, finished,
};
use crate::shutdown::OnShutdown;
use crate::task::{Context, Task};

/// Operations on a loop for re-executing a recording. Made by [`EventLoop::low_level`].
pub struct LowLevel<'a, T: Task, C: Clock, P: Poller>(&'a mut EventLoop<T, C, P>);

impl<T: Task, C: Clock, P: Poller> fmt::Debug for LowLevel<'_, T, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LowLevel").field(&self.0).finish()
    }
}

impl<T: Task, C: Clock, P: Poller> LowLevel<'_, T, C, P> {
    /// Returns a handle that injects external events into the loop.
    #[must_use]
    pub fn external_events(self) -> ExternalEvents<T> {
        ExternalEvents::new(Arc::clone(&self.0.core.shared))
    }

    /// Restores a new loop to a recorded state. Its next tick is [`LoopState::tick`], and it continues from there as the
    /// recorded loop did. Nothing is recorded while restoring. The pool and the source of signals are created
    /// immediately.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the poller refuses a source, or the pool does not start.
    pub fn restore(self, state: LoopState<T>) -> Result<Restored, RequestError> {
        self.0.core.on = false;
        // A poller that signal handlers cannot wake is an error only when a handler is set.
        let _ = self.0.core.start_signals(&mut self.0.poller);
        self.0.context().start_pool()?;
        let LoopState { tick, next_task, next_timer, next_source, calls, now, polled, snapshot_due, .. } =
            state;
        self.0.core.scheduler.begin_in(tick, next_task, now);
        (self.0.core.next_source, self.0.core.calls, self.0.core.woken) = (next_source, calls, state.woken);
        (self.0.polled, self.0.snapshot_due, self.0.latest) =
            (polled, snapshot_due, state.has_read.then_some(now));
        (self.0.signals_dropped, self.0.owes_drain) = (state.signals_dropped, state.owes_drain);
        if state.stopping {
            self.0.core.scheduler.stop();
        }
        if state.futures {
            let _ = self.0.context().local();
        }
        let mut restored = Restored::default();
        for TimerState { timer, task, due, period_ns, referenced, on_shutdown } in state.timers {
            let tag = self.0.core.tag(&task);
            let period_ns = period_ns.and_then(NonZeroU64::new);
            let scheduler = &mut self.0.core.scheduler;
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
        self.0.core.scheduler.timers.skip_ids_to(next_timer);
        for queued in state.tasks {
            let queued = self.0.core.restored(queued);
            self.0.core.scheduler.queue(queued);
        }
        for (queued, referenced) in state.immediates {
            let queued = self.0.core.restored(queued);
            let id = queued.id;
            self.0.core.scheduler.immediates.set(queued);
            self.0.core.scheduler.immediates.set_referenced(id, referenced);
        }
        for queued in state.after_loop {
            let queued = self.0.core.restored(queued);
            self.0.core.scheduler.after_loop(queued);
        }
        state.microtasks.into_iter().for_each(|task| self.0.core.scheduler.microtasks_mut().push(task));
        for (key, kept, callback) in state.deferred {
            let deferred = self.0.core.scheduler.deferred_mut();
            if kept {
                deferred.restore_kept(key, callback);
            } else {
                deferred.post_with(key, || callback);
            }
        }
        self.0.core.restore_gc(state.gc, &state.notices);
        for source in state.sources {
            self.0.restore_source(source)?;
        }
        for (signo, task) in state.handlers {
            let tag = self.0.core.tag(&task);
            if let Some(signals) = &mut self.0.core.signals {
                signals.install(signo.into())?;
            }
            self.0.core.handlers.insert(signo, Subscription { task, tag });
        }
        self.0.core.restore_work(state.work, state.finished);
        self.0.core.scheduler.refs.hold(RECORDED, state.held);
        for (what, count) in state.refs {
            self.0.core.restore_refs(what, count);
        }
        for (index, queue) in QUEUES.into_iter().enumerate() {
            self.0.depths[index] = self.0.core.depth_of(queue);
        }
        for (queue, depth) in state.depths {
            let index = QUEUES.iter().position(|known| *known == queue).unwrap_or(SAMPLED - 1);
            self.0.depths[index] = depth;
        }
        Ok(restored)
    }

    /// Runs as the recorded loop ran, until `until` at the latest or until `done` returns true. `done` is called before
    /// each turn and before each poll.
    ///
    /// # Errors
    ///
    /// The errors of [`EventLoop::run`].
    pub fn run_as_recorded(
        self,
        until: Option<Timestamp>,
        mut done: impl FnMut() -> bool,
    ) -> Result<StopReason, RunError> {
        self.0.run_while(until, &mut done)
    }

    /// Runs one turn as the recorded loop did by [`EventLoop::turn_within`]. The poll waits until `until` at the latest.
    ///
    /// # Errors
    ///
    /// The errors of [`EventLoop::run`].
    pub fn turn_as_recorded(self, until: Timestamp) -> Result<bool, RunError> {
        self.0.turn_no_longer_than(until)
    }

    /// Like [`EventLoop::with`], for setup that did not happen in the recording: does not count as a change of the heap.
    pub fn with_heap_unchanged<R>(self, f: impl FnOnce(&mut Context<'_, T>) -> R) -> R {
        self.0.begin_outside();
        self.0.run_outside(f)
    }
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Operations for re-executing a recording. A new minor version may change them.
    pub const fn low_level(&mut self) -> LowLevel<'_, T, C, P> {
        LowLevel(self)
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
                // Other reasons are not notices.
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
            // Tasks, timers and immediates are counted by their queues. Handles are restored from `LoopState::held`.
            RefKind::Task | RefKind::Timer | RefKind::Immediate | RefKind::Handle => {}
        }
    }
}
