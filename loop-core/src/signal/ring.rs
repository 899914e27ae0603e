//! The ring between signal handlers and their loop.
//!
//! Handlers interrupt each other and run on any thread, so a place is first *claimed*, by moving the tail with a
//! compare-and-swap, then filled, then *published*. Each slot's turn says what it is ready for, after Dmitry
//! Vyukov's bounded queue: `n` — position `n` may claim it; `n + 1` — position `n` is published in it;
//! `n + capacity` — it was taken, the next lap may claim it. The taker stops at a slot that is claimed and not
//! published yet (its handler was interrupted), and goes on there the next time.
//!
//! All [`SLOTS`] slots are usable: full and empty differ by the turn, no slot is kept free to tell them apart.
//! Positions count in 64 bits and wrap there; the capacity is a power of two, so that slots stay in step.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use loop_probes::ids::Ticks;

use crate::sync::{AtomicU8, AtomicU64, Ordering};

/// Slots of a loop's ring, all of them usable.
pub const SLOTS: usize = 8192;

/// A signal arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub signo: u8,
    /// When its handler ran, by the record clock.
    pub arrived: Ticks,
}

/// Any number of handlers push, one loop takes; nobody waits for anybody. See the [module](self).
#[derive(Debug)]
pub struct SignalRing {
    slots: Box<[Slot]>,
    /// The next position to claim.
    tail: AtomicU64,
    /// The next position to take; the taker alone moves it.
    head: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Slot {
    turn: AtomicU64,
    arrived: AtomicU64,
    signo: AtomicU8,
}

impl SignalRing {
    /// An empty ring of [`SLOTS`] slots.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(0, SLOTS)
    }

    /// An empty ring whose first position is `start`. The capacity is a power of two and at least 2: with a
    /// single slot, published and taken would be the same turn.
    fn starting_at(start: u64, capacity: usize) -> Self {
        debug_assert!(capacity >= 2 && capacity.is_power_of_two());
        let mask = capacity as u64 - 1;
        let slot = |index: u64| Slot {
            // The first position from `start` on that falls on this slot.
            turn: AtomicU64::new(start.wrapping_add(index.wrapping_sub(start) & mask)),
            arrived: AtomicU64::new(0),
            signo: AtomicU8::new(0),
        };
        Self {
            slots: (0..capacity as u64).map(slot).collect(),
            tail: AtomicU64::new(start),
            head: AtomicU64::new(start),
            dropped: AtomicU64::new(0),
        }
    }

    fn slot(&self, position: u64) -> &Slot {
        // A power of two: the mask keeps it in bounds.
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// Puts `arrival` in, from any thread or handler. False: the ring is full; the drop was counted.
    pub fn push(&self, arrival: Arrival) -> bool {
        let Some(position) = self.claim() else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        self.publish(position, arrival);
        true
    }

    fn claim(&self) -> Option<u64> {
        let mut position = self.tail.load(Ordering::Relaxed);
        loop {
            // Acquire: the taker has read the slot before it gave it back.
            let turn = self.slot(position).turn.load(Ordering::Acquire);
            match turn.wrapping_sub(position) as i64 {
                0 => {
                    let next = position.wrapping_add(1);
                    match self.tail.compare_exchange_weak(
                        position,
                        next,
                        Ordering::Relaxed,
                        Ordering::Relaxed,
                    ) {
                        Ok(_) => return Some(position),
                        Err(now) => position = now,
                    }
                }
                behind if behind < 0 => return None,
                // Others moved the tail meanwhile.
                _ => position = self.tail.load(Ordering::Relaxed),
            }
        }
    }

    fn publish(&self, position: u64, arrival: Arrival) {
        let slot = self.slot(position);
        slot.arrived.store(arrival.arrived.0, Ordering::Relaxed);
        slot.signo.store(arrival.signo, Ordering::Relaxed);
        slot.turn.store(position.wrapping_add(1), Ordering::Release);
    }

    /// Takes the oldest arrival. `None`: the ring is empty, or the oldest is not published yet; its handler will
    /// wake the loop when it is. For one thread at a time: two would give one arrival twice, nothing worse.
    pub(super) fn pop(&self) -> Option<Arrival> {
        let position = self.head.load(Ordering::Relaxed);
        let slot = self.slot(position);
        if slot.turn.load(Ordering::Acquire) != position.wrapping_add(1) {
            return None;
        }
        let signo = slot.signo.load(Ordering::Relaxed);
        let arrived = Ticks(slot.arrived.load(Ordering::Relaxed));
        slot.turn.store(position.wrapping_add(self.slots.len() as u64), Ordering::Release);
        self.head.store(position.wrapping_add(1), Ordering::Relaxed);
        Some(Arrival { signo, arrived })
    }

    /// Arrivals that are in, those not published yet included.
    #[must_use]
    pub fn pending(&self) -> u32 {
        let head = self.head.load(Ordering::Relaxed);
        let pending = self.tail.load(Ordering::Relaxed).wrapping_sub(head);
        // A reader on another thread may see an old tail beside a new head.
        if pending > self.slots.len() as u64 { 0 } else { pending as u32 }
    }

    /// Arrivals that the full ring refused.
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
