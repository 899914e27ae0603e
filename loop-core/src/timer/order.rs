//! The order in which timers come due, hidden behind four operations, so that a hierarchical wheel can take
//! the tree's place. Each is O(log n) now.

use std::collections::BTreeMap;
use std::ops::Bound;

use loop_probes::ids::{TimerId, Timestamp};

/// A timer's place: by due time, equal ones in arming order. A sequence number is never used again, so a key
/// names one arming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) due: Timestamp,
    pub(super) sequence: u64,
}

#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<Key, TimerId>);

impl Order {
    pub(super) fn insert(&mut self, key: Key, timer: TimerId) {
        self.0.insert(key, timer);
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.0.remove(&key);
    }

    pub(super) fn first(&self) -> Option<Key> {
        self.0.first_key_value().map(|(key, _)| *key)
    }

    /// What comes behind `last`, in order.
    pub(super) fn after(&self, last: Option<Key>) -> impl Iterator<Item = (Key, TimerId)> + '_ {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.0.range((from, Bound::Unbounded)).map(|(key, timer)| (*key, *timer))
    }
}
