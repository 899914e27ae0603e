//! Tests of the export: valid JSON, sorted and nested per thread, with one slice per task.

mod embedded;

use std::collections::HashMap;
use std::io;

use loop_probes::event::{Origin, Outcome, Placement};
use loop_probes::ids::{SourceId, TaskId};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::chrome::import::Import;
use crate::chrome::lint::{Effect, Rule, Viewer, lint};
use crate::source::{MemorySource, SourceKind};
use crate::synthetic::Script;
use crate::synthetic::strategy::{hanging, hostile_events, scripts};

fn exported(script: &Script, options: ExportOptions) -> (Value, ExportStats) {
    let source = script.source();
    let mut out = Vec::new();
    let stats = export(|| Ok(source.clone()), options, &mut out).unwrap();
    assert_eq!(stats.bytes, out.len() as u64);
    (serde_json::from_slice(&out).unwrap(), stats)
}

/// A time as integer nanoseconds: three decimals of a number this small survive a double.
fn ns(value: &Value) -> u64 {
    (value.as_f64().unwrap() * 1_000.0).round() as u64
}

fn check(json: &Value) -> HashMap<String, u64> {
    let events = json["traceEvents"].as_array().unwrap();
    let mut by_phase = HashMap::new();
    let mut threads: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    let mut names_over = false;
    for event in events {
        let phase = event["ph"].as_str().unwrap();
        *by_phase.entry(phase.to_owned()).or_insert(0) += 1;
        assert!(event["name"].is_string() && event["pid"].as_u64() == Some(4121));
        let tid = event["tid"].as_u64().unwrap();
        assert!(tid > 0);
        if phase == "M" {
            assert!(!names_over, "names come first");
            continue;
        }
        names_over = true;
        let at = ns(&event["ts"]);
        let open = threads.entry(tid).or_default();
        match phase {
            "X" => {
                let end = at + ns(&event["dur"]);
                assert!(open.last().is_none_or(|(start, _)| *start <= at), "sorted by start");
                open.push((at, end));
            }
            "i" => assert_eq!(event["s"], "t"),
            "C" => assert!(event["args"].as_object().unwrap().values().all(Value::is_number)),
            "b" | "e" => assert!(event["id"].is_string() && event["cat"].is_string()),
            other => panic!("phase {other}"),
        }
    }
    for slices in threads.values() {
        let mut within: Vec<u64> = Vec::new();
        for (start, end) in slices {
            while within.last().is_some_and(|outer| outer <= start) {
                within.pop();
            }
            assert!(within.last().is_none_or(|outer| end <= outer), "slices nest");
            within.push(*end);
        }
    }
    by_phase
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn everything_is_there_and_in_order(script in scripts(), details in any::<bool>()) {
        let (json, stats) = exported(&script, ExportOptions { details, ..ExportOptions::default() });
        let (_, expected) = script.play();
        let by_phase = check(&json);
        let of = |phase: &str| by_phase.get(phase).copied().unwrap_or(0);
        prop_assert_eq!(stats.task_slices, expected.tasks_run);
        prop_assert_eq!(stats.tick_slices, u64::from(script.ticks));
        prop_assert_eq!(stats.stalls, expected.stalls);
        prop_assert_eq!((of("X"), of("i"), of("C")), (stats.slices, stats.instants, stats.counters));
        prop_assert_eq!((of("b"), of("e")), (stats.async_pairs, stats.async_pairs));
        let events = json["traceEvents"].as_array().unwrap();
        let tasks = events.iter().filter(|event| event["cat"] == "task" && event["ph"] == "X").count();
        prop_assert_eq!(tasks as u64, expected.tasks_run);
        // A pair is written as its two ends.
        let drawn = |cat: &str| events.iter().filter(|it| it["cat"] == cat && it["ph"] != "e").count() as u64;
        prop_assert_eq!(drawn("agenda"), expected.tasklets_run);
        prop_assert_eq!((drawn("pump"), drawn("command")), (expected.pumps, expected.commands));
        let met = events.iter().filter(|it| it["name"] == "gc rendezvous" && it["ph"] != "e").count() as u64;
        prop_assert_eq!(met, expected.rendezvous);
    }
}

proptest! {
    #[test]
    fn hostile_events_make_valid_json(events in hostile_events()) {
        let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
        let mut out = Vec::new();
        let options = ExportOptions { details: true, ..ExportOptions::default() };
        match export(|| Ok(source.clone()), options, &mut out) {
            Err(error) => prop_assert!(matches!(error, ExportError::TooLong { .. }), "{}", error),
            Ok(_) => prop_assert!(serde_json::from_slice::<Value>(&out).is_ok()),
        }
    }
}

#[test]
fn times_begin_at_zero_and_names_are_escaped() {
    let (json, _) = exported(&Script::default(), ExportOptions::default());
    let events = json["traceEvents"].as_array().unwrap();
    let slices = events.iter().filter(|event| event["ph"] == "X");
    assert_eq!(slices.clone().map(|event| ns(&event["ts"])).min(), Some(0));
    assert!(slices.clone().any(|event| event["name"] == "parse \"header\""));
    let threads: Vec<_> = events.iter().filter(|event| event["name"] == "thread_name").collect();
    assert_eq!(threads[0]["args"]["name"], "loop");
    assert!(threads.iter().any(|event| event["args"]["name"] == "worker 1"));
    assert_eq!(json["otherData"]["policy"], "bun");
    assert!(slices.clone().all(|event| event.get("args").is_none_or(|args| args.get("task").is_none())));
}

#[test]
fn a_range_takes_what_lies_in_it() {
    let script = Script::default();
    let events = script.events();
    let (first, last) = (events[0].at, events[events.len() - 1].at);
    let middle = first.plus_ns(last.ns_since(first) / 2);
    let part =
        |from, to| exported(&script, ExportOptions { range: TimeRange { from, to }, details: false }).1;
    let whole = part(None, None);
    let (early, late) = (part(None, Some(middle)), part(Some(middle), None));
    assert!(early.task_slices > 0 && late.task_slices > 0);
    let both = early.task_slices + late.task_slices;
    assert!(both == whole.task_slices || both == whole.task_slices + 1, "at most one lies on the border");
    let nothing = part(Some(last.plus_ns(5)), None);
    assert_eq!((nothing.slices, nothing.threads), (0, 0));
}

#[test]
fn a_worker_that_another_emitter_speaks_for_has_a_row_of_its_own() {
    let at = Timestamp;
    let loop_event = |at_ns, event| Stamped { at: at(at_ns), source: SourceId(1), event };
    let ran = |start, worker| Event::WorkRan {
        task: Default::default(),
        tag: Default::default(),
        worker,
        outcome: Outcome::Done,
        queued: at(0),
        start: at(start),
    };
    let events = vec![
        loop_event(10, Event::TickStart { tick: 1 }),
        loop_event(20, ran(5, 0)),
        loop_event(25, ran(6, 1)),
        loop_event(30, Event::TickEnd { tick: 1, tasks_run: 0, start: at(10) }),
    ];
    let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
    let mut out = Vec::new();
    let stats = export(|| Ok(source.clone()), ExportOptions::default(), &mut out).unwrap();
    assert_eq!((stats.threads, stats.slices, stats.async_pairs), (3, 3, 0));
    check(&serde_json::from_slice(&out).unwrap());
}

#[test]
fn agenda_workers_are_threads_that_run_and_stop() {
    let script = Script { ticks: 200, agenda_workers: 2, loop_kinds: true, ..Script::default() };
    let (json, _) = exported(&script, ExportOptions::default());
    let (_, expected) = script.play();
    check(&json);
    let events = json["traceEvents"].as_array().unwrap();
    let thread = |name: &str| {
        let named = events.iter().find(|event| event["ph"] == "M" && event["args"]["name"] == name);
        named.map(|event| event["tid"].as_u64().unwrap()).unwrap()
    };
    let on = |tid: u64, cat: &str| {
        let these = events.iter().filter(|event| event["tid"] == tid && event["cat"] == cat);
        these.filter(|event| event["ph"] == "X").count() as u64
    };
    let workers = [thread("agenda 0"), thread("agenda 1")];
    assert_eq!(workers.iter().map(|tid| on(*tid, "agenda")).sum::<u64>(), expected.tasklets_run);
    // Each stops twice per collection: for it, and on leaving it.
    let stops = events.iter().filter(|event| event["name"].as_str().unwrap().starts_with("stopped: "));
    assert_eq!(stops.count() as u64, 2 * 2 * expected.rendezvous);
    let last = events.iter().rfind(|event| event["name"] == "agenda waiting").unwrap();
    let waiting: u64 = last["args"].as_object().unwrap().values().map(|value| value.as_u64().unwrap()).sum();
    assert_eq!(waiting, expected.tasklets_waiting);
    for name in ["shutdown began", "shutdown", "command D", "pump"] {
        assert!(events.iter().any(|event| event["name"] == name), "{name}");
    }
}

#[test]
fn counters_reach_the_depths_between_two_samples_and_return() {
    let event = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let queued = |at, queue, depth| {
        let place = Placement { queue, origin: Origin::Local, depth };
        let (task, tag, queued) = (TaskId(at), Default::default(), Timestamp(at));
        event(at, Event::TaskQueued { task, tag, place, parent: None, poster: None, queued })
    };
    let ran = |at, task| {
        let (tag, outcome, start) = (Default::default(), Outcome::Done, Timestamp(at - 1));
        event(at, Event::TaskRan { task: TaskId(task), tag, outcome, queued: Timestamp(task), start })
    };
    let events = vec![
        event(10, Event::TickStart { tick: 1 }),
        event(10, Event::QueueDepth { queue: Queue::Tasks, depth: 3 }),
        queued(11, Queue::Tasks, 4),
        queued(12, Queue::Tasks, 5),
        queued(13, Queue::Immediates, 1),
        ran(16, 13),
        event(20, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(10) }),
        event(30, Event::TickStart { tick: 2 }),
        queued(31, Queue::Tasks, 4),
        event(40, Event::TickEnd { tick: 2, tasks_run: 0, start: Timestamp(30) }),
    ];
    let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
    let mut out = Vec::new();
    export(|| Ok(source.clone()), ExportOptions::default(), &mut out).unwrap();
    let json: Value = serde_json::from_slice(&out).unwrap();
    check(&json);
    let of = |name: &str| {
        let samples = json["traceEvents"].as_array().unwrap().iter().filter(|event| event["name"] == name);
        let values = samples.map(|event| (ns(&event["ts"]), event["args"]["depth"].as_u64().unwrap()));
        values.collect::<Vec<_>>()
    };
    assert_eq!(of("queue tasks"), [(0, 3), (1, 4), (2, 5), (20, 3)]);
    assert_eq!(of("queue immediates"), []);
}

/// A tick at the start, and three at the end, one after the other.
fn lasting(span_ns: u64) -> MemorySource {
    let tick = |tick, start, end| {
        let at = |at_ns, event| Stamped { at: Timestamp(at_ns), source: SourceId(1), event };
        let start_event = at(start, Event::TickStart { tick });
        let (start, tag) = (Timestamp(start), Default::default());
        let task = Event::TaskRan { task: TaskId(tick), tag, outcome: Outcome::Done, queued: start, start };
        [start_event, at(end, task), at(end, Event::TickEnd { tick, tasks_run: 1, start })]
    };
    let end = 5 + span_ns;
    let ticks = [
        (5, 10),
        (10, end - 9_903),
        (end - 9_903, end - 5_402),
        (end - 5_402, end - 3_301),
        (end - 3_301, end),
    ];
    let events = (1..).zip(ticks).flat_map(|(number, (start, end))| tick(number, start, end)).collect();
    MemorySource::new("t", SourceKind::Trace, Script::default().metadata(), events)
}

#[test]
fn lint_and_import_accept_times_as_long_as_the_export_writes_them() {
    for span_ns in
        [20_000, (1 << 40) * 1_000, 1 << 50, 1 << 53, 1 << 54, 1_000_000_000_000_000_000, SPAN_NS_MAX]
    {
        let mut out = Vec::new();
        export(|| Ok(lasting(span_ns)), ExportOptions::default(), &mut out).unwrap();
        let delays_caused =
            |rule: &Rule| Viewer::ALL.iter().any(|viewer| rule.effect(*viewer) > Effect::Warns);
        lint(&out[..], |found| assert!(!delays_caused(found.rule), "{span_ns}: {}", found.rule.id)).unwrap();
        Import::read(&out[..], "t", &[], &mut |_| {}).unwrap();
    }
    for span_ns in [SPAN_NS_MAX + 1, u64::MAX - 5] {
        let refused = export(|| Ok(lasting(span_ns)), ExportOptions::default(), io::sink()).unwrap_err();
        assert!(matches!(refused, ExportError::TooLong { .. }), "{refused}");
    }
    // The rest of a damaged recording can be exported.
    let range = TimeRange { from: Some(Timestamp(u64::MAX - 9_000)), ..TimeRange::default() };
    let options = ExportOptions { range, ..ExportOptions::default() };
    assert_eq!(export(|| Ok(lasting(u64::MAX - 5)), options, io::sink()).unwrap().task_slices, 3);
}

#[test]
fn a_full_disk_is_an_error() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let source = Script::default().source();
    let error = export(|| Ok(source.clone()), ExportOptions::default(), Full).unwrap_err();
    assert!(matches!(error, ExportError::Write(_)));
}

#[test]
fn what_has_not_ended_is_there_as_far_as_it_is_known() {
    let mut out = Vec::new();
    export(|| Ok(hanging()), ExportOptions::default(), &mut out).unwrap();
    let json: Value = serde_json::from_slice(&out).unwrap();
    check(&json);
    let unfinished = |event: &&Value| event["cat"].as_str().is_some_and(|cat| cat.ends_with(",unfinished"));
    let slices = json["traceEvents"].as_array().unwrap().iter().filter(unfinished);
    let slices: Vec<_> = slices.map(|slice| (slice["name"].as_str().unwrap(), ns(&slice["dur"]))).collect();
    assert_eq!(slices, [("tick", 3_000_015), ("Echo", 3_000_000)]);
}
