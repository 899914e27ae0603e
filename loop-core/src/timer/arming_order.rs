//! The line: timers in arming order, for a loop that fires the first one that is due.
//!
//! Arming numbers only grow, so a line is always sorted. Above it stands a tree of minima: each node has the earliest due
//! time of the armings below it, so the first arming that is due is found in O(log n). A stale arming is removed from the
//! tree when it is met, and all of them from the line once they make up half of it.

use super::slab::{Arming, Slab};

/// The due time of an arming that is gone, or that is never due.
const NEVER: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(super) struct ArmingOrder {
    armings: Vec<Arming>,
    /// Number of stale armings.
    gone: usize,
    /// The tree: node 1 is its root, nodes 2n and 2n + 1 are below node n; its second half are the due times of the
    /// armings, and [`NEVER`] beyond them.
    earliest: Vec<u64>,
}

impl ArmingOrder {
    #[inline]
    pub(super) fn push(&mut self, arming: Arming) {
        self.armings.push(arming);
        if self.armings.len() * 2 > self.earliest.len() {
            self.grow();
        } else {
            self.set(self.armings.len() - 1, arming.due);
        }
    }

    /// Notes that one of its armings became stale.
    #[inline]
    pub(super) fn lose<E>(&mut self, slab: &Slab<E>) {
        self.gone += 1;
        if self.gone * 2 > self.armings.len() {
            self.armings.retain(|arming| slab.stands(*arming));
            self.gone = 0;
            self.grow();
        }
    }

    /// The first arming due at `now` and made before the arming with this number.
    pub(super) fn first_due<E>(&mut self, slab: &Slab<E>, now: u64, armed_before: u64) -> Option<Arming> {
        let found = self.first_until(slab, now.min(NEVER - 1))?;
        (found.sequence < armed_before).then_some(found)
    }

    /// The arming that is due first; `None` if none will ever be due.
    pub(super) fn min<E>(&mut self, slab: &Slab<E>) -> Option<Arming> {
        loop {
            let earliest = *self.earliest.get(1)?;
            if earliest == NEVER {
                return None;
            }
            // Finds nothing if all that were due then had become stale: now the next ones are the earliest.
            if let Some(found) = self.first_until(slab, earliest) {
                return Some(found);
            }
        }
    }

    /// The first arming that stands and is due at `until` or before, which is before [`NEVER`].
    fn first_until<E>(&mut self, slab: &Slab<E>, until: u64) -> Option<Arming> {
        loop {
            let leaves = self.earliest.len() / 2;
            let mut node = 1;
            if self.earliest.get(node).is_none_or(|due| *due > until) {
                return None;
            }
            while node < leaves {
                node *= 2;
                node += usize::from(self.earliest[node] > until);
            }
            let place = node - leaves;
            let found = *self.armings.get(place)?;
            if slab.stands(found) {
                return Some(found);
            }
            self.set(place, NEVER);
        }
    }

    fn set(&mut self, place: usize, due: u64) {
        let mut node = self.earliest.len() / 2 + place;
        self.earliest[node] = due;
        while node > 1 {
            node /= 2;
            self.earliest[node] = self.earliest[2 * node].min(self.earliest[2 * node + 1]);
        }
    }

    /// Rebuilds the tree with room for more armings.
    fn grow(&mut self) {
        let leaves = (self.armings.len() * 2).next_power_of_two();
        self.earliest.clear();
        self.earliest.resize(leaves * 2, NEVER);
        for (leaf, arming) in self.earliest[leaves..].iter_mut().zip(&self.armings) {
            *leaf = arming.due;
        }
        for node in (1..leaves).rev() {
            self.earliest[node] = self.earliest[2 * node].min(self.earliest[2 * node + 1]);
        }
    }
}
