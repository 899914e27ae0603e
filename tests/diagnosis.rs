//! Tests the diagnosis: the first line of a report, the second of the dashboard, the JSON.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::program::{Place, text};
use crate::support::screen::{leave, start};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../traces/corpus/{name}.looptrace"))
}

const BLOCKS: &str = "Report blocks the loop for about 15.0ms every 100ms: delayed Heartbeat ×6";

#[test]
fn a_report_begins_with_what_is_wrong_most() {
    let trace = corpus("periodic-blocker");
    let (place, trace) = (Place::new(), text(&trace));
    let page = place.succeed(&["report", trace]);
    let (first, _) = page.split_once(trace).expect("the page names its source");
    let sentence: Vec<&str> = first.split_whitespace().collect();
    assert_eq!(sentence.join(" "), format!("{BLOCKS} → delay caused"));
    let json = place.succeed(&["report", trace, "--json"]);
    assert!(json.contains(&format!(r#""diagnosis":{{"text":"{BLOCKS}","#)), "its text comes first: {json}");
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    let diagnosis = &json["diagnosis"];
    assert_eq!((&diagnosis["text"], &diagnosis["rule"]), (&BLOCKS.into(), &"periodic_blocker".into()));
    assert_eq!((&diagnosis["who"], &diagnosis["period_ns"]), (&"Report".into(), &100_000_000.into()));
    assert_eq!((&diagnosis["count"], &diagnosis["delayed"]), (&6.into(), &6.into()));
}

#[test]
fn a_replay_shows_it_at_once() {
    let place = Place::new();
    let trace = corpus("periodic-blocker");
    let mut terminal = start(&place, &["replay", text(&trace)], &[]);
    let seen = terminal.wait_for("the diagnosis", |text| text.contains("Report blocks the loop"));
    let line = seen.lines().nth(1).unwrap_or_default();
    assert!(line.contains("Report blocks the loop for about 15.0ms every 100ms"), "{seen}");
    terminal.send("G").expect("the terminal takes keys");
    terminal
        .wait_for("the end", |text| text.lines().nth(1).is_some_and(|line| line.contains("▲ Report blocks")));
    leave(terminal);
}
