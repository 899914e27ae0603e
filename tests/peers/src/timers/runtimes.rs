//! Timers as futures: registered by their first poll, deregistered when dropped.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use anyhow::Result;
use loop_probes::clock::monotonic_now;
use tokio::runtime::Runtime;
use tokio::time::Sleep;

use super::{MS, SOON_NS, Timers};
use crate::measure::sleep_until;
use crate::os::cpu_time_ns;

/// Counts its wakeups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn is(&self, count: usize) -> bool {
        self.0.load(Ordering::Relaxed) >= count
    }
}

/// Registers `timer` by polling it. A timer that is due already, on a slow machine, counts as woken.
fn register<T: Future>(timer: Pin<&mut T>, waker: &Waker) {
    if timer.poll(&mut Context::from_waker(waker)).is_ready() {
        waker.wake_by_ref();
    }
}

pub(super) struct Tokio {
    runtime: Runtime,
    woken: Arc<Count>,
    timers: Vec<Pin<Box<Sleep>>>,
}

impl Tokio {
    pub(super) fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        Ok(Self { runtime, woken: Arc::default(), timers: Vec::new() })
    }
}

impl Timers for Tokio {
    /// The caller keeps each timer in a box. The boxes are made here, so that insertion measures only tokio's
    /// part.
    fn prepare(&mut self, count: usize) {
        self.woken = Arc::default();
        let _guard = self.runtime.enter();
        self.timers = (0..count).map(|_| Box::pin(tokio::time::sleep(Duration::ZERO))).collect();
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        let _guard = self.runtime.enter();
        let waker = Waker::from(Arc::clone(&self.woken));
        for (timer, delay_ns) in self.timers.iter_mut().zip(delays_ns) {
            timer.set(tokio::time::sleep(Duration::from_nanos(*delay_ns)));
            register(timer.as_mut(), &waker);
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        let _guard = self.runtime.enter();
        for &number in order {
            // Drops and so deregisters the previous timers.
            self.timers[number].set(tokio::time::sleep(Duration::ZERO));
        }
    }

    fn fire(&mut self, count: usize) {
        let woken = Arc::clone(&self.woken);
        self.runtime.block_on(async {
            while !woken.is(count) {
                tokio::task::yield_now().await;
            }
        });
    }
}

/// Keeps timers from coming due before the last is inserted: they would fire at once, on async-io's own thread.
const fn head_start_ns(count: usize) -> u64 {
    count as u64 * 4_000 + MS
}

#[derive(Default)]
pub(super) struct AsyncIo {
    woken: Arc<Count>,
    timers: Vec<Option<async_io::Timer>>,
}

impl Timers for AsyncIo {
    fn prepare(&mut self, count: usize) {
        self.woken = Arc::default();
        self.timers.clear();
        self.timers.resize_with(count, || None);
    }

    #[expect(clippy::disallowed_methods, reason = "async-io takes the standard library's time")]
    fn insert(&mut self, delays_ns: &[u64]) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let now = Instant::now();
        let fires = delays_ns.iter().all(|delay_ns| *delay_ns <= SOON_NS.1);
        for (timer, delay_ns) in self.timers.iter_mut().zip(delays_ns) {
            // Timers that fire are due within a few microseconds, so that they fire in few passes, as the
            // others' do.
            let delay_ns = if fires { delay_ns / 1_000 + head_start_ns(delays_ns.len()) } else { *delay_ns };
            let due = now + Duration::from_nanos(delay_ns);
            register(Pin::new(timer.insert(async_io::Timer::at(due))), &waker);
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        order.iter().for_each(|&number| self.timers[number] = None);
    }

    fn fire(&mut self, count: usize) {
        let woken = Arc::clone(&self.woken);
        async_io::block_on(poll_fn(|cx| {
            if woken.is(count) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }));
    }

    /// async-io's own thread fires timers as they come due, so there is no time at which all of them are
    /// waiting. Measures the processor time of the process from before the first until after the last.
    fn fire_ns(&mut self, count: usize, delay_ns_max: u64) -> u64 {
        let before = cpu_time_ns();
        sleep_until(monotonic_now().plus_ns(head_start_ns(count) + delay_ns_max + 2 * MS));
        self.fire(count);
        cpu_time_ns() - before
    }
}
