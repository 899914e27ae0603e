//! The state of a loop at the start of a tick, as in a snapshot, with the tasks to run.

use std::collections::HashMap;

use loop_probes::event::{Event, GcReason, Origin, Queue, RefKind};
use loop_probes::ids::{IoSource, TaskId, TimerId, Timestamp};

use crate::gc::GcState;
use crate::poller::{Interest, Source};
use crate::shutdown::OnShutdown;
use crate::task::DeferredCallback;
use crate::task::Task;
use crate::timer::Timer;

/// An armed timer.
#[derive(Debug)]
pub struct TimerState<T> {
    /// The timer's number.
    pub timer: TimerId,
    /// The task that the timer runs.
    pub task: T,
    /// When the timer is due.
    pub due: Timestamp,
    /// The period of an interval, in nanoseconds; `None` for a one-shot.
    pub period_ns: Option<u64>,
    /// Whether the timer keeps the loop alive.
    pub referenced: bool,
    /// What a shutdown does with the timer.
    pub on_shutdown: OnShutdown,
}

/// A queued task.
#[derive(Debug)]
pub struct QueuedState<T> {
    /// The task's id.
    pub id: TaskId,
    /// The task to run.
    pub task: T,
    /// What queued the task. For [`Origin::Work`], the job is settled after the task ran.
    pub origin: Origin,
    /// The signal that the task delivers; 0 if none.
    pub signo: u8,
}

/// A registered source of readiness.
pub struct SourceState<T> {
    /// The source's number.
    pub source: IoSource,
    /// The source given to the poller.
    pub watched: Source,
    /// The task that runs when the source is ready.
    pub task: T,
    /// The readiness to wait for.
    pub interest: Interest,
    /// Whether the source keeps the loop alive.
    pub referenced: bool,
    /// When the source was last called for reading and for writing, as values of the loop's [`calls`](LoopState::calls).
    pub called: [u64; 2],
    /// What a shutdown does with the source.
    pub on_shutdown: OnShutdown,
}

/// A loop's complete state at the start of a tick, with tasks that stand for the recorded ones.
pub struct LoopState<T: Task> {
    /// The number of the tick that begins.
    pub tick: u64,
    /// Id that the next task gets.
    pub next_task: TaskId,
    /// Number that the next timer gets.
    pub next_timer: TimerId,
    /// Number that is tried first for the next source.
    pub next_source: u32,
    /// Count of sources registered and directions called.
    pub calls: u64,
    /// The loop's latest clock reading.
    pub now: Timestamp,
    /// Whether the loop's last tick read the clock. If not, the next tick reads it to check whether a snapshot is due.
    pub has_read: bool,
    /// The clock reading after the loop's last poll.
    pub polled: Option<Timestamp>,
    /// When the next snapshot is due; `None` takes one in the first tick.
    pub snapshot_due: Option<Timestamp>,
    /// Whether the loop was woken since its last poll.
    pub woken: bool,
    /// Whether a stop was requested.
    pub stopping: bool,
    /// Whether a task reloaded the program and its microtasks and deferred callbacks are not drained yet.
    pub owes_drain: bool,
    /// Whether futures are in use: the loop then carries out their requests after each callback.
    pub futures: bool,
    /// Signals dropped since the loop began.
    pub signals_dropped: u64,
    /// Queue depths last recorded. Queues not listed have their actual depth.
    pub depths: Vec<(Queue, u32)>,
    /// Armed timers, in arming order.
    pub timers: Vec<TimerState<T>>,
    /// Queued tasks, in order.
    pub tasks: Vec<QueuedState<T>>,
    /// Immediates in order; true if the immediate keeps the loop alive.
    pub immediates: Vec<(QueuedState<T>, bool)>,
    /// Tasks deferred to the end of the turn, in order.
    pub after_loop: Vec<QueuedState<T>>,
    /// Microtasks, in order.
    pub microtasks: Vec<T>,
    /// The deferred queue, in order: key, whether the entry was kept by a drain and not posted again since, and callback.
    pub deferred: Vec<(u64, bool, DeferredCallback<T>)>,
    /// State of the GC controller.
    pub gc: Option<GcState>,
    /// Pending notices for the GC controller's next check.
    pub notices: Vec<GcReason>,
    /// Registered sources.
    pub sources: Vec<SourceState<T>>,
    /// Signal handlers, by signal number.
    pub handlers: Vec<(u8, T)>,
    /// Jobs whose completion has not run: the job, the task to run if it is rejected, and the task that scheduled it.
    pub work: Vec<(TaskId, T, Option<TaskId>)>,
    /// Finished jobs that wait for a later tick, in order.
    pub finished: Vec<(TaskId, Option<T::Remote>)>,
    /// Number of references held by the program; below 0 if a release came first.
    pub held: i64,
    /// Number of references by kind, for sources, jobs, signals, agendas and futures.
    pub refs: Vec<(RefKind, u32)>,
}

impl GcState {
    /// Reads the controller's state from a part of a snapshot; `None` for other parts.
    #[must_use]
    pub fn of_part<T>(part: &Event<T>) -> Option<Self> {
        let Event::SnapshotGc {
            mode,
            unchanged_ticks,
            heap_bytes,
            periodic_due_ns,
            one_shot_due_ns,
            one_shot_fired,
            sample_due_ns,
            ran,
        } = *part
        else {
            return None;
        };
        let [periodic_due, one_shot_due, sample_due] =
            [periodic_due_ns, one_shot_due_ns, sample_due_ns].map(|due| due.map(|ns| Timestamp(ns.get())));
        Some(Self {
            mode,
            unchanged_ticks,
            heap_bytes,
            periodic_due,
            one_shot_due,
            one_shot_fired,
            sample_due,
            ran,
        })
    }
}

impl<T: Task> LoopState<T> {
    /// The state of a new loop at `now`, with nothing waiting.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            tick: 1,
            next_task: TaskId(1),
            next_timer: TimerId(1),
            next_source: 0,
            calls: 0,
            now,
            has_read: true,
            polled: None,
            snapshot_due: None,
            woken: false,
            stopping: false,
            owes_drain: false,
            futures: false,
            signals_dropped: 0,
            depths: Vec::new(),
            timers: Vec::new(),
            tasks: Vec::new(),
            immediates: Vec::new(),
            after_loop: Vec::new(),
            microtasks: Vec::new(),
            deferred: Vec::new(),
            gc: None,
            notices: Vec::new(),
            sources: Vec::new(),
            handlers: Vec::new(),
            work: Vec::new(),
            finished: Vec::new(),
            held: 0,
            refs: Vec::new(),
        }
    }
}

impl<T: Task> std::fmt::Debug for LoopState<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("tick", &self.tick).field("now", &self.now).finish_non_exhaustive()
    }
}

/// Keys of restored objects.
#[derive(Debug, Default)]
pub struct Restored {
    /// Timers, by their recorded numbers.
    pub timers: HashMap<TimerId, Timer>,
}
