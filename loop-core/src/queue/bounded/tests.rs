//! Compares the ring with a plain list, also where positions wrap, and runs it on real threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;

use proptest::prelude::*;

use super::*;

fn push<T>(ring: &Bounded<T>, item: T) -> Result<(), ClaimError> {
    ring.claim().map(|claim| claim.publish(item))
}

fn take<T>(ring: &Bounded<T>) -> Vec<T> {
    let mut taken = ring.begin_take();
    assert!(taken.extend(ring.claims()));
    taken.collect()
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Pop,
    Take,
    /// Takes, but reads only this many items before dropping the rest.
    TakePart(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => Just(Step::Push),
        4 => Just(Step::Pop),
        2 => Just(Step::Take),
        2 => (0..4_usize).prop_map(Step::TakePart),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn behaves_like_a_bounded_list(
        start in prop_oneof![Just(0), Just(u64::MAX - 5), Just((1 << 63) - 5), any::<u64>()],
        capacity in prop_oneof![Just(1), Just(2), Just(8)],
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        // The reference count shows that each item is dropped exactly once.
        let alive = Arc::new(());
        let ring = Bounded::starting_at(start, capacity);
        let (mut model, mut is_closed) = (VecDeque::new(), false);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push => {
                    let expected = match (is_closed, model.len() < capacity) {
                        (true, _) => Err(ClaimError::Closed),
                        (false, true) => Ok(()),
                        (false, false) => Err(ClaimError::Full),
                    };
                    prop_assert_eq!(push(&ring, (number, Arc::clone(&alive))), expected);
                    if expected.is_ok() {
                        model.push_back(number);
                    }
                }
                Step::Pop => prop_assert_eq!(ring.pop().map(|(number, _)| number), model.pop_front()),
                Step::Take | Step::TakePart(_) => {
                    let part = if let Step::TakePart(part) = step { part } else { usize::MAX };
                    let mut taken = ring.begin_take();
                    prop_assert!(taken.extend(ring.claims()));
                    prop_assert_eq!(taken.len(), model.len());
                    let got: Vec<usize> = taken.take(part).map(|(number, _)| number).collect();
                    model.truncate(part.min(model.len()));
                    prop_assert_eq!(got, Vec::from(std::mem::take(&mut model)));
                }
                Step::Close => {
                    prop_assert_eq!(ring.close(), ring.claims());
                    is_closed = true;
                }
            }
            prop_assert_eq!(ring.pending(), model.len());
            prop_assert_eq!(Arc::strong_count(&alive), 1 + model.len());
        }
        drop(ring);
        prop_assert_eq!(Arc::strong_count(&alive), 1);
    }
}

#[test]
fn a_take_ends_at_a_claim_that_is_not_published_and_the_next_one_goes_on_there() {
    let ring = Bounded::new(4);
    push(&ring, 1).unwrap();
    let interrupted = ring.claim().ok().unwrap();
    push(&ring, 3).unwrap();
    let mut taken = ring.begin_take();
    assert!(!taken.extend(ring.claims()));
    assert_eq!(taken.len(), 1);
    assert!(!taken.extend(ring.claims()));
    interrupted.publish(2);
    assert!(taken.extend(ring.claims()), "a take that is not over goes on, too");
    assert_eq!(taken.collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(ring.pending(), 0);
}

#[test]
fn slots_are_given_back_one_by_one_as_their_items_are_taken_out() {
    let ring = Bounded::new(2);
    push(&ring, 1).unwrap();
    push(&ring, 2).unwrap();
    let mut taken = ring.begin_take();
    assert!(taken.extend(ring.claims()));
    assert_eq!(push(&ring, 3), Err(ClaimError::Full));
    assert_eq!(taken.next(), Some(1));
    assert_eq!(push(&ring, 3), Ok(()));
    assert_eq!(push(&ring, 4), Err(ClaimError::Full));
    assert_eq!(taken.collect::<Vec<_>>(), [2]);
    assert_eq!(take(&ring), [3]);
}

/// Producers and takers on threads, with a ring that is nearly always full or empty.
#[test]
fn every_item_goes_to_one_taker() {
    const EACH: u64 = 3_000;
    let ring = Arc::new(Bounded::starting_at(u64::MAX - 100, 4));
    let producers: Vec<_> = (0..2_u64)
        .map(|producer| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                for number in 0..EACH {
                    while push(&ring, Box::new(producer << 32 | number)).is_err() {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let takers: Vec<_> = (0..2)
        .map(|_| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let mut got = Vec::new();
                while got.last() != Some(&u64::MAX) {
                    let mut taken = ring.begin_take();
                    let _ = taken.extend(ring.claims());
                    if taken.len() == 0 {
                        thread::yield_now();
                    }
                    got.extend(taken.map(|item| *item));
                }
                got
            })
        })
        .collect();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    // One end marker per taker; a taker may find two and leave another with none, so send them until all
    // have ended.
    while !takers.iter().all(thread::JoinHandle::is_finished) {
        let _ = push(&ring, Box::new(u64::MAX));
        thread::yield_now();
    }
    let mut all: Vec<u64> = takers.into_iter().flat_map(|taker| taker.join().unwrap()).collect();
    all.retain(|item| *item != u64::MAX);
    all.sort_unstable();
    let expected: Vec<u64> = (0..2_u64).flat_map(|p| (0..EACH).map(move |n| p << 32 | n)).collect();
    assert_eq!(all, expected);
}
