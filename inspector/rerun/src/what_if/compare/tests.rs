//! Verdicts on changes, with made-up figures.

use loop_probes::metadata::Metadata;
use loop_traces::source::{MemorySource, SourceKind};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;

use crate::what_if::side::Figures;

use super::*;

fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram {
    let mut histogram = Histogram::new();
    values.into_iter().for_each(|value| histogram.record(value));
    histogram
}

/// A side with the given waits.
fn side(waits: &[(Kind, &str, Histogram)]) -> Side {
    let metadata = Metadata::new("made");
    let mut timeline = Timeline::of(&metadata);
    let figures: Figures =
        waits.iter().map(|(kind, tag, histogram)| ((*kind, (*tag).to_owned()), histogram.clone())).collect();
    let [mut queue_wait_ns, mut job_wait_ns] = [Histogram::new(), Histogram::new()];
    for (kind, _, histogram) in waits {
        match kind {
            Kind::TimerLag => timeline.timers.lag_ns.merge(histogram),
            Kind::JobWait => job_wait_ns.merge(histogram),
            _ => queue_wait_ns.merge(histogram),
        }
    }
    let source = MemorySource::new("made", SourceKind::Trace, metadata, Vec::new());
    let summary = Summary::new(&source, &timeline);
    let tasklet_wait_ns = Histogram::new();
    Side { timeline, summary, queue_wait_ns, tasklet_wait_ns, job_wait_ns, queue_depth_max: 0, figures }
}

fn compare(sides: &[Side; 3], left_out: &[String]) -> (Vec<Row>, Vec<Changed>) {
    let [before, model, after] = sides;
    let comparison = Comparison { before, model: Some(model), after, left_out, judges: true, wake_ns: 0 };
    (comparison.rows(), comparison.changed())
}

fn lag(rows: &[Row], statistic: &str) -> Row {
    rows.iter().find(|row| row.what == "timer lag" && row.statistic == statistic).unwrap().clone()
}

#[test]
fn jobs_that_wait_longer_are_news() {
    let waits = |ms: u64| histogram((0..200).map(|_| ms * 1_000_000));
    let sides = [20, 20, 40].map(|ms| side(&[(Kind::JobWait, "Resize", waits(ms))]));
    let (rows, changed) = compare(&sides, &[]);
    let of = |statistic: &str| {
        rows.iter().find(|row| row.what == "job wait" && row.statistic == statistic).unwrap()
    };
    assert!(
        ["p50", "p99", "max"].iter().all(|statistic| of(statistic).verdict == Verdict::Worse),
        "{rows:?}"
    );
    let news = news(&rows, &changed, Verdict::Worse);
    assert!(news.iter().any(|news| news.name == "job wait Resize"), "{news:?}");
    // A loop without jobs has no row of them.
    let none = [20, 20, 40].map(|ms| side(&[(Kind::QueueWait, "Work", waits(ms))]));
    assert!(compare(&none, &[]).0.iter().all(|row| !row.what.starts_with("job")));
}

#[test]
fn the_models_error_is_credited_to_no_change() {
    // Recorded: 50 ms at worst. The model alone says 14 ms, with the change 10 ms.
    let [before, model, after] = [50_000_000, 14_000_000, 10_000_000]
        .map(|worst| side(&[(Kind::TimerLag, "beat", histogram((0..200).map(|_| 20_000).chain([worst])))]));
    let (rows, _) = compare(&[before, model, after], &[]);
    let worst = lag(&rows, "max");
    assert_eq!((worst.from(), worst.verdict), (Some(14_000_000.0), Verdict::Model));
    // If the model is right, the same change counts.
    let [before, model, after] = [14_000_000, 14_000_000, 10_000_000]
        .map(|worst| side(&[(Kind::TimerLag, "beat", histogram((0..200).map(|_| 20_000).chain([worst])))]));
    assert_eq!(lag(&compare(&[before, model, after], &[]).0, "max").verdict, Verdict::Better);
}

#[test]
fn without_a_model_nothing_is_better_or_worse() {
    let [before, after] = [50_000, 10_000].map(|ns| side(&[(Kind::TimerLag, "beat", histogram([ns; 300]))]));
    let comparison =
        Comparison { before: &before, model: None, after: &after, left_out: &[], judges: true, wake_ns: 0 };
    assert!(comparison.rows().iter().all(|row| matches!(row.verdict, Verdict::Changed | Verdict::Same)));
}

#[test]
fn a_dropped_tag_makes_no_other_tag_wait_longer() {
    let slow = || histogram((1..=1_000).map(|number| number * 30_000));
    let with =
        || side(&[(Kind::TimerLag, "quick", histogram([30_000; 19_000])), (Kind::TimerLag, "slow", slow())]);
    let without = side(&[(Kind::TimerLag, "slow", slow())]);
    let sides = [with(), with(), without];
    let (rows, changed) = compare(&sides, &[]);
    assert!(lag(&rows, "p99").after.unwrap() > 1.2 * lag(&rows, "p99").from().unwrap());
    assert_eq!([lag(&rows, "p90").verdict, lag(&rows, "p99").verdict], [Verdict::Unlike; 2]);
    assert_eq!(changed.iter().find(|changed| changed.tag == "quick").unwrap().verdict, Verdict::Changed);
    // Without the tag on all sides there is no change at all.
    let (rows, _) = compare(&sides, &["quick".to_owned()]);
    assert_eq!(lag(&rows, "p99").verdict, Verdict::Same);
    assert_eq!(lag(&rows, "p99").before, lag(&rows, "p99").after);
}

#[test]
fn a_change_holds_where_other_events_cannot_explain_it() {
    let few = histogram([1_000; 1_000]);
    let (shorter, longer) = (histogram([100; 2_000]), histogram([9_000; 2_000]));
    assert!(holds(Verdict::Better, 0.5, &few, &shorter), "the longest half is shorter too");
    assert!(holds(Verdict::Worse, 0.5, &few, &longer), "the shortest half is longer too");
    let mixed = histogram([100; 1_000].into_iter().chain([9_000; 1_000]));
    assert!(!holds(Verdict::Worse, 0.5, &few, &mixed) && !holds(Verdict::Better, 0.5, &few, &mixed));
    assert!(
        !holds(Verdict::Better, 0.99, &few, &histogram([100; 500])),
        "those that are gone may be the longest"
    );
    assert!(!holds(Verdict::Better, 0.5, &few, &Histogram::new()));
    assert!(holds(Verdict::Better, 0.99, &few, &histogram([100; 990])), "nearly the same events");
}

#[test]
fn a_percentile_of_few_events_needs_the_maximum_to_agree() {
    let waits = |top: [u64; 6]| histogram((0..545).map(|_| 100_000).chain(top));
    let before = || {
        side(&[(
            Kind::QueueWait,
            "read",
            waits([45_000_000, 45_000_000, 37_000_000, 5_000_000, 4_000_000, 3_900_000]),
        )])
    };
    let after = side(&[(
        Kind::QueueWait,
        "read",
        waits([11_000_000, 11_000_000, 9_000_000, 8_000_000, 7_000_000, 6_100_000]),
    )]);
    let (_, changed) = compare(&[before(), before(), after], &[]);
    let read = changed.iter().find(|changed| changed.tag == "read").unwrap();
    assert!(read.after.p99_ns > read.from().p99_ns, "one task more waits for 6 ms");
    assert_eq!(read.verdict, Verdict::Changed, "and the longest wait is a quarter of what it was");
    // If the longest is longer too, it is worse.
    let longer = side(&[(
        Kind::QueueWait,
        "read",
        waits([50_000_000, 50_000_000, 40_000_000, 8_000_000, 7_000_000, 6_100_000]),
    )]);
    let (_, changed) = compare(&[before(), before(), longer], &[]);
    assert_eq!(changed.iter().find(|changed| changed.tag == "read").unwrap().verdict, Verdict::Worse);
}

#[test]
fn the_headline_is_the_largest_change_in_waiting_time() {
    let before = || {
        side(&[
            (Kind::TimerLag, "beat", histogram([30_000; 5_000])),
            (Kind::QueueWait, "read", histogram((0..1_000).map(|_| 3_900_000))),
            (Kind::QueueWait, "tiny", histogram([40; 1_000])),
        ])
    };
    let after = side(&[
        (Kind::TimerLag, "beat", histogram([31_300; 5_000])),
        (Kind::QueueWait, "read", histogram((0..1_000).map(|_| 6_100_000))),
        (Kind::QueueWait, "tiny", histogram([120; 1_000])),
    ]);
    let (rows, changed) = compare(&[before(), before(), after], &[]);
    let news: Vec<String> = news(&rows, &changed, Verdict::Worse).into_iter().map(|news| news.name).collect();
    assert!(news.len() > 3 && news[0].contains("wait"), "{news:?}");
    let place = |name: &str| news.iter().position(|found| found == name);
    assert!(place("wait read") < place("timer lag p50"), "{news:?}");
    assert_eq!(place("wait tiny"), None, "three times nothing is nothing: {news:?}");
}

#[test]
fn an_estimate_below_the_error_is_no_figure() {
    let [before, model, after] = [30_000, 36_000, 4_000].map(|middle| {
        side(&[(Kind::TimerLag, "beat", histogram((0..200).map(|_| middle).chain([9_000_000])))])
    });
    let compared = |wake_ns| {
        let (model, left_out) = (Some(&model), &[][..]);
        let comparison =
            Comparison { before: &before, model, after: &after, left_out, judges: true, wake_ns };
        lag(&comparison.rows(), "p50")
    };
    // Off by 6 µs without the change, so a change of 4 µs is nothing.
    let row = compared(0);
    assert_eq!((row.after, row.verdict), (None, Verdict::Model));
    assert!((5_900.0..6_100.0).contains(&row.error.unwrap()), "{row:?}");
    // With wakeups late by 50 µs, smaller deviations are within that.
    assert_eq!(compared(50_000).error, Some(50_000.0));
    let json = serde_json::to_value(&row).unwrap();
    assert!(json["after"].is_null() && json["error"].is_number(), "{json}");
}

#[test]
fn a_percentile_of_nothing_is_none() {
    let [before, model, after] = [(); 3].map(|()| side(&[]));
    let (rows, _) = compare(&[before, model, after], &[]);
    let row = lag(&rows, "p99");
    assert_eq!((row.before, row.model, row.after), (None, None, None));
}
