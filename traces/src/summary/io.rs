//! The part of the summary about readiness callbacks: what a loop runs for descriptors that became ready.

use loop_probes::ids::Tag;
use serde::{Deserialize, Serialize};

use super::tags::TagSummary;
use crate::histogram::{Histogram, Percentiles};
use crate::loss::Missing;
use crate::timeline::{RunStats, Timeline, Unfinished};

/// Readiness callbacks. They are no tasks, and enter no queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IoSummary {
    /// Callbacks that ran.
    pub count: u64,
    /// Run times, from start to end.
    pub run_ns: Percentiles,
    /// Figures by tag, in descending order of the longest run.
    #[serde(deserialize_with = "super::lists::entries")]
    pub by_tag: Vec<TagSummary>,
}

/// `None` if none ran or is running. `missing` are the samples that lost records may have held.
pub(super) fn io(timeline: &Timeline, missing: &Missing, unfinished: &Unfinished) -> Option<IoSummary> {
    let beyond = timeline.tags.beyond_limit().map(|beyond| &beyond.stats);
    let all = || timeline.tags.iter().chain(beyond).filter_map(|tag| tag.io.as_deref());
    let mut run_ns = Histogram::new();
    all().for_each(|runs| run_ns.merge(&runs.run_ns));
    if run_ns.is_empty() && unfinished.callbacks.is_empty() {
        return None;
    }
    let with_running = |is_meant: &dyn Fn(Tag) -> bool| {
        let mut at_least = Histogram::new();
        let running = unfinished.callbacks.iter().filter(|run| is_meant(run.tag));
        running.for_each(|run| at_least.record(run.run_ns()));
        missing.clone().with_unfinished(at_least, unfinished.tasks_unseen)
    };
    let of = |tag: Tag, runs: &RunStats| TagSummary {
        tag: timeline.labels.tag(tag).into_owned(),
        count: runs.count(),
        failed: None,
        run_ns: runs.run_ns.percentiles_missing(&with_running(&|its| its == tag)),
        queue_wait_ns: Percentiles::default(),
    };
    let by_tag = timeline.tags.iter().filter_map(|tag| Some(of(tag.tag, tag.io.as_deref()?)));
    let mut by_tag: Vec<TagSummary> = by_tag.collect();
    by_tag.sort_by(|a, b| b.run_ns.max.cmp(&a.run_ns.max).then_with(|| a.tag.cmp(&b.tag)));
    Some(IoSummary {
        count: run_ns.count(),
        run_ns: run_ns.percentiles_missing(&with_running(&|_| true)),
        by_tag,
    })
}

#[cfg(test)]
mod tests {
    use loop_probes::event::Event;
    use loop_probes::ids::{IoSource, SourceId, TaskId, Timestamp};
    use loop_probes::metadata::Metadata;
    use loop_probes::recorder::Running;
    use loop_probes::stamped::Stamped;

    use super::*;
    use crate::analysis::diff::Run;
    use crate::analysis::gate::{Gate, Limit, Outcome};
    use crate::loss::Bounds;
    use crate::source::{MemorySource, SourceKind};
    use crate::summary::Summary;

    fn at(at: u64, event: Event) -> Stamped {
        Stamped { at: Timestamp(at), source: SourceId(1), event }
    }

    fn ready(task: u64, tag: u16, start: u64, end: u64) -> Stamped {
        let (source, task) = (IoSource(3), TaskId(task));
        at(end, Event::IoReady { source, tag: Tag(tag), readiness: 1, task, start: Timestamp(start) })
    }

    fn summary(more: &[Stamped]) -> Summary {
        let begun = at(10, Event::TickStart { tick: 1 });
        let events = [&[begun, ready(1, 7, 20, 50), ready(2, 7, 50, 60), ready(3, 8, 60, 65)], more].concat();
        let mut timeline = Timeline::of(&Metadata::new("t"));
        timeline.extend(&events);
        Summary::new(&MemorySource::new("t", SourceKind::Ring, Metadata::new("t"), Vec::new()), &timeline)
    }

    fn judged(summary: &Summary, metric: &str, limit: f64) -> Outcome {
        let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
        Gate::new(metric.parse().unwrap(), Limit::Max(limit)).unwrap().judge(&run).unwrap().outcome
    }

    #[test]
    fn readiness_callbacks_have_a_count_and_run_times() {
        let summary = summary(&[at(70, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(10) })]);
        let io = summary.io.as_ref().unwrap();
        assert_eq!((io.count, io.run_ns.count, io.run_ns.max, io.run_ns.bounds), (3, 3, Some(30), None));
        let by_tag: Vec<_> = io.by_tag.iter().map(|tag| (tag.count, tag.run_ns.max, tag.failed)).collect();
        assert_eq!(by_tag, [(2, Some(30), None), (1, Some(5), None)]);
        assert_eq!(summary.tasks.count, 0, "they are no tasks");
        assert_eq!(judged(&summary, "io.count", 3.0), Outcome::Held);
        assert_eq!(judged(&summary, "io.run.max", 29.0), Outcome::Failed);
        let page = crate::report::text(&summary);
        let line = page.lines().find(|line| line.starts_with("readiness callbacks:")).unwrap();
        assert!(line.contains("3 ran") && line.contains("max 30ns"), "{line}");
    }

    #[test]
    fn a_readiness_callback_that_runs_is_a_sample_without_an_upper_limit() {
        let running = Running::Task { task: TaskId(4), tag: Tag(8) }.event(Timestamp(65));
        let summary = summary(&[at(900, running)]);
        let io = summary.io.as_ref().unwrap();
        assert_eq!((io.count, io.run_ns.count, io.run_ns.max), (3, 4, Some(835)));
        assert_eq!(io.run_ns.bounds.map(|bounds| bounds.max), Some(Bounds { lo: 835, hi: None }));
        assert_eq!(judged(&summary, "io.count", 3.0), Outcome::Undecided);
        assert_eq!(judged(&summary, "io.run.max", 5_000.0), Outcome::Undecided);
        let lost = at(80, Event::Lost { count: 2, from: Timestamp(66) });
        let summary = self::summary(&[lost]);
        assert_eq!(judged(&summary, "io.count", 4.0), Outcome::Undecided);
        assert_eq!(judged(&summary, "io.count", 5.0), Outcome::Held);
    }
}
