//! Loss: what can still be said where records are missing.
//!
//! Of `missing` lost records each can have held one sample of a kind at most, and that sample can have been
//! anything. So a quantile lies between what it is with all of them below every sample that was seen and what
//! it is with all of them above; where it would fall among those above, nothing bounds it.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;

/// Between which values a quantile lies although samples are missing. In JSON `[lo, hi]`, `hi` null where
/// nothing bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, Option<u64>)", into = "(u64, Option<u64>)")]
pub struct Bounds {
    /// It is at least this.
    pub lo: u64,
    /// It is at most this; `None` where nothing bounds it.
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

/// Between which values the quantile `quantile` (0 to 1) of `seen` lies when up to `missing` more samples were
/// there. Within the width of a bucket (1 %), as all quantiles of a [`Histogram`].
#[must_use]
pub fn quantile_bounds(seen: &Histogram, quantile: f64, missing: u64) -> Bounds {
    let count = seen.count();
    let total = count.saturating_add(missing);
    // The sample of this rank, counted from 1, as the histogram itself counts.
    let rank = ((quantile.clamp(0.0, 1.0) * total as f64).ceil() as u64).clamp(1, total.max(1));
    // In the middle of the rank: at its edge rounding would decide.
    let at_rank = |rank: u64| seen.quantile((rank as f64 - 0.5) / count.max(1) as f64);
    let lo = if rank <= missing { 0 } else { at_rank(rank - missing) };
    let hi = (rank <= count).then(|| at_rank(rank));
    Bounds { lo, hi }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(samples: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        samples.iter().for_each(|sample| histogram.record(*sample));
        histogram
    }

    #[test]
    fn without_losses_both_ends_are_the_quantile() {
        let seen = of(&(1..=100).collect::<Vec<_>>());
        assert_eq!(quantile_bounds(&seen, 0.99, 0), Bounds { lo: 99, hi: Some(99) });
    }

    #[test]
    fn a_few_at_the_top_leave_nothing_to_bound_it() {
        let seen = of(&(1..=100).collect::<Vec<_>>());
        assert_eq!(quantile_bounds(&seen, 0.99, 1), Bounds { lo: 99, hi: Some(100) });
        assert_eq!(quantile_bounds(&seen, 0.99, 2).hi, None);
        assert_eq!(quantile_bounds(&seen, 0.5, 50), Bounds { lo: 25, hi: Some(75) });
        assert_eq!(quantile_bounds(&seen, 0.5, 200), Bounds { lo: 0, hi: None });
    }

    #[test]
    fn of_nothing_only_losses_are_known() {
        assert_eq!(quantile_bounds(&of(&[]), 0.99, 3), Bounds { lo: 0, hi: None });
        assert_eq!(quantile_bounds(&of(&[]), 0.99, 0), Bounds { lo: 0, hi: None });
    }

    #[test]
    fn in_json_they_are_a_pair() {
        let json = serde_json::to_string(&Bounds { lo: 3, hi: None }).unwrap();
        assert_eq!(json, "[3,null]");
        assert_eq!(serde_json::from_str::<Bounds>(&json).unwrap(), Bounds { lo: 3, hi: None });
    }

    proptest! {
        /// Small numbers: each has a bucket of its own, so that nothing is rounded.
        #[test]
        fn whatever_was_lost_the_quantile_lies_between(
            seen in prop::collection::vec(0u64..120, 0..40),
            lost in prop::collection::vec(0u64..120, 0..20),
            more in 0u64..5, percent in 1u32..100,
        ) {
            let quantile = f64::from(percent) / 100.0;
            let bounds = quantile_bounds(&of(&seen), quantile, lost.len() as u64 + more);
            let mut all = [seen, lost].concat();
            all.sort_unstable();
            if let Some(last) = all.len().checked_sub(1) {
                let rank = ((quantile * all.len() as f64).ceil() as usize).clamp(1, last + 1);
                let value = all[rank - 1];
                prop_assert!(bounds.lo <= value, "{bounds:?} {value}");
                prop_assert!(bounds.hi.is_none_or(|hi| value <= hi), "{bounds:?} {value}");
            }
        }
    }
}
