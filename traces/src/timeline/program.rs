//! The program's own spans and marks, and its errors.

use std::collections::HashMap;

use loop_probes::ids::{LabelId, Tag, TaskId, Timestamp};

use super::baseline::Figures;
use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// One label's spans and marks.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LabelStats {
    /// Durations of its spans.
    pub run_ns: Option<Box<Histogram>>,
    /// Number of marks with this label.
    pub marks: u64,
}

/// Spans and marks by label.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Spans {
    /// Spans and marks of each label, up to the limit.
    pub by_label: HashMap<LabelId, LabelStats>,
    /// Spans and marks of labels beyond the limit.
    pub beyond_limit: u64,
}

impl Spans {
    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        by.count(&mut self.beyond_limit);
        for (label, LabelStats { run_ns, marks }) in &mut self.by_label {
            by.part(label.0.into(), false, |by| {
                by.count(marks);
                run_ns.iter_mut().for_each(|run_ns| by.histogram(run_ns));
            });
        }
    }

    pub(crate) fn entry(&mut self, label: LabelId, limit: usize) -> Option<&mut LabelStats> {
        if self.by_label.len() >= limit && !self.by_label.contains_key(&label) {
            self.beyond_limit += 1;
            return None;
        }
        Some(self.by_label.entry(label).or_default())
    }
}

/// One error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When the error was reported.
    pub at: Timestamp,
    /// The kind of problem.
    pub what: TroubleKind,
}

/// The kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TroubleKind {
    /// A task failed or panicked.
    Exception {
        /// Id of the task; `None` if the error belongs to no task.
        task: Option<TaskId>,
        /// Label with the error's message.
        message: LabelId,
    },
    /// A rule of the loop was broken.
    Violation {
        /// Label with the name of the rule.
        rule: LabelId,
    },
    /// A task ran past its limit.
    SlowTask {
        /// Id of the task.
        task: TaskId,
        /// Tag of the task.
        tag: Tag,
        /// How long it had run when it was flagged.
        run_ns: u64,
        /// The limit on its run time.
        limit_ns: u64,
    },
}

/// All errors.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Troubles {
    /// Number of exceptions.
    pub exceptions: u64,
    /// Number of broken rules.
    pub violations: u64,
    /// Number of slow tasks.
    pub slow_tasks: u64,
    /// The last ones of all kinds.
    pub recent: Recent<Trouble>,
}

impl Troubles {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self { exceptions: 0, violations: 0, slow_tasks: 0, recent: Recent::new(config.entries_kept) }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { exceptions, violations, slow_tasks, recent: _ } = self;
        by.counts([exceptions, violations, slow_tasks]);
    }

    /// Forgets what was before `from`.
    pub(super) fn forget_before(&mut self, from: Timestamp) {
        self.recent.retain(|trouble| trouble.at > from);
    }
}
