//! Tests of the greatest depths: entries counted between samples, and the range where they cannot all be counted.

use loop_probes::event::{Event, Outcome, Priority, Queue, StopReason, WorkerPhase};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::analysis::diff::Run;
use crate::analysis::gate::{self, Gate, Limit};
use crate::loss::Bounds;
use crate::source::{MemorySource, SourceKind};
use crate::summary::{DepthSummary, QueueSummary, Summary};
use crate::timeline::Timeline;

fn at(at: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at), source: SourceId(1), event }
}

fn begun(tick: u64, time: u64) -> Stamped {
    at(time, Event::TickStart { tick })
}

/// A first tick in which a snapshot shows that all queues are empty.
fn snapshot() -> Vec<Stamped> {
    let (next_task, next_timer) = Default::default();
    let begin = Event::SnapshotBegin { tick: 1, next_task, next_timer };
    vec![begun(1, 0), at(0, begin), at(0, Event::SnapshotEnd { parts: 0, left_out: 0 })]
}

fn armed(timer: u64, time: u64) -> Stamped {
    let due = Timestamp(1_000_000);
    at(time, Event::TimerArmed { timer: TimerId(timer), tag: Tag(1), due, period_ns: None })
}

fn cleared(timer: u64, time: u64) -> Stamped {
    at(time, Event::TimerCleared { timer: TimerId(timer) })
}

fn posted(key: u64, time: u64) -> Stamped {
    at(time, Event::DeferredPosted { key, existed: false })
}

fn drained(ran: u32, kept: u32, start: u64, end: u64) -> Stamped {
    at(end, Event::DeferredRan { ran, kept, start: Timestamp(start) })
}

fn ran(task: u64, start: u64, end: u64) -> Stamped {
    let start = Timestamp(start);
    at(end, Event::TaskRan { task: TaskId(task), tag: Tag(1), outcome: Outcome::Done, queued: start, start })
}

/// The end of the first tick and the loop.
fn ended(time: u64) -> Vec<Stamped> {
    vec![
        at(time, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(0) }),
        at(time, Event::LoopStopped { reason: StopReason::Drained }),
    ]
}

fn summary(parts: &[Vec<Stamped>]) -> Summary {
    let source = MemorySource::new("t", SourceKind::Ring, Metadata::new("t"), parts.concat());
    let mut timeline = Timeline::of(&Metadata::new("t"));
    timeline.extend(source.events());
    Summary::new(&source, &timeline)
}

fn depth(summary: &Summary, queue: Queue) -> DepthSummary {
    summary.queues.iter().find(|its| its.queue == queue.name()).unwrap().depth
}

/// The greatest depth, and its upper end where that is not known.
fn max(summary: &Summary, queue: Queue) -> (u64, Option<Option<u64>>) {
    let DepthSummary { max, max_bounds, .. } = depth(summary, queue);
    assert!(max_bounds.is_none_or(|bounds| bounds.lo == max));
    (max, max_bounds.map(|bounds| bounds.hi))
}

fn judged(summary: &Summary, queue: Queue, limit: f64) -> (gate::Outcome, Option<String>) {
    let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
    let metric = format!("queue.{}.depth.max", queue.name()).parse().unwrap();
    let judged = Gate::new(metric, Limit::Max(limit)).unwrap().judge(&run).unwrap();
    (judged.outcome, judged.why)
}

#[test]
fn timers_that_a_task_arms_and_clears_were_all_armed_at_once() {
    let task = (1..=100).map(|timer| armed(timer, 10)).chain((1..=100).map(|timer| cleared(timer, 20)));
    let summary = summary(&[snapshot(), task.collect(), vec![ran(1, 5, 30)], ended(40)]);
    assert_eq!(max(&summary, Queue::Timers), (100, None));
    assert_eq!(judged(&summary, Queue::Timers, 99.0).0, gate::Outcome::Failed);
    assert_eq!(depth(&summary, Queue::Timers).p50, Some(0), "for 10 ns of 40");
}

#[test]
fn a_timer_that_is_armed_again_counts_once_and_one_that_fires_no_longer() {
    let fired = Event::TimerFired {
        timer: TimerId(1),
        tag: Tag(1),
        task: TaskId(5),
        due: Timestamp(30),
        fired: Timestamp(30),
        skipped: 0,
    };
    let events = vec![armed(1, 10), armed(1, 12), armed(2, 14), at(30, fired), armed(3, 31), ran(5, 30, 35)];
    let summary = summary(&[snapshot(), events, ended(100)]);
    assert_eq!(max(&summary, Queue::Timers), (2, None));
    assert_eq!(depth(&summary, Queue::Timers).p50, Some(2), "from 14 to 30 and from 31 on");
}

#[test]
fn timers_armed_before_the_first_tick_are_counted_if_the_reading_begins_with_it() {
    let before = || (1..=20).map(|timer| armed(timer, 0)).chain((1..=8).map(|timer| cleared(timer, 1)));
    let from = |tick| {
        let end = Event::TickEnd { tick, tasks_run: 0, start: Timestamp(2) };
        summary(&[before().collect(), vec![begun(tick, 2), at(9, end)]])
    };
    assert_eq!(max(&from(1), Queue::Timers), (20, None));
    assert_eq!(max(&from(7), Queue::Timers), (20, Some(None)), "any number may have been armed before");
}

#[test]
fn callbacks_that_a_task_defers_were_all_there_at_once() {
    let removed = |key| at(12, Event::DeferredRemoved { key });
    let task = (1..=50).map(|key| posted(key, 5)).chain((1..=30).map(removed));
    let events = vec![ran(1, 5, 20), drained(20, 2, 20, 25), posted(99, 25), ran(2, 25, 30)];
    let summary = summary(&[snapshot(), task.collect(), events, ended(40)]);
    assert_eq!(max(&summary, Queue::Deferred), (50, None));
    assert_eq!(judged(&summary, Queue::Deferred, 49.0).0, gate::Outcome::Failed);
    let depth = depth(&summary, Queue::Deferred);
    assert_eq!(depth.p50, Some(3), "two that were kept and one more, from 30 on");
    assert_eq!(depth.p50_bounds, Some(Bounds { lo: 0, hi: None }), "when they were posted is not recorded");
}

#[test]
fn posts_within_a_drain_leave_a_range() {
    let posts = |keys: std::ops::RangeInclusive<u64>, time| keys.map(move |key| posted(key, time));
    let first: Vec<Stamped> = posts(1..=3, 5).chain([ran(1, 5, 20)]).collect();
    // Each of the three posts one more as it runs: there were never more than three.
    let second: Vec<Stamped> =
        posts(4..=6, 20).chain([drained(3, 0, 20, 25), drained(3, 0, 25, 28)]).collect();
    let summary = summary(&[snapshot(), first, second, ended(40)]);
    assert_eq!(max(&summary, Queue::Deferred), (3, Some(Some(6))));
    assert_eq!(judged(&summary, Queue::Deferred, 6.0).0, gate::Outcome::Held);
    assert_eq!(judged(&summary, Queue::Deferred, 2.0).0, gate::Outcome::Failed);
    let (outcome, why) = judged(&summary, Queue::Deferred, 4.0);
    assert_eq!(outcome, gate::Outcome::Undecided);
    assert_eq!(why.as_deref(), Some("changes of the depth without an event could overturn it"));
}

#[test]
fn microtasks_were_at_most_as_many_as_a_checkpoint_ran_and_left() {
    let checkpoint =
        |ran, left| at(30, Event::Microtasks { trigger: Some(TaskId(1)), ran, left, start: Timestamp(20) });
    let of = |checkpoint: Stamped| summary(&[snapshot(), vec![ran(1, 5, 20), checkpoint], ended(40)]);
    let mut timeline = Timeline::of(&Metadata::new("t"));
    timeline.extend(&[snapshot(), vec![checkpoint(3_000, 2)]].concat());
    let later = Timestamp(300_000_000);
    let series = timeline.queues.queue(Queue::Microtasks).through_time.series(later);
    assert_eq!((series.first(), series.last()), (Some(&Some(3_002)), Some(&Some(2))));
    let all = of(checkpoint(3_000, 0));
    assert_eq!(max(&all, Queue::Microtasks), (1, Some(Some(3_000))), "each may have queued the next");
    assert_eq!(depth(&all, Queue::Microtasks).p50, None);
    assert_eq!(judged(&all, Queue::Microtasks, 0.0).0, gate::Outcome::Failed);
    assert_eq!(judged(&all, Queue::Microtasks, 10.0).0, gate::Outcome::Undecided);
    assert_eq!(judged(&all, Queue::Microtasks, 3_000.0).0, gate::Outcome::Held);
    assert_eq!(max(&of(checkpoint(10, 7)), Queue::Microtasks), (7, Some(Some(17))));
    assert_eq!(max(&of(checkpoint(1, 0)), Queue::Microtasks), (1, None));
    let none = summary(&[snapshot(), vec![ran(1, 5, 20)], ended(40)]);
    assert_eq!(max(&none, Queue::Microtasks), (0, None));
    let hangs = summary(&[snapshot(), vec![ran(1, 5, 20)]]);
    assert_eq!(max(&hangs, Queue::Microtasks), (0, Some(None)), "what runs may have queued some");
}

#[test]
fn entries_that_left_in_skipped_events_were_not_all_queued_at_once() {
    let posts = (1..=50).map(|key| posted(key, 5)).chain((1..=50).map(|timer| armed(timer, 5)));
    let events = [snapshot(), posts.collect(), vec![ran(1, 5, 20)], ended(40)].concat();
    let source = MemorySource::new("t", SourceKind::Ring, Metadata::new("t"), events);
    let mut timeline = Timeline::of(&Metadata::new("t"));
    timeline.extend(source.events());
    timeline.counts.malformed = 1;
    let summary = Summary::new(&source, &timeline);
    for queue in [Queue::Deferred, Queue::Timers] {
        assert_eq!(depth(&summary, queue).max_bounds, Some(Bounds { lo: 1, hi: None }));
        assert_eq!(judged(&summary, queue, 10.0).0, gate::Outcome::Undecided);
        assert_eq!(judged(&summary, queue, 0.0).0, gate::Outcome::Failed);
    }
}

/// Events of a loop from its seventh tick on.
fn midway(events: Vec<Stamped>) -> Summary {
    let end = |tick, start, time| at(time, Event::TickEnd { tick, tasks_run: 3, start: Timestamp(start) });
    let stop = at(2_000, Event::LoopStopped { reason: StopReason::Drained });
    let first = vec![end(7, 0, 5), begun(8, 10)];
    summary(&[first, events, vec![end(8, 10, 50), begun(9, 1_000), end(9, 1_000, 1_100), stop]])
}

#[test]
fn entries_that_left_before_the_first_depth_may_all_have_been_queued() {
    let sample = |depth, time| at(time, Event::QueueDepth { queue: Queue::Tasks, depth });
    // Three tasks were queued before the reading began; a record shows the depth when they have run.
    let runs = || vec![ran(1, 10, 20), ran(2, 20, 30), ran(3, 30, 40)];
    let late = midway([runs(), vec![sample(1, 45)]].concat());
    assert_eq!(max(&late, Queue::Tasks), (1, Some(Some(4))));
    assert_eq!(judged(&late, Queue::Tasks, 4.0).0, gate::Outcome::Held);
    assert_eq!(judged(&late, Queue::Tasks, 2.0).0, gate::Outcome::Undecided);
    let depth_of = |summary: &Summary| depth(summary, Queue::Tasks);
    assert_eq!(depth_of(&late).p50, Some(1));
    assert_eq!(depth_of(&late).p50_bounds, None, "40 ns in two thousand do not move it");
    let at_once = midway([vec![sample(3, 10)], runs()].concat());
    assert_eq!(max(&at_once, Queue::Tasks), (3, None));
    let at_the_end = midway([runs(), vec![sample(1, 1_900)]].concat());
    assert_eq!(depth_of(&at_the_end).p50_bounds, Some(Bounds { lo: 0, hi: None }));
    let from_the_start = summary(&[vec![begun(1, 0)], runs(), vec![sample(1, 45)], ended(50)]);
    assert_eq!(max(&from_the_start, Queue::Tasks), (1, None));
}

fn tasklet(source: u32, time: u64, event: Event) -> Stamped {
    Stamped { source: SourceId(source), ..at(time, event) }
}

fn added(task: u64, priority: Priority, depth: u32, time: u64) -> Stamped {
    tasklet(2, time, Event::AgendaAdded { task: TaskId(task), tag: Tag(1), priority, depth })
}

fn tasklet_ran(task: u64, priority: Priority, start: u64, end: u64) -> Stamped {
    let (queued, start) = (Timestamp(5), Timestamp(start));
    let (task, tag, outcome) = (TaskId(task), Tag(1), Outcome::Done);
    tasklet(3, end, Event::AgendaRan { task, tag, priority, worker: 0, outcome, queued, start })
}

fn worker(from: WorkerPhase, to: WorkerPhase, time: u64) -> Stamped {
    tasklet(3, time, Event::WorkerState { worker: 0, from, to })
}

#[test]
fn the_depth_of_an_agenda_before_the_reading_is_unknown() {
    let events = vec![
        added(1, Priority::High, 1, 12),
        tasklet_ran(1, Priority::High, 13, 14),
        tasklet_ran(2, Priority::Low, 14, 16),
        worker(WorkerPhase::Run, WorkerPhase::Idle, 20),
    ];
    let summary = midway(events);
    assert_eq!(max(&summary, Queue::Agenda), (1, Some(None)));
    assert_eq!(judged(&summary, Queue::Agenda, 5.0).0, gate::Outcome::Undecided);
    assert_eq!(judged(&summary, Queue::Agenda, 0.0).0, gate::Outcome::Failed);
    assert_eq!(
        (depth(&summary, Queue::Agenda).p50, depth(&summary, Queue::Agenda).p50_bounds),
        (Some(0), None)
    );
    let agenda = summary.agenda.unwrap();
    let bounds = |priority| {
        let priorities = agenda.priorities.iter();
        priorities.clone().find(|its| its.priority == priority).unwrap().depth_max_bounds
    };
    assert_eq!(bounds(Priority::Low), Some(Bounds { lo: 0, hi: None }));
    assert_eq!(bounds(Priority::High), Some(Bounds { lo: 1, hi: None }));
}

#[test]
fn a_tasklet_that_a_worker_may_be_running_may_not_have_waited() {
    let events = |rest: Vec<Stamped>| {
        let first = vec![
            begun(1, 0),
            added(1, Priority::High, 1, 5),
            worker(WorkerPhase::Idle, WorkerPhase::Run, 6),
            added(2, Priority::Low, 1, 10),
        ];
        summary(&[first, rest, ended(1_000)])
    };
    let rest = |end| {
        let idle = worker(WorkerPhase::Run, WorkerPhase::Idle, end + 2);
        vec![tasklet_ran(1, Priority::High, 6, end), tasklet_ran(2, Priority::Low, end, end + 1), idle]
    };
    let long = events(rest(900));
    assert_eq!(max(&long, Queue::Agenda), (1, Some(Some(2))), "the first was taken at 6");
    assert_eq!(depth(&long, Queue::Agenda).p50, Some(1));
    assert_eq!(depth(&long, Queue::Agenda).p50_bounds, Some(Bounds { lo: 1, hi: Some(2) }));
    let short = events(rest(100));
    assert_eq!(depth(&short, Queue::Agenda).p50, Some(0), "nothing waits from 101 on");
    assert_eq!(depth(&short, Queue::Agenda).p50_bounds, None);
    let waiting = |summary: &Summary| summary.agenda.as_ref().and_then(|agenda| agenda.waiting_bounds);
    assert_eq!(waiting(&short), None);
    assert_eq!(waiting(&events(Vec::new())), Some(Bounds { lo: 1, hi: Some(2) }));
}

#[test]
fn an_agenda_is_a_queue_of_no_loop() {
    let other = |time| tasklet(4, time, Event::TickStart { tick: 1 });
    let from_a_loop = Stamped { source: SourceId(1), ..added(1, Priority::High, 1, 12) };
    let run = tasklet_ran(1, Priority::High, 13, 14);
    let summary = summary(&[vec![begun(1, 0), other(1), from_a_loop, run], ended(50)]);
    let has_agenda = |queues: &[QueueSummary]| queues.iter().any(|queue| queue.queue == "agenda");
    assert!(has_agenda(&summary.queues));
    assert!(summary.loops.len() == 2 && !summary.loops.iter().any(|own| has_agenda(&own.queues)));
    assert_eq!(judged(&summary, Queue::Agenda, 0.0).0, gate::Outcome::Failed);
}
