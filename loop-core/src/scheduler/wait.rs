//! How long the loop can be left alone.

use std::time::Duration;

use loop_probes::ids::Timestamp;

use super::Scheduler;
use crate::task::Task;

impl<T: Task> Scheduler<T> {
    /// How long from `now` until there is something to do: zero if work is waiting, `None` if nothing is due.
    /// `watches_heap` includes the GC controller's timers.
    #[must_use]
    pub fn next_wait(&mut self, now: Timestamp, watches_heap: bool) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let gc_due = if watches_heap { self.gc.next_due() } else { None };
        let due = [self.timers.next_due(), gc_due].into_iter().flatten().min()?;
        Some(Duration::from_nanos(due.ns_since(now)))
    }
}
