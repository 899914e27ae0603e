//! The history agrees with the totals, and shows long ticks, polls and losses where they were.

use loop_probes::ids::SourceId;
use proptest::prelude::*;

use super::*;
use crate::synthetic::Script;
use crate::timeline::{PhaseTimes, StreamEnd, Timeline, TimelineConfig};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn tick(start_ms: u64, end_ms: u64, polled_ms: u64) -> TickSummary {
    let timeline = Timeline::new(TimelineConfig { history: false, ..TimelineConfig::default() });
    assert!(timeline.history.widths.is_empty());
    let busy_ns = (end_ms - start_ms - polled_ms) * MS;
    TickSummary {
        source: SourceId(1),
        tick: 1,
        start: Timestamp(start_ms * MS),
        end: Timestamp(end_ms * MS),
        busy_ns,
        poll_wait_ns: polled_ms * MS,
        tasks_run: 0,
        tasks_queued: 0,
        phases: PhaseTimes::default(),
        longest: None,
        timers_fired: 0,
        timers_late: 0,
        microtasks_run: 0,
        gc_runs: 0,
        gc_run_ns: 0,
        stall: busy_ns > 10 * MS,
        incomplete: false,
        spans_left_out: 0,
        spans: Default::default(),
    }
}

fn columns(history: &History, step_ms: u64, now_ms: u64, count: usize) -> Vec<Option<HistorySlot>> {
    history.columns(step_ms * MS, Timestamp(now_ms * MS), count, &[])
}

#[test]
fn busy_and_poll_are_where_they_were() {
    let mut history = History::new(true);
    // Polls from 100.5 s to 102.3 s, then is busy for 400 ms.
    let polls = [(Timestamp(100_500 * MS), Timestamp(102_300 * MS), 0)];
    history.ticked(&tick(100_500, 102_700, 1_800), polls.into_iter());
    let of = |step| {
        let all = columns(&history, step, 102_700, 4);
        all.iter()
            .map(|slot| slot.map(|slot| [slot.busy_ns / MS, slot.poll_wait_ns / MS]))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(1_000), [None, Some([0, 500]), Some([0, 1_000]), Some([400, 300])]);
    assert_eq!(of(500), [Some([0, 500]), Some([0, 500]), Some([200, 300]), Some([200, 0])]);
    assert_eq!(of(60_000)[3], Some([400, 1_800]));
    let last = columns(&history, 1_000, 102_700, 1)[0].unwrap();
    assert_eq!((last.ticks, last.stalls, last.longest_ns), (1, 1, 400 * MS));
    assert_eq!(last.longest_end, Some(Timestamp(102_700 * MS)));
}

#[test]
fn a_long_tick_is_in_every_column_that_it_covers() {
    let mut history = History::new(true);
    history.ticked(&tick(5_000, 5_001, 0), std::iter::empty());
    history.ticked(&tick(5_900, 8_100, 0), std::iter::empty());
    let longest: Vec<u64> = columns(&history, 1_000, 9_000, 5)
        .iter()
        .map(|slot| slot.map_or(0, |slot| slot.longest_ns / MS))
        .collect();
    assert_eq!(longest, [2_200, 2_200, 2_200, 2_200, 0]);
}

#[test]
fn an_unfinished_tick_is_shown_as_far_as_it_is_known() {
    let history = History::new(true);
    let unfinished = UnfinishedTick {
        source: SourceId(1),
        tick: Some(4),
        start: Timestamp(1_000 * MS),
        as_of: Timestamp(3_500 * MS),
        busy_ns: 2_000 * MS,
        poll_wait_ns: 500 * MS,
        unknown_ns: 0,
        before_ns: 0,
        running: None,
    };
    let columns = history.columns(SECOND, Timestamp(4_200 * MS), 4, &[unfinished]);
    let longest: Vec<Option<u64>> =
        columns.iter().map(|slot| slot.map(|slot| slot.longest_ns / MS)).collect();
    assert_eq!(longest, [Some(2_000), Some(2_000), Some(2_000), None]);
    assert!(columns[0].is_some_and(|slot| slot.longest_end.is_none() && slot.ticks == 0));
}

#[test]
fn timers_are_counted_in_their_buckets() {
    let mut history = History::new(true);
    for lag_ns in [0, 10_000, 10_001, 2 * MS, 3 * SECOND] {
        history.fired(Timestamp(7 * SECOND), lag_ns);
    }
    let slot = columns(&history, 100, 7_000, 1)[0].unwrap();
    assert_eq!((slot.lag, slot.fired()), ([2, 1, 0, 1, 0, 0, 1], 5));
}

#[test]
fn lost_time_is_marked_and_an_incomplete_tick_counts_nowhere_else() {
    let mut history = History::new(true);
    history.ticked(&TickSummary { incomplete: true, ..tick(1_500, 2_500, 0) }, std::iter::empty());
    let slots = columns(&history, 1_000, 3_000, 3);
    let lost = slots.iter().map(|slot| slot.map(|slot| (slot.has_lost, slot.ticks, slot.busy_ns)));
    assert_eq!(lost.collect::<Vec<_>>(), [Some((true, 0, 0)), Some((true, 0, 0)), None]);
}

#[test]
fn two_days_fit_in_a_megabyte() {
    let mut history = History::new(true);
    for minute in 0..4_000 {
        history.fired(Timestamp(minute * 60 * SECOND), 5);
    }
    let day = columns(&history, 60_000, 4_000 * 60_000, 2_880);
    assert_eq!(day.iter().flatten().map(HistorySlot::fired).sum::<u64>(), 2_879);
    let slots: usize = WIDTHS.iter().map(|(_, limit)| limit).sum();
    assert!(slots * size_of::<HistorySlot>() < 1_200_000, "{}", size_of::<HistorySlot>());
}

proptest! {
    /// Whatever the step, the columns of a whole stream hold what its totals hold.
    #[test]
    fn columns_add_up_to_the_totals(seed in any::<u64>(), step in prop::sample::select(vec![1u64, 2, 5, 10, 50, 100, 600])) {
        let script = Script { ticks: 200, seed, ..Script::default() };
        let mut timeline = Timeline::new(TimelineConfig { history: true, ..TimelineConfig::of(&script.metadata()) });
        let events = script.events();
        timeline.extend(&events);
        let now = timeline.last_at().unwrap();
        let all = timeline.history.columns(step * 100 * MS, now, 5_000, &timeline.unfinished(StreamEnd::Known).ticks);
        let sum = |of: fn(&HistorySlot) -> u64| all.iter().flatten().map(of).sum::<u64>();
        prop_assert_eq!(sum(|slot| u64::from(slot.ticks)), timeline.ticks.count);
        prop_assert_eq!(sum(HistorySlot::fired), timeline.timers.fired);
        prop_assert_eq!(sum(|slot| u64::from(slot.stalls)), timeline.stalls.count);
        prop_assert_eq!(sum(|slot| slot.busy_ns), timeline.ticks.busy_ns);
        prop_assert_eq!(sum(|slot| slot.poll_wait_ns), timeline.ticks.poll_wait_ns);
        let longest = all.iter().flatten().map(|slot| slot.longest_ns).max();
        prop_assert!(longest >= Some(timeline.ticks.run_ns.max()));
    }
}
