//! Distributions at marks: the buckets that hold something, so that many moments of many distributions can be kept.

use std::sync::Arc;

use super::Histogram;

/// A distribution up to some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Compact {
    /// Each bucket's upper edge and how many values it holds, from the smallest. Shared by marks between which nothing
    /// was recorded.
    buckets: Arc<[(u64, u64)]>,
    count: u64,
    total: u64,
    /// The largest value between the mark before and this one.
    peak: u64,
}

impl Compact {
    /// Bytes that it shares with no earlier mark.
    pub(crate) fn bytes_since(&self, before: Option<&Self>) -> usize {
        let is_shared = before.is_some_and(|before| Arc::ptr_eq(&before.buckets, &self.buckets));
        size_of::<Self>() + if is_shared { 0 } else { size_of_val(&*self.buckets) }
    }

    /// The largest value between the mark before and this one.
    pub(crate) const fn peak(&self) -> u64 {
        self.peak
    }

    /// Counts the largest value of an earlier slice for the slice of this mark, which the earlier mark no longer divides.
    pub(crate) fn absorb(&mut self, earlier: &Self) {
        self.peak = self.peak.max(earlier.peak);
    }
}

impl Histogram {
    /// Marks this moment, after the mark `before`.
    pub(crate) fn mark(&mut self, before: Option<&Compact>) -> Compact {
        let peak = self.max.mark();
        let unchanged =
            before.filter(|before| before.count == self.count()).map(|at| Arc::clone(&at.buckets));
        let buckets = || {
            let steps = self.buckets.iter_recorded();
            steps.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
        };
        Compact { buckets: unchanged.unwrap_or_else(buckets), count: self.count(), total: self.total, peak }
    }

    /// What was recorded since the mark `at`, the first of a window, of which `later` has the peaks of the others. The
    /// total is exact unless that of everything is pinned.
    pub(crate) fn since(&self, at: Option<&Compact>, later: impl Iterator<Item = u64>) -> Self {
        let mut since = Self::new();
        let nothing = Compact::default();
        let at = at.unwrap_or(&nothing);
        if at.count == self.count() {
            return since;
        }
        let mut before = at.buckets.iter().peekable();
        for step in self.buckets.iter_recorded() {
            let (edge, count) = (step.value_iterated_to(), step.count_at_value());
            let earlier = before.next_if(|(its, _)| *its == edge).map_or(0, |(_, count)| *count);
            // Cannot fail: the range grows automatically, up to `u64::MAX`.
            let recorded = since.buckets.record_n(edge, count.saturating_sub(earlier));
            debug_assert!(recorded.is_ok(), "a value within the range was refused");
        }
        since.max = self.max.since(later);
        since.total = self.total.saturating_sub(at.total);
        since
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(histogram: &mut Histogram, values: &[u64]) {
        values.iter().for_each(|value| histogram.record(*value));
    }

    proptest! {
        #[test]
        fn a_window_has_what_was_recorded_in_it(
            values in prop::collection::vec(prop::collection::vec(any::<u64>().prop_map(|v| v >> (v % 64)), 0..40), 1..6),
            from in 0..6_usize,
        ) {
            let mut all = Histogram::new();
            let mut marks: Vec<Compact> = Vec::new();
            for slice in &values {
                let mark = all.mark(marks.last());
                marks.push(mark);
                record(&mut all, slice);
            }
            let from = from.min(values.len() - 1);
            let mut expected = Histogram::new();
            values[from..].iter().for_each(|slice| record(&mut expected, slice));
            let later = marks[from + 1..].iter().map(Compact::peak);
            let since = all.since(Some(&marks[from]), later);
            prop_assert_eq!(since.steps(), expected.steps());
            prop_assert_eq!((since.count(), since.max()), (expected.count(), expected.max()));
            if all.total() < u64::MAX {
                prop_assert_eq!(since.total(), expected.total());
            }
        }
    }

    #[test]
    fn marks_share_what_did_not_change() {
        let mut histogram = Histogram::new();
        record(&mut histogram, &[5, 70_000]);
        let first = histogram.mark(None);
        let second = histogram.mark(Some(&first));
        assert!(Arc::ptr_eq(&first.buckets, &second.buckets));
        assert_eq!((first.peak(), second.peak()), (70_000, 0));
        assert!(second.bytes_since(Some(&first)) < first.bytes_since(None));
    }
}
