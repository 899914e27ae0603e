//! Microtasks that a callback left for a later checkpoint.
//!
//! A callback that reloads the program ends without a checkpoint, and so does work between two ticks: the microtasks
//! that it queued wait for the next callback's checkpoint, and the recording does not say whose they are. Events in
//! between may show how many there were: a poll that does not wait, a reference count, a snapshot. So the check
//! [assumes](crate::check::assumptions) a number.

use loop_probes::event::{Event, PollReason};

use super::super::window::{Frame, FrameKind};
use super::ReplaySession;

impl ReplaySession {
    /// Maximum number of microtasks that may wait now: those that the running checkpoint has not begun, or those of the
    /// checkpoint that what the running frame queues waits for.
    pub(in crate::check) fn microtasks_ahead(&self) -> u64 {
        let mut frames = self.recorded.frames.iter();
        let running = frames.next();
        if let Some(Frame { kind: FrameKind::Microtasks { ran, left }, begun, .. }) = running {
            return (u64::from(*ran) + u64::from(*left)).saturating_sub(u64::from(*begun));
        }
        let mut passes = running.is_some_and(Frame::has_no_checkpoint);
        let mut next = frames.next();
        while passes && let Some(Frame { kind: FrameKind::Callback(_) | FrameKind::Outside(_), .. }) = next {
            // If drains are late, no callback has its own checkpoint.
            passes = self.start.drains_late || next.is_some_and(Frame::has_no_checkpoint);
            next = frames.next();
        }
        match next.map(|frame| frame.kind) {
            Some(FrameKind::Microtasks { ran, left }) => u64::from(ran) + u64::from(left),
            _ => 0,
        }
    }

    /// The number of microtasks when the running frame ends, `queued` of which are in the queue.
    pub(in crate::check) fn microtasks_left(&mut self, queued: u64) -> u64 {
        let most = self.microtasks_ahead();
        if self.is_all_shown() || most <= queued || self.is_over() {
            return queued;
        }
        let is_next =
            matches!(self.recorded.frames.get(1), Some(Frame { kind: FrameKind::Microtasks { .. }, .. }));
        let has_checkpoint = !self.recorded.frames.front().is_some_and(Frame::has_no_checkpoint);
        if is_next && has_checkpoint && !self.start.drains_late {
            // The next microtask follows at once, and queues the others.
            return queued.max(1);
        }
        let first = if is_next { most - queued } else { u64::from(self.polls_at_once()) };
        queued + self.assumed.next(first, most - queued)
    }

    /// Whether a non-blocking poll comes before the next frame.
    fn polls_at_once(&self) -> bool {
        let next = self.recorded.frames.get(1).map_or(0, |frame| frame.end);
        let mut between = (self.recorded.place..next).zip(self.recorded.ahead());
        between.any(|(_, entry)| matches!(entry.event, Event::Poll { reason: PollReason::NonBlock, .. }))
    }
}
