//! Measures the cost of a message from another thread, compared with its floors, and the wakeup latency of a waiting
//! loop, compared with a bare eventfd, in one run.
//!
//! `cargo bench -p loop-core --bench posts`. A sample sends messages from 1, 2 or 4 threads to this one, which takes
//! them as they arrive; its figure is the total time divided by the number of messages. Samples of all subjects are
//! interleaved and each ratio is the median of the rounds' ratios, because a shared machine drifts. Reproducible
//! figures need two cores reserved for the bench.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use loop_core::low_level::queue::concurrent::ConcurrentQueue;
use loop_core::poller::os::OsPoller;
use loop_core::poller::{Poller, Waker};
use loop_core::{Context, EventLoop, Handle, Task};
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Ticks;
use rustix::event::{EventfdFlags, epoll, eventfd};

/// Messages per sample, over all producers.
const MESSAGES: u64 = 100_000;
const ROUNDS: usize = 31;
const WAKE_UPS: usize = 2_000;
/// Marks the absence of a time.
const NOTHING: u64 = u64::MAX;

/// Sends and receives numbers.
trait Channel: Sync {
    fn send(&self, number: u64);
    /// Takes all that is available, passes each to `each`, and returns their number.
    fn take(&self, each: &mut impl FnMut(u64)) -> u64;
}

impl Channel for ConcurrentQueue<u64> {
    fn send(&self, number: u64) {
        assert!(self.push(number, None, Ticks(0)).is_ok());
    }

    fn take(&self, each: &mut impl FnMut(u64)) -> u64 {
        let batch = self.take_batch();
        let count = batch.len() as u64;
        batch.for_each(|posted| each(posted.item));
        count
    }
}

impl Channel for Mutex<VecDeque<u64>> {
    fn send(&self, number: u64) {
        self.lock().expect("nothing panics under it").push_back(number);
    }

    fn take(&self, each: &mut impl FnMut(u64)) -> u64 {
        let taken = std::mem::take(&mut *self.lock().expect("nothing panics under it"));
        let count = taken.len() as u64;
        taken.into_iter().for_each(each);
        count
    }
}

struct Std(mpsc::Sender<u64>, Mutex<mpsc::Receiver<u64>>);

impl Channel for Std {
    fn send(&self, number: u64) {
        assert!(self.0.send(number).is_ok());
    }

    fn take(&self, each: &mut impl FnMut(u64)) -> u64 {
        let receiver = self.1.lock().expect("nothing panics under it");
        receiver.try_iter().map(each).count() as u64
    }
}

/// Starts `producers` threads that each call `send` for their share, and calls `take` until everything has
/// arrived. Returns the nanoseconds per message, over at least [`MESSAGES`].
fn sample(producers: u64, send: impl Fn(u64) + Sync, mut take: impl FnMut() -> u64) -> f64 {
    let barrier = Barrier::new(producers as usize + 1);
    let each = MESSAGES / producers;
    thread::scope(|scope| {
        for _ in 0..producers {
            scope.spawn(|| {
                barrier.wait();
                (0..each).for_each(&send);
            });
        }
        barrier.wait();
        let start = monotonic_now();
        let mut taken = 0;
        while taken < each * producers {
            match take() {
                0 => thread::yield_now(),
                some => taken += some,
            }
        }
        monotonic_now().ns_since(start) as f64 / taken as f64
    })
}

fn through(channel: &impl Channel, producers: u64) -> f64 {
    let mut sum = 0_u64;
    let mut each = |number| sum = sum.wrapping_add(number);
    let ns = sample(producers, |number| channel.send(number), || channel.take(&mut each));
    std::hint::black_box(sum);
    ns
}

thread_local! {
    static RAN: Cell<u64> = const { Cell::new(0) };
}

/// A message to a loop.
enum Work {
    Count,
    /// Stores the time elapsed since this time.
    Woken(Arc<AtomicU64>, u64),
    Stop,
}

impl Task for Work {
    type Remote = Self;
    loop_core::tags! { Count, Woken, Stop }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Count => RAN.set(RAN.get() + 1),
            Self::Woken(reply, since) => reply.store(monotonic_now().as_ns() - since, Ordering::Release),
            Self::Stop => cx.release("bench"),
        }
    }
}

/// A message that runs as a task of a loop.
fn on_loop(event_loop: &mut EventLoop<Work>, producers: u64) -> f64 {
    let handle = event_loop.handle();
    sample(
        producers,
        |_| assert!(handle.post(Work::Count).is_ok()),
        || {
            let before = RAN.get();
            event_loop.tick();
            RAN.get() - before
        },
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn messages() {
    const SUBJECTS: [&str; 4] = [
        "the loop's queue",
        "a VecDeque under a mutex",
        "std's channel",
        "posted to a loop and run as a task",
    ];
    let mut event_loop = EventLoop::<Work>::new().expect("the system has a poller");
    let queue = ConcurrentQueue::new();
    let under_mutex = Mutex::new(VecDeque::new());
    let (sender, receiver) = mpsc::channel();
    let channel = Std(sender, Mutex::new(receiver));
    for producers in [1, 2, 4] {
        let mut columns: [Vec<f64>; SUBJECTS.len()] = Default::default();
        for round in 0..ROUNDS + 2 {
            let row = [
                through(&queue, producers),
                through(&under_mutex, producers),
                through(&channel, producers),
                on_loop(&mut event_loop, producers),
            ];
            // The first ones warm pages, capacities and the frequency.
            if round >= 2 {
                columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
            }
        }
        println!("a message from {producers} producers, ns (median of {ROUNDS} samples of {MESSAGES})");
        let [ours, ..] = &columns;
        for (name, column) in SUBJECTS.iter().zip(&columns) {
            let ratios = column.iter().zip(ours).map(|(value, floor)| value / floor).collect();
            println!("  {name:<40} {:8.2}   {:6.2} x the first", median(column.clone()), median(ratios));
        }
    }
}

/// A waiter that is woken, and reports after how many nanoseconds.
trait Sleeper {
    fn wake(&self, reply: &Arc<AtomicU64>);
}

struct BareEventfd {
    eventfd: Arc<rustix::fd::OwnedFd>,
    since: Arc<AtomicU64>,
}

impl BareEventfd {
    /// Waits until it is woken with the time 0.
    fn start(reply: Arc<AtomicU64>) -> (Self, thread::JoinHandle<()>) {
        let eventfd = Arc::new(eventfd(0, EventfdFlags::NONBLOCK).expect("the system has eventfds"));
        let this = Self { eventfd: Arc::clone(&eventfd), since: Arc::default() };
        let since = Arc::clone(&this.since);
        let thread = thread::spawn(move || {
            let poll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("the system has epoll");
            let data = epoll::EventData::new_u64(0);
            epoll::add(&poll, &eventfd, data, epoll::EventFlags::IN).expect("an eventfd can be polled");
            let mut events = Vec::with_capacity(4);
            loop {
                events.clear();
                epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).expect("it can wait");
                rustix::io::read(&eventfd, &mut [0; 8]).expect("it was written to");
                match since.load(Ordering::Acquire) {
                    0 => break,
                    since => reply.store(monotonic_now().as_ns() - since, Ordering::Release),
                }
            }
        });
        (this, thread)
    }

    fn write(&self) {
        rustix::io::write(&*self.eventfd, &1_u64.to_ne_bytes()).expect("the counter is not full");
    }
}

impl Sleeper for BareEventfd {
    fn wake(&self, _reply: &Arc<AtomicU64>) {
        self.since.store(monotonic_now().as_ns(), Ordering::Release);
        self.write();
    }
}

/// The loop's poller without the loop: shows which part of a wakeup is the cost of `polling`.
struct PollerAlone {
    waker: Waker,
    since: Arc<AtomicU64>,
}

impl PollerAlone {
    /// Waits until it is woken with the time 0.
    fn start(reply: Arc<AtomicU64>) -> (Self, thread::JoinHandle<()>) {
        let mut poller = OsPoller::new().expect("the system has a poller");
        let this = Self { waker: poller.waker(), since: Arc::default() };
        let since = Arc::clone(&this.since);
        let thread = thread::spawn(move || {
            let mut ready = Vec::new();
            loop {
                poller.wait(None, &mut ready).expect("it can wait");
                match since.swap(NOTHING, Ordering::AcqRel) {
                    0 => break,
                    // The previous wakeup ended late.
                    NOTHING => {}
                    since => reply.store(monotonic_now().as_ns() - since, Ordering::Release),
                }
            }
        });
        (this, thread)
    }
}

impl Sleeper for PollerAlone {
    fn wake(&self, _reply: &Arc<AtomicU64>) {
        self.since.store(monotonic_now().as_ns(), Ordering::Release);
        self.waker.wake();
    }
}

impl Sleeper for Handle<Work> {
    fn wake(&self, reply: &Arc<AtomicU64>) {
        assert!(self.post(Work::Woken(Arc::clone(reply), monotonic_now().as_ns())).is_ok());
    }
}

/// Microseconds from before the wakeup until the waiter runs.
fn wake(sleeper: &impl Sleeper, reply: &Arc<AtomicU64>, pause: Duration) -> f64 {
    reply.store(0, Ordering::Relaxed);
    // The waiter has to be asleep.
    thread::sleep(pause);
    sleeper.wake(reply);
    loop {
        match reply.load(Ordering::Acquire) {
            0 => std::hint::spin_loop(),
            ns => return ns as f64 / 1_000.0,
        }
    }
}

fn wake_ups() {
    let reply = Arc::new(AtomicU64::new(0));
    let (bare, bare_thread) = BareEventfd::start(Arc::clone(&reply));
    let (poller, poller_thread) = PollerAlone::start(Arc::clone(&reply));
    let (send, receive) = mpsc::channel();
    let loop_thread = thread::spawn(move || {
        let mut event_loop = EventLoop::<Work>::new().expect("the system has a poller");
        event_loop.with(|cx| cx.hold("bench"));
        assert!(send.send(event_loop.handle()).is_ok());
        event_loop.run().expect("a loop can poll");
    });
    let handle = receive.recv().expect("the thread sends it");
    let pause = Duration::from_micros(200);
    let mut columns: [Vec<f64>; 3] = Default::default();
    for _ in 0..WAKE_UPS {
        columns[0].push(wake(&bare, &reply, pause));
        columns[1].push(wake(&poller, &reply, pause));
        columns[2].push(wake(&handle, &reply, pause));
    }
    for sleeper in [&bare.since, &poller.since] {
        sleeper.store(0, Ordering::Release);
    }
    bare.write();
    poller.waker.wake();
    assert!(handle.post(Work::Stop).is_ok());
    for thread in [bare_thread, poller_thread, loop_thread] {
        thread.join().expect("it does not panic");
    }
    println!("waking who waits, µs ({WAKE_UPS} times each, in turn)");
    let names = ["a bare eventfd under epoll", "the loop's poller alone", "a loop, until its task runs"];
    let quantiles = columns.map(|mut column| {
        column.sort_by(f64::total_cmp);
        [column[WAKE_UPS / 10], column[WAKE_UPS / 2], column[WAKE_UPS * 99 / 100]]
    });
    for (name, [p10, p50, p99]) in names.iter().zip(quantiles) {
        let ratio = p50 / quantiles[0][1];
        println!("  {name:<30} p10 {p10:6.2}   p50 {p50:6.2}   p99 {p99:6.2}   p50 {ratio:5.2} x the first");
    }
}

fn main() {
    messages();
    wake_ups();
}
