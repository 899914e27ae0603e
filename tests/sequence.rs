//! Tests recordings of several loops through the real binary: loops built one after the other, more loops than rings,
//! and loops of one name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::program::{Place, text};
use loop_core::{Builtin, Context, EventLoop};
use loop_probes::event::{Event, StopReason};
use loop_probes::ids::TaskId;
use loop_probes::metadata::Metadata;
use loop_probes::session::Session;
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, SourceState};
use loop_traces::writer::TraceWriter;
use loopscope::io::recording::Recording;

/// Records what `program` does in a session of its own.
fn record(place: &Place, name: &str, program: impl FnOnce(&Session)) -> PathBuf {
    let trace = place.file(name);
    let session = Session::builder("sequence").capacity(4096).private();
    let recording = Recording::start(&session, Some(&trace)).expect("a trace can be written");
    program(&session);
    session.finish();
    drop(session);
    recording.finish().1.expect("a whole recording");
    trace
}

fn build(session: &Session, name: &str) -> EventLoop<Builtin> {
    EventLoop::builder().session(session, name).build().expect("a loop can be built")
}

/// A loop from its first tick to its last: ten tasks and a timer that ends it.
fn run_one(session: &Session, name: &str) {
    let mut event_loop = build(session, name);
    event_loop.with(|cx| {
        for _ in 0..10 {
            cx.post(Builtin::once("work", |_| {}));
        }
        cx.set_timeout(Duration::from_millis(1), Builtin::once("end", |cx| cx.stop()));
    });
    event_loop.run().expect("it runs");
    event_loop.close();
}

fn events(trace: &Path) -> (Metadata, Vec<Stamped>) {
    let mut reader = TraceReader::open(trace).expect("a trace can be read");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("a whole trace") != SourceState::Ended {}
    (reader.metadata().clone(), events)
}

fn write(trace: &Path, metadata: &Metadata, events: &[Stamped]) {
    let mut writer = TraceWriter::create(trace, metadata).expect("a trace can be written");
    writer.append(events).expect("it can be written to");
    writer.finish().expect("it can be closed");
}

#[test]
fn loops_of_one_name_one_after_the_other_are_each_checked() {
    let place = Place::new();
    let trace = record(&place, "three.looptrace", |session| {
        (0..3).for_each(|_| run_one(session, "worker"));
    });
    let checked = place.json(&["rerun", text(&trace), "--check", "--json"]);
    let report = place.json(&["report", text(&trace), "--json"]);
    assert_eq!((&checked["agrees"], &checked["loops_in_sequence"]), (&true.into(), &3.into()), "{checked:#}");
    assert_eq!(
        (&checked["ticks"], &checked["tasks"]),
        (&report["ticks"]["count"], &report["tasks"]["count"])
    );
    assert_eq!((&checked["loops_unchecked"], &checked["snapshots"]), (&0.into(), &3.into()), "{checked:#}");
    let page = place.succeed(&["rerun", text(&trace), "--check"]);
    assert!(page.contains("\n  3 loops of that name, one after the other\n"), "{page}");
    let named = place.json(&["rerun", text(&trace), "--check", "--json", "--loop", "worker"]);
    assert_eq!(named["loops_in_sequence"], 3, "{named:#}");

    // A change in the second is found in the second.
    let (metadata, mut events) = events(&trace);
    let is_closed =
        |stamped: &Stamped| matches!(stamped.event, Event::LoopStopped { reason: StopReason::Closed });
    let second = events.iter().position(is_closed).expect("the first is closed");
    let changed = events[second..].iter_mut().find_map(|stamped| match &mut stamped.event {
        Event::TaskRan { task, .. } => Some(task),
        _ => None,
    });
    *changed.expect("it runs tasks") = TaskId(77);
    let edited = place.file("edited.looptrace");
    write(&edited, &metadata, &events);
    let stderr = place.fail(1, &["rerun", text(&edited), "--check"]);
    assert!(stderr.contains("decides differently in tick 1 of loop 2 in sequence"), "{stderr}");
}

/// Waits for `timers` further timers, one after the other, then stops.
fn wait(cx: &mut Context<'_, Builtin>, timers: u32) {
    let next = move |cx: &mut Context<'_, Builtin>| match timers {
        0 => cx.stop(),
        _ => wait(cx, timers - 1),
    };
    cx.set_timeout(Duration::from_millis(1), Builtin::once("wait", next));
}

#[test]
fn loops_of_one_name_are_selected_by_their_names_in_reports() {
    let place = Place::new();
    let trace = record(&place, "alike.looptrace", |session| {
        let mut loops = ["a", "b", "b"].map(|name| build(session, name));
        for (number, event_loop) in loops.iter_mut().enumerate() {
            event_loop.with(|cx| {
                // Unlike a lag, a count does not depend on the load of the machine.
                for _ in 0..if number == 2 { 2 } else { 1 } {
                    cx.post(Builtin::once("counted", |_| {}));
                }
                cx.set_timeout(Duration::from_millis(1), Builtin::once("late", |_| {}));
                // Each of these timers arms the next, so that each has its own tick.
                wait(cx, if number == 0 { 50 } else { 3 });
            });
            event_loop.run().expect("it runs");
        }
    });
    let report = place.json(&["report", text(&trace), "--json"]);
    let names: Vec<&str> =
        report["loops"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b #2", "b #3"]);
    for name in names {
        let checked = place.json(&["rerun", text(&trace), "--check", "--json", "--loop", name]);
        assert_eq!((&checked["agrees"], &checked["loop"]), (&true.into(), &name.into()), "{checked:#}");
        let what_if = place.json(&["rerun", text(&trace), "--json", "--loop", name]);
        assert_eq!(what_if["after"]["loops"][0]["name"], name, "{what_if:#}");
    }
    let stderr = place.fail(2, &["rerun", text(&trace), "--check", "--loop", "b"]);
    assert!(stderr.contains("b #2") && stderr.contains("b #3"), "{stderr}");

    let small = place.file("small.looptrace");
    let keep = "loop.b #3.task.counted.count > 1";
    place.succeed(&["minimize", text(&trace), "--keep", keep, "-o", text(&small)]);
    place.succeed(&["rerun", text(&small), "--check"]);
    let of_small = place.json(&["report", text(&small), "--json"]);
    assert_eq!(of_small["loops"][0]["name"], "b #3", "{of_small:#}");
    let stderr =
        place.fail(1, &["minimize", text(&trace), "--keep", &keep["loop.b #3.".len()..], "-o", text(&small)]);
    assert!(stderr.contains("its loop a") && stderr.contains("loop.NAME.task.counted.count > 1"), "{stderr}");
}

#[test]
fn more_loops_than_rings_one_after_the_other_stay_apart() {
    let place = Place::new();
    let trace = record(&place, "many.looptrace", |session| {
        (0..70).for_each(|number| run_one(session, &format!("w{number}")));
    });
    let report = place.json(&["report", text(&trace), "--json"]);
    let loops = report["loops"].as_array().unwrap();
    let names: Vec<&str> = loops.iter().map(|one| one["name"].as_str().unwrap()).collect();
    let first: Vec<String> = (0..64).map(|number| format!("w{number}")).collect();
    assert_eq!(names, first);
    let tasks: Vec<u64> = loops.iter().map(|one| one["tasks"]["count"].as_u64().unwrap()).collect();
    assert_eq!(tasks, [11; 64], "tasks of one loop are counted for another");
    assert_eq!((&report["loops_beyond_limit"], &report["tasks"]["count"]), (&true.into(), &(70 * 11).into()));
    for name in ["w0", "w5", "w69"] {
        let checked = place.json(&["rerun", text(&trace), "--check", "--json", "--loop", name]);
        assert_eq!((&checked["agrees"], &checked["tasks"]), (&true.into(), &11.into()), "{checked:#}");
    }
}

/// A block that is missing from a recording, or unreadable, leaves a hole that only the tick numbers show.
#[test]
fn an_unreported_hole_is_not_a_divergence() {
    let place = Place::new();
    let trace = record(&place, "whole.looptrace", |session| run_one(session, "worker"));
    let (metadata, events) = events(&trace);
    let is_end = |stamped: &Stamped| matches!(stamped.event, Event::TickEnd { .. });
    let first = events.iter().position(is_end).expect("it has a tick");
    // From within the first tick into another one.
    let mut without: Vec<Stamped> = events[..first - 8].to_vec();
    without.extend(events[first..].iter().map(|stamped| {
        let mut stamped = *stamped;
        match &mut stamped.event {
            Event::TickStart { tick: number } | Event::TickEnd { tick: number, .. } => *number += 20,
            _ => {}
        }
        stamped
    }));
    let holed = place.file("holed.looptrace");
    write(&holed, &metadata, &without);
    let stderr = place.fail(3, &["rerun", text(&holed), "--check"]);
    assert!(stderr.contains("no snapshot of a loop after its last loss"), "{stderr}");
}
