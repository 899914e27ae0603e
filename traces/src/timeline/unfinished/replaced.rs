//! Loops whose ring another loop uses now: a program that drops a loop and begins one of the same name writes to the same
//! ring. What was due and waited when the first one stopped has waited until then, whatever its successor does.

use super::{OverdueTimer, WaitingTask};
use crate::timeline::Timeline;
use crate::timeline::last_activity::StreamEnd;

/// What was due and waited for such loops when they stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(super) timers: Vec<OverdueTimer>,
    pub(super) waiting: Vec<WaitingTask>,
    /// There was more than is kept.
    pub(super) is_full: bool,
    /// As [`Unfinished::timers_lost`](super::Unfinished::timers_lost), and how many of those are intervals.
    pub(super) timers_lost: u64,
    pub(super) intervals_lost: u64,
    /// As [`Unfinished::waiting_lost`](super::Unfinished::waiting_lost).
    pub(super) waiting_lost: u64,
}

impl Timeline {
    /// Another loop begins to use the ring of the one at `place`, which has been closed: keeps what was due and waited when
    /// that stopped, and forgets the rest of it.
    #[cold]
    pub(in crate::timeline) fn loop_replaced(&mut self, place: usize) {
        let open = &self.open[place];
        let (source, stopped) = (open.source, open.stopped.unwrap_or(open.last));
        let mut overdue = Vec::new();
        self.overdue_at(place, stopped, StreamEnd::Known, &mut overdue);
        let waiting: Vec<WaitingTask> = self.waiting_at(place, stopped, StreamEnd::Known).collect();
        let [timers_lost, intervals_lost] = self.may_be_overdue(place, stopped, StreamEnd::Known);
        let beyond_limit = self.keep_alive.due_beyond_limit(place).is_some_and(|due| due < stopped);
        let waiting_lost = self.queues.may_wait(place);
        let room = self.config.names_kept;
        let replaced = &mut self.replaced;
        replaced.is_full |= beyond_limit
            || replaced.timers.len() + overdue.len() > room
            || replaced.waiting.len() + waiting.len() > room;
        overdue.truncate(room - replaced.timers.len());
        replaced.timers.append(&mut overdue);
        replaced.waiting.extend(waiting.into_iter().take(room - replaced.waiting.len()));
        replaced.timers_lost = replaced.timers_lost.saturating_add(timers_lost);
        replaced.intervals_lost = replaced.intervals_lost.saturating_add(intervals_lost);
        replaced.waiting_lost = replaced.waiting_lost.saturating_add(waiting_lost);
        self.keep_alive.forget(place);
        self.queues.forget(place);
        self.timers.forget(source);
    }
}
