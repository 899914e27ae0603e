//! Compares a foreign loop pumped by the clock with one pumped on readiness: how long its events wait, and what it
//! costs while nothing happens.
//!
//! `cargo bench -p loop-core --bench pump`. A thread sends events to the foreign loop at times unrelated to the
//! pump's; the first row sends them to the host itself. Idle cost is the processor time that the process used while
//! the host had nothing to do. The subjects take turns, because a shared machine drifts.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use loop_core::run_loop::{ForeignLoop, GlibLoop, PumpError, RunLoop};
use loop_core::{Builtin, EventLoop};
use loop_probes::clock::monotonic_now;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 5;
const EVENTS: u64 = 100;
const IDLE: Duration = Duration::from_secs(1);

/// Sends an event from another thread; the foreign loop reports to the sender how long it waited, in
/// nanoseconds.
type Send = Box<dyn Fn(Sender<u64>) + std::marker::Send>;

/// How the foreign loop is driven, and in which host.
#[derive(Clone, Copy)]
enum Drive {
    Polled,
    Ready,
}

const DRIVES: [(Drive, &str); 2] = [(Drive::Polled, "every 10 ms"), (Drive::Ready, "when ready")];

fn host() -> EventLoop<Builtin> {
    let mut host = EventLoop::new().expect("the system has a poller");
    host.with(|cx| cx.hold("bench"));
    host
}

fn driven<F: ForeignLoop>(foreign: F, drive: Drive) -> Result<EventLoop<Builtin>, PumpError> {
    let (mut host, foreign) = (host(), RunLoop::new(foreign));
    host.with(|cx| match drive {
        Drive::Polled => foreign.run(cx, RunLoop::<F>::INTERVAL),
        Drive::Ready => foreign.run_ready(cx),
    })?;
    Ok(host)
}

fn post_to(event_loop: &EventLoop<Builtin>) -> Send {
    let handle = event_loop.handle();
    Box::new(move |waited| {
        let sent = monotonic_now();
        let event = Builtin::remote("event", move |_| {
            let _ = waited.send(monotonic_now().ns_since(sent));
        });
        let _ = handle.post(event);
    })
}

fn own(drive: Drive) -> Result<(EventLoop<Builtin>, Send), PumpError> {
    let inner = EventLoop::new().expect("the system has a poller");
    let send = post_to(&inner);
    Ok((driven(inner, drive)?, send))
}

fn glib(drive: Drive) -> Result<(EventLoop<Builtin>, Send), PumpError> {
    let glib = GlibLoop::new();
    let handle = glib.handle()?;
    let send: Send = Box::new(move |waited| {
        let sent = monotonic_now();
        handle.invoke(move || {
            let _ = waited.send(monotonic_now().ns_since(sent));
        });
    });
    Ok((driven(glib, drive)?, send))
}

/// The results of one subject.
#[derive(Default)]
struct Column {
    waited_ns: Vec<u64>,
    idle_ns: Vec<u64>,
}

impl Column {
    fn measure(&mut self, (mut host, send): (EventLoop<Builtin>, Send)) {
        let before = process_cpu_ns();
        host.run_for(IDLE).expect("a loop can poll");
        self.idle_ns.push(process_cpu_ns() - before);
        let (waited, waits): (_, Receiver<u64>) = channel();
        let stop = host.handle();
        let sender = thread::spawn(move || {
            for event in 0..EVENTS {
                // 3 to 13 ms, in steps that are not a fraction of the pump's period.
                thread::sleep(Duration::from_micros(3_000 + event * 7_919 % 10_007));
                send(waited.clone());
            }
            thread::sleep(Duration::from_millis(50));
            stop.stop();
        });
        host.run().expect("a loop can poll");
        sender.join().expect("the sender does not panic");
        self.waited_ns.extend(waits.try_iter());
    }

    fn print(&mut self, name: &str) {
        self.waited_ns.sort_unstable();
        self.idle_ns.sort_unstable();
        let at = |part: usize| self.waited_ns[(self.waited_ns.len() - 1) * part / 100] as f64 / 1e3;
        let idle = self.idle_ns[self.idle_ns.len() / 2] as f64 / 1e3 / IDLE.as_secs_f64();
        println!("  {name:<40} {:>10.1} {:>10.1} {:>10.1} {idle:>14.1}", at(50), at(90), at(99));
    }
}

fn process_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn main() {
    type Subject = fn(Drive) -> Result<(EventLoop<Builtin>, Send), PumpError>;
    const FOREIGN: [(Subject, &str); 2] = [(own, "a second loop of ours"), (glib, "GLib's main context")];
    let mut direct = Column::default();
    let mut columns: [[Column; 2]; 2] = Default::default();
    let mut missing = [const { None::<PumpError> }; 2];
    for _ in 0..ROUNDS {
        let alone = host();
        let send = post_to(&alone);
        direct.measure((alone, send));
        for (index, (subject, _)) in FOREIGN.iter().enumerate() {
            for (column, (drive, _)) in columns[index].iter_mut().zip(DRIVES) {
                match subject(drive) {
                    Ok(ready) => column.measure(ready),
                    Err(error) => missing[index] = Some(error),
                }
            }
        }
    }
    println!("an event from another thread, µs until its callback ({} events a row)", ROUNDS as u64 * EVENTS);
    println!("  {:<40} {:>10} {:>10} {:>10} {:>14}", "", "p50", "p90", "p99", "idle µs CPU/s");
    direct.print("the host itself");
    for (index, (_, name)) in FOREIGN.iter().enumerate() {
        if let Some(error) = &missing[index] {
            println!("  {name:<40} not measured: {error}");
            continue;
        }
        for (column, (_, how)) in columns[index].iter_mut().zip(DRIVES) {
            column.print(&format!("{name}, {how}"));
        }
    }
}
