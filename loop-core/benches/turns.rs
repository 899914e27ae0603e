//! Measures the cost of a turn, and the poll's share of it, in one run.
//!
//! `cargo bench -p loop-core --bench turns`. One sample is a batch of turns of a loop whose only immediate sets the
//! next: with the system's poller, with one that does nothing, with a poll gap. For comparison, the bare calls: a
//! wait of `polling`, its system call, a reading of the monotonic clock. Samples of all subjects are interleaved; a
//! ratio is the median of the rounds' ratios.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use loop_core::poller::os::OsPoller;
use loop_core::poller::{Interest, Poller, PollerError, Ready, Source, Waker};
use loop_core::{Context, EventLoop, Policy, Task};
use loop_probes::clock::{SystemClock, monotonic_now};
use rustix::event::Timespec;
use rustix::event::epoll;

/// Turns per sample.
const BATCH: u64 = 500;
const ROUNDS: usize = 301;

#[derive(Debug)]
enum Work {
    Again,
    Readable,
}

impl Task for Work {
    type Remote = Self;
    loop_core::tags! { Again, Readable }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Again => {
                cx.immediate(Self::Again);
            }
            Self::Readable => {}
        }
    }

    fn again(&self) -> Option<Self> {
        match self {
            Self::Again => None,
            Self::Readable => Some(Self::Readable),
        }
    }
}

/// A poller that finds nothing and makes no system call.
struct Nothing(OsPoller);

impl Poller for Nothing {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError> {
        self.0.add(source, interest, key)
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        self.0.modify(key, interest)
    }

    fn delete(&mut self, key: usize) -> Result<Source, PollerError> {
        self.0.delete(key)
    }

    fn wait(&mut self, _timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        out.clear();
        Ok(())
    }

    fn waker(&self) -> Waker {
        self.0.waker()
    }
}

/// Nanoseconds per turn of `turns`, which runs a batch.
fn sample(turns: impl FnOnce()) -> f64 {
    let start = monotonic_now();
    turns();
    monotonic_now().ns_since(start) as f64 / BATCH as f64
}

fn turns<P: Poller>(event_loop: &mut EventLoop<Work, SystemClock, P>) -> f64 {
    sample(|| (0..BATCH).for_each(|_| event_loop.turn().expect("a loop can poll")))
}

fn build<P: Poller>(policy: Policy, poller: P) -> EventLoop<Work, SystemClock, P> {
    let mut event_loop = EventLoop::<Work>::builder().policy(policy).build_on(SystemClock::new(), poller);
    event_loop.with(|cx| cx.immediate(Work::Again));
    event_loop
}

fn with_gap(gap: Duration) -> EventLoop<Work, SystemClock, OsPoller> {
    let mut policy = Policy::bun();
    policy.poll_gap = gap;
    build(policy, os_poller())
}

fn os_poller() -> OsPoller {
    OsPoller::new().expect("the system has a poller")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The delay between a source becoming readable and its call, in nanoseconds, for a loop that has work in each
/// turn.
fn delay_of_a_source(gap: Duration) -> f64 {
    let mut event_loop = with_gap(gap);
    let (mine, theirs) = UnixStream::pair().expect("the system has sockets");
    let source: Source = Arc::new(mine);
    event_loop
        .with(|cx| cx.register(Arc::clone(&source), Interest::READABLE, Work::Readable))
        .expect("a socket can be polled");
    let delays = (0..300).map(|round: u32| {
        // Varies the distance from the last poll.
        (0..round % 37).for_each(|_| event_loop.turn().expect("a loop can poll"));
        let called = event_loop.metrics().io_ready;
        rustix::io::write(&theirs, b"x").expect("a socket takes a byte");
        let start = monotonic_now();
        while event_loop.metrics().io_ready == called {
            event_loop.turn().expect("a loop can poll");
        }
        let delay = monotonic_now().ns_since(start) as f64;
        rustix::io::read(source.as_fd(), &mut [0; 8]).expect("the byte is there");
        delay
    });
    median(delays.collect())
}

const SUBJECTS: [&str; 7] = [
    "a turn with one immediate",
    "the same, poll gap 10 us",
    "the same, poll gap 100 us",
    "the same, a poller that does nothing",
    "bare polling, wait(0)",
    "bare epoll_wait(0)",
    "a reading of the monotonic clock",
];

fn main() {
    let mut real = build(Policy::bun(), os_poller());
    let (mut short, mut long) = (with_gap(Duration::from_micros(10)), with_gap(Duration::from_micros(100)));
    let mut nothing = build(Policy::bun(), Nothing(os_poller()));
    let bare = polling::Poller::new().expect("the system has a poller");
    let mut events = polling::Events::new();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).expect("the system has epoll");
    let mut columns: [Vec<f64>; SUBJECTS.len()] = Default::default();
    for round in 0..ROUNDS + 20 {
        let row = [
            turns(&mut real),
            turns(&mut short),
            turns(&mut long),
            turns(&mut nothing),
            sample(|| {
                (0..BATCH).for_each(|_| {
                    events.clear();
                    bare.wait(&mut events, Some(Duration::ZERO)).expect("it can wait");
                });
            }),
            sample(|| {
                let mut found: [epoll::Event; 16] =
                    [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
                        16];
                (0..BATCH).for_each(|_| {
                    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
                    epoll::wait(&set, &mut found[..], Some(&now)).expect("it can wait");
                });
            }),
            sample(|| {
                (0..BATCH).for_each(|_| {
                    black_box(monotonic_now());
                });
            }),
        ];
        if round >= 20 {
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        }
    }
    println!("one turn, ns (median of {ROUNDS} samples of {BATCH})");
    for (name, column) in SUBJECTS.iter().zip(&columns) {
        let ratios = column.iter().zip(&columns[5]).map(|(value, call)| value / call).collect();
        println!("  {name:<40} {:8.1}   {:6.2} x bare epoll_wait(0)", median(column.clone()), median(ratios));
    }
    println!("from readable to called, in a loop that has work in each turn, us (median of 300)");
    for gap in [Duration::ZERO, Duration::from_micros(10), Duration::from_micros(100)] {
        println!("  poll gap {gap:<8?} {:8.2}", delay_of_a_source(gap) / 1000.0);
    }
}
