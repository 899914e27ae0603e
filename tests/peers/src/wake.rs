//! Measures waking a waiting loop: the delay until it runs, the cost for the sender, and the number of system
//! calls for many wakeups in a row.

mod bare;
mod loops;
mod runtimes;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use loop_probes::clock::monotonic_now;

use crate::measure::{Effort, Samples, Subject, interleave};
use crate::os::{marker, pin, yield_to_all};
use crate::table::{Report, Section, Target, figure, times};
use crate::{peers, traced, uv};

/// The cores of the sender and of the loops.
const CORES: (usize, usize) = (0, 1);
/// Lets the loop wait, and its core halt, before the next wakeup.
const PAUSE: Duration = Duration::from_micros(300);
/// Posts in a row, to see whether they coalesce.
const POSTS: usize = 1_000;

/// State shared with a loop: when it was woken, and whether it has to end.
#[derive(Default)]
pub(crate) struct Woken {
    /// The time at which it ran; 0 until then.
    at_ns: AtomicU64,
    /// Whether it stays in its callback.
    held: AtomicBool,
    ended: AtomicBool,
}

impl Woken {
    /// The callback that the wakeup runs: stores the time, then spins while `held` is set.
    fn mark(&self) {
        self.at_ns.store(monotonic_now().as_ns(), Ordering::Release);
        while self.held.load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Sleeps until the loop has run; returns the time at which it ran.
    fn wait(&self) -> u64 {
        loop {
            match self.at_ns.load(Ordering::Acquire) {
                0 => std::thread::sleep(Duration::from_micros(50)),
                at_ns => return at_ns,
            }
        }
    }
}

/// Wakes a loop from another thread.
type WakeFn = Box<dyn FnMut() + Send>;

/// Where a loop passes on its wakeup function, before it waits.
struct Ready(mpsc::Sender<WakeFn>);

impl Ready {
    fn give(self, wake: impl FnMut() + Send + 'static) {
        // If nothing receives it, the whole part has failed.
        let _ = self.0.send(Box::new(wake));
    }
}

/// Runs a loop on the calling thread until [`Woken::has_ended`], after passing on its wakeup function.
type Body = fn(Arc<Woken>, Ready) -> Result<()>;

/// The loops: the floor first, then ours.
const KINDS: [(&str, Body); 9] = [
    ("eventfd and epoll, bare", bare::eventfd),
    ("**`Handle::post`**", loops::ours),
    ("mio: `Waker`", bare::mio),
    ("polling: `notify`", bare::polling),
    ("tokio, one thread: `Notify`", runtimes::tokio),
    ("async-executor on async-io: a waker", runtimes::smol),
    ("libuv: `uv_async_send`", loops::libuv),
    ("calloop: `ping`", loops::calloop_ping),
    ("calloop: `channel`", loops::calloop_channel),
];

/// A loop on its own thread, and the function that wakes it.
struct Sleeper {
    woken: Arc<Woken>,
    send: WakeFn,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Sleeper {
    /// `None` if the library is missing.
    fn start(body: Body) -> Result<Option<Self>> {
        let (ready, made) = mpsc::channel();
        let woken = Arc::new(Woken::default());
        let given = Arc::clone(&woken);
        let thread = std::thread::spawn(move || {
            pin(CORES.1);
            body(given, Ready(ready))
        });
        match made.recv() {
            Ok(send) => Ok(Some(Self { woken, send, thread: Some(thread) })),
            Err(_) => thread.join().map_err(|_| anyhow!("a loop panicked"))?.map(|()| None),
        }
    }

    /// Microseconds until the loop ran, and until the sender could continue.
    fn sample(&mut self) -> [f64; 2] {
        self.woken.at_ns.store(0, Ordering::Release);
        std::thread::sleep(PAUSE);
        let start = monotonic_now();
        (self.send)();
        let sent = monotonic_now();
        let latency_ns = self.woken.wait().saturating_sub(start.as_ns());
        [latency_ns as f64 / 1e3, sent.ns_since(start) as f64 / 1e3]
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.woken.ended.store(true, Ordering::Release);
        (self.send)();
        if let Some(Err(_) | Ok(Err(_))) = self.thread.take().map(JoinHandle::join) {
            crate::page::say("a loop did not end well");
        }
    }
}

/// Keeps the loops' core from halting, without taking time from other threads.
struct Awake {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Awake {
    fn start() -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let given = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            if pin(CORES.1) && yield_to_all() {
                while !given.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn measured(rounds: usize) -> Result<Vec<[Samples; 2]>> {
    let mut subjects = Vec::new();
    for (name, body) in KINDS {
        if let Some(mut sleeper) = Sleeper::start(body)? {
            subjects.push(Subject::of(name, move || sleeper.sample()));
        }
    }
    Ok(interleave(rounds, subjects))
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    // On its own thread: pinning is permanent, and inherited by all threads that it starts.
    let measured = std::thread::spawn(move || -> Result<_> {
        pin(CORES.0);
        let rounds = effort.rounds(60, 2_001);
        let halted = measured(rounds)?;
        let awake = Awake::start();
        let kept_awake = measured(rounds)?;
        drop(awake);
        Ok((halted, kept_awake))
    });
    let (halted, awake) = measured.join().map_err(|_| anyhow!("the sender panicked"))??;
    let text = format!(
        "All loops wait, each on a thread of core {}; core {} wakes one at a time, after {} µs of rest. \
         Microseconds from before the call until the first statement of the callback; for *awake*, a thread of the \
         lowest priority keeps the loops' core from halting. *calls* are the sender's system calls for {POSTS} more \
         wakeups while the loop is busy in a callback (counted with ptrace).",
        CORES.1,
        CORES.0,
        PAUSE.as_micros(),
    );
    let head = [
        "µs",
        "halted p50",
        "p99",
        "relative to the first",
        "awake p50",
        "p99",
        "relative to the first",
        "sender",
        "calls",
    ];
    let mut section = Section::new("Waking a loop that waits", text, &head);
    let (Some([halted_floor, _]), Some([awake_floor, _])) = (halted.first(), awake.first()) else {
        return Ok(());
    };
    for ([latency, sender], [awake, _]) in halted.iter().zip(&awake) {
        let calls = coalesced_calls(&latency.name);
        let mut cells = Vec::new();
        for (samples, floor) in [(latency, halted_floor), (awake, awake_floor)] {
            cells.extend([
                figure(samples.median()),
                figure(samples.quantile(0.99)),
                times(samples.ratio(floor)),
            ]);
        }
        let count = calls.as_ref().map_or_else(|error| format!("– ({error:#})"), ToString::to_string);
        cells.extend([figure(sender.median()), count]);
        section.row(&latency.name, cells);
        if latency.name == KINDS[1].0 {
            let mut aim = |limit, unit, what: &str, measured: f64| {
                report.targets.push(Target::at_most(limit, unit, what, measured));
            };
            aim(
                1.1,
                " ×",
                "waking a loop that waits, relative to a bare eventfd (halted)",
                latency.ratio(halted_floor),
            );
            aim(1.1, " ×", "the same (awake)", awake.ratio(awake_floor));
            aim(
                1.0,
                " calls",
                "system calls of 1000 posts to a busy loop",
                calls.map_or(f64::NAN, |count| count as f64),
            );
        }
    }
    if uv::version().is_none() {
        section.note(peers::NO_LIBUV);
    }
    report.sections.push(section);
    Ok(())
}

/// The total number of system calls that this many posts to a busy loop make.
fn coalesced_calls(name: &str) -> Result<usize> {
    let calls = traced::run(&["coalesced", name])?;
    Ok(calls.iter().filter(|call| call.by_main).count())
}

/// The traced process: posts to a loop that is held in its callback.
pub(crate) fn coalesced(name: &str) -> Result<()> {
    let (_, body) =
        KINDS.iter().find(|(kind, _)| *kind == name).ok_or_else(|| anyhow!("no loop is {name}"))?;
    let mut sleeper = Sleeper::start(*body)?.ok_or_else(|| anyhow!("{name} is missing"))?;
    // By then it is waiting: an earlier post would leave a wakeup unconsumed.
    std::thread::sleep(Duration::from_millis(50));
    sleeper.woken.held.store(true, Ordering::Release);
    (sleeper.send)();
    sleeper.woken.wait();
    marker();
    (0..POSTS).for_each(|_| (sleeper.send)());
    marker();
    sleeper.woken.held.store(false, Ordering::Release);
    Ok(())
}
