//! Which waits count as delayed by a tick, and which do not.

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TimerId};

use super::*;

const LOOP: SourceId = SourceId(1);
const MS: u64 = 1_000_000;

fn at(ns: u64, source: SourceId, event: Event) -> Stamped {
    Stamped { at: Timestamp(ns), source, event }
}

fn fired(due: u64, at_ns: u64, source: SourceId) -> Stamped {
    let (timer, tag, task) = (TimerId(1), Tag(2), TaskId(9));
    let (due, fired, skipped) = (Timestamp(due), Timestamp(at_ns), 0);
    at(at_ns, source, Event::TimerFired { timer, tag, task, due, fired, skipped })
}

fn ran(task: u64, queued: u64, start: u64, end: u64) -> Stamped {
    let (task, tag, outcome) = (TaskId(task), Tag(1), Outcome::Done);
    let (queued, start) = (Timestamp(queued), Timestamp(start));
    at(end, LOOP, Event::TaskRan { task, tag, outcome, queued, start })
}

fn tick(tick: u64, start: u64, end: u64) -> [Stamped; 2] {
    let ended = Event::TickEnd { tick, tasks_run: 1, start: Timestamp(start) };
    [at(start, LOOP, Event::TickStart { tick }), at(end, LOOP, ended)]
}

fn fold(events: &[Stamped]) -> Fold {
    let mut fold = Fold::new(TimelineConfig::default());
    events.iter().for_each(|stamped| fold.fold(stamped));
    fold
}

#[test]
fn waits_are_listed_by_their_part_inside_the_tick() {
    let [began, ended] = tick(1, 100 * MS, 140 * MS);
    let fold = fold(&[
        began,
        ran(6, 99 * MS, 100 * MS, 139 * MS),
        ended,
        fired(110 * MS, 141 * MS, LOOP),
        // Not delayed by the tick: due after its end; of another loop; not late.
        fired(140 * MS, 142 * MS, LOOP),
        fired(110 * MS, 142 * MS, SourceId(2)),
        fired(139 * MS + MS / 2, 140 * MS, LOOP),
        ran(7, 95 * MS, 143 * MS, 144 * MS),
        // The first timer's own task, which does not count again.
        ran(9, 110 * MS, 145 * MS, 146 * MS),
    ]);
    let tick = *fold.tick_that_ended(Timestamp(140 * MS)).unwrap();
    let delayed = by_tick(&fold, &tick);
    let waits: Vec<(u64, u64)> =
        delayed.all.iter().map(|delayed| (delayed.ns, delayed.waited_ns())).collect();
    assert_eq!((waits, delayed.worst_only), (vec![(40 * MS, 48 * MS), (30 * MS, 31 * MS)], false));
    let names: Vec<u64> = delayed.by_name(&fold.timeline.labels).iter().map(|total| total.ns).collect();
    assert_eq!(names, [40 * MS, 30 * MS]);
}

#[test]
fn waits_with_kept_breakdowns_are_listed_after_the_log_evicted_the_tick() {
    let [began, ended] = tick(1, 100 * MS, 140 * MS);
    let mut fold =
        fold(&[began, ran(6, 99 * MS, 100 * MS, 139 * MS), ended, fired(110 * MS, 141 * MS, LOOP)]);
    let tick = *fold.tick_that_ended(Timestamp(140 * MS)).unwrap();
    for place in 0..crate::app::fold::LOG_EVENTS_MAX as u64 {
        fold.fold(&at(150 * MS + place, LOOP, Event::TimerCleared { timer: TimerId(3) }));
    }
    let delayed = by_tick(&fold, &tick);
    assert!(delayed.worst_only);
    assert_eq!(delayed.all.iter().map(|delayed| delayed.ns).collect::<Vec<_>>(), [30 * MS]);
}
