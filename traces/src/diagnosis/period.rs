//! Finds the period of something that recurs among other occurrences.

/// Fewest occurrences that show a period.
const HITS_MIN: usize = 4;

/// How far an occurrence may lie from its place, as a share of the period: one over this.
const TOLERANCE: u64 = 50;

/// The least of it, in nanoseconds: the granularity of timers in milliseconds.
const SLACK_NS_MIN: u64 = 1_000_000;

/// How many occurrences may lie between two of the period.
const BETWEEN_MAX: usize = 4;

/// A period, and the indexes of the occurrences that keep to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) ns: u64,
    pub(super) hits: Vec<usize>,
}

/// Most occurrences that are tried as the first of two that are one period apart.
const ANCHORS_MAX: usize = 128;

/// The period of `times_ns`, which ascend: most occurrences keep to it, and few of its places are without one. `None` if
/// there is none. Takes time in proportion to their number.
pub(super) fn period(times_ns: &[u64]) -> Option<Period> {
    let apart = |first: usize| {
        (first + 1..times_ns.len().min(first + 2 + BETWEEN_MAX)).map(move |next| (first, next))
    };
    let anchors = (0..times_ns.len()).step_by(times_ns.len().div_ceil(ANCHORS_MAX).max(1));
    let pairs = anchors.flat_map(apart);
    pairs.filter_map(|(first, next)| kept_from(times_ns, first, times_ns[next] - times_ns[first])).max_by_key(
        // Every second place of a period is one, too.
        |period| (period.hits.len(), period.ns),
    )
}

/// The occurrences that keep to a period of about `ns` through the one at `anchor`, if they show it.
fn kept_from(times_ns: &[u64], anchor: usize, ns: u64) -> Option<Period> {
    let (&first, &last) = (times_ns.first()?, times_ns.last()?);
    let slack = (ns / TOLERANCE).max(SLACK_NS_MIN);
    // Shorter ones could not be told from chance.
    if ns <= 8 * slack {
        return None;
    }
    // Two occurrences show a period only about; over many, the error would add up.
    let mut mean = (u128::from(ns), 1);
    let mut keeps = |place: usize| keeps_to(&mut mean, times_ns[place].abs_diff(times_ns[anchor]), slack);
    let ahead: Vec<usize> = (anchor + 1..times_ns.len()).filter(|place| keeps(*place)).collect();
    let behind: Vec<usize> = (0..anchor).rev().filter(|place| keeps(*place)).collect();
    let mut hits: Vec<usize> = behind.into_iter().rev().chain([anchor]).chain(ahead).collect();
    let ns = u64::try_from(mean.0 / mean.1).ok()?.max(1);
    // Two at one place are one.
    hits.dedup_by(|next, kept| times_ns[*next] - times_ns[*kept] <= 2 * slack);
    let places = (last - first) / ns + 1;
    let shows =
        hits.len() >= HITS_MIN && hits.len() as u64 * 5 >= places * 4 && hits.len() * 2 >= times_ns.len();
    let whole = |hits: &[usize]| {
        let (first, last) = (times_ns[hits[0]], times_ns[hits[hits.len() - 1]]);
        let periods = (last - first + ns / 2) / ns;
        (last - first) / periods.max(1)
    };
    shows.then(|| Period { ns: whole(&hits), hits })
}

/// Whether something `since_ns` after or before the anchor lies at a place of the period. If so, `mean`, which is the time
/// that a number of periods took so far, becomes that of the periods since the anchor.
fn keeps_to(mean: &mut (u128, u128), since_ns: u64, slack: u64) -> bool {
    let (total, periods) = *mean;
    let since = u128::from(since_ns);
    let places = (since * periods + total / 2) / total;
    let keeps = (places * total / periods).abs_diff(since) <= u128::from(slack);
    // At the anchor itself there is nothing to learn.
    if keeps && places >= periods {
        *mean = (since, places);
    }
    keeps
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn found(times_ms: &[u64]) -> Option<(u64, usize)> {
        let times: Vec<u64> = times_ms.iter().map(|ms| ms * MS).collect();
        period(&times).map(|period| (period.ns / MS, period.hits.len()))
    }

    #[test]
    fn regular_occurrences_have_a_period() {
        assert_eq!(found(&[0, 1_000, 2_000, 3_000]), Some((1_000, 4)));
        assert_eq!(found(&[5, 1_010, 2_001, 2_999, 4_004]), Some((999, 5)), "a little early or late");
        assert_eq!(found(&[1_000, 1_632, 2_000, 2_999, 3_071, 3_946, 4_000, 5_000, 6_000]), Some((1_000, 6)));
        assert_eq!(found(&[0, 1_000, 2_000, 4_000, 5_000, 6_000]), Some((1_000, 6)), "one is missing");
        assert_eq!(found(&(0..64).map(|number| number * 20).collect::<Vec<_>>()), Some((20, 64)));
        let alternating = (0..5_000).map(|number| number * 60_000 + number % 2 * 26).collect::<Vec<_>>();
        assert_eq!(found(&alternating), Some((60_000, 5_000)), "errors do not add up");
    }

    #[test]
    fn others_have_none() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[7]), None);
        assert_eq!(found(&[0, 1_000, 2_000]), None, "too few");
        assert_eq!(found(&[0, 310, 1_270, 1_900, 3_430, 3_990]), None);
        assert_eq!(found(&[0, 1, 2, 3, 4, 5]), None, "too close");
        assert_eq!(found(&[0, 1_000, 2_000, 3_000, 100_000]), None, "most of its places are empty");
        assert_eq!(found(&[5, 5, 5, 5, 5]), None);
    }

    #[test]
    fn chance_seldom_has_one() {
        let mut random = fastrand::Rng::with_seed(1);
        let by_chance = (0..1_000).filter(|_| {
            let mut times: Vec<u64> = (0..12).map(|_| random.u64(0..60_000)).collect();
            times.sort_unstable();
            found(&times).is_some()
        });
        assert!(by_chance.count() <= 20);
    }
}
