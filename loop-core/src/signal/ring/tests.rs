//! Tests of the ring alone: drops, wrap-around, an interrupted handler, and threads.

use std::sync::Arc;
use std::thread;

use super::*;

fn arrival(number: u64) -> Arrival {
    Arrival { signo: (number % 64) as u8, arrived: Ticks(number) }
}

fn starting_at(start: u64, capacity: usize) -> SignalRing {
    SignalRing::of(Bounded::starting_at(start, capacity))
}

fn drain(ring: &SignalRing) -> Vec<Arrival> {
    std::iter::from_fn(|| ring.pop()).collect()
}

#[test]
fn b14_all_slots_are_usable_and_the_rest_is_refused_and_counted() {
    let ring = SignalRing::new();
    for number in 0..SLOTS as u64 {
        assert!(ring.push(arrival(number)));
    }
    for extra in 1..=1_000 {
        assert!(!ring.push(arrival(0)));
        assert_eq!(ring.dropped(), extra);
    }
    assert_eq!(ring.pending(), SLOTS as u32);
    assert_eq!(ring.pop(), Some(arrival(0)));
    assert!(ring.push(arrival(SLOTS as u64)), "a slot that was taken is free at once");
    assert_eq!(drain(&ring), (1..=SLOTS as u64).map(arrival).collect::<Vec<_>>());
}

#[test]
fn b15_positions_wrap_past_16_32_and_64_bits() {
    for edge in [1 << 16, 1 << 32, 0_u64] {
        for ring in [starting_at(edge.wrapping_sub(3), 4), starting_at(edge.wrapping_sub(5), SLOTS)] {
            for round in 0..5_u64 {
                for number in 0..3 {
                    assert!(ring.push(arrival(round * 3 + number)));
                }
                assert_eq!(ring.pending(), 3);
                assert_eq!(drain(&ring), (0..3).map(|n| arrival(round * 3 + n)).collect::<Vec<_>>());
            }
            while ring.push(arrival(1)) {}
            assert_eq!((drain(&ring).len(), ring.dropped()), (ring.arrivals.capacity(), 1));
        }
    }
}

#[test]
fn b15_more_arrivals_than_65535_come_through() {
    let ring = SignalRing::new();
    for number in 0..200_000 {
        assert!(ring.push(arrival(number)));
        assert_eq!(ring.pop(), Some(arrival(number)));
    }
}

#[test]
fn b14_a_claim_that_is_not_published_stops_the_drain_there_and_a_later_one_goes_on() {
    let ring = starting_at(0, 4);
    assert!(ring.push(arrival(1)));
    // Another handler interrupts this one between its claim and its publication, and finishes.
    let interrupted = ring.arrivals.claim().ok().unwrap();
    assert!(ring.push(arrival(3)));
    assert_eq!(drain(&ring), [arrival(1)]);
    assert_eq!(ring.pending(), 2);
    // No take gets past the unpublished slot.
    while ring.push(arrival(9)) {}
    interrupted.publish(arrival(2));
    assert_eq!(drain(&ring), [arrival(2), arrival(3), arrival(9), arrival(9)]);
    assert_eq!(ring.dropped(), 1);
}

#[test]
fn b14_handlers_on_many_threads_lose_nothing_that_is_not_counted() {
    const EACH: u64 = 20_000;
    let ring = Arc::new(starting_at(u64::MAX - 100, 64));
    let threads: Vec<_> = (0..3_u64)
        .map(|thread| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || {
                let push = |n| ring.push(Arrival { signo: thread as u8, arrived: Ticks(thread << 32 | n) });
                (0..EACH).filter(|n| push(*n)).count() as u64
            })
        })
        .collect();
    let (mut taken, mut last) = (0, [None; 3]);
    let mut take_all = || {
        for one in drain(&ring) {
            assert_eq!(one.arrived.0 >> 32, u64::from(one.signo), "number and time belong together");
            let last = &mut last[usize::from(one.signo)];
            assert!(*last < Some(one.arrived), "in order");
            *last = Some(one.arrived);
            taken += 1;
        }
    };
    while !threads.iter().all(thread::JoinHandle::is_finished) {
        take_all();
    }
    take_all();
    let kept: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(taken, kept);
    assert_eq!(kept + ring.dropped(), 3 * EACH);
}
