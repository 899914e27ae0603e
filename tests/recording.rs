//! Tests the recording of a demo: live summary, report, replay and export agree.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use crate::support::program::{Place, Running, text, wait_for};
use crate::support::served::{assert_served, ran};
use crate::support::totals::totals;
use loop_demo::schedule::{Arrival, ECHO_CONNECTIONS, HTTP_CONNECTIONS, Route, Schedule};
use serde_json::{Value, json};

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

    // Events of all six families occurred.
    assert_served(&live);
    assert!(live["microtasks"]["ran"].as_u64() > Some(100));
    assert!(live["gc"]["collect"].as_u64() > Some(0) && live["gc"]["defer"].as_u64() > Some(0));
    assert!(live["signals"]["delivered"].as_u64() > Some(0));
    assert!(live["queues"].as_array().is_some_and(|queues| queues.len() >= 3));

    place.succeed(&["export", trace, "--format", "chrome", "-o", chrome]);
    let exported: Value = serde_json::from_slice(&fs::read(chrome).unwrap()).unwrap();
    let events = exported["traceEvents"].as_array().unwrap();
    let tasks = events.iter().filter(|event| event["ph"] == "X" && event["cat"] == "task").count();
    assert_eq!(Some(tasks as u64), live["tasks"]["count"].as_u64());
    assert!(events.iter().all(|event| event["ph"] == "M" || event["ts"].is_number()));
}

#[test]
fn a_seed_sends_the_same_requests() {
    let place = Place::new();
    // The demo stops at varying times, but sends the same requests up to then.
    for _ in 0..2 {
        let demo = place.json(&["demo", "--seed", "3", "--load", "600", "--duration", "2s", "--json"]);
        let number = |what: &str| demo["workload"][what].as_u64().unwrap();
        let (sent, answered) = (number("sent"), number("answered"));
        let (mut requests, mut posts) = (0, 0);
        let mut expected = BTreeMap::from([("Echo", 0), ("HttpRequest", 0), ("ReadFile", 0)]);
        for (_, arrival) in Schedule::new(3, 600.0) {
            requests += u64::from(matches!(arrival, Arrival::Echo { .. } | Arrival::Http { .. }));
            if requests > sent {
                break;
            }
            match arrival {
                Arrival::Echo { .. } => *expected.entry("Echo").or_default() += 1,
                Arrival::Http { route, .. } => {
                    *expected.entry("HttpRequest").or_default() += 1;
                    *expected.entry("ReadFile").or_default() += u64::from(matches!(route, Route::File(_)));
                }
                Arrival::Posts { count } => posts += u64::from(count),
                Arrival::Signal { .. } | Arrival::Command { .. } => {}
            }
        }
        // Only requests in flight when the loop stopped may be missing.
        for (tag, expected) in expected {
            let (ran, on_their_way) = (ran(&demo, tag), sent - answered);
            assert!(ran <= expected && expected <= ran + on_their_way, "{tag}: {ran} of {expected}");
        }
        assert!((1..=posts).contains(&ran(&demo, "Metric")), "{posts} were posted");
    }
}

#[test]
fn an_injected_stall_is_found_and_blamed() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    place.succeed(&["demo", "--duration", "3s", "--no-tui", "--stall", "40ms", "--record", text(&trace)]);
    // A busy machine adds stalls and slow tasks, so the lists must not be limited to a few.
    let lists = ["--stalls", "10000", "--late-timers", "10000"];
    let summary = place.json(&[&["report", text(&trace), "--json"][..], &lists].concat());
    let stalls = summary["stalls"].as_array().unwrap();
    for stall in stalls {
        let blame = stall["blame"].as_array().unwrap();
        let sum: u64 = blame.iter().map(|line| line["ns"].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), stall["run_ns"].as_u64(), "the breakdown adds up");
        // A busy machine stalls the loop too, and possibly longer than the report does.
        let tasks = blame.iter().filter(|line| line["what"].as_str().unwrap().starts_with("task "));
        assert!(tasks.is_sorted_by_key(|line| Reverse(line["ns"].as_u64())), "the longest first: {blame:?}");
        assert_eq!(blame.last().unwrap()["what"], "unattributed");
    }
    let slow = summary["slow_tasks"].as_array().unwrap();
    let injected: Vec<&Value> = slow
        .iter()
        .filter(|slow| slow["tag"] == "Report" && slow["run_ns"].as_u64() >= Some(40_000_000))
        .collect();
    assert!(injected.len() >= 2, "{slow:?}");
    for slow in injected {
        let line = json!({ "what": format!("task Report #{}", slow["task"]), "ns": slow["run_ns"] });
        let blamed = stalls.iter().filter(|stall| stall["blame"].as_array().unwrap().contains(&line));
        assert_eq!(blamed.count(), 1, "{line} in {stalls:?}");
    }
}

#[test]
fn without_a_ring_the_load_is_still_served() {
    let place = Place::new();
    let summary = place.json(&["demo", "--duration", "1s", "--json", "--no-ring", "--load", "max"]);
    let [sent, answered] = ["sent", "answered"].map(|what| summary["workload"][what].as_u64().unwrap());
    // A connection has at most 16 requests outstanding. The machine decides how many are answered in a second.
    let outstanding = 16 * (ECHO_CONNECTIONS + HTTP_CONNECTIONS) as u64;
    assert!(0 < answered && answered <= sent && sent <= answered + outstanding, "{summary}");
    assert_eq!(summary["tasks"]["count"], 0);
    assert!(place.loops().is_empty());
    let page = place.succeed(&["demo", "--duration", "100ms", "--no-tui", "--no-ring"]);
    assert!(page.contains("\nnothing was recorded of any loop: no figure is known\n"), "{page}");
    assert!(!page.contains("ticks") && !page.contains("no stall") && page.contains("served "), "{page}");
}

#[test]
fn changes_by_another_program_are_reported() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    type Act = fn(&Path);
    let acts: [(&str, bool, Act); 4] = [
        ("was truncated", true, |trace| drop(File::create(trace).expect("it can be emptied"))),
        ("was removed or replaced", true, |trace| fs::remove_file(trace).expect("it is there")),
        ("was removed or replaced", true, |trace| {
            fs::write(trace.with_extension("new"), "new").expect("the place is ours");
            fs::rename(trace.with_extension("new"), trace).expect("it can be replaced");
        }),
        ("where it was moved to", false, |trace| {
            fs::rename(trace, trace.with_extension("moved")).expect("it can be moved");
        }),
    ];
    for (number, (how, ends_at_once, act)) in acts.into_iter().enumerate() {
        let (trace, printed) =
            (place.file(&format!("{number}.looptrace")), place.file(&format!("{number}.txt")));
        let mut command = place.command(&["record", &pid, "-o", text(&trace)]);
        let stderr = File::create(&printed).expect("the place is ours");
        let mut recorder = Running::start(command.stdout(Stdio::null()).stderr(stderr));
        wait_for("whole blocks", || fs::metadata(&trace).is_ok_and(|found| found.len() > 10_000));
        act(&trace);
        if !ends_at_once {
            recorder.signal("INT");
        }
        let status = recorder.wait();
        let page = fs::read_to_string(&printed).expect("it was written");
        assert_eq!(status.code(), Some(3), "{page}");
        assert!(page.contains(text(&trace)) && page.contains(how) && !page.contains("saved"), "{page}");
        if !ends_at_once {
            let report = place.succeed(&["report", text(&trace.with_extension("moved"))]);
            assert!(!report.contains("unclosed"), "{report}");
        }
    }
}
