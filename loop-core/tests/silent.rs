//! Tests that an unrecorded loop, which takes a shorter path through its queue, behaves the same.

use std::cell::RefCell;
use std::rc::Rc;

use loop_core::policy::{DrainRule, PanicRule, Validation};
use loop_core::{Builtin, Policy, RunError};
use loop_probes::ids::TaskId;

use crate::kit::{Cx, World, ms};

/// Runs `program` on a recorded and on an unrecorded loop; both must run the same callbacks.
fn both(policy: &Policy, program: impl Fn(&mut World)) -> Vec<String> {
    let [recorded, silent] =
        [World::with_policy(policy.clone()), World::silent(policy.clone())].map(|mut world| {
            program(&mut world);
            let mut ran = world.run();
            let metrics = world.lp.metrics();
            ran.push(format!(
                "{} tasks in {} turns, {} panics",
                metrics.tasks_run, metrics.ticks, metrics.panics
            ));
            ran
        });
    assert_eq!(recorded, silent);
    silent
}

/// Posts three tasks, each of which queues work of every kind.
fn busy(world: &mut World) {
    for name in ["one", "two", "three"] {
        let log = world.log.clone();
        world.post(world.log.then(name, move |cx| {
            for micro in ["micro", "another"] {
                let then = log.task("micro of micro");
                cx.microtask(log.then(micro, move |cx| cx.microtask(then)));
            }
            let (flush, late) = (log.clone(), log.task("micro of flush"));
            let mut late = Some(late);
            cx.defer(1, move |cx| {
                flush.add("flush");
                late.take().into_iter().for_each(|late| cx.microtask(late));
                false
            });
            cx.post(log.task("posted"));
            cx.immediate(log.task("immediate"));
            cx.set_timeout(ms(1), log.task("timer"));
            cx.enter();
        }));
        world.post(world.log.task("plain"));
    }
}

#[test]
fn work_left_by_tasks_runs_in_the_same_order() {
    let ran = both(&Policy::bun(), busy);
    let start =
        ["one", "micro", "another", "micro of micro", "micro of micro", "flush", "micro of flush", "plain"];
    assert_eq!(ran[..8], start);
    let mut pass = Policy::bun();
    pass.drain = DrainRule::AfterEveryPass;
    assert_eq!(both(&pass, busy)[..4], ["one", "plain", "two", "plain"]);
    let mut bounded = Policy::bun();
    bounded.microtasks_per_checkpoint = Some(3);
    both(&bounded, busy);
    let mut short = Policy::bun();
    short.tasks_per_tick = 2;
    both(&short, busy);
    for name in Policy::NAMES.into_iter().filter(|name| *name != "agenda") {
        both(&Policy::by_name(name).unwrap(), busy);
    }
}

#[test]
fn a_panic_in_the_middle_of_a_batch_ends_its_task_and_no_other() {
    let ran = both(&Policy::bun(), |world| {
        let log = world.log.clone();
        world.post(world.log.task("before"));
        world.post(Builtin::once("bad", move |cx| {
            cx.microtask(log.task("micro of the bad one"));
            cx.enter();
            panic!("the cache is on fire");
        }));
        let log = world.log.clone();
        world.post(world.log.then("good", move |cx| {
            cx.microtask(Builtin::once("bad", |_| panic!("a microtask too")));
            cx.microtask(log.task("the next microtask"));
        }));
        world.post(world.log.task("after"));
    });
    let order = [
        "before",
        "micro of the bad one",
        "good",
        "the next microtask",
        "after",
        "4 tasks in 1 turns, 2 panics",
    ];
    assert_eq!(ran, order);
}

#[test]
fn a_panic_that_ends_the_loop_names_its_task() {
    let mut policy = Policy::bun();
    policy.panics = PanicRule::Stop;
    let mut world = World::silent(policy);
    world.post(world.log.task("fine"));
    world.post(Builtin::once("bad", |_| panic!("the cache is on fire")));
    let failed = world.lp.run().unwrap_err();
    assert!(matches!(&failed, RunError::Panicked { tag, .. } if tag == "bad"), "{failed}");
}

#[test]
fn a_reload_ends_the_pass_at_once_and_is_not_counted() {
    let ran = both(&Policy::bun(), |world| {
        let log = world.log.clone();
        world.post(world.log.then("reload", move |cx| {
            cx.microtask(log.task("micro"));
            cx.reload();
        }));
        world.post(world.log.task("after"));
        // The outcome of a microtask is not its task's.
        world.post(Builtin::once("microtask reloads", |cx| {
            cx.microtask(Builtin::once("reloads", |cx: &mut Cx<'_>| cx.reload()));
        }));
        world.post(world.log.task("last"));
    });
    assert_eq!(ran, ["reload", "micro", "after", "last", "3 tasks in 2 turns, 0 panics"]);
}

#[test]
fn tasks_know_their_ids_and_what_waits_is_listed_by_name() {
    let mut world = World::silent(Policy::bun());
    let seen: Rc<RefCell<Vec<Option<TaskId>>>> = Rc::default();
    let ids: Vec<TaskId> = (0..3)
        .map(|_| {
            let seen = Rc::clone(&seen);
            world.lp.post(Builtin::once("looks", move |cx| {
                let own = cx.task();
                seen.borrow_mut().push(own);
                let of_micro = Rc::clone(&seen);
                cx.microtask(Builtin::once("micro", move |cx| of_micro.borrow_mut().push(cx.task())));
            }))
        })
        .collect();
    let pending = world.lp.pending();
    assert_eq!(pending.iter().map(|one| (one.name.as_str(), one.count)).collect::<Vec<_>>(), [("looks", 3)]);
    world.run();
    let expected: Vec<_> = ids.into_iter().flat_map(|id| [Some(id), Some(id)]).collect();
    assert_eq!(*seen.borrow(), expected);
}

#[test]
fn posts_signals_and_jobs_among_plain_tasks_keep_their_order() {
    let ran = both(&Policy::bun(), |world| {
        let log = world.log.clone();
        world.lp.with(|cx| {
            let signal = log.repeat("signal", |cx| assert_eq!(cx.signal().unwrap().signo, 10));
            cx.on_signal(10, signal).unwrap();
            cx.hold("the script");
        });
        world.sim.signal_at(ms(1), 10);
        let handle = world.lp.handle();
        world.sim.at(ms(1), move || {
            let posted = || Builtin::remote("posted", |cx| cx.microtask(Builtin::once("micro", |_| ())));
            (0..2).for_each(|_| handle.post(posted()).unwrap());
        });
        let log = world.log.clone();
        world.lp.with(|cx| {
            cx.set_timeout(ms(2), log.then("timer", |cx| cx.release("the script")));
            cx.post(log.task("plain"));
        });
    });
    assert_eq!(ran, ["plain", "signal", "timer", "5 tasks in 2 turns, 0 panics"]);
}

#[test]
fn a_broken_drain_rule_is_found_without_a_recorder() {
    let mut policy = Policy::bun();
    policy.validation = Validation::Panic;
    let mut world = World::silent(policy);
    world.lp.call("careless", |_| ());
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.lp.tick()));
    assert!(found.is_err());
}
