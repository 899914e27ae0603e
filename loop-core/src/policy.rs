//! Policies are data: what two loop designs do differently is a value here, not a second loop.

use std::time::Duration;

use crate::gc::{GcConfig, GcConfigError};

/// How a loop behaves. [`Policy::bun`] is the default; change single fields from there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Its name, for traces and the inspector's header.
    pub name: &'static str,
    /// Which due timers run in one turn.
    pub timers: TimerRule,
    /// When microtasks and the deferred queue are drained.
    pub drain: DrainRule,
    /// When [`run`](crate::EventLoop::run) ends by itself.
    pub exit: ExitRule,
    /// The longest that a poll waits when no timer is due; `None` is for ever.
    pub poll_timeout_default: Option<Duration>,
    /// Tasks that one tick runs before it polls without waiting, so that self-posting never starves I/O.
    pub tasks_per_tick: u32,
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
    /// The first that is due; the others wait for the following turns.
    OnePerTurn,
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
    /// As Bun's event loop behaves, with bounded queue passes (10,000 tasks), so that I/O stays alive.
    #[must_use]
    pub const fn bun() -> Self {
        Self {
            name: "bun",
            timers: TimerRule::AllDue,
            drain: DrainRule::AfterEveryTask,
            exit: ExitRule::Unreferenced,
            poll_timeout_default: None,
            tasks_per_tick: 10_000,
            microtasks_per_checkpoint: None,
            gc: GcConfig {
                enabled: true,
                fast_ns: 1_000_000_000,
                slow_ns: 30_000_000_000,
                one_shot_ns: 16_000_000,
                unchanged_max: 30,
            },
            panics: PanicRule::Continue,
            validation: if cfg!(debug_assertions) { Validation::Panic } else { Validation::Record },
            slow_task_limit: Duration::from_millis(10),
            snapshot_interval: Duration::from_secs(2),
            snapshot_parts_max: 4096,
        }
    }
}

impl Policy {
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
