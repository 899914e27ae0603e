//! Invariants that every record of a loop must satisfy, checked on random programs and on a mix of everything.

use std::collections::{HashMap, HashSet};

use loop_probes::event::{ClockPoint, Event, Outcome, Queue, StopReason};
use loop_probes::ids::{TaskId, Ticks, TimerId, Timestamp};

type Record = [(Ticks, Event<Ticks>)];

/// Fails if `record`, complete from the loop's first event on, contradicts itself.
pub(crate) fn check(record: &Record) {
    times_go_forward(record);
    ticks_and_phases_nest(record);
    tasks_run_once(record);
    timers_follow_from_their_readings(record);
    let polls = record.iter().filter(|(_, event)| matches!(event, Event::Poll { .. })).count();
    let is_reading =
        |event: &Event<Ticks>| matches!(event, Event::InputClock { point: ClockPoint::AfterPoll, .. });
    assert_eq!(record.iter().filter(|(_, event)| is_reading(event)).count(), polls);
}

fn times_go_forward(record: &Record) {
    for pair in record.windows(2) {
        assert!(pair[0].0 <= pair[1].0, "{pair:?}");
    }
    for (at, event) in record {
        if let Event::TaskRan { queued, start, .. } = event {
            assert!(queued <= start && start <= at, "{event:?} at {at}");
        }
    }
}

fn ticks_and_phases_nest(record: &Record) {
    let (mut open, mut last, mut free_from, mut ran) = (None, 0, Ticks(0), 0_u32);
    for (at, event) in record {
        match *event {
            Event::TickStart { tick } => {
                assert_eq!((open.replace(*at), tick), (None, last + 1));
                (last, free_from, ran) = (tick, *at, 0);
            }
            Event::TickEnd { tick, tasks_run, start } => {
                assert_eq!((tick, open.take()), (last, Some(start)));
                assert_eq!(tasks_run, ran, "tick {tick}");
            }
            Event::Phase { phase, start } => {
                assert!(open.is_some() && start >= free_from, "{phase} of tick {last} overlaps");
                free_from = *at;
            }
            Event::TaskRan { outcome: Outcome::Done | Outcome::Failed | Outcome::Panicked, .. } => ran += 1,
            _ => {}
        }
    }
    assert_eq!(open, None);
}

fn tasks_run_once(record: &Record) {
    let (mut waiting, mut ended): (HashSet<TaskId>, HashSet<TaskId>) = Default::default();
    for (_, event) in record {
        match *event {
            Event::TaskQueued { task, place, .. } => {
                assert!(waiting.insert(task), "{task} was queued twice");
                assert!(matches!(place.queue, Queue::Tasks | Queue::Immediates | Queue::AfterLoop));
            }
            Event::TimerFired { task, .. } => assert!(waiting.insert(task)),
            // A loop may end without it.
            Event::ImmediateRef { task, referenced: false } => drop(waiting.remove(&task)),
            Event::ImmediateRef { task, referenced: true } if !ended.contains(&task) => {
                waiting.insert(task);
            }
            Event::TaskRan { task, .. } => {
                waiting.remove(&task);
                assert!(ended.insert(task), "{task} ran twice");
            }
            _ => {}
        }
    }
    // A loop that was stopped may leave tasks waiting.
    let drained = |event: &Event<Ticks>| matches!(event, Event::LoopStopped { reason: StopReason::Drained });
    if record.last().is_some_and(|(_, event)| drained(event)) {
        assert!(waiting.is_empty(), "never ran: {waiting:?}");
    }
}

/// The due times in the record follow from the recorded clock readings: re-execution depends on this.
fn timers_follow_from_their_readings(record: &Record) {
    let mut armed: HashMap<TimerId, (Timestamp, Option<u64>)> = HashMap::new();
    // The firing interval, until its task ends, with the clock reading from which its next period starts.
    let mut firing: Option<(TimerId, TaskId, Option<u64>, Option<Timestamp>)> = None;
    for (_, event) in record {
        match *event {
            Event::TimerArmed { timer, due, period_ns, .. } => {
                armed.insert(timer, (due, period_ns));
            }
            Event::TimerCleared { timer } => {
                armed.remove(&timer);
                firing = firing.filter(|firing| firing.0 != timer);
            }
            Event::TimerFired { timer, task, due, fired, skipped, .. } => {
                settle(&mut armed, firing.take());
                let (expected, period_ns) =
                    armed.remove(&timer).unwrap_or_else(|| panic!("{timer} is not armed"));
                assert_eq!(due, expected);
                assert!(fired >= due, "{timer} fired early");
                let lag_ns = fired.ns_since(due);
                assert_eq!(u64::from(skipped), period_ns.map_or(0, |period_ns| lag_ns / period_ns));
                firing = Some((timer, task, period_ns, None));
            }
            Event::InputClock { point: ClockPoint::Interval, now } => {
                let firing = firing.as_mut().unwrap_or_else(|| panic!("no interval fires at {now}"));
                firing.3 = Some(now);
            }
            Event::TickEnd { .. } => settle(&mut armed, firing.take()),
            _ => {}
        }
    }
}

fn settle(
    armed: &mut HashMap<TimerId, (Timestamp, Option<u64>)>,
    fired: Option<(TimerId, TaskId, Option<u64>, Option<Timestamp>)>,
) {
    if let Some((timer, _, Some(period_ns), Some(started))) = fired {
        // Unless its own callback re-armed it.
        armed.entry(timer).or_insert((started.plus_ns(period_ns), Some(period_ns)));
    }
}
