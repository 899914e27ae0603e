//! The deferred queue: keyed callbacks that run once per drain, however often they are posted.
//!
//! Used for batching: N writes to a connection in one task post the connection's key N times and cause one flush.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// Identifies a deferred callback within its loop. An application may choose numbers below 2⁶³; a library that shares
/// the loop uses [`unique`](Self::unique) keys, which never collide with those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeferKey(u64);

impl DeferKey {
    /// A key that differs from all others of this process.
    #[must_use]
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1 << 63);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The key's number, as recorded.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl From<u64> for DeferKey {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

/// Callbacks `F` by key. Posted ones wait to run and count as work. Kept ones run in the next drain, but do not cause
/// one: they do not count as work.
#[derive(Debug)]
pub struct Deferred<F> {
    posted: VecDeque<(u64, F)>,
    kept: VecDeque<(u64, F)>,
    keys: HashSet<u64>,
    /// Entries at the front that were queued when the running drain began: it takes them regardless of the budget.
    drain: usize,
    /// Number of entries added during a drain that drains may still take.
    budget: u32,
}

impl<F> Deferred<F> {
    /// An empty queue with a budget of 0.
    #[must_use]
    pub fn new() -> Self {
        let (posted, kept) = (VecDeque::new(), VecDeque::new());
        Self { posted, kept, keys: HashSet::new(), drain: 0, budget: 0 }
    }

    /// Queues the result of `callback` under `key`. If the key is already queued, keeps the first callback and returns
    /// true. Posting the key of a kept callback makes that callback count as work again.
    pub fn post_with(&mut self, key: u64, callback: impl FnOnce() -> F) -> bool {
        let existed = !self.keys.insert(key);
        if !existed {
            self.posted.push_back((key, callback()));
        } else if let Some(index) = self.kept.iter().position(|entry| entry.0 == key) {
            self.posted.extend(self.kept.remove(index));
        }
        existed
    }

    /// Sets how many entries drains may take in total, from now on, of those added while they run.
    pub const fn refill(&mut self, budget: u32) {
        self.budget = budget;
    }

    /// Starts a drain, which takes all queued entries, kept ones first, and then entries added during the drain, up to
    /// the budget.
    pub fn begin_drain(&mut self) {
        self.kept.append(&mut self.posted);
        std::mem::swap(&mut self.kept, &mut self.posted);
        self.drain = self.posted.len();
    }

    /// Whether the running drain takes another entry.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.drain > 0 || (self.budget > 0 && !self.posted.is_empty())
    }

    /// Takes the drain's next entry to run it. Its key becomes free: the callback can post under the same key again.
    pub fn take(&mut self) -> Option<(u64, F)> {
        if !self.has_next() {
            return None;
        }
        let (key, callback) = self.posted.pop_front()?;
        match self.drain {
            0 => self.budget -= 1,
            _ => self.drain -= 1,
        }
        self.keys.remove(&key);
        Some((key, callback))
    }

    /// Puts back an entry from [`take`](Self::take) for the next drain. If its key was posted in between, `callback`
    /// replaces the callback posted there.
    pub fn keep(&mut self, key: u64, callback: F) {
        if self.keys.insert(key) {
            self.kept.push_back((key, callback));
        } else if let Some(entry) = self.posted.iter_mut().find(|entry| entry.0 == key) {
            entry.1 = callback;
        }
    }

    /// Restores an entry that a snapshot lists as kept for the next drain.
    pub(crate) fn restore_kept(&mut self, key: u64, callback: F) {
        if self.keys.insert(key) {
            self.kept.push_back((key, callback));
        }
    }

    /// Removes the entry of `key`. Returns false if the key is not queued.
    pub fn remove(&mut self, key: u64) -> bool {
        if !self.keys.remove(&key) {
            return false;
        }
        if let Some(index) = self.posted.iter().position(|entry| entry.0 == key) {
            self.posted.remove(index);
            self.drain -= usize::from(index < self.drain);
        } else {
            self.kept.retain(|entry| entry.0 != key);
        }
        true
    }

    /// Whether `key` is queued.
    #[must_use]
    pub fn contains(&self, key: u64) -> bool {
        self.keys.contains(&key)
    }

    /// The queued keys in the order of the next drain; true means that the entry is kept.
    pub fn keys(&self) -> impl Iterator<Item = (u64, bool)> {
        let kept = self.kept.iter().map(|entry| (entry.0, true));
        kept.chain(self.posted.iter().map(|entry| (entry.0, false)))
    }

    /// Number of queued entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.posted.len() + self.kept.len()
    }

    /// Whether the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.posted.is_empty() && self.kept.is_empty()
    }

    /// Number of entries that count as work. While it is above 0, polls do not wait and the run does not end.
    #[must_use]
    pub fn posted(&self) -> usize {
        self.posted.len()
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
        assert_eq!(queue.posted(), 1, "it was posted: it is work");
        queue.begin_drain();
        assert_eq!((queue.take(), queue.take()), (Some((1, "one")), None));
    }

    #[test]
    fn what_is_added_while_it_drains_runs_while_the_budget_lasts() {
        let mut queue = Deferred::new();
        queue.refill(2);
        (1..=2).for_each(|key| assert!(!queue.post_with(key, || key)));
        queue.begin_drain();
        (3..=6).for_each(|key| assert!(!queue.post_with(key, || key)));
        let ran: Vec<_> = std::iter::from_fn(|| queue.take()).map(|(key, _)| key).collect();
        assert_eq!(ran, [1, 2, 3, 4], "what waited, and two more");
        assert_eq!(queue.posted(), 2);
        queue.begin_drain();
        let ran: Vec<_> = std::iter::from_fn(|| queue.take()).map(|(key, _)| key).collect();
        assert_eq!(ran, [5, 6], "what waits when a drain begins needs no budget");
    }

    #[test]
    fn a_kept_entry_waits_for_the_next_drain_unless_it_is_posted_again() {
        let mut queue = Deferred::new();
        queue.refill(10);
        queue.post_with(1, || "flush");
        queue.begin_drain();
        let (key, flush) = queue.take().unwrap();
        queue.keep(key, flush);
        assert_eq!((queue.take(), queue.posted(), queue.len()), (None, 0, 1));
        assert!(queue.post_with(1, || unreachable!("the kept one stays")));
        assert_eq!((queue.posted(), queue.take()), (1, Some((1, "flush"))));
        assert!(queue.is_empty());
    }

    #[test]
    fn kept_entries_go_first_and_can_be_removed() {
        let mut queue = Deferred::new();
        (1..=2).for_each(|key| assert!(!queue.post_with(key, || key)));
        queue.begin_drain();
        while let Some((key, entry)) = queue.take() {
            queue.keep(key, entry);
        }
        queue.post_with(3, || 3);
        assert_eq!(queue.keys().collect::<Vec<_>>(), [(1, true), (2, true), (3, false)]);
        assert!(queue.remove(1) && !queue.remove(1));
        queue.begin_drain();
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some((2, 2)), Some((3, 3)), None));
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
        assert_eq!((queue.take(), queue.take()), (Some((3, 3)), None), "there is no budget");
        assert_eq!(queue.len(), 1);
    }
}
