//! What queued a task: ids are unique only within a loop or an agenda, since each numbers its tasks from 1.

use loop_probes::event::{Outcome, Placement, Priority, Queue};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::timeline::TimelineConfig;

use super::*;

const LOOP: SourceId = SourceId(1);
const OTHER: SourceId = SourceId(2);
const WORKER: SourceId = SourceId(3);
const CHILD: Tag = Tag(9);

fn at(ns: u64, source: SourceId, event: Event) -> Stamped {
    Stamped { at: Timestamp(ns), source, event }
}

fn queued(parent: Option<u64>, poster: Option<SourceId>) -> Event {
    let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: 1 };
    let (task, parent) = (TaskId(50), parent.map(|task| TaskId(task).into()));
    Event::TaskQueued { task, tag: CHILD, place, parent, poster, queued: Timestamp(1) }
}

fn ran(task: u64, tag: u16) -> Event {
    let (queued, start, outcome) = (Timestamp(1), Timestamp(1), Outcome::Done);
    Event::TaskRan { task: TaskId(task), tag: Tag(tag), outcome, queued, start }
}

fn fold(events: &[Stamped]) -> Fold {
    let mut fold = Fold::new(TimelineConfig::default());
    events.iter().for_each(|stamped| fold.fold(stamped));
    fold
}

fn rows(fold: &Fold) -> Vec<(String, u64)> {
    queued_by(fold, CHILD)
}

#[test]
fn a_parent_is_a_task_of_the_loop_that_recorded_it() {
    let tasklet = Event::AgendaRan {
        task: TaskId(7),
        tag: Tag(3),
        priority: Priority::High,
        worker: 0,
        outcome: Outcome::Done,
        queued: Timestamp(1),
        start: Timestamp(1),
    };
    let fold = fold(&[
        at(10, OTHER, ran(7, 1)),
        at(20, WORKER, tasklet),
        at(30, LOOP, queued(Some(7), None)),
        at(40, LOOP, ran(7, 2)),
    ]);
    assert_eq!(rows(&fold), [(fold.timeline.labels.tag(Tag(2)).into_owned(), 1)]);
}

#[test]
fn a_post_from_another_thread_has_that_thread_as_its_source() {
    let (task, priority) = (TaskId(1), Priority::Low);
    let added = Event::AgendaAdded { task, tag: CHILD, priority, depth: 1 };
    let fold = fold(&[
        at(10, LOOP, queued(None, Some(WORKER))),
        at(20, LOOP, queued(None, Some(WORKER))),
        at(30, LOOP, queued(None, None)),
        at(40, OTHER, added),
    ]);
    let name = |source| fold.timeline.labels.source(source).into_owned();
    assert_eq!(rows(&fold), [(name(WORKER), 2), ("from local".to_owned(), 1), (name(OTHER), 1)]);
}
