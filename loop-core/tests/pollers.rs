//! Tests custom pollers: which part of a wait counts as waiting, and what runs in a signal handler.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loop_core::poller::Poller;
use loop_core::poller::os::OsPoller;
use loop_core::signal::SignalError;
use loop_core::sim::Sim;
use loop_core::{Builtin, EventLoop, RequestError};
use loop_probes::clock::SystemClock;
use loop_probes::event::Event;
use loop_probes::recorder::Recorder;

use crate::kit::around::{HookedPoller, Moment};
use crate::kit::{ms, pick};

/// The time that it needs before and after each wait.
const PREPARES: Duration = ms(3);
const COLLECTS: Duration = ms(2);

/// Time passes before the poller blocks and after it wakes.
fn slow_poller(sim: &Sim) -> impl Poller + use<> {
    let world = sim.clone();
    HookedPoller::new(sim.poller(), move |moment, _| {
        world.advance(if moment == Moment::Before { PREPARES } else { COLLECTS });
    })
}

#[test]
fn l10_what_a_poller_prepares_and_collects_is_work_and_no_waiting() {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    let builder = EventLoop::<Builtin>::builder().recorder(recorder);
    let mut event_loop = builder.build_on(sim.clock().clone(), slow_poller(&sim));
    sim.wake_at(ms(10));
    event_loop.with(|cx| cx.hold("test"));
    event_loop.turn().unwrap();
    let (stamped, events): (Vec<_>, Vec<_>) =
        capture.take().into_iter().map(|(at, event)| ((at, event), event)).unzip();
    let polls = stamped.iter().filter_map(|(at, event)| match event {
        Event::Poll { start, .. } => Some(at.0 - start.0),
        _ => None,
    });
    assert_eq!(polls.collect::<Vec<_>>(), [7_000_000], "10 ms, of which the poller prepared for 3");
    let ticks = stamped.iter().filter_map(|(at, event)| match event {
        Event::TickEnd { start, .. } => Some(at.0 - start.0),
        _ => None,
    });
    assert_eq!(ticks.collect::<Vec<_>>(), [12_000_000]);
    assert_eq!(event_loop.metrics().idle_ns, 7_000_000);
    let after =
        pick!(events, Event::InputClock { point: loop_probes::event::ClockPoint::AfterPoll, now } => now);
    assert_eq!(after, [loop_core::sim::SimClock::time_at(ms(10))], "when it was awake");
}

#[test]
fn l10_a_poll_that_only_looks_waits_for_nothing() {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    let world = sim.clone();
    let poller = HookedPoller::new(sim.poller(), move |moment, _| {
        if moment == Moment::Before {
            world.advance(PREPARES);
        }
    });
    let builder = EventLoop::<Builtin>::builder().recorder(recorder);
    let mut event_loop = builder.build_on(sim.clock().clone(), poller);
    event_loop.with(|cx| cx.after_loop(Builtin::once("work", |_| ())));
    event_loop.turn().unwrap();
    let polls = capture.take().into_iter().filter_map(|(at, event)| match event {
        Event::Poll { start, timeout_ns, .. } => Some((at.0 - start.0, timeout_ns)),
        _ => None,
    });
    assert_eq!(polls.collect::<Vec<_>>(), [(0, Some(0))]);
    assert_eq!((event_loop.metrics().idle_ns, sim.elapsed()), (0, PREPARES));
}

#[test]
fn b14_nothing_that_a_program_implements_runs_in_a_signal_handler() {
    const SIGNAL: i32 = signal_hook::consts::SIGTTIN;
    let mut poller = HookedPoller::new(OsPoller::new().unwrap(), |_, _| ());
    poller.wakes_for_signals = true;
    let wakes = Arc::clone(&poller.wakes);
    let mut event_loop = EventLoop::<Builtin>::builder().build_on(SystemClock::new(), poller);
    let ran = Rc::new(Cell::new(0));
    let runs = Rc::clone(&ran);
    let handler = Builtin::repeat("on signal", move |cx| {
        runs.set(runs.get() + 1);
        cx.stop();
    });
    event_loop.with(|cx| {
        cx.hold("test");
        cx.on_signal(SIGNAL, handler).unwrap();
    });
    for round in 1..=3 {
        // Once before the wait, and once during it.
        let raiser = std::thread::spawn(|| signal_hook::low_level::raise(SIGNAL).unwrap());
        event_loop.run().unwrap();
        raiser.join().unwrap();
        assert_eq!(ran.get(), round);
    }
    assert_eq!(wakes.load(Ordering::SeqCst), 0, "the program's own waker was called");
}

#[test]
fn b14_a_poller_that_no_handler_can_wake_is_refused_each_time() {
    let poller = HookedPoller::new(OsPoller::new().unwrap(), |_, _| ());
    let mut event_loop = EventLoop::<Builtin>::builder().build_on(SystemClock::new(), poller);
    for _ in 0..2 {
        let refused = event_loop.with(|cx| cx.on_signal(1, Builtin::repeat("on hup", |_| ()))).unwrap_err();
        let RequestError::Signal(SignalError::NoWaker { signo: 1, .. }) = refused else {
            panic!("{refused}")
        };
    }
    assert!(!event_loop.is_alive());
}
