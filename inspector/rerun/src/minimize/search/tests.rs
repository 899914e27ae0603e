//! The search on made-up recordings, where a part passes if it contains what is needed.

use proptest::collection::btree_set;
use proptest::prelude::*;

use super::*;

/// Ten arrivals per tick of 100 ns, and ten tags unrelated to them.
fn whole(ticks: u64) -> CuttableParts {
    CuttableParts {
        cuts_ns: (0..=ticks).map(|tick| tick * 100).collect(),
        tags: (0..10).map(|tag| format!("tag {tag}")).collect(),
        arrivals_ns: (0..ticks * 10).map(|n| n * 10 + 5).collect(),
    }
}

proptest! {
    #[test]
    fn what_is_needed_is_left_in_the_narrowest_window(
        needed in btree_set(0_usize..300, 1..5),
        tags in btree_set(0_u8..10, 0..4),
    ) {
        let whole = whole(30);
        let tags: BTreeSet<String> = tags.into_iter().map(|tag| format!("tag {tag}")).collect();
        let mut tries = 0;
        let found = search(&whole, &mut |_, part| {
            tries += 1;
            let inside = |n: &usize| (part.from_ns..=part.to_ns).contains(&whole.arrivals_ns[*n]);
            assert!(part.arrivals.iter().all(inside), "none outside the window");
            Some(needed.is_subset(&part.arrivals) && tags.is_subset(&part.tags))
        });
        prop_assert!(found.is_minimal);
        prop_assert_eq!(&found.part.arrivals, &needed);
        prop_assert_eq!(&found.part.tags, &tags);
        let tick_of = |n: &usize| *n as u64 / 10;
        prop_assert_eq!(Some(found.part.from_ns / 100), needed.first().map(tick_of));
        prop_assert_eq!(Some(found.part.to_ns / 100), needed.last().map(|n| tick_of(n) + 1));
        prop_assert!(tries < 500, "{} tries", tries);
    }

    #[test]
    fn a_search_that_is_cut_off_returns_a_part_that_does_it(
        needed in btree_set(0_usize..300, 1..4),
        most in 0_u32..80,
    ) {
        let whole = whole(30);
        let mut left = most;
        let found = search(&whole, &mut |_, part| {
            left = left.checked_sub(1)?;
            Some(needed.is_subset(&part.arrivals))
        });
        prop_assert!(needed.is_subset(&found.part.arrivals));
        prop_assert!(!found.is_minimal || found.part.arrivals == needed);
    }

    /// If dropping one item makes another superfluous, the second round finds it.
    #[test]
    fn the_search_goes_on_until_nothing_goes(last in 0_usize..100) {
        let whole = whole(10);
        let found = search(&whole, &mut |_, part| {
            // A tag is needed as long as more than one arrival is left.
            Some(part.arrivals.contains(&last) && (part.arrivals.len() == 1 || part.tags.contains("tag 3")))
        });
        prop_assert!(found.is_minimal);
        prop_assert_eq!(found.part.arrivals, BTreeSet::from([last]));
        prop_assert!(found.part.tags.is_empty());
    }
}

#[test]
fn an_empty_recording_has_no_parts() {
    let found = search(&CuttableParts::default(), &mut |_, _| Some(true));
    assert_eq!(found, SearchResult { part: Part::all(&CuttableParts::default()), is_minimal: true });
}
