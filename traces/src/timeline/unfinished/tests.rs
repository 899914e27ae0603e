//! Tests of unfinished work, on streams written by hand.

mod cuts;
mod followed;

use loop_probes::event::{
    ClockPoint, Event, Origin, Outcome, Phase, Placement, PollReason, Queue, StopReason, WorkerPhase,
};
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag, TaskId, TimerId};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use super::*;
use crate::attribution::What;
use crate::histogram::Histogram;
use crate::loss::Bounds;
use crate::timeline::TimelineConfig;

mod limits;
mod lossy;
mod stopped;
mod unseen;

const LOOP: SourceId = SourceId(1);
const OTHER: SourceId = SourceId(2);
const TAG: Tag = Tag(3);
const OTHER_TAG: Tag = Tag(4);

fn on(source: SourceId, at: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at), source, event }
}

fn at(at: u64, event: Event) -> Stamped {
    on(LOOP, at, event)
}

fn begun(tick: u64, time: u64) -> Stamped {
    at(time, Event::TickStart { tick })
}

fn ran(task: u64, start: u64, end: u64) -> Stamped {
    let start = Timestamp(start);
    at(end, Event::TaskRan { task: TaskId(task), tag: TAG, outcome: Outcome::Done, queued: start, start })
}

fn polled(start: u64, end: u64) -> Stamped {
    let start = Timestamp(start);
    at(end, Event::Poll { reason: PollReason::Idle, ready: 0, timeout_ns: None, start })
}

fn fired(task: u64, time: u64) -> Stamped {
    let (due, fired) = (Timestamp(time), Timestamp(time));
    at(time, Event::TimerFired { timer: TimerId(1), tag: TAG, task: TaskId(task), due, fired, skipped: 0 })
}

fn in_task(task: u64) -> Running {
    Running::Task { task: TaskId(task), tag: TAG }
}

/// The recorder's sample at `time` of what has been running since `since`.
fn seen(running: Running, since: u64, time: u64) -> Stamped {
    at(time, running.event(Timestamp(since)))
}

fn folded(events: &[Stamped]) -> Timeline {
    let mut timeline = Timeline::of(&Metadata::new("t"));
    timeline.extend(events);
    timeline
}

/// The only tick in progress, with its busy time, poll wait and unknown time.
fn only(timeline: &Timeline) -> (UnfinishedTick, [u64; 3]) {
    let ticks = timeline.unfinished_ticks();
    let [tick] = ticks.as_slice() else { panic!("not one tick: {ticks:?}") };
    (*tick, [tick.busy_ns, tick.poll_wait_ns, tick.unknown_ns])
}

#[test]
fn a_running_task_lasts_until_the_last_known_moment() {
    // Another emitter shows that time has passed.
    let other = on(OTHER, 900, Event::Wake { from: None, coalesced: 0 });
    let timeline = folded(&[begun(7, 100), ran(1, 110, 150), seen(in_task(2), 200, 500), other]);
    let (tick, figures) = only(&timeline);
    assert_eq!((tick.tick, tick.start, figures), (Some(7), Timestamp(100), [800, 0, 0]));
    assert_eq!((tick.running, tick.running_ns()), (Some((in_task(2), Timestamp(200))), 700));
    let [task] = timeline.running_tasks()[..] else { panic!("one task runs") };
    assert_eq!((task.source, task.task, task.tag, task.run_ns()), (LOOP, TaskId(2), TAG, 700));
    let blame = timeline.blame_unfinished(&tick);
    assert_eq!((blame.total_ns, blame.shares[0].ns), (800, 700));
    assert_eq!(blame.shares[0].what, What::Task { task: TaskId(2), tag: TAG });
}

#[test]
fn a_task_running_before_a_loss_at_the_end_ran_at_least_until_the_loss() {
    let lost = at(900, Event::Lost { count: 3, from: Timestamp(500) });
    let other = on(OTHER, 1_000, Event::Wake { from: None, coalesced: 0 });
    let mut events = vec![begun(7, 100), ran(1, 110, 150), seen(in_task(2), 200, 500), lost, other];
    let timeline = folded(&events);
    for end in [StreamEnd::Known, StreamEnd::Died, StreamEnd::Cut] {
        let unfinished = timeline.unfinished(end);
        let [tick] = unfinished.ticks[..] else { panic!("not one tick: {unfinished:?}") };
        assert_eq!(
            (tick.tick, tick.start, tick.busy_ns, tick.unknown_ns),
            (Some(7), Timestamp(100), 400, 500)
        );
        assert_eq!(unfinished.tasks.iter().map(RunningTask::run_ns).collect::<Vec<_>>(), [300]);
        let blame = timeline.blame_unfinished(&tick);
        assert_eq!((blame.total_ns, blame.shares[0].ns), (400, 300));
        let stalls = timeline.stall_figures(&unfinished, &timeline.missing_with(&unfinished));
        assert_eq!(stalls.count, 0, "{end:?}: it is below the limit");
    }
    // A later event of that loop shows that it went on, so the tick may have ended in the loss.
    events.push(at(1_100, Event::Mark { label: LabelId(1) }));
    assert_eq!(folded(&events).unfinished(StreamEnd::Known).ticks, []);
}

#[test]
fn a_timer_that_fired_runs_its_task_until_that_ends() {
    let fires = [begun(1, 100), fired(5, 150), at(400, Event::TimerCleared { timer: TimerId(9) })];
    let timeline = folded(&fires);
    let (tick, figures) = only(&timeline);
    assert_eq!((tick.running, figures), (Some((in_task(5), Timestamp(150))), [300, 0, 0]));
    assert_eq!(timeline.running_tasks()[0].run_ns(), 250);
    let over = folded(&[&fires[..], &[ran(5, 150, 420)]].concat());
    let (tick, figures) = only(&over);
    assert_eq!((tick.running, figures), (None, [320, 0, 0]));
    assert!(over.running_tasks().is_empty());
}

#[test]
fn in_a_tick_a_loop_is_busy_outside_of_tasks_as_well() {
    let events = [begun(7, 100), polled(110, 300), seen(Running::Outside, 300, 900)];
    let (tick, figures) = only(&folded(&events));
    assert_eq!((tick.running, figures), (None, [610, 190, 0]));
    let ended = at(800, Event::TickEnd { tick: 7, tasks_run: 0, start: Timestamp(100) });
    let over = [&events[..2], &[ended, seen(Running::Outside, 800, 900)]].concat();
    assert!(folded(&over).unfinished_ticks().is_empty(), "between two ticks");
}

#[test]
fn a_process_that_died_did_until_then_what_its_cell_shows() {
    let other = on(OTHER, 900, Event::Wake { from: None, coalesced: 0 });
    for (running, name) in [
        (Running::Phase(Phase::Microtasks), Some(Phase::Microtasks)),
        // The task has ended, and what followed has no name.
        (in_task(1), None),
    ] {
        let timeline = folded(&[begun(7, 100), ran(1, 110, 150), seen(running, 150, 160), other]);
        let figures = |end| {
            let [tick] = timeline.unfinished(end).ticks[..] else { panic!("not one tick") };
            (tick.busy_ns, tick.unknown_ns, tick.running.map(|(running, _)| running))
        };
        let named = name.map(Running::Phase);
        assert_eq!(
            figures(StreamEnd::Known),
            (60, 740, named),
            "a phase in which nothing runs has no record"
        );
        assert_eq!(figures(StreamEnd::Died), (800, 0, named));
    }
}

#[test]
fn an_outdated_running_cell_names_nothing() {
    for (end, running) in [
        (ran(1, 110, 300), in_task(1)),
        (polled(110, 300), Running::Poll { deadline: None }),
        (at(300, Event::Phase { phase: Phase::Gc, start: Timestamp(110) }), Running::Phase(Phase::Gc)),
        (
            at(300, Event::Microtasks { trigger: None, ran: 1, left: 0, start: Timestamp(110) }),
            Running::Phase(Phase::Microtasks),
        ),
        (
            at(300, Event::DeferredRan { ran: 1, kept: 0, start: Timestamp(110) }),
            Running::Phase(Phase::Deferred),
        ),
    ] {
        let timeline = folded(&[begun(1, 100), end, seen(running, 110, 700)]);
        let (tick, [busy_ns, poll_wait_ns, unknown_ns]) = only(&timeline);
        assert_eq!(tick.running, None, "{running:?}");
        assert!(timeline.running_tasks().is_empty());
        // No poll began, or the recorder would have reported it: the rest is busy time without a name.
        assert_eq!(busy_ns + poll_wait_ns, 600, "{running:?}");
        assert_eq!(
            (poll_wait_ns, unknown_ns),
            (if matches!(running, Running::Poll { .. }) { 190 } else { 0 }, 0)
        );
    }
    // If the same task, poll or phase begins again, it is not over.
    let again = folded(&[begun(1, 100), polled(110, 300), seen(Running::Poll { deadline: None }, 310, 700)]);
    assert!(only(&again).0.is_polling());
}

#[test]
fn a_poll_within_a_task_is_the_task_s_time() {
    let timeline = folded(&[begun(1, 100), polled(120, 150), polled(220, 280), seen(in_task(2), 200, 400)]);
    let (_, figures) = only(&timeline);
    assert_eq!(figures, [270, 30, 0], "only the poll before the task is the loop's own");
}

#[test]
fn a_loop_that_waits_in_a_poll_is_idle() {
    let deadline = Some(Timestamp(9_000));
    let timeline = folded(&[begun(1, 100), ran(1, 110, 150), seen(Running::Poll { deadline }, 200, 5_000)]);
    let (tick, figures) = only(&timeline);
    assert_eq!((figures, tick.is_polling(), tick.running_ns()), ([100, 4_800, 0], true, 4_800));
    let unfinished = timeline.unfinished(StreamEnd::Known);
    assert_eq!((unfinished.growing().count(), unfinished.stalls(99).count()), (0, 1));
    assert_eq!(unfinished.stalls(100).count(), 0, "the wait does not count");
    assert_eq!(unfinished.within(1_000), [0, 1_000]);
    assert_eq!(
        timeline.unfinished(StreamEnd::Cut).growing().count(),
        1,
        "cut off, it may have been busy since"
    );
}

#[test]
fn a_phase_in_which_nothing_ran_is_known_only_as_far_as_it_was_seen() {
    let other = on(OTHER, 900, Event::Wake { from: None, coalesced: 0 });
    let timeline = folded(&[begun(1, 100), seen(Running::Phase(Phase::Gc), 200, 500), other]);
    assert_eq!(only(&timeline).1, [400, 0, 400]);
}

#[test]
fn each_loop_has_its_own() {
    let poll = Running::Poll { deadline: None };
    let timeline = folded(&[
        begun(1, 100),
        on(OTHER, 150, Event::TickStart { tick: 8 }),
        seen(in_task(1), 120, 1_000),
        on(OTHER, 1_000, poll.event(Timestamp(160))),
    ]);
    let ticks = timeline.unfinished_ticks();
    let figures: Vec<_> =
        ticks.iter().map(|tick| (tick.source, tick.tick, tick.busy_ns, tick.poll_wait_ns)).collect();
    assert_eq!(figures, [(LOOP, Some(1), 900, 0), (OTHER, Some(8), 10, 840)]);
    assert_eq!(timeline.running_tasks().len(), 1);
    let unfinished = timeline.unfinished(StreamEnd::Known);
    assert_eq!((unfinished.busy_ns(), unfinished.poll_wait_ns()), (910, 840));
    // The end of one loop's tick says nothing about the other's.
    let mut timeline = timeline;
    timeline.extend(&[at(1_100, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(100) })]);
    assert_eq!(only(&timeline).0.source, OTHER);
}

#[test]
fn an_overdue_timer_is_late_by_what_is_known() {
    let arm = |timer, due, period_ns| {
        at(100, Event::TimerArmed { timer: TimerId(timer), tag: TAG, due: Timestamp(due), period_ns })
    };
    let timeline = folded(&[
        begun(1, 100),
        arm(1, 300, None),
        arm(2, 200, Some(100)),
        arm(3, 5_000, None),
        seen(in_task(1), 110, 1_000),
    ]);
    let late: Vec<_> = timeline
        .overdue_timers()
        .iter()
        .map(|timer| (timer.timer, timer.lag_ns(), timer.period_ns))
        .collect();
    assert_eq!(late, [(TimerId(2), 800, Some(100)), (TimerId(1), 700, None)]);
}

/// A recording may be cut between the two records with which a poll ends.
#[test]
fn a_poll_of_which_only_the_clock_reading_is_left_is_not_busy_time() {
    let clock = Event::InputClock { point: ClockPoint::AfterPoll, now: Timestamp(20_000) };
    let mut timeline = folded(&[begun(1, 100), ran(1, 110, 400), at(20_000, clock)]);
    assert_eq!(only(&timeline).1, [300, 0, 19_600]);
    timeline.extend(&[polled(450, 20_000)]);
    assert_eq!(only(&timeline).1, [350, 19_550, 0]);
}

/// Three tasks are queued, of which the first ends and the second does not. The other loop has no events after its task
/// was queued, so that task may have begun at once.
#[test]
fn a_queued_task_waits_until_the_last_known_moment() {
    let queue = |task, depth, queued| {
        let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth };
        let (task, queued) = (TaskId(task), Timestamp(queued));
        Event::TaskQueued { task, tag: TAG, place, parent: None, poster: None, queued }
    };
    let timeline = folded(&[
        begun(1, 100),
        on(OTHER, 100, Event::TickStart { tick: 1 }),
        on(OTHER, 150, queue(1, 1, 150)),
        at(200, queue(1, 1, 200)),
        at(210, queue(2, 2, 180)),
        at(220, queue(3, 3, 220)),
        ran(1, 230, 300),
        seen(in_task(2), 310, 1_000),
    ]);
    let waiting: Vec<_> =
        timeline.waiting_tasks().iter().map(|task| (task.source, task.task, task.queue_wait_ns())).collect();
    assert_eq!(waiting, [(LOOP, TaskId(3), 780), (LOOP, TaskId(2), 130), (OTHER, TaskId(1), 0)]);
    let missing = timeline.missing();
    assert_eq!(missing.waits.unfinished().map(|waits| (waits.count(), waits.max())), Some((3, 780)));
    assert_eq!(missing.waits_of(TAG).unfinished().map(Histogram::max), Some(780));
    assert_eq!(missing.others.unfinished(), None);
    // Once records are lost, it is unknown which of them ran.
    let mut timeline = timeline;
    let lost = Event::Lost { count: 1, from: Timestamp(1_000) };
    timeline.extend(&[at(1_100, lost), seen(in_task(9), 1_100, 1_200)]);
    let sources: Vec<_> = timeline.waiting_tasks().iter().map(|task| task.source).collect();
    assert_eq!(sources, [OTHER]);
}

/// A loop is in a tick, its last task ended at 300, and two tasks wait that were queued at 210 and 320.
fn between_tasks() -> Timeline {
    let queue = |task, queued| {
        let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: 2 };
        let (task, queued) = (TaskId(task), Timestamp(queued));
        Event::TaskQueued { task, tag: TAG, place, parent: None, poster: None, queued }
    };
    folded(&[
        begun(1, 100),
        at(200, queue(1, 200)),
        at(210, queue(2, 210)),
        ran(1, 230, 300),
        at(320, queue(3, 320)),
    ])
}

#[test]
fn a_task_that_may_have_begun_unseen_has_unbounded_run_time() {
    let timeline = between_tasks();
    for end in [StreamEnd::Known, StreamEnd::Died, StreamEnd::Cut] {
        let unfinished = timeline.unfinished(end);
        let waits: Vec<_> = unfinished.waiting.iter().map(WaitingTask::queue_wait_ns).collect();
        assert_eq!(waits, [90, 0], "{end:?}");
        let missing = timeline.missing_with(&unfinished);
        for (what, missing) in [
            ("runs", &missing.tasks),
            ("runs of the tag", &missing.tasks_of(TAG)),
            ("waits", &missing.waits),
            ("waits of the tag", &missing.waits_of(TAG)),
        ] {
            assert_eq!(missing.longest(), None, "{what}, {end:?}");
        }
    }
}

#[test]
fn a_post_that_a_busy_loop_has_not_taken_has_no_record() {
    let unseen = |end, until| {
        let mut timeline = between_tasks();
        timeline.extend(&[seen(in_task(3), 330, until)]);
        let unfinished = timeline.unfinished(end);
        let missing = timeline.missing_with(&unfinished);
        assert_eq!(missing.signals.longest(), missing.waits_of(OTHER_TAG).longest());
        (missing.waits.longer_than(1 << 40) > 2, missing.waits_of(OTHER_TAG).longest())
    };
    let late = 340 + TimelineConfig::default().late_task_ns;
    assert_eq!(unseen(StreamEnd::Known, 10_000), (false, Some(0)), "it will be taken in time");
    assert_eq!(unseen(StreamEnd::Known, late), (true, None));
    assert_eq!(unseen(StreamEnd::Died, 10_000), (true, None));
    assert_eq!(unseen(StreamEnd::Cut, 10_000), (true, None));
}

#[test]
fn an_interval_is_due_again_while_its_own_callback_runs() {
    let armed = Event::TimerArmed { timer: TimerId(1), tag: TAG, due: Timestamp(200), period_ns: Some(100) };
    let clock = Event::InputClock { point: ClockPoint::Interval, now: Timestamp(210) };
    let running = seen(in_task(5), 210, 1_000);
    let timeline = folded(&[at(90, armed), begun(1, 100), fired(5, 200), at(210, clock), running]);
    let unfinished = timeline.unfinished(StreamEnd::Known);
    let late: Vec<_> = unfinished.timers.iter().map(|timer| (timer.lag_ns(), timer.skipped())).collect();
    assert_eq!((late, unfinished.skipped()), (vec![(690, 6)], 6));
}

#[test]
fn a_readiness_callback_that_has_not_ended_is_no_task() {
    let running = seen(in_task(7), 300, 900);
    let registered = at(100, Event::IoRegistered { source: IoSource(4), tag: TAG });
    let tasks = |events: &[Stamped]| folded(&[events, &[running]].concat()).running_tasks().len();
    assert_eq!(tasks(&[begun(1, 100)]), 1);
    assert_eq!(tasks(&[registered, begun(1, 110)]), 0);
    assert_eq!(tasks(&[registered, begun(1, 110), ran(6, 120, 130)]), 1, "tasks have the tag, too");
}

#[test]
fn a_checkpoint_or_a_collection_may_be_running_where_no_task_is_known_to() {
    let in_ticks = |events: &[Stamped], end| {
        let timeline = folded(&[&[begun(1, 100)], events].concat());
        timeline.missing_with(&timeline.unfinished(end)).in_ticks.longest()
    };
    let (task, poll) = (in_task(2), Running::Poll { deadline: None });
    for (events, known, cut) in [
        (vec![ran(1, 110, 200)], None, None),
        (vec![seen(Running::Phase(Phase::Gc), 200, 900)], None, None),
        (vec![seen(task, 200, 900)], Some(0), Some(0)),
        (vec![seen(poll, 200, 900)], Some(0), None),
    ] {
        assert_eq!(in_ticks(&events, StreamEnd::Known), known, "{events:?}");
        assert_eq!(in_ticks(&events, StreamEnd::Cut), cut, "{events:?}");
    }
}

#[test]
fn an_armed_timer_may_have_become_late_where_the_end_is_not_known() {
    let ends = [StreamEnd::Known, StreamEnd::Died, StreamEnd::Cut];
    let to_come = |running| {
        let due = Timestamp(5_000);
        let armed = Event::TimerArmed { timer: TimerId(3), tag: TAG, due, period_ns: None };
        let timeline = folded(&[begun(1, 100), at(100, armed), seen(running, 110, 1_000)]);
        ends.map(|end| {
            let lag = timeline.missing_with(&timeline.unfinished(end)).lag;
            (lag.unfinished().map_or(0, |lag| lag.count()), lag.longer_than(1 << 40))
        })
    };
    assert_eq!(to_come(in_task(1)), [(0, 0), (0, 1), (0, 1)]);
    let poll = Running::Poll { deadline: Some(Timestamp(5_000)) };
    assert_eq!(
        to_come(poll),
        [(0, 0), (0, 1), (0, 1)],
        "it may have been stopped there for long before it died"
    );
}

fn stalls_bounds(timeline: &Timeline, end: StreamEnd) -> Option<Bounds> {
    let unfinished = timeline.unfinished(end);
    timeline.stall_figures(&unfinished, &timeline.missing_with(&unfinished)).bounds
}

#[test]
fn where_a_recording_was_cut_other_emitters_do_not_show_what_a_loop_did() {
    const MS: u64 = 1_000_000;
    let limit_ms = TimelineConfig::default().stall_limit_ns / MS;
    let tail_ms = 3 * limit_ms + 1;
    let armed = Event::TimerArmed { timer: TimerId(3), tag: TAG, due: Timestamp(7 * MS), period_ns: None };
    let other = on(OTHER, (6 + tail_ms) * MS, Event::Wake { from: None, coalesced: 0 });
    let timeline = folded(&[begun(1, MS), at(2 * MS, armed), seen(in_task(2), 3 * MS, 6 * MS), other]);
    let with = |end| {
        let unfinished = timeline.unfinished(end);
        let [tick] = unfinished.ticks[..] else { panic!("one tick: {unfinished:?}") };
        let run_ns: Vec<u64> = unfinished.tasks.iter().map(RunningTask::run_ns).collect();
        (tick.busy_ns / MS, run_ns, unfinished.timers.len(), stalls_bounds(&timeline, end))
    };
    let whole = Bounds { lo: 1, hi: Some(1) };
    assert_eq!(with(StreamEnd::Known), (5 + tail_ms, vec![(3 + tail_ms) * MS], 1, Some(whole)));
    // Records of the loop may be lost, which its next record would have said.
    assert_eq!(with(StreamEnd::Cut), (5, vec![3 * MS], 0, Some(ANY)));
}

/// No stall was seen, and nothing limits how many there were.
const HOUR: u64 = 3_600_000_000_000;
const ANY: Bounds = Bounds { lo: 0, hi: None };

#[test]
fn where_a_recording_was_cut_a_loop_may_have_stalled_unless_it_had_stopped() {
    const MS: u64 = 1_000_000;
    let ended = |tick, start, end| at(end, Event::TickEnd { tick, tasks_run: 1, start: Timestamp(start) });
    let other = |ms: u64| on(OTHER, ms * MS, Event::Wake { from: None, coalesced: 0 });
    let bounds = |last| {
        let timeline = folded(&[begun(1, MS), ended(1, MS, 2 * MS), last]);
        [StreamEnd::Known, StreamEnd::Cut].map(|end| stalls_bounds(&timeline, end))
    };
    assert_eq!(bounds(other(3)), [None, Some(ANY)]);
    // A damaged block at the end says as little.
    let lost = at(4 * MS, Event::Lost { count: 0, from: Timestamp(2 * MS) });
    assert_eq!(bounds(lost)[1], Some(ANY));
    let stopped = Event::LoopStopped { reason: StopReason::Stopped };
    assert_eq!(bounds(at(3 * MS, stopped)), [None, None]);
    let timeline = folded(&[other(1)]);
    let of = |end| stalls_bounds(&timeline, end);
    assert_eq!(of(StreamEnd::Known), None, "the stream has no loop");
    assert_eq!(of(StreamEnd::Cut), Some(ANY), "its loop may not have been saved yet");
}

#[test]
fn a_tick_in_its_poll_counts_with_its_busy_time_so_far() {
    const MS: u64 = 1_000_000;
    let ended = |end| at(end, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(MS) });
    let figures = |before_ms: u64, busy_ms: u64, end| {
        let (over, poll) = ((1 + before_ms) * MS, (1 + before_ms + busy_ms) * MS);
        let deadline = None;
        let timeline = folded(&[
            begun(1, MS),
            ran(1, MS, over),
            ended(over),
            begun(2, over),
            ran(2, over, poll),
            seen(Running::Poll { deadline }, poll, poll + 90 * MS),
        ]);
        let missing = timeline.missing_with(&timeline.unfinished(end));
        let run_ns = timeline.ticks.run_ns.percentiles_missing(&missing.ticks);
        let bounds = run_ns.bounds.unwrap();
        let in_ms = |ns: u64| ns.div_euclid(MS);
        let bounds = [bounds.p50, bounds.max].map(|of| (in_ms(of.lo), of.hi.map(in_ms)));
        (run_ns.count, run_ns.p50.map(in_ms), run_ns.max.map(in_ms), bounds)
    };
    for end in [StreamEnd::Known, StreamEnd::Died] {
        let longer = (2, Some(2), Some(600), [(2, Some(2)), (600, Some(600))]);
        assert_eq!(figures(2, 600, end), longer, "{end:?}");
        // It has not ended, so it lowers no figure of the tick that has.
        let shorter = (2, Some(600), Some(600), [(2, Some(600)), (600, Some(600))]);
        assert_eq!(figures(600, 2, end), shorter, "{end:?}");
    }
    let (.., [_, max]) = figures(2, 600, StreamEnd::Cut);
    assert_eq!(max, (600, None), "it may have gone on");
    // What a tick did before the recording began is unknown.
    let midway = folded(&[seen(Running::Poll { deadline: None }, 200, 5_000)]);
    assert_eq!(midway.ticks.run_ns.percentiles_missing(&midway.missing().ticks).count, 0);
}

#[test]
fn a_worker_that_stops_for_a_collection_is_in_no_tick() {
    let (from, to) = (WorkerPhase::Run, WorkerPhase::Gc);
    let stops = on(OTHER, 2_000, Event::WorkerState { worker: 0, from, to });
    let sample = Running::Phase(Phase::Gc).event(Timestamp(2_000));
    let stopped = [stops, on(OTHER, 900_000_000, sample)];
    assert_eq!(folded(&stopped).unfinished_ticks(), []);
    assert_eq!(folded(&stopped[1..]).unfinished_ticks().len(), 1, "it may be a loop in its phase");
}

#[test]
fn after_a_loss_the_number_of_the_tick_is_unknown() {
    let lost = at(900, Event::Lost { count: 70, from: Timestamp(300) });
    let timeline = folded(&[begun(38, 100), ran(5, 110, 300), lost, seen(in_task(99), 800, 2_000)]);
    let (tick, [busy_ns, ..]) = only(&timeline);
    assert_eq!((tick.tick, tick.start, busy_ns), (None, Timestamp(800), 1_200));
}

#[test]
fn a_loop_that_polls_between_its_ticks_waits_there() {
    let end = |tick, start, time| at(time, Event::TickEnd { tick, tasks_run: 1, start: Timestamp(start) });
    let waits = |events: &[Stamped]| {
        let ticks = folded(events).ticks;
        (ticks.busy_ns, ticks.poll_wait_ns)
    };
    let outside =
        [begun(1, 0), end(1, 0, 10), polled(10, 90), begun(2, 90), end(2, 90, 100), polled(100, 190)];
    assert_eq!(waits(&outside), (20, 170));
    let lost = at(95, Event::Lost { count: 1, from: Timestamp(60) });
    let unseen = [begun(1, 0), end(1, 0, 10), lost, polled(100, 190)];
    assert_eq!(waits(&unseen), (10, 0), "the beginning of its tick may be lost");
    let inside = [begun(1, 0), polled(5, 9), end(1, 0, 10), polled(10, 90)];
    assert_eq!(waits(&inside), (6, 4), "a shutdown polls after the last tick");
}
