//! The test program: each callback picks its acts at random.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{Sim, SimHeap, SimLoop, SimSource};
use loop_core::{
    Builtin, Context, EventLoop, HeapHost, OnShutdown, Policy, Shutdown, TagOf, Timer, TimerHandle,
};
use loop_probes::ids::{IoSource, TaskId};
use loop_probes::recorder::Recorder;

use super::Captured;

type Cx<'a> = Context<'a, Builtin>;

pub(super) struct Churn {
    dice: Rng,
    sim: Sim,
    heap: SimHeap,
    timers: Vec<Timer>,
    handles: Vec<TimerHandle<Builtin>>,
    immediates: Vec<TaskId>,
    sources: Vec<(IoSource, Arc<SimSource>)>,
    held: u32,
    depth: u32,
    is_quiet: bool,
}

pub(super) type State = Rc<RefCell<Churn>>;
pub(super) type Owned = SimLoop<Builtin>;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn once(label: &'static str, state: &State) -> Builtin {
    let state = Rc::clone(state);
    Builtin::once(label, move |cx| act(&state, cx))
}

fn again(label: &'static str, state: &State) -> Builtin {
    let state = Rc::clone(state);
    Builtin::repeat(label, move |cx| act(&state, cx))
}

fn roll(state: &State, sides: u64) -> u64 {
    state.borrow_mut().dice.u64(..sides)
}

fn act(state: &State, cx: &mut Cx<'_>) {
    let by = Duration::from_micros(roll(state, 400));
    state.borrow().sim.advance(by);
    if state.borrow().is_quiet {
        return;
    }
    for _ in 0..roll(state, 3) {
        act_once(state, cx);
    }
}

fn act_once(state: &State, cx: &mut Cx<'_>) {
    let (dice, index) = (roll(state, 46), roll(state, 8) as usize);
    let timer = state.borrow().timers.get(index).copied();
    let source = state.borrow().sources.get(index).cloned();
    let delay = ms(roll(state, 9));
    match dice {
        0..=3 => {
            let _ = cx.post(once("posted", state));
        }
        4 | 5 => {
            let immediate = cx.immediate(once("immediate", state));
            state.borrow_mut().immediates.push(immediate);
        }
        6 => {
            let _ = cx.after_loop(once("after loop", state));
        }
        7..=9 => microtask(state, cx),
        10 => {
            let _ = cx.set_timeouts([3, 3, 1].map(|delay| (ms(delay), once("many", state))));
        }
        11 | 12 => {
            let timer = cx.set_timeout(delay, once("one-shot", state));
            state.borrow_mut().timers.push(timer);
        }
        13 if state.borrow().timers.len() < 12 => {
            let timer = cx.set_interval(ms(2) + delay, again("interval", state)).unwrap();
            state.borrow_mut().timers.push(timer);
        }
        14 if state.borrow().handles.len() < 4 => {
            let timer = cx.set_timeout(delay, again("kept", state));
            let handle = cx.timer_handle(timer).unwrap();
            state.borrow_mut().handles.push(handle);
        }
        15 | 16 => {
            let handle = state.borrow().handles.get(index % 4).map(|handle| handle.timer());
            let _ = handle.map(|timer| cx.refresh_timer(timer));
        }
        17 => {
            let _ = timer.map(|timer| cx.refresh_timer(timer).is_ok());
        }
        18 | 19 if timer.is_some() => {
            cx.clear_timer(timer.unwrap());
            state.borrow_mut().timers.swap_remove(index);
        }
        20 => {
            let _ = timer.map(|timer| cx.set_timer_referenced(timer, roll(state, 2) == 0).is_ok());
        }
        21..=23 => {
            let (key, times) = (roll(state, 4), Rc::clone(state));
            cx.defer(key, move |cx| {
                act(&times, cx);
                roll(&times, 3) == 0
            });
        }
        24 => {
            let _ = cx.undefer(roll(state, 4));
        }
        25 => {
            let cleared = state.borrow_mut().immediates.pop();
            let _ = cleared.map(|immediate| cx.clear_immediate(immediate));
        }
        26 => {
            let last = state.borrow().immediates.last().copied();
            let _ = last.map(|immediate| cx.set_immediate_referenced(immediate, roll(state, 2) == 0));
        }
        27 | 28 => work(state, cx),
        29 if state.borrow().sources.len() < 6 => register(state, cx),
        30 => {
            let interest = [Interest::READABLE, Interest::READABLE | Interest::WRITABLE][index % 2];
            let _ = source.map(|(source, _)| cx.modify(source, interest).is_ok());
        }
        31 if source.is_some() => {
            let _ = cx.remove(source.unwrap().0);
            state.borrow_mut().sources.swap_remove(index);
        }
        32 => {
            let _ = source.map(|(source, _)| cx.set_source_referenced(source, roll(state, 2) == 0));
        }
        33 => {
            cx.hold("churn");
            state.borrow_mut().held += 1;
        }
        34 | 35 if state.borrow().held > 0 => {
            state.borrow_mut().held -= 1;
            if index % 2 == 0 { cx.release("churn") } else { cx.release_later("churn") }
        }
        36 => cx.request_gc(),
        37 => cx.memory_pressure(),
        38 => {
            let _ = cx.on_signal(10, again("signal", state));
        }
        39 => {
            let _ = cx.remove_signal(10);
        }
        40 => cx.fail("it had to"),
        41 if index == 0 && cx.task().is_some() => std::panic::resume_unwind(Box::new("on purpose")),
        42 if index < 2 => cx.stop(),
        43 if index < 3 => cx.reload(),
        _ => {
            let mut state = state.borrow_mut();
            let grown = state.dice.u64(..3) * state.dice.u64(..900);
            state.heap.grow(grown);
        }
    }
}

fn microtask(state: &State, cx: &mut Cx<'_>) {
    let state = Rc::clone(state);
    // Some queue further ones.
    if state.borrow().depth < 3 {
        state.borrow_mut().depth += 1;
        cx.microtask(Builtin::once("microtask", move |cx| {
            act_once(&state, cx);
            state.borrow_mut().depth -= 1;
        }));
    }
}

fn work(state: &State, cx: &mut Cx<'_>) {
    let back = Rc::clone(state);
    let tag = TagOf::Global(loop_core::tag::tag_of_label("job"));
    // A worker's message cannot hold the state; the timer that it sets does.
    let job = cx.work(
        tag,
        |_| {
            Builtin::remote("job", |cx| {
                cx.immediate(plain());
            })
        },
        |_| plain(),
    );
    if let Ok(job) = job
        && roll(&back, 2) == 0
    {
        cx.set_work_on_shutdown(job, OnShutdown::Cancel);
    }
}

fn plain() -> Builtin {
    Builtin::once("plain", |_| ())
}

fn register(state: &State, cx: &mut Cx<'_>) {
    let watched = SimSource::new();
    let task = again("source", state);
    let interest = Interest::READABLE | Interest::WRITABLE;
    let source = cx.register(Arc::<SimSource>::clone(&watched), interest, task).unwrap();
    state.borrow_mut().sources.push((source, watched));
}

/// What other threads do, over some hundred milliseconds.
fn script(state: &State, handle: &loop_core::Handle<Builtin>) {
    let sim = state.borrow().sim.clone();
    for _ in 0..60 {
        let at = sim.elapsed() + Duration::from_micros(roll(state, 200_000));
        let (handle, again) = (handle.clone(), Rc::clone(state));
        match roll(state, 7) {
            0..=2 => sim.at(at, move || {
                for _ in 0..=roll(&again, 3) {
                    let _ = handle.post(Builtin::remote("remote", |cx| {
                        cx.post(plain());
                    }));
                }
            }),
            3 => sim.at(at, move || handle.wake()),
            4 => sim.at(at, move || handle.hold()),
            5 => sim.at(at, move || handle.release()),
            _ => sim.signal_at(at, 10),
        }
    }
    for _ in 0..80 {
        let at = sim.elapsed() + Duration::from_micros(roll(state, 200_000));
        let again = Rc::clone(state);
        let readiness =
            [Readiness::READABLE, Readiness::WRITABLE, Readiness::HANG_UP][roll(state, 3) as usize];
        let world = sim.clone();
        sim.at(at, move || {
            let state = again.borrow();
            if let Some((_, source)) = state.sources.get(at.subsec_micros() as usize % 6) {
                world.ready_at(world.elapsed(), source, readiness);
            }
        });
    }
}

/// Runs the program under `policy`, and returns its recording.
pub(super) fn record(policy: Policy, seed: u64) -> Captured {
    record_turns(0, |_, _| {}, policy, seed)
}

/// Makes one of the calls that a program can make between two turns of its loop.
pub(super) fn between(event_loop: &mut Owned, state: &State) {
    match roll(state, 12) {
        0 => event_loop.with(|cx| act(state, cx)),
        4 => event_loop.with(|cx| (0..=roll(state, 3)).for_each(|_| microtask(state, cx))),
        5 => event_loop.with(|_| ()),
        6 => {
            event_loop.with(|cx| {
                cx.hold("between");
                cx.release_later("between");
            });
        }
        7 => {
            event_loop.enter();
            event_loop.exit();
        }
        8 => {
            event_loop.run_callback("from outside", |cx| microtask(state, cx));
            event_loop.with(|cx| microtask(state, cx));
        }
        9 => event_loop.tick(),
        10 => event_loop.auto_tick().unwrap(),
        11 => {
            let mut turns = 0..roll(state, 3);
            let _ = event_loop.tick_until(|| turns.next().is_none()).unwrap();
        }
        1 => {
            event_loop.enter();
            event_loop.with(|cx| act(state, cx));
            event_loop.exit();
        }
        2 => {
            event_loop.enter();
            event_loop.call("from outside", |cx| act(state, cx));
            event_loop.with(|cx| act(state, cx));
            event_loop.exit();
        }
        3 => {
            event_loop.tick();
            event_loop.auto_tick().unwrap();
        }
        _ => {}
    }
}

/// Like [`record`], but runs `turns` single turns before each run, some of them with a time limit, and calls `between`
/// before each of these turns.
pub(super) fn record_turns(
    turns: u32,
    between: fn(&mut Owned, &State),
    policy: Policy,
    seed: u64,
) -> Captured {
    let (recorder, capture) = Recorder::capture();
    let (sim, heap) = (Sim::new(), SimHeap::with_live(1_000));
    sim.job_durations((0..400).map(|job| Duration::from_micros(50 + job * 37 % 3_000)));
    let mini = policy.name == "mini";
    let mut builder = EventLoop::<Builtin>::builder().policy(policy).recorder(recorder);
    if !mini {
        builder = builder.host(HeapHost(heap.clone()));
    }
    let mut event_loop = sim.build(builder);
    let state = Rc::new(RefCell::new(Churn {
        dice: Rng::with_seed(seed),
        sim: sim.clone(),
        heap,
        timers: Vec::new(),
        handles: Vec::new(),
        immediates: Vec::new(),
        sources: Vec::new(),
        held: 0,
        depth: 0,
        is_quiet: false,
    }));
    let pulse = event_loop.with(|cx| cx.set_interval(ms(1), again("pulse", &state)).unwrap());
    let handle = event_loop.handle();
    for round in 0..12 {
        script(&state, &handle);
        event_loop.with(|cx| act_once(&state, cx));
        event_loop.run_callback("from outside", |cx| act(&state, cx));
        for _ in 0..turns {
            between(&mut event_loop, &state);
            match roll(&state, 3) {
                0 => event_loop.turn().unwrap(),
                limit => drop(event_loop.turn_within(Duration::from_micros(700 * limit)).unwrap()),
            }
        }
        if round % 4 == 3 {
            (0..5).for_each(|_| event_loop.turn().unwrap());
        }
        let _ = event_loop.run_for(ms(20)).unwrap();
    }
    state.borrow_mut().is_quiet = true;
    event_loop.with(|cx| {
        cx.clear_timer(pulse);
        cx.shutdown(Shutdown::within(ms(30)));
    });
    event_loop.run().unwrap();
    drop(event_loop);
    capture.take()
}
