//! The gate between a lossless writer and the reader that drains it: how far the writer may go.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One ring's gate.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Sequence number up to which the draining reader has polled.
    drained: AtomicU64,
    /// Whether the writer waits at all.
    held: AtomicBool,
    /// How far the writer continues without waiting because the reader freed no room when asked.
    given_up: AtomicU64,
    capacity: u64,
}

impl Gate {
    pub(crate) const fn new(capacity: u64, held: bool) -> Self {
        Self {
            drained: AtomicU64::new(0),
            held: AtomicBool::new(held),
            given_up: AtomicU64::new(0),
            capacity,
        }
    }

    pub(crate) fn hold(&self) {
        self.held.store(true, Ordering::Release);
    }

    /// Stops the writer from waiting.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::Release);
    }

    /// Sets how far the reader has drained.
    pub(crate) fn drained(&self, sequence: u64) {
        self.drained.store(sequence, Ordering::Release);
    }

    /// The sequence number that the writer must not reach without asking first.
    pub(crate) fn limit(&self) -> u64 {
        if self.held.load(Ordering::Relaxed) {
            let room = self.drained.load(Ordering::Acquire).saturating_add(self.capacity);
            room.max(self.given_up.load(Ordering::Relaxed))
        } else {
            u64::MAX
        }
    }

    /// Lets the writer continue up to `sequence` without asking again.
    pub(crate) fn give_up(&self, sequence: u64) {
        self.given_up.store(sequence, Ordering::Relaxed);
    }

    /// True once three quarters of the records are undrained.
    #[inline]
    pub(crate) fn is_nearly_full(&self, written: u64) -> bool {
        self.held.load(Ordering::Relaxed)
            && written.saturating_sub(self.drained.load(Ordering::Relaxed)) >= self.capacity / 4 * 3
    }
}
