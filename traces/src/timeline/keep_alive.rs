//! Active handles: what keeps a loop alive, by kind and by name.
//!
//! A snapshot lists them every few seconds, and later events keep the list current: timers, sources and jobs by name,
//! everything else by the count of its kind. If names and count disagree, the count is right; the difference has no name
//! until the next snapshot.

mod refs;

use std::collections::BTreeMap;

use loop_probes::event::{Event, Queue, RefKind};
use loop_probes::ids::{TaskId, Timestamp};

use super::config::TimelineConfig;
pub use refs::RefName;
use refs::Refs;

/// The number of references with one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Kind and name of the references.
    pub name: RefName,
    /// The number of handles.
    pub count: u64,
}

/// The handles that keep a program's loops alive, as the loops reported them.
#[derive(Clone, Debug, PartialEq)]
pub struct KeepAlive {
    /// Indexed by the place of the emitter.
    loops: Vec<Refs>,
    names_max: usize,
}

impl KeepAlive {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self { loops: Vec::new(), names_max: config.names_kept }
    }

    /// References of one kind: exact once a snapshot of each loop was read, `None` before.
    #[must_use]
    pub fn kind(&self, what: RefKind) -> Option<u64> {
        let kinds = self.loops.iter().filter_map(|refs| refs.kind(what));
        kinds.reduce(u64::saturating_add).filter(|_| !self.has_unlisted_loop())
    }

    /// Whether a loop reported references, and no snapshot since then, or since a loss, lists all of them.
    fn has_unlisted_loop(&self) -> bool {
        self.loops.iter().any(|refs| refs.is_reported && refs.as_of.is_none())
    }

    /// The references by kind and name; empty until a snapshot of each loop was read.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let mut all: BTreeMap<RefName, u64> = BTreeMap::new();
        if self.has_unlisted_loop() {
            return Vec::new();
        }
        for refs in &self.loops {
            refs.each_held(|name, count| *all.entry(name).or_default() += count);
        }
        let mut held: Vec<Held> = all.into_iter().map(|(name, count)| Held { name, count }).collect();
        // Unnamed references come last, because they say least.
        let key = |held: &Held| {
            let unnamed = held.name == RefName::unnamed(held.name.what);
            (held.name.what, unnamed, std::cmp::Reverse(held.count))
        };
        held.sort_by_key(key);
        held
    }

    /// When the oldest of the loops' last snapshots was taken; `None` until a snapshot of each loop was read. Names are as
    /// fresh as that and the events since.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        self.loops.iter().filter_map(|refs| refs.as_of).min().filter(|_| !self.has_unlisted_loop())
    }

    /// Parts that did not fit into the last snapshots, and whose names are missing.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.loops.iter().map(|refs| u64::from(refs.left_out)).sum()
    }

    /// Adds the next emitter.
    pub(super) fn add_emitter(&mut self) {
        self.loops.push(Refs::new(self.names_max));
    }

    /// The references of the emitter at `place`.
    pub(super) fn of(&self, place: usize) -> &Refs {
        &self.loops[place]
    }

    /// Forgets the loop of the emitter at `place`, because another one uses its ring.
    pub(super) fn forget(&mut self, place: usize) {
        self.loops[place] = Refs::new(self.names_max);
    }

    /// Updates references from `event` of the emitter at `place`, if it concerns them.
    #[inline]
    pub(crate) fn see(&mut self, at: Timestamp, place: usize, event: &Event) {
        if refs::concerns(event) {
            self.loops[place].see(at, event);
        }
    }

    /// A task joined `queue`, which is `depth` deep now.
    #[inline]
    pub(crate) fn task_queued(&mut self, place: usize, queue: Queue, depth: u32) {
        self.loops[place].queued(queue, depth);
    }

    /// A task left `queue`, because it ran or was cancelled. Without a queue it is a timer's, or from the task queue.
    #[inline]
    pub(crate) fn task_left(&mut self, place: usize, task: TaskId, queue: Option<Queue>) {
        self.loops[place].left(task, queue);
    }
}

#[cfg(test)]
mod tests;
