//! Tests of active handles: correct right after a snapshot, kept correct by later events, and unnamed where names are
//! unknown.

use loop_probes::event::{LabelKind, Queue, StopReason};
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId, TimerId};

use super::*;
use crate::labels::Labels;

/// The places of two loops.
const LOOP: usize = 0;
const OTHER: usize = 2;
const AT: Timestamp = Timestamp(500);

fn seen(events: &[Event]) -> KeepAlive {
    let mut refs = KeepAlive::new(&TimelineConfig { names_kept: 8, ..TimelineConfig::default() });
    (0..=OTHER).for_each(|_| refs.add_emitter());
    see(&mut refs, events);
    refs
}

fn see(refs: &mut KeepAlive, events: &[Event]) {
    events.iter().for_each(|event| refs.see(AT, LOOP, event));
}

fn snapshot(parts: &[Event]) -> Vec<Event> {
    let (next_task, next_timer) = Default::default();
    let mut events = vec![Event::SnapshotBegin { tick: 1, next_task, next_timer }];
    events.extend(parts);
    events.push(Event::SnapshotEnd { parts: parts.len() as u32, left_out: 0 });
    events
}

fn pending(what: RefKind, tag: u16, count: u32) -> [Event; 2] {
    [Event::SnapshotRef { what, count }, Event::SnapshotPending { what, tag: Tag(tag), label: None, count }]
}

fn timer(timer: u64, tag: u16, period_ns: Option<u64>) -> Event {
    let (timer, tag) = (TimerId(timer), Tag(tag));
    Event::SnapshotTimer { timer, tag, due: AT, period_ns, referenced: true }
}

fn fired(timer: u64, tag: u16) -> Event {
    let (timer, tag) = (TimerId(timer), Tag(tag));
    Event::TimerFired { timer, tag, task: TaskId(9), due: AT, fired: AT, skipped: 0 }
}

fn armed(timer: u64, tag: u16) -> Event {
    Event::TimerArmed { timer: TimerId(timer), tag: Tag(tag), due: AT, period_ns: None }
}

/// Kind, tag, count.
fn list(refs: &KeepAlive) -> Vec<(RefKind, u16, u64)> {
    refs.held().iter().map(|held| (held.name.what, held.name.tag.0, held.count)).collect()
}

#[test]
fn kinds_are_exact_from_the_first_snapshot_on() {
    let mut refs = seen(&[Event::RefChanged { what: RefKind::Io, delta: 1, alive: 9 }]);
    assert_eq!((refs.kind(RefKind::Io), refs.as_of()), (None, None));
    assert!(refs.held().is_empty(), "earlier references are unknown");
    see(&mut refs, &snapshot(&[Event::SnapshotRef { what: RefKind::Io, count: 5 }]));
    see(&mut refs, &[Event::RefChanged { what: RefKind::Io, delta: -2, alive: 7 }]);
    assert_eq!((refs.kind(RefKind::Io), refs.kind(RefKind::Timer)), (Some(3), Some(0)));
    assert_eq!(refs.as_of(), Some(AT));
}

#[test]
fn timers_keep_their_names_through_everything_that_happens_to_them() {
    let mut parts = pending(RefKind::Timer, 5, 2).to_vec();
    parts.extend([timer(1, 5, Some(1_000)), timer(2, 5, None)]);
    let mut refs = seen(&snapshot(&parts));
    assert_eq!(list(&refs), [(RefKind::Timer, 5, 2)]);
    see(&mut refs, &[fired(1, 5), fired(2, 5)]);
    assert_eq!(list(&refs), [(RefKind::Timer, 5, 1)], "the interval stays, the other one is over");
    see(&mut refs, &[armed(2, 5), armed(3, 6), armed(3, 6)]);
    assert_eq!(
        list(&refs),
        [(RefKind::Timer, 5, 2), (RefKind::Timer, 6, 1)],
        "a timer that is armed again counts once"
    );
    see(&mut refs, &[Event::TimerRef { timer: TimerId(3), referenced: false }]);
    see(&mut refs, &[Event::TimerCleared { timer: TimerId(3) }, Event::TimerCleared { timer: TimerId(1) }]);
    assert_eq!(list(&refs), [(RefKind::Timer, 5, 1)]);
    assert_eq!(refs.kind(RefKind::Timer), Some(1));
}

#[test]
fn sources_and_jobs_come_and_go_by_name() {
    let mut refs = seen(&snapshot(&pending(RefKind::Io, 2, 1)));
    let io = |delta| Event::RefChanged { what: RefKind::Io, delta, alive: 0 };
    let work = |delta| Event::RefChanged { what: RefKind::Work, delta, alive: 0 };
    let (source, task) = (IoSource(8), TaskId(4));
    see(&mut refs, &[Event::IoRegistered { source, tag: Tag(3) }, io(1)]);
    see(&mut refs, &[Event::WorkQueued { task, tag: Tag(4), depth: 1, parent: None }, work(1)]);
    assert_eq!(list(&refs), [(RefKind::Io, 2, 1), (RefKind::Io, 3, 1), (RefKind::Work, 4, 1)]);
    see(
        &mut refs,
        &[Event::IoRemoved { source }, io(-1), Event::WorkSettled { task, tag: Tag(4) }, work(-1)],
    );
    assert_eq!(list(&refs), [(RefKind::Io, 2, 1)]);
}

#[test]
fn a_source_goes_by_its_explanation_and_is_remembered_through_snapshots() {
    let (source, tag) = (IoSource(8), Tag(3));
    let io = |delta| Event::RefChanged { what: RefKind::Io, delta, alive: 0 };
    let mut refs = seen(&[Event::IoRegistered { source, tag }, io(1)]);
    see(&mut refs, &snapshot(&pending(RefKind::Io, 3, 1)));
    assert_eq!(list(&refs), [(RefKind::Io, 3, 1)]);
    let label = LabelId(70);
    see(&mut refs, &[Event::IoLabel { source, label }]);
    let explained = RefName { what: RefKind::Io, tag, label: Some(label) };
    assert_eq!(refs.held(), [Held { name: explained, count: 1 }]);
    see(&mut refs, &[Event::IoRemoved { source }, io(-1)]);
    assert!(refs.held().is_empty());
}

#[test]
fn an_unreferenced_source_comes_and_goes_unnoticed() {
    let mut refs = seen(&snapshot(&pending(RefKind::Io, 2, 1)));
    let (source, tag) = (IoSource(8), Tag(2));
    see(&mut refs, &[Event::IoRegistered { source, tag }]);
    assert_eq!(list(&refs), [(RefKind::Io, 2, 1)]);
    see(&mut refs, &[Event::IoRemoved { source }]);
    assert_eq!(list(&refs), [(RefKind::Io, 2, 1)]);
}

#[test]
fn unnamed_references_are_counted() {
    let mut refs = seen(&snapshot(&pending(RefKind::Handle, 0, 1)));
    let handle = |delta| Event::RefChanged { what: RefKind::Handle, delta, alive: 0 };
    see(&mut refs, &[handle(2)]);
    assert_eq!(refs.held().iter().map(|held| held.count).sum::<u64>(), 3);
    see(&mut refs, &[handle(-3)]);
    assert!(refs.held().is_empty());
    // A source from before the snapshot goes: its name is unknown, so none is shown.
    see(&mut refs, &snapshot(&pending(RefKind::Io, 2, 4)));
    see(&mut refs, &[Event::RefChanged { what: RefKind::Io, delta: -1, alive: 0 }]);
    assert_eq!(list(&refs), [(RefKind::Io, 0, 3)]);
}

#[test]
fn signal_handlers_keep_nothing_alive() {
    let refs = seen(&snapshot(&[Event::SnapshotRef { what: RefKind::Signal, count: 2 }]));
    assert!(refs.held().is_empty());
    assert_eq!(refs.kind(RefKind::Signal), Some(2));
}

#[test]
fn tasks_are_as_many_as_their_queue_is_deep() {
    let mut refs = seen(&snapshot(&pending(RefKind::Task, 1, 7)));
    assert_eq!(list(&refs), [(RefKind::Task, 1, 7)]);
    see(&mut refs, &[Event::QueueDepth { queue: Queue::Tasks, depth: 0 }]);
    assert!(refs.held().is_empty());
}

#[test]
fn tasks_are_followed_by_number_between_two_samples() {
    let mut refs = seen(&snapshot(&pending(RefKind::Task, 1, 1)));
    refs.task_queued(LOOP, Queue::Tasks, 2);
    assert_eq!(list(&refs), [(RefKind::Task, 0, 2)], "their names are unknown");
    refs.task_left(LOOP, TaskId(1), Some(Queue::Tasks));
    see(&mut refs, &[fired(7, 5)]);
    refs.task_left(LOOP, TaskId(9), Some(Queue::Tasks));
    assert_eq!(list(&refs), [(RefKind::Task, 0, 1)], "a timer's task was never queued");
    refs.task_left(LOOP, TaskId(2), Some(Queue::Tasks));
    refs.task_left(LOOP, TaskId(3), Some(Queue::Tasks));
    assert!(refs.held().is_empty());
    refs.task_queued(OTHER, Queue::Tasks, 5);
    assert!(refs.held().is_empty(), "a loop has no references before its snapshot");
}

#[test]
fn immediates_and_callbacks_after_the_loop_are_counted_as_they_come_and_go() {
    let mut refs = seen(&snapshot(&pending(RefKind::Immediate, 1, 2)));
    refs.task_queued(LOOP, Queue::Immediates, 3);
    assert_eq!(list(&refs), [(RefKind::Immediate, 0, 3)], "their names are unknown");
    see(&mut refs, &[Event::ImmediateRef { task: TaskId(7), referenced: false }]);
    assert_eq!(list(&refs), [(RefKind::Immediate, 0, 2)]);
    refs.task_left(LOOP, TaskId(7), Some(Queue::Immediates));
    assert_eq!(list(&refs), [(RefKind::Immediate, 0, 2)], "it did not keep the loop alive");
    refs.task_left(LOOP, TaskId(8), Some(Queue::Immediates));
    assert_eq!(list(&refs), [(RefKind::Immediate, 0, 1)]);
    refs.task_queued(LOOP, Queue::AfterLoop, 1);
    refs.task_queued(LOOP, Queue::Tasks, 1);
    assert_eq!(list(&refs), [(RefKind::Task, 0, 2), (RefKind::Immediate, 0, 1)]);
    refs.task_left(LOOP, TaskId(9), Some(Queue::AfterLoop));
    see(&mut refs, &[Event::Immediates { ran: 2, moved_to_next: 0, start: AT }]);
    assert_eq!(list(&refs), [(RefKind::Task, 0, 1)]);
    let unreferenced = Event::ImmediateRef { task: TaskId(7), referenced: false };
    see(&mut refs, &snapshot(&[unreferenced]));
    see(&mut refs, &[Event::ImmediateRef { task: TaskId(7), referenced: true }]);
    assert_eq!(list(&refs), [(RefKind::Immediate, 0, 1)], "the snapshot lists the unreferenced ones");
}

#[test]
fn immediates_are_those_that_the_last_batch_left() {
    let mut refs = seen(&snapshot(&pending(RefKind::Immediate, 1, 3)));
    see(&mut refs, &[Event::Immediates { ran: 3, moved_to_next: 2, start: AT }]);
    assert_eq!(refs.kind(RefKind::Immediate), Some(2));
}

#[test]
fn unnamed_references_come_last_of_their_kind() {
    let mut refs = seen(&snapshot(&pending(RefKind::Future, 4, 1)));
    see(&mut refs, &[Event::RefChanged { what: RefKind::Future, delta: 5, alive: 6 }]);
    assert_eq!(list(&refs), [(RefKind::Future, 4, 1), (RefKind::Future, 0, 5)]);
}

#[test]
fn half_a_snapshot_and_a_gap_show_no_references() {
    let whole = snapshot(&pending(RefKind::Io, 2, 1));
    let mut refs = seen(&whole);
    see(&mut refs, &whole[..2]);
    assert_eq!(list(&refs), [(RefKind::Io, 2, 1)], "the last complete snapshot counts");
    see(&mut refs, &[Event::Lost { count: 5, from: AT }]);
    assert!(refs.held().is_empty() && refs.as_of().is_none());
    see(&mut refs, &whole[1..]);
    assert!(refs.held().is_empty(), "the beginning of the snapshot was lost");
    see(&mut refs, &whole);
    assert_eq!(list(&refs), [(RefKind::Io, 2, 1)]);
}

#[test]
fn two_loops_add_up() {
    let mut refs = seen(&snapshot(&pending(RefKind::Io, 2, 1)));
    for event in snapshot(&pending(RefKind::Io, 2, 3)) {
        refs.see(Timestamp(900), OTHER, &event);
    }
    assert_eq!((list(&refs), refs.as_of()), (vec![(RefKind::Io, 2, 4)], Some(AT)));
}

#[test]
fn a_loss_of_one_loop_leaves_the_references_of_all_unknown() {
    let whole = snapshot(&pending(RefKind::Io, 2, 1));
    let mut refs = seen(&whole);
    let known = |refs: &KeepAlive| (list(refs), refs.kind(RefKind::Io), refs.as_of());
    refs.see(AT, 1, &Event::Lost { count: 5, from: AT });
    let of_one = (vec![(RefKind::Io, 2, 1)], Some(1), Some(AT));
    assert_eq!(known(&refs), of_one, "a worker has no references");
    refs.see(AT, OTHER, &Event::RefChanged { what: RefKind::Io, delta: 1, alive: 3 });
    assert_eq!(known(&refs), (vec![], None, None), "the other loop has more than this one");
    whole.iter().for_each(|event| refs.see(AT, OTHER, event));
    let of_both = (vec![(RefKind::Io, 2, 2)], Some(2), Some(AT));
    assert_eq!(known(&refs), of_both);
    refs.see(AT, OTHER, &Event::Lost { count: 5, from: AT });
    assert_eq!(known(&refs), (vec![], None, None));
    refs.see(AT, OTHER, &Event::LoopStopped { reason: StopReason::Closed });
    assert_eq!(known(&refs), of_one, "a closed loop has no references");
}

#[test]
fn memory_is_bounded() {
    let mut refs = seen(&snapshot(&[]));
    for number in 0..50u16 {
        see(&mut refs, &[armed(u64::from(number) + 1, number + 1)]);
        let source = IoSource(number.into());
        see(&mut refs, &[Event::IoRegistered { source, tag: Tag(number + 1) }]);
        see(&mut refs, &[Event::RefChanged { what: RefKind::Io, delta: 1, alive: 1 }]);
    }
    assert!(refs.held().len() <= 10, "{:?}", list(&refs));
    assert_eq!(refs.kind(RefKind::Io), Some(50));
}

#[test]
fn names_are_tags_labels_or_nothing() {
    let mut labels = Labels::default();
    labels.learn(LabelKind::Tag, 5, "Heartbeat");
    labels.learn(LabelKind::Text, 8, "config watcher");
    let name = |tag, label| RefName { what: RefKind::Timer, tag: Tag(tag), label }.describe(&labels);
    assert_eq!(name(5, None), "Heartbeat");
    assert_eq!(name(0, Some(LabelId(8))), "config watcher");
    assert_eq!(name(0, None), "unnamed");
    assert_eq!(RefName::unnamed(RefKind::Task).describe(&labels), "queued");
}
