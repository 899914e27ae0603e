//! The line: timers in the order in which they were armed, for a loop that fires the first that is due.
//!
//! Numbers of armings only grow, so a line is sorted by itself. One that does not stand any more is passed over,
//! and thrown out with the others when half of the line is gone.

use super::slab::{Arming, Slab};

#[derive(Debug, Default)]
pub(super) struct Line {
    armings: Vec<Arming>,
    /// How many do not stand any more.
    gone: usize,
    /// What is due first, as far as it stands.
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

    /// One of its armings does not stand any more.
    #[inline]
    pub(super) fn lose<E>(&mut self, slab: &Slab<E>) {
        self.gone += 1;
        if self.gone * 2 > self.armings.len() {
            self.armings.retain(|arming| slab.stands(*arming));
            self.gone = 0;
        }
    }

    /// The first that is due at `now` and was armed before the arming with this number.
    pub(super) fn first_due<E>(&self, slab: &Slab<E>, now: u64, armed_before: u64) -> Option<Arming> {
        let armings = self.armings.iter().take_while(|arming| arming.sequence < armed_before);
        armings.copied().find(|arming| arming.due <= now && arming.due < u64::MAX && slab.stands(*arming))
    }

    /// What is due first.
    pub(super) fn min<E>(&mut self, slab: &Slab<E>) -> Option<Arming> {
        if self.min.is_none_or(|min| !slab.stands(min)) {
            let standing = self.armings.iter().filter(|arming| slab.stands(**arming));
            self.min = standing.min().copied();
        }
        self.min
    }
}
