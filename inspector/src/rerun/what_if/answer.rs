//! The answer: before, after, what changed most, and what was assumed.

use std::collections::BTreeMap;

use loop_traces::histogram::Histogram;
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use serde::Serialize;

use super::compare::{self, Comparison, News, Row, Verdict};

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
    /// The figures of the loop, on all sides. Without a model nothing is called better or worse.
    pub rows: Vec<Row>,
    /// The timers and tags that changed most, the largest change first.
    pub changed: Vec<Changed>,
    /// Dropped tags, and those of which nothing is left without them: what others waited is compared without these,
    /// before too.
    pub left_out: Vec<String>,
    /// Why it ended before its time, where it did: it says little about a whole stretch then.
    pub cut_short: Option<&'static str>,
    /// What was assumed, and what had to be invented, in words.
    pub assumptions: Vec<String>,
    /// How late the recorded loop's wake-ups were, in the middle: a changed loop sleeps otherwise, and each wait of it is
    /// uncertain by as much.
    pub wake_ns: u64,
}

impl Answer {
    pub(super) fn new(
        before: Side,
        after: Side,
        left_out: Vec<String>,
        cut_short: Option<&'static str>,
        wake_ns: u64,
    ) -> Self {
        let (model, judges) = (None, false);
        let comparison =
            Comparison { before: &before, model, after: &after, left_out: &left_out, judges, wake_ns };
        let (rows, changed) = (comparison.rows(), comparison.changed());
        Self {
            before,
            after,
            model: None,
            rows,
            changed,
            left_out,
            cut_short,
            assumptions: Vec::new(),
            wake_ns,
        }
    }

    /// Holds this answer against `own`, the one without a change: only now something is better or worse.
    #[must_use]
    pub fn against(mut self, own: Self) -> Self {
        let comparison = Comparison {
            before: &self.before,
            model: Some(&own.after),
            after: &self.after,
            left_out: &self.left_out,
            judges: self.cut_short.is_none() && own.cut_short.is_none(),
            wake_ns: self.wake_ns,
        };
        (self.rows, self.changed) = (comparison.rows(), comparison.changed());
        self.model = Some(own.after);
        self
    }

    /// What got better, or what got worse, of all figures and tags: the most first.
    #[must_use]
    pub fn news(&self, verdict: Verdict) -> Vec<News> {
        compare::news(&self.rows, &self.changed, verdict)
    }
}

/// How long was waited, by who waited.
pub(super) type Figures = BTreeMap<(Kind, String), Histogram>;

/// One side of the comparison.
#[derive(Debug)]
#[non_exhaustive]
pub struct Side {
    /// The fold of the stretch.
    pub timeline: Timeline,
    /// Its summary.
    pub summary: Summary,
    /// How long tasks waited in a queue, in nanoseconds. Timers do not wait in one.
    pub queue_wait_ns: Histogram,
    /// How long tasklets waited for a worker of the agenda, in nanoseconds.
    pub tasklet_wait_ns: Histogram,
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

impl Kind {
    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TimerLag => "lag",
            Self::QueueWait | Self::TaskletWait => "wait",
        }
    }
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

impl Figure {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let [p50_ns, p99_ns] = [0.5, 0.99].map(|quantile| histogram.quantile(quantile));
        Self { count: histogram.count(), p50_ns, p99_ns, max_ns: histogram.max() }
    }
}

/// A tag that something changed for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Changed {
    /// What changed.
    pub what: Kind,
    /// Whose.
    pub tag: String,
    /// As recorded.
    pub before: Figure,
    /// As executed again.
    pub after: Figure,
    /// As executed again without a change, where that was done: the change is from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Figure>,
    /// What may be said about the change of the 99th percentile.
    pub verdict: Verdict,
}
