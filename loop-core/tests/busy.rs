//! Tests a loop whose workers, or whose own thread, are busy.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{Builtin, EventLoop, Policy};
use loop_probes::event::Event;
use loop_probes::recorder::{Recorder, Running};
use loop_probes::ring::Start;
use loop_probes::session::Session;

use crate::kit::{World, ms, name, pick};

/// The workers compute, so they compete with the loop for processors. The resulting timer lag depends on the machine
/// and is measured by `benches/busy.rs`. What holds on every machine: the loop waits for no worker, and no poll lasts
/// longer than the next timer allows.
#[test]
fn e02_the_loop_ticks_on_while_all_workers_are_busy() {
    const WORKERS: u16 = 2;
    const PERIOD: Duration = ms(1);
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::<Builtin>::builder().workers(WORKERS).recorder(recorder).build().unwrap();
    let mut fired = event_loop.spawn("busy", |lp| async move {
        let (stop, mut jobs) = (Arc::new(AtomicBool::new(false)), Vec::new());
        let (began, begun) = mpsc::channel();
        for _ in 0..WORKERS {
            let (began, stop) = (began.clone(), Arc::clone(&stop));
            jobs.push(lp.work("computes", move |_| {
                let _ = began.send(());
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }));
        }
        lp.yield_now().await;
        for _ in 0..WORKERS {
            begun.recv().unwrap();
        }
        // From here on, all workers are in a job until the timers have fired.
        let mut interval = lp.interval(PERIOD);
        let mut fired = 0;
        while fired < 20 && interval.tick().await {
            fired += 1;
        }
        drop(interval);
        stop.store(true, Ordering::Relaxed);
        for job in jobs {
            job.await.unwrap();
        }
        fired
    });
    event_loop.run().unwrap();
    assert_eq!(fired.take(), Some(Ok(20)));
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let first = events.iter().position(|event| matches!(event, Event::TimerFired { .. })).unwrap();
    let last = events.iter().rposition(|event| matches!(event, Event::TimerFired { .. })).unwrap();
    let settled = events.iter().position(|event| matches!(event, Event::WorkSettled { .. })).unwrap();
    assert!(last < settled, "every timer fired while no job was done");
    let waits = pick!(events[first..last], Event::Poll { timeout_ns, .. } => timeout_ns);
    assert!(waits.len() >= 19, "one before each but the first: {waits:?}");
    let allowed = |wait: &Option<u64>| wait.is_some_and(|ns| u128::from(ns) <= PERIOD.as_nanos());
    assert!(waits.iter().all(allowed), "{waits:?}");
}

#[test]
fn e05_whatever_handler_runs_past_its_limit_is_flagged() {
    let mut world = World::new();
    let source = SimSource::new();
    let sim = world.sim.clone();
    let slow = |label| {
        let sim = sim.clone();
        Builtin::repeat(label, move |_| sim.advance(ms(11)))
    };
    world.lp.with(|cx| {
        cx.post(slow("task"));
        cx.immediate(slow("immediate"));
        cx.set_timeout(ms(1), slow("timer"));
        cx.on_signal(10, slow("signal")).unwrap();
        let io = cx.register(source.clone(), Interest::READABLE, slow("io")).unwrap();
        cx.set_source_referenced(io, false).unwrap();
        cx.after_loop(slow("after loop"));
    });
    let clock = world.sim.clone();
    world.lp.spawn("future", |_| async move { clock.advance(ms(11)) });
    world.sim.ready_at(ms(1), &source, Readiness::READABLE);
    world.sim.signal_at(ms(1), 10);
    world.lp.turn().unwrap();
    world.lp.turn().unwrap();
    let mut flagged = pick!(world.events(), Event::SlowTask { tag, .. } => name(tag));
    flagged.sort_unstable();
    assert_eq!(flagged, ["after loop", "future", "immediate", "io", "signal", "task", "timer"]);
}

#[test]
fn e05_a_task_past_its_limit_is_seen_while_it_still_runs() {
    let limit = ms(5);
    let session = Session::builder("slow").private();
    let mut reader = session.reader(Start::Oldest);
    let (seen, wait) = mpsc::channel();
    // The view of an outside observer, like an attached inspector.
    let watcher = std::thread::spawn(move || {
        let mut events = Vec::new();
        loop {
            reader.poll(&mut events).unwrap();
            let running = reader.running().unwrap();
            let now = running.iter().find_map(|cell| match cell.running {
                Running::Task { tag, .. } if name(tag) == "stuck in a loop" => Some(cell.since),
                _ => None,
            });
            if let Some(since) = now {
                // The cell holds the start time, so an observer can compute how long the task has been running.
                let running_for = loop_probes::clock::Clock::now(&loop_probes::clock::SystemClock::new());
                if running_for.ns_since(since) > limit.as_nanos() as u64 {
                    let slow_yet = events.iter().any(|one| matches!(one.event, Event::SlowTask { .. }));
                    seen.send(()).unwrap();
                    return slow_yet;
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let mut policy = Policy::bun();
    policy.slow_task_limit = limit;
    let mut event_loop =
        EventLoop::<Builtin>::builder().policy(policy).session(&session, "loop").build().unwrap();
    // The task continues until it was observed: if it only became visible at its end, this would never end.
    event_loop.post(Builtin::once("stuck in a loop", move |_| wait.recv().unwrap()));
    event_loop.run().unwrap();
    assert!(!watcher.join().unwrap(), "the event comes when the task is over");
    let mut events = Vec::new();
    session.reader(Start::Oldest).flush(&mut events).unwrap();
    let slow = events.iter().filter_map(|one| match one.event {
        Event::SlowTask { tag, limit_ns, .. } => Some((name(tag), limit_ns)),
        _ => None,
    });
    assert_eq!(slow.collect::<Vec<_>>(), [("stuck in a loop".to_owned(), limit.as_nanos() as u64)]);
    let events: Vec<_> = events.iter().map(|one| one.event).collect();
    assert_eq!(pick!(events, Event::TaskRan { .. } => ()).len(), 1);
}
