//! The handle: how other threads reach a loop.
//!
//! Everything here goes through one queue and one [wake-up](crate::wake_up): a loop that is awake is not woken, and
//! one that waits is woken once, whatever comes meanwhile.

mod kept;
#[cfg(test)]
#[cfg(loom)]
mod loom_tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::ids::{SourceId, Ticks};

use crate::agenda::{self, keep::Keep};
use crate::poller::Waker;
use crate::queue::concurrent::{Closed, ConcurrentQueue};
use crate::shutdown::Shutdown;
use crate::sync::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use crate::task::Task;
use crate::wake_up::WakeUp;
use crate::work_pool::Finished;
pub(crate) use kept::Node;
pub use kept::{Kept, KeptPost};

/// What comes from other threads.
pub(crate) enum Inbound<R> {
    /// Somebody posted it.
    Post(R),
    /// Somebody posted what they keep.
    Kept(Arc<Node<R>>),
    /// A worker finished a job; one that a future awaits keeps its result for that. Boxed: every slot of the
    /// queue's ring has room for the largest.
    Work(Box<Finished<Option<R>>>),
}

type RecordClock = Box<dyn Fn() -> Ticks + Send + Sync>;

/// No deadline is as far away as this one: `Shutdown`s are cut one nanosecond below.
const NOT_ASKED: u64 = u64::MAX;

/// What the loop and its handles share.
pub(crate) struct Shared<R> {
    pub(crate) queue: ConcurrentQueue<Inbound<R>>,
    /// Tasklets that keep the loop alive.
    pub(crate) agenda: Arc<Keep>,
    /// Shared with whatever else brings news: the agenda, wakers of futures.
    pub(crate) wake_up: Arc<WakeUp>,
    clock: RecordClock,
    /// Posts carry their time only while somebody records.
    recording: AtomicBool,
    stop: AtomicBool,
    /// A shutdown begins or has begun: posts are refused, results of jobs are not.
    refusing: AtomicBool,
    /// The nearest deadline in nanoseconds that somebody asked a shutdown for; [`NOT_ASKED`] where nobody did.
    shutdown_ns: AtomicU64,
    refs: AtomicI64,
    /// Calls of `wake` since the loop looked last.
    wakes: AtomicU32,
}

impl<R> Shared<R> {
    pub(crate) fn new(waker: Waker, clock: RecordClock, recording: bool) -> Self {
        let wake_up = Arc::new(WakeUp::new(waker));
        Self {
            queue: ConcurrentQueue::new(),
            agenda: Arc::new(Keep::new(Arc::clone(&wake_up))),
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

    /// The time of a post, where anybody wants to know it.
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

    /// The counter is the news, and puts what was stored before it in.
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.wake_up.wake();
    }

    /// Without waking it: for its own thread.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    fn stop(&self) {
        self.ask_to_stop();
        self.wake();
    }

    /// Without waking it: for its own thread.
    pub(crate) fn ask_to_shut_down(&self, within: Duration) {
        let deadline_ns = u64::try_from(within.as_nanos()).unwrap_or(NOT_ASKED).min(NOT_ASKED - 1);
        self.shutdown_ns.fetch_min(deadline_ns, Ordering::AcqRel);
    }

    fn hold(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
        self.wake();
    }

    /// Of a loop that is executed again: so many calls of `wake`.
    pub(crate) fn replay_wakes(&self, times: u32) {
        self.wakes.fetch_add(times, Ordering::SeqCst);
    }

    /// Of a loop that is executed again: what other threads hold changed.
    pub(crate) fn replay_refs(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
    }

    /// The loop is about to wait, or somebody else for it. It looks for news after this, and does not wait if there
    /// are any; what comes from now on wakes the poller. Ends with [`awake`](Self::awake).
    pub(crate) fn announce_wait(&self) {
        self.wake_up.announce();
    }

    /// The loop runs: nobody needs to wake it.
    pub(crate) fn awake(&self) {
        self.wake_up.withdraw();
    }

    pub(crate) fn take_wakes(&self) -> u32 {
        if self.wakes.load(Ordering::Relaxed) == 0 { 0 } else { self.wakes.swap(0, Ordering::AcqRel) }
    }

    pub(crate) fn take_refs(&self) -> i64 {
        if self.refs.load(Ordering::Relaxed) == 0 { 0 } else { self.refs.swap(0, Ordering::AcqRel) }
    }

    /// From here on posts are refused.
    pub(crate) fn refuse_posts(&self) {
        self.refusing.store(true, Ordering::Release);
    }

    /// The nearest deadline that other threads asked for since this was asked last.
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

    /// Whether something came that the loop has not looked at.
    pub(crate) fn has_news(&self) -> bool {
        self.wakes.load(Ordering::SeqCst) != 0
            || !self.queue.is_empty()
            || self.stop.load(Ordering::Acquire)
            || self.refs.load(Ordering::Acquire) != 0
            || self.shutdown_ns.load(Ordering::Acquire) != NOT_ASKED
    }
}

/// Reaches a loop from any thread. Cheap to clone; does not keep the loop alive.
pub struct Handle<T: Task> {
    shared: Arc<Shared<T::Remote>>,
    source: Option<SourceId>,
}

impl<T: Task> Handle<T> {
    pub(crate) const fn new(shared: Arc<Shared<T::Remote>>) -> Self {
        Self { shared, source: None }
    }

    /// The same handle for an emitter that has a ring of its own: its posts carry its number. Tasklets of an agenda
    /// need none: what they post carries the number of their worker.
    #[must_use]
    pub fn posting_as(mut self, source: SourceId) -> Self {
        self.source = Some(source);
        self
    }

    /// Sends a task to the loop and wakes it. Posts of one thread run in their order.
    ///
    /// # Errors
    ///
    /// [`Closed`] hands it back where the loop has ended, or shuts down.
    pub fn post(&self, remote: T::Remote) -> Result<(), Closed<T::Remote>> {
        if self.shared.refusing.load(Ordering::Acquire) {
            return Err(Closed(remote));
        }
        match self.shared.push(Inbound::Post(remote), self.poster()) {
            Err(Closed(Inbound::Post(remote))) => Err(Closed(remote)),
            // What is refused is what was pushed.
            Ok(()) | Err(Closed(Inbound::Kept(_) | Inbound::Work(_))) => Ok(()),
        }
    }

    /// Who posts: whom the handle was made for, else the worker of an agenda whose thread this is.
    fn poster(&self) -> Option<SourceId> {
        self.source.or_else(agenda::inner::emitter)
    }

    /// A post that its owner keeps: each time it is [posted](Kept::post), the loop runs what `make` makes then, on
    /// the loop thread.
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

    /// Asks the loop to shut down. Of several requests the nearest deadline counts.
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

    /// What its agendas count their tasklets in.
    pub(crate) fn agenda_keep(&self) -> Arc<Keep> {
        Arc::clone(&self.shared.agenda)
    }

    /// Whether the loop refuses posts: it has ended, or shuts down.
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
