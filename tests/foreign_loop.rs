//! Tests loops other than loop-core's: a hand-written epoll loop with ten lines of probes, and a program whose ring is
//! overwritten far faster than it is read.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::program::{Place, Running, example, text};
use loop_probes::event::Event;
use loop_probes::session::Session;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, SourceState};
use serde_json::Value;

fn count(summary: &Value, what: &str) -> u64 {
    summary[what]["count"].as_u64().unwrap_or_else(|| panic!("no {what} in {summary}"))
}

#[test]
fn a_hand_written_epoll_loop_is_watched() {
    let place = Place::new();
    let mut example = Command::new(example("loop-probes", "epoll_loop"));
    example.arg("120").env("LOOPSCOPE_DIR", place.rings()).stdout(Stdio::null());
    let mut example = Running::start(&mut example);
    let pid = example.pid().to_string();
    place.wait_until_listed(&example);
    let listed = &place.loops()[0];
    assert_eq!((&listed["program"], &listed["pid"]), (&"epoll_loop".into(), &example.pid().into()));

    let watched = place.watch_until(&example, "its work", |seen| {
        let tags = seen["tasks"]["by_tag"].as_array().unwrap();
        let worked = ["Echo", "Heartbeat"].iter().all(|name| tags.iter().any(|tag| tag["tag"] == *name));
        worked && count(seen, "ticks") > 10 && seen["timers"]["fired"].as_u64() > Some(10)
    });
    assert!(count(&watched, "ticks") > 10 && watched["timers"]["fired"].as_u64() > Some(10), "{watched}");
    let tags: Vec<&str> = watched["tasks"]["by_tag"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["tag"].as_str().unwrap())
        .collect();
    assert!(tags.contains(&"Echo") && tags.contains(&"Heartbeat"), "{tags:?}");

    let (trace, chrome) = (place.file("e.looptrace"), place.file("e.json"));
    let live = place.json(&["record", &pid, "-o", text(&trace), "--duration", "500ms", "--json"]);
    let report = place.json(&["report", text(&trace), "--json"]);
    assert_eq!((&live["tasks"], &live["ticks"]), (&report["tasks"], &report["ticks"]));
    place.succeed(&["export", text(&trace), "-o", text(&chrome)]);
    let exported: Value = serde_json::from_slice(&std::fs::read(&chrome).unwrap()).unwrap();
    let tasks = exported["traceEvents"].as_array().unwrap().iter().filter(|event| event["cat"] == "task");
    assert_eq!(tasks.count() as u64, count(&report, "tasks"));

    example.kill();
    assert_eq!(place.loops()[0]["state"], "crashed");
    assert!(count(&place.json(&["report", &pid, "--json"]), "ticks") > 10);
}

#[test]
fn losses_of_a_slow_reader_are_counted_exactly() {
    let place = Place::new();
    let session = Session::builder("torrent").capacity(1024).shared_in(&place.rings()).unwrap();
    let trace = place.file("t.looptrace");
    let stop = AtomicBool::new(false);
    let (ticks, summary) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let recorder = session.recorder("loop");
            let mut tick = 0;
            while !stop.load(Ordering::Relaxed) {
                tick += 1;
                recorder.record_now(Event::TickStart { tick });
            }
            tick
        });
        let ring = session.path().unwrap().to_owned();
        let summary = place.json(&["record", text(&ring), "-o", text(&trace), "--duration", "1s", "--json"]);
        stop.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), summary)
    });
    let lost = summary["lost_records"].as_u64().unwrap();
    assert!(lost > 0 && ticks > lost, "{lost} of {ticks} were lost");
    assert_eq!(place.json(&["report", text(&trace), "--json"])["lost_records"], lost);

    let mut reader = TraceReader::open(&trace).unwrap();
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() != SourceState::Ended {}
    // Losses before the first tick read, or after the last, leave no gap between two ticks.
    let (mut printed, mut printed_first, mut printed_last, mut missing, mut others) = (0, 0, 0, 0, 0);
    let (mut first, mut last) = (None, None);
    for stamped in &events {
        match stamped.event {
            Event::TickStart { tick } => {
                missing += last.map_or(0, |last| tick - last - 1);
                if first.is_none() {
                    (first, printed_first) = (Some(tick), printed);
                }
                (last, printed_last) = (Some(tick), printed);
            }
            Event::Lost { count, .. } => printed += count,
            _ => others += 1,
        }
    }
    let (first, last) = (first.expect("some ticks were read"), last.expect("some ticks were read"));
    assert_eq!(printed, lost);
    // Every missing tick is counted as lost, and so may be a few calibrations of the recorder.
    let accounts = |part: &str, printed: u64, missing: u64| {
        assert!(
            (missing..=missing + 200).contains(&printed),
            "{part}: {printed} accounted for, {missing} missing"
        );
    };
    let before_attach = summary["before_attach"].as_u64().unwrap();
    accounts("before the first tick", before_attach + printed_first, first - 1);
    accounts("between ticks", printed_last - printed_first, missing);
    let (behind, unread) = (printed - printed_last, ticks - last);
    assert!(behind <= unread + 200, "behind the last tick: {behind} of {unread} are lost");
    assert!(others < 200, "{others}");
}
