//! Tests signals: scripted ones for their order, real ones for the way in.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::sim::SIGNALS_MAX;
use loop_core::{Builtin, EventLoop, RequestError};
use loop_probes::event::{Event, Origin, StopReason};
use loop_probes::recorder::Recorder;

use crate::kit::{World, ms, name, pick};

#[test]
fn b14_a_signal_is_a_task_that_knows_its_number_and_when_it_arrived() {
    let mut world = World::new();
    let log = world.log.clone();
    let handler = log.repeat("on hup", |cx| {
        let signal = cx.signal().unwrap();
        assert_eq!(signal.signo, 1);
        cx.release("test");
    });
    world.lp.with(|cx| {
        cx.on_signal(1, handler).unwrap();
        cx.hold("test");
    });
    let sim = world.sim.clone();
    world.sim.signal_at(ms(2), 1);
    // The loop is busy when the signal arrives, so the events that follow show how late it was delivered.
    world.lp.with(|cx| cx.set_timeout(ms(2), Builtin::once("busy", move |_| sim.advance(ms(5)))));
    assert_eq!(world.run(), ["on hup"]);
    let events = world.events();
    let at_arrival = 1_002_000_000;
    let arrived = pick!(events, Event::SignalArrived { signo, depth, arrived } => (signo, depth, arrived.0));
    assert_eq!(arrived, [(1, 1, at_arrival)]);
    let delivered = pick!(events, Event::SignalDelivered { signo, arrived, .. } => (signo, arrived.0));
    assert_eq!(delivered, [(1, at_arrival)]);
    let queued =
        pick!(events, Event::TaskQueued { tag, place, .. } if place.origin == Origin::Signal => name(tag));
    assert_eq!(queued, ["on hup"]);
    let ran = pick!(events, Event::TaskRan { tag, queued, start, .. } if name(tag) == "on hup" => start.0 - queued.0);
    assert_eq!(ran, [5_000_000], "its queue wait counts from the arrival");
}

#[test]
fn b14_a_full_ring_refuses_and_the_drop_is_shown() {
    let mut world = World::new();
    let (ran, count) = (Rc::new(Cell::new(0_usize)), Rc::new(Cell::new(0_usize)));
    let seen = Rc::clone(&ran);
    world.lp.with(|cx| cx.on_signal(10, Builtin::repeat("usr1", move |_| seen.set(seen.get() + 1)))).unwrap();
    for _ in 0..SIGNALS_MAX + 3 {
        world.sim.signal_at(ms(1), 10);
        count.set(count.get() + 1);
    }
    world.lp.with(|cx| cx.set_timeout(ms(1), Builtin::once("timer", |_| ())));
    world.run();
    world.turn();
    assert_eq!(ran.get(), SIGNALS_MAX);
    assert_eq!(pick!(world.events(), Event::SignalDropped { total } => total), [3]);
}

#[test]
fn b15_signals_keep_their_order_and_run_as_ordinary_tasks() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.on_signal(10, log.repeat("usr1", |_| ())).unwrap();
        cx.on_signal(12, log.repeat("usr2", |_| ())).unwrap();
        cx.set_timeout(ms(2), log.task("timer"));
    });
    for signo in [12, 10, 12] {
        world.sim.signal_at(ms(1), signo);
    }
    assert_eq!(world.run(), ["usr2", "usr1", "usr2", "timer"]);
}

#[test]
fn l06_signal_handlers_alone_keep_no_loop_alive() {
    let mut world = World::new();
    world.lp.with(|cx| cx.on_signal(10, Builtin::repeat("usr1", |_| ()))).unwrap();
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    assert!(world.lp.with(|cx| cx.remove_signal(10)));
    assert!(!world.lp.with(|cx| cx.remove_signal(10)));
}

#[test]
fn b14_a_real_signal_wakes_a_real_loop() {
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::<Builtin>::builder().recorder(recorder).build().unwrap();
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    let (handled, next) = std::sync::mpsc::channel();
    handled.send(()).unwrap();
    event_loop.with(|cx| {
        let handler = Builtin::repeat("usr2", move |cx| {
            count.set(count.get() + 1);
            match count.get() {
                3 => cx.stop(),
                _ => handled.send(()).unwrap(),
            }
        });
        // SIGUSR2.
        cx.on_signal(12, handler).unwrap();
        cx.hold("test");
    });
    let killer = std::thread::spawn(move || {
        // The kernel merges standard signals that are pending twice, so each waits until the previous one is
        // handled.
        for () in next.iter().take(3) {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::USR2).unwrap();
        }
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Stopped);
    killer.join().unwrap();
    assert_eq!(seen.get(), 3);
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    assert_eq!(pick!(events, Event::SignalDelivered { signo, .. } => signo), [12, 12, 12]);
    drop(event_loop);
}

#[test]
fn a_signal_that_cannot_be_caught_is_refused() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let refused = event_loop.with(|cx| cx.on_signal(9, Builtin::repeat("kill", |_| ()))).unwrap_err();
    assert!(matches!(refused, RequestError::Signal(_)), "{refused}");
}
