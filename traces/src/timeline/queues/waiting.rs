//! Tracks tasks that were queued and have not run.

use std::collections::VecDeque;

use loop_probes::ids::{Tag, TaskId, Timestamp};

/// A task in a loop's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) task: TaskId,
    pub(crate) tag: Tag,
    pub(crate) queued: Timestamp,
}

/// The recorded tasks in one loop's queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waiting(VecDeque<Waits>);

/// How many tasks at the front are searched for one that ran: task queues are first in, first out.
const LOOKED_THROUGH: usize = 64;

impl Waiting {
    /// Tracks a queued task; tasks beyond `limit` are not tracked.
    pub(super) fn queued(&mut self, task: Waits, limit: usize) {
        if self.0.len() < limit {
            self.0.push_back(task);
        }
    }

    /// Removes a task that ran; returns whether it was tracked.
    #[inline]
    pub(super) fn ran(&mut self, task: TaskId) -> bool {
        let place = self.0.iter().take(LOOKED_THROUGH).position(|waits| waits.task == task);
        place.is_some_and(|place| self.0.remove(place).is_some())
    }

    /// Takes a sampled depth: if it is less than the number of tasks tracked, it is unknown which of them ran.
    pub(super) fn sampled(&mut self, depth: u32) {
        if self.0.len() > depth as usize {
            self.0.clear();
        }
    }

    /// Discards all tasks: records were lost, and it is unknown which of them ran.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waits> {
        self.0.iter()
    }
}
