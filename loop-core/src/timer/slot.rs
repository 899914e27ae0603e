//! The contents of one of the wheel's slots, of which the minimum is known.
//!
//! New armings are only listed. When the minimum was cleared, the list moves to a heap, so that a program that repeatedly
//! clears the first of many timers does not pay for all of them each time.
//!
//! A stale arming stays until it is the minimum, the slot is moved, or the slot has doubled since stale ones were last
//! removed: clearing a timer touches the timer and nothing else, not even a count. With a million timers, that would be a
//! third of the cost of clearing one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::{Arming, Slab, Waiting};

/// Fewer armings than this are never searched for stale ones.
const FEW: usize = 32;
/// An emptied slot keeps room for this many: a burst must not hold its memory forever.
const ROOM: usize = 64;

#[derive(Debug)]
pub(super) struct WheelSlot {
    new: Vec<Waiting>,
    heap: BinaryHeap<Reverse<Waiting>>,
    /// The earliest of all, as long as it stands.
    min: Waiting,
    /// Number of armings after stale ones were last removed.
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

    /// `stored` counts the armings in all slots, including stale ones.
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

    /// Whether it has more than `few` armings that stand.
    #[inline]
    pub(super) fn is_more_than<E>(&mut self, few: usize, stored: &mut usize, slab: &Slab<E>) -> bool {
        if self.len() > few && *stored > slab.armed() {
            self.tidy(stored, slab);
        }
        self.len() > few
    }

    /// The earliest due time of those that stand.
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

    /// Moves armings that stand and are due at `now` to `due`, unsorted.
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
