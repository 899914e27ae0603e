//! Tests the run loop: a foreign loop pumped from ours, by the clock or on readiness.
//!
//! A counting loop shows which calls a foreign loop receives and when, in virtual time. The real ones are in
//! `run_loop/own.rs` and `run_loop/glib.rs`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use loop_core::poller::{Interest, Readiness, Source};
use loop_core::run_loop::{ForeignLoop, PumpError, RunLoop, StopHandle};
use loop_core::sim::{Sim, SimSource};
use loop_core::{Builtin, EventLoop};
use loop_probes::event::{Event, Phase, RefKind, StopReason};

use crate::kit::{Cx, World, ms, pick};

mod glib;
mod own;

/// The calls that a counting loop received, and its answers.
#[derive(Default)]
struct Asked {
    starts: Cell<u32>,
    missing: Cell<bool>,
    fails: Cell<bool>,
    timeouts: RefCell<Vec<Duration>>,
    /// Sources that are ready; each turn handles one.
    ready: Cell<u32>,
    deadline: Cell<Option<Duration>>,
    callback: RefCell<Option<Box<dyn FnMut()>>>,
    readiness: RefCell<Option<Source>>,
    thread: Cell<Option<ThreadId>>,
    /// The world in which it waits for as long as it may.
    world: RefCell<Option<Sim>>,
}

impl Asked {
    fn turns(&self) -> usize {
        self.timeouts.borrow().len()
    }
}

/// A foreign loop that counts its calls.
#[derive(Clone, Default)]
struct Counting(Rc<Asked>);

impl ForeignLoop for Counting {
    fn name(&self) -> &str {
        "the counting loop"
    }

    fn start(&mut self) -> Result<(), PumpError> {
        self.0.starts.set(self.0.starts.get() + 1);
        if self.0.missing.get() {
            let looked_for = vec!["libcounting.so.1: no such file".to_owned()];
            return Err(PumpError::Missing { what: "the counting loop", looked_for, hint: "install it" });
        }
        Ok(())
    }

    fn thread(&self) -> Option<ThreadId> {
        self.0.thread.get()
    }

    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError> {
        self.0.timeouts.borrow_mut().push(timeout);
        if let Some(sim) = &*self.0.world.borrow() {
            sim.advance(timeout);
        }
        if self.0.fails.get() {
            return Err(PumpError::Foreign("it broke".into()));
        }
        let callback = self.0.callback.borrow_mut().take();
        if let Some(mut callback) = callback {
            callback();
            self.0.callback.borrow_mut().get_or_insert(callback);
        }
        let ready = self.0.ready.get();
        self.0.ready.set(ready.saturating_sub(1));
        Ok(ready > 0)
    }

    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError> {
        Ok(if self.0.ready.get() > 0 { Some(Duration::ZERO) } else { self.0.deadline.get() })
    }

    fn readiness(&self) -> Option<Source> {
        self.0.readiness.borrow().clone()
    }
}

fn counting() -> (Rc<Asked>, RunLoop<Counting>) {
    let foreign = Counting::default();
    (Rc::clone(&foreign.0), RunLoop::new(foreign))
}

const INTERVAL: Duration = RunLoop::<Counting>::INTERVAL;

/// Runs the loop for this long, and keeps it alive until then.
fn run_for(world: &mut World, time: Duration) {
    world.lp.with(|cx| cx.set_timeout(time, Builtin::once("end", |_| ())));
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
}

/// Another thread sends the foreign loop questions by `send`, each after the answer to the previous one, so that
/// only the wakeup of that one question brings the host back. Stops the host at the end.
fn answer_one_at_a_time(
    host: &mut EventLoop<Builtin>,
    send: impl Fn(Box<dyn FnOnce() + Send>) + Send + 'static,
) {
    const QUESTIONS: u32 = 3000;
    let done = host.handle();
    let asker = thread::spawn(move || {
        let (answer, answered) = mpsc::channel();
        for question in 0..QUESTIONS {
            // The host is sometimes still awake, and sometimes waiting.
            (0..question % 500).for_each(|_| std::hint::spin_loop());
            let answer = answer.clone();
            send(Box::new(move || answer.send(()).unwrap()));
            if answered.recv_timeout(Duration::from_secs(20)).is_err() {
                done.stop();
                return question;
            }
        }
        done.stop();
        QUESTIONS
    });
    assert_eq!(host.run().unwrap(), StopReason::Stopped);
    assert_eq!(asker.join().unwrap(), QUESTIONS, "one was never answered");
}

#[test]
fn r01_a_pump_says_whether_a_source_was_handled() {
    let (asked, foreign) = counting();
    asked.ready.set(2);
    let handled: Vec<_> = (0..3).map(|_| foreign.pump(Duration::ZERO).unwrap()).collect();
    assert_eq!(handled, [true, true, false]);
}

#[test]
fn r01_fractions_of_a_second_count() {
    let (asked, foreign) = counting();
    let times = [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(2500), ms(1250)];
    for time in times {
        foreign.pump(time).unwrap();
    }
    assert_eq!(*asked.timeouts.borrow(), times);
}

#[test]
fn r02_run_pumps_every_ten_milliseconds_without_waiting() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    world.lp.with(|cx| foreign.run(cx, INTERVAL)).unwrap();
    run_for(&mut world, ms(95));
    assert_eq!(*asked.timeouts.borrow(), [Duration::ZERO; 9]);
    assert_eq!(world.sim.elapsed(), ms(95));
}

#[test]
fn r02_the_timer_of_a_run_keeps_nothing_alive() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    world.lp.with(|cx| foreign.run(cx, INTERVAL)).unwrap();
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    assert_eq!((world.lp.pending(), asked.turns()), (vec![], 0));
    assert!(foreign.is_running(), "the next run of the loop goes on with it");
}

#[test]
fn r02_a_second_run_replaces_the_first() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    world.lp.with(|cx| {
        foreign.run(cx, ms(1)).unwrap();
        foreign.run(cx, ms(50)).unwrap();
    });
    run_for(&mut world, ms(110));
    assert_eq!(asked.turns(), 2);
}

#[test]
fn r02_a_run_in_another_loop_replaces_the_first_too() {
    let (mut here, mut there) = (World::new(), World::new());
    let (asked, foreign) = counting();
    here.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    there.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    run_for(&mut here, ms(10));
    assert_eq!(asked.turns(), 0);
    assert_eq!(here.lp.scheduler().timer_count(), 0, "what is left of it is taken back when it fires");
    run_for(&mut there, ms(10));
    assert!(asked.turns() >= 9);
}

#[test]
fn r03_stop_is_idempotent_also_when_never_started() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    world.lp.with(|cx| {
        assert!(!foreign.stop(cx));
        let stop = foreign.run(cx, ms(1)).unwrap();
        assert!(stop.stop(cx));
        assert!(!stop.stop(cx) && !foreign.stop(cx) && !stop.is_on());
    });
    run_for(&mut world, ms(5));
    assert_eq!(asked.turns(), 0);
    let mut again = |expected| {
        world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
        run_for(&mut world, ms(5));
        world.lp.with(|cx| assert!(foreign.stop(cx)));
        assert_eq!(asked.turns(), expected);
    };
    again(5);
    again(10);
    assert_eq!(world.lp.scheduler().timer_count(), 0);
}

#[test]
fn r03_a_stale_handle_does_not_stop_the_next_run() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    world.lp.with(|cx| {
        let first = foreign.run(cx, ms(1)).unwrap();
        let second = foreign.run(cx, ms(1)).unwrap();
        assert!(!first.stop(cx) && !first.stop_pumping());
        assert!(second.is_on() && !first.is_on());
        second.stop(cx);
        let third = foreign.run(cx, ms(1)).unwrap();
        assert!(!first.stop(cx) && !second.stop(cx));
        assert!(third.is_on());
    });
    run_for(&mut world, ms(5));
    assert_eq!(asked.turns(), 5);
}

#[test]
fn r03_a_callback_of_the_foreign_loop_ends_the_run_it_is_called_by() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    let stop = world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    *asked.callback.borrow_mut() = Some(Box::new(move || assert!(stop.stop_pumping())));
    run_for(&mut world, ms(5));
    assert_eq!((asked.turns(), foreign.is_running()), (1, false));
    assert_eq!(world.lp.scheduler().timer_count(), 0);
}

#[test]
fn r04_the_foreign_side_starts_lazily_and_once() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    assert_eq!(asked.starts.get(), 0);
    world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    run_for(&mut world, ms(5));
    foreign.clone().pump(Duration::ZERO).unwrap();
    assert_eq!(asked.starts.get(), 1);
}

#[test]
fn r04_a_missing_foreign_side_is_a_clear_error_and_asked_for_again() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    asked.missing.set(true);
    let missing = world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "cannot find the counting loop: looked for libcounting.so.1: no such file; install it"
    );
    assert!(!foreign.is_running() && foreign.pump(Duration::ZERO).is_err());
    assert_eq!((asked.turns(), world.lp.scheduler().timer_count()), (0, 0));
    asked.missing.set(false);
    assert!(!foreign.pump(Duration::ZERO).unwrap());
}

#[test]
fn r05_another_thread_than_the_foreign_loops_is_refused() {
    let (asked, foreign) = counting();
    let elsewhere = thread::spawn(|| thread::current().id()).join().unwrap();
    asked.thread.set(Some(elsewhere));
    let refused = foreign.pump(Duration::ZERO).unwrap_err();
    assert!(matches!(&refused, PumpError::WrongThread { name } if name == "the counting loop"));
    assert_eq!((asked.starts.get(), asked.turns()), (0, 0));
    asked.thread.set(Some(thread::current().id()));
    assert!(foreign.pump(Duration::ZERO).is_ok());
}

#[test]
fn r05_reentering_from_a_pumped_callback_is_refused() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    let refused = Rc::new(RefCell::new(Vec::new()));
    let (inner, seen) = (foreign.clone(), Rc::clone(&refused));
    *asked.callback.borrow_mut() = Some(Box::new(move || {
        seen.borrow_mut().push(inner.pump(Duration::ZERO).unwrap_err());
        seen.borrow_mut().push(inner.with(|_| ()).unwrap_err());
    }));
    world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    run_for(&mut world, ms(3));
    assert_eq!((asked.turns(), refused.borrow().len()), (3, 6), "the run goes on");
    assert!(refused.borrow().iter().all(|error| matches!(error, PumpError::Reentered { .. })));
}

#[test]
fn r05_a_pump_from_our_loop_waits_no_longer_than_our_next_timer() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    *asked.world.borrow_mut() = Some(world.sim.clone());
    let pump = |foreign: &RunLoop<Counting>| {
        let foreign = foreign.clone();
        Builtin::once("pump", move |cx: &mut Cx<'_>| {
            foreign.pump_from(cx, ms(100)).unwrap();
        })
    };
    // With nothing else to do, it waits as long as requested.
    world.post(pump(&foreign));
    world.run();
    assert_eq!(world.sim.elapsed(), ms(100));
    // A timer is due earlier.
    world.lp.with(|cx| cx.set_timeout(ms(7), Builtin::once("timer", |_| ())));
    world.post(pump(&foreign));
    world.run();
    // A task is queued.
    world.post(pump(&foreign));
    world.post(Builtin::once("task", |_| ()));
    world.run();
    assert_eq!(*asked.timeouts.borrow(), [ms(100), ms(7), Duration::ZERO]);
    let events = world.events();
    let pumped = pick!(events, Event::Pumped { timeout_ns, ready, .. } => (timeout_ns, ready));
    assert_eq!(pumped, [(100_000_000, false), (7_000_000, false), (0, false)]);
    assert_eq!(pick!(events, Event::TimerFired { due, fired, .. } => fired.ns_since(due)), [0]);
}

#[test]
fn r05_a_run_delays_no_timer_of_our_loop() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    *asked.world.borrow_mut() = Some(world.sim.clone());
    asked.deadline.set(Some(ms(50)));
    world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    for due in [3, 8, 13] {
        world.lp.with(|cx| cx.set_timeout(ms(due), Builtin::once("timer", |_| ())));
    }
    world.run();
    let lags = pick!(world.events(), Event::TimerFired { due, fired, .. } => fired.ns_since(due));
    assert!(lags.len() >= 15 && lags.iter().all(|lag| *lag == 0), "{lags:?}");
}

#[test]
fn r06_a_ready_foreign_loop_is_pumped_and_a_quiet_one_is_not() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    let source = SimSource::new();
    *asked.readiness.borrow_mut() = Some(source.clone());
    let stop = world.lp.with(|cx| foreign.run_ready(cx)).unwrap();
    let ready = Rc::clone(&asked);
    world.sim.at(ms(20), move || ready.ready.set(3));
    world.sim.ready_at(ms(20), &source, Readiness::READABLE);
    run_for(&mut world, ms(1000));
    assert_eq!(asked.turns(), 3, "once a source, and never to find out");
    let pumped = pick!(world.events(), Event::Pumped { handled, ready, .. } => (handled, ready));
    assert_eq!(pumped, [(true, true), (true, false), (true, false)]);
    world.lp.with(|cx| assert!(stop.stop(cx)));
    assert_eq!(world.lp.with(|cx| cx.pending()), []);
    // Its slot in the poller is free again.
    world.lp.with(|cx| cx.register(source, Interest::READABLE, Builtin::repeat("io", |_| ()))).unwrap();
}

#[test]
fn r06_a_deadline_of_the_foreign_loop_is_a_timer_of_ours() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    *asked.readiness.borrow_mut() = Some(SimSource::new());
    asked.deadline.set(Some(ms(30)));
    world.lp.with(|cx| foreign.run_ready(cx)).unwrap();
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained, "it keeps nothing alive");
    run_for(&mut world, ms(100));
    assert_eq!(*asked.timeouts.borrow(), [Duration::ZERO; 3]);
    let refs = pick!(world.events(), Event::RefChanged { what: RefKind::Io, delta, .. } => delta);
    assert_eq!(refs.iter().sum::<i32>(), 0);
}

#[test]
fn r06_without_a_descriptor_there_is_only_the_clock() {
    let mut world = World::new();
    let (_, foreign) = counting();
    let refused = world.lp.with(|cx| foreign.run_ready(cx)).unwrap_err();
    assert!(matches!(refused, PumpError::NoReadiness { .. }));
    assert!(!foreign.is_running());
}

#[test]
fn a_pump_that_fails_ends_its_run_and_says_why() {
    let mut world = World::new();
    let (asked, foreign) = counting();
    let stop: StopHandle = world.lp.with(|cx| foreign.run(cx, ms(1))).unwrap();
    asked.fails.set(true);
    run_for(&mut world, ms(5));
    assert_eq!((asked.turns(), stop.is_on()), (1, false));
    assert!(matches!(foreign.take_error(), Some(PumpError::Foreign(_))));
    assert!(foreign.take_error().is_none());
    let events = world.events();
    assert_eq!(pick!(events, Event::Exception { task, .. } => task.is_some()), [true]);
}

#[test]
fn a_panic_in_a_pumped_callback_is_caught_and_the_run_goes_on() {
    for by_readiness in [false, true] {
        let mut world = World::new();
        let (asked, foreign) = counting();
        let source = SimSource::new();
        *asked.readiness.borrow_mut() = Some(source.clone());
        asked.deadline.set(Some(ms(2)));
        *asked.callback.borrow_mut() = Some(Box::new(|| panic!("pumped")));
        let run = |cx: &mut Cx<'_>| match by_readiness {
            true => foreign.run_ready(cx),
            false => foreign.run(cx, ms(2)),
        };
        world.lp.with(run).unwrap();
        run_for(&mut world, ms(7));
        assert_eq!((asked.turns(), world.lp.metrics().panics), (3, 1));
    }
}

#[test]
fn pumps_are_a_phase_of_their_own_that_nests_with_tasks() {
    let mut world = World::new();
    let (_, foreign) = counting();
    world.lp.with(|cx| foreign.run(cx, ms(10))).unwrap();
    run_for(&mut world, ms(10));
    let phases = pick!(world.events(), Event::Phase { phase, .. } => phase);
    assert_eq!(phases, [Phase::Timers, Phase::Pump, Phase::Timers]);
}

#[test]
fn a_second_loop_of_ours_is_refused_where_it_waits_in_virtual_time() {
    let world = World::new();
    let mut host = EventLoop::<Builtin>::new().unwrap();
    let refused = host.with(|cx| RunLoop::new(world.lp).run_ready(cx)).unwrap_err();
    assert!(matches!(refused, PumpError::NoReadiness { .. }));
}
