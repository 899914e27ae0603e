//! The hierarchical timing wheel: which slot a timer waits in, and which slot is next.
//!
//! Eleven levels of 64 slots cover all 64 bits of a due time, to the nanosecond. A timer waits in the level of the
//! highest bit in which its due time differs from the wheel's *base*, a time that nothing in the wheel is due
//! before; its slot is that level's six bits of the due time. So the first occupied slot of the lowest occupied
//! level holds what is due first. When the time comes to that slot, the base moves into it and what is left of it
//! is spread over the levels below: at most ten moves in a timer's life. Kernels and tokio keep their timers so.
//! Three things differ:
//!
//! - A slot is a [bag](super::bag) and not a linked list: a slot that moves is read from front to back.
//! - A slot of few timers is not spread: whatever is due is picked out of it. So a timer seldom moves down to the
//!   level of nanoseconds, and nothing is gained by a coarser clock.
//! - The minimum is exact, not a slot's beginning.
//!
//! The clock never goes back. If it did, no timer would be early or lost, but what is armed for a time before the
//! base would be looked through in each pass.

use super::bag::{Bag, Chunks};
use super::slab::{Arming, Slab, Waiting};

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = u64::BITS.div_ceil(BITS) as usize;
/// Timers of a slot that are looked through rather than spread.
const FEW: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Wheel {
    base: u64,
    /// Levels that may have timers, a bit each.
    occupied: u32,
    /// Each made when the first timer comes: a program uses few.
    levels: [Option<Box<Level>>; LEVELS],
    chunks: Chunks,
    /// Room for what moves.
    moving: Vec<Waiting>,
}

#[derive(Debug)]
struct Level {
    /// Slots that may have timers, a bit each: a timer that is cleared leaves the bit.
    occupied: u64,
    slots: [Bag; SLOTS],
}

impl Level {
    fn new() -> Box<Self> {
        Box::new(Self { occupied: 0, slots: std::array::from_fn(|_| Bag::default()) })
    }
}

/// Where a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    level: usize,
    slot: usize,
}

impl Wheel {
    /// Where what is due then waits. What is due before the base waits in the base's own slot.
    #[inline]
    fn place(&self, due: u64) -> Place {
        let due = due.max(self.base);
        let level = ((due ^ self.base) | 1).ilog2() / BITS;
        Place { level: level as usize, slot: (due >> (level * BITS)) as usize % SLOTS }
    }

    /// Puts an arming where it belongs.
    #[inline]
    pub(super) fn insert<E>(&mut self, slab: &Slab<E>, arming: Waiting) {
        let Place { level, slot } = self.place(arming.due);
        self.occupied |= 1 << level;
        let level = self.levels[level].get_or_insert_with(Level::new);
        level.occupied |= 1 << slot;
        level.slots[slot].push(&mut self.chunks, slab, arming);
    }

    /// What is due first, and where.
    #[inline]
    fn front<E>(&mut self, slab: &Slab<E>) -> Option<(Place, u64)> {
        while self.occupied != 0 {
            let number = self.occupied.trailing_zeros() as usize;
            if let Some(level) = self.levels[number].as_deref_mut() {
                while level.occupied != 0 {
                    let slot = level.occupied.trailing_zeros() as usize;
                    if let Some(min) = level.slots[slot].min(&mut self.chunks, slab) {
                        return Some((Place { level: number, slot }, min));
                    }
                    level.occupied &= level.occupied - 1;
                }
            }
            self.occupied &= self.occupied - 1;
        }
        None
    }

    /// The first and the last time of a slot. The base's own slot begins with time: it has what is overdue.
    fn extent(&self, Place { level, slot }: Place) -> (u64, u64) {
        let (shift, slot) = (level as u32 * BITS, slot as u64);
        if level == 0 && slot == self.base % SLOTS as u64 {
            return (0, self.base);
        }
        let above = u64::MAX.checked_shl(shift + BITS).unwrap_or(0);
        let first = (self.base & above) | (slot << shift);
        (first, first + ((1 << shift) - 1))
    }

    /// When the first timer is due.
    #[inline]
    pub(super) fn next_due<E>(&mut self, slab: &Slab<E>) -> Option<u64> {
        self.front(slab).map(|(_, min)| min)
    }

    /// The time is `now`: the base comes as near as it may.
    pub(super) fn advance<E>(&mut self, slab: &Slab<E>, now: u64) {
        let _ = self.come_to(slab, now);
    }

    /// The same; where something is due, says in which slot first.
    fn come_to<E>(&mut self, slab: &Slab<E>, now: u64) -> Option<Place> {
        loop {
            let Some((place, min)) = self.front(slab) else {
                self.base = self.base.max(now);
                return None;
            };
            let (first, last) = self.extent(place);
            if now < first {
                // In front of the first slot, every slot is where it would be from there.
                self.base = self.base.max(now);
                return None;
            }
            let level = self.levels[place.level].as_mut()?;
            let bag = &mut level.slots[place.slot];
            let is_fine = last <= now || place.level == 0;
            if is_fine || !bag.is_more_than(FEW, &mut self.chunks, slab) {
                return (min <= now).then_some(place);
            }
            let bag = std::mem::take(bag);
            self.spread(slab, bag, now);
        }
    }

    /// Moves a stretch of what is due at `now` from the wheel to `due`, unsorted; later stretches are due later.
    /// False: nothing is due.
    pub(super) fn expire<E>(&mut self, slab: &Slab<E>, now: u64, due: &mut Vec<Arming>) -> bool {
        let Some(Place { level, slot }) = self.come_to(slab, now) else { return false };
        let Some(level) = &mut self.levels[level] else { return false };
        level.slots[slot].pick(&mut self.chunks, slab, Some(now), due);
        true
    }

    /// The time came into the middle of the first slot: the base moves there, and the slot's timers move to the
    /// levels below, which are empty.
    fn spread<E>(&mut self, slab: &Slab<E>, mut bag: Bag, now: u64) {
        self.base = now;
        let mut moving = std::mem::take(&mut self.moving);
        while bag.pop_chunk(&mut self.chunks, &mut moving) {
            for arming in &moving {
                self.insert(slab, *arming);
            }
        }
        self.moving = moving;
    }
}

#[cfg(test)]
#[cfg(not(loom))]
impl Wheel {
    /// How many armings each slot has, those included that do not stand.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.levels.iter().flatten().flat_map(|level| &level.slots).map(Bag::len)
    }
}
