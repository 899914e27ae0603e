//! Known answers, and the promised error rates.

use proptest::prelude::*;

use super::*;

#[test]
fn medians_shifts_and_effects() {
    assert_eq!(median(&[]), None);
    assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 3.0])), (Some(2.0), Some(2.5)));
    assert_eq!(shift(&[1.0, 2.0, 3.0], &[11.0, 12.0, 13.0]), Some(10.0));
    assert_eq!(cliffs_delta(&[1.0, 2.0], &[3.0, 4.0]), Some(1.0));
    assert_eq!(cliffs_delta(&[1.0, 2.0], &[1.0, 2.0]), Some(0.0));
    assert_eq!(scatter(&[1.0, 3.0], &[11.0, 13.0]), Some(2f64.sqrt()));
    assert_eq!(scatter(&[1.0], &[2.0]), None);
}

#[test]
fn ranks_of_equals_are_shared() {
    assert_eq!(ranks(&[5.0, 1.0, 5.0, 9.0]), [2.5, 1.0, 2.5, 4.0]);
}

#[test]
fn exact_p_values_are_those_of_the_tables() {
    let low = [1.0, 2.0, 3.0, 4.0, 5.0];
    // U = 0, 1, 2 of five against five: 2/252, 4/252, 8/252 (Mann & Whitney 1947, table I).
    assert_eq!(rank_test(&low, &[6.0, 7.0, 8.0, 9.0, 10.0]), 2.0 / 252.0);
    assert_eq!(rank_test(&low, &[4.5, 7.0, 8.0, 9.0, 10.0]), 4.0 / 252.0);
    assert_eq!(rank_test(&low, &[3.5, 7.0, 8.0, 9.0, 10.0]), 8.0 / 252.0);
    // Ties within a side do not change the result.
    assert_eq!(rank_test(&[1.0; 5], &[2.0; 5]), 2.0 / 252.0);
    assert_eq!(rank_test(&[1.0; 5], &[1.0; 5]), 1.0);
    assert_eq!(rank_test(&[], &low), 1.0);
}

#[test]
fn holm_steps_down_and_stops() {
    let equal = |p_values: &[f64]| holm(&p_values.iter().map(|p| (*p, 1.0)).collect::<Vec<_>>(), 0.05);
    assert_eq!(equal(&[0.0079, 0.04, 0.0079, 0.3, 0.9, 0.02]), [true, false, true, false, false, false]);
    assert_eq!(equal(&[0.011; 6]), [false; 6]);
    assert_eq!(equal(&[]), [false; 0]);
    assert_eq!(equal(&[0.05]), [true]);
    assert_eq!(
        holm(&[(0.02, 2.0), (0.02, 1.0), (0.02, 1.0)], 0.05),
        [true, true, true],
        "each step leaves more"
    );
    assert_eq!(holm(&[(0.03, 2.0), (0.012, 1.0), (0.02, 1.0)], 0.05), [true, true, true]);
    assert_eq!(holm(&[(0.03, 2.0), (0.02, 1.0), (0.02, 1.0)], 0.05), [false; 3]);
}

#[test]
fn equality_is_shown_only_by_runs_that_scatter_less_than_the_bound() {
    let base = [1.00, 1.02, 0.98, 1.01, 0.99];
    let of = |by: f64, within: f64| {
        let candidate = base.map(|value| value + by);
        Welch::of(&base, &candidate).unwrap().equivalence(within)
    };
    // Student's t with 8 degrees of freedom: 0.04 / 0.01 = 4, of which the upper tail is 0.00197.
    assert!((of(0.01, 0.05) - 0.001_97).abs() < 2e-5, "{}", of(0.01, 0.05));
    assert!((of(-0.01, 0.05) - of(0.01, 0.05)).abs() < 1e-9);
    assert!((of(0.05, 0.05) - 0.5).abs() < 1e-9, "at the bound it is a coin");
    assert!(of(0.2, 0.05) > 0.999);
    let still = Welch::of(&[0.0; 5], &[0.0; 5]).unwrap();
    assert_eq!((still.equivalence(1.0), still.equivalence(0.0)), (0.0, 1.0));
    assert_eq!(Welch::of(&[1.0], &base), None);
}

/// Runs that differ by exactly the bound are called equal in at most one comparison of twenty.
#[test]
fn the_equivalence_test_keeps_its_promise() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
    let mut equal = 0;
    for _ in 0..2_000 {
        let base: Vec<f64> = (0..5).map(|_| 0.03 * normal()).collect();
        let candidate: Vec<f64> = (0..5).map(|_| 0.1 + 0.03 * normal()).collect();
        equal += u32::from(Welch::of(&base, &candidate).unwrap().equivalence(0.1) <= 0.05);
    }
    println!("{equal} of 2,000");
    assert!((40..=115).contains(&equal), "{equal} of 2,000");
}

proptest! {
    #[test]
    fn p_values_do_not_depend_on_order_or_sides(
        base in prop::collection::vec(0u8..9, 1..6), candidate in prop::collection::vec(0u8..9, 1..6),
    ) {
        let numbers = |side: &[u8]| side.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let (base, candidate) = (numbers(&base), numbers(&candidate));
        let p = rank_test(&base, &candidate);
        prop_assert!(p > 0.0 && p <= 1.0);
        let reversed: Vec<f64> = base.iter().rev().copied().collect();
        prop_assert_eq!(rank_test(&reversed, &candidate), p);
        prop_assert!((rank_test(&candidate, &base) - p).abs() < 1e-12);
        prop_assert_eq!(cliffs_delta(&base, &candidate), cliffs_delta(&candidate, &base).map(|delta| 0.0 - delta));
    }
}
