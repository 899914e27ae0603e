//! Distributions: `hdrhistogram` with two significant digits, plus the exact maximum and total.
//!
//! Two digits keep a histogram at a few kilobytes, so that there can be several per tag, and quantiles are cheap enough
//! to compute thirty times a second. The size grows with the logarithm of the largest value, to 60 kB for `u64::MAX`.
//! The maximum is what users look up in the trace, so it is kept exactly, not as its bucket.

pub(crate) mod compact;
pub(crate) mod spaced;

use std::borrow::Cow;

use hdrhistogram::Histogram as Buckets;
use serde::{Deserialize, Serialize};

use crate::bounds::{Bounds, SpreadBounds};
use crate::peak::Peak;

/// With fewer samples, the 99th percentile is the maximum.
const FEW: u64 = 100;

/// Maximum number of values that [`Histogram::record_many`] lets a distribution hold: over two years if each counts a
/// nanosecond.
const COUNT_MAX: u64 = u64::MAX >> 8;

/// A distribution of nanoseconds, or of counts.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Buckets<u64>,
    max: Peak,
    total: u64,
}

impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        (&self.buckets, self.max(), self.total) == (&other.buckets, other.max(), other.total)
    }
}

impl Histogram {
    /// An empty distribution.
    #[must_use]
    pub fn new() -> Self {
        let buckets = Buckets::new(2).expect("two significant digits are within the library's limits");
        Self { buckets, max: Peak::default(), total: 0 }
    }

    /// Adds one value. Allocates only if `value` is in a power of two not reached before.
    #[inline]
    pub fn record(&mut self, value: u64) {
        // Cannot fail: the range grows automatically, up to `u64::MAX`.
        let recorded = self.buckets.record(value);
        debug_assert!(recorded.is_ok(), "a value within the range was refused");
        self.max.reach(value);
        self.total = self.total.saturating_add(value);
    }

    /// Adds one value `count` times. Nothing is added beyond [`COUNT_MAX`] in total, so that sums of counts cannot
    /// overflow.
    #[inline]
    pub(crate) fn record_many(&mut self, value: u64, count: u64) {
        let count = count.min(COUNT_MAX.saturating_sub(self.count()));
        if count == 0 {
            return;
        }
        // Cannot fail: as in `record`.
        let recorded = self.buckets.record_n(value, count);
        debug_assert!(recorded.is_ok(), "a value within the range was refused");
        self.max.reach(value);
        self.total = self.total.saturating_add(value.saturating_mul(count));
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: &Self) {
        // Cannot fail: ours grows automatically, and both hold only what `record` accepted.
        let merged = self.buckets.add(&other.buckets);
        debug_assert!(merged.is_ok(), "a distribution within the range was refused");
        self.max.reach(other.max());
        self.total = self.total.saturating_add(other.total);
    }

    /// Number of values recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.len()
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Bytes that the buckets take.
    pub(crate) fn bytes(&self) -> usize {
        self.buckets.distinct_values() * size_of::<u64>()
    }

    /// The largest value, exactly; 0 when empty.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max.get()
    }

    /// The sum of all values, exactly (pinned at `u64::MAX`).
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The mean; 0 when empty.
    #[must_use]
    pub fn mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.total as f64 / self.count() as f64 }
    }

    /// The geometric mean, within 1 %; 0 when empty, and zeros count as one. Outliers hardly move it, as with the median,
    /// but it depends on every value, so it varies less from run to run.
    #[must_use]
    pub fn geometric_mean(&self) -> f64 {
        let logarithm =
            |value: u64| (self.buckets.median_equivalent(value).clamp(1, self.max().max(1)) as f64).ln();
        let steps = self.buckets.iter_recorded();
        let sum: f64 = steps
            .map(|step| step.count_since_last_iteration() as f64 * logarithm(step.value_iterated_to()))
            .sum();
        if self.is_empty() { 0.0 } else { (sum / self.count() as f64).exp() }
    }

    /// The value that a share `quantile` (0 to 1) of all values does not exceed, within 1 %.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> u64 {
        last_edge(self.buckets.value_at_quantile(quantile)).min(self.max())
    }

    /// Like [`quantile`](Self::quantile), but `None` when empty: the median of nothing is not zero.
    #[must_use]
    pub fn known_quantile(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.quantile(quantile))
    }

    /// How many values are above `low` and at most `high`, each accurate to the width of a bucket (1 %).
    #[must_use]
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        self.count_up_to(high).saturating_sub(self.count_up_to(low))
    }

    /// The sum of the values above `low`, within 1 %.
    pub(crate) fn total_above(&self, low: u64) -> u64 {
        let low = self.buckets.highest_equivalent(low);
        let above = self.buckets.iter_recorded().filter(|step| step.value_iterated_to() > low);
        let sums = above.map(|step| {
            let value = self.buckets.median_equivalent(step.value_iterated_to()).min(self.max());
            value.saturating_mul(step.count_since_last_iteration())
        });
        sums.fold(0, u64::saturating_add)
    }

    fn count_up_to(&self, high: u64) -> u64 {
        if high >= self.max() {
            return self.count();
        }
        let recorded = self.buckets.iter_recorded();
        recorded
            .take_while(|step| step.value_iterated_to() <= high)
            .map(|step| step.count_since_last_iteration())
            .sum()
    }

    /// The figures shown by reports and the dashboard.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            count: self.count(),
            few_samples: (1..FEW).contains(&self.count()),
            mean: (!self.is_empty()).then(|| self.mean().round() as u64),
            gmean: (!self.is_empty()).then(|| self.geometric_mean().round() as u64),
            p50: self.known_quantile(0.5),
            p90: self.known_quantile(0.9),
            p99: self.known_quantile(0.99),
            max: (!self.is_empty()).then_some(self.max()),
            p99_bounds: None,
            bounds: None,
        }
    }

    /// This distribution plus all values of `more`.
    pub(crate) fn with(&self, more: Option<&Self>) -> Cow<'_, Self> {
        let Some(more) = more else { return Cow::Borrowed(self) };
        let mut all = self.clone();
        all.merge(more);
        Cow::Owned(all)
    }

    /// The upper edge of each non-empty bucket, and how many values are at most that.
    pub(crate) fn steps(&self) -> Vec<(u64, u64)> {
        let steps = self.buckets.iter_recorded().scan(0, |up_to, step| {
            *up_to += step.count_since_last_iteration();
            Some((last_edge(step.value_iterated_to()), *up_to))
        });
        steps.collect()
    }

    /// The largest value in the bucket of `value`.
    pub(crate) fn upper_edge(&self, value: u64) -> u64 {
        last_edge(self.buckets.highest_equivalent(value))
    }
}

/// The upper edge of a bucket as `hdrhistogram` gives it, which is one too low for the last bucket of all.
const fn last_edge(edge: u64) -> u64 {
    if edge == u64::MAX - 1 { u64::MAX } else { edge }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// The figures shown of a distribution, in its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// Number of values.
    pub count: u64,
    /// Whether there are too few values: below 100 `p99` is the maximum, below 10 `p90` is too.
    pub few_samples: bool,
    /// The mean; `None` also in summaries saved by older versions.
    pub mean: Option<u64>,
    /// The geometric mean; `None` as `mean` is.
    pub gmean: Option<u64>,
    /// The median; `None` (`null`) where there are no values, as all figures below.
    pub p50: Option<u64>,
    /// Nine in ten are at most this.
    pub p90: Option<u64>,
    /// Ninety-nine in a hundred are at most this.
    pub p99: Option<u64>,
    /// The largest, exactly.
    pub max: Option<u64>,
    /// Bounds on the true `p99` if samples may be missing, as in `bounds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_bounds: Option<Bounds>,
    /// Bounds on each figure if samples may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<SpreadBounds>,
}

/// Marks a percentile that equals the maximum because there are too few samples.
pub const FEW_MARK: &str = "*";

impl Percentiles {
    /// [`FEW_MARK`] where `p90` has too few samples, else nothing.
    #[must_use]
    pub const fn p90_mark(&self) -> &'static str {
        if self.few_samples && self.count < 10 { FEW_MARK } else { "" }
    }

    /// [`FEW_MARK`] where `p99` has too few samples, else nothing.
    #[must_use]
    pub const fn p99_mark(&self) -> &'static str {
        if self.few_samples { FEW_MARK } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Missing;

    #[test]
    fn quantiles_are_within_a_percent_and_the_ends_exact() {
        let mut histogram = Histogram::new();
        for value in 1..=10_000 {
            histogram.record(value * 1_000);
        }
        let shown = histogram.percentiles();
        assert_eq!((shown.count, shown.max), (10_000, Some(10_000_000)));
        assert_eq!(histogram.total(), (1..=10_000u64).sum::<u64>() * 1_000);
        for (quantile, exact) in [(0.5, 5_000_000u64), (0.9, 9_000_000), (0.99, 9_900_000)] {
            let value = histogram.quantile(quantile);
            assert!(value.abs_diff(exact) * 100 <= exact, "{quantile}: {value}");
        }
    }

    #[test]
    fn huge_values_are_taken() {
        let mut histogram = Histogram::new();
        histogram.record(u64::MAX);
        histogram.record(0);
        assert_eq!((histogram.count(), histogram.max()), (2, u64::MAX));
        assert_eq!(histogram.total(), u64::MAX);
    }

    #[test]
    fn percentiles_are_as_exact_for_the_largest_values() {
        let days = |days: u64| days * 86_400_000_000_000;
        for value in [(1 << 50) + 1, days(20), days(20 * 365), (1 << 63) - 1, 1 << 63, u64::MAX - 1, u64::MAX]
        {
            let mut one = Histogram::new();
            one.record(value);
            let shown = one.percentiles();
            assert_eq!(
                (shown.p50, shown.p90, shown.p99, shown.max),
                (Some(value), Some(value), Some(value), Some(value))
            );
            assert!(
                one.geometric_mean() >= value as f64 * 0.99 && one.geometric_mean() <= value as f64 * 1.01
            );
            assert!(one.upper_edge(value) >= value && one.steps() == [(one.upper_edge(value), 1)]);

            let mut many = Histogram::new();
            many.record_many(value / 4, 100);
            many.record_many(value / 2, 100);
            many.merge(&one);
            for (quantile, exact) in [(0.4, value / 4), (0.9, value / 2), (1.0, value)] {
                assert!(many.quantile(quantile).abs_diff(exact) <= exact / 100, "{value}: {quantile}");
            }
            assert_eq!(many.count_between(value / 3, u64::MAX), 101);
        }
    }

    #[test]
    fn a_histogram_of_the_largest_values_is_small() {
        let mut histogram = Histogram::new();
        (0..64).for_each(|power| histogram.record(u64::MAX >> power));
        assert_eq!(histogram.steps().len(), 64);
        assert!(histogram.buckets.distinct_values() * size_of::<u64>() <= 60_000);
    }

    #[test]
    fn ranges_cover_everything_once() {
        let mut histogram = Histogram::new();
        for value in [0, 5, 10, 11, 100, 5_000] {
            histogram.record(value);
        }
        let edges = [0, 10, 100, 1_000, u64::MAX];
        let sum: u64 = edges.windows(2).map(|pair| histogram.count_between(pair[0], pair[1])).sum();
        assert_eq!(sum, 5, "all but the zero");
        assert_eq!(histogram.count_between(0, 10), 2);
        assert_eq!(histogram.count_between(10, 100), 2);
    }

    #[test]
    fn the_sum_of_large_values_leaves_out_the_small_ones() {
        let mut histogram = Histogram::new();
        histogram.record_many(900, 1_000);
        histogram.record_many(2_000_000, 10);
        histogram.record(70_000_000);
        let (sum, exact) = (histogram.total_above(1_000_000), 90_000_000_u64);
        assert!(sum.abs_diff(exact) <= exact / 100, "{sum}");
        assert_eq!(histogram.total_above(70_000_000), 0);
    }

    #[test]
    fn outliers_hardly_move_the_geometric_mean() {
        let mut histogram = Histogram::new();
        for value in [10, 100, 1_000] {
            histogram.record(value);
        }
        assert!((histogram.geometric_mean() - 100.0).abs() < 1.0, "{}", histogram.geometric_mean());
        (0..997).for_each(|_| histogram.record(100));
        histogram.record(1_000_000_000);
        assert!((histogram.geometric_mean() - 101.6).abs() < 1.0, "{}", histogram.geometric_mean());
        assert!(histogram.mean() > 900_000.0);
    }

    #[test]
    fn merging_equals_recording_into_one() {
        let (mut some, mut more, mut all) = (Histogram::new(), Histogram::new(), Histogram::new());
        for value in [3, 900, 70_000] {
            some.record(value);
            all.record(value);
        }
        for value in [1, 8_000_000_000] {
            more.record(value);
            all.record(value);
        }
        some.merge(&more);
        assert_eq!(some.percentiles(), all.percentiles());
    }

    #[test]
    fn a_cut_short_sample_counts_and_an_unfinished_one_lowers_no_figure() {
        let mut ended = Histogram::new();
        ended.record_many(1_000, 160);
        let mut short = Histogram::new();
        short.record_many(10, 240);
        let all = ended.with(Some(&short)).percentiles();
        assert_eq!((all.count, all.p50, all.mean), (400, Some(10), Some(406)));
        assert_eq!(ended.percentiles_missing(&Missing::none().with_cut_short(short.clone())), all);
        let open = ended.percentiles_missing(&Missing::none().with_unfinished(short, 0));
        assert_eq!((open.count, open.p50, open.mean), (400, Some(1_000), Some(1_000)));
        assert_eq!(open.bounds.map(|bounds| (bounds.p50.lo, bounds.p50.hi)), Some((10, None)));
    }

    #[test]
    fn too_few_samples_are_flagged() {
        let mut histogram = Histogram::new();
        (0..99).for_each(|value| histogram.record(value));
        assert!(histogram.percentiles().few_samples);
        histogram.record(99);
        assert!(!histogram.percentiles().few_samples);
    }

    #[test]
    fn an_empty_distribution_has_no_figures() {
        let shown = Histogram::new().percentiles();
        assert_eq!(shown, Percentiles::default());
        assert_eq!((shown.count, shown.p50, shown.p99, shown.max), (0, None, None, None));
        let json = serde_json::to_value(shown).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"count": 0, "few_samples": false, "mean": null, "gmean": null,
            "p50": null, "p90": null, "p99": null, "max": null})
        );
    }
}
