//! Which of a file's anchors to believe: those that lie on one line.
//!
//! A single wrong word in an anchor would stretch or shrink every duration. So all anchors that there are take part:
//! those of the header, the calibrations in the rings, and a reading by the reader itself if the clocks are the same.

use super::{ANCHOR_NS_MAX, DRIFT_PARTS, Piece, slope};
use crate::clock::{Anchor, TickUnit};

/// Two anchors say nothing about one that is further away than this many times their distance.
const REACH: u64 = 8;

/// Fewest anchors on one line for another one to be the damaged one: with fewer, any two would do.
const MAJORITY: usize = 3;

/// Which anchors to use, and what the others say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Those that agree.
    pub(crate) kept: Vec<Anchor>,
    /// Number of those that contradict them.
    pub(crate) contradicting: u64,
    /// By how much times may be wrong: 0 if a majority agrees and no more than one contradicts it, `u64::MAX` if no two
    /// agree.
    pub(crate) error_ns: u64,
}

impl Agreement {
    /// What `anchors` agree on; `own` is a reading by the reader.
    pub(crate) fn of(unit: TickUnit, anchors: &[Anchor], own: Option<Anchor>) -> Self {
        // Zeroed, or never taken.
        let is_blank = |anchor: &Anchor| anchor.ticks.0 == 0 || anchor.monotonic.0 == 0;
        let taken: Vec<Anchor> = anchors.iter().filter(|anchor| !is_blank(anchor)).copied().collect();
        let own = own.filter(|_| unit == TickUnit::Tsc);
        let line = match unit {
            TickUnit::Tsc => best_line(&taken, own),
            TickUnit::Monotonic => Some(Line::IDENTITY),
        };
        let Some(line) = line else {
            return Self { kept: taken, contradicting: anchors.len() as u64, error_ns: u64::MAX };
        };
        let (kept, off): (Vec<Anchor>, Vec<Anchor>) = taken.into_iter().partition(|one| line.has(one));
        let contradicting = anchors.len() - kept.len();
        let votes = kept.len() + usize::from(own.is_some_and(|own| line.has(&own)));
        let is_settled = contradicting == 0 || contradicting == 1 && votes >= MAJORITY;
        let error_ns = match off.iter().map(|one| line.error_ns(one)).max() {
            _ if is_settled => 0,
            // Only blank ones.
            None => u64::MAX,
            Some(error_ns) => error_ns.max(1),
        };
        Self { kept, contradicting: contradicting as u64, error_ns }
    }
}

/// A line through two anchors.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Ticks are nanoseconds.
    Identity,
    Through(Anchor, Anchor, u64),
}

impl Line {
    const IDENTITY: Self = Self::Identity;

    fn through(one: Anchor, other: Anchor) -> Option<Self> {
        slope(&one, &other).map(|slope| Self::Through(one, other, slope))
    }

    fn error_ns(&self, anchor: &Anchor) -> u64 {
        let expected = match *self {
            Self::Identity => anchor.ticks.0,
            Self::Through(from, _, slope) => {
                Piece { ticks: from.ticks.0, ns: from.monotonic.0, slope }.convert(anchor.ticks.0)
            }
        };
        expected.abs_diff(anchor.monotonic.0)
    }

    /// Whether `anchor` lies on it, as far as its own error and the slewing of the monotonic clock allow.
    fn has(&self, anchor: &Anchor) -> bool {
        let Self::Through(from, to, _) = *self else { return self.error_ns(anchor) == 0 };
        let at = anchor.monotonic.0;
        let distance_ns = at.abs_diff(from.monotonic.0).min(at.abs_diff(to.monotonic.0));
        let is_between = from.monotonic.0 <= at && at <= to.monotonic.0;
        let length_ns = to.monotonic.ns_since(from.monotonic);
        (is_between || distance_ns <= length_ns.saturating_mul(REACH))
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
fn best_line(anchors: &[Anchor], own: Option<Anchor>) -> Option<Line> {
    let all: Vec<Anchor> = anchors.iter().copied().chain(own).collect();
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other)));
    let lines = pairs.filter_map(|(one, other)| Line::through(one, other));
    lines.max_by_key(|line| (all.iter().filter(|one| line.has(one)).count(), line.length_ns()))
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

    fn settled(anchors: &[Anchor], own: Option<Anchor>) -> bool {
        Agreement::of(TickUnit::Tsc, anchors, own).error_ns == 0
    }

    #[test]
    fn one_damaged_anchor_is_ignored() {
        let all = anchors();
        assert_eq!(
            Agreement::of(TickUnit::Tsc, &all, None),
            Agreement { kept: all.clone(), contradicting: 0, error_ns: 0 }
        );
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
                let agreed = Agreement::of(TickUnit::Tsc, &damaged, None);
                assert_eq!(agreed, Agreement { kept: others, contradicting: 1, error_ns: 0 }, "{place}");
            }
        }
    }

    #[test]
    fn without_a_majority_nothing_is_settled() {
        // What a header alone has.
        let header = [at(9 * SECOND), at(9 * SECOND + SECOND / 1_000), at(11 * SECOND)];
        assert!(settled(&header, None));
        let mut damaged = header;
        damaged[0].monotonic.0 += SECOND;
        let agreed = Agreement::of(TickUnit::Tsc, &damaged, None);
        assert!(agreed.contradicting == 1 && agreed.error_ns.abs_diff(SECOND) < SECOND / 100, "{agreed:?}");
        // The reader's own clock decides.
        assert!(settled(&damaged, Some(at(5_000 * SECOND))));
        assert_eq!(
            Agreement::of(TickUnit::Tsc, &damaged, Some(at(5_000 * SECOND))).kept,
            [header[1], header[2]]
        );
        let blank = [Anchor { ticks: Ticks(0), monotonic: Timestamp(0), wall_ns: 0 }; 3];
        assert_eq!(Agreement::of(TickUnit::Tsc, &blank, None).error_ns, u64::MAX);
        // Two that agree with each other, but not with the others, are a clock that changed.
        let mut changed = anchors();
        changed.iter_mut().rev().take(2).for_each(|one| one.monotonic.0 += SECOND);
        let agreed = Agreement::of(TickUnit::Tsc, &changed, None);
        assert!(agreed.contradicting == 2 && agreed.error_ns.abs_diff(SECOND) < SECOND / 100, "{agreed:?}");
    }

    #[test]
    fn a_reader_whose_clock_is_another_changes_nothing() {
        let own = Anchor { ticks: Ticks(5), monotonic: Timestamp(80_000 * SECOND), wall_ns: 0 };
        assert_eq!(Agreement::of(TickUnit::Tsc, &anchors(), Some(own)).kept, anchors());
    }

    #[test]
    fn monotonic_ticks_are_the_time() {
        let good = [5, 6, 7].map(|ns| Anchor { ticks: Ticks(ns), monotonic: Timestamp(ns), wall_ns: 0 });
        assert_eq!(Agreement::of(TickUnit::Monotonic, &good, None).error_ns, 0);
        assert!(Agreement::of(TickUnit::Monotonic, &anchors(), None).error_ns > SECOND);
    }
}
