//! Slots with many timers: order, the exact minimum, and the cost of adversarial patterns.

use fastrand::Rng;

use super::*;

fn by_due(timers: &TimerQueue<u32>) -> &ByDue {
    let Store::ByDue(waiting) = &timers.waiting else { unreachable!("the default") };
    waiting
}

/// Armings in the wheel, including stale ones.
fn waiting(timers: &TimerQueue<u32>) -> usize {
    by_due(timers).wheel.lengths().sum()
}

#[test]
fn many_equal_due_times_keep_their_arming_order() {
    let mut timers = TimerQueue::new();
    for n in 0..5_000 {
        timers.arm(at(1_000_000 + u64::from(n % 2)), None, n);
    }
    let fired: Vec<_> = fire(&mut timers, 2_000_000).into_iter().map(|(id, _)| id).collect();
    let (even, odd): (Vec<u64>, Vec<u64>) =
        ((1..=5_000).step_by(2).collect(), (2..=5_000).step_by(2).collect());
    assert_eq!(fired, [even, odd].concat());
}

#[test]
fn the_minimum_stays_exact_while_it_is_cleared_again_and_again() {
    let (mut timers, mut dice) = (TimerQueue::new(), Rng::with_seed(1));
    let mut armed: Vec<(u64, Timer)> = Vec::new();
    for step in 0..20_000 {
        // All in one slot of a high level; every fourth step only adds.
        let due = (1 << 40) + dice.u64(..1 << 30);
        armed.push((due, timers.arm(at(due), None, 0)));
        if step % 4 != 0 {
            let (due, timer) = armed.iter().copied().min_by_key(|(due, timer)| (*due, timer.id())).unwrap();
            assert_eq!(timers.next_due(), Some(at(due)));
            timers.clear(timer);
            armed.retain(|(_, other)| *other != timer);
        }
    }
    armed.sort_by_key(|(due, timer)| (*due, timer.id()));
    let wanted: Vec<_> = armed.iter().map(|(_, timer)| (timer.id().0, 0)).collect();
    assert_eq!(fire(&mut timers, 1 << 41), wanted);
}

#[test]
fn a_crowd_forgets_what_was_cleared() {
    let mut timers = TimerQueue::new();
    let crowd: Vec<_> = (0..100).map(|n| timers.arm(at((1 << 40) + n), None, 0)).collect();
    timers.clear(crowd[0]);
    assert_eq!(timers.next_due(), Some(at((1 << 40) + 1)), "which makes it a crowd");
    for _ in 0..100_000 {
        let short = timers.arm(at((1 << 40) + 500), None, 0);
        timers.clear(short);
    }
    assert!(waiting(&timers) <= 400, "{} armings", waiting(&timers));
    for timer in &crowd[1..] {
        timers.clear(*timer);
    }
    assert_eq!((timers.next_due(), timers.len()), (None, 0));
    assert_eq!(waiting(&timers), 0);
}

#[test]
fn a_timer_that_is_armed_again_and_again_leaves_nothing_behind() {
    let mut timers = TimerQueue::new();
    let timer = timers.arm(at(1 << 40), None, 0);
    for n in 0..100_000 {
        assert!(timers.rearm(timer, at((1 << 40) + n), None));
    }
    assert!(waiting(&timers) < 64, "{} armings", waiting(&timers));
}

#[test]
fn a_crowded_slot_is_spread_when_it_becomes_due() {
    let mut timers = TimerQueue::new();
    for n in 0..1_000 {
        timers.arm(at((1 << 40) + (n << 20)), None, 0);
    }
    assert_eq!(by_due(&timers).wheel.lengths().max().unwrap(), 1_000, "far away all are in one slot");
    timers.advance(at((1 << 40) - 1));
    assert_eq!(
        by_due(&timers).wheel.lengths().max().unwrap(),
        1_000,
        "and stay there until the time comes into it"
    );
    fire(&mut timers, (1 << 40) + (500 << 20));
    assert_eq!((timers.len(), by_due(&timers).wheel.lengths().max().unwrap()), (499, 16));
}

#[test]
fn places_are_used_again() {
    let (mut timers, mut dice) = (TimerQueue::new(), Rng::with_seed(2));
    let mut armed = Vec::new();
    for now in 0..50_000 {
        armed.push(timers.arm(at(now + dice.u64(..1 << 20)), None, 0));
        if armed.len() > 64 {
            let index = dice.u64(..64) as usize;
            timers.clear(armed.swap_remove(index));
        }
        fire(&mut timers, now);
    }
    assert!(timers.slab.len() <= 66, "{} places", timers.slab.len());
}
