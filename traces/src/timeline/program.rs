//! What the program says itself (spans, marks), what went wrong in it, and what keeps its loop alive.

use std::collections::HashMap;

use loop_probes::event::{RefKind, StopReason};
use loop_probes::ids::{LabelId, Tag, TaskId, Timestamp};

use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// One label's spans and marks.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LabelStats {
    /// Extents of its spans.
    pub run_ns: Option<Box<Histogram>>,
    /// Its marks.
    pub marks: u64,
}

/// Spans and marks by label.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Spans {
    /// By label.
    pub by_label: HashMap<LabelId, LabelStats>,
    /// Spans and marks of labels beyond the limit.
    pub beyond_limit: u64,
}

impl Spans {
    pub(crate) fn entry(&mut self, label: LabelId, limit: usize) -> Option<&mut LabelStats> {
        if self.by_label.len() >= limit && !self.by_label.contains_key(&label) {
            self.beyond_limit += 1;
            return None;
        }
        Some(self.by_label.entry(label).or_default())
    }
}

/// Something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: TroubleKind,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TroubleKind {
    /// A task failed or panicked.
    Exception {
        /// The task.
        task: Option<TaskId>,
        /// What it said.
        message: LabelId,
    },
    /// A rule of the loop was broken.
    Violation {
        /// The rule.
        rule: LabelId,
    },
    /// A task ran past its limit.
    SlowTask {
        /// The task.
        task: TaskId,
        /// Its tag.
        tag: Tag,
        /// How long it had run when it was flagged.
        run_ns: u64,
        /// The limit.
        limit_ns: u64,
    },
}

/// Everything that went wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Troubles {
    /// Exceptions.
    pub exceptions: u64,
    /// Broken rules.
    pub violations: u64,
    /// Slow tasks.
    pub slow_tasks: u64,
    /// The last ones of all kinds.
    pub recent: Recent<Trouble>,
}

impl Troubles {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self { exceptions: 0, violations: 0, slow_tasks: 0, recent: Recent::new(config.entries_kept) }
    }
}

/// Other threads' knocks on the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wakes {
    /// Wake-ups that reached the loop.
    pub count: u64,
    /// Further ones that these stood for.
    pub coalesced: u64,
    /// Command bytes through the self-pipe.
    pub commands: u64,
    /// Command bytes that name no command.
    pub commands_unknown: u64,
}

/// What keeps the loop alive, as far as it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// References of every kind, as the last change said.
    pub alive: Option<u32>,
    by_kind: [Option<i64>; RefKind::ALL.len()],
}

impl KeepAlive {
    /// References of one kind: exact from the first snapshot on, `None` before it.
    #[must_use]
    pub fn kind(&self, what: RefKind) -> Option<u64> {
        self.by_kind[usize::from(what.code()) - 1].map(|count| count.max(0).cast_unsigned())
    }

    pub(crate) fn changed(&mut self, what: RefKind, delta: i32, alive: u32) {
        self.alive = Some(alive);
        if let Some(count) = &mut self.by_kind[usize::from(what.code()) - 1] {
            *count = count.saturating_add(i64::from(delta));
        }
    }

    /// A snapshot starts: kinds that it does not name have no references.
    pub(crate) fn snapshot(&mut self) {
        self.by_kind = [Some(0); RefKind::ALL.len()];
    }

    pub(crate) fn counted(&mut self, what: RefKind, count: u32) {
        self.by_kind[usize::from(what.code()) - 1] = Some(i64::from(count));
    }
}

/// The loop's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: StopReason,
}
