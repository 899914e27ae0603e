//! Tests callbacks that panic, fail or take too long.

use loop_core::policy::PanicRule;
use loop_core::{Builtin, EventLoop, Policy, RunError};
use loop_probes::event::{Event, Outcome, StopReason};
use loop_probes::recorder::Recorder;

use crate::kit::{World, ms, name, pick};

#[test]
fn a_panic_is_recorded_counted_and_does_not_stop_the_loop() {
    let mut world = World::new();
    world.post(Builtin::once("bad", |_| panic!("the cache is on fire")));
    world.post(world.log.task("good"));
    assert_eq!(world.run(), ["good"]);
    assert_eq!(world.lp.metrics().panics, 1);
    let events = world.events();
    let outcomes = pick!(events, Event::TaskRan { outcome, .. } => outcome);
    assert_eq!(outcomes, [Outcome::Panicked, Outcome::Done]);
    assert_eq!(pick!(events, Event::Exception { task, .. } => task.is_some()), [true]);
}

#[test]
fn a_panic_stops_the_loop_where_the_policy_says_so() {
    let mut policy = Policy::bun();
    policy.panics = PanicRule::Stop;
    let mut world = World::with_policy(policy);
    world.post(Builtin::once("bad", |_| panic!("the cache is on fire")));
    let failed = world.lp.run().unwrap_err();
    assert!(
        matches!(&failed, RunError::Panicked { tag, message } if tag == "bad" && message.contains("fire"))
    );
    assert_eq!(pick!(world.events(), Event::LoopStopped { reason } => reason), [StopReason::Failed]);
}

#[test]
fn a_panic_of_what_runs_last_fails_the_run_that_it_is_in() {
    for mut policy in [Policy::bun(), Policy::quickjs(), Policy::mini()] {
        policy.panics = PanicRule::Stop;
        let name = policy.name.clone();
        let mut world = World::with_policy(policy);
        world.post(Builtin::once("last", |cx| {
            cx.microtask(Builtin::once("bad", |_| panic!("the cache is on fire")));
        }));
        let failed = world.lp.run();
        assert!(matches!(failed, Err(RunError::Panicked { .. })), "{name}: {failed:?}");
        assert_eq!(world.lp.run().unwrap(), StopReason::Drained, "{name}");
    }
}

#[test]
fn a_failed_task_says_so() {
    let mut world = World::new();
    world.post(Builtin::once("fails", |cx| cx.fail("no such file")));
    world.run();
    let events = world.events();
    assert_eq!(pick!(events, Event::TaskRan { outcome, .. } => outcome), [Outcome::Failed]);
    assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1);
}

#[test]
fn a_task_over_its_limit_is_slow_by_the_machines_own_clocks() {
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::<Builtin>::builder().recorder(recorder).build().unwrap();
    // The first task runs before the rate of the record clock is known.
    for slow in ["slow first", "slow second"] {
        event_loop.post(Builtin::once(slow, |_| std::thread::sleep(ms(25))));
    }
    event_loop.run().unwrap();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let slow = pick!(events, Event::SlowTask { tag, limit_ns, .. } => (name(tag), limit_ns));
    let slow: Vec<(&str, u64)> = slow.iter().map(|(tag, limit)| (tag.as_str(), *limit)).collect();
    assert_eq!(slow, [("slow first", 10_000_000), ("slow second", 10_000_000)]);
}

#[test]
fn a_task_over_its_limit_is_slow() {
    let mut world = World::new();
    for took in [2, 11, 10] {
        let sim = world.sim.clone();
        world.post(Builtin::once("works", move |_| sim.advance(ms(took))));
    }
    world.run();
    let slow = pick!(world.events(), Event::SlowTask { limit_ns, start, .. } => (limit_ns, start));
    assert_eq!(slow.len(), 1, "10 ms is the limit, not over it");
    assert_eq!(slow[0].0, 10_000_000);
}
