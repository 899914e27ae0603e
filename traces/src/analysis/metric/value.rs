//! Values of metrics: their statistics and units, and whether more is worse.

use std::fmt;

use serde::Serialize;

use crate::histogram::Percentiles;
use crate::loss::{Bounds, SpreadBounds};
use crate::units;

/// A statistic of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// The median.
    P50,
    /// Nine in ten are at most this.
    P90,
    /// Ninety-nine in a hundred are at most this.
    P99,
    /// The largest value.
    Max,
    /// The arithmetic mean.
    Mean,
    /// The geometric mean: hardly moved by outliers, as the median, but steadier from run to run.
    Gmean,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::P50, Self::P90, Self::P99, Self::Max, Self::Mean, Self::Gmean];

    /// The suffix of the statistic in a metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Gmean => "gmean",
        }
    }

    /// The statistic's value in a distribution.
    pub(crate) const fn of(self, spread: &Percentiles) -> Option<u64> {
        match self {
            Self::P50 => spread.p50,
            Self::P90 => spread.p90,
            Self::P99 => spread.p99,
            Self::Max => spread.max,
            Self::Mean => spread.mean,
            Self::Gmean => spread.gmean,
        }
    }

    /// The statistic's bounds, out of those of a distribution.
    pub(crate) const fn bounds_in(self, bounds: &SpreadBounds) -> Bounds {
        match self {
            Self::P50 => bounds.p50,
            Self::P90 => bounds.p90,
            Self::P99 => bounds.p99,
            Self::Max => bounds.max,
            Self::Mean => bounds.mean,
            Self::Gmean => bounds.gmean,
        }
    }
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// A number of things.
    Count,
    /// A share of one.
    Ratio,
    /// Bytes.
    Bytes,
    /// A rate per second.
    PerSecond,
}

/// Whether more of a metric is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sense {
    /// More is worse.
    MoreIsWorse,
    /// More is better.
    MoreIsBetter,
    /// More is neither: the metric only says how much there was to do.
    Neither,
}

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The number, in `unit`.
    pub number: f64,
    /// The unit of `number`.
    pub unit: Unit,
}

impl fmt::Display for Value {
    /// As reports show it: `1.24ms`, `12`, `37.2%`, `18.2 MiB`, `97.1/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.number.max(0.0).round() as u64;
        match self.unit {
            Unit::Ns => f.write_str(&units::duration(whole)),
            Unit::Count if self.number.fract() == 0.0 => f.write_str(&units::count(whole)),
            Unit::Count => f.write_str(&units::rate(self.number)),
            Unit::Ratio => f.write_str(&units::percent(self.number)),
            Unit::Bytes => f.write_str(&units::bytes(whole)),
            Unit::PerSecond => write!(f, "{}/s", units::rate(self.number)),
        }
    }
}
