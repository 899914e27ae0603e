//! Tests the statements of saved regressions on synthetic events: true ones pass, false ones are reported.

use loop_probes::event::{Event, Origin, Outcome, Placement, Queue};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;

use crate::support::corpus::statement::{Fired, RunStarts, Span, out_of_order};

fn at(ns: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(ns), source: SourceId(1), event }
}

fn queued(task: u64, poster: Option<u32>) -> Stamped {
    let place = Placement { queue: Queue::Concurrent, origin: Origin::Concurrent, depth: 1 };
    let (task, poster) = (TaskId(task), poster.map(SourceId));
    at(10, Event::TaskQueued { task, tag: Tag(1), place, parent: None, poster, queued: Timestamp(10) })
}

fn ran(task: u64, start: u64) -> Stamped {
    let (start, queued, outcome) = (Timestamp(start), Timestamp(10), Outcome::Done);
    at(start.0 + 5, Event::TaskRan { task: TaskId(task), tag: Tag(1), outcome, queued, start })
}

fn fired(due: u64, fired: u64, skipped: u32) -> Stamped {
    let (due, fired, task) = (Timestamp(due), Timestamp(fired), TaskId(1));
    at(fired.0, Event::TimerFired { timer: TimerId(1), tag: Tag(0), task, due, fired, skipped })
}

fn spans(ns: &[u64]) -> Vec<Span> {
    ns.iter().map(|ns| Span { ns: *ns }).collect()
}

#[test]
fn order_is_checked_per_poster() {
    let labels = Labels::default();
    let posted = [queued(1, Some(7)), queued(2, Some(8)), queued(3, Some(7))];
    let with = |order: [u64; 3]| {
        let ran = order.into_iter().zip(20..).map(|(task, start)| ran(task, start));
        out_of_order(&posted.iter().copied().chain(ran).collect::<Vec<_>>(), &labels)
    };
    assert_eq!(with([1, 2, 3]), None);
    assert_eq!(with([2, 1, 3]), None, "tasks of two posters have no order");
    let error = with([3, 2, 1]).unwrap();
    assert!(error.contains("#1 ran behind"), "{error}");
}

#[test]
fn times_count_from_the_first_event() {
    let labels = Labels::default();
    let events = [queued(1, None), queued(2, None), ran(1, 30), ran(2, 1_010)];
    let said = |at: &[u64]| RunStarts { tag: labels.tag(Tag(1)).into_owned(), at: spans(at) };
    assert_eq!(said(&[20, 1_000]).broken(&events, &labels), None);
    let error = said(&[20]).broken(&events, &labels).unwrap();
    assert!(error.contains(r#"["20ns", "1us"], not at ["20ns"]"#), "{error}");
}

#[test]
fn lag_and_skipped_periods_are_distinguished() {
    let labels = Labels::default();
    let events = [fired(100, 100, 0), fired(200, 450, 2)];
    let tag = labels.tag(Tag(0)).into_owned();
    let said =
        |lag: &[u64], skipped: &[u32]| Fired { tag: tag.clone(), lag: spans(lag), skipped: skipped.into() };
    assert_eq!(said(&[0, 250], &[0, 2]).broken(&events, &labels), None);
    assert!(said(&[0, 250], &[]).broken(&events, &labels).unwrap().contains("skipped [0, 2] periods"));
    assert!(said(&[0, 251], &[0, 2]).broken(&events, &labels).unwrap().contains("fired late by"));
}
