//! Tests that the map is continuous, non-decreasing, convergent and additive, for any clock with noisy anchors.

use proptest::prelude::*;

use super::*;

const SECOND_NS: u64 = 1_000_000_000;

fn anchor(ticks: u64, ns: u64) -> Anchor {
    Anchor { ticks: Ticks(ticks), monotonic: Timestamp(ns), wall_ns: 0 }
}

/// A true clock of `hz` ticks per second that began `offset_ns` after the monotonic one.
#[derive(Clone, Copy, Debug)]
struct Truth {
    hz: u64,
    offset_ns: u64,
}

impl Truth {
    fn ns(&self, ticks: u64) -> u64 {
        self.offset_ns + (u128::from(ticks) * u128::from(SECOND_NS) / u128::from(self.hz)) as u64
    }
}

fn truths() -> impl Strategy<Value = Truth> {
    (10_000_000..6_000_000_000_u64, 0..1_u64 << 50).prop_map(|(hz, offset_ns)| Truth { hz, offset_ns })
}

#[test]
fn two_anchors_give_the_rate() {
    // Two ticks per nanosecond.
    let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, 500), anchor(2_000_000, 1_000_500)]);
    assert_eq!(map.convert(Ticks(1_000_000)), Timestamp(500_500));
}

proptest! {
    #[test]
    fn never_decreases_and_never_leaps(
        truth in truths(),
        noise in prop::collection::vec(0..2_000_u64, 1..20),
        queries in prop::collection::vec(0..1_000_u64, 1..20),
    ) {
        let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, truth.ns(0)), anchor(truth.hz / 500, truth.ns(truth.hz / 500))]);
        let mut said: Vec<(u64, u64)> = Vec::new();
        for (second, noise) in noise.iter().enumerate() {
            let base = second as u64 * truth.hz;
            for part in &queries {
                let ticks = base + truth.hz / 1000 * part;
                said.push((ticks, map.convert(Ticks(ticks)).0));
            }
            let ticks = base + truth.hz;
            let _accepted = map.add_anchor(anchor(ticks, truth.ns(ticks) + noise));
            // Continuous where the pieces meet: one more tick adds at most its own length (and a rounding
            // error).
            for (ticks, _) in said.iter().rev().take(5) {
                let step = map.peek(Ticks(ticks + 1)).0 - map.peek(Ticks(*ticks)).0;
                prop_assert!(step <= 2 * SECOND_NS / truth.hz + 2, "a leap of {step} ns");
            }
        }
        for (ticks, ns) in &said {
            prop_assert_eq!(map.peek(Ticks(*ticks)).0, *ns, "what was said once is never unsaid");
        }
        said.sort_unstable();
        prop_assert!(said.is_sorted_by_key(|(_, ns)| *ns), "never decreases");
    }

    #[test]
    fn converges_to_a_clock_whose_first_rate_was_wrong(truth in truths(), wrong_ppm in 0..20_000_u64) {
        // The second anchor was read late, so that the first slope is too steep.
        let second = truth.hz / 1000;
        let late_ns = SECOND_NS / 1000 * wrong_ppm / 1_000_000;
        let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, truth.ns(0)), anchor(second, truth.ns(second) + late_ns)]);
        for seconds in 1..=20 {
            let ticks = seconds * truth.hz;
            let _said = map.convert(Ticks(ticks));
            prop_assert!(map.add_anchor(anchor(ticks, truth.ns(ticks))));
        }
        let ticks = 20 * truth.hz + truth.hz / 2;
        let error_ns = map.peek(Ticks(ticks)).0.abs_diff(truth.ns(ticks));
        prop_assert!(error_ns <= 1_000, "{error_ns} ns off after twenty seconds");
    }

    #[test]
    fn durations_add_up(truth in truths(), mut times in prop::collection::vec(0..1_u64 << 40, 3..20)) {
        let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(5, truth.ns(5)), anchor(truth.hz, truth.ns(truth.hz))]);
        times.sort_unstable();
        let converted: Vec<Timestamp> = times.iter().map(|ticks| map.convert(Ticks(*ticks))).collect();
        let pieces: u64 = converted.windows(2).map(|pair| pair[1].ns_since(pair[0])).sum();
        prop_assert_eq!(pieces, converted[converted.len() - 1].ns_since(converted[0]));
    }

    #[test]
    fn any_anchors_are_harmless(words in prop::collection::vec((any::<u64>(), any::<u64>()), 0..30), ticks: u64) {
        let anchors: Vec<Anchor> = words.iter().map(|(ticks, ns)| anchor(*ticks, *ns)).collect();
        let (first, later) = anchors.split_at(anchors.len() / 2);
        let mut map = ClockMap::new(TickUnit::Tsc, first);
        let mut last = (ticks, map.convert(Ticks(ticks)));
        for anchor in later {
            let faults = map.faults();
            let _accepted = map.add_anchor(*anchor);
            if map.faults() == faults {
                prop_assert_eq!(map.peek(Ticks(last.0)), last.1);
            }
            let next = last.0.saturating_add(1 << 20);
            let converted = map.convert(Ticks(next));
            prop_assert!(converted >= last.1);
            last = (next, converted);
        }
    }
}

#[test]
fn monotonic_ticks_are_the_time() {
    let mut map = ClockMap::new(TickUnit::Monotonic, &[anchor(7, 9)]);
    assert!(map.add_anchor(anchor(100, 500)));
    assert_eq!(map.convert(Ticks(123)), Timestamp(123));
}

#[test]
fn an_anchor_from_another_world_is_refused() {
    let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, 0), anchor(SECOND_NS, SECOND_NS)]);
    assert!(!map.add_anchor(anchor(2 * SECOND_NS, 9 * SECOND_NS)));
    assert!(!map.add_anchor(anchor(SECOND_NS / 2, SECOND_NS / 2)));
    assert!(map.add_anchor(anchor(2 * SECOND_NS, 2 * SECOND_NS + 1000)));
}

/// A clock of one tick per nanosecond that does what a record clock must not: after ten seconds it continues
/// from `jump(ticks)` at `percent` of its rate. Reads it for half a minute with an anchor each second.
fn unsteady(jump: impl Fn(u64) -> u64, percent: u64) -> (ClockMap, Vec<(u64, u64)>) {
    let ticks_at = |ns: u64| {
        let before = ns.min(10 * SECOND_NS);
        if before == ns { ns } else { jump(before) + (ns - before) * percent / 100 }
    };
    let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, 0), anchor(1_000_000, 1_000_000)]);
    let mut said = Vec::new();
    for second in 1..30 {
        for tenth in 0..10 {
            let ns = second * SECOND_NS + tenth * SECOND_NS / 10 + 1;
            said.push((ns, map.convert(Ticks(ticks_at(ns))).0));
        }
        // Anchors wobble a little, like real ones.
        let ns = (second + 1) * SECOND_NS;
        let _accepted = map.add_anchor(anchor(ticks_at(ns), ns + second % 3 * 100));
    }
    (map, said)
}

#[test]
fn a_clock_that_changes_its_rate_or_jumps_is_noticed_and_followed() {
    let steady = |ticks| ticks;
    assert_eq!(unsteady(steady, 100).0.faults(), ClockFaults::default());
    for (what, jump, percent, error_ns) in [
        ("half the rate", Box::new(steady) as Box<dyn Fn(u64) -> u64>, 50, 500_000_000),
        ("3% faster", Box::new(steady), 103, 30_000_000),
        ("1% slower", Box::new(steady), 99, 10_000_000),
        ("a jump ahead by 5 ms", Box::new(|ticks| ticks + 5_000_000), 100, 4_900_000),
        ("a jump back by 20 s", Box::new(|ticks| ticks - 10 * SECOND_NS), 100, SECOND_NS),
    ] {
        let (map, said) = unsteady(jump, percent);
        assert_eq!(map.faults().count, 1, "{what}");
        assert!(map.faults().error_ns_max >= error_ns, "{what}: {:?}", map.faults());
        let (ns, converted) = said[said.len() - 1];
        assert!(ns.abs_diff(converted) < SECOND_NS / 10, "{what}: at {ns} it says {converted}");
        let (before_ns, before) = said[said.len() - 11];
        assert!(
            (converted - before).abs_diff(ns - before_ns) < SECOND_NS / 10,
            "{what}: durations are right again"
        );
    }
}

#[test]
fn one_damaged_anchor_is_no_change_of_the_clock() {
    let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, 0), anchor(SECOND_NS, SECOND_NS)]);
    for second in 2..20 {
        let wrong = if second % 5 == 0 { 700_000_000 } else { 0 };
        assert_eq!(map.add_anchor(anchor(second * SECOND_NS, second * SECOND_NS - wrong)), wrong == 0);
    }
    assert_eq!(map.faults(), ClockFaults::default());
}

#[test]
fn half_an_hour_of_anchors_takes_bounded_memory() {
    let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, 0), anchor(SECOND_NS, SECOND_NS)]);
    for second in 2..3_600 {
        let _said = map.convert(Ticks(second * SECOND_NS));
        assert!(map.add_anchor(anchor(second * SECOND_NS, second * SECOND_NS + second % 3)));
    }
    assert!(map.pieces.len() <= PIECES_MAX && map.anchors.len() <= 64);
}

/// A machine that sleeps at ten and at twenty seconds, with a record clock of one tick per nanosecond that goes on.
#[test]
fn a_map_stands_still_while_the_machine_sleeps() {
    let asleep_ns = [100 * SECOND_NS, 7 * SECOND_NS];
    let ticks_at = |ns: u64| {
        let slept = [10, 20].iter().zip(asleep_ns).filter(|(at, _)| ns >= **at * SECOND_NS);
        ns + slept.map(|(_, asleep_ns)| asleep_ns).sum::<u64>()
    };
    let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(0, 0), anchor(SECOND_NS, SECOND_NS)]);
    let mut last = Timestamp(0);
    for tenth in 11..300 {
        let ns = tenth * SECOND_NS / 10 + 1;
        if let Some(place) = [100, 200].iter().position(|at| *at == tenth) {
            // Detected by readings just before and just after.
            let [alive, end] = [ns - 50_000_000, ns].map(|ns| Ticks(ticks_at(ns)));
            map.slept(alive, anchor(end.0, ns), asleep_ns[place] - SECOND_NS);
            assert!(
                !map.add_anchor(anchor(end.0 - 1, ns - 1)),
                "whether it slept before or after that is unknown"
            );
        }
        let time = map.convert(Ticks(ticks_at(ns)));
        assert!(time.0.abs_diff(ns) <= 1_000 && time >= last, "at {ns} it says {time:?}");
        last = time;
        if tenth % 10 == 0 {
            let _accepted = map.add_anchor(anchor(ticks_at(ns), ns + tenth % 3 * 100));
        }
    }
    assert_eq!(map.faults(), ClockFaults::default());
    // A clock that jumps back later is followed as without sleeps.
    for second in 40..44 {
        let _accepted = map.add_anchor(anchor((second - 39) * SECOND_NS, second * SECOND_NS));
    }
    assert_eq!(map.faults().count, 1);
    let time = map.convert(Ticks(5 * SECOND_NS));
    assert!(time.0.abs_diff(44 * SECOND_NS) < SECOND_NS / 10 && time >= last, "{time:?}");
}

proptest! {
    #[test]
    fn no_sleeps_make_a_map_decrease(
        sleeps in prop::collection::vec((0..1_u64 << 36, 0..1_u64 << 36, any::<u64>()), 0..20),
        mut queries in prop::collection::vec(0..1_u64 << 36, 2..50),
    ) {
        let mut map = ClockMap::new(TickUnit::Tsc, &[anchor(5, 5), anchor(SECOND_NS, SECOND_NS)]);
        let bits = |word: u64| word >> (word & 63);
        for (alive, end, asleep_ns) in sleeps {
            map.take_out(Sleep { alive: Ticks(alive), end: Ticks(end), asleep_ns: bits(asleep_ns) });
        }
        queries.sort_unstable();
        let times: Vec<Timestamp> = queries.iter().map(|ticks| map.convert(Ticks(*ticks))).collect();
        prop_assert!(times.is_sorted());
    }
}
