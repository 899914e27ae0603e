//! Tests of activity that may go on without a record: timers armed before the reading began, signals dropped and
//! microtasks run while the loop is busy.

use loop_probes::event::{Outcome as RunOutcome, PollReason, Queue};

use super::stopped::{armed, judged, summary};
use super::*;
use crate::analysis::gate::{Limit, Outcome};
use crate::summary::Summary;

const MS: u64 = 1_000_000;

/// In tick `tick`, which begins after 1 ms, a timer is armed and fires. The loop is in its task since then, until now.
fn in_tick(tick: u64, listed: bool, now: u64) -> Vec<Stamped> {
    let begin = Event::SnapshotBegin { tick, next_task: TaskId(1), next_timer: TimerId(2) };
    let snapshot = [begin, Event::SnapshotEnd { parts: 0, left_out: 0 }].map(|event| at(MS, event));
    let snapshot = if listed { &snapshot[..] } else { &[] };
    [&[begun(tick, MS)], snapshot, &[at(MS, armed(1, MS, None)), fired(5, MS), seen(in_task(5), MS, now)]]
        .concat()
}

#[test]
fn a_timer_armed_before_the_reading_began_may_be_overdue_while_the_loop_is_busy() {
    let may_be = |events: Vec<Stamped>, end| {
        let timeline = folded(&events);
        let unfinished = timeline.unfinished(end);
        let missing = timeline.missing_with(&unfinished);
        assert_eq!(missing.lag.longest().is_none(), unfinished.may_skip_more());
        unfinished.may_skip_more()
    };
    assert!(may_be(in_tick(7, false, 500 * MS), StreamEnd::Known));
    assert!(!may_be(in_tick(1, false, 500 * MS), StreamEnd::Known), "the reading begins with the first tick");
    assert!(!may_be(in_tick(7, true, 500 * MS), StreamEnd::Known), "the snapshot lists none");
    assert!(!may_be(in_tick(7, false, 2 * MS), StreamEnd::Known), "it will fire in time");
    assert!(may_be(in_tick(7, false, 2 * MS), StreamEnd::Died));
    let tick_end = |tick| at(500 * MS, Event::TickEnd { tick, tasks_run: 1, start: Timestamp(MS) });
    let over = |tick| [in_tick(tick, false, 500 * MS), vec![ran(5, MS, 499 * MS), tick_end(tick)]].concat();
    assert!(!may_be(over(7), StreamEnd::Known), "the loop is not busy");
    assert!(may_be(over(7), StreamEnd::Cut));
    assert!(!may_be(over(1), StreamEnd::Cut), "none was armed");
    let no_timers = vec![begun(7, MS), seen(in_task(5), 2 * MS, 500 * MS)];
    assert!(!may_be(no_timers, StreamEnd::Died), "it reports no timers");
}

#[test]
fn tasks_whose_waits_are_recorded_when_they_start_may_wait_for_a_hang() {
    let queued_task = |task: u64, queued: u64, start: u64, end: u64| {
        let (queued, start) = (Timestamp(queued), Timestamp(start));
        at(end, Event::TaskRan { task: TaskId(task), tag: TAG, outcome: RunOutcome::Done, queued, start })
    };
    let outcome = |queued| {
        let events =
            vec![begun(1, MS), queued_task(1, queued, 2 * MS, 3 * MS), seen(in_task(5), 3 * MS, 600 * MS)];
        judged(&summary(events), "tasks.wait.max", Limit::Max(1e8)).0
    };
    assert_eq!(outcome(MS), Outcome::Undecided, "others may have waited for as long as the hang");
}

#[test]
fn a_gate_on_lag_does_not_hold_in_a_hang_of_a_loop_whose_timers_are_not_known() {
    for (tick, outcome) in [(7, Outcome::Undecided), (1, Outcome::Held)] {
        let summary = summary(in_tick(tick, false, 500 * MS));
        for metric in ["timer_lag.max", "timers.skipped"] {
            assert_eq!(judged(&summary, metric, Limit::Max(1e9)).0, outcome, "{metric}, tick {tick}");
        }
        let is_open = summary.timers.late_bounds.is_some_and(|bounds| (bounds.lo, bounds.hi) == (0, None));
        assert_eq!(is_open, outcome == Outcome::Undecided, "tick {tick}: {:?}", summary.timers);
    }
}

#[test]
fn a_loop_that_records_firings_but_no_arming_may_have_any_number_of_late_timers_in_a_hang() {
    let hang = |now| [begun(1, MS), fired(5, MS), seen(in_task(5), MS, now)].to_vec();
    let outcome = |events| judged(&summary(events), "timer_lag.max", Limit::Max(1e9)).0;
    assert_eq!(outcome(hang(500 * MS)), Outcome::Undecided);
    assert_eq!(outcome(hang(2 * MS)), Outcome::Held, "its timers will fire in time");
    let listed = [&hang(MS)[..], &in_tick(1, true, 500 * MS)[1..]].concat();
    assert_eq!(outcome(listed), Outcome::Held, "a snapshot lists them");
}

#[test]
fn timers_armed_before_the_reading_began_leave_the_number_of_overdue_ones_unknown_in_a_hang() {
    let overdue = |tick, listed, now, due| {
        let timer = at(MS, armed(9, due, None));
        let timers = summary([&in_tick(tick, listed, now)[..], &[timer]].concat()).timers;
        (timers.overdue, timers.overdue_bounds.map(|bounds| (bounds.lo, bounds.hi)))
    };
    let later = 900 * MS;
    assert_eq!(overdue(7, false, 500 * MS, later), (None, None));
    assert_eq!(overdue(7, false, 500 * MS, 2 * MS), (Some(1), Some((1, None))));
    assert_eq!(overdue(7, false, 2 * MS, later), (Some(0), None), "one that is due fires in time");
    assert_eq!(overdue(7, true, 500 * MS, later), (Some(0), None), "the snapshot lists none");
    assert_eq!(overdue(1, false, 500 * MS, later), (Some(0), None), "the reading begins with the first tick");
}

#[test]
fn a_process_that_was_stopped_in_a_poll_may_have_been_late_before_it_died() {
    let poll = seen(Running::Poll { deadline: Some(Timestamp(12 * MS)) }, 2 * MS, 3 * MS);
    let timer = at(MS, armed(2, 12 * MS, Some(10 * MS)));
    let fires = [begun(1, MS), timer, fired(5, 2 * MS), ran(5, 2 * MS, 2 * MS), poll];
    let summary = summary([&fires[..], &[at(4 * MS, Event::Crashed {})]].concat());
    for metric in ["timer_lag.max", "timer_lag_corrected.p50", "timers.skipped"] {
        assert_eq!(
            judged(&summary, metric, Limit::Max(1e9)),
            (Outcome::Undecided, Some((0.0, None))),
            "{metric}"
        );
    }
}

#[test]
fn a_process_that_died_between_two_ticks_says_why_its_lag_is_open() {
    let over = at(2 * MS, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(MS) });
    let timer = at(MS, armed(2, 12 * MS, None));
    let mut events = vec![begun(1, MS), timer, fired(5, MS), ran(5, MS, 2 * MS), over];
    assert!(!summary(events.clone()).has_unfinished());
    events.push(at(4 * MS, Event::Crashed {}));
    let summary = summary(events);
    assert_eq!((summary.ticks.open, summary.timers.overdue), (0, Some(0)));
    assert_eq!(judged(&summary, "timer_lag.max", Limit::Max(1e9)).0, Outcome::Undecided);
    assert!(summary.has_unfinished(), "it is the reason");
}

#[test]
fn signals_may_be_dropped_without_a_record_while_the_loop_is_busy() {
    let signal = Event::SignalArrived { signo: 10, depth: 1, arrived: Timestamp(MS) };
    let dropped = |now| {
        let summary = summary(vec![begun(1, MS), at(MS, signal), seen(in_task(5), MS, now)]);
        judged(&summary, "signals.dropped", Limit::Max(0.0))
    };
    assert_eq!(dropped(2 * MS), (Outcome::Held, None));
    assert_eq!(dropped(700 * MS), (Outcome::Undecided, Some((0.0, None))));
}

#[test]
fn a_checkpoint_that_is_running_may_have_run_any_number_of_microtasks() {
    let checkpoint = Event::Microtasks { trigger: None, ran: 200, left: 0, start: Timestamp(MS) };
    let flood = |last| {
        let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: 1 };
        let (task, queued) = (TaskId(5), Timestamp(MS));
        let queued = Event::TaskQueued { task, tag: TAG, place, parent: None, poster: None, queued };
        let events = [begun(1, MS), at(2 * MS, checkpoint), at(2 * MS, queued), ran(5, 3 * MS, 4 * MS), last];
        let summary = summary(events.to_vec());
        ["microtasks.ran", "microtasks.checkpoints"].map(|metric| judged(&summary, metric, Limit::Max(200.0)))
    };
    let open = |low| (Outcome::Undecided, Some((low, None)));
    assert_eq!(flood(seen(in_task(5), 3 * MS, 70 * MS)), [open(200.0), open(1.0)], "the task is over");
    assert_eq!(flood(seen(in_task(6), 5 * MS, 70 * MS)), [(Outcome::Held, None); 2], "another one runs");
}

/// A reading that begins with tick `tick` and sees a signal.
fn with_signal(tick: u64, more: &[Stamped]) -> Summary {
    let signal = Event::SignalArrived { signo: 10, depth: 1, arrived: Timestamp(MS) };
    summary([&[begun(tick, MS), at(MS, signal)], more].concat())
}

#[test]
fn signals_dropped_before_the_reading_began_are_unknown_until_the_loop_reports_them() {
    let state = Event::SnapshotLoop {
        due: Timestamp(9 * MS),
        polled_ns: None,
        signals_dropped: 11_808,
        next_source: 1,
        calls: 0,
        concurrent: 0,
        finished: 0,
        held: 0,
        flags: 0,
    };
    let of = |tick, more: &[Stamped]| {
        let summary = with_signal(tick, more);
        assert_eq!(summary.signals.arrived, Some(1));
        let page = crate::report::text(&summary);
        assert_eq!(page.contains("– dropped"), summary.signals.dropped.is_none(), "{page}");
        (summary.signals.dropped, judged(&summary, "signals.dropped", Limit::Max(0.0)).0)
    };
    assert_eq!(of(7, &[]), (None, Outcome::Undecided));
    assert_eq!(of(1, &[]), (Some(0), Outcome::Held));
    let dropped = at(2 * MS, Event::SignalDropped { total: 5 });
    assert_eq!(of(7, &[dropped]), (Some(5), Outcome::Failed));
    assert_eq!(of(7, &[dropped, at(2 * MS, state)]), (Some(11_808), Outcome::Failed));
}

#[test]
fn signals_dropped_by_several_loops_are_the_sum_of_theirs() {
    let of = |source, time, event| Stamped { source: SourceId(source), ..at(time, event) };
    let begun = |source, tick| of(source, MS, Event::TickStart { tick });
    let dropped = |source, time, total| of(source, time, Event::SignalDropped { total });
    let sum = |events: &[Stamped]| {
        let summary = summary(events.to_vec());
        let each: Vec<Option<u64>> = summary.loops.iter().map(|own| own.signals.dropped).collect();
        (summary.signals.dropped, each)
    };
    let both =
        [begun(1, 7), begun(2, 7), dropped(1, 2 * MS, 5), dropped(1, 3 * MS, 6), dropped(2, 3 * MS, 4)];
    assert_eq!(sum(&both), (Some(10), vec![Some(6), Some(4)]));
    assert_eq!(sum(&both[..4]), (None, vec![Some(6), None]), "the second began earlier than the reading");
    // Another loop, which counts from 0, uses the ring of the first.
    let closed = of(1, 4 * MS, Event::LoopStopped { reason: StopReason::Closed });
    let next = [closed, of(1, 5 * MS, Event::TickStart { tick: 1 }), dropped(1, 6 * MS, 2)];
    assert_eq!(sum(&[&both[..], &next].concat()).0, Some(12));
}

#[test]
fn collections_alone_say_nothing_about_decisions() {
    let start = Timestamp(MS);
    let gc = Event::GcRan { heap_bytes_before: 200, heap_bytes_after: 100, start };
    let summary = summary(vec![begun(1, MS), at(2 * MS, gc)]);
    assert_eq!((summary.gc.run_ns.count, summary.gc.heap_bytes_max), (1, Some(200)));
    assert_eq!([summary.gc.collect, summary.gc.defer, summary.gc.skip], [None; 3]);
    assert_eq!(judged(&summary, "gc.collect", Limit::Max(0.0)).0, Outcome::Undecided);
    let page = crate::report::text(&summary);
    assert!(page.contains("\ngc ") && !page.contains(" decided "), "{page}");
}

#[test]
fn a_pump_that_runs_has_no_record() {
    let pumped = |start: u64, end: u64| {
        let (handled, ready, timeout_ns, start) = (true, true, 0, Timestamp(start));
        at(end, Event::Pumped { handled, ready, timeout_ns, start })
    };
    let ended = at(5 * MS, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(MS) });
    let events = [begun(1, MS), pumped(2 * MS, 2 * MS + 50), ended, begun(2, 6 * MS)];
    let now = |running| {
        let summary = summary([&events[..], &[seen(running, 7 * MS, 900 * MS)]].concat());
        judged(&summary, "pumps.run.max", Limit::Max(10e6)).0
    };
    assert_eq!(now(Running::Phase(Phase::Pump)), Outcome::Undecided);
    assert_eq!(now(Running::Poll { deadline: None }), Outcome::Held);
}

#[test]
fn work_left_by_a_shutdown_is_unknown_until_it_ends() {
    let began = at(2 * MS, Event::ShutdownBegan { deadline: Timestamp(50 * MS) });
    let ended =
        at(90 * MS, Event::ShutdownEnded { finished: 1, cancelled: 2, left: 0, start: Timestamp(2 * MS) });
    let lost = at(95 * MS, Event::Lost { count: 1, from: Timestamp(91 * MS) });
    let judge = |events: &[Stamped]| {
        let summary = summary([&[begun(1, MS)], events].concat());
        let left = summary.shutdown.unwrap().left;
        (left, judged(&summary, "shutdown.left", Limit::Max(3.0)))
    };
    assert_eq!(judge(&[began]), (None, (Outcome::Undecided, None)));
    assert_eq!(judge(&[began, lost]), (None, (Outcome::Undecided, None)));
    assert_eq!(judge(&[began, ended]), (Some(0), (Outcome::Held, None)));
    assert_eq!(
        judge(&[began, ended, lost]),
        (Some(0), (Outcome::Undecided, Some((0.0, None)))),
        "another one"
    );
}

#[test]
fn a_tick_that_began_before_the_reading_and_is_in_its_poll_was_busy_for_an_unknown_time() {
    let seen_polling = seen(Running::Poll { deadline: None }, 20 * MS, 60 * MS);
    let midway = summary(vec![ran(1, MS, 11 * MS), ran(2, 11 * MS, 20 * MS), seen_polling]);
    let [low, high] = midway.ticks.utilization_bounds.expect("it is unknown");
    assert!(low == 0.0 && (0.3..0.35).contains(&high), "{low} {high}");
    assert_eq!(midway.ticks.stalls_bounds, Some(Bounds { lo: 0, hi: Some(1) }));
    assert_eq!(judged(&midway, "utilization", Limit::Max(0.01)).0, Outcome::Undecided);
    let whole = summary(vec![begun(1, MS), ran(1, MS, 2 * MS), ran(2, 2 * MS, 3 * MS), {
        seen(Running::Poll { deadline: None }, 3 * MS, 60 * MS)
    }]);
    assert_eq!((whole.ticks.utilization_bounds, whole.ticks.stalls_bounds), (None, None));
}

#[test]
fn what_a_running_task_will_add_to_is_undecided_until_it_ends() {
    let poll = Event::Poll { reason: PollReason::Idle, ready: 1, timeout_ns: None, start: Timestamp(3 * MS) };
    let ended = [begun(1, MS), ran(1, MS, 2 * MS), ran(2, 2 * MS, 3 * MS), at(40 * MS, poll)];
    let running = seen(in_task(5), 40 * MS, 60 * MS);
    let open = summary([&ended[..], &[running]].concat());
    let [low, high] = open.ticks.utilization_bounds.expect("the task may go on");
    assert!(low == open.ticks.utilization.unwrap() && high == 1.0, "{low} {high}");
    let gates = [("tasks.count", 2.0), ("tasks.failed", 0.0)];
    for (metric, max) in gates {
        let could_be = Some((max, Some(max + 1.0)));
        assert_eq!(judged(&open, metric, Limit::Max(max)), (Outcome::Undecided, could_be), "{metric}");
        assert_eq!(judged(&open, metric, Limit::Max(max + 1.0)), (Outcome::Held, could_be), "{metric}");
        assert_eq!(
            judged(&summary(ended.to_vec()), metric, Limit::Max(max)),
            (Outcome::Held, None),
            "{metric}"
        );
    }
}
