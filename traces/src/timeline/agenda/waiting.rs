//! Waiting tasklets of one priority, oldest first, reconstructed from the records of several emitters.
//!
//! A run is reported when it is over, so its tasklet seems to wait until then. An addition carries the true depth: entries
//! beyond it have been taken, oldest first, because a priority is first in, first out.
//!
//! A sample of what a worker runs shows a tasklet as taken before its run is over.

use std::collections::VecDeque;

use loop_probes::ids::{TaskId, Timestamp};

use crate::timeline::pool::WORKERS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WaitingTasklet {
    pub(super) task: TaskId,
    pub(super) added: Timestamp,
    /// Number of higher-priority tasklets that had run when this one was added.
    pub(super) higher_ran: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WaitingTasklets {
    entries: VecDeque<WaitingTasklet>,
    /// Entries that an addition's depth showed as taken, and whose run was not seen. They give the priority of a running
    /// tasklet.
    taken: VecDeque<WaitingTasklet>,
    limit: usize,
    depth: u32,
    /// Tasklets that waited when records were lost and may have run in them, until an addition gives the depth.
    before_loss: u64,
    /// Whether an addition has given the depth, or an idle worker has shown that the queue was empty.
    is_depth_known: bool,
    /// Whether records were lost, and no addition has given the depth since.
    is_after_loss: bool,
    last_added: Timestamp,
}

impl WaitingTasklets {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) const fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether no tasklet that was added before the first event can wait without being in the depth.
    pub(super) const fn is_depth_known(&self) -> bool {
        self.is_depth_known
    }

    /// Whether the depth is unknown because records were lost.
    pub(super) const fn is_after_loss(&self) -> bool {
        self.is_after_loss
    }

    /// A worker found nothing to take.
    pub(super) const fn was_empty(&mut self) {
        self.is_depth_known = true;
    }

    /// How many may wait in addition to the depth.
    pub(super) const fn may_wait(&self) -> u64 {
        self.before_loss
    }

    pub(super) fn oldest(&self) -> Option<WaitingTasklet> {
        self.entries.front().copied()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &WaitingTasklet> {
        self.entries.iter()
    }

    pub(super) fn added(&mut self, at: Timestamp, task: TaskId, depth: u32, higher_ran: u64) {
        self.last_added = self.last_added.max(at);
        (self.depth, self.before_loss, self.is_depth_known) = (depth, 0, true);
        self.is_after_loss = false;
        while self.entries.len() > depth.saturating_sub(1) as usize {
            self.taken.extend(self.entries.pop_front());
            if self.taken.len() > WORKERS_MAX {
                self.taken.pop_front();
            }
        }
        // Beyond the limit, the oldest entries stay: they are the ones worth showing.
        if self.entries.len() < self.limit {
            self.entries.push_back(WaitingTasklet { task, added: at, higher_ran });
        }
    }

    /// A worker took the tasklet at `start`. Returns how many of a higher priority had run when it was added.
    pub(super) fn taken(&mut self, task: TaskId, start: Timestamp) -> Option<u64> {
        let known = self.take_known(task, start);
        // A tasklet taken before the last addition is not included in the depth which that addition reported.
        if known.is_none() && start >= self.last_added {
            match self.depth {
                0 => self.before_loss = self.before_loss.saturating_sub(1),
                _ => self.depth -= 1,
            }
        }
        known
    }

    /// Like [`taken`](Self::taken), of a tasklet that may belong to another priority: `None` if its addition to this
    /// one is not known.
    pub(super) fn take_known(&mut self, task: TaskId, start: Timestamp) -> Option<u64> {
        // A tasklet that runs repeatedly keeps its number: an entry added after `start` belongs to its next run.
        let is_it = |entry: &WaitingTasklet| entry.task == task && entry.added <= start;
        if let Some(place) = self.taken.iter().position(is_it) {
            return self.taken.remove(place).map(|entry| entry.higher_ran);
        }
        let entry = self.entries.iter().position(is_it).and_then(|place| self.entries.remove(place))?;
        self.depth = self.depth.saturating_sub(1);
        Some(entry.higher_ran)
    }

    pub(super) fn forget(&mut self) {
        self.entries.clear();
        self.taken.clear();
        self.before_loss += u64::from(std::mem::take(&mut self.depth));
        self.is_after_loss = true;
    }
}
