//! The deferred queue.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::Builtin;
use loop_probes::event::Event;

use crate::kit::{World, pick};

#[test]
fn b12_a_key_that_waits_keeps_its_first_callback() {
    let mut world = World::new();
    let log = world.log.clone();
    world.post(Builtin::once("posts", move |cx| {
        let (first, second) = (log.clone(), log.clone());
        let existed = [
            cx.defer(7, move |_| {
                first.add("first");
                false
            }),
            cx.defer(7, move |_| {
                second.add("second");
                false
            }),
        ];
        assert_eq!(existed, [false, true]);
    }));
    assert_eq!(world.turn(), ["first"]);
    let posted = pick!(world.events(), Event::DeferredPosted { key, existed } => (key, existed));
    assert_eq!(posted, [(7, false), (7, true)]);
}

#[test]
fn b12_true_keeps_it_for_the_next_drain_and_false_removes_it() {
    let mut world = World::new();
    let (log, left) = (world.log.clone(), Cell::new(2));
    world.lp.with(|cx| {
        cx.defer(1, move |_| {
            log.add("flush");
            left.set(left.get() - 1);
            left.get() > 0
        })
    });
    for task in ["one", "two", "three"] {
        world.post(world.log.task(task));
    }
    assert_eq!(world.turn(), ["one", "flush", "two", "flush", "three"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::DeferredRan { ran, kept, .. } => (ran, kept)), [(1, 1), (1, 0)]);
    assert_eq!(pick!(events, Event::InputReturned { value, .. } => value), [1], "false is not told");
}

#[test]
fn b12_the_record_says_which_callbacks_of_a_drain_were_kept() {
    let mut world = World::new();
    world.lp.with(|cx| {
        for key in 0..5 {
            cx.defer(key, move |_| key % 3 == 1);
        }
    });
    world.post(world.log.task("task"));
    world.lp.tick();
    let events = world.events();
    assert_eq!(pick!(events, Event::DeferredRan { ran, kept, .. } => (ran, kept)), [(5, 2), (2, 2)]);
    assert_eq!(pick!(events, Event::InputReturned { value, .. } => value), [2, 5, 1, 2]);
}

#[test]
fn b12_entries_added_while_it_runs_wait_for_the_next_drain() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.defer(1, move |cx| {
            log.add("first");
            let log = log.clone();
            cx.defer(2, move |_| {
                log.add("second");
                false
            });
            false
        })
    });
    for task in ["one", "two"] {
        world.post(world.log.task(task));
    }
    assert_eq!(world.turn(), ["one", "first", "two", "second"]);
}

#[test]
fn b12_a_callback_that_posts_its_own_key_loses_nothing() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.defer(1, move |cx| {
            log.add("flush");
            let log = log.clone();
            let existed = cx.defer(1, move |_| {
                log.add("flush what came meanwhile");
                false
            });
            assert!(!existed);
            false
        })
    });
    for task in ["one", "two"] {
        world.post(world.log.task(task));
    }
    assert_eq!(world.turn(), ["one", "flush", "two", "flush what came meanwhile"]);
}

#[test]
fn b12_a_key_that_is_taken_back_does_not_run_and_is_free_again() {
    let mut world = World::new();
    let log = world.log.clone();
    world.post(Builtin::once("posts", move |cx| {
        cx.defer(1, |_| unreachable!("it was taken back"));
        assert!(cx.undefer(1));
        assert!(!cx.undefer(1));
        let existed = cx.defer(1, move |_| {
            log.add("second");
            false
        });
        assert!(!existed);
    }));
    assert_eq!(world.turn(), ["second"]);
    assert_eq!(pick!(world.events(), Event::DeferredRemoved { key } => key), [1]);
}

#[test]
fn b12_one_that_panics_is_removed_and_stops_no_other() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.defer(1, |_| panic!("flush failed"));
        cx.defer(2, move |_| {
            log.add("other");
            false
        });
    });
    for task in ["one", "two"] {
        world.post(world.log.task(task));
    }
    assert_eq!(world.turn(), ["one", "other", "two"]);
    assert_eq!(world.lp.metrics().panics, 1);
}

#[test]
fn b13_many_writes_of_one_task_become_one_flush() {
    let mut world = World::new();
    let (buffer, flushed) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(Vec::new())));
    for writes in [5, 3] {
        let (buffer, flushed) = (Rc::clone(&buffer), Rc::clone(&flushed));
        world.post(Builtin::once("writes", move |cx| {
            for _ in 0..writes {
                buffer.set(buffer.get() + 1);
                let (buffer, flushed) = (Rc::clone(&buffer), Rc::clone(&flushed));
                cx.defer(42, move |_| {
                    let mut all = flushed.take();
                    all.push(buffer.take());
                    flushed.set(all);
                    false
                });
            }
        }));
    }
    world.turn();
    assert_eq!(flushed.take(), [5, 3]);
}
