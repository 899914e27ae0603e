//! Tests timers under virtual time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use loop_core::policy::TimerRule;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{Builtin, EventLoop, Policy, RequestError};
use loop_probes::event::{ClockPoint, Event, PollReason, StopReason};
use loop_probes::recorder::Recorder;

use crate::kit::{Cx, World, ms, pick};

#[test]
fn b19_all_due_timers_fire_in_one_pass_with_a_drain_after_each() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        for (timer, micro, at) in [("c", "micro c", 3), ("a", "micro a", 1), ("b", "micro b", 2)] {
            let micro = log.task(micro);
            cx.set_timeout(ms(at), log.then(timer, move |cx| cx.microtask(micro)));
        }
    });
    world.sim.advance(ms(10));
    assert_eq!(world.turn(), ["a", "micro a", "b", "micro b", "c", "micro c"]);
    let events = world.events();
    let fired = pick!(events, Event::TimerFired { fired, .. } => fired);
    assert_eq!(fired.len(), 3);
    assert!(fired.iter().all(|at| *at == fired[0]), "one reading of the clock for the whole pass");
    let lags = pick!(events, Event::TimerFired { due, fired, .. } => fired.ns_since(due) / 1_000_000);
    assert_eq!(lags, [9, 8, 7]);
}

#[test]
fn b19_equal_due_times_fire_in_arming_order_and_a_refreshed_one_goes_last() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let first = cx.set_timeout(ms(5), log.task("first"));
        cx.set_timeout(ms(5), log.task("second"));
        cx.set_timeout(ms(5), log.task("third"));
        cx.refresh_timer(first).unwrap();
    });
    assert_eq!(world.run(), ["second", "third", "first"]);
}

#[test]
fn b21_an_intervals_next_period_begins_when_its_callback_starts() {
    let mut world = World::new();
    let (log, sim, times) = (world.log.clone(), world.sim.clone(), Rc::new(RefCell::new(Vec::new())));
    let seen = Rc::clone(&times);
    world.lp.with(|cx| {
        let interval = log.repeat("interval", move |cx| {
            seen.borrow_mut().push(sim.elapsed());
            sim.advance(ms(4));
            if seen.borrow().len() == 3 {
                let timer = cx.timer().unwrap();
                assert!(cx.clear_timer(timer), "clearing in its own callback works");
            }
        });
        cx.set_interval(ms(10), interval).unwrap();
    });
    world.run();
    assert_eq!(*times.borrow(), [ms(10), ms(20), ms(30)], "the 4 ms of the callback do not add up");
    assert_eq!(pick!(world.events(), Event::TimerCleared { timer } => timer).len(), 1);
}

#[test]
fn b21_l04_an_overdue_interval_fires_once_and_says_what_it_skipped() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| cx.set_interval(ms(10), log.repeat("interval", |_| ()))).unwrap();
    world.sim.advance(ms(47));
    assert_eq!(world.turn(), ["interval"]);
    let events = world.events();
    let fired =
        pick!(events, Event::TimerFired { due, fired, skipped, .. } => (fired.ns_since(due), skipped));
    assert_eq!(fired, [(37_000_000, 3)]);
    world.turn();
    assert_eq!(world.sim.elapsed(), ms(57), "one period after the late callback's start");
}

#[test]
fn b23_an_unreferenced_timer_fires_while_something_else_keeps_the_loop_alive() {
    let mut world = World::new();
    let log = world.log.clone();
    let timer = world.lp.with(|cx| cx.set_interval(ms(2), log.repeat("unref", |_| ()))).unwrap();
    world.lp.with(|cx| cx.set_timer_referenced(timer, false)).unwrap();
    assert_eq!(world.run(), Vec::<String>::new(), "alone it keeps nothing alive");
    world.lp.with(|cx| cx.set_timeout(ms(5), log.task("keeps")));
    assert_eq!(world.run(), ["unref", "unref", "keeps"]);
    let refs = pick!(world.events(), Event::TimerRef { referenced, .. } => referenced);
    assert_eq!(refs, [false]);
    world.lp.with(|cx| {
        assert!(cx.clear_timer(timer));
        assert!(cx.set_timer_referenced(timer, true).is_err());
    });
}

#[test]
fn l01_a_timer_never_fires_early() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| cx.set_timeout(ms(5), log.task("timer")));
    world.sim.wake_at(Duration::from_nanos(4_999_999));
    assert_eq!(world.turn(), Vec::<String>::new(), "woken one nanosecond too early");
    assert_eq!(world.turn(), ["timer"]);
    assert_eq!(world.sim.elapsed(), ms(5));
    assert_eq!(pick!(world.events(), Event::TimerFired { due, fired, .. } => fired >= due), [true]);
}

#[test]
fn l01_huge_delays_do_not_overflow() {
    let mut world = World::new();
    let log = world.log.clone();
    let huge = world.lp.with(|cx| {
        cx.set_timeout(ms(1), log.task("soon"));
        cx.set_timeout(Duration::MAX, log.task("never"))
    });
    assert_eq!(world.turn(), ["soon"]);
    assert!(world.lp.is_alive());
    assert!(world.lp.with(|cx| cx.clear_timer(huge)));
    assert_eq!(world.run(), Vec::<String>::new());
}

#[test]
fn l01_by_the_machines_own_clock_neither() {
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::<Builtin>::builder().recorder(recorder).build().unwrap();
    event_loop.with(|cx| {
        for delay_us in [1, 90, 1_000, 1_001, 2_500] {
            cx.set_timeout(Duration::from_micros(delay_us), Builtin::once("timer", |_| ()));
        }
        // Longer than any wait of the system's poller.
        cx.set_timeout(Duration::MAX, Builtin::once("never", |_| ()));
        cx.set_timeout(Duration::from_nanos(u64::MAX - 1), Builtin::once("never", |_| ()));
    });
    let handle = event_loop.handle();
    while event_loop.scheduler().timer_count() > 2 {
        event_loop.turn().unwrap();
    }
    let stopper = std::thread::spawn(move || handle.stop());
    assert_eq!(event_loop.run().unwrap(), StopReason::Stopped, "it waits, and can be woken");
    stopper.join().unwrap();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let late = pick!(events, Event::TimerFired { due, fired, .. } => fired >= due);
    assert_eq!(late, [true; 5]);
}

#[test]
fn l02_a_zero_timer_rearmed_in_its_callback_starves_neither_io_nor_immediates() {
    let mut world = World::new();
    let (log, left) = (world.log.clone(), Rc::new(Cell::new(3)));
    let source = SimSource::new();
    world.lp.with(|cx| {
        let zero = log.repeat("zero", move |cx| {
            left.set(left.get() - 1);
            if left.get() > 0 {
                let timer = cx.timer().unwrap();
                cx.refresh_timer(timer).unwrap();
            }
        });
        cx.set_timeout(Duration::ZERO, zero);
        cx.immediate(log.task("immediate"));
        let io = log.repeat("io", |cx| {
            let source = cx.ready().unwrap().source;
            cx.remove(source).unwrap();
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
    });
    world.sim.ready_at(Duration::ZERO, &source, Readiness::READABLE);
    assert_eq!(world.turn(), ["immediate", "io", "zero"], "once per pass, though it is due again");
    assert_eq!(world.run(), ["zero", "zero"]);
}

#[test]
fn l03_refreshing_restarts_and_a_cleared_one_never_fires() {
    let mut world = World::new();
    let log = world.log.clone();
    let (kept, cleared) = world
        .lp
        .with(|cx| (cx.set_timeout(ms(5), log.task("kept")), cx.set_timeout(ms(5), log.task("cleared"))));
    world.sim.advance(ms(3));
    world.lp.with(|cx| {
        cx.refresh_timer(kept).unwrap();
        assert!(cx.clear_timer(cleared));
        assert!(!cx.clear_timer(cleared));
        assert!(cx.refresh_timer(cleared).is_err());
    });
    assert_eq!(world.run(), ["kept"]);
    assert_eq!(world.sim.elapsed(), ms(8));
}

#[test]
fn l03_clearing_from_another_timers_callback_in_the_same_pass_works() {
    let mut world = World::new();
    let (log, victim) = (world.log.clone(), Rc::new(Cell::new(None)));
    world.lp.with(|cx| {
        let second = Rc::clone(&victim);
        cx.set_timeout(
            ms(1),
            log.then("first", move |cx: &mut Cx<'_>| {
                assert!(cx.clear_timer(second.get().unwrap()));
            }),
        );
        victim.set(Some(cx.set_timeout(ms(1), log.task("second"))));
        cx.set_timeout(ms(1), log.task("third"));
    });
    assert_eq!(world.run(), ["first", "third"]);
    assert_eq!(pick!(world.events(), Event::TimerFired { .. } => ()).len(), 2);
}

#[test]
fn an_interval_needs_a_task_that_can_run_again() {
    let mut world = World::new();
    let refused = world.lp.with(|cx| cx.set_interval(ms(1), Builtin::once("once", |_| ()))).unwrap_err();
    assert!(matches!(refused, RequestError::RunsOnce { ref tag, .. } if tag == "once"));
    assert!(!world.lp.is_alive());
}

fn one_per_turn() -> World {
    let mut policy = Policy::bun();
    policy.timers = TimerRule::OnePerTurn;
    World::with_policy(policy)
}

#[test]
fn q02_one_timer_a_turn_in_insertion_order_and_a_refreshed_one_goes_last() {
    let mut world = one_per_turn();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let refreshed = cx.set_timeout(ms(1), log.task("refreshed"));
        cx.set_timeout(ms(9), log.task("late"));
        cx.set_timeout(ms(2), log.task("early"));
        cx.refresh_timer(refreshed).unwrap();
    });
    world.sim.advance(ms(5));
    let turns: Vec<Vec<String>> = (0..3).map(|_| world.turn()).collect();
    assert_eq!(
        turns,
        [["early"], ["refreshed"], ["late"]],
        "late is first in line, but not due before its time"
    );
    assert_eq!(world.sim.elapsed(), ms(9));
}

#[test]
fn q02_an_interval_lines_up_again_behind_the_others() {
    let mut world = one_per_turn();
    let log = world.log.clone();
    let interval = world.lp.with(|cx| {
        let interval = cx.set_interval(ms(1), log.repeat("interval", |_| ())).unwrap();
        cx.set_timeout(ms(1), log.task("one-shot"));
        interval
    });
    world.sim.advance(ms(10));
    assert_eq!((world.turn(), world.turn()), (vec!["interval".to_owned()], vec!["one-shot".to_owned()]));
    assert!(world.lp.with(|cx| cx.clear_timer(interval)));
}

#[test]
fn q09_ten_thousand_timers_fire_in_either_order() {
    // `benches/timers.rs` measures the cost of a turn under each.
    const TIMERS: usize = 10_000;
    let delays = || (0..TIMERS).map(|n| ms(1 + (n as u64 * 7_919) % 1_000));
    for is_one_per_turn in [true, false] {
        let mut world = if is_one_per_turn { one_per_turn() } else { World::new() };
        let fired = Rc::new(RefCell::new(Vec::new()));
        world.lp.with(|cx| {
            let timers = delays().enumerate().map(|(n, delay)| {
                let fired = Rc::clone(&fired);
                (delay, Builtin::once("timer", move |_| fired.borrow_mut().push(n)))
            });
            cx.set_timeouts(timers);
        });
        world.sim.advance(ms(1_000));
        let mut turns = 0;
        while fired.borrow().len() < TIMERS {
            world.lp.turn().unwrap();
            turns += 1;
        }
        let mut wanted: Vec<(Duration, usize)> = delays().zip(0..).collect();
        if is_one_per_turn {
            assert_eq!(turns, TIMERS);
        } else {
            assert_eq!(turns, 1);
            wanted.sort();
        }
        assert_eq!(*fired.borrow(), wanted.into_iter().map(|(_, n)| n).collect::<Vec<_>>());
    }
}

#[test]
fn many_timers_are_armed_at_one_reading_and_none_is_early() {
    let mut world = World::new();
    let log = world.log.clone();
    let timers = world
        .lp
        .with(|cx| cx.set_timeouts([(ms(3), log.task("c")), (ms(1), log.task("a")), (ms(2), log.task("b"))]));
    assert!(world.lp.with(|cx| cx.clear_timer(timers[1])));
    assert_eq!(world.run(), ["b", "c"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::InputClock { point: ClockPoint::Arm, .. } => ()).len(), 1);
    assert_eq!(pick!(events, Event::TimerArmed { .. } => ()).len(), 3);
    assert!(pick!(events, Event::TimerFired { due, fired, .. } => fired >= due).into_iter().all(|late| late));
}

#[test]
fn the_polls_default_timeout_is_a_policy() {
    let mut policy = Policy::bun();
    policy.poll_timeout_default = Some(Duration::from_secs(10));
    let mut world = World::with_policy(policy);
    world.lp.with(|cx| cx.hold("test"));
    world.turn();
    world.lp.with(|cx| cx.set_timeout(ms(60_000), Builtin::once("in a minute", |_| ())));
    world.turn();
    let polls = pick!(world.events(), Event::Poll { reason, timeout_ns, .. } => (reason, timeout_ns));
    let waits = [(PollReason::Default, Some(10_000_000_000)), (PollReason::Timer, Some(60_000_000_000))];
    assert_eq!(polls, waits, "only where no timer is armed");
}

#[test]
fn run_until_comes_back_in_time_and_goes_on_later() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| cx.set_timeout(ms(30), log.task("timer")));
    assert_eq!(world.lp.run_for(ms(10)).unwrap(), StopReason::Deadline);
    assert_eq!(world.sim.elapsed(), ms(10));
    assert_eq!(pick!(world.events(), Event::LoopStopped { .. } => ()).len(), 0, "it is only paused");
    assert_eq!(world.run(), ["timer"]);
    assert_eq!(world.sim.elapsed(), ms(30));
}
