//! The event: the single closed vocabulary that everything downstream reads.
//!
//! `T` is the time domain: a program emits `Event<Ticks>`, a reader gets `Event<Timestamp>`. An event with an extent
//! carries its start; its end is the record's own time. Durations are differences of the two, so they add up. New kinds
//! go at the end with a new code; codes are never reused.

mod field;
mod value;
#[macro_use]
mod vocabulary;
mod words;

pub use field::{FIELDS_MAX, Fields, Placement};
pub use value::FieldValue;
pub use vocabulary::DecodeError;
pub use words::*;

use crate::ids::{IoSource, LabelId, SourceId, Tag, TaskId, Ticks, Time, TimerId, Timestamp};
use crate::text::InlineText;
use field::{Field, Reading};

vocabulary! {
    /// A tick begins.
    1 TickStart = "tick_start" { /** Counts up from 1. */ tick: u64, ; }
    /// A tick ended. Busy time is its extent minus that of its [`Poll`](Self::Poll)s.
    2 TickEnd = "tick_end" {
        /** The tick that [`TickStart`](Self::TickStart) announced. */ tick: u64,
        /** Tasks that ran in it. */ tasks_run: u32, ;
        /** When it began. */ start
    }
    /// A phase in which something ran ended. Phases of a tick do not overlap.
    3 Phase = "phase" {
        /** Which. */ phase: Phase, ;
        /** When it began. */ start
    }
    /// A poll returned.
    4 Poll = "poll" {
        /** Why it had this timeout. */ reason: PollReason,
        /** Sources that were ready. */ ready: u32,
        /** The longest that it was to wait; `None` is for ever. */ timeout_ns: Option<u64>, ;
        /** When it began to wait. */ start
    }
    /// A task was queued.
    5 TaskQueued = "task_queued" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The queue, where the task came from, how deep the queue is now. */ place: Placement,
        /** The task that queued it. */ parent: Option<TaskId>,
        /** The emitter that posted it, where that is another one than this record's. */ poster: Option<SourceId>, ;
        /** When it was posted: before the record's time where another thread posted it. */ queued
    }
    /// A task ran.
    6 TaskRan = "task_ran" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** How it ended. */ outcome: Outcome, ;
        /** When it was queued: its start where it was in no queue, or since when is not known. */ queued,
        /** When it started. */ start
    }
    /// A microtask checkpoint in which something ran.
    7 Microtasks = "microtasks" {
        /** The task after which it came. */ trigger: Option<TaskId>,
        /** Microtasks that ran. */ ran: u32,
        /** Microtasks that a budget left for later. */ left: u32, ;
        /** When it began. */ start
    }
    /// A keyed callback was posted to the deferred queue.
    8 DeferredPosted = "deferred_posted" {
        /** Its key. */ key: u64,
        /** The key was queued already; the first callback was kept. */ existed: bool, ;
    }
    /// The deferred queue ran.
    9 DeferredRan = "deferred_ran" {
        /** Callbacks that ran. */ ran: u32,
        /** Callbacks that stay for the next drain. */ kept: u32, ;
        /** When it began. */ start
    }
    /// A batch of immediates ran.
    10 Immediates = "immediates" {
        /** Immediates that ran. */ ran: u32,
        /** Immediates that were set meanwhile and wait for the next tick. */ moved_to_next: u32, ;
        /** When it began. */ start
    }
    /// A timer was armed or re-armed.
    11 TimerArmed = "timer_armed" {
        /** The timer. */ timer: TimerId,
        /** The tag its task will have. */ tag: Tag,
        /** When it is due. */ due: Timestamp,
        /** The period of an interval. */ period_ns: Option<u64>, ;
    }
    /// A due timer is about to run its task.
    12 TimerFired = "timer_fired" {
        /** The timer. */ timer: TimerId,
        /** The tag of its task. */ tag: Tag,
        /** The task that now runs. */ task: TaskId,
        /** When it was due. */ due: Timestamp,
        /** The clock reading that found it due. Its callback begins now: see [`Stamped::timer_wait`](crate::stamped::Stamped::timer_wait). */ fired: Timestamp,
        /** Whole periods that a late interval skipped. */ skipped: u32, ;
    }
    /// A timer was cleared before it fired.
    13 TimerCleared = "timer_cleared" { /** The timer. */ timer: TimerId, ; }
    /// A queue's depth, sampled at the start of the tick.
    14 QueueDepth = "queue_depth" {
        /** The queue. */ queue: Queue,
        /** Its entries. */ depth: u32, ;
    }
    /// A signal was taken from the signal ring.
    15 SignalArrived = "signal_arrived" {
        /** The signal's number. */ signo: u8,
        /** Signals that were in the ring, this one included. */ depth: u32, ;
        /** When its handler ran. */ arrived
    }
    /// A signal's task is about to run.
    16 SignalDelivered = "signal_delivered" {
        /** The signal's number. */ signo: u8,
        /** The task that now runs. */ task: TaskId, ;
        /** When its handler ran. */ arrived
    }
    /// The signal ring was full.
    17 SignalDropped = "signal_dropped" { /** Signals dropped since the loop began. */ total: u64, ; }
    /// The GC controller looked at the heap.
    18 GcDecision = "gc_decision" {
        /** What it decided. */ action: GcAction,
        /** Why. */ reason: GcReason,
        /** The heap it saw, in bytes. */ heap_bytes: u64,
        /** The size above which it would have collected at once, in bytes. */ threshold_bytes: u64, ;
    }
    /// A collection ended.
    19 GcRan = "gc_ran" {
        /** Bytes before. */ heap_bytes_before: u64,
        /** Bytes after. */ heap_bytes_after: u64, ;
        /** When it began. */ start
    }
    /// The GC controller changed its pace.
    20 GcMode = "gc_mode" {
        /** Its pace from now on. */ mode: GcMode,
        /** Firings in a row that found the heap unchanged. */ unchanged_ticks: u32, ;
    }
    /// A job went to the work pool.
    21 WorkQueued = "work_queued" {
        /** The job; its completion runs as a task of the same id. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** Jobs that wait for a worker, this one included. */ depth: u32,
        /** The task that scheduled it. */ parent: Option<TaskId>, ;
    }
    /// A worker finished a job.
    22 WorkRan = "work_ran" {
        /** The job. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The worker, from 0. */ worker: u16,
        /** How it ended. */ outcome: Outcome, ;
        /** When it was scheduled. */ queued,
        /** When the worker took it. */ start
    }
    /// A job's completion ran on the loop thread; its keep-alive is gone.
    23 WorkSettled = "work_settled" {
        /** The job. */ task: TaskId,
        /** Its tag. */ tag: Tag, ;
    }
    /// A tasklet was added to the agenda.
    24 AgendaAdded = "agenda_added" {
        /** The tasklet. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** Its priority. */ priority: Priority,
        /** Tasklets of this priority that wait, this one included. */ depth: u32, ;
    }
    /// A tasklet ran.
    25 AgendaRan = "agenda_ran" {
        /** The tasklet. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** Its priority. */ priority: Priority,
        /** The worker, from 0. */ worker: u16,
        /** How it ended. */ outcome: Outcome, ;
        /** When it was added. */ queued,
        /** When the worker took it. */ start
    }
    /// An agenda worker changed state.
    26 WorkerState = "worker_state" {
        /** The worker, from 0. */ worker: u16,
        /** What it did. */ from: WorkerPhase,
        /** What it does now. */ to: WorkerPhase, ;
    }
    /// All workers met for a collection, or failed to.
    27 GcRendezvous = "gc_rendezvous" {
        /** Workers that came. */ arrived: u32,
        /** Workers that should have come. */ expected: u32, ;
        /** When the first was asked. */ start
    }
    /// Another thread woke the loop.
    28 Wake = "wake" {
        /** The emitter that woke it, where known. */ from: Option<SourceId>,
        /** Further wake-ups that this one stands for. */ coalesced: u32, ;
    }
    /// A command byte came through the self-pipe.
    29 Command = "command" {
        /** The byte. */ byte: u8,
        /** It names a command. */ known: bool, ;
    }
    /// What keeps the loop alive changed.
    30 RefChanged = "ref_changed" {
        /** What was taken or given back. */ what: RefKind,
        /** By how many. */ delta: i32,
        /** References of every kind, now. */ alive: u32, ;
    }
    /// The loop stopped.
    31 LoopStopped = "loop_stopped" { /** Why. */ reason: StopReason, ; }
    /// A source of readiness was registered.
    32 IoRegistered = "io_registered" {
        /** The source. */ source: IoSource,
        /** The tag of its callback. */ tag: Tag, ;
    }
    /// A readiness callback ran.
    33 IoReady = "io_ready" {
        /** The source. */ source: IoSource,
        /** The tag of its callback. */ tag: Tag,
        /** Bit 0 readable, 1 writable, 2 error, 3 hang-up. */ readiness: u8,
        /** The callback's own id: what it queues names it as parent. */ task: TaskId, ;
        /** When it started. */ start
    }
    /// A source of readiness was removed.
    34 IoRemoved = "io_removed" { /** The source. */ source: IoSource, ; }
    /// A task failed or panicked.
    35 Exception = "exception" {
        /** The task. */ task: Option<TaskId>,
        /** What it said. */ message: LabelId, ;
    }
    /// A rule of the loop was broken.
    36 Violation = "violation" { /** The rule. */ rule: LabelId, ; }
    /// A task ran past its limit.
    37 SlowTask = "slow_task" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The limit. */ limit_ns: u64, ;
        /** When it started. */ start
    }
    /// A labelled stretch of work: a `tracing` span, or the program's own.
    38 Span = "span" {
        /** Its name. */ label: LabelId, ;
        /** When it began. */ start
    }
    /// A labelled point, from a `tracing` event or the program itself.
    39 Mark = "mark" { /** Its name. */ label: LabelId, ; }
    /// Records of this emitter were overwritten before a reader had read them. Inserted by that reader.
    40 Lost = "lost" {
        /** How many. */ count: u64, ;
        /** The time of the last record before the gap. */ from
    }
    /// The same instant on all clocks.
    41 Calibration = "calibration" {
        /** The record clock. */ ticks: Ticks,
        /** `CLOCK_MONOTONIC`. */ monotonic: Timestamp,
        /** Nanoseconds since 1970-01-01 UTC. */ wall_ns: u64, ;
    }
    /// From here on, `id` means `text`.
    42 Label = "label" {
        /** What it names. */ kind: LabelKind,
        /** Its number within its kind. */ id: u32,
        /** The text. */ text: InlineText, ;
    }
    /// Input for re-execution: a clock reading given to the scheduler.
    43 InputClock = "input_clock" {
        /** What it was for. */ point: ClockPoint,
        /** The reading. */ now: Timestamp, ;
    }
    /// Input for re-execution: how many entries a batch took.
    44 InputBatch = "input_batch" {
        /** From which queue. */ queue: Queue,
        /** Entries taken. */ taken: u32, ;
    }
    /// Input for re-execution: the measured heap size.
    45 InputHeap = "input_heap" { /** Bytes. */ heap_bytes: u64, ; }
    /// Input for re-execution: what a callback returned.
    46 InputReturned = "input_returned" {
        /** The callback's task. */ task: TaskId,
        /// For a drain of the deferred queue: the position, from 1, of a callback that wants to be kept; the others are
        /// not recorded. 0: the readiness callback that ends now reloads the program.
        value: u32, ;
    }
    /// A snapshot of the scheduler's state begins; its parts follow, then [`SnapshotEnd`](Self::SnapshotEnd).
    47 SnapshotBegin = "snapshot_begin" {
        /** The tick at whose start it was taken. */ tick: u64,
        /** The next task id. */ next_task: TaskId,
        /** The next timer id. */ next_timer: TimerId, ;
    }
    /// Part of a snapshot: an armed timer. They come in arming order.
    48 SnapshotTimer = "snapshot_timer" {
        /** The timer. */ timer: TimerId,
        /** The tag of its task. */ tag: Tag,
        /** When it is due. */ due: Timestamp,
        /** The period of an interval. */ period_ns: Option<u64>,
        /** It keeps the loop alive. */ referenced: bool, ;
    }
    /// Part of a snapshot: a queued task. They come in queue order.
    49 SnapshotTask = "snapshot_task" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** Where it waits. */ queue: Queue, ;
        /** Since when. */ queued
    }
    /// Part of a snapshot: the depth of a queue whose entries are not listed.
    50 SnapshotQueue = "snapshot_queue" {
        /** The queue. */ queue: Queue,
        /** Its entries. */ depth: u32, ;
    }
    /// Part of a snapshot: the GC controller.
    51 SnapshotGc = "snapshot_gc" {
        /** Its pace. */ mode: GcMode,
        /** Firings in a row that found the heap unchanged. */ unchanged_ticks: u32,
        /** The heap it last saw, in bytes. */ heap_bytes: u64,
        /** When its repeating timer is due (monotonic); `None` when it is off. */ periodic_due_ns: Option<u64>,
        /** When its one-shot is due (monotonic); `None` when it is not armed. */ one_shot_due_ns: Option<u64>,
        /** The one-shot fired and the next check acts on it. */ one_shot_fired: bool,
        /// Checks before this time do not measure the heap (monotonic, since 1.3); `None` when the next one does.
        sample_due_ns: Option<u64>,
        /** Something ran since the heap was measured (since 1.3). */ ran: bool, ;
    }
    /// Part of a snapshot: how many references of a kind keep the loop alive.
    52 SnapshotRef = "snapshot_ref" {
        /** The kind. */ what: RefKind,
        /** How many. */ count: u32, ;
    }
    /// A snapshot is complete.
    53 SnapshotEnd = "snapshot_end" {
        /** Parts between the begin and this. */ parts: u32,
        /** Parts that were too many to write: re-execution cannot start here unless 0. */ left_out: u32, ;
    }
    /// Input for re-execution: a timer was referenced or unreferenced.
    54 TimerRef = "timer_ref" {
        /** The timer. */ timer: TimerId,
        /** It keeps the loop alive from now on. */ referenced: bool, ;
    }
    /// Input for re-execution: a run began, and when its caller wants the loop back. In a snapshot: a run in progress.
    55 InputRun = "input_run" { /** `None` is "when it is done" (monotonic). */ until_ns: Option<u64>, ; }
    /// Input for re-execution: an immediate was referenced or unreferenced. In a snapshot: one that is unreferenced.
    56 ImmediateRef = "immediate_ref" {
        /** The immediate. */ task: TaskId,
        /** It keeps the loop alive from now on. */ referenced: bool, ;
    }
    /// Input for re-execution: a request for the GC controller's next check. In a snapshot: one still pending.
    57 InputGc = "input_gc" { /** The program asked for a collection, or the system is short of memory. */ reason: GcReason, ; }
    /// A key was taken back from the deferred queue.
    58 DeferredRemoved = "deferred_removed" { /** The key. */ key: u64, ; }
    /// Part of a snapshot: a key of the deferred queue. They come in queue order.
    59 SnapshotDeferred = "snapshot_deferred" {
        /** The key. */ key: u64,
        /** A drain kept it, and it was not posted again: it waits for the next drain and is no work (since 1.3). */ kept: bool, ;
    }
    /// A readable label of a source of readiness.
    60 IoLabel = "io_label" {
        /** The source. */ source: IoSource,
        /** The explanation, a text. */ label: LabelId, ;
    }
    /// The interest of a source of readiness: recorded on registration and on every change.
    61 IoModified = "io_modified" {
        /** The source. */ source: IoSource,
        /** Bit 0 readable, 1 writable, 2 priority. */ interest: u8, ;
    }
    /// A pump of a foreign loop returned.
    62 Pumped = "pumped" {
        /** It handled a source of the foreign loop. */ handled: bool,
        /** It was called because the foreign loop was ready, not because time had passed. */ ready: bool,
        /** The longest that it was to wait. */ timeout_ns: u64, ;
        /** When it began. */ start
    }
    /// A shutdown began: from here on the loop takes no new work.
    63 ShutdownBegan = "shutdown_began" { /** When it has to be over. */ deadline: Timestamp, ; }
    /// A shutdown ended.
    64 ShutdownEnded = "shutdown_ended" {
        /** Pieces of work that ran to their end meanwhile. */ finished: u32,
        /** Pieces of work that were cancelled, as their owners had chosen. */ cancelled: u32,
        /** Pieces of work that the deadline cut off. */ left: u32, ;
        /** When it began. */ start
    }
    /// Part of a snapshot: something that keeps the loop alive, by name.
    65 SnapshotPending = "snapshot_pending" {
        /** What it is. */ what: RefKind,
        /** Its tag, where it has one. */ tag: Tag,
        /** Its name, where that is no tag's. */ label: Option<LabelId>,
        /** How many of that name. */ count: u32, ;
    }
    /// Part of a snapshot: a value of the policy in force. Steps come in their order.
    66 SnapshotPolicy = "snapshot_policy" {
        /** Which. */ field: PolicyField,
        /** Its value; `None` is "no limit", or "for ever". */ value: Option<u64>, ;
    }
    /// Part of a snapshot: the loop's state apart from its queues.
    67 SnapshotLoop = "snapshot_loop" {
        /** When the next snapshot is due (monotonic). */ due: Timestamp,
        /** The reading behind its last poll (monotonic). */ polled_ns: Option<u64>,
        /** Signals dropped since the loop began. */ signals_dropped: u64,
        /** The number that it tries first for the next source. */ next_source: u32,
        /** Sources registered and directions called. */ calls: u64,
        /** The depth of the concurrent queue that was told last. */ concurrent: u32,
        /** Finished jobs that were put aside. */ finished: u32,
        /** References that the program holds: below 0 where a release came first. */ held: i32,
        /// Bit 0: woken since its last poll; 1: a run is in progress; 2: it watches a heap; 3: futures are in use; 4:
        /// it was asked to stop; 5: it is shutting down; 6: what a task that reloaded the program left is not drained
        /// yet.
        flags: u8, ;
    }
    /// Part of a snapshot: a registered source of readiness.
    68 SnapshotIo = "snapshot_io" {
        /** The source. */ source: IoSource,
        /** The tag of its callback. */ tag: Tag,
        /** What it is asked about, by the bits of [`IoModified`](Self::IoModified). */ interest: u8,
        /** It keeps the loop alive. */ referenced: bool,
        /** When it was called last for reading, as the loop counts its calls. */ read: u64,
        /** When it was called last for writing, as the loop counts its calls. */ write: u64, ;
    }
    /// Part of a snapshot: a signal that has a handler.
    69 SnapshotSignal = "snapshot_signal" {
        /** The signal's number. */ signo: u8,
        /** The tag of its tasks. */ tag: Tag, ;
    }
    /// Part of a snapshot: a job whose completion has not run.
    70 SnapshotWork = "snapshot_work" {
        /** The job. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The task that scheduled it. */ parent: Option<TaskId>, ;
    }
    /// Input for re-execution: a signal got a handler, or lost it.
    71 SignalHandler = "signal_handler" {
        /** The signal's number. */ signo: u8,
        /** The tag of its tasks. */ tag: Tag,
        /** It has one from now on. */ installed: bool, ;
    }
    /// Input for re-execution: a source was referenced or unreferenced.
    72 IoRef = "io_ref" {
        /** The source. */ source: IoSource,
        /** It keeps the loop alive from now on. */ referenced: bool, ;
    }
    /// Input for re-execution: a poll found this source ready. Recorded only where the policy has to choose among
    /// several.
    73 InputReady = "input_ready" {
        /** The source. */ source: IoSource,
        /** By the bits of [`IoReady`](Self::IoReady). */ readiness: u8, ;
    }
    /// Input for re-execution: only external events keep the loop from waiting, or from ending, now.
    74 InputNews = "input_news" { /** From ending, and not only from waiting. */ ends: bool, ; }
    /// Input for re-execution: the run was asked to end.
    75 InputStop = "input_stop" { /** Another thread did. */ outside: bool, ; }
    /// Input for re-execution: the loop was asked to shut down.
    76 InputShutdown = "input_shutdown" {
        /** Somebody other than a callback did. */ outside: bool,
        /** How long it may take. */ within_ns: u64, ;
    }
    /// Part of a snapshot: a queued task's origin, if what follows the task depends on it.
    77 SnapshotOrigin = "snapshot_origin" {
        /** The task. */ task: TaskId,
        /** The completion of a job, or a signal. */ origin: Origin,
        /** The signal's number, 0 where it is none. */ signo: u8, ;
    }
    /// A callback from outside ran, between two ticks.
    78 CallbackRan = "callback_ran" {
        /** Its name. */ label: LabelId, ;
        /** When it started. */ start
    }
    /// Input for re-execution: the number of references held by other threads changed.
    79 InputRefs = "input_refs" { /** By how many. */ delta: i32, ; }
    /// What the emitter is doing at the record's time. Written by the recorder, not by the emitter, while the emitter
    /// records nothing: an unfinished tick, task or poll lasts at least until then. See
    /// [`Running`](crate::recorder::Running).
    80 Running = "running" {
        /** What kind of thing. */ what: RunningKind,
        /** The tag of the task. */ tag: Tag,
        /** The phase. */ phase: Option<Phase>,
        /** The task. */ task: Option<TaskId>,
        /** When the poll returns at the latest; `None` is never. */ deadline: Option<Timestamp>, ;
        /** Since when. */ since
    }
    /// The whole process was stopped or frozen, or the machine slept. Recorded on resumption, with the time from which
    /// the process could run again.
    81 Suspended = "suspended" {
        /** For how long the machine slept meanwhile, which `CLOCK_MONOTONIC` does not count. */ asleep_ns: u64, ;
        /** The last time at which it is known to have run. */ alive,
        /** From here on it did not run. */ start
    }
    /// Processor shortage counted by the kernel from `start` to the record's time. Written by the recorder, for the
    /// whole process.
    82 Pressure = "pressure" {
        /** A task of the machine waited for a processor; `None` where the kernel does not say. */ waited_ns: Option<u64>,
        /** The hypervisor ran something else, on all processors together. */ stolen_ns: Option<u64>,
        /** Threads of the process waited for a processor, all together. */ delayed_ns: Option<u64>, ;
        /** From here on. */ start
    }
    /// The process is gone without ending its session: it died some time after the record's time, when it was last
    /// known to exist. Written by the recorder, for the whole process, as the last event.
    83 Crashed = "crashed" { ; }
}
