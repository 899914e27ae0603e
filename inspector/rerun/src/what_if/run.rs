//! One re-execution, from the changes to the answer.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use loop_core::low_level::oracle::{Env, EnvPoller};
use loop_core::low_level::replay::{LoopState, TimerState};
use loop_core::{EventLoop, HeapHost, OnShutdown, RequestError, RunError};
use loop_probes::event::{LabelKind, Queue, RefKind, StopReason};
use loop_probes::ids::{LabelId, Ticks, TimerId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Recorder;
use loop_traces::source::{RERUN, RERUN_OF};

use super::answer::Answer;
use super::changes::Changes;
use super::explain::{self, RunOutcome};
use super::measure::Measure;
use super::plan::{Plan, Stop};
use super::play;
use super::script::{Arm, Arrival, ArrivalKind, NONE, Script};
use super::side::Side;
use super::sink::{EventSink, Output};
use super::world::{self, Played, World};
use crate::RerunError;
use crate::budget::WAITING;
use crate::engine::on_this_thread;

/// The arrivals that pass the filter.
fn arrivals(script: &Script, plan: &Plan, changes: &Changes) -> Vec<Arrival> {
    let filter = &changes.filter;
    let window_ns = filter
        .window_ns
        .map(|(from, to)| script.begin_ns.saturating_add(from)..=script.begin_ns.saturating_add(to));
    let is_wanted = |number: usize, arrival: &Arrival| {
        !plan.is_dropped(script.tag_of(arrival))
            && window_ns.as_ref().is_none_or(|window| window.contains(&arrival.at_ns))
            && filter.arrivals.as_ref().is_none_or(|kept| kept.contains(&number))
    };
    let wanted = script.arrivals.iter().enumerate().filter(|(number, arrival)| is_wanted(*number, arrival));
    wanted.map(|(_, arrival)| *arrival).collect()
}

fn metadata(script: &Script, plan: &Plan, changes: &Changes) -> Metadata {
    let mut metadata = script.metadata.clone();
    metadata.policy = plan.policy.name.to_string();
    metadata.tick_unit = loop_probes::clock::TickUnit::Monotonic;
    metadata.started.ticks = Ticks(metadata.started.monotonic.as_ns());
    metadata.settings.insert(RERUN.to_owned(), changes.to_string());
    metadata.settings.insert(RERUN_OF.to_owned(), script.name.clone());
    metadata
}

/// Re-executes `script` with `changes`.
pub(super) fn run(
    script: &Arc<Script>,
    before: &Arc<Side>,
    changes: &Changes,
    output: Option<Output<'_>>,
    stop: Option<&Stop>,
) -> Result<Answer, RerunError> {
    let plan = Plan::new(script, changes)?;
    let arrivals = arrivals(script, &plan, changes);
    let metadata = metadata(script, &plan, changes);
    let (worker_recorder, worker_capture) = Recorder::capture();
    let world = World::new(script, plan, arrivals, worker_recorder, stop.cloned());
    let (due, pauses) = (on_this_thread(&world), on_this_thread(&world));
    let (recorder, capture) = Recorder::capture_with_pauses(
        move || due.get().is_drain_pause_due(),
        move || pauses.get().pause_to_drain(),
    );
    let sink = EventSink::new(script, &world.plan, &metadata, [capture, worker_capture], output)?;
    *world.sink.borrow_mut() = Some(sink);
    let intern = |label: &LabelId| recorder.intern(Ticks(0), LabelKind::Span, &script.labels.span(*label));
    world.labels.get_or_init(|| script.spans.iter().map(|label| (*label, intern(label))).collect());
    let ran = run_in(&world, recorder);
    if let Some(refused) = world.failed.take() {
        return Err(refused);
    }
    let (ended, waiting) = ran.map_err(|error| RerunError::Restore { name: script.name.clone(), error })?;
    match ended {
        // The poller ends runs that would never end.
        Ok(_) | Err(RunError::Wait { .. }) => {}
        Err(error) => return Err(RerunError::Loop { name: script.name.clone(), error }),
    }
    world.drain();
    let ran = RunOutcome {
        synthesized: world.synthesized.get(),
        cut: world.cut.get(),
        waiting,
        over_ns: world.now_ns().saturating_sub(world.plan.end_ns),
    };
    let sink = world.sink.take();
    let unmeasured = || Ok(Measure::new(&metadata, script.detail));
    let measure = sink.map_or_else(unmeasured, |sink| sink.finish(output.is_some()))?;
    Ok(explain::answer(script, before, changes, &world.plan, &metadata, measure, ran))
}

/// Runs the loop in its world. Also returns how many tasks are left.
fn run_in(
    world: &Rc<World>,
    recorder: Recorder,
) -> Result<(Result<StopReason, RunError>, u32), RequestError> {
    let script = &world.script;
    world.begin();
    let builder = EventLoop::<Played>::builder().policy(world.plan.policy.clone()).recorder(recorder);
    let builder = if script.has_heap { builder.host(HeapHost(Env::new(world))) } else { builder };
    let mut event_loop = builder.build_in(world);
    world.heap.set(i64::try_from(script.start.heap_bytes).unwrap_or(i64::MAX));
    restore(world, &mut event_loop)?;
    event_loop.with(|cx| set_up(world, cx));
    let handle = event_loop.handle();
    if world.plan.stops || world.expects_more() {
        // Keeps the loop alive while more is to arrive.
        handle.hold();
    }
    world.attach(Some((handle, event_loop.low_level().external_events())));
    world.end();
    let ended = event_loop.run();
    world.drain();
    let waiting = event_loop.scheduler().count(RefKind::Task);
    world.attach(None);
    Ok((ended, waiting))
}

/// Restores the timers and the GC controller as they were at the beginning.
fn restore(
    world: &Rc<World>,
    event_loop: &mut EventLoop<Played, Env<World>, EnvPoller<World>>,
) -> Result<(), RequestError> {
    let script = &world.script;
    let mut state = LoopState::new(Timestamp(script.begin_ns));
    // A controller that is off has no timers.
    state.gc = script.start.gc.filter(|_| world.plan.policy.gc.enabled);
    state.notices.clone_from(&script.start.notices);
    let arms = script.start.timers.iter().map(|place| script.arms[*place as usize]);
    // A made-up recording may have a timer twice.
    let mut seen = HashSet::new();
    let arms: Vec<Arm> =
        arms.filter(|arm| !world.plan.is_dropped(arm.tag) && seen.insert(arm.timer)).collect();
    let id = |arm: &Arm| TimerId(u64::from(arm.timer) + 1);
    state.timers = arms
        .iter()
        .map(|arm| TimerState {
            timer: id(arm),
            task: play::timer_task(arm, world),
            due: Timestamp(arm.due_ns.unwrap_or(script.begin_ns)),
            period_ns: arm.period_ns,
            referenced: arm.referenced,
            on_shutdown: OnShutdown::Cancel,
        })
        .collect();
    state.next_timer = TimerId(u64::from(script.timers) + 1);
    // A made-up recording may have any number.
    state.refs.push((RefKind::Future, script.start.futures.min(WAITING)));
    state.futures = script.start.futures > 0;
    let restored = event_loop.low_level().restore(state)?;
    for arm in &arms {
        let timer = restored.timers.get(&id(arm)).copied();
        world.timers.borrow_mut()[arm.timer as usize] = world::TimerState { timer, next: arm.first };
    }
    Ok(())
}

/// Recreates the rest of the initial state.
fn set_up(world: &Rc<World>, cx: &mut loop_core::Context<'_, Played>) {
    let script = &world.script;
    let start = &script.start;
    start.sources.iter().for_each(|source| play::register(*source, world, cx));
    let mut signals = start.signals.clone();
    for arrival in &script.arrivals {
        if let ArrivalKind::Signal { signo, run } = arrival.what
            && signals.iter().all(|(known, _)| *known != signo)
            && !script.handled.contains(&signo)
        {
            signals.push((signo, script.run(run).tag));
        }
    }
    for (signo, tag) in signals {
        // The signals of the world refuse none.
        let _ = cx.on_signal(signo.into(), play::handler(signo, tag, world));
    }
    for (queue, run) in &start.tasks {
        let Some(task) = play::task(*run, world) else { continue };
        match queue {
            Queue::Immediates => drop(cx.immediate(task)),
            Queue::AfterLoop => drop(cx.after_loop(task)),
            _ => drop(cx.post(task)),
        }
    }
    start.deferred.iter().for_each(|(key, run)| play::defer(*key, *run, world, cx));
    (0..start.held.min(1 << 16)).for_each(|_| cx.hold(play::HELD));
    debug_assert!(script.runs.len() < NONE as usize, "a place is no place");
}
