//! The operations of a running task on its loop.

mod io;
mod shutdown;
mod spawn;
mod timers;
mod work;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::event::{ClockPoint, Event, LoopCall, Origin, Outcome, Phase, Placement, Queue, RefKind};
use loop_probes::ids::{NonMax, TaskId, Ticks, Timestamp};
use loop_probes::recorder::Recorder;

use crate::body::{Body, Queued};
use crate::core::IoReadiness;
use crate::handle::Handle;
use crate::keep_alive::Pending;
use crate::queue::deferred::DeferKey;
use crate::signal::Arrival;
use crate::task::{Context, Task};
use crate::timer::Timer;

impl<T: Task> Context<'_, T> {
    /// Reads the record clock, if events are recorded.
    #[inline]
    pub(crate) fn stamp(&mut self) -> Ticks {
        if self.core.on {
            self.core.at = self.clock.ticks();
        }
        self.core.at
    }

    pub(crate) fn read(&self, point: ClockPoint) -> Timestamp {
        let now = self.clock.now();
        if self.core.on {
            self.core.record(Event::InputClock { point, now });
        }
        now
    }

    /// Runs `body`.
    #[inline]
    pub(crate) fn run(&mut self, body: Body<T>) {
        match body {
            Body::Task(task) => self.dispatch(task),
            other => self.run_rare(other),
        }
    }

    #[cold]
    fn run_rare(&mut self, body: Body<T>) {
        match body {
            Body::Task(task) => self.dispatch(task),
            Body::Poll(future) => self.poll_future(future),
            Body::Wake(wait) => self.wake_future(&wait),
            Body::Ready(registry) => self.source_ready(&registry),
            Body::FailureReport(report) => self.run_failure_report(*report),
        }
    }

    /// Runs `task`, unless it must never be dispatched.
    #[inline]
    pub(crate) fn dispatch(&mut self, task: T) {
        if task.is_never_dispatched() { self.refuse_dispatch(&task) } else { task.run(self) }
    }

    /// Queues a task behind all waiting tasks.
    #[inline]
    pub fn post(&mut self, task: T) -> TaskId {
        if self.core.on { self.post_recorded(task) } else { self.core.scheduler.queue_plain(task) }
    }

    fn post_recorded(&mut self, task: T) -> TaskId {
        let tag = self.core.tag(&task);
        let queued = self.stamp();
        let id = self.core.scheduler.new_id();
        let (origin, parent) = (self.core.current.origin, self.core.current.task);
        let task = Body::Task(task);
        self.core.queue(Queued { task, id, tag, origin, signo: 0, queued }, parent, None)
    }

    /// Queues a microtask, which runs at the checkpoint after the current task, before any other task.
    #[inline]
    pub fn microtask(&mut self, task: T) {
        self.core.scheduler.microtasks_mut().push(task);
        if self.core.current.is_outside {
            self.core.called(LoopCall::Microtask);
        }
    }

    /// Posts `callback` to the deferred queue, which is drained after the microtasks that follow the current task. A key
    /// that is posted several times before the drain runs once. Returns true if `key` was already queued; then `callback`
    /// is dropped and the first one stays.
    ///
    /// If `callback` returns true, it also runs in the next drain. A kept callback does not cause that drain, and does not
    /// keep the loop alive.
    pub fn defer(
        &mut self,
        key: impl Into<DeferKey>,
        callback: impl FnMut(&mut Context<'_, T>) -> bool + 'static,
    ) -> bool {
        let key = key.into().number();
        let existed = self.core.scheduler.deferred_mut().post_with(key, || Box::new(callback));
        if self.core.on {
            // The latest boundary is accurate enough, because the wait of a key is not measured, and reading the clock
            // costs more than the record.
            self.core.record(Event::DeferredPosted { key, existed });
        }
        existed
    }

    /// Removes a key from the deferred queue. Returns false if it is not queued.
    pub fn undefer(&mut self, key: impl Into<DeferKey>) -> bool {
        let key = key.into().number();
        let removed = self.core.scheduler.deferred_mut().remove(key);
        if removed && self.core.on {
            self.stamp();
            self.core.record(Event::DeferredRemoved { key });
        }
        removed
    }

    /// Sets an immediate, which runs in the batch before the next poll. One that is set while the batch runs waits for the
    /// next tick.
    pub fn immediate(&mut self, task: T) -> TaskId {
        let tag = self.core.tag(&task);
        let queued = self.stamp();
        let id = self.core.scheduler.new_id();
        let (origin, task) = (Origin::Immediate, Body::Task(task));
        self.core.scheduler.immediates.set(Queued { task, id, tag, origin, signo: 0, queued });
        if self.core.on {
            let depth = self.core.scheduler.immediates.len() as u32;
            let place = Placement { queue: Queue::Immediates, origin, depth };
            let parent = self.core.current.task.map(NonMax::from);
            self.core.record(Event::TaskQueued { task: id, tag, place, parent, poster: None, queued });
        }
        id
    }

    /// Removes an immediate. Returns false if it already ran or never existed.
    pub fn clear_immediate(&mut self, immediate: TaskId) -> bool {
        let Some(queued) = self.core.scheduler.immediates.clear(immediate) else { return false };
        if self.core.on {
            let start = self.stamp();
            let Queued { id: task, tag, queued, .. } = queued;
            self.core.record(Event::TaskRan { task, tag, outcome: Outcome::Cancelled, queued, start });
        }
        true
    }

    /// Sets whether an immediate keeps the loop alive. Returns false if it already ran or never existed.
    pub fn set_immediate_referenced(&mut self, immediate: TaskId, referenced: bool) -> bool {
        let changed = self.core.scheduler.immediates.set_referenced(immediate, referenced);
        if changed == Some(true) && self.core.on {
            self.stamp();
            self.core.record(Event::ImmediateRef { task: immediate, referenced });
        }
        changed.is_some()
    }

    /// Runs `task` once at the end of this turn, after the poll and the timers. The poll before it does not wait. (Bun's
    /// poll does wait, and so delays the callback.)
    pub fn after_loop(&mut self, task: T) -> TaskId {
        let tag = self.core.tag(&task);
        let queued = self.stamp();
        let id = self.core.scheduler.new_id();
        let (origin, task) = (self.core.current.origin, Body::Task(task));
        let depth = self.core.scheduler.after_loop(Queued { task, id, tag, origin, signo: 0, queued });
        if self.core.on {
            let place = Placement { queue: Queue::AfterLoop, origin, depth };
            let parent = self.core.current.task.map(NonMax::from);
            self.core.record(Event::TaskQueued { task: id, tag, place, parent, poster: None, queued });
        }
        id
    }

    /// Ends the run after this turn. Waiting work is kept, and another run continues with it.
    pub fn stop(&mut self) {
        self.core.scheduler.stop();
        if self.core.on {
            self.core.record(Event::InputStop { outside: false });
        }
    }

    /// Keeps the loop alive until the matching [`release`](Self::release) with the same label.
    pub fn hold(&mut self, label: &'static str) {
        self.core.scheduler.refs.hold(label, 1);
        self.core.ref_changed(RefKind::Handle, 1);
    }

    /// Releases one [`hold`](Self::hold).
    pub fn release(&mut self, label: &'static str) {
        self.core.scheduler.refs.hold(label, -1);
        self.core.ref_changed(RefKind::Handle, -1);
    }

    /// Releases one [`hold`](Self::hold) just before the next poll.
    pub fn release_later(&mut self, label: &'static str) {
        self.core.scheduler.refs.release_later(label);
        self.core.called(LoopCall::Release);
    }

    /// Nests one level deeper. Microtasks and the deferred queue are drained only when the outermost level ends; the loop
    /// holds a level while a task runs.
    pub fn enter(&mut self) {
        self.core.depth += 1;
    }

    /// Leaves a level opened by [`enter`](Self::enter). Does nothing if only the loop's level is left.
    pub fn exit(&mut self) {
        if self.core.depth > 1 {
            self.core.depth -= 1;
        }
    }

    /// Marks the running task as failed, and records `message`.
    pub fn fail(&mut self, message: impl fmt::Display) {
        self.core.current.outcome = Outcome::Failed;
        self.stamp();
        let message = message.to_string();
        self.core.exception(self.core.current.task, &message);
        self.core.failure = Some(message);
    }

    /// Marks the running task as reloading the program. Its batch (the pass over the queue, the due timers, the
    /// immediates, or the ready sources) ends at once, without a drain; [`Metrics`](crate::Metrics) count the task in
    /// `reloads`, not in `tasks_run`. The drain happens before anything else runs, and the rest of the batch runs in the
    /// next turn, in order.
    pub fn reload(&mut self) {
        self.core.current.outcome = Outcome::Reload;
    }

    /// Id of the running task; `None` outside of tasks.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.core.current.task
    }

    /// The timer that runs this task, if any.
    #[must_use]
    pub fn timer(&self) -> Option<Timer> {
        self.core.current.timer
    }

    /// The readiness that caused this callback, if any.
    #[must_use]
    pub fn ready(&self) -> Option<IoReadiness> {
        self.core.current.ready
    }

    /// The signal that queued this task, if any.
    #[must_use]
    pub fn signal(&self) -> Option<Arrival> {
        self.core.current.signal
    }

    /// The monotonic time, read from the loop's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<T> {
        Handle::new(Arc::clone(&self.core.shared))
    }

    /// Records a labelled point in time.
    pub fn mark(&mut self, label: &'static str) {
        if self.core.on {
            self.stamp();
            let label = self.core.label(label);
            self.core.record(Event::Mark { label });
        }
    }

    /// Runs `f`, and records its run time under a label.
    pub fn span<R>(&mut self, label: &'static str, f: impl FnOnce(&mut Self) -> R) -> R {
        let start = self.stamp();
        let returned = f(self);
        if self.core.on {
            self.stamp();
            let label = self.core.label(label);
            self.core.record(Event::Span { label, start });
        }
        returned
    }

    /// Makes the rest of the running callback a separate phase. Must be the first call in a callback of a timer or a
    /// source, because phases and tasks nest.
    pub(crate) fn claim_phase(&mut self, phase: Phase) {
        if self.core.on {
            let (outer, start) = self.core.phase;
            self.core.record(Event::Phase { phase: outer, start });
            self.core.phase = (phase, self.core.at);
        }
    }

    /// Time until the loop has work: zero if work is waiting, `None` if nothing is due.
    pub(crate) fn next_wait(&mut self) -> Option<Duration> {
        if self.core.shared.has_news() {
            return Some(Duration::ZERO);
        }
        self.core.scheduler.next_wait(self.clock.now(), true)
    }

    /// Identifies this loop within the process.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.core.shared).addr()
    }

    /// The loop's recorder.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.core.recorder
    }

    /// The active handles: what keeps the loop alive, by name.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.core.pending()
    }

    /// Whether anything keeps the loop alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.core.scheduler.is_alive()
    }
}

impl<T: Task> fmt::Debug for Context<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("current", &self.core.current).finish_non_exhaustive()
    }
}
