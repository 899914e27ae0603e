//! Slices as they nest: what viewers see once they have sorted the events of a thread by time.
//!
//! Files are out of order more often than not (a slice is written when it ends), so steps wait, [`WAITING_MAX`] of
//! them at most, and the earlier half is replayed when there is no room. What comes later than that is not checked.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::rules::Check;
use super::{Place, Tell};
use crate::units;

/// Most steps of all threads together that wait.
const WAITING_MAX: usize = 1 << 20;

/// Most threads told apart.
const THREADS_MAX: usize = 1 << 14;

/// Most slices of a thread that are open at once, and flows that wait for a slice.
const OPEN_MAX: usize = 1 << 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Begin,
    End,
    Whole,
    Flow,
    /// A flow that ends in the slice that begins next.
    FlowToNext,
}

/// Something on a thread, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) ts: i64,
    /// Of a whole slice.
    pub(super) end: i64,
    /// The time as a double of microseconds, as most viewers read it; NaN where it is no number.
    pub(super) read: f64,
    /// Of a whole slice, the duration read in the same way.
    pub(super) dur: f64,
    pub(super) kind: Kind,
    /// A hash, 0 where there is no name.
    pub(super) name: u64,
    /// A hash of its name and args: what speedscope knows it by.
    pub(super) key: u64,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: i64,
    /// `None` until its E comes.
    end: Option<i64>,
    /// The end that speedscope adds up.
    sum: f64,
    name: u64,
    key: u64,
    place: Place,
}

#[derive(Debug, Default)]
struct Thread {
    waiting: Vec<Step>,
    open: Vec<Open>,
    /// Up to here everything was replayed.
    replayed: Option<i64>,
    /// The first slice's time, which speedscope takes off all others.
    first: Option<f64>,
    /// When an E was seen last, and of which key.
    ended: Option<(i64, u64)>,
    to_next: Vec<Place>,
    in_file: InFile,
    ends_alone: u64,
}

/// What Catapult does: it opens and closes in the order of the file.
#[derive(Debug, Default)]
struct InFile {
    open: Vec<i64>,
    ends_alone: u64,
    first_alone: Option<Place>,
}

/// All threads.
#[derive(Debug, Default)]
pub(super) struct Replay {
    threads: HashMap<u64, Thread>,
    waiting: usize,
    unchecked: u64,
}

impl Replay {
    pub(super) fn push(&mut self, thread: u64, step: Step, tell: &mut impl Tell) {
        if self.threads.len() >= THREADS_MAX && !self.threads.contains_key(&thread) {
            self.unchecked += 1;
            return;
        }
        let thread = self.threads.entry(thread).or_default();
        thread.in_file.see(&step, tell);
        if thread.replayed.is_some_and(|replayed| step.ts < replayed) {
            self.unchecked += 1;
            return;
        }
        thread.waiting.push(step);
        self.waiting += 1;
        if self.waiting >= WAITING_MAX {
            self.waiting = 0;
            for thread in self.threads.values_mut() {
                let half = thread.waiting.len().div_ceil(2);
                self.unchecked += thread.replay(half, tell);
                self.waiting += thread.waiting.len();
            }
        }
    }

    /// Replays the rest; how many steps were not checked.
    pub(super) fn finish(&mut self, tell: &mut impl Tell) -> u64 {
        let mut unchecked = std::mem::take(&mut self.unchecked);
        for thread in self.threads.values_mut() {
            unchecked += thread.replay(thread.waiting.len(), tell);
            for open in thread.open.iter().filter(|open| open.end.is_none()) {
                tell(Check::BeginOpen, open.place, String::new());
            }
            for place in &thread.to_next {
                tell(Check::FlowNext, *place, String::new());
            }
            // Where no time explains it, the order of the file does.
            if let Some(place) = thread.in_file.first_alone
                && thread.in_file.ends_alone > thread.ends_alone
            {
                tell(Check::Backwards, place, "an E before its B".to_owned());
            }
        }
        unchecked
    }
}

impl InFile {
    fn see(&mut self, step: &Step, tell: &mut impl Tell) {
        let backwards = self.open.last().is_some_and(|start| step.ts < *start);
        match step.kind {
            Kind::Begin | Kind::End if backwards => tell(Check::Backwards, step.place, String::new()),
            Kind::Begin if self.open.len() < OPEN_MAX => self.open.push(step.ts),
            Kind::End if self.open.pop().is_none() => {
                self.ends_alone += 1;
                self.first_alone.get_or_insert(step.place);
            }
            _ => {}
        }
    }
}

impl Thread {
    /// Replays the `count` earliest steps.
    fn replay(&mut self, count: usize, tell: &mut impl Tell) -> u64 {
        let mut waiting = std::mem::take(&mut self.waiting);
        // At one time: B and E as in the file, then whole slices, the longest first, then flows.
        waiting.sort_by_key(|step| {
            let rank = match step.kind {
                Kind::Begin | Kind::End => 0,
                Kind::Whole => 1,
                Kind::Flow | Kind::FlowToNext => 2,
            };
            (step.ts, rank, if rank == 1 { Reverse(step.end) } else { Reverse(0) })
        });
        let mut unchecked = 0;
        for step in waiting.drain(..count) {
            self.replayed = Some(step.ts);
            unchecked += u64::from(!self.step(&step, tell));
        }
        self.waiting = waiting;
        unchecked
    }

    /// Whether there was room to check it.
    fn step(&mut self, step: &Step, tell: &mut impl Tell) -> bool {
        match step.kind {
            Kind::Begin | Kind::Whole => {
                let from = step.read - *self.first.get_or_insert(step.read);
                self.touch(step, from, tell);
                self.close(|end| end <= step.ts);
                self.to_next.clear();
                let whole = step.kind == Kind::Whole;
                let around = self.open.last().filter(|_| whole);
                if let Some((outer, end)) = around.and_then(|outer| Some((outer, outer.end?)))
                    && step.end > end
                {
                    let by = units::duration((end - step.ts).unsigned_abs());
                    tell(
                        Check::Overlap,
                        step.place,
                        format!("it begins {by} before the end of the one in line {}", outer.place.line),
                    );
                    return true;
                }
                let sum = from + step.dur;
                if let Some(outer) = around
                    && outer.end == Some(step.end)
                    && sum > outer.sum
                {
                    let line = outer.place.line;
                    tell(Check::SumOverlaps, step.place, format!("by the last bit, the end of line {line}"));
                }
                if self.open.len() >= OPEN_MAX {
                    return false;
                }
                let end = whole.then_some(step.end);
                let Step { ts: start, name, key, place, .. } = *step;
                self.open.push(Open { start, end, sum, name, key, place });
            }
            Kind::End => self.end(step, tell),
            Kind::Flow | Kind::FlowToNext => {
                self.close(|end| end < step.ts);
                let to_next = step.kind == Kind::FlowToNext;
                let begins_here = self.open.last().is_some_and(|open| open.start == step.ts);
                if to_next && !begins_here && self.to_next.len() < OPEN_MAX {
                    self.to_next.push(step.place);
                } else if !to_next && self.open.is_empty() {
                    tell(Check::FlowOutside, step.place, String::new());
                }
            }
        }
        true
    }

    fn end(&mut self, step: &Step, tell: &mut impl Tell) {
        self.first.get_or_insert(step.read);
        self.close(|end| end <= step.ts);
        let Some(place) = self.open.iter().rposition(|open| open.end.is_none()) else {
            self.ends_alone += 1;
            tell(Check::EndAlone, step.place, String::new());
            return;
        };
        if place + 1 < self.open.len() {
            let inner = self.open[self.open.len() - 1].place.line;
            tell(Check::Crossing, step.place, format!("the one in line {inner} goes on"));
        }
        let begun = self.open[place];
        // At equal times all but the strictest sort it out by the names.
        let meant = |open: &Open| open.end.is_none() && open.name == step.name;
        if step.name != 0
            && step.name != begun.name
            && begun.start == step.ts
            && let Some(meant) = self.open.iter().rposition(meant)
        {
            self.open.remove(meant);
            tell(Check::EndOrder, step.place, String::new());
            return;
        }
        self.ended = Some((step.ts, step.key));
        self.open.remove(place);
        if begun.start == step.ts {
            tell(Check::DurZero, begun.place, String::new());
        }
        if step.name != 0 && step.name != begun.name {
            let line = begun.place.line;
            tell(Check::EndOther, step.place, format!("the B is in line {line}"));
        }
    }

    /// A slice begins, at `from` where doubles are added: what ends at this very time must not end behind it there, nor
    /// at the same double if it has the same key.
    fn touch(&self, step: &Step, from: f64, tell: &mut impl Tell) {
        let over = self.open.iter().rev().take_while(|open| open.end.is_some_and(|end| end <= step.ts));
        let mut ended: Vec<u64> = Vec::new();
        for open in over.filter(|open| open.end == Some(step.ts)) {
            if open.sum > from {
                let line = step.place.line;
                tell(Check::SumOverlaps, open.place, format!("by the last bit, the one in line {line}"));
                return;
            }
            if open.sum.total_cmp(&from).is_eq() {
                ended.insert(0, open.key);
            }
        }
        if self.ended == Some((step.ts, step.key)) || is_taken_inside(step.key, &ended) {
            tell(Check::TouchAlike, step.place, String::new());
        }
    }

    /// Takes whole slices off whose ends are over.
    fn close(&mut self, is_over: impl Fn(i64) -> bool) {
        while self.open.pop_if(|open| open.end.is_some_and(&is_over)).is_some() {}
    }
}

/// Whether speedscope has what begins inside of what ends at the same double, known by the keys of `ended`, the outer
/// ones first. It takes a beginning before an end of its key, and compares it with the first of the ends that are left,
/// which begin in the order of their slices; what it then ends is what is on top.
fn is_taken_inside(key: u64, ended: &[u64]) -> bool {
    let mut ends = ended.to_vec();
    for top in ended.iter().rev() {
        if ends[0] == key {
            return true;
        }
        if let Some(place) = ends.iter().skip(1).position(|end| end == top) {
            ends.swap(0, place + 1);
        }
        ends.remove(0);
    }
    false
}
