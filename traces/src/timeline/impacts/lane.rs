//! The last ticks of one loop, cut into stretches with one cause each, and how many waited for each stretch.
//!
//! A wait marks the stretch after its first one, and its last one; the prefix sum of the marks is the number of waits for
//! a stretch. The two end stretches, which a wait covers only partly, are counted separately. A stretch is charged when it
//! leaves: later waits cannot be charged to it.
//!
//! The number of waits that a cause delayed is counted differently: a wait may span many of its stretches and counts once.
//! So each cause has a track of its stretches, and a wait asks each track for the first stretch after its beginning.

use std::collections::VecDeque;

use loop_probes::ids::{TaskId, Timestamp};

use super::cause::Cause;
use super::charges::{Charges, WorstImpact, one};
use crate::attribution::sweep::Piece;
use crate::attribution::{Waiter, What};
use crate::timeline::open_tick::Wait;

/// Runs that can interrupt one another and still each be recognised as one run.
const RUNS_OPEN: usize = 4;

/// Stretches to step over before falling back to a binary search.
const STEPS: usize = 8;

/// Where the last wait began and ended. In a queue, the next one usually begins and ends shortly after.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LastWait {
    first: usize,
    last: usize,
}

/// A stretch, and the waits that overlap it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    piece: Piece,
    /// Waits that cover this stretch from end to end, less those that cover the one before it.
    more: [i64; 3],
    /// Time that waits which began or ended in the stretch spent in it, by kind, in nanoseconds.
    partly_ns: [u64; 3],
    partly: [u64; 3],
    /// Waits that began within it.
    began: [u64; 3],
}

/// The sequence numbers of one cause's stretches.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Track {
    cause: Cause,
    rank: u64,
    numbers: VecDeque<u64>,
    /// Where the last search ended.
    last_wait: usize,
    /// No number lies from the first of these up to, but not including, the second, which is the number at `last_wait`
    /// or, past the last one, the greatest possible.
    gap: (u64, u64),
    /// Waits that overlapped any of them.
    delayed: [u64; 3],
}

/// The stretches of one loop's last ticks. See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lane {
    stretches: VecDeque<Stretch>,
    /// The number of the first stretch.
    first: u64,
    /// Sorted by cause.
    tracks: Vec<Track>,
    tracks_max: usize,
    limit: usize,
    /// Whether stretches were dropped to make room, so waits that began before them are not charged in full.
    overflowed: bool,
    tally: ChargedSoFar,
}

/// Running totals over the stretches that have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ChargedSoFar {
    /// Waits that cover the last of these stretches, by kind.
    waiting: [i64; 3],
    /// Waits that began so far, by kind.
    began: [u64; 3],
    /// Runs that may continue.
    runs: [Option<ChargedRun>; RUNS_OPEN],
    /// The slot of `runs` to reuse next.
    next: usize,
}

/// A run so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ChargedRun {
    what: What,
    delay_caused: WorstImpact,
    /// Waits that had begun when its last stretch ended; any since are new to it.
    began: [u64; 3],
}

impl Lane {
    pub(super) fn new(limit: usize, causes_max: usize) -> Self {
        Self { tracks_max: causes_max, limit, ..Self::default() }
    }

    /// Prepares for waits from `from` on. Returns the time from which stretches are still needed to charge them.
    pub(super) fn begin(&mut self, from: Timestamp, charges: &mut Charges) -> Timestamp {
        let ends = self.stretches.front().zip(self.stretches.back());
        let kept = ends.map(|(first, last)| (first.piece.start, last.piece.end));
        match kept {
            Some((first, end)) if from <= end && (from >= first || self.overflowed) => end,
            // The ticks in between, or before, were never cut: start over.
            _ => {
                self.count(charges);
                self.stretches.clear();
                self.tracks.clear();
                (self.overflowed, self.tally) = (false, ChargedSoFar::default());
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
            self.first += 1;
            self.tally.leave(&first, charges);
            self.track(Cause::of(&first.piece.what)).pop();
        }
        let number = self.first + self.stretches.len() as u64;
        self.track(Cause::of(&piece.what)).push(number);
        let (more, none) = ([0; 3], [0; 3]);
        self.stretches.push_back(Stretch { piece, more, partly_ns: none, partly: none, began: none });
    }

    /// The track of a cause; beyond the limit, the shared one for all others.
    fn track(&mut self, cause: Cause) -> &mut Track {
        let place = |tracks: &[Track], cause: Cause| tracks.binary_search_by_key(&cause.rank(), |it| it.rank);
        let mut cause = cause;
        let mut found = place(&self.tracks, cause);
        if found.is_err() && self.tracks.len() >= self.tracks_max && !cause.is_ignorance() {
            cause = Cause::Others;
            found = place(&self.tracks, cause);
        }
        let place = found.unwrap_or_else(|place| {
            let track = Track {
                cause,
                rank: cause.rank(),
                numbers: VecDeque::new(),
                last_wait: 0,
                gap: (0, u64::MAX),
                delayed: [0; 3],
            };
            self.tracks.insert(place, track);
            place
        });
        &mut self.tracks[place]
    }

    /// Charges a wait to the stretches it spans.
    pub(super) fn charge(&mut self, wait: &Wait, last_wait: &mut LastWait, charges: &mut Charges) {
        let kind = wait.kind as usize;
        let ends = self.stretches.front().zip(self.stretches.back());
        let Some((begin, end)) = ends.map(|(first, last)| (first.piece.start, last.piece.end)) else {
            charges.whole(Cause::Evicted, wait);
            return;
        };
        let (from, to) = (wait.from.clamp(begin, end), wait.to.clamp(begin, end));
        // The recorded end of a wait may be after the tick: nothing is known of the rest.
        let before_ns = from.min(wait.to).ns_since(wait.from);
        let after_ns = wait.to.ns_since(to.max(wait.from));
        let mut others =
            [(Cause::Evicted, before_ns), (Cause::Unattributed, after_ns), (Cause::LateWakeup, 0)];
        let mut over = None;
        if from < to {
            let first = self.search(last_wait.first, |stretch| stretch.piece.end <= from);
            let last = self.search(last_wait.last, |stretch| stretch.piece.end < to);
            *last_wait = LastWait { first, last };
            let stretch = &mut self.stretches[first];
            stretch.began[kind] += 1;
            let part_ns = to.min(stretch.piece.end).ns_since(from.max(stretch.piece.start));
            if stretch.piece.of(wait.kind, wait.from) == stretch.piece.what {
                stretch.partly_ns[kind] = stretch.partly_ns[kind].saturating_add(part_ns);
                stretch.partly[kind] += 1;
                over = Some((first, last));
            } else {
                others[2].1 = part_ns;
                over = (first < last).then_some((first + 1, last));
            }
            if first < last {
                let stretch = &mut self.stretches[last];
                let part_ns = to.ns_since(stretch.piece.start);
                stretch.partly_ns[kind] = stretch.partly_ns[kind].saturating_add(part_ns);
                stretch.partly[kind] += 1;
                self.stretches[first + 1].more[kind] += 1;
                self.stretches[last].more[kind] -= 1;
            }
        }
        let others = others.into_iter().filter(|(_, ns)| *ns > 0);
        others.clone().for_each(|(cause, ns)| charges.part(cause, wait.kind, ns));
        self.delay(over, others.map(|(cause, _)| cause), wait.kind, charges);
    }

    /// Counts a wait that spanned these stretches, first to last, and in which the other causes took part.
    fn delay(
        &mut self,
        over: Option<(usize, usize)>,
        others: impl Iterator<Item = Cause> + Clone,
        kind: Waiter,
        charges: &mut Charges,
    ) {
        let mut counted = [None; 3];
        if let Some((first, last)) = over {
            let (first, last) = (self.first + first as u64, self.first + last as u64);
            for track in &mut self.tracks {
                if track.has_any(first, last) {
                    track.delayed[kind as usize] += 1;
                    for (place, cause) in others.clone().enumerate() {
                        if cause == track.cause {
                            counted[place] = Some(cause);
                        }
                    }
                }
            }
        }
        for cause in others.filter(|cause| !counted.contains(&Some(*cause))) {
            charges.delayed(cause, one(kind));
        }
    }

    /// The number of stretches at the front that satisfy `before`. Searches from `last_wait`, which is rarely far off.
    fn search(&self, last_wait: usize, before: impl Fn(&Stretch) -> bool) -> usize {
        let is_before = |place: usize| self.stretches.get(place).is_some_and(&before);
        if last_wait > 0 && is_before(last_wait - 1) {
            for place in last_wait..last_wait + STEPS {
                if !is_before(place) {
                    return place;
                }
            }
        }
        self.stretches.partition_point(before)
    }

    /// Charges the delay that is still uncharged, as if all stretches left now.
    pub(super) fn count(&self, charges: &mut Charges) {
        let mut tally = self.tally.clone();
        for stretch in &self.stretches {
            tally.leave(stretch, charges);
        }
        for track in self.tracks.iter().filter(|track| track.delayed != [0; 3]) {
            charges.delayed(track.cause, track.delayed);
        }
    }
}

impl Track {
    fn push(&mut self, number: u64) {
        self.numbers.push_back(number);
        self.gap.1 = self.gap.1.min(number);
    }

    /// Removes the first stretch.
    fn pop(&mut self) {
        self.numbers.pop_front();
        self.last_wait = self.last_wait.saturating_sub(1);
        self.gap.1 = self.numbers.get(self.last_wait).copied().unwrap_or(u64::MAX);
    }

    /// Whether one of its stretches has a number from `first` to `last`.
    fn has_any(&mut self, first: u64, last: u64) -> bool {
        // Most waits begin in the same stretch as the last one, or in the next.
        if first < self.gap.0 || first > self.gap.1 {
            self.search(first);
        }
        self.gap.1 <= last
    }

    /// Finds the first stretch with a number from `first` on.
    fn search(&mut self, first: u64) {
        let is_before =
            |numbers: &VecDeque<u64>, place: usize| numbers.get(place).is_some_and(|it| *it < first);
        let begin = self.last_wait;
        if begin == 0 || is_before(&self.numbers, begin - 1) {
            // Probably the same place as for the last wait, or a few further on.
            let end = begin + STEPS;
            while self.last_wait < end && is_before(&self.numbers, self.last_wait) {
                self.last_wait += 1;
            }
            if self.last_wait == end {
                self.last_wait = self.numbers.partition_point(|it| *it < first);
            }
        } else {
            self.last_wait = self.numbers.partition_point(|it| *it < first);
        }
        let before = self.last_wait.checked_sub(1).and_then(|place| self.numbers.get(place));
        let next = self.numbers.get(self.last_wait);
        self.gap = (before.map_or(0, |number| number + 1), next.copied().unwrap_or(u64::MAX));
    }
}

impl ChargedSoFar {
    fn leave(&mut self, stretch: &Stretch, charges: &mut Charges) {
        let Piece { start, end, what, .. } = stretch.piece;
        let (mut lateness_ns, mut delayed) = ([0; 3], [0; 3]);
        for kind in 0..3 {
            self.began[kind] += stretch.began[kind];
            self.waiting[kind] += stretch.more[kind];
            if self.waiting[kind] == 0 && stretch.partly[kind] == 0 {
                continue;
            }
            let whole = u64::try_from(self.waiting[kind]).unwrap_or(0);
            let whole_ns = whole.saturating_mul(end.ns_since(start));
            lateness_ns[kind] = whole_ns.saturating_add(stretch.partly_ns[kind]);
            delayed[kind] = whole + stretch.partly[kind];
        }
        if delayed == [0; 3] {
            return;
        }
        let cause = Cause::of(&what);
        let run = (!cause.is_ignorance()).then(|| self.run(stretch.piece, lateness_ns, delayed));
        charges.add(cause, lateness_ns, run);
    }

    /// The run that a stretch belongs to, so far.
    fn run(&mut self, piece: Piece, lateness_ns: [u64; 3], delayed: [u64; 3]) -> WorstImpact {
        let Piece { start, what, .. } = piece;
        let sum = |of: [u64; 3], before: u64| of.iter().fold(before, |sum, it| sum.saturating_add(*it));
        let fresh = |task| WorstImpact {
            task,
            at: start,
            lateness_ns: sum(lateness_ns, 0),
            delayed: sum(delayed, 0),
        };
        // Only tasks and callbacks can be recognised as one run after an interruption.
        let Some(task) = task_of(&what) else { return fresh(None) };
        let began = self.began;
        if let Some(run) = self.runs.iter_mut().flatten().find(|run| run.what == what) {
            let mut new = delayed;
            for kind in 0..3 {
                new[kind] = new[kind].min(began[kind] - run.began[kind]);
            }
            run.began = began;
            run.delay_caused.lateness_ns = sum(lateness_ns, run.delay_caused.lateness_ns);
            run.delay_caused.delayed = sum(new, run.delay_caused.delayed);
            return run.delay_caused;
        }
        let run = fresh(Some(task));
        self.runs[self.next] = Some(ChargedRun { what, delay_caused: run, began });
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
