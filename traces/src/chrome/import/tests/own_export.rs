//! An export by loopscope is restored unchanged.

use loop_probes::event::Queue;
use loop_probes::ids::TaskId;

use super::super::tally::repaired;
use super::*;
use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::chrome::export::{ExportOptions, export};
use crate::source::{MemorySource, SourceCounts, SourceError};
use crate::summary::{StateSummary, Summary};
use crate::synthetic::Script;

fn exported(script: &Script) -> Vec<u8> {
    let mut json = Vec::new();
    let source = script.source();
    export(|| Ok::<_, SourceError>(source.clone()), ExportOptions::default(), &mut json).unwrap();
    json
}

fn script() -> Script {
    Script { ticks: 900, agenda_workers: 2, loop_kinds: true, ..Script::default() }
}

#[test]
fn every_event_comes_back() {
    let script = script();
    let imported = try_import(&exported(&script), &[]).unwrap();
    assert!(imported.report.own_recording);
    assert!(imported.report.repaired.is_empty(), "{:?}", imported.report.repaired);
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&script.events());
    assert_eq!(imported.timeline.ticks, timeline.ticks);
    assert_eq!(
        serde_json::to_value(Summary::new(&script.source(), &imported.timeline)).unwrap(),
        serde_json::to_value(Summary::new(&script.source(), &timeline)).unwrap()
    );
    assert_eq!(imported.metadata.policy, script.metadata().policy);
}

#[test]
fn signals_that_are_delivered_at_one_time_come_back() {
    let script = Script { ticks: 3, ..Script::default() };
    let mut events = script.events();
    let (at, source) = events.last().map(|last| (last.at, last.source)).unwrap();
    events.extend((0..600).map(|task| {
        let event = Event::SignalDelivered { signo: 10, task: TaskId(1 << 20 | task), arrived: at };
        Stamped { at, source, event }
    }));
    let source = MemorySource::new("signals", SourceKind::Trace, script.metadata(), events);
    let mut json = Vec::new();
    export(|| Ok::<_, SourceError>(source.clone()), ExportOptions::default(), &mut json).unwrap();
    let imported = try_import(&json, &[]).unwrap();
    assert!(imported.report.own_recording, "{:?}", imported.report);
    assert_eq!(imported.timeline.signals.delivered(), 600);
}

#[test]
fn the_events_count_where_an_export_was_edited() {
    let json = String::from_utf8(exported(&script())).unwrap();
    let place = json.find("{\"ph\":\"X\"").unwrap();
    let added = "{\"ph\":\"X\",\"name\":\"added\",\"pid\":77,\"tid\":77,\"ts\":1,\"dur\":1},\n";
    let changed = format!("{}{added}{}", &json[..place], &json[place..]);
    let imported = try_import(changed.as_bytes(), &[]).unwrap();
    assert!(!imported.report.own_recording);
    assert_eq!(imported.repaired(repaired::OWN_RECORDING_UNUSED), 1);
    // Its slices still show ticks and tasks.
    let original = try_import(json.as_bytes(), &[]).unwrap();
    assert_eq!(imported.timeline.tasks_run, original.timeline.tasks_run);
    assert_eq!(imported.timeline.ticks.poll_wait_ns, original.timeline.ticks.poll_wait_ns);
}

#[test]
fn depths_from_counters_are_lower_bounds() {
    let source = script().source();
    let mut timeline = Timeline::of(&script().metadata());
    timeline.extend(&script().events());
    let depth_max = |timeline: &Timeline| timeline.queues.queue(Queue::Tasks).depth_max;
    let gate = Gate::new("queue.tasks.depth.max".parse().unwrap(), Limit::Max(1e9)).unwrap();
    // Its slices and counters are used if a thread is asked for.
    for (threads, outcome) in [(&[][..], Outcome::Held), (&["loop"], Outcome::Undecided)] {
        let imported = try_import(&exported(&script()), threads).unwrap();
        assert_eq!(depth_max(&imported.timeline), depth_max(&timeline), "{threads:?}");
        let summary = Summary::new(&source, &imported.timeline);
        let run = Run { name: "t".to_owned(), summary, metadata: None };
        assert_eq!(gate.judge(&run).unwrap().outcome, outcome, "{threads:?}");
    }
}

#[test]
fn what_is_left_of_a_cut_export_is_read() {
    let json = exported(&script());
    for part in [3, 10, 17] {
        let cut = &json[..json.len() * part / 20];
        let imported = try_import(cut, &[]).unwrap();
        assert_eq!(imported.repaired(repaired::CUT_OFF) + imported.repaired(repaired::UNCLOSED_LIST), 1);
    }
}

/// The script's trace, closed or not, after `events`.
fn traced(events: &[Stamped], is_closed: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let (path, metadata) = (Path::new("t"), script().metadata());
    let mut writer = TraceWriter::new(&mut file, path, &metadata, WriteOptions::default()).unwrap();
    writer.append(events).unwrap();
    writer.set_counts(SourceCounts { before_attach: 7, uncounted_gaps: 2, ..SourceCounts::default() });
    if is_closed {
        writer.finish().unwrap()
    } else {
        writer.finish_unclosed().unwrap()
    };
    file
}

fn reader_of(file: &[u8]) -> TraceReader<Cursor<&[u8]>> {
    TraceReader::new(Cursor::new(file), Path::new("t")).unwrap()
}

/// The trace that an import of an export of `file` makes.
fn there_and_back(file: &[u8], part: f64, threads: &[&str]) -> Vec<u8> {
    let mut json = Vec::new();
    export(|| Ok::<_, SourceError>(reader_of(file)), ExportOptions::default(), &mut json).unwrap();
    let threads: Vec<String> = threads.iter().map(|thread| (*thread).to_owned()).collect();
    let json = &json[..(json.len() as f64 * part) as usize];
    let import = Import::read(json, "test", &threads, &mut |_| {}).unwrap();
    let mut back = Vec::new();
    let (path, metadata) = (Path::new("t"), import.metadata());
    let writer = TraceWriter::new(&mut back, path, &metadata, WriteOptions::default()).unwrap();
    import.write(writer, &mut |_| {}).unwrap();
    back
}

fn summary_of(file: &[u8]) -> Summary {
    let mut reader = reader_of(file);
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() == SourceState::More {}
    let mut timeline = Timeline::of(reader.metadata());
    timeline.extend(&events);
    timeline.counts = reader.counts();
    Summary::new(&reader, &timeline)
}

#[test]
fn how_the_recording_ended_comes_back() {
    let mut events = script().events();
    // Without the stop of the loop, which would say that nothing followed.
    let stop = events.iter().position(|it| matches!(it.event, Event::LoopStopped { .. })).unwrap();
    events.truncate(stop);
    let crashed = Stamped { at: events[stop - 1].at, source: SourceId(0), event: Event::Crashed {} };
    let died: Vec<Stamped> = events.iter().copied().chain([crashed]).collect();
    for (file, state) in [
        (traced(&events, true), StateSummary::Closed),
        (traced(&events, false), StateSummary::Unclosed),
        (traced(&died, true), StateSummary::Crashed),
    ] {
        let (before, after) = (summary_of(&file), summary_of(&there_and_back(&file, 1.0, &[])));
        assert_eq!((before.source.state, after.source.state), (state, state));
        let value = |summary: &Summary| {
            let mut value = serde_json::to_value(summary).unwrap();
            value.as_object_mut().unwrap().remove("source");
            value
        };
        assert_eq!(value(&before), value(&after));
    }
}

#[test]
fn what_the_recording_had_lost_is_lost_in_its_slices_too() {
    let mut events = script().events();
    let middle = events.len() / 2;
    let event = Event::Lost { count: 50, from: events[middle - 50].at };
    let lost = Stamped { event, ..events[middle] };
    drop(events.splice(middle - 50..middle, [lost]));
    let file = traced(&events, true);
    let before = summary_of(&file);
    for threads in [&[][..], &["loop"]] {
        let after = summary_of(&there_and_back(&file, 1.0, threads));
        let missing = |summary: &Summary| (summary.lost_records, summary.uncounted_gaps);
        assert_eq!(missing(&after), missing(&before), "{threads:?}");
        let run = Run { name: "t".to_owned(), summary: after, metadata: None };
        let gate = Gate::new("tasks.run.max".parse().unwrap(), Limit::Max(1e12)).unwrap();
        assert_eq!(gate.judge(&run).unwrap().outcome, Outcome::Undecided, "{threads:?}");
    }
}

#[test]
fn what_followed_where_the_recording_or_its_export_was_cut_is_unknown() {
    let events = script().events();
    let stop = events.iter().position(|it| matches!(it.event, Event::LoopStopped { .. })).unwrap();
    let (closed, cut) = (traced(&events[..stop], true), traced(&events[..stop], false));
    // Its slices are used if a thread is asked for.
    for (file, part, threads) in [(&cut, 1.0, &["loop"][..]), (&closed, 0.6, &[]), (&closed, 0.6, &["loop"])]
    {
        let summary = summary_of(&there_and_back(file, part, threads));
        assert_eq!(summary.source.state, StateSummary::Unclosed, "{part} {threads:?}");
        let run = Run { name: "t".to_owned(), summary, metadata: None };
        let gate = Gate::new("stalls".parse().unwrap(), Limit::Max(1e9)).unwrap();
        assert_eq!(gate.judge(&run).unwrap().outcome, Outcome::Undecided);
    }
    let whole = summary_of(&there_and_back(&closed, 1.0, &["loop"]));
    assert_eq!(whole.source.state, StateSummary::Closed);
}
