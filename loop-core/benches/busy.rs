//! Measures timer lag while the work pool is busy, compared with an idle pool, in one run.
//!
//! `cargo bench -p loop-core --bench busy`. The subjects' rounds alternate, because a shared machine drifts; a
//! round is a one-millisecond interval on a loop of its own. Waiting jobs occupy a worker but no processor.
//! Computing jobs occupy both: first on all cores but one, as a server would be configured, then on all of them.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_core::{Builtin, EventLoop, LocalHandle};
use loop_probes::event::Event;
use loop_probes::recorder::Recorder;

const PERIOD: Duration = Duration::from_millis(1);
const FIRINGS: usize = 300;
const ROUNDS: usize = 9;

/// The work that the workers do during a round.
#[derive(Clone, Copy)]
enum Load {
    Nothing,
    Wait,
    Compute,
}

/// The lags of one round, in nanoseconds, sorted.
fn round(workers: u16, load: Load) -> Vec<u64> {
    let (recorder, capture) = Recorder::capture();
    let builder = EventLoop::<Builtin>::builder().workers(workers).recorder(recorder);
    let mut event_loop = builder.build().expect("a loop");
    event_loop.spawn("round", move |lp: LocalHandle<Builtin>| async move {
        let stop = Arc::new(AtomicBool::new(false));
        let mut jobs = Vec::new();
        for _ in 0..workers {
            let stop = Arc::clone(&stop);
            match load {
                Load::Nothing => {}
                Load::Wait => jobs.push(lp.work("waits", move |_| {
                    while !stop.load(Ordering::Relaxed) {
                        std::thread::sleep(PERIOD);
                    }
                })),
                Load::Compute => jobs.push(lp.work("computes", move |_| {
                    let mut sum = 0_u64;
                    while !stop.load(Ordering::Relaxed) {
                        sum = black_box(sum.wrapping_mul(31).wrapping_add(7));
                    }
                })),
            }
        }
        let mut interval = lp.interval(PERIOD);
        for _ in 0..FIRINGS {
            interval.tick().await;
        }
        drop(interval);
        stop.store(true, Ordering::Relaxed);
        for job in jobs {
            job.await.expect("it does not panic");
        }
    });
    event_loop.run().expect("it ends by itself");
    let lag = |event| match event {
        Event::TimerFired { due, fired, .. } => Some(fired.ns_since(due)),
        _ => None,
    };
    let mut lags: Vec<_> = capture.take().into_iter().filter_map(|(_, event)| lag(event)).collect();
    lags.sort_unstable();
    lags
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(0xffff) as u16);
    let spare = cores.saturating_sub(1).max(1);
    let subjects = [
        ("idle pool".to_owned(), spare, Load::Nothing),
        (format!("{spare} workers wait"), spare, Load::Wait),
        (format!("{spare} workers compute"), spare, Load::Compute),
        (format!("{cores} workers compute"), cores, Load::Compute),
    ];
    let mut lags = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (lags, (_, workers, load)) in lags.iter_mut().zip(&subjects) {
            lags.push(round(*workers, *load));
        }
    }
    println!("timer lag at a period of {PERIOD:?} on {cores} cores, median of {ROUNDS} rounds");
    println!("{:<24} {:>10} {:>10} {:>14}", "", "p50", "p99", "p50 / idle");
    for (lags_of, (name, ..)) in lags.iter().zip(&subjects) {
        let at = |percent: usize| {
            median(
                lags_of.iter().map(|round| round[(round.len() - 1) * percent / 100] as f64 / 1e3).collect(),
            )
        };
        let p50 = |round: &Vec<u64>| round[round.len() / 2] as f64;
        let ratio = median(lags_of.iter().zip(&lags[0]).map(|(one, idle)| p50(one) / p50(idle)).collect());
        println!("{name:<24} {:>7.1} µs {:>7.1} µs {ratio:>13.2}×", at(50), at(99));
    }
}
