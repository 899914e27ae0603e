//! Storage of a ring's slots, behind a trait so that loom can run the same protocol on its own atomics.

#![expect(unsafe_code, reason = "the hot path reaches a masked slot without a bounds check")]

use std::convert::Infallible;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::{RECORD_WORDS, STAMP_WORD, mark_of};
use crate::memory::Region;
use crate::record::{Record, Stamp};

/// Access to slots. Slot numbers are taken modulo the capacity.
pub(crate) trait View {
    /// Error of a failed access.
    type Error;
    /// Number of slots, as a power of two.
    fn shift(&self) -> u32;
    /// The stamp of a slot, with acquire semantics.
    fn stamp(&self, slot: u64) -> Result<Stamp, Self::Error>;
    /// Copies consecutive slots, in any order, words possibly torn against each other, takes the ring's mark off their
    /// times, and ends with an acquire fence.
    fn copy(&self, slot: u64, out: &mut [Record]) -> Result<(), Self::Error>;
}

/// Slots of four atomic words each. The number of slots is a power of two, and any slot number is taken
/// modulo it.
pub(crate) trait Slots {
    /// Number of slots, as a power of two.
    fn shift(&self) -> u32;
    /// Loads word `word` (0 to 3) of a slot.
    fn load(&self, slot: u64, word: usize, order: Ordering) -> u64;
    /// Stores word `word` (0 to 3) of a slot.
    fn store(&self, slot: u64, word: usize, value: u64, order: Ordering);
    /// A fence in the same memory model as the words.
    fn fence(&self, order: Ordering);
    /// The ring's [mark](super::mark_of), which every time in it carries.
    fn mark(&self) -> u64;
}

/// The real slots: a region, on the heap or mapped.
#[derive(Clone, Debug)]
pub(crate) struct RingSlots {
    base: NonNull<AtomicU64>,
    mask: u64,
    mark: u64,
    region: Arc<Region>,
}

// SAFETY: the pointer is into the region, which is atomics only and kept alive.
unsafe impl Send for RingSlots {}
// SAFETY: as above.
unsafe impl Sync for RingSlots {}

impl RingSlots {
    /// The ring that fills `region`, at place `place` of the table of rings.
    ///
    /// # Panics
    ///
    /// If the region's size in records is not a power of two.
    pub(crate) fn new(region: Arc<Region>, place: usize) -> Self {
        let slots = region.len() / RECORD_WORDS;
        assert!(slots.is_power_of_two() && slots * RECORD_WORDS == region.len(), "a ring of {slots} slots");
        Self { base: region.base(), mask: slots as u64 - 1, mark: mark_of(place), region }
    }

    /// Whether the file behind them was truncated.
    pub(crate) fn is_lost(&self) -> bool {
        self.region.is_lost()
    }

    #[inline(always)]
    fn word(&self, slot: u64, word: usize) -> &AtomicU64 {
        let index = (slot & self.mask) as usize * RECORD_WORDS + (word & (RECORD_WORDS - 1));
        // SAFETY: the mask keeps the slot below the number of slots that `new` checked against the region,
        // which lives as long as `self`.
        unsafe { self.base.add(index).as_ref() }
    }
}

impl Slots for RingSlots {
    fn shift(&self) -> u32 {
        self.mask.count_ones()
    }

    #[inline(always)]
    fn load(&self, slot: u64, word: usize, order: Ordering) -> u64 {
        self.word(slot, word).load(order)
    }

    #[inline(always)]
    fn store(&self, slot: u64, word: usize, value: u64, order: Ordering) {
        self.word(slot, word).store(value, order);
    }

    #[inline(always)]
    fn fence(&self, order: Ordering) {
        fence(order);
    }

    #[inline(always)]
    fn mark(&self) -> u64 {
        self.mark
    }
}

/// A reader's view of slots in its own memory.
#[derive(Debug)]
pub(crate) struct MemoryView<'a, S>(pub(crate) &'a S);

impl<S: Slots> View for MemoryView<'_, S> {
    type Error = Infallible;

    fn shift(&self) -> u32 {
        self.0.shift()
    }

    fn stamp(&self, slot: u64) -> Result<Stamp, Infallible> {
        Ok(Stamp(self.0.load(slot, STAMP_WORD, Ordering::Acquire)))
    }

    fn copy(&self, slot: u64, out: &mut [Record]) -> Result<(), Infallible> {
        for (index, record) in out.iter_mut().enumerate() {
            for (word, copy) in record.iter_mut().enumerate() {
                *copy = self.0.load(slot + index as u64, word, Ordering::Relaxed);
            }
            record[0] ^= self.0.mark();
        }
        self.0.fence(Ordering::Acquire);
        Ok(())
    }
}
