//! The depth of a queue through time, in tenths of a second.
//!
//! Depths are recorded when they change. Between two records a queue stays as deep as it was, so a series of the records
//! alone would show a steadily deep queue as empty.

use loop_probes::ids::Timestamp;

use super::rates::SLOT_NS;
use crate::recent::Recent;

/// The maximum depth of each of the last slots.
#[derive(Clone, Debug, PartialEq)]
pub struct DepthSlots {
    deepest: Recent<Option<u32>>,
    /// The number of the newest slot, counted from the monotonic clock's zero.
    newest: u64,
    /// The depth since the last record; `None` where it is unknown.
    depth: Option<u32>,
}

impl DepthSlots {
    pub(crate) fn new(slots: usize) -> Self {
        Self { deepest: Recent::new(slots), newest: 0, depth: None }
    }

    /// Sets the depth from `at` on; `None` for unknown.
    #[inline]
    pub(crate) fn set(&mut self, at: Timestamp, depth: Option<u32>) {
        let slot = at.as_ns() / SLOT_NS;
        if self.deepest.is_empty() {
            self.deepest.push(depth);
            self.newest = slot;
        }
        let ahead = slot.saturating_sub(self.newest);
        for _ in 0..ahead.min(self.deepest.limit() as u64) {
            self.deepest.push(self.depth);
        }
        self.newest = self.newest.max(slot);
        if let Some(deepest) = self.deepest.newest_mut() {
            *deepest = (*deepest).max(depth);
        }
        self.depth = depth;
    }

    /// The maximum depth of each slot up to that of `now`, oldest first; `None` where the depth was unknown for the whole
    /// slot. Empty before the first record.
    #[must_use]
    pub fn series(&self, now: Timestamp) -> Vec<Option<u64>> {
        if self.deepest.is_empty() {
            return Vec::new();
        }
        let limit = self.deepest.limit();
        let ahead = (now.as_ns() / SLOT_NS).saturating_sub(self.newest).min(limit as u64) as usize;
        let since = self.deepest.iter().copied().chain(std::iter::repeat_n(self.depth, ahead));
        let series = since.skip((self.deepest.len() + ahead).saturating_sub(limit));
        series.map(|depth| depth.map(u64::from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tenths: u64) -> Timestamp {
        Timestamp(tenths * SLOT_NS + 7)
    }

    #[test]
    fn a_depth_lasts_until_the_next_record() {
        let mut slots = DepthSlots::new(5);
        assert_eq!(slots.series(at(9)), []);
        slots.set(at(1), Some(4));
        assert_eq!(slots.series(at(3)), [Some(4); 3]);
        slots.set(at(4), Some(9));
        slots.set(at(4), Some(1));
        assert_eq!(slots.series(at(5)), [4, 4, 4, 9, 1].map(Some));
        assert_eq!(slots.series(at(5_000_000)), [Some(1); 5]);
        assert_eq!(slots.series(Timestamp(0)), [4, 4, 4, 9].map(Some), "emitters overlap a little");
    }

    #[test]
    fn an_unknown_depth_is_not_zero() {
        let mut slots = DepthSlots::new(5);
        slots.set(at(1), Some(4));
        slots.set(at(2), None);
        slots.set(at(4), Some(0));
        assert_eq!(slots.series(at(5)), [Some(4), Some(4), None, Some(0), Some(0)]);
    }
}
