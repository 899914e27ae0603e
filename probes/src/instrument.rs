//! Instruments any event loop. A guard marks each stretch of its work, from its creation to its drop; where a guard
//! does not fit, such as in a runtime's hooks or across `&mut self`, a pair of calls `…_begin` and `…_end` does.
//!
//! ```
//! use std::time::Duration;
//!
//! use loop_probes::instrument::LoopProbe;
//! use loop_probes::session::Session;
//!
//! let session = Session::builder("my-loop").private();
//! let probe = LoopProbe::new(&session, "main");
//! let echo = probe.tag("Echo");
//! for _ in 0..3 {
//!     let _tick = probe.tick();
//!     let ready = probe.poll(Some(Duration::ZERO), || 1);
//!     for _ in 0..ready {
//!         let _task = probe.task(echo);
//!         // … the callback …
//!     }
//! }
//! ```

mod hooks;
#[cfg(test)]
mod tests;
use std::cell::Cell;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::event::{Event, LabelKind, Outcome, Phase, PollReason, StopReason};
use crate::ids::{LabelId, Tag, TaskId, Ticks, TimerId, Timestamp};
use crate::recorder::{Recorder, Running};
use crate::session::Session;
use crate::tags;

pub use hooks::LoopHooks;

/// The probe of one loop. It belongs to the loop's thread.
#[derive(Debug)]
pub struct LoopProbe {
    recorder: Recorder,
    clock: SystemClock,
    ticks: Cell<u64>,
    tasks: Cell<u64>,
    tasks_in_tick: Cell<u32>,
    last_timer: Cell<u64>,
    /// The current state, which a nested guard restores.
    running: Cell<Running>,
    /// The poll in progress.
    polling: Cell<Option<Polling>>,
}

#[derive(Clone, Copy, Debug)]
struct Polling {
    start: Ticks,
    timeout_ns: Option<u64>,
    /// The activity that continues after the poll; `None` if it is a task, of which the poll is a part.
    before: Option<Running>,
}

impl Polling {
    fn event(&self, ready: u32) -> Event<Ticks> {
        let reason = match self.timeout_ns {
            Some(0) => PollReason::NonBlock,
            Some(_) => PollReason::Timer,
            None => PollReason::Idle,
        };
        Event::Poll { reason, ready, timeout_ns: self.timeout_ns, start: self.start }
    }
}

/// Number of sources a poll found ready, in whatever type the poller counts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not report the number of ready sources",
    label = "the closure returns this",
    note = "a probe's poll wants a closure that returns a count, `()`, or a `Result` of one",
    note = "count in the closure: `|| poll.poll(&mut events, timeout).map(|()| events.iter().count())`"
)]
pub trait ReadyCount {
    /// Sources that were ready; 0 on an error or a timeout.
    fn ready(&self) -> u32;
}

/// A poller that does not count, such as mio's `io::Result<()>`: recorded as 0.
impl ReadyCount for () {
    fn ready(&self) -> u32 {
        0
    }
}

impl ReadyCount for u32 {
    fn ready(&self) -> u32 {
        *self
    }
}

impl ReadyCount for usize {
    fn ready(&self) -> u32 {
        u32::try_from(*self).unwrap_or(u32::MAX)
    }
}

impl ReadyCount for i32 {
    fn ready(&self) -> u32 {
        u32::try_from(*self).unwrap_or(0)
    }
}

impl<T: ReadyCount, E> ReadyCount for Result<T, E> {
    fn ready(&self) -> u32 {
        self.as_ref().map_or(0, ReadyCount::ready)
    }
}

impl LoopProbe {
    /// A probe with a ring of its own, shown as `name`.
    #[must_use]
    pub fn new(session: &Session, name: &str) -> Self {
        Self::with_recorder(session.recorder(name))
    }

    /// A probe that writes to `recorder`.
    #[must_use]
    pub fn with_recorder(recorder: Recorder) -> Self {
        Self {
            clock: recorder.session().clock(),
            recorder,
            ticks: Cell::new(0),
            tasks: Cell::new(0),
            tasks_in_tick: Cell::new(0),
            last_timer: Cell::new(0),
            running: Cell::new(Running::Outside),
            polling: Cell::new(None),
        }
    }

    /// The recorder, for events that have no guard here.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The tag of a kind of task: the same name has the same tag in every loop and probe of the process. Not for hot
    /// paths.
    #[must_use]
    pub fn tag(&self, name: &str) -> Tag {
        let tag = tags::tag_of_label(name);
        self.recorder.name_tag(self.clock.ticks(), tag, name);
        tag
    }

    /// Names a span or a mark. The same name gives the same label; not for hot paths.
    #[must_use]
    pub fn label(&self, name: &str) -> LabelId {
        self.recorder.intern(self.clock.ticks(), LabelKind::Span, name)
    }

    /// Allocates an id for a timer of the loop's own, for [`timer_fired`](Self::timer_fired).
    #[must_use]
    pub fn timer(&self) -> TimerId {
        let timer = TimerId(self.last_timer.get() + 1);
        self.last_timer.set(timer.0);
        timer
    }

    /// Begins a tick; it ends with the guard.
    pub fn tick(&self) -> TickGuard<'_> {
        TickGuard { probe: self, open: self.tick_begin() }
    }

    /// Begins a tick; it ends with [`tick_end`](Self::tick_end).
    pub fn tick_begin(&self) -> OpenTick {
        let tick = self.ticks.get() + 1;
        self.ticks.set(tick);
        self.tasks_in_tick.set(0);
        let start = self.recorder.record_now(Event::TickStart { tick });
        self.recorder.calibrate_if_due(start);
        OpenTick { tick, start }
    }

    /// Ends a tick.
    pub fn tick_end(&self, tick: OpenTick) {
        self.record_tick(&tick);
    }

    fn record_tick(&self, &OpenTick { tick, start }: &OpenTick) {
        self.recorder.record_now(Event::TickEnd { tick, tasks_run: self.tasks_in_tick.get(), start });
    }

    /// Waits for readiness: calls `wait`, which waits for at most `timeout`, or forever if that is `None`.
    pub fn poll<R: ReadyCount>(&self, timeout: Option<Duration>, wait: impl FnOnce() -> R) -> R {
        self.poll_begin(timeout);
        let found = wait();
        self.poll_end(&found);
        found
    }

    /// Begins a wait for readiness of at most `timeout`; `None` if it waits forever or for an unknown time. For loops
    /// where [`poll`](Self::poll) does not fit because foreign code calls the poller. Tasks that begin in it, because
    /// the poller runs callbacks by itself, are no part of the wait, which is recorded in pieces.
    pub fn poll_begin(&self, timeout: Option<Duration>) {
        if !self.recorder.is_enabled() {
            return;
        }
        let timeout_ns = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let start = self.clock.ticks();
        let deadline = timeout_ns.map(|ns| self.clock.now().plus_ns(ns));
        // A poll within a task belongs to the task, which stays the current activity.
        let before = match self.running.get() {
            Running::Task { .. } => None,
            _ => Some(self.enter(start, Running::Poll { deadline })),
        };
        self.polling.set(Some(Polling { start, timeout_ns, before }));
    }

    /// Ends the wait that [`poll_begin`](Self::poll_begin) began. Without one, records nothing.
    pub fn poll_end(&self, found: &impl ReadyCount) {
        let Some(polling) = self.polling.take() else { return };
        let end = self.recorder.record_now(polling.event(found.ready()));
        if let Some(before) = polling.before {
            self.leave(end, before);
        }
    }

    /// Begins a task that did not wait in a queue, such as a readiness callback; it ends with the guard.
    pub fn task(&self, tag: Tag) -> TaskGuard<'_> {
        TaskGuard { probe: self, open: self.task_begin(tag) }
    }

    /// Begins a task that did not wait in a queue; it ends with [`task_end`](Self::task_end). Tasks nest: end the
    /// inner one first.
    pub fn task_begin(&self, tag: Tag) -> OpenTask {
        let now = self.now();
        self.start(tag, now, now)
    }

    /// Ends a task.
    pub fn task_end(&self, task: OpenTask) {
        self.record_task(&task);
    }

    fn record_task(&self, &OpenTask { task, tag, queued, start, outcome, before }: &OpenTask) {
        let outcome = if std::thread::panicking() { Outcome::Panicked } else { outcome };
        let end = self.recorder.record_now(Event::TaskRan { task, tag, outcome, queued, start });
        self.tasks_in_tick.set(self.tasks_in_tick.get().saturating_add(1));
        self.leave(end, before);
        if let (Running::Poll { deadline }, Some(polling)) = (before, self.polling.get()) {
            let timeout_ns = deadline.map(|deadline| deadline.ns_since(self.clock.now()));
            self.polling.set(Some(Polling { start: end, timeout_ns, ..polling }));
        }
    }

    /// Begins a task that has waited since `queued`, a reading of [`now`](Self::now); it ends with the guard.
    pub fn queued_task(&self, tag: Tag, queued: Ticks) -> TaskGuard<'_> {
        TaskGuard { probe: self, open: self.start(tag, queued, self.now()) }
    }

    /// Begins the task of a timer that was due at `due`, an `Instant` or a [`Timestamp`]; it ends with the guard. Its
    /// delay past `due` is the timer lag.
    pub fn timer_fired(&self, timer: TimerId, tag: Tag, due: impl Into<Timestamp>) -> TaskGuard<'_> {
        let guard = self.task(tag);
        if self.recorder.is_enabled() {
            let (due, fired) = (due.into(), self.clock.now());
            let event = Event::TimerFired { timer, tag, task: guard.id(), due, fired, skipped: 0 };
            self.recorder.record(guard.open.start, event);
        }
        guard
    }

    /// Begins a named phase of a tick; it ends with the guard.
    pub fn phase(&self, phase: Phase) -> PhaseGuard<'_> {
        let start = self.now();
        let before = self.enter(start, Running::Phase(phase));
        PhaseGuard { probe: self, phase, start, before }
    }

    /// Begins a labelled stretch of work; it ends with the guard.
    pub fn span(&self, label: LabelId) -> SpanGuard<'_> {
        SpanGuard { probe: self, label, start: self.now() }
    }

    /// Records a labelled point in time.
    pub fn mark(&self, label: LabelId) {
        self.recorder.record_now(Event::Mark { label });
    }

    /// A reading of the record clock, 0 while nothing is recorded.
    #[must_use]
    pub fn now(&self) -> Ticks {
        if self.recorder.is_enabled() { self.clock.ticks() } else { Ticks(0) }
    }

    fn start(&self, tag: Tag, queued: Ticks, start: Ticks) -> OpenTask {
        let task = TaskId(self.tasks.get() + 1);
        self.tasks.set(task.0);
        if let (Running::Poll { .. }, Some(polling)) = (self.running.get(), self.polling.get()) {
            // The loop does not wait while its poller runs a callback: this wait is over, and another one follows.
            self.recorder.record(start, polling.event(0));
        }
        let before = self.enter(start, Running::Task { task, tag });
        OpenTask { task, tag, queued, start, outcome: Outcome::Done, before }
    }

    fn enter(&self, at: Ticks, running: Running) -> Running {
        self.recorder.set_running(at, running);
        self.running.replace(running)
    }

    fn leave(&self, at: Ticks, before: Running) {
        self.recorder.set_running(at, before);
        self.running.set(before);
    }
}

/// A tick in progress, which [`LoopProbe::tick_end`] ends. Dropping it records nothing.
#[derive(Debug)]
#[must_use = "only `LoopProbe::tick_end` ends the tick"]
pub struct OpenTick {
    tick: u64,
    start: Ticks,
}

/// A task in progress, which [`LoopProbe::task_end`] ends. Dropping it records nothing.
#[derive(Debug)]
#[must_use = "only `LoopProbe::task_end` ends the task"]
pub struct OpenTask {
    task: TaskId,
    tag: Tag,
    queued: Ticks,
    start: Ticks,
    outcome: Outcome,
    before: Running,
}

impl OpenTask {
    /// The task's number.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.task
    }

    /// Marks the task as having reported an error.
    pub const fn failed(&mut self) {
        self.outcome = Outcome::Failed;
    }
}

/// A probe that is dropped within a task or a phase, as after a return between a begin and its end, says that its loop has
/// stopped: nothing goes on there.
impl Drop for LoopProbe {
    fn drop(&mut self) {
        if matches!(self.running.get(), Running::Task { .. } | Running::Phase(_)) {
            self.recorder.record(self.now(), Event::LoopStopped { reason: StopReason::Closed });
        }
    }
}

/// A tick; dropping it ends the tick.
#[derive(Debug)]
#[must_use = "the tick ends where this is dropped"]
pub struct TickGuard<'a> {
    probe: &'a LoopProbe,
    open: OpenTick,
}

impl Drop for TickGuard<'_> {
    fn drop(&mut self) {
        self.probe.record_tick(&self.open);
    }
}

/// A task; dropping it ends the task.
#[derive(Debug)]
#[must_use = "the task ends where this is dropped"]
pub struct TaskGuard<'a> {
    probe: &'a LoopProbe,
    open: OpenTask,
}

impl TaskGuard<'_> {
    /// The task's number.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.open.id()
    }

    /// Marks the task as having reported an error.
    pub const fn failed(&mut self) {
        self.open.failed();
    }
}

impl Drop for TaskGuard<'_> {
    fn drop(&mut self) {
        self.probe.record_task(&self.open);
    }
}

/// A phase; dropping it ends the phase.
#[derive(Debug)]
#[must_use = "the phase ends where this is dropped"]
pub struct PhaseGuard<'a> {
    probe: &'a LoopProbe,
    phase: Phase,
    start: Ticks,
    before: Running,
}

impl Drop for PhaseGuard<'_> {
    fn drop(&mut self) {
        let end = self.probe.recorder.record_now(Event::Phase { phase: self.phase, start: self.start });
        self.probe.leave(end, self.before);
    }
}

/// A labelled stretch; dropping it ends it.
#[derive(Debug)]
#[must_use = "the span ends where this is dropped"]
pub struct SpanGuard<'a> {
    probe: &'a LoopProbe,
    label: LabelId,
    start: Ticks,
}

impl Drop for SpanGuard<'_> {
    fn drop(&mut self) {
        self.probe.recorder.record_now(Event::Span { label: self.label, start: self.start });
    }
}
