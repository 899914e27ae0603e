//! Tests each of the controller's rules, in virtual time.

use super::*;

const MS: u64 = 1_000_000;

fn ms(ms: u64) -> Timestamp {
    Timestamp(ms * MS)
}

/// A controller whose last collection, at 0 ms, left `heap_bytes`.
fn settled(heap_bytes: u64) -> GcController {
    let mut gc = GcController::new(GcConfig::default(), ms(0));
    gc.collected(ms(0), heap_bytes);
    gc
}

fn check(gc: &mut GcController, at_ms: u64, heap_bytes: u64) -> (GcAction, GcReason) {
    let decision = gc.check(ms(at_ms), heap_bytes);
    assert_eq!(decision.heap_bytes, heap_bytes);
    (decision.action, decision.reason)
}

/// Fires the repeating timer at its due time. The collection leaves `heap_bytes`. Returns that time.
fn fire(gc: &mut GcController, heap_bytes: u64) -> Timestamp {
    let due = gc.state().periodic_due.unwrap();
    assert_eq!(gc.on_timers(Timestamp(due.0 - 1), heap_bytes), None, "not early");
    let decision = gc.on_timers(due, heap_bytes).unwrap();
    assert_eq!((decision.action, decision.reason), (GcAction::Collect, GcReason::Periodic));
    gc.collected(due, heap_bytes);
    due
}

#[test]
fn b16_the_repeating_timer_collects_every_second() {
    let mut gc = settled(0);
    for second in 1..=5 {
        assert_eq!(fire(&mut gc, second), ms(1_000 * second));
    }
}

#[test]
fn b16_thirty_firings_with_an_unchanged_heap_go_slow() {
    let mut gc = settled(500);
    for firing in 1..30 {
        fire(&mut gc, 500);
        assert_eq!((gc.state().unchanged_ticks, gc.take_mode_change()), (firing, None));
    }
    let last = fire(&mut gc, 500);
    assert_eq!(gc.take_mode_change(), Some(GcModeChange { mode: GcMode::Slow, unchanged_ticks: 30 }));
    assert_eq!(gc.take_mode_change(), None);
    assert_eq!(fire(&mut gc, 500), last.plus_ns(30_000 * MS));
    assert_eq!(gc.state().mode, GcMode::Slow);
}

/// A controller after 30 firings with an unchanged heap, and the time of the last one.
fn slow(heap_bytes: u64) -> (GcController, Timestamp) {
    let mut gc = settled(heap_bytes);
    let mut last = ms(0);
    for _ in 0..30 {
        last = fire(&mut gc, heap_bytes);
    }
    assert_eq!(gc.take_mode_change().unwrap().mode, GcMode::Slow);
    (gc, last)
}

#[test]
fn b16_a_change_in_between_starts_the_count_again() {
    let mut gc = settled(500);
    for _ in 0..29 {
        fire(&mut gc, 500);
    }
    fire(&mut gc, 499);
    assert_eq!((gc.state().unchanged_ticks, gc.state().mode), (0, GcMode::Fast));
}

#[test]
fn b16_any_change_at_a_firing_returns_to_fast_shrinking_too() {
    for heap_bytes in [499, 501] {
        let (mut gc, _) = slow(500);
        let at = fire(&mut gc, heap_bytes);
        assert_eq!(gc.take_mode_change(), Some(GcModeChange { mode: GcMode::Fast, unchanged_ticks: 0 }));
        assert_eq!(gc.state().periodic_due, Some(at.plus_ns(1_000 * MS)));
    }
}

#[test]
fn b16_any_change_at_a_check_returns_to_fast() {
    let (mut gc, last) = slow(500);
    let now = last.plus_ns(100 * MS);
    assert_eq!(gc.check(now, 400).action, GcAction::Defer);
    assert_eq!(gc.take_mode_change().unwrap().mode, GcMode::Fast);
    assert_eq!(gc.state().periodic_due, Some(now.plus_ns(1_000 * MS)));
}

#[test]
fn b17_strictly_more_than_twice_is_collected_at_once() {
    let mut gc = settled(100);
    assert_eq!(check(&mut gc, 1, 201), (GcAction::Collect, GcReason::Doubled));
    let mut gc = settled(100);
    assert_eq!(check(&mut gc, 1, 200), (GcAction::Defer, GcReason::Changed));
}

#[test]
fn b17_a_change_otherwise_arms_the_one_shot_also_when_it_shrank() {
    for heap_bytes in [101, 99, 0] {
        let mut gc = settled(100);
        assert_eq!(check(&mut gc, 5, heap_bytes), (GcAction::Defer, GcReason::Changed));
        assert_eq!(gc.state().one_shot_due, Some(ms(21)));
        assert_eq!(gc.next_due(), Some(ms(21)));
    }
    let mut gc = settled(100);
    assert_eq!(check(&mut gc, 5, 100), (GcAction::Skip, GcReason::Unchanged));
    assert_eq!(gc.next_due(), Some(ms(1_000)));
}

#[test]
fn b17_while_it_waits_only_doubling_acts() {
    let mut gc = settled(100);
    let _ = check(&mut gc, 0, 150);
    assert_eq!(check(&mut gc, 1, 180), (GcAction::Skip, GcReason::Pending));
    assert_eq!(check(&mut gc, 2, 100), (GcAction::Skip, GcReason::Pending));
    assert_eq!(check(&mut gc, 3, 201), (GcAction::Collect, GcReason::Doubled));
    gc.collected(ms(3), 120);
    assert_eq!(gc.state().one_shot_due, Some(ms(16)), "it goes on waiting");
    assert_eq!(check(&mut gc, 15, 121), (GcAction::Skip, GcReason::Pending));
}

#[test]
fn b17_after_it_fired_the_next_check_collects_and_arms_again_if_the_heap_changed() {
    let mut gc = settled(100);
    let _ = check(&mut gc, 0, 150);
    assert_eq!(gc.on_timers(ms(16), 150), None);
    assert!(gc.state().one_shot_fired);
    assert_eq!(check(&mut gc, 17, 150), (GcAction::Collect, GcReason::OneShot));
    gc.collected(ms(17), 140);
    assert_eq!(gc.state().one_shot_due, Some(ms(33)), "150 was not 100");
    // The check notices that the one-shot is due. The heap has not changed, so this is the last collection.
    assert_eq!(check(&mut gc, 33, 140), (GcAction::Collect, GcReason::OneShot));
    gc.collected(ms(33), 140);
    assert_eq!(gc.state().one_shot_due, None);
    assert_eq!(check(&mut gc, 34, 140), (GcAction::Skip, GcReason::Unchanged));
}

#[test]
fn b17_the_first_heap_that_is_not_empty_counts_as_doubled() {
    let mut gc = GcController::new(GcConfig::default(), ms(0));
    assert_eq!(check(&mut gc, 0, 0), (GcAction::Skip, GcReason::Unchanged));
    assert_eq!(check(&mut gc, 1, 1), (GcAction::Collect, GcReason::Doubled));
}

#[test]
fn b17_a_memory_pressure_notice_brings_the_check_forward() {
    let mut gc = settled(100);
    let _ = check(&mut gc, 0, 150);
    gc.pressure();
    assert_eq!(check(&mut gc, 1, 150), (GcAction::Collect, GcReason::Pressure));
    gc.collected(ms(1), 90);
    assert_eq!(gc.state().one_shot_due, None);
    assert_eq!(check(&mut gc, 2, 90), (GcAction::Skip, GcReason::Unchanged));
}

#[test]
fn b18_a_decision_names_the_numbers_it_was_made_on() {
    let mut gc = settled(100);
    let decision = gc.check(ms(0), 120);
    assert_eq!((decision.heap_bytes, decision.threshold_bytes), (120, 200));
    assert_eq!(settled(u64::MAX / 2 + 1).check(ms(0), 1).threshold_bytes, u64::MAX);
}

#[test]
fn b16_switched_off_it_does_nothing_but_what_the_program_asks_for() {
    let mut gc = GcController::new(GcConfig { enabled: false, ..GcConfig::default() }, ms(0));
    assert_eq!(gc.next_due(), None);
    assert_eq!(gc.on_timers(ms(99_999), 10), None);
    gc.pressure();
    assert_eq!(check(&mut gc, 1, 10), (GcAction::Skip, GcReason::Disabled));
    gc.request();
    assert_eq!(check(&mut gc, 2, 10), (GcAction::Collect, GcReason::Requested));
    gc.collected(ms(2), 5);
    assert_eq!(gc.next_due(), None);
}

#[test]
fn a_collection_does_not_shorten_the_pause_after_a_slow_measurement() {
    let mut gc = settled(100);
    gc.measured(ms(10), ms(12));
    gc.collected(ms(13), 90);
    assert_eq!(gc.state().sample_due, Some(ms(12 + 15 * 2)));
    // After a quick measurement, the pause counts from the measurement after the collection.
    gc.measured(ms(50), ms(50));
    gc.collected(ms(53), 80);
    assert_eq!(gc.state().sample_due, Some(ms(54)));
}

#[test]
fn a_late_repeating_timer_fires_once() {
    let mut gc = settled(1);
    assert!(gc.on_timers(ms(10_500), 1).is_some());
    gc.collected(ms(10_500), 1);
    assert_eq!(gc.on_timers(ms(10_500), 1), None);
    assert_eq!(gc.next_due(), Some(ms(11_500)));
}

#[test]
fn a_restored_controller_makes_the_same_decisions() {
    let mut gc = settled(100);
    let _ = check(&mut gc, 0, 150);
    let mut copy = GcController::restore(GcConfig::default(), gc.state());
    for (at_ms, heap_bytes) in [(3, 150), (16, 151), (17, 500)] {
        assert_eq!(check(&mut copy, at_ms, heap_bytes), check(&mut gc, at_ms, heap_bytes));
        assert_eq!(copy.state(), gc.state());
    }
}
