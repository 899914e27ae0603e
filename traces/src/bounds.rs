//! The ranges of figures when samples are missing; [`loss`](crate::loss) computes them.

use serde::{Deserialize, Serialize};

/// The range in which a figure lies when samples are missing. In JSON `[lo, hi]`, with `hi` null if unbounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(from = "(u64, Option<u64>)", into = "(u64, Option<u64>)")]
pub struct Bounds {
    /// Lower bound, inclusive.
    pub lo: u64,
    /// Upper bound, inclusive; `None` if unbounded.
    pub hi: Option<u64>,
}

impl From<(u64, Option<u64>)> for Bounds {
    fn from((lo, hi): (u64, Option<u64>)) -> Self {
        Self { lo, hi }
    }
}

impl From<Bounds> for (u64, Option<u64>) {
    fn from(bounds: Bounds) -> Self {
        (bounds.lo, bounds.hi)
    }
}

impl Bounds {
    /// Any value.
    pub(crate) const UNKNOWN: Self = Self { lo: 0, hi: None };

    /// Whether values other than `value` are possible.
    #[must_use]
    pub fn is_open(self, value: u64) -> bool {
        self.lo != value || self.hi != Some(value)
    }
}

/// Bounds of the statistics of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SpreadBounds {
    /// Bounds of the median.
    pub p50: Bounds,
    /// Bounds of the 90th percentile.
    pub p90: Bounds,
    /// Bounds of the 99th percentile.
    pub p99: Bounds,
    /// Bounds of the maximum.
    pub max: Bounds,
    /// Bounds of the mean.
    pub mean: Bounds,
    /// Bounds of the geometric mean.
    pub gmean: Bounds,
}

impl SpreadBounds {
    /// Keeps the bounds of the maximum and makes the others unknown.
    #[must_use]
    pub(crate) const fn of_maximum(self) -> Self {
        Self { max: self.max, ..Self::UNKNOWN }
    }

    /// Any values.
    pub(crate) const UNKNOWN: Self = {
        let unknown = Bounds::UNKNOWN;
        Self { p50: unknown, p90: unknown, p99: unknown, mean: unknown, gmean: unknown, max: unknown }
    };
}
