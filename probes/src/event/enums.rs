//! The small closed enumerations that events are made of, each with its wire code and its printed name.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $code:literal $variant:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant = $code,)+
        }

        impl $name {
            /// Every value, by wire code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name that reports, traces and the dashboard print.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value with this wire code.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The code of this value in records.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    )+};
}

words! {
    /// A named stretch of a tick.
    Phase {
        /// Due timers and their callbacks.
        1 Timers = "timers",
        /// Draining the signal ring into tasks.
        2 Signals = "signals",
        /// Taking the batch that other threads posted.
        3 Concurrent = "concurrent",
        /// Running tasks of the task queue.
        4 Tasks = "tasks",
        /// A microtask checkpoint that belongs to no task.
        5 Microtasks = "microtasks",
        /// Running callbacks of the deferred queue.
        6 Deferred = "deferred",
        /// The batch of immediates.
        7 Immediates = "immediates",
        /// A check or a collection of the GC controller.
        8 Gc = "gc",
        /// Readiness callbacks, right after the poll.
        9 Poll = "poll",
        /// Readiness callbacks, right after the poll.
        10 Io = "io",
        /// Pumping a foreign loop.
        11 Pump = "pump",
        /// Tasklets of the agenda.
        12 Agenda = "agenda",
        /// The loop itself saving records because the recording thread fell behind.
        13 Recorder = "recorder",
        /// Ending the loop: remaining work is finished or cancelled.
        14 Shutdown = "shutdown",
    }
    /// A queue of the loop.
    Queue {
        /// Tasks ready to run on the loop thread.
        1 Tasks = "tasks",
        /// Tasks that other threads posted and the loop has not taken yet.
        2 Concurrent = "concurrent",
        /// Immediates of the next batch.
        3 Immediates = "immediates",
        /// Keyed callbacks that run after the microtasks.
        4 Deferred = "deferred",
        /// Armed timers.
        5 Timers = "timers",
        /// Microtasks.
        6 Microtasks = "microtasks",
        /// Signals that arrived and were not drained yet.
        7 Signals = "signals",
        /// Jobs that wait for a worker of the pool.
        8 Work = "work",
        /// Callbacks that run once, at the end of the tick.
        9 AfterLoop = "after-loop",
        /// Tasklets that wait for a worker of the agenda.
        10 Agenda = "agenda",
    }
    /// Where a task came from.
    Origin {
        /// Posted on the loop thread.
        0 Local = "local",
        /// Posted by another thread.
        1 Concurrent = "concurrent",
        /// A signal.
        2 Signal = "signal",
        /// A readiness callback.
        3 Io = "io",
        /// A due timer.
        4 Timer = "timer",
        /// Work that came back from the pool.
        5 Work = "work",
        /// An immediate.
        6 Immediate = "immediate",
        /// A callback that entered from outside (`run_callback`).
        7 Callback = "callback",
        /// A future that was woken.
        8 Future = "future",
    }
    /// How a task ended.
    Outcome {
        /// The task ran to completion.
        0 Done = "done",
        /// The task reported an error.
        1 Failed = "failed",
        /// The task panicked.
        2 Panicked = "panicked",
        /// The task asked the pass to return at once (hot reload): no drain follows, and the task is not counted.
        3 Reload = "reload",
        /// The task was cancelled before it ran.
        4 Cancelled = "cancelled",
        /// A future was polled and is not ready yet.
        5 Pending = "pending",
        /// A future's timer fired and woke the future: its poll is the task that follows (since 1.3).
        6 Woke = "woke",
    }
    /// Why the poll had the timeout it had.
    PollReason {
        /// The poll ends when the nearest timer is due.
        1 Timer = "timer",
        /// The policy's default timeout: nothing is due.
        2 Default = "default",
        /// There is work already: do not wait.
        3 NonBlock = "nonblock",
        /// Nothing is due and no default: wait until something happens.
        4 Idle = "idle",
    }
    /// What a GC check decided.
    GcAction {
        /// Collect now.
        1 Collect = "collect",
        /// Arm the one-shot and decide again.
        2 Defer = "defer",
        /// Nothing to do.
        3 Skip = "skip",
    }
    /// Why a GC check decided what it did.
    GcReason {
        /// The heap is more than twice what it was.
        1 Doubled = "doubled",
        /// The heap changed, by less than doubling.
        2 Changed = "changed",
        /// The heap is the same size as before.
        3 Unchanged = "unchanged",
        /// The one-shot fired and the heap had changed.
        4 OneShot = "one-shot",
        /// The repeating timer fired.
        5 Periodic = "periodic",
        /// The system is short of memory.
        6 Pressure = "pressure",
        /// The one-shot is armed already.
        7 Pending = "pending",
        /// The controller is switched off.
        8 Disabled = "disabled",
        /// The program asked for it.
        9 Requested = "requested",
    }
    /// How often the GC controller's repeating timer fires.
    GcMode {
        /// Every second, by default.
        1 Fast = "fast",
        /// Every thirty seconds, by default.
        2 Slow = "slow",
    }
    /// Why a loop stopped.
    StopReason {
        /// Nothing referenced was left.
        1 Drained = "drained",
        /// Stop was called.
        2 Stopped = "stopped",
        /// A listener or the poller failed.
        3 Failed = "failed",
        /// The policy's own exit rule.
        4 Policy = "policy",
        /// The time at which the caller wanted the loop back arrived.
        5 Deadline = "deadline",
        /// A shutdown is complete.
        6 Shutdown = "shutdown",
        /// The loop was closed or dropped: it will not run again, and its timers will not fire.
        7 Closed = "closed",
    }
    /// What keeps a loop alive.
    RefKind {
        /// Tasks in a queue.
        1 Task = "task",
        /// A timer.
        2 Timer = "timer",
        /// An immediate.
        3 Immediate = "immediate",
        /// A source of readiness.
        4 Io = "io",
        /// Work on the pool.
        5 Work = "work",
        /// A signal handler.
        6 Signal = "signal",
        /// A reference held by the program itself.
        7 Handle = "handle",
        /// A tasklet of the agenda.
        8 Agenda = "agenda",
        /// A spawned future.
        9 Future = "future",
    }
    /// What an agenda worker is doing.
    WorkerPhase {
        /// Waiting for a tasklet.
        1 Idle = "idle",
        /// Running a tasklet.
        2 Run = "run",
        /// Stopped for a collection.
        3 Gc = "gc",
        /// Leaving a collection.
        4 EndGc = "end-gc",
    }
    /// The order in which the agenda looks for tasklets.
    Priority {
        /// Looked at last.
        0 Low = "low",
        /// Looked at after `High` and before `Low`.
        1 Normal = "normal",
        /// Looked at first, for every fetch.
        2 High = "high",
    }
    /// What a label names.
    LabelKind {
        /// The tag with this number.
        1 Tag = "tag",
        /// A `tracing` span or event, or a user's span or mark.
        2 Span = "span",
        /// The emitter (ring) with this number.
        3 Source = "source",
        /// A source of readiness.
        4 Io = "io",
        /// Any other text: a violated rule, an error's owner.
        5 Text = "text",
    }
    /// Where in the tick the scheduler was given a clock reading.
    ClockPoint {
        /// At the start of the tick.
        1 Tick = "tick",
        /// Before the poll's timeout was computed.
        2 BeforePoll = "before-poll",
        /// After the poll: the reading that due timers are compared with.
        3 AfterPoll = "after-poll",
        /// When a callback armed a timer.
        4 Arm = "arm",
        /// When a GC check ran.
        5 Gc = "gc",
        /// When an interval's callback started: its next due time is this plus its period.
        6 Interval = "interval",
        /// Before a turn: checks whether the caller wants the loop back by now.
        7 Until = "until",
        /// When a turn looks at due timers before its poll.
        8 Timers = "timers",
        /// When a shutdown looks at its deadline.
        9 Shutdown = "shutdown",
        /// Before a task, if a tick has a time budget for its tasks.
        10 Budget = "budget",
    }
    /// The loop's function that the program called. "Between two turns" means called by the caller of the loop, not
    /// by a callback.
    LoopCall {
        /// Queued a microtask, between two turns.
        1 Microtask = "microtask",
        /// Left an unknown number of microtasks with the loop's host, between two turns.
        2 HostMicrotasks = "host-microtasks",
        /// Had access to the loop between two turns, for the first time since the heap was measured: it may have
        /// changed.
        3 Heap = "heap",
        /// Put off the release of a reference to the next poll. In a snapshot: did so before.
        4 Release = "release",
        /// Left the outermost level between two turns, with something to drain: the drain follows.
        5 Drain = "drain",
        /// Like `Drain`, where the host had microtasks too.
        6 HostDrain = "host-drain",
        /// Ran one turn, outside of a run: the tick that has just begun.
        7 Turn = "turn",
        /// Ran the first half of a turn: the tick that has just begun.
        8 Tick = "tick",
        /// Ran the second half of a turn: the tick that has just begun.
        9 AutoTick = "auto-tick",
        /// Not a call: the loop carries out the releases that were put off. The change of references follows.
        10 Released = "released",
    }
    /// The policy value that a [`SnapshotPolicy`](super::Event::SnapshotPolicy) holds. Rules are encoded as the
    /// position of their value in documentation order, from 0; times in nanoseconds.
    PolicyField {
        /// The policy's name, a text.
        1 Name = "name",
        /// A step of the first half of a turn: its position in the list of all steps.
        2 TickStep = "tick-step",
        /// A step of the second half.
        3 AutoTickStep = "auto-tick-step",
        /// Which due timers run in one turn.
        4 Timers = "timers",
        /// How many signals are delivered in one turn.
        5 Signals = "signals",
        /// Which ready sources are called in one turn.
        6 Sources = "sources",
        /// Finished jobs that one step takes.
        7 JobsPerRead = "jobs-per-read",
        /// When microtasks are drained.
        8 Drain = "drain",
        /// When a run ends on its own.
        9 Exit = "exit",
        /// Whether a turn polls while tasks are queued.
        10 Poll = "poll",
        /// Poll timeout when no timer is armed.
        11 PollTimeoutDefault = "poll-timeout-default",
        /// Age up to which an earlier poll makes another one unnecessary.
        12 PollGap = "poll-gap",
        /// Sources that may be registered at a time.
        13 SourcesMax = "sources-max",
        /// Tasks that one tick runs.
        14 TasksPerTick = "tasks-per-tick",
        /// Microtasks that one checkpoint runs.
        15 MicrotasksPerCheckpoint = "microtasks-per-checkpoint",
        /// Whether the GC controller acts.
        16 GcEnabled = "gc-enabled",
        /// Period of its repeating timer in fast mode.
        17 GcFast = "gc-fast",
        /// Period of its repeating timer in slow mode.
        18 GcSlow = "gc-slow",
        /// Delay between a heap change and its collection.
        19 GcOneShot = "gc-one-shot",
        /// Firings with an unchanged heap after which the mode becomes slow.
        20 GcUnchangedMax = "gc-unchanged-max",
        /// How panics in callbacks are handled.
        21 Panics = "panics",
        /// How broken drain rules are handled.
        22 Validation = "validation",
        /// Run time above which a task is slow.
        23 SlowTaskLimit = "slow-task-limit",
        /// How often snapshots are taken.
        24 SnapshotInterval = "snapshot-interval",
        /// Maximum number of parts of a snapshot.
        25 SnapshotPartsMax = "snapshot-parts-max",
        /// Time budget of one tick for its tasks.
        26 TaskTimePerTick = "task-time-per-tick",
        /// Revision of the built-in rules (those outside any policy) that the loop follows.
        27 Rules = "rules",
        /// Shortest time between two measurements of the heap.
        28 GcSample = "gc-sample",
    }

    /// What an emitter is doing.
    RunningKind {
        /// Between ticks, or not started.
        1 Outside = "outside",
        /// In a phase, between its tasks.
        2 Phase = "phase",
        /// In a task.
        3 Task = "task",
        /// Waiting for readiness.
        4 Poll = "poll",
    }
}
