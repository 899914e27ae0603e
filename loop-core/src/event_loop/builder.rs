//! Builder of a loop.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use loop_probes::clock::{Clock, SystemClock};
use loop_probes::event::Phase;
use loop_probes::ids::{Tag, Ticks};
use loop_probes::recorder::Recorder;
use loop_probes::session::Session;

use super::sampling::{SAMPLED, SlowLimit};
use super::validator::Validator;
use super::{EventLoop, Metrics};
use crate::core::{Core, Current, PoolFactory, SignalFactory};
use crate::environment::Environment;
use crate::error::{BuildError, LoopKind};
use crate::future::local::LocalInbox;
use crate::future::table::Futures;
use crate::future::wake::WakeList;
use crate::host::Host;
use crate::inbound::{LoopShared, RecordClock};
use crate::policy::{Policy, Step};
use crate::poller::os::OsPoller;
use crate::poller::{Poller, Waker};
use crate::scheduler::Scheduler;
use crate::shutdown::Progress;
use crate::signal::SignalSource;
use crate::task::Task;
use crate::work_pool::threads::{PoolError, RecorderFactory, WorkPool};
use crate::work_pool::{JobSink, Pool};

/// Configures and builds an [`EventLoop`].
///
/// # Examples
///
/// ```
/// use loop_core::{Builtin, EventLoop, Policy};
///
/// let mut policy = Policy::bun();
/// policy.tasks_per_tick = 100;
/// let mut event_loop = EventLoop::<Builtin>::builder().policy(policy).workers(2).build()?;
/// # event_loop.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Builder<T: Task> {
    /// `None` means the session's policy, or else the default for the kind of loop.
    pub(crate) policy: Option<Policy>,
    session_policy: Option<Policy>,
    pub(crate) kind: LoopKind,
    environment: OnceCell<Environment>,
    recorder: Recorder,
    host: Option<Box<dyn Host<T>>>,
    clock: SystemClock,
    workers: Option<u16>,
    worker_recorders: RecorderFactory,
    pool: Option<PoolFactory<Option<T::Remote>>>,
    signals: Option<SignalFactory>,
}

impl<T: Task> EventLoop<T> {
    /// A loop on this thread with [`Policy::bun`] that records nothing.
    ///
    /// # Errors
    ///
    /// [`BuildError::OpenPoller`] if the system provides no poller.
    pub fn new() -> Result<Self, BuildError> {
        Builder::new().build()
    }

    /// Returns a builder to set policy, recorder, host, pool, clock and poller.
    #[must_use]
    pub fn builder() -> Builder<T> {
        Builder::new()
    }
}

impl<T: Task> Builder<T> {
    pub(super) fn new() -> Self {
        Self {
            policy: None,
            session_policy: None,
            kind: LoopKind::EventLoop,
            environment: OnceCell::new(),
            recorder: Recorder::disabled(),
            host: None,
            clock: SystemClock::new(),
            workers: None,
            worker_recorders: Box::new(|_worker| Recorder::disabled()),
            pool: None,
            signals: None,
        }
    }

    /// Sets the loop's policy. The default is the one stated by its [session](Self::session), or else [`Policy::bun`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets environment variables and streams; those of the process by default.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment.into();
        self
    }

    /// Sets the recorder of the loop's events; none by default.
    #[must_use]
    pub fn recorder(mut self, recorder: Recorder) -> Self {
        self.recorder = recorder;
        self
    }

    /// Records into `session` by the session's clock: the loop as `name`, each worker of the pool as `worker N`. If the
    /// session states one of the [named](Policy::NAMES) policies, that becomes the default for [`policy`](Self::policy).
    #[must_use]
    pub fn session(mut self, session: &Session, name: &str) -> Self {
        let workers = session.clone();
        self.session_policy = session.metadata().and_then(|metadata| Policy::by_name(&metadata.policy).ok());
        self.clock(session.clock())
            .recorder(session.recorder(name))
            .worker_recorders(Box::new(move |worker| workers.recorder(&format!("worker {worker}"))))
    }

    /// Sets the host, which owns scripts, their microtasks and the heap; by default plain Rust without a heap.
    #[must_use]
    pub fn host(mut self, host: impl Host<T> + 'static) -> Self {
        self.host = Some(Box::new(host));
        self
    }

    pub(crate) fn has_host(&self) -> bool {
        self.host.is_some()
    }

    /// Sets the system clock. Its record clock must be the one that the recorder's ring uses.
    #[must_use]
    pub const fn clock(mut self, clock: SystemClock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the number of workers of the pool, which starts with the first job; one per core by default.
    #[must_use]
    pub const fn workers(mut self, workers: u16) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Sets a function that creates each worker's recorder, on the worker's thread.
    #[must_use]
    pub fn worker_recorders(mut self, make: RecorderFactory) -> Self {
        self.worker_recorders = make;
        self
    }

    /// Replaces the work pool. `make` is called for the first job. Jobs that futures await return `None`, because they
    /// store their result in the future's slot.
    #[must_use]
    pub fn pool(
        mut self,
        make: impl FnOnce(JobSink<Option<T::Remote>>) -> Result<Box<dyn Pool<Option<T::Remote>>>, PoolError>
        + 'static,
    ) -> Self {
        self.pool = Some(Box::new(make));
        self
    }

    /// Replaces the source of signals. `make` is called for the first handler.
    #[must_use]
    pub fn signals(mut self, make: impl FnOnce(Waker) -> Box<dyn SignalSource> + 'static) -> Self {
        self.signals = Some(SignalFactory::Own(Box::new(make)));
        self
    }

    /// Builds a loop on the system's clock, poller, signals and threads.
    ///
    /// # Errors
    ///
    /// [`BuildError::OpenPoller`] if the system provides no poller, [`BuildError::Policy`] if the policy is
    /// contradictory or out of range.
    pub fn build(self) -> Result<EventLoop<T>, BuildError> {
        self.policy.as_ref().map_or(Ok(()), Policy::check)?;
        let poller = OsPoller::new().map_err(BuildError::OpenPoller)?;
        let clock = self.clock;
        Ok(self.build_on(clock, poller))
    }

    /// Builds a loop on another clock and poller. The work pool and the signals are those of the system, unless replaced
    /// by [`pool`](Self::pool) and [`signals`](Self::signals).
    #[must_use]
    pub fn build_on<C, P>(self, clock: C, poller: P) -> EventLoop<T, C, P>
    where
        C: Clock + Clone + Send + Sync + 'static,
        P: Poller,
    {
        let stamps = clock.clone();
        self.assemble(clock, poller, Box::new(move || stamps.ticks()))
    }

    /// Builds the loop. Other threads read its record clock by `stamps`.
    pub(crate) fn assemble<C, P>(self, clock: C, poller: P, stamps: RecordClock) -> EventLoop<T, C, P>
    where
        C: Clock + Clone + 'static,
        P: Poller,
    {
        let Self { policy, session_policy, kind, environment, recorder, host, clock: system, .. } = self;
        let Self { workers, worker_recorders, pool, signals, .. } = self;
        let policy = policy.or(session_policy).unwrap_or_default();
        let pool = pool.unwrap_or_else(|| {
            Box::new(move |sink| Ok(Box::new(WorkPool::new(workers, system, worker_recorders, sink)?)))
        });
        let signals = signals.unwrap_or(SignalFactory::System(system));
        let (on, now) = (recorder.is_enabled(), clock.now());
        let at = if on { clock.ticks() } else { Ticks(0) };
        let shared = Arc::new(LoopShared::new(poller.waker(), stamps, on));
        let stamp = Arc::clone(&shared);
        let woken = WakeList::new(Arc::clone(&shared.wake_up), Box::new(move || stamp.ticks()));
        let local = LocalInbox::new(Box::new(clock.clone()), Arc::clone(&shared));
        let futures = Futures::new(local, woken);
        let slow = SlowLimit::new(policy.slow_task_limit, at, now);
        let exits_in_turn = policy.has(Step::Exit);
        let checks_heap = policy.has(Step::GcCheck) || policy.has(Step::GcCheckIfAlive);
        let mut core = Core {
            sets_jobs_aside: policy.has(Step::Work),
            serves_heap: policy.has(Step::GcTimers) || checks_heap,
            checks_heap,
            kind,
            environment,
            finished: VecDeque::new(),
            calls: 0,
            scheduler: Scheduler::new(policy, now),
            recorder,
            on,
            at,
            current: Current::OUTSIDE,
            phase: (Phase::Tasks, at),
            depth: 0,
            shared,
            woken: false,
            sources: HashMap::new(),
            next_source: 0,
            signals: None,
            signal_factory: Some(signals),
            handlers: BTreeMap::new(),
            pool: None,
            pool_factory: Some(pool),
            work: HashMap::new(),
            labels: HashMap::new(),
            futures,
            shutdown: Progress::default(),
            failed: None,
            failure: None,
            failure_notice: None,
            metrics: Metrics::default(),
            tags_named: Tag(0),
        };
        core.name_tags();
        EventLoop {
            core,
            clock,
            poller,
            host,
            validator: Validator::default(),
            slow,
            ready: Vec::new(),
            depths: [0; SAMPLED],
            snapshot_due: None,
            latest: None,
            now: None,
            tasks_until: None,
            polled: None,
            exits_in_turn,
            until: None,
            running: false,
            owes_drain: false,
            signals_dropped: 0,
        }
    }
}

impl<T: Task> fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("policy", &self.policy).finish_non_exhaustive()
    }
}
