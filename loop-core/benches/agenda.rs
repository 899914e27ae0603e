//! Measures the cost of adding and running a tasklet, compared with a channel to threads and with the work
//! pool, in one run.
//!
//! `cargo bench -p loop-core --bench agenda`. One sample adds a batch and waits until all of it has run; a tasklet
//! does next to nothing. Samples of all subjects are interleaved and each ratio is the median of the rounds' ratios,
//! because a shared machine drifts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use loop_core::agenda::{Agenda, Priority, Tasklet};
use loop_core::tag::tag_of_label;
use loop_core::work_pool::threads::WorkPool;
use loop_core::work_pool::{Job, Pool};
use loop_probes::clock::{Clock, SystemClock, monotonic_now};
use loop_probes::ids::TaskId;
use loop_probes::recorder::Recorder;
use loop_probes::session::Session;

const BATCH: u64 = 5_000;
const ROUNDS: usize = 101;

/// Completed runs.
type Done = Arc<AtomicU64>;

/// Nanoseconds per piece of work: `add` adds a batch, and each piece counts itself in `done`.
fn sample(done: &Done, add: impl FnOnce()) -> f64 {
    let until = done.load(Ordering::Acquire) + BATCH;
    let start = monotonic_now();
    add();
    while done.load(Ordering::Acquire) < until {
        thread::yield_now();
    }
    monotonic_now().ns_since(start) as f64 / BATCH as f64
}

type Closure = Box<dyn FnOnce() + Send>;

/// Threads that take boxed closures from one channel: the version that one writes without a library.
struct Channel {
    sender: Option<Sender<Closure>>,
    threads: Vec<JoinHandle<()>>,
}

impl Channel {
    fn new(workers: u16) -> Self {
        let (sender, receiver) = channel::<Closure>();
        let receiver: Arc<Mutex<Receiver<Closure>>> = Arc::new(Mutex::new(receiver));
        let work = |receiver: Arc<Mutex<Receiver<Closure>>>| {
            move || {
                loop {
                    let next = receiver.lock().expect("nothing panics under the lock").recv();
                    let Ok(run) = next else { break };
                    run();
                }
            }
        };
        let threads = (0..workers).map(|_| thread::spawn(work(Arc::clone(&receiver)))).collect();
        Self { sender: Some(sender), threads }
    }

    fn sample(&self, done: &Done) -> f64 {
        sample(done, || {
            for _ in 0..BATCH {
                let done = Arc::clone(done);
                let run: Closure = Box::new(move || {
                    done.fetch_add(1, Ordering::Release);
                });
                self.sender.as_ref().expect("it is open").send(run).expect("its threads live");
            }
        })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        drop(self.sender.take());
        for thread in self.threads.drain(..) {
            thread.join().expect("nothing panics there");
        }
    }
}

fn on_pool(pool: &mut WorkPool<()>, done: &Done, clock: SystemClock) -> f64 {
    let tag = tag_of_label("job");
    sample(done, || {
        for number in 0..BATCH {
            let done = Arc::clone(done);
            let run = Box::new(move |_: &loop_core::work_pool::Worker<'_>| {
                done.fetch_add(1, Ordering::Release);
            });
            let job = Job { task: TaskId(number), tag, queued: clock.ticks(), run };
            assert!(pool.submit(job).is_ok(), "it is open");
        }
    })
}

fn on_agenda(agenda: &Agenda, done: &Done) -> f64 {
    sample(done, || {
        for number in 0..BATCH {
            let done = Arc::clone(done);
            let tasklet = Tasklet::once("tasklet", move |_| {
                done.fetch_add(1, Ordering::Release);
            });
            let priority = Priority::ALL[(number % 3) as usize];
            agenda.add(tasklet.priority(priority)).expect("it is open");
        }
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

const SUBJECTS: [&str; 4] =
    ["threads on a std channel", "the work pool", "the agenda", "the agenda, private rings"];

fn main() {
    let session = Session::builder("bench").private();
    for workers in [1, 2] {
        let done = Done::default();
        let channel = Channel::new(workers);
        let silent = Box::new(|_| Recorder::disabled());
        let pool = WorkPool::new(Some(workers), session.clock(), silent, Box::new(|_| ()));
        let mut pool = pool.expect("the system has threads");
        let agenda = Agenda::builder().workers(workers).build().expect("the system has threads");
        let recorded = Agenda::builder().workers(workers).session(&session).build();
        let recorded = recorded.expect("the system has threads");
        let mut columns: [Vec<f64>; SUBJECTS.len()] = Default::default();
        for round in 0..ROUNDS + 10 {
            let row = [
                channel.sample(&done),
                on_pool(&mut pool, &done, session.clock()),
                on_agenda(&agenda, &done),
                on_agenda(&recorded, &done),
            ];
            // The first samples warm up pages, capacities and the clock frequency.
            if round >= 10 {
                columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
            }
        }
        println!("one tasklet, added and run, ns, {workers} workers (median of {ROUNDS} samples of {BATCH})");
        let [first, ..] = &columns;
        for (name, column) in SUBJECTS.iter().zip(&columns) {
            let ratios = column.iter().zip(first).map(|(value, floor)| value / floor).collect();
            println!("  {name:<28} {:8.1}   {:6.2} x the first", median(column.clone()), median(ratios));
        }
    }
}
