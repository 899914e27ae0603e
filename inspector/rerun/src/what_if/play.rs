//! Performs the recorded acts of a callback on the real loop.

use std::rc::Rc;
use std::time::Duration;

use loop_core::poller::Interest;
use loop_core::sim::SimSource;
use loop_core::{Context, Options, TagOf};
use loop_probes::event::{Event, Origin, Outcome};
use loop_probes::ids::{Tag, Ticks};

use super::script::{Arm, NONE, Op, RunId, RunRole};

use super::plan::EXTERNAL;
use super::world::{Callback, Played, World};
use crate::engine::{Engine, Remote, StandIn};

type Cx<'a, 'b> = &'a mut Context<'b, Played>;

/// The label of references held by the program.
pub(super) const HELD: &str = "held by the program";

/// Maximum number of references taken or released at a time.
const HELD_MAX: u32 = 256;

impl Engine for World {
    type Callback = Callback;

    fn tag(of: Callback) -> Tag {
        match of {
            Callback::Run { tag, .. }
            | Callback::Timer { tag, .. }
            | Callback::Source { tag, .. }
            | Callback::Signal { tag, .. } => tag,
            Callback::Microtask { .. } => Tag(0),
        }
    }

    fn repeats(of: Callback) -> bool {
        match of {
            Callback::Timer { .. } | Callback::Source { .. } | Callback::Signal { .. } => true,
            Callback::Run { .. } | Callback::Microtask { .. } => false,
        }
    }

    fn run(world: &Rc<Self>, of: Callback, cx: &mut Context<'_, Played>) {
        world.begin();
        play(of, world, cx);
        world.end();
    }

    fn received(&self) {
        self.take_one();
    }
}

/// Runs a callback: performs its acts and takes its recorded time.
fn play(task: Callback, world: &Rc<World>, cx: Cx<'_, '_>) {
    match task {
        Callback::Run { run, .. } => perform(run, world, cx),
        Callback::Microtask { run } if world.spend(1) => {
            let batch = world.script.run(run);
            let cost_ns = world.script.cost_ns(run) / u64::from(batch.count().max(1));
            world.advance_to(world.now_ns().saturating_add(cost_ns));
        }
        Callback::Microtask { .. } => {}
        Callback::Timer { timer, tag } => {
            if !world.spend(1) {
                return;
            }
            let run = world.timers.borrow()[timer as usize].next;
            if run == NONE {
                world.synthesized(|synthesized| synthesized.firings += 1);
                world.advance_to(world.now_ns().saturating_add(world.plan.typical_ns(tag)));
            } else {
                world.timers.borrow_mut()[timer as usize].next = world.script.run(run).next();
                perform(run, world, cx);
            }
        }
        Callback::Source { source, .. } => {
            let readiness = cx.ready().map_or(0, |ready| ready.readiness.bits());
            // Data that arrived since is read along with it.
            for run in world.take_pending(source, readiness) {
                perform(run, world, cx);
            }
        }
        Callback::Signal { signo, .. } => {
            let run = world.signal_runs.borrow_mut().get_mut(&signo).and_then(|runs| runs.pop_front());
            if let Some(run) = run {
                perform(run, world, cx);
            }
        }
    }
}

fn perform(id: RunId, world: &Rc<World>, cx: Cx<'_, '_>) {
    if !world.spend(1) {
        return;
    }
    let run = world.script.run(id);
    let start_ns = world.now_ns();
    let Some(outcome) = run.outcome else {
        world.synthesized(|synthesized| synthesized.callbacks += 1);
        let typical_ns = world.plan.typical_ns(world.plan.tag_of(run.tag));
        world.advance_to(start_ns.saturating_add(typical_ns));
        return;
    };
    let scaled = |ns| world.plan.scaled(run.tag, ns);
    let mut acts = run.acts;
    while let Some((act, rest)) = world.script.acts.next(acts) {
        acts = rest;
        if !world.spend(1) || !world.may_wait(cx.replay().alive() as usize, 1) {
            return;
        }
        world.advance_to(start_ns.saturating_add(scaled(act.after_ns)));
        match act.what {
            Op::Span { label, run_ns } => {
                let (label, now_ns) = (world.label(label), world.now_ns());
                let start = Ticks(now_ns.saturating_sub(scaled(run_ns)));
                cx.replay().emit(Event::Span { label, start });
            }
            what => carry_out(what, world, cx),
        }
    }
    world.advance_to(start_ns.saturating_add(scaled(world.script.cost_ns(id))));
    world.heap.set(world.heap.get().saturating_add(world.script.growth(id)));
    let mut drain = run.drain;
    while drain != NONE {
        let batch = world.script.run(drain);
        if !world.may_wait(cx.replay().microtasks(), batch.count()) {
            return;
        }
        (0..batch.count())
            .for_each(|_| cx.microtask(StandIn::new(world, Callback::Microtask { run: drain })));
        world.heap.set(world.heap.get().saturating_add(world.script.growth(drain)));
        drain = batch.drain;
    }
    match outcome {
        Outcome::Failed | Outcome::Panicked => cx.fail("failed in the recording too"),
        Outcome::Reload => cx.reload(),
        Outcome::Done => {}
        outcome @ (Outcome::Cancelled | Outcome::Pending | Outcome::Woke) => cx.replay().end_as(outcome),
    }
}

fn carry_out(what: Op, world: &Rc<World>, cx: Cx<'_, '_>) {
    match what {
        Op::Post(run) => {
            let Some(task) = task(run, world) else { return };
            if world.script.run(run).role == RunRole::Poll {
                let parent = cx.task();
                cx.replay().queue(task, Origin::Future, parent);
            } else {
                cx.post(task);
            }
        }
        Op::Immediate(run) => {
            if let Some(task) = task(run, world) {
                let id = cx.immediate(task);
                if world.script.run(run).role == RunRole::Followed {
                    world.immediates.borrow_mut().insert(run, id);
                }
            }
        }
        Op::AfterLoop(run) => {
            if let Some(task) = task(run, world) {
                cx.after_loop(task);
            }
        }
        Op::Defer { key, run } => defer(key, run, world, cx),
        Op::Undefer(key) => drop(cx.undefer(key)),
        Op::Arm(arm) => arm_timer(arm, world, cx),
        Op::Work(job) => work(job, world, cx),
        Op::Register(source) => register(source, world, cx),
        Op::Change(change) => {
            let immediate = |run| world.immediates.borrow().get(&run).copied();
            let timer = |timer: u32| world.timers.borrow()[timer as usize].timer;
            let source = |source: u32| world.sources.borrow()[source as usize].id;
            let job = |job| {
                let task = world.jobs.cancelled(job)?;
                // All jobs are reassigned.
                world.spend(world.jobs.count()).then_some(())?;
                // A job that a worker has started continues, but its result is not awaited.
                world.jobs.take_back(task, world.now_ns());
                Some(task)
            };
            // Nothing to change if it fired or was removed since.
            if let Some(change) = change.rename(immediate, timer, source, job) {
                change.carry_out(cx, |signo, tag| handler(signo, tag, world));
            }
        }
        Op::Hold(delta) => {
            for _ in 0..delta.unsigned_abs().min(HELD_MAX) {
                if delta > 0 { cx.hold(HELD) } else { cx.release(HELD) }
            }
        }
        Op::Tasklet(tasklet) => world.add_tasklet(tasklet, EXTERNAL),
        Op::Mark(label) => cx.replay().emit(Event::Mark { label: world.label(label) }),
        // The length of a span scales with its callback.
        Op::Span { .. } => {}
    }
}

/// The task of a callback; `None` if its tag is dropped.
pub(super) fn task(run: RunId, world: &Rc<World>) -> Option<Played> {
    let tag = world.script.run(run).tag;
    let of = Callback::Run { run, tag: world.plan.tag_of(tag) };
    (!world.plan.is_dropped(tag)).then(|| StandIn::new(world, of))
}

/// Posts a deferred callback, which stays queued for as many drains as recorded.
pub(super) fn defer(key: u64, run: RunId, world: &Rc<World>, cx: Cx<'_, '_>) {
    let (mut next, world) = (run, Rc::clone(world));
    cx.defer(key, move |cx| {
        world.begin();
        let run = world.script.run(next);
        perform(next, &world, cx);
        world.end();
        next = if run.role == RunRole::Kept { run.next() } else { NONE };
        next != NONE
    });
}

pub(super) fn arm_timer(arm: u32, world: &Rc<World>, cx: Cx<'_, '_>) {
    let arm = world.script.arms[arm as usize];
    if world.plan.is_dropped(arm.tag) {
        return;
    }
    let place = arm.timer as usize;
    let armed = world.timers.borrow()[place].timer;
    world.timers.borrow_mut()[place].next = arm.first;
    if armed.is_some_and(|armed| cx.refresh_timer(armed).is_ok()) {
        return;
    }
    let task = timer_task(&arm, world);
    let timer = match arm.period_ns {
        Some(period_ns) => cx.set_interval(Duration::from_nanos(period_ns), task).ok(),
        None => Some(cx.set_timeout(Duration::from_nanos(arm.delay_ns), task)),
    };
    if let Some(timer) = timer.filter(|_| !arm.referenced) {
        // The timer was armed just above.
        let _ = cx.set_timer_referenced(timer, false);
    }
    world.timers.borrow_mut()[place].timer = timer;
}

fn work(place: u32, world: &Rc<World>, cx: Cx<'_, '_>) {
    let job = world.script.jobs[place as usize];
    if world.plan.is_dropped(job.tag) {
        return;
    }
    if !job.is_known && !job.is_cancelled {
        world.synthesized(|synthesized| synthesized.jobs += 1);
    }
    let (run, tag) = (job.run, world.plan.tag_of(job.tag));
    world.jobs.announce(job.cost_ns, job.wake_ns);
    let of = Callback::Run { run, tag };
    let (done, rejected) = (Remote::new(world, of), StandIn::new(world, of));
    // Refused only once the loop shuts down; its completion then never runs.
    let task = cx.work(TagOf::Global(tag), move |_worker| done, move |_| rejected);
    if let Ok(task) = task
        && job.is_cancelled
    {
        world.jobs.remember(place, task);
    }
}

pub(super) fn register(source: u32, world: &Rc<World>, cx: Cx<'_, '_>) {
    let recorded = world.script.sources[source as usize];
    let tag: Tag = world.plan.tag_of(recorded.tag);
    // Readable, if nothing shows the recorded interest.
    let interest = if recorded.interest == 0 {
        Interest::READABLE
    } else {
        Interest::from_bits_truncate(recorded.interest)
    };
    let labels = &world.script.labels;
    let explanation = recorded.label.map(|label| labels.any(label).into_owned());
    let explanation = explanation.or_else(|| recorded.id.map(|id| labels.io(id).into_owned()));
    let task = StandIn::new(world, Callback::Source { source, tag });
    // Sources above the limit of the policy are not registered and so never called, as in a real run.
    let options = explanation.map_or_else(Options::default, Options::new);
    let options = if recorded.referenced { options } else { options.unreferenced() };
    if let Ok(id) = cx.register_with(options, SimSource::new(), interest, task) {
        world.sources.borrow_mut()[source as usize].id = Some(id);
        world.keys.borrow_mut().insert(id.0 as usize, source);
    }
}

/// The handler of a signal.
pub(super) fn handler(signo: u8, recorded: Tag, world: &Rc<World>) -> Played {
    StandIn::new(world, Callback::Signal { signo, tag: world.plan.tag_of(recorded) })
}

/// The task of a timer.
pub(super) fn timer_task(arm: &Arm, world: &Rc<World>) -> Played {
    StandIn::new(world, Callback::Timer { timer: arm.timer, tag: world.plan.tag_of(arm.tag) })
}
