//! Tests of loops that stop while timers are due and tasks are queued: those waited until then, and no longer.

use super::*;
use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::source::{MemorySource, SourceCounts, SourceKind};
use crate::summary::Summary;

const MS: u64 = 1_000_000;

pub(super) fn armed(timer: u64, due: u64, period_ns: Option<u64>) -> Event {
    Event::TimerArmed { timer: TimerId(timer), tag: TAG, due: Timestamp(due), period_ns }
}

fn queued(task: u64, time: u64) -> Stamped {
    let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: 1 };
    let (task, queued) = (TaskId(task), Timestamp(time));
    at(time, Event::TaskQueued { task, tag: OTHER_TAG, place, parent: None, poster: None, queued })
}

fn stopped(reason: StopReason, ms: u64) -> Stamped {
    at(ms * MS, Event::LoopStopped { reason })
}

/// From 2 ms to 502 ms, a task runs. An interval of 10 ms is due at 12 ms, and a task is queued at 5 ms.
fn blocked() -> Vec<Stamped> {
    vec![
        begun(1, MS),
        at(MS, armed(1, 12 * MS, Some(10 * MS))),
        at(MS, armed(2, 900 * MS, None)),
        queued(7, 5 * MS),
        ran(1, 2 * MS, 502 * MS),
        at(502 * MS, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(MS) }),
    ]
}

/// The same events followed by `ended`, with another emitter that goes on for long.
fn folded_with(ended: &[Stamped]) -> Timeline {
    let other = on(OTHER, 9_000 * MS, Event::Wake { from: None, coalesced: 0 });
    folded(&[&blocked(), ended, &[other]].concat())
}

/// The lag of the overdue timers and the waits of the queued tasks, in milliseconds.
fn waits_ms(timeline: &Timeline) -> (Vec<u64>, Vec<u64>) {
    let timers = timeline.overdue_timers();
    let (timers, tasks) = (timers.iter().map(OverdueTimer::lag_ns), timeline.waiting_tasks());
    (timers.map(|ns| ns / MS).collect(), tasks.iter().map(|task| task.queue_wait_ns() / MS).collect())
}

#[test]
fn timers_due_at_a_stop_were_late_until_the_stop() {
    use StopReason::{Closed, Drained, Stopped};
    for ended in [
        &[stopped(Stopped, 503)][..],
        &[stopped(Drained, 503), stopped(Closed, 2_000)],
        &[stopped(Closed, 503)],
    ] {
        let timeline = folded_with(ended);
        assert_eq!(waits_ms(&timeline), (vec![491], vec![498]), "{ended:?}");
        for end in [StreamEnd::Known, StreamEnd::Died, StreamEnd::Cut] {
            let unfinished = timeline.unfinished(end);
            assert_eq!((unfinished.skipped(), unfinished.may_skip_more()), (49, false), "{ended:?}");
            let missing = timeline.missing_with(&unfinished);
            for (samples, count) in [
                (&missing.lag, 1),
                (&missing.lag_corrected, 49),
                (&missing.waits, 1),
                (&missing.waits_of(OTHER_TAG), 1),
            ] {
                let cut_short = samples.cut_short().map(Histogram::count);
                assert_eq!((samples.count(), cut_short), (0, Some(count)), "{ended:?}");
            }
        }
    }
    // If the loop is only paused, they wait until it is closed.
    assert_eq!(waits_ms(&folded_with(&[stopped(Closed, 2_000)])), (vec![1_988, 1_100], vec![1_995]));
    assert_eq!(waits_ms(&folded_with(&[])).0, [8_988, 8_100]);
}

#[test]
fn entries_of_other_queues_at_a_stop_wait_like_tasks() {
    for queue in [Queue::Immediates, Queue::AfterLoop] {
        let set = |task: u64| {
            let place = Placement { queue, origin: Origin::Local, depth: task as u32 };
            let (task, queued) = (TaskId(task), Timestamp(5 * MS));
            let set = Event::TaskQueued { task, tag: OTHER_TAG, place, parent: None, poster: None, queued };
            at(5 * MS, set)
        };
        let cleared = |task: u64| {
            let (task, start) = (TaskId(task), Timestamp(6 * MS));
            let outcome = loop_probes::event::Outcome::Cancelled;
            at(6 * MS, Event::TaskRan { task, tag: OTHER_TAG, outcome, queued: Timestamp(5 * MS), start })
        };
        let events = [begun(1, MS), set(7), set(8), cleared(8), ran(1, 2 * MS, 502 * MS)];
        let hangs = folded(&[&events[..], &[seen(in_task(9), 503 * MS, 900 * MS)]].concat());
        assert_eq!(waits_ms(&hangs).1, [895], "{queue:?}");
        let ended = folded(&[&events[..], &[stopped(StopReason::Stopped, 503)]].concat());
        assert_eq!(waits_ms(&ended).1, [498], "{queue:?}");
        assert_eq!(ended.missing().waits_of(OTHER_TAG).cut_short().map(Histogram::max), Some(498 * MS));
    }
}

#[test]
fn tasks_queued_after_a_stop_wait_until_the_loop_is_closed() {
    use StopReason::{Closed, Stopped};
    let after = [stopped(Stopped, 503), queued(8, 600 * MS)];
    let timeline = folded_with(&[&after[..], &[stopped(Closed, 700), stopped(Closed, 800)]].concat());
    assert_eq!(waits_ms(&timeline).1, [498, 100]);
    assert!(timeline.waiting_tasks().iter().all(|task| task.is_final));
    // If the loop was not closed, the task still waits.
    let timeline = folded_with(&after);
    assert_eq!(waits_ms(&timeline).1, [8_400, 498]);
    assert!(!timeline.waiting_tasks()[0].is_final);
}

#[test]
fn a_snapshot_without_room_for_all_timers_makes_none_of_them_unknown() {
    let next = (TaskId(9), TimerId(9));
    let listed = Event::SnapshotTimer {
        timer: TimerId(2),
        tag: TAG,
        due: Timestamp(900 * MS),
        period_ns: None,
        referenced: true,
    };
    let timeline = folded(&[
        begun(1, MS),
        at(MS, armed(1, 12 * MS, None)),
        at(MS, armed(2, 900 * MS, None)),
        at(MS, armed(3, 900 * MS, Some(900 * MS))),
        at(2 * MS, Event::SnapshotBegin { tick: 1, next_task: next.0, next_timer: next.1 }),
        at(2 * MS, listed),
        at(2 * MS, Event::SnapshotEnd { parts: 1, left_out: 2 }),
        at(3 * MS, armed(3, 903 * MS, Some(900 * MS))),
        seen(in_task(1), 3 * MS, 502 * MS),
    ]);
    assert_eq!(waits_ms(&timeline).0, [490]);
    let timers = timeline.queues.queue(Queue::Timers);
    assert_eq!((timers.depth_max.get(), timers.depth_p50(Timestamp(502 * MS))), (3, Some(3)));
}

/// A post of another thread that the loop had not taken when it was closed at `ms`.
fn never_taken(task: u64, queued_ms: u64, depth: u32, ms: u64) -> Stamped {
    let place = Placement { queue: Queue::Concurrent, origin: Origin::Concurrent, depth };
    let (task, tag, queued) = (TaskId(task), Tag(0), Timestamp(queued_ms * MS));
    at(ms * MS, Event::TaskQueued { task, tag, place, parent: None, poster: Some(OTHER), queued })
}

#[test]
fn a_post_that_the_loop_never_took_has_waited() {
    let left = [
        stopped(StopReason::Stopped, 503),
        never_taken(8, 403, 2, 700),
        never_taken(9, 600, 1, 700),
        stopped(StopReason::Closed, 700),
    ];
    let summary = summary([&blocked()[..], &left].concat());
    let wait = summary.tasks.queue_wait_ns;
    assert_eq!((wait.count, wait.max, wait.bounds), (4, Some(498 * MS), None));
    let untagged = summary.tasks.by_tag.iter().find(|tag| tag.tag == "untagged").unwrap();
    let of_posts = untagged.queue_wait_ns;
    assert_eq!((of_posts.count, of_posts.max, of_posts.p50), (2, Some(100 * MS), Some(100 * MS)));
    let concurrent = summary.queues.iter().find(|queue| queue.queue == "concurrent").unwrap();
    assert_eq!(concurrent.depth.max, 2);
}

#[test]
fn tasks_beyond_those_tracked_may_wait() {
    let config = TimelineConfig { queued_followed: 2, ..TimelineConfig::default() };
    let queue = |task| {
        let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: task as u32 };
        let (task, queued) = (TaskId(task), Timestamp(MS));
        at(MS, Event::TaskQueued { task, tag: OTHER_TAG, place, parent: None, poster: None, queued })
    };
    let events = [begun(1, MS), queue(1), queue(2), queue(3), queue(4), queue(5)];
    let lost_by = |ran_tasks: u64| {
        let mut timeline = Timeline::new(config.clone());
        let ran = (1..=ran_tasks).map(|task| ran(task, 2 * MS, 2 * MS));
        events.iter().copied().chain(ran).for_each(|event| timeline.fold(&event));
        let unfinished = timeline.unfinished(StreamEnd::Known);
        (unfinished.waiting.len(), unfinished.waiting_lost)
    };
    assert_eq!([0, 2, 4, 5].map(lost_by), [(2, 3), (0, 3), (0, 1), (0, 0)]);
}

#[test]
fn a_loop_that_runs_again_is_late_by_when_its_timers_fire() {
    let again = [stopped(StopReason::Stopped, 503), begun(2, 600 * MS), seen(in_task(9), 601 * MS, 700 * MS)];
    let timeline = folded(&[&blocked(), &again[..]].concat());
    assert_eq!(waits_ms(&timeline), (vec![688], vec![695]));
    assert!(timeline.unfinished(StreamEnd::Known).may_skip_more());
    let fired = Event::TimerFired {
        timer: TimerId(1),
        tag: TAG,
        task: TaskId(10),
        due: Timestamp(12 * MS),
        fired: Timestamp(710 * MS),
        skipped: 69,
    };
    let timeline = folded(&[&blocked(), &again[..], &[at(710 * MS, fired)]].concat());
    assert_eq!((waits_ms(&timeline).0, timeline.timers.lag_ns.count()), (vec![], 1));
}

pub(super) fn summary(events: Vec<Stamped>) -> Summary {
    let source = MemorySource::new("t", SourceKind::Trace, Metadata::new("t"), events);
    Summary::new(&source, &folded(source.events()))
}

pub(super) fn judged(summary: &Summary, metric: &str, limit: Limit) -> (Outcome, Option<(f64, Option<f64>)>) {
    let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
    let judged = Gate::new(metric.parse().unwrap(), limit).unwrap().judge(&run).unwrap();
    (judged.outcome, judged.bounds)
}

#[test]
fn gates_count_timers_overdue_at_the_stop() {
    let summary = summary([blocked(), vec![stopped(StopReason::Stopped, 503)]].concat());
    let timers = &summary.timers;
    assert_eq!((timers.overdue, timers.overdue_at_stop, timers.late), (Some(1), Some(1), Some(1)));
    assert_eq!((timers.skipped, timers.skipped_bounds), (Some(49), None));
    assert!(!summary.has_unfinished());
    for (metric, value) in [
        ("timer_lag.max", 491e6),
        ("timer_lag_corrected.max", 491e6),
        ("timers.skipped", 49.0),
        ("tasks.wait.max", 498e6),
    ] {
        assert_eq!(judged(&summary, metric, Limit::Max(value - 1.0)), (Outcome::Failed, None), "{metric}");
        assert_eq!(judged(&summary, metric, Limit::Max(value)), (Outcome::Held, None), "{metric}");
    }
    let impact = summary
        .delay_caused
        .iter()
        .find(|impact| impact.worst.is_some_and(|worst| worst.task == Some(1)))
        .unwrap();
    assert_eq!((impact.timers_ns / MS, impact.tasks_ns / MS, impact.delayed), (490, 497, 2));
    let page = crate::report::text(&summary);
    assert!(page.contains("1 timer was overdue when the loop stopped, by 491ms"), "{page}");
    let late = &summary.late_timers[0];
    assert_eq!((late.lag_ns, late.fired_ns, late.task, late.open), (491 * MS, None, None, false));
    assert!(!page.contains("at least 491ms"), "its lag is final: {page}");
}

#[test]
fn the_longest_of_the_overdue_timers_is_none_of_a_stopped_loop() {
    let of_another = |event: Stamped| Stamped { source: SourceId(77), ..event };
    let hangs =
        [begun(1, 600 * MS), at(600 * MS, armed(21, 610 * MS, None)), seen(in_task(9), 603 * MS, 700 * MS)];
    let both = [blocked(), vec![stopped(StopReason::Stopped, 503)], hangs.map(of_another).to_vec()].concat();
    let summary = summary(both);
    let late: Vec<_> = summary.late_timers.iter().map(|late| (late.lag_ns / MS, late.open)).collect();
    assert_eq!(late, [(491, false), (90, true)]);
    let page = crate::report::text(&summary);
    assert!(page.contains("1 timer is overdue, by at least 90.0ms"), "{page}");
}

/// A tick of this length, in milliseconds, with a signal that was delivered at once and a task that had waited.
fn signalled(busy_ms: u64) -> Vec<Stamped> {
    let end = (1 + busy_ms) * MS;
    let arrived = Event::SignalArrived { signo: 10, depth: 1, arrived: Timestamp(MS) };
    let delivered = Event::SignalDelivered { signo: 10, task: TaskId(1), arrived: Timestamp(MS) };
    let ended = Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(MS) };
    vec![
        begun(1, MS),
        at(MS, arrived),
        at(MS + 1, delivered),
        queued(2, MS + 1),
        ran(2, MS + 2, end),
        at(end, ended),
    ]
}

#[test]
fn posts_and_signals_may_wait_for_a_loop_that_is_paused() {
    let held = |until_ms: u64, more: &[Stamped]| {
        let other = on(OTHER, until_ms * MS, Event::Wake { from: None, coalesced: 0 });
        let summary = summary([&signalled(0)[..], more, &[other]].concat());
        ["tasks.wait.max", "signal.latency.max"].map(|metric| judged(&summary, metric, Limit::Max(1e12)).0)
    };
    assert_eq!(held(2, &[]), [Outcome::Held; 2], "it was in a tick a moment ago");
    assert_eq!(held(900, &[]), [Outcome::Undecided; 2]);
    // A loop that is closed records the posts that it never took.
    assert_eq!(held(900, &[stopped(StopReason::Closed, 500)]), [Outcome::Held; 2]);
}

#[test]
fn signals_may_have_waited_for_a_loop_that_was_busy_when_it_stopped() {
    let outcome = |busy_ms: u64, metric| {
        let reason = StopReason::Stopped;
        let events =
            [signalled(busy_ms), vec![stopped(reason, 1 + busy_ms), stopped(StopReason::Closed, 900)]];
        judged(&summary(events.concat()), metric, Limit::Max(1e12)).0
    };
    assert_eq!(outcome(800, "signal.latency.max"), Outcome::Undecided);
    assert_eq!(outcome(800, "tasks.wait.max"), Outcome::Held, "its posts are known");
    assert_eq!(outcome(1, "signal.latency.max"), Outcome::Held);
}

#[test]
fn a_process_that_died_may_have_skipped_more_periods_than_are_known() {
    let skipped = |period_ns, running, died_ms: u64| {
        let died = at(died_ms * MS, Event::Crashed {});
        let timer = at(MS, armed(1, 12 * MS, period_ns));
        let summary = summary(vec![begun(1, MS), timer, seen(running, 2 * MS, 3 * MS), died]);
        judged(&summary, "timers.skipped", Limit::Max(0.0))
    };
    let (interval, poll) = (Some(10 * MS), Running::Poll { deadline: None });
    assert_eq!(skipped(interval, in_task(2), 3), (Outcome::Undecided, Some((0.0, None))));
    assert_eq!(skipped(None, in_task(2), 3), (Outcome::Held, None), "a one-shot skips nothing");
    assert_eq!(skipped(None, in_task(2), 90), (Outcome::Held, None), "nor if it is overdue");
    assert_eq!(skipped(interval, poll, 3), (Outcome::Undecided, Some((0.0, None))));
    assert_eq!(skipped(interval, in_task(2), 33), (Outcome::Failed, Some((2.0, None))));
}

/// Task `task`, set at `ms` to wait in `queue`.
fn set(task: u64, queue: Queue, depth: u32, ms: u64) -> Stamped {
    let place = Placement { queue, origin: Origin::Immediate, depth };
    let (task, queued) = (TaskId(task), Timestamp(ms * MS));
    at(ms * MS, Event::TaskQueued { task, tag: OTHER_TAG, place, parent: None, poster: None, queued })
}

/// A task sets three immediates and a callback after the loop, clears the second immediate, and runs from 2 ms to 80 ms.
fn sets_immediates() -> Vec<Stamped> {
    let cleared = Event::TaskRan {
        task: TaskId(12),
        tag: OTHER_TAG,
        outcome: loop_probes::event::Outcome::Cancelled,
        queued: Timestamp(4 * MS),
        start: Timestamp(5 * MS),
    };
    vec![
        begun(1, MS),
        set(11, Queue::Immediates, 1, 3),
        set(12, Queue::Immediates, 2, 4),
        set(13, Queue::Immediates, 3, 5),
        at(5 * MS, cleared),
        set(14, Queue::AfterLoop, 1, 6),
    ]
}

#[test]
fn immediates_and_callbacks_after_the_loop_wait_as_tasks_do() {
    let stops = [
        ran(1, 2 * MS, 80 * MS),
        at(80 * MS, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(MS) }),
        stopped(StopReason::Stopped, 80),
    ];
    let summary = summary([&sets_immediates()[..], &stops].concat());
    let of_tag = summary.tasks.by_tag.iter().find(|tag| tag.queue_wait_ns.max == Some(77 * MS)).unwrap();
    // The task that sets them waited, too; the one that was cleared is no sample.
    assert_eq!((of_tag.queue_wait_ns.count, summary.tasks.queue_wait_ns.count), (3, 4));
    assert_eq!(judged(&summary, "tasks.wait.max", Limit::Max(1e6)), (Outcome::Failed, None));
    let delay_caused: u64 = summary.delay_caused.iter().map(|impact| impact.tasks_ns).sum();
    assert_eq!(delay_caused / MS, 77 + 75 + 74);

    let hangs = folded(&[&sets_immediates()[..], &[seen(in_task(1), 2 * MS, 100 * MS)]].concat());
    assert_eq!(waits_ms(&hangs).1, [97, 95, 94]);
    let runs_them =
        folded(&[&sets_immediates()[..], &[ran(11, 80 * MS, 81 * MS), ran(13, 81 * MS, 82 * MS)]].concat());
    let left: Vec<TaskId> = runs_them.waiting_tasks().iter().map(|task| task.task).collect();
    assert_eq!(left, [TaskId(14)]);
}

#[test]
fn a_wait_that_a_stop_ended_is_a_sample_as_any_other() {
    // Three tasks and an interval that were late by 300 ms, and more of each that are late by 2 ms when the loop stops.
    let mut events = vec![begun(1, 0)];
    for task in 1..=3 {
        events.extend([queued(task, MS), at(MS, armed(task, 2 * MS, None))]);
    }
    for task in 1..=3 {
        let (timer, due, fired) = (TimerId(task), Timestamp(2 * MS), Timestamp(302 * MS));
        let tag = OTHER_TAG;
        let (queued, start) = (Timestamp(MS), Timestamp(301 * MS));
        let event = Event::TaskRan {
            task: TaskId(task),
            tag,
            outcome: loop_probes::event::Outcome::Done,
            queued,
            start,
        };
        events.push(at(301 * MS, event));
        let task = TaskId(20 + task);
        events.push(at(302 * MS, Event::TimerFired { timer, tag, task, due, fired, skipped: 0 }));
    }
    for task in 11..=14 {
        events.extend([queued(task, 303 * MS), at(303 * MS, armed(task, 303 * MS, None))]);
    }
    events.push(at(305 * MS, Event::TickEnd { tick: 1, tasks_run: 3, start: Timestamp(0) }));
    events.push(stopped(StopReason::Stopped, 305));
    let summary = summary(events);
    let of_tag = summary.tasks.by_tag[0].queue_wait_ns;
    for (samples, name) in [
        (summary.tasks.queue_wait_ns, "tasks.wait"),
        (of_tag, "tag"),
        (summary.timers.lag_ns, "timer_lag"),
        (summary.timers.lag_corrected_ns, "timer_lag_corrected"),
    ] {
        let near = |ns: Option<u64>| ns.unwrap() as f64 / (2 * MS) as f64;
        assert_eq!((samples.count, samples.max, samples.bounds), (7, Some(300 * MS), None), "{name}");
        assert!((0.99..=1.01).contains(&near(samples.p50)), "{name}: {samples:?}");
        assert_eq!(samples.mean, Some((3 * 300 * MS + 4 * 2 * MS).div_ceil(7)), "{name}");
    }
    assert_eq!(judged(&summary, "tasks.wait.mean", Limit::Max(130e6)), (Outcome::Held, None));
    assert_eq!(judged(&summary, "tasks.wait.p50", Limit::Min(3e6)), (Outcome::Failed, None));
}

#[test]
fn a_timer_that_may_have_fired_in_a_tick_gap_is_not_overdue() {
    let ended = at(3 * MS, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(MS) });
    let events = |next: u64| {
        let before = [begun(1, MS), at(MS, armed(1, 12 * MS, None)), queued(7, 2 * MS), ended];
        let after = [begun(next, 800 * MS), seen(in_task(9), 801 * MS, 900 * MS)];
        [&before[..], &after].concat()
    };
    assert_eq!(waits_ms(&folded(&events(2))), (vec![888], vec![898]));
    let timeline = folded(&events(5));
    assert_eq!((waits_ms(&timeline), timeline.uncounted_gaps()), ((vec![], vec![]), 1));
    assert_eq!(timeline.missing().lag.longest(), None);
}

#[test]
fn a_timer_that_may_have_fired_in_a_skipped_event_is_not_overdue() {
    let ended = at(3 * MS, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(MS) });
    let after = [begun(2, 800 * MS), seen(in_task(9), 801 * MS, 900 * MS)];
    let before = [begun(1, MS), at(MS, armed(1, 12 * MS, None)), queued(7, 2 * MS), ended];
    let mut timeline = folded(&[&before[..], &after].concat());
    assert_eq!(waits_ms(&timeline), (vec![888], vec![898]));
    for counts in [
        SourceCounts { malformed: 1, ..SourceCounts::default() },
        SourceCounts { lost_records: 1, ..SourceCounts::default() },
    ] {
        timeline.counts = counts;
        assert_eq!(waits_ms(&timeline), (vec![], vec![]));
        let missing = timeline.missing();
        let lag = timeline.timers.lag_ns.percentiles_missing(&missing.lag);
        assert_eq!((lag.max, lag.bounds.map(|all| all.max)), (None, Some(Bounds { lo: 0, hi: None })));
    }
}

#[test]
fn a_task_may_have_ended_in_an_event_that_is_missing_somewhere() {
    let later = Stamped { source: SourceId(2), ..seen(in_task(8), 2 * MS, 90 * MS) };
    let events = [begun(1, MS), seen(in_task(9), 2 * MS, 5 * MS), later];
    let run_ms = |counts| {
        let mut timeline = folded(&events);
        timeline.counts = counts;
        let tasks = timeline.running_tasks();
        tasks.iter().find(|task| task.task == TaskId(9)).map(|task| (task.as_of.0 - task.start.0) / MS)
    };
    let none = SourceCounts::default();
    assert_eq!(run_ms(none), Some(88));
    // It was still running when it was last seen.
    assert_eq!(run_ms(SourceCounts { malformed: 1, ..none }), Some(3));
    assert_eq!(run_ms(SourceCounts { lost_records: 1, ..none }), Some(3));
}

/// Ten timers on time and `overdue` at the stop, which comes after a loss of `lost` records.
fn overdue_at_stop(overdue: u64, lost: u64) -> Vec<Stamped> {
    let mut events = vec![begun(1, 0)];
    for timer in 1..=10 {
        let (tag, task, time) = (TAG, TaskId(timer), Timestamp(2 * MS));
        let fired =
            Event::TimerFired { timer: TimerId(timer), tag, task, due: time, fired: time, skipped: 0 };
        events.extend([
            at(MS, armed(timer, 2 * MS, None)),
            at(2 * MS, fired),
            ran(timer, 2 * MS, 2 * MS + 1),
        ]);
    }
    events.extend((11..11 + overdue).map(|timer| at(3 * MS, armed(timer, 4 * MS, None))));
    events.extend((11..11 + overdue).map(|task| queued(100 + task, 4 * MS)));
    events.push(at(5 * MS, Event::TickEnd { tick: 1, tasks_run: 10, start: Timestamp(0) }));
    events.extend((lost > 0).then(|| at(6 * MS, Event::Lost { count: lost, from: Timestamp(5 * MS) })));
    events.push(stopped(StopReason::Closed, 504));
    events
}

#[test]
fn timers_and_tasks_from_before_a_loss_may_have_waited_until_the_stop() {
    let gates = |summary: &Summary| {
        let judge = |metric: &str| judged(summary, metric, Limit::Max(MS as f64)).0;
        [judge("timer_lag.p90"), judge("timer_lag_corrected.p90"), judge("tasks.wait.p90")]
    };
    let whole = summary(overdue_at_stop(20, 0));
    assert_eq!((whole.timers.overdue, whole.timers.overdue_bounds), (Some(20), None));
    assert_eq!(gates(&whole), [Outcome::Failed; 3]);
    // A lost record may have been a firing, or have armed another timer.
    let lossy = summary(overdue_at_stop(20, 1));
    let bounds = Some(Bounds { lo: 0, hi: Some(21) });
    assert_eq!((lossy.timers.overdue, lossy.timers.overdue_bounds), (Some(0), bounds));
    assert_eq!(gates(&lossy), [Outcome::Undecided; 3]);
    // A snapshot shows that they are not armed any more, nor the tasks queued.
    let mut listed = overdue_at_stop(20, 1);
    let next = (TaskId(200), TimerId(200));
    let begin = Event::SnapshotBegin { tick: 2, next_task: next.0, next_timer: next.1 };
    let end = Event::SnapshotEnd { parts: 0, left_out: 0 };
    let last = listed.pop().unwrap();
    listed.extend([begun(2, 7 * MS), at(7 * MS, begin), at(7 * MS, end), last]);
    let listed = summary(listed);
    assert_eq!(listed.timers.overdue_bounds, None);
    assert_eq!(gates(&listed)[0], Outcome::Held);
}

#[test]
fn waits_for_a_closed_loop_stay_when_another_loop_reuses_its_ring() {
    let alone = summary(overdue_at_stop(3, 0));
    let mut events = overdue_at_stop(3, 0);
    events.extend([
        begun(1, 600 * MS),
        at(601 * MS, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(600 * MS) }),
    ]);
    let followed = summary(events);
    assert_eq!((alone.timers.overdue_at_stop, alone.timers.lag_ns.max), (Some(3), Some(500 * MS)));
    assert_eq!(followed.timers.overdue_at_stop, alone.timers.overdue_at_stop);
    assert_eq!(followed.timers.lag_ns, alone.timers.lag_ns);
    assert_eq!(followed.tasks.queue_wait_ns, alone.tasks.queue_wait_ns);
    assert_eq!(judged(&followed, "timer_lag.max", Limit::Max(MS as f64)), (Outcome::Failed, None));
}
