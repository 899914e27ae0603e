//! Measures the cost of a future on the loop, compared with a posted task, in one run.
//!
//! `cargo bench -p loop-core --bench futures`. Samples of all subjects are interleaved and each ratio is the median
//! of the rounds' ratios, because a shared machine drifts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;

use loop_core::{Builtin, EventLoop};
use loop_probes::clock::monotonic_now;

const BATCH: u32 = 5_000;
const ROUNDS: usize = 201;

/// Nanoseconds per item of a batch.
fn sample(event_loop: &mut EventLoop<Builtin>, set_up: impl FnOnce(&mut EventLoop<Builtin>)) -> f64 {
    let start = monotonic_now();
    set_up(event_loop);
    event_loop.run().expect("it ends by itself");
    monotonic_now().ns_since(start) as f64 / f64::from(BATCH)
}

fn tasks(event_loop: &mut EventLoop<Builtin>) {
    for number in 0..BATCH {
        event_loop.post(Builtin::once("task", move |_| {
            black_box(number);
        }));
    }
}

fn spawned(event_loop: &mut EventLoop<Builtin>) {
    for number in 0..BATCH {
        drop(event_loop.spawn("future", move |_| async move {
            black_box(number);
        }));
    }
}

fn polls(event_loop: &mut EventLoop<Builtin>) {
    drop(event_loop.spawn("yields", |lp| async move {
        for _ in 0..BATCH {
            lp.yield_now().await;
        }
    }));
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut event_loop = EventLoop::<Builtin>::new().expect("a loop");
    type Subject = (&'static str, fn(&mut EventLoop<Builtin>));
    let subjects: [Subject; 3] = [
        ("a boxed task, posted and run", tasks),
        ("a future, spawned and run to its end", spawned),
        ("a poll of one that wakes itself", polls),
    ];
    let mut costs = vec![Vec::new(); subjects.len()];
    for _ in 0..ROUNDS {
        for (costs, (_, subject)) in costs.iter_mut().zip(&subjects) {
            costs.push(sample(&mut event_loop, subject));
        }
    }
    println!("without a recorder; nanoseconds each, median of {ROUNDS} rounds of {BATCH}");
    for (costs_of, (name, _)) in costs.iter().zip(&subjects) {
        let ratio = median(costs_of.iter().zip(&costs[0]).map(|(one, task)| one / task).collect());
        println!("{name:<40} {:>7.1} ns {ratio:>6.2}×", median(costs_of.clone()));
    }
}
