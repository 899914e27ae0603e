//! Tests of the import: each oddity of real files, in small files of our own.

mod choice;
mod enclosing;
mod oddities;
mod own_export;

use std::io::Cursor;
use std::path::Path;

use loop_probes::event::Event;
use proptest::prelude::*;

use super::*;
use crate::reader::TraceReader;
use crate::source::{EventSource, SourceKind, SourceState};
use crate::timeline::Timeline;
use crate::writer::WriteOptions;

/// An import and the contents of its trace.
#[derive(Debug)]
struct Imported {
    report: ImportReport,
    events: Vec<Stamped>,
    timeline: Timeline,
    metadata: Metadata,
}

impl Imported {
    /// Each event other than labels, as `kind start..end name`.
    fn lines(&self) -> Vec<String> {
        let labels = &self.timeline.labels;
        let lines = self.events.iter().filter_map(|stamped| {
            let at = stamped.at.0;
            Some(match stamped.event {
                Event::Label { .. } => return None,
                Event::TickStart { tick } => format!("tick {tick} {at}"),
                Event::TickEnd { tick, start, tasks_run } => {
                    format!("end {tick} {}..{at} {tasks_run}", start.0)
                }
                Event::Poll { start, .. } => format!("poll {}..{at}", start.0),
                Event::TaskRan { tag, start, queued, .. } => {
                    let wait = start.ns_since(queued);
                    format!("task {}..{at} {} +{wait}", start.0, labels.tag(tag))
                }
                Event::TaskQueued { parent, place, .. } => {
                    format!("queued {at} depth {} by {}", place.depth, parent.map_or(0, |task| task.get().0))
                }
                Event::Span { label, start } => format!("span {}..{at} {}", start.0, labels.span(label)),
                Event::Mark { label } => format!("mark {at} {}", labels.span(label)),
                ref other => format!("{} {at}", other.name()),
            })
        });
        lines.collect()
    }

    fn dropped(&self, kind: &str) -> u64 {
        self.report.dropped.count(kind)
    }

    fn repaired(&self, kind: &str) -> u64 {
        self.report.repaired.count(kind)
    }
}

fn try_import(bytes: &[u8], threads: &[&str]) -> Result<Imported, ImportError> {
    let threads: Vec<String> = threads.iter().map(|thread| (*thread).to_owned()).collect();
    let import = Import::read(bytes, "test", &threads, &mut |_| {})?;
    let mut file = Vec::new();
    let path = Path::new("import.looptrace");
    let writer = TraceWriter::new(&mut file, path, &import.metadata(), WriteOptions::default())?;
    let (report, _) = import.write(writer, &mut |_| {})?;
    let mut reader = TraceReader::new(Cursor::new(file), path).unwrap();
    assert_eq!((reader.kind(), reader.damage()), (SourceKind::Chrome, &[][..]));
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() == SourceState::More {}
    let mut timeline = Timeline::of(reader.metadata());
    timeline.extend(&events);
    timeline.counts = reader.counts();
    let metadata = reader.metadata().clone();
    Ok(Imported { report, events, timeline, metadata })
}

fn import(json: &str) -> Imported {
    try_import(json.as_bytes(), &[]).unwrap()
}

/// An event of thread 1/1.
fn event(rest: &str) -> String {
    format!("{{\"pid\":1,\"tid\":1,{rest}}}")
}

/// A list of events of thread 1/1.
fn list(events: &[&str]) -> String {
    format!("[{}]", events.iter().map(|rest| event(rest)).collect::<Vec<_>>().join(","))
}

#[test]
fn top_level_slices_are_tasks_and_gaps_are_waits() {
    let imported = import(&list(&[
        r#""ph":"X","name":"b","ts":20,"dur":5"#,
        r#""ph":"X","name":"in","ts":1,"dur":2"#,
        r#""ph":"X","name":"a","ts":0,"dur":10"#,
        r#""ph":"B","name":"c","ts":25"#,
        r#""ph":"i","name":"m","ts":26.5"#,
        r#""ph":"E","name":"c","ts":27"#,
    ]));
    let expected = [
        "tick 1 0",
        "span 1000..3000 in",
        "task 0..10000 a +0",
        "poll 10000..20000",
        "end 1 0..20000 1",
        "tick 2 20000",
        "task 20000..25000 b +0",
        "mark 26500 m",
        "task 25000..27000 c +0",
        "end 2 20000..27000 2",
    ];
    assert_eq!(imported.lines(), expected);
    let Imported { report, timeline, .. } = &imported;
    assert_eq!((report.slices, report.instants, report.events_read), (4, 1, 6));
    assert_eq!((timeline.ticks.busy_ns, timeline.ticks.poll_wait_ns), (17_000, 10_000));
    assert_eq!(imported.repaired(tally::repaired::OUT_OF_ORDER), 2);
    assert!(report.dropped.is_empty());
}

#[test]
fn a_step_of_a_flow_ends_one_part_and_starts_the_next() {
    let flow = |phase, ts| format!(r#""ph":"{phase}","bp":"e","name":"f","cat":"c","id":7,"ts":{ts}"#);
    let task = |ts| format!(r#""ph":"X","name":"run","ts":{ts},"dur":5"#);
    let events = [task(0), flow("s", 2), task(10), flow("t", 10), task(20), flow("f", 20)];
    let imported = import(&list(&events.each_ref().map(String::as_str)));
    assert_eq!(imported.report.flows, 2);
    assert_eq!(imported.dropped(tally::dropped::FLOW_START) + imported.dropped(tally::dropped::FLOW_END), 0);
    let queued = imported.lines().into_iter().filter(|line| line.starts_with("queued")).collect::<Vec<_>>();
    assert_eq!(queued, ["queued 2000 depth 1 by 1", "queued 10000 depth 1 by 2"]);
}

#[test]
fn a_flow_gives_the_queue_time_of_a_task() {
    let imported = try_import(
        br#"[{"ph":"X","name":"post","pid":1,"tid":1,"ts":0,"dur":10},
        {"ph":"s","name":"f","cat":"c","id":"0x7","pid":1,"tid":1,"ts":4},
        {"ph":"s","name":"f","cat":"c","id":9,"pid":1,"tid":2,"ts":5},
        {"ph":"s","name":"f","cat":"c","id":10,"pid":1,"tid":2,"ts":6},
        {"ph":"f","bp":"e","name":"f","cat":"c","id":"0x7","pid":1,"tid":1,"ts":20},
        {"ph":"X","name":"enclosing","pid":1,"tid":1,"ts":20,"dur":5},
        {"ph":"f","name":"f","cat":"c","id":9,"pid":1,"tid":1,"ts":27},
        {"ph":"X","name":"next","pid":1,"tid":1,"ts":30,"dur":5},
        {"ph":"f","name":"f","cat":"c","id":11,"pid":1,"tid":1,"ts":36},
        {"ph":"X","name":"unknown","pid":1,"tid":1,"ts":40,"dur":5}]"#,
        &["1"],
    )
    .unwrap();
    let lines = imported.lines();
    for expected in [
        "queued 4000 depth 1 by 1",
        "queued 5000 depth 2 by 0",
        "task 20000..25000 enclosing +16000",
        "task 30000..35000 next +25000",
        "task 40000..45000 unknown +0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
    }
    assert_eq!(imported.report.flows, 2);
    assert_eq!(imported.dropped(tally::dropped::FLOW_START), 1);
    assert_eq!(imported.dropped(tally::dropped::FLOW_END), 1);
    assert_eq!(imported.report.loops[0].counts.queue_waits_known, 2);
    // Unknown waits do not count as 0.
    let waits: u64 = imported.timeline.tags.iter().map(|tag| tag.tasks.queue_wait_ns.count()).sum();
    assert_eq!(waits, 2);
}

#[test]
fn an_asyncio_loop_has_its_own_ticks() {
    let imported = import(&list(&[
        r#""ph":"X","name":"run_forever (/usr/lib/asyncio/base_events.py:600)","ts":0,"dur":100"#,
        r#""ph":"X","name":"BaseEventLoop._run_once (/usr/lib/asyncio/base_events.py:1)","ts":1,"dur":50"#,
        r#""ph":"X","name":"EpollSelector.select (/usr/lib/selectors.py:2)","ts":2,"dur":30"#,
        r#""ph":"X","name":"Handle._run (/usr/lib/asyncio/events.py:3)","ts":35,"dur":10"#,
        r#""ph":"X","name":"_contextvars.Context.run","ts":36,"dur":8"#,
        r#""ph":"X","name":"main (app.py:4)","ts":37,"dur":6"#,
        r#""ph":"X","name":"builtins.len","ts":38,"dur":1"#,
        r#""ph":"X","name":"BaseEventLoop._run_once (/usr/lib/asyncio/base_events.py:1)","ts":60,"dur":5"#,
    ]));
    let lines = imported.lines();
    for expected in [
        "poll 2000..32000",
        "task 35000..45000 main (app.py:4) +0",
        "end 1 1000..51000 1",
        "end 2 60000..65000 0",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
    }
    assert_eq!(imported.report.loops[0].chosen, ChosenBy::Turns);
    assert_eq!(imported.timeline.ticks.busy_ns, 25_000);
}

#[test]
fn a_loop_of_chromium_runs_its_tasks_while_it_is_awake() {
    let imported = import(&list(&[
        r#""ph":"B","name":"ThreadController active","ts":0"#,
        r#""ph":"X","name":"ThreadControllerImpl::RunTask","ts":1,"dur":5"#,
        r#""ph":"X","name":"inner","ts":2,"dur":1"#,
        r#""ph":"X","name":"ThreadControllerImpl::RunTask","ts":7,"dur":2"#,
        r#""ph":"E","name":"ThreadController active","ts":10"#,
        r#""ph":"X","name":"ThreadController active","ts":20,"dur":4"#,
    ]));
    let expected = [
        "tick 1 0",
        "span 2000..3000 inner",
        "task 1000..6000 ThreadControllerImpl::RunTask +0",
        "task 7000..9000 ThreadControllerImpl::RunTask +0",
        "poll 10000..20000",
        "end 1 0..20000 2",
        "tick 2 20000",
        "end 2 20000..24000 0",
    ];
    assert_eq!(imported.lines(), expected);
}

#[test]
fn tasks_of_chromium_are_called_by_where_they_were_posted() {
    let posted = r#""args":{"src_file":"../a/queues.cc","src_func":"Enable","src_line":7}"#;
    let imported = import(&list(&[
        &format!(r#""ph":"X","name":"ThreadControllerImpl::RunTask","ts":1,"dur":5,{posted}"#),
        // Its end has the slice's own name, and nesting ignores what it runs.
        &format!(r#""ph":"B","name":"MessageLoop::RunTask","ts":7,{posted}"#),
        r#""ph":"E","name":"MessageLoop::RunTask","ts":9"#,
        &format!(r#""ph":"X","name":"Something::else","ts":10,"dur":1,{posted}"#),
        r#""ph":"X","name":"ThreadControllerImpl::RunTask","ts":12,"dur":1,"args":{"src_func":3}"#,
    ]));
    let lines = imported.lines();
    let tasks: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("task ")).collect();
    let expected = [
        "1000..6000 Enable (queues.cc) +0",
        "7000..9000 Enable (queues.cc) +0",
        "10000..11000 Something::else +0",
        "12000..13000 ThreadControllerImpl::RunTask +0",
    ];
    assert_eq!(tasks, expected);
    assert_eq!(imported.report.slices, 4);
}

#[test]
fn a_node_phase_is_a_tick_if_its_callbacks_are_recorded() {
    let phase = r#""ph":"X","cat":"node,node.environment","name":"RunTimers","ts":5,"dur":20"#;
    let callback = r#""cat":"node,node.async_hooks","id":"0x6","name":"Timeout_CALLBACK""#;
    let begin = format!(r#""ph":"b","ts":7,{callback}"#);
    let end = format!(r#""ph":"e","ts":12,{callback}"#);
    let lines = import(&list(&[phase, &begin, &end])).lines();
    assert_eq!(lines, ["tick 1 5000", "task 7000..12000 Timeout_CALLBACK +0", "end 1 5000..25000 1"]);
    let lines = import(&list(&[phase])).lines();
    assert!(lines.contains(&"task 5000..25000 RunTimers +0".to_owned()), "{lines:?}");
}

#[test]
fn callbacks_of_node_are_tasks_and_timers_are_not_made_up() {
    let node = |rest: &str| event(&format!("\"cat\":\"node,node.async_hooks\",{rest}"));
    let json = format!(
        r#"[{{"ph":"M","name":"thread_name","pid":1,"tid":1,"args":{{"name":"JavaScriptMainThread"}}}},{}]"#,
        [
            node(r#""ph":"b","name":"Immediate","id":"0x5","ts":1"#),
            node(r#""ph":"b","name":"Timeout","id":"0x6","ts":1"#),
            node(r#""ph":"b","name":"Immediate_CALLBACK","id":"0x5","ts":10"#),
            event(r#""ph":"B","name":"MinorGC","ts":11,"args":{"usedHeapSizeBefore":500}"#),
            event(r#""ph":"E","name":"MinorGC","ts":13,"args":{"usedHeapSizeAfter":200}"#),
            node(r#""ph":"e","name":"Immediate_CALLBACK","id":"0x5","ts":20"#),
            node(r#""ph":"b","name":"Timeout_CALLBACK","id":"0x6","ts":30"#),
            node(r#""ph":"e","name":"Timeout_CALLBACK","id":"0x6","ts":33"#),
            node(r#""ph":"e","name":"Timeout","id":"0x6","ts":33"#),
        ]
        .join(",")
    );
    let imported = import(&json);
    let lines = imported.lines();
    for expected in [
        "task 10000..20000 Immediate_CALLBACK +9000",
        "task 30000..33000 Timeout_CALLBACK +0",
        "gc_ran 13000",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
    }
    assert_eq!((imported.timeline.timers.fired, imported.timeline.timers.armed), (0, 0));
    assert_eq!(imported.timeline.gc.heap_bytes_max, 500);
    let lines = ImportSummary::of(&imported.metadata).unwrap();
    assert_eq!(lines.from(), "Chrome JSON by Node.js");
    assert_eq!((imported.report.slices, imported.dropped(tally::dropped::ASYNC)), (5, 2));
}

#[test]
fn a_collection_may_be_one_complete_slice() {
    let gc = |args: &str| {
        let gc = format!(r#""ph":"X","name":"MajorGC","ts":11,"dur":2,"args":{{{args}}}"#);
        let imported = import(&list(&[r#""ph":"X","name":"task","ts":10,"dur":9"#, &gc]));
        (
            imported.timeline.gc.run_ns.max(),
            imported.timeline.gc.heap_bytes_max,
            imported.report.loops[0].counts.spans,
        )
    };
    assert_eq!(gc(r#""usedHeapSizeBefore":500,"usedHeapSizeAfter":200"#), (2_000, 500, 0));
    assert_eq!(gc(r#""usedHeapSizeBefore":500"#), (0, 0, 1), "its effect is not known");
    let alone = import(&list(&[
        r#""ph":"X","name":"task","ts":1,"dur":2"#,
        r#""ph":"X","name":"MinorGC","ts":11,"dur":3,"args":{"usedHeapSizeBefore":500,"usedHeapSizeAfter":200}"#,
    ]));
    let gc = &alone.timeline.gc;
    assert_eq!((gc.run_ns.max(), gc.heap_bytes_max), (3_000, 500));
    assert_eq!(alone.report.loops[0].counts.tasks, 2, "it is a task, too");
}

#[test]
fn loops_are_found_by_name_else_by_their_slices_or_as_asked() {
    let thread = |tid: u32, name: &str, slices: u32| {
        let mut events = vec![format!(
            r#"{{"ph":"M","name":"thread_name","pid":9,"tid":{tid},"args":{{"name":"{name}"}}}}"#
        )];
        events.extend((0..slices).map(|n| {
            format!(r#"{{"ph":"X","name":"RunTask","pid":9,"tid":{tid},"ts":{},"dur":3}}"#, n * 10)
        }));
        events.join(",")
    };
    let named = format!("[{},{}]", thread(1, "CrRendererMain", 2), thread(2, "Chrome_IOThread", 9));
    let found = import(&named);
    assert_eq!(found.report.loops[0].name, "CrRendererMain");
    assert_eq!((found.report.loops.len(), found.report.producer), (1, Some(Producer::Chromium)));
    assert_eq!(found.dropped(tally::dropped::OTHER_THREADS), 9);
    for word in ["Chrome_IOThread", "2", "9/2"] {
        assert_eq!(try_import(named.as_bytes(), &[word]).unwrap().report.loops[0].tid, "2");
    }
    let missing = try_import(named.as_bytes(), &["nobody"]).unwrap_err().to_string();
    assert!(missing.contains("nobody") && missing.contains("Chrome_IOThread (9/2)"), "{missing}");
    let unnamed = format!("[{},{}]", thread(1, "a", 2), thread(2, "b", 9));
    let found = import(&unnamed);
    assert_eq!((&*found.report.loops[0].name, found.report.loops[0].chosen), ("b", ChosenBy::MostSlices));
}

#[derive(Clone, Debug)]
struct Any(String);

fn any_event() -> impl Strategy<Value = Any> {
    let phase =
        prop::sample::select(vec!["B", "E", "X", "i", "b", "e", "n", "s", "t", "f", "C", "M", "O", "?"]);
    let name = prop::sample::select(vec!["a", "b", "MinorGC", "Handle._run (x)", "BaseEventLoop._run_once"]);
    let number = prop::sample::select(vec!["0", "1", "2.5", "\"3\"", "-4", "1e3", "1e18", "null", "true"]);
    (phase, name, number.clone(), number, 0..3).prop_map(|(phase, name, ts, dur, tid)| {
        Any(format!(
            r#"{{"ph":"{phase}","name":"{name}","ts":{ts},"dur":{dur},"pid":1,"tid":{tid},"id":{tid},"args":{{}}}}"#
        ))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_events_become_a_trace_that_adds_up(events in prop::collection::vec(any_event(), 1..40)) {
        let texts: Vec<&str> = events.iter().map(|event| &*event.0).collect();
        if let Ok(imported) = try_import(format!("[{}]", texts.join(",")).as_bytes(), &[]) {
            let ticks = &imported.timeline.ticks;
            prop_assert_eq!(ticks.incomplete, 0);
            let loops = &imported.report.loops;
            prop_assert_eq!(ticks.count, loops.iter().map(|found| found.counts.ticks).sum::<u64>());
            prop_assert_eq!(imported.timeline.tasks_run, loops.iter().map(|found| found.counts.tasks).sum::<u64>());
            for pair in imported.events.windows(2) {
                let is_label = matches!(pair[0].event, Event::Label { .. });
                prop_assert!(is_label || pair[0].at <= pair[1].at);
            }
        }
    }

    #[test]
    fn the_order_in_the_file_does_not_matter(order in Just((0..30u64).collect::<Vec<_>>()).prop_shuffle()) {
        let text = |n: &u64| {
            let (ts, dur) = if n.is_multiple_of(3) { (n * 10, 25) } else { (n * 10 + 1, 3) };
            event(&format!("\"ph\":\"X\",\"name\":\"n{}\",\"ts\":{ts},\"dur\":{dur}", n % 4))
        };
        let shuffled = import(&format!("[{}]", order.iter().map(text).collect::<Vec<_>>().join(",")));
        let ordered = import(&format!("[{}]", (0..30).map(|n| text(&n)).collect::<Vec<_>>().join(",")));
        prop_assert_eq!(shuffled.lines(), ordered.lines());
    }
}
