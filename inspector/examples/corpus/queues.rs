//! The loop's own queues: floods and head-of-line blocking.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::sim::Sim;
use loop_core::{Builtin, Policy};

use super::stage::{Cx, Stage, ms, us};

fn microtasks(cx: &mut Cx<'_>, sim: Sim, left: u32) {
    cx.microtask(Builtin::once("Step", move |cx| {
        sim.advance(us(5));
        if left > 1 {
            microtasks(cx, sim, left - 1);
        }
    }));
}

/// A promise chain of 5,000 steps of 5 µs each: one checkpoint of 25 ms, with a timer that comes due halfway
/// through.
pub(crate) fn microtask_flood() -> Stage {
    let mut stage = Stage::new();
    let sim = stage.sim.clone();
    let flood = stage.then("Flood", us(100), |cx| microtasks(cx, sim, 5000));
    let timer = stage.task("Timer", us(100));
    let after = stage.task("Next", us(100));
    stage.lp.with(|cx| {
        cx.post(flood);
        cx.post(after);
        cx.set_timeout(ms(5), timer);
    });
    stage.run();
    stage
}

/// A hundred short tasks followed by one that takes 30 ms, and a timer and a task that arrive while it runs.
pub(crate) fn slow_behind_fast() -> Stage {
    let mut stage = Stage::new();
    let fast: Vec<_> = (0..100).map(|_| stage.task("Fast", us(50))).collect();
    let (slow, last, timer) =
        (stage.task("Slow", ms(30)), stage.task("Last", us(50)), stage.task("Timer", us(50)));
    stage.lp.with(|cx| {
        for task in fast {
            cx.post(task);
        }
        cx.post(slow);
        cx.post(last);
        cx.set_timeout(ms(6), timer);
    });
    stage.run();
    stage
}

fn again(cx: &mut Cx<'_>, sim: Sim, left: u32) {
    cx.post(Builtin::once("Again", move |cx| {
        sim.advance(us(1));
        if left > 1 {
            again(cx, sim, left - 1);
        }
    }));
}

/// A task that posts itself 25,000 times; the loop still checks its timers after each 10,000.
pub(crate) fn self_posting() -> Stage {
    let mut stage = Stage::new();
    let sim = stage.sim.clone();
    let timer = stage.task("Timer", us(10));
    stage.lp.with(|cx| {
        cx.set_timeout(ms(2), timer);
        again(cx, sim, 25_000);
    });
    stage.run();
    stage
}

fn multiply(cx: &mut Cx<'_>, sim: Sim, runs: Rc<Cell<u32>>) {
    let next = Builtin::once("Crawl", move |cx| {
        sim.advance(ms(1));
        runs.set(runs.get() + 1);
        if runs.get().is_multiple_of(10) {
            multiply(cx, sim.clone(), Rc::clone(&runs));
        }
        multiply(cx, sim, runs);
    });
    cx.post(next);
}

/// A crawler that finds a new page on every tenth page and comes back to each, with five tasks a tick: its queue grows
/// for three seconds.
pub(crate) fn growing_queue() -> Stage {
    let mut policy = Policy::bun();
    policy.tasks_per_tick = 5;
    let mut stage = Stage::build(policy, |builder| builder);
    let sim = stage.sim.clone();
    stage.lp.with(|cx| multiply(cx, sim, Rc::default()));
    stage.run_until(ms(3_000));
    stage
}

fn immediates(cx: &mut Cx<'_>, sim: Sim, left: u32) {
    cx.immediate(Builtin::once("Immediate", move |cx| {
        sim.advance(us(100));
        if left > 1 {
            immediates(cx, sim, left - 1);
        }
    }));
}

/// Three chains of immediates, each of which sets the next one: one batch per tick, with timers between the
/// batches.
pub(crate) fn immediates_in_immediates() -> Stage {
    let mut stage = Stage::new();
    let (sim, timer) = (stage.sim.clone(), stage.task("Timer", us(100)));
    stage.lp.with(|cx| {
        for _ in 0..3 {
            immediates(cx, sim.clone(), 20);
        }
        cx.set_timeout(ms(1), timer);
    });
    stage.run();
    stage
}

/// Two hundred writes to four connections: the writes of one task are flushed after it, once per connection.
pub(crate) fn deferred_flush() -> Stage {
    let mut stage = Stage::new();
    let flushed = Rc::new(Cell::new(0_u32));
    for n in 0..10_u64 {
        let (sim, flushed) = (stage.sim.clone(), Rc::clone(&flushed));
        let request = stage.then("Request", us(40), move |cx| {
            for write in 0..20 {
                let (sim, flushed) = (sim.clone(), Rc::clone(&flushed));
                cx.defer((n + write) % 4, move |_| {
                    sim.advance(us(10));
                    flushed.set(flushed.get() + 1);
                    // Sometimes the socket buffer is full, and the rest waits for the next drain.
                    flushed.get().is_multiple_of(7)
                });
            }
        });
        stage.lp.post(request);
    }
    stage.run();
    stage
}
