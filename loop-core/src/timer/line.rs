//! The line: timers in arming order, for a loop that fires the first one that is due.
//!
//! Arming numbers only grow, so a line is always sorted. A stale arming is skipped, and all of them are removed
//! once they make up half of the line.

use super::slab::{Arming, Slab};

#[derive(Debug, Default)]
pub(super) struct Line {
    armings: Vec<Arming>,
    /// Number of stale armings.
    gone: usize,
    /// The arming that is due first, as long as it stands.
    min: Option<Arming>,
}

impl Line {
    #[inline]
    pub(super) fn push(&mut self, arming: Arming) {
        self.armings.push(arming);
        if self.min.is_some_and(|min| arming.due < min.due) {
            self.min = Some(arming);
        }
    }

    /// Notes that one of its armings became stale.
    #[inline]
    pub(super) fn lose<E>(&mut self, slab: &Slab<E>) {
        self.gone += 1;
        if self.gone * 2 > self.armings.len() {
            self.armings.retain(|arming| slab.stands(*arming));
            self.gone = 0;
        }
    }

    /// The first arming due at `now` and made before the arming with this number.
    pub(super) fn first_due<E>(&self, slab: &Slab<E>, now: u64, armed_before: u64) -> Option<Arming> {
        let armings = self.armings.iter().take_while(|arming| arming.sequence < armed_before);
        armings.copied().find(|arming| arming.due <= now && arming.due < u64::MAX && slab.stands(*arming))
    }

    /// The arming that is due first.
    pub(super) fn min<E>(&mut self, slab: &Slab<E>) -> Option<Arming> {
        if self.min.is_none_or(|min| !slab.stands(min)) {
            let standing = self.armings.iter().filter(|arming| slab.stands(**arming));
            self.min = standing.min().copied();
        }
        self.min
    }
}
