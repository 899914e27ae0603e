//! Every interleaving of additions and the end: what was let in is found, whoever takes it.

use std::sync::Arc;

use loom::thread;

use super::*;
use crate::sync::{Mutex, lock};

/// A queue behind the door. The real ones have no place in a model; what matters is that a push is not at once
/// seen by who looks.
struct Place {
    intake: Intake,
    queue: Mutex<u32>,
}

impl Place {
    /// Whether it was let in.
    fn add(&self) -> bool {
        let entered = self.intake.enter(Priority::Normal).is_some();
        if entered {
            *lock(&self.queue) += 1;
        }
        entered
    }

    fn take(&self) -> bool {
        let taken = {
            let mut queue = lock(&self.queue);
            let taken = *queue > 0;
            *queue -= u32::from(taken);
            taken
        };
        if taken {
            self.intake.left(Priority::Normal);
        }
        taken
    }
}

#[test]
fn loom_what_was_let_in_is_run_or_handed_back_and_nothing_is_left() {
    loom::model(|| {
        let place = Arc::new(Place { intake: Intake::new(), queue: Mutex::new(0) });
        let adders: Vec<_> = (0..2)
            .map(|_| {
                let place = Arc::clone(&place);
                thread::spawn(move || place.add())
            })
            .collect();
        let ran = u32::from(place.take());
        place.intake.close(Door::Shut);
        let mut handed_back = 0;
        while !place.intake.is_empty() {
            if place.take() {
                handed_back += 1;
            } else {
                thread::yield_now();
            }
        }
        let entered = adders.into_iter().map(|adder| u32::from(adder.join().unwrap())).sum::<u32>();
        assert_eq!(ran + handed_back, entered);
        assert!(place.intake.is_empty());
    });
}
