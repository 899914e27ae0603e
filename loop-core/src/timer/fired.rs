//! What a timer queue answers: passes, firings, what became of them, what is armed.

use std::num::NonZeroU64;

use loop_probes::ids::Timestamp;

use super::Timer;

/// One pass over the due timers: one reading of the clock, and only what was armed before it began.
#[derive(Debug)]
pub struct Pass {
    pub(super) now: Timestamp,
    pub(super) armed_before: u64,
    /// Counts up from 1: a later pass ends this one.
    pub(super) number: u64,
}

/// A timer fires. Its callback runs next, then [`TimerQueue::finish`](super::TimerQueue::finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Which.
    pub timer: Timer,
    /// When it was due.
    pub due: Timestamp,
    /// The pass's reading of the clock.
    pub fired: Timestamp,
    /// Whole periods that a late interval skipped up to that reading.
    pub skipped: u64,
    /// The period of an interval.
    pub period_ns: Option<NonZeroU64>,
    /// It keeps the loop alive.
    pub referenced: bool,
}

/// An armed timer, as a snapshot lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Armed<'a, T> {
    /// Which.
    pub timer: Timer,
    /// When it is due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<NonZeroU64>,
    /// It keeps the loop alive.
    pub referenced: bool,
    /// What it was armed with.
    pub value: &'a T,
}

/// What became of a timer that fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished<T> {
    /// It was a one-shot and is gone: its value comes back.
    Done(T),
    /// It is armed, as an interval or because its callback armed it; due then.
    Armed(Timestamp),
    /// It is gone: its callback cleared it.
    Cleared,
}
