//! Events whose own times contradict each other.

use loop_probes::event::{Outcome as Ended, PollReason};
use loop_probes::ids::{Tag, TaskId, TimerId};

use super::*;
use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::summary::Summary;
use crate::timeline::Timeline;

const MS: u64 = 1_000_000;

/// Reads a file of these events, with times in milliseconds. Returns the number of malformed events and each metric's
/// outcome of the gate "at most 1 ms", or "at most 1" for counts.
fn read(events: &[(u64, Event)], metrics: &[&str]) -> (u64, Vec<Outcome>) {
    let metadata = Script::default().metadata();
    let begin = metadata.started.monotonic.0;
    let stamped = |(at, event): &(u64, Event)| {
        let event = event.map_time(|time| Timestamp(begin + time.0));
        let event = match event {
            Event::TimerFired { timer, tag, task, due, fired, skipped } => {
                let [due, fired] = [due, fired].map(|time| Timestamp(begin + time.0));
                Event::TimerFired { timer, tag, task, due, fired, skipped }
            }
            event => event,
        };
        Stamped { at: Timestamp(begin + at * MS), source: SourceId(1), event }
    };
    let events: Vec<Stamped> = events.iter().map(stamped).collect();
    let mut file = Vec::new();
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &metadata, SMALL).unwrap();
    writer.append(&events).unwrap();
    writer.finish().unwrap();
    let mut reader = open(&file).unwrap();
    let mut timeline = Timeline::of(&metadata);
    timeline.extend(&drain(&mut reader));
    timeline.counts = reader.counts();
    // Reading again counts nothing twice.
    reader.seek(Timestamp(0)).unwrap();
    drain(&mut reader);
    assert_eq!(reader.counts(), timeline.counts);
    let summary = Summary::new(&reader, &timeline);
    let malformed = summary.malformed_events;
    let run = Run { name: "t".to_owned(), summary, metadata: None };
    let judged = metrics.iter().map(|metric| {
        let metric = metric.parse().unwrap();
        let limit = if format!("{metric}").ends_with("stalls") { 1.0 } else { MS as f64 };
        Gate::new(metric, Limit::Max(limit)).unwrap().judge(&run).unwrap().outcome
    });
    (malformed, judged.collect())
}

fn ran(queued: u64, start: u64) -> Event {
    let [queued, start] = [queued, start].map(|time| Timestamp(time * MS));
    Event::TaskRan { task: TaskId(1), tag: Tag(1), outcome: Ended::Done, queued, start }
}

fn begun(tick: u64) -> Event {
    Event::TickStart { tick }
}

fn ended(tick: u64, start: u64) -> Event {
    Event::TickEnd { tick, tasks_run: 1, start: Timestamp(start * MS) }
}

fn poll(start: u64) -> Event {
    let reason = PollReason::Timer;
    Event::Poll { reason, ready: 0, timeout_ns: None, start: Timestamp(start * MS) }
}

fn fired(due: u64, fired: u64) -> Event {
    let [due, fired] = [due, fired].map(|time| Timestamp(time * MS));
    Event::TimerFired { timer: TimerId(1), tag: Tag(1), task: TaskId(1), due, fired, skipped: 0 }
}

#[test]
fn a_run_that_ends_before_it_starts_decides_nothing() {
    let around =
        |event| [(1_000, begun(1)), (1_000, ran(999, 1_000)), (1_040, event), (1_041, ended(1, 1_000))];
    let metrics = ["tasks.run.max", "tasks.wait.max"];
    assert_eq!(read(&around(ran(999, 1_000)), &metrics), (0, vec![Outcome::Failed, Outcome::Held]));
    for event in [ran(1_050, 1_050), ran(1_020, 1_010), ran(1_000, 900), ran(0, 1_060)] {
        assert_eq!(read(&around(event), &metrics), (1, vec![Outcome::Undecided; 2]), "{event:?}");
    }
}

#[test]
fn a_timer_that_fires_before_it_is_due_decides_nothing() {
    let metrics = ["timer_lag.max"];
    let before = (1_000, fired(1_000, 1_000));
    assert_eq!(read(&[before, (1_040, fired(1_040, 1_040))], &metrics), (0, vec![Outcome::Held]));
    for event in [fired(11_040, 1_040), fired(1_040, 3_000)] {
        assert_eq!(read(&[before, (1_040, event)], &metrics), (1, vec![Outcome::Undecided]), "{event:?}");
    }
}

#[test]
fn a_timer_that_skipped_more_periods_than_nanoseconds_decides_nothing() {
    let late = |skipped| match fired(1_000, 1_040) {
        Event::TimerFired { timer, tag, task, due, fired, .. } => {
            Event::TimerFired { timer, tag, task, due, fired, skipped }
        }
        event => event,
    };
    let metrics = ["timer_lag_corrected.p99"];
    assert_eq!(read(&[(1_040, late(3))], &metrics), (0, vec![Outcome::Failed]));
    assert_eq!(read(&[(1_040, late(u32::MAX))], &metrics), (1, vec![Outcome::Undecided]));
}

#[test]
fn a_poll_that_began_before_its_tick_decides_nothing() {
    let metrics = ["stalls", "ticks.run.max", "busy"];
    let of = |poll| [(1_000, begun(1)), (1_039, ran(1_000, 1_000)), (1_040, poll), (1_041, ended(1, 1_000))];
    let whole = vec![Outcome::Held, Outcome::Failed, Outcome::Failed];
    assert_eq!(read(&of(poll(1_039)), &metrics), (0, whole));
    assert_eq!(read(&of(poll(100)), &metrics), (1, vec![Outcome::Undecided; 3]));
    // A tick's end event that contradicts the tick's own start.
    for start in [900, 1_040] {
        let events = [(1_000, begun(1)), (1_039, ran(1_000, 1_000)), (1_041, ended(1, start))];
        assert_eq!(read(&events, &metrics[1..2]), (1, vec![Outcome::Undecided]), "{start}");
    }
}

#[test]
fn a_loss_of_no_record_leaves_everything_open() {
    let metrics = ["ticks.run.max"];
    let around = |events: &[Event]| {
        let events = events.iter().map(|event| (1_000, *event));
        std::iter::once((1_000, begun(1))).chain(events).chain([(1_001, ended(1, 1_000))]).collect::<Vec<_>>()
    };
    let lost = |count, from| Event::Lost { count, from: Timestamp(from * MS) };
    assert_eq!(read(&around(&[lost(0, 1_000)]), &metrics), (1, vec![Outcome::Undecided]));
    assert_eq!(read(&around(&[lost(1, 1_000)]), &metrics).0, 0);
    // A loss of several emitters is counted once.
    assert_eq!(read(&around(&[lost(1, 1_000), lost(0, 1_000), lost(0, 1_000)]), &metrics).0, 0);
    assert_eq!(read(&around(&[lost(1, 1_000), lost(0, 999)]), &metrics).0, 1);
}

/// The times of one emitter go back only if one of them is wrong.
#[test]
fn a_time_behind_that_of_the_next_event_leaves_figures_of_times_open() {
    let at = |poll_ended: u64| {
        let whole = [
            (1, begun(1)),
            (2, ran(1, 1)),
            (poll_ended, poll(2)),
            (4, ended(1, 1)),
            (5, begun(2)),
            (6, ended(2, 5)),
        ];
        read(&whole, &["ticks.run.max"])
    };
    assert_eq!(at(3), (0, vec![Outcome::Failed]));
    assert_eq!(at(1_004), (1, vec![Outcome::Undecided]));
}
