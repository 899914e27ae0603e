//! Tests the order of a tick's steps one by one, as the statements name them.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::gc::Heap;
use loop_core::policy::Validation;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{Sim, SimHeap, SimSource};
use loop_core::{Builtin, EventLoop, HeapHost, Host, Policy};
use loop_probes::event::{Event, GcReason, LabelKind, PollReason, Queue, RefKind};
use loop_probes::ids::Ticks;
use loop_probes::recorder::Recorder;

use crate::kit::{Cx, Log, World, ms, name, pick};

/// A heap whose bytes are all live.
fn heap() -> SimHeap {
    SimHeap::with_live(u64::MAX)
}

/// The name of the step that an event shows.
fn step(event: &Event<Ticks>) -> Option<&'static str> {
    match *event {
        Event::RefChanged { what: RefKind::Handle, .. } => Some("references"),
        Event::SignalArrived { .. } => Some("signals"),
        Event::GcDecision { reason: GcReason::Periodic, .. } => Some("collector's timers"),
        Event::InputBatch { queue: Queue::Concurrent, .. } => Some("posts"),
        Event::GcDecision { .. } => Some("collector's check"),
        Event::TaskRan { .. } => Some("task"),
        _ => None,
    }
}

/// A loop that measures the heap at each check, however recent the last measurement.
fn measured_at_each_check(cache: SimHeap) -> World {
    let mut policy = Policy::bun();
    policy.gc.sample_ns = 0;
    World::build(|builder| builder.policy(policy).host(HeapHost(cache)))
}

#[test]
fn b01_references_signals_the_collectors_timers_posts_the_collectors_check_tasks() {
    let cache = heap();
    let mut world = measured_at_each_check(cache.clone());
    let (sim, handle) = (world.sim.clone(), world.lp.handle());
    world.lp.with(|cx| {
        cx.hold("test");
        cx.on_signal(10, Builtin::repeat("signal", |_| ())).unwrap();
    });
    sim.signal_at(ms(1), 10);
    world.sim.at(ms(1), move || {
        handle.hold();
        handle.post(Builtin::remote("posted", |_| ())).unwrap();
    });
    world.turn();
    let _ = world.events();
    cache.set(5);
    sim.advance(ms(1_000));
    world.lp.tick();
    let steps: Vec<_> = world.events().iter().filter_map(step).collect();
    let expected =
        ["references", "signals", "collector's timers", "posts", "collector's check", "task", "task"];
    assert_eq!(steps, expected);
}

/// Reports once, by posting a task.
struct Reports(Option<Builtin>, Log);

impl Host<Builtin> for Reports {
    fn release_weak(&mut self) {
        self.1.add("release");
    }

    fn report_rejections(&mut self, cx: &mut Cx<'_>) {
        if let Some(task) = self.0.take() {
            cx.post(task);
        }
    }
}

#[test]
fn b01_after_a_pass_posts_are_taken_and_then_rejections_handled() {
    let log = Log::default();
    let mut world = World::with_host(Reports(Some(log.task("reported")), Log::default()));
    let (handle, seen) = (world.lp.handle(), log.clone());
    world.post(log.then("first", move |_| {
        handle.post(Builtin::remote("posted", |_| ())).unwrap();
        seen.add("posts");
    }));
    world.lp.tick();
    assert_eq!(log.take(), ["first", "posts", "reported"]);
    let ran = pick!(world.events(), Event::TaskRan { tag, .. } => name(tag));
    assert_eq!(ran, ["first", "posted", "reported"]);
}

#[test]
fn b01_what_the_last_drain_posts_from_another_thread_runs_in_the_same_tick() {
    let mut world = World::new();
    let handle = world.lp.handle();
    world.lp.with(|cx| {
        cx.microtask(Builtin::once("micro", move |_| {
            handle.post(Builtin::remote("posted", |_| ())).unwrap();
        }));
    });
    world.lp.tick();
    assert_eq!(world.lp.metrics().tasks_run, 1);
}

#[test]
fn b04a_the_last_drain_releases_what_was_held_weakly_too() {
    let log = Log::default();
    let mut world = World::with_host(Reports(None, log.clone()));
    world.lp.with(|cx| cx.microtask(log.task("micro")));
    world.lp.tick();
    assert_eq!(log.take(), ["release", "micro"]);
}

/// A host with a heap, which records when it is asked about rejections.
struct Watching(SimHeap);

impl Host<Builtin> for Watching {
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        Some(&mut self.0)
    }

    fn report_rejections(&mut self, cx: &mut Cx<'_>) {
        cx.mark("rejections");
    }
}

#[test]
fn b02_each_step_in_its_place() {
    let mut world = World::with_host(Watching(heap()));
    let source = SimSource::new();
    world.lp.with(|cx| {
        cx.hold("socket");
        cx.immediate(Builtin::once("immediate", |cx| cx.release_later("socket")));
        cx.set_timeout(ms(3), Builtin::once("timer", |_| ()));
        let io = Builtin::repeat("io", |cx| {
            cx.after_loop(Builtin::once("after loop", |_| ()));
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
    });
    world.sim.ready_at(ms(3), &source, Readiness::READABLE);
    let steps_of = |world: &World| -> Vec<String> {
        let step = |event: Event<Ticks>| match event {
            Event::TaskRan { tag, .. } | Event::IoReady { tag, .. } => Some(name(tag)),
            Event::RefChanged { what: RefKind::Handle, delta: -1, .. } => Some("release".to_owned()),
            Event::GcDecision { .. } => Some("collector's check".to_owned()),
            Event::Poll { reason, .. } => Some(format!("poll {reason}")),
            Event::Mark { .. } => Some("rejections".to_owned()),
            _ => None,
        };
        world.events().into_iter().filter_map(step).collect()
    };
    let _ = world.events();
    world.lp.auto_tick().unwrap();
    let expected = [
        "immediate",
        "release",
        "collector's check",
        "poll timer",
        "io",
        "timer",
        "after loop",
        "rejections",
    ];
    assert_eq!(steps_of(&world), expected);
    // After-loop callbacks run once.
    world.lp.with(|cx| cx.set_timeout(ms(1), Builtin::once("timer", |_| ())));
    let _ = world.events();
    world.lp.auto_tick().unwrap();
    assert_eq!(steps_of(&world), ["collector's check", "poll timer", "timer", "rejections"]);
}

/// Deviates from Bun: a pending after-loop callback makes the poll non-blocking, even if the turn could wait for a
/// timer.
#[test]
fn b02_what_comes_after_the_loop_lets_no_poll_wait() {
    let mut world = World::new();
    world.lp.with(|cx| {
        cx.set_timeout(ms(5), Builtin::once("timer", |_| ()));
        cx.after_loop(Builtin::once("after loop", |_| ()));
    });
    world.lp.auto_tick().unwrap();
    assert_eq!((reasons(&world), world.sim.elapsed()), (vec![PollReason::NonBlock], ms(0)));
    assert_eq!(world.lp.metrics().tasks_run, 1);
}

#[test]
fn b02_immediates_that_remain_let_no_poll_wait() {
    let mut world = World::new();
    world.lp.with(|cx| {
        cx.set_timeout(ms(5), Builtin::once("timer", |_| ()));
        cx.immediate(Builtin::once("first", |cx| {
            cx.immediate(Builtin::once("remains", |_| ()));
        }));
    });
    world.lp.auto_tick().unwrap();
    assert_eq!((reasons(&world), world.sim.elapsed()), (vec![PollReason::NonBlock], ms(0)));
}

fn reasons(world: &World) -> Vec<PollReason> {
    pick!(world.events(), Event::Poll { reason, .. } => reason)
}

#[test]
fn b02_a_release_by_an_immediate_counts_before_the_poll() {
    let mut world = World::new();
    world.lp.with(|cx| {
        cx.hold("socket");
        cx.immediate(Builtin::once("closes", |cx| cx.release_later("socket")));
    });
    world.turn();
    assert_eq!(reasons(&world), [PollReason::NonBlock]);
}

#[test]
fn b02_the_collector_is_asked_before_the_poll_only_where_something_keeps_the_loop_alive() {
    let mut world = measured_at_each_check(heap());
    for (alive, checks) in [(false, 1), (true, 2)] {
        if alive {
            world.lp.with(|cx| cx.set_timeout(ms(1), Builtin::once("timer", |_| ())));
        }
        world.turn();
        assert_eq!(pick!(world.events(), Event::GcDecision { .. } => ()).len(), checks);
    }
}

#[test]
fn b16_the_repeating_timer_collects_in_the_turn_whose_poll_it_ended() {
    let mut world = World::with_host(HeapHost(heap()));
    world.lp.with(|cx| cx.hold("test"));
    world.turn();
    assert_eq!(world.sim.elapsed(), ms(1_000));
    let decided = pick!(world.events(), Event::GcDecision { reason, .. } => reason);
    assert_eq!(decided.last(), Some(&GcReason::Periodic));
}

#[test]
fn b02_a_poll_does_not_wait_if_something_arrived_during_the_turn() {
    let mut world = World::new();
    let handle = world.lp.handle();
    world.lp.with(|cx| {
        cx.hold("test");
        cx.on_signal(10, Builtin::repeat("signal", |_| ())).unwrap();
        cx.immediate(Builtin::once("posts", move |_| {
            handle.post(Builtin::remote("posted", |_| ())).unwrap();
        }));
    });
    world.lp.auto_tick().unwrap();
    assert_eq!(reasons(&world), [PollReason::NonBlock], "a post");
    world.lp.tick();
    world.sim.signal_at(ms(1), 10);
    world.lp.auto_tick().unwrap();
    assert_eq!(reasons(&world), [PollReason::Idle]);
    world.lp.auto_tick().unwrap();
    assert_eq!(reasons(&world), [PollReason::NonBlock], "the signal waits in its ring");
}

/// A script engine with its own job queue.
struct Jobs(u32);

impl Host<Builtin> for Jobs {
    fn has_microtasks(&self) -> bool {
        self.0 > 0
    }

    fn run_microtask(&mut self, _cx: &mut Cx<'_>) -> bool {
        self.0 -= 1;
        true
    }
}

#[test]
fn b02_a_poll_does_not_wait_where_the_host_has_microtasks() {
    let mut policy = Policy::bun();
    policy.microtasks_per_checkpoint = Some(1);
    let mut world = World::build(|builder| builder.policy(policy).host(Jobs(2)));
    world.lp.with(|cx| cx.hold("test"));
    world.turn();
    assert_eq!(reasons(&world), [PollReason::NonBlock]);
}

#[test]
fn b05_the_event_names_the_last_callback_and_debug_builds_panic_by_default() {
    let by_default = if cfg!(debug_assertions) { Validation::Panic } else { Validation::Record };
    assert!(Policy::NAMES.iter().all(|name| Policy::by_name(name).unwrap().validation == by_default));
    let (recorder, capture) = Recorder::capture();
    let mut policy = Policy::bun();
    policy.validation = Validation::Record;
    let mut event_loop = Sim::new().build(EventLoop::<Builtin>::builder().policy(policy).recorder(recorder));
    for label in ["careful", "careless"] {
        event_loop.call(label, |_| ());
    }
    event_loop.tick();
    event_loop.tick();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let said = pick!(events, Event::Violation { rule } => capture.label(LabelKind::Text, rule.0).unwrap());
    assert_eq!(said.len(), 1, "the account is closed at each pass");
    assert!(said[0].contains("2 callbacks ran outside a tick but only 0 drains followed"), "{said:?}");
    assert!(said[0].contains("the last callback was careless"), "{said:?}");
}

#[test]
fn b05_a_callback_that_nests_in_another_owes_no_drain_of_its_own() {
    let mut policy = Policy::bun();
    policy.validation = Validation::Record;
    let mut world = World::with_policy(policy);
    world.lp.enter();
    world.lp.enter();
    world.lp.call("nested", |_| ());
    world.lp.tick();
    world.lp.exit();
    world.lp.exit();
    assert_eq!(pick!(world.events(), Event::Violation { .. } => ()).len(), 0);
}

#[test]
fn b15_a_signal_that_came_with_the_last_timer_is_still_delivered() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.on_signal(10, log.repeat("signal", |_| ())).unwrap();
        cx.set_timeout(ms(1), log.task("timer"));
    });
    world.sim.signal_at(ms(1), 10);
    assert_eq!(world.run(), ["timer", "signal"]);
}

#[test]
fn l07_a_source_that_takes_the_place_of_a_removed_one_does_not_get_its_readiness() {
    let mut world = World::new();
    let (log, first, second) = (world.log.clone(), SimSource::new(), SimSource::new());
    world.lp.with(|cx| {
        let (inner, late) = (log.clone(), Rc::new(Cell::new(None)));
        let removed = Rc::clone(&late);
        let io = log.repeat("first", move |cx| {
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
            cx.remove(removed.get().unwrap()).unwrap();
            for _ in 0..2 {
                let new =
                    cx.register(SimSource::new(), Interest::READABLE, inner.repeat("new", |_| ())).unwrap();
                cx.set_source_referenced(new, false).unwrap();
            }
        });
        cx.register(first.clone(), Interest::READABLE, io).unwrap();
        late.set(Some(
            cx.register(second.clone(), Interest::READABLE, log.repeat("second", |_| ())).unwrap(),
        ));
    });
    for source in [&first, &second] {
        world.sim.ready_at(ms(1), source, Readiness::READABLE);
    }
    assert_eq!(world.run(), ["first"]);
}

#[test]
fn b23_a_source_that_is_removed_while_unreferenced_gives_nothing_back_twice() {
    let mut world = World::new();
    world.lp.with(|cx| {
        cx.hold("test");
        let io = cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ())).unwrap();
        cx.set_source_referenced(io, false).unwrap();
        cx.remove(io).unwrap();
    });
    let changes = pick!(world.events(), Event::RefChanged { what, delta, alive } => (what, delta, alive));
    assert_eq!(changes, [(RefKind::Handle, 1, 1), (RefKind::Io, 1, 2), (RefKind::Io, -1, 1)]);
}
