//! Gates over simulated runs: what is certain holds or fails, what is not is undecided.

mod loops;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;

use super::*;
use crate::analysis::diff::tests::{Imagined, run};
use crate::summary::{StateSummary, Summary};
use crate::synthetic::Script;
use crate::timeline::Timeline;

fn gate(metric: &str, limit: Limit) -> Gate {
    Gate::new(metric.parse().unwrap(), limit).unwrap()
}

fn runs(lag_ns: &[f64]) -> Vec<Run> {
    let imagined = lag_ns.iter().map(|lag_ns| Imagined {
        tags: vec![2_000.0; 5],
        lag_ns: *lag_ns,
        tick_ns: 8e4,
        stalled_ns: 0.0,
    });
    imagined.map(|imagined| run(&imagined)).collect()
}

const BASE: [f64; 5] = [1.00e6, 1.02e6, 0.98e6, 1.01e6, 0.99e6];

#[test]
fn one_run_holds_or_fails() {
    let run = &runs(&[3e6])[0];
    let judged = |metric: &str, limit| gate(metric, limit).judge(run).unwrap();
    let failed = judged("timer_lag.p99", Limit::Max(2e6));
    assert_eq!(
        (failed.outcome, failed.gate.as_str(), failed.numbers.as_str()),
        (Outcome::Failed, "timer_lag.p99 at most 2.00ms", "3.00ms")
    );
    assert_eq!(judged("timer_lag.p99", Limit::Max(3e6)).outcome, Outcome::Held);
    let near = |limit| judged("timer_lag.p99", limit).numbers;
    assert_eq!(near(Limit::Max(2_999_999.0)), "3.00ms (3,000,000ns, 1ns above)");
    assert_eq!(near(Limit::Min(3_000_000.5)), "3.00ms (3,000,000ns, 0.5ns below)");
    assert_eq!(near(Limit::Min(3e6)), "3.00ms");
    assert_eq!(judged("ticks.count", Limit::Min(1e9)).outcome, Outcome::Failed);
    assert_eq!(judged("task.Nobody.run.p99", Limit::Max(1.0)).outcome, Outcome::Undecided);
    let any = judged("task.*.run.max", Limit::Max(1e3));
    assert_eq!((any.outcome, any.why.as_deref()), (Outcome::Failed, Some("the largest is tag 4")));
    let error = gate("stalls", Limit::WorseBy(0.1)).judge(run).unwrap_err();
    assert!(error.to_string().contains("needs a base"));
    assert!(Gate::new("ticks.count".parse().unwrap(), Limit::WorseBy(0.1)).is_err());
}

#[test]
fn gates_on_unmeasured_metrics_are_undecided() {
    let mut run = runs(&[1e6]).remove(0);
    let outcome = |run: &Run, metric: &str, limit| gate(metric, limit).judge(run).unwrap().outcome;
    run.summary.ticks.count = 0;
    (run.summary.ticks.busy_ns, run.summary.ticks.poll_wait_ns, run.summary.ticks.stalls) = (0, 0, 0);
    (run.summary.span_ns, run.summary.gc.heap_bytes_max) = (0, None);
    (run.summary.agenda, run.summary.shutdown) = (None, None);
    for metric in [
        "stalls",
        "stalls.busy",
        "utilization",
        "busy",
        "ticks.rate",
        "tasks.rate",
        "gc.heap.max",
        "agenda.failed",
        "agenda.waiting",
        "shutdown.left",
    ] {
        for limit in [Limit::Max(0.0), Limit::Min(1.0), Limit::Max(1.0)] {
            assert_eq!(outcome(&run, metric, limit), Outcome::Undecided, "{metric}");
        }
    }
    run.summary.ticks.stalls = 1;
    assert_eq!(
        outcome(&run, "stalls", Limit::Max(0.0)),
        Outcome::Failed,
        "one was seen before any tick ended"
    );
}

#[test]
fn a_tag_that_no_run_has_is_undecided() {
    let (base, mut candidate) = (runs(&BASE), runs(&BASE));
    for limit in [Limit::Max(1.0), Limit::Min(0.0)] {
        let gate = gate("task.tag 11.count", limit);
        for open in [gate.judge(&base[0]).unwrap(), gate.judge_against(&base, &candidate)] {
            assert_eq!((open.outcome, open.numbers.as_str()), (Outcome::Undecided, "no value"));
            assert!(open.why.unwrap().starts_with("there is no \"tag 11\"; did you mean tag 1"));
        }
    }
    candidate.iter_mut().for_each(|run| run.summary.tasks.by_tag.truncate(4));
    let gone = gate("task.tag 4.count", Limit::Max(0.0)).judge_against(&base, &candidate);
    assert_eq!((gone.outcome, gone.numbers.as_str()), (Outcome::Held, "0 (median)"), "the base has it");
}

#[test]
fn a_run_without_a_value_could_have_had_any() {
    let mut candidate = runs(&BASE);
    for run in &mut candidate[..2] {
        run.summary.timers.lag_ns = Default::default();
    }
    let judged =
        |candidate: &[Run], max| gate("timer_lag.p99", Limit::Max(max)).judge_against(&[], candidate);
    assert_eq!(judged(&candidate, 2e6).outcome, Outcome::Held, "three of five decide the median");
    candidate[2].summary.timers.lag_ns = Default::default();
    let open = judged(&candidate, 2e6);
    assert_eq!((open.outcome, open.why.as_deref()), (Outcome::Undecided, Some("3 of 5 runs have no value")));
    assert_eq!(judged(&candidate, 0.5e6).outcome, Outcome::Undecided);
}

#[test]
fn losses_leave_open_what_they_could_overturn() {
    let mut run = runs(&[1e6]).remove(0);
    run.summary.lost_records = 5;
    (run.summary.signals.arrived, run.summary.signals.dropped) = (Some(0), Some(0));
    let outcome = |metric: &str, limit| gate(metric, limit).judge(&run).unwrap().outcome;
    let held = gate("timer_lag.p99", Limit::Max(2e6)).judge(&run).unwrap();
    assert_eq!(
        (held.outcome, held.why.as_deref()),
        (Outcome::Undecided, Some("5 lost records could overturn it"))
    );
    // Five of a hundred cannot move the median beyond the 90th percentile.
    assert_eq!(outcome("timer_lag.p50", Limit::Max(2e6)), Outcome::Held);
    // A maximum can only have been larger.
    assert_eq!(outcome("timer_lag.max", Limit::Max(0.5e6)), Outcome::Failed);
    assert_eq!(outcome("timer_lag.max", Limit::Max(2e6)), Outcome::Undecided);
    assert_eq!(outcome("lost", Limit::Max(0.0)), Outcome::Failed);
    assert_eq!(outcome("signals.arrived", Limit::Max(4.0)), Outcome::Undecided);
    assert_eq!(outcome("signals.arrived", Limit::Max(50.0)), Outcome::Held);
    // One lost record can hold the total, so there is no upper bound.
    assert_eq!(outcome("signals.dropped", Limit::Max(50.0)), Outcome::Undecided);
}

#[test]
fn worse_by_fails_only_on_certain_regressions() {
    let base = runs(&BASE);
    let judged = |lag: &[f64]| gate("timer_lag.p99", Limit::WorseBy(0.1)).judge_against(&base, &runs(lag));
    let worse = judged(&BASE.map(|lag| lag * 1.3));
    assert_eq!((worse.outcome, worse.numbers.as_str()), (Outcome::Failed, "1.00ms to 1.30ms, 30.0% worse"));
    assert_eq!(judged(&BASE).outcome, Outcome::Held);
    assert_eq!(judged(&BASE.map(|lag| lag * 0.5)).outcome, Outcome::Held);
    let unsure = judged(&[1.3e6, 0.7e6, 1.4e6, 0.8e6, 2.0e6]);
    assert_eq!((unsure.outcome, unsure.why.as_deref()), (Outcome::Undecided, Some("it may be chance")));
    let wide = judged(&[1.3e6, 0.7e6, 1.0e6, 0.8e6, 2.0e6]);
    assert_eq!(wide.outcome, Outcome::Undecided);
    assert!(wide.why.unwrap().starts_with("it may be "));
    assert_eq!(judged(&[2e6]).outcome, Outcome::Undecided, "one run");
}

/// Runs with these stalls of 40 ms.
fn stalled(stalls: [u64; 5]) -> Vec<Run> {
    let mut all = runs(&BASE);
    for (run, stalls) in all.iter_mut().zip(stalls) {
        run.summary.ticks.stalls = stalls;
        run.summary.ticks.stalls_busy_ns = Some(stalls * 40_000_000);
    }
    all
}

#[test]
fn a_base_of_zero_holds_only_where_the_runs_show_it() {
    let judged = |limit, base, candidate| {
        ["stalls", "stalls.busy"].map(|metric| {
            let judged = gate(metric, limit).judge_against(&stalled(base), &stalled(candidate));
            (judged.outcome, judged.why.unwrap_or_default())
        })
    };
    for limit in [Limit::WorseBy(0.1), Limit::SameWithin(0.1)] {
        let [(count, _), (time, _)] = judged(limit, [0; 5], [0; 5]);
        assert_eq!((count, time), (Outcome::Held, Outcome::Held), "{limit:?}");
        for candidate in [[0, 2, 0, 2, 0], [0, 1, 0, 0, 0]] {
            for (outcome, why) in judged(limit, [0; 5], candidate) {
                assert_eq!(outcome, Outcome::Undecided, "{limit:?} {candidate:?} {why}");
            }
        }
    }
    let [(_, count), (_, time)] = judged(Limit::WorseBy(0.1), [0; 5], [0, 2, 0, 2, 0]);
    assert_eq!((count.as_str(), time.as_str()), ("it may be 2 worse", "it may be 80.0ms worse"));
    for (outcome, _) in judged(Limit::WorseBy(0.1), [0, 0, 2, 0, 0], [0; 5]) {
        assert_eq!(outcome, Outcome::Held, "no worse");
    }
    let one = gate("stalls", Limit::WorseBy(0.1)).judge_against(&stalled([0; 5])[..1], &stalled([0; 5])[..1]);
    assert_eq!(one.outcome, Outcome::Undecided, "one run a side: {one:?}");
}

#[test]
fn an_increase_from_a_base_of_zero_fails() {
    let (none, some) = (stalled([0; 5]), stalled([2, 2, 1, 2, 3]));
    let verdict = &crate::analysis::diff::compare(&none, &some, &Default::default()).primary[2];
    assert_eq!((verdict.metric.as_str(), verdict.verdict.name()), ("stalls.busy", "worse"));
    for limit in [Limit::WorseBy(0.1), Limit::SameWithin(0.1)] {
        let failed = gate("stalls.busy", limit).judge_against(&none, &some);
        assert_eq!((failed.outcome, failed.numbers.as_str()), (Outcome::Failed, "0 to 80.0ms, 80.0ms worse"));
        assert_eq!(gate("stalls", limit).judge_against(&none, &some).outcome, Outcome::Failed);
    }
}

#[test]
fn losses_can_overturn_a_base_of_zero() {
    let (none, mut lossy) = (stalled([0; 5]), stalled([0; 5]));
    for run in &mut lossy {
        run.summary.lost_records = 3;
        (run.summary.ticks.stalls_bounds, run.summary.ticks.stalls_busy_bounds) = (None, None);
    }
    for metric in ["stalls", "stalls.busy"] {
        let open = gate(metric, Limit::WorseBy(0.1)).judge_against(&none, &lossy);
        assert_eq!(open.outcome, Outcome::Undecided, "{open:?}");
        assert!(open.why.unwrap().contains("15 lost records could overturn it"));
    }
}

#[test]
fn any_tag_that_is_worse_is_named() {
    let base = runs(&BASE);
    let mut candidate = runs(&BASE);
    let any = gate("task.*.run.gmean", Limit::WorseBy(0.1));
    assert_eq!(any.judge_against(&base, &candidate).outcome, Outcome::Held);
    for run in &mut candidate {
        run.summary.tasks.by_tag[3].run_ns.gmean = Some(2_600);
    }
    let judged = any.judge_against(&base, &candidate);
    assert_eq!((judged.outcome, judged.numbers.as_str()), (Outcome::Failed, "tag 3 30.0% worse"));
    candidate[0].summary.lost_records = 1;
    let judged = any.judge_against(&base, &candidate);
    assert_eq!(judged.outcome, Outcome::Undecided);
    assert!(judged.why.unwrap().contains("1 lost record could overturn"));
}

/// A machine that is up to twice as slow in some runs, and a tag that is 30% slower on it.
#[test]
fn a_gate_is_decided_where_the_verdict_is() {
    let speeds = [[1.0, 1.9, 1.2, 1.5, 1.1], [1.6, 1.05, 1.8, 1.0, 1.3]];
    let noise = [0.01, -0.02, 0.015, -0.005, 0.0, 0.02, -0.01];
    let side = |side: usize| -> Vec<Run> {
        let runs = speeds[side].iter().enumerate().map(|(place, speed)| {
            let own = |tag: usize| 1.0 + noise[(3 * side + 2 * place + tag) % noise.len()];
            let slower = |tag: usize| if (side, tag) == (1, 3) { 1.3 } else { 1.0 };
            let tags = (0..6).map(|tag| 5_000.0 * speed * own(tag) * slower(tag)).collect();
            run(&Imagined { tags, lag_ns: 1e6, tick_ns: 8e4, stalled_ns: 0.0 })
        });
        runs.collect()
    };
    let (base, candidate) = (side(0), side(1));
    let compared = crate::analysis::diff::compare(&base, &candidate, &Default::default());
    let tasks = &compared.primary[0];
    assert_eq!((tasks.verdict.name(), tasks.tag.as_deref()), ("worse", Some("tag 3")), "{tasks:?}");
    for statistic in ["gmean", "p50"] {
        let metric = format!("task.tag 3.run.{statistic}");
        let failed = gate(&metric, Limit::WorseBy(0.1)).judge_against(&base, &candidate);
        assert_eq!(failed.outcome, Outcome::Failed, "{failed:?}");
        let (_, by) = failed.numbers.rsplit_once(", ").unwrap();
        let by: f64 = by.split('%').next().unwrap().parse().unwrap();
        assert!((25.0..35.0).contains(&by) && failed.numbers.ends_with("machine's speed"), "{failed:?}");
        let held = gate("task.tag 2.run.p50", Limit::WorseBy(0.1)).judge_against(&base, &candidate);
        assert_eq!(held.outcome, Outcome::Held, "its runs took up to 1.9 times as long: {held:?}");
    }
}

#[test]
fn same_within_holds_where_equality_is_shown() {
    let base = runs(&BASE);
    let judged =
        |lag: &[f64], share| gate("timer_lag.p99", Limit::SameWithin(share)).judge_against(&base, &runs(lag));
    let far = |factor: f64| BASE.map(|lag| 1e2 * lag * factor);
    let base_far = runs(&far(1.0));
    let of = |lag: &[f64], share| {
        gate("timer_lag.p99", Limit::SameWithin(share)).judge_against(&base_far, &runs(lag))
    };
    assert_eq!(of(&far(1.02), 0.1).outcome, Outcome::Held);
    assert_eq!(of(&far(1.3), 0.1).outcome, Outcome::Failed);
    assert_eq!(of(&far(0.7), 0.1).outcome, Outcome::Failed, "better is not the same either");
    let open = of(&[0.8e8, 1.2e8, 1e8, 0.9e8, 1.15e8], 0.1);
    assert_eq!(open.outcome, Outcome::Undecided, "{open:?}");
    assert_eq!(of(&far(1.0)[..1], 0.1).outcome, Outcome::Undecided, "one run");
    assert_eq!(judged(&BASE.map(|lag| lag + 2e5), 0.1).outcome, Outcome::Failed, "significant, and a fifth");
}

#[test]
fn a_metric_that_is_neither_better_nor_worse_is_higher_or_lower() {
    let with_ticks = |ticks: [u64; 5]| {
        let mut runs = runs(&BASE);
        runs.iter_mut().zip(ticks).for_each(|(run, count)| run.summary.ticks.count = count);
        runs
    };
    let base = with_ticks([1_000, 1_001, 1_002, 1_003, 1_004]);
    for (candidate, outcome, by) in [
        ([990, 991, 992, 993, 994], Outcome::Held, "1.0% lower"),
        ([1_020, 1_021, 1_022, 1_023, 1_024], Outcome::Held, "2.0% higher"),
        ([500, 501, 502, 503, 504], Outcome::Failed, "49.9% lower"),
    ] {
        let gate = gate("ticks.count", Limit::SameWithin(0.1));
        let judged = gate.judge_against(&base, &with_ticks(candidate));
        assert_eq!(judged.outcome, outcome, "{judged:?}");
        assert!(judged.numbers.ends_with(by), "{judged:?}");
    }
}

#[test]
fn a_condition_that_no_gap_can_change_is_decided() {
    use crate::histogram::Histogram;
    use crate::loss::{Bounds, Missing, SpreadBounds};

    let mut run = runs(&[1e6]).remove(0);
    (run.summary.lost_records, run.summary.ticks.stalls) = (50, 0);
    let mut seen = Histogram::new();
    (0..10_000).for_each(|_| seen.record(80_000));
    let mut missing = Missing::none();
    missing.stretch(3_000_000);
    let missing = missing.counted(50);
    run.summary.ticks.run_ns.bounds = Some(SpreadBounds::of(&seen, &missing));
    run.summary.ticks.stalls_bounds =
        Some(Bounds { lo: 0, hi: Some(missing.longer_than(run.summary.ticks.stall_limit_ns)) });
    let judged = |metric: &str, limit| gate(metric, limit).judge(&run).unwrap();
    assert_eq!(judged("stalls", Limit::Max(0.0)).outcome, Outcome::Held, "no stall of 10 ms in a gap of 3");
    assert_eq!(judged("ticks.run.max", Limit::Max(4e6)).outcome, Outcome::Held);
    let open = judged("ticks.run.max", Limit::Max(1e6));
    assert_eq!(
        (open.outcome, open.numbers.as_str(), open.bounds),
        (Outcome::Undecided, "80.0µs, 80.0µs to 3.00ms", Some((80_000.0, Some(3_000_000.0))))
    );
    assert_eq!(open.why.as_deref(), Some("50 lost records could overturn it"));
    assert_eq!(judged("ticks.run.p99", Limit::Max(1e5)).outcome, Outcome::Held);
    let wait = judged("tasks.wait.p99", Limit::Max(1e9));
    assert!(wait.numbers.ends_with(" or more"), "a wait can have begun long before: {wait:?}");
}

#[test]
fn worse_by_says_what_it_could_be_with_what_was_lost() {
    use crate::loss::{Bounds, SpreadBounds};

    let base = runs(&BASE);
    let mut candidate = runs(&BASE.map(|lag| lag * 1.3));
    let gate = gate("timer_lag.p99", Limit::WorseBy(0.1));
    let bound = |run: &mut Run, lo: f64, hi: Option<f64>| {
        run.summary.lost_records = 7;
        let value = run.summary.timers.lag_ns.p99.unwrap() as f64;
        let one = Bounds { lo: (value * lo) as u64, hi: hi.map(|hi| (value * hi) as u64) };
        let all = SpreadBounds { p50: one, p90: one, p99: one, max: one, mean: one, gmean: one };
        run.summary.timers.lag_ns.bounds = Some(all);
    };
    bound(&mut candidate[2], 0.99, None);
    assert_eq!(gate.judge_against(&base, &candidate).outcome, Outcome::Failed, "no better at any rate");
    bound(&mut candidate[2], 0.8, Some(1.1));
    assert_eq!(
        gate.judge_against(&base, &candidate).outcome,
        Outcome::Failed,
        "one of five moves no median far"
    );
    candidate.iter_mut().for_each(|run| bound(run, 0.8, Some(1.1)));
    let open = gate.judge_against(&base, &candidate);
    assert_eq!(open.outcome, Outcome::Undecided);
    let why = open.why.unwrap();
    assert_eq!(why, "failed but 35 lost records could overturn it: 4.0% worse to 43.0% worse");
}

#[test]
fn a_wrong_clock_leaves_open_what_depends_on_it() {
    let mut run = runs(&[3e6]).remove(0);
    run.summary.clock_error_ns_max = 1;
    for (metric, limit, outcome) in [
        ("stalls", Limit::Max(1e9), Outcome::Undecided),
        ("timer_lag.p99", Limit::Max(4e6), Outcome::Undecided),
        // The times may be too long as well as too short.
        ("timer_lag.max", Limit::Max(1.0), Outcome::Undecided),
        ("busy", Limit::Max(1.0), Outcome::Undecided),
        ("utilization", Limit::Max(0.9), Outcome::Undecided),
        ("tasks.count", Limit::Max(1e9), Outcome::Held),
        ("lost", Limit::Max(0.0), Outcome::Held),
    ] {
        let judged = gate(metric, limit).judge(&run).unwrap();
        assert_eq!(judged.outcome, outcome, "{metric}");
        if outcome == Outcome::Undecided {
            let why = judged.why.as_deref();
            assert_eq!(why, Some("clock readings that contradict each other could overturn it"), "{metric}");
        }
    }
}

#[test]
fn skipped_events_could_have_held_anything() {
    let mut run = runs(&[3e6]).remove(0);
    run.summary.malformed_events = 1;
    let judged = |metric: &str, limit| gate(metric, limit).judge(&run).unwrap();
    for (metric, limit) in [
        ("stalls", Limit::Max(0.0)),
        ("timer_lag.p99", Limit::Max(4e6)),
        ("timer_lag.p50", Limit::Min(1e6)),
        ("task.*.run.max", Limit::Max(1e9)),
        ("tasks.count", Limit::Max(1e9)),
    ] {
        let open = judged(metric, limit);
        assert_eq!(open.outcome, Outcome::Undecided, "{metric}");
        assert_eq!(open.why.as_deref(), Some("1 event with impossible values could overturn it"));
    }
    assert_eq!(judged("timer_lag.max", Limit::Max(2e6)).outcome, Outcome::Failed);
    assert_eq!(judged("tasks.count", Limit::Min(1.0)).outcome, Outcome::Held);
    assert_eq!(judged("lost", Limit::Max(0.0)).outcome, Outcome::Held);
    assert!(crate::report::text(&run.summary).contains("1 event with impossible values skipped"));
}

#[test]
fn an_incomplete_tick_could_have_been_a_stall() {
    let event = |ms: u64, event| Stamped { at: Timestamp(ms * 1_000_000), source: SourceId(1), event };
    let start = |ms, tick| event(ms, Event::TickStart { tick });
    let end = |ms, tick, since: u64| {
        event(ms, Event::TickEnd { tick, tasks_run: 0, start: Timestamp(since * 1_000_000) })
    };
    let run = |events: &[Stamped]| {
        let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
        timeline.extend(events);
        let summary = Summary::new(&Script::default().source(), &timeline);
        Run { name: "one".to_owned(), summary, metadata: None }
    };
    let judged = |events: &[Stamped]| {
        let run = run(events);
        (gate("stalls", Limit::Max(0.0)).judge(&run).unwrap(), crate::report::text(&run.summary))
    };
    let whole = [start(10, 1), end(11, 1, 10), start(20, 2), end(21, 2, 20)];
    let (held, page) = judged(&whole);
    assert!(held.outcome == Outcome::Held && page.contains("\nno stall\n"), "{held:?}");
    // The second tick has no end, and may have lasted up to the third.
    let (open, page) = judged(&[&whole[..3], &[start(620, 3), end(621, 3, 620)]].concat());
    assert_eq!((open.outcome, open.bounds), (Outcome::Undecided, Some((0.0, Some(1.0)))));
    assert_eq!(open.why.as_deref(), Some("1 incomplete tick could overturn it"));
    assert!(page.contains("no stall seen; an incomplete tick may have been one"), "{page}");
    let (short, _) = judged(&[&whole[..3], &[start(24, 3), end(25, 3, 24)]].concat());
    assert_eq!(short.outcome, Outcome::Held, "4 ms are too short for one");

    let counted = run(&[&whole[..3], &[start(24, 3), end(25, 3, 24)]].concat());
    let outcome = |metric, limit| gate(metric, limit).judge(&counted).unwrap().outcome;
    let held = Outcome::Held;
    assert_eq!(outcome("ticks.count", Limit::Min(2.0)), held);
    assert_eq!(outcome("ticks.count", Limit::Max(2.0)), Outcome::Undecided, "it may have been a whole one");
    assert_eq!(outcome("ticks.count", Limit::Max(3.0)), held);
    let span_s = counted.summary.span_ns as f64 / 1e9;
    assert_eq!(outcome("ticks.rate", Limit::Max(2.5 / span_s)), Outcome::Undecided);
    assert_eq!(outcome("ticks.rate", Limit::Max(3.001 / span_s)), held);
}

#[test]
fn a_gate_that_names_no_loop_holds_for_each() {
    let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
    timeline.extend(&crate::timeline::two_loops());
    let summary = Summary::new(&Script::default().source(), &timeline);
    let run = Run { name: "two".to_owned(), summary, metadata: None };
    let judge = |metric: &str, limit| Gate::new(metric.parse().unwrap(), limit).unwrap().judge(&run).unwrap();
    let failed = judge("utilization", Limit::Max(0.8));
    assert_eq!((failed.outcome, failed.numbers.as_str()), (Outcome::Failed, "source 1 100.0%"));
    assert_eq!(judge("utilization", Limit::Max(1.0)).outcome, Outcome::Held);
    assert_eq!(judge("loop.source 2.utilization", Limit::Max(0.1)).outcome, Outcome::Held);
    assert_eq!(judge("ticks.run.p99", Limit::Max(5e6)).outcome, Outcome::Failed);
    // Figures by tag cover all loops.
    assert_eq!(judge("task.*.run.max", Limit::Max(5e6)).outcome, Outcome::Failed);
    let unknown = judge("loop.sourc.utilization", Limit::Max(0.1));
    assert!(unknown.why.unwrap().contains("did you mean source 1"), "{}", unknown.numbers);
}

#[test]
fn a_condition_that_holds_in_a_cut_recording_is_undecided() {
    let mut run = runs(&[1e6]).remove(0);
    run.summary.source.state = StateSummary::Unclosed;
    let judged = |metric: &str, limit| gate(metric, limit).judge(&run).unwrap();
    for metric in ["timer_lag.max", "timer_lag.p50", "tasks.count", "stalls", "task.*.run.max", "lost"] {
        let judged = judged(metric, Limit::Max(1e12));
        assert_eq!(judged.outcome, Outcome::Undecided, "{metric}");
        assert_eq!(judged.why.as_deref(), Some("1 recording that was cut off could overturn it"));
    }
    assert_eq!(judged("utilization", Limit::Max(1.0)).outcome, Outcome::Held, "no more is possible");
    assert_eq!(judged("timer_lag.max", Limit::Max(0.5e6)).outcome, Outcome::Failed);
    assert_eq!(judged("ticks.count", Limit::Min(1.0)).outcome, Outcome::Held);
}

#[test]
fn a_comparison_with_a_cut_recording_is_undecided() {
    let worse_by = |limit| gate("timer_lag.p99", Limit::WorseBy(limit));
    let same_within = gate("timer_lag.p99", Limit::SameWithin(0.1));
    let (base, same, worse) = (runs(&BASE), runs(&BASE), runs(&BASE.map(|ns| ns * 2.0)));
    let judge = |gate: &Gate, base: &[Run], candidate: &[Run]| gate.judge_against(base, candidate);
    let cut = |runs: &[Run]| {
        let mut runs = runs.to_vec();
        runs[..3].iter_mut().for_each(|run| run.summary.source.state = StateSummary::Unclosed);
        runs
    };
    for (gate, candidate, outcome) in [
        (worse_by(0.1), &same, Outcome::Held),
        (worse_by(0.1), &worse, Outcome::Failed),
        (same_within.clone(), &same, Outcome::Held),
        (same_within, &worse, Outcome::Failed),
    ] {
        assert_eq!(judge(&gate, &base, candidate).outcome, outcome, "{gate}");
        for judged in [judge(&gate, &cut(&base), candidate), judge(&gate, &base, &cut(candidate))] {
            assert_eq!(judged.outcome, Outcome::Undecided, "{gate}: {judged:?}");
            let says = format!("{} but 3 recordings that were cut off could overturn it", outcome.name());
            assert!(judged.why.as_ref().is_some_and(|why| why.starts_with(&says)), "{judged:?}");
        }
    }
    // A maximum that was worse where it was cut off can only have become worse still.
    let worst = gate("timer_lag.max", Limit::WorseBy(0.1));
    assert_eq!(judge(&worst, &base, &cut(&worse)).outcome, Outcome::Failed);
    assert_eq!(judge(&worst, &cut(&base), &worse).outcome, Outcome::Undecided);
}

#[test]
fn a_side_that_may_be_lower_or_higher_is_not_off_for_certain() {
    // All of one side was cut off: its values may end up below the base or above it, and equal it in between.
    let lower: Vec<Run> = runs(&BASE.map(|ns| ns / 2.0));
    let cut: Vec<Run> = lower
        .iter()
        .cloned()
        .map(|mut run| {
            run.summary.source.state = StateSummary::Unclosed;
            run
        })
        .collect();
    for metric in ["timer_lag.max", "timer_lag.p99", "task.*.run.p50"] {
        let gate = gate(metric, Limit::SameWithin(0.1));
        let judged = gate.judge_against(&runs(&BASE), &cut);
        assert_eq!(judged.outcome, Outcome::Undecided, "{judged:?}");
        assert_eq!(gate.judge_against(&cut, &runs(&BASE)).outcome, Outcome::Undecided, "{metric}");
    }
    let whole = gate("timer_lag.max", Limit::SameWithin(0.1)).judge_against(&runs(&BASE), &lower);
    assert_eq!(whole.outcome, Outcome::Failed);
}

#[test]
fn a_comparison_with_a_run_without_a_value_is_undecided() {
    let (base, mut candidate) = (runs(&BASE), runs(&BASE));
    let timers = &mut candidate[0].summary.timers;
    (timers.lag_ns.p99, timers.lag_corrected_ns.p99) = (None, None);
    assert_eq!(gate("timer_lag.p99", Limit::Max(1.0)).metric.of(&candidate[0].summary), None);
    for limit in [Limit::WorseBy(4.0), Limit::SameWithin(4.0)] {
        let gate = gate("timer_lag.p99", limit);
        for judged in [gate.judge_against(&base, &candidate), gate.judge_against(&candidate, &base)] {
            assert_eq!(judged.outcome, Outcome::Undecided, "{judged:?}");
            let why = judged.why.unwrap();
            assert!(why.contains("1 run without a value could overturn it"), "{why}");
        }
    }
}

#[test]
fn events_after_a_cut_can_lower_rates_and_means_but_not_counts_or_maxima() {
    let mut run = runs(&[1e6]).remove(0);
    run.summary.source.state = StateSummary::Unclosed;
    let mut seen = 0;
    for metric in Metric::all(&run.summary) {
        let name = metric.to_string();
        let can_fall = ["rate", "utilization", "p50", "p90", "p99", "mean", "gmean", "waiting", "left"];
        let can_fall = can_fall.contains(&name.rsplit('.').next().unwrap());
        let value = metric.of(&run.summary).unwrap().number;
        let judged = |limit| gate(&name, limit).judge(&run).unwrap();
        let least = judged(Limit::Min(value));
        let most = if name == "utilization" { Some(1.0) } else { None };
        if can_fall && value > 0.0 {
            assert_eq!((least.outcome, least.bounds), (Outcome::Undecided, Some((0.0, most))), "{name}");
            assert_eq!(judged(Limit::Max(value / 2.0)).outcome, Outcome::Undecided, "{name}");
            seen += 1;
        } else {
            assert_eq!((least.outcome, least.bounds), (Outcome::Held, Some((value, most))), "{name}");
        }
    }
    assert!(seen > 20, "{seen}");
}
