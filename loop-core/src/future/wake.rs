//! Wakers, and the list of woken futures.
//!
//! A waker may be used on any thread at any time, even after its loop has ended, but not in a signal handler, because
//! it takes a lock. A wake-up marks the future as woken. The first mark since the last poll puts the future on the
//! list; further wake-ups change nothing, so a future that is woken often is polled once. The loop clears the mark
//! before the poll, so a later wake-up puts the future on the list again. The list is one of the sources that the
//! loop's single [wake-up](crate::wake_up) covers; that module explains why no wake-up is lost.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, ThreadId};

use loop_probes::ids::Ticks;

use crate::inbound::RecordClock;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, locked};
use crate::wake_up::WakeUp;

/// Identifies a spawned future while it exists: its index in the table, and the generation of that entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FutureKey {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A woken future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Woken {
    pub(crate) future: FutureKey,
    /// Time of the wake-up.
    pub(crate) at: Ticks,
    /// Whether it was woken on the loop's own thread.
    pub(crate) here: bool,
}

/// Futures of one loop that were woken and are not in the task queue yet.
pub(crate) struct WakeList {
    state: Mutex<WokenFutures>,
    /// Whether the list has entries: lets the loop check for news without a lock.
    any: AtomicBool,
    wake_up: Arc<WakeUp>,
    stamp: RecordClock,
    thread: ThreadId,
}

#[derive(Default)]
struct WokenFutures {
    woken: Vec<Woken>,
    /// Whether the loop has ended.
    closed: bool,
}

impl WakeList {
    /// The list of a loop that runs on this thread.
    pub(crate) fn new(wake_up: Arc<WakeUp>, stamp: RecordClock) -> Self {
        let thread = thread::current().id();
        Self {
            state: Mutex::new(WokenFutures::default()),
            any: AtomicBool::new(false),
            wake_up,
            stamp,
            thread,
        }
    }

    fn lock(&self) -> MutexGuard<'_, WokenFutures> {
        locked(&self.state)
    }

    fn push(&self, future: FutureKey) {
        let (at, here) = ((self.stamp)(), thread::current().id() == self.thread);
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.woken.push(Woken { future, at, here });
        self.any.swap(true, Ordering::SeqCst);
        drop(state);
        self.wake_up.wake();
    }

    /// Whether the list has entries.
    #[inline]
    pub(crate) fn has_some(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// Takes the list, oldest first.
    pub(crate) fn take(&self) -> Vec<Woken> {
        let mut state = self.lock();
        self.any.store(false, Ordering::Relaxed);
        std::mem::take(&mut state.woken)
    }

    /// Marks the loop as ended: further wake-ups do nothing.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.woken.clear();
        self.any.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for WakeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeList").field("any", &self.has_some()).finish_non_exhaustive()
    }
}

/// The waker of one future.
#[derive(Debug)]
pub(crate) struct FutureWaker {
    future: FutureKey,
    /// Whether the future is on the list or in the task queue.
    woken: AtomicBool,
    list: Arc<WakeList>,
}

impl FutureWaker {
    /// The waker of a future whose first poll is queued.
    pub(crate) fn queued(future: FutureKey, list: Arc<WakeList>) -> Arc<Self> {
        Arc::new(Self { future, woken: AtomicBool::new(true), list })
    }

    /// Clears the mark just before a poll, so that the future can be woken again. Acquires everything that was written
    /// before the wake-ups that this poll answers.
    pub(crate) fn begin_poll(&self) {
        self.woken.swap(false, Ordering::AcqRel);
    }
}

impl Wake for FutureWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.list.push(self.future);
        }
    }
}
