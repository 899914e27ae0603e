//! Between which values a metric lies although records were lost.
//!
//! Each lost record can have held one more of what is counted, and a sample of any size: a count can only have been
//! larger, a maximum too, and a percentile lies between those that are a few ranks below and above it. What adds up
//! values of any size (means, shares) is bounded by nothing.
//!
//! A summary holds exact bounds of its 99th percentiles ([`super::super::loss`]), which hold here too; of the others
//! it has no samples any more, and its percentiles are their bounds.

use super::{Kind, Metric, Statistic, Unit, Whose};
use crate::histogram::Percentiles;
use crate::summary::Summary;

/// At least, at most; `None` where nothing bounds it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// At least.
    pub low: f64,
    /// At most.
    pub high: Option<f64>,
}

impl Metric {
    /// Between which values it lies: both are its value where nothing was lost. `None` where nothing was measured.
    #[must_use]
    pub fn bounds(&self, summary: &Summary) -> Option<Bounds> {
        let value = self.of(summary)?.number;
        let lost = summary.lost_records;
        if lost == 0 || self.to_string() == "lost" {
            return Some(Bounds { low: value, high: Some(value) });
        }
        let unbounded = Bounds { low: value, high: None };
        Some(match (&self.kind, self.statistic()) {
            (_, Some(Statistic::Max)) => unbounded,
            (_, Some(Statistic::Mean | Statistic::Gmean)) => Bounds { low: 0.0, high: None },
            // Of any: whatever holds it.
            (Kind::Of(_, Whose::Any, _), _) => Bounds { low: 0.0, high: None },
            (_, Some(statistic)) => {
                let spread = self.spread(summary)?;
                match spread.p99_bounds.filter(|_| statistic == Statistic::P99) {
                    // Those that the summary shows, of all samples.
                    Some(bounds) => Bounds { low: bounds.lo as f64, high: bounds.hi.map(|high| high as f64) },
                    None => percentile(&spread, statistic, lost),
                }
            }
            _ => match self.unit() {
                Unit::Count if self.is_one_a_record() => {
                    Bounds { low: value, high: Some(value + lost as f64) }
                }
                Unit::Count | Unit::Bytes => unbounded,
                Unit::Ratio => Bounds { low: 0.0, high: Some(1.0) },
                Unit::Ns | Unit::PerSecond => unbounded,
            },
        })
    }

    /// A record holds one of it, not many.
    fn is_one_a_record(&self) -> bool {
        !self.to_string().starts_with("microtasks.")
    }
}

/// A percentile of `spread`, to which `lost` samples may be missing, by those that a summary has.
fn percentile(spread: &Percentiles, statistic: Statistic, lost: u64) -> Bounds {
    let share = match statistic {
        Statistic::P50 => 0.5,
        Statistic::P90 => 0.9,
        _ => 0.99,
    };
    let (seen, lost) = (spread.count as f64, lost as f64);
    let known = [(0.5, spread.p50), (0.9, spread.p90), (0.99, spread.p99), (1.0, spread.max)];
    // All that were lost may have been below it, or all above.
    let (lowest, highest) = ((share * (seen + lost) - lost) / seen, share * (seen + lost) / seen);
    let low = known.iter().rev().find(|(at, _)| *at <= lowest).map_or(0, |(_, value)| *value);
    let high = known.iter().find(|(at, _)| *at >= highest).map(|(_, value)| *value as f64);
    Bounds { low: low as f64, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        let spread =
            Percentiles { count: 1000, p50: 50, p90: 90, p99: 99, max: 100, ..Percentiles::default() };
        let of = |statistic, lost| percentile(&spread, statistic, lost);
        assert_eq!(of(Statistic::P50, 10), Bounds { low: 0.0, high: Some(90.0) });
        assert_eq!(of(Statistic::P90, 10), Bounds { low: 50.0, high: Some(99.0) });
        assert_eq!(of(Statistic::P99, 10), Bounds { low: 90.0, high: Some(100.0) });
        assert_eq!(of(Statistic::P99, 11), Bounds { low: 90.0, high: None });
        assert_eq!(of(Statistic::P50, 5_000), Bounds { low: 0.0, high: None });
    }
}
