//! The ring between signal handlers and their loop.
//!
//! Handlers interrupt each other and run on any thread; the ring of `queue::bounded`, in which no thread waits for
//! another, makes that safe. All [`SLOTS`] slots are usable. A full ring refuses arrivals, and counts those refused.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use loop_probes::ids::Ticks;

use crate::queue::bounded::Bounded;
use crate::sync::{AtomicU64, Ordering};

/// Slots of a loop's ring, all of them usable.
pub const SLOTS: usize = 8192;

/// The arrival of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub signo: u8,
    /// When its handler ran, by the record clock.
    pub arrived: Ticks,
}

/// A ring with any number of pushing handlers and one taking loop; none waits for another. See the [module](self).
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

    /// Pushes `arrival`, from any thread or handler. False if the ring is full; the drop is counted.
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

    /// Takes the oldest arrival. `None` if the ring is empty, or the oldest is not published yet; its handler will
    /// wake the loop when it is.
    pub(super) fn pop(&self) -> Option<Arrival> {
        self.arrivals.pop()
    }

    /// Number of arrivals in the ring, including those not yet published.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.arrivals.pending() as u32
    }

    /// Number of arrivals refused because the ring was full.
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
