//! The wake-up: one system call for any number of posts, and none while the loop is awake.
//!
//! A loop that is about to wait announces it, then looks once more whether something came, then waits. A producer
//! puts its news in first, then looks for the announcement, and wakes the loop only if it is the one who takes
//! the announcement down. The two sides write one thing and read the other's:
//!
//! ```text
//!  loop:      announce ─▶ look for news ─▶ wait        producer:  news in ─▶ look for the announcement
//! ```
//!
//! All four are sequentially consistent, so they have one total order. Either the producer's look comes after the
//! announcement, and it wakes the loop; or it comes before, then its news came before that, and the loop's look
//! finds them. Never does each miss the other. The news are always read-modify-writes (a claim in the ring, a
//! link, a counter), which cost the same in this order on the machines that matter, so a producer pays for a load.
//!
//! A wake-up may come late, when its producer was interrupted before the system call, and then it ends the next
//! wait early; that costs a turn, never a lost post. Signal handlers do without: they wake the poller in any case.

use std::fmt;

use crate::poller::Waker;
use crate::sync::{AtomicBool, Ordering, seq_cst_edge};

#[cfg(test)]
#[cfg(loom)]
pub(crate) mod loom_tests;

/// Who wakes the loop, and whether it has to be woken. See the [module](self).
pub(crate) struct WakeUp {
    /// The loop is about to wait, or waits, and nobody wakes it yet.
    announced: AtomicBool,
    waker: Waker,
}

impl WakeUp {
    /// The wake-up of a loop that is awake and waits on `waker`'s poller.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { announced: AtomicBool::new(false), waker }
    }

    /// Wakes the loop if it waits. The news are in, sequentially consistent, before this.
    #[inline]
    pub(crate) fn wake(&self) {
        seq_cst_edge();
        if self.announced.load(Ordering::SeqCst) {
            self.wake_sleeper();
        }
    }

    #[cold]
    fn wake_sleeper(&self) {
        // An exchange, so that who is too late leaves no trace.
        if self.announced.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.waker.wake();
        }
    }

    /// The loop is about to wait. It looks for news after this, and does not wait if there are any.
    pub(crate) fn announce(&self) {
        self.announced.store(true, Ordering::SeqCst);
        seq_cst_edge();
    }

    /// The loop does not wait, or not any more.
    pub(crate) fn withdraw(&self) {
        self.announced.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for WakeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeUp").field("announced", &self.announced).finish_non_exhaustive()
    }
}
