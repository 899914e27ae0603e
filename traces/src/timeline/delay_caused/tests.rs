//! Tests of delay caused: what is charged to which cause, against a count of every nanosecond of every wait.

use std::collections::BTreeMap;

use loop_probes::event::{Event, Origin, Outcome, Placement, PollReason, Queue};
use loop_probes::ids::{LabelId, SourceId, Tag, TaskId, TimerId};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::attribution::What;
use crate::synthetic::Script;
use crate::synthetic::strategy::{scripts, with_running};
use crate::timeline::in_progress::WaitingTask;
use crate::timeline::{OverdueTimer, TimelineConfig, WorstImpact};

const LOOP: SourceId = SourceId(1);

fn at(at: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at), source: LOOP, event }
}

fn ran(task: u64, tag: u16, queued: u64, start: u64, end: u64) -> Stamped {
    let (queued, start) = (Timestamp(queued), Timestamp(start));
    at(end, Event::TaskRan { task: TaskId(task), tag: Tag(tag), outcome: Outcome::Done, queued, start })
}

fn begin(tick: u64, start: u64) -> Stamped {
    at(start, Event::TickStart { tick })
}

fn end(tick: u64, start: u64, end: u64) -> Stamped {
    at(end, Event::TickEnd { tick, tasks_run: 0, start: Timestamp(start) })
}

/// Everything that waits at all counts as late.
fn strict() -> TimelineConfig {
    TimelineConfig { late_timer_ns: 0, late_signal_ns: 0, late_task_ns: 0, ..TimelineConfig::default() }
}

fn of(timeline: &Timeline, cause: Cause) -> Option<Impact> {
    timeline.delay_caused().into_iter().find(|impact| impact.cause == cause)
}

#[test]
fn unfinished_work_delays_others_by_its_known_duration() {
    let (tag, due, period_ns) = (Tag(5), Timestamp(150), None);
    let armed = Event::TimerArmed { timer: TimerId(2), tag, due, period_ns };
    let (timer, task, due, fired) = (TimerId(1), TaskId(9), Timestamp(50), Timestamp(110));
    let fired = Event::TimerFired { timer, tag, task, due, fired, skipped: 0 };
    let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: 1 };
    let (queued, parent, poster) = (Timestamp(125), None, None);
    let queued = Event::TaskQueued { task: TaskId(4), tag: Tag(4), place, parent, poster, queued };
    let hang = Running::Task { task: TaskId(2), tag: Tag(2) };
    let mut timeline = Timeline::new(strict());
    let cut = [begin(1, 0), at(5, armed), ran(1, 1, 10, 10, 100), at(110, fired), ran(9, 5, 110, 110, 120)];
    timeline.extend(&cut);
    timeline.extend(&[at(125, queued), at(500, hang.event(Timestamp(130)))]);
    let late_ns = |timeline: &Timeline| {
        let fired: u64 = timeline.late_timers().iter().map(|late| late.what.lag_ns()).sum();
        fired + timeline.overdue_timers().iter().map(OverdueTimer::lag_ns).sum::<u64>()
    };
    let timers_ns =
        |timeline: &Timeline| timeline.delay_caused().iter().map(|impact| impact.lateness_ns[0]).sum::<u64>();
    assert_eq!((late_ns(&timeline), timers_ns(&timeline)), (60 + 350, 60 + 350));
    let slow = of(&timeline, Cause::Tasks(Tag(1))).unwrap();
    assert_eq!((slow.lateness_ns, slow.delayed), ([50, 0, 0], [1, 0, 0]), "in a tick that has not ended");
    let hangs = of(&timeline, Cause::Tasks(Tag(2))).unwrap();
    assert_eq!((hangs.lateness_ns, hangs.delayed), ([350, 0, 370], [1, 0, 1]));
    assert_eq!(hangs.run_ns, Some(370));
    let worst = WorstImpact { task: Some(TaskId(2)), at: Timestamp(130), lateness_ns: 720, delayed: 2 };
    assert_eq!(hangs.worst, Some(worst));
    // The recorded ends replace the unfinished durations.
    let (timer, task, due, fired) = (TimerId(2), TaskId(10), Timestamp(150), Timestamp(600));
    let fired = Event::TimerFired { timer, tag, task, due, fired, skipped: 0 };
    timeline.extend(&[ran(2, 2, 130, 130, 600), at(600, fired), ran(4, 4, 125, 600, 601), end(1, 0, 602)]);
    let hung = of(&timeline, Cause::Tasks(Tag(2))).unwrap();
    assert_eq!((hung.lateness_ns, hung.run_ns), ([450, 0, 470], Some(470)));
    assert_eq!((late_ns(&timeline), timers_ns(&timeline)), (60 + 450, 60 + 450));
}

#[test]
fn one_slow_task_delays_the_queue_behind_it_and_a_timer() {
    let (timer, task, due, fired) = (TimerId(1), TaskId(9), Timestamp(50), Timestamp(110));
    let fired = Event::TimerFired { timer, tag: Tag(5), task, due, fired, skipped: 0 };
    let mut timeline = Timeline::new(strict());
    timeline.extend(&[
        begin(1, 0),
        ran(1, 1, 10, 10, 100),
        ran(2, 2, 10, 100, 101),
        ran(3, 2, 20, 101, 102),
        at(110, fired),
        end(1, 0, 120),
    ]);
    let slow = of(&timeline, Cause::Tasks(Tag(1))).unwrap();
    assert_eq!(slow.lateness_ns, [50, 0, 90 + 80]);
    assert_eq!(slow.delayed, [1, 0, 2]);
    assert_eq!(slow.run_ns, Some(90));
    let worst = WorstImpact { task: Some(TaskId(1)), at: Timestamp(10), lateness_ns: 220, delayed: 3 };
    assert_eq!(slow.worst, Some(worst));
    // The second delayed the third by its own 1 ns, and the timer as well.
    assert_eq!(of(&timeline, Cause::Tasks(Tag(2))).unwrap().lateness_ns, [2, 0, 1]);
    assert_eq!(of(&timeline, Cause::Unattributed).unwrap().lateness_ns, [8, 0, 0]);
}

#[test]
fn a_wait_is_charged_for_ticks_without_other_waiters() {
    let mut timeline = Timeline::new(strict());
    for tick in 0..9 {
        let start = tick * 100;
        timeline.extend(&[begin(tick, start), ran(tick, 1, start + 10, start + 10, start + 40)]);
        if tick == 2 || tick == 8 {
            timeline.extend(&[ran(100 + tick, 2, 15, start + 50, start + 51)]);
        }
        timeline.extend(&[end(tick, start, start + 90)]);
    }
    // Ticks 0 to 2, then 0 to 8: the first 25 of the first run, then 30 each.
    let impact = of(&timeline, Cause::Tasks(Tag(1))).unwrap();
    assert_eq!(impact.lateness_ns, [0, 0, (25 + 2 * 30) + (25 + 8 * 30)]);
    assert_eq!(impact.total_ns(), 350);
}

#[test]
fn a_wait_counts_once_for_a_cause_however_often_it_is_interrupted() {
    let label = |from, to| at(to, Event::Span { label: LabelId(1), start: Timestamp(from) });
    let gc = at(60, Event::GcRan { heap_bytes_before: 2, heap_bytes_after: 1, start: Timestamp(50) });
    let waits = (0..10).map(|n| ran(10 + n, 2, 5, 110 + n, 110 + n));
    let first =
        [begin(1, 0), label(20, 30), label(35, 40), gc, ran(1, 1, 10, 10, 80), ran(2, 1, 80, 80, 110)];
    let mut timeline = Timeline::new(strict());
    timeline.extend(&first);
    waits.for_each(|wait| timeline.fold(&wait));
    timeline.fold(&end(1, 0, 200));
    let slow = of(&timeline, Cause::Tasks(Tag(1))).unwrap();
    assert_eq!(
        (slow.delayed, slow.lateness_ns),
        ([0, 0, 10], [0, 0, 10 * 90]),
        "ten waits over two of its runs"
    );
    let worst = slow.worst.unwrap();
    assert_eq!((worst.task, worst.delayed, worst.lateness_ns), (Some(TaskId(1)), 10, 600));
    assert_eq!(of(&timeline, Cause::Gc).unwrap().delayed, [0, 0, 10]);
}

#[test]
fn a_late_signal_is_one_wait_and_its_task_is_none() {
    let signal = Event::SignalDelivered { signo: 10, task: TaskId(4), arrived: Timestamp(20) };
    let mut timeline = Timeline::new(strict());
    timeline.extend(&[
        begin(1, 0),
        ran(1, 1, 0, 0, 90),
        at(90, signal),
        ran(4, 2, 20, 90, 95),
        end(1, 0, 99),
    ]);
    let slow = of(&timeline, Cause::Tasks(Tag(1))).unwrap();
    assert_eq!((slow.lateness_ns, slow.delayed), ([0, 70, 0], [0, 1, 0]));
}

#[test]
fn a_poll_made_by_a_task_is_charged_to_the_task() {
    let poll = |from: u64, to: u64, timeout: u64| {
        let start = Timestamp(from);
        at(to, Event::Poll { reason: PollReason::Timer, ready: 0, timeout_ns: Some(timeout), start })
    };
    let (timer, task, due, fired) = (TimerId(1), TaskId(9), Timestamp(40), Timestamp(310));
    let fired = Event::TimerFired { timer, tag: Tag(5), task, due, fired, skipped: 0 };
    let mut timeline = Timeline::new(TimelineConfig { stall_limit_ns: 200, ..strict() });
    timeline.extend(&[begin(1, 0), poll(10, 20, 10), poll(40, 240, 200), ran(1, 1, 30, 30, 250)]);
    timeline.extend(&[poll(260, 300, 30), at(310, fired), end(1, 0, 320)]);
    let by = |cause| of(&timeline, cause).map(|impact| impact.lateness_ns[0]);
    assert_eq!(by(Cause::Tasks(Tag(1))), Some(210));
    assert_eq!((by(Cause::Overslept), by(Cause::LateWakeup)), (Some(30), Some(10)));
    // It is also busy time of the tick, which is therefore a stall.
    let stall = timeline.stalls.worst().unwrap();
    assert_eq!((stall.tick.busy_ns, stall.tick.poll_wait_ns), (270, 50));
    let task = What::Task { task: TaskId(1), tag: Tag(1) };
    assert_eq!((stall.blame.of(&task), stall.blame.total_ns), (220, 270));
}

#[test]
fn a_timers_task_does_not_delay_its_timer() {
    // The record of the task starts before the clock reading that found the timer due.
    let (timer, task, due, fired) = (TimerId(1), TaskId(9), Timestamp(40), Timestamp(103));
    let fired = Event::TimerFired { timer, tag: Tag(5), task, due, fired, skipped: 0 };
    let mut timeline = Timeline::new(strict());
    timeline.extend(&[begin(1, 0), ran(1, 1, 40, 40, 100), at(100, fired), ran(9, 5, 100, 100, 160)]);
    timeline.extend(&[ran(3, 3, 120, 160, 170), end(1, 0, 180)]);
    let own = of(&timeline, Cause::Tasks(Tag(5))).unwrap();
    assert_eq!((own.lateness_ns, own.delayed), ([0, 0, 40], [0, 0, 1]));
    let late = &timeline.late_timers()[0];
    assert_eq!((late.what.lag_ns(), late.blame.of(&What::Task { task, tag: Tag(5) })), (63, 0));
    assert_eq!(late.blame.total_ns, 63);
    // The task's run is the whole wait.
    assert_eq!(own.run_ns, Some(60));
}

#[test]
fn posts_and_signals_that_arrive_during_a_poll_wait_for_its_wakeup() {
    let poll =
        Event::Poll { reason: PollReason::Timer, ready: 0, timeout_ns: Some(300), start: Timestamp(10) };
    let signal = Event::SignalDelivered { signo: 10, task: TaskId(7), arrived: Timestamp(70) };
    // The charged stretches begin at the first arrival.
    let mut timeline = Timeline::new(strict());
    timeline.extend(&[begin(1, 0), at(100, poll), ran(1, 1, 60, 100, 110), ran(2, 1, 80, 110, 120)]);
    timeline.extend(&[at(120, signal), ran(3, 2, 10, 120, 130), end(1, 0, 140)]);
    assert_eq!(of(&timeline, Cause::LateWakeup).unwrap().lateness_ns, [0, 30, 40 + 20]);
    // It was already waiting when the poll began.
    assert_eq!(of(&timeline, Cause::Overslept).unwrap().lateness_ns, [0, 0, 90]);

    let mut alone = Timeline::new(strict());
    alone.extend(&[begin(1, 0), at(100, poll), ran(1, 1, 60, 100, 110), end(1, 0, 140)]);
    assert_eq!(of(&alone, Cause::LateWakeup).unwrap().lateness_ns, [0, 0, 40]);
    assert_eq!(of(&alone, Cause::Overslept), None);
}

#[test]
fn a_wait_older_than_the_recording_says_so() {
    // The first tick of a ring that was overwritten: its beginning is missing.
    let mut timeline = Timeline::new(strict());
    timeline.extend(&[
        ran(1, 1, 100, 7_000, 7_001),
        end(1, 90, 7_010),
        begin(2, 7_020),
        end(2, 7_020, 7_030),
    ]);
    let all = timeline.delay_caused();
    assert_eq!((all.len(), all[0].cause, all[0].total_ns()), (1, Cause::BeforeRecording, 6_900));
}

#[test]
fn the_largest_is_first_also_where_it_is_not_known() {
    let mut timeline = Timeline::new(strict());
    timeline.extend(&[begin(1, 0), ran(1, 1, 0, 0, 5), ran(2, 2, 0, 500, 505), end(1, 0, 600)]);
    let all: Vec<Cause> = timeline.delay_caused().iter().map(|impact| impact.cause).collect();
    assert_eq!(all, [Cause::Unattributed, Cause::Tasks(Tag(1))]);
}

const MS: u64 = 1_000_000;

/// A loop that was stopped from 100 ms to 7 s in its poll, and from 8 s to 10 s in a task; a timer was late each time.
fn stopped(recorded_late: bool) -> Timeline {
    let poll = |from: u64, to: u64, timeout: u64| {
        let start = Timestamp(from * MS);
        at(
            to * MS,
            Event::Poll { reason: PollReason::Timer, ready: 0, timeout_ns: Some(timeout * MS), start },
        )
    };
    let fired = |due: u64, fired: u64| {
        let (due, to) = (Timestamp(due * MS), Timestamp(fired * MS));
        let event =
            Event::TimerFired { timer: TimerId(1), tag: Tag(5), task: TaskId(9), due, fired: to, skipped: 0 };
        at(fired * MS, event)
    };
    let stop = |alive: u64, start: u64, end: u64| {
        let (alive, start) = (Timestamp(alive * MS), Timestamp(start * MS));
        Stamped { source: SourceId(7), ..at(end * MS, Event::Suspended { asleep_ns: 0, alive, start }) }
    };
    let tick = |n: u64, from: u64, to: u64| end(n, from * MS, to * MS);
    let mut events = vec![
        begin(1, 90 * MS),
        poll(90, 7_000, 20),
        fired(110, 7_001),
        tick(1, 90, 7_002),
        begin(2, 7_100 * MS),
        ran(1, 1, 7_900 * MS, 7_900 * MS, 10_100 * MS),
        fired(8_000, 10_100),
        tick(2, 7_100, 10_101),
        begin(3, 10_102 * MS),
        tick(3, 10_102, 10_103),
    ];
    // Recorded in time order of the resumption, or later, by a thread that was scheduled after the loop's.
    let places = if recorded_late { [4, 9] } else { [1, 6] };
    events.insert(places[0], stop(100, 150, 7_000));
    events.insert(places[1], stop(7_990, 8_040, 10_000));
    let mut timeline = Timeline::new(strict());
    timeline.extend(&events);
    timeline
}

#[test]
fn a_suspension_is_blamed_on_no_tag() {
    for recorded_late in [false, true] {
        let timeline = stopped(recorded_late);
        assert_eq!((timeline.suspensions.count, timeline.suspensions.total_ns), (2, 8_810 * MS));
        let by = |cause| of(&timeline, cause).map(|impact| impact.lateness_ns[0] / MS);
        // The poll was due before the process is certain to have been stopped, and did not return: so it was stopped
        // already.
        assert_eq!(by(Cause::Suspended), Some(6_890 + 1_960), "{recorded_late}");
        assert_eq!(
            (by(Cause::LateWakeup), by(Cause::Tasks(Tag(1)))),
            (None, Some(40 + 100)),
            "{recorded_late}"
        );
        let breakdowns: Vec<u64> =
            timeline.late_timers().iter().map(|late| late.blame.of(&What::Suspended) / MS).collect();
        assert_eq!(breakdowns, [6_890, 1_960]);
        // Busy time excludes polls, even if the process was stopped in one.
        let stalls: Vec<(u64, u64)> = timeline
            .stalls
            .newest_first()
            .map(|stall| (stall.blame.of(&What::Suspended) / MS, stall.blame.total_ns / MS))
            .collect();
        assert_eq!(stalls, [(1_960, 3_001)], "{recorded_late}");
        let slow = timeline.slow_tasks();
        assert_eq!((slow[0].blame.of(&What::Suspended) / MS, slow[0].what.run_ns() / MS), (1_960, 2_200));
    }
}

#[test]
fn memory_is_bounded_and_evictions_are_reported() {
    let config = TimelineConfig { stretches_kept: 10, causes_max: 3, ..strict() };
    let mut timeline = Timeline::new(config);
    let mut waited = 0;
    for tick in 0..50u64 {
        let start = tick * 100;
        timeline.extend(&[
            begin(tick, start),
            ran(tick, 1 + tick as u16 % 7, start + 10, start + 10, start + 40),
        ]);
        timeline.extend(&[ran(100 + tick, 8, start.saturating_sub(900), start + 50, start + 51)]);
        waited += start + 50 - start.saturating_sub(900);
        timeline.extend(&[end(tick, start, start + 90)]);
    }
    let all = timeline.delay_caused();
    assert!(all.iter().any(|impact| impact.cause == Cause::Evicted), "{all:?}");
    assert!(all.iter().filter(|impact| !impact.cause.is_ignorance()).count() <= 4, "{all:?}");
    assert_eq!(all.iter().map(Impact::total_ns).sum::<u64>(), waited);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Small ticks one after another, each with tasks that waited since any time before: each nanosecond of each wait
    /// belongs to the task that ran then, or is unattributed.
    #[test]
    fn every_nanosecond_of_every_wait_is_attributed(
        ticks in prop::collection::vec(prop::collection::vec((0u64..4, 0u64..9, 0u64..60, 0u16..3), 0..6), 1..9),
    ) {
        let mut timeline = Timeline::new(strict());
        let (mut now, mut task) = (100, 0);
        let mut owners: BTreeMap<u64, Cause> = BTreeMap::new();
        let mut waits = Vec::new();
        for (tick, tasks) in ticks.iter().enumerate() {
            let start = now;
            timeline.extend(&[begin(tick as u64, start)]);
            for (pause, run, waited, tag) in tasks {
                (now, task) = (now + pause, task + 1);
                let queued = (now - waited).max(100);
                timeline.extend(&[ran(task, *tag, queued, now, now + run)]);
                owners.extend((now..now + run).map(|at| (at, Cause::Tasks(Tag(*tag)))));
                waits.push((queued, now));
                now += run;
            }
            timeline.extend(&[end(tick as u64, start, now)]);
            now += 1;
        }
        let mut expected: BTreeMap<Cause, u64> = BTreeMap::new();
        for at in waits.iter().flat_map(|(from, to)| *from..*to) {
            *expected.entry(owners.get(&at).copied().unwrap_or(Cause::Unattributed)).or_default() += 1;
        }
        let charged: BTreeMap<Cause, u64> =
            timeline.delay_caused().iter().map(|impact| (impact.cause, impact.total_ns())).collect();
        prop_assert_eq!(charged, expected);
    }

    /// At every cut of a stream, the sum over all causes equals the sum of all timer delays, overdue ones included.
    #[test]
    fn at_every_cut_the_delays_of_timers_sum_up(script in scripts(), every in 1usize..9, part in 0.0..1.0f64) {
        let mut events = with_running(&script.events(), every);
        events.truncate((events.len() as f64 * part) as usize);
        let mut timeline = Timeline::new(TimelineConfig { late_kept: 10_000, ..strict() });
        timeline.extend(&events);
        let fired: u64 = timeline.late_timers().iter().map(|late| late.what.lag_ns()).sum();
        for end in [StreamEnd::Known, StreamEnd::Cut] {
            let unfinished = timeline.unfinished(end);
            let overdue: u64 = unfinished.timers.iter().map(OverdueTimer::lag_ns).sum();
            // A signal's task waits because the signal does.
            let is_signal = |task: &&WaitingTask| {
                timeline.open.iter().any(|open| open.signal_task == Some(task.task))
            };
            let waiting = unfinished.waiting.iter().filter(|task| !is_signal(task));
            let waiting: u64 = waiting.map(WaitingTask::queue_wait_ns).sum();
            let delay_caused = timeline.delay_caused_with(&unfinished);
            prop_assert_eq!(delay_caused.iter().map(|impact| impact.lateness_ns[0]).sum::<u64>(), fired + overdue);
            prop_assert!(delay_caused.iter().map(|impact| impact.lateness_ns[2]).sum::<u64>() >= waiting);
            prop_assert!(delay_caused.iter().all(|impact| impact.delayed() > 0));
        }
    }

    /// Delay caused equals the sum of the breakdowns of all waits.
    #[test]
    fn delay_caused_is_the_sum_of_the_breakdowns(script in scripts()) {
        let mut timeline = Timeline::new(TimelineConfig { late_kept: 10_000, ..strict() });
        timeline.extend(&script.events());
        let mut expected: BTreeMap<Cause, u64> = BTreeMap::new();
        let fired = timeline.late_timers().into_iter().map(|late| (late.what.source, late.what.due, late.what.fired));
        let overdue = timeline.overdue_timers().into_iter().map(|late| (late.source, late.due, late.as_of));
        let overdue = overdue.filter(|(_, due, as_of)| as_of.ns_since(*due) > timeline.config().late_timer_ns);
        for (source, due, until) in fired.chain(overdue) {
            // With unlimited lines: nothing is merged.
            let breakdown = timeline.waited(Waiter::Timer, source, due, until, usize::MAX);
            prop_assert_eq!(breakdown.total_ns, until.ns_since(due));
            for share in breakdown.shares.iter().filter(|share| share.ns > 0) {
                let cause = match Cause::of(&share.what) {
                    // A breakdown merges them.
                    Cause::Microtasks(_) => Cause::Microtasks(None),
                    cause => cause,
                };
                *expected.entry(cause).or_default() += share.ns;
            }
        }
        let mut charged: BTreeMap<Cause, u64> = BTreeMap::new();
        for impact in timeline.delay_caused().iter().filter(|impact| impact.lateness_ns[0] > 0) {
            let cause = if matches!(impact.cause, Cause::Microtasks(_)) { Cause::Microtasks(None) } else { impact.cause };
            *charged.entry(cause).or_default() += impact.lateness_ns[0];
        }
        // A gap after a wait was charged can widen the part of it that is unknown.
        if script.lost_every == 0 {
            prop_assert_eq!(charged, expected);
        }
    }
}

#[test]
fn a_stalling_handler_is_the_worst() {
    let script = Script { ticks: 3_000, stall_every: 100, ..Script::default() };
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(&script.events());
    let delay_caused = timeline.delay_caused();
    assert_eq!(delay_caused[0].cause.describe(&timeline.labels), "ReadFile", "{delay_caused:?}");
    assert!(delay_caused[0].total_ns() > delay_caused[1].total_ns());
}
