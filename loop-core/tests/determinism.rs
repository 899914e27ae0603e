//! Tests that the same script gives the same events, and that the record holds what re-execution needs.

use std::cell::Cell;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{SimHeap, SimSource};
use loop_core::{Builtin, HeapHost, Policy, TagOf};
use loop_probes::event::{ClockPoint, Event, GcReason, Queue, RefKind, StopReason};
use loop_probes::ids::Ticks;

use crate::invariants;
use crate::kit::{World, ms, name, pick};

/// Records a loop that uses a mix of all features for a while.
fn record() -> Vec<(Ticks, Event<Ticks>)> {
    let heap = SimHeap::with_live(1000);
    heap.set(1000);
    let mut world = World::with_host(HeapHost(heap.clone()));
    let (sim, source, handle) = (world.sim.clone(), SimSource::new(), world.lp.handle());
    sim.workers(2);
    sim.job_durations([ms(7), ms(3), ms(5)]);
    for at in 0..20 {
        sim.ready_at(ms(3 * at), &source, Readiness::READABLE);
        sim.signal_at(ms(5 * at), if at % 2 == 0 { 10 } else { 12 });
        let handle = handle.clone();
        sim.at(ms(4 * at), move || handle.post(Builtin::remote("posted", |_| ())).unwrap());
    }
    world.lp.with(|cx| {
        let (works, left) = (sim.clone(), Cell::new(30));
        let interval = Builtin::repeat("interval", move |cx| {
            heap.grow(300);
            works.advance(ms(left.get() % 3));
            cx.defer(left.get() % 4, |_| false);
            cx.microtask(Builtin::once("micro", |_| ()));
            cx.immediate(Builtin::once("immediate", |_| ()));
            left.set(left.get() - 1);
            if left.get() == 0 {
                cx.stop();
            }
        });
        cx.set_interval(ms(2), interval).unwrap();
        cx.register(source, Interest::READABLE, Builtin::repeat("readable", |_| ())).unwrap();
        for signo in [10, 12] {
            cx.on_signal(signo, Builtin::repeat("signal", |_| ())).unwrap();
        }
        for _ in 0..5 {
            let tag = TagOf::Global(loop_core::tag::tag_of_label("job"));
            cx.work(tag, |_| Builtin::remote("job", |_| ()), |_| unreachable!("no job panics")).unwrap();
        }
    });
    world.lp.run().unwrap();
    world.stamped()
}

#[test]
fn the_same_script_gives_the_same_events_twice() {
    let first = record();
    assert!(first.len() > 500, "{} events", first.len());
    for (one, other) in first.iter().zip(record()) {
        assert_eq!(*one, other);
    }
}

#[test]
fn the_record_does_not_contradict_itself() {
    invariants::check(&record());
}

#[test]
fn every_reading_that_the_scheduler_was_given_is_in_the_record() {
    let events: Vec<_> = record().into_iter().map(|(_, event)| event).collect();
    let points = pick!(events, Event::InputClock { point, .. } => point);
    let count = |of| points.iter().filter(|point| **point == of).count();
    let polls = pick!(events, Event::Poll { .. } => ()).len();
    assert_eq!(count(ClockPoint::AfterPoll), polls);
    assert!(count(ClockPoint::BeforePoll) >= polls);
    let fired = pick!(events, Event::TimerFired { .. } => ()).len();
    assert_eq!(count(ClockPoint::Interval), fired, "every timer here is an interval");
    assert_eq!(count(ClockPoint::Arm), pick!(events, Event::TimerArmed { .. } => ()).len());
    let due = pick!(events, Event::TimerFired { due, fired, .. } => fired >= due);
    assert!(due.into_iter().all(|on_time| on_time));
}

#[test]
fn a_snapshot_comes_at_the_start_and_every_interval_and_is_bounded() {
    let mut policy = Policy::bun();
    policy.snapshot_parts_max = 8;
    let mut world = World::with_policy(policy);
    let log = world.log.clone();
    world.lp.with(|cx| {
        for _ in 0..10 {
            cx.set_timeout(ms(10_000), log.task("timer"));
        }
        let interval = cx.set_interval(ms(500), log.repeat("interval", |_| ())).unwrap();
        cx.set_timer_referenced(interval, false).unwrap();
        cx.post(log.task("queued"));
    });
    world.turn();
    let events = world.events();
    assert_eq!(pick!(events, Event::SnapshotBegin { tick, next_task, .. } => (tick, next_task.0)), [(1, 2)]);
    let fixed = 1 + pick!(events, Event::SnapshotPolicy { field, .. } => field).len() as u32;
    assert!(fixed > 40 && pick!(events, Event::SnapshotLoop { .. } => ()).len() == 1);
    let refs = pick!(events, Event::SnapshotRef { what, count } => (what, count));
    assert_eq!(refs, [(RefKind::Task, 1), (RefKind::Timer, 10)]);
    let timers = pick!(events, Event::SnapshotTimer { tag, .. } => name(tag));
    assert_eq!(
        timers, ["timer"; 5],
        "the bound is 8 parts beside the loop and its policy: two references, the collector, five timers"
    );
    assert_eq!(
        pick!(events, Event::SnapshotEnd { parts, left_out } => (parts, left_out)),
        [(fixed + 8, 9)],
        "two names too"
    );
    world.run();
    let ticks = pick!(world.events(), Event::SnapshotBegin { tick, .. } => tick);
    assert_eq!(ticks.len(), 4, "at about 2, 4, 6 and 8 of 10 seconds: {ticks:?}");
}

#[test]
fn a_snapshot_lists_all_that_waits() {
    let mut world = World::new();
    let log = world.log.clone();
    let [queued, immediate, unreferenced, late] = world.lp.with(|cx| {
        cx.defer(7, |_| true);
        cx.defer(9, |_| true);
        let immediate = cx.immediate(log.task("immediate"));
        let unreferenced = cx.immediate(log.task("unreferenced"));
        assert!(cx.set_immediate_referenced(unreferenced, false));
        cx.memory_pressure();
        [cx.post(log.task("queued")), immediate, unreferenced, cx.after_loop(log.task("late"))]
    });
    let set_up = world.events();
    assert_eq!(
        pick!(set_up, Event::ImmediateRef { task, referenced } => (task, referenced)),
        [(unreferenced, false)]
    );
    assert_eq!(pick!(set_up, Event::InputGc { reason } => reason), [GcReason::Pressure]);
    let places = pick!(set_up, Event::TaskQueued { task, place, .. } => (task, place.queue, place.depth));
    assert_eq!(places.last(), Some(&(late, Queue::AfterLoop, 1)));
    assert_eq!(world.lp.run_for(ms(1)).unwrap(), StopReason::Drained);
    let events = world.events();
    let parts =
        |event: &Event<Ticks>| matches!(event, Event::SnapshotBegin { .. } | Event::SnapshotEnd { .. });
    let snapshot: Vec<_> = events.split(parts).nth(1).unwrap().to_vec();
    assert_eq!(pick!(snapshot, Event::InputRun { until_ns } => until_ns), [Some(1_001_000_000)]);
    assert_eq!(pick!(snapshot, Event::InputGc { reason } => reason), [GcReason::Pressure]);
    assert_eq!(
        pick!(snapshot, Event::SnapshotDeferred { key, kept: false } => key),
        [7, 9],
        "in queue order"
    );
    let tasks = pick!(snapshot, Event::SnapshotTask { task, queue, .. } => (task, queue));
    let expected = [
        (queued, Queue::Tasks),
        (immediate, Queue::Immediates),
        (unreferenced, Queue::Immediates),
        (late, Queue::AfterLoop),
    ];
    assert_eq!(tasks, expected);
    assert_eq!(pick!(snapshot, Event::ImmediateRef { task, .. } => task), [unreferenced]);
    let complete = pick!(events, Event::SnapshotEnd { left_out, .. } => left_out);
    assert_eq!(complete, [0]);
}

#[test]
fn what_a_bounded_run_decides_by_is_in_the_record() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| cx.set_interval(ms(3), log.repeat("interval", |_| ()))).unwrap();
    assert_eq!(world.lp.run_for(ms(7)).unwrap(), StopReason::Deadline);
    world.lp.stop();
    world.lp.run().unwrap();
    let events = world.events();
    let until = pick!(events, Event::InputRun { until_ns } => until_ns);
    assert_eq!(until, [Some(1_007_000_000), Some(1_007_000_000), None], "said again in the snapshot");
    let looked =
        pick!(events, Event::InputClock { point: ClockPoint::Until, now } => now.as_ns() / 1_000_000);
    assert_eq!(looked, [1_000, 1_003, 1_006, 1_007], "once before each turn");
}

#[test]
fn queue_depths_are_sampled_when_they_changed() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.post(log.task("one"));
        cx.post(log.task("two"));
    });
    world.turn();
    world.turn();
    world.turn();
    let depths = pick!(world.events(), Event::QueueDepth { queue, depth } => (queue, depth));
    assert_eq!(depths, [(Queue::Tasks, 2), (Queue::Tasks, 0)]);
    let handle = world.lp.handle();
    (0..3).for_each(|_| handle.post(Builtin::remote("posted", |_| ())).unwrap());
    world.turn();
    world.turn();
    let depths = pick!(world.events(), Event::QueueDepth { queue, depth } => (queue, depth));
    assert_eq!(depths, [(Queue::Concurrent, 3), (Queue::Concurrent, 0)]);
}
