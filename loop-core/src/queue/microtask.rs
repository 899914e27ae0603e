//! Microtasks: run to completion at the checkpoint after a task, before anything else.
//!
//! Microtasks of Rust code are tasks and wait in this queue. A script engine keeps its own microtasks and runs them
//! through [`Host::run_microtask`](crate::Host::run_microtask) at the same checkpoint.

use super::fifo::Fifo;

/// The microtask queue, with the budget of its checkpoints.
#[derive(Debug)]
pub struct Microtasks<T> {
    queue: Fifo<T>,
    budget: Option<u32>,
    left_of_budget: u32,
}

impl<T> Microtasks<T> {
    /// An empty queue whose checkpoints run at most `budget` microtasks; `None` means all.
    #[must_use]
    pub fn new(budget: Option<u32>) -> Self {
        Self { queue: Fifo::new(), budget, left_of_budget: 0 }
    }

    /// Queues a microtask.
    #[inline]
    pub fn push(&mut self, task: T) {
        self.queue.push(task);
    }

    /// Whether checkpoints run all microtasks, without a budget.
    #[inline]
    #[must_use]
    pub const fn is_unbounded(&self) -> bool {
        self.budget.is_none()
    }

    /// Starts a checkpoint.
    #[inline]
    pub fn begin_checkpoint(&mut self) {
        self.left_of_budget = self.budget.unwrap_or(u32::MAX);
    }

    /// Spends one microtask of the checkpoint's budget; false if none is left. Microtasks of a host spend it too.
    #[inline]
    pub fn spend(&mut self) -> bool {
        if self.budget.is_none() {
            return true;
        }
        let may = self.left_of_budget > 0;
        self.left_of_budget -= u32::from(may);
        may
    }

    /// Takes the next microtask, if the checkpoint may run another one.
    #[inline]
    pub fn take(&mut self) -> Option<T> {
        if self.is_empty() || !self.spend() { None } else { self.queue.pop() }
    }

    /// Number of waiting microtasks.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether no microtask waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
