//! `rerun` without `--check`: a demo's trace under another rule, before and after.

#[expect(dead_code, reason = "each test file uses its part")]
#[path = "support/program.rs"]
mod program;

use program::{Place, text};
use serde_json::Value;

/// A trace of a demo with something to find in it.
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

/// The figures that every answer shows, and how far the model may be from the recording: much further than it is on a
/// quiet machine, where it is a few percent.
const HEADLINE: [(&str, f64); 9] = [
    ("/ticks/count", 1.25),
    ("/ticks/utilization", 1.25),
    ("/ticks/run_ns/p99", 1.6),
    ("/ticks/run_ns/max", 1.6),
    ("/tasks/count", 1.1),
    ("/tasks/queue_wait_ns_p99", 4.0),
    ("/timers/fired", 1.2),
    ("/timers/lag_ns/p50", 1.4),
    ("/timers/lag_ns/max", 1.8),
];

#[test]
fn without_a_change_the_model_says_what_was_recorded() {
    let place = Place::new();
    let trace = recorded(&place);
    let answer = place.json(&["rerun", &trace, "--json"]);
    let (before, after) = (&answer["before"], &answer["after"]);
    for (path, within) in HEADLINE {
        let (before, after) = (number(before, path), number(after, path));
        let near = after <= before * within && before <= after * within;
        assert!(near, "{path}: {before} was recorded, the model says {after}");
    }
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
fn another_rule_is_answered_and_saved_as_a_trace_like_any_other() {
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
    assert!(number(after, "/ticks/run_ns/max") < number(&answer["before"], "/ticks/run_ns/max"));
    let tags = after["tasks"]["by_tag"].as_array().expect("tags are a list");
    assert!(tags.iter().all(|tag| tag["tag"] != "Echo"), "{tags:?}");
    assert!(answer["changed"].as_array().is_some_and(|changed| !changed.is_empty()), "{answer}");
    let report = place.json(&["report", saved, "--json"]);
    for path in ["/ticks/count", "/tasks/count", "/timers/lag_ns/p99", "/source/policy"] {
        assert_eq!(after.pointer(path), report.pointer(path), "{path}");
    }
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
    for part in
        ["what if: --scale Report=0", "BEFORE", "AFTER", "CHANGE", "timer lag", "utilization", "ASSUMED"]
    {
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
fn what_the_model_alone_is_off_by_is_no_answer() {
    let place = Place::new();
    let trace = recorded(&place);
    // The policy that it has: everything that differs is the model's error.
    let page = place.succeed(&["rerun", &trace, "--policy", "bun"]);
    assert!(page.contains("neither better nor worse"), "{page}");
    let verdicts = ["  better", "  worse"].map(|verdict| page.lines().any(|line| line.ends_with(verdict)));
    assert_eq!(verdicts, [false; 2], "{page}");
    let answer = place.json(&["rerun", &trace, "--policy", "bun", "--json"]);
    assert_eq!(answer["after"]["ticks"], answer["model"]["ticks"]);
}

#[test]
fn an_agendas_tasklets_are_executed_again_on_as_many_workers_as_asked_for() {
    let place = Place::new();
    let trace = place.file("agenda.looptrace");
    let trace = text(&trace);
    let demo =
        ["demo", "--seed", "5", "--duration", "3s", "--policy", "agenda", "--no-tui", "--record", trace];
    place.succeed(&demo);
    let saved = place.file("b.looptrace");
    let saved = text(&saved);
    let own = place.json(&["rerun", trace, "--json", "-o", saved]);
    let (before, after) = (&own["before"], &own["after"]);
    for (path, within) in [("/ticks/count", 1.15), ("/tasks/count", 1.1), ("/agenda/ran", 1.05)] {
        let (before, after) = (number(before, path), number(after, path));
        let near = after <= before * within && before <= after * within;
        assert!(near, "{path}: {before} was recorded, the model says {after}");
    }
    // What it saved has them too, and says whose the posts of each were.
    let again = place.json(&["rerun", saved, "--json"]);
    for path in ["/agenda/ran", "/agenda/added", "/tasks/count"] {
        assert_eq!(after.pointer(path), again.pointer(&format!("/before{path}")), "{path}");
    }
    let page = place.succeed(&["rerun", trace, "--workers", "1"]);
    assert!(page.contains("tasklet wait") && page.contains("wait CheckRequest"), "{page}");
    assert!(page.contains("in the agenda"), "{page}");
}

#[test]
fn what_cannot_be_is_one_line() {
    let place = Place::new();
    let trace = recorded(&place);
    let told = place.fail(2, &["rerun", &trace, "--drop", "Echoo"]);
    assert!(told.contains("--drop Echoo") && told.contains("nearest are Echo"), "{told}");
    let told = place.fail(2, &["rerun", &trace, "--policy", "tokio"]);
    assert!(told.contains("tokio") && told.contains("quickjs"), "{told}");
    for verb in [&["rerun", &trace, "--loop", "other"][..], &["rerun", &trace, "--loop", "other", "--check"]]
    {
        let told = place.fail(2, verb);
        assert!(told.contains("--loop other") && told.contains("it has loop"), "{told}");
    }
    let told = place.fail(2, &["rerun", &trace, "-o", &trace]);
    assert!(told.contains("the trace itself"), "{told}");
    let told = place.fail(3, &["rerun", "nowhere.looptrace"]);
    assert!(told.contains("nowhere.looptrace"), "{told}");
    let empty = place.file("empty.looptrace");
    std::fs::write(&empty, b"").expect("a file can be written");
    place.fail(3, &["rerun", text(&empty)]);
}
