//! Exercises everything that reaches a loop from other threads at the same time, on real threads, with exact
//! counts.
//!
//! This is a test program of its own so that it can run under a data race detector: see `.ci/races`.
//! `LOOPSCOPE_TEST_SCALE` is a percentage of the usual size, for tools that slow down each step.

#![cfg(test)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loop_core::tag;
use loop_core::{Builtin, BuiltinRemote, Context, EventLoop, Handle, Kept, KeptPost, TagOf, Timer};
use loop_probes::event::StopReason;
use loop_probes::session::Session;

/// SIGUSR1, on Linux.
const SIGNAL: i32 = signal_hook::consts::SIGUSR1;
const PRODUCERS: u64 = 4;

fn scaled(count: u64) -> u64 {
    let percent =
        std::env::var("LOOPSCOPE_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    (count * percent / 100).max(1)
}

/// Counts of what happened, each kept by the thread that caused it.
#[derive(Default)]
struct Counts {
    posted: AtomicU64,
    posts_run: AtomicU64,
    payloads_dropped: AtomicU64,
    kept_queued: AtomicU64,
    kept_run: AtomicU64,
    jobs: AtomicU64,
    jobs_run: AtomicU64,
    jobs_settled: AtomicU64,
    raised: AtomicU64,
    signals_run: AtomicU64,
    timers_fired: AtomicU64,
    refused: AtomicU64,
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The payload of a post: written by the producer and read by the loop.
struct Payload(Arc<Counts>, Box<u64>);

impl Payload {
    fn new(counts: &Arc<Counts>, number: u64) -> Self {
        Self(Arc::clone(counts), Box::new(number))
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        add(&self.0.payloads_dropped);
    }
}

/// Every sixteenth post schedules a job.
fn post(counts: &Arc<Counts>, number: u64) -> BuiltinRemote {
    let payload = Payload::new(counts, number);
    Builtin::remote("posted", move |cx| {
        let counts = &payload.0;
        add(&counts.posts_run);
        if !payload.1.is_multiple_of(16) {
            return;
        }
        let (on_worker, after) = (Arc::clone(counts), Arc::clone(counts));
        let run = move |_: &loop_core::work_pool::Worker<'_>| {
            add(&on_worker.jobs_run);
            Builtin::remote("settled", move |_| {
                add(&after.jobs_settled);
            })
        };
        let job = TagOf::Global(tag::tag_of_label("job"));
        if cx.work(job, run, |_| unreachable!("no job panics")).is_ok() {
            add(&counts.jobs);
        }
    })
}

fn keep(handle: &Handle<Builtin>, counts: &Arc<Counts>) -> Kept<Builtin> {
    let counts = Arc::clone(counts);
    handle.keep(move || {
        let counts = Arc::clone(&counts);
        Builtin::remote("kept", move |_| {
            add(&counts.kept_run);
        })
    })
}

/// Joins the threads of a scope. The end of the scope also waits for them, but by an atomic in the standard library,
/// which is not instrumented, so ThreadSanitizer would report races with the code that follows. It does see a join.
fn join<'scope>(threads: impl IntoIterator<Item = thread::ScopedJoinHandle<'scope, ()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// One producer's work: posts, kept posts, wakeups, holds and releases, signals.
fn produce(handle: &Handle<Builtin>, kept: &[Kept<Builtin>], counts: &Arc<Counts>, count: u64) {
    for number in 0..count {
        match handle.post(post(counts, number)) {
            Ok(()) => add(&counts.posted),
            Err(_closed) => add(&counts.refused),
        }
        if kept[number as usize % kept.len()].post() == Ok(KeptPost::Queued) {
            add(&counts.kept_queued);
        }
        match number % 64 {
            0 => handle.hold(),
            1 => handle.wake(),
            2 => handle.release(),
            3 => thread::sleep(Duration::from_micros(50)),
            _ => {}
        }
    }
    // A producer that stopped in the middle of a round has not released yet.
    if matches!(count % 64, 1 | 2) {
        handle.release();
    }
}

/// Releases what keeps the loop alive, once all raised signals have been delivered.
fn finish(cx: &mut Context<'_, Builtin>, counts: Arc<Counts>, interval: Timer) {
    if get(&counts.signals_run) < get(&counts.raised) {
        let again = Builtin::once("last", move |cx| finish(cx, counts, interval));
        cx.set_timeout(Duration::from_micros(200), again);
        return;
    }
    assert!(cx.clear_timer(interval));
    assert!(cx.remove_signal(SIGNAL));
}

/// A loop under all of it, until all producers are done and nothing is pending.
fn storm(count: u64) {
    let counts = Arc::new(Counts::default());
    let session = Session::builder("stress").private();
    let mut event_loop =
        EventLoop::<Builtin>::builder().session(&session, "loop").workers(2).build().unwrap();
    let handle = event_loop.handle();
    let kept: Vec<_> = (0..3).map(|_| keep(&handle, &counts)).collect();
    let (signals, timers) = (Arc::clone(&counts), Arc::clone(&counts));
    let interval = event_loop.with(|cx| {
        let on_signal = Builtin::repeat("signal", move |_| add(&signals.signals_run));
        cx.on_signal(SIGNAL, on_signal).unwrap();
        let tick = Builtin::repeat("interval", move |_| add(&timers.timers_fired));
        cx.set_interval(Duration::from_micros(100), tick).unwrap()
    });
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for _ in 0..PRODUCERS {
            let (handle, kept, counts) = (handle.clone(), &kept, &counts);
            threads.push(scope.spawn(move || produce(&handle, kept, counts, count)));
        }
        let raiser = Arc::clone(&counts);
        threads.push(scope.spawn(move || {
            // Fewer than the ring has slots, so none may be dropped.
            for _ in 0..count.min(4_000) {
                signal_hook::low_level::raise(SIGNAL).unwrap();
                add(&raiser.raised);
            }
        }));
        let (end, ending) = (handle.clone(), Arc::clone(&counts));
        let ender = scope.spawn(move || {
            join(threads);
            end.post(Builtin::remote("last", move |cx| finish(cx, ending, interval))).unwrap();
        });
        // It is stopped from time to time, and runs again.
        let stop = handle.clone();
        let stopper = scope.spawn(move || {
            for _ in 0..count.min(50) {
                stop.stop();
                thread::sleep(Duration::from_micros(200));
            }
        });
        while event_loop.run().unwrap() == StopReason::Stopped {}
        join([ender, stopper]);
    });
    // Consumes a stop that arrived after the loop had drained.
    while event_loop.run().unwrap() == StopReason::Stopped {}
    assert_eq!((get(&counts.posted), get(&counts.refused)), (PRODUCERS * count, 0));
    assert_eq!(get(&counts.posts_run), PRODUCERS * count);
    assert_eq!(get(&counts.payloads_dropped), PRODUCERS * count);
    assert_eq!(get(&counts.kept_run), get(&counts.kept_queued));
    assert_eq!(get(&counts.jobs), PRODUCERS * count.div_ceil(16));
    assert_eq!((get(&counts.jobs_run), get(&counts.jobs_settled)), (get(&counts.jobs), get(&counts.jobs)));
    assert_eq!(get(&counts.signals_run), get(&counts.raised));
    assert_eq!(event_loop.metrics().panics, 0);
}

#[test]
fn b08_b09_b11_b14_everything_at_once_is_counted_exactly() {
    for _ in 0..scaled(4) {
        storm(scaled(4_000));
    }
}

/// A loop that ends while other threads post to it.
fn abandoned(count: u64, run_at_most: u64) {
    let counts = Arc::new(Counts::default());
    let (handles, handle_at) = mpsc::channel();
    let owner = Arc::clone(&counts);
    let loop_thread = thread::spawn(move || {
        let mut event_loop = EventLoop::<Builtin>::builder().workers(1).build().unwrap();
        handles.send(event_loop.handle()).unwrap();
        event_loop.with(|cx| cx.hold("owner"));
        while get(&owner.posts_run) < run_at_most {
            event_loop.run_for(Duration::from_micros(300)).unwrap();
        }
        // The loop is dropped here, with posts at every stage.
    });
    let handle = handle_at.recv().unwrap();
    let kept = [keep(&handle, &counts)];
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..PRODUCERS).map(|_| scope.spawn(|| produce(&handle, &kept, &counts, count))).collect();
        join(threads);
    });
    loop_thread.join().unwrap();
    assert!(handle.is_closed());
    assert!(kept[0].post().is_err());
    assert_eq!(get(&counts.posted) + get(&counts.refused), PRODUCERS * count);
    assert!(get(&counts.posts_run) >= run_at_most && get(&counts.posts_run) <= get(&counts.posted));
    assert_eq!(
        get(&counts.payloads_dropped),
        PRODUCERS * count,
        "run, refused or dropped: each exactly once"
    );
    assert!(get(&counts.kept_run) <= get(&counts.kept_queued));
}

#[test]
fn b10_loops_that_end_under_load_lose_nothing_that_they_took() {
    for round in 0..scaled(20) {
        abandoned(scaled(1_500), scaled(1_500) * (round % PRODUCERS) / 2);
    }
}
