//! Acts: what a callback did with its loop, read back from the events between its start and its end.
//!
//! Nobody records "this callback set a timer": the timer's own event says so, and the event that ends the callback
//! comes behind it. What the loop does by itself is told apart by its kind, or by where it came from; what follows
//! from an act (a job takes a reference) is not an act of its own.

use loop_probes::event::{ClockPoint, Event, GcReason, Origin, Outcome, Placement, Queue, RefKind};
use loop_probes::ids::{IoSource, Tag, TaskId, TimerId, Timestamp};

/// What a callback did with its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Queued a task; a future that is polled is one of origin [`Origin::Future`].
    Post {
        /// The task.
        task: TaskId,
        /// Its tag.
        tag: Tag,
        /// What it is said to come from.
        origin: Origin,
        /// The task that is said to have queued it.
        parent: Option<TaskId>,
        /// Since when it waits: a future that another thread woke waits since then.
        queued: Timestamp,
    },
    /// Set an immediate.
    Immediate(TaskId, Tag),
    /// Put a task off to the end of the turn; with where it is said to come from.
    AfterLoop(TaskId, Tag, Origin),
    /// Took an immediate back.
    ClearImmediate(TaskId),
    /// Referenced an immediate or not.
    ReferenceImmediate(TaskId, bool),
    /// Read the clock, to arm what comes next.
    Read,
    /// Armed a timer, or armed it again.
    Arm {
        /// The timer.
        timer: TimerId,
        /// The tag of its task.
        tag: Tag,
        /// From the reading before it to when it is due.
        delay_ns: u64,
        /// The period of an interval.
        period_ns: Option<u64>,
    },
    /// Cleared a timer.
    ClearTimer(TimerId),
    /// Referenced a timer or not.
    ReferenceTimer(TimerId, bool),
    /// Posted a key to the deferred queue, and whether that was there already.
    Defer(u64, bool),
    /// Took a key back.
    Undefer(u64),
    /// The deferred callback with this number in its drain, from 1, wants to be kept.
    Kept(u32),
    /// Gave a job to the work pool; `depth` wait for a worker with it.
    Work {
        /// The job.
        task: TaskId,
        /// Its tag.
        tag: Tag,
        /// Jobs that wait for a worker now.
        depth: u32,
    },
    /// Took a job back.
    CancelWork(TaskId),
    /// Registered a source of readiness.
    Register {
        /// The source.
        source: IoSource,
        /// The tag of its callback.
        tag: Tag,
        /// It keeps the loop alive.
        referenced: bool,
        /// What it is asked about, where that was told.
        interest: Option<u8>,
    },
    /// Changed what a source is asked about.
    Modify(IoSource, u8),
    /// Removed a source.
    Remove(IoSource),
    /// Referenced a source or not; `None` where the trace does not say which.
    ReferenceSource(Option<IoSource>, bool),
    /// Took or gave back references that the program holds itself.
    Hold(i32),
    /// Futures were spawned, or are over.
    Futures(i32),
    /// Installed a signal's handler, or (no tag) removed it.
    OnSignal(u8, Option<Tag>),
    /// Told the GC controller something.
    TellGc(GcReason),
    /// Reloaded the program, as the callback of a source: of others their outcome says so.
    Reload,
    /// Asked the run to end.
    Stop,
    /// Asked the loop to shut down within so many nanoseconds.
    Shutdown(u64),
    /// Failed, or panicked where that is how it ended.
    Fail,
}

/// An act, when it was done, and what the trace says about the loop's references after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// When.
    pub at: Timestamp,
    /// What.
    pub act: Act,
    /// References of every kind after it, where that was told.
    pub alive: Option<u32>,
}

/// What an event is to whoever reads a loop's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something that a callback did.
    Act,
    /// A callback, a checkpoint or a drain of the deferred queue is over.
    End,
    /// The loop's own: its decisions, and what came from outside.
    Own,
    /// Says nothing about either.
    Aside,
}

/// Reads acts out of a loop's stream, event by event.
#[derive(Clone, Debug, Default)]
pub struct Acts {
    done: Vec<Done>,
    /// The reading that the next timers are armed at.
    reading: Option<Timestamp>,
    /// An act whose reference comes next: the kind of that reference.
    owes: Option<RefKind>,
    /// The completion that ran last: its job is settled by the loop itself.
    completed: Option<TaskId>,
}

impl Acts {
    /// Takes the next event into account and says what it was. `is_immediate` tells immediates from other tasks.
    pub fn feed(&mut self, at: Timestamp, event: &Event, is_immediate: impl FnOnce(TaskId) -> bool) -> Role {
        let owed = self.owes.take();
        let act = match *event {
            Event::TaskRan { task, outcome: Outcome::Cancelled, .. } if is_immediate(task) => {
                Act::ClearImmediate(task)
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
                Placement { origin, .. } => Act::Post { task, tag, origin, parent, queued },
            },
            Event::InputClock { point: ClockPoint::Arm, now } => {
                self.reading = Some(now);
                Act::Read
            }
            Event::TimerArmed { timer, tag, due, period_ns } => {
                let delay_ns = due.ns_since(self.reading.unwrap_or(due));
                Act::Arm { timer, tag, delay_ns, period_ns }
            }
            Event::TimerCleared { timer } => Act::ClearTimer(timer),
            Event::TimerRef { timer, referenced } => Act::ReferenceTimer(timer, referenced),
            Event::ImmediateRef { task, referenced } => Act::ReferenceImmediate(task, referenced),
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
                Act::CancelWork(task)
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
                // What a new source is asked about is told right behind it.
                if let Some(Done { act: Act::Register { source: last, interest: told @ None, .. }, .. }) =
                    self.done.last_mut()
                    && *last == source
                    && owed == Some(RefKind::Io)
                {
                    *told = Some(interest);
                    self.owes = owed;
                    return Role::Aside;
                }
                Act::Modify(source, interest)
            }
            Event::IoRemoved { source } => {
                self.owes = Some(RefKind::Io);
                Act::Remove(source)
            }
            Event::IoRef { source, referenced } => {
                self.owes = Some(RefKind::Io);
                Act::ReferenceSource(Some(source), referenced)
            }
            Event::SignalHandler { signo, tag, installed } => {
                self.owes = Some(RefKind::Signal);
                Act::OnSignal(signo, installed.then_some(tag))
            }
            Event::RefChanged { what, delta, alive } => return self.reference(at, owed, what, delta, alive),
            Event::InputRefs { .. } => {
                self.owes = Some(RefKind::Handle);
                return Role::Own;
            }
            Event::InputGc { reason } => Act::TellGc(reason),
            Event::InputStop { outside: false } => Act::Stop,
            Event::InputShutdown { outside: false, within_ns } => Act::Shutdown(within_ns),
            Event::Exception { .. } => Act::Fail,
            Event::Label { .. }
            | Event::Calibration { .. }
            | Event::Running { .. }
            | Event::Pressure { .. }
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
        self.done.push(Done { at, act, alive: None });
        Role::Act
    }

    /// A change of references is part of the act before it, or an act itself.
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
            RefKind::Future => Act::Futures(delta),
            RefKind::Io => Act::ReferenceSource(None, delta > 0),
            _ => return Role::Own,
        };
        self.done.push(Done { at, act, alive: Some(alive) });
        Role::Act
    }

    /// The acts since this was asked last.
    #[must_use]
    pub fn take(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// The oldest of them to which nothing is added any more, for who tells each apart as it is done: of a new source
    /// the events that follow say what it is asked about, and whether it keeps the loop alive.
    pub fn settled(&mut self) -> Option<Done> {
        let is_owed = self.owes == Some(RefKind::Io)
            && self.done.last().is_some_and(|done| matches!(done.act, Act::Register { .. }));
        (self.done.len() > usize::from(is_owed)).then(|| self.done.remove(0))
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}
