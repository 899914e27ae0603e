//! Tasklets of one priority that wait, the oldest first, as far as several emitters' records tell it.
//!
//! An addition and a run come from different threads, so a run may be told before its addition, and a gap may
//! swallow either. An addition carries the true depth: entries beyond it must have gone, the oldest first,
//! because a priority is first in, first out.

use std::collections::VecDeque;

use loop_probes::ids::{TaskId, Timestamp};

use crate::recent::Recent;

/// Runs remembered whose addition was not told yet.
const EARLY_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) task: TaskId,
    pub(super) added: Timestamp,
    /// Tasklets of a higher priority that had run by then.
    pub(super) higher_ran: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    limit: usize,
    depth: u32,
    last_added: Timestamp,
    early: Recent<TaskId>,
}

impl Waiting {
    pub(super) fn new(limit: usize) -> Self {
        let (entries, early) = (VecDeque::new(), Recent::new(EARLY_MAX));
        Self { entries, limit, depth: 0, last_added: Timestamp(0), early }
    }

    pub(super) const fn depth(&self) -> u32 {
        self.depth
    }

    pub(super) fn oldest(&self) -> Option<Entry> {
        self.entries.front().copied()
    }

    pub(super) fn added(&mut self, at: Timestamp, task: TaskId, depth: u32, higher_ran: u64) {
        self.last_added = self.last_added.max(at);
        let ran_already = self.early.take(&task);
        self.depth = depth.saturating_sub(u32::from(ran_already));
        let others = self.depth.saturating_sub(u32::from(!ran_already)) as usize;
        while self.entries.len() > others {
            self.entries.pop_front();
        }
        // Beyond the limit the oldest stay: they are what somebody looks for.
        if !ran_already && self.entries.len() < self.limit {
            self.entries.push_back(Entry { task, added: at, higher_ran });
        }
    }

    /// A worker took the tasklet at `start`. Gives how many of a higher priority had run when it was added.
    pub(super) fn taken(&mut self, task: TaskId, start: Timestamp) -> Option<u64> {
        let place = self.entries.iter().position(|entry| entry.task == task);
        let entry = place.and_then(|place| self.entries.remove(place));
        // One that was taken before the last addition is not in the depth that this one told.
        if entry.is_some() || (start >= self.last_added && self.depth > 0) {
            self.depth = self.depth.saturating_sub(1);
        } else {
            self.early.push(task);
        }
        entry.map(|entry| entry.higher_ran)
    }

    pub(super) fn forget(&mut self) {
        self.entries.clear();
        self.depth = 0;
    }
}
