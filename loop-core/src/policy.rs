//! Policies are data: what two loop designs do differently is a value here, not a second loop. The order of a turn
//! is data too: a list of [`Step`]s, which one function carries out.

mod builder;
mod presets;
mod step;
mod values;

pub use builder::{PolicyBuilder, PolicyError};
pub use step::Step;
pub use values::RULES;

use std::borrow::Cow;
use std::time::Duration;

use crate::gc::{GcConfig, GcConfigError};

/// How a loop behaves. [`Policy::bun`] is the default; change single fields from there, or set one up with
/// [`Policy::builder`], which checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Its name, for traces and the inspector's header.
    pub name: Cow<'static, str>,
    /// The steps of `tick()`.
    tick: Cow<'static, [Step]>,
    /// The steps of `auto_tick()`.
    auto_tick: Cow<'static, [Step]>,
    /// Which due timers run in one turn.
    pub timers: TimerRule,
    /// How many signals are delivered in one turn.
    pub signals: SignalRule,
    /// Which ready sources are called in one turn.
    pub sources: SourceRule,
    /// Finished jobs that one [`Step::Work`] takes; `None` is all. Where the turn has no such step, they come with
    /// what other threads posted.
    pub jobs_per_read: Option<u32>,
    /// When microtasks and the deferred queue are drained.
    pub drain: DrainRule,
    /// When [`run`](crate::EventLoop::run) ends by itself.
    pub exit: ExitRule,
    /// Whether a turn polls while tasks are queued.
    pub poll: PollRule,
    /// How long a poll waits where no timer is armed; `None` is for ever.
    pub poll_timeout_default: Option<Duration>,
    /// While something waits to be done, a poll that would only look is left out where the last one is less than
    /// this ago; zero polls in each turn.
    pub poll_gap: Duration,
    /// Sources that may be registered at a time; `None` is as many as the system takes.
    pub sources_max: Option<u32>,
    /// Tasks that one tick runs before it polls without waiting, so that self-posting never starves I/O.
    pub tasks_per_tick: u32,
    /// Time after which a tick's passes over the task queue end likewise, counted from the tick's first task: the task
    /// that goes on then is the last. `None` is no limit; a limit costs a reading of the clock a task.
    pub task_time_per_tick: Option<Duration>,
    /// Microtasks that one checkpoint runs; `None` drains to the end, as the HTML standard says.
    pub microtasks_per_checkpoint: Option<u32>,
    /// How the GC controller paces itself; without a heap there is nothing to pace.
    pub gc: GcConfig,
    /// What a panic in a callback does after it was caught and recorded.
    pub panics: PanicRule,
    /// What a broken drain rule does ([`Validator`](crate::validate::Validator)).
    pub validation: Validation,
    /// A task that runs longer is recorded as slow.
    pub slow_task_limit: Duration,
    /// How often the recorder gets a snapshot of the scheduler.
    pub snapshot_interval: Duration,
    /// Most parts of a snapshot; the rest is counted.
    pub snapshot_parts_max: u32,
}

/// Which due timers run in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimerRule {
    /// All, in one pass against one reading of the clock (Bun, libuv).
    AllDue,
    /// Exactly one: the first in the order in which they were armed that is due (QuickJS). The others wait for the
    /// following turns.
    OnePerTurn,
}

/// How many signals are delivered in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalRule {
    /// All that had arrived (Bun).
    AllPending,
    /// The first that has a handler (QuickJS).
    OnePerTurn,
}

/// Which ready sources are called in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceRule {
    /// All, each once for everything that it is ready for (Bun, libuv).
    AllReady,
    /// One, for one direction: the one that has waited longest for its turn, read before write. Errors and
    /// hang-ups count as ready for both (QuickJS). What was left out is reported again by the next poll.
    OnePerTurn,
}

/// Whether a turn polls while tasks are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollRule {
    /// It does, without waiting, so that tasks that post themselves starve no source.
    EveryTurn,
    /// It does not: the queue comes first (Bun's mini loop).
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

/// When [`run`](crate::EventLoop::run) ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitRule {
    /// When nothing referenced is pending (Bun, libuv, Node).
    Unreferenced,
    /// Never: somebody has to call stop.
    OnlyStopped,
}

/// What a panic in a callback does after it was caught and recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanicRule {
    /// The loop goes on.
    Continue,
    /// The loop stops with [`LoopError::Panicked`](crate::LoopError::Panicked).
    Stop,
}

/// What a broken drain rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validation {
    /// Nobody looks.
    Off,
    /// It is an event.
    Record,
    /// It is an event and a panic that names the last callback.
    Panic,
}

impl Policy {
    /// The steps of [`tick`](crate::EventLoop::tick), in their order.
    #[must_use]
    pub fn tick_steps(&self) -> &[Step] {
        &self.tick
    }

    /// The steps of [`auto_tick`](crate::EventLoop::auto_tick), in their order.
    #[must_use]
    pub fn auto_tick_steps(&self) -> &[Step] {
        &self.auto_tick
    }

    /// Whether its turn has this step.
    #[must_use]
    pub fn has(&self, step: Step) -> bool {
        self.tick.contains(&step) || self.auto_tick.contains(&step)
    }

    /// The same with what the environment says about the GC controller (`LOOP_GC_TIMER_INTERVAL`,
    /// `LOOP_GC_TIMER_DISABLE`).
    ///
    /// # Errors
    ///
    /// [`GcConfigError`] where a variable has a value that it cannot have.
    pub fn with_env(self) -> Result<Self, GcConfigError> {
        Ok(Self { gc: GcConfig::from_env()?, ..self })
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::bun()
    }
}
