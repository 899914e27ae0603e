//! Tests the order of a tick, the drain after every task, nesting, validation.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use loop_core::policy::{DrainRule, Validation};
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{Builtin, Host, Policy};
use loop_probes::event::{Event, Outcome, Phase, PollReason, StopReason};

use crate::kit::{Cx, Log, World, ms, name, pick, policy};

#[test]
fn b00_a_turn_is_a_tick_and_an_auto_tick_recorded_as_one() {
    let mut world = World::new();
    world.post(world.log.task("task"));
    world.lp.with(|cx| cx.immediate(Builtin::once("immediate", |_| ())));
    world.turn();
    let events = world.events();
    assert_eq!(pick!(events, Event::TickStart { tick } => tick), [1]);
    assert_eq!(pick!(events, Event::TickEnd { tick, tasks_run, .. } => (tick, tasks_run)), [(1, 2)]);
    assert_eq!(pick!(events, Event::Phase { phase, .. } => phase), [Phase::Tasks, Phase::Immediates]);

    world.lp.tick();
    world.lp.auto_tick().unwrap();
    let events = world.events();
    assert_eq!(pick!(events, Event::TickEnd { tick, .. } => tick), [2, 3]);
    assert_eq!(pick!(events, Event::Poll { .. } => ()).len(), 1, "only the second half polls");
}

#[test]
fn b00_self_posting_is_cut_at_the_budget_and_io_lives() {
    fn again(cx: &mut Cx<'_>, left: Rc<Cell<u32>>) {
        left.set(left.get() - 1);
        if left.get() > 0 {
            cx.post(Builtin::once("again", move |cx| again(cx, left)));
        }
    }
    let mut world = World::new();
    let left = Rc::new(Cell::new(25_000));
    let posts = Rc::clone(&left);
    world.post(Builtin::once("again", move |cx| again(cx, posts)));
    let source = SimSource::new();
    let (seen, at_most) = (Rc::clone(&left), Rc::new(Cell::new(0)));
    let noted = Rc::clone(&at_most);
    let readable = Builtin::repeat("readable", move |cx| {
        noted.set(seen.get());
        let ready = cx.ready().unwrap();
        cx.remove(ready.source).unwrap();
    });
    world.lp.with(|cx| cx.register(source.clone(), Interest::READABLE, readable)).unwrap();
    world.sim.ready_at(ms(0), &source, Readiness::READABLE);
    world.run();
    assert_eq!(at_most.get(), 15_000, "the callback ran after 10,000 tasks, not after all");
    let events = world.events();
    assert_eq!(pick!(events, Event::TickEnd { tasks_run, .. } => tasks_run), [10_000, 10_000, 5_000]);
    let polls = pick!(events, Event::Poll { reason, timeout_ns, .. } => (reason, timeout_ns));
    assert_eq!(polls[..2], [(PollReason::NonBlock, Some(0)); 2]);
}

#[test]
fn b00_io_runs_after_the_poll_and_before_due_timers() {
    let mut world = World::new();
    let (source, log) = (SimSource::new(), world.log.clone());
    let timer = world.log.task("timer");
    world.lp.with(|cx| {
        cx.set_timeout(ms(5), timer);
        let io = log.repeat("io", |cx| {
            let ready = cx.ready().unwrap();
            cx.remove(ready.source).unwrap();
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
    });
    // Both come due in the same poll: the source becomes ready at the exact time at which the timer is due.
    world.sim.ready_at(ms(5), &source, Readiness::READABLE);
    assert_eq!(world.run(), ["io", "timer"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::Phase { phase, .. } => phase), [Phase::Io, Phase::Timers]);
    let ready = pick!(events, Event::IoReady { tag, readiness, .. } => (name(tag), readiness));
    assert_eq!(ready, [("io".to_owned(), 1)]);
}

#[test]
fn b01_signals_then_concurrent_then_tasks_until_empty_then_microtasks() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| cx.on_signal(10, log.repeat("signal", |_| ()))).unwrap();
    let handle = world.lp.handle();
    let sim = world.sim.clone();
    sim.signal_at(ms(1), 10);
    sim.at(ms(1), move || handle.post(Builtin::remote("posted", |_| ())).unwrap());
    world.lp.with(|cx| cx.hold("test"));
    world.turn();
    world.post(Builtin::once("waits", |cx| cx.microtask(Builtin::once("micro", |_| ()))));
    let _ = world.events();
    world.lp.tick();
    let events = world.events();
    let ran = pick!(events, Event::TaskRan { tag, .. } => name(tag));
    assert_eq!(ran, ["waits", "signal", "posted"], "in the order in which they came to the queue");
    let phases = pick!(events, Event::Phase { phase, .. } => phase);
    assert_eq!(phases, [Phase::Signals, Phase::Concurrent, Phase::Tasks]);
}

#[test]
fn b01_concurrent_work_is_taken_again_after_each_pass() {
    let mut world = World::new();
    let handle = world.lp.handle();
    let log = world.log.clone();
    world.post(world.log.then("first", move |_| {
        handle.post(Builtin::remote("second", |_| ())).unwrap();
        log.add("posted");
    }));
    world.lp.tick();
    let events = world.events();
    assert_eq!(pick!(events, Event::TaskRan { tag, .. } => name(tag)), ["first", "second"]);
    let phases = pick!(events, Event::Phase { phase, .. } => phase);
    assert_eq!(phases, [Phase::Tasks, Phase::Concurrent, Phase::Tasks]);
    assert_eq!(pick!(events, Event::TickEnd { tasks_run, .. } => tasks_run), [2]);
}

#[test]
fn b01_tasks_that_the_last_drain_posted_run_in_the_same_tick() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let late = log.task("late");
        cx.microtask(log.then("micro", move |cx| {
            cx.post(late);
        }));
    });
    world.lp.tick();
    assert_eq!(world.log.take(), ["micro", "late"]);
    let phases = pick!(world.events(), Event::Phase { phase, .. } => phase);
    assert_eq!(phases, [Phase::Microtasks, Phase::Tasks], "the checkpoint belongs to no task");
}

#[test]
fn b02_immediates_then_poll_then_timers_then_after_loop() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.after_loop(log.task("after loop"));
        cx.set_timeout(ms(0), log.task("timer"));
        cx.immediate(log.task("immediate"));
        cx.post(log.task("task"));
    });
    assert_eq!(world.turn(), ["task", "immediate", "timer", "after loop"]);
    let events = world.events();
    let order = pick!(events, Event::Phase { phase, .. } => phase);
    assert_eq!(order, [Phase::Tasks, Phase::Immediates, Phase::Timers, Phase::Tasks]);
}

#[test]
fn b02_polls_without_waiting_when_nothing_keeps_it_alive() {
    let mut world = World::new();
    world.turn();
    let polls = pick!(world.events(), Event::Poll { reason, timeout_ns, .. } => (reason, timeout_ns));
    assert_eq!(polls, [(PollReason::NonBlock, Some(0))]);
}

#[test]
fn b02_polls_until_the_nearest_timer_when_something_does() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.set_timeout(ms(7), log.task("later"));
        cx.set_timeout(ms(3), log.task("soon"));
    });
    assert_eq!(world.turn(), ["soon"]);
    let polls = pick!(world.events(), Event::Poll { reason, timeout_ns, .. } => (reason, timeout_ns));
    assert_eq!(polls, [(PollReason::Timer, Some(3_000_000))]);
    assert_eq!(world.sim.elapsed(), ms(3));
}

#[test]
fn b02_releases_that_waited_are_applied_before_the_poll() {
    let mut world = World::new();
    world.lp.with(|cx| {
        cx.hold("socket");
        cx.release_later("socket");
    });
    assert!(world.lp.is_alive());
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    let events = world.events();
    assert_eq!(pick!(events, Event::RefChanged { delta, alive, .. } => (delta, alive)), [(1, 1), (-1, 0)]);
    assert_eq!(pick!(events, Event::Poll { reason, .. } => reason), [PollReason::NonBlock]);
}

#[test]
fn b03_microtasks_drain_after_every_task() {
    let mut world = World::new();
    for (task, micro, flush) in [("one", "micro one", "flush one"), ("two", "micro two", "flush two")] {
        let log = world.log.clone();
        world.post(world.log.then(task, move |cx| {
            let (micro, flushed) = (log.task(micro), log.clone());
            cx.defer(1, move |_| {
                flushed.add(flush);
                false
            });
            cx.microtask(micro);
        }));
    }
    let order = ["one", "micro one", "flush one", "two", "micro two", "flush two"];
    assert_eq!(world.turn(), order);
    let events = world.events();
    let ran = pick!(events, Event::TaskRan { task, .. } => task);
    let checkpoints = pick!(events, Event::Microtasks { trigger, ran, .. } => (trigger, ran));
    assert_eq!(checkpoints, [(Some(ran[0]), 1), (Some(ran[1]), 1)]);
    assert_eq!(pick!(events, Event::DeferredRan { ran, kept, .. } => (ran, kept)), [(1, 0), (1, 0)]);
    let phases = pick!(events, Event::Phase { phase, .. } => phase);
    assert_eq!(phases, [Phase::Tasks], "what follows a task is inside its phase");
}

#[test]
fn b03_a_microtask_that_queues_another_is_drained_to_the_end() {
    let mut world = World::new();
    let log = world.log.clone();
    world.post(world.log.then("task", move |cx| {
        let second = log.task("second");
        cx.microtask(log.then("first", move |cx| cx.microtask(second)));
    }));
    world.post(world.log.task("next"));
    assert_eq!(world.turn(), ["task", "first", "second", "next"]);
    assert_eq!(pick!(world.events(), Event::Microtasks { ran, left, .. } => (ran, left)), [(2, 0)]);
}

#[test]
fn b03_a_reload_returns_at_once_and_is_not_counted() {
    let mut world = World::new();
    let log = world.log.clone();
    world.post(world.log.then("reload", move |cx| {
        cx.microtask(log.task("micro"));
        cx.reload();
    }));
    world.post(world.log.task("after"));
    world.lp.tick();
    assert_eq!(world.log.take(), ["reload"], "no drain, no next task");
    assert_eq!((world.lp.metrics().tasks_run, world.lp.metrics().reloads), (0, 1));
    let events = world.events();
    assert_eq!(pick!(events, Event::TaskRan { outcome, .. } => outcome), [Outcome::Reload]);
    assert_eq!(pick!(events, Event::TickEnd { tasks_run, .. } => tasks_run), [0]);
    assert_eq!(world.run(), ["micro", "after"], "what it left comes before the next task");
    world.post(Builtin::once("reload", |cx| cx.reload()));
    assert!(world.lp.turn_within(ms(0)).unwrap(), "something ran");
    assert_eq!((world.lp.metrics().tasks_run, world.lp.metrics().reloads), (1, 2));
}

/// For every kind of task that reloads and everything that can follow it, under each policy and rule.
#[test]
fn b03_what_a_reload_left_is_drained_before_the_next_task() {
    type Cause = fn(&mut Cx<'_>, Builtin);
    let causes: [(&str, Cause); 4] = [
        ("a task", |cx, task| _ = cx.post(task)),
        ("an immediate", |cx, task| _ = cx.immediate(task)),
        ("a timer", |cx, task| _ = cx.set_timeout(ms(0), task)),
        ("after the loop", |cx, task| _ = cx.after_loop(task)),
    ];
    let mut policies: Vec<_> = Policy::NAMES.iter().map(|name| Policy::by_name(name).unwrap()).collect();
    policies.push(policy(|policy| policy.drain = DrainRule::AfterEveryPass));
    for policy in policies {
        for (first, cause) in causes {
            for (second, bring_next) in causes {
                let mut world = World::with_policy(policy.clone());
                let (log, left) = (world.log.clone(), world.log.clone());
                let flushed = world.log.clone();
                world.lp.with(|cx| {
                    let reloads = log.then("reload", move |cx| {
                        cx.microtask(left.task("micro"));
                        cx.defer(1, move |_| {
                            flushed.add("flush");
                            false
                        });
                        bring_next(cx, left.task("next"));
                        cx.reload();
                    });
                    cause(cx, reloads);
                    cx.set_timeout(ms(50), Builtin::once("stop", |cx| cx.stop()));
                });
                let case = format!("policy {}: {first}, then {second}", policy.name);
                assert_eq!(world.run(), ["reload", "micro", "flush", "next"], "{case}");
                let triggers = pick!(world.events(), Event::Microtasks { trigger, .. } => trigger);
                assert_eq!(triggers, [None], "{case}: the drain belongs to no task");
            }
        }
    }
}

#[test]
fn a_run_whose_time_is_over_makes_one_turn_that_does_not_wait() {
    for name in Policy::NAMES {
        let mut world = World::with_policy(Policy::by_name(name).unwrap());
        let task = world.log.task("ready");
        world.post(task);
        let (due, later) = (world.log.task("due"), world.log.task("later"));
        world.lp.with(|cx| {
            cx.set_timeout(ms(1), due);
            cx.set_timeout(ms(500), later);
        });
        world.sim.advance(ms(1));
        let from = world.sim.elapsed();
        assert_eq!(world.lp.run_for(ms(0)).unwrap(), StopReason::Deadline, "{name}");
        let mut ran = world.log.take();
        ran.sort_unstable();
        assert_eq!(ran, ["due", "ready"], "{name}");
        assert_eq!((world.sim.elapsed() - from, world.lp.metrics().ticks), (ms(0), 1), "{name}");
        // A loop that was already asked to stop runs no turn.
        world.lp.stop();
        assert_eq!(world.lp.run_for(ms(0)).unwrap(), StopReason::Stopped, "{name}");
        assert_eq!(world.lp.metrics().ticks, 1, "{name}");
    }
}

#[test]
fn b04_the_drain_happens_on_leaving_the_outermost_level_only() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.enter();
    world.lp.enter();
    world.lp.call("callback", |cx| cx.microtask(log.task("micro")));
    world.lp.exit();
    assert_eq!(world.log.take(), Vec::<String>::new(), "still one level deep");
    world.lp.exit();
    assert_eq!(world.log.take(), ["micro"]);
    assert_eq!(pick!(world.events(), Event::Microtasks { trigger, .. } => trigger), [None]);
}

#[test]
fn b04_a_panic_in_the_set_up_leaves_no_level_open() {
    let mut world = World::new();
    let set_up = AssertUnwindSafe(|| world.lp.with(|_| panic!("no such file")));
    let panicked = catch_unwind(set_up).unwrap_err();
    assert_eq!(panicked.downcast_ref(), Some(&"no such file"));
    let log = world.log.clone();
    world.lp.run_callback("callback", |cx| cx.microtask(log.task("micro")));
    assert_eq!(world.log.take(), ["micro"], "leaving the outermost level drains");
}

#[test]
fn b04_run_callback_enters_calls_and_drains() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.run_callback("callback", |cx| {
        log.add("callback");
        cx.microtask(log.task("micro"));
        cx.post(log.task("task"));
    });
    assert_eq!(world.log.take(), ["callback", "micro"], "the task waits for its tick");
    assert_eq!(world.run(), ["task"]);
}

#[test]
fn b04_enter_and_exit_inside_a_task_do_not_drain() {
    let mut world = World::new();
    let log = world.log.clone();
    world.post(world.log.then("task", move |cx| {
        cx.microtask(log.task("micro"));
        cx.enter();
        cx.exit();
        cx.exit();
        log.add("end of task");
    }));
    assert_eq!(world.turn(), ["task", "end of task", "micro"]);
}

#[test]
fn b04_the_deferred_queue_never_drains_from_inside() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.run_callback("callback", |cx| {
        let inner = log.clone();
        cx.defer(1, move |cx| {
            cx.microtask(inner.task("micro"));
            let later = inner.clone();
            cx.defer(2, move |_| {
                later.add("second");
                false
            });
            cx.enter();
            cx.exit();
            inner.add("first");
            false
        });
    });
    assert_eq!(
        world.log.take(),
        ["first", "second", "micro"],
        "one after the other, then what they promised"
    );
}

struct Weak(Log);

impl Host<Builtin> for Weak {
    fn release_weak(&mut self) {
        self.0.add("release");
    }

    fn report_rejections(&mut self, _cx: &mut Cx<'_>) {
        self.0.add("rejections");
    }
}

#[test]
fn b04a_each_drain_first_releases_what_was_held_weakly() {
    let log = Log::default();
    let mut world = World::with_host(Weak(log.clone()));
    let tasks = log.clone();
    world.post(log.then("task", move |cx| cx.microtask(tasks.task("micro"))));
    world.lp.tick();
    let ran = log.take();
    assert_eq!(ran[..4], ["task", "release", "micro", "rejections"], "after the task, before its microtasks");
}

#[test]
fn b02_rejections_are_reported_after_each_pass_and_at_the_end_of_the_turn() {
    let log = Log::default();
    let mut world = World::with_host(Weak(log.clone()));
    world.post(log.task("task"));
    world.lp.with(|cx| cx.after_loop(log.task("after loop")));
    world.turn();
    let ran: Vec<_> = log.take().into_iter().filter(|entry| entry != "release").collect();
    assert_eq!(ran, ["task", "rejections", "after loop", "rejections"]);
}

#[test]
fn b05_a_callback_without_a_drain_is_a_violation() {
    let mut policy = Policy::bun();
    policy.validation = Validation::Record;
    let mut world = World::with_policy(policy);
    world.lp.call("careless", |_| ());
    world.lp.tick();
    assert_eq!(pick!(world.events(), Event::Violation { .. } => ()).len(), 1);

    world.lp.run_callback("careful", |_| ());
    world.lp.tick();
    assert_eq!(pick!(world.events(), Event::Violation { .. } => ()).len(), 0);
}

#[test]
#[should_panic(expected = "the last callback was careless")]
fn b05_in_debug_it_is_a_panic_that_names_the_last_callback() {
    let mut policy = Policy::bun();
    policy.validation = Validation::Panic;
    let mut world = World::with_policy(policy);
    world.lp.call("careless", |_| ());
    world.lp.tick();
}

#[test]
fn drain_rule_after_every_pass_is_the_other_policy() {
    let mut policy = Policy::bun();
    policy.drain = DrainRule::AfterEveryPass;
    let mut world = World::with_policy(policy);
    let log = world.log.clone();
    world.post(world.log.then("one", move |cx| cx.microtask(log.task("micro"))));
    world.post(world.log.task("two"));
    assert_eq!(world.turn(), ["one", "two", "micro"]);
}

#[test]
fn drain_rule_after_every_pass_leaves_nothing_behind_for_a_poll_that_waits() {
    let mut policy = Policy::bun();
    policy.drain = DrainRule::AfterEveryPass;
    let mut world = World::with_policy(policy);
    for at in [1, 2] {
        let log = world.log.clone();
        world.lp.with(|cx| {
            let deferred = log.clone();
            let timer = log.then("timer", move |cx| {
                cx.defer(1, move |_| {
                    deferred.add("flush");
                    false
                });
            });
            cx.set_timeout(ms(at), timer);
        });
    }
    assert_eq!(world.turn(), ["timer", "flush"]);
    assert_eq!(world.run(), ["timer", "flush"]);
}

#[test]
fn a_microtask_budget_is_the_other_policy_and_loses_none() {
    let mut policy = Policy::bun();
    policy.microtasks_per_checkpoint = Some(2);
    let mut world = World::with_policy(policy);
    let log = world.log.clone();
    world.post(world.log.then("task", move |cx| {
        for micro in ["a", "b", "c", "d", "e"] {
            cx.microtask(log.task(micro));
        }
    }));
    world.post(world.log.task("next"));
    assert_eq!(world.run(), ["task", "a", "b", "next", "c", "d", "e"]);
    let left = pick!(world.events(), Event::Microtasks { ran, left, .. } => (ran, left));
    assert_eq!(left, [(2, 3), (2, 1), (1, 0)]);
}
