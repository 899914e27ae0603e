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

use loop_probes::ids::{SourceId, Ticks};

use crate::poller::Waker;
use crate::queue::concurrent::{Closed, ConcurrentQueue};
use crate::sync::{AtomicBool, AtomicI64, AtomicU32, Ordering};
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
    /// A worker finished a job. Boxed: every slot of the queue's ring has room for the largest.
    Work(Box<Finished<R>>),
}

type RecordClock = Box<dyn Fn() -> Ticks + Send + Sync>;

/// What the loop and its handles share.
pub(crate) struct Shared<R> {
    pub(crate) queue: ConcurrentQueue<Inbound<R>>,
    wake_up: WakeUp,
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
            wake_up: WakeUp::new(waker),
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

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    fn hold(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
        self.wake();
    }

    /// Says that the loop is about to wait, and whether something came that it has not looked at: then it must
    /// not wait. Ends with [`awake`](Self::awake).
    pub(crate) fn about_to_wait(&self) -> bool {
        self.wake_up.announce();
        self.has_news()
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

    pub(crate) fn take_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed) && self.stop.swap(false, Ordering::AcqRel)
    }

    /// Whether something came that the loop has not looked at.
    pub(crate) fn has_news(&self) -> bool {
        self.wakes.load(Ordering::SeqCst) != 0
            || !self.queue.is_empty()
            || self.stop.load(Ordering::Acquire)
            || self.refs.load(Ordering::Acquire) != 0
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
            Err(Closed(Inbound::Post(remote))) => Err(Closed(remote)),
            // What is refused is what was pushed.
            Ok(()) | Err(Closed(Inbound::Kept(_) | Inbound::Work(_))) => Ok(()),
        }
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

    /// Keeps the loop alive until [`release`](Self::release). Takes effect at the start of the next tick.
    pub fn hold(&self) {
        self.shared.hold(1);
    }

    /// Takes back one [`hold`](Self::hold); the two may come from different threads.
    pub fn release(&self) {
        self.shared.hold(-1);
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
