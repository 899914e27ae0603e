//! Tests of the worst cases and their breakdowns: across ticks, across gaps, beyond the kept history, and always exact.

use loop_probes::event::{Event, Outcome, PollReason};
use loop_probes::ids::{LabelId, TimerId};
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::attribution::What;
use crate::synthetic::strategy::{hostile_events, scripts};
use crate::timeline::{Cause, TimelineConfig};

const LOOP: SourceId = SourceId(1);
const MS: u64 = 1_000_000;

fn at(at: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at), source: LOOP, event }
}

fn begin(tick: u64, start: u64) -> Stamped {
    at(start, Event::TickStart { tick })
}

fn end(tick: u64, start: u64, end: u64) -> Stamped {
    at(end, Event::TickEnd { tick, tasks_run: 1, start: Timestamp(start) })
}

fn ran(task: u64, start: u64, end: u64) -> Stamped {
    let start = Timestamp(start);
    at(end, Event::TaskRan { task: TaskId(task), tag: Tag(1), outcome: Outcome::Done, queued: start, start })
}

fn fired(due: u64, fired: u64) -> Stamped {
    let (due, at_fired) = (Timestamp(due), Timestamp(fired));
    let (timer, task) = (TimerId(1), TaskId(900));
    at(fired, Event::TimerFired { timer, tag: Tag(5), task, due, fired: at_fired, skipped: 0 })
}

fn folded(config: TimelineConfig, events: &[Stamped]) -> Timeline {
    let mut timeline = Timeline::new(config);
    timeline.extend(events);
    timeline
}

fn shares(breakdown: &Breakdown) -> Vec<(What, u64)> {
    breakdown.shares.iter().map(|share| (share.what, share.ns)).collect()
}

const fn task(id: u64) -> What {
    What::Task { task: TaskId(id), tag: Tag(1) }
}

#[test]
fn a_timer_delay_includes_all_ticks_since_and_an_unneeded_poll() {
    let (reason, timeout_ns) = (PollReason::Timer, Some(MS));
    let poll = Event::Poll { reason, ready: 0, timeout_ns, start: Timestamp(41 * MS) };
    let events = [
        begin(1, 0),
        ran(1, 0, 30 * MS),
        end(1, 0, 31 * MS),
        begin(2, 32 * MS),
        ran(2, 32 * MS, 40 * MS),
        at(45 * MS, poll),
        fired(10 * MS, 46 * MS),
        end(2, 32 * MS, 47 * MS),
    ];
    let late = folded(TimelineConfig::default(), &events).late_timers();
    assert_eq!(late.len(), 1);
    let expected = [
        (task(1), 20 * MS),
        (task(2), 8 * MS),
        (What::LateWakeup, 3 * MS),
        (What::Overslept, MS),
        (What::Unattributed, 4 * MS),
    ];
    assert_eq!(shares(&late[0].blame), expected);
    assert_eq!((late[0].blame.total_ns, late[0].what.lag_ns()), (36 * MS, 36 * MS));
}

/// Two timers are found due by one reading of the clock, and the callback of the first runs for 300 ms.
#[test]
fn a_timer_is_late_by_the_callbacks_that_ran_before_it_in_its_pass() {
    let one = |timer, at_ns, due: u64| {
        let (due, fired) = (Timestamp(due), Timestamp(11 * MS));
        let (timer, task) = (TimerId(timer), TaskId(timer));
        at(at_ns, Event::TimerFired { timer, tag: Tag(1), task, due, fired, skipped: 0 })
    };
    let arm = Event::TimerArmed {
        timer: TimerId(2),
        tag: Tag(1),
        due: Timestamp(10 * MS + MS / 2),
        period_ns: Some(MS),
    };
    let events = [
        at(0, arm),
        begin(1, 11 * MS),
        one(1, 11 * MS, 11 * MS),
        ran(1, 11 * MS, 311 * MS),
        one(2, 311 * MS, 10 * MS + MS / 2),
        ran(2, 311 * MS, 312 * MS),
        end(1, 11 * MS, 312 * MS),
    ];
    let timeline = folded(TimelineConfig::default(), &events);
    let timers = &timeline.timers;
    assert_eq!((timers.fired, timers.skipped, timers.lag_ns.max()), (2, 300, 300 * MS + MS / 2));
    assert_eq!(
        (timers.lag_corrected_ns().count(), timers.lag_corrected_ns().max()),
        (301, 300 * MS + MS / 2)
    );
    let late = timeline.late_timers();
    assert_eq!(late.len(), 1);
    assert_eq!(shares(&late[0].blame)[0], (task(1), 300 * MS));
    assert_eq!((late[0].blame.total_ns, late[0].what.skipped), (300 * MS + MS / 2, 300));
}

#[test]
fn evicted_time_has_a_line_of_its_own() {
    let events = |ticks: u64| {
        let tick = |n: u64| [begin(n, n * MS), ran(n, n * MS, n * MS + MS / 2), end(n, n * MS, n * MS + MS)];
        let last =
            [begin(ticks, ticks * MS), fired(0, ticks * MS + 5), end(ticks, ticks * MS, ticks * MS + 9)];
        (0..ticks).flat_map(tick).chain(last).collect::<Vec<_>>()
    };
    for config in [
        TimelineConfig { ticks_kept: 4, ..TimelineConfig::default() },
        TimelineConfig { spans_kept: 4, ..TimelineConfig::default() },
    ] {
        let late = folded(config, &events(20)).late_timers();
        let blame = &late[0].blame;
        // The timer's own tick is still running when its breakdown is made, or is among those kept.
        assert!((15 * MS..=17 * MS).contains(&blame.of(&What::Evicted)), "{blame:?}");
        assert_eq!(blame.total_ns, 20 * MS + 5);
    }
}

#[test]
fn a_breakdown_is_computed_before_its_spans_are_evicted() {
    let config = TimelineConfig { ticks_kept: 4, ..TimelineConfig::default() };
    let mut events = vec![begin(1, 0), ran(1, 0, 30 * MS), fired(10 * MS, 30 * MS), end(1, 0, 31 * MS)];
    for tick in 2..50 {
        let start = tick * 32 * MS;
        events.extend([begin(tick, start), end(tick, start, start + 1)]);
    }
    let late = folded(config, &events).late_timers();
    assert_eq!(shares(&late[0].blame), [(task(1), 20 * MS), (What::Unattributed, 0)]);
}

#[test]
fn the_time_of_a_gap_is_unknown_even_if_spans_cover_it() {
    let lost = |from, to, count| at(to, Event::Lost { count, from: Timestamp(from) });
    let within = [
        begin(1, 0),
        lost(10 * MS, 15 * MS, 7),
        ran(1, 5 * MS, 30 * MS),
        fired(8 * MS, 30 * MS),
        end(1, 0, 31 * MS),
    ];
    let late = folded(TimelineConfig::default(), &within).late_timers();
    let unknown = What::Unknown { lost: 7 };
    assert_eq!(shares(&late[0].blame), [(task(1), 17 * MS), (unknown, 5 * MS), (What::Unattributed, 0)]);

    // The end of one tick and the beginning of the next are lost: the activity in both is unknown.
    let across = [
        begin(1, 0),
        ran(1, 0, 10 * MS),
        lost(10 * MS, 12 * MS, 2),
        ran(2, 12 * MS, 20 * MS),
        end(2, 11 * MS, 21 * MS),
        begin(3, 21 * MS),
        ran(3, 21 * MS, 25 * MS),
        fired(5 * MS, 25 * MS),
        end(3, 21 * MS, 26 * MS),
    ];
    let late = folded(TimelineConfig::default(), &across).late_timers();
    let unknown = What::Unknown { lost: 2 };
    assert_eq!(shares(&late[0].blame), [(task(3), 4 * MS), (unknown, 16 * MS), (What::Unattributed, 0)]);
}

#[test]
fn before_the_recording_nothing_is_known() {
    let events = [
        begin(5, 100 * MS),
        ran(1, 100 * MS, 101 * MS),
        fired(90 * MS, 101 * MS),
        end(5, 100 * MS, 102 * MS),
    ];
    let late = folded(TimelineConfig::default(), &events).late_timers();
    let expected = [(task(1), MS), (What::BeforeRecording, 10 * MS), (What::Unattributed, 0)];
    assert_eq!(shares(&late[0].blame), expected);
}

#[test]
fn slow_tasks_and_late_signals_have_breakdowns() {
    let label = Event::Span { label: LabelId(3), start: Timestamp(2 * MS) };
    let signal = Event::SignalDelivered { signo: 10, task: TaskId(4), arrived: Timestamp(15 * MS) };
    let events =
        [begin(1, 0), at(9 * MS, label), ran(1, MS, 21 * MS), at(22 * MS, signal), end(1, 0, 23 * MS)];
    let timeline = folded(TimelineConfig::default(), &events);
    let slow = timeline.slow_tasks();
    assert_eq!(slow[0].what.run_ns(), 20 * MS);
    let parts = [(What::Span { label: LabelId(3) }, 7 * MS), (What::Unattributed, 13 * MS)];
    assert_eq!(shares(&slow[0].blame), parts);
    let late = timeline.late_signals();
    assert_eq!((late[0].what.signo, late[0].what.tick), (10, Some(1)));
    assert_eq!(shares(&late[0].blame), [(task(1), 6 * MS), (What::Unattributed, MS)]);
}

fn exact(timeline: &Timeline) -> Result<(), TestCaseError> {
    let sums = |breakdown: &Breakdown| breakdown.shares.iter().map(|share| share.ns).sum::<u64>();
    for late in timeline.late_timers() {
        prop_assert_eq!((sums(&late.blame), late.blame.total_ns), (late.what.lag_ns(), late.what.lag_ns()));
    }
    for late in timeline.late_signals() {
        prop_assert_eq!(sums(&late.blame), late.what.latency_ns());
    }
    for slow in timeline.slow_tasks() {
        prop_assert_eq!(sums(&slow.blame), slow.what.run_ns());
    }
    Ok(())
}

#[test]
fn the_tick_that_was_running_when_the_recording_began_is_before_it() {
    let deferred = at(130 * MS, Event::DeferredRan { ran: 1, kept: 0, start: Timestamp(100 * MS) });
    let mut timeline =
        folded(TimelineConfig::default(), &[deferred, fired(20 * MS, 140 * MS), fired(120 * MS, 141 * MS)]);
    let is_before = |timeline: &Timeline| {
        for late in timeline.late_timers() {
            let before = [(What::BeforeRecording, late.blame.total_ns), (What::Unattributed, 0)];
            assert_eq!(shares(&late.blame), before, "{late:?}");
        }
        let delay_caused = timeline.delay_caused();
        assert_eq!(
            (delay_caused.len(), delay_caused[0].cause, delay_caused[0].total_ns()),
            (1, Cause::BeforeRecording, 141 * MS)
        );
    };
    is_before(&timeline);
    // The next tick is whole.
    timeline.extend(&[begin(2, 150 * MS), end(2, 150 * MS, 151 * MS)]);
    is_before(&timeline);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_breakdown_sums_to_its_wait(script in scripts(), kept in 1usize..30, late_kept in 0usize..40) {
        let strict = TimelineConfig {
            late_timer_ns: 0, late_signal_ns: 0, late_task_ns: 0, slow_task_ns: 0, late_kept, ..TimelineConfig::default()
        };
        let events = script.events();
        exact(&folded(strict.clone(), &events))?;
        exact(&folded(TimelineConfig { ticks_kept: kept, spans_kept: kept * 9, ..strict }, &events))?;
    }

    #[test]
    fn a_hostile_stream_has_exact_breakdowns_too(events in hostile_events(), kept in 1usize..9) {
        let config = TimelineConfig {
            late_timer_ns: 0, late_signal_ns: 0, late_task_ns: 0, slow_task_ns: 0,
            ticks_kept: kept, spans_kept: kept * 3, entries_kept: 2, stretches_kept: 5, ..TimelineConfig::default()
        };
        let timeline = folded(config, &events);
        exact(&timeline)?;
        prop_assert!(timeline.delay_caused().iter().all(|impact| impact.delayed() > 0));
    }
}

#[test]
fn a_stall_with_more_polls_than_are_kept_sums_to_its_busy_time() {
    let polled = |from: u64, to: u64| {
        let (reason, timeout_ns) = (PollReason::Timer, Some(MS));
        at(to, Event::Poll { reason, ready: 0, timeout_ns, start: Timestamp(from) })
    };
    let polls = TimelineConfig::default().spans_per_tick as u64 * 5;
    for (every, len, waited_ns) in [(10_000, 8_000, polls * 8_000), (2, 2_000, (polls - 1) * 2 + 2_000)] {
        let mut events = vec![begin(1, 0), ran(1, 0, 50 * MS)];
        events.extend((0..polls).map(|poll| polled(50 * MS + poll * every, 50 * MS + poll * every + len)));
        let over = 50 * MS + polls * every + 20 * MS;
        events.push(end(1, 0, over));
        let timeline = folded(TimelineConfig::default(), &events);
        let stall = timeline.stalls.newest_first().next().unwrap();
        assert_eq!(stall.tick.busy_ns, over - waited_ns, "every {every} ns");
        let sum: u64 = stall.blame.shares.iter().map(|share| share.ns).sum();
        assert_eq!((stall.blame.total_ns, sum), (stall.tick.busy_ns, stall.tick.busy_ns));
    }
}
