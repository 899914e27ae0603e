//! The deferred queue: keyed callbacks that run once per drain, however often they were posted.
//!
//! It batches: N writes to one connection in one task post the connection's key N times and become one flush.

use std::collections::{HashSet, VecDeque};

/// Callbacks `F` by key, in posting order.
#[derive(Debug)]
pub struct Deferred<F> {
    entries: VecDeque<(u64, F)>,
    keys: HashSet<u64>,
    /// Entries at the front that the running drain still has to take.
    drain: usize,
}

impl<F> Deferred<F> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: VecDeque::new(), keys: HashSet::new(), drain: 0 }
    }

    /// Queues what `callback` makes under `key`, unless the key is queued: then the first one stays and the
    /// answer is true.
    pub fn post_with(&mut self, key: u64, callback: impl FnOnce() -> F) -> bool {
        let existed = !self.keys.insert(key);
        if !existed {
            self.entries.push_back((key, callback()));
        }
        existed
    }

    /// Starts a drain: what is added from here on waits for the next one.
    pub fn begin_drain(&mut self) {
        self.drain = self.entries.len();
    }

    /// Takes the drain's next entry to run it. From here on its key is free: what a callback posts under its own key
    /// is a new entry.
    pub fn take(&mut self) -> Option<(u64, F)> {
        self.drain = self.drain.checked_sub(1)?;
        let (key, callback) = self.entries.pop_front()?;
        self.keys.remove(&key);
        Some((key, callback))
    }

    /// Puts back what [`take`](Self::take) gave, for the next drain. Where its key was posted meanwhile, the
    /// first callback wins here too, in the place of the later one.
    pub fn keep(&mut self, key: u64, callback: F) {
        if self.keys.insert(key) {
            self.entries.push_back((key, callback));
        } else if let Some(entry) = self.entries.iter_mut().find(|entry| entry.0 == key) {
            entry.1 = callback;
        }
    }

    /// Removes the entry of `key`, if there is one.
    pub fn remove(&mut self, key: u64) -> bool {
        let Some(index) = self.entries.iter().position(|entry| entry.0 == key) else { return false };
        self.entries.remove(index);
        self.drain -= usize::from(index < self.drain);
        self.keys.remove(&key)
    }

    /// Whether `key` waits.
    #[must_use]
    pub fn contains(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// The keys that wait, in queue order.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().map(|entry| entry.0)
    }

    /// Entries that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<F> Default for Deferred<F> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_callback_of_a_key_stays() {
        let mut queue = Deferred::new();
        assert!(!queue.post_with(7, || "first"));
        assert!(queue.post_with(7, || unreachable!("a second callback is not even made")));
        queue.begin_drain();
        assert_eq!(queue.take(), Some((7, "first")));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_kept_callback_wins_over_one_posted_while_it_ran() {
        let mut queue = Deferred::new();
        queue.post_with(1, || "one");
        queue.post_with(2, || "two");
        queue.begin_drain();
        let (key, running) = queue.take().unwrap();
        assert!(!queue.post_with(1, || "again"));
        queue.keep(key, running);
        assert_eq!((queue.take(), queue.take()), (Some((2, "two")), None));
        queue.begin_drain();
        assert_eq!((queue.take(), queue.take()), (Some((1, "one")), None));
    }

    #[test]
    fn a_removed_key_does_not_run() {
        let mut queue = Deferred::new();
        queue.post_with(1, || ());
        assert!(queue.remove(1));
        assert!(!queue.remove(1));
        queue.begin_drain();
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn what_is_removed_while_draining_lets_nothing_new_in() {
        let mut queue = Deferred::new();
        (1..=3).for_each(|key| assert!(!queue.post_with(key, || key)));
        queue.begin_drain();
        assert_eq!(queue.take(), Some((1, 1)));
        queue.post_with(4, || 4);
        assert!(queue.remove(2));
        assert_eq!((queue.take(), queue.take()), (Some((3, 3)), None));
        assert_eq!(queue.len(), 1);
    }
}
