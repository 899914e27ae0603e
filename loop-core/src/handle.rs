//! The handle: how other threads reach a loop.
//!
//! Pushes and wake-ups coalesce: whoever finds one on its way already does not pay for another.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use loop_probes::ids::{SourceId, Ticks};

use crate::poller::Waker;
use crate::queue::concurrent::{Closed, ConcurrentQueue, Wakeup};
use crate::shutdown::Shutdown;
use crate::task::Task;
use crate::work_pool::Finished;

/// What comes from other threads.
pub(crate) enum Inbound<R> {
    /// Somebody posted it.
    Post(R),
    /// A worker finished a job; one that a future awaits keeps its result for that.
    Work(Finished<Option<R>>),
}

type RecordClock = Box<dyn Fn() -> Ticks + Send + Sync>;

/// No deadline is as far away as this one: `Shutdown`s are cut one nanosecond below.
const NOT_ASKED: u64 = u64::MAX;

/// What the loop and its handles share.
pub(crate) struct Shared<R> {
    pub(crate) queue: ConcurrentQueue<Inbound<R>>,
    waker: Waker,
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
        Self {
            queue: ConcurrentQueue::new(),
            waker,
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
    pub(crate) fn ticks(&self) -> Ticks {
        if self.recording.load(Ordering::Relaxed) { (self.clock)() } else { Ticks(0) }
    }

    pub(crate) fn push(&self, item: Inbound<R>, from: Option<SourceId>) -> Result<(), Closed<Inbound<R>>> {
        match self.queue.push(item, from, self.ticks())? {
            Wakeup::Needed => self.waker.wake(),
            Wakeup::Coalesced => {}
        }
        Ok(())
    }

    fn wake(&self) {
        if self.wakes.fetch_add(1, Ordering::AcqRel) == 0 {
            self.waker.wake();
        }
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
        !self.queue.is_empty()
            || self.stop.load(Ordering::Acquire)
            || self.refs.load(Ordering::Acquire) != 0
            || self.wakes.load(Ordering::Acquire) != 0
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

    /// The same handle for an emitter that has a ring of its own: its posts carry its number.
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
        match self.shared.push(Inbound::Post(remote), self.source) {
            Ok(()) | Err(Closed(Inbound::Work(_))) => Ok(()),
            Err(Closed(Inbound::Post(remote))) => Err(Closed(remote)),
        }
    }

    /// Ends the current wait, or the next one.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Asks the loop to end its run after the current turn.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Asks the loop to shut down. Of several requests the nearest deadline counts.
    pub fn shutdown(&self, shutdown: Shutdown) {
        let deadline_ns = u64::try_from(shutdown.deadline.as_nanos()).unwrap_or(NOT_ASKED).min(NOT_ASKED - 1);
        self.shared.shutdown_ns.fetch_min(deadline_ns, Ordering::AcqRel);
        self.wake();
    }

    /// Keeps the loop alive until [`release`](Self::release). Takes effect at the start of the next tick.
    pub fn hold(&self) {
        self.shared.refs.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Takes back one [`hold`](Self::hold); the two may come from different threads.
    pub fn release(&self) {
        self.shared.refs.fetch_sub(1, Ordering::AcqRel);
        self.wake();
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
