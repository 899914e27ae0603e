//! Slices around a loop: what runs it from its start to its end has the tasks nested in it, and is none itself.
//!
//! Chromium draws `BrowserMain` and its message loop so, and a file that ends before them leaves them without an end:
//! taken for a task, such a slice is a stall as long as the file. Names do not tell them apart, their insides do:
//!
//! - a slice with at least two tasks of a known loop directly in it that covers half of its thread's time, or was
//!   never closed;
//! - a slice that was never closed, covers half of its thread's time, and has slices in it all along;
//! - a closed slice beside which its thread has no other, with the same slices in it again and again, and gaps between
//!   them;
//! - a slice around one of these.

use std::collections::{HashMap, HashSet};

use super::nest::Slice;
use super::role::Role;

/// Most slices that are looked at again once all is read.
const CANDIDATES_MAX: usize = 1 << 16;

/// Tasks of a known loop that make a slice the runner of that loop.
const TASKS_MIN: u32 = 2;

/// Slices of any kind that do.
const CHILDREN_MIN: u32 = 8;

/// What lies directly in one slice that is open.
#[derive(Clone, Copy, Debug, Default)]
struct Inside {
    children: u32,
    /// Those that are tasks of a known loop.
    tasks: u32,
    /// Those that are called as the one before them.
    repeats: u32,
    last_name: u32,
    /// When the last of them ended.
    last_end: Option<i64>,
    gap_max: i64,
    gaps: i64,
    /// The one of them that may be around the loop, by where it begins in the file.
    runner: Option<u64>,
}

impl Inside {
    fn gap(&mut self, from: i64, to: i64) {
        let gap = to.saturating_sub(from).max(0);
        self.gap_max = self.gap_max.max(gap);
        self.gaps = self.gaps.saturating_add(gap);
    }
}

/// What lies in the open slices of one thread, by their depth; only of those that anything lies in.
#[derive(Debug, Default)]
pub(super) struct Insides {
    open: Vec<Inside>,
    /// When the first slice of the thread began.
    first: Option<i64>,
    siblings: u32,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    thread: u32,
    start: i64,
    /// `None` where the file does not tell it.
    end: Option<i64>,
    /// By what is in it alone.
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Whatever it covers.
    Certain,
    /// Where the slice that begins there is around the loop.
    Outside(u64),
    /// Where it covers half of its thread.
    Half,
    /// Where its thread has nothing beside it.
    Alone,
}

/// Finds the slices around loops, while the slices of all threads are gone through.
#[derive(Debug, Default)]
pub(super) struct Search {
    candidates: HashMap<u64, Candidate>,
    pub(super) forgotten: u64,
}

const fn is_task(role: Role) -> bool {
    matches!(role, Role::Task | Role::Awake | Role::Callback)
}

impl Insides {
    /// A slice begins at a depth, within `around`.
    pub(super) fn begin(&mut self, slice: &Slice, depth: usize, role: Role, around: Option<&Slice>) {
        self.first.get_or_insert(slice.start);
        if slice.dur == Some(0) {
            return;
        }
        let Some(parent) = depth.checked_sub(1) else {
            self.siblings = self.siblings.saturating_add(1);
            return;
        };
        if self.open.len() <= parent {
            self.open.resize(parent + 1, Inside::default());
        }
        let inside = &mut self.open[parent];
        let began = around.map_or(slice.start, |around| around.start);
        inside.gap(inside.last_end.unwrap_or(began), slice.start);
        inside.children = inside.children.saturating_add(1);
        inside.tasks = inside.tasks.saturating_add(u32::from(is_task(role)));
        inside.repeats = inside.repeats.saturating_add(u32::from(inside.last_name == slice.name));
        inside.last_name = slice.name;
    }
}

impl Search {
    /// A slice is over, or the file is: then `end` is `None`, and `last` the last that is known of its thread.
    pub(super) fn closed(
        &mut self,
        insides: &mut Insides,
        (thread, slice, depth): (u32, Slice, usize),
        role: Role,
        last: Option<i64>,
    ) {
        let end = slice.end().filter(|_| last.is_none());
        let until = last.or(end).unwrap_or(slice.start);
        if depth > 0
            && let Some(around) = insides.open.get_mut(depth - 1)
        {
            around.last_end = Some(around.last_end.map_or(until, |last| last.max(until)));
        }
        let Some(mut inside) = insides.open.get(depth).copied() else { return };
        insides.open.truncate(depth);
        if end.is_some() {
            inside.gap(inside.last_end.unwrap_or(slice.start), until);
        }
        let extent = until.saturating_sub(slice.start);
        let unfinished = end.is_none();
        let all_along = inside.children >= CHILDREN_MIN && inside.gap_max <= extent / 2;
        let kind = if inside.tasks >= TASKS_MIN && (unfinished || !is_task(role)) {
            if unfinished { Kind::Certain } else { Kind::Half }
        } else if is_task(role) {
            return;
        } else if let Some(runner) = inside.runner {
            Kind::Outside(runner)
        } else if unfinished && all_along {
            Kind::Half
        } else if all_along
            && depth == 0
            && inside.repeats >= inside.children / 2
            && inside.gaps >= extent / 10
        {
            Kind::Alone
        } else {
            return;
        };
        // Most slices cover next to nothing of what their thread has had by then.
        let so_far = insides.first.map_or(0, |first| until.saturating_sub(first));
        if matches!(kind, Kind::Half | Kind::Alone) && extent < so_far / 2 {
            return;
        }
        if self.candidates.len() >= CANDIDATES_MAX {
            self.forgotten += 1;
            return;
        }
        self.candidates.insert(slice.extra, Candidate { thread, start: slice.start, end, kind });
        if depth > 0
            && let Some(around) = insides.open.get_mut(depth - 1)
        {
            around.runner = Some(slice.extra);
        }
    }

    /// Those that are around a loop, by where they begin in the file. `last` is the last that is known of a thread.
    pub(super) fn finish(&self, insides: &[Insides], last: &impl Fn(u32) -> i64) -> HashSet<u64> {
        let found = self.candidates.keys().filter(|place| self.is_around(**place, insides, last));
        found.copied().collect()
    }

    fn is_around(&self, place: u64, insides: &[Insides], last: &impl Fn(u32) -> i64) -> bool {
        let mut place = place;
        loop {
            let Some(candidate) = self.candidates.get(&place) else { return false };
            let insides = &insides[candidate.thread as usize];
            let last = last(candidate.thread);
            let all = last.saturating_sub(insides.first.unwrap_or(last));
            let covered = candidate.end.unwrap_or(last).saturating_sub(candidate.start);
            return match candidate.kind {
                Kind::Certain => true,
                Kind::Half => covered >= all / 2,
                Kind::Alone => insides.siblings == 1,
                // It lies within, so this ends at the innermost.
                Kind::Outside(within) => {
                    place = within;
                    continue;
                }
            };
        }
    }
}
