//! Detects slices around a loop: the call that runs a loop from start to end contains the tasks, and is not one itself.
//!
//! Chromium draws `BrowserMain` and its message loop that way, and a file that ends before them leaves them without an
//! end: taken for a task, the slice would be a stall as long as the file. They are recognised by their contents, not by
//! their names:
//!
//! - a slice that directly contains at least two tasks of a known loop and covers half of its thread's time, or was
//!   never closed;
//! - a slice that was never closed, covers half of its thread's time, and contains slices throughout;
//! - a closed slice that is the only one of its thread at its level, containing the same slices repeatedly with gaps
//!   between them;
//! - a slice around one of these.

use std::collections::{HashMap, HashSet};

use super::nest::Slice;
use super::role::Role;

/// Maximum number of slices kept for a second look once everything is read.
const CANDIDATES_MAX: usize = 1 << 16;

/// How many tasks of a known loop make the slice around them its runner.
const TASKS_MIN: u32 = 2;

/// How many slices of any kind do so.
const CHILDREN_MIN: u32 = 8;

/// What lies directly within one open slice.
#[derive(Clone, Copy, Debug, Default)]
struct SliceContents {
    children: u32,
    /// Children that are tasks of a known loop.
    tasks: u32,
    /// Children with the same name as the one before them.
    repeats: u32,
    last_name: u32,
    /// When the last child ended.
    last_end: Option<i64>,
    gap_max: i64,
    gaps: i64,
    /// The child that may be around the loop, by where it begins in the file.
    runner: Option<u64>,
}

impl SliceContents {
    fn gap(&mut self, from: i64, to: i64) {
        let gap = to.saturating_sub(from).max(0);
        self.gap_max = self.gap_max.max(gap);
        self.gaps = self.gaps.saturating_add(gap);
    }
}

/// Contents of one thread's open slices, by depth; only for slices that contain any.
#[derive(Debug, Default)]
pub(super) struct OpenContents {
    open: Vec<SliceContents>,
    /// When the first slice of the thread began.
    first: Option<i64>,
    siblings: u32,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    thread: u32,
    start: i64,
    /// The end of the slice; `None` if the file does not have it.
    end: Option<i64>,
    /// The condition, judged by its contents alone.
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Around a loop, regardless of its extent.
    Certain,
    /// Around a loop if the slice that begins at this offset is.
    Outside(u64),
    /// Around a loop if it covers half of its thread's time.
    Half,
    /// Around a loop if its thread has nothing else at the same level.
    Alone,
}

/// Finds the slices around loops while the slices of all threads are passed over.
#[derive(Debug, Default)]
pub(super) struct Search {
    candidates: HashMap<u64, Candidate>,
    pub(super) forgotten: u64,
}

const fn is_task(role: Role) -> bool {
    matches!(role, Role::Task | Role::Awake | Role::Callback)
}

impl OpenContents {
    /// A slice begins at a depth, within `enclosing`.
    pub(super) fn begin(&mut self, slice: &Slice, depth: usize, role: Role, enclosing: Option<&Slice>) {
        self.first.get_or_insert(slice.start);
        if slice.dur == Some(0) {
            return;
        }
        let Some(parent) = depth.checked_sub(1) else {
            self.siblings = self.siblings.saturating_add(1);
            return;
        };
        if self.open.len() <= parent {
            self.open.resize(parent + 1, SliceContents::default());
        }
        let inside = &mut self.open[parent];
        let began = enclosing.map_or(slice.start, |enclosing| enclosing.start);
        inside.gap(inside.last_end.unwrap_or(began), slice.start);
        inside.children = inside.children.saturating_add(1);
        inside.tasks = inside.tasks.saturating_add(u32::from(is_task(role)));
        inside.repeats = inside.repeats.saturating_add(u32::from(inside.last_name == slice.name));
        inside.last_name = slice.name;
    }
}

impl Search {
    /// A slice ended, or the file did: then `end` is `None` and `last` is the last known time of its thread.
    pub(super) fn closed(
        &mut self,
        contents: &mut OpenContents,
        (thread, slice, depth): (u32, Slice, usize),
        role: Role,
        last: Option<i64>,
    ) {
        let end = slice.end().filter(|_| last.is_none());
        let until = last.or(end).unwrap_or(slice.start);
        if depth > 0
            && let Some(enclosing) = contents.open.get_mut(depth - 1)
        {
            enclosing.last_end = Some(enclosing.last_end.map_or(until, |last| last.max(until)));
        }
        let Some(mut inside) = contents.open.get(depth).copied() else { return };
        contents.open.truncate(depth);
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
        // Most slices cover almost none of their thread's time so far.
        let so_far = contents.first.map_or(0, |first| until.saturating_sub(first));
        if matches!(kind, Kind::Half | Kind::Alone) && extent < so_far / 2 {
            return;
        }
        if self.candidates.len() >= CANDIDATES_MAX {
            self.forgotten += 1;
            return;
        }
        self.candidates.insert(slice.extra, Candidate { thread, start: slice.start, end, kind });
        if depth > 0
            && let Some(enclosing) = contents.open.get_mut(depth - 1)
        {
            enclosing.runner = Some(slice.extra);
        }
    }

    /// The slices around a loop, by where they begin in the file. `last` returns the last known time of a thread.
    pub(super) fn finish(&self, contents: &[OpenContents], last: &impl Fn(u32) -> i64) -> HashSet<u64> {
        let found = self.candidates.keys().filter(|place| self.is_enclosing(**place, contents, last));
        found.copied().collect()
    }

    fn is_enclosing(&self, place: u64, contents: &[OpenContents], last: &impl Fn(u32) -> i64) -> bool {
        let mut place = place;
        loop {
            let Some(candidate) = self.candidates.get(&place) else { return false };
            let contents = &contents[candidate.thread as usize];
            let last = last(candidate.thread);
            let all = last.saturating_sub(contents.first.unwrap_or(last));
            let covered = candidate.end.unwrap_or(last).saturating_sub(candidate.start);
            return match candidate.kind {
                Kind::Certain => true,
                Kind::Half => covered >= all / 2,
                Kind::Alone => contents.siblings == 1,
                // The other slice lies within this one, so following the chain ends at the innermost.
                Kind::Outside(within) => {
                    place = within;
                    continue;
                }
            };
        }
    }
}
