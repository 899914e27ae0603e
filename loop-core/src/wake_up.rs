//! The wake-up: one system call for any number of posts, and none while the loop is awake.
//!
//! A loop about to wait announces it, then checks once more for news, then waits. A producer publishes its news
//! first, then checks for the announcement, and wakes the loop only if it is the one that takes the announcement
//! down. Each side writes one thing and reads the other's:
//!
//! ```text
//!  loop:      announce ─▶ look for news ─▶ wait        producer:  news in ─▶ look for the announcement
//! ```
//!
//! All four accesses are sequentially consistent, so they have one total order. Either the producer's check comes
//! after the announcement, and it wakes the loop; or it comes before, and then its news came before that, and the
//! loop's check finds them. They can never both miss each other. Publishing news is always a read-modify-write (a
//! claim in the ring, a link, a counter), which costs the same in this order on the machines that matter, so a
//! producer only pays for a load.
//!
//! A wake-up may come late if its producer was preempted before the system call; it then ends the next wait early,
//! which costs a turn, never a lost post. Signal handlers do without this: they always wake the poller.

use std::fmt;

use crate::poller::Waker;
use crate::sync::{AtomicBool, Ordering, seq_cst_edge};

#[cfg(test)]
#[cfg(loom)]
pub(crate) mod loom_tests;

/// Decides whether the loop has to be woken, and by which thread. See the [module](self).
pub(crate) struct WakeUp {
    /// The loop is about to wait or waits, and no thread has taken on waking it yet.
    announced: AtomicBool,
    waker: Waker,
}

impl WakeUp {
    /// The wake-up of a loop that is awake and waits on `waker`'s poller.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { announced: AtomicBool::new(false), waker }
    }

    /// Wakes the loop if it waits. The news must have been published, sequentially consistently, before this.
    #[inline]
    pub(crate) fn wake(&self) {
        seq_cst_edge();
        if self.announced.load(Ordering::SeqCst) {
            self.wake_sleeper();
        }
    }

    #[cold]
    fn wake_sleeper(&self) {
        // An exchange, so that a thread that is too late leaves no trace.
        if self.announced.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.waker.wake();
        }
    }

    /// Announces that the loop is about to wait. The loop must then check for news, and not wait if there are any.
    pub(crate) fn announce(&self) {
        self.announced.store(true, Ordering::SeqCst);
        seq_cst_edge();
    }

    /// Withdraws the announcement: the loop does not wait, or no longer does.
    pub(crate) fn withdraw(&self) {
        self.announced.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for WakeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeUp").field("announced", &self.announced).finish_non_exhaustive()
    }
}
