//! The state of a loop at the start of a tick, as a snapshot has it, with the tasks that are to run.

use std::collections::HashMap;

use loop_probes::event::{Event, GcReason, Origin, Queue, RefKind};
use loop_probes::ids::{IoSource, TaskId, TimerId, Timestamp};

use crate::gc::GcState;
use crate::poller::{Interest, Source};
use crate::scheduler::DeferredCallback;
use crate::shutdown::OnShutdown;
use crate::task::Task;
use crate::timer::Timer;

/// An armed timer.
#[derive(Debug)]
pub struct TimerState<T> {
    /// Its number.
    pub timer: TimerId,
    /// What it runs.
    pub task: T,
    /// When it is due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<u64>,
    /// It keeps the loop alive.
    pub referenced: bool,
    /// What a shutdown does with it.
    pub on_shutdown: OnShutdown,
}

/// A task that waits in a queue.
#[derive(Debug)]
pub struct QueuedState<T> {
    /// Its id.
    pub id: TaskId,
    /// What runs.
    pub task: T,
    /// Where it came from: the completion of a job is settled after it ran.
    pub origin: Origin,
    /// The signal that it delivers; 0 where it delivers none.
    pub signo: u8,
}

/// A registered source of readiness.
pub struct SourceState<T> {
    /// Its number.
    pub source: IoSource,
    /// What the poller is given.
    pub watched: Source,
    /// What it runs.
    pub task: T,
    /// What it is asked about.
    pub interest: Interest,
    /// It keeps the loop alive.
    pub referenced: bool,
    /// When it was called last, for reading and for writing, as the loop counts its calls.
    pub called: [u64; 2],
    /// What a shutdown does with it.
    pub on_shutdown: OnShutdown,
}

/// All that a loop knows at the start of a tick. See the [module](super).
pub struct State<T: Task> {
    /// The number of the tick that begins.
    pub tick: u64,
    /// The next task's id.
    pub next_task: TaskId,
    /// The next timer's number.
    pub next_timer: TimerId,
    /// The number tried first for the next source.
    pub next_source: u32,
    /// Sources registered and directions called.
    pub calls: u64,
    /// The time, as the loop read it last.
    pub now: Timestamp,
    /// The reading behind its last poll.
    pub polled: Option<Timestamp>,
    /// When the next snapshot is due; `None` takes one in the first tick.
    pub snapshot_due: Option<Timestamp>,
    /// Somebody woke it since its last poll.
    pub woken: bool,
    /// It was asked to stop.
    pub stopping: bool,
    /// A task reloaded the program, and what it left was not drained yet.
    pub owes_drain: bool,
    /// Futures are in use: it looks after what they ask for behind each callback.
    pub futures: bool,
    /// Signals dropped since the loop began.
    pub signals_dropped: u64,
    /// Depths that were recorded last. Those that are not among them are what they are.
    pub depths: Vec<(Queue, u32)>,
    /// Armed timers, in arming order.
    pub timers: Vec<TimerState<T>>,
    /// Queued tasks, in their order.
    pub tasks: Vec<QueuedState<T>>,
    /// Immediates in their order, and whether each keeps the loop alive.
    pub immediates: Vec<(QueuedState<T>, bool)>,
    /// Tasks put off to the end of the turn, in their order.
    pub after_loop: Vec<QueuedState<T>>,
    /// Microtasks, in their order.
    pub microtasks: Vec<T>,
    /// The deferred queue, in its order: the key, and whether it was kept by a drain and not posted again since.
    pub deferred: Vec<(u64, bool, DeferredCallback<T>)>,
    /// The GC controller.
    pub gc: Option<GcState>,
    /// What its next check was told.
    pub notices: Vec<GcReason>,
    /// Registered sources.
    pub sources: Vec<SourceState<T>>,
    /// What signals run.
    pub handlers: Vec<(u8, T)>,
    /// Jobs whose completion has not run, what runs where one is rejected, and the tasks that had scheduled them.
    pub work: Vec<(TaskId, T, Option<TaskId>)>,
    /// Finished jobs that were put aside, in their order.
    pub finished: Vec<(TaskId, Option<T::Remote>)>,
    /// References that the program holds itself: below 0 where a release came first.
    pub held: i64,
    /// References by kind: those of sources, jobs, signals, agendas and futures.
    pub refs: Vec<(RefKind, u32)>,
}

impl GcState {
    /// What the part of a snapshot says about the controller; `None` where it speaks of something else.
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
        let (periodic_due, one_shot_due) = (periodic_due_ns.map(Timestamp), one_shot_due_ns.map(Timestamp));
        let sample_due = sample_due_ns.map(Timestamp);
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

impl<T: Task> State<T> {
    /// A loop at whose start nothing waits, at `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self {
            tick: 1,
            next_task: TaskId(1),
            next_timer: TimerId(1),
            next_source: 0,
            calls: 0,
            now,
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

impl<T: Task> std::fmt::Debug for State<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("tick", &self.tick).field("now", &self.now).finish_non_exhaustive()
    }
}

/// The keys of what was restored.
#[derive(Debug, Default)]
pub struct Restored {
    /// Timers, by their recorded numbers.
    pub timers: HashMap<TimerId, Timer>,
}
