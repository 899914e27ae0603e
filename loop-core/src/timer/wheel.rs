//! The hierarchical timing wheel: finds the slot for a timer, and the slot of the next timer.
//!
//! Eleven levels of 64 slots cover all 64 bits of a due time, in nanoseconds. The wheel's *base* is a time before which
//! nothing in the wheel is due. The highest bit in which a timer's due time differs from the base determines its level,
//! and that level's six bits of the due time determine its slot. So the first occupied slot of the lowest occupied level
//! holds the next timer. When time reaches that slot, the base moves into it and its remaining timers are spread over
//! the levels below, so a timer moves at most ten times. Kernels and tokio store timers in the same way, with three
//! differences:
//!
//! - A [slot](super::slot) stores its timers in an array, not in a linked list, so moving it reads memory sequentially.
//! - A slot with few timers is not spread: due timers are picked out of it. So timers seldom reach the lowest levels, and
//!   a coarser resolution would gain nothing.
//! - The minimum is the exact due time, not the start of a slot.
//!
//! The clock never goes back. If it did, no timer would fire early or be lost, but timers armed for a time before the
//! base would be scanned in each pass.

use super::slab::{Arming, Slab, Waiting};
use super::slot::WheelSlot;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = u64::BITS.div_ceil(BITS) as usize;
/// Maximum number of timers in a slot that are scanned rather than spread.
const FEW: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Wheel {
    base: u64,
    /// Levels that may have timers, one bit each.
    occupied: u32,
    /// Each level is allocated when its first timer arrives, because a program uses few levels.
    levels: [Option<Box<Level>>; LEVELS],
    /// Number of armings in all slots, including stale ones.
    stored: usize,
}

#[derive(Debug)]
struct Level {
    /// Slots that may have timers, one bit each. Clearing a timer does not clear the bit.
    occupied: u64,
    slots: [WheelSlot; SLOTS],
}

impl Level {
    fn new() -> Box<Self> {
        Box::new(Self { occupied: 0, slots: std::array::from_fn(|_| WheelSlot::default()) })
    }
}

/// Position of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SlotIndex {
    level: usize,
    slot: usize,
}

impl Wheel {
    /// The slot for a due time. Due times before the base go to the base's own slot.
    #[inline]
    fn place(&self, due: u64) -> SlotIndex {
        let due = due.max(self.base);
        let level = ((due ^ self.base) | 1).ilog2() / BITS;
        SlotIndex { level: level as usize, slot: (due >> (level * BITS)) as usize % SLOTS }
    }

    /// Inserts an arming into its slot.
    #[inline]
    pub(super) fn insert<E>(&mut self, slab: &Slab<E>, arming: Waiting) {
        let SlotIndex { level, slot } = self.place(arming.due);
        self.occupied |= 1 << level;
        let level = self.levels[level].get_or_insert_with(Level::new);
        level.occupied |= 1 << slot;
        level.slots[slot].push(&mut self.stored, slab, arming);
    }

    /// The earliest due time and the slot that contains it.
    #[inline]
    fn front<E>(&mut self, slab: &Slab<E>) -> Option<(SlotIndex, u64)> {
        while self.occupied != 0 {
            let number = self.occupied.trailing_zeros() as usize;
            if let Some(level) = self.levels[number].as_deref_mut() {
                while level.occupied != 0 {
                    let slot = level.occupied.trailing_zeros() as usize;
                    if let Some(min) = level.slots[slot].min(&mut self.stored, slab) {
                        return Some((SlotIndex { level: number, slot }, min));
                    }
                    level.occupied &= level.occupied - 1;
                }
            }
            self.occupied &= self.occupied - 1;
        }
        None
    }

    /// The first and the last time of a slot. The slot of the base starts at time 0, because it also holds timers due
    /// before the base.
    fn extent(&self, SlotIndex { level, slot }: SlotIndex) -> (u64, u64) {
        let (shift, slot) = (level as u32 * BITS, slot as u64);
        if level == 0 && slot == self.base % SLOTS as u64 {
            return (0, self.base);
        }
        let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
        let first = (self.base & above) | (slot << shift);
        (first, first + ((1 << shift) - 1))
    }

    /// The earliest due time.
    #[inline]
    pub(super) fn next_due<E>(&mut self, slab: &Slab<E>) -> Option<u64> {
        self.front(slab).map(|(_, min)| min)
    }

    /// Moves the base as close to `now` as possible.
    pub(super) fn advance<E>(&mut self, slab: &Slab<E>, now: u64) {
        let _ = self.come_to(slab, now);
    }

    /// Moves the base as close to `now` as possible. If a timer is due, returns the first slot with a due timer.
    fn come_to<E>(&mut self, slab: &Slab<E>, now: u64) -> Option<SlotIndex> {
        loop {
            let Some((place, min)) = self.front(slab) else {
                self.base = self.base.max(now);
                return None;
            };
            let (first, last) = self.extent(place);
            if now < first {
                // Before the first slot, moving the base changes no timer's slot.
                self.base = self.base.max(now);
                return None;
            }
            let level = self.levels[place.level].as_mut()?;
            let slot = &mut level.slots[place.slot];
            let is_fine = last <= now || place.level == 0;
            if is_fine || !slot.is_more_than(FEW, &mut self.stored, slab) {
                return (min <= now).then_some(place);
            }
            let moving = slot.take(&mut self.stored);
            self.spread(slab, moving, now);
        }
    }

    /// Moves a stretch of the timers due at `now` from the wheel to `due`, unsorted; later stretches are due
    /// later. False if nothing is due.
    pub(super) fn expire<E>(&mut self, slab: &Slab<E>, now: u64, due: &mut Vec<Arming>) -> bool {
        let Some(SlotIndex { level, slot }) = self.come_to(slab, now) else { return false };
        let Some(level) = &mut self.levels[level] else { return false };
        level.slots[slot].pick(&mut self.stored, slab, now, due);
        true
    }

    /// Called when time is in the middle of the first slot: moves the base there, and the slot's timers to the
    /// levels below, which are empty.
    fn spread<E>(&mut self, slab: &Slab<E>, moving: impl Iterator<Item = Waiting>, now: u64) {
        self.base = now;
        for arming in moving {
            self.insert(slab, arming);
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
impl Wheel {
    /// Number of armings in each slot, including stale ones.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.levels.iter().flatten().flat_map(|level| &level.slots).map(WheelSlot::len)
    }
}
