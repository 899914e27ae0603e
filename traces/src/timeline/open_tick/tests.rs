//! Tests of the open tick.

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId};

use super::*;

fn task(start: u64, end: u64) -> TickSpan {
    let what =
        SpanKind::Task { task: TaskId(start), tag: Tag(1), outcome: Outcome::Done, queue_wait_ns: None };
    TickSpan { start: Timestamp(start), end: Timestamp(end), what }
}

fn poll(start: u64, end: u64) -> TickSpan {
    let what = SpanKind::Poll { reason: loop_probes::event::PollReason::Idle, ready: 0, timeout_ns: None };
    TickSpan { start: Timestamp(start), end: Timestamp(end), what }
}

#[test]
fn polls_that_overlap_are_not_counted_twice() {
    let config = TimelineConfig::default();
    let mut open = OpenTick::new(SourceId(1));
    open.begin(1, Timestamp(100));
    for span in [poll(50, 150), poll(120, 160), poll(170, 180)] {
        open.add(span, &config);
    }
    let (tick, _, _) = open.end(1, 0, Timestamp(100), Timestamp(200), u64::MAX);
    assert_eq!((tick.poll_wait_ns, tick.busy_ns), (70, 30));
    assert!(!tick.incomplete);
}

#[test]
fn the_longest_tasks_of_a_crowded_tick_are_kept() {
    let config = TimelineConfig { spans_per_tick: 64, ..TimelineConfig::default() };
    let mut open = OpenTick::new(SourceId(1));
    open.begin(1, Timestamp(0));
    let mut at = 0;
    for index in 0..100_000u64 {
        let run_ns = if index % 10_000 == 9_999 { 5_000 } else { index % 7 };
        open.add(task(at, at + run_ns), &config);
        at += run_ns;
    }
    let (tick, spans, _) = open.end(1, 100_000, Timestamp(0), Timestamp(at), u64::MAX);
    let long = spans.iter().filter(|span| span.run_ns() == 5_000).count();
    assert_eq!(long, 10);
    assert!(spans.len() <= 64);
    assert_eq!(tick.spans_left_out as usize + spans.len(), 100_000);
}

fn crowded(spans: impl IntoIterator<Item = TickSpan>) -> OpenTick {
    let config = TimelineConfig { spans_per_tick: 64, ..TimelineConfig::default() };
    let mut open = OpenTick::new(SourceId(1));
    open.begin(1, Timestamp(0));
    for (place, span) in spans.into_iter().enumerate() {
        open.add(span, &config);
        assert!(open.spans().len() <= 64 && open.spans().len() + open.left_out as usize == place + 1);
    }
    open
}

/// The only long task comes before, among and after thousands of polls, which alone exceed the limit.
#[test]
fn the_only_long_task_of_a_tick_with_many_polls_is_kept() {
    let polls = |from: u64| (from..from + 1_000).map(|n| poll(n * 10, n * 10 + 1 + n % 7));
    for before in [0, 20, 63, 64, 65, 1_000] {
        let long = task(1_000_000, 2_000_000);
        let open = crowded(polls(0).take(before).chain([long]).chain(polls(300_000)));
        assert!(open.spans().contains(&long), "after {before} polls");
        assert!(open.spans().len() > 30, "after {before} polls");
    }
}

#[test]
fn the_longest_poll_is_kept_among_many_tasks_and_among_many_polls() {
    let long = poll(0, 1_000);
    let tasks = (0..5_000).map(|n| task(1_000 + n * 10, 1_000 + n * 10 + 9));
    let polls = (0..5_000).map(|n| poll(60_000 + n * 10, 60_000 + n * 10 + 9));
    for open in [
        crowded([long].into_iter().chain(tasks.clone())),
        crowded([long].into_iter().chain(polls.clone())),
        crowded([long].into_iter().chain(tasks).chain(polls)),
    ] {
        assert!(open.spans().contains(&long));
    }
}

#[test]
fn half_of_the_tasks_of_equal_length_are_kept() {
    for tasks in [64, 65, 100, 10_000] {
        let open = crowded((0..tasks).map(|n| task(n * 10, n * 10 + 10)));
        assert!(open.spans().len() >= 32, "{} of {tasks}", open.spans().len());
    }
}

#[test]
fn a_tick_whose_start_was_not_seen_is_incomplete() {
    let mut open = OpenTick::new(SourceId(1));
    let (tick, spans, _) = open.end(7, 3, Timestamp(100), Timestamp(90_000_000), 10);
    assert!(tick.incomplete && !tick.stall && spans.is_empty());
    open.begin(8, Timestamp(90_000_001));
    let (tick, _, _) = open.end(8, 0, Timestamp(90_000_001), Timestamp(90_000_002), 10);
    assert!(!tick.incomplete);
}

#[test]
fn the_short_runs_of_a_crowded_tick_are_not_kept_rather_than_unattributed() {
    use loop_probes::event::Event;
    use loop_probes::stamped::Stamped;

    use crate::attribution::What;
    use crate::timeline::{Timeline, Waiter};

    let at = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let config = TimelineConfig { spans_per_tick: 64, stall_limit_ns: 1_000, ..TimelineConfig::default() };
    for (tasks, what) in [(64, What::Unattributed), (65, What::Evicted)] {
        let mut timeline = Timeline::new(config.clone());
        timeline.fold(&at(1_000, Event::TickStart { tick: 1 }));
        for task in 1..=tasks {
            let (start, end) = (1_000 + (task - 1) * 20, 1_000 + task * 20);
            let (queued, start) = (Timestamp(start), Timestamp(start));
            let (task, tag, outcome) = (TaskId(task), Tag(1), Outcome::Done);
            timeline.fold(&at(end, Event::TaskRan { task, tag, outcome, queued, start }));
        }
        let end = 1_000 + tasks * 20;
        let open = timeline.waited(Waiter::Timer, SourceId(1), Timestamp(1_000), Timestamp(end), 8);
        timeline.fold(&at(end, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(1_000) }));
        let stall = timeline.stalls.worst().unwrap();
        let closed = timeline.waited(Waiter::Timer, SourceId(1), Timestamp(1_000), Timestamp(end), 8);
        for blame in [&stall.blame, &open, &closed] {
            let of = |what| {
                blame.shares.iter().filter(|share| share.what == what).map(|share| share.ns).sum::<u64>()
            };
            assert_eq!((blame.total_ns, of(What::Unattributed)), (tasks * 20, 0), "{blame:?}");
            assert_eq!(of(what) > 0, tasks > 64, "{blame:?}");
        }
    }
}
