//! Tests of metrics: names parse and print back, values are the summary's, and mistakes get the nearest names.

use proptest::prelude::*;

use super::*;
use crate::source::EventSource as _;
use crate::synthetic::Script;
use crate::timeline::Timeline;

fn summary(script: &Script) -> Summary {
    let source = script.source();
    let mut timeline = Timeline::of(source.metadata());
    timeline.extend(source.events());
    Summary::new(&source, &timeline)
}

fn value(summary: &Summary, name: &str) -> Option<f64> {
    let metric: Metric = name.parse().unwrap();
    assert_eq!(metric.to_string(), name);
    metric.of(summary).map(|value| value.number)
}

#[test]
fn values_are_those_of_the_summary() {
    let summary = summary(&Script { agenda_workers: 2, loop_kinds: true, ..Script::default() });
    assert_eq!(value(&summary, "timer_lag.p99"), summary.timers.lag_ns.p99.map(|ns| ns as f64));
    assert_eq!(value(&summary, "stalls"), Some(summary.ticks.stalls as f64));
    assert_eq!(value(&summary, "utilization"), summary.ticks.utilization);
    let echo = summary.tasks.by_tag.iter().find(|tag| tag.tag == "Echo").unwrap();
    assert_eq!(value(&summary, "task.Echo.run.p99"), echo.run_ns.p99.map(|ns| ns as f64));
    assert_eq!(value(&summary, "task.Echo.wait.max"), echo.queue_wait_ns.max.map(|ns| ns as f64));
    assert_eq!(value(&summary, "task.Echo.count"), Some(echo.count as f64));
    assert_eq!(value(&summary, "task.Nobody.count"), Some(0.0));
    assert_eq!(value(&summary, "task.Nobody.run.p50"), None);
    let longest = summary.tasks.by_tag.iter().filter_map(|tag| tag.run_ns.max).max().unwrap();
    assert_eq!(value(&summary, "task.*.run.max"), Some(longest as f64));
    assert!(value(&summary, "queue.tasks.depth.max") > Some(0.0));
    assert!(value(&summary, "tasks.wait.p50").is_some());
    assert!(value(&summary, "tasks.run.mean") > Some(0.0));
    assert!(value(&summary, "signal.latency.p99").is_some());
    assert!(value(&summary, "agenda.high.wait.max").is_some());
}

#[test]
fn unmeasured_metrics_have_no_value() {
    let summary = summary(&Script { ticks: 0, ..Script::default() });
    assert_eq!(value(&summary, "timer_lag.p50"), None);
    assert_eq!(value(&summary, "tasks.wait.max"), None);
    assert_eq!(value(&summary, "agenda.high.wait.max"), None);
    assert_eq!((value(&summary, "stalls"), value(&summary, "lost")), (None, Some(0.0)));
}

#[test]
fn every_metric_name_parses_back() {
    let summary = summary(&Script { agenda_workers: 2, loop_kinds: true, ..Script::default() });
    let all = Metric::all(&summary);
    assert!(all.len() > 100, "{}", all.len());
    for metric in all {
        assert_eq!(metric.to_string().parse(), Ok(metric));
    }
}

#[test]
fn an_unknown_metric_suggests_the_nearest() {
    let error = "timerlag.p99".parse::<Metric>().unwrap_err();
    assert_eq!(error.nearest[0], "timer_lag.p99");
    let error = "task.ReadFile.runs.p99".parse::<Metric>().unwrap_err();
    assert_eq!(error.nearest[0], "task.ReadFile.run.p99");
    assert!(error.to_string().starts_with("there is no metric \"task.ReadFile.runs.p99\"; did you mean "));
    for wrong in
        ["", ".", "timer_lag", "timer_lag.p98", "task..count", "task. a.count", "stalls.p99", "lost "]
    {
        let read = wrong.parse::<Metric>();
        assert!(read.is_err() || wrong == "lost ", "{wrong:?}: {read:?}");
    }
}

/// The table of metrics in the book.
const BOOK: &str = include_str!("../../../../docs/src/compare.md");

#[test]
fn the_book_lists_the_same_metrics() {
    let row = |name: String, is_spread: bool, unit: Unit, sense: Sense, what: &str| {
        let statistic = if is_spread { ".STAT" } else { "" };
        let unit = match unit {
            Unit::Ns => "ns",
            Unit::Count => "count",
            Unit::Ratio => "ratio",
            Unit::Bytes => "bytes",
            Unit::PerSecond => "per second",
        };
        let sense = match sense {
            Sense::MoreIsWorse => "worse",
            Sense::MoreIsBetter => "better",
            Sense::Neither => "neither",
        };
        format!("| `{name}{statistic}` | {unit} | {sense} | {what} |")
    };
    let ours: Vec<String> = FIGURES
        .iter()
        .map(|figure| {
            let before = match figure.family() {
                None => String::new(),
                Some("agenda") => "agenda.PRIORITY.".to_owned(),
                Some(family) => format!("{family}.NAME."),
            };
            let name = format!("{before}{}", figure.name);
            row(name, figure.statistics().len() > 1, figure.unit, figure.sense, figure.what)
        })
        .collect();
    let table = BOOK.lines().skip_while(|line| *line != "| metric | unit | more is | what |").skip(2);
    let theirs: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(theirs, ours);
}

#[test]
fn any_is_each_of_them() {
    let summary = summary(&Script::default());
    let any: Metric = "task.*.run.p50".parse().unwrap();
    assert!(any.is_of_any());
    let each = any.each(&summary);
    assert_eq!(each.len(), summary.tasks.by_tag.len());
    assert!(each.iter().any(|metric| metric.subject() == Some("Echo")));
    let one: Metric = "task.\"*\".run.p50".parse().unwrap();
    assert_eq!((one.subject(), one.to_string().as_str()), (Some("*"), "task.\"*\".run.p50"));
}

proptest! {
    #[test]
    fn any_name_survives(name in "\\PC{0,20}|[ .\"*a]{0,6}|run\\.p99|a\\.count") {
        let place = FIGURES.iter().position(|figure| figure.name == "run").unwrap();
        let (subject, statistic) = (Some(Subject::One(name)), Some(Statistic::P99));
        let metric = Metric { place, subject, statistic, of_loop: None };
        prop_assert_eq!(metric.to_string().parse::<Metric>(), Ok(metric));
    }

    #[test]
    fn parsing_any_text_does_not_panic(text in "\\PC{0,30}") {
        let _ = text.parse::<Metric>();
    }
}

#[test]
fn a_99th_percentile_has_the_bounds_that_its_summary_shows() {
    use crate::loss::Bounds;

    let mut summary = summary(&Script::default());
    summary.lost_records = 3;
    summary.timers.lag_ns.p99_bounds = Some(Bounds { lo: 17, hi: Some(4_711) });
    let of = |name: &str| name.parse::<Metric>().unwrap().bounds(&summary).unwrap();
    assert_eq!((of("timer_lag.p99").low, of("timer_lag.p99").high), (17.0, Some(4_711.0)));
    assert_ne!(of("timer_lag.p90").low, 17.0, "they are those of one percentile");
}

#[test]
fn a_value_that_is_not_exact_has_its_bounds() {
    let of = |name: &str, summary: &Summary| bounded(name.parse::<Metric>().unwrap().bounded(summary));
    let mut summary = summary(&Script::default());
    summary.timers.lag_ns.p99 = Some(899_000_000);
    assert_eq!(of("timer_lag.p99", &summary), "899ms");
    summary.lost_records = 3;
    let bounds = |hi| Some(crate::loss::Bounds { lo: 2_000_000, hi });
    summary.timers.lag_ns.p99_bounds = bounds(Some(901_000_000));
    assert_eq!(of("timer_lag.p99", &summary), "899ms, 2.00ms to 901ms");
    summary.timers.lag_ns.p99_bounds = bounds(None);
    assert_eq!(of("timer_lag.p99", &summary), "899ms, 2.00ms or more");
    assert_eq!(of("task.None.run.p50", &summary), "not measured");
}

/// Two loops, one of them idle.
fn two_loops() -> Summary {
    let events = crate::timeline::two_loops();
    let script = Script::default();
    let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
    timeline.extend(&events);
    Summary::new(&script.source(), &timeline)
}

#[test]
fn the_time_to_read_a_name_is_linear_in_its_dots() {
    let nested = format!("{}stalls", "loop.".repeat(800));
    let metric: Metric = nested.parse().unwrap();
    assert_eq!(metric.loop_name(), Some(&nested["loop.".len()..nested.len() - ".stalls".len()]));
    assert!(format!("loop.{}", "a.".repeat(2_000)).parse::<Metric>().is_err());
    assert!(format!("loop.{}stalls", "task.".repeat(700)).parse::<Metric>().is_ok());
    let error = format!("task.{}.count", "x".repeat(1 << 20)).parse::<Metric>().unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn a_metric_of_one_loop_is_asked_for_by_its_name() {
    let summary = two_loops();
    let value = |name: &str| {
        let metric: Metric = name.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(metric.to_string(), name);
        metric.of(&summary).map(|value| value.number)
    };
    assert_eq!(value("utilization"), None, "half of two loops is neither's");
    assert_eq!(
        (value("loop.source 1.utilization"), value("loop.source 2.utilization")),
        (Some(1.0), Some(0.0))
    );
    assert_eq!((value("loop.source 1.ticks.count"), value("ticks.count")), (Some(50.0), Some(100.0)));
    assert_eq!((value("ticks.run.p99"), value("ticks.run.max")), (None, Some(10_000_000.0)));
    assert_eq!(value("loop.nobody.ticks.count"), None);
    assert_eq!(value("loop.\"a.b\".task.x.run.p99"), None);
    assert!("loop.a.nothing".parse::<Metric>().is_err());
    assert!(Metric::all(&summary).iter().any(|metric| metric.to_string() == "loop.source 2.utilization"));
}
