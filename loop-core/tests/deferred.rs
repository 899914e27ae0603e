//! Tests the deferred queue.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::policy::DrainRule;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{Builtin, Policy};
use loop_probes::clock::Clock;
use loop_probes::event::{Event, StopReason};

use crate::kit::{Cx, Log, World, ms, pick, policy};

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
    assert_eq!(pick!(events, Event::InputReturned { value, .. } => value), [1], "false is not reported");
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
fn b12_an_entry_added_while_it_runs_runs_in_the_same_drain() {
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
    assert_eq!(world.turn(), ["one", "first", "second", "two"]);
    assert_eq!(pick!(world.events(), Event::DeferredRan { ran, kept, .. } => (ran, kept)), [(2, 0)]);
}

#[test]
fn b12_what_a_microtask_of_the_drain_defers_runs_in_the_same_drain() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.defer(1, move |cx| {
            log.add("first");
            let (micro, second) = (log.clone(), log.clone());
            cx.microtask(micro.then("micro", move |cx| {
                cx.defer(2, move |_| {
                    second.add("second");
                    false
                });
            }));
            false
        })
    });
    for task in ["one", "two"] {
        world.post(world.log.task(task));
    }
    assert_eq!(world.turn(), ["one", "first", "micro", "second", "two"]);
}

/// Defers itself this many times, one after the other.
fn chain(cx: &mut Cx<'_>, log: &Log, left: u32) {
    let log = log.clone();
    cx.defer(u64::from(left), move |cx| {
        log.add(format!("link {left}"));
        if left > 1 {
            chain(cx, &log, left - 1);
        }
        false
    });
}

/// Callbacks of every kind each post a chain of three deferred callbacks, while a timer is due much later.
#[test]
fn b12_no_poll_waits_while_a_deferred_callback_does_under_any_policy() {
    type Cause = fn(&mut World, &Log);
    let causes: [(&str, Cause); 6] = [
        ("a task", |world, log| {
            let log = log.clone();
            world.post(Builtin::once("task", move |cx| chain(cx, &log, 3)));
        }),
        ("an immediate", |world, log| {
            let log = log.clone();
            world.lp.with(|cx| cx.immediate(Builtin::once("immediate", move |cx| chain(cx, &log, 3))));
        }),
        ("a timer", |world, log| {
            let log = log.clone();
            world.lp.with(|cx| cx.set_timeout(ms(1), Builtin::once("timer", move |cx| chain(cx, &log, 3))));
        }),
        ("a source", |world, log| {
            let (log, source) = (log.clone(), SimSource::new());
            world.lp.with(|cx| {
                let called = Builtin::repeat("readable", move |cx| {
                    let ready = cx.ready().unwrap();
                    cx.remove(ready.source).unwrap();
                    chain(cx, &log, 3);
                });
                cx.register(source.clone(), Interest::READABLE, called).unwrap();
            });
            world.sim.ready_at(ms(1), &source, Readiness::READABLE);
        }),
        ("the end of the turn", |world, log| {
            let log = log.clone();
            world.lp.with(|cx| cx.after_loop(Builtin::once("after", move |cx| chain(cx, &log, 3))));
        }),
        ("from outside a task", |world, log| world.lp.with(|cx| chain(cx, log, 3))),
    ];
    let mut policies: Vec<_> = Policy::NAMES.iter().map(|name| Policy::by_name(name).unwrap()).collect();
    policies.push(policy(|policy| policy.drain = DrainRule::AfterEveryPass));
    policies.push(policy(|policy| policy.tasks_per_tick = 1));
    for policy in policies {
        for (name, cause) in causes {
            let mut world = World::with_policy(policy.clone());
            let log = world.log.clone();
            world.lp.with(|cx| cx.set_timeout(ms(300), Builtin::once("far", |cx| cx.stop())));
            cause(&mut world, &log);
            world.lp.run_until(world.sim.clock().now().plus_ns(10_000_000)).unwrap();
            assert_eq!(log.take(), ["link 3", "link 2", "link 1"], "policy {}, {name}", policy.name);
            let ended = world.lp.run().unwrap();
            assert_eq!(ended, StopReason::Stopped, "policy {}, {name}", policy.name);
        }
    }
}

#[test]
fn b12_a_run_does_not_end_before_what_was_deferred() {
    for name in Policy::NAMES {
        let mut world = World::with_policy(Policy::by_name(name).unwrap());
        let log = world.log.clone();
        world.lp.with(|cx| chain(cx, &log, 1));
        assert!(world.lp.is_alive());
        let pending: Vec<_> = world.lp.pending().into_iter().map(|pending| pending.name).collect();
        assert_eq!(pending, ["deferred callbacks"]);
        world.lp.with(|cx| cx.set_timeout(ms(5), Builtin::once("stop", |cx| cx.stop())));
        world.lp.run().unwrap();
        assert_eq!(log.take(), ["link 1"], "policy {name}");
        assert!(!world.lp.is_alive());
    }
}

#[test]
fn b12_a_chain_without_end_is_bounded_by_the_budget_and_starves_nothing() {
    fn again(cx: &mut Cx<'_>, ran: Rc<Cell<u32>>) {
        cx.defer(1, move |cx| {
            ran.set(ran.get() + 1);
            again(cx, Rc::clone(&ran));
            false
        });
    }
    let mut world = World::with_policy(policy(|policy| policy.tasks_per_tick = 10));
    let ran = Rc::new(Cell::new(0));
    let posts = Rc::clone(&ran);
    world.post(Builtin::once("task", move |cx| again(cx, posts)));
    world.lp.turn().unwrap();
    // The callback that waited when the drain began, ten added during it, and one in the tick's last drain.
    assert_eq!(ran.get(), 12);
    let events = world.events();
    assert_eq!(pick!(events, Event::Poll { timeout_ns, .. } => timeout_ns), [Some(0)], "the poll only looks");
    assert!(world.lp.is_alive(), "what the budget left is work");
    let source = SimSource::new();
    let stop = Builtin::repeat("readable", |cx| cx.stop());
    world.lp.with(|cx| cx.register(source.clone(), Interest::READABLE, stop)).unwrap();
    world.sim.ready_at(ms(0), &source, Readiness::READABLE);
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped, "the source had its turn");
}

#[test]
fn b12_a_kept_callback_is_no_work_until_its_key_is_posted_again() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.defer(1, move |_| {
            log.add("flush");
            true
        })
    });
    assert_eq!(world.run(), ["flush"]);
    assert!(!world.lp.is_alive());
    world.lp.with(|cx| assert!(cx.defer(1, |_| unreachable!("the first one stays"))));
    assert!(world.lp.is_alive());
    assert_eq!(world.run(), ["flush"]);
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
                log.add("flush what came during the flush");
                false
            });
            assert!(!existed);
            false
        })
    });
    for task in ["one", "two"] {
        world.post(world.log.task(task));
    }
    assert_eq!(world.turn(), ["one", "flush", "flush what came during the flush", "two"]);
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

#[test]
fn b12_a_future_defers_and_unique_keys_differ() {
    let mut world = World::new();
    let ran = Rc::new(Cell::new(0));
    let (once, timed) = (Rc::clone(&ran), Rc::clone(&ran));
    world.lp.spawn("asks", |lp| async move {
        for key in [loop_core::DeferKey::unique(), loop_core::DeferKey::unique(), 7.into(), 7.into()] {
            let ran = Rc::clone(&once);
            lp.defer(key, move |_| {
                ran.set(ran.get() + 1);
                false
            });
        }
        lp.set_timeout(ms(20), Builtin::once("timed", move |_| timed.set(timed.get() + 10)));
    });
    world.lp.run().unwrap();
    assert_eq!(ran.get(), 13, "the second callback of a key is dropped");
    assert_eq!(world.sim.elapsed(), ms(20));
}
