//! Tests of each timer rule.

mod crowded;
mod model;

use super::*;

fn at(ns: u64) -> Timestamp {
    Timestamp(ns)
}

fn period(ns: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(ns)
}

/// Fires everything due at `now`, one callback after the other, each starting at `now`.
fn fire(timers: &mut TimerQueue<u32>, now: u64) -> Vec<(u64, u64)> {
    let pass = timers.begin_pass(at(now));
    let mut fired = Vec::new();
    while let Some(one) = timers.pop_due(&pass) {
        fired.push((one.timer.id().0, one.skipped));
        timers.finish(one.timer, at(now));
    }
    fired
}

#[test]
fn b19_equal_due_times_fire_in_arming_order_and_a_refreshed_one_goes_behind() {
    let mut timers = TimerQueue::new();
    let ids: Vec<_> = (0..3).map(|n| timers.arm(at(10), None, n)).collect();
    timers.arm(at(5), None, 9);
    assert!(timers.rearm(ids[0], at(10), None));
    assert_eq!(timers.next_due(), Some(at(5)));
    assert_eq!(fire(&mut timers, 9), [(4, 0)]);
    assert_eq!(fire(&mut timers, 10), [(2, 0), (3, 0), (1, 0)]);
    assert!(timers.is_empty());
}

#[test]
fn b21_an_interval_is_due_a_period_after_its_callback_started() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(100), period(100), 0);
    let pass = timers.begin_pass(at(100));
    assert_eq!(timers.pop_due(&pass).unwrap().skipped, 0);
    assert_eq!(timers.finish(timer, at(130)), Finished::Armed(at(230)));
    assert_eq!(timers.next_due(), Some(at(230)));
}

#[test]
fn b21_an_interval_says_what_it_skipped() {
    for (lag, skipped) in [(0, 0), (99, 0), (100, 1), (199, 1), (1_234, 12)] {
        let mut timers = TimerQueue::new();
        timers.arm(at(100), period(100), 0);
        assert_eq!(fire(&mut timers, 100 + lag), [(1, skipped)], "lag {lag}");
    }
}

#[test]
fn b21_an_interval_can_be_cleared_in_its_own_callback() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(1), period(1), 7);
    let pass = timers.begin_pass(at(1));
    timers.pop_due(&pass);
    assert_eq!(timers.clear(timer), Some(7));
    assert_eq!(timers.finish(timer, at(1)), Finished::Cleared);
    assert_eq!((timers.len(), timers.next_due(), timers.referenced()), (0, None, 0));
}

#[test]
fn l01_a_timer_never_fires_early_and_huge_delays_do_not_overflow() {
    let mut timers = TimerQueue::new();
    timers.arm(due_after(at(1_000), Duration::from_nanos(1)), None, 0);
    assert_eq!(fire(&mut timers, 1_000), []);
    assert_eq!(fire(&mut timers, 1_001), [(1, 0)]);
    for (now, delay) in [(1, Duration::MAX), (u64::MAX - 1, Duration::from_nanos(5))] {
        assert_eq!(due_after(at(now), delay), NEVER);
        timers.arm(NEVER, None, 0);
    }
    assert_eq!(timers.next_due(), None);
    assert_eq!(fire(&mut timers, u64::MAX), []);
    assert_eq!(timers.referenced(), 2);
    let late = timers.arm(at(3), period(u64::MAX), 0);
    assert_eq!(fire(&mut timers, 5), [(late.id().0, 0)]);
    assert_eq!(timers.next_due(), None, "start + period is past the end of time");
}

#[test]
fn l01_what_never_fires_does_not_fire_at_the_end_of_time() {
    let mut timers = TimerQueue::new();
    let pass = timers.begin_pass(NEVER);
    let timer = timers.arm(NEVER, None, 0);
    assert_eq!(timers.pop_due(&pass), None);
    assert_eq!((timers.next_due(), fire(&mut timers, u64::MAX)), (None, vec![]));
    assert!(timers.rearm(timer, at(1), None));
    assert_eq!(fire(&mut timers, u64::MAX), [(timer.id().0, 0)]);
}

#[test]
fn l02_a_zero_delay_timer_armed_again_in_its_callback_waits_for_the_next_pass() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(10), None, 0);
    let other = timers.arm(at(12), None, 0);
    let pass = timers.begin_pass(at(20));
    assert_eq!(timers.pop_due(&pass).unwrap().timer, timer);
    // Both would be due in this pass: one at its time, one in the past.
    assert!(timers.rearm(timer, at(11), None));
    let new = timers.arm(at(0), None, 0);
    assert_eq!(timers.finish(timer, at(20)), Finished::Armed(at(11)));
    assert_eq!(timers.pop_due(&pass).unwrap().timer, other);
    timers.finish(other, at(20));
    assert_eq!(timers.pop_due(&pass), None);
    assert_eq!(fire(&mut timers, 20), [(new.id().0, 0), (timer.id().0, 0)]);
}

#[test]
fn l03_a_cleared_timer_never_fires_also_when_cleared_in_the_same_pass() {
    let mut timers = TimerQueue::new();
    let ids: Vec<_> = (0..3).map(|n| timers.arm(at(n), None, 0)).collect();
    let pass = timers.begin_pass(at(9));
    assert_eq!(timers.pop_due(&pass).unwrap().timer, ids[0]);
    assert!(timers.clear(ids[1]).is_some());
    timers.finish(ids[0], at(9));
    assert_eq!(timers.pop_due(&pass).unwrap().timer, ids[2]);
    timers.finish(ids[2], at(9));
    assert_eq!(timers.clear(ids[0]), None);
    assert!(!timers.rearm(ids[0], at(1), None));
    assert_eq!(timers.set_referenced(ids[0], false), None);
}

#[test]
fn l04_an_overdue_interval_fires_once_a_pass() {
    let mut timers = TimerQueue::new();
    timers.arm(at(10), period(10), 0);
    assert_eq!(fire(&mut timers, 95), [(1, 8)]);
    assert_eq!(timers.next_due(), Some(at(105)));
}

#[test]
fn b23_references_are_counted_once() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(1), None, 0);
    assert_eq!(timers.set_referenced(timer, false), Some(true));
    assert_eq!(timers.set_referenced(timer, false), Some(false));
    assert_eq!(timers.referenced(), 0);
    assert!(timers.rearm(timer, at(2), None));
    assert_eq!(timers.referenced(), 0, "arming again keeps it as it was");
    assert_eq!(timers.set_referenced(timer, true), Some(true));
    assert_eq!(timers.referenced(), 1);
}

fn listed_ids(timers: &TimerQueue<u32>) -> Vec<(u64, u64)> {
    timers.armed().iter().map(|armed| (armed.timer.id().0, armed.due.0)).collect()
}

#[test]
fn a_snapshot_lists_in_arming_order_and_restores() {
    let mut timers = TimerQueue::new();
    let first = timers.arm(at(9), None, 1);
    timers.arm(at(3), period(4), 2);
    timers.rearm(first, at(3), None);
    assert_eq!(listed_ids(&timers), [(2, 3), (1, 3)]);
    let mut copy = TimerQueue::new();
    for one in timers.armed() {
        copy.restore(one.timer.id(), one.due, one.period_ns, one.referenced, *one.value);
    }
    assert_eq!((listed_ids(&copy), copy.next_id()), (listed_ids(&timers), timers.next_id()));
    assert_eq!(fire(&mut copy, 3), fire(&mut timers, 3));
    copy.skip_ids_to(TimerId(50));
    assert_eq!(copy.arm(at(1), None, 0).id(), TimerId(50));
}

#[test]
fn a_stale_key_of_a_reused_slot_names_no_timer() {
    let mut timers = TimerQueue::new();
    let old = timers.arm(at(1), None, 1);
    assert_eq!(timers.clear(old), Some(1));
    let new = timers.arm(at(2), None, 2);
    assert_eq!(new.slot, old.slot, "the place is used again");
    assert_eq!(timers.value(old), None);
    assert_eq!(timers.clear(old), None);
    assert!(!timers.rearm(old, at(5), None) && !timers.park(old) && !timers.is_parked(old));
    assert_eq!(timers.finish(old, at(5)), Finished::Cleared);
    assert_eq!((timers.next_due(), timers.len()), (Some(at(2)), 1));
    let far = Timer { id: TimerId(1), slot: u32::MAX };
    assert!(timers.clear(far).is_none() && !timers.park(far));
}

#[test]
fn q07_a_parked_one_shot_counts_for_nothing_and_can_be_armed_again() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(1), None, 7);
    assert!(!timers.park(timer), "it is armed");
    let pass = timers.begin_pass(at(1));
    assert_eq!(timers.pop_due(&pass).unwrap().timer, timer);
    assert!(timers.park(timer) && !timers.park(timer));
    assert_eq!((timers.len(), timers.referenced(), timers.value(timer).copied()), (0, 0, Some(7)));
    assert_eq!(timers.set_referenced(timer, false), Some(true));
    assert!(timers.rearm(timer, at(5), None));
    assert_eq!((timers.len(), timers.referenced(), timers.next_due()), (1, 0, Some(at(5))));
    let pass = timers.begin_pass(at(5));
    timers.pop_due(&pass).unwrap();
    assert!(timers.park(timer));
    assert_eq!(timers.clear(timer), Some(7));
    assert_eq!(timers.clear(timer), None, "twice is harmless");
    assert_eq!((timers.len(), timers.referenced()), (0, 0));
}

#[test]
fn q02_arming_order_fires_what_was_armed_first_and_is_due() {
    let mut timers = TimerQueue::in_order(Order::Arming);
    let ids: Vec<_> = [30, 10, 20].into_iter().map(|due| timers.arm(at(due), None, 0)).collect();
    assert_eq!(timers.next_due(), Some(at(10)));
    assert_eq!(fire(&mut timers, 20), [(2, 0), (3, 0)]);
    let fourth = timers.arm(at(25), None, 0);
    assert!(timers.rearm(ids[0], at(24), None), "armed again: behind the fourth");
    assert_eq!(timers.next_due(), Some(at(24)));
    assert_eq!(fire(&mut timers, 30), [(fourth.id().0, 0), (1, 0)]);
}

#[test]
fn a_later_pass_ends_an_earlier_one() {
    let mut timers = TimerQueue::new();
    for due in 1..=4 {
        timers.arm(at(due), None, 0);
    }
    let first = timers.begin_pass(at(3));
    assert_eq!(timers.pop_due(&first).map(|fired| fired.due), Some(at(1)));
    timers.arm(at(2), None, 0);
    assert_eq!(timers.next_due(), Some(at(2)));
    let second = timers.begin_pass(at(3));
    assert_eq!(timers.pop_due(&first), None);
    let due: Vec<_> =
        std::iter::from_fn(|| timers.pop_due(&second)).map(|fired| fired.timer.id().0).collect();
    assert_eq!(due, [2, 5, 3], "what the first left, and what was armed during it");
    assert_eq!(timers.next_due(), Some(at(4)));
}

#[test]
fn a_base_that_moves_by_years_in_one_step_changes_nothing() {
    const YEAR: u64 = 31_536_000_000_000_000;
    let mut timers = TimerQueue::new();
    timers.arm(at(500 * YEAR), None, 0);
    timers.arm(at(7), None, 0);
    timers.arm(at(100 * YEAR + 1), None, 0);
    assert_eq!(fire(&mut timers, 99 * YEAR), [(2, 0)]);
    timers.arm(at(3), None, 0);
    timers.arm(at(100 * YEAR), None, 0);
    assert_eq!(timers.next_due(), Some(at(3)), "due in the past");
    assert_eq!(fire(&mut timers, 100 * YEAR), [(4, 0), (5, 0)]);
    timers.advance(at(300 * YEAR));
    assert_eq!(timers.next_due(), Some(at(100 * YEAR + 1)), "it is late, not lost");
    assert_eq!(fire(&mut timers, 500 * YEAR), [(3, 0), (1, 0)]);
}
