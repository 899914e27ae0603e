//! The worst cases of one kind, each with its breakdown. A breakdown is made as late as possible: when its spans are
//! about to be evicted, or on request. So a case displaced by a worse one before that costs nothing.
//!
//! A wait as long as the kept history loses spans with the next tick, so its breakdown is due at once. If each wait were
//! longer than the one before, every tick would break down the whole history for a case that the next one displaces. An
//! [`Allowance`] bounds that work.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use loop_probes::ids::Timestamp;

use super::config::TimelineConfig;
use super::signals::LateSignal;
use super::tags::SlowTask;
use super::ticks::Mark;
use super::timers::LateTimer;
use crate::attribution::Breakdown;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Case<T> {
    what: T,
    needs: Range<Mark>,
    blame: Option<Breakdown>,
}

/// How much breakdowns may still cost, in ticks and spans visited. It grows with the spans folded, so that the cost of
/// a fold is linear in their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    left: u64,
}

impl Allowance {
    /// The initial and largest allowance: a hundred breakdowns of the whole history at its default limits.
    pub(crate) const MAX: u64 = 1 << 23;

    const PER_SPAN: u64 = 16;

    pub(crate) const fn new() -> Self {
        Self { left: Self::MAX }
    }

    /// A tick with `spans` spans was folded.
    #[inline]
    pub(crate) fn grow(&mut self, spans: usize) {
        self.left = (self.left + (1 + spans as u64) * Self::PER_SPAN).min(Self::MAX);
    }

    /// Whether it covers `cost`, which is then taken from it.
    pub(crate) fn pay(&mut self, cost: u64) -> bool {
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
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
    fn takes(&self, badness: u64) -> bool {
        self.cases.len() < self.limit
            || self.cases.last_key_value().is_some_and(|((Reverse(least), _), _)| *least < badness)
    }

    /// Adds a case, if it is bad enough. Its breakdown needs what lies within `needs`.
    pub(crate) fn add(&mut self, badness: u64, what: T, needs: impl FnOnce() -> Range<Mark>) {
        if !self.takes(badness) {
            return;
        }
        let needs = needs();
        self.oldest = self.oldest.min(needs.start);
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

    /// Makes the breakdowns that need anything older than `kept_from`, worst first, as far as `allowance` pays for
    /// them. The others are made later, without the spans evicted until then. Each visits `open` spans besides its own.
    pub(crate) fn settle(
        &mut self,
        kept_from: Mark,
        open: usize,
        allowance: &mut Allowance,
        make: impl Fn(&T) -> Breakdown,
    ) {
        self.oldest = Mark::NEVER;
        let mut is_paid = true;
        for case in self.cases.values_mut().filter(|case| case.blame.is_none()) {
            let Range { start, end } = case.needs;
            let is_due = start.is_lost_at(kept_from);
            if is_due && is_paid {
                is_paid = allowance.pay(end.extent_from(start.max(kept_from)) + open as u64);
            }
            if is_due && is_paid {
                case.blame = Some(make(&case.what));
            } else {
                self.oldest = self.oldest.min(start);
            }
        }
    }

    /// All cases, worst first, with the breakdowns made so far.
    /// Adds a case whose breakdown is known.
    pub(super) fn add_blamed(&mut self, badness: u64, Blamed { what, blame }: Blamed<T>) {
        self.cases.insert(
            (Reverse(badness), self.added),
            Case { what, needs: Mark::NEVER..Mark::NEVER, blame: Some(blame) },
        );
        self.added += 1;
        if self.cases.len() > self.limit {
            self.cases.pop_last();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&T, Option<&Breakdown>)> + '_ {
        self.cases.values().map(|case| (&case.what, case.blame.as_ref()))
    }
}

/// Something late or slow, with its breakdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed<T> {
    /// What was late or slow.
    pub what: T,
    /// The breakdown of that time, which it sums to exactly.
    pub blame: Breakdown,
}

impl<T> Blamed<T> {
    pub(super) fn new(what: T, blame: Option<&Breakdown>, make: impl FnOnce() -> Breakdown) -> Self {
        Self { what, blame: blame.cloned().unwrap_or_else(make) }
    }
}

/// The worst of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorstCases {
    pub(super) timers: Worst<LateTimer>,
    pub(super) signals: Worst<LateSignal>,
    pub(super) tasks: Worst<SlowTask>,
    pub(super) allowance: Allowance,
    pub(super) lines: usize,
}

/// The worst cases since the last baseline. Timelines of the same events are equal, wherever their baselines are.
#[derive(Clone, Debug)]
pub(crate) struct SinceBaseline(pub(super) WorstCases);

impl PartialEq for SinceBaseline {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// How many cases of each kind a slice between two baselines keeps, besides those that are among the worst of all.
const OF_SLICE_MAX: usize = 4;

/// The worst cases of a slice between two baselines, with their breakdowns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WorstOfSlice {
    pub(super) timers: Vec<Blamed<LateTimer>>,
    pub(super) signals: Vec<Blamed<LateSignal>>,
    pub(super) tasks: Vec<Blamed<SlowTask>>,
}

impl WorstOfSlice {
    /// Adds those cases of another slice that are not there yet.
    pub(super) fn add(&mut self, other: &Self) {
        fn add<T: Clone + PartialEq>(own: &mut Vec<Blamed<T>>, other: &[Blamed<T>]) {
            let before = own.len();
            for case in other {
                if !own[..before].iter().any(|known| known.what == case.what) {
                    own.push(case.clone());
                }
            }
        }
        add(&mut self.timers, &other.timers);
        add(&mut self.signals, &other.signals);
        add(&mut self.tasks, &other.tasks);
    }

    /// Takes over the cases of the slice before, as long as they are among the worst.
    pub(super) fn absorb(&mut self, earlier: &Self) {
        self.add(earlier);
        self.timers.sort_by_key(|late| Reverse(late.what.lag_ns()));
        self.timers.truncate(ABSORBED_MAX);
        self.signals.sort_by_key(|late| Reverse(late.what.latency_ns()));
        self.signals.truncate(ABSORBED_MAX);
        self.tasks.sort_by_key(|slow| Reverse(slow.what.run_ns()));
        self.tasks.truncate(ABSORBED_MAX);
    }

    /// Adds those that ended since `from` to `cases`, the earlier of equally bad ones first.
    pub(super) fn into_cases(mut self, from: Timestamp, mut cases: WorstCases) -> WorstCases {
        self.timers.sort_by_key(|late| late.what.fired);
        for late in self.timers.into_iter().filter(|late| late.what.fired > from) {
            cases.timers.add_blamed(late.what.lag_ns(), late);
        }
        self.signals.sort_by_key(|late| late.what.delivered);
        for late in self.signals.into_iter().filter(|late| late.what.delivered > from) {
            cases.signals.add_blamed(late.what.latency_ns(), late);
        }
        self.tasks.sort_by_key(|slow| slow.what.end);
        for slow in self.tasks.into_iter().filter(|slow| slow.what.end > from) {
            cases.tasks.add_blamed(slow.what.run_ns(), slow);
        }
        cases
    }

    /// Bytes that they take, by and large.
    pub(super) fn bytes(&self) -> usize {
        let cases = self.timers.len() + self.signals.len() + self.tasks.len();
        cases * CASE_BYTES
    }
}

/// How many cases of each kind a slice keeps that took over others.
const ABSORBED_MAX: usize = 16;

/// What a case and its breakdown take, by and large.
const CASE_BYTES: usize = 512;

impl WorstCases {
    /// Whether a breakdown must be made before the history up to `kept_from` is gone.
    #[inline]
    pub(super) fn is_urgent(&self, kept_from: Mark) -> bool {
        self.timers.is_urgent(kept_from)
            || self.signals.is_urgent(kept_from)
            || self.tasks.is_urgent(kept_from)
    }

    /// For the cases of one slice between two baselines.
    pub(crate) fn of_slice(config: &TimelineConfig) -> SinceBaseline {
        let limit = config.late_kept.min(OF_SLICE_MAX);
        SinceBaseline(Self {
            timers: Worst::new(limit),
            signals: Worst::new(limit),
            tasks: Worst::new(limit),
            ..Self::new(config)
        })
    }

    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            timers: Worst::new(config.late_kept),
            signals: Worst::new(config.late_kept),
            tasks: Worst::new(config.late_kept),
            allowance: Allowance::new(),
            lines: config.breakdown_lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_worst_stay_and_the_earlier_of_equals() {
        let mut worst = Worst::new(2);
        for (badness, name) in [(5, "a"), (7, "b"), (5, "c"), (9, "d"), (7, "e")] {
            worst.add(badness, name, || Mark::NEVER..Mark::NEVER);
        }
        assert_eq!(worst.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["d", "b"]);
    }

    #[test]
    fn with_a_limit_of_zero_no_case_is_kept() {
        let mut worst = Worst::new(0);
        worst.add(5, (), || Mark::NEVER..Mark::NEVER);
        assert_eq!(worst.iter().count(), 0);
    }

    #[test]
    fn waits_that_grow_as_the_history_passes_are_broken_down_in_linear_time() {
        const KEPT: u64 = 10_000;
        const TICKS: u64 = 100_000;
        let at = |tick: u64| Mark::at(tick, tick);
        let (mut worst, mut allowance) = (Worst::new(10), Allowance::new());
        let visited = Cell::new(0);
        for tick in KEPT..TICKS {
            let from = at(tick - KEPT);
            worst.add(tick, tick, || from..at(tick));
            allowance.grow(1);
            assert!(worst.is_urgent(at(tick - KEPT + 1)));
            worst.settle(at(tick - KEPT + 1), 1, &mut allowance, |_| {
                visited.set(visited.get() + 2 * KEPT);
                Breakdown { shares: Vec::new(), total_ns: 0 }
            });
        }
        let limit = Allowance::MAX + 2 * Allowance::PER_SPAN * TICKS;
        assert!((Allowance::MAX..=limit).contains(&visited.get()), "{}", visited.get());
        // A breakdown that could not be paid for is made on request, from the spans still kept.
        assert_eq!(worst.iter().next(), Some((&(TICKS - 1), None)));
    }

    #[test]
    fn the_worst_are_broken_down_first() {
        let at = |tick: u64| Mark::at(tick, 0);
        let mut worst = Worst::new(3);
        (0..3).for_each(|badness| worst.add(badness, badness, || at(0)..at(10)));
        let mut allowance = Allowance { left: 25 };
        worst.settle(at(0), 0, &mut allowance, |_| unreachable!("nothing is lost"));
        worst.settle(at(1), 2, &mut allowance, |_| Breakdown { shares: Vec::new(), total_ns: 0 });
        assert_eq!(worst.iter().map(|(_, blame)| blame.is_some()).collect::<Vec<_>>(), [true, true, false]);
        assert!(worst.is_urgent(at(1)));
        // By now, only the last of its ticks is left.
        worst.settle(at(9), 2, &mut allowance, |_| Breakdown { shares: Vec::new(), total_ns: 0 });
        assert!(worst.iter().all(|(_, blame)| blame.is_some()));
    }
}
