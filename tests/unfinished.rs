//! Tests that unfinished activity is shown with its duration so far: a hang while it lasts, in its recording, and in the
//! ring that it leaves behind.

use std::path::Path;
use std::process::Stdio;

use crate::support::program::{Place, Running, text, wait_for};
use loop_probes::metadata::Metadata;
use loop_traces::writer::{TraceWriter, WriteOptions};
use serde_json::Value;

/// A demo whose loop hangs in its task `Report` for 10 s at a time and which records itself to `trace`, and the report
/// on its ring during a hang.
fn hanging(place: &Place, trace: &Path) -> (Running, Value) {
    let demo = place.demo(&["--stall", "10s", "--stall-limit", "50ms", "--record", text(trace)]);
    let pid = demo.pid().to_string();
    let mut seen = Value::Null;
    wait_for("the hang", || {
        seen = place.report(&pid).unwrap_or_default();
        hang_with_timers(&seen) > Some(300_000_000)
    });
    (demo, seen)
}

/// The minimum duration of the hang, if `summary` shows one; checks that all its figures agree.
fn hang_of(summary: &Value) -> Option<u64> {
    let open = &summary["open_tick"];
    let running = open["running"].as_str()?;
    let run_ns = open["run_ns"].as_u64()?;
    if !running.starts_with("task Report #") || run_ns < 60_000_000 {
        return None;
    }
    assert!(open["running_since_ns"].as_u64() > open["at_ns"].as_u64(), "{open}");
    let stall = unfinished(&summary["stalls"]);
    assert_eq!((&stall["tick"], &stall["run_ns"]), (&open["tick"], &open["run_ns"]));
    assert_eq!(stall["blame"][0]["what"], running, "{stall}");
    assert_eq!(summary["ticks"]["run_ns"]["max"], longest(&summary["stalls"], "run_ns"));
    let slow = unfinished(&summary["slow_tasks"]);
    assert_eq!((&slow["run_ns"], &slow["tag"]), (&open["running_ns"], &"Report".into()), "{slow}");
    let tags = summary["tasks"]["by_tag"].as_array()?;
    let report = tags.iter().find(|tag| tag["tag"] == "Report").expect("its tag is listed");
    assert_eq!(report["run_ns"]["max"], longest(&summary["slow_tasks"], "run_ns"), "{report}");
    Some(run_ns)
}

/// The worst entry of `list` that has not ended. Others may be worse: a hang that is over, before this one.
#[track_caller]
fn unfinished(list: &Value) -> &Value {
    let mut entries = list.as_array().expect("a list").iter();
    entries.find(|entry| entry["open"] == true).unwrap_or_else(|| panic!("one of them is open: {list}"))
}

/// The largest value of `field` in `list`.
fn longest(list: &Value, field: &str) -> Value {
    let entries = list.as_array().expect("a list").iter();
    entries.map(|entry| entry[field].as_u64().expect("a duration")).max().into()
}

/// Like [`hang_of`], if the armed timers are known.
fn hang_with_timers(summary: &Value) -> Option<u64> {
    let run_ns = hang_of(summary)?;
    // The demo has a one-millisecond heartbeat.
    let late = unfinished(&summary["late_timers"]);
    assert_eq!(late["fired_ns"], Value::Null, "{late}");
    assert_eq!(summary["timers"]["lag_ns"]["max"], longest(&summary["late_timers"], "lag_ns"));
    assert!(late["lag_ns"].as_u64() > Some(run_ns / 2), "{late}");
    Some(run_ns)
}

fn gate(place: &Place, name: &str, text: &str) -> String {
    let file = place.file(name);
    std::fs::write(&file, text).expect("the place is ours");
    crate::support::program::text(&file).to_owned()
}

/// The exit codes of `report` on `what` with a gate, without and with `--strict`.
fn exits(place: &Place, what: &str, gate: &str) -> [Option<i32>; 2] {
    let code = |more: &[&str]| {
        let arguments = [&["report", what, "--gate", gate], more].concat();
        place.run(&arguments).status.code()
    };
    [code(&[]), code(&["--strict"])]
}

#[test]
fn a_recording_of_a_process_that_crashed_says_so() {
    let place = Place::new();
    let recorded = place.file("crashed.looptrace");
    let mut demo = place.demo(&[]);
    let arguments = ["record", &demo.pid().to_string(), "-o", text(&recorded)];
    let mut command = place.command(&arguments);
    let mut recorder = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let ticks = |report: Value| report["ticks"]["count"].as_u64() > Some(0);
    wait_for("a recording", || place.report(text(&recorded)).is_some_and(ticks));
    demo.kill();
    assert!(recorder.wait().success(), "the recording ends with the process");
    let report = place.report(text(&recorded)).unwrap();
    assert_eq!((&report["source"]["state"], &report["closed"]), (&"crashed".into(), &false.into()));
    let shown = place.succeed(&["report", text(&recorded)]);
    assert!(shown.contains("\ncrashed after 00:"), "{shown}");
}

#[test]
fn a_hang_is_reported_while_it_lasts_and_afterwards() {
    let place = Place::new();
    let (trace, recorded) = (place.file("own.looptrace"), place.file("recorded.looptrace"));
    let (mut demo, live) = hanging(&place, &trace);
    assert_eq!((&live["source"]["state"], &live["closed"]), (&"running".into(), &false.into()));
    let pid = demo.pid().to_string();
    let no_stall = gate(&place, "stalls.toml", "[[gate]]\nmetric = \"stalls\"\nmax = 0\n");
    let lag = gate(&place, "lag.toml", "[[gate]]\nmetric = \"timer_lag.max\"\nmax = \"100ms\"\n");
    let fails = |what: &str| {
        for gate in [&no_stall, &lag] {
            assert_eq!(exits(&place, what, gate), [Some(1); 2], "{what} {gate}");
        }
    };
    fails(&pid);

    // Stopped during the hang, so that the hang lasts as long as the checks take.
    wait_for("another hang", || {
        demo.stop();
        let hangs = hang_with_timers(&place.report(&pid).unwrap_or_default()) > Some(300_000_000);
        if !hangs {
            demo.signal("CONT");
        }
        hangs
    });
    fails(&pid);
    fails(text(&trace));
    assert_eq!(place.report(text(&trace)).unwrap()["source"]["state"], "unclosed", "it is being written");
    let shown = place.succeed(&["report", &pid]);
    let line = shown.lines().find(|line| line.contains("still running: Report #")).expect("it says so");
    assert!(line.starts_with("at least ") && line.contains(", since 00:"), "{line}");
    let report = place.json(&["record", &pid, "-o", text(&recorded), "--duration", "200ms", "--json"]);
    assert!(hang_with_timers(&report).is_some(), "{report}");
    let closed = place.report(text(&recorded)).unwrap();
    assert!(
        hang_with_timers(&closed).is_some() && closed["closed"] == true,
        "the recording ends in order, the tick does not"
    );
    fails(text(&recorded));
    let attached = place.json(&["attach", &pid, "--no-tui", "--json", "--duration", "200ms"]);
    assert!(hang_of(&attached).is_some(), "attached in the middle of it: {attached}");
    assert!(attached["ticks"]["utilization"].as_f64() > Some(0.8), "a tick that is stuck is busy");
    assert!(
        place.loops()[0]["open_tick"]["running"]
            .as_str()
            .is_some_and(|doing| doing.starts_with("task Report #"))
    );
    assert!(place.succeed(&["ps"]).contains(", still running: Report #"));
    demo.kill();

    // The ring and the recording that remain.
    for left in [text(&trace), &pid] {
        fails(left);
        assert!(hang_with_timers(&place.report(left).unwrap()) > Some(300_000_000));
    }
    assert_left_out_of_what_if(&place, &trace);
    assert_eq!(place.report(&pid).unwrap()["source"]["state"], "crashed");
    let shown = place.succeed(&["report", &pid]);
    assert!(shown.contains("\ncrashed") && shown.contains("\nat least "), "{shown}");
    for shown in [shown, place.succeed(&["ps"])] {
        assert!(shown.contains(", was running: Report #") && !shown.contains("still running"), "{shown}");
    }
    let gone = place.json(&["attach", &pid, "--no-tui", "--json"]);
    assert!(gone["source"]["state"] == "crashed" && hang_with_timers(&gone).is_some(), "{gone}");
}

/// Checks that a re-execution of `trace`, which ends in a hang, ends before the hang.
#[track_caller]
fn assert_left_out_of_what_if(place: &Place, trace: &Path) {
    let report = place.report(text(trace)).expect("it is a recording");
    let (hang, hang_ns) = (&report["open_tick"], hang_of(&report).expect("it ends in a hang"));
    let json_report = place.json(&["rerun", text(trace), "--json"]);
    let open = &json_report["open_tick"];
    assert_eq!((&open["tick"], &open["running"]), (&hang["tick"], &hang["running"]));
    assert_eq!((&open["run_ns"], &open["running_ns"]), (&hang["run_ns"], &hang["running_ns"]));
    let [recorded, before, after] = [&report, &json_report["before"], &json_report["after"]]
        .map(|side| side["span_ns"].as_u64().expect("it has a span"));
    assert!(before <= recorded - hang_ns, "{before} {recorded} {hang_ns}");
    assert!(after < before + hang_ns / 2, "the hang does not count as idle: {after} {before} {hang_ns}");
    for side in ["before", "after"] {
        assert_eq!(
            (&json_report[side]["open_tick"], &json_report[side]["ticks"]["open"]),
            (&Value::Null, &0.into())
        );
    }
    let shown = place.succeed(&["rerun", text(trace)]);
    assert!(
        shown.contains("\nnot included: tick ") && shown.contains("in which the recording ends"),
        "{shown}"
    );
}

#[test]
fn a_source_without_a_tick_decides_no_gate() {
    let place = Place::new();
    let gate = gate(&place, "gate.toml", "[[gate]]\nmetric = \"stalls\"\nmax = 0\n");
    let (closed, cut) = (place.file("closed.looptrace"), place.file("cut.looptrace"));
    TraceWriter::create(&closed, &Metadata::new("nothing")).unwrap().finish().unwrap();
    let mut header = Vec::new();
    drop(TraceWriter::new(&mut header, &cut, &Metadata::new("nothing"), WriteOptions::default()).unwrap());
    std::fs::write(&cut, header).unwrap();
    for trace in [closed, cut] {
        assert_eq!(exits(&place, text(&trace), &gate), [Some(0), Some(1)], "{trace:?}");
    }
}
