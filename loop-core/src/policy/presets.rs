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

/// The first half of the mini loop's turn, without steps for a heap and for rejections.
const MINI_TICK: &[Step] = &[Step::References, Step::Signals, Step::Concurrent, Step::Passes];

/// The second half of the mini loop's turn.
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

    /// The preset with the given name, one of [`NAMES`](Self::NAMES).
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownName`] for any other name.
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

    /// Behaves like Bun's event loop, but runs at most 10,000 tasks per tick, so that I/O is not starved.
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

    /// Behaves like the poll of QuickJS's `os` module. Each turn delivers one signal, one timer (the due timer that was
    /// armed first) and one direction of one ready source, and drains microtasks after each. Finished jobs are read
    /// sixteen at a time. A poll waits at most 10 s if no timer is armed. The exit check comes after the signal, so that
    /// a handler can add work that keeps the loop alive. The run ends as
    /// [`Drained`](loop_probes::event::StopReason::Drained) when QuickJS has no handlers, timers, ports or workers left.
    ///
    /// There are two deliberate differences. QuickJS returns from its poll after the first handler of any kind and
    /// starts over with the signals, so that timers that keep expiring starve descriptors forever; here a turn goes
    /// through all its steps. QuickJS always calls the first ready descriptor of its list; here it is the direction of a
    /// ready source that was not called for the longest time, read before write.
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

    /// Behaves like the loop of RefPerSys, which runs beside an agenda: runs until it is stopped, wakes up at least every
    /// 1.6 s if no timer is armed, and takes 128 sources (see [`sources_max`](Self::sources_max)).
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

    /// Behaves like Bun's `MiniEventLoop`: polls only when no task is queued, and without a script host it watches no heap
    /// and reports no rejections.
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
