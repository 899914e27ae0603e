//! Models every interleaving of workers that go to sleep and work that arrives. A lost wake-up shows as a deadlock.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::model_bounded;

/// Waiting work, as a count.
struct Place {
    gate: Parking,
    work: AtomicU32,
}

impl Place {
    fn new() -> Arc<Self> {
        Arc::new(Self { gate: Parking::new(), work: AtomicU32::new(0) })
    }

    fn add(&self) {
        self.work.fetch_add(1, Ordering::Relaxed);
        self.gate.wake_one();
    }

    fn take(&self) -> bool {
        self.work.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |work| work.checked_sub(1)).is_ok()
    }

    /// Waits for work and takes it, in a worker's steps.
    fn next(&self) {
        loop {
            if self.take() {
                return;
            }
            self.gate.prepare();
            if self.take() {
                self.gate.cancel();
                return;
            }
            self.gate.sleep();
        }
    }
}

#[test]
fn loom_no_wake_up_is_lost() {
    loom::model(|| {
        let place = Place::new();
        let adder = {
            let place = Arc::clone(&place);
            thread::spawn(move || place.add())
        };
        place.next();
        adder.join().unwrap();
        assert_eq!(place.work.load(Ordering::Relaxed), 0);
        assert_eq!(*locked(&place.gate.permits), 0);
    });
}

#[test]
fn loom_two_sleepers_two_pieces_of_work() {
    model_bounded(3, || {
        let place = Place::new();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let place = Arc::clone(&place);
                thread::spawn(move || place.next())
            })
            .collect();
        place.add();
        place.add();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert_eq!(place.gate.sleepers.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn loom_the_end_wakes_all_sleepers() {
    model_bounded(3, || {
        let place = Place::new();
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let place = Arc::clone(&place);
                thread::spawn(move || {
                    // Work that is never taken marks the end.
                    while place.work.load(Ordering::Relaxed) == 0 {
                        place.gate.prepare();
                        if place.work.load(Ordering::Relaxed) > 0 {
                            place.gate.cancel();
                        } else {
                            place.gate.sleep();
                        }
                    }
                })
            })
            .collect();
        place.work.store(1, Ordering::Relaxed);
        place.gate.wake_all();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}
