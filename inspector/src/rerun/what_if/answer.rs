//! The answer: before, after, what changed most, and what was assumed.

use std::collections::BTreeMap;

use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use serde::Serialize;

/// What a re-execution says.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The recorded stretch.
    pub before: Side,
    /// The same stretch, executed again.
    pub after: Side,
    /// The same stretch, executed again without a change, where that was done: what differs from before is the model's
    /// error.
    pub model: Option<Side>,
    /// The timers and tags that changed most, the largest change first.
    pub changed: Vec<Changed>,
    /// Why it ended before its time, where it did: it says little about a whole stretch then.
    pub cut_short: Option<&'static str>,
    /// What was assumed, and what had to be invented, in words.
    pub assumptions: Vec<String>,
}

impl Answer {
    /// Holds this answer against `own`, the one without a change.
    #[must_use]
    pub fn against(mut self, own: Self) -> Self {
        let model = own.after;
        for changed in &mut self.changed {
            changed.model = model.figures.get(&(changed.what, changed.tag.clone())).copied();
        }
        self.model = Some(model);
        self
    }
}

/// Figures by what they are about.
pub(super) type Figures = BTreeMap<(Kind, String), Figure>;

/// One side of the comparison.
#[derive(Debug)]
#[non_exhaustive]
pub struct Side {
    /// The fold of the stretch.
    pub timeline: Timeline,
    /// Its summary.
    pub summary: Summary,
    /// How long tasks waited in a queue, at the 99th percentile, in nanoseconds. Timers do not wait in one.
    pub queue_wait_ns_p99: u64,
    /// How long tasklets waited for a worker of the agenda, at the 99th percentile, in nanoseconds; none where none ran.
    pub tasklet_wait_ns_p99: Option<u64>,
    /// Most tasks that waited at a time.
    pub queue_depth_max: u64,
    pub(super) figures: Figures,
}

/// What a [`Changed`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// How late the timers of a tag fired.
    TimerLag,
    /// How long the tasks of a tag waited.
    QueueWait,
    /// How long the tasklets of a tag waited for a worker of the agenda.
    TaskletWait,
}

/// The figures of one side, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50_ns: u64,
    /// Ninety-nine in a hundred are at most this.
    pub p99_ns: u64,
    /// The largest.
    pub max_ns: u64,
}

/// A tag that something changed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What changed.
    pub what: Kind,
    /// Whose.
    pub tag: String,
    /// As recorded.
    pub before: Figure,
    /// As executed again.
    pub after: Figure,
    /// As executed again without a change, where that was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Figure>,
}
