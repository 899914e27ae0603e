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

use super::bag::Bag;
use super::nodes::{Arming, Nodes};

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

    #[inline]
    fn bag(&mut self, place: Place) -> Option<&mut Bag> {
        self.levels[place.level].as_deref_mut().map(|level| &mut level.slots[place.slot])
    }

    /// Puts an arming where it belongs.
    #[inline]
    pub(super) fn insert(&mut self, nodes: &Nodes, arming: Arming) {
        let Place { level, slot } = self.place(arming.due);
        self.occupied |= 1 << level;
        let level = self.levels[level].get_or_insert_with(Level::new);
        level.occupied |= 1 << slot;
        level.slots[slot].push(nodes, arming);
    }

    /// What was due then does not stand any more.
    #[inline]
    pub(super) fn lose(&mut self, due: u64) {
        let place = self.place(due);
        if let Some(bag) = self.bag(place) {
            bag.lose();
        }
    }

    /// What is due first, and where.
    #[inline]
    fn front(&mut self, nodes: &Nodes) -> Option<(Place, Arming)> {
        while self.occupied != 0 {
            let number = self.occupied.trailing_zeros() as usize;
            if let Some(level) = self.levels[number].as_deref_mut() {
                while level.occupied != 0 {
                    let slot = level.occupied.trailing_zeros() as usize;
                    if let Some(min) = level.slots[slot].min(nodes) {
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
    pub(super) fn next_due(&mut self, nodes: &Nodes) -> Option<u64> {
        self.front(nodes).map(|(_, min)| min.due)
    }

    /// The time is `now`: the base comes as near as it may.
    pub(super) fn advance(&mut self, nodes: &Nodes, now: u64) {
        let _ = self.come_to(nodes, now);
    }

    /// The same; where something is due, says in which slot first.
    fn come_to(&mut self, nodes: &Nodes, now: u64) -> Option<Place> {
        loop {
            let Some((place, min)) = self.front(nodes) else {
                self.base = self.base.max(now);
                return None;
            };
            let (first, last) = self.extent(place);
            if now < first {
                // In front of the first slot, every slot is where it would be from there.
                self.base = self.base.max(now);
                return None;
            }
            let is_fine = last <= now || place.level == 0;
            if is_fine || !self.bag(place)?.is_more_than(FEW, nodes) {
                return (min.due <= now).then_some(place);
            }
            self.spread(nodes, place, now);
        }
    }

    /// Moves a stretch of what is due at `now` from the wheel to `due`, unsorted; later stretches are due later.
    /// False: nothing is due.
    pub(super) fn expire(&mut self, nodes: &Nodes, now: u64, due: &mut Vec<Arming>) -> bool {
        let Some(place) = self.come_to(nodes, now) else { return false };
        let Some(bag) = self.bag(place) else { return false };
        let taken = bag.take();
        for arming in taken.iter().copied().filter(|arming| nodes.stands(*arming)) {
            if arming.due <= now {
                due.push(arming);
            } else {
                bag.push(nodes, arming);
            }
        }
        bag.empty(taken);
        true
    }

    /// The time came into the middle of the first slot: the base moves there, and the slot's timers move to the
    /// levels below, which are empty.
    fn spread(&mut self, nodes: &Nodes, place: Place, now: u64) {
        let Some(bag) = self.bag(place) else { return };
        let taken = bag.take();
        self.base = now;
        for arming in &taken {
            self.insert(nodes, *arming);
        }
        if let Some(bag) = self.bag(place) {
            bag.empty(taken);
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
impl Wheel {
    /// Armings in it, those included that do not stand.
    pub(super) fn len(&self) -> usize {
        self.levels.iter().flatten().flat_map(|level| &level.slots).map(Bag::len).sum()
    }
}
