//! Results of a timer queue: passes, firings and their outcomes, armed timers.

use std::num::NonZeroU64;

use loop_probes::ids::Timestamp;

use super::Timer;

/// One pass over the due timers: uses one clock reading, and only fires timers armed before it
/// began.
#[derive(Debug)]
pub struct TimerPass {
    pub(super) now: Timestamp,
    pub(super) armed_before: u64,
    /// Counts up from 1: a later pass ends this one.
    pub(super) number: u64,
}

/// The firing of a timer. Its callback runs next, then
/// [`TimerQueue::finish`](super::TimerQueue::finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// The timer.
    pub timer: Timer,
    /// When it was due.
    pub due: Timestamp,
    /// The pass's clock reading.
    pub fired: Timestamp,
    /// Whole periods that a late interval skipped up to that reading.
    pub skipped: u64,
    /// The period of an interval.
    pub period_ns: Option<NonZeroU64>,
    /// Whether it keeps the loop alive.
    pub referenced: bool,
}

/// An armed timer, as listed in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed<'a, T> {
    /// The timer.
    pub timer: Timer,
    /// When it is due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<NonZeroU64>,
    /// Whether it keeps the loop alive.
    pub referenced: bool,
    /// The value it was armed with.
    pub value: &'a T,
}

/// Outcome of a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished<T> {
    /// It was a one-shot and is gone: its value is returned.
    Done(T),
    /// It is armed, as an interval or by its callback, and due at this time.
    Armed(Timestamp),
    /// It is gone: its callback cleared it.
    Cleared,
}
