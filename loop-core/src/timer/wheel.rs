//! The hierarchical timing wheel: which list a timer waits in, and which list is next.
//!
//! Eleven levels of 64 slots cover all 64 bits of a due time, to the nanosecond. A timer waits in the level of the
//! highest bit in which its due time differs from the wheel's *base*, a time that nothing in the wheel is due
//! before; its slot is that level's six bits of the due time. So the first occupied slot of the lowest occupied
//! level holds what is due first. When the time comes to that slot, the base moves into it and what is left of it
//! is spread over the levels below: at most ten moves in a timer's life. Kernels and tokio keep their timers so.
//! Two things differ:
//!
//! - A slot of few timers is not spread: whatever is due is picked out of it. So a timer seldom moves down to the
//!   level of nanoseconds, and nothing is gained by a coarser clock.
//! - The minimum is exact. A slot's head knows it nearly always; where it was cleared, few are looked through, and
//!   a crowded slot gets a heap for the rest of its life.

use super::crowd::Crowds;
use super::nodes::{Arming, Nodes};

const BITS: u32 = 6;
const PER_LEVEL: u32 = 1 << BITS;
const LEVELS: u32 = u64::BITS.div_ceil(BITS);
/// Lists of the wheel, from 0.
pub(super) const SLOTS: u32 = LEVELS * PER_LEVEL;
/// Timers of a slot that are looked through rather than spread.
const FEW: usize = 8;

#[derive(Debug)]
pub(super) struct Wheel {
    base: u64,
    /// Levels that may have timers, a bit each.
    levels: u32,
    /// Slots that may have timers, a bit each: a timer that is cleared leaves the bit.
    occupied: [u64; LEVELS as usize],
    crowds: Crowds,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { base: 0, levels: 0, occupied: [0; LEVELS as usize], crowds: Crowds::default() }
    }

    /// Puts an armed timer where it belongs; what is due before the base goes to the base's own slot.
    #[inline]
    pub(super) fn insert(&mut self, nodes: &mut Nodes, arming: Arming) {
        let due = arming.due.max(self.base);
        let level = ((due ^ self.base) | 1).ilog2() / BITS;
        let slot = (due >> (level * BITS)) as u32 % PER_LEVEL;
        self.levels |= 1 << level;
        self.occupied[level as usize] |= 1 << slot;
        let list = level * PER_LEVEL + slot;
        nodes.push(list, arming);
        self.crowds.push(list, nodes, arming);
    }

    #[cfg(test)]
    #[cfg(not(loom))]
    pub(super) fn crowd_entries(&self) -> usize {
        self.crowds.entries()
    }

    /// The list with the minimum.
    #[inline]
    fn front(&mut self, nodes: &Nodes) -> Option<u32> {
        while self.levels != 0 {
            let level = self.levels.trailing_zeros();
            let slots = &mut self.occupied[level as usize];
            while *slots != 0 {
                let list = level * PER_LEVEL + slots.trailing_zeros();
                if !nodes.is_empty(list) {
                    return Some(list);
                }
                *slots &= *slots - 1;
                self.crowds.end(list);
            }
            self.levels &= self.levels - 1;
        }
        None
    }

    /// The first and the last time of a list. The base's own slot begins with time: it has what is overdue.
    fn extent(&self, list: u32) -> (u64, u64) {
        let (level, slot) = (list / PER_LEVEL, u64::from(list % PER_LEVEL));
        if level == 0 && slot == self.base % u64::from(PER_LEVEL) {
            return (0, self.base);
        }
        let width = 1_u64 << (level * BITS);
        let above = u64::MAX.checked_shl((level + 1) * BITS).unwrap_or(0);
        let first = (self.base & above) | (slot * width);
        (first, first + (width - 1))
    }

    /// When the first timer is due.
    #[inline]
    pub(super) fn next_due(&mut self, nodes: &mut Nodes) -> Option<u64> {
        let list = self.front(nodes)?;
        match nodes.known_min(list) {
            Some(arming) => Some(arming.due),
            None => self.crowds.find_min(list, nodes).map(|arming| arming.due),
        }
    }

    /// The time is `now`: the base comes as near as it may. Returns the first list where something in it may be
    /// due.
    pub(super) fn advance(&mut self, nodes: &mut Nodes, now: u64) -> Option<u32> {
        loop {
            let list = self.front(nodes);
            let (first, last) = list.map_or((u64::MAX, u64::MAX), |list| self.extent(list));
            if now < first {
                // In front of the first slot, every slot is where it would be from there.
                self.base = self.base.max(now);
                return None;
            }
            let is_spread =
                last <= now || list.is_none_or(|list| list < PER_LEVEL || !nodes.is_longer(list, FEW));
            if is_spread {
                return list;
            }
            self.spread(nodes, list?, now);
        }
    }

    /// Moves a stretch of what is due at `now` from the wheel to `due`, unsorted; later stretches are due later.
    /// False: nothing is due.
    pub(super) fn expire(&mut self, nodes: &mut Nodes, now: u64, due: &mut Vec<Arming>) -> bool {
        let Some(list) = self.advance(nodes, now) else { return false };
        self.crowds.end(list);
        nodes.drain(list, |nodes, arming| {
            if arming.due <= now {
                due.push(arming);
            } else {
                nodes.push(list, arming);
            }
        });
        !due.is_empty()
    }

    /// The time came into the middle of the first list: the base moves there, and the list's timers move to the
    /// levels below, which are empty.
    fn spread(&mut self, nodes: &mut Nodes, list: u32, now: u64) {
        self.crowds.end(list);
        self.occupied[(list / PER_LEVEL) as usize] &= !(1 << (list % PER_LEVEL));
        self.base = now;
        nodes.drain(list, |nodes, arming| self.insert(nodes, arming));
    }
}
