//! The closed vocabulary of events, which every reader of a recording shares.
//!
//! `T` is the time domain: a program emits `Event<Ticks>`, a reader gets `Event<Timestamp>`. An event with an extent
//! carries its start time and ends at the record's own time. Durations are differences of the two, so they add up. New
//! kinds are appended with a new code; codes are never reused.

mod field;
mod value;
#[macro_use]
mod vocabulary;
mod enums;

pub use enums::*;
pub use field::{FIELDS_MAX, Fields};
pub use value::{FieldValue, Placement};
pub use vocabulary::DecodeError;

use crate::ids::{IoSource, LabelId, NonMax, SourceId, Tag, TaskId, Ticks, Time, TimerId, Timestamp};
use crate::text::Text;
use field::{Field, Reading};

vocabulary! {
    /// A tick begins.
    1 TickStart = "tick_start" { /** The tick's number, from 1. */ tick: u64, ; }
    /// A tick ended. Its busy time is its extent minus the extents of its [`Poll`](Self::Poll)s.
    2 TickEnd = "tick_end" {
        /** The tick's number, as in its [`TickStart`](Self::TickStart). */ tick: u64,
        /** Tasks that ran in the tick. */ tasks_run: u32, ;
        /** When it began. */ start
    }
    /// A phase ended in which something ran. The phases of a tick do not overlap.
    3 Phase = "phase" {
        /** The phase that ended. */ phase: Phase, ;
        /** When it began. */ start
    }
    /// A poll returned.
    4 Poll = "poll" {
        /** Why the poll had this timeout. */ reason: PollReason,
        /** Sources that were ready. */ ready: u32,
        /** The longest it could wait; `None` is without limit. */ timeout_ns: Option<u64>, ;
        /** When the wait began. */ start
    }
    /// A task was queued. In the concurrent queue: a post, or the result of a job, that the loop never took before it was
    /// closed, recorded at that time; a post has no tag.
    5 TaskQueued = "task_queued" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The queue, its depth with this task, and the task's origin. */ place: Placement,
        /** The task that queued it. */ parent: Option<NonMax<TaskId>>,
        /** The emitter that posted it, if not the emitter of this record. */ poster: Option<SourceId>, ;
        /** When it was posted; earlier than the record's time if another thread posted it. */ queued
    }
    /// A task ran.
    6 TaskRan = "task_ran" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** How it ended. */ outcome: Outcome, ;
        /** When it was queued; equals `start` if it was in no queue or the time is unknown. */ queued,
        /** When it started. */ start
    }
    /// A microtask checkpoint ran at least one microtask.
    7 Microtasks = "microtasks" {
        /** The task that the checkpoint followed. */ trigger: Option<TaskId>,
        /** Microtasks that ran. */ ran: u32,
        /** Microtasks left for later because the budget ran out. */ left: u32, ;
        /** When it began. */ start
    }
    /// A keyed callback was posted to the deferred queue.
    8 DeferredPosted = "deferred_posted" {
        /** Its key. */ key: u64,
        /** Whether the key was queued already; if so, the first callback stays. */ existed: bool, ;
    }
    /// The deferred queue ran.
    9 DeferredRan = "deferred_ran" {
        /** Callbacks that ran. */ ran: u32,
        /** Callbacks kept for the next drain. */ kept: u32, ;
        /** When it began. */ start
    }
    /// A batch of immediates ran.
    10 Immediates = "immediates" {
        /** Immediates that ran. */ ran: u32,
        /** Immediates set during the batch, which wait for the next tick. */ moved_to_next: u32, ;
        /** When it began. */ start
    }
    /// A timer was armed or re-armed.
    11 TimerArmed = "timer_armed" {
        /** The timer. */ timer: TimerId,
        /** The tag of its task. */ tag: Tag,
        /** When it is due. */ due: Timestamp,
        /** The period, if it is an interval. */ period_ns: Option<u64>, ;
    }
    /// A due timer is about to run its task.
    12 TimerFired = "timer_fired" {
        /** The timer. */ timer: TimerId,
        /** The tag of its task. */ tag: Tag,
        /** The task that runs now. */ task: TaskId,
        /** When it was due. */ due: Timestamp,
        /** The clock reading that found it due. Its callback starts at the record's time: see [`Stamped::timer_wait`](crate::stamped::Stamped::timer_wait). */ fired: Timestamp,
        /** Whole periods that an interval skipped because it fired late. */ skipped: u32, ;
    }
    /// A timer was cleared before it fired.
    13 TimerCleared = "timer_cleared" { /** The timer. */ timer: TimerId, ; }
    /// A queue's depth, sampled at the start of the tick.
    14 QueueDepth = "queue_depth" {
        /** The queue. */ queue: Queue,
        /** Entries in the queue. */ depth: u32, ;
    }
    /// A signal was taken from the signal ring.
    15 SignalArrived = "signal_arrived" {
        /** The signal's number. */ signo: u8,
        /** Signals in the ring, including this one. */ depth: u32, ;
        /** When the signal handler ran. */ arrived
    }
    /// A signal's task is about to run.
    16 SignalDelivered = "signal_delivered" {
        /** The signal's number. */ signo: u8,
        /** The task that runs now. */ task: TaskId, ;
        /** When the signal handler ran. */ arrived
    }
    /// A signal was dropped because the signal ring was full.
    17 SignalDropped = "signal_dropped" { /** Signals dropped since the loop began. */ total: u64, ; }
    /// The GC controller checked the heap.
    18 GcDecision = "gc_decision" {
        /** The decision. */ action: GcAction,
        /** The reason for it. */ reason: GcReason,
        /** The heap size it measured, in bytes. */ heap_bytes: u64,
        /** The heap size above which it collects at once, in bytes. */ threshold_bytes: u64, ;
    }
    /// A collection ended.
    19 GcRan = "gc_ran" {
        /** Heap size before the collection, in bytes. */ heap_bytes_before: u64,
        /** Heap size after the collection, in bytes. */ heap_bytes_after: u64, ;
        /** When it began. */ start
    }
    /// The GC controller changed its mode.
    20 GcMode = "gc_mode" {
        /** The new mode. */ mode: GcMode,
        /** Consecutive firings of its timer that found the heap unchanged. */ unchanged_ticks: u32, ;
    }
    /// A job was queued for the work pool.
    21 WorkQueued = "work_queued" {
        /** The job; its completion runs as a task with the same id. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** Jobs waiting for a worker, including this one. */ depth: u32,
        /** The task that scheduled it. */ parent: Option<NonMax<TaskId>>, ;
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
    /// A job's completion ran on the loop thread; the job no longer keeps the loop alive.
    23 WorkSettled = "work_settled" {
        /** The job. */ task: TaskId,
        /** Its tag. */ tag: Tag, ;
    }
    /// A tasklet was added to the agenda.
    24 AgendaAdded = "agenda_added" {
        /** The tasklet. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** Its priority. */ priority: Priority,
        /** Waiting tasklets of this priority, including this one. */ depth: u32, ;
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
        /** The previous state. */ from: WorkerPhase,
        /** The new state. */ to: WorkerPhase, ;
    }
    /// A rendezvous for a collection ended: all workers arrived, or some did not in time.
    27 GcRendezvous = "gc_rendezvous" {
        /** Workers that arrived. */ arrived: u32,
        /** Workers that were expected. */ expected: u32, ;
        /** When the first one was asked to stop. */ start
    }
    /// Another thread woke the loop.
    28 Wake = "wake" {
        /** The emitter that woke it, if known. */ from: Option<SourceId>,
        /** Further wakeups merged into this one. */ coalesced: u32, ;
    }
    /// A command byte arrived through the self-pipe.
    29 Command = "command" {
        /** The byte. */ byte: u8,
        /** Whether it names a command. */ known: bool, ;
    }
    /// The number of references that keep the loop alive changed.
    30 RefChanged = "ref_changed" {
        /** The kind of reference that was taken or released. */ what: RefKind,
        /** The change in their number. */ delta: i32,
        /** References of all kinds after the change. */ alive: u32, ;
    }
    /// The loop stopped.
    31 LoopStopped = "loop_stopped" { /** Why it stopped. */ reason: StopReason, ; }
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
        /** The callback's id, which is the parent of the tasks it queues. */ task: TaskId, ;
        /** When it started. */ start
    }
    /// A source of readiness was removed.
    34 IoRemoved = "io_removed" { /** The source. */ source: IoSource, ; }
    /// A task failed or panicked.
    35 Exception = "exception" {
        /** The task. */ task: Option<TaskId>,
        /** The error or panic message. */ message: LabelId, ;
    }
    /// An invariant of the loop was violated.
    36 Violation = "violation" { /** The name of the rule. */ rule: LabelId, ; }
    /// A task ran past its limit.
    37 SlowTask = "slow_task" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The limit that it exceeded. */ limit_ns: u64, ;
        /** When it started. */ start
    }
    /// A labelled span of work, from a `tracing` span or the program itself.
    38 Span = "span" {
        /** Its name. */ label: LabelId, ;
        /** When it began. */ start
    }
    /// A labelled point in time, from a `tracing` event or the program itself.
    39 Mark = "mark" { /** Its name. */ label: LabelId, ; }
    /// Records of this emitter were overwritten before a reader read them. Inserted by that reader.
    40 Lost = "lost" {
        /** The number of records lost. */ count: u64, ;
        /** The time of the last record before the gap. */ from
    }
    /// The readings of all clocks at one instant.
    41 Calibration = "calibration" {
        /** The clock that stamps records. */ ticks: Ticks,
        /** `CLOCK_MONOTONIC`. */ monotonic: Timestamp,
        /** Nanoseconds since 1970-01-01 UTC. */ wall_ns: u64, ;
    }
    /// Assigns a text to an id: from here on, `id` means `text`.
    42 Label = "label" {
        /** What it names. */ kind: LabelKind,
        /** Its number, unique within the kind. */ id: u32,
        /** The text. */ text: Text, ;
    }
    /// Input for re-execution: a clock reading passed to the scheduler.
    43 InputClock = "input_clock" {
        /** What the reading was for. */ point: ClockPoint,
        /** The reading. */ now: Timestamp, ;
    }
    /// Input for re-execution: the size of a batch taken from a queue.
    44 InputBatch = "input_batch" {
        /** The queue. */ queue: Queue,
        /** Entries taken. */ taken: u32, ;
    }
    /// Input for re-execution: the measured heap size.
    45 InputHeap = "input_heap" { /** The heap size in bytes. */ heap_bytes: u64, ; }
    /// Input for re-execution: the value that a callback returned.
    46 InputReturned = "input_returned" {
        /** The callback's task. */ task: TaskId,
        /// In a drain of the deferred queue: the position, from 1, of a callback that asked to be kept; callbacks that
        /// did not are not recorded. 0: the readiness callback that ends now reloads the program.
        value: u32, ;
    }
    /// A snapshot of the scheduler's state begins. Its parts follow, then [`SnapshotEnd`](Self::SnapshotEnd).
    47 SnapshotBegin = "snapshot_begin" {
        /** The tick at the start of which it was taken. */ tick: u64,
        /** The next task id. */ next_task: TaskId,
        /** The next timer id. */ next_timer: TimerId, ;
    }
    /// Part of a snapshot: an armed timer. Timers are listed in arming order.
    48 SnapshotTimer = "snapshot_timer" {
        /** The timer. */ timer: TimerId,
        /** The tag of its task. */ tag: Tag,
        /** When it is due. */ due: Timestamp,
        /** The period, if it is an interval. */ period_ns: Option<u64>,
        /** Whether it keeps the loop alive. */ referenced: bool, ;
    }
    /// Part of a snapshot: a queued task. Tasks are listed in queue order.
    49 SnapshotTask = "snapshot_task" {
        /** The task. */ task: TaskId,
        /** Its tag. */ tag: Tag,
        /** The queue in which it waits. */ queue: Queue, ;
        /** When it was queued. */ queued
    }
    /// Part of a snapshot: the depth of a queue whose entries are not listed.
    50 SnapshotQueue = "snapshot_queue" {
        /** The queue. */ queue: Queue,
        /** Entries in the queue. */ depth: u32, ;
    }
    /// Part of a snapshot: the state of the GC controller.
    51 SnapshotGc = "snapshot_gc" {
        /** Its mode. */ mode: GcMode,
        /** Consecutive firings of its timer that found the heap unchanged. */ unchanged_ticks: u32,
        /** The last measured heap size, in bytes. */ heap_bytes: u64,
        /** When its repeating timer is due (monotonic); `None` if it is off. */ periodic_due_ns: Option<NonMax<u64>>,
        /** When its one-shot timer is due (monotonic); `None` if it is not armed. */ one_shot_due_ns: Option<NonMax<u64>>,
        /** Whether the one-shot fired; the next check acts on it. */ one_shot_fired: bool,
        /// Checks before this time do not measure the heap (monotonic, since 1.3); `None` if the next one does.
        sample_due_ns: Option<NonMax<u64>>,
        /** Whether anything ran since the heap was last measured (since 1.3). */ ran: bool, ;
    }
    /// Part of a snapshot: the number of references of one kind that keep the loop alive.
    52 SnapshotRef = "snapshot_ref" {
        /** The kind. */ what: RefKind,
        /** The number of references. */ count: u32, ;
    }
    /// A snapshot is complete.
    53 SnapshotEnd = "snapshot_end" {
        /** Parts recorded between the start of the snapshot and this event. */ parts: u32,
        /** Parts over the limit, which were left out: re-execution can start here only if 0. */ left_out: u32, ;
    }
    /// Input for re-execution: a timer was referenced or unreferenced.
    54 TimerRef = "timer_ref" {
        /** The timer. */ timer: TimerId,
        /** Whether it keeps the loop alive from now on. */ referenced: bool, ;
    }
    /// Input for re-execution: a run began, with a time limit or without. In a snapshot: a run in progress.
    55 InputRun = "input_run" { /** When the run has to return (monotonic); `None` if only when its work is done. */ until_ns: Option<u64>, ; }
    /// Input for re-execution: an immediate was referenced or unreferenced. In a snapshot: one that is unreferenced.
    56 ImmediateRef = "immediate_ref" {
        /** The immediate. */ task: TaskId,
        /** Whether it keeps the loop alive from now on. */ referenced: bool, ;
    }
    /// Input for re-execution: a request to the GC controller, for its next check. In a snapshot: one still pending.
    57 InputGc = "input_gc" { /** Whether the program asked for a collection or the system is short of memory. */ reason: GcReason, ; }
    /// A key was removed from the deferred queue.
    58 DeferredRemoved = "deferred_removed" { /** The key. */ key: u64, ; }
    /// Part of a snapshot: a key in the deferred queue. Keys are listed in queue order.
    59 SnapshotDeferred = "snapshot_deferred" {
        /** The key. */ key: u64,
        /** Whether a drain kept it without a new post: it waits for the next drain and is not pending work (since 1.3). */ kept: bool, ;
    }
    /// A readable explanation of a source of readiness.
    60 IoLabel = "io_label" {
        /** The source. */ source: IoSource,
        /** The id of the explanation's text. */ label: LabelId, ;
    }
    /// The interest of a source of readiness, recorded on registration and on every change.
    61 IoModified = "io_modified" {
        /** The source. */ source: IoSource,
        /** Bit 0 readable, 1 writable, 2 priority. */ interest: u8, ;
    }
    /// A pump of a foreign loop returned.
    62 Pumped = "pumped" {
        /** Whether it handled a source of the foreign loop. */ handled: bool,
        /** Whether it was called because the foreign loop was ready, rather than because time had passed. */ ready: bool,
        /** The longest it could wait. */ timeout_ns: u64, ;
        /** When it began. */ start
    }
    /// A shutdown began. From here on, the loop takes no new work.
    63 ShutdownBegan = "shutdown_began" { /** The time by which it has to end. */ deadline: Timestamp, ; }
    /// A shutdown ended.
    64 ShutdownEnded = "shutdown_ended" {
        /** Pieces of work that finished during the shutdown. */ finished: u32,
        /** Pieces of work that were cancelled, as their owners chose. */ cancelled: u32,
        /** Pieces of work that the deadline cut off. */ left: u32, ;
        /** When it began. */ start
    }
    /// Part of a snapshot: something that keeps the loop alive, by name.
    65 SnapshotPending = "snapshot_pending" {
        /** The kind of reference. */ what: RefKind,
        /** Its tag, if it has one. */ tag: Tag,
        /** Its name, if it is not the tag's. */ label: Option<LabelId>,
        /** The number of references with this name. */ count: u32, ;
    }
    /// Part of a snapshot: a value of the policy in force. Steps are listed in the order in which they run.
    66 SnapshotPolicy = "snapshot_policy" {
        /** The field of the policy. */ field: PolicyField,
        /** Its value; `None` is no limit, or for a timeout, for ever. */ value: Option<u64>, ;
    }
    /// Part of a snapshot: the state of the loop outside of its queues.
    67 SnapshotLoop = "snapshot_loop" {
        /** When the next snapshot is due (monotonic). */ due: Timestamp,
        /** The clock reading after its last poll (monotonic). */ polled_ns: Option<NonMax<u64>>,
        /** Signals dropped since the loop began, at most `u32::MAX`. */ signals_dropped: u32,
        /** The number it tries first for the next source. */ next_source: u32,
        /** Sources registered plus directions called, so far. */ calls: u64,
        /** The last recorded depth of the concurrent queue. */ concurrent: u32,
        /** Finished jobs that were set aside. */ finished: u32,
        /** References held by the program; negative if a release came first. */ held: i32,
        /// Bit 0: woken since its last poll; 1: a run is in progress; 2: it watches a heap; 3: futures are in use; 4:
        /// it was asked to stop; 5: it is shutting down; 6: the drain that a task skipped by reloading the program is
        /// still due.
        flags: u8, ;
    }
    /// Part of a snapshot: a registered source of readiness.
    68 SnapshotIo = "snapshot_io" {
        /** The source. */ source: IoSource,
        /** The tag of its callback. */ tag: Tag,
        /** Its interest, in the bits of [`IoModified`](Self::IoModified). */ interest: u8,
        /** Whether it keeps the loop alive. */ referenced: bool,
        /** When it was last called for reading, in the loop's count of calls. */ read: u64,
        /** When it was last called for writing, in the loop's count of calls. */ write: u64, ;
    }
    /// Part of a snapshot: a signal with a handler.
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
    /// Input for re-execution: a signal's handler was installed or removed.
    71 SignalHandler = "signal_handler" {
        /** The signal's number. */ signo: u8,
        /** The tag of its tasks. */ tag: Tag,
        /** Whether the signal has a handler from now on. */ installed: bool, ;
    }
    /// Input for re-execution: a source was referenced or unreferenced.
    72 IoRef = "io_ref" {
        /** The source. */ source: IoSource,
        /** Whether it keeps the loop alive from now on. */ referenced: bool, ;
    }
    /// Input for re-execution: a poll found this source ready. Recorded only if the policy has to choose among
    /// several.
    73 InputReady = "input_ready" {
        /** The source. */ source: IoSource,
        /** In the bits of [`IoReady`](Self::IoReady). */ readiness: u8, ;
    }
    /// Input for re-execution: only external events keep the loop from waiting or ending.
    74 InputNews = "input_news" { /** Whether they keep it from ending, and not only from waiting. */ ends: bool, ; }
    /// Input for re-execution: the run was asked to end.
    75 InputStop = "input_stop" { /** Whether it was requested outside a callback. */ outside: bool, ; }
    /// Input for re-execution: the loop was asked to shut down.
    76 InputShutdown = "input_shutdown" {
        /** Whether it was requested outside a callback. */ outside: bool,
        /** The longest it may take. */ within_ns: u64, ;
    }
    /// Part of a snapshot: a queued task's origin, if the steps after the task depend on it.
    77 SnapshotOrigin = "snapshot_origin" {
        /** The task. */ task: TaskId,
        /** The origin: work (the completion of a job) or a signal. */ origin: Origin,
        /** The signal's number; 0 for other origins. */ signo: u8, ;
    }
    /// A callback from outside of the loop ran, between two ticks.
    78 CallbackRan = "callback_ran" {
        /** Its name. */ label: LabelId, ;
        /** When it started. */ start
    }
    /// Input for re-execution: the number of references held by other threads changed.
    79 InputRefs = "input_refs" { /** The change in their number. */ delta: i32, ; }
    /// What the emitter is doing at the record's time. Written by the recorder, not by the emitter, while the emitter
    /// records nothing: an unfinished tick, task or poll lasts at least until that time. See
    /// [`Running`](crate::recorder::Running).
    80 Running = "running" {
        /** Whether it is in a task, in a phase, in a poll, or outside of ticks. */ what: RunningKind,
        /** The tag of the task. */ tag: Tag,
        /** The phase. */ phase: Option<Phase>,
        /** The task. */ task: Option<TaskId>,
        /** The latest time at which the poll returns; `None` if it has no timeout. */ deadline: Option<Timestamp>, ;
        /** When it began. */ since
    }
    /// The whole process was stopped or frozen, or the machine slept. Recorded on resumption, with the time from which
    /// the process could run again.
    81 Suspended = "suspended" {
        /** How long the machine slept, which `CLOCK_MONOTONIC` does not count. */ asleep_ns: u64, ;
        /** The last time at which the process is known to have run. */ alive,
        /** When it stopped running. */ start
    }
    /// Processor shortage between `start` and the record's time, as counted by the kernel. Written by the recorder, for
    /// the whole process.
    82 Pressure = "pressure" {
        /** How long some task of the machine waited for a processor; `None` if the kernel does not say. */ waited_ns: Option<NonMax<u64>>,
        /** How long the hypervisor ran something else, summed over all processors. */ stolen_ns: Option<NonMax<u64>>,
        /** How long threads of the process waited for a processor, summed over the threads. */ delayed_ns: Option<NonMax<u64>>, ;
        /** Start of the interval. */ start
    }
    /// The process died without ending its session, some time after the record's time, when it was last known to exist.
    /// Written by the recorder, for the whole process, as the last event.
    83 Crashed = "crashed" { ; }
    /// Input for re-execution: a call of the program to its loop that no other event shows.
    84 InputCall = "input_call" { /** The called function. */ call: LoopCall, ; }
}

// Streams are copied, kept and sorted by the million.
const _: () = assert!(size_of::<Event>() <= 48 && size_of::<crate::stamped::Stamped>() <= 64);
