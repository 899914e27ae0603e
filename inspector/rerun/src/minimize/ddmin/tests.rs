//! Properties of delta debugging, for predicates of every kind.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

/// Reduces 0..n, checks that each try is an ordered sublist, and that their number stays within the bound.
fn reduce(n: usize, does_it: impl Fn(&[usize]) -> bool) -> Reduced<usize> {
    let all: Vec<usize> = (0..n).collect();
    let mut tries = 0;
    let reduced = ddmin(&all, &mut |items| {
        tries += 1;
        assert!(items.is_sorted() && items.len() <= n, "{items:?}");
        Some(does_it(items))
    });
    assert!(tries <= n * n + 3 * n + 1, "{tries} tries for {n} items");
    assert!(reduced.is_minimal);
    reduced
}

fn without(items: &[usize], at: usize) -> Vec<usize> {
    items.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, item)| *item).collect()
}

/// A predicate that needs all of the culprits.
fn needs(culprits: &BTreeSet<usize>) -> impl Fn(&[usize]) -> bool {
    move |items| culprits.iter().all(|culprit| items.contains(culprit))
}

proptest! {
    /// For a monotone predicate, exactly the culprits are left.
    #[test]
    fn of_a_monotone_predicate_the_culprits_are_left(n in 1_usize..80, picked in btree_set(0_usize..80, 0..6)) {
        let culprits: BTreeSet<usize> = picked.into_iter().filter(|item| *item < n).collect();
        let reduced = reduce(n, needs(&culprits));
        prop_assert_eq!(reduced.items, culprits.into_iter().collect::<Vec<_>>());
    }

    /// Whatever the predicate, the result passes, and without any one item does not.
    #[test]
    fn what_is_left_is_minimal_for_any_predicate(
        n in 1_usize..24,
        culprits in btree_set(0_usize..24, 0..4),
        salt in any::<u64>(),
    ) {
        // The whole list passes; so do lists with all culprits, and a random third of the others.
        let does_it = |items: &[usize]| {
            let mixed = items.iter().fold(salt, |mixed, item| {
                (mixed ^ *item as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
            });
            items.len() == n || mixed % 3 == 0 || (needs(&culprits))(items)
        };
        let reduced = reduce(n, does_it);
        prop_assert!(does_it(&reduced.items));
        for at in 0..reduced.items.len() {
            prop_assert!(!does_it(&without(&reduced.items, at)), "{:?} without its {at}th", reduced.items);
        }
    }

    /// If the tries run out, the result still passes and is never larger than the input.
    #[test]
    fn a_search_that_is_cut_off_is_right_too(culprits in btree_set(0_usize..60, 1..5), tries in 0_u32..60) {
        let all: Vec<usize> = (0..60).collect();
        let mut left = tries;
        let reduced = ddmin(&all, &mut |items| {
            left = left.checked_sub(1)?;
            Some(needs(&culprits)(items))
        });
        prop_assert!(needs(&culprits)(&reduced.items));
        prop_assert!(!reduced.is_minimal || reduced.items.len() == culprits.len());
    }

    #[test]
    fn the_same_search_has_the_same_result(order in vec(0_u8..4, 1..40)) {
        let does_it = |items: &[u8]| items.iter().filter(|item| **item == 2).count() >= 2;
        let once = || ddmin(&order, &mut |items| Some(does_it(items) || items.len() == order.len()));
        prop_assert_eq!(once(), once());
    }

    #[test]
    fn the_boundary_of_a_range_is_found(low in 0_usize..100, beyond in 0_usize..100, at in 0_usize..200) {
        let high = low + beyond;
        let at = at.clamp(low, high);
        prop_assert_eq!(smallest(low, high, &mut |n| Some(n >= at)), at);
        prop_assert_eq!(largest(low, high, &mut |n| Some(n <= at)), at);
    }
}

#[test]
fn an_unconditional_predicate_reduces_to_nothing() {
    assert_eq!(reduce(9, |_| true).items, Vec::<usize>::new());
    assert_eq!(reduce(0, |_| true).items, Vec::<usize>::new());
}

#[test]
fn one_culprit_among_many_is_found_in_few_tries() {
    let all: Vec<usize> = (0..10_000).collect();
    let mut tries = 0;
    let reduced = ddmin(&all, &mut |items| {
        tries += 1;
        Some(items.contains(&7_777))
    });
    assert_eq!(reduced.items, [7_777]);
    assert!(tries <= 40, "{tries}");
}
