//! Tests the GC controller within the loop.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loop_core::gc::Heap;
use loop_core::gc::pressure::PressureWatch;
use loop_core::sim::{Sim, SimHeap};
use loop_core::{Builtin, EventLoop, HeapHost, Policy};
use loop_probes::event::{ClockPoint, Event, GcAction, GcMode, GcReason, Phase};
use loop_probes::recorder::Recorder;

use crate::kit::{Cx, World, ms, pick};

/// The minimum time between two measurements.
const SAMPLE: Duration = ms(1);

fn world(cache: &SimHeap) -> World {
    let mut world = World::with_host(HeapHost(cache.clone()));
    world.lp.with(|cx| cx.hold("test"));
    world
}

/// A loop whose heap of 1000 live bytes was measured and collected once.
fn settled(cache: &SimHeap) -> World {
    let mut world = world(cache);
    cache.set(1000);
    cache.set_live(1000);
    world.lp.tick();
    let _ = world.events();
    world
}

fn decisions(world: &World) -> Vec<(GcAction, GcReason)> {
    pick!(world.events(), Event::GcDecision { action, reason, .. } => (action, reason))
}

#[test]
fn b17_a_heap_that_doubled_is_collected_at_once() {
    let cache = SimHeap::default();
    let mut world = world(&cache);
    cache.set_live(100);
    cache.set(1000);
    world.lp.tick();
    let events = world.events();
    let first =
        pick!(events, Event::GcDecision { action, reason, heap_bytes, .. } => (action, reason, heap_bytes));
    assert_eq!(first, [(GcAction::Collect, GcReason::Doubled, 1000)], "the first heap counts as doubled");
    let ran = pick!(events, Event::GcRan { heap_bytes_before, heap_bytes_after, .. } => (heap_bytes_before, heap_bytes_after));
    assert_eq!(ran, [(1000, 100)]);
    assert_eq!(pick!(events, Event::Phase { phase, .. } => phase), [Phase::Gc]);

    cache.set(201);
    world.sim.advance(SAMPLE);
    world.lp.tick();
    assert_eq!(decisions(&world), [(GcAction::Collect, GcReason::Doubled)], "strictly more than twice");
}

#[test]
fn b17_a_change_below_doubling_waits_for_the_one_shot() {
    let cache = SimHeap::default();
    let mut world = settled(&cache);
    cache.set(1500);
    world.sim.advance(SAMPLE);
    world.lp.tick();
    assert_eq!(decisions(&world), [(GcAction::Defer, GcReason::Changed)]);
    world.sim.advance(SAMPLE);
    world.lp.tick();
    assert_eq!(
        decisions(&world),
        [(GcAction::Skip, GcReason::Pending)],
        "until then, only doubling collects"
    );
    world.sim.advance(ms(16));
    cache.set(1600);
    world.lp.tick();
    assert!(decisions(&world).contains(&(GcAction::Collect, GcReason::OneShot)));
}

#[test]
fn b16_the_repeating_timer_collects_and_slows_down() {
    let cache = SimHeap::default();
    let mut world = world(&cache);
    cache.set(1000);
    cache.set_live(1000);
    while world.sim.elapsed() < ms(70_000) {
        world.turn();
    }
    let events = world.events();
    let periodic = pick!(events, Event::GcDecision { reason: GcReason::Periodic, action, .. } => action);
    assert!(periodic.len() >= 30 && periodic.iter().all(|action| *action == GcAction::Collect));
    let modes = pick!(events, Event::GcMode { mode, unchanged_ticks } => (mode, unchanged_ticks));
    assert_eq!(modes, [(GcMode::Slow, 30)]);

    cache.set_live(900);
    cache.set(900);
    let until = world.sim.elapsed() + ms(31_000);
    while world.sim.elapsed() < until {
        world.turn();
    }
    let modes = pick!(world.events(), Event::GcMode { mode, .. } => mode);
    assert_eq!(modes.first(), Some(&GcMode::Fast), "shrinking is a change too");
}

#[test]
fn b16_the_controllers_timers_end_a_wait_but_keep_nothing_alive() {
    let cache = SimHeap::default();
    cache.set(10);
    let mut world = World::with_host(HeapHost(cache));
    world.lp.run().unwrap();
    assert_eq!(world.sim.elapsed(), ms(0));
}

#[test]
fn b16_it_can_be_switched_off() {
    let cache = SimHeap::default();
    cache.set(1000);
    let mut policy = Policy::bun();
    policy.gc.enabled = false;
    let mut world = World::build(|builder| builder.policy(policy).host(HeapHost(cache.clone())));
    world.turn();
    assert_eq!(decisions(&world), []);
    assert_eq!(cache.bytes(), 1000);
    world.post(Builtin::once("pressure", |cx| cx.memory_pressure()));
    world.turn();
    assert_eq!(decisions(&world), [], "nor by pressure");
    world.post(Builtin::once("request", |cx| cx.request_gc()));
    // The check happens in the next turn, because nothing keeps the loop alive until this turn's poll.
    world.turn();
    world.turn();
    assert_eq!(decisions(&world), [(GcAction::Collect, GcReason::Requested)]);
}

/// A heap that is walked to measure its size.
#[derive(Clone)]
struct Walked {
    sim: Sim,
    takes: Duration,
    asked: Rc<Cell<u32>>,
    bytes: Rc<Cell<u64>>,
}

impl Heap for Walked {
    fn bytes(&self) -> u64 {
        self.asked.set(self.asked.get() + 1);
        self.sim.advance(self.takes);
        self.bytes.get()
    }

    fn collect(&mut self) {}
}

/// Runs `turns` turns, each with an immediate of 10 us. Returns how often the heap was measured and how long the
/// measurements took.
fn asked_in(policy: Policy, takes: Duration, turns: u32) -> (u32, Duration) {
    fn again(cx: &mut Cx<'_>, sim: Sim, left: u32) {
        sim.advance(Duration::from_micros(10));
        if left > 0 {
            cx.immediate(Builtin::once("again", move |cx| again(cx, sim, left - 1)));
        }
    }
    let sim = Sim::new();
    let (asked, bytes) = (Rc::default(), Rc::new(Cell::new(100)));
    let heap = Walked { sim: sim.clone(), takes, asked, bytes };
    let builder = EventLoop::<Builtin>::builder().policy(policy).host(HeapHost(heap.clone()));
    let mut event_loop = sim.build(builder);
    let world = sim.clone();
    event_loop.with(|cx| cx.immediate(Builtin::once("first", move |cx| again(cx, world, turns))));
    event_loop.run().unwrap();
    (heap.asked.get(), sim.elapsed())
}

#[test]
fn b17_the_heap_is_measured_once_a_millisecond_and_less_often_where_that_takes_long() {
    // 2,000 turns of 10 us are 20 ms; the first measurement finds a heap to collect, and measures it again.
    let (asked, took) = asked_in(Policy::bun(), Duration::ZERO, 2_000);
    assert!((15..=24).contains(&asked), "{asked} in {took:?}");
    let (asked, took) = asked_in(Policy::bun(), ms(3), 2_000);
    assert!(asked <= 4 && took < ms(40), "{asked} in {took:?}");
    let mut policy = Policy::bun();
    policy.gc.sample_ns = 0;
    let (asked, _) = asked_in(policy, Duration::ZERO, 2_000);
    assert!(asked > 4_000, "{asked}: at each check");
}

#[test]
fn b16_a_heap_whose_controller_is_off_is_never_measured() {
    let mut off = Policy::bun();
    off.gc.enabled = false;
    for policy in [off, Policy::mini()] {
        assert_eq!(asked_in(policy, ms(3), 100).0, 0);
    }
}

#[test]
fn b17_a_loop_that_would_wait_is_woken_for_what_ran_since_the_last_measurement() {
    let cache = SimHeap::default();
    let mut world = settled(&cache);
    let grows = cache.clone();
    world.post(Builtin::once("grows", move |_| grows.set(3_000)));
    world.turn();
    assert_eq!((decisions(&world), world.sim.elapsed()), (Vec::new(), SAMPLE), "the poll ended for it");
    world.turn();
    assert_eq!(decisions(&world)[0], (GcAction::Collect, GcReason::Doubled));
    // In an idle second, only the repeating timer has to wake the loop.
    let _ = world.events();
    while world.sim.elapsed() < ms(900) {
        world.turn();
    }
    let polls = pick!(world.events(), Event::Poll { .. } => ()).len();
    assert!(polls <= 2, "{polls} polls in an idle second");
}

/// Runs in a process of its own: the environment is shared by all tests of this one.
#[test]
fn b16_the_environment_sets_the_interval_and_the_switch() {
    const MODE: &str = "LOOP_CORE_TEST_TOLD";
    if let Some(mode) = std::env::var_os(MODE) {
        let policy = Policy::bun().with_env().unwrap();
        assert_eq!((policy.gc.fast_ns, policy.gc.enabled), (250_000_000, mode != "off"));
        return;
    }
    for mode in ["on", "off"] {
        let own = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "gc::b16_the_environment_sets_the_interval_and_the_switch"])
            .env(MODE, mode)
            .env("LOOP_GC_TIMER_INTERVAL", "250")
            .env("LOOP_GC_TIMER_DISABLE", if mode == "off" { "1" } else { "" })
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&own.stdout);
        assert!(own.status.success() && out.contains("1 passed"), "{out}");
    }
}

#[test]
fn b17_memory_pressure_and_requests_bring_the_check_forward() {
    let cache = SimHeap::default();
    let mut world = settled(&cache);
    world.post(Builtin::once("pressure", |cx| cx.memory_pressure()));
    world.lp.tick();
    world.post(Builtin::once("request", |cx| cx.request_gc()));
    world.lp.tick();
    world.lp.tick();
    let reasons =
        pick!(world.events(), Event::GcDecision { action: GcAction::Collect, reason, .. } => reason);
    assert_eq!(reasons, [GcReason::Pressure, GcReason::Requested]);
}

#[test]
fn b18_every_check_is_an_event_with_its_numbers_and_its_input() {
    let cache = SimHeap::default();
    let mut world = settled(&cache);
    world.sim.advance(SAMPLE);
    world.lp.with(|cx| cx.set_timeout(ms(1), Builtin::once("timer", |_| ())));
    world.turn();
    let events = world.events();
    let decided =
        pick!(events, Event::GcDecision { heap_bytes, threshold_bytes, .. } => (heap_bytes, threshold_bytes));
    assert_eq!(decided, [(1000, 2000)]);
    assert_eq!(pick!(events, Event::InputHeap { heap_bytes } => heap_bytes), [1000]);
    let points = pick!(events, Event::InputClock { point, .. } => point);
    assert!(points.contains(&ClockPoint::Gc), "the end of the measurement: {points:?}");
}

#[test]
fn b17_a_memory_pressure_file_brings_the_check_forward() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pressure");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let watch = PressureWatch::open(&path).unwrap();
    let cache = SimHeap::default();
    cache.set(1000);
    cache.set_live(1000);
    let (recorder, capture) = Recorder::capture();
    let builder = EventLoop::<Builtin>::builder().recorder(recorder).host(HeapHost(cache));
    let mut event_loop = builder.build().unwrap();
    event_loop.tick();
    let notice = std::thread::spawn(move || std::fs::write(path, b"!").unwrap());
    event_loop.with(|cx| {
        let (source, interest) = (watch.source(), watch.interest());
        let pressure = Builtin::repeat("pressure", move |cx| {
            if watch.acknowledge() {
                cx.memory_pressure();
                cx.stop();
            }
        });
        cx.register(source, interest, pressure).unwrap();
    });
    event_loop.run().unwrap();
    notice.join().unwrap();
    event_loop.tick();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let collected = pick!(events, Event::GcDecision { action: GcAction::Collect, reason, .. } => reason);
    assert_eq!(collected.last(), Some(&GcReason::Pressure));
}
