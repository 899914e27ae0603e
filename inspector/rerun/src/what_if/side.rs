//! One side of the comparison: the fold of a recording, and the waits by kind and tag.

use std::collections::BTreeMap;

use loop_probes::ids::Tag;
use loop_probes::metadata::Metadata;
use loop_traces::histogram::Histogram;
use loop_traces::source::{MemorySource, SourceKind};
use loop_traces::summary::Summary;
use loop_traces::timeline::{RunStats, TagStats, Timeline};
use serde::Serialize;

use super::measure::Measure;

/// Distributions of waiting times, by kind and tag.
pub(super) type Figures = BTreeMap<(Kind, String), Histogram>;

/// One side of the comparison.
#[derive(Debug)]
#[non_exhaustive]
pub struct Side {
    /// The aggregated timeline of the stretch.
    pub timeline: Timeline,
    /// The summary of the timeline.
    pub summary: Summary,
    /// Queue wait of tasks, in nanoseconds. Timers do not wait in a queue.
    pub queue_wait_ns: Histogram,
    /// Time that tasklets waited for a worker of the agenda, in nanoseconds.
    pub tasklet_wait_ns: Histogram,
    /// Time that jobs waited for a worker of the pool, in nanoseconds.
    pub job_wait_ns: Histogram,
    /// Maximum number of tasks waiting at a time.
    pub queue_depth_max: u64,
    pub(super) figures: Figures,
}

/// What a [`Changed`](super::Changed) is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Timer lag of a tag.
    TimerLag,
    /// Queue wait of the tasks of a tag.
    QueueWait,
    /// Time that the tasklets of a tag waited for a worker of the agenda.
    TaskletWait,
    /// Time that the jobs of a tag waited for a worker of the pool.
    JobWait,
}

impl Kind {
    /// A short name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::TimerLag => "lag",
            Self::QueueWait => "wait",
            Self::TaskletWait => "tasklet wait",
            Self::JobWait => "job wait",
        }
    }
}

impl Side {
    pub(super) fn of(name: &str, kind: SourceKind, metadata: &Metadata, measure: Measure) -> Self {
        let figures = figures(&measure);
        let source = MemorySource::new(name, kind, metadata.clone(), Vec::new());
        let queue_depth_max = measure.queue_depth_max();
        let tags = &measure.timeline.tags;
        let waits = |of: fn(&TagStats) -> Option<&RunStats>| {
            let mut all = Histogram::new();
            let runs = tags.iter().chain(tags.beyond_limit().map(|beyond| &beyond.stats)).filter_map(of);
            runs.for_each(|runs| all.merge(&runs.queue_wait_ns));
            all
        };
        let queue_wait_ns = waits(|tag| Some(&tag.tasks));
        let tasklet_wait_ns = waits(|tag| tag.tasklets.as_deref());
        let job_wait_ns = waits(|tag| tag.work.as_deref());
        let summary = Summary::new(&source, &measure.timeline);
        Side {
            timeline: measure.timeline,
            summary,
            queue_wait_ns,
            tasklet_wait_ns,
            job_wait_ns,
            queue_depth_max,
            figures,
        }
    }
}

/// The waiting times by kind and tag name: each side numbers its tags differently.
fn figures(measure: &Measure) -> Figures {
    let labels = &measure.timeline.labels;
    let mut figures = Figures::new();
    for (tag, lag_ns) in measure.lag_ns.iter().enumerate() {
        if let Some(lag_ns) = lag_ns {
            let name = labels.tag(Tag(tag as u16)).into_owned();
            figures.insert((Kind::TimerLag, name), Histogram::clone(lag_ns));
        }
    }
    for tag in measure.timeline.tags.iter() {
        let on_workers = [(Kind::TaskletWait, &tag.tasklets), (Kind::JobWait, &tag.work)];
        for (kind, runs) in on_workers.into_iter().filter_map(|(kind, runs)| Some((kind, runs.as_ref()?))) {
            figures.insert((kind, labels.tag(tag.tag).into_owned()), runs.queue_wait_ns.clone());
        }
    }
    for tag in measure.timeline.tags.iter().filter(|tag| tag.tasks.count() > 0) {
        let name = labels.tag(tag.tag).into_owned();
        // The callback of a timer only waits for its turn in the pass.
        if !figures.contains_key(&(Kind::TimerLag, name.clone())) {
            figures.insert((Kind::QueueWait, name), tag.tasks.queue_wait_ns.clone());
        }
    }
    figures
}
