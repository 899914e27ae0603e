//! Policies as data: differences between loop designs are values here, not a second loop. The order of a turn is data
//! too: a list of [`Step`]s, which one function carries out.

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

/// A loop's behaviour. A custom one starts from a preset ([`Policy::bun`] is the default) and changes single fields.
/// [`Builder::build`](crate::Builder::build) refuses one that no loop could run by.
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
    /// Its name, for traces and the inspector's header.
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
    /// Finished jobs that one [`Step::Work`] takes; `None` means all. If the turn has no such step, they arrive
    /// together with the posts of other threads.
    pub jobs_per_read: Option<u32>,
    /// When microtasks and the deferred queue are drained.
    pub drain: DrainRule,
    /// When [`run`](crate::EventLoop::run) ends on its own.
    pub exit: ExitRule,
    /// Whether a turn polls while tasks are queued.
    pub poll: PollRule,
    /// How long a poll waits if no timer is armed; `None` means forever.
    pub poll_timeout_default: Option<Duration>,
    /// While work is waiting, a poll (which would not wait) is skipped if the last one is less than this ago; zero
    /// polls in each turn.
    pub poll_gap: Duration,
    /// Most sources registered at a time; `None` means as many as the system allows.
    pub sources_max: Option<u32>,
    /// Tasks that one tick runs before it polls without waiting, so that self-posting never starves I/O.
    pub tasks_per_tick: u32,
    /// Time after which a tick's passes over the task queue also end, counted from the tick's first task: the task
    /// running at that time is the last. `None` means no limit; a limit costs one clock reading per task.
    pub task_time_per_tick: Option<Duration>,
    /// Microtasks that one checkpoint runs; `None` drains to the end, as the HTML standard requires.
    pub microtasks_per_checkpoint: Option<u32>,
    /// Parameters of the GC controller; unused without a heap.
    pub gc: GcConfig,
    /// What a panic in a callback does after it has been caught and recorded.
    pub panics: PanicRule,
    /// What a broken drain rule does for a callback outside of a tick.
    pub validation: Validation,
    /// A task with a longer run time is recorded as slow.
    pub slow_task_limit: Duration,
    /// How often a snapshot of the scheduler is recorded.
    pub snapshot_interval: Duration,
    /// Most parts of a snapshot; the rest is only counted.
    pub snapshot_parts_max: u32,
}

/// Which due timers run in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerRule {
    /// All, in one pass with one clock reading (Bun, libuv).
    AllDue,
    /// Exactly one: of the due timers, the one armed first (QuickJS). The others wait for later turns.
    OnePerTurn,
}

/// How many signals are delivered in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalRule {
    /// All that have arrived (Bun).
    AllPending,
    /// The first that has a handler (QuickJS).
    OnePerTurn,
}

/// Which ready sources are called in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceRule {
    /// All, each called once for everything it is ready for (Bun, libuv).
    AllReady,
    /// One, for one direction: the one that has waited longest for its turn, read before write. Errors and hang-ups
    /// count as ready for both (QuickJS). Those left out are reported again by the next poll.
    OnePerTurn,
}

/// Whether a turn polls while tasks are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollRule {
    /// It polls without waiting, so that tasks that post themselves starve no source.
    EveryTurn,
    /// It does not poll: the queue comes first (Bun's mini loop).
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

/// When [`run`](crate::EventLoop::run) ends on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitRule {
    /// When nothing referenced is pending (Bun, libuv, Node).
    Unreferenced,
    /// Never: it has to be stopped.
    OnlyStopped,
}

/// What a panic in a callback does after it has been caught and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicRule {
    /// The loop continues.
    Continue,
    /// The loop stops with [`RunError::Panicked`](crate::RunError::Panicked).
    Stop,
}

/// What a broken drain rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// Nothing is checked.
    Off,
    /// It is recorded as an event.
    Record,
    /// It is recorded as an event, and panics with the name of the last callback.
    Panic,
}

impl Policy {
    /// Whether its turn includes this step.
    #[must_use]
    pub fn has(&self, step: Step) -> bool {
        self.tick.contains(&step) || self.auto_tick.contains(&step)
    }

    /// This policy with the environment's settings of the GC controller (`LOOP_GC_TIMER_INTERVAL`,
    /// `LOOP_GC_TIMER_DISABLE`).
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
