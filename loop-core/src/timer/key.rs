//! The key of a timer, its delay, and the error of a key whose timer is gone.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use loop_probes::ids::TimerId;

/// The key of a timer, returned by arming it: its id, and its place in the queue. Once the timer is gone, the
/// place may belong to another timer; the key then refers to none, and calls with it report that the timer is
/// gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    pub(super) id: TimerId,
    pub(super) slot: u32,
}

impl Timer {
    /// Its id in traces: counts up from 1, is never reused, and stays the same when the timer is re-armed.
    #[must_use]
    pub const fn id(self) -> TimerId {
        self.id
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.id.0).finish()
    }
}

/// When a timer fires, counted from its arming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delay {
    /// Once.
    Once(Duration),
    /// Repeatedly; a period of zero means one nanosecond.
    Every(Duration),
}

impl Delay {
    pub(crate) const fn first(self) -> Duration {
        match self {
            Self::Once(delay) | Self::Every(delay) => delay,
        }
    }

    pub(crate) fn period_ns(self) -> Option<NonZeroU64> {
        match self {
            Self::Once(_) => None,
            Self::Every(period) => {
                let ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
                NonZeroU64::new(ns)
            }
        }
    }
}

/// There is no such timer: it fired, was cleared, or never existed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timer {0} is not armed: it fired, was cleared, or belongs to another loop")]
pub struct TimerGone(pub TimerId);
