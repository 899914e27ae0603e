//! Acts: what a callback did with its loop, reconstructed from the events between its start and its end.
//!
//! There is no record of "this callback set a timer": the timer's own event implies it, and the event that ends the
//! callback follows. Events that the loop causes itself are recognised by their kind or their origin. Consequences of
//! an act (a job takes a reference) are not acts of their own.

use loop_core::poller::Interest;
use loop_core::{Context, Task, Timer};
use loop_probes::event::{ClockPoint, Event, GcReason, LoopCall, Origin, Outcome, Placement, Queue, RefKind};
use loop_probes::ids::{IoSource, NonMax, Tag, TaskId, TimerId, Timestamp};

/// What a callback did with its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Queued a task; a polled future has origin [`Origin::Future`].
    Post {
        task: TaskId,
        tag: Tag,
        origin: Origin,
        parent: Option<TaskId>,
        /// When it was queued; for a future woken by another thread, the time of the wakeup.
        queued: Timestamp,
    },
    Immediate(TaskId, Tag),
    /// Postponed a task to the end of the tick.
    AfterLoop(TaskId, Tag, Origin),
    /// Read the clock, to arm the timers that follow.
    Read,
    /// Armed or re-armed a timer.
    Arm {
        timer: TimerId,
        tag: Tag,
        /// Time from the preceding clock reading to the due time.
        delay_ns: u64,
        /// The period of an interval.
        period_ns: Option<u64>,
    },
    /// Posted a key to the deferred queue; true if it was already queued.
    Defer(u64, bool),
    /// Removed a key from the deferred queue.
    Undefer(u64),
    /// The deferred callback with this number in its drain (from 1) asked to stay queued.
    Kept(u32),
    /// Gave a job to the work pool; `depth` jobs, this one included, wait for a worker.
    Work {
        task: TaskId,
        tag: Tag,
        depth: u32,
    },
    /// Registered a source of readiness.
    Register {
        source: IoSource,
        tag: Tag,
        /// Whether it keeps the loop alive.
        referenced: bool,
        /// The interest set of the source, if recorded.
        interest: Option<u8>,
    },
    /// Referenced (true) or unreferenced a source that older traces do not name.
    ReferenceUnknownSource(bool),
    /// Took or released references that the program holds itself.
    Hold(i32),
    Change(RecordedChange),
    /// Reloaded the program from the callback of a source; for other callbacks their outcome says so.
    Reload,
    /// Asked the run to stop.
    Stop,
    /// Asked the loop to shut down within this many nanoseconds.
    Shutdown(u64),
    /// Failed, or panicked if that is how the callback ended.
    Fail,
    /// Queued a microtask between two turns; in a turn, only the count of the checkpoint is recorded.
    Microtask,
    /// Put off the release of a reference to the next poll.
    Release,
    /// Accessed the loop between two turns, and so may have changed the heap.
    Heap,
}

/// A change as recorded.
pub(crate) type RecordedChange = Operation<TaskId, TimerId, IoSource, TaskId>;

/// An operation on something that exists. It names immediates, timers, sources and jobs by their recorded numbers, by
/// their indices in a script, or by the handles of the running loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation<I, T, S, J> {
    ClearImmediate(I),
    /// References or unreferences an immediate.
    ReferenceImmediate(I, bool),
    ClearTimer(T),
    /// References or unreferences a timer.
    ReferenceTimer(T, bool),
    /// Changes the interest set of a source.
    Modify(S, u8),
    Remove(S),
    /// References or unreferences a source.
    ReferenceSource(S, bool),
    CancelWork(J),
    /// Takes or releases references for futures.
    Futures(i32),
    /// Installs the handler of a signal, or (no tag) removes it.
    OnSignal(u8, Option<Tag>),
    /// Notifies the GC controller.
    TellGc(GcReason),
}

impl<I, T, S, J> Operation<I, T, S, J> {
    /// Translates the names; `None` if one of them has no counterpart.
    pub(crate) fn rename<K, U, V, W>(
        self,
        immediate: impl FnOnce(I) -> Option<K>,
        timer: impl FnOnce(T) -> Option<U>,
        source: impl FnOnce(S) -> Option<V>,
        job: impl FnOnce(J) -> Option<W>,
    ) -> Option<Operation<K, U, V, W>> {
        Some(match self {
            Self::ClearImmediate(of) => Operation::ClearImmediate(immediate(of)?),
            Self::ReferenceImmediate(of, referenced) => {
                Operation::ReferenceImmediate(immediate(of)?, referenced)
            }
            Self::ClearTimer(of) => Operation::ClearTimer(timer(of)?),
            Self::ReferenceTimer(of, referenced) => Operation::ReferenceTimer(timer(of)?, referenced),
            Self::Modify(of, interest) => Operation::Modify(source(of)?, interest),
            Self::Remove(of) => Operation::Remove(source(of)?),
            Self::ReferenceSource(of, referenced) => Operation::ReferenceSource(source(of)?, referenced),
            Self::CancelWork(of) => Operation::CancelWork(job(of)?),
            Self::Futures(delta) => Operation::Futures(delta),
            Self::OnSignal(signo, tag) => Operation::OnSignal(signo, tag),
            Self::TellGc(reason) => Operation::TellGc(reason),
        })
    }
}

impl Operation<TaskId, Timer, IoSource, TaskId> {
    /// Carries it out; `handler` makes the task for a signal. Returns false if it could not be done.
    pub(super) fn carry_out<T: Task>(
        self,
        cx: &mut Context<'_, T>,
        handler: impl FnOnce(u8, Tag) -> T,
    ) -> bool {
        match self {
            Self::ClearImmediate(task) => cx.clear_immediate(task),
            Self::ReferenceImmediate(task, referenced) => cx.set_immediate_referenced(task, referenced),
            Self::ClearTimer(timer) => cx.clear_timer(timer),
            Self::ReferenceTimer(timer, referenced) => cx.set_timer_referenced(timer, referenced).is_ok(),
            Self::Modify(source, interest) => {
                cx.modify(source, Interest::from_bits_truncate(interest)).is_ok()
            }
            Self::Remove(source) => cx.remove(source).is_ok(),
            Self::ReferenceSource(source, referenced) => cx.set_source_referenced(source, referenced).is_ok(),
            Self::CancelWork(task) => cx.replay().cancel_work(task),
            Self::Futures(delta) => {
                // From now on the loop serves futures.
                let _ = cx.local();
                cx.replay().reference(RefKind::Future, delta);
                true
            }
            Self::OnSignal(signo, Some(tag)) => cx.on_signal(signo.into(), handler(signo, tag)).is_ok(),
            Self::OnSignal(signo, None) => cx.remove_signal(signo.into()),
            Self::TellGc(GcReason::Pressure) => {
                cx.memory_pressure();
                true
            }
            Self::TellGc(_) => {
                cx.request_gc();
                true
            }
        }
    }
}

/// An act with its time and the loop's reference count after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) at: Timestamp,
    pub(crate) act: Act,
    /// References of every kind after it, if recorded.
    pub(crate) alive: Option<u32>,
    /// The task that did it, if recorded.
    pub(crate) by: Option<TaskId>,
}

/// The role of an event in a loop's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Something that a callback did.
    Act,
    /// The end of a callback, a checkpoint or a drain of the deferred queue.
    End,
    /// The loop's own: a decision, or something that arrived from outside.
    Own,
    /// Everything else.
    Aside,
}

/// Reconstructs acts from a loop's stream, event by event.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acts {
    done: Vec<Done>,
    /// The clock reading from which the next timers are armed.
    reading: Option<Timestamp>,
    /// Set after an act whose reference change comes next: the kind of that reference.
    owes: Option<RefKind>,
    /// The last completion that ran: the loop itself settles its job.
    completed: Option<TaskId>,
}

impl Acts {
    /// Takes the next event into account and returns its role. `is_immediate` distinguishes immediates from other
    /// tasks.
    pub(crate) fn feed(
        &mut self,
        at: Timestamp,
        event: &Event,
        is_immediate: impl FnOnce(TaskId) -> bool,
    ) -> Role {
        let owed = self.owes.take();
        let act = match *event {
            Event::TaskRan { task, outcome: Outcome::Cancelled, .. } if is_immediate(task) => {
                Act::Change(Operation::ClearImmediate(task))
            }
            Event::TaskRan { task, .. } => {
                self.completed = Some(task);
                return Role::End;
            }
            Event::IoReady { .. }
            | Event::Microtasks { .. }
            | Event::DeferredRan { .. }
            | Event::CallbackRan { .. } => return Role::End,
            Event::TaskQueued { task, tag, place, parent, queued, .. } => match place {
                Placement { origin: Origin::Concurrent | Origin::Signal | Origin::Work, .. } => {
                    return Role::Own;
                }
                Placement { queue: Queue::Immediates, .. } => Act::Immediate(task, tag),
                Placement { queue: Queue::AfterLoop, origin, .. } => Act::AfterLoop(task, tag, origin),
                Placement { origin, .. } => {
                    Act::Post { task, tag, origin, parent: parent.map(NonMax::get), queued }
                }
            },
            Event::InputClock { point: ClockPoint::Arm, now } => {
                self.reading = Some(now);
                Act::Read
            }
            Event::TimerArmed { timer, tag, due, period_ns } => {
                let delay_ns = due.ns_since(self.reading.unwrap_or(due));
                Act::Arm { timer, tag, delay_ns, period_ns }
            }
            Event::TimerCleared { timer } => Act::Change(Operation::ClearTimer(timer)),
            Event::TimerRef { timer, referenced } => {
                Act::Change(Operation::ReferenceTimer(timer, referenced))
            }
            Event::ImmediateRef { task, referenced } => {
                Act::Change(Operation::ReferenceImmediate(task, referenced))
            }
            Event::DeferredPosted { key, existed } => Act::Defer(key, existed),
            Event::DeferredRemoved { key } => Act::Undefer(key),
            Event::InputReturned { value: 0, .. } => Act::Reload,
            Event::InputReturned { value, .. } => Act::Kept(value),
            Event::WorkQueued { task, tag, depth, .. } => {
                self.owes = Some(RefKind::Work);
                Act::Work { task, tag, depth }
            }
            Event::WorkSettled { task, .. } => {
                self.owes = Some(RefKind::Work);
                if self.completed == Some(task) {
                    return Role::Own;
                }
                Act::Change(Operation::CancelWork(task))
            }
            Event::IoRegistered { source, tag } => {
                self.owes = Some(RefKind::Io);
                Act::Register { source, tag, referenced: false, interest: None }
            }
            Event::IoLabel { .. } => {
                self.owes = owed;
                return Role::Aside;
            }
            Event::IoModified { source, interest } => {
                // The interest set of a new source follows its registration.
                if let Some(Done { act: Act::Register { source: last, interest: unset @ None, .. }, .. }) =
                    self.done.last_mut()
                    && *last == source
                    && owed == Some(RefKind::Io)
                {
                    *unset = Some(interest);
                    self.owes = owed;
                    return Role::Aside;
                }
                Act::Change(Operation::Modify(source, interest))
            }
            Event::IoRemoved { source } => {
                self.owes = Some(RefKind::Io);
                Act::Change(Operation::Remove(source))
            }
            Event::IoRef { source, referenced } => {
                self.owes = Some(RefKind::Io);
                Act::Change(Operation::ReferenceSource(source, referenced))
            }
            Event::SignalHandler { signo, tag, installed } => {
                self.owes = Some(RefKind::Signal);
                Act::Change(Operation::OnSignal(signo, installed.then_some(tag)))
            }
            Event::RefChanged { what, delta, alive } => return self.reference(at, owed, what, delta, alive),
            // The loop itself changes the count.
            Event::InputRefs { .. } | Event::InputCall { call: LoopCall::Released } => {
                self.owes = Some(RefKind::Handle);
                return Role::Own;
            }
            Event::InputGc { reason } => Act::Change(Operation::TellGc(reason)),
            Event::InputStop { outside: false } => Act::Stop,
            Event::InputShutdown { outside: false, within_ns } => Act::Shutdown(within_ns),
            Event::Exception { .. } => Act::Fail,
            Event::InputCall { call: LoopCall::Microtask } => Act::Microtask,
            Event::InputCall { call: LoopCall::Release } => Act::Release,
            Event::InputCall { call: LoopCall::Heap } => Act::Heap,
            Event::Label { .. }
            | Event::Calibration { .. }
            | Event::Running { .. }
            | Event::Pressure { .. }
            | Event::Crashed {}
            | Event::Suspended { .. }
            | Event::Phase { .. }
            | Event::Span { .. }
            | Event::Mark { .. }
            | Event::SlowTask { .. }
            | Event::Violation { .. }
            | Event::Command { .. }
            | Event::Pumped { .. } => {
                self.owes = owed;
                return Role::Aside;
            }
            _ => return Role::Own,
        };
        let by = match *event {
            Event::TaskQueued { parent, .. } | Event::WorkQueued { parent, .. } => parent.map(NonMax::get),
            _ => None,
        };
        self.done.push(Done { at, act, alive: None, by });
        Role::Act
    }

    /// A reference change is part of the act before it, or an act itself.
    fn reference(
        &mut self,
        at: Timestamp,
        owed: Option<RefKind>,
        what: RefKind,
        delta: i32,
        alive: u32,
    ) -> Role {
        if owed == Some(what) {
            if let Some(last) = self.done.last_mut() {
                last.alive = Some(alive);
                if let Act::Register { referenced, .. } = &mut last.act {
                    *referenced = true;
                }
            }
            return Role::Aside;
        }
        let act = match what {
            RefKind::Handle => Act::Hold(delta),
            RefKind::Future => Act::Change(Operation::Futures(delta)),
            RefKind::Io => Act::ReferenceUnknownSource(delta > 0),
            _ => return Role::Own,
        };
        self.done.push(Done { at, act, alive: Some(alive), by: None });
        Role::Act
    }

    /// Returns the acts since the last call.
    pub(crate) fn take(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// Takes the oldest act if it is complete: the events that follow the registration of a source add its interest
    /// set and whether it keeps the loop alive.
    pub(crate) fn settled(&mut self) -> Option<Done> {
        let is_owed = self.owes == Some(RefKind::Io)
            && self.done.last().is_some_and(|done| matches!(done.act, Act::Register { .. }));
        (self.done.len() > usize::from(is_owed)).then(|| self.done.remove(0))
    }

    /// Whether there are no acts.
    pub(crate) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}

/// Whether `event` of a loop completes a unit: a tick, a run, or a callback between two ticks. A truncated recording is
/// re-executed up to its last complete unit, because the rest of the unfinished tick is unknown.
pub(super) const fn completes_unit<T>(event: &Event<T>, in_tick: bool) -> bool {
    match event {
        Event::TickEnd { .. } | Event::LoopStopped { .. } => true,
        Event::CallbackRan { .. } => !in_tick,
        _ => false,
    }
}
