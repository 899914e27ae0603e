//! What a callback left behind for the checkpoint of another.
//!
//! A callback that reloads the program ends without a checkpoint, and so does what is done between two ticks: the
//! microtasks that it queued wait for the checkpoint of whoever runs next, and nobody records whose they are. What comes
//! in between may show how many there were: a poll that does not wait, a count of references, a snapshot. So a number
//! is supposed. Where the record contradicts it before that checkpoint, the check begins again with another; a
//! difference that no number explains is one.

use loop_probes::event::{Event, PollReason};

use super::super::window::{Frame, Kind};
use super::Stage;

/// How many microtasks a callback left.
#[derive(Clone, Copy, Debug)]
struct Supposition {
    first: u64,
    most: u64,
    /// How many others were supposed before.
    tried: u64,
}

impl Supposition {
    /// The first, then from none on.
    const fn count(self) -> u64 {
        match self.tried {
            0 => self.first,
            tried if tried <= self.first => tried - 1,
            tried => tried,
        }
    }
}

/// What is supposed of such callbacks, in the order in which they ran.
#[derive(Clone, Debug, Default)]
pub(in crate::rerun::check) struct Supposed {
    all: Vec<Supposition>,
    /// Those that the loop came to.
    begun: usize,
    /// Those whose checkpoint was made: nothing contradicted them.
    settled: usize,
}

impl Supposed {
    fn next(&mut self, first: u64, most: u64) -> u64 {
        if self.begun == self.all.len() {
            self.all.push(Supposition { first: first.min(most), most, tried: 0 });
        }
        self.begun += 1;
        self.all.get(self.begun - 1).map_or(0, |supposition| supposition.count())
    }

    /// What to suppose where this was contradicted; `None` where there is nothing else.
    pub(in crate::rerun::check) fn otherwise(mut self) -> Option<Self> {
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

impl Stage {
    /// A checkpoint was made of all microtasks that waited, but for those that its budget left.
    pub(super) fn settle(&mut self, left: u32) {
        self.supposed.settled = self.supposed.begun;
        self.waiting = Some(left.into());
    }

    /// Microtasks that those of the running checkpoint queue themselves, as its first begins and `queued` others wait:
    /// what is more than the checkpoint before left, where no callback ran in between that queued them.
    pub(in crate::rerun::check) fn microtasks_begotten(&mut self, queued: u64) -> u64 {
        let waiting = self.waiting.take().filter(|waiting| *waiting == queued + 1);
        match (waiting, self.frame().map(|frame| frame.kind)) {
            (Some(waiting), Some(Kind::Microtasks(total))) => total.saturating_sub(waiting),
            _ => 0,
        }
    }

    /// Most microtasks that the running frame may leave behind: those of the checkpoint that they wait for.
    pub(in crate::rerun::check) fn microtasks_ahead(&self) -> u64 {
        let mut frames = self.recorded.frames.iter();
        let mut passes = frames.next().is_some_and(Frame::has_no_checkpoint);
        let mut next = frames.next();
        while passes && let Some(Frame { kind: Kind::Callback(_) | Kind::Outside(_), .. }) = next {
            // Where drains are late, no callback has a checkpoint of its own.
            passes = self.drains_late || next.is_some_and(Frame::has_no_checkpoint);
            next = frames.next();
        }
        match next.map(|frame| frame.kind) {
            Some(Kind::Microtasks(total)) => total,
            _ => 0,
        }
    }

    /// Microtasks that there are when the running frame ends, of which `queued` are queued.
    pub(in crate::rerun::check) fn microtasks_left(&mut self, queued: u64) -> u64 {
        self.waiting = None;
        let most = self.microtasks_ahead();
        let is_next = matches!(self.recorded.frames.get(1), Some(Frame { kind: Kind::Microtasks(_), .. }));
        if is_next || most <= queued || self.is_over() {
            return most;
        }
        queued + self.supposed.next(u64::from(self.polls_at_once()), most - queued)
    }

    /// Whether a poll that does not wait comes before the next frame.
    fn polls_at_once(&self) -> bool {
        let next = self.recorded.frames.get(1).map_or(0, |frame| frame.end);
        let mut between = (self.recorded.place..next).zip(self.recorded.ahead());
        between.any(|(_, entry)| matches!(entry.event, Event::Poll { reason: PollReason::NonBlock, .. }))
    }
}
