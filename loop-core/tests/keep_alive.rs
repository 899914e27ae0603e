//! Tests what keeps a loop alive, how it stops, and how it continues.

use loop_core::policy::ExitRule;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{Builtin, EventLoop, Policy};
use loop_probes::event::{Event, PollReason, RefKind, StopReason};

use crate::kit::{Cx, World, ms, pick};

#[test]
fn l05_stop_before_run_makes_run_return_at_once() {
    let mut world = World::new();
    world.post(world.log.task("task"));
    world.lp.stop();
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped);
    assert_eq!(world.log.take(), Vec::<String>::new());
    assert_eq!(world.run(), ["task"], "the request is used up");
    let reasons = pick!(world.events(), Event::LoopStopped { reason } => reason);
    assert_eq!(reasons, [StopReason::Stopped, StopReason::Drained]);
}

#[test]
fn l05_stop_in_the_middle_is_resumable() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.set_timeout(ms(1), log.then("stops", |cx: &mut Cx<'_>| cx.stop()));
        cx.set_timeout(ms(2), log.task("later"));
    });
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped);
    assert_eq!(world.log.take(), ["stops"]);
    assert_eq!(world.run(), ["later"]);
}

#[test]
fn l05_a_stop_from_another_thread_ends_a_blocked_poll() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    event_loop.with(|cx| cx.hold("test"));
    let handle = event_loop.handle();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(ms(20));
        handle.stop();
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Stopped);
    stopper.join().unwrap();
}

#[test]
fn l06_what_is_pending_can_be_listed_by_name() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.post(log.task("queued"));
        cx.immediate(log.task("immediate"));
        cx.set_timeout(ms(1), log.task("timer"));
        let unref = cx.set_timeout(ms(1), log.task("unref"));
        cx.set_timer_referenced(unref, false).unwrap();
        cx.hold("socket");
        cx.hold("socket");
        cx.register(SimSource::new(), Interest::READABLE, log.repeat("listener", |_| ())).unwrap();
    });
    let listed: Vec<_> =
        world.lp.pending().into_iter().map(|item| (item.what, item.name, item.count)).collect();
    let expected = [
        (RefKind::Task, "queued", 1),
        (RefKind::Timer, "timer", 1),
        (RefKind::Immediate, "immediate", 1),
        (RefKind::Io, "listener", 1),
        (RefKind::Handle, "socket", 2),
    ];
    assert_eq!(listed, expected.map(|(what, name, count)| (what, name.to_owned(), count)));
}

#[test]
fn l06_the_loop_ends_when_nothing_referenced_is_left() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.hold("connection");
        cx.set_timeout(ms(3), log.then("closes", |cx: &mut Cx<'_>| cx.release("connection")));
    });
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    assert_eq!(world.sim.elapsed(), ms(3));
    assert_eq!(world.lp.pending(), []);
}

#[test]
fn b01_references_of_other_threads_count_from_the_next_tick() {
    let mut world = World::new();
    let handle = world.lp.handle();
    handle.hold();
    let later = handle.clone();
    world.sim.at(ms(4), move || later.release());
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    assert_eq!(world.sim.elapsed(), ms(4));
    let changes = pick!(world.events(), Event::RefChanged { what, delta, alive } => (what, delta, alive));
    assert_eq!(changes, [(RefKind::Handle, 1, 1), (RefKind::Handle, -1, 0)]);
}

#[test]
fn b23_an_unreferenced_source_keeps_nothing_alive() {
    let mut world = World::new();
    let source = world.lp.with(|cx| {
        let source =
            cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ())).unwrap();
        cx.set_source_referenced(source, false).unwrap();
        source
    });
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    world.lp.with(|cx| {
        cx.set_source_referenced(source, true).unwrap();
        cx.remove(source).unwrap();
    });
    assert!(!world.lp.is_alive());
}

#[test]
fn b23_an_unreferenced_source_is_called_while_something_else_keeps_the_loop_alive() {
    let mut world = World::new();
    let (log, source) = (world.log.clone(), SimSource::new());
    world.lp.with(|cx| {
        let io = cx.register(source.clone(), Interest::READABLE, log.repeat("io", |_| ())).unwrap();
        cx.set_source_referenced(io, false).unwrap();
        cx.set_timeout(ms(5), log.task("timer"));
    });
    world.sim.ready_at(ms(2), &source, Readiness::READABLE);
    assert_eq!(world.run(), ["io", "timer"]);
}

#[test]
fn a_loop_that_only_stops_when_asked_waits_with_nothing_to_do() {
    let mut policy = Policy::bun();
    policy.exit = ExitRule::OnlyStopped;
    let mut world = World::with_policy(policy);
    let handle = world.lp.handle();
    world.sim.at(ms(50), move || handle.stop());
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped);
    assert_eq!(world.sim.elapsed(), ms(50));
    let polls = pick!(world.events(), Event::Poll { reason, timeout_ns, .. } => (reason, timeout_ns));
    assert_eq!(polls, [(PollReason::Idle, None)]);
}

#[test]
fn l10_counters_tell_ticks_tasks_and_idle_time() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.set_timeout(ms(4), log.task("timer"));
        cx.post(log.task("task"));
    });
    world.run();
    let metrics = world.lp.metrics();
    assert_eq!((metrics.ticks, metrics.tasks_run, metrics.polls), (1, 2, 1));
    assert_eq!(metrics.idle_ns, 4_000_000);
}

#[test]
fn l10_readiness_that_waited_for_the_loop_is_distinguished_from_awaited_readiness() {
    let mut world = World::new();
    let (log, source) = (world.log.clone(), SimSource::new());
    world.lp.with(|cx| cx.register(source.clone(), Interest::READABLE, log.repeat("io", |_| ()))).unwrap();
    world.sim.ready_at(ms(1), &source, Readiness::READABLE);
    world.turn();
    let waited_for = world.lp.metrics();
    assert_eq!((waited_for.events, waited_for.events_waiting, waited_for.io_ready), (1, 0, 1));
    world.sim.ready_at(ms(2), &source, Readiness::READABLE);
    world.sim.advance(ms(5));
    // Pending work makes the poll look without waiting.
    world.lp.with(|cx| {
        let next = log.task("next");
        cx.immediate(log.then("again", move |cx| {
            cx.immediate(next);
        }))
    });
    world.turn();
    let waiting = world.lp.metrics();
    assert_eq!((waiting.events, waiting.events_waiting, waiting.io_ready), (2, 1, 2));
}
