//! A straight line from ticks to nanoseconds, and how far an anchor may lie off it.

use crate::clock::Anchor;

/// Slopes are nanoseconds per tick, times 2 to the power of this.
pub(super) const SLOPE_BITS: u32 = 32;

/// One nanosecond per tick.
pub(super) const SLOPE_ONE: u64 = 1 << SLOPE_BITS;

/// Plausible slopes of a clock: 1 MHz to 64 GHz. Anchors that say otherwise are damaged.
const SLOPES: std::ops::RangeInclusive<u64> = SLOPE_ONE / 64..=SLOPE_ONE * 1000;

/// Anchors closer together than this say nothing about the slope.
const BASELINE_NS_MIN: u64 = 500_000;

/// The monotonic clock is slewed by at most half of this fraction of the time (as a divisor); a sound record clock
/// not at all.
pub(super) const DRIFT_PARTS: u64 = 1000;

/// Expected error of an anchor: the thread may lose its processor between the readings.
pub(super) const ANCHOR_NS: u64 = 200_000;

/// Upper bound of the error allowed for an anchor.
pub(super) const ANCHOR_NS_MAX: u64 = 1_000_000;

/// A line through one point, with a slope. It saturates at both ends and never wraps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) ticks: u64,
    pub(super) ns: u64,
    pub(super) slope: u64,
}

impl Line {
    pub(super) const fn through(anchor: &Anchor, slope: u64) -> Self {
        Self { ticks: anchor.ticks.0, ns: anchor.monotonic.0, slope }
    }

    /// The line through two anchors, if they are far enough apart and the slope is plausible for a clock.
    pub(super) fn between(from: &Anchor, to: &Anchor) -> Option<Self> {
        let ns = to.monotonic.0.checked_sub(from.monotonic.0)?;
        let ticks = to.ticks.0.checked_sub(from.ticks.0)?;
        let slope = u64::try_from((u128::from(ns) << SLOPE_BITS).checked_div(u128::from(ticks))?).ok()?;
        (ns >= BASELINE_NS_MIN && SLOPES.contains(&slope)).then_some(Self::through(to, slope))
    }

    pub(super) fn convert(&self, ticks: u64) -> u64 {
        if ticks >= self.ticks {
            self.ns.saturating_add(self.scale(ticks - self.ticks))
        } else {
            self.ns.saturating_sub(self.scale(self.ticks - ticks))
        }
    }

    /// Nanoseconds that `ticks` take.
    pub(super) fn scale(&self, ticks: u64) -> u64 {
        u64::try_from((u128::from(ticks) * u128::from(self.slope)) >> SLOPE_BITS).unwrap_or(u64::MAX)
    }
}
