//! Tests that the report matches the trace. Every figure is recomputed from the file by a decoder that shares no code
//! with `loop-traces`, over the saved regressions and over fresh demos of every policy.

mod decoder;
mod depths;
mod figures;
mod times;
mod waits;

use std::path::Path;

use crate::support::program::{Place, text};
use figures::Figures;
use serde_json::Value;
use waits::Waits;

/// Compares the report on `trace` with the bytes of the file.
fn check(place: &Place, trace: &Path) -> Figures {
    let decoded = decoder::decode(&std::fs::read(trace).expect("the trace is there"));
    let figures = Figures::of(&decoded);
    let report =
        place.json(&["report", text(trace), "--json", "--late-timers", "10000", "--stalls", "10000"]);
    let name = trace.display().to_string();
    figures.compare(&report, &name);
    figures.compare_late_timers(&report, &name);
    figures.compare_stalls(&report, &name);
    let overdue = figures.overdue_timers.iter().map(|timer| (timer.source, timer.due, timer.stopped));
    Waits::of(&decoded, overdue).compare(&report, &name);
    depths::compare(&decoded, &report, &name);
    times::compare(&decoded, &report, &name);
    figures
}

#[test]
fn reports_on_saved_regressions_match_their_bytes() {
    let place = Place::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("traces/corpus");
    let files = std::fs::read_dir(corpus).expect("the corpus is there");
    let files = files.map(|file| file.expect("it can be listed").path());
    let traces: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "looptrace")).collect();
    assert!(traces.len() >= 17, "{traces:?}");
    for trace in traces {
        check(&place, &trace);
    }
}

/// Recordings of the demo that older versions made stay as they are.
#[test]
fn reports_on_older_versions_match_their_bytes() {
    let place = Place::new();
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("traces/corpus/versions");
    for minor in [0, 1, 2] {
        let trace = folder.join(format!("1.{minor}.looptrace"));
        let bytes = std::fs::read(&trace).expect("it is kept");
        assert_eq!(bytes[8..12], [1, 0, minor, 0], "{}", trace.display());
        let figures = check(&place, &trace);
        assert!(figures.ticks > 500 && figures.tasks > 500 && figures.timers_fired > 500, "{figures:?}");
        assert!(figures.late_timers > 0, "one handler of each blocks for 40 ms: {figures:?}");
    }
}

#[test]
fn reports_on_demos_of_every_policy_match_their_bytes() {
    for (policy, arguments) in
        [("bun", ["--stall", "40ms"]), ("quickjs", ["--stall", "25ms"]), ("agenda", ["--seed", "3"])]
    {
        let place = Place::new();
        let trace = place.file("demo.looptrace");
        let mut demo =
            vec!["demo", "--no-tui", "--policy", policy, "--duration", "2s", "--record", text(&trace)];
        demo.extend(arguments);
        place.succeed(&demo);
        let figures = check(&place, &trace);
        assert!(
            figures.ticks > 10 && figures.tasks > 10 && figures.timers_fired > 10,
            "{policy}: {figures:?}"
        );
        if policy == "bun" {
            assert!(figures.late_timers > 0, "a stall of 40 ms makes a timer of 1 ms late");
        }
    }
}

#[test]
fn the_report_on_a_saturated_loop_matches_its_bytes() {
    let place = Place::new();
    let trace = place.file("demo.looptrace");
    place.succeed(&["demo", "--no-tui", "--load", "max", "--duration", "1s", "--record", text(&trace)]);
    check(&place, &trace);
}

/// A number in the report.
pub(crate) fn number(json: &Value, pointer: &str) -> u64 {
    let found = json.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {json}"));
    found.as_u64().unwrap_or_else(|| panic!("{pointer} is {found}"))
}
