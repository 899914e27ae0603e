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

    /// Adds `entry`. Evicts and returns the oldest entry if the list is full, or `entry` if the limit is 0.
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

    /// The oldest entry.
    #[must_use]
    pub fn oldest(&self) -> Option<&T> {
        self.kept.front()
    }

    /// The entry at `index`, 0 the oldest.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<&T> {
        self.kept.get(index)
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Maximum number of entries kept.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// The number of entries that satisfy `first`, all of which must precede the others.
    pub(crate) fn partition_point(&self, first: impl FnMut(&T) -> bool) -> usize {
        self.kept.partition_point(first)
    }

    pub(crate) fn newest_mut(&mut self) -> Option<&mut T> {
        self.kept.back_mut()
    }

    pub(crate) fn at_mut(&mut self, index: usize) -> Option<&mut T> {
        self.kept.get_mut(index)
    }

    /// Keeps the entries for which `is_kept` holds.
    pub(crate) fn retain(&mut self, is_kept: impl FnMut(&T) -> bool) {
        self.kept.retain(is_kept);
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
    fn a_limit_of_zero_keeps_nothing() {
        let mut recent = Recent::new(0);
        assert_eq!(recent.push(1), Some(1));
        assert!(recent.is_empty());
    }
}
