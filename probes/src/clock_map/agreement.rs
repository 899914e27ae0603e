//! Decides which anchors of a file to believe: those that lie on one line.
//!
//! A single wrong word in an anchor would stretch or shrink every duration. So all anchors vote: those of the header,
//! the calibrations in the rings, and a reading by the reader if it has the same clocks.
//!
//! If the record clock went on while the machine slept, the line jumps there, and the anchors lie on one line only
//! with the time asleep added. Of the two lines, the one with more anchors is taken.

use super::line::{ANCHOR_NS, ANCHOR_NS_MAX, DRIFT_PARTS, Line};
use super::sleeps::{Sleep, Sleeps};
use crate::clock::{Anchor, TickUnit};
use crate::ids::Ticks;

/// Two anchors say nothing about one that is further away than this many times their distance.
const REACH: u64 = 8;

/// Recorders take another anchor within this time of the first two, so if records are further away, one is missing.
const ALONE_NS: u64 = 50_000_000;

/// Fewest anchors on one line for another one to be the damaged one: with fewer, any two would do.
const MAJORITY: usize = 3;

/// Which anchors to use, and how far the others are off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// The anchors that agree, ordered by ticks, with times including `sleeps`.
    pub(crate) kept: Vec<Anchor>,
    /// The reader's own anchor, if it agrees with `kept` and is not in it.
    pub(crate) own: Option<Anchor>,
    /// The sleeps through which the record clock went on.
    pub(crate) sleeps: Sleeps,
    /// Number of anchors that contradict `kept`.
    pub(crate) contradicting: u64,
    /// By how much times may be wrong: 0 if a majority agrees and at most one contradicts it, `u64::MAX` if no two
    /// agree.
    pub(crate) error_ns: u64,
}

impl Agreement {
    /// The agreement of `anchors`, given when the machine slept; `own` is the reader's own anchor.
    pub(crate) fn of(unit: TickUnit, anchors: &[Anchor], own: Option<Anchor>, sleeps: Vec<Sleep>) -> Self {
        let plain = Self::with(unit, anchors, own, Sleeps::default());
        if unit == TickUnit::Monotonic || plain.contradicting == 0 || sleeps.is_empty() {
            return plain;
        }
        let jumping = Self::with(unit, anchors, own, measured(anchors, Sleeps::new(sleeps)));
        if jumping.contradicting < plain.contradicting { jumping } else { plain }
    }

    /// If the anchors are too close together to give the rate for times up to `newest`, because later ones are
    /// missing or the loop was busy when they were due: takes the rate from the reader's own anchor, or states how
    /// wrong times may be.
    ///
    /// Otherwise the reader's own anchor is not used: it may be hours later, and the monotonic clock is slewed.
    pub(crate) fn reaching(mut self, unit: TickUnit, newest: Ticks) -> Self {
        if unit == TickUnit::Monotonic {
            return self;
        }
        let Some(fit @ Fit::Through(.., line)) = best_fit(&self.kept, None) else { return self };
        let length_ns = fit.length_ns().max(1);
        let distance_ns = line.convert(newest.0).saturating_sub(line.ns);
        if distance_ns > ALONE_NS && distance_ns > length_ns.saturating_mul(REACH) {
            match self.own.take() {
                Some(own) => self.keep_own(own),
                None => {
                    self.error_ns = self.error_ns.max((distance_ns / length_ns).saturating_mul(ANCHOR_NS))
                }
            }
        }
        self
    }

    fn keep_own(&mut self, own: Anchor) {
        let place = self.kept.partition_point(|anchor| anchor.ticks <= own.ticks);
        self.kept.insert(place, own);
    }

    fn with(unit: TickUnit, anchors: &[Anchor], own: Option<Anchor>, sleeps: Sleeps) -> Self {
        // Zeroed, or never taken.
        let is_blank = |anchor: &Anchor| anchor.ticks.0 == 0 || anchor.monotonic.0 == 0;
        let (mut taken, mut unclear) = (Vec::new(), Vec::new());
        for anchor in anchors.iter().filter(|anchor| !is_blank(anchor)) {
            match sleeps.including(*anchor) {
                Some(anchor) => taken.push(anchor),
                None => unclear.push(sleeps.either(*anchor)),
            }
        }
        let own = own.filter(|_| unit == TickUnit::Tsc).and_then(|own| sleeps.including(own));
        let fit = match unit {
            TickUnit::Tsc => best_fit(&taken, own),
            TickUnit::Monotonic => Some(Fit::Identity),
        };
        let Some(fit) = fit else {
            let contradicting = anchors.len() as u64;
            return Self { kept: taken, own: None, sleeps, contradicting, error_ns: u64::MAX };
        };
        let nearer = |[one, other]: [Anchor; 2]| if fit.has(&other) { other } else { one };
        taken.extend(unclear.into_iter().map(nearer));
        let (mut kept, off): (Vec<Anchor>, Vec<Anchor>) = taken.into_iter().partition(|one| fit.has(one));
        // In a damaged header they may be in any order.
        kept.sort_by_key(|anchor| anchor.ticks);
        let own = own.filter(|own| fit.has(own));
        let contradicting = anchors.len() - kept.len();
        let votes = kept.len() + usize::from(own.is_some());
        let is_settled = contradicting == 0 || contradicting == 1 && votes >= MAJORITY;
        let error_ns = match off.iter().map(|one| fit.error_ns(one)).max() {
            _ if is_settled => 0,
            // All contradicting anchors are blank.
            None => u64::MAX,
            Some(error_ns) => error_ns.max(1),
        };
        let mut agreement = Self { kept, own, sleeps, contradicting: contradicting as u64, error_ns };
        // Several copies of one anchor agree and give no rate.
        if unit == TickUnit::Tsc
            && best_fit(&agreement.kept, None).is_none()
            && let Some(own) = agreement.own.take()
        {
            agreement.keep_own(own);
        }
        agreement
    }
}

/// The sleeps through which the record clock went on, with the time by which it did: from the anchors around each,
/// and the rate of the record clock between two sleeps.
fn measured(anchors: &[Anchor], sleeps: Sleeps) -> Sleeps {
    let mut sorted = anchors.to_vec();
    sorted.sort_by_key(|anchor| anchor.ticks);
    let awake = sorted.chunk_by(|one, other| {
        sleeps.including(*one).is_some() && sleeps.over(one.ticks.0) == sleeps.over(other.ticks.0)
    });
    let fits = awake.filter_map(|anchors| best_fit(anchors, None));
    let Some(Fit::Through(.., Line { slope, .. })) = fits.max_by_key(Fit::length_ns) else {
        return Sleeps::default();
    };
    Sleeps::new(
        sleeps
            .iter()
            .filter_map(|sleep| {
                let before = sorted.iter().rfind(|anchor| anchor.ticks <= sleep.alive)?;
                let after = sorted.iter().find(|anchor| anchor.ticks >= sleep.end)?;
                let line = Line::through(before, slope);
                sleep.measured(line.convert(after.ticks.0).saturating_sub(after.monotonic.0))
            })
            .collect(),
    )
}

/// A line that anchors lie on.
#[derive(Clone, Copy, Debug)]
enum Fit {
    /// Ticks are nanoseconds.
    Identity,
    /// The line through two anchors.
    Through(Anchor, Anchor, Line),
}

impl Fit {
    fn error_ns(&self, anchor: &Anchor) -> u64 {
        let expected = match self {
            Self::Identity => anchor.ticks.0,
            Self::Through(.., line) => line.convert(anchor.ticks.0),
        };
        expected.abs_diff(anchor.monotonic.0)
    }

    /// Whether `anchor` lies on it, as far as its own error and the slewing of the monotonic clock allow.
    fn has(&self, anchor: &Anchor) -> bool {
        let Self::Through(from, to, _) = *self else { return self.error_ns(anchor) == 0 };
        let at = anchor.monotonic.0;
        let distance_ns = at.abs_diff(from.monotonic.0).min(at.abs_diff(to.monotonic.0));
        let is_between = from.monotonic.0 <= at && at <= to.monotonic.0;
        (is_between || distance_ns <= self.length_ns().saturating_mul(REACH))
            && self.error_ns(anchor) <= ANCHOR_NS_MAX + distance_ns / DRIFT_PARTS
    }

    const fn length_ns(&self) -> u64 {
        match self {
            Self::Identity => 0,
            Self::Through(from, to, _) => to.monotonic.ns_since(from.monotonic),
        }
    }
}

/// The line with the most anchors on it; of several, the longest.
fn best_fit(anchors: &[Anchor], own: Option<Anchor>) -> Option<Fit> {
    let all: Vec<Anchor> = anchors.iter().copied().chain(own).collect();
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other)));
    let fits = pairs.filter_map(|(one, other)| Some(Fit::Through(one, other, Line::between(&one, &other)?)));
    fits.max_by_key(|fit| (all.iter().filter(|one| fit.has(one)).count(), fit.length_ns()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ticks, Timestamp};

    const SECOND: u64 = 1_000_000_000;

    /// A reading of a clock of three ticks per nanosecond.
    fn at(ns: u64) -> Anchor {
        Anchor { ticks: Ticks(3 * ns), monotonic: Timestamp(ns), wall_ns: 0 }
    }

    fn anchors() -> Vec<Anchor> {
        [9_000, 9_001, 9_010, 9_300, 10_400, 11_400, 11_400].map(|ms| at(ms * SECOND / 1_000)).to_vec()
    }

    fn of(anchors: &[Anchor], own: Option<Anchor>) -> Agreement {
        Agreement::of(TickUnit::Tsc, anchors, own, Vec::new())
    }

    fn expected(kept: Vec<Anchor>, contradicting: u64) -> Agreement {
        Agreement { kept, own: None, sleeps: Sleeps::default(), contradicting, error_ns: 0 }
    }

    fn settled(anchors: &[Anchor], own: Option<Anchor>) -> bool {
        of(anchors, own).error_ns == 0
    }

    #[test]
    fn one_damaged_anchor_is_ignored() {
        let all = anchors();
        assert_eq!(of(&all, None), expected(all.clone(), 0));
        for place in 0..all.len() {
            for change in [
                |one: &mut Anchor| one.ticks.0 *= 2,
                |one: &mut Anchor| one.ticks.0 = u64::MAX,
                |one: &mut Anchor| one.monotonic.0 += SECOND,
                |one: &mut Anchor| one.monotonic.0 -= SECOND,
                |one: &mut Anchor| (one.ticks, one.monotonic) = (Ticks(0), Timestamp(0)),
            ] {
                let mut damaged = all.clone();
                change(&mut damaged[place]);
                let mut others = all.clone();
                others.remove(place);
                let agreed = of(&damaged, None);
                assert_eq!(agreed, expected(others, 1), "{place}");
            }
        }
    }

    #[test]
    fn anchors_without_a_majority_decide_nothing() {
        // What a header alone has.
        let header = [at(9 * SECOND), at(9 * SECOND + SECOND / 1_000), at(11 * SECOND)];
        assert!(settled(&header, None));
        let mut damaged = header;
        damaged[0].monotonic.0 += SECOND;
        let agreed = of(&damaged, None);
        assert!(agreed.contradicting == 1 && agreed.error_ns.abs_diff(SECOND) < SECOND / 100, "{agreed:?}");
        // The reader's own clock decides.
        assert!(settled(&damaged, Some(at(5_000 * SECOND))));
        assert_eq!(of(&damaged, Some(at(5_000 * SECOND))).kept, [header[1], header[2]]);
        let blank = [Anchor { ticks: Ticks(0), monotonic: Timestamp(0), wall_ns: 0 }; 3];
        assert_eq!(of(&blank, None).error_ns, u64::MAX);
        // Two that agree with each other, but not with the others, are a clock that changed.
        let mut changed = anchors();
        changed.iter_mut().rev().take(2).for_each(|one| one.monotonic.0 += SECOND);
        let agreed = of(&changed, None);
        assert!(agreed.contradicting == 2 && agreed.error_ns.abs_diff(SECOND) < SECOND / 100, "{agreed:?}");
    }

    #[test]
    fn anchors_in_any_order_say_the_rate() {
        let [first, second, latest] = [at(9 * SECOND), at(9 * SECOND + SECOND / 1_000), at(11 * SECOND)];
        for header in [[latest, second, latest], [latest, second, first], [latest, latest, first]] {
            let agreed = of(&header, None);
            assert_eq!((agreed.contradicting, agreed.error_ns), (0, 0));
            let map = crate::clock_map::ClockMap::agreed(TickUnit::Tsc, &agreed);
            assert!(map.peek(Ticks(3 * 20 * SECOND)).0.abs_diff(20 * SECOND) < 1_000, "{header:?}");
        }
        // Copies of one anchor say no rate, but the reader's own clock does.
        let copies = [latest; 3];
        assert_eq!(of(&copies, None).error_ns, u64::MAX);
        let agreed = of(&copies, Some(at(12 * SECOND)));
        assert_eq!((agreed.contradicting, agreed.error_ns), (0, 0));
        let map = crate::clock_map::ClockMap::agreed(TickUnit::Tsc, &agreed);
        assert!(map.peek(Ticks(3 * 10 * SECOND)).0.abs_diff(10 * SECOND) < 1_000);
    }

    #[test]
    fn a_loop_that_was_busy_when_anchors_were_due_has_no_fault() {
        let header = [at(9 * SECOND), at(9 * SECOND + SECOND / 1_000), at(9 * SECOND + SECOND / 1_000)];
        let newest = Ticks(3 * (9 * SECOND + SECOND / 3));
        let reaching = |own| of(&header, own).reaching(TickUnit::Tsc, newest);
        assert!(reaching(None).error_ns > SECOND / 20, "nothing else tells the rate");
        let agreed = reaching(Some(at(12 * SECOND)));
        assert_eq!((agreed.contradicting, agreed.error_ns, agreed.kept.len()), (0, 0, 4));
        // A reading that contradicts the anchors tells nothing.
        let other = Anchor { ticks: Ticks(5), monotonic: Timestamp(80_000 * SECOND), wall_ns: 0 };
        assert!(reaching(Some(other)).error_ns > SECOND / 20);
    }

    #[test]
    fn a_reader_whose_clock_is_another_changes_nothing() {
        let own = Anchor { ticks: Ticks(5), monotonic: Timestamp(80_000 * SECOND), wall_ns: 0 };
        assert_eq!(of(&anchors(), Some(own)).kept, anchors());
    }

    #[test]
    fn monotonic_ticks_are_the_time() {
        let good = [5, 6, 7].map(|ns| Anchor { ticks: Ticks(ns), monotonic: Timestamp(ns), wall_ns: 0 });
        assert_eq!(Agreement::of(TickUnit::Monotonic, &good, None, Vec::new()).error_ns, 0);
        assert!(Agreement::of(TickUnit::Monotonic, &anchors(), None, Vec::new()).error_ns > SECOND);
    }

    /// `anchors`, where the machine slept for an hour at 10 s, while the record clock went on or stood still.
    fn anchors_with_sleep(keeps_counting: bool) -> (Vec<Anchor>, Sleep) {
        let hour = 3_600 * SECOND;
        let later = if keeps_counting { 3 * hour } else { 0 };
        let mut all = anchors();
        all.iter_mut().filter(|one| one.monotonic.0 > 10 * SECOND).for_each(|one| one.ticks.0 += later);
        let [alive, end] = [9_990, 10_040].map(|ms| Ticks(3 * ms * SECOND / 1_000));
        (all, Sleep { alive, end: Ticks(end.0 + later), asleep_ns: hour })
    }

    #[test]
    fn a_machine_that_slept_is_no_contradiction() {
        for keeps_counting in [true, false] {
            let (mut all, sleep) = anchors_with_sleep(keeps_counting);
            // Taken just after the machine woke up, before that was noticed.
            let unclear = Anchor { ticks: Ticks(sleep.end.0 - 3_000), ..at(10 * SECOND + 39_999_000) };
            all.push(unclear);
            let agreement = Agreement::of(TickUnit::Tsc, &all, None, vec![sleep]);
            assert_eq!((agreement.contradicting, agreement.error_ns), (0, 0), "{keeps_counting}");
            assert_eq!(agreement.sleeps.is_empty(), !keeps_counting);
            let mut map = crate::clock_map::ClockMap::agreed(TickUnit::Tsc, &agreement);
            for anchor in &all {
                let time = map.peek(anchor.ticks);
                assert!(
                    time.0.abs_diff(anchor.monotonic.0) <= 10_000,
                    "{keeps_counting}: {anchor:?} {time:?}"
                );
            }
            // Nothing ran while it slept.
            let asleep = map.peek(Ticks(sleep.alive.0.midpoint(sleep.end.0)));
            assert!(map.peek(sleep.alive) <= asleep && asleep <= map.peek(sleep.end));
            let next = Anchor {
                ticks: Ticks(sleep.end.0 + 9 * SECOND),
                ..at(10 * SECOND + 40_000_000 + 3 * SECOND)
            };
            assert!(map.add_anchor(next) && map.faults().count == 0, "{keeps_counting}");
        }
    }

    #[test]
    fn a_sleep_explains_no_other_contradiction() {
        let (all, sleep) = anchors_with_sleep(true);
        let error_ns =
            |anchors: &[Anchor], sleep| Agreement::of(TickUnit::Tsc, anchors, None, vec![sleep]).error_ns;
        assert_eq!(error_ns(&all, sleep), 0);
        // Without the sleep, of another length, or at another time.
        assert!(of(&all, None).error_ns > 0);
        assert!(error_ns(&all, Sleep { asleep_ns: sleep.asleep_ns / 2, ..sleep }) >= SECOND / 2);
        assert!(error_ns(&all, Sleep { alive: Ticks(5), end: Ticks(6), ..sleep }) > 0);
        // Two anchors are damaged.
        let mut damaged = all;
        damaged.iter_mut().rev().take(2).for_each(|one| one.monotonic.0 += SECOND);
        assert!(error_ns(&damaged, sleep) > 0);
    }
}
