//! The key of a timer, its delay, and the error for a key whose timer is gone.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use loop_probes::ids::TimerId;

/// The key of a timer, returned when the timer is armed. Keys are never reused: once the timer is gone, calls with its key
/// report that, even if another timer took its slot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    pub(super) id: TimerId,
    pub(super) slot: u32,
}

impl Timer {
    /// The timer's id in traces. Ids count up from 1, are never reused, and stay the same when a timer is re-armed.
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

/// When a timer fires, relative to when it is armed.
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

/// The timer is not armed: it fired, was cleared, or never existed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timer {0} is not armed: it fired, was cleared, or belongs to another loop")]
pub struct TimerGone(pub TimerId);
