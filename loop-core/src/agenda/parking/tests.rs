//! Tests of parking on real threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

#[test]
fn a_wake_up_before_the_sleep_ends_it() {
    let gate = Parking::new();
    gate.prepare();
    gate.wake_one();
    gate.sleep();
}

#[test]
fn without_sleepers_there_are_no_wakeups() {
    let gate = Parking::new();
    gate.wake_one();
    gate.wake_all();
    assert_eq!(*locked(&gate.permits), 0, "a wake-up without sleepers must not wake the next one");
}

#[test]
fn a_cancelled_sleep_leaves_nothing_behind() {
    let gate = Parking::new();
    gate.prepare();
    gate.cancel();
    gate.prepare();
    gate.wake_all();
    gate.cancel();
    assert_eq!((*locked(&gate.permits), gate.sleepers.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn a_cancelled_sleep_takes_no_wakeup_from_a_sleeper() {
    let gate = Parking::new();
    gate.prepare();
    gate.wake_all();
    gate.prepare();
    gate.cancel();
    gate.sleep();
}

#[test]
fn every_piece_of_work_is_found_by_sleepers_that_come_and_go() {
    const WORK: u32 = 20_000;
    let shared = Arc::new((Parking::new(), AtomicU32::new(0), AtomicU32::new(0)));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let (gate, work, done) = &*shared;
                let take = || {
                    work.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |work| work.checked_sub(1))
                        .is_ok()
                };
                while done.load(Ordering::Relaxed) < WORK {
                    if take() {
                        if done.fetch_add(1, Ordering::Relaxed) + 1 == WORK {
                            gate.wake_all();
                        }
                        continue;
                    }
                    gate.prepare();
                    if work.load(Ordering::Relaxed) > 0 || done.load(Ordering::Relaxed) == WORK {
                        gate.cancel();
                    } else {
                        gate.sleep();
                    }
                }
            })
        })
        .collect();
    for _ in 0..WORK {
        shared.1.fetch_add(1, Ordering::Relaxed);
        shared.0.wake_one();
    }
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    assert_eq!(shared.2.load(Ordering::Relaxed), WORK);
}
