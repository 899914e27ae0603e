//! The greatest depth of each queue: counts armed timers, and bounds the depth of queues that cannot be counted
//! exactly.

use loop_probes::event::{Event, Queue};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running;

use super::queues::TimersKnown;
use super::{QueueStats, StreamEnd, Timeline, Unfinished};
use crate::loss::Bounds;

impl Timeline {
    /// Updates the number of armed timers after an event that changes it.
    #[inline]
    pub(super) fn count_timers(&mut self, at: Timestamp, place: usize, event: &Event) {
        if let Event::TimerArmed { .. } | Event::TimerFired { .. } | Event::TimerCleared { .. } = event {
            let known = match self.knows_armed(Some(place)) {
                _ if self.keep_alive.of(place).due_beyond_limit().is_some() => TimersKnown::UpToLimit,
                true => TimersKnown::All,
                false => TimersKnown::SinceReading,
            };
            self.queues.timers_are(place, at, self.keep_alive.of(place).armed_count(), known);
        }
    }

    /// The range of a queue's greatest depth; `None` if it is known exactly. Work in `unfinished` may have filled a
    /// queue without a record so far.
    #[must_use]
    pub fn depth_max_bounds(&self, queue: &QueueStats, unfinished: &Unfinished) -> Option<Bounds> {
        // These queues are counted by the entries that join and leave, and a departure may be missing. One event still
        // proves one entry.
        let may_miss_leaving = match queue.queue {
            Queue::Deferred | Queue::Timers => self.may_miss_anything() || self.has_unplaced_loss(),
            Queue::Agenda => self.may_miss_anything() || self.lost_in_all() > 0,
            _ => false,
        };
        let certain = if may_miss_leaving { queue.depth_max.min(1) } else { queue.depth_max };
        let lo = u64::from(certain);
        let began_midway = |place: &usize| self.gaps.get(*place).is_none_or(|gaps| gaps.begin_midway());
        let is_open = self.lost_in_all() > 0
            || self.may_miss_anything()
            // Slices and samples of counters show some depths only.
            || self.config.queue_waits_in_part
            || queue.has_uncounted()
            || queue.counted_from_unknown().iter().any(began_midway)
            || self.may_fill_unseen(queue.queue, unfinished);
        let hi = (!is_open).then(|| u64::from(queue.depth_most()));
        (hi != Some(lo)).then_some(Bounds { lo, hi })
    }

    /// Whether a running callback may fill the queue without a record, or keeps its loop from taking what others put there.
    fn may_fill_unseen(&self, queue: Queue, unfinished: &Unfinished) -> bool {
        let is_in_poll = |running: Option<(Running, Timestamp)>| {
            running.is_some_and(|(running, _)| matches!(running, Running::Poll { .. }))
        };
        let mut busy = unfinished.growing().filter(|tick| !is_in_poll(tick.running));
        match queue {
            Queue::Microtasks => busy.next().is_some(),
            Queue::Concurrent | Queue::Signals => {
                let is_known = unfinished.end == StreamEnd::Known;
                busy.any(|tick| !is_known || tick.busy_ns > self.config.late_timer_ns)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
