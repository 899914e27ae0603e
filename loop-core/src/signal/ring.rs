//! The ring between signal handlers and their loop.
//!
//! Handlers interrupt each other and run on any thread. The lock-free ring of `queue::bounded` makes that safe. A full
//! ring drops arrivals and counts them.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use loop_probes::ids::Ticks;

use crate::queue::bounded::Bounded;
use crate::sync::{AtomicU64, Ordering};

/// Number of slots of a loop's ring, all of them usable.
pub const SLOTS: usize = 8192;

/// The arrival of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The signal's number.
    pub signo: u8,
    /// When the handler ran, by the record clock.
    pub arrived: Ticks,
}

/// A lock-free ring into which handlers push and from which one loop takes. See the [module](self).
#[derive(Debug)]
pub struct SignalRing {
    arrivals: Bounded<Arrival>,
    dropped: AtomicU64,
}

impl SignalRing {
    /// An empty ring of [`SLOTS`] slots.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Bounded::new(SLOTS))
    }

    fn of(arrivals: Bounded<Arrival>) -> Self {
        // A handler must not allocate.
        arrivals.allocate();
        Self { arrivals, dropped: AtomicU64::new(0) }
    }

    /// Pushes `arrival`, from any thread or handler. If the ring is full, counts the drop and returns false.
    pub fn push(&self, arrival: Arrival) -> bool {
        match self.arrivals.claim() {
            Ok(claim) => claim.publish(arrival),
            Err(_full) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return false;
            }
        }
        true
    }

    /// Takes the oldest arrival. `None` if the ring is empty, or the oldest arrival is not published yet; its handler
    /// wakes the loop after publishing it.
    pub(super) fn pop(&self) -> Option<Arrival> {
        self.arrivals.pop()
    }

    /// Number of arrivals in the ring, including those not yet published.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.arrivals.pending() as u32
    }

    /// Number of arrivals dropped because the ring was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Default for SignalRing {
    fn default() -> Self {
        Self::new()
    }
}
