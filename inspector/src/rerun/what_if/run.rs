//! One re-execution, from the changes to the answer.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use loop_core::oracle::{Env, EnvPoller};
use loop_core::policy::Validation;
use loop_core::replay::{LoopState, TimerState};
use loop_core::{EventLoop, HeapHost, LoopError, OnShutdown, Policy};
use loop_probes::event::{LabelKind, Queue, RefKind, StopReason};
use loop_probes::ids::{LabelId, SourceId, Tag, Ticks, TimerId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Recorder;
use loop_probes::text::printable;
use loop_traces::source::{RERUN, RERUN_OF};

use super::explain::{self, RunOutcome};
use super::measure::Measure;
use super::play;
use super::script::{Arm, Arrival, ArrivalKind, NONE, Script};
use super::sink::EventSink;
use super::tags::Names;
use super::task::Played;
use super::world::{self, World};
use super::{Answer, Changes, Stop};
use crate::rerun::RerunError;
use crate::rerun::engine::on_this_thread;

/// The changes, resolved against one recording.
pub(super) struct Plan {
    pub(super) policy: Policy,
    /// This process's tag for each recorded one.
    tags: Vec<Tag>,
    /// Factors for the run time of callbacks, by recorded tag; empty if none is scaled.
    factors: Vec<f64>,
    dropped: Vec<bool>,
    typical_ns: Vec<u64>,
    pub(super) workers: u16,
    /// Workers of the agenda; 0 if there is no agenda.
    pub(super) agenda_workers: u16,
    /// The emitter of the loop.
    source: SourceId,
    /// Nothing arrives before this.
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    /// The loop is stopped at the end; otherwise it ends when nothing is left to do.
    pub(super) stops: bool,
}

impl Plan {
    fn new(script: &Script, changes: &Changes) -> Result<Self, RerunError> {
        let names = Names::of(script);
        let mut factors = Vec::new();
        for (place, (name, factor)) in changes.scale.iter().enumerate() {
            if let Some((_, first)) = changes.scale[..place].iter().find(|(earlier, _)| earlier == name) {
                let tag = printable(name);
                return Err(RerunError::ScaledTwice { tag, first: *first, second: *factor });
            }
            factors.resize(names.len(), 1.0);
            names.find("--scale", name)?.for_each(|place| factors[place] = *factor);
        }
        let mut dropped = vec![false; names.len()];
        for name in &changes.drop {
            names.find("--drop", name)?.for_each(|place| dropped[place] = true);
        }
        if let Some(kept) = &changes.filter.tags {
            names.iter().for_each(|(place, name)| dropped[place] |= place > 0 && !kept.contains(name));
        }
        let tags = names.in_this_process();
        let mut typical_ns = vec![0; usize::from(tags.iter().map(|tag| tag.0).max().unwrap_or(0)) + 1];
        for (recorded, (tag, ns)) in tags.iter().zip(&script.typical_ns).enumerate() {
            typical_ns[usize::from(tag.0)] = scaled(&factors, recorded, *ns);
        }
        let drains = matches!(script.ended, Some(StopReason::Drained | StopReason::Policy));
        let window_ns = changes.filter.window_ns;
        let end_ns = window_ns.map_or(script.end_ns, |(_, to)| script.begin_ns.saturating_add(to));
        Ok(Self {
            policy: policy(script, changes)?,
            tags,
            factors,
            dropped,
            typical_ns,
            workers: changes.workers.unwrap_or(script.workers),
            agenda_workers: match script.agenda_workers {
                0 => 0,
                recorded => changes.workers.unwrap_or(recorded).max(1),
            },
            source: script.source,
            begin_ns: script.begin_ns.saturating_add(window_ns.map_or(0, |(from, _)| from)),
            end_ns: end_ns.min(script.end_ns),
            stops: !drains || window_ns.is_some(),
        })
    }

    /// This process's tag for a recorded one.
    pub(super) fn tag_of(&self, tag: Tag) -> Tag {
        self.tags.get(usize::from(tag.0)).copied().unwrap_or_default()
    }

    pub(super) fn is_dropped(&self, recorded: Tag) -> bool {
        self.dropped.get(usize::from(recorded.0)).copied().unwrap_or(false)
    }

    /// The median cost of a callback with this tag (of this process), scaled by the tag's factor.
    pub(super) fn typical_ns(&self, tag: Tag) -> u64 {
        self.typical_ns.get(usize::from(tag.0)).copied().unwrap_or(0)
    }

    /// Scales `ns` of a callback by the factor of its recorded tag.
    pub(super) fn scaled(&self, recorded: Tag, ns: u64) -> u64 {
        scaled(&self.factors, usize::from(recorded.0), ns)
    }

    /// The emitter for a worker of the pool.
    pub(super) const fn worker(&self, worker: u16) -> SourceId {
        SourceId(self.source.0.saturating_add(1 + worker as u32))
    }

    /// The emitter for the agenda: the agenda itself is 0, its workers count from 1.
    pub(super) const fn agenda_side(&self, emitter: u16) -> SourceId {
        SourceId(self.worker(self.workers).0.saturating_add(emitter as u32))
    }

    /// This process's tags, indexed by recorded tag.
    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

/// Scales `ns` by the factor of a recorded tag, 1 if it has none.
fn scaled(factors: &[f64], recorded: usize, ns: u64) -> u64 {
    factors.get(recorded).map_or(ns, |factor| (ns as f64 * factor) as u64)
}

fn policy(script: &Script, changes: &Changes) -> Result<Policy, RerunError> {
    let recorded = recorded_policy(script);
    let (mut policy, recorded) = match &changes.policy {
        Some(name) => (Policy::by_name(name).map_err(RerunError::Policy)?, recorded.ok()),
        None => {
            let recorded = recorded?;
            (recorded.clone(), Some(recorded))
        }
    };
    if let Some(recorded) = recorded {
        // GC settings belong to the program's environment, and recording settings are not part of a policy.
        (policy.gc, policy.slow_task_limit) = (recorded.gc, recorded.slow_task_limit);
        (policy.snapshot_interval, policy.snapshot_parts_max) =
            (recorded.snapshot_interval, recorded.snapshot_parts_max);
    }
    if let Some(on) = changes.gc {
        policy.gc.enabled = on;
    }
    if changes.budget.is_some() {
        policy.task_time_per_tick = changes.budget;
    }
    if changes.snapshot_every_tick {
        policy.snapshot_interval = std::time::Duration::ZERO;
    }
    policy.validation = Validation::Record;
    Ok(policy)
}

/// The policy of the recording: from its recorded values or, without them, by its name.
fn recorded_policy(script: &Script) -> Result<Policy, RerunError> {
    let (name, values) = (&script.metadata.policy, &script.start.policy);
    if values.is_empty() {
        return Policy::by_name(name)
            .map_err(|_| RerunError::ForeignPolicy { name: script.name.clone(), policy: printable(name) });
    }
    Policy::from_values(name.as_str(), values.iter().copied())
        .map_err(|error| RerunError::DamagedPolicy { name: script.name.clone(), error })
}

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
    script: &Rc<Script>,
    changes: &Changes,
    output: Option<&Path>,
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
    let (ended, waiting) = run_in(&world, recorder);
    if let Some(refused) = world.failed.take() {
        return Err(refused);
    }
    match ended {
        // The poller ends runs that would never end.
        Ok(_) | Err(LoopError::Wait { .. }) => {}
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
    let measure = sink.map_or_else(|| Ok(Measure::new(&metadata)), |sink| sink.finish(output.is_some()))?;
    Ok(explain::answer(script, changes, &world.plan, &metadata, measure, ran))
}

/// Runs the loop in its world. Also returns how many tasks are left.
fn run_in(world: &Rc<World>, recorder: Recorder) -> (Result<StopReason, LoopError>, u32) {
    let script = &world.script;
    world.begin();
    let builder = EventLoop::<Played>::builder().policy(world.plan.policy.clone()).recorder(recorder);
    let builder = if script.has_heap { builder.host(HeapHost(Env::new(world))) } else { builder };
    let mut event_loop = builder.build_in(world);
    world.heap.set(i64::try_from(script.start.heap_bytes).unwrap_or(i64::MAX));
    if let Err(refused) = restore(world, &mut event_loop) {
        return (Err(refused), 0);
    }
    event_loop.with(|cx| set_up(world, cx));
    *world.agenda.outside.borrow_mut() = Some(event_loop.external_events());
    let handle = event_loop.handle();
    if world.plan.stops || world.expects_more() {
        // Keeps the loop alive while more is to arrive.
        handle.hold();
    }
    *world.handle.borrow_mut() = Some(handle);
    world.end();
    let ended = event_loop.run();
    world.drain();
    let waiting = event_loop.scheduler().count(RefKind::Task);
    *world.handle.borrow_mut() = None;
    *world.agenda.outside.borrow_mut() = None;
    world.jobs.clear();
    (ended, waiting)
}

/// Restores the timers and the GC controller as they were at the beginning.
fn restore(
    world: &Rc<World>,
    event_loop: &mut EventLoop<Played, Env<World>, EnvPoller<World>>,
) -> Result<(), LoopError> {
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
    let restored = event_loop.restore(state)?;
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
    signals.into_iter().for_each(|(signo, tag)| play::on_signal(signo, tag, world, cx));
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
