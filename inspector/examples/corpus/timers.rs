//! Timers that starve, drift, crowd, or keep nothing alive.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{Sim, SimSource};
use loop_core::{Builtin, Policy, Timer};

use super::stage::{Cx, Stage, ms, us};

/// Arms the next link of a chain, which takes 50 µs.
fn link(cx: &mut Cx<'_>, sim: Sim, left: u32) {
    let next = Builtin::once("Link", move |cx| {
        sim.advance(us(50));
        if left.is_multiple_of(100) {
            let sim = sim.clone();
            cx.immediate(Builtin::once("Immediate", move |_| sim.advance(us(10))));
        }
        if left > 1 {
            link(cx, sim, left - 1);
        }
    });
    cx.set_timeout(Duration::ZERO, next);
}

/// A timer with no delay that re-arms itself 1000 times, while a connection becomes ready every 10 ms and every
/// hundredth link sets an immediate.
pub(crate) fn zero_delay_chain() -> Stage {
    let mut stage = Stage::new();
    let (sim, connection) = (stage.sim.clone(), SimSource::new());
    for n in 1..=5 {
        stage.sim.ready_at(ms(10 * n), &connection, Readiness::READABLE);
    }
    let (seen, reads) = (Rc::new(Cell::new(0)), stage.repeat("Read", us(20), |_| ()));
    let read = stage.repeat("Connection", us(5), move |cx| {
        seen.set(seen.get() + 1);
        if let (5, Some(ready)) = (seen.get(), cx.ready()) {
            cx.remove(ready.source).expect("a source that is ready is registered");
        }
        cx.post(loop_core::Task::again(&reads).expect("a repeating closure runs again"));
    });
    stage.lp.with(|cx| {
        cx.register(connection, Interest::READABLE, read).expect("a virtual poller takes every source");
        link(cx, sim, 1000);
    });
    stage.run();
    stage
}

/// An interval of 10 ms whose loop is blocked once for 35 ms and once for 4 ms.
pub(crate) fn interval_drift() -> Stage {
    let mut stage = Stage::new();
    let beat = stage.repeat("Heartbeat", us(500), |_| ());
    let (long, short) = (stage.task("Report", ms(35)), stage.task("Index", ms(4)));
    stage.lp.with(|cx| {
        cx.set_interval(ms(10), beat).expect("a repeating closure runs again");
        cx.set_timeout(ms(25), long);
        cx.set_timeout(ms(88), short);
    });
    stage.run_until(ms(130));
    stage
}

/// An interval that blocks its loop for 15 ms every 100 ms, beside one of 5 ms.
pub(crate) fn periodic_blocker() -> Stage {
    let mut stage = Stage::new();
    let (beat, report) = (stage.repeat("Heartbeat", us(50), |_| ()), stage.repeat("Report", ms(15), |_| ()));
    stage.lp.with(|cx| {
        cx.set_interval(ms(5), beat).expect("a repeating closure runs again");
        cx.set_interval(ms(100), report).expect("a repeating closure runs again");
    });
    stage.run_until(ms(650));
    stage
}

/// Unreferenced intervals and immediates run while something else keeps the loop alive, and the loop ends with
/// that.
pub(crate) fn unreferenced_timers() -> Stage {
    let mut stage = Stage::new();
    let poll = stage.repeat("Metrics", us(100), |_| ());
    let work = stage.task("Work", ms(1));
    stage.lp.with(|cx| {
        let interval = cx.set_interval(ms(10), poll).expect("a repeating closure runs again");
        cx.set_timer_referenced(interval, false).expect("it was just armed");
        cx.set_timeout(ms(45), work);
    });
    stage.run();
    stage
}

/// A hundred timers due at three times, armed in no particular order. The first one due at 20 ms clears three that
/// are due with it, and the timer that was armed first is re-armed and moves behind its peers.
pub(crate) fn timers_of_one_pass() -> Stage {
    let mut stage = Stage::new();
    let delayed: Rc<RefCell<Vec<Timer>>> = Rc::default();
    let clears = Rc::clone(&delayed);
    let clear = stage.then("Clear", us(100), move |cx| {
        for victim in clears.borrow_mut().drain(..) {
            cx.clear_timer(victim);
        }
    });
    let refreshed = stage.task("Refreshed", us(100));
    let (mut crowd, moments) = (Vec::new(), [(30, "Third"), (10, "First"), (20, "Second")]);
    for _ in 0..33 {
        crowd.extend(moments.map(|(due, name)| (ms(due), stage.task(name, us(100)))));
    }
    let never: Vec<_> = (0..3).map(|_| (ms(20), stage.task("Never", us(100)))).collect();
    stage.lp.with(|cx| {
        let refreshed = cx.set_timeout(ms(30), refreshed);
        cx.set_timeout(ms(20), clear);
        cx.set_timeouts(crowd);
        *delayed.borrow_mut() = cx.set_timeouts(never);
        cx.refresh_timer(refreshed).expect("it was just armed");
    });
    stage.run();
    stage
}

/// Five timers due together under QuickJS's rule: one per turn, in the order in which they were armed.
pub(crate) fn quickjs_one_timer_a_turn() -> Stage {
    let mut stage = Stage::build(Policy::quickjs(), |builder| builder);
    let sim = stage.sim.clone();
    stage.lp.with(|cx| {
        for name in ["One", "Two", "Three", "Four", "Five"] {
            let sim = sim.clone();
            let task = Builtin::once(name, move |cx| {
                let then = sim.clone();
                cx.microtask(Builtin::once("Then", move |_| then.advance(us(50))));
                sim.advance(ms(1));
            });
            cx.set_timeout(ms(10), task);
        }
    });
    stage.run();
    stage
}
