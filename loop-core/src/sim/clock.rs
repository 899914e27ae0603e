//! The virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::ids::{Ticks, Timestamp};

use crate::timer::due_after;

/// A clock that stands still until the simulation advances it. Its record ticks are nanoseconds.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    /// Start time of a virtual world. Not 0, so that a forgotten initial value does not look right.
    pub const START: Timestamp = Timestamp(1_000_000_000);

    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(Self::START.0)))
    }

    /// The time at `elapsed` since the start.
    #[must_use]
    pub fn time_at(elapsed: Duration) -> Timestamp {
        due_after(Self::START, elapsed)
    }

    /// Time elapsed since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.now().ns_since(Self::START))
    }

    /// Advances the time.
    pub fn advance(&self, by: Duration) {
        self.move_to(due_after(self.now(), by));
    }

    /// Moves the clock forward; it never goes back.
    pub(super) fn move_to(&self, to: Timestamp) {
        self.0.fetch_max(to.0, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn ticks(&self) -> Ticks {
        Ticks(self.now().0)
    }
}
