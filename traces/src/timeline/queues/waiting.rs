//! Tasks that were queued and have not run.

use std::collections::VecDeque;

use loop_probes::ids::{Tag, TaskId, Timestamp};

/// A task in a loop's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    pub(crate) task: TaskId,
    pub(crate) tag: Tag,
    pub(crate) queued: Timestamp,
}

/// The task queue of one loop, as far as it was recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waiting(VecDeque<Waits>);

/// Task queues are first in, first out, so a task that ran is looked for among this many at the front.
const LOOKED_THROUGH: usize = 64;

impl Waiting {
    /// Beyond `limit` tasks are not followed.
    pub(super) fn queued(&mut self, task: Waits, limit: usize) {
        if self.0.len() < limit {
            self.0.push_back(task);
        }
    }

    /// Whether it was in there.
    #[inline]
    pub(super) fn ran(&mut self, task: TaskId) -> bool {
        let place = self.0.iter().take(LOOKED_THROUGH).position(|waits| waits.task == task);
        place.is_some_and(|place| self.0.remove(place).is_some())
    }

    /// The queue is this deep: where that is less than what is followed, it is not known which of these ran.
    pub(super) fn sampled(&mut self, depth: u32) {
        if self.0.len() > depth as usize {
            self.0.clear();
        }
    }

    /// Records were lost, or the loop ended: which of them ran is not known, or none will.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waits> {
        self.0.iter()
    }
}
