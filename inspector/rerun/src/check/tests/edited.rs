//! Edits to a recording are found; made-up recordings end in an error or a divergence, never in a panic.

use std::io::Cursor;
use std::path::Path;

use loop_core::Policy;
use loop_probes::event::{ClockPoint, Event, GcReason, Outcome, PollReason};
use loop_probes::ids::TaskId;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::SourceCounts;
use loop_traces::writer::{TraceWriter, WriteOptions};

use crate::RerunError;
use crate::check::{Happened, check_source};

use super::{assert_agrees, check, churn, is_found, stamped};

fn recorded() -> Vec<Stamped> {
    stamped(&churn::record(Policy::bun(), 5))
}

fn tick_of(events: &[Stamped], index: usize) -> u64 {
    let tick = events[..index].iter().rev().find_map(|stamped| match stamped.event {
        Event::TickStart { tick } => Some(tick),
        _ => None,
    });
    tick.unwrap()
}

/// Changes one event from the middle on, and returns its tick.
fn change(events: &mut [Stamped], mut edit: impl FnMut(&mut Event) -> bool) -> u64 {
    let middle = events.len() / 2;
    let index = (middle..events.len()).find(|index| edit(&mut events[*index].event)).unwrap();
    tick_of(events, index)
}

fn assert_parts_in(events: &[Stamped], tick: u64) {
    let checked = check(events).unwrap();
    let divergence = checked.divergence.expect("it decides otherwise");
    assert_eq!(divergence.tick, tick, "{divergence:#?}");
    let recorded = divergence.recorded.event;
    let is_same = matches!(divergence.happened, Happened::Event { event, .. } if event == recorded);
    assert!(!divergence.before.is_empty() && !is_same, "{divergence:#?}");
}

#[test]
fn a_changed_gc_reason_is_found_in_its_tick() {
    let mut events = recorded();
    let tick = change(&mut events, |event| match event {
        Event::GcDecision { reason, .. } => {
            *reason = if *reason == GcReason::Doubled { GcReason::Changed } else { GcReason::Doubled };
            true
        }
        _ => false,
    });
    assert_parts_in(&events, tick);
}

#[test]
fn a_changed_timer_lag_is_found_in_its_tick() {
    let mut events = recorded();
    let tick = change(&mut events, |event| match event {
        Event::TimerFired { skipped, .. } => {
            *skipped += 1;
            true
        }
        _ => false,
    });
    assert_parts_in(&events, tick);
}

#[test]
fn a_changed_poll_timeout_is_found_in_its_tick() {
    let mut events = recorded();
    let tick = change(&mut events, |event| match event {
        Event::Poll { reason: PollReason::Timer, timeout_ns: Some(timeout), .. } => {
            *timeout += 1;
            true
        }
        _ => false,
    });
    assert_parts_in(&events, tick);
}

#[test]
fn swapped_tasks_are_found_in_their_tick() {
    let mut events = recorded();
    let ran = |stamped: &Stamped| matches!(stamped.event, Event::TaskRan { outcome: Outcome::Done, .. });
    let places: Vec<usize> = (events.len() / 2..events.len()).filter(|place| ran(&events[*place])).collect();
    let pair = places.windows(2).find(|pair| tick_of(&events, pair[0]) == tick_of(&events, pair[1])).unwrap();
    let (first, second) = (events[pair[0]].event, events[pair[1]].event);
    (events[pair[0]].event, events[pair[1]].event) = (second, first);
    let tick = tick_of(&events, pair[0]);
    assert_parts_in(&events, tick);
}

/// What a callback did is input. A removed post is noticed when its task runs or, with that removed too, by the next
/// id.
#[test]
fn a_removed_post_is_detected() {
    let mut events = recorded();
    let middle = events.len() / 2;
    let is_post = |event: &Event| matches!(event, Event::TaskQueued { parent: Some(_), .. });
    let index = (middle..events.len()).find(|index| is_post(&events[*index].event)).unwrap();
    let tick = tick_of(&events, index);
    let Event::TaskQueued { task: cut, .. } = events.remove(index).event else { unreachable!() };
    assert_parts_in(&events, tick);
    events.retain(|stamped| !matches!(stamped.event, Event::TaskRan { task, .. } if task == cut));
    assert!(is_found(&events));
}

#[test]
fn an_extra_or_missing_decision_is_found() {
    // Not those that record acts: without them the callback did something else.
    let is_act = |event: &Event| matches!(event, Event::InputClock { point: ClockPoint::Arm, .. });
    for kind in [4, 6, 9, 10, 12, 14, 18, 43, 44] {
        let mut events = recorded();
        let middle = events.len() / 2;
        let is_one = |event: &Event| event.code() == kind && !is_act(event);
        let place = (middle..events.len()).find(|place| is_one(&events[*place].event));
        let place = place.unwrap_or_else(|| panic!("nothing of kind {kind} happened"));
        let removed = events.remove(place);
        assert!(!check(&events).unwrap().agrees(), "{removed:?} is missing");
        events.insert(place, removed);
        events.insert(place, removed);
        assert!(!check(&events).unwrap().agrees(), "{removed:?} is there twice");
    }
}

#[test]
fn a_tick_without_its_end_is_a_hole_and_no_decision() {
    let mut events = recorded();
    let is_end = |stamped: &Stamped| matches!(stamped.event, Event::TickEnd { .. });
    let place = events.len() / 2 + events[events.len() / 2..].iter().position(is_end).unwrap();
    events.remove(place);
    match check(&events) {
        Ok(checked) => assert!(checked.agrees(), "{:#?}", checked.divergence),
        Err(error) => assert!(matches!(error, RerunError::BehindLoss { .. }), "{error:?}"),
    }
}

/// After a reload the check may suppose a number of waiting microtasks, but no more than the next checkpoint ran.
#[test]
fn references_that_no_microtask_explains_are_found_after_a_reload() {
    let mut events = stamped(&churn::record(Policy::bun(), 15));
    assert_agrees(&events);
    let is_reload =
        |stamped: &Stamped| matches!(stamped.event, Event::TaskRan { outcome: Outcome::Reload, .. });
    let place = events.windows(8).rposition(|window| {
        is_reload(&window[0]) && window.iter().any(|next| matches!(next.event, Event::InputRefs { .. }))
    });
    let reload = place.expect("other threads take references after a reload");
    for wrong in [-1, 1, 2, 50] {
        let mut edited = events.clone();
        let change = edited[reload..].iter_mut().find_map(|stamped| match &mut stamped.event {
            Event::RefChanged { alive, .. } => Some(alive),
            _ => None,
        });
        let alive = change.unwrap();
        *alive = alive.saturating_add_signed(wrong);
        assert!(is_found(&edited), "{wrong:+}");
    }
    events.retain(|stamped| !is_reload(stamped));
    assert!(is_found(&events));
}

#[test]
fn a_premature_end_is_found() {
    let mut events = recorded();
    let is_end = |event: &Event| matches!(event, Event::LoopStopped { .. });
    let end = *events.iter().rfind(|stamped| is_end(&stamped.event)).expect("it ended");
    let is_reading =
        |stamped: &Stamped| matches!(stamped.event, Event::InputClock { point: ClockPoint::Shutdown, .. });
    let continues = events.windows(2).position(|pair| is_reading(&pair[0]) && !is_end(&pair[1].event));
    events.insert(continues.expect("the shutdown takes some turns") + 1, end);
    assert!(is_found(&events));
}

#[test]
fn events_that_were_skipped_may_explain_any_divergence() {
    let mut events = recorded();
    change(&mut events, |event| match event {
        Event::TimerFired { skipped, .. } => {
            *skipped += 1;
            true
        }
        _ => false,
    });
    let checked_with = |counts: SourceCounts| {
        let (mut file, path) = (Vec::new(), Path::new("edited.looptrace"));
        let mut writer =
            TraceWriter::new(&mut file, path, &Metadata::new("churn"), WriteOptions::default()).unwrap();
        writer.append(&events).unwrap();
        writer.set_counts(counts);
        writer.finish().unwrap();
        let open = || Ok(Box::new(TraceReader::new(Cursor::new(file.clone()), path).unwrap()) as Box<_>);
        check_source(open, None)
    };
    assert!(checked_with(SourceCounts::default()).unwrap().divergence.is_some());
    let malformed = SourceCounts { malformed: 1, ..SourceCounts::default() };
    let unknown = SourceCounts { unknown_kinds: 1, ..SourceCounts::default() };
    for counts in [malformed, unknown] {
        let error = checked_with(counts).unwrap_err();
        assert!(matches!(error, RerunError::NotShown { .. }), "{counts:?}: {error}");
    }
}

#[test]
fn missing_or_fabricated_events_never_panic() {
    let events = recorded();
    assert_agrees(&events);
    let mut dice = fastrand::Rng::with_seed(9);
    for _ in 0..150 {
        let mut broken = events.clone();
        for _ in 0..dice.usize(1..4) {
            let place = dice.usize(..broken.len());
            let other = dice.usize(..broken.len());
            match dice.u8(..5) {
                0 => drop(broken.remove(place)),
                1 => broken.swap(place, other),
                2 => broken.truncate(place.max(events.len() / 8)),
                3 => broken.insert(place, events[other]),
                _ => exaggerate(&mut broken[place].event),
            }
        }
        // An error, a divergence, or agreement if nothing compared was touched.
        let _ = check(&broken);
    }
}

fn exaggerate(event: &mut Event) {
    match event {
        Event::InputBatch { taken, .. } => *taken = u32::MAX,
        Event::Wake { coalesced, .. } => *coalesced = u32::MAX,
        Event::Microtasks { ran, left, .. } => (*ran, *left) = (u32::MAX, u32::MAX),
        Event::Poll { ready, .. } => *ready = u32::MAX,
        Event::SignalArrived { depth, .. } => *depth = u32::MAX,
        Event::RefChanged { delta, alive, .. } => (*delta, *alive) = (i32::MIN, u32::MAX),
        Event::InputClock { now, .. } => now.0 = u64::MAX,
        Event::InputReturned { value, .. } => *value = 0,
        Event::TaskRan { task, .. } => *task = TaskId(u64::MAX),
        Event::TimerArmed { due, period_ns, .. } => (due.0, *period_ns) = (u64::MAX, Some(u64::MAX)),
        Event::SnapshotQueue { depth, .. } => *depth = u32::MAX,
        Event::SnapshotRef { count, .. } => *count = u32::MAX,
        Event::SnapshotBegin { tick, next_task, next_timer } => {
            (*tick, next_task.0, next_timer.0) = (u64::MAX, u64::MAX, u64::MAX);
        }
        Event::SnapshotPolicy { value, .. } => *value = Some(u64::MAX),
        Event::SnapshotLoop { finished, calls, .. } => (*finished, *calls) = (u32::MAX, u64::MAX),
        Event::TickStart { tick } => *tick = u64::MAX,
        _ => {}
    }
}
