//! The worst cases of one kind, each with its breakdown. A breakdown is made as late as possible: when its spans are
//! about to be evicted, or on request. So a case displaced by a worse one costs nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::ticks::Mark;
use crate::analysis::attribution::Ledger;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Case<T> {
    what: T,
    needs: Mark,
    blame: Option<Ledger>,
}

/// The worst `limit` cases; of equals, the earlier come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worst<T> {
    cases: BTreeMap<(Reverse<u64>, u64), Case<T>>,
    added: u64,
    limit: usize,
    /// No case without a breakdown needs anything older.
    oldest: Mark,
}

impl<T> Worst<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { cases: BTreeMap::new(), added: 0, limit, oldest: Mark::NEVER }
    }

    /// Whether a case this bad would be kept.
    #[inline]
    pub(crate) fn takes(&self, badness: u64) -> bool {
        self.cases.len() < self.limit
            || self.cases.last_key_value().is_some_and(|((Reverse(least), _), _)| *least < badness)
    }

    /// Adds a case. Its breakdown needs the ticks from `needs` on.
    pub(crate) fn add(&mut self, badness: u64, what: T, needs: Mark) {
        if !self.takes(badness) {
            return;
        }
        self.oldest = self.oldest.min(needs);
        self.cases.insert((Reverse(badness), self.added), Case { what, needs, blame: None });
        self.added += 1;
        if self.cases.len() > self.limit {
            self.cases.pop_last();
        }
    }

    /// Whether evicting everything before `kept_from` affects a case without a breakdown.
    #[inline]
    pub(crate) fn is_urgent(&self, kept_from: Mark) -> bool {
        self.oldest.is_lost_at(kept_from)
    }

    /// Makes the breakdowns that need anything older than `kept_from`.
    pub(crate) fn settle(&mut self, kept_from: Mark, make: impl Fn(&T) -> Ledger) {
        self.oldest = Mark::NEVER;
        for case in self.cases.values_mut().filter(|case| case.blame.is_none()) {
            if case.needs.is_lost_at(kept_from) {
                case.blame = Some(make(&case.what));
            } else {
                self.oldest = self.oldest.min(case.needs);
            }
        }
    }

    /// All of them, worst first, with those breakdowns that are made already.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&T, Option<&Ledger>)> + '_ {
        self.cases.values().map(|case| (&case.what, case.blame.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_stay_and_the_earlier_of_equals() {
        let mut worst = Worst::new(2);
        for (badness, name) in [(5, "a"), (7, "b"), (5, "c"), (9, "d"), (7, "e")] {
            worst.add(badness, name, Mark::NEVER);
        }
        assert_eq!(worst.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["d", "b"]);
    }

    #[test]
    fn of_none_nothing_is_kept() {
        let mut worst = Worst::new(0);
        worst.add(5, (), Mark::NEVER);
        assert_eq!(worst.iter().count(), 0);
    }
}
