//! Comparisons of simulated runs: every verdict, and every reason to refuse.

use std::sync::OnceLock;

use loop_probes::metadata::Metadata;

use super::any_tag::EVERY_TAG;
use super::comparable::check;
use super::decide::MoreRuns;
use super::*;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::analysis::metric::Metric;
use crate::histogram::{Histogram, Percentiles};
use crate::loss::{Bounds, Missing, SpreadBounds};
use crate::source::EventSource as _;
use crate::summary::{StateSummary, Summary, TagSummary};
use crate::synthetic::Script;
use crate::timeline::{Timeline, TimelineConfig};

/// The figures a run is made from.
pub(crate) struct Imagined {
    pub(crate) tags: Vec<f64>,
    pub(crate) lag_ns: f64,
    pub(crate) tick_ns: f64,
    pub(crate) stalled_ns: f64,
}

/// A run with these figures.
pub(crate) fn run(imagined: &Imagined) -> Run {
    static TEMPLATE: OnceLock<Run> = OnceLock::new();
    let Run { mut summary, metadata, .. } = TEMPLATE.get_or_init(template).clone();
    let all = |ns: f64| {
        let ns = Some(ns.round() as u64);
        Percentiles {
            count: 100,
            few_samples: false,
            mean: ns,
            gmean: ns,
            p50: ns,
            p90: ns,
            p99: ns,
            max: ns,
            p99_bounds: None,
            bounds: None,
        }
    };
    let tag = |(place, ns): (usize, &f64)| TagSummary {
        tag: format!("tag {place}"),
        count: 100,
        failed: Some(0),
        run_ns: all(*ns),
        queue_wait_ns: all(1_000.0),
    };
    summary.tasks.by_tag = imagined.tags.iter().enumerate().map(tag).collect();
    (summary.timers.lag_ns, summary.timers.lag_corrected_ns) = (all(imagined.lag_ns), all(imagined.lag_ns));
    summary.ticks.stalls_busy_ns = Some(imagined.stalled_ns as u64);
    summary.ticks.run_ns = all(imagined.tick_ns);
    (summary.span_ns, summary.tasks.count) = (3_000_000_000, 3_000);
    Run { name: "imagined".to_owned(), summary, metadata }
}

fn template() -> Run {
    let source = Script { ticks: 1, ..Script::default() }.source();
    let mut timeline = Timeline::of(source.metadata());
    timeline.extend(source.events());
    let mut metadata = source.metadata().clone();
    metadata.started.wall_ns = 0;
    Run { name: String::new(), summary: Summary::new(&source, &timeline), metadata: Some(metadata) }
}

/// Runs whose tags, lag and ticks take these times, varied by `scatter`.
fn side(tags: f64, lag_ns: f64, tick_ns: f64, scatter: &[f64]) -> Vec<Run> {
    let imagined = scatter.iter().enumerate().map(|(place, by)| {
        let tags = (0..6).map(|tag| tags * (1.0 + by * [1.0, -0.5, 0.3][(tag + place) % 3])).collect();
        Imagined { tags, lag_ns: lag_ns * (1.0 + by), tick_ns: tick_ns * (1.0 + by), stalled_ns: 0.0 }
    });
    imagined.map(|imagined| run(&imagined)).collect()
}

const SCATTER: [f64; 5] = [0.01, -0.01, 0.004, -0.006, 0.0];

fn verdicts(base: &[Run], candidate: &[Run]) -> (Verdict, Vec<(String, Verdict)>) {
    let comparison = compare(base, candidate, &Options::default());
    let primary = comparison.primary.iter().map(|judged| (judged.metric.clone(), judged.verdict));
    (comparison.verdict, primary.collect())
}

#[test]
fn each_verdict_has_its_reason() {
    let base = side(5_000.0, 1e6, 8e4, &SCATTER);
    let (all, one) = verdicts(&base, &side(5_000.0, 1.4e6, 8e4, &SCATTER));
    assert_eq!((all, one[1].1, one[2].1), (Verdict::Worse, Verdict::Worse, Verdict::Same));
    let (all, one) = verdicts(&base, &side(5_000.0, 0.7e6, 8e4, &SCATTER));
    assert_eq!((all, one[1].1), (Verdict::Better, Verdict::Better));
    let (all, one) = verdicts(&base, &side(5_000.0, 1e6, 8e4, &SCATTER));
    assert_eq!((all, one[0].1), (Verdict::Same, Verdict::Same), "{one:?}");
    // Significant, but too small to matter.
    let (_, one) = verdicts(&base, &side(5_000.0, 1.03e6, 8e4, &SCATTER));
    assert_eq!(one[1].1, Verdict::Same);
    let wide = [0.5, -0.3, 0.1, 0.0, -0.2];
    let (all, one) = verdicts(&side(5_000.0, 1e6, 8e4, &wide), &side(5_000.0, 1.1e6, 8e4, &wide));
    assert_eq!((all, one[1].1), (Verdict::Undecided, Verdict::Undecided));
}

#[test]
fn time_in_stalls_has_a_verdict() {
    let base = side(5_000.0, 1e6, 8e4, &SCATTER);
    let stalled = |ns: [u64; 5]| {
        let mut runs = side(5_000.0, 1e6, 8e4, &SCATTER);
        runs.iter_mut().zip(ns).for_each(|(run, ns)| run.summary.ticks.stalls_busy_ns = Some(ns));
        compare(&base, &runs, &Options::default()).primary.remove(2)
    };
    let worse = stalled([80_200_000, 80_100_000, 40_000_000, 80_000_000, 120_000_000]);
    assert_eq!((worse.metric.as_str(), worse.verdict), ("stalls.busy", Verdict::Worse), "{worse:?}");
    assert!(worse.p_needed >= 0.01, "five runs a side can go as far as 0.008: {worse:?}");
    assert_eq!(stalled([0; 5]).verdict, Verdict::Same);
    assert_eq!(stalled([0, 0, 11_000_000, 0, 0]).verdict, Verdict::Undecided, "one stall of five runs");
}

#[test]
fn every_changed_tag_is_named_largest_first() {
    let tags = [50.0, 4_000.0, 9_000.0, 100_000.0, 6_000.0, 5_000.0, 3_000.0];
    let side = |factors: &[(usize, f64)]| -> Vec<Run> {
        let runs = SCATTER.iter().enumerate().map(|(place, by)| {
            let tag = |(tag, ns): (usize, &f64)| {
                let factor = factors.iter().find(|(one, _)| *one == tag).map_or(1.0, |(_, factor)| *factor);
                ns * factor * (1.0 + by * [1.0, -0.5, 0.3][(tag + place) % 3])
            };
            let tags = tags.iter().enumerate().map(tag).collect();
            run(&Imagined { tags, lag_ns: 1e6, tick_ns: 8e4, stalled_ns: 0.0 })
        });
        runs.collect()
    };
    let tasks =
        |factors: &[(usize, f64)]| compare(&side(&[]), &side(factors), &Options::default()).primary.remove(0);
    let mixed = tasks(&[(4, 1.25), (3, 0.6)]);
    assert_eq!((mixed.verdict, mixed.tag.as_deref()), (Verdict::Worse, Some("tag 4")), "{mixed:?}");
    assert_eq!(mixed.other_tags[0].tag, "tag 3");
    let worse_by: Gate = Gate::new("task.*.run.gmean".parse().unwrap(), Limit::WorseBy(0.1)).unwrap();
    let failed = worse_by.judge_against(&side(&[]), &side(&[(4, 1.25), (3, 0.6)]));
    assert_eq!(failed.outcome, Outcome::Failed, "{failed:?}");
    // With most tags faster and two as they were: either the build made the others faster, or the machine did.
    let most = tasks(&[(2, 0.7), (3, 0.7), (4, 0.7), (5, 0.7), (6, 0.7)]);
    assert_eq!((most.verdict, most.tag.as_deref()), (Verdict::Undecided, Some(EVERY_TAG)), "{most:?}");
    let refused = most.refused.unwrap();
    assert_eq!((refused.verdict, refused.why.contains("tag 1 is")), (Verdict::Better, true), "{refused:?}");
    let judged = tasks(&[(1, 1.5), (3, 1.12)]);
    assert_eq!((judged.verdict, judged.tag.as_deref()), (Verdict::Worse, Some("tag 3")), "{judged:?}");
    assert!(judged.share.unwrap() > 0.5);
    let others: Vec<&str> = judged.other_tags.iter().map(|other| other.tag.as_str()).collect();
    assert_eq!(others, ["tag 1"]);
    let tiny = tasks(&[(0, 1.2)]);
    assert_ne!(tiny.verdict, Verdict::Worse, "10 ns of 50 are a clock's: {tiny:?}");
}

#[test]
fn same_is_within_what_is_declared() {
    let (base, candidate) = (side(5_000.0, 1e8, 8e4, &SCATTER), side(5_000.0, 1.04e8, 8e4, &SCATTER));
    let lag = |same_within| {
        let options = Options { same_within, ..Options::default() };
        compare(&base, &candidate, &options).primary.remove(1)
    };
    let (wide, narrow) = (lag(0.1), lag(0.03));
    assert_eq!((wide.verdict, narrow.verdict), (Verdict::Same, Verdict::Undecided), "{wide:?} {narrow:?}");
    assert!(wide.same_p.unwrap() < 0.05 && narrow.same_p.unwrap() > 0.05);
    assert!(narrow.more_runs.is_none() || narrow.effect.is_some());
}

#[test]
fn an_undecided_verdict_says_how_many_runs_would_decide() {
    let wide = [0.1, -0.1, 0.05, 0.0, -0.06];
    let (base, candidate) = (side(5_000.0, 1e7, 8e4, &wide), side(5_000.0, 1.1e7, 8e4, &wide));
    let comparison = compare(&base, &candidate, &Options::default());
    let lag = &comparison.primary[1];
    assert!(matches!(lag.more_runs, Some(MoreRuns::About(runs)) if (3..30).contains(&runs)), "{lag:?}");
    let one = compare(&base[..1], &candidate[..1], &Options::default());
    assert_eq!(one.verdict, Verdict::Undecided);
    assert!(
        one.primary.iter().all(|judged| judged.more_runs == Some(MoreRuns::AtLeast(4))),
        "{:?}",
        one.primary
    );
    assert!(one.primary.iter().all(|judged| judged.effect.is_some()), "the numbers are shown all the same");
    let wild = [5.0, -0.9, 2.0, 0.0, -0.5];
    let (base, candidate) = (side(5_000.0, 1e7, 8e4, &wild), side(5_000.0, 1.06e7, 8e4, &wild));
    let comparison = compare(&base, &candidate, &Options::default());
    assert_eq!(comparison.primary[1].more_runs, Some(MoreRuns::MoreThan(50)));
}

#[test]
fn six_primaries_can_all_be_significant_and_seven_cannot() {
    let names = [
        "timer_lag.p50",
        "timer_lag.p90",
        "timer_lag.p99",
        "timer_lag.max",
        "timer_lag.mean",
        "ticks.run.p50",
        "ticks.run.p90",
    ];
    let primaries =
        |count: usize| names[..count].iter().map(|name| name.parse().unwrap()).collect::<Vec<Metric>>();
    let (base, candidate) = (side(5_000.0, 1e6, 8e4, &SCATTER), side(5_000.0, 1.4e6, 1.2e5, &SCATTER));
    let worse = |count| {
        let options = Options::default().with_primaries(primaries(count)).unwrap();
        let comparison = compare(&base, &candidate, &options);
        comparison.primary.iter().filter(|judged| judged.verdict == Verdict::Worse).count()
    };
    assert_eq!((worse(6), worse(7)), (6, 0));
    let options = Options::default();
    let neither = options.clone().with_primaries(vec!["ticks.count".parse().unwrap()]);
    assert!(matches!(neither, Err(PrimaryError::Senseless { .. })));
    let twice = options.with_primaries(vec!["stalls".parse().unwrap(), "stalls".parse().unwrap()]);
    assert!(matches!(twice, Err(PrimaryError::Twice { .. })));
}

#[test]
fn unmeasured_metrics_take_no_share_of_the_error_budget() {
    let (mut base, mut candidate) = (side(5_000.0, 1e6, 8e4, &SCATTER), side(6_500.0, 1e6, 8e4, &SCATTER));
    for run in base.iter_mut().chain(&mut candidate) {
        run.summary.timers.lag_corrected_ns = Percentiles::default();
    }
    let comparison = compare(&base, &candidate, &Options::default());
    let lag = &comparison.primary[1];
    assert_eq!((lag.verdict, &lag.effect, lag.p), (Verdict::Undecided, &None, None));
    assert_eq!(comparison.primary[0].p_needed, ALPHA * 2.0 / 3.0);
}

/// Five different runs a side of the same build.
fn equals() -> (Vec<Run>, Vec<Run>) {
    let (mut base, mut candidate) = (side(5_000.0, 1e6, 8e4, &SCATTER), side(5_000.0, 1e6, 8e4, &SCATTER));
    for (place, run) in base.iter_mut().chain(&mut candidate).enumerate() {
        run.name = format!("run {place}");
        run.summary.span_ns += place as u64;
    }
    (base, candidate)
}

/// Why `change` of the candidate rules out the comparison; empty if it does not.
fn refused(change: impl Fn(&mut Run)) -> String {
    let (base, mut candidate) = equals();
    candidate.iter_mut().for_each(change);
    check(&base, &candidate).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn set(name: &'static str, value: &'static str) -> impl Fn(&mut Run) {
    move |run| {
        let settings = run.metadata.as_mut().map(|metadata| &mut metadata.settings);
        settings.unwrap().insert(name.to_owned(), value.to_owned());
    }
}

#[test]
fn misleading_comparisons_are_refused_with_the_reason() {
    assert_eq!(refused(|_| {}), "");
    let metadata = |change: fn(&mut Metadata)| refused(move |run| change(run.metadata.as_mut().unwrap()));
    assert!(metadata(|metadata| metadata.host = "other".to_owned()).contains("the host differs: nowhere in"));
    assert!(metadata(|metadata| metadata.machine = "two cores".to_owned()).contains("the machine differs"));
    assert!(
        metadata(|metadata| metadata.build = "0.2".to_owned()).is_empty(),
        "another version is what one compares"
    );
    assert!(
        refused(|run| run.summary.source.policy = "quickjs".to_owned())
            .contains("the policy differs: bun in")
    );
    assert!(refused(|run| run.summary.ticks.stall_limit_ns = 1).contains("the stall limit differs"));
    assert!(
        refused(|run| run.summary.tasks.count = 2_000)
            .contains("the load differs: 1,000 tasks a second against 667")
    );
    assert!(
        refused(|run| run.summary.span_ns = 5_000_000_000)
            .contains("the length differs: 3.00s against 5.00s")
    );
    let lossy = refused(|run| (run.summary.lost_records, run.summary.ticks.incomplete) = (900, 30));
    assert!(lossy.contains("lost 900 records"), "{lossy}");
    let gap = refused(|run| {
        let ticks = &mut run.summary.ticks;
        (run.summary.lost_records, ticks.count, ticks.incomplete, ticks.missing) = (9_000, 798, 2, 200);
    });
    assert!(gap.contains("lost 9,000 records, which touch 20.2% of its ticks"), "{gap}");
    assert!(refused(set("load", "900")).contains("the setting load differs: none in run 0, 900 in run 5"));
    assert!(refused(set("LOOP_GC_TIMER_DISABLE", "1")).contains("LOOP_GC_TIMER_DISABLE"));
    assert!(refused(set("seed", "8")).contains("the seed differs: 7 on one side, 8 on the other"));
    assert_eq!(refused(set("scale", "ReadFile=1.3")), "", "this is what one compares");
}

#[test]
fn one_run_counts_once() {
    let refusal = |change: fn(&mut [Run], &mut [Run])| {
        let (mut base, mut candidate) = equals();
        change(&mut base, &mut candidate);
        check(&base, &candidate).first().map(ToString::to_string).unwrap_or_default()
    };
    assert_eq!(
        refusal(|base, _| base[3].name = base[1].name.clone()),
        "run 1 is named twice; name each run once",
        "a ring says something else each time that it is read"
    );
    let copied = refusal(|base, candidate| candidate[2].summary = base[0].summary.clone());
    assert_eq!(copied, "run 0 and run 7 are the same run; name each run once");
    let saved = refusal(|base, _| {
        base[4].summary = base[0].summary.clone();
        base[4].summary.late_timers.clear();
        base[4].metadata = None;
    });
    assert!(saved.starts_with("run 0 and run 4 are the same run"), "saved with less of it: {saved}");
    let empty = refusal(|_, candidate| {
        (candidate[1].summary.ticks.count, candidate[1].summary.tasks.count) = (0, 0);
    });
    assert_eq!(empty, "run 6 holds no whole tick and no task; leave it out");
}

#[test]
fn intended_changes_and_losses_are_noted() {
    let (base, mut candidate) = (side(5_000.0, 1e6, 8e4, &SCATTER), side(5_000.0, 1e6, 8e4, &SCATTER));
    assert_eq!(comparable::notes(&base, &candidate), [""; 0]);
    candidate.iter_mut().for_each(set("scale", "ReadFile=1.3"));
    candidate[0].summary.lost_records = 3;
    (candidate[1].metadata, candidate[1].name) = (None, "b".to_owned());
    candidate[1].summary.lost_records = 7;
    candidate[1].summary.lost_records_bounds = Some(Bounds { lo: 6, hi: None });
    candidate[1].summary.ticks.incomplete = 1;
    let notes = comparable::notes(&base, &candidate).join("\n");
    for said in [
        "scale differs: none in imagined, ReadFile=1.3",
        "b lost at least 6 records (1 incomplete tick); imagined lost 3 records: what that could overturn",
        "saved summary",
    ] {
        assert!(notes.contains(said), "{notes}");
    }
    let (mut base, mut candidate) = (side(5_000.0, 1e6, 8e4, &SCATTER), side(5_000.0, 1e6, 8e4, &SCATTER));
    for (at, run) in base.iter_mut().chain(&mut candidate).enumerate() {
        run.metadata.as_mut().unwrap().started.wall_ns = 1_000 + at as u64;
    }
    assert!(comparable::notes(&base, &candidate)[0].starts_with("one side was recorded after the other"));
    std::mem::swap(&mut base[0], &mut candidate[0]);
    assert_eq!(comparable::notes(&base, &candidate), [""; 0], "recorded in turn");
}

#[test]
fn the_same_runs_give_the_same_comparison() {
    let (base, candidate) =
        (side(5_000.0, 1e6, 8e4, &SCATTER), side(5_500.0, 1e6, 8e4, &[0.3, 0.2, 0.1, 0.0, -0.1]));
    let text = |comparison: &Comparison| serde_json::to_string(comparison).unwrap();
    let once = compare(&base, &candidate, &Options::default());
    assert_eq!(text(&once), text(&compare(&base, &candidate, &Options::default())));
    assert!(text(&once).starts_with("{\"schema\":1,\"verdict\":"));
}

/// Gives every figure of the runs the bounds that result from `missing`.
fn lossy(runs: &mut [Run], missing: &Missing) {
    for run in runs {
        run.summary.lost_records = missing.count();
        let tags = run.summary.tasks.by_tag.iter_mut().map(|tag| &mut tag.run_ns);
        for spread in tags.chain([&mut run.summary.ticks.run_ns]) {
            let mut seen = Histogram::new();
            // Enough samples to make the one in a gap negligible.
            (0..100_000).for_each(|_| seen.record(spread.p50.unwrap()));
            let bounds = SpreadBounds::of(&seen, missing);
            (spread.bounds, spread.p99_bounds) = (Some(bounds), Some(bounds.p99));
        }
    }
}

#[test]
fn a_verdict_that_the_gap_could_overturn_says_so() {
    let primaries = vec!["ticks.run.p50".parse().unwrap(), "ticks.run.max".parse().unwrap()];
    let options = Options::default().with_primaries(primaries).unwrap();
    let base = side(5_000.0, 1e6, 8e4, &SCATTER);
    let judged = |tick_ns, gap_ns: &[u64]| {
        let mut candidate = side(5_000.0, 1e6, tick_ns, &SCATTER);
        let mut missing = Missing::none();
        gap_ns.iter().for_each(|ns| missing.stretch(*ns));
        lossy(&mut candidate[..1], &missing.counted(40));
        compare(&base, &candidate, &options).primary
    };
    let [median, max] = &judged(1.4e5, &[9_000_000])[..] else { panic!() };
    assert_eq!(
        (median.verdict, max.verdict),
        (Verdict::Worse, Verdict::Worse),
        "lost ones make it no better"
    );
    assert_eq!(max.loss.unwrap().left_open.lost_records, 40);
    let [median, max] = &judged(8e4, &[9_000_000])[..] else { panic!() };
    assert_eq!(median.verdict, Verdict::Same, "40 of 100,000 move no median");
    let loss = max.loss.unwrap();
    assert_eq!((max.verdict, loss.overturned), (Verdict::Undecided, Some(Verdict::Same)), "{max:?}");
    assert!(loss.change_interval.unwrap()[1].unwrap() > 50.0, "a tick of 9 ms fits into the gap: {loss:?}");
    assert_eq!(max.more_runs, None, "which do not bring the records back");
    let [_, max] = &judged(8e4, &[60_000])[..] else { panic!() };
    assert_eq!((max.verdict, max.loss), (Verdict::Same, None), "no tick of 80 µs fits into 60");
    let [_, max] = &judged(4e4, &[9_000_000])[..] else { panic!() };
    assert_eq!(max.loss.unwrap().overturned, Some(Verdict::Better));
}

#[test]
fn a_verdict_that_a_cut_recording_could_overturn_says_so() {
    let base = side(5_000.0, 1e6, 8e4, &SCATTER);
    for (lag_ns, seen) in [(1e6, Verdict::Same), (1.4e6, Verdict::Worse), (0.7e6, Verdict::Better)] {
        let mut candidate = side(5_000.0, lag_ns, 8e4, &SCATTER);
        assert_eq!(verdicts(&base, &candidate).1[1].1, seen);
        for run in &mut candidate[..2] {
            run.summary.source.state = StateSummary::Unclosed;
        }
        let comparison = compare(&base, &candidate, &Options::default());
        let loss = comparison.primary[1].loss.unwrap();
        assert_eq!((comparison.verdict, loss.overturned), (Verdict::Undecided, Some(seen)));
        assert_eq!((loss.left_open.cut_runs, loss.left_open.unfinished_runs), (2, 0));
        assert_eq!(loss.left_open.to_string(), "2 recordings that were cut off");
        assert_eq!(comparison.notes.iter().filter(|note| note.contains("cut off")).count(), 1);
    }
}

#[test]
fn a_verdict_on_any_tag_that_losses_could_overturn_says_so() {
    let options = Options::default();
    let base = side(5_000.0, 1e6, 8e4, &SCATTER);
    let judged = |missing: Missing| {
        let mut candidate = side(5_000.0, 1e6, 8e4, &SCATTER);
        for run in &mut candidate {
            let slower = &mut run.summary.tasks.by_tag[3].run_ns;
            let ns = slower.p50.map(|ns| ns * 13 / 10);
            *slower = Percentiles { p50: ns, p90: ns, p99: ns, max: ns, gmean: ns, mean: ns, ..*slower };
        }
        lossy(&mut candidate[..2], &missing);
        compare(&base, &candidate, &options).primary.remove(0)
    };
    let mut short = Missing::none();
    short.stretch(900_000);
    let few = judged(short.clone().counted(40));
    assert_eq!((few.verdict, few.tag.as_deref()), (Verdict::Worse, Some("tag 3")), "{few:?}");
    assert!(few.loss.is_some_and(|loss| loss.overturned.is_none()));
    let many = judged(short.counted(200_000));
    assert_eq!((many.verdict, many.loss.unwrap().overturned), (Verdict::Undecided, Some(Verdict::Worse)));
}

#[test]
fn tags_beyond_the_limit_leave_open_whether_all_are_the_same() {
    let options = Options::default();
    let base = side(5_000.0, 1e6, 8e4, &SCATTER);
    let judged = |factor: f64, tags: u64| {
        let mut candidate = side(5_000.0 * factor, 1e6, 8e4, &SCATTER);
        for run in &mut candidate {
            let one = run.summary.tasks.by_tag[0].clone();
            let beyond = &mut run.summary.tasks.tags_beyond_limit;
            (beyond.tags, beyond.count) = (tags, tags);
            (beyond.run_ns, beyond.run_ns.count) = (one.run_ns, tags);
        }
        let gate = Gate::new("task.*.run.gmean".parse().unwrap(), Limit::WorseBy(0.2)).unwrap();
        (compare(&base, &candidate, &options).primary.remove(0), gate.judge_against(&base, &candidate))
    };
    let (same, held) = judged(1.0, 0);
    assert_eq!((same.verdict, held.outcome), (Verdict::Same, Outcome::Held));
    let (open, gate) = judged(1.0, 7);
    let loss = open.loss.unwrap();
    assert_eq!(
        (open.verdict, loss.overturned, open.more_runs),
        (Verdict::Undecided, Some(Verdict::Same), None)
    );
    assert_eq!(loss.left_open.to_string(), "7 tags beyond the limit");
    assert_eq!(gate.outcome, Outcome::Undecided);
    assert_eq!(gate.why.unwrap(), "held but 7 tags beyond the limit could overturn it");
    let (worse, failed) = judged(1.5, 7);
    assert_eq!((worse.verdict, failed.outcome), (Verdict::Worse, Outcome::Failed));
    assert_eq!(judged(0.5, 7).0.loss.unwrap().overturned, Some(Verdict::Better));
}

#[test]
fn a_re_execution_is_compared_and_marked_as_an_estimate() {
    let rerun = |run: &mut Run| {
        set("rerun", "--policy quickjs")(run);
        set("rerun_of", "a.looptrace")(run);
        run.summary.source.policy = "quickjs".to_owned();
    };
    assert_eq!(refused(rerun), "");
    let (base, mut candidate) = equals();
    candidate.iter_mut().for_each(rerun);
    let notes = comparable::notes(&base, &candidate).join("\n");
    assert!(
        notes.contains("run 5 is an estimate: a.looptrace re-executed by a model, --policy quickjs"),
        "{notes}"
    );
}

#[test]
fn figures_without_a_total_over_loops_are_compared_by_loop() {
    let run = |name: &str| {
        let mut timeline = Timeline::new(TimelineConfig::default());
        timeline.extend(&crate::timeline::two_loops());
        Run {
            name: name.to_owned(),
            summary: Summary::new(&Script::default().source(), &timeline),
            metadata: None,
        }
    };
    let compared = |primary: &str| {
        let options = Options { primaries: vec![primary.parse().unwrap()], ..Options::default() };
        let compared = compare(&[run("a")], &[run("b")], &options);
        (compared.primary[0].effect.is_some(), compared.notes[0].clone())
    };
    let (has_effect, note) = compared("ticks.run.p99");
    assert!(!has_effect);
    assert_eq!(
        note,
        "ticks.run.p99 is not measured across several loops (source 1, source 2): \
         `--primary loop.source 1.ticks.run.p99` compares one"
    );
    let (has_effect, note) = compared("loop.source 1.ticks.run.p99");
    assert!(has_effect && !note.contains("several loops"), "{note}");
    let (_, note) = compared("gc.run.p99");
    assert!(!note.contains("several loops"), "no loop has one: {note}");
}
