//! The handle: how other threads reach a loop.
//!
//! Pushes and wake-ups coalesce: whoever finds one on its way already does not pay for another.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};

use loop_probes::ids::{SourceId, Ticks};

use crate::agenda::keep::Keep;
use crate::poller::Waker;
use crate::queue::concurrent::{Closed, ConcurrentQueue, Wakeup};
use crate::task::Task;
use crate::work_pool::Finished;

/// What comes from other threads.
pub(crate) enum Inbound<R> {
    /// Somebody posted it.
    Post(R),
    /// A worker finished a job.
    Work(Finished<R>),
}

type RecordClock = Box<dyn Fn() -> Ticks + Send + Sync>;

/// What the loop and its handles share.
pub(crate) struct Shared<R> {
    pub(crate) queue: ConcurrentQueue<Inbound<R>>,
    /// Tasklets that keep the loop alive.
    pub(crate) agenda: Arc<Keep>,
    waker: Waker,
    clock: RecordClock,
    /// Posts carry their time only while somebody records.
    recording: AtomicBool,
    stop: AtomicBool,
    refs: AtomicI64,
    /// Calls of `wake` since the loop looked last.
    wakes: AtomicU32,
}

impl<R> Shared<R> {
    pub(crate) fn new(waker: Waker, clock: RecordClock, recording: bool) -> Self {
        Self {
            queue: ConcurrentQueue::new(),
            agenda: Arc::new(Keep::new(waker.clone())),
            waker,
            clock,
            recording: AtomicBool::new(recording),
            stop: AtomicBool::new(false),
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

    pub(crate) fn take_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.stop.swap(false, Ordering::AcqRel)
    }

    /// Whether something came that the loop has not looked at.
    pub(crate) fn has_news(&self) -> bool {
        !self.queue.is_empty()
            || self.stop.load(Ordering::Acquire)
            || self.refs.load(Ordering::Acquire) != 0
            || self.wakes.load(Ordering::Acquire) != 0
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
    /// [`Closed`] hands it back where the loop has ended.
    pub fn post(&self, remote: T::Remote) -> Result<(), Closed<T::Remote>> {
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

    /// What its agendas count their tasklets in.
    pub(crate) fn keep(&self) -> Arc<Keep> {
        Arc::clone(&self.shared.agenda)
    }

    /// Whether the loop has ended and refuses posts.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.queue.is_closed()
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
