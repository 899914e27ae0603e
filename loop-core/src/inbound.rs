//! State that other threads share with a loop: the queue of their posts, and requests to wake, stop and shut down the
//! loop. All of it uses one [wake-up](crate::wake_up).
#![expect(unsafe_code, reason = "a kept node is its own link in the queue's overflow")]

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use loop_probes::ids::{SourceId, Ticks};

use crate::keep_alive::tasklets::AgendaKeepAlive;
use crate::poller::Waker;
use crate::queue::concurrent::{Closed, ConcurrentQueue, Link, Posted};
use crate::sync::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use crate::wake_up::WakeUp;
use crate::work_pool::FinishedJob;

thread_local! {
    /// The emitter of this thread, if the thread is a recorded worker.
    static EMITTER: Cell<Option<SourceId>> = const { Cell::new(None) };
}

/// The emitter of the calling thread, if the thread is a worker of an agenda. Posts of tasklets are attributed to it.
pub(crate) fn emitter() -> Option<SourceId> {
    // Thread-local storage is gone in destructors of an exiting thread: their posts have no emitter.
    EMITTER.try_with(Cell::get).ok().flatten()
}

/// Sets the emitter of the calling thread.
#[cfg(feature = "agenda")]
pub(crate) fn write_as(emitter: Option<SourceId>) {
    EMITTER.set(emitter);
}

/// Items sent by other threads.
pub(crate) enum Inbound<R> {
    /// A post.
    Post(R),
    /// A post that its owner keeps.
    Kept(Arc<Node<R>>),
    /// A finished job. `None` if a future awaits the job and got the result in its own slot. Boxed, because every slot of
    /// the queue's ring has room for the largest variant.
    Work(Box<FinishedJob<Option<R>>>),
}

/// Reads the record clock of a loop, on any thread.
pub type RecordClock = Box<dyn Fn() -> Ticks + Send + Sync>;

/// No shutdown is requested. Requested deadlines are clamped below this value.
const NOT_ASKED: u64 = u64::MAX;

/// State shared by the loop and its handles.
pub(crate) struct LoopShared<R> {
    pub(crate) queue: ConcurrentQueue<Inbound<R>>,
    /// Count of tasklets that keep the loop alive.
    pub(crate) agenda: Arc<AgendaKeepAlive>,
    /// Also used by the agenda and by wakers of futures.
    pub(crate) wake_up: Arc<WakeUp>,
    clock: RecordClock,
    /// Whether events are recorded. Posts carry a time only then.
    recording: AtomicBool,
    stop: AtomicBool,
    /// Set when a shutdown begins. Posts are then refused, but not results of jobs.
    refusing: AtomicBool,
    /// The nearest requested shutdown deadline, in nanoseconds; [`NOT_ASKED`] if there is no request.
    shutdown_ns: AtomicU64,
    refs: AtomicI64,
    /// Number of calls of `wake` since the loop last checked.
    wakes: AtomicU32,
}

impl<R> LoopShared<R> {
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

    /// The current record time, or 0 if nothing is recorded.
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

    /// Counts a wake-up and wakes the loop. The increment publishes everything that the caller stored before.
    pub(crate) fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.wake_up.wake();
    }

    /// Requests a stop without waking the loop, for the loop's own thread.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(crate) fn stop(&self) {
        self.ask_to_stop();
        self.wake();
    }

    /// Requests a shutdown without waking the loop, for the loop's own thread.
    pub(crate) fn ask_to_shut_down(&self, within: Duration) {
        let deadline_ns = u64::try_from(within.as_nanos()).unwrap_or(NOT_ASKED).min(NOT_ASKED - 1);
        self.shutdown_ns.fetch_min(deadline_ns, Ordering::AcqRel);
    }

    pub(crate) fn hold(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
        self.wake();
    }

    /// For re-execution: adds `times` calls of `wake`.
    pub(crate) fn replay_wakes(&self, times: u32) {
        self.wakes.fetch_add(times, Ordering::SeqCst);
    }

    /// For re-execution: changes the number of references that other threads hold.
    pub(crate) fn replay_refs(&self, delta: i64) {
        self.refs.fetch_add(delta, Ordering::AcqRel);
    }

    /// Announces that the loop, or the foreign loop that runs it, is about to wait. From now on, arrivals wake the poller.
    /// The caller must then check for earlier arrivals, and must not wait if there are any. Ends with
    /// [`awake`](Self::awake).
    pub(crate) fn announce_wait(&self) {
        self.wake_up.announce();
    }

    /// Marks the loop as running, so that arrivals do not wake the poller.
    pub(crate) fn awake(&self) {
        self.wake_up.withdraw();
    }

    pub(crate) fn take_wakes(&self) -> u32 {
        if self.wakes.load(Ordering::Relaxed) == 0 { 0 } else { self.wakes.swap(0, Ordering::AcqRel) }
    }

    pub(crate) fn take_refs(&self) -> i64 {
        if self.refs.load(Ordering::Relaxed) == 0 { 0 } else { self.refs.swap(0, Ordering::AcqRel) }
    }

    /// Whether posts are refused because a shutdown began.
    pub(crate) fn refuses_posts(&self) -> bool {
        self.refusing.load(Ordering::Acquire)
    }

    /// Refuses posts from now on.
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

impl<R> LoopShared<R> {
    pub(crate) fn push_kept(
        &self,
        node: &Arc<Node<R>>,
        from: Option<SourceId>,
    ) -> Result<KeptPost, Closed<()>> {
        if self.refusing.load(Ordering::Acquire) {
            return Err(Closed(()));
        }
        if node.is_queued.swap(true, Ordering::AcqRel) {
            return Ok(KeptPost::AlreadyQueued);
        }
        let posted = Posted { item: Inbound::Kept(Arc::clone(node)), poster: from, queued: self.ticks() };
        // SAFETY: this call set `is_queued`, so no other thread uses the link. The link is not in a list, because
        // `is_queued` is cleared only after the item was taken. The item keeps the node, and so the link, alive.
        let pushed = unsafe { self.queue.push_kept(posted, NonNull::from(&node.link)) };
        if pushed.is_err() {
            node.is_queued.store(false, Ordering::Release);
            return Err(Closed(()));
        }
        self.wake_up.wake();
        Ok(KeptPost::Queued)
    }
}

/// Outcome of posting a [`Kept`](crate::Kept).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptPost {
    /// The post was queued.
    Queued,
    /// An earlier post is still queued. Its run sees everything that the caller did before this call.
    AlreadyQueued,
}

/// The node of a kept post, shared by the queue and the owners.
pub(crate) struct Node<R> {
    /// Set from the post until the loop takes it. The thread that sets the flag may use the link.
    is_queued: AtomicBool,
    make: Make<R>,
    link: Link<Posted<Inbound<R>>>,
}

pub(crate) type Make<R> = Box<dyn Fn() -> R + Send + Sync>;

impl<R> Node<R> {
    pub(crate) fn new(make: Make<R>) -> Arc<Self> {
        Arc::new(Self { is_queued: AtomicBool::new(false), make, link: Link::kept() })
    }

    /// Marks the node as taken by the loop, so that it can be posted again.
    pub(crate) fn is_taken(&self) {
        // Acquire: a poster that found the node queued relies on the coming run, which must see what it stored before.
        // Release: the link is out of the overflow list before it is used again.
        self.is_queued.swap(false, Ordering::AcqRel);
    }

    /// Whether the node is queued and not taken by the loop yet.
    pub(crate) fn is_queued(&self) -> bool {
        self.is_queued.load(Ordering::Relaxed)
    }

    /// Marks the node as taken, and makes the item to run.
    pub(crate) fn taken(&self) -> R {
        self.is_taken();
        (self.make)()
    }
}
