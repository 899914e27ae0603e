//! Recordings that no loop ever made end in an answer or an error, and soon.

use fastrand::Rng;
use loop_probes::event::{Event, PolicyField};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::synthetic::Script;

use super::recorded::{program, shop};
use super::{Changes, Recorded};
use crate::RerunError;

fn endure(events: Vec<Stamped>) {
    if let Ok(recorded) = Recorded::read(&mut program(events)) {
        for policy in ["bun", "quickjs", "mini"] {
            let changes = Changes { policy: Some(policy.to_owned()), ..Changes::default() };
            // An error is fine too.
            let _ = recorded.what_if(&changes, None);
        }
    }
}

#[test]
fn damaged_recordings_end_in_an_answer_or_an_error() {
    let whole = shop().events().to_vec();
    for seed in 0..60 {
        let mut random = Rng::with_seed(seed);
        let mut events = whole.clone();
        for _ in 0..random.usize(1..40) {
            let place = random.usize(..events.len());
            let other = random.usize(..events.len());
            match random.u8(..5) {
                0 => drop(events.remove(place)),
                1 => events.insert(place, whole[other.min(whole.len() - 1)]),
                2 => events.swap(place, other),
                3 => events[place].at = Timestamp(random.u64(..3_000_000_000)),
                _ => {
                    let (from, to) = (place.min(other), place.max(other));
                    if to - from < 50 {
                        events.drain(from..to);
                    }
                }
            }
        }
        endure(events);
    }
}

#[test]
fn a_damaged_policy_is_not_called_an_unknown_one() {
    let mut events = shop().events().to_vec();
    for stamped in &mut events {
        match &mut stamped.event {
            Event::SnapshotPolicy { field: PolicyField::Name, .. } => {}
            Event::SnapshotPolicy { value, .. } => *value = Some(u64::MAX),
            _ => {}
        }
    }
    let recorded = Recorded::read(&mut program(events)).unwrap();
    let refused = recorded.what_if(&Changes::default(), None).unwrap_err();
    assert!(matches!(refused, RerunError::DamagedPolicy { .. }), "{refused}");
    let other = Changes { policy: Some("quickjs".to_owned()), ..Changes::default() };
    assert!(recorded.what_if(&other, None).is_ok());
}

#[test]
fn times_at_the_ends_of_time_overflow_nothing() {
    for (nth, time) in [(0, u64::MAX), (1, 0), (2, u64::MAX / 2), (3, 1)] {
        let mut events = shop().events().to_vec();
        for (place, stamped) in events.iter_mut().enumerate().filter(|(place, _)| place % 7 == nth) {
            let moved = Timestamp(time.saturating_sub(place as u64));
            stamped.event = stamped.event.map_time(|_| moved);
            stamped.at = if place % 2 == 0 { moved } else { stamped.at };
        }
        endure(events);
    }
}

#[test]
fn random_recordings_of_every_event_kind_never_panic() {
    for seed in 0..4 {
        let script = Script {
            seed,
            ticks: 200,
            lost_every: 90,
            loop_kinds: true,
            agenda_workers: 2,
            ..Script::default()
        };
        endure(script.events());
    }
}

#[test]
fn a_poll_that_found_more_than_there_can_be_costs_nothing() {
    let mut events = shop().events().to_vec();
    for stamped in &mut events {
        if let Event::Poll { ready, .. } = &mut stamped.event {
            *ready = u32::MAX;
        }
    }
    let whole = Recorded::read(&mut shop()).unwrap();
    let recorded = Recorded::read(&mut program(events)).unwrap();
    assert_eq!(recorded.arrivals(), whole.arrivals());
    recorded.what_if(&Changes::default(), None).unwrap();
}

#[test]
fn heaps_of_every_size_overflow_nothing() {
    let mut events = shop().events().to_vec();
    let mut sizes = [0, u64::MAX, 1, i64::MAX as u64 + 1].into_iter().cycle();
    for stamped in &mut events {
        if let Event::InputHeap { heap_bytes } = &mut stamped.event {
            *heap_bytes = sizes.next().unwrap();
        }
    }
    endure(events);
}

#[test]
fn a_task_that_queues_itself_twice_is_refused_before_it_fills_the_memory() {
    let mut events = shop().events().to_vec();
    let is_child = |stamped: &Stamped| matches!(stamped.event, Event::TaskQueued { parent: Some(_), .. });
    let queued = events.iter().position(is_child).unwrap();
    let mut again = events[queued];
    let Event::TaskQueued { task: child, parent, .. } = &mut again.event else { panic!("no task") };
    *parent = Some((*child).into());
    let child = *child;
    let ran = events
        .iter()
        .position(|stamped| matches!(stamped.event, Event::TaskRan { task, .. } if task == child))
        .unwrap();
    // It takes no time, so the time limit does not end it either.
    let at = events[ran].at;
    again.at = at;
    if let Event::TaskRan { start, .. } = &mut events[ran].event {
        *start = at;
    }
    events.splice(ran..ran, [again, again]);
    let recorded = Recorded::read(&mut program(events)).unwrap();
    let refused = recorded.what_if(&Changes::default(), None).map(drop).unwrap_err();
    let is_refused = matches!(refused, RerunError::TooManyWaiting { .. } | RerunError::TooMuchWork { .. });
    assert!(is_refused, "{refused}");
}

#[test]
fn after_a_loss_a_new_stretch_begins() {
    let mut events = shop().events().to_vec();
    let loop_source =
        events.iter().find(|event| matches!(event.event, Event::TickStart { .. })).unwrap().source;
    let middle = events.len() / 2;
    let at = events[middle].at;
    let lost = Event::Lost { count: 3, from: at };
    // A loss after everything else invalidates nothing.
    let end = events.last().unwrap().at;
    let cut = Stamped { at: end, source: loop_source, event: Event::Lost { count: 3, from: end } };
    let cut = Recorded::read(&mut program([&events[..], &[cut]].concat())).unwrap();
    let whole = Recorded::read(&mut program(events.clone())).unwrap();
    assert_eq!((cut.arrivals(), cut.span_ns()), (whole.arrivals(), whole.span_ns()));
    events.insert(middle, Stamped { at, source: loop_source, event: lost });
    let refused = Recorded::read(&mut program(events)).unwrap_err().to_string();
    assert!(refused.contains("no snapshot of a loop after its last loss"), "{refused}");
}
