//! Tests policies: the presets, custom policies, and the effect of each field.

use std::time::Duration;

use loop_core::gc::Heap;
use loop_core::policy::{DrainRule, PolicyError, PollRule, Step};
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{BuildError, Builtin, Context, EventLoop, HeapHost, Policy, Task};
use loop_probes::event::{ClockPoint, Event, Outcome, Phase, PollReason, StopReason};

use crate::kit::{Cx, World, ms, pick, policy};

#[test]
fn every_preset_has_a_name_and_passes_its_own_check() {
    for name in Policy::NAMES {
        let policy = Policy::by_name(name).unwrap();
        assert_eq!(policy.name, name);
        policy.check().unwrap();
    }
    assert_eq!(Policy::by_name("bun").unwrap(), Policy::default());
    let unknown = Policy::by_name("node\u{1b}").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no policy \"node\\u{1b}\": use one of bun, quickjs, agenda, mini"
    );
}

fn refused(change: impl FnOnce(&mut Policy)) -> PolicyError {
    let mut policy = Policy::bun();
    policy.name = "mine".into();
    change(&mut policy);
    policy.check().unwrap_err()
}

/// Bun's second half without one of its steps.
fn without(step: Step) -> Vec<Step> {
    Policy::bun().auto_tick.iter().copied().filter(|other| *other != step).collect()
}

#[test]
fn a_turn_that_starves_work_forever_is_refused() {
    let policy = || "mine".to_owned();
    for step in [Step::Poll, Step::Io, Step::Timers, Step::Immediates, Step::AfterLoop, Step::Releases] {
        assert_eq!(
            refused(|mine| mine.auto_tick = without(step).into()),
            PolicyError::Missing { policy: policy(), step }
        );
    }
    for (missing, tick) in [
        (Step::References, vec![Step::Signals, Step::Concurrent, Step::Passes]),
        (Step::Signals, vec![Step::References, Step::Concurrent, Step::Passes]),
        (Step::Concurrent, vec![Step::References, Step::Signals, Step::Passes]),
    ] {
        assert_eq!(
            refused(|mine| mine.tick = tick.into()),
            PolicyError::Missing { policy: policy(), step: missing }
        );
    }
    let no_tasks = vec![Step::References, Step::Signals, Step::Concurrent];
    assert_eq!(refused(|mine| mine.tick = no_tasks.into()), PolicyError::NoTasks { policy: policy() });
    let tasks = vec![Step::References, Step::Signals, Step::Concurrent, Step::Tasks];
    let no_drain = refused(|mine| mine.tick = tasks.into());
    assert_eq!(no_drain, PolicyError::NoDrain { policy: policy(), step: Step::LastDrain });
    let passes = refused(|mine| {
        mine.auto_tick = without(Step::Drain).into();
        mine.drain = DrainRule::AfterEveryPass;
    });
    assert_eq!(passes, PolicyError::NoDrain { policy: policy(), step: Step::Drain });
    let no_read = refused(|mine| mine.jobs_per_read = Some(16));
    assert_eq!(no_read, PolicyError::Missing { policy: policy(), step: Step::Work });
}

#[test]
fn an_order_that_makes_no_sense_is_refused() {
    let policy = || "mine".to_owned();
    let bun = Policy::bun();
    let mut twice = bun.auto_tick.to_vec();
    twice.push(Step::Poll);
    let twice = refused(|mine| mine.auto_tick = twice.into());
    assert_eq!(twice, PolicyError::Twice { policy: policy(), step: Step::Poll });
    let mut early = bun.auto_tick.to_vec();
    early.retain(|step| *step != Step::Io);
    early.insert(0, Step::Io);
    let early = refused(|mine| mine.auto_tick = early.into());
    assert_eq!(early, PolicyError::TooEarly { policy: policy(), step: Step::Io, needs: Step::Poll });
    assert_eq!(early.to_string(), "policy mine has step io before step poll: move it after poll");
    let mut waits = bun.tick.to_vec();
    waits.push(Step::Poll);
    let waits = refused(|mine| {
        mine.tick = waits.into();
        mine.auto_tick = without(Step::Poll).into();
    });
    assert_eq!(waits, PolicyError::PollInTick { policy: policy() });
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let zero = |limit| PolicyError::Zero { policy: "mine".to_owned(), limit };
    assert_eq!(refused(|mine| mine.tasks_per_tick = 0), zero("tasks_per_tick"));
    assert_eq!(refused(|mine| mine.jobs_per_read = Some(0)), zero("jobs_per_read"));
    assert_eq!(refused(|mine| mine.microtasks_per_checkpoint = Some(0)), zero("microtasks_per_checkpoint"));
    assert_eq!(refused(|mine| mine.task_time_per_tick = Some(Duration::ZERO)), zero("task_time_per_tick"));
    assert_eq!(refused(|mine| mine.name = " ".into()), PolicyError::Unnamed);
}

#[test]
fn a_loop_refuses_an_invalid_policy() {
    let mut policy = Policy::bun();
    policy.tasks_per_tick = 0;
    let refused = EventLoop::<Builtin>::builder().policy(policy).build().unwrap_err();
    assert!(matches!(refused, BuildError::Policy(PolicyError::Zero { limit: "tasks_per_tick", .. })));
}

#[test]
fn the_order_of_a_turn_is_what_the_policy_lists() {
    let mut backwards = Policy::bun().auto_tick.to_vec();
    backwards.retain(|step| *step != Step::Immediates);
    backwards.push(Step::Immediates);
    for (steps, order) in [
        (Policy::bun().auto_tick.to_vec(), ["immediate", "timer", "after loop"]),
        (backwards, ["timer", "after loop", "immediate"]),
    ] {
        let mut world = World::with_policy(policy(|policy| policy.auto_tick = steps.into()));
        let log = world.log.clone();
        world.lp.with(|cx| {
            cx.after_loop(log.task("after loop"));
            cx.set_timeout(ms(0), log.task("timer"));
            cx.immediate(log.task("immediate"));
        });
        assert_eq!(world.turn(), order);
    }
}

#[test]
fn agenda_runs_until_stopped_and_polls_every_1600_ms() {
    let mut world = World::with_policy(Policy::agenda());
    assert_eq!(world.lp.run_for(ms(2000)).unwrap(), StopReason::Deadline, "nothing keeps it alive");
    let handle = world.lp.handle();
    world.sim.at(ms(5000), move || handle.stop());
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped);
    assert_eq!(world.sim.elapsed(), ms(5000));
    let waits =
        pick!(world.events(), Event::Poll { reason: PollReason::Default, timeout_ns, .. } => timeout_ns);
    assert_eq!(waits, [Some(1_600_000_000); 3]);
    assert_eq!(world.lp.policy().sources_max, Some(128));
}

#[test]
fn agenda_fires_all_due_timers_in_one_turn() {
    let mut world = World::with_policy(Policy::agenda());
    let log = world.log.clone();
    world.lp.with(|cx| {
        for (at, timer) in [(3, "third"), (1, "first"), (2, "second")] {
            cx.set_timeout(ms(at), log.task(timer));
        }
    });
    world.sim.advance(ms(4));
    assert_eq!(world.turn(), ["first", "second", "third"]);
}

/// Posts itself this many times.
fn again(cx: &mut Cx<'_>, left: u32) {
    if left > 0 {
        cx.post(Builtin::once("again", move |cx| again(cx, left - 1)));
    }
}

#[test]
fn mini_polls_only_when_no_task_is_queued() {
    let mini = |poll| {
        let mut policy = Policy::mini();
        (policy.tasks_per_tick, policy.poll) = (10, poll);
        let mut world = World::with_policy(policy);
        world.lp.with(|cx| again(cx, 25));
        world.run();
        pick!(world.events(), Event::Poll { .. } => ()).len()
    };
    assert_eq!(mini(PollRule::WhenNoTask), 1, "after the third turn, which emptied the queue");
    assert_eq!(mini(PollRule::EveryTurn), 3);
}

#[test]
fn mini_fires_timers_while_tasks_keep_it_from_polling() {
    let mut policy = Policy::mini();
    policy.tasks_per_tick = 1;
    let mut world = World::with_policy(policy);
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.set_timeout(ms(0), log.task("timer"));
        again(cx, 5);
    });
    assert_eq!(world.turn(), ["timer"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::Poll { .. } => ()).len(), 0);
    let points = pick!(events, Event::InputClock { point, .. } => point);
    assert_eq!(
        points,
        [ClockPoint::Arm, ClockPoint::Timers],
        "the reading that they were judged by is recorded"
    );
}

/// The number of polls in ten turns of a loop whose immediates each take a millisecond and set the next one.
fn polls_of_ten_turns(gap: Duration, tasks_per_tick: u32) -> usize {
    fn next(sim: loop_core::sim::Sim, left: u32) -> Builtin {
        Builtin::once("immediate", move |cx| {
            sim.advance(ms(1));
            cx.post(Builtin::once("task", |_| ()));
            if left > 1 {
                cx.immediate(next(sim, left - 1));
            }
        })
    }
    let mut world = World::with_policy(policy(|policy| {
        policy.poll_gap = gap;
        policy.tasks_per_tick = tasks_per_tick;
    }));
    let first = next(world.sim.clone(), 10);
    world.lp.with(|cx| cx.immediate(first));
    for _ in 0..10 {
        world.turn();
    }
    pick!(world.events(), Event::Poll { .. } => ()).len()
}

#[test]
fn a_poll_gap_leaves_out_looks_that_come_too_soon_while_there_is_work() {
    assert_eq!(polls_of_ten_turns(Duration::ZERO, 10_000), 10);
    assert_eq!(polls_of_ten_turns(ms(4), 10_000), 3, "in the turns that end at 1, 5 and 9 ms");
    assert_eq!(polls_of_ten_turns(ms(4), 1), 10, "not where the budget was spent");
}

#[test]
fn a_poll_gap_never_keeps_a_loop_from_waiting_and_puts_off_no_timer() {
    let mut world = World::with_policy(policy(|policy| policy.poll_gap = ms(1000)));
    let log = world.log.clone();
    world.turn();
    world.lp.with(|cx| {
        cx.set_timeout(ms(3), log.task("timer"));
        cx.immediate(log.then("immediate", {
            let sim = world.sim.clone();
            let late = log.task("posted");
            move |cx| {
                sim.advance(ms(3));
                cx.post(late);
            }
        }));
    });
    let _ = world.events();
    assert_eq!(world.turn(), ["immediate", "timer"], "the poll was left out, the timer was not");
    assert_eq!(pick!(world.events(), Event::Poll { .. } => ()).len(), 0);
    assert_eq!(world.turn(), ["posted"]);
    world.lp.with(|cx| cx.set_timeout(ms(2), log.task("waited for")));
    assert_eq!(world.run(), ["waited for"]);
    assert_eq!(world.sim.elapsed(), ms(5));
}

/// Reloads, and logs its name.
fn reloads(log: &crate::kit::Log, name: &'static str) -> Builtin {
    log.then(name, |cx| cx.reload())
}

#[test]
fn b03_a_reload_ends_the_batch_of_timers_and_the_rest_fires_next_turn_in_order() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.set_timeout(ms(1), log.task("a"));
        cx.set_timeout(ms(1), reloads(&log, "reload"));
        cx.set_timeout(ms(1), log.task("b"));
        cx.set_timeout(ms(1), log.task("c"));
    });
    world.sim.advance(ms(1));
    assert_eq!(world.turn(), ["a", "reload"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::TickEnd { tasks_run, .. } => tasks_run), [1], "it is not counted");
    assert_eq!(world.turn(), ["b", "c"]);
}

/// A task that panics has not reloaded anything, on the fast path of plain tasks as on the other.
#[test]
fn b03_a_reload_that_panics_ends_no_batch() {
    for policy in [Policy::bun(), policy(|policy| policy.task_time_per_tick = Some(ms(1_000)))] {
        let mut world = World::with_policy(policy);
        let log = world.log.clone();
        world.lp.with(|cx| {
            cx.post(log.then("panics", |cx| {
                cx.reload();
                std::panic::resume_unwind(Box::new("on purpose"));
            }));
            cx.post(log.task("next"));
        });
        assert_eq!(world.turn(), ["panics", "next"]);
    }
}

#[test]
fn b03_a_reload_ends_the_batch_of_immediates_and_the_rest_runs_next_turn_in_order() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| {
        let (micro, late) = (log.task("micro"), log.task("set by the reload"));
        cx.immediate(log.task("a"));
        cx.immediate(log.then("reload", move |cx| {
            cx.microtask(micro);
            cx.immediate(late);
            cx.reload();
        }));
        cx.immediate(log.task("b"));
        cx.after_loop(reloads(&log, "after loop"));
        cx.after_loop(log.task("after that"));
    });
    assert_eq!(world.turn(), ["a", "reload", "micro", "after loop"], "and the next batch ends too");
    assert_eq!(world.turn(), ["b", "set by the reload", "after that"]);
}

#[test]
fn b03_a_reload_ends_the_batch_of_ready_sources_and_the_rest_is_reported_again() {
    let mut world = World::new();
    let log = world.log.clone();
    let sources = [SimSource::new(), SimSource::new()];
    world.lp.with(|cx| {
        for (source, label) in sources.iter().zip(["first", "second"]) {
            let io = log.repeat(label, |cx| cx.reload());
            cx.register(source.clone(), Interest::READABLE, io).unwrap();
            world.sim.ready_at(ms(1), source, Readiness::READABLE);
        }
    });
    assert_eq!((world.turn(), world.turn()), (vec!["first".to_owned()], vec!["second".to_owned()]));
}

/// A heap that cannot be collected.
struct Broken;

impl Heap for Broken {
    fn bytes(&self) -> u64 {
        1000
    }

    fn collect(&mut self) {
        panic!("the heap is broken");
    }
}

#[test]
fn a_collection_that_panics_does_not_leave_the_loop() {
    let mut world = World::with_host(HeapHost(Broken));
    world.post(world.log.task("task"));
    assert_eq!(world.run(), ["task"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::Exception { task, .. } => task), [None]);
    let ran = pick!(events, Event::GcRan { heap_bytes_before, heap_bytes_after, .. } => (heap_bytes_before, heap_bytes_after));
    assert_eq!(ran, [(1000, 1000)]);
    assert_eq!(pick!(events, Event::Phase { phase, .. } => phase), [Phase::Gc, Phase::Tasks]);
    assert_eq!(world.lp.metrics().panics, 1);
}

/// A task type into which some posts cannot be converted.
struct Picky(u32);

impl From<u32> for Picky {
    fn from(remote: u32) -> Self {
        assert!(remote != 2, "two is not a task");
        Self(remote)
    }
}

impl Task for Picky {
    type Remote = u32;
    loop_core::tags!("Picky");

    fn run(self, _: &mut Context<'_, Self>) {}

    fn again(&self) -> Option<Self> {
        Some(Self(self.0))
    }
}

#[test]
fn a_post_that_panics_on_its_way_in_is_one_post_lost_and_recorded() {
    let (recorder, capture) = loop_probes::recorder::Recorder::capture();
    let sim = loop_core::sim::Sim::new();
    let mut event_loop = sim.build(EventLoop::<Picky>::builder().recorder(recorder));
    let handle = event_loop.handle();
    (1..=3).for_each(|number| handle.post(number).unwrap());
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let outcomes = pick!(events, Event::TaskRan { outcome, .. } => outcome);
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done]);
    assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1);
    assert_eq!(event_loop.metrics().panics, 1);
}

#[test]
fn a_time_for_tasks_ends_the_passes_of_a_tick_and_the_readings_are_recorded() {
    let mut world = World::with_policy(policy(|policy| policy.task_time_per_tick = Some(ms(2))));
    for _ in 0..5 {
        let sim = world.sim.clone();
        let task = world.log.then("task", move |_| sim.advance(ms(1)));
        world.post(task);
    }
    let ran: Vec<usize> = (0..3).map(|_| world.turn().len()).collect();
    assert_eq!(ran, [2, 2, 1], "the third would begin when the time is over");
    let events = world.events();
    let readings = pick!(events, Event::InputClock { point: ClockPoint::Budget, .. } => ());
    assert_eq!(readings.len(), 3 + 3 + 1, "one before each task, and one that ends each pass but the last");
    assert_eq!(pick!(events, Event::Poll { timeout_ns: Some(0), .. } => ()).len(), 3);
}

#[test]
fn a_session_that_states_a_policy_has_said_it_for_its_loops() {
    let policy_of = |session: &str, own: Option<Policy>| {
        let session = loop_core::Session::builder("test").policy(session).private();
        let mut builder = EventLoop::<Builtin>::builder().session(&session, "main");
        if let Some(own) = own {
            builder = builder.policy(own);
        }
        builder.build().unwrap().policy().name.clone()
    };
    assert_eq!(policy_of("quickjs", None), "quickjs");
    assert_eq!(policy_of("of my own", None), "bun");
    assert_eq!(policy_of("quickjs", Some(Policy::mini())), "mini");
}
