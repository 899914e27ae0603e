//! The greatest depth of each queue: counts armed timers, and bounds the depth of queues that cannot be counted
//! exactly.

use loop_probes::event::{Event, Queue};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running;

use super::queues::{Reached, TimersKnown};
use super::{PriorityStats, QueueStats, StreamEnd, Timeline, Unfinished};
use crate::loss::Bounds;

impl Timeline {
    /// Updates the number of armed timers after an event that changes it.
    #[inline]
    pub(super) fn count_timers(&mut self, at: Timestamp, place: usize, event: &Event) {
        if let Event::TimerArmed { .. } | Event::TimerFired { .. } | Event::TimerCleared { .. } = event {
            let known = match self.shows_armed(place) {
                _ if self.keep_alive.of(place).due_beyond_limit().is_some() => TimersKnown::UpToLimit,
                true => TimersKnown::All,
                false => TimersKnown::SinceReading,
            };
            self.queues.timers_are(place, at, self.keep_alive.of(place).armed_count(), known);
        }
    }

    /// Updates the depth of the agenda after an event that may have changed it; `added` is the depth that an addition
    /// reports for its priority.
    pub(super) fn agenda_changed(&mut self, at: Timestamp, added: u32) {
        let depth = self.agenda_depth();
        self.queues.agenda_is(at, depth, added);
    }

    /// The range of the number of waiting tasklets; `None` if it is unknown. A tasklet seems to wait until its run is over,
    /// so each worker in an unnamed one may have taken one of them.
    fn agenda_depth(&self) -> Option<Reached> {
        let is_unseen =
            |stats: &PriorityStats| stats.is_after_loss() || self.tasklets_unseen(stats.priority) > 0;
        if self.agenda.priorities.iter().any(is_unseen) {
            return None;
        }
        let most = u32::try_from(self.agenda.waiting()).unwrap_or(u32::MAX);
        // Where the reading began later than the agenda, workers without a record so far may have taken any number.
        let taken = if self.is_read_from_the_start() { self.agenda.may_be_taken() } else { u32::MAX };
        Some(Reached { least: most.saturating_sub(taken), most })
    }

    /// Bounds on the median depth of a queue up to the last known moment, where the depth was unknown for some of the time.
    #[must_use]
    pub fn depth_p50_bounds(&self, queue: &QueueStats) -> Option<Bounds> {
        let now = self.last_at().unwrap_or_default();
        // Where the reading began later than the loop, the first event of the queue shows nothing of the time before.
        let from = self.first_at().unwrap_or_default();
        let before = queue.first_events().map(|(place, first)| match self.gaps.get(place) {
            Some(gaps) if gaps.begin_midway() => first.ns_since(gaps.known_from().max(from)),
            None if !self.is_read_from_the_start() => first.ns_since(from),
            _ => 0,
        });
        queue.depth_p50_bounds(now, before.fold(0, u64::saturating_add))
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
        let depth_max = queue.depth_max.get();
        let lo = if may_miss_leaving { depth_max.min(1) } else { depth_max };
        let began_midway = |place: &usize| self.gaps.get(*place).is_none_or(|gaps| gaps.begin_midway());
        // What left these queues before an addition showed the depth is recorded only when it has run.
        let may_have_left = match queue.queue {
            Queue::Agenda => !self.is_read_from_the_start(),
            Queue::Work => {
                let has_jobs = self.work.queued > 0 || self.work.ran > 0;
                has_jobs && queue.first_events().any(|(place, _)| began_midway(&place))
            }
            _ => false,
        };
        let is_open = self.lost_in_all() > 0
            || self.may_miss_anything()
            // Slices and samples of counters show some depths only.
            || self.config.queue_waits_in_part
            || queue.has_uncounted()
            || may_have_left
            || queue.counted_from_unknown().iter().any(began_midway)
            || self.may_fill_unseen(queue.queue, unfinished);
        // Where the reading began later than the loop, entries may have left before a record showed the depth.
        let before = queue
            .most_before()
            .iter()
            .filter(|(place, _)| began_midway(place))
            .map(|(_, most)| u64::from(*most));
        let most = match queue.queue {
            Queue::Tasks | Queue::Immediates | Queue::AfterLoop => before.fold(queue.depth_most(), u64::max),
            _ => queue.depth_most(),
        };
        let hi = (!is_open).then_some(most);
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
