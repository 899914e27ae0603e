//! Tests immediates.

use loop_core::Builtin;
use loop_probes::event::{Event, Outcome, PollReason, Queue};

use crate::kit::{Cx, World, ms, pick};

#[test]
fn b22_they_run_as_one_batch_with_a_drain_after_each() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let micro = log.task("micro");
        cx.immediate(log.then("one", move |cx| cx.microtask(micro)));
        cx.immediate(log.task("two"));
    });
    assert_eq!(world.turn(), ["one", "micro", "two"]);
    let events = world.events();
    let batches = pick!(events, Event::Immediates { ran, moved_to_next, .. } => (ran, moved_to_next));
    assert_eq!(batches, [(2, 0)]);
    let queued = pick!(events, Event::TaskQueued { place, .. } => (place.queue, place.depth));
    assert_eq!(queued, [(Queue::Immediates, 1), (Queue::Immediates, 2)]);
}

#[test]
fn b22_one_set_during_the_batch_runs_in_the_next_tick() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let next = log.task("next");
        cx.immediate(log.then("first", move |cx| {
            cx.immediate(next);
        }));
    });
    assert_eq!(world.turn(), ["first"]);
    let events = world.events();
    let batches = pick!(events, Event::Immediates { ran, moved_to_next, .. } => (ran, moved_to_next));
    assert_eq!(batches, [(1, 1)]);
    assert_eq!(
        pick!(events, Event::Poll { reason, .. } => reason),
        [PollReason::NonBlock],
        "it does not wait"
    );
    assert_eq!(world.turn(), ["next"]);
}

#[test]
fn b22_one_that_panics_does_not_stop_the_others() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.immediate(Builtin::once("bad", |_| panic!("no")));
        cx.immediate(log.task("good"));
    });
    assert_eq!(world.turn(), ["good"]);
    assert_eq!(pick!(world.events(), Event::Immediates { ran, .. } => ran), [2]);
}

#[test]
fn b22_one_that_fails_does_not_stop_the_others() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.immediate(Builtin::once("throws", |cx| cx.fail("TypeError: x is not a function")));
        cx.immediate(log.task("good"));
    });
    assert_eq!(world.turn(), ["good"]);
    let events = world.events();
    let outcomes = pick!(events, Event::TaskRan { outcome, .. } => outcome);
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Done]);
    assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1);
}

#[test]
fn b22_one_that_is_cleared_does_not_run_not_even_in_its_batch() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let set_later = std::rc::Rc::new(std::cell::Cell::new(None));
        let second = std::rc::Rc::clone(&set_later);
        cx.immediate(log.then("first", move |cx: &mut Cx<'_>| {
            assert!(cx.clear_immediate(second.get().unwrap()));
            assert!(!cx.clear_immediate(second.get().unwrap()));
        }));
        set_later.set(Some(cx.immediate(log.task("second"))));
        cx.immediate(log.task("third"));
    });
    assert_eq!(world.turn(), ["first", "third"]);
    let outcomes = pick!(world.events(), Event::TaskRan { outcome, .. } => outcome);
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Done, Outcome::Done]);
    assert!(!world.lp.is_alive());
}

#[test]
fn b23_an_unreferenced_immediate_runs_but_keeps_nothing_alive() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let immediate = cx.immediate(log.task("unref"));
        assert!(cx.set_immediate_referenced(immediate, false));
    });
    assert!(!world.lp.is_alive());
    assert_eq!(world.run(), Vec::<String>::new());
    world.lp.with(|cx| cx.set_timeout(ms(1), log.task("timer")));
    assert_eq!(world.run(), ["unref", "timer"]);
}
