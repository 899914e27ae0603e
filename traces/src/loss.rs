//! Loss: bounds on figures when records are missing or samples have not ended.
//!
//! Each lost record can have held at most one sample of a kind. So a figure lies between its value with all missing
//! samples as short as possible and its value with all of them as long as possible:
//!
//! - **from below**, a lost sample can be zero, so with `n` seen and `m` missing the quantile `q` is at least the seen
//!   sample of rank `⌈q(n + m)⌉ − m`; the maximum is at least the seen one;
//! - **from above**, a lost sample can be anything, unless it is an interval of a loop's own time. Runs of a loop
//!   follow one another, so lost runs must fit into the gaps ([`Missing`]): a gap of 3 ms hides no run of 4 ms and at
//!   most two of 1.5 ms. With `J(v)` the number that can be longer than `v`, the quantile is at most the smallest `v`
//!   such that at least `⌈q(n + J(v))⌉` of the seen samples are at most `v`. If there is none, there is no upper bound.
//!
//! A sample that has not ended (a running tick, an overdue timer) is a missing one with a known minimum: it counts as
//! that from below, and as anything from above. One that was cut short when its loop stopped has ended. One that is
//! paused (a tick in its poll) does not grow: as of the last known moment, its known duration is exact.
//!
//! If the clock was wrong, durations may be too long or too short, so no figure of them is known.

pub mod missing;

pub use crate::bounds::{Bounds, SpreadBounds};
use crate::histogram::{Histogram, Percentiles};
pub use missing::Missing;

impl SpreadBounds {
    /// Bounds on the statistics of `seen`, given the `missing` samples. Quantiles are exact to the width of a bucket (1
    /// %), as all those of a [`Histogram`].
    #[must_use]
    pub fn of(seen: &Histogram, missing: &Missing) -> Self {
        if missing.has_no_known_sample() {
            return Self::UNKNOWN;
        }
        let seen = seen.with(missing.cut_short());
        let Some(paused) = missing.paused() else { return Self::of_ended(&seen, missing) };
        let all = Self::of_ended(&seen.with(Some(paused)), missing);
        // A paused sample may still grow, so it lowers no figure of those that ended.
        if seen.is_empty() { all } else { all.or_higher(Self::of_ended(&seen, missing)) }
    }

    /// Raises upper ends to those of `other` where `other` is higher.
    fn or_higher(self, other: Self) -> Self {
        let of = |own: Bounds, other: Bounds| Bounds {
            hi: own.hi.zip(other.hi).map(|(own, other)| own.max(other)),
            ..own
        };
        Self {
            p50: of(self.p50, other.p50),
            p90: of(self.p90, other.p90),
            p99: of(self.p99, other.p99),
            max: of(self.max, other.max),
            mean: of(self.mean, other.mean),
            gmean: of(self.gmean, other.gmean),
        }
    }

    /// Bounds on the statistics of samples that have ended.
    fn of_ended(seen: &Histogram, missing: &Missing) -> Self {
        let at_least = &*seen.with(missing.unfinished());
        let sides = Sides::of(seen, at_least, missing);
        let quantile = |quantile| sides.quantile(quantile);
        Self {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            max: Bounds { lo: at_least.max(), hi: missing.longest().map(|longest| longest.max(seen.max())) },
            mean: mean(seen, at_least, missing),
            gmean: geometric_mean(seen, at_least, missing),
        }
    }
}

impl Histogram {
    /// Like [`percentiles`](Self::percentiles), with bounds if samples are `missing`. Samples that were cut short are
    /// final. Those that have not ended count with their known minimum: they raise figures and lower none, since a
    /// sample that is short so far may end up long.
    #[must_use]
    pub fn percentiles_missing(&self, missing: &Missing) -> Percentiles {
        let bounds = missing.opens_figures().then(|| SpreadBounds::of(self, missing));
        let ended = self.with(missing.cut_short());
        let seen = ended.percentiles();
        let open = [missing.unfinished(), missing.paused()];
        let all = match open.iter().any(Option::is_some) {
            true => ended.with(open[0]).with(open[1]).percentiles(),
            false => seen,
        };
        Percentiles {
            count: all.count,
            few_samples: all.few_samples,
            mean: seen.mean.max(all.mean),
            gmean: seen.gmean.max(all.gmean),
            p50: seen.p50.max(all.p50),
            p90: seen.p90.max(all.p90),
            p99: seen.p99.max(all.p99),
            max: all.max,
            p99_bounds: bounds.map(|bounds| bounds.p99),
            bounds,
        }
    }
}

/// Bounds on the quantile `quantile` (0 to 1) of `seen`, given the `missing` samples. Exact to the width of a bucket (1
/// %), as all quantiles of a [`Histogram`].
#[must_use]
pub fn quantile_bounds(seen: &Histogram, quantile: f64, missing: &Missing) -> Bounds {
    Sides::of(seen, &seen.with(missing.unfinished()), missing).quantile(quantile)
}

/// The inputs that bound a distribution from either side.
struct Sides<'a> {
    /// Samples that have ended.
    seen: &'a Histogram,
    /// `seen` and the unfinished samples, each at its known minimum; equals `seen` if none is unfinished.
    at_least: &'a Histogram,
    missing: &'a Missing,
    /// The upper edge of each non-empty bucket of `seen`, and how many samples are at most that.
    steps: Vec<(u64, u64)>,
    /// Like `steps`, for `at_least`; `None` if no sample is unfinished.
    steps_at_least: Option<Vec<(u64, u64)>>,
}

/// The rank of a quantile, from 1, as the histogram counts.
fn rank(quantile: f64, samples: u64) -> u64 {
    ((quantile.clamp(0.0, 1.0) * samples as f64).ceil() as u64).max(1)
}

impl<'a> Sides<'a> {
    fn of(seen: &'a Histogram, at_least: &'a Histogram, missing: &'a Missing) -> Self {
        let steps_at_least = missing.unfinished().map(|_| at_least.steps());
        Self { seen, at_least, missing, steps: seen.steps(), steps_at_least }
    }

    fn quantile(&self, quantile: f64) -> Bounds {
        let lo = self.quantile_at_least(quantile);
        if self.missing.count() == 0 {
            return Bounds { lo, hi: (!self.seen.is_empty()).then_some(lo) };
        }
        Bounds { lo, hi: self.quantile_at_most(quantile) }
    }

    fn quantile_at_least(&self, quantile: f64) -> u64 {
        let (steps, lost) = (self.steps_at_least.as_ref().unwrap_or(&self.steps), self.missing.lost());
        let rank = rank(quantile, self.at_least.count().saturating_add(lost)).saturating_sub(lost);
        if rank == 0 {
            return 0;
        }
        let place = steps.partition_point(|(_, up_to)| *up_to < rank);
        steps.get(place).map_or(0, |(edge, _)| (*edge).min(self.at_least.max()))
    }

    fn quantile_at_most(&self, quantile: f64) -> Option<u64> {
        let Self { seen, missing, steps, .. } = self;
        let seen_up_to = |value: u64| match steps.partition_point(|(edge, _)| *edge <= value) {
            0 => 0,
            place => steps[place - 1].1,
        };
        let longer = |value: u64| seen.count().saturating_add(missing.longer_than(value));
        let suffices = |value: u64| rank(quantile, longer(value)) <= seen_up_to(value);
        // The larger the value, the fewer samples can exceed it, so a binary search finds the smallest that suffices. A
        // value that no sample can exceed suffices, if there is one.
        let last = steps.last().map_or(0, |(edge, _)| *edge);
        let end = missing.longest().map_or(last, |longest| longest.max(last));
        if !suffices(end) && missing.longest().is_none() {
            return None;
        }
        let (mut below, mut enough) = (0, end);
        while below < enough {
            let middle = below + (enough - below) / 2;
            if suffices(middle) {
                enough = middle;
            } else {
                below = middle + 1;
            }
        }
        // A lost sample is reported as its bucket too.
        let shown = seen.upper_edge(enough);
        Some(missing.longest().map_or(shown, |longest| shown.min(longest.max(seen.max()))))
    }
}

/// Bounds the mean: missing samples add what fits into their gaps, and raise the count accordingly.
fn mean(seen: &Histogram, at_least: &Histogram, missing: &Missing) -> Bounds {
    let (count, total, most) = (seen.count() as f64, seen.total() as f64, missing.lost() as f64);
    if missing.count() == 0 {
        let mean = seen.mean().round() as u64;
        return Bounds { lo: mean, hi: Some(mean) };
    }
    let hi = missing.longest().map(|longest| {
        let longest = longest as f64;
        let more = (missing.total_ns() as f64).min(most * longest);
        let raised = (total + more) / (count + if longest > 0.0 { more / longest } else { 0.0 }).max(1.0);
        raised.max(seen.mean()).ceil() as u64
    });
    let lo = at_least.total() as f64 / (at_least.count() as f64 + most).max(1.0);
    Bounds { lo: lo.floor() as u64, hi }
}

/// Like [`mean`]. For samples that share a given time, the sum of logarithms is largest when all are equal. Zeros count
/// as one.
fn geometric_mean(seen: &Histogram, at_least: &Histogram, missing: &Missing) -> Bounds {
    let (count, most) = (seen.count() as f64, missing.lost() as f64);
    let own = seen.geometric_mean();
    if missing.count() == 0 {
        return Bounds { lo: own.round() as u64, hi: Some(own.round() as u64) };
    }
    let logarithms = |of: &Histogram| of.count() as f64 * of.geometric_mean().max(1.0).ln();
    let seen_logarithms = logarithms(seen);
    let hi = missing.longest().map(|longest| {
        let (longest, total) = (longest.max(1) as f64, missing.total_ns().max(1) as f64);
        let with =
            |more: f64| (seen_logarithms + more * longest.min(total / more).max(1.0).ln()) / (count + more);
        // It rises up to some number of samples and falls after that: search for where its derivative changes sign.
        let (mut low, mut high) = ((total / longest).min(most), most);
        for _ in 0..64 {
            let middle = f64::midpoint(low, high);
            if (total / middle).max(1.0).ln() - 1.0 > with(middle) { low = middle } else { high = middle }
        }
        let raised = with(low).max(with(high)).exp();
        // A lost sample counts as the middle of its bucket too, which is up to 1 % above its value.
        (raised.max(own) * 1.01).ceil() as u64
    });
    let lo = logarithms(at_least) / (at_least.count() as f64 + most).max(1.0);
    Bounds { lo: lo.exp().floor() as u64, hi }
}

#[cfg(test)]
mod tests;
