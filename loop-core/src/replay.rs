//! Re-execution: starts a loop in a recorded state and feeds it from a record.
//!
//! This module makes no scheduling decisions, and normal programs do not need it. [`LoopState`] is the content of a
//! snapshot, with tasks that stand for the recorded ones; [`LowLevel::restore`](crate::low_level::LowLevel::restore) puts
//! a new loop into that state. [`ExternalEvents`] injects events of other threads at the moment at which the recorded loop
//! noticed them. [`Replay`] performs, within a callback, the few recorded operations that [`Context`] does not offer.

mod state;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use state::{LoopState, QueuedState, Restored, SourceState, TimerState};

use std::fmt;
use std::sync::Arc;

use loop_probes::event::{Event, Origin, Outcome, RefKind};
use loop_probes::ids::{IoSource, SourceId, Tag, TaskId, Ticks, TimerId};

use crate::body::Body;
use crate::body::Queued;
use crate::error::{RequestError, RunError};
use crate::inbound::{Inbound, LoopShared};
use crate::options::Options;
use crate::poller::{Interest, Source};
use crate::task::Context;
use crate::task::Task;
use crate::timer::Delay;
use crate::timer::Timer;
use crate::work_pool::FinishedJob;

/// Label for references whose original label is not recorded.
pub(crate) const RECORDED: &str = "recorded";

/// Flags of a loop's state, as in a [`SnapshotLoop`](loop_probes::event::Event::SnapshotLoop).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// No flags.
    pub const NONE: Self = Self(0);
    /// The loop was woken since its last poll.
    pub const WOKEN: Self = Self(1);
    /// A run is in progress.
    pub const RUNNING: Self = Self(2);
    /// The loop watches a heap.
    pub const HEAP: Self = Self(4);
    /// Futures are in use.
    pub const FUTURES: Self = Self(8);
    /// A stop was requested.
    pub const STOPPING: Self = Self(16);
    /// A shutdown is in progress or was requested. The shutdown rules of owners are not recorded, so no loop can be
    /// restored to this state.
    pub const SHUTTING_DOWN: Self = Self(32);
    /// A task reloaded the program, and its microtasks and deferred callbacks are not drained yet.
    pub const OWES_DRAIN: Self = Self(64);
    /// Calls between the loop's turns are recorded ([`InputCall`](Event::InputCall)).
    pub const SHOWS_CALLS: Self = Self(128);

    /// The flags as a bit mask.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The flags with these bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Injects external events into a running loop. Only the end of the last tasklet wakes the loop; the others need not,
/// since they are injected while it runs.
pub struct ExternalEvents<T: Task> {
    shared: Arc<LoopShared<T::Remote>>,
}

impl<T: Task> ExternalEvents<T> {
    pub(crate) const fn new(shared: Arc<LoopShared<T::Remote>>) -> Self {
        Self { shared }
    }

    /// Posts a task as another thread did.
    pub fn post(&self, remote: T::Remote, poster: Option<SourceId>) {
        self.push(Inbound::Post(remote), poster);
    }

    /// Finishes the job `task`. Its completion is made from `remote`; `None` for a job that nothing waits for.
    pub fn finish(&self, task: TaskId, remote: Option<T::Remote>) {
        self.push(Inbound::Work(Box::new(finished(task, remote, self.shared.ticks()))), None);
    }

    fn push(&self, item: Inbound<T::Remote>, poster: Option<SourceId>) {
        // Refused only after the loop has ended, when nothing reads it.
        let _ = self.shared.queue.push(item, poster, self.shared.ticks());
    }

    /// Replays this many wake-ups by other threads.
    pub fn wake(&self, times: u32) {
        self.shared.replay_wakes(times);
    }

    /// Replays references taken (positive) or released (negative) by other threads.
    pub fn hold(&self, delta: i64) {
        self.shared.replay_refs(delta);
    }

    /// Sets the number of agenda tasklets that keep the loop alive. The end of the last one wakes a waiting loop.
    pub fn agenda(&self, pending: u32) {
        self.shared.agenda.replay(pending);
    }

    /// Asks the run to end.
    pub fn stop(&self) {
        self.shared.ask_to_stop();
    }

    /// Asks the loop to shut down within the given nanoseconds.
    pub fn shutdown(&self, within_ns: u64) {
        self.shared.ask_to_shut_down(std::time::Duration::from_nanos(within_ns));
    }
}

impl<T: Task> Clone for ExternalEvents<T> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.shared))
    }
}

impl<T: Task> fmt::Debug for ExternalEvents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").finish_non_exhaustive()
    }
}

/// Operations of a recorded callback that a [`Context`] does not offer.
pub struct Replay<'r, 'a, T: Task> {
    cx: &'r mut Context<'a, T>,
}

impl<'a, T: Task> Context<'a, T> {
    /// Operations for re-execution. A new minor version may change them.
    pub const fn replay(&mut self) -> Replay<'_, 'a, T> {
        Replay { cx: self }
    }
}

impl<T: Task> Replay<'_, '_, T> {
    /// Queues the poll of a future, as coming from `origin` and queued by `parent`.
    pub fn queue(&mut self, task: T, origin: Origin, parent: Option<TaskId>) -> TaskId {
        let queued = self.cx.stamp();
        let core = &mut *self.cx.core;
        let (tag, id) = (core.tag(&task), core.scheduler.new_id());
        core.queue(Queued { task: Body::Task(task), id, tag, origin, signo: 0, queued }, parent, None)
    }

    /// Re-arms a timer with a new delay, behind timers with the same due time. False if the timer is neither armed nor
    /// running its task.
    pub fn refresh_timer(&mut self, timer: Timer, delay: Delay) -> bool {
        self.cx.core.scheduler.timers.set_delay(timer, delay);
        self.cx.refresh_timer(timer).is_ok()
    }

    /// Re-arms, under its recorded number, a timer that fired and that a handle had kept.
    pub fn arm_again(&mut self, id: TimerId, delay: Delay, task: T) -> Timer {
        let now = self.cx.arming_time();
        let tag = self.cx.core.tag(&task);
        let (timer, due) = self.cx.core.scheduler.timers.arm_as(id, now, delay, Body::Task(task), tag);
        self.cx.record_armed(timer, tag, due, delay);
        timer
    }

    /// Registers a source, also while the loop shuts down, as futures can.
    ///
    /// # Errors
    ///
    /// [`RequestError::TooManySources`], or an error of the poller.
    pub fn register(
        &mut self,
        options: Options<T>,
        source: Source,
        interest: Interest,
        task: T,
    ) -> Result<IoSource, RequestError> {
        let tag = self.cx.core.tag(&task);
        self.cx.add_source(options, source, interest, Body::Task(task), tag)
    }

    /// Lets the run fail.
    pub fn fail_run(&mut self) {
        let failed =
            RunError::Failed { what: RefKind::Task, name: RECORDED.to_owned(), message: RECORDED.to_owned() };
        self.cx.core.failed.get_or_insert(failed);
    }

    /// Changes the number of references of kind `what`: futures, or references held by the program.
    pub fn reference(&mut self, what: RefKind, delta: i32) {
        let core = &mut *self.cx.core;
        match what {
            RefKind::Handle => {
                core.scheduler.refs.hold(RECORDED, delta.into());
                core.ref_changed(what, delta);
            }
            RefKind::Future => core.add_ref(what, delta.max(-clamped(core.scheduler.count(what)))),
            _ => {}
        }
    }

    /// Releases, before the next poll, a reference held by the program.
    pub fn release_later(&mut self) {
        self.cx.core.scheduler.refs.release_later(RECORDED);
    }

    /// Number of references of all kinds.
    #[must_use]
    pub fn alive(&self) -> u32 {
        self.cx.core.scheduler.alive_count()
    }

    /// References held by the program; below 0 if a release came first.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.cx.core.scheduler.refs.held()
    }

    /// Queues a microtask that the recorded loop's host kept in its own queue.
    pub fn host_microtask(&mut self, task: T) {
        self.cx.core.scheduler.microtasks_mut().push(task);
    }

    /// Number of waiting microtasks.
    #[must_use]
    pub fn microtasks(&self) -> usize {
        self.cx.core.scheduler.microtasks().len()
    }

    /// Number that the next new timer gets.
    #[must_use]
    pub fn next_timer(&self) -> TimerId {
        self.cx.core.scheduler.timers.next_id()
    }

    /// Whether a timer is armed, or its callback is running now.
    #[must_use]
    pub fn is_armed(&self, timer: Timer) -> bool {
        self.cx.core.scheduler.timers.has(timer)
    }

    /// Whether `key` is in the deferred queue.
    #[must_use]
    pub fn is_deferred(&self, key: u64) -> bool {
        self.cx.core.scheduler.deferred().contains(key)
    }

    /// Cancels a job, so that the loop no longer waits for it. False if the job is unknown.
    pub fn cancel_work(&mut self, job: TaskId) -> bool {
        let is_known = self.cx.core.work.contains_key(&job);
        self.cx.core.settle_work(job);
        is_known
    }

    /// Records a span or a mark of the program, ending now.
    pub fn emit(&mut self, event: Event<Ticks>) {
        self.cx.stamp();
        if self.cx.core.on {
            self.cx.core.record(event);
        }
    }

    /// Sets how the running task ends.
    pub const fn end_as(&mut self, outcome: Outcome) {
        self.cx.core.current.outcome = outcome;
    }
}

/// A finished job. Its worker and duration are left empty, because they affect no decision.
pub(crate) const fn finished<R>(task: TaskId, result: R, at: Ticks) -> FinishedJob<R> {
    let (tag, worker, outcome) = (Tag(0), 0, Outcome::Done);
    FinishedJob { task, tag, worker, queued: at, start: at, end: at, outcome, result: Ok(result) }
}

fn clamped(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

impl<T: Task> fmt::Debug for Replay<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").finish_non_exhaustive()
    }
}
