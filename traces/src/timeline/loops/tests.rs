//! Tests of separate loops: the figures of each equal those of the loop alone, and those of the whole do not change.

use loop_probes::event::{Outcome, StopReason};
use loop_probes::ids::{Tag, TaskId, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::synthetic::strategy::scripts;

const MS: u64 = 1_000_000;

fn at(source: u32, at: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at), source: SourceId(source), event }
}

/// A tick of 10 ms that is busy for `busy` of them.
fn tick(source: u32, number: u64, start: u64, busy: u64) -> Vec<Stamped> {
    let (reason, timeout_ns) = (loop_probes::event::PollReason::Timer, Some(MS));
    let poll = Event::Poll { reason, ready: 0, timeout_ns, start: Timestamp((start + busy) * MS) };
    let (task, tag, from) = (TaskId(number), Tag(source as u16), Timestamp(start * MS));
    let ran = Event::TaskRan { task, tag, outcome: Outcome::Done, queued: from, start: from };
    let end = Event::TickEnd { tick: number, tasks_run: 1, start: from };
    vec![
        at(source, start * MS, Event::TickStart { tick: number }),
        at(source, (start + busy) * MS, ran),
        at(source, (start + 10) * MS, poll),
        at(source, (start + 10) * MS, end),
    ]
}

fn folded<'a>(events: impl IntoIterator<Item = &'a Stamped>) -> Timeline {
    let mut timeline = Timeline::new(TimelineConfig::default());
    timeline.extend(events);
    timeline
}

/// One loop is saturated and one idle.
pub(crate) fn two() -> Vec<Stamped> {
    let mut events: Vec<Stamped> =
        (0..50).flat_map(|n| [tick(1, n, n * 10, 10), tick(2, n, n * 10, 0)]).flatten().collect();
    events.sort_by_key(|stamped| stamped.at);
    events
}

#[test]
fn a_timer_that_is_overdue_is_overdue_in_its_own_loop() {
    let armed = |source, timer| {
        let timer = loop_probes::ids::TimerId(timer);
        at(source, MS, Event::TimerArmed { timer, tag: Tag(9), due: Timestamp(2 * MS), period_ns: None })
    };
    let mut events = vec![armed(1, 1), armed(2, 1), armed(2, 2)];
    events.extend([at(1, MS, Event::TickStart { tick: 1 }), at(2, MS, Event::TickStart { tick: 1 })]);
    events.push(at(2, 9 * MS, Event::Wake { from: None, coalesced: 0 }));
    let timeline = folded(&events);
    let overdue = |own: &Timeline| own.overdue_timers().len();
    let each: Vec<usize> = timeline.loops_by_now().map(|own| overdue(&own)).collect();
    assert_eq!((overdue(&timeline), each), (3, vec![1, 2]));
}

#[test]
fn timers_of_a_closed_loop_do_not_become_overdue() {
    let timer = loop_probes::ids::TimerId(1);
    let armed = Event::TimerArmed { timer, tag: Tag(9), due: Timestamp(2 * MS), period_ns: Some(MS) };
    let begin = Event::SnapshotBegin { tick: 1, next_task: TaskId(1), next_timer: timer };
    let closed = Event::LoopStopped { reason: StopReason::Closed };
    let mut events = vec![at(1, 0, begin), at(1, 0, Event::SnapshotEnd { parts: 0, left_out: 0 })];
    events.extend(tick(1, 1, 0, 1));
    events.push(at(1, MS, armed));
    let later = tick(2, 1, 50, 1);
    let figures = |events: &[Stamped]| {
        let timeline = folded(events.iter().chain(&later));
        let reason = timeline.stopped.map(|stopped| stopped.reason);
        (timeline.overdue_timers().len(), reason)
    };
    assert_eq!(figures(&events), (1, None), "paused between two runs");
    events.push(at(1, 2 * MS - 1, closed));
    assert_eq!(figures(&events), (0, Some(StopReason::Closed)));
    let stopped = Event::LoopStopped { reason: StopReason::Stopped };
    events.insert(events.len() - 1, at(1, 2 * MS - 2, stopped));
    assert_eq!(figures(&events).1, Some(StopReason::Stopped), "why it stopped remains");
}

#[test]
fn another_loop_in_the_same_ring_does_not_inherit_timers() {
    let armed = |timer, due_ms: u64| {
        let timer = loop_probes::ids::TimerId(timer);
        Event::TimerArmed { timer, tag: Tag(9), due: Timestamp(due_ms * MS), period_ns: None }
    };
    let closed = Event::LoopStopped { reason: StopReason::Closed };
    let mut events = vec![at(1, MS, armed(1, 20)), at(1, 2 * MS, closed)];
    let overdue = |events: &[Stamped]| folded(events).overdue_timers().len();
    events.extend([at(1, 30 * MS, armed(2, 31)), at(1, 30 * MS, Event::TickStart { tick: 1 })]);
    events.push(at(1, 40 * MS, Event::Wake { from: None, coalesced: 0 }));
    assert_eq!(overdue(&events), 1, "only its own");
}

#[test]
fn one_loop_is_the_whole() {
    let timeline = folded(&tick(1, 1, 0, 5));
    assert_eq!((timeline.first_loop(), timeline.separate_loops().len()), (Some(SourceId(1)), 0));
}

#[test]
fn a_saturated_and_an_idle_loop_are_not_shown_as_half_busy() {
    let timeline = folded(&two());
    let loops: Vec<(SourceId, f64, u64)> = timeline
        .separate_loops()
        .map(|(source, own)| (source, own.ticks.utilization(), own.tasks_run))
        .collect();
    assert_eq!(loops, [(SourceId(1), 1.0, 50), (SourceId(2), 0.0, 50)]);
    assert_eq!((timeline.ticks.count, timeline.tasks_run), (100, 100));
}

#[test]
fn a_worker_is_no_loop_and_a_gap_affects_all_loops() {
    let (task, tag, worker) = (TaskId(1), Tag(1), 0);
    let ran = Event::WorkRan {
        task,
        tag,
        worker,
        outcome: Outcome::Done,
        queued: Timestamp(0),
        start: Timestamp(1),
    };
    let mut events = two();
    events.insert(4, at(7, 10 * MS, ran));
    events.push(at(1, 600 * MS, Event::Lost { count: 9, from: Timestamp(590 * MS) }));
    events.push(at(2, 600 * MS, Event::Lost { count: 0, from: Timestamp(590 * MS) }));
    let timeline = folded(&events);
    let lost: Vec<u64> = timeline.separate_loops().map(|(_, own)| own.lost_records).collect();
    assert_eq!((lost, timeline.lost_records), (vec![9, 9], 9));
}

#[test]
fn loops_beyond_the_tracking_limit_are_reported() {
    let events: Vec<Stamped> =
        (1..80).flat_map(|source| tick(source, 1, u64::from(source) * 10, 5)).collect();
    let timeline = folded(&events);
    assert_eq!((timeline.separate_loops().len(), timeline.has_more_loops()), (LOOPS_MAX, true));
    assert_eq!(timeline.ticks.count, 79);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For any streams of two loops, the timeline of each equals that of the loop alone.
    #[test]
    fn each_is_what_it_would_be_alone(one in scripts(), other in scripts()) {
        let renamed = |events: Vec<Stamped>, by: u32| -> Vec<Stamped> {
            events.into_iter().map(|it| Stamped { source: SourceId(it.source.0 + by), ..it }).collect()
        };
        let (one, other) = (one.events(), renamed(other.events(), 100));
        let mut both: Vec<Stamped> = one.iter().chain(&other).copied().collect();
        both.sort_by_key(|stamped| stamped.at);
        let timeline = folded(&both);
        for (source, own) in timeline.separate_loops() {
            let alone = folded(both.iter().filter(|it| it.source == source));
            prop_assert_eq!(own.ticks.busy_ns, alone.ticks.busy_ns);
            prop_assert_eq!(&own.ticks.run_ns, &alone.ticks.run_ns);
            prop_assert_eq!(&own.timers.lag_ns, &alone.timers.lag_ns);
            prop_assert_eq!((own.tasks_run, own.stalls.count), (alone.tasks_run, alone.stalls.count));
            prop_assert_eq!(own.missing().ticks.count(), alone.missing().ticks.count());
        }
        let count: u64 = timeline.separate_loops().map(|(_, own)| own.ticks.count).sum();
        prop_assert!(timeline.separate_loops().len() == 0 || count == timeline.ticks.count);
    }
}
