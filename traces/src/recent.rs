//! The last N entries of a list, so that a fold of any length takes bounded memory.

use std::collections::VecDeque;

/// A list that evicts its oldest entry when it is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent<T> {
    kept: VecDeque<T>,
    limit: usize,
}

impl<T> Recent<T> {
    /// An empty list of at most `limit` entries. Memory grows with the entries, not with the limit.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit }
    }

    /// Adds `entry`; returns the oldest if there was no more room.
    pub fn push(&mut self, entry: T) -> Option<T> {
        if self.limit == 0 {
            return Some(entry);
        }
        let oldest = if self.kept.len() == self.limit { self.kept.pop_front() } else { None };
        self.kept.push_back(entry);
        oldest
    }

    /// The entries, oldest first; `.rev()` for newest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator + '_ {
        self.kept.iter()
    }

    /// The newest entry.
    #[must_use]
    pub fn newest(&self) -> Option<&T> {
        self.kept.back()
    }

    /// The oldest entry that is still kept.
    #[must_use]
    pub fn oldest(&self) -> Option<&T> {
        self.kept.front()
    }

    /// The entry at `index`, 0 the oldest.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&T> {
        self.kept.get(index)
    }

    /// Entries kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Most entries kept.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// How many entries at the front satisfy `first`, provided that all that do come first.
    pub(crate) fn partition_point(&self, first: impl FnMut(&T) -> bool) -> usize {
        self.kept.partition_point(first)
    }

    pub(crate) fn newest_mut(&mut self) -> Option<&mut T> {
        self.kept.back_mut()
    }

    pub(crate) fn at_mut(&mut self, index: usize) -> Option<&mut T> {
        self.kept.get_mut(index)
    }

    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        self.kept.remove(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut recent = Recent::new(2);
        assert_eq!(recent.push(1), None);
        assert_eq!(recent.push(2), None);
        assert_eq!(recent.push(3), Some(1));
        assert_eq!(recent.iter().copied().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(recent.newest(), Some(&3));
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        let mut recent = Recent::new(0);
        assert_eq!(recent.push(1), Some(1));
        assert!(recent.is_empty());
    }
}
