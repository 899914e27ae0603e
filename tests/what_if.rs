//! Tests `rerun` without `--check`: a demo's trace under another rule, before and after.

use std::path::Path;

use crate::support::corpus::{Case, cases};
use crate::support::program::{Place, text};
use loop_probes::event::{Event, Phase};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, MemorySource, SourceState};
use loop_traces::writer::TraceWriter;
use serde_json::Value;

/// The length of each pause of the loop in a synthetic recording.
const STOP_NS: u64 = 30_000_000;

/// A demo's trace with problems to find.
fn recorded(place: &Place) -> String {
    let trace = place.file("a.looptrace");
    let trace = text(&trace).to_owned();
    let demo = ["demo", "--seed", "5", "--duration", "3s", "--stall", "20ms", "--no-tui", "--record", &trace];
    place.succeed(&demo);
    trace
}

fn number(side: &Value, path: &str) -> f64 {
    side.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} in {side}"))
}

/// The figures in every answer, and how far the model may deviate from a recording under a virtual clock: a few
/// nanoseconds, and a turn at either end.
const HEADLINE: [(&str, f64); 9] = [
    ("/ticks/count", 2.0),
    ("/ticks/utilization", 1e-4),
    ("/ticks/run_ns/p99", 0.0),
    ("/ticks/run_ns/max", 0.0),
    ("/tasks/count", 0.0),
    ("/tasks/queue_wait_ns_p99", 10.0),
    ("/timers/fired", 0.0),
    ("/timers/lag_ns/p50", 10.0),
    ("/timers/lag_ns/max", 10.0),
];

#[test]
fn without_a_change_the_model_matches_the_recording() {
    let place = Place::new();
    // The accuracy for a live recording depends on the load of the machine: the model cannot know when the loop was
    // preempted between two records. The corpus was recorded without preemption.
    let mut tried = 0;
    for toml in cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus")).unwrap() {
        let case = Case::read(&toml).unwrap();
        // Known difference: the model still calls a source that another source's callback removes.
        if case.made_by() == "source-removes-itself" {
            continue;
        }
        let answer = place.json(&["rerun", text(&case.trace), "--json"]);
        for (path, within) in HEADLINE {
            let name = case.trace.display();
            let sides = ["before", "after"].map(|side| answer[side].pointer(path).cloned());
            if sides.iter().flatten().all(Value::is_null) {
                // Without timers, the model has no figures for them either.
                continue;
            }
            let (before, after) = (number(&answer["before"], path), number(&answer["after"], path));
            assert!((before - after).abs() <= within, "{name}: {path} was {before}, the model says {after}");
        }
        tried += 1;
    }
    assert!(tried >= 15, "{tried} traces");
}

#[test]
fn without_a_change_before_is_the_recording_and_after_has_its_signals() {
    let place = Place::new();
    let trace = recorded(&place);
    let answer = place.json(&["rerun", &trace, "--json"]);
    let (before, after) = (&answer["before"], &answer["after"]);
    for count in ["/signals/arrived", "/signals/delivered", "/signals/dropped"] {
        assert_eq!(before.pointer(count), after.pointer(count), "{count}");
    }
    assert!(answer["assumptions"].as_array().is_some_and(|lines| lines.len() >= 4), "{answer}");
    let report = place.json(&["report", &trace, "--json"]);
    let counts = ["/ticks/count", "/tasks/count", "/timers/fired"];
    for path in counts {
        assert_eq!(before.pointer(path), report.pointer(path), "before is the recording: {path}");
    }
}

#[test]
fn a_what_if_is_saved_as_an_ordinary_trace() {
    let place = Place::new();
    let trace = recorded(&place);
    let saved = place.file("b.looptrace");
    let saved = text(&saved);
    let changed = [
        "--policy",
        "quickjs",
        "--scale",
        "Report=0.1",
        "--drop",
        "Echo",
        "--budget",
        "2ms",
        "--workers",
        "8",
    ];
    let answer = place.json(&[&["rerun", &trace, "--json", "-o", saved], &changed[..]].concat());
    let after = &answer["after"];
    assert_eq!(after["source"]["policy"], "quickjs");
    // The longest tick may be one in which the loop was preempted.
    let longest = |side: &Value| {
        let tags = side["tasks"]["by_tag"].as_array().expect("tags are a list");
        let report = tags.iter().find(|tag| tag["tag"] == "Report").expect("the report ran");
        number(report, "/run_ns/max")
    };
    let (before, shorter) = (longest(&answer["before"]), longest(after));
    assert!(shorter <= before * 0.11, "the report took {before} and takes {shorter}");
    let tags = after["tasks"]["by_tag"].as_array().expect("tags are a list");
    assert!(tags.iter().all(|tag| tag["tag"] != "Echo"), "{tags:?}");
    assert!(answer["changed"].as_array().is_some_and(|changed| !changed.is_empty()), "{answer}");
    let report = place.json(&["report", saved, "--json"]);
    for path in ["/ticks/count", "/tasks/count", "/timers/lag_ns/p99", "/source/policy"] {
        assert_eq!(after.pointer(path), report.pointer(path), "{path}");
    }
    assert_eq!(after["span_ns"], report["span_ns"], "it is saved from its first tick on, as it is folded");
    let off = place.json(&["rerun", saved, "--gc", "off", "--json"]);
    assert_eq!(off["after"]["gc"]["collect"], 0);
    let page = place.succeed(&["replay", saved, "--no-tui"]);
    assert!(page.contains("policy quickjs"), "{page}");
}

#[test]
fn the_page_shows_before_after_and_change_and_no_colour_unless_asked() {
    let place = Place::new();
    let trace = recorded(&place);
    let page = place.succeed(&["rerun", &trace, "--scale", "Report=0"]);
    for part in [
        "what if: --scale Report=0",
        "BEFORE",
        "MODEL",
        "AFTER",
        "CHANGE",
        "timer lag",
        "utilization",
        "ASSUMED",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 80) && !page.contains('\x1b'), "{page}");
    let glance = page.lines().nth(2).unwrap_or_default();
    assert!(glance.starts_with("better  "), "the answer comes first: {page}");
    let coloured = place.succeed(&["rerun", &trace, "--scale", "Report=0", "--color", "always"]);
    assert!(coloured.contains("\x1b[1;38;5;114m"), "less is better: {coloured}");
    let plain = place.succeed(&["rerun", &trace, "--scale", "Report=0", "--ascii"]);
    let shown = plain.lines().skip(1).collect::<String>();
    assert!(shown.is_ascii() && !shown.contains('?'), "{plain}");
}

#[test]
fn the_model_error_is_no_verdict() {
    let place = Place::new();
    let trace = recorded(&place);
    // The recorded policy itself: any difference is the model's error.
    let page = place.succeed(&["rerun", &trace, "--policy", "bun"]);
    assert!(page.contains("neither better nor worse"), "{page}");
    let verdicts = ["  better", "  worse"].map(|verdict| page.lines().any(|line| line.ends_with(verdict)));
    assert_eq!(verdicts, [false; 2], "{page}");
    let answer = place.json(&["rerun", &trace, "--policy", "bun", "--json"]);
    assert_eq!(answer["after"]["ticks"], answer["model"]["ticks"]);
}

/// A figure of a loop, from the JSON answer.
fn compared<'a>(answer: &'a Value, what: &str, statistic: &str) -> &'a Value {
    let rows = answer["compared"].as_array().expect("figures are a list");
    let is_it = |row: &&Value| row["what"] == what && row["statistic"] == statistic;
    rows.iter().find(is_it).unwrap_or_else(|| panic!("{what} {statistic} in {answer}"))
}

#[test]
fn verdicts_are_beyond_the_model_error() {
    let place = Place::new();
    let trace = recorded(&place);
    let answer = place.json(&["rerun", &trace, "--scale", "Report=0.5", "--json"]);
    let rows = answer["compared"].as_array().expect("figures are a list");
    assert!(rows.len() > 10, "{answer}");
    for row in rows {
        if matches!(row["verdict"].as_str(), Some("better" | "worse")) {
            // In other rows, `after` may be null because the change is below the error.
            let [before, model, after] = ["/before", "/model", "/after"].map(|path| number(row, path));
            assert!((after - model).abs() > (model - before).abs(), "beyond the model's error: {row}");
            assert_eq!(row["verdict"] == "better", after < model, "in the direction from the model: {row}");
        }
    }
}

#[test]
fn a_dropped_tag_is_removed_from_all_sides() {
    let place = Place::new();
    let trace = recorded(&place);
    let answer = place.json(&["rerun", &trace, "--drop", "Heartbeat1ms", "--json"]);
    assert!(answer["left_out"].as_array().is_some_and(|tags| tags.iter().any(|tag| tag == "Heartbeat1ms")));
    let lag = compared(&answer, "timer lag", "p50");
    let whole = number(&answer["before"], "/timers/lag_ns/count");
    let beats = place.json(&["report", &trace, "--json"]);
    let beats = beats["tasks"]["by_tag"].as_array().expect("tags are a list");
    let beats = beats.iter().find(|tag| tag["tag"] == "Heartbeat1ms").expect("it beats");
    assert!(number(beats, "/count") * 2.0 > whole, "most timers are beats: {beats}");
    assert!(number(lag, "/before") > 0.0, "{lag}");
    let page = place.succeed(&["rerun", &trace, "--drop", "Heartbeat1ms"]);
    let assumed = page.replace("\n  ", " ");
    assert!(assumed.contains("arrivals unchanged but for those of dropped tags"), "{page}");
    assert!(assumed.contains("dropped: Heartbeat1ms (") && assumed.contains("on all sides"), "{page}");
    let gone = page.lines().find(|line| line.starts_with("lag  Heartbeat1ms"));
    assert!(gone.is_none_or(|line| line.ends_with("gone")), "{page}");
}

#[test]
fn drain_pauses_are_re_executed() {
    let place = Place::new();
    let (trace, saved) = (place.file("a.looptrace"), place.file("b.looptrace"));
    record_with_drain_pauses(&place, &trace);
    let drain_pauses = |path: &Path| -> Vec<u64> {
        let mut reader = TraceReader::open(path).expect("the trace can be read");
        let events = MemorySource::read(&mut reader).expect("the trace can be read").events().to_vec();
        let stops = events.iter().filter_map(|stamped| match stamped.event {
            Event::Phase { phase: Phase::Recorder, start } => Some(stamped.at.ns_since(start)),
            _ => None,
        });
        stops.collect()
    };
    let recorded = drain_pauses(&trace);
    assert_eq!(recorded.len(), 3);
    let odd = place.file("b\n\u{1b}[31m.looptrace");
    let page = place.succeed(&["rerun", text(&trace), "-o", text(&odd)]);
    assert!(
        !page.contains('\u{1b}') && page.contains("saved to ") && page.contains("[31m.looptrace\n"),
        "{page}"
    );
    let page = place.succeed(&["rerun", text(&trace), "-o", text(&saved)]);
    assert!(page.replace("\n  ", " ").contains("the loop stopped 3 times, for 90.0ms in all"), "{page}");
    assert_eq!(drain_pauses(&saved), recorded);
}

/// A demo's trace in which the loop paused three times for 30 ms to drain its recorder: everything after a pause
/// shifts by that much.
fn record_with_drain_pauses(place: &Place, trace: &Path) {
    let whole = place.file("whole.looptrace");
    place.succeed(&["demo", "--seed", "3", "--duration", "2s", "--no-tui", "--record", text(&whole)]);
    let mut reader = TraceReader::open(&whole).expect("the trace can be read");
    let metadata = reader.metadata().clone();
    let events = MemorySource::read(&mut reader).expect("the trace can be read").events().to_vec();
    let own = events.iter().find(|stamped| matches!(stamped.event, Event::TickStart { .. }));
    let own = own.expect("the loop ticks").source;
    let is_end = |stamped: &Stamped| {
        stamped.source == own && matches!(stamped.event, Event::Phase { phase: Phase::Timers, .. })
    };
    let ends: Vec<u64> = events.iter().filter(|stamped| is_end(stamped)).map(|end| end.at.as_ns()).collect();
    let stops: Vec<u64> = (1..=3).map(|part| ends[ends.len() * part / 4]).collect();
    let later = |at: Timestamp| {
        let before = stops.iter().filter(|stop| **stop < at.as_ns()).count() as u64;
        at.plus_ns(before * STOP_NS)
    };
    let mut shifted = Vec::new();
    for stamped in &events {
        shifted.push(Stamped { at: later(stamped.at), event: stamped.event.map_time(later), ..*stamped });
        if is_end(stamped) && stops.contains(&stamped.at.as_ns()) {
            let start = later(stamped.at);
            let event = Event::Phase { phase: Phase::Recorder, start };
            shifted.push(Stamped { at: start.plus_ns(STOP_NS), source: own, event });
        }
    }
    let mut writer = TraceWriter::create(trace, &metadata).expect("a trace can be written");
    writer.append(&shifted).expect("a trace can be written");
    writer.finish().expect("a trace can be written");
}

fn assert_near(before: &Value, after: &Value, path: &str, within: f64) {
    let (before, after) = (number(before, path), number(after, path));
    let near = after <= before * within && before <= after * within;
    assert!(near, "{path}: {before} was recorded, the model says {after}");
}

/// Checks that the model adds as many tasklets as the recording, and runs at least as many tasklets and tasks. In a
/// recording, the number of timer callbacks, and of tasklets and tasks that wait at the end, depends on how often the
/// machine let its threads run. The model is never preempted, and also runs those that waited.
fn assert_executed_again(answer: &Value) {
    let (before, after) = (&answer["before"], &answer["after"]);
    assert_near(before, after, "/agenda/added", 1.05);
    let ([ran, ran_again], added) =
        ([before, after].map(|side| number(side, "/agenda/ran")), number(before, "/agenda/added"));
    assert!(ran <= ran_again * 1.05, "{ran} tasklets ran in the recording, {ran_again} in the model");
    assert!(
        ran_again <= added * 1.05,
        "{added} tasklets were added in the recording, {ran_again} ran in the model"
    );
    let [tasks, tasks_again] =
        [before, after].map(|side| number(side, "/tasks/count") - number(side, "/timers/fired"));
    assert!(tasks <= tasks_again * 1.05, "{tasks} tasks ran in the recording, {tasks_again} in the model");
    // A sample for each task that was queued, whether or not it ran.
    let queued = number(before, "/tasks/queue_wait_ns/count");
    // A tasklet posts at most one task.
    let queued = queued + (ran_again - ran).max(0.0);
    assert!(
        tasks_again <= queued * 1.05,
        "{queued} tasks were queued in the recording, {tasks_again} ran in the model"
    );
}

#[test]
fn tasklets_are_re_executed_on_the_given_number_of_workers() {
    let place = Place::new();
    let trace = place.file("agenda.looptrace");
    let trace = text(&trace);
    let demo =
        ["demo", "--seed", "5", "--duration", "3s", "--policy", "agenda", "--no-tui", "--record", trace];
    place.succeed(&demo);
    let saved = place.file("b.looptrace");
    let saved = text(&saved);
    let own = place.json(&["rerun", trace, "--json", "-o", saved]);
    assert_executed_again(&own);
    // The saved result has them too, with the origin of each one's posts.
    let again = place.json(&["rerun", saved, "--json"]);
    let saved = &again["before"];
    for path in ["/agenda/ran", "/agenda/added", "/tasks/count"] {
        assert_eq!(own["after"].pointer(path), saved.pointer(path), "{path}");
    }
    assert_executed_again(&again);
    // The demo's loop may have been preempted, which makes fewer ticks of as many tasks, but the model's was not.
    assert_near(saved, &again["after"], "/ticks/count", 1.15);
    // The page lists only the largest changes, so this one must exceed the noise of the machine.
    let page = place.succeed(&["rerun", trace, "--workers", "1", "--scale", "CheckRequest=20"]);
    assert!(page.contains("tasklet wait") && page.contains("wait CheckRequest"), "{page}");
    assert!(page.contains("in the agenda"), "{page}");
}

#[test]
fn invalid_what_ifs_are_refused_in_one_line() {
    let place = Place::new();
    let trace = recorded(&place);
    let stderr = place.fail(2, &["rerun", &trace, "--drop", "Echoo"]);
    assert!(stderr.contains("--drop Echoo") && stderr.contains("nearest are Echo"), "{stderr}");
    let stderr = place.fail(2, &["rerun", &trace, "--policy", "tokio"]);
    assert!(stderr.contains("tokio") && stderr.contains("quickjs"), "{stderr}");
    for verb in [&["rerun", &trace, "--loop", "other"][..], &["rerun", &trace, "--loop", "other", "--check"]]
    {
        let stderr = place.fail(2, verb);
        assert!(stderr.contains("--loop other") && stderr.contains("it has loop"), "{stderr}");
    }
    let stderr = place.fail(2, &["rerun", &trace, "-o", &trace]);
    assert!(stderr.contains("the input itself"), "{stderr}");
    let stderr = place.fail(2, &["rerun", &trace, "--scale", "Report=2", "--scale", "Report=3"]);
    assert!(stderr.contains("--scale Report is given twice, as 2 and as 3"), "{stderr}");
    let budget = place.run(&["rerun", &trace, "--budget", "-1ms"]);
    let stderr = String::from_utf8_lossy(&budget.stderr).into_owned();
    assert!(budget.status.code() == Some(2) && stderr.contains("'-1ms' for '--budget <TIME>'"), "{stderr}");
    assert!(!stderr.contains("tip:"), "{stderr}");
    let stderr = place.fail(3, &["rerun", &trace, "-o", "/dev/full"]);
    assert!(stderr.contains("No space left") && !stderr.contains("readable"), "{stderr}");
    let stderr = place.fail(3, &["rerun", "nowhere.looptrace"]);
    assert!(stderr.contains("nowhere.looptrace"), "{stderr}");
    let empty = place.file("empty.looptrace");
    std::fs::write(&empty, b"").expect("a file can be written");
    place.fail(3, &["rerun", text(&empty)]);
}

#[test]
fn each_input_is_refused_for_its_own_reason_with_and_without_check() {
    let place = Place::new();
    let refused = |path: &Path| {
        let what_if = place.fail(3, &["rerun", text(path)]);
        assert_eq!(what_if, place.fail(3, &["rerun", text(path), "--check"]), "one function decides");
        what_if
    };
    let (json, imported) = (place.file("a.json"), place.file("imported.looptrace"));
    let slice = |at: u32| format!(r#"{{"ph":"X","name":"work","ts":{at},"dur":5,"pid":1,"tid":1}}"#);
    std::fs::write(&json, format!("[{},{}]", slice(0), slice(9))).expect("a file can be written");
    place.succeed(&["import", text(&json), "-o", text(&imported)]);
    assert!(refused(&imported).contains("was imported from a Chrome trace"));
    let trace = recorded(&place);
    let (whole, cut) = (std::fs::read(&trace).expect("it was recorded"), place.file("cut.looptrace"));
    // Inside its first block of records, after the block's header.
    let records = whole.windows(5).position(|bytes| bytes == b"LTBK\x01").expect("it has records");
    std::fs::write(&cut, &whole[..records + 60]).expect("a file can be written");
    let stderr = refused(&cut);
    assert!(stderr.contains("no whole tick left") && stderr.contains("cut off"), "{stderr}");
}

#[test]
fn a_recorded_policy_name_cannot_control_the_terminal() {
    let place = Place::new();
    let (demo, hostile) = (place.file("demo.looptrace"), place.file("hostile.looptrace"));
    place.succeed(&["demo", "--duration", "1s", "--no-tui", "--record", text(&demo)]);
    let mut reader = TraceReader::open(&demo).unwrap();
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() == SourceState::More {}
    let mut metadata = reader.metadata().clone();
    metadata.policy = "bun\u{1b}[2J\u{202e}\r".to_owned();
    let mut writer = TraceWriter::create(&hostile, &metadata).unwrap();
    writer.append(&events).unwrap();
    writer.finish().unwrap();
    let printed = place.succeed(&["rerun", text(&hostile), "--policy", "quickjs"]);
    assert!(printed.contains("instead of bun"), "{printed}");
    let steers = |character: char| character != '\n' && (character.is_control() || character == '\u{202e}');
    assert!(!printed.contains(steers), "{printed:?}");
}
