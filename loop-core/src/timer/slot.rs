//! One slot of the wheel: a set of armings with a known minimum.
//!
//! New armings are appended to a list. When the minimum was cleared, the list moves to a heap, so that repeatedly
//! clearing the first of many timers does not scan all of them each time.
//!
//! A stale arming stays until it is the minimum, the slot is emptied, or the slot has doubled since stale armings were
//! last removed. Clearing a timer does not touch the slot, not even a counter, because with a million timers that would
//! be a third of the cost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::{Arming, Slab, Waiting};

/// Slots with fewer armings than this are not searched for stale ones.
const FEW: usize = 32;
/// Capacity that an emptied slot keeps at most, so that a burst does not hold its memory forever.
const ROOM: usize = 64;

#[derive(Debug)]
pub(super) struct WheelSlot {
    new: Vec<Waiting>,
    heap: BinaryHeap<Reverse<Waiting>>,
    /// The earliest arming, unless it has become stale.
    min: Waiting,
    /// Number of armings that were left when stale ones were last removed.
    tidied: usize,
}

impl Default for WheelSlot {
    fn default() -> Self {
        Self { new: Vec::new(), heap: BinaryHeap::new(), min: Waiting::UNKNOWN, tidied: 0 }
    }
}

impl WheelSlot {
    /// Number of armings, including stale ones.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.new.len() + self.heap.len()
    }

    /// Adds an arming. `stored` counts the armings in all slots, including stale ones.
    #[inline]
    pub(super) fn push<E>(&mut self, stored: &mut usize, slab: &Slab<E>, arming: Waiting) {
        let len = self.len();
        if len >= FEW.max(self.tidied * 2) && *stored > slab.armed() * 2 {
            self.tidy(stored, slab);
        }
        if len == 0 || arming.due < self.min.due {
            self.min = arming;
        }
        self.new.push(arming);
        *stored += 1;
    }

    #[cold]
    fn tidy<E>(&mut self, stored: &mut usize, slab: &Slab<E>) {
        self.retain(stored, |arming| slab.standing(arming).is_some());
    }

    /// Removes the armings for which `keep` is false.
    fn retain(&mut self, stored: &mut usize, mut keep: impl FnMut(Waiting) -> bool) {
        *stored -= self.len();
        self.new.retain(|arming| keep(*arming));
        self.heap.retain(|Reverse(arming)| keep(*arming));
        *stored += self.len();
        (self.min, self.tidied) = (Waiting::UNKNOWN, self.len());
        if self.len() == 0 {
            self.new.shrink_to(ROOM);
            self.heap.shrink_to(ROOM);
        }
    }

    /// Whether the slot has more than `few` valid armings.
    #[inline]
    pub(super) fn is_more_than<E>(&mut self, few: usize, stored: &mut usize, slab: &Slab<E>) -> bool {
        if self.len() > few && *stored > slab.armed() {
            self.tidy(stored, slab);
        }
        self.len() > few
    }

    /// The earliest due time of the valid armings.
    #[inline]
    pub(super) fn min<E>(&mut self, stored: &mut usize, slab: &Slab<E>) -> Option<u64> {
        if slab.standing(self.min).is_none() {
            self.find_min(stored, slab);
        }
        (self.len() > 0).then_some(self.min.due)
    }

    #[cold]
    fn find_min<E>(&mut self, stored: &mut usize, slab: &Slab<E>) {
        self.heap.extend(self.new.drain(..).map(Reverse));
        while let Some(Reverse(first)) = self.heap.peek() {
            if slab.standing(*first).is_some() {
                self.min = *first;
                return;
            }
            self.heap.pop();
            *stored -= 1;
        }
    }

    /// Moves valid armings that are due at `now` to `due`, unsorted.
    pub(super) fn pick<E>(&mut self, stored: &mut usize, slab: &Slab<E>, now: u64, due: &mut Vec<Arming>) {
        self.retain(stored, |waiting| {
            let standing = slab.standing(waiting);
            let is_due = standing.is_some_and(|arming| arming.due <= now);
            due.extend(standing.filter(|_| is_due));
            standing.is_some() && !is_due
        });
    }

    /// Takes all armings out.
    pub(super) fn take(&mut self, stored: &mut usize) -> impl Iterator<Item = Waiting> + use<> {
        *stored -= self.len();
        let Self { new, heap, .. } = std::mem::take(self);
        new.into_iter().chain(heap.into_iter().map(|Reverse(arming)| arming))
    }
}
