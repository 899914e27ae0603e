//! A seek to a stall shows everything that the stall delayed, although those waits end only after it.

use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId};
use loop_traces::source::SourceKind;

use super::*;
use crate::app::delayed;

const LOOP: SourceId = SourceId(1);
const OTHER: SourceId = SourceId(2);
const MS: u64 = 1_000_000;

/// A tick with one task from `start` to `end`, preceded by timers due at these times, all in milliseconds.
fn tick(events: &mut Vec<Stamped>, source: SourceId, number: u64, (start, end): (u64, u64), due: &[u64]) {
    let at = |ms: u64, event| Stamped { at: Timestamp(ms * MS), source, event };
    events.push(at(start, Event::TickStart { tick: number }));
    let fired = Timestamp(start * MS);
    for due in due {
        let (timer, tag, task) = (TimerId(*due), Tag(2), TaskId(number));
        let due = Timestamp(due * MS);
        events.push(at(start, Event::TimerFired { timer, tag, task, due, fired, skipped: 0 }));
    }
    let (task, tag, outcome) = (TaskId(number), Tag(1), Outcome::Done);
    events.push(at(end, Event::TaskRan { task, tag, outcome, queued: fired, start: fired }));
    events.push(at(end, Event::TickEnd { tick: number, tasks_run: 1, start: fired }));
}

fn watched_by(events: Vec<Stamped>) -> Watched {
    let metadata = Script::default().metadata();
    let kept = MemorySource::new("by hand", SourceKind::Trace, metadata, events.clone());
    watched_source(kept, events, ReplayOptions { paused: true, ..ReplayOptions::default() })
}

fn next(watched: &mut Watched, forward: bool) -> (u64, u64) {
    assert!(watched.player.seek_stall(forward, &mut watched.seen).unwrap());
    watched.check();
    let info = watched.player.info();
    (info.marked.unwrap().as_ns() / MS, info.position.as_ns() / MS)
}

/// The waits of everything delayed by the stall that ended then, in milliseconds.
fn delayed_by(watched: &Watched, end_ms: u64) -> Vec<u64> {
    let fold = &watched.seen.0;
    let tick = fold.tick_that_ended(Timestamp(end_ms * MS)).unwrap();
    delayed::by_tick(fold, tick).all.iter().map(|delayed| delayed.waited_ns() / MS).collect()
}

#[test]
fn the_replay_continues_until_the_last_delayed_timer_fired() {
    let mut events = Vec::new();
    tick(&mut events, LOOP, 1, (100, 140), &[]);
    tick(&mut events, LOOP, 2, (141, 142), &[110, 120]);
    tick(&mut events, LOOP, 3, (143, 144), &[138]);
    // A timer due after the stall, which did not delay it; then a stall that delays nothing.
    tick(&mut events, LOOP, 4, (160, 161), &[150]);
    tick(&mut events, LOOP, 5, (300, 330), &[]);
    tick(&mut events, LOOP, 6, (400, 401), &[]);
    let mut watched = watched_by(events);
    assert_eq!(next(&mut watched, true), (140, 144));
    assert_eq!(delayed_by(&watched, 140), [31, 21, 5]);
    assert_eq!(next(&mut watched, true), (330, 330));
    assert_eq!(next(&mut watched, false), (140, 144));
    assert!(!watched.player.seek_stall(false, &mut watched.seen).unwrap());
}

#[test]
fn a_stall_within_the_aftermath_of_another_is_not_skipped() {
    let mut events = Vec::new();
    tick(&mut events, LOOP, 1, (100, 140), &[]);
    tick(&mut events, LOOP, 2, (141, 170), &[]);
    tick(&mut events, LOOP, 3, (171, 172), &[110, 150]);
    let mut watched = watched_by(events);
    assert_eq!(next(&mut watched, true), (140, 172));
    assert_eq!(delayed_by(&watched, 140), [61]);
    assert_eq!(next(&mut watched, true), (170, 172), "the moment is the same, the stall is another");
    assert_eq!(delayed_by(&watched, 170), [61, 21]);
    assert_eq!(next(&mut watched, false), (140, 172));
}

#[test]
fn the_aftermath_waits_only_for_its_own_loop_and_not_forever() {
    let mut events = Vec::new();
    tick(&mut events, LOOP, 1, (100, 140), &[]);
    tick(&mut events, OTHER, 1, (141, 142), &[110]);
    tick(&mut events, LOOP, 2, (143, 144), &[130]);
    tick(&mut events, LOOP, 3, (2_000, 2_001), &[139]);
    let mut watched = watched_by(events);
    assert_eq!(next(&mut watched, true), (140, 144));
    assert_eq!(delayed_by(&watched, 140), [13]);
}

#[test]
fn a_stall_that_has_not_ended_is_the_last() {
    let at = |ms: u64, event| Stamped { at: Timestamp(ms * MS), source: LOOP, event };
    let mut events = Vec::new();
    tick(&mut events, LOOP, 1, (100, 140), &[]);
    let running = loop_probes::recorder::Running::Task { task: TaskId(2), tag: Tag(1) };
    events.extend([at(200, Event::TickStart { tick: 2 }), at(900, running.event(Timestamp(200 * MS)))]);
    let mut watched = watched_by(events);
    assert_eq!(watched.player.info().stalls.len(), 2);
    assert_eq!(next(&mut watched, true), (140, 140));
    assert_eq!(next(&mut watched, true), (900, 900));
    assert!(!watched.player.seek_stall(true, &mut watched.seen).unwrap());
    assert_eq!(next(&mut watched, false), (140, 140));
}

#[test]
fn any_time_in_a_stall_leads_to_it() {
    let mut events = Vec::new();
    tick(&mut events, LOOP, 1, (100, 140), &[]);
    tick(&mut events, LOOP, 2, (141, 142), &[110]);
    let mut watched = watched_by(events);
    let stall = next(&mut watched, true);
    for at_ms in [101, 140] {
        watched.seek(Timestamp(142 * MS));
        watched.player.seek_tick(Timestamp(at_ms * MS), &mut watched.seen).unwrap();
        let info = watched.player.info();
        assert_eq!((info.marked.unwrap().as_ns() / MS, info.position.as_ns() / MS), stall);
    }
    watched.player.step_ticks(-1, &mut watched.seen).unwrap();
    assert_eq!(watched.player.info().marked, None, "a step goes to the end of a tick");
    watched.check();
}
