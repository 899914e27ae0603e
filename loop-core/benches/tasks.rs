//! Measures the cost of a task on the loop, compared with its floor, in one run.
//!
//! `cargo bench -p loop-core --bench tasks`. One sample posts a batch and runs it in a tick; a task does next to
//! nothing. Samples of all subjects are interleaved and each ratio is the median of the rounds' ratios, because
//! a shared machine drifts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;

use loop_core::{Context, EventLoop, Task};
use loop_probes::clock::{Clock, SystemClock, monotonic_now};
use loop_probes::recorder::Recorder;
use loop_probes::session::Session;

/// Tasks per sample, fewer than one tick may run: they take a few hundred microseconds.
const BATCH: u64 = 5_000;
const ROUNDS: usize = 401;

thread_local! {
    static SUM: Cell<u64> = const { Cell::new(0) };
}

fn add(number: u64) {
    SUM.set(SUM.get().wrapping_add(number));
}

#[derive(Debug)]
enum Work {
    Add(u64),
    Then(u64),
    /// Posts this many of the first.
    Fan(u64),
    /// Posts itself until this many have run.
    Chain(u64),
}

impl Task for Work {
    type Remote = Self;
    loop_core::tags! { Add, Then, Fan, Chain }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Add(number) => add(number),
            Self::Then(number) => cx.microtask(Self::Add(number)),
            Self::Fan(tasks) => (0..tasks).for_each(|number| {
                cx.post(Self::Add(number));
            }),
            Self::Chain(left) => {
                add(left);
                if left > 1 {
                    cx.post(Self::Chain(left - 1));
                }
            }
        }
    }
}

/// Nanoseconds per task of `work`, which runs a batch.
fn sample(work: impl FnOnce()) -> f64 {
    let start = monotonic_now();
    work();
    monotonic_now().ns_since(start) as f64 / BATCH as f64
}

/// An entry of the floor's queue: a function and its argument.
#[derive(Clone, Copy)]
struct Call(fn(&mut VecDeque<Call>, u64), u64);

fn floor_add(_: &mut VecDeque<Call>, number: u64) {
    add(number);
}

fn floor_chain(queue: &mut VecDeque<Call>, left: u64) {
    add(left);
    if left > 1 {
        queue.push_back(Call(black_box(floor_chain), left - 1));
    }
}

fn run_floor(queue: &mut VecDeque<Call>) {
    while let Some(Call(run, number)) = queue.pop_front() {
        run(queue, number);
    }
}

/// The floor: a queue of function pointers.
fn floor(queue: &mut VecDeque<Call>) -> f64 {
    sample(|| {
        for number in 0..BATCH {
            queue.push_back(Call(black_box(floor_add), number));
        }
        run_floor(queue);
    })
}

/// The same, but each call queues the next.
fn floor_of_chain(queue: &mut VecDeque<Call>) -> f64 {
    sample(|| {
        queue.push_back(Call(black_box(floor_chain), BATCH));
        run_floor(queue);
    })
}

/// The same on a loop, posted from outside. The second half of the turn, the poll, is measured by another bench.
fn on_loop(event_loop: &mut EventLoop<Work>, work: fn(u64) -> Work) -> f64 {
    let taken = sample(|| {
        event_loop.with(|cx| {
            for number in 0..BATCH {
                cx.post(work(number));
            }
        });
        event_loop.tick();
    });
    event_loop.auto_tick().expect("a loop can poll");
    taken
}

/// The same, posted from inside a task.
fn from_a_task(event_loop: &mut EventLoop<Work>, first: fn(u64) -> Work) -> f64 {
    let taken = sample(|| {
        event_loop.post(first(BATCH));
        event_loop.tick();
    });
    event_loop.auto_tick().expect("a loop can poll");
    taken
}

fn two_readings(clock: SystemClock) -> f64 {
    sample(|| {
        for _ in 0..BATCH {
            black_box((clock.ticks(), clock.ticks()));
        }
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Each subject with the index of its floor.
const SUBJECTS: [(&str, usize); 10] = [
    ("a VecDeque of fn pointers", 0),
    ("a task, no recorder", 0),
    ("a task posted from a task, no recorder", 0),
    ("fn pointers, each queues the next", 3),
    ("a task that posts the next, no recorder", 3),
    ("a task with a microtask, no recorder", 0),
    ("two clock readings", 0),
    ("a task, private ring", 0),
    ("a task that posts the next, private ring", 3),
    ("a task with a microtask, private ring", 0),
];

fn main() {
    let session = Session::builder("bench").private();
    let build = |recorder: Recorder| {
        let builder = EventLoop::<Work>::builder().clock(session.clock()).recorder(recorder);
        builder.build().expect("the system has a poller")
    };
    let mut queue = VecDeque::new();
    let mut silent = build(Recorder::disabled());
    let mut recorded = build(session.recorder("loop"));
    let mut columns: [Vec<f64>; SUBJECTS.len()] = Default::default();
    for round in 0..ROUNDS + 20 {
        let row = [
            floor(&mut queue),
            on_loop(&mut silent, Work::Add),
            from_a_task(&mut silent, Work::Fan),
            floor_of_chain(&mut queue),
            from_a_task(&mut silent, Work::Chain),
            on_loop(&mut silent, Work::Then),
            two_readings(session.clock()),
            on_loop(&mut recorded, Work::Add),
            from_a_task(&mut recorded, Work::Chain),
            on_loop(&mut recorded, Work::Then),
        ];
        // The first samples warm up pages, capacities and the clock frequency.
        if round >= 20 {
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
    }
    println!("one task, posted and run, ns (median of {ROUNDS} samples of {BATCH})");
    for ((name, floor), column) in SUBJECTS.iter().zip(&columns) {
        let ratios = column.iter().zip(&columns[*floor]).map(|(value, floor)| value / floor).collect();
        println!(
            "  {name:<44} {:8.2}   {:6.2} x {}",
            median(column.clone()),
            median(ratios),
            SUBJECTS[*floor].0
        );
    }
    let recording = columns[7].iter().zip(&columns[1]).zip(&columns[6]);
    let in_readings = recording.map(|((with, without), readings)| (with - without) / readings).collect();
    println!("  recording a task costs {:.2} x two clock readings", median(in_readings));
}
