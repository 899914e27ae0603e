//! Known answers, and the error that the tests promise.

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
    // Ties within the sides cost nothing.
    assert_eq!(rank_test(&[1.0; 5], &[2.0; 5]), 2.0 / 252.0);
    assert_eq!(rank_test(&[1.0; 5], &[1.0; 5]), 1.0);
    assert_eq!(rank_test(&[], &low), 1.0);
}

#[test]
fn holm_steps_down_and_stops() {
    assert_eq!(holm(&[0.0079, 0.04, 0.0079, 0.3, 0.9, 0.02], 0.05), [true, false, true, false, false, false]);
    assert_eq!(holm(&[0.011, 0.011, 0.011, 0.011, 0.011, 0.011], 0.05), [false; 6]);
    assert_eq!(holm(&[], 0.05), [false; 0]);
    assert_eq!(holm(&[0.05], 0.05), [true]);
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
