//! Results of a timer queue: passes, firings and their outcomes, armed timers.

use std::num::NonZeroU64;

use loop_probes::ids::Timestamp;

use super::Timer;

/// One pass over the due timers: uses one clock reading, and fires only timers armed before the pass began.
#[derive(Debug)]
pub struct TimerPass {
    pub(super) now: Timestamp,
    pub(super) armed_before: u64,
    /// Number of the pass, from 1. A later pass ends this one.
    pub(super) number: u64,
}

/// A timer that fired. The caller runs its callback, then calls [`TimerQueue::finish`](super::TimerQueue::finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Handle of the timer that fired.
    pub timer: Timer,
    /// When the timer was due.
    pub due: Timestamp,
    /// The pass's clock reading.
    pub fired: Timestamp,
    /// Number of whole periods between `due` and `fired` that a late interval skipped.
    pub skipped: u64,
    /// The period of an interval, in nanoseconds.
    pub period_ns: Option<NonZeroU64>,
    /// Whether the timer keeps the loop alive.
    pub referenced: bool,
}

/// An armed timer, as listed in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed<'a, T> {
    /// Handle of the armed timer.
    pub timer: Timer,
    /// When the timer is due.
    pub due: Timestamp,
    /// The period of an interval, in nanoseconds.
    pub period_ns: Option<NonZeroU64>,
    /// Whether the timer keeps the loop alive.
    pub referenced: bool,
    /// The value that the timer was armed with.
    pub value: &'a T,
}

/// Outcome of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finished<T> {
    /// The timer was a one-shot and is gone. Contains its value.
    Done(T),
    /// The timer is armed again, as an interval or by its callback, and due at this time.
    Armed(Timestamp),
    /// The callback cleared the timer.
    Cleared,
}
