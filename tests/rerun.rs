//! Tests `rerun --check` through the real binary: the recordings of the demo and of the echo server are
//! re-executed, later changes to them are found, and the reason is given if a recording cannot be checked.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::program::{Place, Running, text, wait_for};
use loop_probes::event::{Event, GcReason, Outcome};
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, SourceState};
use loop_traces::writer::TraceWriter;
use serde_json::Value;

fn record(place: &Place, name: &str, arguments: &[&str]) -> std::path::PathBuf {
    let trace = place.file(name);
    let demo = ["demo", "--no-tui", "--record", text(&trace)];
    place.succeed(&[&demo, arguments].concat());
    trace
}

fn check(place: &Place, trace: &Path) -> Value {
    let checked = place.json(&["rerun", text(trace), "--check", "--json"]);
    assert_eq!(checked["agrees"], true, "{checked:#}");
    assert_eq!(checked["divergence"], Value::Null);
    checked
}

/// Like [`check`], for a recording from the loop's start, all of which must be re-executed.
fn check_all(place: &Place, trace: &Path) -> Value {
    let (checked, report) = (check(place, trace), place.json(&["report", text(trace), "--json"]));
    assert_eq!(checked["first_tick"], 1);
    for (what, recorded) in [
        ("ticks", &report["ticks"]["count"]),
        ("tasks", &report["tasks"]["count"]),
        ("timers", &report["timers"]["fired"]),
        ("snapshots", &snapshots(trace).into()),
    ] {
        assert_eq!(&checked[what], recorded, "{what}");
        assert!(recorded.as_u64() > Some(0), "{what}");
    }
    checked
}

/// The number of snapshots in the recording.
fn snapshots(trace: &Path) -> usize {
    let mut reader = TraceReader::open(trace).expect("a trace can be read");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("a whole trace") != SourceState::Ended {}
    events.iter().filter(|stamped| matches!(stamped.event, Event::SnapshotEnd { .. })).count()
}

#[test]
fn every_demo_policy_replays_identically() {
    let place = Place::new();
    for policy in ["bun", "quickjs", "agenda"] {
        let trace =
            record(&place, "a.looptrace", &["--duration", "2500ms", "--policy", policy, "--seed", "11"]);
        let checked = check_all(&place, &trace);
        assert_eq!(checked["policy"], policy);
    }
}

#[test]
fn saturated_and_stalling_demos_replay_identically() {
    let place = Place::new();
    let full = record(&place, "full.looptrace", &["--duration", "700ms", "--load", "max"]);
    check_all(&place, &full);
    let stalled =
        record(&place, "stalled.looptrace", &["--duration", "2500ms", "--stall", "40ms", "--seed", "4"]);
    let page = place.succeed(&["rerun", text(&stalled), "--check"]);
    assert!(page.contains("every decision was made again, under policy bun"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 120), "{page}");
    let mut below = page.lines().skip(1);
    assert!(below.all(|line| line.chars().count() <= 80 && line.starts_with("  ")), "between words: {page}");
}

#[test]
fn a_demo_that_was_killed_agrees_up_to_its_last_whole_tick() {
    let place = Place::new();
    for (number, load) in ["max", "max", "400"].into_iter().enumerate() {
        let trace = place.file(&format!("killed-{number}.looptrace"));
        // Longer than the test takes on any machine: a demo that ends closes its recording.
        let arguments = ["demo", "--no-tui", "--duration", "600s", "--load", load, "--record", text(&trace)];
        let mut demo = Running::start(place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()));
        let most = 150_000 * (number as u64 + 1);
        wait_for("some of it to be recorded", || trace.metadata().is_ok_and(|file| file.len() > most));
        demo.signal("KILL");
        assert_eq!(demo.wait().signal(), Some(9), "the demo was killed, and had not ended");
        let checked = check(&place, &trace);
        let cut_in = checked["cut_in_tick"].as_u64();
        assert!(cut_in.is_none_or(|tick| Some(tick - 1) == checked["last_tick"].as_u64()), "{checked:#}");
    }
}

#[test]
fn a_recording_that_was_attached_late_begins_at_its_first_snapshot() {
    let place = Place::new();
    let demo = place.demo(&["--seed", "6"]);
    let trace = place.file("late.looptrace");
    let pid = demo.pid().to_string();
    // Longer than the time between two snapshots.
    place.succeed(&["record", &pid, "-o", text(&trace), "--duration", "3s"]);
    let checked = check(&place, &trace);
    assert!(checked["ticks"].as_u64() > Some(100), "{checked:#}");
    let ring = place.json(&["rerun", &pid, "--check", "--json"]);
    assert_eq!(ring["agrees"], true, "{ring:#}");
}

#[test]
fn futures_and_a_shutdown_replay_identically() {
    let place = Place::new();
    // The server's final output is not checked, but the pipe must stay open.
    let (mut echo, _lines, address) = place.echo_server();
    let trace = place.file("echo.looptrace");
    let (pid, mut buffer) = (echo.pid().to_string(), [0; 4096]);
    let mut recording = Running::start(
        place.command(&["record", &pid, "-o", text(&trace)]).stdout(Stdio::null()).stderr(Stdio::null()),
    );
    for round in 1..60 {
        let mut client = TcpStream::connect(&address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for _ in 0..round % 5 + 1 {
            client.write_all(&[b'x'; 700]).unwrap();
            client.read_exact(&mut buffer[..700]).unwrap();
        }
    }
    wait_for("the recording to have begun", || trace.exists());
    echo.signal("TERM");
    echo.wait();
    recording.wait();
    let checked = check(&place, &trace);
    assert!(checked["tasks"].as_u64() > Some(60), "{checked:#}");
}

/// Applies `edit` to the events from the middle on, and returns the tick of the event that it changed.
fn edited(from: &Path, to: &Path, edit: impl FnOnce(&mut [Stamped]) -> usize) -> u64 {
    let mut reader = TraceReader::open(from).expect("a trace can be read");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("a whole trace") == SourceState::More {}
    let middle = events.len() / 2;
    let place = middle + edit(&mut events[middle..]);
    let source = events[place].source;
    let mut writer = TraceWriter::create(to, reader.metadata()).expect("a file can be made");
    writer.append(&events).expect("a file can be written");
    writer.finish().expect("a file can be written");
    let starts = events[..place].iter().rev().filter(|stamped| stamped.source == source);
    let mut ticks = starts.filter_map(|stamped| match stamped.event {
        Event::TickStart { tick } => Some(tick),
        _ => None,
    });
    ticks.next().expect("it is in a tick")
}

/// Checks that the recording diverges in `tick`, as text and as JSON.
fn assert_parts_in(place: &Place, trace: &Path, tick: u64) {
    let output = place.run(&["rerun", text(trace), "--check", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("output is UTF-8 and JSON");
    assert_eq!(
        (&report["agrees"], &report["divergence"]["tick"]),
        (&Value::Bool(false), &tick.into()),
        "{report:#}"
    );
    let output = place.run(&["rerun", text(trace), "--check"]);
    assert_eq!(output.status.code(), Some(1));
    let block = String::from_utf8(output.stdout).expect("output is UTF-8 and JSON");
    assert!(block.contains("  > recorded    ") && block.contains("  > happened    "), "{block}");
    let line = String::from_utf8(output.stderr).expect("output is UTF-8 and JSON");
    assert!(line.contains(&format!("in tick {tick}")) && line.lines().count() == 1, "{line}");
}

#[test]
fn one_changed_decision_is_found_in_its_tick() {
    let place = Place::new();
    let whole = record(&place, "whole.looptrace", &["--duration", "2s", "--seed", "2"]);
    let changed = place.file("changed.looptrace");
    let tick = edited(&whole, &changed, |events| {
        let decided = |stamped: &mut Stamped| match &mut stamped.event {
            Event::GcDecision { reason, .. } => {
                *reason = if *reason == GcReason::Doubled { GcReason::Changed } else { GcReason::Doubled };
                true
            }
            _ => false,
        };
        events.iter_mut().position(decided).unwrap()
    });
    assert_parts_in(&place, &changed, tick);
    let tick = edited(&whole, &changed, |events| {
        let skipped = |stamped: &mut Stamped| match &mut stamped.event {
            Event::TimerFired { skipped, .. } => {
                *skipped += 1;
                true
            }
            _ => false,
        };
        events.iter_mut().position(skipped).unwrap()
    });
    assert_parts_in(&place, &changed, tick);
    let tick = edited(&whole, &changed, |events| {
        let ran = |event: &Event| matches!(event, Event::TaskRan { outcome: Outcome::Done, .. });
        let mut pairs = 0..events.len() - 1;
        // Two consecutive tasks of the same pass.
        let first = pairs.find(|place| ran(&events[*place].event) && ran(&events[*place + 1].event)).unwrap();
        let (one, other) = (events[first].event, events[first + 1].event);
        (events[first].event, events[first + 1].event) = (other, one);
        first
    });
    assert_parts_in(&place, &changed, tick);
}

#[test]
fn uncheckable_recordings_say_why_in_one_line() {
    let place = Place::new();
    let whole = record(&place, "whole.looptrace", &["--duration", "1s"]);
    let without = place.file("without.looptrace");
    let mut reader = TraceReader::open(&whole).unwrap();
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() == SourceState::More {}
    let write = |events: &[Stamped]| {
        let mut writer = TraceWriter::create(&without, reader.metadata()).unwrap();
        writer.append(events).unwrap();
        writer.finish().unwrap();
    };
    let kept = |keep: fn(&Event) -> bool| -> Vec<Stamped> {
        events.iter().filter(|stamped| keep(&stamped.event)).copied().collect()
    };
    write(&kept(|event| !matches!(event, Event::SnapshotEnd { .. })));
    let stderr = place.fail(3, &["rerun", text(&without), "--check"]);
    assert!(stderr.contains("no snapshot"), "{stderr}");
    write(&kept(|event| !matches!(event, Event::SnapshotLoop { .. })));
    let stderr = place.fail(3, &["rerun", text(&without), "--check"]);
    assert!(stderr.contains("format 1.1 or earlier"), "{stderr}");
    write(&kept(|event| matches!(event, Event::Label { .. } | Event::Span { .. } | Event::Mark { .. })));
    let stderr = place.fail(3, &["rerun", text(&without), "--check"]);
    assert!(stderr.contains("no ticks of a loop-core loop"), "{stderr}");
}

/// Recordings of all older versions can be used for what-ifs. A check needs the loop's state, which 1.0 lacks.
#[test]
fn recordings_of_older_versions_are_checked_or_refused() {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/versions");
    for (version, has_state) in [("1.0", false), ("1.1", true), ("1.2", true)] {
        let trace = folder.join(format!("{version}.looptrace"));
        let page = place.succeed(&["rerun", text(&trace), "--policy", "quickjs"]);
        assert!(page.contains("what if: --policy quickjs"), "{version}: {page}");
        if has_state {
            let page = place.succeed(&["rerun", text(&trace), "--check"]);
            assert!(page.contains("every decision was made again"), "{version}: {page}");
        } else {
            let stderr = place.fail(3, &["rerun", text(&trace), "--check"]);
            assert!(stderr.contains("format 1.1 or earlier"), "{version}: {stderr}");
        }
    }
}
