//! Which times a record or a *now running* cell of a file can carry. Any other time is damage, and would stretch a
//! recording of a second to centuries.

use crate::clock::{Clock, SystemClock, TickUnit};
use crate::ids::{Ticks, Timestamp};

/// Nothing is recorded in the future: a time may lie ahead of the reader's clock by at most this.
pub(super) const SLACK_NS: u64 = 1_000_000_000;

/// Checks the times of records. Records in this process's memory need no check, and in tests their clock is virtual.
#[derive(Debug)]
pub(super) struct Horizon {
    pub(super) clock: SystemClock,
    pub(super) ahead_ns: i64,
    /// [`SLACK_NS`] in ticks.
    pub(super) slack: u64,
    /// Whether times can be compared: the ring is a file, and its clock can be read here.
    pub(super) is_comparable: bool,
    /// The latest allowed time, as of the last reading of the clock.
    pub(super) latest: Ticks,
}

impl Horizon {
    /// Whether a record can carry the time `at`.
    pub(super) fn allows(&mut self, at: Ticks) -> bool {
        if !self.is_comparable || at <= self.latest {
            return true;
        }
        // Read now: the record may have been written since the last reading.
        self.latest = Ticks(reading(self.clock, self.ahead_ns).0.saturating_add(self.slack));
        at <= self.latest
    }
}

/// The current reading of the record clock of a process, seen from this one.
pub(super) fn reading(clock: SystemClock, ahead_ns: i64) -> Ticks {
    match clock.unit() {
        TickUnit::Tsc => clock.ticks(),
        TickUnit::Monotonic => Ticks(shifted(clock.now(), ahead_ns).0),
    }
}

/// A time of this process, on a clock that this process's clock is `ahead_ns` ahead of.
pub(super) const fn shifted(ours: Timestamp, ahead_ns: i64) -> Timestamp {
    Timestamp(if ahead_ns < 0 {
        ours.0.saturating_add(ahead_ns.unsigned_abs())
    } else {
        ours.0.saturating_sub(ahead_ns.unsigned_abs())
    })
}
