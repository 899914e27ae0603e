//! Models every interleaving of additions and shutdown: each admitted tasklet either runs or is handed back.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::agenda::parking::Parking;
use crate::sync::{Mutex, locked, model_bounded};

/// A queue that admitted tasklets enter. The real queues are too large for a model; the property that matters is that a
/// push is not immediately visible to other threads.
struct Place {
    admission: Admission,
    queue: Mutex<u32>,
}

impl Place {
    /// Adds a tasklet. Returns whether it was admitted.
    fn add(&self) -> bool {
        let entered = self.admission.enter(Priority::Normal).is_some();
        if entered {
            *locked(&self.queue) += 1;
        }
        entered
    }

    fn take(&self) -> bool {
        let taken = {
            let mut queue = locked(&self.queue);
            let taken = *queue > 0;
            *queue -= u32::from(taken);
            taken
        };
        if taken {
            self.admission.left(Priority::Normal);
        }
        taken
    }
}

#[test]
fn loom_admitted_tasklets_run_or_are_handed_back() {
    model_bounded(3, || {
        let place = Arc::new(Place { admission: Admission::new(), queue: Mutex::new(0) });
        let adders: Vec<_> = (0..2)
            .map(|_| {
                let place = Arc::clone(&place);
                thread::spawn(move || place.add())
            })
            .collect();
        let ran = u32::from(place.take());
        place.admission.close(AdmissionState::Shut);
        let mut handed_back = 0;
        while !place.admission.is_empty() {
            if place.take() {
                handed_back += 1;
            } else {
                thread::yield_now();
            }
        }
        let entered = adders.into_iter().map(|adder| u32::from(adder.join().unwrap())).sum::<u32>();
        assert_eq!(ran + handed_back, entered);
        assert!(place.admission.is_empty());
    });
}

/// Runs the steps of idle workers: none sleeps through the shutdown, and none ends while a tasklet waits.
#[test]
fn loom_a_worker_ends_when_admission_is_closed_and_nothing_waits() {
    model_bounded(3, || {
        let place = Arc::new(Place { admission: Admission::new(), queue: Mutex::new(0) });
        let gate = Arc::new(Parking::new());
        let worker = {
            let (place, gate) = (Arc::clone(&place), Arc::clone(&gate));
            thread::spawn(move || {
                let mut ran = 0;
                loop {
                    if place.take() {
                        ran += 1;
                        continue;
                    }
                    gate.prepare();
                    let state = place.admission.state();
                    if place.take() {
                        gate.cancel();
                        ran += 1;
                    } else if state == AdmissionState::Finishing {
                        gate.cancel();
                        if place.admission.is_empty() {
                            return ran;
                        }
                        thread::yield_now();
                    } else {
                        gate.sleep();
                    }
                }
            })
        };
        let adder = {
            let (place, gate) = (Arc::clone(&place), Arc::clone(&gate));
            thread::spawn(move || {
                let entered = place.add();
                if entered {
                    gate.wake_one();
                }
                u32::from(entered)
            })
        };
        place.admission.close(AdmissionState::Finishing);
        gate.wake_all();
        assert_eq!(worker.join().unwrap(), adder.join().unwrap());
    });
}
