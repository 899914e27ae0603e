//! The part of the summary about tasks by tag. Tags beyond the limit share one set of figures.

use serde::{Deserialize, Serialize};

use crate::histogram::{Histogram, Percentiles};
use crate::timeline::{MissingSamples, Timeline};

/// The tasks of one tag; in [`JobsSummary`](super::JobsSummary), its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TagSummary {
    /// The name of the tag.
    pub tag: String,
    /// The number of tasks, or of jobs.
    pub count: u64,
    /// Tasks that failed or panicked; null if outcomes are not recorded.
    pub failed: Option<u64>,
    /// Run times, from start to end.
    pub run_ns: Percentiles,
    /// Queue waits, from queued to started.
    pub queue_wait_ns: Percentiles,
}

/// Tags that appeared after the limit was reached, with one set of figures for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TagsBeyondLimit {
    /// Number of tags.
    pub tags: u64,
    /// The number of their tasks.
    pub count: u64,
    /// Tasks that failed or panicked; null if outcomes are not recorded.
    pub failed: Option<u64>,
    /// Run times, from start to end.
    pub run_ns: Percentiles,
    /// Queue waits, from queued to started.
    pub queue_wait_ns: Percentiles,
}

impl TagsBeyondLimit {
    pub(super) fn of(timeline: &Timeline, missing: &MissingSamples, has_outcomes: bool) -> Self {
        let Some(beyond) = timeline.tags.beyond_limit() else { return Self::default() };
        let (tasks, is_meant) = (&beyond.stats.tasks, |tag| timeline.tags.is_beyond_limit(tag));
        let (runs, waits) = (missing.tasks_where(is_meant), missing.waits_where(is_meant));
        Self {
            tags: beyond.tags,
            count: tasks.count(),
            failed: has_outcomes.then_some(tasks.failed),
            run_ns: tasks.run_ns.percentiles_missing(&runs),
            queue_wait_ns: tasks.queue_wait_ns.percentiles_missing(&waits),
        }
    }

    /// Whether any of their tasks ran, is running or is waiting.
    #[must_use]
    pub const fn have_tasks(&self) -> bool {
        self.run_ns.count > 0 || self.queue_wait_ns.count > 0
    }

    /// All of these tags as one without a name.
    pub(crate) fn as_one(&self) -> TagSummary {
        let &Self { count, failed, run_ns, queue_wait_ns, .. } = self;
        TagSummary { tag: String::new(), count, failed, run_ns, queue_wait_ns }
    }
}

/// The queue waits of all tags.
pub(super) fn queue_wait_ns(timeline: &Timeline, missing: &MissingSamples) -> Percentiles {
    let beyond = timeline.tags.beyond_limit().map(|beyond| &beyond.stats);
    let mut all = Histogram::new();
    timeline.tags.iter().chain(beyond).for_each(|tag| all.merge(&tag.tasks.queue_wait_ns));
    all.percentiles_missing(&missing.waits)
}

/// The tasks of all tags that failed or panicked.
pub(super) fn failed(timeline: &Timeline) -> u64 {
    let beyond = timeline.tags.beyond_limit().map(|beyond| &beyond.stats);
    timeline.tags.iter().chain(beyond).fold(0, |sum, tag| sum + tag.tasks.failed)
}

/// Each tag within the limit, in descending order of the longest run.
pub(super) fn by_tag(timeline: &Timeline, missing: &MissingSamples, has_outcomes: bool) -> Vec<TagSummary> {
    let (unfinished, never_ended) = (missing.unfinished_tags(), timeline.tags_never_ended(missing));
    let ran = timeline.tags.iter().filter(|tag| tag.tasks.count() > 0 || unfinished.contains(&tag.tag));
    let mut tags: Vec<TagSummary> = ran
        .chain(&never_ended)
        .map(|tag| TagSummary {
            tag: timeline.labels.tag(tag.tag).into_owned(),
            count: tag.tasks.count(),
            failed: has_outcomes.then_some(tag.tasks.failed),
            run_ns: tag.tasks.run_ns.percentiles_missing(&missing.tasks_of(tag.tag)),
            queue_wait_ns: tag.tasks.queue_wait_ns.percentiles_missing(&missing.waits_of(tag.tag)),
        })
        .collect();
    tags.sort_by(|a, b| b.run_ns.max.cmp(&a.run_ns.max).then_with(|| a.tag.cmp(&b.tag)));
    tags
}

#[cfg(test)]
mod tests;
