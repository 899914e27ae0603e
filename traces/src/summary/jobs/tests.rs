//! Tests of the figures of jobs.

use loop_probes::event::{Event, Outcome, StopReason};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome as Judged};
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

/// The jobs, of which the last was withdrawn before the loop stopped.
fn ended() -> Vec<Stamped> {
    let withdrawn = Event::WorkSettled { task: TaskId(6), tag: tag(6) };
    [jobs(), vec![on(1, 9, withdrawn), on(1, 9, Event::LoopStopped { reason: StopReason::Closed })]].concat()
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
    let summary = summary(&ended());
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
fn a_job_whose_loop_has_a_namesake_is_not_taken_for_its() {
    let of_another = |event| on(3, 10, event);
    let (task, tag) = (TaskId(6), tag(6));
    let queued = Event::WorkQueued { task, tag, depth: 1, parent: None };
    let (outcome, start) = (Outcome::Done, Timestamp(10 * MS));
    let ran = Event::WorkRan { task, tag, worker: 0, outcome, queued: start, start };
    let other = [of_another(queued), on(4, 11, ran), of_another(Event::WorkSettled { task, tag })];
    let both = [jobs(), other.to_vec()].concat();
    assert_eq!(summary(&both).jobs.unwrap().run_ns.bounds.unwrap().max.hi, None, "the first loop's goes on");
    let withdrawn = on(1, 12, Event::WorkSettled { task, tag });
    assert_eq!(summary(&[both, vec![withdrawn]].concat()).jobs.unwrap().run_ns.bounds, None);
}

#[test]
fn jobs_that_no_worker_takes_wait_for_as_long_as_none_ends() {
    let queued = |task: u64| {
        let (task, depth) = (TaskId(task), task as u32);
        on(1, 1 + task.0, Event::WorkQueued { task, tag: Tag(7), depth, parent: None })
    };
    let mut events = vec![on(1, 1, Event::TickStart { tick: 1 })];
    events.extend((1..=3).map(queued));
    events.push(on(1, 2_000, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(MS) }));
    let failed = |events: &[Stamped]| {
        let run = Run { name: "jobs".to_owned(), summary: summary(events), metadata: None };
        Gate::new("jobs.wait.max".parse().unwrap(), Limit::Max(1e9)).unwrap().judge(&run).unwrap().outcome
    };
    let waits = summary(&events).jobs.unwrap().queue_wait_ns.bounds.unwrap();
    // Times through which the depth is known are multiples of 100 ms.
    assert_eq!((waits.max.lo, waits.max.hi), (1_800 * MS, None));
    assert_eq!(failed(&events), Judged::Failed);
    // Which of them a worker took when one ended, nobody knows.
    let (task, tag, outcome, at) = (TaskId(1), Tag(7), Outcome::Done, Timestamp(3 * MS));
    let ran = Event::WorkRan { task, tag, worker: 0, outcome, queued: Timestamp(2 * MS), start: at };
    events.push(on(2, 1_999, ran));
    events.sort_by_key(|stamped| stamped.at);
    assert_eq!(failed(&events), Judged::Undecided);
}

#[test]
fn jobs_are_null_without_jobs() {
    let none = summary(&jobs()[..1]);
    assert_eq!(none.jobs, None);
    assert!(!crate::report::text(&none).contains("jobs:"));
}

#[test]
fn jobs_have_metrics() {
    let judged = |events: &[Stamped], metric: &str, limit| {
        let run = Run { name: "jobs".to_owned(), summary: summary(events), metadata: None };
        let gate = Gate::new(metric.parse().unwrap(), Limit::Max(limit)).unwrap();
        gate.judge(&run).unwrap()
    };
    let why = |events: &[Stamped], metric| judged(events, metric, 1e12).why;
    let judged = |events: &[Stamped], metric, limit| judged(events, metric, limit).outcome;
    let closed = ended();
    for (metric, value) in [("jobs.queued", 6.0), ("jobs.ran", 5.0), ("jobs.failed", 2.0)] {
        assert_eq!(judged(&closed, metric, value), Judged::Held, "{metric}");
        assert_eq!(judged(&closed, metric, value - 1.0), Judged::Failed, "{metric}");
    }
    let run_ns_max = summary(&closed).jobs.unwrap().run_ns.max.unwrap() as f64;
    assert_eq!(judged(&closed, "jobs.run.max", run_ns_max), Judged::Held);
    assert_eq!(judged(&closed, "jobs.wait.p99", 1.0), Judged::Failed);
    let running = jobs();
    assert_eq!(judged(&running, "jobs.failed", 2.0), Judged::Undecided, "the sixth may fail");
    assert_eq!(judged(&running, "jobs.run.max", 1e12), Judged::Undecided);
    assert_eq!(judged(&running, "jobs.queued", 6.0), Judged::Held);
    // Its worker goes on after the loop has stopped.
    let stopped = [jobs(), vec![on(1, 9, Event::LoopStopped { reason: StopReason::Closed })]].concat();
    for metric in ["jobs.run.max", "jobs.wait.max"] {
        assert_eq!(judged(&stopped, metric, 1e12), Judged::Undecided, "{metric}");
        let why = why(&stopped, metric);
        assert_eq!(why.as_deref(), Some("what has not ended or has no record could overturn it"));
    }
}

#[test]
fn a_job_from_before_the_reading_may_still_run() {
    // Each job that the reading sees scheduled has ended, but the first two were scheduled before.
    let mut events: Vec<Stamped> = jobs();
    events
        .retain(|event| !matches!(event.event, Event::WorkQueued { task, .. } if task.0 <= 2 || task.0 == 6));
    let max_of = |tick, more: &[Stamped]| {
        let mut events = [&events[..], more].concat();
        events[0].event = Event::TickStart { tick };
        summary(&events).jobs.unwrap().run_ns.bounds.map(|bounds| bounds.max.hi)
    };
    assert_eq!(max_of(1, &[]), None);
    assert_eq!(max_of(9, &[]), Some(None));
    let begin = Event::SnapshotBegin { tick: 9, next_task: TaskId(9), next_timer: Default::default() };
    let snapshot = [on(1, 9, begin), on(1, 9, Event::SnapshotEnd { parts: 0, left_out: 0 })];
    assert_eq!(max_of(9, &snapshot), None, "the snapshot lists none");
}
