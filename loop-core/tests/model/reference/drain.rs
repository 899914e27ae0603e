//! The drain: microtasks, then the deferred queue including callbacks added to it, then the microtasks that
//! those added.

use std::collections::HashSet;

use super::Model;

impl Model {
    pub(super) fn drain(&mut self) {
        self.owes_drain = false;
        self.checkpoint();
        let mut waited: HashSet<u64> = self.deferred.iter().map(|deferred| deferred.number).collect();
        while self.may_drain(&waited) {
            while self.may_drain(&waited)
                && let Some(deferred) = self.deferred.pop_front()
            {
                // Callbacks that were queued before the drain need no budget.
                self.deferred_budget -= u32::from(!waited.remove(&deferred.number));
                self.call(&deferred.node);
                self.reload = false;
            }
            self.checkpoint();
        }
    }

    fn may_drain(&self, waited: &HashSet<u64>) -> bool {
        let first = self.deferred.front();
        first.is_some_and(|first| self.deferred_budget > 0 || waited.contains(&first.number))
    }

    fn checkpoint(&mut self) {
        let mut left = self.policy.microtasks_per_checkpoint.unwrap_or(u32::MAX);
        while left > 0 {
            let Some(node) = self.micro.pop_front() else { break };
            left -= 1;
            self.call(&node);
            self.reload = false;
        }
    }
}
