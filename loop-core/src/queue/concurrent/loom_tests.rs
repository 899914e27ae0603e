//! Models every interleaving of a few pushes, takes and a close, with a ring so small that items overflow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;
use loop_probes::ids::Ticks;

use super::{Closed, ConcurrentQueue};
use crate::sync::model_bounded;

/// Counts how often it is dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Item = (usize, u32);

/// Pushes `count` items as `producer`.
fn producer(queue: &Arc<ConcurrentQueue<Item>>, producer: usize, count: u32) -> thread::JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        for number in 0..count {
            queue.push((producer, number), None, Ticks(0)).unwrap();
        }
    })
}

/// Takes until the given number of each producer's items has arrived, and checks their order.
fn take_in_order(queue: &ConcurrentQueue<Item>, wanted: &[u32]) {
    let mut seen = vec![0; wanted.len()];
    while seen != wanted {
        let mut taken = 0;
        for posted in queue.take_batch() {
            let (producer, number) = posted.item;
            assert_eq!(number, seen[producer]);
            seen[producer] += 1;
            taken += 1;
        }
        if taken == 0 {
            thread::yield_now();
        }
    }
}

/// From the ring to the spill to the overflow, and back.
#[test]
fn loom_a_producer_stays_in_order_from_ring_to_overflow_and_back() {
    model_bounded(3, || {
        let queue = Arc::new(ConcurrentQueue::with_slots(1, 1));
        let producer = producer(&queue, 0, 5);
        take_in_order(&queue, &[5]);
        producer.join().unwrap();
        assert!(queue.is_empty());
    });
}

#[test]
fn loom_two_producers_stay_in_order_in_a_ring_that_overflows() {
    model_bounded(2, || {
        let queue = Arc::new(ConcurrentQueue::with_slots(1, 1));
        let producers = [producer(&queue, 0, 3), producer(&queue, 1, 1)];
        take_in_order(&queue, &[3, 1]);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert!(queue.is_empty());
    });
}

#[test]
fn loom_a_push_is_taken_or_handed_back_never_both() {
    model_bounded(2, || {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Arc::new(ConcurrentQueue::with_slots(1, 1));
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (queue, drops) = (Arc::clone(&queue), Arc::clone(&drops));
                thread::spawn(move || {
                    let push = |_| match queue.push(Counted(Arc::clone(&drops)), None, Ticks(0)) {
                        Ok(()) => true,
                        Err(Closed(item)) => {
                            drop(item);
                            false
                        }
                    };
                    let (first, second) = (push(0), push(1));
                    assert!(first || !second, "once refused, always refused");
                    usize::from(!first) + usize::from(!second)
                })
            })
            .collect();
        let taken = queue.take_batch().len();
        let left = queue.close().len();
        let back: usize = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
        assert_eq!(taken + left + back, 4);
        assert!(queue.is_closed());
        assert_eq!(queue.take_batch().len(), 0);
        assert_eq!(drops.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn loom_items_never_taken_are_dropped_once() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Arc::new(ConcurrentQueue::with_slots(1, 1));
        let producer = {
            let (queue, item) = (Arc::clone(&queue), Counted(Arc::clone(&drops)));
            thread::spawn(move || drop(queue.push(item, None, Ticks(0))))
        };
        let _ = queue.push(Counted(Arc::clone(&drops)), None, Ticks(0));
        producer.join().unwrap();
        drop(queue);
        assert_eq!(drops.load(Ordering::SeqCst), 2);
    });
}
