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
    /// The end that doubles add up to.
    pub(super) sum: f64,
    pub(super) kind: Kind,
    /// A hash, 0 where there is no name.
    pub(super) name: u64,
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: i64,
    /// `None` until its E comes.
    end: Option<i64>,
    sum: f64,
    name: u64,
    place: Place,
}

#[derive(Debug, Default)]
struct Thread {
    waiting: Vec<Step>,
    open: Vec<Open>,
    /// Up to here everything was replayed.
    replayed: Option<i64>,
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
                self.touch(step, tell);
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
                if self.open.len() >= OPEN_MAX {
                    return false;
                }
                let end = whole.then_some(step.end);
                self.open.push(Open {
                    start: step.ts,
                    end,
                    sum: step.sum,
                    name: step.name,
                    place: step.place,
                });
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
        self.open.remove(place);
        if begun.start == step.ts {
            tell(Check::DurZero, begun.place, String::new());
        }
        if step.name != 0 && step.name != begun.name {
            let line = begun.place.line;
            tell(Check::EndOther, step.place, format!("the B is in line {line}"));
        }
    }

    /// A slice begins: what ends at this very time must not end behind it where doubles are added.
    fn touch(&self, step: &Step, tell: &mut impl Tell) {
        let over = self.open.iter().rev().take_while(|open| open.end.is_some_and(|end| end <= step.ts));
        if let Some(open) = over.into_iter().find(|open| open.end == Some(step.ts) && open.sum > step.read) {
            let line = step.place.line;
            tell(Check::SumOverlaps, open.place, format!("by the last bit, the one in line {line}"));
        }
    }

    /// Takes whole slices off whose ends are over.
    fn close(&mut self, is_over: impl Fn(i64) -> bool) {
        while self.open.pop_if(|open| open.end.is_some_and(&is_over)).is_some() {}
    }
}
