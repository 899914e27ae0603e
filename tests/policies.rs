//! Tests the demo under each of its policies: the same load is served, every family of events occurs, and the
//! live summary matches the file's.

use crate::support::program::{Place, text};
use crate::support::served::assert_served;
use crate::support::totals::totals;
use serde_json::Value;

/// Records a demo of three seconds under `policy`; returns its summary.
fn recorded(place: &Place, policy: &str) -> Value {
    let trace = place.file("a.looptrace");
    place.json(&["demo", "--policy", policy, "--duration", "3s", "--json", "--record", text(&trace)])
}

fn serves_and_moves_everything(policy: &str) -> (Place, Value) {
    let place = Place::new();
    let live = recorded(&place, policy);
    assert_eq!(live["source"]["policy"], policy);
    assert_served(&live);
    assert_eq!(live["lost_records"], 0);
    assert!(live["microtasks"]["ran"].as_u64() > Some(100), "{policy}: {live}");
    assert!(live["gc"]["collect"].as_u64() > Some(0), "{policy}: {live}");
    assert!(live["signals"]["delivered"].as_u64() > Some(0), "{policy}: {live}");
    assert!(live["queues"].as_array().is_some_and(|queues| queues.len() >= 3), "{policy}: {live}");
    assert!(live["keep_alive"].as_array().is_some_and(|held| !held.is_empty()), "{policy}: {live}");
    let trace = place.file("a.looptrace");
    let report = place.json(&["report", text(&trace), "--json"]);
    assert_eq!(totals(&live), totals(&report), "{policy}");
    assert_eq!(totals(&report), totals(&place.json(&["replay", text(&trace), "--json"])), "{policy}");
    assert_eq!(report["source"]["policy"], policy);
    (place, live)
}

#[test]
fn bun_is_the_default_and_has_no_agenda() {
    let (place, live) = serves_and_moves_everything("bun");
    assert!(live["agenda"].is_null(), "{}", live["agenda"]);
    let plain = place.json(&["demo", "--duration", "500ms", "--json"]);
    assert_eq!(plain["source"]["policy"], "bun");
}

#[test]
fn quickjs_serves_the_same_load_with_one_timer_per_turn() {
    let (_place, live) = serves_and_moves_everything("quickjs");
    assert!(live["agenda"].is_null());
    // A turn fires at most one timer, so there are at least as many turns as timers.
    assert!(live["ticks"]["count"].as_u64() >= live["timers"]["fired"].as_u64(), "{live}");
}

#[test]
fn agenda_workers_run_part_of_the_work() {
    let (place, live) = serves_and_moves_everything("agenda");
    let agenda = &live["agenda"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {agenda}"));
    let ran = number(&agenda["ran"]);
    let priorities = agenda["priorities"].as_array().unwrap();
    let names: Vec<&str> = priorities.iter().map(|priority| priority["priority"].as_str().unwrap()).collect();
    assert_eq!(names, ["high", "normal", "low"]);
    // On a slow machine, a higher priority may always have work, so that a lower one never runs.
    let mut higher_waits = false;
    for priority in priorities {
        assert!(number(&priority["added"]) > 0, "{agenda}");
        assert!(number(&priority["ran"]) > 0 || higher_waits, "{agenda}");
        higher_waits |= priority["oldest_waiting_ns"].as_u64() > Some(0);
    }
    assert_eq!(priorities.iter().map(|priority| number(&priority["ran"])).sum::<u64>(), ran);
    let workers = agenda["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 3, "{agenda}");
    assert_eq!(workers.iter().map(|worker| number(&worker["ran"])).sum::<u64>(), ran);
    assert!(number(&agenda["added"]) >= ran);
    assert!(number(&agenda["rendezvous"]["count"]) >= 2, "{agenda}");
    // The loop requests collections by sending itself the command `G`, as an operator can.
    let commands = live["commands"]["by_byte"].as_array().unwrap();
    let collect = commands.iter().find(|command| command["byte"] == "G").unwrap();
    assert!(number(&collect["count"]) >= 2 && collect["known"] == true, "{commands:?}");

    let (trace, chrome) = (place.file("a.looptrace"), place.file("a.json"));
    let page = place.succeed(&["report", text(&trace)]);
    assert!(page.contains("AGENDA") && page.contains("worker 2") && page.contains("rendezvous"), "{page}");
    place.succeed(&["export", text(&trace), "-o", text(&chrome)]);
    let exported: Value = serde_json::from_slice(&std::fs::read(chrome).unwrap()).unwrap();
    let events = exported["traceEvents"].as_array().unwrap();
    // Slices and pairs of begin and end events, each counted once.
    let tasklets = events.iter().filter(|event| event["cat"] == "agenda" && event["ph"] != "e").count();
    assert_eq!(tasklets as u64, ran);
    assert!(events.iter().any(|event| event["name"] == "gc rendezvous"));
    let threads = events.iter().filter(|event| event["name"] == "thread_name");
    let threads = threads.filter(|event| event["args"]["name"].as_str().unwrap().contains("agenda worker"));
    assert_eq!(threads.count(), 3);
}
