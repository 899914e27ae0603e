//! A virtual world for a loop: a clock that advances by waiting, and a script of timed events.
//!
//! Public and always compiled, because the tests, the doctests and re-execution share it. The loop that runs in
//! it is the one that ships; only its clock, poller, signals and pool are virtual. The same script gives the
//! same events, to the last bit.

mod clock;
mod heap;
mod poller;
mod pool;
mod signals;

pub use clock::SimClock;
pub use heap::SimHeap;
pub use poller::{SimPoller, SimSource};
pub use pool::SimPool;
pub use signals::{SIGNALS_MAX, SimSignals};

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_probes::ids::Timestamp;
use loop_probes::recorder::Recorder;

use crate::error::LoopError;
use crate::event_loop::{Builder, EventLoop};
use crate::mini::MiniEventLoop;
use crate::poller::{Readiness, Wake, Waker};
use crate::task::Task;

/// A loop in a virtual world.
pub type SimLoop<T> = EventLoop<T, SimClock, SimPoller>;

/// A mini loop in a virtual world.
pub type SimMiniLoop<T> = MiniEventLoop<T, SimClock, SimPoller>;

type Action = Box<dyn FnOnce()>;

/// The scheduled events, and the current readiness.
#[derive(Default)]
struct Script {
    /// By time, then in the order of scheduling.
    actions: BTreeMap<(Timestamp, u64), Action>,
    next_action: u64,
    /// Readiness of each source that has not been reported yet, by the source's address.
    ready: HashMap<usize, Readiness>,
    signals: VecDeque<crate::signal::Arrival>,
    signals_dropped: u64,
}

/// Wakes a virtual poller; the only part of the world that other threads may touch.
#[derive(Debug, Default)]
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A virtual world. Clones are the same world.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::sim::Sim;
/// use loop_core::{Builtin, EventLoop};
///
/// let sim = Sim::new();
/// let mut event_loop = sim.build(EventLoop::<Builtin>::builder());
/// event_loop.with(|cx| cx.set_timeout(Duration::from_secs(3600), Builtin::once("in an hour", |_| ())));
/// event_loop.run()?; // takes no time
/// assert_eq!(sim.elapsed(), Duration::from_secs(3600));
/// # Ok::<(), loop_core::LoopError>(())
/// ```
#[derive(Clone)]
pub struct Sim {
    clock: SimClock,
    wake_flag: Arc<WakeFlag>,
    script: Rc<RefCell<Script>>,
    pool: Rc<RefCell<pool::Plan>>,
}

impl Sim {
    /// A world without scheduled events, at [`SimClock::START`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: SimClock::new(),
            wake_flag: Arc::default(),
            script: Rc::default(),
            pool: Rc::new(RefCell::new(pool::Plan::default())),
        }
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Time elapsed since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Advances the time, as a callback with this run time does.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Runs `action` at `elapsed` since the world began, while the loop waits; use it to post through handles.
    pub fn at(&self, elapsed: Duration, action: impl FnOnce() + 'static) {
        self.at_time(SimClock::time_at(elapsed), action);
    }

    fn at_time(&self, at: Timestamp, action: impl FnOnce() + 'static) {
        let mut script = self.script.borrow_mut();
        let order = script.next_action;
        script.next_action += 1;
        script.actions.insert((at, order), Box::new(action));
    }

    /// Wakes the loop at that time.
    pub fn wake_at(&self, elapsed: Duration) {
        let wake_flag = Arc::clone(&self.wake_flag);
        self.at(elapsed, move || wake_flag.wake());
    }

    /// Makes `source` ready at that time: reported once, to the first poll that asks for it.
    pub fn ready_at(&self, elapsed: Duration, source: &Arc<SimSource>, readiness: Readiness) {
        let (script, address) = (Rc::clone(&self.script), SimSource::address(source));
        self.at(elapsed, move || {
            let mut script = script.borrow_mut();
            *script.ready.entry(address).or_default() |= readiness;
        });
    }

    /// Makes a signal arrive at that time.
    pub fn signal_at(&self, elapsed: Duration, signo: u8) {
        let (script, wake_flag, clock) =
            (Rc::clone(&self.script), Arc::clone(&self.wake_flag), self.clock.clone());
        self.at(elapsed, move || {
            signals::arrive(&mut script.borrow_mut(), signo, &clock);
            wake_flag.wake();
        });
    }

    /// Sets how long jobs on the pool take, in the order of their submission; any after the last of them take
    /// no time.
    pub fn job_durations(&self, durations: impl IntoIterator<Item = Duration>) {
        self.pool.borrow_mut().durations.extend(durations);
    }

    /// Sets the number of workers of the pool; one by default.
    pub fn workers(&self, workers: u16) {
        self.pool.borrow_mut().free_at = vec![Timestamp(0); usize::from(workers.max(1))];
    }

    /// Sets the recorder of the pool's workers; none by default.
    pub fn worker_recorder(&self, recorder: Recorder) {
        self.pool.borrow_mut().recorder = recorder;
    }

    /// Its poller.
    #[must_use]
    pub fn poller(&self) -> SimPoller {
        SimPoller::new(self.clone())
    }

    /// Builds a loop in this world.
    #[must_use]
    pub fn build<T: Task>(&self, builder: Builder<T>) -> SimLoop<T> {
        self.furnish(builder).build_on(self.clock.clone(), self.poller())
    }

    /// Builds a mini loop in this world.
    ///
    /// # Errors
    ///
    /// The errors of [`Builder::build_mini_on`].
    pub fn build_mini<T: Task>(&self, builder: Builder<T>) -> Result<SimMiniLoop<T>, LoopError> {
        self.furnish(builder).build_mini_on(self.clock.clone(), self.poller())
    }

    fn furnish<T: Task>(&self, builder: Builder<T>) -> Builder<T> {
        let (for_pool, for_signals) = (self.clone(), self.clone());
        builder
            .pool(move |sink| Ok(Box::new(SimPool::new(for_pool, sink))))
            .signals(move |_waker| Box::new(SimSignals::new(for_signals)))
    }

    fn waker(&self) -> Waker {
        let wake_flag: Arc<dyn Wake> = Arc::<WakeFlag>::clone(&self.wake_flag);
        Waker::new(wake_flag)
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("elapsed", &self.elapsed())
            .field("actions", &self.script.borrow().actions.len())
            .finish_non_exhaustive()
    }
}
