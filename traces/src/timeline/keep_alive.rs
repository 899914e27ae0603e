//! What keeps a loop alive, by kind and by name.
//!
//! A snapshot lists it every few seconds; what the stream says since keeps the list true: timers, sources and
//! jobs by name, everything else by its kind's count. Where names and count no longer add up, the count is
//! right: what is left of it has no name until the next snapshot.

mod refs;

use std::collections::BTreeMap;

use loop_probes::event::{Event, RefKind};
use loop_probes::ids::{LabelId, Tag, TaskId, TimerId, Timestamp};

use super::config::TimelineConfig;
use crate::labels::Labels;
use refs::Refs;

/// What a reference is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName {
    /// What it is.
    pub what: RefKind,
    /// Its tag; untagged where it has none.
    pub tag: Tag,
    /// Its name, where that is no tag's.
    pub label: Option<LabelId>,
}

impl RefName {
    /// One that only its kind is known of.
    #[must_use]
    pub const fn unnamed(what: RefKind) -> Self {
        Self { what, tag: Tag(0), label: None }
    }

    /// The name: a label's text, a tag's, or `unnamed`; of a task, which is not followed by name, `queued`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self.label {
            Some(label) => labels.any(label).into_owned(),
            None if self.tag == Tag(0) && self.what == RefKind::Task => "queued".to_owned(),
            None if self.tag == Tag(0) => "unnamed".to_owned(),
            None => labels.tag(self.tag).into_owned(),
        }
    }
}

/// So many references of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The name.
    pub name: RefName,
    /// How many.
    pub count: u64,
}

/// What keeps the loops of a program alive, as far as they said.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepAlive {
    /// By the place of their emitter.
    loops: Vec<Refs>,
    names_max: usize,
}

impl KeepAlive {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self { loops: Vec::new(), names_max: config.names_kept }
    }

    /// References of every kind, as the last changes said; `None` before the first.
    #[must_use]
    pub fn alive(&self) -> Option<u64> {
        self.sum(|refs| refs.alive.map(u64::from))
    }

    /// References of one kind: exact from the first snapshot on, `None` before it.
    #[must_use]
    pub fn kind(&self, what: RefKind) -> Option<u64> {
        self.sum(|refs| refs.kind(what))
    }

    fn sum(&self, of: impl Fn(&Refs) -> Option<u64>) -> Option<u64> {
        self.loops.iter().filter_map(of).reduce(u64::saturating_add)
    }

    /// What is referenced, by kind and name; empty before the first snapshot.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let mut all: BTreeMap<RefName, u64> = BTreeMap::new();
        for refs in &self.loops {
            refs.each_held(|name, count| *all.entry(name).or_default() += count);
        }
        let mut held: Vec<Held> = all.into_iter().map(|(name, count)| Held { name, count }).collect();
        // What has no name says least.
        let key = |held: &Held| {
            let unnamed = held.name == RefName::unnamed(held.name.what);
            (held.name.what, unnamed, std::cmp::Reverse(held.count))
        };
        held.sort_by_key(key);
        held
    }

    /// When the oldest of the loops' last snapshots was taken: names are as fresh as that and what followed.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.loops.iter().filter_map(|refs| refs.as_of).min()
    }

    /// Parts for which the last snapshots had no room: names are missing.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.loops.iter().map(|refs| u64::from(refs.left_out)).sum()
    }

    /// Every armed timer of the emitter at `place` that is followed, with when it is due.
    pub(crate) fn each_armed(&self, place: usize, tell: impl FnMut(TimerId, Tag, Timestamp, Option<u64>)) {
        if let Some(refs) = self.loops.get(place) {
            refs.each_armed(tell);
        }
    }

    /// Takes in what `event`, of the emitter at `place`, says of references, if anything.
    #[inline]
    pub(crate) fn see(&mut self, at: Timestamp, place: usize, event: &Event) {
        if refs::concerns(event) {
            self.refs(place).see(at, event);
        }
    }

    /// A task was queued: so many wait now.
    #[inline]
    pub(crate) fn task_queued(&mut self, place: usize, depth: u32) {
        self.refs(place).queued(i64::from(depth));
    }

    /// A task ran.
    #[inline]
    pub(crate) fn task_ran(&mut self, place: usize, task: TaskId) {
        self.refs(place).ran(task);
    }

    #[inline]
    fn refs(&mut self, place: usize) -> &mut Refs {
        if place >= self.loops.len() {
            self.grow(place);
        }
        &mut self.loops[place]
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, place: usize) {
        let names_max = self.names_max;
        self.loops.resize_with(place + 1, || Refs::new(names_max));
    }
}

#[cfg(test)]
mod tests;
