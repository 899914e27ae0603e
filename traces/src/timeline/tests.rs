//! Tests of the fold: it matches the contents of the stream, in batches of any size, live or through a file.

use std::io::Cursor;
use std::path::Path;

use loop_probes::chronology::Chronology;
use loop_probes::event::{Event, Outcome, RefKind};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::attribution::What;
use crate::reader::TraceReader;
use crate::source::{EventSource, MemorySource, SourceKind, SourceState};
use crate::summary::Summary;
use crate::synthetic::Script;
use crate::synthetic::strategy::{hostile_events, scripts, with_running};
use crate::writer::{TraceWriter, WriteOptions};

fn folded(script: &Script, events: &[Stamped]) -> Timeline {
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(events);
    timeline
}

fn through_file(script: &Script, events: &[Stamped], records_per_block: usize) -> Timeline {
    let mut file = Vec::new();
    let options = WriteOptions { records_per_block, ..WriteOptions::default() };
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &script.metadata(), options).unwrap();
    writer.append(events).unwrap();
    writer.finish().unwrap();
    let mut reader = TraceReader::new(Cursor::new(file), Path::new("t")).unwrap();
    let mut timeline = Timeline::of(reader.metadata());
    let mut batch = Vec::new();
    loop {
        let state = reader.poll(&mut batch).unwrap();
        timeline.extend(&batch);
        batch.clear();
        if state == SourceState::Ended {
            return timeline;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn live_state_equals_replayed_state(
        script in scripts(), cuts in prop::collection::vec(1usize..70, 1..9), records_per_block in 1usize..300,
        running_every in prop::option::of(1usize..9), ends in any::<prop::sample::Index>(),
    ) {
        let (events, expected) = script.play();
        let events = running_every.map_or(events.clone(), |every| with_running(&events, every));
        let whole = folded(&script, &events);
        let mut live = Timeline::of(&script.metadata());
        let (mut rest, mut cuts) = (&events[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            live.extend(batch);
            rest = later;
        }
        prop_assert_eq!(&live, &whole);
        prop_assert_eq!(&through_file(&script, &events, records_per_block), &whole);
        let part = &events[..ends.index(events.len())];
        let (cut, replayed) = (folded(&script, part), through_file(&script, part, records_per_block));
        prop_assert_eq!((replayed.unfinished(StreamEnd::Cut), &replayed), (cut.unfinished(StreamEnd::Cut), &cut));

        prop_assert_eq!(whole.ticks.count, expected.ticks);
        prop_assert_eq!(whole.ticks.incomplete, expected.incomplete_ticks);
        prop_assert_eq!(whole.ticks.busy_ns, expected.busy_ns);
        prop_assert_eq!(whole.ticks.poll_wait_ns, expected.poll_wait_ns);
        prop_assert_eq!(whole.tasks_run, expected.tasks_run);
        prop_assert_eq!(whole.stalls.count, expected.stalls);
        prop_assert_eq!(whole.timers.fired, expected.timers_fired);
        prop_assert_eq!(whole.microtasks.ran, expected.microtasks_run);
        prop_assert_eq!(whole.signals.delivered(), expected.signals_delivered);
        prop_assert_eq!(whole.gc.collect + whole.gc.defer + whole.gc.skip, expected.gc_decisions);
        prop_assert_eq!(whole.lost_records, expected.lost_records);
        prop_assert_eq!(whole.agenda.added(), expected.tasklets_added);
        prop_assert_eq!(whole.agenda.ran(), expected.tasklets_run);
        prop_assert_eq!(whole.agenda.failed(), expected.tasklets_failed);
        prop_assert_eq!(whole.agenda.rendezvous.count, expected.rendezvous);
        if script.lost_every == 0 {
            prop_assert_eq!(whole.agenda.waiting(), expected.tasklets_waiting);
        }
        let by_worker: u64 = whole.agenda.workers().iter().map(|worker| worker.ran).sum();
        prop_assert_eq!(by_worker, expected.tasklets_run);
        prop_assert_eq!(whole.commands.count(), expected.commands);
        prop_assert_eq!(whole.pumps.count(), expected.pumps);
        prop_assert_eq!(whole.futures.woken, expected.futures_woken);
        prop_assert_eq!(whole.shutdown.is_some(), script.loop_kinds);
        // The first tick has a snapshot; a gap discards it, and the next one restores it.
        if script.loop_kinds && script.lost_every == 0 {
            prop_assert_eq!(whole.keep_alive.kind(RefKind::Timer), Some(3));
            for what in RefKind::ALL {
                let held = whole.keep_alive.held();
                let sum: u64 = held.iter().filter(|held| held.name.what == *what).map(|held| held.count).sum();
                prop_assert_eq!(Some(sum), whole.keep_alive.kind(*what), "{}", what);
            }
        }
        prop_assert_eq!(whole.events, events.len() as u64);
        let by_tag: u64 = whole.tags.iter().map(|tag| tag.tasks.count()).sum();
        prop_assert_eq!(by_tag, expected.tasks_run);
    }

    #[test]
    fn every_breakdown_sums_to_the_busy_time_of_its_tick(script in scripts(), lines in 0usize..9) {
        let timeline = folded(&script, &script.events());
        for stall in timeline.stalls.newest_first() {
            let sum: u64 = stall.blame.shares.iter().map(|share| share.ns).sum();
            prop_assert_eq!((sum, stall.blame.total_ns), (stall.tick.busy_ns, stall.tick.busy_ns));
        }
        for tick in timeline.ticks.recent.iter() {
            let blame = timeline.blame_tick(tick, lines).expect("few enough ticks to keep all spans");
            prop_assert_eq!(blame.total_ns, tick.busy_ns);
        }
    }

    #[test]
    fn hostile_events_never_panic_and_survive_the_file(events in hostile_events()) {
        let script = Script::default();
        let timeline = folded(&script, &events);
        // The reader skips those whose times contradict each other.
        let mut chronology = Chronology::new(script.metadata().started.monotonic);
        let mut possible = events.clone();
        possible.retain(|stamped| chronology.allows(stamped, 0));
        prop_assert_eq!(&through_file(&script, &events, 7), &folded(&script, &possible));
        for stall in timeline.stalls.newest_first() {
            let sum: u64 = stall.blame.shares.iter().map(|share| share.ns).sum();
            prop_assert_eq!(sum, stall.tick.busy_ns);
        }
        let source = MemorySource::new("t", SourceKind::Ring, script.metadata(), events);
        let page = crate::report::text(&Summary::new(&source, &timeline));
        prop_assert!(!page.is_empty());
        let _ = (timeline.rates.per_second(Timestamp(u64::MAX), |_| [0; 2]), timeline.rates.series(Timestamp(0)));
    }

    #[test]
    fn arbitrary_orders_and_gaps_never_panic(script in scripts(), picks in prop::collection::vec(any::<prop::sample::Index>(), 0..200)) {
        let events = script.events();
        let shuffled: Vec<Stamped> = picks.iter().map(|pick| events[pick.index(events.len())]).collect();
        let timeline = folded(&script, &shuffled);
        prop_assert_eq!(timeline.events, shuffled.len() as u64);
    }
}

#[test]
fn memory_is_bounded_for_any_length() {
    let config = TimelineConfig {
        ticks_kept: 10,
        spans_kept: 50,
        spans_per_tick: 8,
        stalls_kept: 3,
        breakdown_lines: 2,
        samples_kept: 5,
        entries_kept: 4,
        tags_max: 2,
        ..TimelineConfig::default()
    };
    let script = Script { ticks: 400, stall_every: 10, ..Script::default() };
    let mut timeline = Timeline::new(config);
    timeline.extend(&script.events());
    assert_eq!(timeline.ticks.recent.len(), 10);
    assert_eq!(timeline.tags.iter().len(), 2);
    let beyond = timeline.tags.beyond_limit().unwrap();
    let kept: u64 = timeline.tags.iter().map(|tag| tag.tasks.count()).sum();
    assert!(beyond.tags > 1 && beyond.stats.tasks.count() > 0);
    assert_eq!(kept + beyond.stats.tasks.count(), timeline.tasks_run);
    assert_eq!(timeline.stalls.newest_first().len(), 3);
    assert!(timeline.stalls.count >= 40);
    assert_eq!(timeline.gc.decisions.len(), 4);
    let newest = *timeline.ticks.recent.newest().unwrap();
    assert!(newest.spans_left_out > 0);
    let blame = timeline.blame_tick(&newest, 1).unwrap();
    assert_eq!(blame.total_ns, newest.busy_ns, "what was left out is its phase's");
    let oldest = *timeline.ticks.recent.oldest().unwrap();
    assert!(oldest.stall || timeline.opened(&oldest).is_none());
}

#[test]
fn the_worst_stall_is_never_forgotten() {
    let script = Script { ticks: 3_000, stall_every: 10, ..Script::default() };
    let timeline = folded(&script, &script.events());
    let max = timeline.ticks.run_ns.max();
    assert_eq!(timeline.stalls.worst().unwrap().tick.busy_ns, max);
    assert_eq!(timeline.stalls.newest_first().len(), 64);
    let kept: Vec<_> = timeline.stalls.newest_first().map(|stall| stall.tick.start).collect();
    assert!(kept.is_sorted_by(|a, b| a > b));
}

#[test]
fn every_stall_can_be_kept_with_its_breakdown() {
    let script = Script { ticks: 3_000, stall_every: 10, ..Script::default() };
    let config = TimelineConfig { stalls_kept: 10_000, ..TimelineConfig::of(&script.metadata()) };
    let mut timeline = Timeline::new(config);
    timeline.extend(&script.events());
    assert_eq!(timeline.stalls.newest_first().len() as u64, timeline.stalls.count);
    assert!(timeline.stalls.count > 200, "{}", timeline.stalls.count);
    for stall in timeline.stalls.newest_first() {
        let sum: u64 = stall.blame.shares.iter().map(|share| share.ns).sum();
        assert_eq!((sum, stall.blame.total_ns), (stall.tick.busy_ns, sum));
    }
    let opened = timeline.stalls.newest_first().filter(|stall| !stall.spans.is_empty()).count();
    assert_eq!(opened, 64, "what is needed to open one is not kept of all");
}

#[test]
fn a_stall_names_its_handler() {
    let script = Script { ticks: 300, stall_every: 300, ..Script::default() };
    let timeline = folded(&script, &script.events());
    let stall = timeline.stalls.newest_first().next().unwrap();
    let first = stall.blame.shares[0];
    assert!(first.what.describe(&timeline.labels).starts_with("task ReadFile #"));
    assert!(first.ns * 2 > stall.tick.busy_ns);
    let opened = timeline.opened(&stall.tick).unwrap();
    let phases = opened.spans.iter().filter(|opened| opened.depth == 0).count();
    assert!(phases >= 4, "{opened:?}");
    assert!(opened.spans.iter().any(|opened| opened.depth > 0));
}

#[test]
fn each_breakdown_of_a_tick_has_its_suspensions() {
    const MS: u64 = 1_000_000;
    let at = |ms: u64, event| Stamped { at: Timestamp(ms * MS), source: SourceId(1), event };
    let (task, tag, start) = (TaskId(1), Tag(1), Timestamp(10 * MS));
    let mut timeline = Timeline::new(TimelineConfig::default());
    let alive = Timestamp(100 * MS);
    timeline.extend(&[
        at(0, Event::TickStart { tick: 1 }),
        at(400, Event::Suspended { asleep_ns: 0, alive, start: alive }),
        at(500, Event::TaskRan { task, tag, outcome: Outcome::Done, queued: start, start }),
    ]);
    let unfinished = timeline.blame_unfinished(&timeline.unfinished_ticks()[0]);
    assert_eq!(unfinished.of(&What::Suspended), 300 * MS, "{unfinished:?}");
    timeline.fold(&at(600, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(0) }));
    let stall = timeline.stalls.newest_first().next().unwrap();
    assert_eq!(stall.blame.of(&What::Suspended), 300 * MS);
    assert_eq!(timeline.blame_tick(&stall.tick, 32), Some(stall.blame.clone()));
}

#[test]
fn a_gap_breaks_both_ticks_that_it_touches() {
    let start = |at: u64, tick| (at, Event::TickStart { tick });
    let end = |at, tick, start| (at, Event::TickEnd { tick, tasks_run: 0, start: Timestamp(start) });
    let lost = |at| (at, Event::Lost { count: 9, from: Timestamp(at - 50) });
    let incomplete = |events: &[(u64, Event)]| {
        let stamped =
            events.iter().map(|&(at, event)| Stamped { at: Timestamp(at), source: SourceId(1), event });
        let mut timeline = Timeline::new(TimelineConfig::default());
        timeline.extend(&stamped.collect::<Vec<_>>());
        let ticks = &timeline.ticks;
        assert!(timeline.missing().ticks.count() >= timeline.incomplete_ticks() + timeline.ticks_missing());
        (ticks.count, timeline.incomplete_ticks(), timeline.ticks_missing())
    };
    let first = [start(0, 1), end(10, 1, 0), start(10, 2)];
    let with = |rest: &[(u64, Event)]| incomplete(&[&first, rest].concat());
    assert_eq!(with(&[lost(100)]), (1, 1, 0), "it has not ended");
    assert_eq!(with(&[lost(100), end(120, 2, 10)]), (1, 1, 0));
    assert_eq!(with(&[lost(100), start(120, 5)]), (1, 1, 2));
    assert_eq!(with(&[lost(100), end(120, 5, 80)]), (1, 2, 2));
    assert_eq!(with(&[lost(100), end(120, 5, 80), start(120, 6), lost(200)]), (1, 3, 2));
}

#[test]
fn a_gap_makes_only_its_own_emitters_tick_incomplete() {
    let at = Timestamp;
    let event = |at_ns, source, event| Stamped { at: at(at_ns), source: SourceId(source), event };
    let mut timeline = Timeline::new(TimelineConfig { stall_limit_ns: 10, ..TimelineConfig::default() });
    timeline.extend(&[
        event(0, 1, Event::TickStart { tick: 1 }),
        event(0, 2, Event::TickStart { tick: 1 }),
        event(500, 1, Event::Lost { count: 7, from: at(3) }),
        event(900, 1, Event::TickEnd { tick: 1, tasks_run: 0, start: at(0) }),
        event(900, 2, Event::TickEnd { tick: 1, tasks_run: 0, start: at(0) }),
        event(950, 1, Event::TickEnd { tick: 3, tasks_run: 0, start: at(910) }),
    ]);
    assert_eq!((timeline.ticks.count, timeline.ticks.incomplete), (1, 2));
    assert_eq!((timeline.stalls.count, timeline.lost_records), (1, 7));
    assert_eq!(timeline.ticks.recent.len(), 3);
}

/// Exports and `--from` count from the first event that is not a name, and so do these.
#[test]
fn times_count_from_a_sample_of_pressure_that_comes_first() {
    let pressure =
        Event::Pressure { waited_ns: None, stolen_ns: None, delayed_ns: None, start: Timestamp(0) };
    let stamped = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let mut timeline = Timeline::new(TimelineConfig::default());
    timeline.extend(&[stamped(100, pressure), stamped(700, Event::TickStart { tick: 1 })]);
    let end = Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(700) };
    timeline.extend(&[stamped(900, end), stamped(950, pressure)]);
    assert_eq!((timeline.first_at(), timeline.span_ns()), (Some(Timestamp(100)), 200));
}

#[test]
fn a_timer_that_wakes_a_future_is_no_task() {
    let (tag, at) = (Tag(7), Timestamp);
    let ran = |task, start, end, outcome| {
        let (task, start) = (TaskId(task), at(start));
        (end, Event::TaskRan { task, tag, outcome, queued: start, start })
    };
    let (timer, task) = (TimerId(1), TaskId(1));
    let fired = Event::TimerFired { timer, tag, task, due: at(5), fired: at(10), skipped: 0 };
    let events = [
        (0, Event::TickStart { tick: 1 }),
        (10, fired),
        ran(1, 10, 12, Outcome::Woke),
        ran(2, 20, 1_020, Outcome::Pending),
        (1_030, Event::TickEnd { tick: 1, tasks_run: 1, start: at(0) }),
    ];
    let mut timeline = Timeline::new(TimelineConfig::default());
    timeline.extend(&events.map(|(ns, event)| Stamped { at: at(ns), source: SourceId(1), event }));
    assert_eq!((timeline.tasks_run, timeline.timers.fired, timeline.futures.pending), (1, 1, 1));
    assert_eq!((timeline.tasks_run_ns.count(), timeline.tasks_run_ns.max()), (1, 1_000));
    let tasks = timeline.tags.tag(tag).map(|tag| tag.tasks.count());
    assert_eq!(tasks, Some(1));
}
