//! Tests of the CSV export: parsed back by our own strict reading of RFC 4180, every event is there, once.

use loop_probes::ids::{LabelId, SourceId, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::source::{MemorySource, SourceKind};
use crate::synthetic::Script;
use crate::synthetic::strategy::{hostile_events, scripts};
use crate::timeline::Timeline;

fn exported(source: &MemorySource, range: TimeRange) -> (String, CsvStats) {
    let mut out = Vec::new();
    let stats = export(|| Ok(source.clone()), range, &mut out).unwrap();
    assert_eq!(stats.bytes, out.len() as u64);
    (String::from_utf8(out).unwrap(), stats)
}

/// Parses rows by RFC 4180, and no more leniently.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut characters = text.chars().peekable();
    let mut quoted = false;
    while let Some(character) = characters.next() {
        let row = rows.last_mut().unwrap();
        let value = row.last_mut().unwrap();
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => value.push(characters.next().unwrap()),
            '"' if quoted => {
                quoted = false;
                assert!(matches!(characters.peek(), Some(',' | '\n')), "text behind a quoted value");
            }
            '"' => {
                assert!(value.is_empty(), "a quote within a bare value");
                quoted = true;
            }
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => rows.push(vec![String::new()]),
            character => value.push(character),
        }
    }
    assert!(!quoted);
    assert_eq!(rows.pop().unwrap(), [""], "the last line ends");
    rows
}

fn column(name: &str) -> usize {
    COLUMNS.iter().position(|(column, _)| *column == name).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn an_event_is_a_row(script in scripts()) {
        let (source, events) = (script.source(), script.events());
        let (text, stats) = exported(&source, TimeRange::default());
        let rows = rows(&text);
        prop_assert_eq!(rows[0].join(","), COLUMNS.map(|(name, _)| name).join(","));
        prop_assert_eq!((rows.len() - 1, stats.rows as usize), (events.len(), events.len()));
        let [kind, time, start, run, tick, lag] =
            ["kind", "time_ns", "start_ns", "run_ns", "tick", "lag_ns"].map(column);
        // A wait that the summary counts has a cell.
        let mut timeline = Timeline::new(TimelineConfig::default());
        timeline.extend(&events);
        let counted: u64 = timeline.tags.iter().map(|tag| tag.tasks.queue_wait_ns.count()).sum();
        let is_wait = |row: &&Vec<String>| row[kind] == "task_ran" && !row[column("queue_wait_ns")].is_empty();
        prop_assert_eq!(rows.iter().filter(is_wait).count() as u64, counted);
        for (row, stamped) in rows[1..].iter().zip(&events) {
            prop_assert_eq!(row.len(), COLUMNS.len());
            prop_assert_eq!(&row[kind], stamped.event.name());
            let number = |column: usize| row[column].parse::<i64>().unwrap();
            prop_assert_eq!(number(time), stamped.at.0 as i64 - events[0].at.0 as i64);
            if let Event::TaskRan { task, start: began, .. } = stamped.event {
                prop_assert_eq!(number(run), stamped.at.ns_since(began) as i64);
                prop_assert_eq!(number(start) + number(run), number(time));
                prop_assert_eq!(number(column("task")), task.0 as i64);
                prop_assert!(!row[tick].is_empty() || script.lost_every > 0);
            }
            if let Event::TimerFired { due, fired, .. } = stamped.event {
                prop_assert_eq!(number(lag), stamped.at.max(fired).ns_since(due) as i64);
            }
            let fields = row.last().unwrap();
            if !fields.is_empty() {
                let is_object = serde_json::from_str::<Value>(fields).is_ok_and(|fields| fields.is_object());
                prop_assert!(is_object, "{}", fields);
            }
        }
    }

    #[test]
    fn hostile_events_make_valid_rows(events in hostile_events()) {
        let count = events.len();
        let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
        let (text, _) = exported(&source, TimeRange::default());
        let rows = rows(&text);
        prop_assert_eq!(rows.len(), count + 1);
        prop_assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
        prop_assert!(!text.chars().any(|it| it.is_control() && it != '\n'));
    }
}

#[test]
fn values_are_quoted_where_they_must_be() {
    let shown = |text: &str| {
        let mut out = Vec::new();
        row::text(&mut out, text);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(shown("ReadFile"), "ReadFile");
    assert_eq!(shown("a,b"), "\"a,b\"");
    assert_eq!(shown("say \"hi\""), "\"say \"\"hi\"\"\"");
}

#[test]
fn every_field_of_an_event_is_in_its_row() {
    let at = Timestamp(5_000);
    let armed = Event::TimerArmed {
        timer: loop_probes::ids::TimerId(3),
        tag: loop_probes::ids::Tag(0),
        due: Timestamp(4_000),
        period_ns: Some(250),
    };
    let events = vec![
        Stamped { at: Timestamp(4_500), source: SourceId(1), event: Event::TickStart { tick: 7 } },
        Stamped { at, source: SourceId(1), event: armed },
    ];
    let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
    let (text, _) = exported(&source, TimeRange::default());
    let last = text.lines().last().unwrap();
    let expected =
        "500,loop 1,timer_armed,7,,untagged,,,,,3,,,,,,\"{\"\"period_ns\"\":250,\"\"due_ns\"\":-500}\"";
    assert_eq!(last, expected);
}

#[test]
fn after_lost_records_the_tick_is_unknown_until_it_ends() {
    let (lost, mark) = (Event::Lost { count: 2, from: Timestamp(100) }, Event::Mark { label: LabelId(1) });
    let end = Event::TickEnd { tick: 9, tasks_run: 0, start: Timestamp(150) };
    let events = [Event::TickStart { tick: 7 }, mark, lost, mark, end, Event::TickStart { tick: 10 }, mark];
    let stamped = |(place, event)| Stamped { at: Timestamp(100 * place as u64), source: SourceId(1), event };
    let events = events.into_iter().enumerate().map(stamped).collect();
    let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
    let rows = rows(&exported(&source, TimeRange::default()).0);
    let ticks: Vec<&str> = rows[1..].iter().map(|row| row[column("tick")].as_str()).collect();
    assert_eq!(ticks, ["7", "7", "", "", "9", "10", "10"]);
}

#[test]
fn times_count_from_where_the_summary_counts() {
    let script = Script::default();
    let mut events = script.events();
    let label = events.iter().find(|stamped| matches!(stamped.event, Event::Label { .. })).copied().unwrap();
    let early = Timestamp(events[0].at.0 - 1_000_000);
    events.insert(0, Stamped { at: early, ..label });
    let source = MemorySource::new("early", SourceKind::Trace, script.metadata(), events.clone());
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&events);
    let (text, _) = exported(&source, TimeRange::default());
    let last = events.last().unwrap().at.ns_since(timeline.first_at().unwrap());
    assert_eq!(rows(&text).last().unwrap()[column("time_ns")], last.to_string());
    assert_eq!(rows(&text)[1][column("time_ns")].chars().next(), Some('-'), "what came before is negative");
}

#[test]
fn a_range_leaves_out_what_does_not_touch_it() {
    let script = Script::default();
    let events = script.events();
    let middle = events[events.len() / 2].at;
    let (text, stats) = exported(&script.source(), TimeRange { from: Some(middle), to: Some(middle) });
    assert!(stats.rows > 0 && stats.rows < events.len() as u64 / 10, "{stats:?}");
    // Times stay relative to the whole recording.
    let first: i64 = rows(&text)[1][0].parse().unwrap();
    assert!(first >= middle.ns_since(events[0].at) as i64);
}

#[test]
fn a_wait_of_zero_is_known_and_a_timers_task_waits_in_no_queue() {
    use loop_probes::event::{Origin, Outcome, Placement, Queue};
    use loop_probes::ids::{Tag, TaskId, TimerId};

    let at = |at: u64, event: Event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let place = Placement { queue: Queue::Tasks, depth: 1, origin: Origin::Signal };
    let (tag, parent, poster) = (Tag(1), None, None);
    let queued = |task: u64, now: u64| {
        at(now, Event::TaskQueued { task: TaskId(task), tag, place, parent, poster, queued: Timestamp(now) })
    };
    let ran = |task: u64, queued: u64, start: u64, end: u64| {
        let (queued, start) = (Timestamp(queued), Timestamp(start));
        at(end, Event::TaskRan { task: TaskId(task), tag, outcome: Outcome::Done, queued, start })
    };
    let (timer, due, fired) = (TimerId(1), Timestamp(30), Timestamp(40));
    let events = vec![
        queued(1, 10),
        ran(1, 10, 10, 20),
        queued(2, 20),
        ran(2, 20, 25, 30),
        at(40, Event::TimerFired { timer, tag, task: TaskId(3), due, fired, skipped: 0 }),
        ran(3, 40, 40, 50),
    ];
    let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
    let (text, _) = exported(&source, TimeRange::default());
    let rows = rows(&text);
    let ran = rows.iter().filter(|row| row[column("kind")] == "task_ran");
    let waits: Vec<&str> = ran.map(|row| row[column("queue_wait_ns")].as_str()).collect();
    assert_eq!(waits, ["0", "5", ""]);
}

#[test]
fn a_range_has_every_event_whose_extent_lies_across_its_end() {
    use loop_probes::ids::{Tag, TaskId};

    let at = |at: u64, event: Event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let start = Timestamp(20);
    let events = vec![
        at(10, Event::TickStart { tick: 1 }),
        at(60, Event::SlowTask { task: TaskId(1), tag: Tag(1), limit_ns: 5, start }),
        at(61, Event::Suspended { asleep_ns: 0, alive: start, start }),
        at(62, Event::Pressure { waited_ns: None, stolen_ns: None, delayed_ns: None, start }),
        at(63, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(10) }),
    ];
    let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
    let kinds = |from: u64, to: u64| {
        let range = TimeRange { from: Some(Timestamp(from)), to: Some(Timestamp(to)) };
        let rows = rows(&exported(&source, range).0);
        rows[1..].iter().map(|row| row[column("kind")].clone()).collect::<Vec<String>>()
    };
    assert_eq!(kinds(15, 30), ["slow_task", "suspended", "pressure", "tick_end"]);
    assert_eq!(kinds(12, 15), ["tick_end"]);
}
