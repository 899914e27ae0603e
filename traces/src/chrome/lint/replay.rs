//! Replays slice nesting as viewers see it once they have sorted a thread's events by time.
//!
//! Files are out of order more often than not (a slice is written when it ends), so up to [`WAITING_MAX`] steps wait,
//! and when there is no more room the earlier half is replayed. Events that come later than that are not checked.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::rules::{Check, Emit};
use crate::chrome::read::Position;
use crate::nesting::{Nesting, Slice};
use crate::units;

/// Maximum number of steps waiting, over all threads.
const WAITING_MAX: usize = 1 << 20;

/// Maximum number of distinct threads tracked.
const THREADS_MAX: usize = 1 << 14;

/// Maximum number of open slices, and of flows waiting for a slice, per thread.
const OPEN_MAX: usize = 1 << 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Begin,
    End,
    Whole,
    Flow,
    /// A flow that ends in the next slice to begin.
    FlowToNext,
}

/// An event on a thread; times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) ts: i64,
    /// The end, for whole slices.
    pub(super) end: i64,
    /// The time as a double of microseconds, as most viewers read it; NaN if it is not a number.
    pub(super) read: f64,
    /// The duration read the same way, for whole slices.
    pub(super) dur: f64,
    pub(super) kind: Kind,
    /// A hash of the name; 0 if it has no name.
    pub(super) name: u64,
    /// A hash of name and args, by which speedscope identifies a slice.
    pub(super) key: u64,
    pub(super) place: Position,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: i64,
    /// The end of the slice; `None` until its `E` is read.
    end: Option<i64>,
    /// The end as speedscope computes it.
    sum: f64,
    name: u64,
    key: u64,
    place: Position,
    /// The first whole slice that began at the same time within it, and when that one ended.
    began_with: Option<(Position, i64)>,
}

impl Slice for Open {
    type Time = i64;

    fn extent(&self) -> (i64, Option<i64>) {
        (self.start, self.end)
    }
}

#[derive(Debug, Default)]
struct Thread {
    waiting: Vec<Step>,
    open: Nesting<Open>,
    /// Everything up to this time has been replayed.
    replayed: Option<i64>,
    /// The time of the first slice, which speedscope subtracts from all others.
    first: Option<f64>,
    /// When the last `E` was seen, and its key.
    ended: Option<(i64, u64)>,
    to_next: Vec<Position>,
    in_file: InFile,
    ends_alone: u64,
}

/// Catapult's view: it opens and closes slices in file order.
#[derive(Debug, Default)]
struct InFile {
    open: Vec<i64>,
    ends_alone: u64,
    first_alone: Option<Position>,
}

/// All threads.
#[derive(Debug, Default)]
pub(super) struct Replay {
    threads: HashMap<u64, Thread>,
    waiting: usize,
    unchecked: u64,
}

impl Replay {
    pub(super) fn push(&mut self, thread: u64, step: Step, emit: &mut impl Emit) {
        if self.threads.len() >= THREADS_MAX && !self.threads.contains_key(&thread) {
            self.unchecked += 1;
            return;
        }
        let thread = self.threads.entry(thread).or_default();
        thread.in_file.see(&step, emit);
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
                self.unchecked += thread.replay(half, emit);
                self.waiting += thread.waiting.len();
            }
        }
    }

    /// Replays the rest; returns how many steps were not checked.
    pub(super) fn finish(&mut self, emit: &mut impl Emit) -> u64 {
        let mut unchecked = std::mem::take(&mut self.unchecked);
        for thread in self.threads.values_mut() {
            unchecked += thread.replay(thread.waiting.len(), emit);
            for open in thread.open.open().iter().filter(|open| open.end.is_none()) {
                emit(Check::BeginOpen, open.place, String::new());
            }
            for place in &thread.to_next {
                emit(Check::FlowNext, *place, String::new());
            }
            // If the times do not explain it, the file order does.
            if let Some(place) = thread.in_file.first_alone
                && thread.in_file.ends_alone > thread.ends_alone
            {
                emit(Check::Backwards, place, "an E before its B".to_owned());
            }
        }
        unchecked
    }
}

impl InFile {
    fn see(&mut self, step: &Step, emit: &mut impl Emit) {
        let backwards = self.open.last().is_some_and(|start| step.ts < *start);
        match step.kind {
            Kind::Begin | Kind::End if backwards => emit(Check::Backwards, step.place, String::new()),
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
    fn replay(&mut self, count: usize, emit: &mut impl Emit) -> u64 {
        let mut waiting = std::mem::take(&mut self.waiting);
        // At equal times: B and E in file order, then whole slices, longest first, then flows.
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
            unchecked += u64::from(!self.step(&step, emit));
        }
        self.waiting = waiting;
        unchecked
    }

    /// Returns whether there was room to check it.
    fn step(&mut self, step: &Step, emit: &mut impl Emit) -> bool {
        match step.kind {
            Kind::Begin | Kind::Whole => {
                let from = step.read - *self.first.get_or_insert(step.read);
                self.touch(step, from, emit);
                self.open.close_all(step.ts);
                self.to_next.clear();
                let whole = step.kind == Kind::Whole;
                let outer_open = self.open.innermost().filter(|_| whole);
                if let Some((outer, end)) = outer_open.and_then(|outer| Some((outer, outer.end?)))
                    && self.open.crosses(Some(step.end))
                {
                    let by = units::duration((end - step.ts).unsigned_abs());
                    emit(
                        Check::Overlap,
                        step.place,
                        format!("it begins {by} before the end of the one in line {}", outer.place.line),
                    );
                    return true;
                }
                let sum = from + step.dur;
                if let Some(outer) = outer_open
                    && outer.end == Some(step.end)
                    && sum > outer.sum
                {
                    let line = outer.place.line;
                    emit(Check::SumOverlaps, step.place, format!("by the last bit, the end of line {line}"));
                }
                if self.open.open().len() >= OPEN_MAX {
                    return false;
                }
                if let Some(outer) =
                    self.open.open_mut().last_mut().filter(|outer| whole && outer.end.is_none())
                    && outer.start == step.ts
                {
                    outer.began_with.get_or_insert((step.place, step.end));
                }
                let end = whole.then_some(step.end);
                let Step { ts: start, name, key, place, .. } = *step;
                self.open.begin(Open { start, end, sum, name, key, place, began_with: None });
            }
            Kind::End => self.end(step, emit),
            Kind::Flow | Kind::FlowToNext => {
                // A flow at the end of a slice still touches it.
                self.open.close_all(step.ts.saturating_sub(1));
                let to_next = step.kind == Kind::FlowToNext;
                let begins_here = self.open.innermost().is_some_and(|open| open.start == step.ts);
                if to_next && !begins_here && self.to_next.len() < OPEN_MAX {
                    self.to_next.push(step.place);
                } else if !to_next && self.open.innermost().is_none() {
                    emit(Check::FlowOutside, step.place, String::new());
                }
            }
        }
        true
    }

    fn end(&mut self, step: &Step, emit: &mut impl Emit) {
        self.first.get_or_insert(step.read);
        self.open.close_all(step.ts);
        let Some(place) = self.open.endless(|_| true) else {
            self.ends_alone += 1;
            emit(Check::EndAlone, step.place, String::new());
            return;
        };
        let begun = self.open.open()[place];
        if let Some(inner) = self.open.open()[place + 1..].last().map(|inner| inner.place.line) {
            emit(Check::Crossing, step.place, format!("the one in line {inner} goes on"));
        }
        // At equal times, all but the strictest viewers match by name.
        if step.name != 0
            && step.name != begun.name
            && begun.start == step.ts
            && let Some(meant) = self.open.endless(|open| open.name == step.name)
        {
            self.open.remove(meant);
            emit(Check::EndOrder, step.place, String::new());
            return;
        }
        if let Some((inner, _)) = begun.began_with.filter(|(_, end)| *end < step.ts) {
            emit(Check::BeginOrder, inner, format!("the B is in line {}", begun.place.line));
        }
        self.ended = Some((step.ts, step.key));
        self.open.remove(place);
        if begun.start == step.ts {
            emit(Check::DurZero, begun.place, String::new());
        }
        if step.name != 0 && step.name != begun.name {
            let line = begun.place.line;
            emit(Check::EndOther, step.place, format!("the B is in line {line}"));
        }
    }

    /// A slice begins, at `from` in sums of doubles. A slice that ends at this very time must not end later in those
    /// sums, nor at the same double if it has the same key.
    fn touch(&self, step: &Step, from: f64, emit: &mut impl Emit) {
        let over =
            self.open.open().iter().rev().take_while(|open| open.end.is_some_and(|end| end <= step.ts));
        let mut ended: Vec<u64> = Vec::new();
        for open in over.filter(|open| open.end == Some(step.ts)) {
            if open.sum > from {
                let line = step.place.line;
                emit(Check::SumOverlaps, open.place, format!("by the last bit, the one in line {line}"));
                return;
            }
            if open.sum.total_cmp(&from).is_eq() {
                ended.insert(0, open.key);
            }
        }
        if self.ended == Some((step.ts, step.key)) || is_taken_inside(step.key, &ended) {
            emit(Check::TouchAlike, step.place, String::new());
        }
    }
}

/// Whether speedscope places a slice inside slices that end at the same double, given by the keys of `ended`, outermost
/// first. It takes a beginning before an end of the same key, and compares it with the first of the remaining ends,
/// which are in the order in which their slices began; it then ends whatever is on top.
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
