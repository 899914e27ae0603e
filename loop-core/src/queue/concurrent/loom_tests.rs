//! Every interleaving of a few pushes, takes and a close.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::cell::UnsafeCell;
use loom::sync::Notify;
use loom::thread;
use loop_probes::ids::Ticks;

use super::{Closed, ConcurrentQueue, Wakeup};

/// Counts how often it is dropped.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A lost wake-up is a deadlock here, and loom reports it.
#[test]
fn loom_no_wake_up_is_lost() {
    loom::model(|| {
        let shared = Arc::new((ConcurrentQueue::new(), Notify::new()));
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    if shared.0.push(number, None, Ticks(0)).unwrap() == Wakeup::Needed {
                        shared.1.notify();
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            shared.1.wait();
            seen.extend(shared.0.take_batch().map(|posted| posted.item));
        }
        for producer in producers {
            producer.join().unwrap();
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

#[expect(unsafe_code, reason = "loom's cell gives a raw pointer")]
fn read(item: *const u32) -> u32 {
    // SAFETY: the pointer comes from a live cell that loom guards.
    unsafe { *item }
}

#[expect(unsafe_code, reason = "loom's cell gives a raw pointer")]
fn write(item: *mut u32, number: u32) {
    // SAFETY: as above, and loom checks that nobody else has it.
    unsafe { *item = number };
}

#[test]
fn loom_a_producer_stays_in_order_across_batches() {
    loom::model(|| {
        let queue = Arc::new(ConcurrentQueue::new());
        let producer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for number in 0..3 {
                    let item = UnsafeCell::new(0);
                    // loom fails the model when the taker's read is not ordered after this write.
                    item.with_mut(|item| write(item, number));
                    let _ = queue.push(item, None, Ticks(0));
                }
            })
        };
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.extend(queue.take_batch().map(|posted| posted.item.with(|item| read(item))));
            thread::yield_now();
        }
        producer.join().unwrap();
        assert_eq!(seen, [0, 1, 2]);
    });
}

/// Between two takes, exactly the first push says that the loop must be woken.
#[test]
fn loom_a_batch_has_one_wake_up() {
    loom::model(|| {
        let queue = Arc::new(ConcurrentQueue::new());
        let producers: Vec<_> = (0..2)
            .map(|n| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || queue.push(n, None, Ticks(0)).unwrap() == Wakeup::Needed)
            })
            .collect();
        let early = queue.take_batch().len();
        let woken = producers.into_iter().map(|p| p.join().unwrap()).filter(|woke| *woke).count();
        let late = queue.take_batch().len();
        assert_eq!(early + late, 2);
        assert_eq!(woken, usize::from(early > 0) + usize::from(late > 0));
    });
}

#[test]
fn loom_a_push_is_taken_or_handed_back_never_both() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Arc::new(ConcurrentQueue::new());
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let (queue, item) = (Arc::clone(&queue), Counted(Arc::clone(&drops)));
                thread::spawn(move || match queue.push(item, None, Ticks(0)) {
                    Ok(_) => 0,
                    Err(Closed(item)) => {
                        drop(item);
                        1
                    }
                })
            })
            .collect();
        let taken = queue.take_batch().len();
        let left = queue.close().len();
        let back: usize = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
        assert_eq!(taken + left + back, 2);
        assert!(queue.is_closed());
        assert_eq!(queue.take_batch().len(), 0);
        assert_eq!(drops.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn loom_items_that_nobody_took_are_dropped_once() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let queue = Arc::new(ConcurrentQueue::new());
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
