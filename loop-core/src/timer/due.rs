//! What a pass took from the wheel and has not given out yet: one stretch at a time, sorted.
//!
//! A timer that is cleared or armed again meanwhile leaves its entry behind, which is passed over.

use super::nodes::{Arming, Nodes};

#[derive(Debug, Default)]
pub(super) struct DueNow {
    /// By (due, sequence).
    armings: Vec<Arming>,
    /// How many of them were given out.
    taken: usize,
}

impl DueNow {
    /// The next one, which stays.
    pub(super) fn first(&mut self, nodes: &Nodes) -> Option<Arming> {
        while let Some(arming) = self.armings.get(self.taken) {
            if nodes.stands(*arming) {
                return Some(*arming);
            }
            self.taken += 1;
        }
        None
    }

    /// The next one.
    #[inline]
    pub(super) fn pop(&mut self, nodes: &Nodes) -> Option<Arming> {
        let first = self.first(nodes)?;
        self.taken += 1;
        Some(first)
    }

    /// All were given out: takes the next stretch from `more`, which says whether there was one.
    #[inline]
    pub(super) fn refill(&mut self, more: impl FnOnce(&mut Vec<Arming>) -> bool) -> bool {
        self.armings.clear();
        self.taken = 0;
        let has_more = more(&mut self.armings);
        if self.armings.len() > 1 {
            self.armings.sort_unstable_by_key(|arming| (arming.due, arming.sequence));
        }
        has_more
    }
}
