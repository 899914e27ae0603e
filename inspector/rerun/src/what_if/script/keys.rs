//! The deferred queue as a recording shows it: which callback ran in which drain, and which stayed queued.

use std::collections::VecDeque;

use super::RunId;

/// Maximum number of keys tracked.
const KEYS_MAX: usize = 4096;

/// Queued keys with their runs.
#[derive(Debug, Default)]
pub(super) struct Keys {
    posted: VecDeque<(u64, RunId)>,
    /// Keys that wait for the next drain.
    kept: VecDeque<(u64, RunId)>,
    /// Whether a drain is in progress: kept keys wait for the next.
    is_draining: bool,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.posted.len() + self.kept.len()
    }

    /// Whether another key can be tracked.
    pub(super) fn has_room(&self) -> bool {
        self.len() < KEYS_MAX
    }

    pub(super) fn post(&mut self, key: u64, run: RunId) {
        if self.has_room() {
            self.posted.push_back((key, run));
        }
    }

    pub(super) fn keep(&mut self, key: u64, run: RunId) {
        if self.has_room() {
            self.kept.push_back((key, run));
        }
    }

    /// The run of a key that is posted while queued: a kept one is queued again.
    pub(super) fn post_again(&mut self, key: u64) -> Option<RunId> {
        if let Some(index) = self.kept.iter().position(|(known, _)| *known == key) {
            self.posted.extend(self.kept.remove(index));
        }
        self.posted.iter().find(|(known, _)| *known == key).map(|(_, run)| *run)
    }

    pub(super) fn remove(&mut self, key: u64) {
        self.posted.retain(|(known, _)| *known != key);
        self.kept.retain(|(known, _)| *known != key);
    }

    /// A drain ran callbacks: its first ones, or those added since.
    pub(super) fn drained(&mut self) {
        if !std::mem::replace(&mut self.is_draining, true) {
            self.kept.append(&mut self.posted);
            std::mem::swap(&mut self.kept, &mut self.posted);
        }
    }

    /// The next one that ran.
    pub(super) fn take(&mut self) -> Option<(u64, RunId)> {
        self.posted.pop_front()
    }

    /// Ends the current drain.
    pub(super) fn end_drain(&mut self) {
        self.is_draining = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_runs_in_the_next_drain_and_an_added_one_in_the_same() {
        let mut keys = Keys::default();
        keys.post(1, 10);
        keys.post(2, 20);
        keys.drained();
        assert_eq!(keys.take(), Some((1, 10)));
        keys.keep(1, 11);
        keys.post(3, 30);
        assert_eq!(keys.take(), Some((2, 20)));
        keys.drained();
        assert_eq!((keys.take(), keys.take()), (Some((3, 30)), None));
        keys.end_drain();
        keys.post(4, 40);
        keys.drained();
        assert_eq!((keys.take(), keys.take()), (Some((1, 11)), Some((4, 40))));
    }

    #[test]
    fn a_kept_key_that_is_posted_again_runs_in_the_same_drain() {
        let mut keys = Keys::default();
        keys.keep(1, 10);
        keys.drained();
        assert_eq!(keys.take(), Some((1, 10)));
        keys.keep(1, 11);
        assert_eq!(keys.post_again(1), Some(11));
        assert_eq!((keys.take(), keys.post_again(1)), (Some((1, 11)), None));
    }
}
