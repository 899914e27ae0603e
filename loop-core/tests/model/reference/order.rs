//! The order of a turn in each design. Written from the designs (Bun's `tick` and `autoTick`, QuickJS's `js_os_poll`,
//! Bun's mini loop) and not from the lists of the implementation, so that a preset with two steps swapped differs from
//! it.

/// The effect of a turn's step on the model. Steps for a heap or a host are omitted: the programs have neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Applies what other threads hold, release, or ask to stop.
    References,
    /// Signals become tasks.
    Signals,
    /// Posts from other threads become tasks, or are set aside.
    Posts,
    /// Entries that were set aside become tasks.
    Finished,
    /// The task queue, once.
    Pass,
    /// The task queue, repeatedly.
    Passes,
    /// Drains what is left.
    Drain,
    /// The same, under policies that drain only after passes.
    LateDrain,
    /// The run may end here.
    Exit,
    Immediates,
    /// References to release at the end of the turn.
    Releases,
    Poll,
    Sources,
    Timers,
    AfterLoop,
}

use Does::{
    AfterLoop, Drain, Exit, Finished, Immediates, LateDrain, Pass, Passes, Poll, Posts, References, Releases,
    Signals, Sources, Timers,
};

/// Bun (b01, b02), and policies that differ only in limits: the agenda's loop, the mini loop, a custom one.
const BUN: &[Does] = &[
    References, Signals, Posts, Passes, // tick
    Immediates, LateDrain, Releases, Poll, Sources, Timers, AfterLoop, LateDrain,
];

/// QuickJS (q01): a signal, the exit check, a timer, a descriptor, message ports, finished workers.
const QUICKJS: &[Does] = &[
    References, Signals, Pass, Drain, Exit, Timers, // down to its timers
    Immediates, LateDrain, Releases, Poll, Sources, Posts, Pass, Finished, Pass, AfterLoop, Drain,
];

/// The order of the policy with this name.
pub(super) fn of(policy: &str) -> &'static [Does] {
    match policy {
        "bun" | "agenda" | "mini" | "own" => BUN,
        "quickjs" => QUICKJS,
        other => panic!("no order is defined for policy {other}"),
    }
}
