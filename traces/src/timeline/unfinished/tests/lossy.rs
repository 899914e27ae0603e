//! Tests of timers around lost records.

use super::stopped::{armed, judged, summary};
use super::*;
use crate::analysis::gate::{Limit, Outcome as Judged};
use crate::analysis::metric::Metric;
use crate::source::{MemorySource, SourceCounts, SourceKind};
use crate::summary::Summary;

const MS: u64 = 1_000_000;

fn stopped() -> Stamped {
    at(504 * MS, Event::LoopStopped { reason: StopReason::Closed })
}

/// An interval of 2 ms that was armed before a loss fires after it, at 8 ms, and is overdue at the stop at 504 ms.
fn interval_after_a_loss() -> Vec<Stamped> {
    let due = Timestamp(8 * MS);
    let (timer, task) = (TimerId(1), TaskId(9));
    vec![
        begun(1, 0),
        at(MS, armed(1, 2 * MS, Some(2 * MS))),
        at(3 * MS, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(0) }),
        at(6 * MS, Event::Lost { count: 1, from: Timestamp(3 * MS) }),
        begun(2, 7 * MS),
        at(8 * MS, Event::TimerFired { timer, tag: TAG, task, due, fired: due, skipped: 0 }),
        at(8 * MS, Event::InputClock { point: ClockPoint::Interval, now: due }),
        ran(9, 8 * MS, 9 * MS),
        at(503 * MS, Event::TickEnd { tick: 2, tasks_run: 1, start: Timestamp(7 * MS) }),
    ]
}

#[test]
fn an_interval_that_fires_after_a_loss_is_armed_still() {
    let stop = stopped();
    let lossy = summary([interval_after_a_loss(), vec![stop]].concat());
    let bounds = Some(Bounds { lo: 1, hi: Some(2) });
    assert_eq!((lossy.timers.overdue, lossy.timers.overdue_bounds), (Some(1), bounds));
    assert_eq!((lossy.timers.lag_ns.count, lossy.timers.lag_ns.max), (2, Some(494 * MS)));
    assert_eq!(judged(&lossy, "timer_lag.max", Limit::Max(1e6)).0, Judged::Failed);
    // A timer cleared since then is not armed.
    let cleared = at(503 * MS, Event::TimerCleared { timer: TimerId(1) });
    let cleared = summary([interval_after_a_loss(), vec![cleared, stop]].concat());
    let bounds = Some(Bounds { lo: 0, hi: Some(1) });
    assert_eq!((cleared.timers.overdue, cleared.timers.overdue_bounds), (Some(0), bounds));
}

#[test]
fn any_number_of_timers_may_be_overdue_after_an_uncounted_gap() {
    let events = [interval_after_a_loss(), vec![stopped()]].concat();
    let mut timeline = folded(&events);
    timeline.counts = SourceCounts { lost_records: 1, uncounted_gaps: 1, ..SourceCounts::default() };
    let source = MemorySource::new("t", SourceKind::Trace, Metadata::new("t"), events);
    let summary = Summary::new(&source, &timeline);
    assert_eq!(summary.timers.overdue_bounds, Some(Bounds { lo: 1, hi: None }));
}

#[test]
fn waits_from_before_a_loss_may_be_shorter_than_the_known_ones() {
    // Ten tasks that waited for 100 ms, and ten timers that fired 100 ms late.
    let mut events = vec![begun(1, 0)];
    for number in 1..=10 {
        let (task, timer, time) = (TaskId(number), TimerId(number), 200 * MS + number);
        let (due, fired) = (Timestamp(100 * MS), Timestamp(time));
        events.push(at(time, Event::TimerFired { timer, tag: TAG, task, due, fired, skipped: 0 }));
        let (queued, start) = (Timestamp(100 * MS), fired);
        let task = TaskId(100 + number);
        events.push(at(time, Event::TaskRan { task, tag: TAG, outcome: Outcome::Done, queued, start }));
    }
    // As many of each wait for 4 ms until the stop.
    let place = Placement { queue: Queue::Tasks, origin: Origin::Local, depth: 1 };
    let queued = Timestamp(500 * MS);
    for number in 11..=20 {
        events.push(at(500 * MS, armed(number, 500 * MS, None)));
        let task = TaskId(100 + number);
        let queued = Event::TaskQueued { task, tag: TAG, place, parent: None, poster: None, queued };
        events.push(at(500 * MS, queued));
    }
    let lost = at(501 * MS, Event::Lost { count: 1, from: queued });
    let [whole, lossy] =
        [vec![stopped()], vec![lost, stopped()]].map(|ended| summary([events.clone(), ended].concat()));
    for metric in ["tasks.wait", "timer_lag", "timer_lag_corrected"] {
        for statistic in ["mean", "gmean", "p50", "p90"] {
            let metric = format!("{metric}.{statistic}");
            let value = metric.parse::<Metric>().unwrap().of(&whole).unwrap().number;
            let bounds = metric.parse::<Metric>().unwrap().bounds(&lossy).unwrap();
            assert!(bounds.low <= value, "{metric}: {value} {bounds:?}");
        }
    }
}

#[test]
fn nothing_surely_waits_for_a_loop_that_may_have_stopped_in_a_gap() {
    let tick = [begun(1, 0), ran(1, MS, 2 * MS)];
    let stop = at(3 * MS, Event::LoopStopped { reason: StopReason::Stopped });
    // Armed, and posted, while the loop does not run.
    let place = Placement { queue: Queue::Concurrent, origin: Origin::Concurrent, depth: 1 };
    let (task, tag, queued) = (TaskId(2), TAG, Timestamp(MS));
    let post = Event::TaskQueued { task, tag, place, parent: None, poster: Some(OTHER), queued };
    let after = [at(4 * MS, armed(1, 5 * MS, None)), at(500 * MS, post), stopped()];
    let of = |middle: Stamped| summary([&tick[..], &[middle], &after].concat());
    let whole = of(stop);
    assert_eq!((whole.timers.overdue, whole.timers.overdue_bounds), (Some(0), None));
    assert_eq!(whole.tasks.queue_wait_ns.max, Some(2 * MS));
    let lossy = of(lost_by(3));
    assert_eq!((lossy.timers.overdue, lossy.tasks.queue_wait_ns.max), (Some(0), Some(MS)));
    assert!(lossy.timers.overdue_bounds.unwrap().hi >= Some(1));
    for metric in ["tasks.wait.max", "timer_lag.max"] {
        assert_eq!(judged(&lossy, metric, Limit::Max(2.5e6)).0, Judged::Undecided, "{metric}");
    }
    // A loop that runs after the gap has not stopped there.
    let late = ran(3, 3 * MS, 4 * MS);
    let goes_on = summary([&tick[..], &[lost_by(3)], &[late], &after].concat());
    assert_eq!((goes_on.timers.overdue, goes_on.tasks.queue_wait_ns.max), (Some(1), Some(503 * MS)));
}

/// One record is lost before `ms`.
fn lost_by(ms: u64) -> Stamped {
    at(ms * MS, Event::Lost { count: 1, from: Timestamp((ms - 1) * MS) })
}
