//! Tests of intervals whose period is unknown.

use loop_probes::event::{Event, Outcome};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Judgement, Limit, Outcome as GateOutcome};
use crate::source::{MemorySource, SourceKind};
use crate::summary::Summary;
use crate::timeline::{Timeline, TimelineConfig};

use super::Firing;

const LOOP: SourceId = SourceId(1);
const TIMER: TimerId = TimerId(7);
const TAG: Tag = Tag(3);
const US: u64 = 1_000;
const MS: u64 = 1_000 * US;

fn at(ns: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(ns), source: LOOP, event }
}

/// In tick `tick`, a timer that was due at 10 ms is found due 0.9 ms later. Its callback begins after 13.4 ms, because
/// others ran before it.
fn late(tick: u64) -> Vec<Stamped> {
    let (due, found, began) = (Timestamp(10 * MS), Timestamp(10_900 * US), 13_400 * US);
    let task = TaskId(9);
    let fired = Event::TimerFired { timer: TIMER, tag: TAG, task, due, fired: found, skipped: 0 };
    let (queued, start) = (Timestamp(began), Timestamp(began));
    let ran = Event::TaskRan { task, tag: TAG, outcome: Outcome::Done, queued, start };
    let start = Timestamp(10_500 * US);
    vec![
        at(10_500 * US, Event::TickStart { tick }),
        at(began, fired),
        at(began + US, ran),
        at(14 * MS, Event::TickEnd { tick, tasks_run: 2, start }),
    ]
}

/// A snapshot at 20 ms that lists the timer with this period, if it is armed.
fn snapshot(armed: Option<Option<u64>>, left_out: u32) -> Vec<Stamped> {
    let begin = Event::SnapshotBegin { tick: 8, next_task: TaskId(10), next_timer: TimerId(8) };
    let due = Timestamp(30 * MS);
    let timer = armed.map(|period_ns| Event::SnapshotTimer {
        timer: TIMER,
        tag: TAG,
        due,
        period_ns,
        referenced: true,
    });
    let parts = [Some(begin), timer, Some(Event::SnapshotEnd { parts: 1, left_out })];
    parts.into_iter().flatten().map(|event| at(20 * MS, event)).collect()
}

fn summary(parts: &[Vec<Stamped>]) -> Summary {
    let events = parts.concat();
    let mut timeline = Timeline::new(TimelineConfig::default());
    timeline.extend(&events);
    let source = MemorySource::new("t", SourceKind::Trace, Metadata::new("t"), events);
    Summary::new(&source, &timeline)
}

fn judged(summary: &Summary, metric: &str, max: f64) -> Judgement {
    let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
    Gate::new(metric.parse().unwrap(), Limit::Max(max)).unwrap().judge(&run).unwrap()
}

/// Skipped periods, the most there can have been, and the number of corrected samples.
fn skipped(parts: &[Vec<Stamped>]) -> (u64, u64, u64) {
    let timers = summary(parts).timers;
    let skipped = timers.skipped.unwrap();
    let most = timers.skipped_bounds.map_or(skipped, |bounds| bounds.hi.unwrap());
    assert_eq!(timers.period_unknown > Some(0), most > skipped);
    assert_eq!(timers.lag_corrected_ns.bounds.is_some(), most > skipped);
    (skipped, most, timers.lag_corrected_ns.count)
}

#[test]
fn periods_skipped_by_a_timer_with_an_unknown_period_are_a_range() {
    let summary = summary(&[late(7)]);
    let judge = |max| judged(&summary, "timers.skipped", max);
    for (max, outcome) in
        [(0.0, GateOutcome::Undecided), (2.0, GateOutcome::Undecided), (3.0, GateOutcome::Held)]
    {
        let judged = judge(max);
        assert_eq!((judged.outcome, judged.bounds), (outcome, Some((0.0, Some(3.0)))), "{max}");
    }
    assert_eq!(judge(0.0).why.as_deref(), Some("1 unknown timer period could overturn it"));
    let corrected = |max| judged(&summary, "timer_lag_corrected.p50", max).outcome;
    assert_eq!(corrected(3.5e6), GateOutcome::Held, "no sample is longer than the lag");
    let bounds = summary.timers.lag_corrected_ns.bounds.unwrap();
    assert!(
        bounds.p50.lo < MS && bounds.max.lo == 3_400 * US && bounds.max.hi == Some(3_400 * US),
        "{bounds:?}"
    );
    assert_eq!(judged(&summary, "timer_lag.max", 3.4e6).outcome, GateOutcome::Held, "the raw lag is known");
    let page = crate::report::text(&summary);
    assert!(page.contains("at least 0 skipped periods · 1 firing with unknown period"), "{page}");
}

#[test]
fn a_snapshot_gives_the_periods_of_earlier_firings() {
    let interval = snapshot(Some(Some(MS)), 0);
    assert_eq!(skipped(&[late(7), interval.clone()]), (3, 3, 3));
    assert_eq!(judged(&summary(&[late(7), interval]), "timers.skipped", 2.0).outcome, GateOutcome::Failed);
    assert_eq!(skipped(&[late(7), snapshot(None, 0)]), (0, 0, 1), "a one-shot");
    assert_eq!(skipped(&[late(7), snapshot(Some(None), 0)]), (0, 0, 1), "a one-shot that was restarted");
    assert_eq!(skipped(&[late(7), snapshot(None, 2)]), (0, 3, 1), "it may be among those left out");
    assert_eq!(
        skipped(&[late(7), snapshot(Some(Some(MS / 2)), 0)]),
        (0, 3, 1),
        "that would have skipped one"
    );
    let cleared = vec![at(15 * MS, Event::TimerCleared { timer: TIMER })];
    assert_eq!(skipped(&[late(7), cleared, snapshot(None, 0)]), (0, 3, 1), "it may have been an interval");
}

#[test]
fn timers_armed_in_the_recording_leave_nothing_open() {
    let armed = |period_ns| {
        vec![at(MS, Event::TimerArmed { timer: TIMER, tag: TAG, due: Timestamp(10 * MS), period_ns })]
    };
    assert_eq!(skipped(&[late(1)]), (0, 0, 1), "nothing was before");
    assert_eq!(skipped(&[armed(None), late(7)]), (0, 0, 1));
    assert_eq!(skipped(&[armed(Some(MS)), late(7)]), (3, 3, 3));
    let before =
        snapshot(None, 0).into_iter().map(|stamped| Stamped { at: Timestamp(MS), ..stamped }).collect();
    assert_eq!(skipped(&[before, late(7)]), (0, 0, 1), "the snapshot lists all intervals");
}

#[test]
fn a_loop_that_uses_the_ring_again_says_nothing_about_the_timers_of_the_one_before() {
    let closed = Event::LoopStopped { reason: loop_probes::event::StopReason::Closed };
    let again = vec![at(15 * MS, closed), at(16 * MS, Event::TickStart { tick: 1 })];
    let end = Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(16 * MS) };
    let again = [again, vec![at(17 * MS, end)]].concat();
    assert_eq!(skipped(&[late(7), again, snapshot(Some(Some(MS)), 0)]), (0, 3, 1));
}

#[test]
fn the_range_contains_the_truth_for_any_period() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let (period_ns, found_ns) = (random.u64(1..2 * MS), random.u64(0..9 * MS));
        let lag_ns = found_ns + random.u64(0..5 * MS);
        let firing = Firing { lag_ns, found_ns, skipped: (found_ns / period_ns) as u32 };
        let [least, most] = firing.skipped_range();
        assert!(firing.fits(Some(period_ns)), "{firing:?}");
        assert!((least..=most).contains(&(lag_ns / period_ns)), "{firing:?}, {period_ns}");
        assert_eq!(firing.skipped_by(period_ns), lag_ns / period_ns);
    }
    let most = Firing { lag_ns: u64::MAX, found_ns: 1, skipped: 0 }.skipped_range();
    assert_eq!(most, [0, u64::from(u32::MAX)]);
}
