//! Tests of the figures of jobs.

use loop_probes::event::{Event, Outcome, StopReason};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::loss::Bounds;
use crate::source::{MemorySource, SourceKind};
use crate::summary::Summary;
use crate::timeline::{Timeline, TimelineConfig};

const MS: u64 = 1_000_000;

fn on(source: u32, ms: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(ms * MS), source: SourceId(source), event }
}

/// Six jobs: one fails, one panics, and the last has not ended. The fourth has another tag than the rest.
fn jobs() -> Vec<Stamped> {
    let queued =
        |task| on(1, 1, Event::WorkQueued { task: TaskId(task), tag: tag(task), depth: 1, parent: None });
    let ran = |task: u64, outcome| {
        let (task_id, start) = (TaskId(task), Timestamp(2 * MS));
        let event = Event::WorkRan {
            task: task_id,
            tag: tag(task),
            worker: 0,
            outcome,
            queued: Timestamp(MS),
            start,
        };
        on(2, 2 + task, event)
    };
    let outcomes = [Outcome::Done, Outcome::Failed, Outcome::Done, Outcome::Panicked, Outcome::Done];
    let mut events = vec![on(1, 1, Event::TickStart { tick: 1 })];
    events.extend((1..=6).map(queued));
    events.extend((1..).zip(outcomes).map(|(task, outcome)| ran(task, outcome)));
    events.push(on(1, 8, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(MS) }));
    events
}

fn tag(task: u64) -> Tag {
    Tag(if task == 4 { 8 } else { 7 })
}

fn summary(events: &[Stamped]) -> Summary {
    let mut timeline = Timeline::new(TimelineConfig::default());
    events.iter().for_each(|event| timeline.fold(event));
    Summary::new(&MemorySource::new("jobs", SourceKind::Trace, Metadata::new("jobs"), Vec::new()), &timeline)
}

#[test]
fn a_job_that_fails_is_counted() {
    let mut events = jobs();
    events.push(on(1, 9, Event::LoopStopped { reason: StopReason::Closed }));
    let summary = summary(&events);
    let jobs = summary.jobs.as_ref().unwrap();
    assert_eq!((jobs.queued, jobs.ran, jobs.failed), (6, 5, 2));
    let spread = (jobs.run_ns.count, jobs.run_ns.max, jobs.run_ns.bounds, jobs.queue_wait_ns.max);
    assert_eq!(spread, (5, Some(5 * MS), None, Some(MS)));
    let by_tag: Vec<_> = jobs.by_tag.iter().map(|tag| (tag.tag.as_str(), tag.count, tag.failed)).collect();
    assert_eq!(by_tag, [("tag 7", 4, Some(1)), ("tag 8", 1, Some(1))]);
    assert_eq!(summary.tasks.failed, Some(0), "completions of jobs are separate tasks");
    let page = crate::report::text(&summary);
    assert!(page.contains("jobs: 6 queued, 5 ran, 2 failed,"), "{page}");
    assert!(page.contains("  failed: tag 7 ×1, tag 8 ×1\n"), "{page}");
}

#[test]
fn an_unfinished_job_has_no_upper_bound() {
    let jobs = summary(&jobs()).jobs.unwrap();
    let bounds = jobs.run_ns.bounds.unwrap();
    assert_eq!(bounds.max, Bounds { lo: 5 * MS, hi: None });
}

#[test]
fn jobs_are_null_without_jobs() {
    let none = summary(&jobs()[..1]);
    assert_eq!(none.jobs, None);
    assert!(!crate::report::text(&none).contains("jobs:"));
}
