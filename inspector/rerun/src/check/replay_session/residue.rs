//! Microtasks that a callback left for a later checkpoint.
//!
//! A callback that reloads the program ends without a checkpoint, and so does work between two ticks: the microtasks
//! that it queued wait for the next callback's checkpoint, and the recording does not say whose they are. Events in
//! between may show how many there were: a poll that does not wait, a reference count, a snapshot. So a number is
//! supposed. If the recording contradicts it before that checkpoint, the check starts over with another; a difference
//! that no number explains is a divergence.

use loop_probes::event::{Event, PollReason};

use super::super::window::{Frame, FrameKind};
use super::ReplaySession;

/// A supposed number of microtasks left by a callback.
#[derive(Clone, Copy, Debug)]
struct Assumption {
    first: u64,
    most: u64,
    /// Numbers tried before.
    tried: u64,
}

impl Assumption {
    /// The number: `first` in the first try, then every other from 0 on.
    const fn count(self) -> u64 {
        match self.tried {
            0 => self.first,
            tried if tried <= self.first => tried - 1,
            tried => tried,
        }
    }
}

/// The suppositions for all such callbacks, in the order in which they ran.
#[derive(Clone, Debug, Default)]
pub(in crate::check) struct Assumptions {
    all: Vec<Assumption>,
    /// Those that the loop has reached.
    begun: usize,
    /// Those whose checkpoint is done without a contradiction.
    settled: usize,
}

impl Assumptions {
    fn next(&mut self, first: u64, most: u64) -> u64 {
        if self.begun == self.all.len() {
            self.all.push(Assumption { first: first.min(most), most, tried: 0 });
        }
        self.begun += 1;
        self.all.get(self.begun - 1).map_or(0, |supposition| supposition.count())
    }

    /// The next set of suppositions after a contradiction; `None` if all were tried.
    pub(in crate::check) fn otherwise(mut self) -> Option<Self> {
        self.all.truncate(self.begun);
        while self.all.len() > self.settled {
            let last = self.all.last_mut()?;
            if last.tried < last.most {
                last.tried += 1;
                return Some(Self { all: self.all, begun: 0, settled: 0 });
            }
            self.all.pop();
        }
        None
    }
}

impl ReplaySession {
    /// Called after a checkpoint.
    pub(super) const fn settle(&mut self) {
        self.assumed.settled = self.assumed.begun;
    }

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
            passes = self.drains_late || next.is_some_and(Frame::has_no_checkpoint);
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
        if is_next && has_checkpoint && !self.drains_late {
            // It follows at once, and queues the others.
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
