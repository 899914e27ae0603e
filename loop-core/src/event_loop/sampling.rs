//! The sampled queues, and the limit for slow tasks.

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::Queue;
use loop_probes::ids::{Ticks, Timestamp};

/// Queues whose depth is sampled.
pub(super) const SAMPLED: usize = QUEUES.len() + 1;
pub(super) const QUEUES: [Queue; 6] =
    [Queue::Tasks, Queue::Immediates, Queue::Deferred, Queue::Timers, Queue::Signals, Queue::Work];

/// Minimum time between two pairs of clock readings to compute a rate.
const SPAN_NS_MIN: u64 = 1_000_000;
/// Time between two pairs of clock readings after which the rate is final, with an error of about 10⁻⁶.
const SPAN_NS_ENOUGH: u64 = 1_000_000_000;

/// Finds slow tasks by the record clock, after measuring that clock's rate.
#[derive(Debug)]
pub(super) struct SlowLimit {
    limit_ns: u64,
    /// The limit in ticks of the record clock; 0 until the rate is known.
    limit_ticks: u64,
    settled: bool,
    first: (Ticks, Timestamp),
}

impl SlowLimit {
    pub(super) fn new(limit: Duration, ticks: Ticks, now: Timestamp) -> Self {
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Self { limit_ns, limit_ticks: 0, settled: false, first: (ticks, now) }
    }

    pub(super) const fn limit_ns(&self) -> u64 {
        self.limit_ns
    }

    /// Refines the rate by another pair of clock readings.
    pub(super) fn observe(&mut self, ticks: Ticks, now: Timestamp) {
        let span_ns = now.ns_since(self.first.1);
        if self.settled || span_ns < SPAN_NS_MIN {
            return;
        }
        let span_ticks = ticks.0.saturating_sub(self.first.0.0);
        let limit = u128::from(self.limit_ns) * u128::from(span_ticks) / u128::from(span_ns);
        self.limit_ticks = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        self.settled = span_ns >= SPAN_NS_ENOUGH;
    }

    /// Whether a run from `start` to `end` exceeded the limit.
    #[inline]
    pub(super) fn is_exceeded(&mut self, start: Ticks, end: Ticks, clock: &impl Clock) -> bool {
        let ran = end.0.saturating_sub(start.0);
        if ran <= self.limit_ticks {
            return false;
        }
        if self.limit_ticks == 0 {
            self.observe(end, clock.now());
        }
        self.limit_ticks != 0 && ran > self.limit_ticks
    }
}
