//! The handle: access to a loop from other threads.
//!
//! Everything here goes through one queue and one [wake-up](crate::wake_up): a loop that is awake is not woken, and
//! a waiting loop is woken once, however much arrives.

mod kept;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::ids::{SourceId, Ticks};

use crate::agenda::{self, keep_alive::AgendaKeepAlive};
use crate::poller::Waker;
use crate::queue::concurrent::{Closed, ConcurrentQueue};
use crate::shutdown::Shutdown;
use crate::sync::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use crate::task::Task;
use crate::wake_up::WakeUp;
use crate::work_pool::Finished;
pub(crate) use kept::Node;
pub use kept::{Kept, KeptPost};

/// Items sent by other threads.
pub(crate) enum Inbound<R> {
    /// A post.
    Post(R),
    /// A post that its owner keeps.
    Kept(Arc<Node<R>>),
    /// A job that a worker finished; if a future awaits it, its result is stored for that. Boxed, because every
    /// slot of the queue's ring has room for the largest variant.
    Work(Box<Finished<Option<R>>>),
}

type RecordClock = Box<dyn Fn() -> Ticks + Send + Sync>;

/// Beyond every deadline: those of `Shutdown`s are clamped to one nanosecond below.
const NOT_ASKED: u64 = u64::MAX;

/// State shared by the loop and its handles.
pub(crate) struct Shared<R> {
    pub(crate) queue: ConcurrentQueue<Inbound<R>>,
    /// Count of tasklets that keep the loop alive.
    pub(crate) agenda: Arc<AgendaKeepAlive>,
    /// Shared with the other sources of news: the agenda, and wakers of futures.
    pub(crate) wake_up: Arc<WakeUp>,
    clock: RecordClock,
    /// Posts carry a time only while events are recorded.
    recording: AtomicBool,
    stop: AtomicBool,
    /// Set when a shutdown begins: posts are refused, results of jobs are not.
    refusing: AtomicBool,
    /// The nearest requested shutdown deadline, in nanoseconds; [`NOT_ASKED`] if there is no request.
    shutdown_ns: AtomicU64,
    refs: AtomicI64,
    /// Calls of `wake` since the loop last checked.
    wakes: AtomicU32,
}

impl<R> Shared<R> {
    pub(crate) fn new(waker: Waker, clock: RecordClock, recording: bool) -> Self {
        let wake_up = Arc::new(WakeUp::new(waker));
        Self {
            queue: ConcurrentQueue::new(),
            agenda: Arc::new(AgendaKeepAlive::new(Arc::clone(&wake_up))),
            wake_up,
            clock,
            recording: AtomicBool::new(recording),
            stop: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            shutdown_ns: AtomicU64::new(NOT_ASKED),
            refs: AtomicI64::new(0),
            wakes: AtomicU32::new(0),
        }
    }

    pub(crate) fn set_recording(&self, recording: bool) {
        self.recording.store(recording, Ordering::Relaxed);
    }

    /// The time of a post, if it is recorded.
    #[inline]
    pub(crate) fn ticks(&self) -> Ticks {
        if self.recording.load(Ordering::Relaxed) { (self.clock)() } else { Ticks(0) }
    }

    #[inline]
    pub(crate) fn push(&self, item: Inbound<R>, from: Option<SourceId>) -> Result<(), Closed<Inbound<R>>> {
        self.queue.push(item, from, self.ticks())?;
        self.wake_up.wake();
        Ok(())
    }

    /// The counter is the news, and publishes everything stored before it.
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.wake_up.wake();
    }

    /// Does not wake the loop: for its own thread.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    fn stop(&self) {
        self.ask_to_stop();
        self.wake();
    }

    /// Does not wake the loop: for its own thread.
    pub(crate) fn ask_to_shut_down(&self, within: Duration) {
        let deadline_ns = u64::try_from(within.as_nanos()).unwrap_or(NOT_ASKED).min(NOT_ASKED - 1);
        self.shutdown_ns.fetch_min(deadline_ns, Ordering::AcqRel);
    }

    fn hold(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
        self.wake();
    }

    /// For re-executing a loop: adds this many calls of `wake`.
    pub(crate) fn replay_wakes(&self, times: u32) {
        self.wakes.fetch_add(times, Ordering::SeqCst);
    }

    /// For re-executing a loop: changes the references that other threads hold.
    pub(crate) fn replay_refs(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
    }

    /// Announces that the loop, or its driver, is about to wait. The loop then checks for news, and does not wait
    /// if there are any; anything that arrives from now on wakes the poller. Ends with [`awake`](Self::awake).
    pub(crate) fn announce_wait(&self) {
        self.wake_up.announce();
    }

    /// Marks the loop as running: it needs no wake-up.
    pub(crate) fn awake(&self) {
        self.wake_up.withdraw();
    }

    pub(crate) fn take_wakes(&self) -> u32 {
        if self.wakes.load(Ordering::Relaxed) == 0 { 0 } else { self.wakes.swap(0, Ordering::AcqRel) }
    }

    pub(crate) fn take_refs(&self) -> i64 {
        if self.refs.load(Ordering::Relaxed) == 0 { 0 } else { self.refs.swap(0, Ordering::AcqRel) }
    }

    /// Refuses posts from here on.
    pub(crate) fn refuse_posts(&self) {
        self.refusing.store(true, Ordering::Release);
    }

    /// The nearest deadline that other threads requested since the last call.
    pub(crate) fn take_shutdown(&self) -> Option<Duration> {
        if self.shutdown_ns.load(Ordering::Relaxed) == NOT_ASKED {
            return None;
        }
        let asked = self.shutdown_ns.swap(NOT_ASKED, Ordering::AcqRel);
        (asked != NOT_ASKED).then(|| Duration::from_nanos(asked))
    }

    pub(crate) fn take_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.stop.swap(false, Ordering::AcqRel)
    }

    /// Whether something arrived that the loop has not handled.
    pub(crate) fn has_news(&self) -> bool {
        self.wakes.load(Ordering::SeqCst) != 0
            || !self.queue.is_empty()
            || self.stop.load(Ordering::Acquire)
            || self.refs.load(Ordering::Acquire) != 0
            || self.shutdown_ns.load(Ordering::Acquire) != NOT_ASKED
    }
}

/// Access to a loop from any thread. Cheap to clone; does not keep the loop alive.
pub struct Handle<T: Task> {
    shared: Arc<Shared<T::Remote>>,
    source: Option<SourceId>,
}

impl<T: Task> Handle<T> {
    pub(crate) const fn new(shared: Arc<Shared<T::Remote>>) -> Self {
        Self { shared, source: None }
    }

    /// The same handle for an emitter with a ring of its own: its posts carry the emitter's number. Tasklets of an
    /// agenda do not need this: their posts carry the number of their worker.
    #[must_use]
    pub fn posting_as(mut self, source: SourceId) -> Self {
        self.source = Some(source);
        self
    }

    /// Sends a task to the loop and wakes it. Posts of one thread run in order.
    ///
    /// # Errors
    ///
    /// [`Closed`] hands it back if the loop has ended or is shutting down.
    pub fn post(&self, remote: T::Remote) -> Result<(), Closed<T::Remote>> {
        if self.shared.refusing.load(Ordering::Acquire) {
            return Err(Closed(remote));
        }
        match self.shared.push(Inbound::Post(remote), self.poster()) {
            Err(Closed(Inbound::Post(remote))) => Err(Closed(remote)),
            // A refused item is the one that was pushed.
            Ok(()) | Err(Closed(Inbound::Kept(_) | Inbound::Work(_))) => Ok(()),
        }
    }

    /// The emitter of a post: the one the handle was made for, else the agenda worker running on this thread.
    fn poster(&self) -> Option<SourceId> {
        self.source.or_else(agenda::inner::emitter)
    }

    /// Creates a reusable post: each time it is [posted](Kept::post), the loop runs what `make` returns, calling it
    /// on the loop thread.
    #[must_use]
    pub fn keep(&self, make: impl Fn() -> T::Remote + Send + Sync + 'static) -> Kept<T> {
        Kept::new(self.clone(), Box::new(make))
    }

    /// Ends the current wait, or the next one.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Asks the loop to end its run after the current turn.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Asks the loop to shut down. Among several requests the nearest deadline counts.
    pub fn shutdown(&self, shutdown: Shutdown) {
        self.shared.ask_to_shut_down(shutdown.deadline);
        self.wake();
    }

    /// Keeps the loop alive until [`release`](Self::release). Takes effect at the start of the next tick.
    pub fn hold(&self) {
        self.shared.hold(1);
    }

    /// Takes back one [`hold`](Self::hold); the two may come from different threads.
    pub fn release(&self) {
        self.shared.hold(-1);
    }

    /// The shared counter of its agendas' tasklets.
    pub(crate) fn agenda_keep(&self) -> Arc<AgendaKeepAlive> {
        Arc::clone(&self.shared.agenda)
    }

    /// Whether the loop refuses posts: it has ended or is shutting down.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.refusing.load(Ordering::Acquire) || self.shared.queue.is_closed()
    }
}

impl<T: Task> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), source: self.source }
    }
}

impl<T: Task> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("source", &self.source)
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
