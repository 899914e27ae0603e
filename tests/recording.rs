//! A demo that is recorded, and the file afterwards: the same totals everywhere.

#[expect(dead_code, reason = "each test file uses its part")]
#[path = "support/program.rs"]
mod program;
#[path = "support/totals.rs"]
mod totals;

use std::collections::BTreeMap;

use program::{Place, text};
use serde_json::Value;
use totals::totals;

#[test]
fn live_report_replay_and_export_agree() {
    let place = Place::new();
    let (trace, chrome) = (place.file("a.looptrace"), place.file("a.json"));
    let (trace, chrome) = (text(&trace), text(&chrome));
    let live = place.json(&["demo", "--seed", "7", "--duration", "3s", "--json", "--record", trace]);
    let report = place.json(&["report", trace, "--json"]);
    assert_eq!(totals(&live), totals(&report));
    assert_eq!(totals(&report), totals(&place.json(&["replay", trace, "--json"])));
    assert_eq!(live["lost_records"], 0, "an in-process recording loses nothing");

    // All six families moved.
    assert!(live["tasks"]["count"].as_u64() > Some(1000), "{live}");
    assert!(live["microtasks"]["ran"].as_u64() > Some(100));
    assert!(live["timers"]["fired"].as_u64() > Some(1000));
    assert!(live["gc"]["collect"].as_u64() > Some(0) && live["gc"]["defer"].as_u64() > Some(0));
    assert!(live["signals"]["delivered"].as_u64() > Some(0));
    assert!(live["queues"].as_array().is_some_and(|queues| queues.len() >= 3));

    place.succeed(&["export", trace, "--format", "chrome", "-o", chrome]);
    let exported: Value = serde_json::from_slice(&std::fs::read(chrome).unwrap()).unwrap();
    let events = exported["traceEvents"].as_array().unwrap();
    let tasks = events.iter().filter(|event| event["ph"] == "X" && event["cat"] == "task").count();
    assert_eq!(Some(tasks as u64), live["tasks"]["count"].as_u64());
    assert!(events.iter().all(|event| event["ph"] == "M" || event["ts"].is_number()));
}

#[test]
fn a_seed_sends_the_same_requests() {
    let place = Place::new();
    let sent = |seed: &str| {
        let trace = place.file(&format!("{seed}.looptrace"));
        place.succeed(&["demo", "--seed", seed, "--duration", "2s", "--no-tui", "--record", text(&trace)]);
        place.json(&["report", text(&trace), "--json"])["tasks"]["by_tag"].clone()
    };
    let count = |tags: &Value, tag: &str| {
        let tags = tags.as_array().unwrap();
        tags.iter().find(|found| found["tag"] == tag).map_or(0, |found| found["count"].as_u64().unwrap())
    };
    let (first, again) = (sent("3"), sent("3"));
    // The stop comes at slightly different moments; what arrives until then does not differ.
    for tag in ["Echo", "HttpRequest", "ReadFile", "Metric"] {
        let (first, again) = (count(&first, tag), count(&again, tag));
        assert!(first > 0 && first.abs_diff(again) * 10 <= first.max(again), "{tag}: {first}, then {again}");
    }
}

#[test]
fn an_injected_stall_is_found_and_blamed() {
    let place = Place::new();
    let summary = place.json(&["demo", "--duration", "3s", "--json", "--stall", "40ms"]);
    let stalls = summary["stalls"].as_array().unwrap();
    let injected: Vec<&Value> =
        stalls.iter().filter(|stall| stall["run_ns"].as_u64() >= Some(40_000_000)).collect();
    assert!(injected.len() >= 2, "{stalls:?}");
    for stall in injected {
        let blame = stall["blame"].as_array().unwrap();
        let sum: u64 = blame.iter().map(|line| line["ns"].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), stall["run_ns"].as_u64(), "the ledger adds up");
        assert!(blame[0]["what"].as_str().unwrap().contains("Report"), "{blame:?}");
        assert!(blame[0]["ns"].as_u64() >= Some(40_000_000), "{blame:?}");
    }
}

#[test]
fn a_scaled_tag_takes_longer() {
    let place = Place::new();
    let median = |arguments: &[&str]| {
        let mut all = vec!["demo", "--duration", "2s", "--json"];
        all.extend(arguments);
        let summary = place.json(&all);
        let tags: BTreeMap<String, u64> = summary["tasks"]["by_tag"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| (tag["tag"].as_str().unwrap().to_owned(), tag["run_ns"]["p50"].as_u64().unwrap()))
            .collect();
        tags["Echo"]
    };
    let (plain, scaled) = (median(&[]), median(&["--scale", "Echo=40"]));
    // A factor far beyond what a busy machine does to a median.
    assert!(scaled > 4 * plain, "{plain} ns, scaled {scaled} ns");
}

#[test]
fn without_a_ring_the_load_is_served_all_the_same() {
    let place = Place::new();
    let summary = place.json(&["demo", "--duration", "1s", "--json", "--no-ring", "--load", "max"]);
    assert!(summary["workload"]["answered"].as_u64() > Some(1000), "{summary}");
    assert_eq!(summary["tasks"]["count"], 0);
    assert!(place.loops().is_empty());
}
