//! Firings of timers with an unknown period: armed before the reading began, until a snapshot lists the timer or shows
//! that it was a one-shot.
//!
//! An interval that is found due with lag `f` and has skipped `s` periods by then has a period in `(f / (s + 1), f / s]`.
//! So with lag `L` at the start of its callback, it has skipped between `⌊L·s / f⌋` and `⌈L·(s + 1) / f⌉ − 1`. The lower
//! end is counted; the difference is kept as what may be missing. For the corrected lag, the period is taken to be
//! `f / (s + ½)`, which is right within `1 / (2s)`, and the samples that may be missing are shorter than `L`.

use std::collections::HashMap;

use loop_probes::ids::{SourceId, TimerId};

use crate::loss::Missing;
use crate::timeline::baseline::Figures;

type Key = (SourceId, TimerId);

/// One firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Firing {
    /// The lag at the start of the callback.
    pub(super) lag_ns: u64,
    /// The lag at the clock reading that found the timer due.
    pub(super) found_ns: u64,
    /// Periods skipped up to that reading.
    pub(super) skipped: u32,
}

impl Firing {
    /// Whether the timer can have had this period; `None` for a one-shot.
    pub(super) fn fits(&self, period_ns: Option<u64>) -> bool {
        let skipped = period_ns.map_or(Some(0), |period_ns| self.found_ns.checked_div(period_ns));
        skipped == Some(self.skipped.into())
    }

    /// Periods skipped up to the start of the callback, given the period.
    pub(super) fn skipped_by(&self, period_ns: u64) -> u64 {
        self.lag_ns.checked_div(period_ns).unwrap_or(0).min(u32::MAX.into())
    }

    /// The fewest and the most periods that it can have skipped up to the start of its callback.
    pub(super) fn skipped_range(&self) -> [u64; 2] {
        let (lag, found, skipped) =
            (u128::from(self.lag_ns), u128::from(self.found_ns), u128::from(self.skipped));
        let [least, most] = match found {
            // Any period is possible, but none is shorter than 1 ns.
            0 => [skipped, lag.max(skipped)],
            _ => [lag * skipped / found, (lag * (skipped + 1)).div_ceil(found).saturating_sub(1)],
        };
        [least, most].map(|periods| u64::try_from(periods).unwrap_or(u64::MAX).min(u32::MAX.into()))
    }

    /// The middle of the possible periods; `None` if it skipped none.
    pub(super) fn period_about(&self) -> Option<u64> {
        let skipped = u64::from(self.skipped);
        (skipped > 0).then(|| (self.found_ns / (2 * skipped + 1)).saturating_mul(2))
    }

    /// Upper bound on the skipped periods that are not counted yet.
    fn skipped_more(&self) -> u64 {
        let [least, most] = self.skipped_range();
        most.saturating_sub(least)
    }

    /// Adds the samples that its corrected lag may lack.
    fn add_to(&self, corrected: &mut Missing) {
        add_range(self.skipped_range(), self.lag_ns, corrected);
    }
}

/// Adds the samples that the corrected lag may lack for a firing that skipped between `least` and `most` periods. A firing
/// that skipped none has a sample too.
fn add_range([least, most]: [u64; 2], lag_ns: u64, corrected: &mut Missing) {
    corrected.of_at_most(most.max(1).saturating_sub(least.max(1)), lag_ns);
}

/// Firings whose figures are ranges.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unresolved {
    /// Firings whose period may become known, at most `limit`. Each has more than one possible value.
    pending: HashMap<Key, Vec<Firing>>,
    pending_count: usize,
    limit: usize,
    /// Firings that remain ranges, their missing periods and their missing samples.
    settled: u64,
    settled_more: u64,
    settled_samples: Missing,
}

impl Unresolved {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Its figures, for [`baseline`](crate::timeline::baseline). The samples that may be missing stay unless all are older.
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        by.counts([&mut self.settled, &mut self.settled_more]);
        if self.settled == 0 {
            self.settled_samples = Missing::default();
        }
    }

    /// Adds a firing whose period may become known.
    pub(super) fn add(&mut self, key: Key, firing: Firing) {
        if firing.skipped_more() == 0 {
            return;
        }
        if self.pending_count >= self.limit {
            self.is_range(&firing);
            return;
        }
        self.pending_count += 1;
        self.pending.entry(key).or_default().push(firing);
    }

    /// Adds a firing whose period stays unknown.
    pub(super) fn is_range(&mut self, firing: &Firing) {
        self.is_between(firing.skipped_range(), firing.lag_ns);
    }

    /// Adds a firing whose skipped periods contradict the period of its timer: one of the two is wrong. Returns the
    /// fewest periods that it can have skipped.
    pub(super) fn is_either(&mut self, firing: &Firing, period_ns: Option<u64>) -> u64 {
        let [least, most] = firing.skipped_range();
        let by_period = period_ns.map_or(0, |period_ns| firing.skipped_by(period_ns));
        let [least, most] = [least.min(by_period), most.max(by_period)];
        self.is_between([least, most], firing.lag_ns);
        least
    }

    fn is_between(&mut self, skipped: [u64; 2], lag_ns: u64) {
        let [least, most] = skipped;
        self.settled += u64::from(most > least);
        self.settled_more = self.settled_more.saturating_add(most.saturating_sub(least));
        add_range(skipped, lag_ns, &mut self.settled_samples);
    }

    /// Takes out the firings of a timer.
    pub(super) fn take(&mut self, key: Key) -> Vec<Firing> {
        let taken = if self.pending.is_empty() { None } else { self.pending.remove(&key) };
        let taken = taken.unwrap_or_default();
        self.pending_count -= taken.len();
        taken
    }

    /// The period of a timer's firings so far stays unknown.
    pub(super) fn settle(&mut self, key: Key) {
        for firing in self.take(key) {
            self.is_range(&firing);
        }
    }

    /// Returns the timers of a loop that have firings with an unknown period.
    pub(super) fn of(&self, source: SourceId) -> Vec<Key> {
        self.pending.keys().filter(|(of, _)| *of == source).copied().collect()
    }

    pub(super) fn count(&self) -> u64 {
        self.settled.saturating_add(self.pending_count as u64)
    }

    pub(super) fn skipped_more(&self) -> u64 {
        let pending = self.pending.values().flatten().map(Firing::skipped_more);
        pending.fold(self.settled_more, u64::saturating_add)
    }

    pub(super) fn add_to(&self, corrected: &mut Missing) {
        corrected.merge(&self.settled_samples);
        self.pending.values().flatten().for_each(|firing| firing.add_to(corrected));
    }
}

#[cfg(test)]
mod tests;
