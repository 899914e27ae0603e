//! Slots of equal width through time, of which the newest are kept.

use std::collections::VecDeque;

use loop_probes::ids::Timestamp;

/// The last slots of one width. A slot without events is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots<T> {
    width_ns: u64,
    kept: VecDeque<T>,
    /// The number of the newest slot, counted from the monotonic clock's zero.
    newest: u64,
    limit: usize,
}

impl<T: Copy + Default> Slots<T> {
    /// No slots, of which the last `limit` will be kept.
    pub(super) const fn new(width_ns: u64, limit: usize) -> Self {
        Self { width_ns, kept: VecDeque::new(), newest: 0, limit }
    }

    pub(super) const fn width_ns(&self) -> u64 {
        self.width_ns
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The number of the slot that contains `at`.
    #[inline]
    pub(super) const fn number(&self, at: Timestamp) -> u64 {
        at.as_ns() / self.width_ns
    }

    /// When a slot begins.
    pub(super) const fn start(&self, number: u64) -> Timestamp {
        Timestamp(number.saturating_mul(self.width_ns))
    }

    /// The number of the newest slot, 0 before the first.
    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// The number of the oldest slot for which there is room.
    pub(super) const fn oldest(&self) -> u64 {
        self.newest.saturating_add(1).saturating_sub(self.limit as u64)
    }

    /// A slot; `None` if it is older than those kept. All up to it are made if it is newer. Takes at most as many steps as
    /// slots are kept.
    #[inline]
    pub(super) fn at_mut(&mut self, number: u64) -> Option<&mut T> {
        if number != self.newest || self.kept.is_empty() {
            self.make(number);
        }
        let place = self.place(number)?;
        self.kept.get_mut(place)
    }

    #[cold]
    #[inline(never)]
    fn make(&mut self, number: u64) {
        if self.limit == 0 {
            return;
        }
        if self.kept.is_empty() {
            self.newest = number;
            self.kept.push_back(T::default());
        }
        let ahead = number.saturating_sub(self.newest);
        if ahead >= self.limit as u64 {
            self.kept.clear();
        }
        for _ in 0..ahead.min(self.limit as u64) {
            if self.kept.len() == self.limit {
                self.kept.pop_front();
            }
            self.kept.push_back(T::default());
        }
        self.newest = self.newest.max(number);
        let back = self.newest - number;
        if back < self.limit as u64 {
            while self.kept.len() as u64 <= back {
                self.kept.push_front(T::default());
            }
        }
    }

    /// A slot; `None` if it is not kept.
    pub(super) fn at(&self, number: u64) -> Option<&T> {
        self.kept.get(self.place(number)?)
    }

    fn place(&self, number: u64) -> Option<usize> {
        let back = usize::try_from(self.newest.checked_sub(number)?).ok()?;
        self.kept.len().checked_sub(1)?.checked_sub(back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_slots_are_kept() {
        let mut slots = Slots::new(10, 3);
        for number in [5, 7, 6, 9, 2] {
            if let Some(slot) = slots.at_mut(number) {
                *slot += number;
            }
        }
        let kept: Vec<Option<u64>> = (4..=10).map(|number| slots.at(number).copied()).collect();
        assert_eq!(kept, [None, None, None, Some(7), Some(0), Some(9), None]);
        assert_eq!((slots.number(Timestamp(99)), slots.start(9)), (9, Timestamp(90)));
    }

    #[test]
    fn an_earlier_slot_is_made_if_there_is_room() {
        let mut slots = Slots::new(10, 3);
        *slots.at_mut(5).unwrap() = 1;
        *slots.at_mut(3).unwrap() = 2;
        assert!(slots.at_mut(2).is_none());
        assert_eq!([2, 3, 4, 5].map(|number| slots.at(number).copied()), [None, Some(2), Some(0), Some(1)]);
    }

    #[test]
    fn a_long_gap_costs_no_more_than_the_slots_kept() {
        let mut slots = Slots::new(1, 3);
        *slots.at_mut(0).unwrap() = 1;
        *slots.at_mut(u64::MAX).unwrap() = 2;
        assert_eq!(
            [0, u64::MAX - 1, u64::MAX].map(|number| slots.at(number).copied()),
            [None, Some(0), Some(2)]
        );
        assert!(Slots::<u64>::new(1, 0).at_mut(4).is_none());
    }
}
