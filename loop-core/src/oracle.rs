//! The environment of virtual and re-executed loops.
//!
//! The clock, signals and heap ([`Env`]), the poller ([`EnvPoller`]) and the work pool ([`EnvPool`]) of such a loop ask an
//! [`Oracle`]. [`Builder::build_in`] builds a loop on them.

mod pool;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::ClockPoint;
use loop_probes::ids::{TaskId, Ticks, Timestamp};

pub use crate::inbound::RecordClock;
pub use pool::{JobRun, PendingJob, VirtualPool};

use crate::error::BuildError;
use crate::event_loop::{Builder, EventLoop};
use crate::gc::Heap;
use crate::mini::MiniEventLoop;
use crate::poller::{Interest, Poller, PollerError, Readiness, Ready, Source, Wake, Waker};
use crate::signal::{Arrival, SignalError, SignalSource};
use crate::task::Task;
use crate::work_pool::{Job, JobSink, PendingWork, Pool, PoolShutdown};

/// The environment of a virtual or re-executed loop. The loop is the one that ships; the oracle answers what it asks of
/// its clock, poller, work pool, signals and heap. The simulator ([`Sim`](crate::sim::Sim)) answers from a script,
/// re-execution from a recording.
///
/// An oracle stays on the loop's thread. Other threads use only its [`stamps`](Self::stamps) and its
/// [`waker`](Self::waker).
pub trait Oracle: 'static {
    /// The current monotonic time.
    fn now(&self) -> Timestamp;

    /// The monotonic time, read for a decision at `point` of a turn.
    fn now_at(&self, _point: ClockPoint) -> Timestamp {
        self.now()
    }

    /// Reads the record clock.
    fn ticks(&self) -> Ticks;

    /// Returns a function by which other threads read the record clock when they post.
    fn stamps(&self) -> RecordClock;

    /// Returns a handle that ends the current or the next [`wait`](Self::wait).
    fn waker(&self) -> Waker;

    /// Waits as [`Poller::wait`] does, for the sources of `watched`.
    ///
    /// # Errors
    ///
    /// If nothing can end the wait, or the run is over.
    fn wait(&self, watched: &Watched, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()>;

    /// Takes back readiness that the loop has not handled, to report it again.
    fn hand_back(&self, _watched: &Watched, _ready: &[Ready]) {}

    /// Called when the source under `key` is no longer watched.
    fn unwatched(&self, _key: usize) {}

    /// Number of signals waiting to be taken.
    fn signals(&self) -> u32;

    /// Takes the oldest signal.
    fn take_signal(&self) -> Option<Arrival>;

    /// Number of signals dropped since the loop began.
    fn signals_dropped(&self) -> u64;

    /// Makes `signo` arrive from now on.
    ///
    /// # Errors
    ///
    /// [`SignalError`] if the signal cannot be caught.
    fn install(&self, _signo: i32) -> Result<(), SignalError> {
        Ok(())
    }

    /// Stops `signo` from arriving. False if it was not installed.
    fn uninstall(&self, _signo: i32) -> bool {
        true
    }

    /// Takes a job for the pool. Returns how many jobs now wait for a worker.
    fn submit(&self, job: PendingJob) -> u32;

    /// Cancels and returns a job that no worker has started.
    fn take_back(&self, task: TaskId) -> Option<PendingJob>;

    /// Number of jobs waiting for a worker.
    fn jobs(&self) -> u32;

    /// Number of workers of the pool.
    fn workers(&self) -> u16;

    /// Size of the heap in bytes.
    fn heap_bytes(&self) -> u64 {
        0
    }

    /// Collects the heap.
    fn collect(&self) {}
}

/// The clock, the signals and the heap of an oracle. Clones ask the same oracle.
pub struct Env<O>(Rc<O>);

impl<O: Oracle> Env<O> {
    /// An environment that asks `oracle`.
    #[must_use]
    pub fn new(oracle: &Rc<O>) -> Self {
        Self(Rc::clone(oracle))
    }
}

impl<O> Clone for Env<O> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<O> fmt::Debug for Env<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").finish_non_exhaustive()
    }
}

impl<O: Oracle> Clock for Env<O> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn now_at(&self, point: ClockPoint) -> Timestamp {
        self.0.now_at(point)
    }

    fn ticks(&self) -> Ticks {
        self.0.ticks()
    }
}

impl<O: Oracle> SignalSource for Env<O> {
    fn install(&mut self, signo: i32) -> Result<(), SignalError> {
        self.0.install(signo)
    }

    fn uninstall(&mut self, signo: i32) -> bool {
        self.0.uninstall(signo)
    }

    fn pending(&self) -> u32 {
        self.0.signals()
    }

    fn take(&mut self) -> Option<Arrival> {
        self.0.take_signal()
    }

    fn dropped(&self) -> u64 {
        self.0.signals_dropped()
    }
}

impl<O: Oracle> Heap for Env<O> {
    fn bytes(&self) -> u64 {
        self.0.heap_bytes()
    }

    fn collect(&mut self) {
        self.0.collect();
    }
}

/// The sources that a loop watches, by poll key.
#[derive(Default)]
pub struct Watched(BTreeMap<usize, (Source, Interest)>);

impl Watched {
    /// All sources in the order of their keys: key, source, interest.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Source, Interest)> {
        self.0.iter().map(|(key, (source, interest))| (*key, source, *interest))
    }

    /// The source under `key` and its interest.
    #[must_use]
    pub fn get(&self, key: usize) -> Option<(&Source, Interest)> {
        self.0.get(&key).map(|(source, interest)| (source, *interest))
    }

    /// Number of sources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The poller of an oracle: keeps the sources that the loop watches.
pub struct EnvPoller<O> {
    oracle: Rc<O>,
    watched: Watched,
}

impl<O: Oracle> EnvPoller<O> {
    /// A poller that asks `oracle`, without sources.
    #[must_use]
    pub fn new(oracle: &Rc<O>) -> Self {
        Self { oracle: Rc::clone(oracle), watched: Watched::default() }
    }
}

impl<O: Oracle> Poller for EnvPoller<O> {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError> {
        if self.watched.0.contains_key(&key) {
            return Err(PollerError::KeyInUse { key });
        }
        self.watched.0.insert(key, (source, interest));
        Ok(())
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        self.watched.0.get_mut(&key).ok_or(PollerError::UnknownKey { key })?.1 = interest;
        Ok(())
    }

    fn delete(&mut self, key: usize) -> Result<Source, PollerError> {
        let (source, _) = self.watched.0.remove(&key).ok_or(PollerError::UnknownKey { key })?;
        self.oracle.unwatched(key);
        Ok(source)
    }

    /// # Errors
    ///
    /// The errors of [`Oracle::wait`].
    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        out.clear();
        self.oracle.wait(&self.watched, timeout, out)
    }

    fn hand_back(&mut self, ready: &[Ready]) {
        self.oracle.hand_back(&self.watched, ready);
    }

    fn waker(&self) -> Waker {
        self.oracle.waker()
    }
}

impl<O> fmt::Debug for EnvPoller<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvPoller").field("watched", &self.watched).finish_non_exhaustive()
    }
}

/// The pool of an oracle: hands each job to the oracle.
pub struct EnvPool<O, R> {
    oracle: Rc<O>,
    sink: Rc<JobSink<R>>,
    is_closed: bool,
}

impl<O: Oracle, R> EnvPool<O, R> {
    /// A pool that asks `oracle`.
    #[must_use]
    pub fn new(oracle: &Rc<O>, sink: JobSink<R>) -> Self {
        Self { oracle: Rc::clone(oracle), sink: Rc::new(sink), is_closed: false }
    }
}

impl<O: Oracle, R: 'static> Pool<R> for EnvPool<O, R> {
    fn submit(&mut self, job: Job<R>) -> Result<u32, Job<R>> {
        if self.is_closed {
            return Err(job);
        }
        Ok(self.oracle.submit(PendingJob::new(job, Rc::clone(&self.sink))))
    }

    fn take_back(&mut self, task: TaskId) -> Option<Job<R>> {
        self.oracle.take_back(task).and_then(PendingJob::into_job)
    }

    fn depth(&self) -> u32 {
        self.oracle.jobs()
    }

    fn workers(&self) -> u16 {
        self.oracle.workers()
    }

    /// Refuses new jobs. Submitted ones still run, because their ends are already scheduled.
    fn shutdown(&mut self, _pending: PendingWork, _timeout: Option<Duration>) -> PoolShutdown<R> {
        self.is_closed = true;
        PoolShutdown { handed_back: Vec::new(), unjoined: 0 }
    }

    fn detach(&mut self) {}
}

impl<O, R> fmt::Debug for EnvPool<O, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvPool").field("is_closed", &self.is_closed).finish_non_exhaustive()
    }
}

/// Readiness that a poller reports for an interest: errors and hang-ups always, priority data as readable.
#[must_use]
pub const fn reported_for(interest: Interest) -> Readiness {
    let mut bits = Readiness::ERROR.bits() | Readiness::HANG_UP.bits();
    if interest.bits() & (Interest::READABLE.bits() | Interest::PRIORITY.bits()) != 0 {
        bits |= Readiness::READABLE.bits();
    }
    if interest.bits() & Interest::WRITABLE.bits() != 0 {
        bits |= Readiness::WRITABLE.bits();
    }
    Readiness::from_bits_truncate(bits)
}

/// Whether a virtual poller was woken. Other threads may set it.
#[derive(Debug, Default)]
pub struct WakeFlag(AtomicBool);

impl WakeFlag {
    /// A waker that sets the flag.
    #[must_use]
    pub fn waker(self: &Arc<Self>) -> Waker {
        let wake: Arc<dyn Wake> = Arc::<Self>::clone(self);
        Waker::new(wake)
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Clears the flag. True if it was set.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for WakeFlag {
    fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<T: Task> Builder<T> {
    /// Builds a loop whose clock, poller, work pool and signals ask `oracle`.
    #[must_use]
    pub fn build_in<O: Oracle>(self, oracle: &Rc<O>) -> EventLoop<T, Env<O>, EnvPoller<O>> {
        let (env, for_pool, signals) = (Env::new(oracle), Rc::clone(oracle), Env::new(oracle));
        self.pool(move |sink| Ok(Box::new(EnvPool::new(&for_pool, sink))))
            .signals(move |_waker| Box::new(signals))
            .assemble(env, EnvPoller::new(oracle), oracle.stamps())
    }

    /// Builds a mini loop whose clock, poller, work pool and signals ask `oracle`.
    ///
    /// # Errors
    ///
    /// [`BuildError::WrongLoopKind`] if a host was given.
    pub fn build_mini_in<O: Oracle>(
        self,
        oracle: &Rc<O>,
    ) -> Result<MiniEventLoop<T, Env<O>, EnvPoller<O>>, BuildError> {
        self.build_mini_with(|builder| builder.build_in(oracle))
    }
}
