//! The wake-up: one system call for any number of posts, and none while the loop is awake.
//!
//! *News* is anything that the loop has to handle: a post, a woken future, a finished tasklet. A loop that is about to
//! wait announces this, then checks for news once more, then waits. A producer publishes its news, then checks for the
//! announcement, and wakes the loop if it is the first to withdraw the announcement. Each side writes one variable and
//! then reads the other side's:
//!
//! ```text
//!  loop:      announce ─▶ look for news ─▶ wait        producer:  news in ─▶ look for the announcement
//! ```
//!
//! All four accesses are sequentially consistent, so they have one total order. If the producer's check comes after the
//! announcement, the producer wakes the loop. If it comes before, the news were published even earlier, and the loop's
//! check finds them. So the two sides cannot miss each other. Publishing news is always a read-modify-write (a claim in
//! the ring, a link, a counter), for which sequential consistency is free on x86 and AArch64, so a producer pays only for
//! one more load.
//!
//! If a producer is preempted before the system call, its wake-up may be late and end the next wait early. That costs a
//! turn, but loses nothing. Signal handlers do not use this protocol: they always wake the poller.

use std::fmt;

use crate::poller::Waker;
use crate::sync::{AtomicBool, Ordering, seq_cst_edge};

#[cfg(test)]
#[cfg(loom)]
pub(crate) mod loom_tests;

/// Decides whether the loop must be woken, and by which thread. See the [module](self).
pub(crate) struct WakeUp {
    /// Whether the loop waits or is about to wait, and no thread is waking it yet.
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
        // An exchange, so that only one thread wakes the loop.
        if self.announced.compare_exchange(true, false, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.waker.wake();
        }
    }

    /// Announces that the loop is about to wait. The loop must then check for news, and must not wait if there are any.
    pub(crate) fn announce(&self) {
        self.announced.store(true, Ordering::SeqCst);
        seq_cst_edge();
    }

    /// Withdraws the announcement, because the loop does not or no longer wait.
    pub(crate) fn withdraw(&self) {
        self.announced.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for WakeUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeUp").field("announced", &self.announced).finish_non_exhaustive()
    }
}
