//! Properties that hold for every answer, whatever the input.

use std::fmt::Debug;

use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::{Gate, Limit};
use loop_traces::analysis::metric::Metric;
use loop_traces::chrome::export::{ExportOptions, export as chrome};
use loop_traces::export::{TimeRange, csv, folded, speedscope};
use loop_traces::report;
use loop_traces::source::{EventSource, SourceError, SourceState};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::printable::is_printable;

/// Folds a source to its end.
pub(crate) fn timeline(source: &mut impl EventSource) -> Option<Timeline> {
    let mut timeline = Timeline::of(source.metadata());
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let state = source.poll(&mut batch).ok()?;
        timeline.extend(&batch);
        if state != SourceState::More {
            timeline.counts = source.counts();
            return Some(timeline);
        }
    }
}

/// The report on a source, as text and as JSON, and gates on all of its metrics.
pub(crate) fn report_of(source: &mut impl EventSource) -> Option<Summary> {
    let timeline = timeline(source)?;
    let summary = Summary::new(source, &timeline);
    for columns in [80, 140] {
        is_printable(&report::text_within(&summary, columns));
    }
    let json = serde_json::to_value(&summary).expect("a summary is JSON");
    figures(&json);
    counts(&json);
    let read: Summary = serde_json::from_value(json.clone()).expect("a summary is read again");
    assert_eq!(
        serde_json::to_value(&read).expect("a summary is JSON"),
        json,
        "what is saved is read as it was"
    );
    gates(source, &summary);
    Some(summary)
}

fn gates(source: &impl EventSource, summary: &Summary) {
    let run =
        Run { name: "run".to_owned(), summary: summary.clone(), metadata: Some(source.metadata().clone()) };
    for metric in Metric::all(summary) {
        let limit = metric.of(summary).map_or(0.0, |value| value.number);
        assert!(limit.is_finite(), "{metric} is {limit}");
        let gate = Gate::new(metric, Limit::Max(limit)).expect("a maximum compares nothing");
        let _ = gate.judge(&run).expect("a maximum needs no base");
    }
}

/// Percentiles are in order, and shares are between 0 and 1.
fn figures(value: &Value) {
    match value {
        Value::Object(keys) => {
            let of = |key: &str| keys.get(key).and_then(Value::as_u64);
            if let (Some(count), true) = (of("count"), keys.contains_key("p99")) {
                let figures = [of("p50"), of("p90"), of("p99"), of("max")];
                // Over several loops, only the count and the maximum are meaningful.
                let known = figures[..3].iter().flatten().count();
                assert!(known == 0 || known == 3 && count > 0, "{value}");
                assert_eq!(figures[3].is_some(), count > 0, "{value}");
                assert!(figures.is_sorted(), "{value}");
            }
            if let Some(share) = keys.get("utilization").and_then(Value::as_f64) {
                assert!((0.0..=1.0).contains(&share), "{value}");
            }
            keys.values().for_each(figures);
        }
        Value::Array(values) => values.iter().for_each(figures),
        Value::String(text) => assert!(!text.chars().any(char::is_control), "{text:?}"),
        _ => {}
    }
}

/// Counts of the same thing agree, and breakdowns add up.
fn counts(summary: &Value) {
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} is no count"));
    let ticks = &summary["ticks"];
    assert!(number(&ticks["stalls"]) <= number(&ticks["count"]) + 256, "{ticks}");
    let tags = summary["tasks"]["by_tag"].as_array().expect("a list");
    let of_tags: u64 = tags.iter().map(|tag| number(&tag["count"])).sum();
    let beyond = number(&summary["tasks"]["tags_beyond_limit"]["count"]);
    assert_eq!(of_tags + beyond, number(&summary["tasks"]["count"]), "tasks by tag");
    for (list, of) in [
        ("stalls", "run_ns"),
        ("late_timers", "lag_ns"),
        ("late_signals", "latency_ns"),
        ("slow_tasks", "run_ns"),
    ] {
        for delay in summary[list].as_array().expect("a list") {
            let parts = delay["blame"].as_array().expect("a list");
            let sum: u128 = parts.iter().map(|part| u128::from(number(&part["ns"]))).sum();
            if !parts.is_empty() {
                assert_eq!(sum, u128::from(number(&delay[of])), "{list}: {delay}");
            }
        }
    }
}

/// A Chrome JSON export. Its events are only counted: parsed, they take many times the memory of the export.
#[derive(Deserialize)]
struct ChromeExport {
    #[serde(rename = "traceEvents")]
    events: Vec<IgnoredAny>,
}

/// Every export of a source conforms to its format.
pub(crate) fn exports<S: EventSource + Send>(mut open: impl FnMut() -> Result<S, SourceError>) {
    for details in [false, true] {
        let mut out = Vec::new();
        let options = ExportOptions { details, ..ExportOptions::default() };
        if let Some(stats) = succeeded(chrome(&mut open, options, &mut out)) {
            let json: ChromeExport = serde_json::from_slice(&out).expect("an export is JSON");
            let counted = stats.slices + 2 * stats.async_pairs + stats.instants + stats.counters;
            assert!(json.events.len() as u64 >= counted, "{} events: {stats:?}", json.events.len());
        }
    }
    let mut out = Vec::new();
    if succeeded(speedscope::export(&mut open, TimeRange::default(), &mut out)).is_some() {
        let _: IgnoredAny = serde_json::from_slice(&out).expect("an export is JSON");
    }
    out.clear();
    if succeeded(csv::export(&mut open, TimeRange::default(), &mut out)).is_some() {
        is_printable(std::str::from_utf8(&out).expect("an export is text"));
    }
    out.clear();
    if succeeded(folded::export(&mut open, folded::FoldedOptions::default(), &mut out)).is_some() {
        let text = std::str::from_utf8(&out).expect("an export is text");
        is_printable(text);
        assert!(
            text.lines()
                .all(|line| line.rsplit(' ').next().is_some_and(|number| number.parse::<u64>().is_ok())),
            "{text}"
        );
    }
}

fn succeeded<T, E: Debug + std::fmt::Display>(result: Result<T, E>) -> Option<T> {
    if let Err(error) = &result {
        is_printable(&error.to_string());
    }
    result.ok()
}
