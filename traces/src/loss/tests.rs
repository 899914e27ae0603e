//! The bounds computed from part of the samples contain the figures of all of them.

use proptest::prelude::*;

use super::*;
use crate::histogram::Percentiles;

fn of(samples: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    samples.iter().for_each(|sample| histogram.record(*sample));
    histogram
}

fn quantile_of(seen: &Histogram, quantile: f64, missing: u64) -> Bounds {
    quantile_bounds(seen, quantile, &Missing::anything(missing))
}

#[test]
fn without_losses_both_ends_are_the_quantile() {
    let seen = of(&(1..=100).collect::<Vec<_>>());
    assert_eq!(quantile_of(&seen, 0.99, 0), Bounds { lo: 99, hi: Some(99) });
    let all = SpreadBounds::of(&seen, &Missing::none());
    let shown = seen.percentiles();
    for (bounds, value) in
        [(all.p50, shown.p50), (all.max, shown.max), (all.mean, shown.mean), (all.gmean, shown.gmean)]
    {
        assert!(!bounds.is_open(value.unwrap()), "{bounds:?} {value:?}");
    }
}

#[test]
fn a_quantile_is_unbounded_if_more_samples_are_lost_than_seen_above_it() {
    let seen = of(&(1..=100).collect::<Vec<_>>());
    assert_eq!(quantile_of(&seen, 0.99, 1), Bounds { lo: 99, hi: Some(100) });
    assert_eq!(quantile_of(&seen, 0.99, 2).hi, None);
    assert_eq!(quantile_of(&seen, 0.5, 50), Bounds { lo: 25, hi: Some(75) });
    assert_eq!(quantile_of(&seen, 0.5, 200), Bounds { lo: 0, hi: None });
}

#[test]
fn without_samples_there_is_no_bound() {
    assert_eq!(quantile_of(&of(&[]), 0.99, 3), Bounds { lo: 0, hi: None });
    assert_eq!(quantile_of(&of(&[]), 0.99, 0), Bounds { lo: 0, hi: None });
}

#[test]
fn a_gap_hides_no_run_that_is_longer_than_itself() {
    let seen = of(&(1..=100).collect::<Vec<_>>());
    let mut missing = Missing::none();
    missing.stretch(120);
    let all = SpreadBounds::of(&seen, &missing.clone().counted(1_000));
    assert_eq!(all.max, Bounds { lo: 100, hi: Some(120) });
    // One of 100 or more fits, or two of 51 to 60: the median moves by one rank, no matter how many records were lost.
    assert_eq!(all.p50.hi, Some(51));
    assert_eq!(all.p99.hi, Some(100));
    assert_eq!(all.mean, Bounds { lo: 4, hi: Some(52) });
    missing.of_any_length(1);
    let all = SpreadBounds::of(&seen, &missing.counted(1_000));
    assert_eq!((all.max.hi, all.mean.hi, all.gmean.hi), (None, None, None));
    assert_eq!(all.p50.hi, Some(52), "one sample of any length cannot move the median far");
}

#[test]
fn in_json_they_are_a_pair() {
    let json = serde_json::to_string(&Bounds { lo: 3, hi: None }).unwrap();
    assert_eq!(json, "[3,null]");
    assert_eq!(serde_json::from_str::<Bounds>(&json).unwrap(), Bounds { lo: 3, hi: None });
}

fn lies_within(bounds: Bounds, value: u64) -> bool {
    bounds.lo <= value && bounds.hi.is_none_or(|hi| value <= hi)
}

/// Checks that each known figure lies within its bounds.
fn every_figure_lies_within(all: &SpreadBounds, whole: &Percentiles) -> Result<(), TestCaseError> {
    for (bounds, value) in [
        (all.p50, whole.p50),
        (all.p90, whole.p90),
        (all.p99, whole.p99),
        (all.max, whole.max),
        (all.mean, whole.mean),
        (all.gmean, whole.gmean),
    ] {
        prop_assert!(value.is_none_or(|value| lies_within(bounds, value)), "{bounds:?} {whole:?}");
    }
    Ok(())
}

proptest! {
    /// Small numbers: each has its own bucket, so nothing is rounded.
    #[test]
    fn quantiles_lie_within_their_bounds_for_any_loss(
        seen in prop::collection::vec(0u64..120, 0..40),
        lost in prop::collection::vec(0u64..120, 0..20),
        more in 0u64..5, percent in 1u32..100,
    ) {
        let quantile = f64::from(percent) / 100.0;
        let bounds = quantile_of(&of(&seen), quantile, lost.len() as u64 + more);
        let mut all = [seen, lost].concat();
        all.sort_unstable();
        if let Some(last) = all.len().checked_sub(1) {
            let rank = ((quantile * all.len() as f64).ceil() as usize).clamp(1, last + 1);
            let value = all[rank - 1];
            prop_assert!(bounds.lo <= value, "{bounds:?} {value}");
            prop_assert!(bounds.hi.is_none_or(|hi| value <= hi), "{bounds:?} {value}");
        }
    }

    /// Runs of any length, lost in gaps slightly longer than their sum.
    #[test]
    fn figures_lie_within_their_bounds_for_any_gaps(
        seen in prop::collection::vec(0u64..9_000_000, 0..200),
        gaps in prop::collection::vec((prop::collection::vec(0u64..3_000_000, 0..30), 0u64..5_000), 0..12),
        spare in 0u64..40, unknown in prop::collection::vec(0u64..1 << 40, 0..3),
    ) {
        let mut missing = Missing::none();
        for (lost, idle) in &gaps {
            missing.stretch(lost.iter().sum::<u64>() + idle);
        }
        missing.of_any_length(unknown.len() as u64);
        let lost: Vec<u64> = gaps.into_iter().flat_map(|(lost, _)| lost).chain(unknown).collect();
        let bounds = SpreadBounds::of(&of(&seen), &missing.counted(lost.len() as u64 + spare));
        let whole = of(&[seen, lost].concat()).percentiles();
        every_figure_lies_within(&bounds, &whole)?;
    }
    /// Unfinished samples become longer by any amount, and any number of samples follow.
    #[test]
    fn figures_lie_within_their_bounds_for_any_unfinished_samples(
        seen in prop::collection::vec(0u64..9_000_000, 0..200),
        lost in prop::collection::vec(0u64..1 << 40, 0..4),
        open in prop::collection::vec((0u64..9_000_000, prop_oneof![Just(0), 0u64..90_000_000, any::<u32>().prop_map(u64::from)]), 0..5),
        come in prop::collection::vec(0u64..90_000_000, 0..4), spare in 0u64..4,
    ) {
        let at_least: Vec<u64> = open.iter().map(|(known, _)| *known).collect();
        // Samples that follow the unfinished ones are longer than all of them.
        let longest = at_least.iter().copied().max().unwrap_or(0);
        let come: Vec<u64> = come.into_iter().filter(|_| !open.is_empty()).map(|more| longest + more).collect();
        let missing = Missing::anything(lost.len() as u64 + spare)
            .with_unfinished(of(&at_least), come.len() as u64);
        prop_assert_eq!(missing.count(), (lost.len() + open.len() + come.len()) as u64 + spare);
        let ended: Vec<u64> = open.iter().map(|(known, more)| known + more).collect();
        let bounds = SpreadBounds::of(&of(&seen), &missing);
        let whole = of(&[seen, lost, ended, come].concat()).percentiles();
        every_figure_lies_within(&bounds, &whole)?;
    }

    /// A paused sample lasts as long as it has so far, or longer; it lowers no figure of those that ended.
    #[test]
    fn a_paused_sample_counts_from_below_and_raises_no_more_than_it_is(
        seen in prop::collection::vec(0u64..9_000_000, 1..200),
        paused in prop::collection::vec((0u64..9_000_000, 0u64..90_000_000), 1..4),
    ) {
        let known: Vec<u64> = paused.iter().map(|(known, _)| *known).collect();
        let missing = Missing::none().with_paused(of(&known));
        let bounds = SpreadBounds::of(&of(&seen), &missing);
        every_figure_lies_within(&bounds, &of(&seen).percentiles_missing(&missing))?;
        every_figure_lies_within(&bounds, &of(&[&seen[..], &known].concat()).percentiles())?;
        let longer = paused.iter().map(|(known, more)| known + more);
        let later = of(&seen.iter().copied().chain(longer).collect::<Vec<_>>()).percentiles();
        prop_assert!(later.p50 >= Some(bounds.p50.lo) && later.p99 >= Some(bounds.p99.lo), "{bounds:?} {later:?}");
        prop_assert!(later.max >= Some(bounds.max.lo) && later.mean >= Some(bounds.mean.lo), "{bounds:?} {later:?}");
    }
}
