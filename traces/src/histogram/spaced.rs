//! Distributions with runs of evenly spaced values, such as an interval's lag with a sample for each skipped period.
//!
//! A run of billions of values takes constant time. Between its ends it raises the density of values by 1 / `step`,
//! which is stored as a difference at either end of the run; reading the distribution sums the differences. Each
//! bucket's count is within one per run of what recording the values one by one would give.

use std::borrow::Cow;
use std::sync::Arc;

use super::compact::Compact;
use super::{COUNT_MAX, Histogram};

/// Shorter runs are recorded one by one.
const RUN_MIN: u64 = 16;

/// Buckets of width 1, as in [`Histogram`].
const EXACT: u64 = 256;

/// Buckets of each later power of two.
const PER_POWER: u64 = EXACT / 2;

/// A distribution in which a run of evenly spaced values takes constant space. See the [module](self).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spaced {
    /// Single values, and the first and the last one of each run.
    single: Histogram,
    /// For each bucket, by how much the density within runs exceeds that of the bucket before, in 2⁻⁶⁴ values. Wraps
    /// around: a sum of differences is a density, which is below 2¹²⁰ since there are at most [`COUNT_MAX`] values.
    differences: Vec<u128>,
    /// Number of values within runs, and their sum.
    count: u64,
    total: u64,
}

/// A [`Spaced`] distribution up to some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpacedMark {
    pub(crate) single: Compact,
    differences: Arc<[u128]>,
    count: u64,
    total: u64,
}

impl SpacedMark {
    /// Bytes that it shares with no earlier mark.
    pub(crate) fn bytes_since(&self, before: Option<&Self>) -> usize {
        let is_shared = before.is_some_and(|before| Arc::ptr_eq(&before.differences, &self.differences));
        let differences = if is_shared { 0 } else { size_of_val(&*self.differences) };
        self.single.bytes_since(before.map(|before| &before.single)) + differences
    }
}

impl Spaced {
    pub(crate) fn new() -> Self {
        Self { single: Histogram::new(), differences: Vec::new(), count: 0, total: 0 }
    }

    /// Adds `count` values: `largest`, and smaller ones in decrements of `step` (zero once that is reached).
    pub(crate) fn record(&mut self, largest: u64, step: u64, count: u64) {
        let step = step.max(1);
        let count = count.min(COUNT_MAX.saturating_sub(self.count.saturating_add(self.single.count())));
        let above_zero = count.min(largest.div_ceil(step));
        self.single.record_many(0, count - above_zero);
        if above_zero < RUN_MIN {
            (0..above_zero).for_each(|place| self.single.record(largest - place * step));
            return;
        }
        self.single.record(largest);
        self.single.record(largest - (above_zero - 1) * step);
        self.add_run(largest - step, step, above_zero - 2);
    }

    /// Adds `count` values from `largest` down, each in the middle of an interval of `step`.
    fn add_run(&mut self, largest: u64, step: u64, count: u64) {
        let to = largest + step / 2;
        let from = to - count * step;
        let density = u128::from(u64::MAX / step);
        self.raise_from(from, density);
        self.raise_from(to, density.wrapping_neg());
        self.count += count;
        let sum = u128::from(count) * (u128::from(largest) + u128::from(largest - (count - 1) * step)) / 2;
        self.total = self.total.saturating_add(u64::try_from(sum).unwrap_or(u64::MAX));
    }

    /// Raises the density from `value` on.
    fn raise_from(&mut self, value: u64, density: u128) {
        let (place, width_bits) = bucket(value);
        if self.differences.len() < place + 2 {
            self.differences.resize(place + 2, 0);
        }
        // The bucket of `value` is only partly above it.
        let width = 1 << width_bits;
        let above = width - value % width;
        let negative = density > u128::MAX / 2;
        let magnitude = if negative { density.wrapping_neg() } else { density };
        let part = (magnitude * u128::from(above)) >> width_bits;
        let part = if negative { part.wrapping_neg() } else { part };
        self.differences[place] = self.differences[place].wrapping_add(part);
        let rest = density.wrapping_sub(part);
        self.differences[place + 1] = self.differences[place + 1].wrapping_add(rest);
    }

    /// Marks this moment, after the mark `before`.
    pub(crate) fn mark(&mut self, before: Option<&SpacedMark>) -> SpacedMark {
        let single = self.single.mark(before.map(|before| &before.single));
        let unchanged = before.filter(|before| before.count == self.count);
        let differences =
            unchanged.map_or_else(|| self.differences[..].into(), |at| Arc::clone(&at.differences));
        SpacedMark { single, differences, count: self.count, total: self.total }
    }

    /// What was recorded since the mark `at`. See [`Histogram::since`].
    pub(crate) fn since(&self, at: Option<&SpacedMark>, later: impl Iterator<Item = u64>) -> Self {
        let mut since = Self { single: self.single.since(at.map(|at| &at.single), later), ..Self::new() };
        if at.map_or(0, |at| at.count) == self.count {
            return since;
        }
        since.differences.clone_from(&self.differences);
        if let Some(at) = at {
            for (difference, before) in since.differences.iter_mut().zip(&*at.differences) {
                *difference = difference.wrapping_sub(*before);
            }
        }
        since.count = self.count.saturating_sub(at.map_or(0, |at| at.count));
        since.total = self.total.saturating_sub(at.map_or(0, |at| at.total));
        since
    }

    /// The distribution of all recorded values.
    pub(crate) fn histogram(&self) -> Cow<'_, Histogram> {
        if self.count == 0 {
            return Cow::Borrowed(&self.single);
        }
        let mut all = self.single.clone();
        let (mut density, mut sum, mut recorded) = (0u128, 0u128, 0);
        let mut last = 0;
        for (place, difference) in self.differences.iter().enumerate() {
            density = density.wrapping_add(*difference);
            if density == 0 {
                continue;
            }
            let (start, width) = range(place);
            sum += density * u128::from(width);
            last = start + (width - 1) / 2;
            let up_to = u64::try_from((sum + (1 << 63)) >> 64).unwrap_or(u64::MAX).min(self.count);
            all.record_many(last, up_to.saturating_sub(recorded));
            recorded = recorded.max(up_to);
        }
        // Densities are rounded down.
        all.record_many(last, self.count - recorded);
        all.max = self.single.max;
        all.total = self.single.total.saturating_add(self.total);
        Cow::Owned(all)
    }
}

/// The bucket of a value, and the logarithm of its width.
const fn bucket(value: u64) -> (usize, u32) {
    if value < EXACT {
        return (value as usize, 0);
    }
    let width_bits = value.ilog2() - PER_POWER.ilog2();
    ((PER_POWER * width_bits as u64 + (value >> width_bits)) as usize, width_bits)
}

/// The first value of a bucket, and its width.
const fn range(place: usize) -> (u64, u64) {
    let place = place as u64;
    if place < EXACT {
        return (place, 1);
    }
    let width_bits = place / PER_POWER - 1;
    ((place - PER_POWER * width_bits) << width_bits, 1 << width_bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(largest: u64, step: u64, count: u64) -> Spaced {
        let mut spaced = Spaced::new();
        spaced.record(largest, step, count);
        spaced
    }

    #[test]
    fn buckets_are_next_to_one_another_and_those_of_distributions() {
        let mut next = 0;
        let last = bucket(u64::MAX).0;
        for place in 0..=last {
            let (start, width) = range(place);
            assert_eq!(start, next);
            for value in [start, start + (width - 1)] {
                assert_eq!(bucket(value), (place, width.ilog2()));
            }
            let mut one = Histogram::new();
            one.record(start);
            assert_eq!(one.upper_edge(start), start + (width - 1));
            next = start.wrapping_add(width);
        }
        assert_eq!(next, 0, "all values have a bucket");
    }

    #[test]
    fn spaced_values_are_counted_as_if_one_by_one() {
        let runs = [
            (300_000_000, 1_000_000, 300),
            (9_999, 10_000, 1),
            (70_000_123, 1_000, 70_000),
            (500_000, 7, 71_000),
            (5_000, 1, 4_000),
            (1_000_000_007, 999, 12),
            (100, 30, 9),
            (1_000, 10, 150),
            (0, 0, 3),
        ];
        let (mut together, mut apart) = (Spaced::new(), Histogram::new());
        let mut number = 0;
        for (largest, step, count) in runs {
            together.record(largest, step, count);
            (0..count).for_each(|place| apart.record(largest.saturating_sub(place * step.max(1))));
            number += 1;
            let all = together.histogram();
            assert_eq!((all.count(), all.max(), all.total()), (apart.count(), apart.max(), apart.total()));
            for (edge, up_to) in apart.steps() {
                let counted = all.count() - all.count_between(edge, u64::MAX);
                assert!(counted.abs_diff(up_to) <= number, "{largest} {edge}: {counted}, not {up_to}");
            }
        }
    }

    #[test]
    fn runs_of_any_size_keep_their_count_and_ends() {
        for (largest, step) in [
            (u64::MAX, 1 << 31),
            (u64::MAX, 1),
            (u64::MAX, 1 << 58),
            (1 << 40, 256),
            (u64::MAX >> 8, 1),
            (7, 0),
        ] {
            for count in [15, 16, 17, u64::from(u32::MAX), u64::MAX] {
                let spaced = of(largest, step, count);
                let all = spaced.histogram();
                assert_eq!((all.count(), all.max()), (count.min(COUNT_MAX), largest));
                assert!(spaced.differences.len() * size_of::<u128>() < 120_000);
            }
        }
        let mut many = Spaced::new();
        (0..1_000).for_each(|_| many.record(u64::MAX, 1, COUNT_MAX / 500));
        assert_eq!(many.histogram().count(), COUNT_MAX);
    }

    /// Recording the values one by one would take years.
    #[test]
    fn a_run_of_billions_is_as_cheap_as_a_short_one() {
        let mut spaced = Spaced::new();
        for number in 0..100_000 {
            spaced.record(5_000_000_000 + number, 1, u32::MAX.into());
        }
        let all = spaced.histogram();
        assert_eq!(all.count(), 100_000 * u64::from(u32::MAX));
        let middle = 5_000_050_000 - u64::from(u32::MAX) / 2;
        assert!(all.quantile(0.5).abs_diff(middle) * 100 <= middle, "{}", all.quantile(0.5));
    }
}
