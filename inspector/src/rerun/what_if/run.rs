//! One re-execution, from the changes to the answer.

use std::path::Path;
use std::rc::Rc;

use loop_core::policy::Validation;
use loop_core::{EventLoop, HeapHost, LoopError, Policy};
use loop_probes::event::{Queue, RefKind, StopReason};
use loop_probes::ids::Tag;
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Recorder;

use super::heap::WorldHeap;
use super::outlet::Outlet;
use super::play;
use super::pool::WorldPool;
use super::script::{Arrival, Came, NONE, Script};
use super::signals::WorldSignals;
use super::tags::Names;
use super::task::Replayed;
use super::words::{self, Ran};
use super::world::{self, World, WorldClock, WorldPoller};
use super::{Answer, Changes};
use crate::rerun::RerunError;

/// The changes, in the terms of one recording.
pub(super) struct Plan {
    pub(super) policy: Policy,
    /// This process's tag for each recorded one.
    tags: Vec<Tag>,
    /// How many times as long the callbacks of each recorded tag take; empty where none was changed.
    factors: Vec<f64>,
    dropped: Vec<bool>,
    typical_ns: Vec<u64>,
    pub(super) workers: u16,
    pub(super) end_ns: u64,
    /// Somebody stops the loop at the end; otherwise it ends when nothing is left to do.
    pub(super) stops: bool,
}

impl Plan {
    fn new(script: &Script, changes: &Changes) -> Result<Self, RerunError> {
        let names = Names::of(script);
        let mut factors = Vec::new();
        for (name, factor) in &changes.scale {
            factors.resize(names.len(), 1.0);
            names.find("--scale", name)?.for_each(|place| factors[place] *= factor);
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
        for (tag, ns) in tags.iter().zip(&script.typical_ns) {
            typical_ns[usize::from(tag.0)] = *ns;
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

    /// What a callback of this (process's) tag costs in the middle.
    pub(super) fn typical_ns(&self, tag: Tag) -> u64 {
        self.typical_ns.get(usize::from(tag.0)).copied().unwrap_or(0)
    }

    /// What `ns` of a callback of a recorded tag are now.
    pub(super) fn scaled(&self, recorded: Tag, ns: u64) -> u64 {
        self.factors.get(usize::from(recorded.0)).map_or(ns, |factor| (ns as f64 * factor) as u64)
    }

    /// This process's tags of the recorded ones, with their names.
    pub(super) fn tags(&self) -> &[Tag] {
        &self.tags
    }
}

fn policy(script: &Script, changes: &Changes) -> Result<Policy, RerunError> {
    let recorded = &script.metadata.policy;
    let mut policy = match &changes.policy {
        Some(name) => Policy::by_name(name)?,
        None => Policy::by_name(recorded).map_err(|_| RerunError::ForeignPolicy {
            name: script.name.clone(),
            policy: loop_probes::text::printable(recorded),
        })?,
    };
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

/// What arrives, where not everything does.
fn arrivals(script: &Script, plan: &Plan, changes: &Changes) -> Vec<Arrival> {
    let filter = &changes.filter;
    let window_ns = filter
        .window_ns
        .map(|(from, to)| script.begin_ns.saturating_add(from)..=script.begin_ns.saturating_add(to));
    let is_wanted = |number: usize, arrival: &Arrival| {
        let tag = match arrival.what {
            Came::Post(run) | Came::Signal { run, .. } | Came::Ready { run, .. } => script.run(run).tag,
            Came::Wake => Tag(0),
        };
        !plan.is_dropped(tag)
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
    metadata.started.ticks = loop_probes::ids::Ticks(metadata.started.monotonic.as_ns());
    metadata.settings.insert("rerun".to_owned(), changes.to_string());
    metadata
}

/// Executes `script` again with `changes`.
pub(super) fn run(
    script: &Rc<Script>,
    changes: &Changes,
    output: Option<&Path>,
) -> Result<Answer, RerunError> {
    let plan = Plan::new(script, changes)?;
    let arrivals = arrivals(script, &plan, changes);
    let metadata = metadata(script, &plan, changes);
    let (recorder, capture) = Recorder::capture();
    let (worker_recorder, worker_capture) = Recorder::capture();
    let outlet = Outlet::new(script, &plan, &metadata, [capture, worker_capture], output)?;
    let world = Rc::new(World::new(script, plan, arrivals, outlet));
    *world.jobs.recorder.borrow_mut() = worker_recorder;
    let (ended, waiting) = {
        let _inhabited = world::enter(&world);
        run_in(&world, recorder)
    };
    match ended {
        // The poller ends what would never end.
        Ok(_) | Err(LoopError::Wait { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let ran = Ran {
        invented: world.invented.get(),
        cut: world.cut.get(),
        waiting,
        over_ns: world.now_ns().saturating_sub(world.plan.end_ns),
    };
    let measure = world.outlet.replace(Outlet::closed(&metadata)).finish(output.is_some())?;
    Ok(words::answer(script, changes, &world.plan, &metadata, measure, ran))
}

/// Runs the loop in its world. Also says how many tasks are left.
fn run_in(world: &Rc<World>, recorder: Recorder) -> (Result<StopReason, LoopError>, u32) {
    let script = &world.script;
    world.begin();
    // The collector's repeating timer counts from when its loop is made.
    let gc = script.start.gc.and_then(|gc| gc.periodic_due);
    let made_ns = gc.map_or(script.begin_ns, |due| due.as_ns().saturating_sub(world.plan.policy.gc.fast_ns));
    world.set_clock(made_ns.min(script.begin_ns));
    let builder = EventLoop::<Replayed>::builder()
        .policy(world.plan.policy.clone())
        .recorder(recorder)
        .pool(|sink| Ok(Box::new(WorldPool::new(sink))))
        .signals(|_waker| Box::new(WorldSignals));
    let builder = if script.has_heap { builder.host(HeapHost(WorldHeap)) } else { builder };
    let mut event_loop = builder.build_on(WorldClock, WorldPoller::new(world));
    world.heap.set(i64::try_from(script.start.heap_bytes).unwrap_or(i64::MAX));
    event_loop.with(|cx| set_up(world, cx));
    let handle = event_loop.handle();
    if world.plan.stops || world.expects_more() {
        // The loop is not over while something is still to come.
        handle.hold();
    }
    *world.handle.borrow_mut() = Some(handle);
    world.set_clock(script.begin_ns);
    world.end();
    let ended = event_loop.run();
    world.drain();
    let waiting = event_loop.scheduler().count(RefKind::Task);
    *world.handle.borrow_mut() = None;
    (ended, waiting)
}

/// What there was at the beginning.
fn set_up(world: &World, cx: &mut loop_core::Context<'_, Replayed>) {
    let script = &world.script;
    let start = &script.start;
    start.sources.iter().for_each(|source| play::register(*source, world, cx));
    let mut signals: Vec<(u8, Tag)> = Vec::new();
    for arrival in &script.arrivals {
        if let Came::Signal { signo, run } = arrival.what
            && signals.iter().all(|(known, _)| *known != signo)
        {
            signals.push((signo, script.run(run).tag));
        }
    }
    for (signo, tag) in signals {
        // The signals of the world refuse none.
        let _ = cx.on_signal(i32::from(signo), Replayed::Signal { signo, tag: world.plan.tag_of(tag) });
    }
    for (queue, run) in &start.tasks {
        let Some(task) = play::task(*run, world) else { continue };
        match queue {
            Queue::Immediates => drop(cx.immediate(task)),
            Queue::AfterLoop => drop(cx.after_loop(task)),
            _ => drop(cx.post(task)),
        }
    }
    start.deferred.iter().for_each(|(key, run)| play::defer(*key, *run, cx));
    (0..start.held.min(1 << 16)).for_each(|_| cx.hold(play::HELD));
    for place in &start.timers {
        let arm = script.arms[*place as usize];
        let due_ns = arm.due_ns.unwrap_or(script.begin_ns);
        world.set_clock(due_ns.saturating_sub(arm.period_ns.unwrap_or(arm.delay_ns)));
        play::arm_timer(*place, world, cx);
    }
    debug_assert!(script.runs.len() < NONE as usize, "a place is no place");
}
