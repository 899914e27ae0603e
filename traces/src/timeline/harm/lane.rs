//! The last ticks of one loop, cut into stretches, each somebody's, and how many waited for each.
//!
//! A wait marks the stretch after the one in which it began and the one in which it ended; how many wait for a
//! stretch is the sum of the marks up to it. The two ends, which a wait has only in part, are written down as
//! they are. A stretch is charged when it leaves: nobody who waited then is charged afterwards.

use std::collections::VecDeque;

use loop_probes::ids::{TaskId, Timestamp};

use super::{Cause, Charges, Wait, WorstHarm};
use crate::analysis::attribution::What;
use crate::analysis::attribution::sweep::Piece;

/// Runs that may be interrupted by one another and still be known as one.
const RUNS_OPEN: usize = 4;

/// Stretches that are looked at one by one before it is searched for.
const STEPS: usize = 8;

/// Where the last wait began and ended: the next one did so soon afterwards, as queues go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Near {
    first: usize,
    last: usize,
}

/// A stretch and who waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    piece: Piece,
    /// By how many more waits than the stretch before it this one was waited for from end to end.
    more: [i64; 3],
    /// What waits had of it that began or ended within it.
    partly_ns: [u64; 3],
    partly: [u64; 3],
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    stretches: VecDeque<Stretch>,
    limit: usize,
    /// Some have left for want of room: a wait that began before is not charged in full.
    overflowed: bool,
    tally: Tally,
}

/// How far the stretches that left have been counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Waits for the last one.
    waiting: [i64; 3],
    /// Runs that may go on.
    runs: [Option<(What, WorstHarm)>; RUNS_OPEN],
    /// The one whose place the next one takes.
    next: usize,
}

impl Lane {
    pub(super) fn new(limit: usize) -> Self {
        Self { stretches: VecDeque::new(), limit, overflowed: false, tally: Tally::default() }
    }

    /// Waits from `from` on are to be charged: from where on it needs stretches for that.
    pub(super) fn begin(&mut self, from: Timestamp, charges: &mut Charges) -> Timestamp {
        let ends = self.stretches.front().zip(self.stretches.back());
        let kept = ends.map(|(first, last)| (first.piece.start, last.piece.end));
        match kept {
            Some((first, end)) if from <= end && (from >= first || self.overflowed) => end,
            // Ticks in between were never cut, nor those before: all anew.
            _ => {
                self.count(charges);
                self.stretches.clear();
                (self.overflowed, self.tally) = (false, Tally::default());
                from
            }
        }
    }

    /// Adds the next stretch.
    pub(super) fn push(&mut self, piece: Piece, charges: &mut Charges) {
        if self.stretches.len() >= self.limit
            && let Some(first) = self.stretches.pop_front()
        {
            self.overflowed = true;
            self.tally.leave(&first, charges);
        }
        let stretch = Stretch { piece, more: [0; 3], partly_ns: [0; 3], partly: [0; 3] };
        self.stretches.push_back(stretch);
    }

    /// Charges a wait to the stretches that it lies over.
    pub(super) fn charge(&mut self, wait: &Wait, near: &mut Near, charges: &mut Charges) {
        let kind = wait.kind as usize;
        let ends = self.stretches.front().zip(self.stretches.back());
        let Some((begin, end)) = ends.map(|(first, last)| (first.piece.start, last.piece.end)) else {
            charges.nobody(Cause::NotKept, wait.kind, wait.to.ns_since(wait.from));
            return;
        };
        let (from, to) = (wait.from.clamp(begin, end), wait.to.clamp(begin, end));
        charges.nobody(Cause::NotKept, wait.kind, from.min(wait.to).ns_since(wait.from));
        // It says itself that it ended after the tick: nothing is known of that.
        charges.nobody(Cause::Unattributed, wait.kind, wait.to.ns_since(to.max(wait.from)));
        if from >= to {
            return;
        }
        let first = self.search(near.first, |stretch| stretch.piece.end <= from);
        let last = self.search(near.last, |stretch| stretch.piece.end < to);
        *near = Near { first, last };
        for place in [first, last] {
            let stretch = &mut self.stretches[place];
            let part_ns = to.min(stretch.piece.end).ns_since(from.max(stretch.piece.start));
            stretch.partly_ns[kind] = stretch.partly_ns[kind].saturating_add(part_ns);
            stretch.partly[kind] += 1;
            if first == last {
                return;
            }
        }
        self.stretches[first + 1].more[kind] += 1;
        self.stretches[last].more[kind] -= 1;
    }

    /// How many stretches at the front are `before` something: probably `near` or a few more.
    fn search(&self, near: usize, before: impl Fn(&Stretch) -> bool) -> usize {
        let is_before = |place: usize| self.stretches.get(place).is_some_and(&before);
        if near > 0 && is_before(near - 1) {
            for place in near..near + STEPS {
                if !is_before(place) {
                    return place;
                }
            }
        }
        self.stretches.partition_point(before)
    }

    /// Charges what is not charged yet, as if everything left now.
    pub(super) fn count(&self, charges: &mut Charges) {
        let mut tally = self.tally.clone();
        for stretch in &self.stretches {
            tally.leave(stretch, charges);
        }
    }
}

impl Tally {
    fn leave(&mut self, stretch: &Stretch, charges: &mut Charges) {
        let Piece { start, end, what } = stretch.piece;
        let (mut lateness_ns, mut victims) = ([0; 3], [0; 3]);
        for kind in 0..3 {
            self.waiting[kind] += stretch.more[kind];
            if self.waiting[kind] == 0 && stretch.partly[kind] == 0 {
                continue;
            }
            let whole = u64::try_from(self.waiting[kind]).unwrap_or(0);
            let whole_ns = whole.saturating_mul(end.ns_since(start));
            lateness_ns[kind] = whole_ns.saturating_add(stretch.partly_ns[kind]);
            victims[kind] = whole + stretch.partly[kind];
        }
        if victims == [0; 3] {
            return;
        }
        let cause = Cause::of(&what);
        let run = (!cause.is_ignorance()).then(|| self.run(stretch.piece, lateness_ns, victims));
        charges.add(cause, lateness_ns, victims, run);
    }

    /// The run that a stretch is part of, so far.
    fn run(&mut self, piece: Piece, lateness_ns: [u64; 3], victims: [u64; 3]) -> WorstHarm {
        let Piece { start, what, .. } = piece;
        let sum = |of: [u64; 3], before: u64| of.iter().fold(before, |sum, it| sum.saturating_add(*it));
        let fresh =
            |task| WorstHarm { task, at: start, lateness_ns: sum(lateness_ns, 0), victims: sum(victims, 0) };
        // Only tasks and callbacks are known as one run when something lay in between.
        let Some(task) = task_of(&what) else { return fresh(None) };
        if let Some((_, run)) = self.runs.iter_mut().flatten().find(|(its, _)| *its == what) {
            run.lateness_ns = sum(lateness_ns, run.lateness_ns);
            run.victims = sum(victims, run.victims);
            return *run;
        }
        let run = fresh(Some(task));
        self.runs[self.next] = Some((what, run));
        self.next = (self.next + 1) % RUNS_OPEN;
        run
    }
}

const fn task_of(what: &What) -> Option<TaskId> {
    match *what {
        What::Task { task, .. } | What::Io { task, .. } | What::Microtasks { after: Some((task, _)) } => {
            Some(task)
        }
        _ => None,
    }
}
