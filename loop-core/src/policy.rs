//! Policies as data: the differences between loop designs are values, so that one loop serves all of them. The order of
//! a turn is data too: a list of [`Step`]s, which one function carries out.

mod check;
mod presets;
mod step;
mod values;

pub use check::PolicyError;
pub use step::Step;
pub use values::RULES;

use std::borrow::Cow;
use std::time::Duration;

use crate::gc::{GcConfig, GcConfigError};

/// A loop's behaviour. To make a custom policy, change single fields of a preset; [`Policy::bun`] is the default.
/// [`Builder::build`](crate::Builder::build) refuses a policy with which no loop could run.
///
/// # Examples
///
/// ```
/// use loop_core::policy::{Step, TimerRule};
/// use loop_core::{Builtin, EventLoop, Policy};
///
/// let mut policy = Policy::bun();
/// policy.name = "mine".into();
/// policy.timers = TimerRule::OnePerTurn;
/// policy.tasks_per_tick = 100;
/// let event_loop = EventLoop::<Builtin>::builder().policy(policy.clone()).build()?;
///
/// policy.auto_tick = vec![Step::Immediates].into();
/// let blind = EventLoop::<Builtin>::builder().policy(policy).build();
/// assert!(blind.is_err(), "it never polls");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// The policy's name in traces and in the inspector's header.
    pub name: Cow<'static, str>,
    /// The steps of [`tick`](crate::EventLoop::tick), in order.
    pub tick: Cow<'static, [Step]>,
    /// The steps of [`auto_tick`](crate::EventLoop::auto_tick), in order.
    pub auto_tick: Cow<'static, [Step]>,
    /// Which due timers run in one turn.
    pub timers: TimerRule,
    /// How many signals are delivered in one turn.
    pub signals: SignalRule,
    /// Which ready sources are called in one turn.
    pub sources: SourceRule,
    /// Number of finished jobs that one [`Step::Work`] takes; `None` means all. If the turn has no such step, finished
    /// jobs arrive with the posts of other threads.
    pub jobs_per_read: Option<u32>,
    /// When microtasks and the deferred queue are drained.
    pub drain: DrainRule,
    /// When [`run`](crate::EventLoop::run) ends without a request to stop.
    pub exit: ExitRule,
    /// Whether a turn polls while tasks are queued.
    pub poll: PollRule,
    /// How long a poll waits if no timer is armed; `None` means forever.
    pub poll_timeout_default: Option<Duration>,
    /// Minimum time between two polls while work is waiting, when polls do not wait. With zero, each turn polls.
    pub poll_gap: Duration,
    /// Maximum number of registered sources; `None` means as many as the system allows.
    pub sources_max: Option<u32>,
    /// Maximum number of tasks that one tick runs before it polls, so that tasks that post tasks do not starve I/O.
    pub tasks_per_tick: u32,
    /// Maximum time that one tick runs tasks, counted from the tick's first task; the task running at that time is the
    /// last. `None` means no limit. A limit costs one clock reading per task.
    pub task_time_per_tick: Option<Duration>,
    /// Maximum number of microtasks that one checkpoint runs; `None` runs all, as the HTML standard requires.
    pub microtasks_per_checkpoint: Option<u32>,
    /// Parameters of the GC controller; unused without a heap.
    pub gc: GcConfig,
    /// What happens after a panic in a callback was caught and recorded.
    pub panics: PanicRule,
    /// What happens if callbacks outside of a tick are not followed by a drain.
    pub validation: Validation,
    /// Tasks with a longer run time are recorded as slow.
    pub slow_task_limit: Duration,
    /// Interval at which snapshots of the loop's state are recorded.
    pub snapshot_interval: Duration,
    /// Maximum number of parts recorded per snapshot; further parts are only counted.
    pub snapshot_parts_max: u32,
}

/// Which due timers run in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerRule {
    /// All due timers, in one pass with one clock reading (Bun, libuv).
    AllDue,
    /// One: the due timer that was armed first (QuickJS). The others wait for later turns.
    OnePerTurn,
}

/// How many signals are delivered in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalRule {
    /// All signals that have arrived (Bun).
    AllPending,
    /// The first signal that has a handler (QuickJS).
    OnePerTurn,
}

/// Which ready sources are called in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceRule {
    /// All ready sources, each called once with its whole readiness (Bun, libuv).
    AllReady,
    /// One direction (read or write) of one source (QuickJS): the one that was not called for the longest time, read
    /// before write. Errors and hang-ups count as both directions. The next poll reports the others again.
    OnePerTurn,
}

/// Whether a turn polls while tasks are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollRule {
    /// Each turn polls, without waiting while tasks are queued, so that tasks that post themselves starve no source.
    EveryTurn,
    /// A turn polls only if no task is queued (Bun's mini loop).
    WhenNoTask,
}

/// When microtasks and the deferred queue are drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainRule {
    /// After every task and every callback (Bun, the HTML standard).
    AfterEveryTask,
    /// At the end of each pass over the queue.
    AfterEveryPass,
}

/// When [`run`](crate::EventLoop::run) ends without a request to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitRule {
    /// When nothing referenced is pending (Bun, libuv, Node).
    Unreferenced,
    /// Never: the run must be stopped.
    OnlyStopped,
}

/// What happens after a panic in a callback was caught and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicRule {
    /// The loop continues with the next callback.
    Continue,
    /// The run ends with [`RunError::Panicked`](crate::RunError::Panicked).
    Stop,
}

/// What happens if callbacks outside of a tick are not followed by a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// Nothing is checked.
    Off,
    /// The loop records an event.
    Record,
    /// The loop records an event, and panics with the name of the last callback.
    Panic,
}

impl Policy {
    /// Whether the policy's turn includes `step`.
    #[must_use]
    pub fn has(&self, step: Step) -> bool {
        self.tick.contains(&step) || self.auto_tick.contains(&step)
    }

    /// Replaces the GC controller's settings with the default modified by the environment variables
    /// `LOOP_GC_TIMER_INTERVAL` and `LOOP_GC_TIMER_DISABLE`.
    ///
    /// # Errors
    ///
    /// [`GcConfigError`] if a variable has an invalid value.
    pub fn with_env(self) -> Result<Self, GcConfigError> {
        Ok(Self { gc: GcConfig::from_env()?, ..self })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::bun()
    }
}
