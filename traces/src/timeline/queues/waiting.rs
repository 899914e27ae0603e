//! Tracks tasks that were queued and have not run.

use std::collections::{HashMap, VecDeque};

use loop_probes::event::Queue;
use loop_probes::ids::{Tag, TaskId, Timestamp};

/// A task in one of a loop's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueuedTask {
    pub(crate) task: TaskId,
    pub(crate) tag: Tag,
    pub(crate) queued: Timestamp,
}

/// The recorded tasks in one loop's queues.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct WaitingTasks {
    tasks: VecDeque<QueuedTask>,
    /// Immediates can be cleared in any order.
    immediates: HashMap<TaskId, QueuedTask>,
    after_loop: HashMap<TaskId, QueuedTask>,
    /// Tasks queued beyond the tracking limit and not known to have run.
    untracked: u64,
}

/// How many more tasks can be tracked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Of one loop's task queue.
    pub(super) tasks: usize,
    /// Still free for all other queues of all loops.
    pub(super) others: usize,
}

/// How many tasks at the front are searched for one that ran: task queues are first in, first out.
const LOOKED_THROUGH: usize = 64;

impl WaitingTasks {
    /// Tracks a queued task, if there is room.
    pub(super) fn queued(&mut self, queue: Queue, task: QueuedTask, room: Room) {
        match queue {
            // A loop that is closed lists the posts that it never took.
            Queue::Tasks | Queue::Concurrent if self.tasks.len() < room.tasks => self.tasks.push_back(task),
            Queue::Immediates if room.others > 0 => drop(self.immediates.insert(task.task, task)),
            Queue::AfterLoop if room.others > 0 => drop(self.after_loop.insert(task.task, task)),
            _ => self.untracked += 1,
        }
    }

    /// The number of tasks that may wait and are not tracked.
    pub(super) const fn untracked(&self) -> u64 {
        self.untracked
    }

    /// The number of tracked tasks outside of the task queue.
    pub(super) fn others(&self) -> usize {
        self.immediates.len() + self.after_loop.len()
    }

    /// Removes a task that ran; returns the queue that it was in, if it was tracked.
    #[inline]
    pub(super) fn ran(&mut self, task: TaskId) -> Option<Queue> {
        for (queue, others) in
            [(Queue::Immediates, &mut self.immediates), (Queue::AfterLoop, &mut self.after_loop)]
        {
            if !others.is_empty() && others.remove(&task).is_some() {
                return Some(queue);
            }
        }
        let place = self.tasks.iter().take(LOOKED_THROUGH).position(|waits| waits.task == task);
        if place.is_none() {
            self.untracked = self.untracked.saturating_sub(1);
        }
        self.tasks.remove(place?).map(|_| Queue::Tasks)
    }

    /// Takes a sampled depth: if it is less than the number of tasks tracked, it is unknown which of them ran.
    pub(super) fn sampled(&mut self, queue: Queue, depth: u32) {
        let depth = depth as usize;
        match queue {
            Queue::Tasks if self.tasks.len() > depth => self.tasks.clear(),
            Queue::Immediates if self.immediates.len() > depth => self.immediates.clear(),
            Queue::AfterLoop if self.after_loop.len() > depth => self.after_loop.clear(),
            _ => {}
        }
    }

    /// Discards all tasks: records were lost, and it is unknown which of them ran.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// All tracked tasks; those of the task queue come oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedTask> {
        self.tasks.iter().chain(self.immediates.values()).chain(self.after_loop.values())
    }
}
