//! Timers in due order: most are in the wheel, some in the running pass.
//!
//! A pass takes due timers from the wheel one slot at a time and sorts each slot's timers, so that the first timer does
//! not wait until a million others are sorted. Timers that are armed during the pass and already due are kept out of the
//! wheel until the pass ends, or they would fire in the same pass.

use super::slab::{Arming, Slab};
use super::wheel::Wheel;

#[derive(Debug, Default)]
pub(super) struct ByDue {
    pub(super) wheel: Wheel,
    /// Timers of the slot that the pass took last, sorted by (due, sequence).
    taken: Vec<Arming>,
    /// Number of timers in `taken` that were already returned.
    given: usize,
    /// Timers armed during the pass and already due.
    late: Vec<Arming>,
    /// Time of the running pass. Timers due by then belong to it.
    pass: Option<u64>,
}

impl ByDue {
    #[inline]
    pub(super) fn push<E>(&mut self, slab: &Slab<E>, arming: Arming) {
        if arming.due == u64::MAX {
            // The timer never fires, so it need not be stored.
        } else if self.pass.is_some_and(|now| arming.due <= now) {
            self.late.push(arming);
        } else {
            self.wheel.insert(slab, arming.waiting());
        }
    }

    /// The earliest due time.
    #[inline]
    pub(super) fn next_due<E>(&mut self, slab: &Slab<E>) -> Option<u64> {
        let waiting = self.wheel.next_due(slab);
        if self.pass.is_none() {
            return waiting;
        }
        let with_the_pass = self.taken[self.given..].iter().chain(&self.late);
        let standing = with_the_pass.filter(|arming| slab.stands(**arming)).map(|arming| arming.due);
        standing.min().into_iter().chain(waiting).min()
    }

    #[inline]
    pub(super) fn advance<E>(&mut self, slab: &Slab<E>, now: u64) {
        if self.pass.is_none() {
            self.wheel.advance(slab, now);
        }
    }

    pub(super) fn begin_pass<E>(&mut self, slab: &Slab<E>, now: u64) {
        self.end_pass(slab);
        self.pass = Some(now);
    }

    /// Puts timers that the pass took but did not return, and those armed during the pass, into the wheel.
    fn end_pass<E>(&mut self, slab: &Slab<E>) {
        if self.pass.take().is_some() {
            let left = self.taken.drain(..).skip(self.given).chain(self.late.drain(..));
            left.filter(|arming| slab.stands(*arming))
                .for_each(|arming| self.wheel.insert(slab, arming.waiting()));
            self.given = 0;
        }
    }

    /// Takes the next due timer of the running pass. Ends the pass if there is none.
    #[inline]
    pub(super) fn pop<E>(&mut self, slab: &Slab<E>, now: u64) -> Option<Arming> {
        loop {
            while let Some(arming) = self.taken.get(self.given) {
                self.given += 1;
                if slab.stands(*arming) {
                    return Some(*arming);
                }
            }
            self.pass?;
            self.given = 0;
            self.taken.clear();
            if !self.wheel.expire(slab, now, &mut self.taken) {
                self.end_pass(slab);
                return None;
            }
            self.taken.sort_unstable_by_key(|arming| (arming.due, arming.sequence));
        }
    }
}
