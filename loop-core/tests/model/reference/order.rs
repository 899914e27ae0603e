//! The order of a turn in each design, written from the designs (Bun's `tick` and `autoTick`, QuickJS's `js_os_poll`,
//! Bun's mini loop) and not from the lists of the implementation: a preset with two steps swapped is not in this order.

/// What a turn does to the model. What concerns a heap or a host is left out: the programs have neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// What other threads hold, give back, or ask to stop takes effect.
    References,
    /// Signals become tasks.
    Signals,
    /// What other threads posted becomes tasks, or is put aside.
    Posts,
    /// What was put aside becomes tasks.
    Finished,
    /// The task queue, once.
    Pass,
    /// The task queue, again and again.
    Passes,
    /// What is left is drained.
    Drain,
    /// The same, where a policy drains only after passes.
    LateDrain,
    /// The run may end here.
    Exit,
    Immediates,
    /// What was to be given back at the end of the turn.
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

/// Bun (b01, b02), and what only has other limits: the agenda's loop, the mini loop, one of our own.
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
        other => panic!("nobody wrote down the order of policy {other}"),
    }
}
