//! The named loop designs, and the order of a turn in each.

use std::borrow::Cow;
use std::time::Duration;

use super::{
    DrainRule, ExitRule, PanicRule, Policy, PolicyError, PollRule, SignalRule, SourceRule, Step, TimerRule,
    Validation,
};
use crate::gc::GcConfig;

/// Bun's `tick()`.
const BUN_TICK: &[Step] =
    &[Step::References, Step::Signals, Step::GcTimers, Step::Concurrent, Step::GcCheck, Step::Passes];

/// Bun's `autoTick()`.
const BUN_AUTO_TICK: &[Step] = &[
    Step::Immediates,
    Step::Drain,
    Step::Releases,
    Step::GcCheckIfAlive,
    Step::Poll,
    Step::Io,
    Step::GcTimers,
    Step::Timers,
    Step::AfterLoop,
    Step::Drain,
    Step::Rejections,
];

/// QuickJS's `js_os_poll`, up to its timers.
const QUICKJS_TICK: &[Step] = &[
    Step::References,
    Step::Signals,
    Step::Tasks,
    Step::LastDrain,
    Step::Exit,
    Step::GcTimers,
    Step::GcCheck,
    Step::Timers,
];

/// The rest of QuickJS's `js_os_poll`: its `select`, then descriptors, message ports, workers.
const QUICKJS_AUTO_TICK: &[Step] = &[
    Step::Immediates,
    Step::Drain,
    Step::Releases,
    Step::Poll,
    Step::Io,
    Step::Concurrent,
    Step::Tasks,
    Step::Work,
    Step::Tasks,
    Step::AfterLoop,
    Step::LastDrain,
    Step::Rejections,
];

/// The mini loop's first half: it has no heap to collect and no rejections to report.
const MINI_TICK: &[Step] = &[Step::References, Step::Signals, Step::Concurrent, Step::Passes];

/// The mini loop's second half.
const MINI_AUTO_TICK: &[Step] = &[
    Step::Immediates,
    Step::Drain,
    Step::Releases,
    Step::Poll,
    Step::Io,
    Step::Timers,
    Step::AfterLoop,
    Step::Drain,
];

impl Policy {
    /// The names accepted by [`by_name`](Self::by_name).
    pub const NAMES: [&str; 4] = ["bun", "quickjs", "agenda", "mini"];

    /// The policy of the given name.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownName`] if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use loop_core::Policy;
    ///
    /// for name in Policy::NAMES {
    ///     assert_eq!(Policy::by_name(name)?.name, name);
    /// }
    /// assert!(Policy::by_name("tokio").is_err());
    /// # Ok::<(), loop_core::policy::PolicyError>(())
    /// ```
    pub fn by_name(name: &str) -> Result<Self, PolicyError> {
        match name {
            "bun" => Ok(Self::bun()),
            "quickjs" => Ok(Self::quickjs()),
            "agenda" => Ok(Self::agenda()),
            "mini" => Ok(Self::mini()),
            _ => Err(PolicyError::UnknownName { name: loop_probes::text::printable(name) }),
        }
    }

    /// Behaves like Bun's event loop, with bounded queue passes (10,000 tasks), so that I/O is not starved.
    #[must_use]
    pub const fn bun() -> Self {
        Self {
            name: Cow::Borrowed("bun"),
            tick: Cow::Borrowed(BUN_TICK),
            auto_tick: Cow::Borrowed(BUN_AUTO_TICK),
            timers: TimerRule::AllDue,
            signals: SignalRule::AllPending,
            sources: SourceRule::AllReady,
            jobs_per_read: None,
            drain: DrainRule::AfterEveryTask,
            exit: ExitRule::Unreferenced,
            poll: PollRule::EveryTurn,
            poll_timeout_default: None,
            poll_gap: Duration::ZERO,
            sources_max: None,
            tasks_per_tick: 10_000,
            task_time_per_tick: None,
            microtasks_per_checkpoint: None,
            gc: GcConfig {
                enabled: true,
                fast_ns: 1_000_000_000,
                slow_ns: 30_000_000_000,
                one_shot_ns: 16_000_000,
                unchanged_max: 30,
                sample_ns: 1_000_000,
            },
            panics: PanicRule::Continue,
            validation: if cfg!(debug_assertions) { Validation::Panic } else { Validation::Record },
            slow_task_limit: Duration::from_millis(10),
            snapshot_interval: Duration::from_secs(2),
            snapshot_parts_max: 4096,
        }
    }

    /// Behaves like the poll of QuickJS's `os` module: one signal, one timer (the first expired in insertion
    /// order), one direction of one ready source per turn, jobs drained after each; finished workers are read
    /// sixteen at a time; it waits 10 s if it has no timer; the exit check comes after the signal, so that a
    /// handler may add work that keeps the loop alive. The run ends as
    /// [`Drained`](loop_probes::event::StopReason::Drained), which is what "no handlers, timers, ports or workers"
    /// amounts to.
    ///
    /// There are two deliberate deviations. The original returns from its poll after the first handler of any kind
    /// and starts over with the signals, so that timers that keep expiring starve descriptors forever: here a turn
    /// goes through all its steps. And the original always takes the first ready descriptor of its list: here it is
    /// the direction (read, write) of a source that has waited longest for its turn, read before write if both have
    /// waited equally long.
    #[must_use]
    pub fn quickjs() -> Self {
        Self {
            name: Cow::Borrowed("quickjs"),
            tick: Cow::Borrowed(QUICKJS_TICK),
            auto_tick: Cow::Borrowed(QUICKJS_AUTO_TICK),
            timers: TimerRule::OnePerTurn,
            signals: SignalRule::OnePerTurn,
            sources: SourceRule::OnePerTurn,
            jobs_per_read: Some(16),
            poll_timeout_default: Some(Duration::from_secs(10)),
            ..Self::bun()
        }
    }

    /// Behaves like the loop of RefPerSys, which runs beside an agenda: it runs until it is stopped, wakes up every
    /// 1.6 s if it has no timer, and takes 128 sources (raise [`sources_max`](Self::sources_max) for more).
    #[must_use]
    pub fn agenda() -> Self {
        Self {
            name: Cow::Borrowed("agenda"),
            exit: ExitRule::OnlyStopped,
            poll_timeout_default: Some(Duration::from_millis(1600)),
            sources_max: Some(128),
            ..Self::bun()
        }
    }

    /// Behaves like Bun's `MiniEventLoop`: no script host, so no heap is watched and no rejection reported, and it
    /// polls only when no task is queued.
    #[must_use]
    pub fn mini() -> Self {
        Self {
            name: Cow::Borrowed("mini"),
            tick: Cow::Borrowed(MINI_TICK),
            auto_tick: Cow::Borrowed(MINI_AUTO_TICK),
            poll: PollRule::WhenNoTask,
            ..Self::bun()
        }
    }
}
