//! A virtual world for a loop: a clock that advances by waiting, and a script of timed events.
//!
//! The loop is the one that ships; only its clock, poller, signals and pool are virtual. Running the same script twice
//! gives bit-identical events. The module is public so that programs, doctests and other crates can test with it.

mod clock;
mod heap;

pub use clock::SimClock;
pub use heap::SimHeap;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::ids::{TaskId, Ticks, Timestamp};
use loop_probes::recorder::Recorder;

use crate::error::BuildError;
use crate::event_loop::{Builder, EventLoop};
use crate::mini::MiniEventLoop;
use crate::oracle::{
    Env, EnvPoller, JobRun, Oracle, PendingJob, RecordClock, VirtualPool, WakeFlag, Watched, reported_for,
};
use crate::poller::{Readiness, Ready, Source, Wake, Waker};
use crate::signal::{Arrival, SignalError};
use crate::task::Task;
use crate::timer::due_after;

/// Maximum number of pending signals; further ones are dropped and counted.
pub const SIGNALS_MAX: usize = 8192;

/// An event loop in a virtual world.
pub type SimLoop<T> = EventLoop<T, Env<Sim>, SimPoller>;

/// A mini loop in a virtual world.
pub type SimMiniLoop<T> = MiniEventLoop<T, Env<Sim>, SimPoller>;

/// The poller of a virtual world.
pub type SimPoller = EnvPoller<Sim>;

type Action = Box<dyn FnOnce()>;

/// The scheduled events, and the current readiness.
#[derive(Default)]
struct Script {
    /// Actions by time, then by the order in which they were scheduled.
    actions: BTreeMap<(Timestamp, u64), Action>,
    scheduled: u64,
    /// Readiness of each source that has not been reported yet, by the source's address.
    ready: HashMap<usize, Readiness>,
    signals: VecDeque<Arrival>,
    signals_dropped: u64,
    installed: BTreeSet<i32>,
}

impl Script {
    /// Returns the order number of a newly scheduled action or end of a job, which decides among those at the same time.
    const fn next_order(&mut self) -> u64 {
        self.scheduled += 1;
        self.scheduled
    }
}

/// The jobs of a world, and durations for the next jobs in order of submission.
#[derive(Debug)]
struct Jobs {
    pool: VirtualPool,
    durations: VecDeque<Duration>,
    recorder: Recorder,
}

/// A readiness source that exists only in the script.
#[derive(Debug)]
pub struct SimSource {
    /// Makes the type non-zero-sized: sources are identified by address, so no two may share one.
    _some_size: u8,
}

impl SimSource {
    /// A source that is not ready.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { _some_size: 0 })
    }
}

impl AsFd for SimSource {
    /// Returns an arbitrary descriptor, which is never used.
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdin()
    }
}

fn address(source: &Source) -> usize {
    Arc::as_ptr(source).addr()
}

/// A virtual world. Clones share the same world.
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
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Sim {
    clock: SimClock,
    wake_flag: Arc<WakeFlag>,
    script: Rc<RefCell<Script>>,
    jobs: Rc<RefCell<Jobs>>,
}

impl Sim {
    /// A world without scheduled events, at [`SimClock::START`].
    #[must_use]
    pub fn new() -> Self {
        let (pool, recorder) = (VirtualPool::new(1), Recorder::disabled());
        let jobs = Jobs { pool, durations: VecDeque::new(), recorder };
        Self {
            clock: SimClock::new(),
            wake_flag: Arc::default(),
            script: Rc::default(),
            jobs: Rc::new(RefCell::new(jobs)),
        }
    }

    /// The world's clock.
    #[must_use]
    pub const fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Time elapsed since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Advances the clock. Call it in a callback to simulate a run time.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Runs `action` once `elapsed` has passed since the world began, while the loop waits: for example to post through
    /// a handle.
    pub fn at(&self, elapsed: Duration, action: impl FnOnce() + 'static) {
        let at = SimClock::time_at(elapsed);
        let mut script = self.script.borrow_mut();
        let order = script.next_order();
        script.actions.insert((at, order), Box::new(action));
    }

    /// Wakes the loop once `elapsed` has passed since the world began.
    pub fn wake_at(&self, elapsed: Duration) {
        let wake_flag = Arc::clone(&self.wake_flag);
        self.at(elapsed, move || wake_flag.wake());
    }

    /// Makes `source` ready once `elapsed` has passed since the world began. The readiness is reported once, to the first
    /// poll with a matching interest.
    pub fn ready_at(&self, elapsed: Duration, source: &Arc<SimSource>, readiness: Readiness) {
        let (script, address) = (Rc::clone(&self.script), Arc::as_ptr(source).addr());
        self.at(elapsed, move || {
            let mut script = script.borrow_mut();
            *script.ready.entry(address).or_default() |= readiness;
        });
    }

    /// Makes signal `signo` arrive once `elapsed` has passed since the world began.
    pub fn signal_at(&self, elapsed: Duration, signo: u8) {
        let (script, wake_flag, clock) =
            (Rc::clone(&self.script), Arc::clone(&self.wake_flag), self.clock.clone());
        self.at(elapsed, move || {
            let mut script = script.borrow_mut();
            if script.signals.len() < SIGNALS_MAX {
                script.signals.push_back(Arrival { signo, arrived: clock.ticks() });
            } else {
                script.signals_dropped += 1;
            }
            wake_flag.wake();
        });
    }

    /// Sets how long the next jobs on the pool take, in order of submission. Jobs without a duration take no time.
    pub fn job_durations(&self, durations: impl IntoIterator<Item = Duration>) {
        self.jobs.borrow_mut().durations.extend(durations);
    }

    /// Sets the number of workers of the pool; one by default.
    pub fn workers(&self, workers: u16) {
        self.jobs.borrow_mut().pool = VirtualPool::new(workers);
    }

    /// Sets the recorder of the pool's workers; none by default.
    pub fn worker_recorder(&self, recorder: Recorder) {
        self.jobs.borrow_mut().recorder = recorder;
    }

    /// A poller for a loop in this world.
    #[must_use]
    pub fn poller(&self) -> SimPoller {
        EnvPoller::new(&Rc::new(self.clone()))
    }

    /// Builds a loop in this world.
    #[must_use]
    pub fn build<T: Task>(&self, builder: Builder<T>) -> SimLoop<T> {
        builder.build_in(&Rc::new(self.clone()))
    }

    /// Builds a mini loop in this world.
    ///
    /// # Errors
    ///
    /// The errors of [`Builder::build_mini_in`].
    pub fn build_mini<T: Task>(&self, builder: Builder<T>) -> Result<SimMiniLoop<T>, BuildError> {
        builder.build_mini_in(&Rc::new(self.clone()))
    }

    /// Runs the actions and ends of jobs that are due, in order of time. Actions may schedule further ones.
    fn act(&self) {
        let now = self.clock.now();
        loop {
            let mut script = self.script.borrow_mut();
            let end = self.jobs.borrow().pool.next_end().filter(|(end_ns, _)| *end_ns <= now.0);
            let due = |(at, order): (Timestamp, u64)| at <= now && end.is_none_or(|end| (at.0, order) < end);
            if let Some(entry) = script.actions.first_entry().filter(|entry| due(*entry.key())) {
                let action = entry.remove();
                drop(script);
                action();
            } else if end.is_some() {
                drop(script);
                self.finish_job();
            } else {
                return;
            }
        }
    }

    fn finish_job(&self) {
        let ended = self.jobs.borrow_mut().pool.pop();
        let Some((job, worker, start_ns)) = ended else { return };
        let recorder = &self.jobs.borrow().recorder;
        job.finish(JobRun { worker, start: Ticks(start_ns), end: self.clock.ticks(), recorder });
    }

    /// Time of the next scheduled action or end of a job.
    fn next_at(&self) -> Option<Timestamp> {
        let action = self.script.borrow().actions.first_key_value().map(|((at, _), _)| *at);
        let end = self.jobs.borrow().pool.next_end().map(|(end_ns, _)| Timestamp(end_ns));
        [action, end].into_iter().flatten().min()
    }

    fn report(&self, watched: &Watched, out: &mut Vec<Ready>) {
        let mut script = self.script.borrow_mut();
        for (key, source, interest) in watched.iter() {
            let Some(ready) = script.ready.get_mut(&address(source)) else { continue };
            let reported = Readiness::from_bits_truncate(ready.bits() & reported_for(interest).bits());
            if !reported.is_empty() {
                *ready = Readiness::from_bits_truncate(ready.bits() & !reported.bits());
                out.push(Ready { key, readiness: reported });
            }
        }
    }
}

impl Oracle for Sim {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ticks(&self) -> Ticks {
        self.clock.ticks()
    }

    fn stamps(&self) -> RecordClock {
        let clock = self.clock.clone();
        Box::new(move || clock.ticks())
    }

    fn waker(&self) -> Waker {
        self.wake_flag.waker()
    }

    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] if the wait has no timeout and nothing scheduled could end it.
    fn wait(&self, watched: &Watched, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        let deadline = timeout.map(|timeout| due_after(self.clock.now(), timeout));
        loop {
            self.act();
            self.report(watched, out);
            let woken = self.wake_flag.take();
            if woken || !out.is_empty() || deadline.is_some_and(|deadline| deadline <= self.clock.now()) {
                return Ok(());
            }
            let next = [self.next_at(), deadline].into_iter().flatten().min().ok_or_else(|| {
                io::Error::new(io::ErrorKind::TimedOut, "the script has nothing that could end this wait")
            })?;
            self.clock.move_to(next);
        }
    }

    fn hand_back(&self, watched: &Watched, ready: &[Ready]) {
        let mut script = self.script.borrow_mut();
        for Ready { key, readiness } in ready {
            if let Some((source, _)) = watched.get(*key) {
                *script.ready.entry(address(source)).or_default() |= *readiness;
            }
        }
    }

    fn signals(&self) -> u32 {
        self.script.borrow().signals.len() as u32
    }

    fn take_signal(&self) -> Option<Arrival> {
        self.script.borrow_mut().signals.pop_front()
    }

    fn signals_dropped(&self) -> u64 {
        self.script.borrow().signals_dropped
    }

    fn install(&self, signo: i32) -> Result<(), SignalError> {
        // SIGKILL and SIGSTOP.
        if signo == 9 || signo == 19 {
            return Err(SignalError::Forbidden { signo });
        }
        self.script.borrow_mut().installed.insert(signo);
        Ok(())
    }

    fn uninstall(&self, signo: i32) -> bool {
        self.script.borrow_mut().installed.remove(&signo)
    }

    fn submit(&self, job: PendingJob) -> u32 {
        let (now_ns, mut jobs) = (self.clock.now().0, self.jobs.borrow_mut());
        let duration = jobs.durations.pop_front().unwrap_or_default();
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        jobs.pool.submit(job, self.script.borrow_mut().next_order(), now_ns, duration_ns, 0);
        jobs.pool.depth(now_ns)
    }

    fn take_back(&self, task: TaskId) -> Option<PendingJob> {
        self.jobs.borrow_mut().pool.take_back(task, self.clock.now().0)
    }

    fn jobs(&self) -> u32 {
        self.jobs.borrow_mut().pool.depth(self.clock.now().0)
    }

    fn workers(&self) -> u16 {
        self.jobs.borrow().pool.workers()
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
