//! Compares the queue with a plain model, and runs it on real threads.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use loop_probes::ids::{SourceId, Ticks};
use proptest::prelude::*;

use super::{Closed, ConcurrentQueue, Posted};

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Take,
    /// Takes, but reads only this many items before dropping the batch.
    TakePart(usize),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Push),
        3 => Just(Step::Take),
        2 => (0..4_usize).prop_map(Step::TakePart),
        1 => Just(Step::Close),
    ]
}

/// Records its drop, and asserts that it was not dropped before.
struct Item(usize, Rc<Cell<usize>>);

impl Drop for Item {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
    }
}

proptest! {
    #[test]
    fn b08_behaves_like_a_vec_that_is_taken_whole(
        (ring, spill) in (0..4_u32, 0..4_u32),
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let drops = Rc::new(Cell::new(0));
        let queue = ConcurrentQueue::with_slots(1_usize << ring, 1_usize << spill);
        let (mut model, mut is_closed, mut made) = (Vec::new(), false, 0);
        for step in steps {
            match step {
                Step::Push => {
                    let number = made;
                    made += 1;
                    let pushed = queue.push(Item(number, Rc::clone(&drops)), None, Ticks(number as u64));
                    match pushed {
                        Err(Closed(item)) => prop_assert!(is_closed && item.0 == number),
                        Ok(()) => {
                            prop_assert!(!is_closed);
                            model.push(number);
                        }
                    }
                }
                Step::Take | Step::TakePart(_) => {
                    let part = if let Step::TakePart(part) = step { part } else { usize::MAX };
                    let batch = queue.take_batch();
                    prop_assert_eq!(batch.len(), model.len());
                    let got: Vec<usize> = batch.take(part).map(|posted| posted.item.0).collect();
                    model.truncate(part.min(model.len()));
                    prop_assert_eq!(got, std::mem::take(&mut model));
                }
                Step::Close => {
                    let got: Vec<usize> = queue.close().map(|posted| posted.item.0).collect();
                    prop_assert_eq!(got, std::mem::take(&mut model));
                    is_closed = true;
                }
            }
            prop_assert_eq!(queue.is_empty(), model.is_empty());
            prop_assert_eq!(queue.is_closed(), is_closed);
            prop_assert_eq!(drops.get(), made - model.len());
        }
        drop(queue);
        prop_assert_eq!(drops.get(), made);
    }
}

#[test]
fn a_node_carries_who_posted_it_and_when() {
    let queue = ConcurrentQueue::new();
    let _ = queue.push('a', Some(SourceId(3)), Ticks(77));
    let posted = queue.take_batch().next().unwrap();
    assert_eq!((posted.item, posted.poster, posted.queued), ('a', Some(SourceId(3)), Ticks(77)));
}

#[test]
fn b10_a_push_after_the_close_hands_the_item_back() {
    let queue = ConcurrentQueue::new();
    let _ = queue.push(String::from("in time"), None, Ticks(1));
    assert_eq!(queue.close().map(|posted| posted.item).collect::<Vec<_>>(), ["in time"]);
    let refused = queue.push(String::from("late"), None, Ticks(2));
    assert_eq!(refused.map_err(|Closed(item)| item), Err(String::from("late")));
}

/// b08, l09: each producer's items arrive in order and none is lost, while the ring is nearly always full and items
/// alternate between it and the overflow.
#[test]
fn b08_l09_many_producers_lose_nothing_and_stay_in_order() {
    // Enough for thousands of races; valgrind runs this test too, one thread at a time.
    const EACH: u32 = 5_000;
    for (producers, ring, spill) in [(1, 1, 1), (2, 4, 1), (3, 16, 64), (4, 64, 1024)] {
        let queue = Arc::new(ConcurrentQueue::with_slots(ring, spill));
        let threads: Vec<_> = (0..producers)
            .map(|producer: u32| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    for number in 0..EACH {
                        queue.push((producer, number), Some(SourceId(producer + 1)), Ticks(0)).unwrap();
                    }
                })
            })
            .collect();
        let mut next = vec![0; producers as usize];
        while next.iter().any(|count| *count < EACH) {
            let batch = queue.take_batch();
            if batch.len() == 0 {
                thread::yield_now();
            }
            for posted in batch {
                let (producer, number) = posted.item;
                assert_eq!(number, next[producer as usize]);
                assert_eq!(posted.poster, Some(SourceId(producer + 1)));
                next[producer as usize] += 1;
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(queue.is_empty());
    }
}

#[test]
fn b08_what_came_later_waits_for_a_push_that_is_under_way() {
    let posted = |item| Posted { item, poster: None, queued: Ticks(0) };
    // Whether the unfinished push is in the ring or in the spill.
    for in_spill in [false, true] {
        let queue = ConcurrentQueue::with_slots(2, 2);
        let (place, number) = if in_spill { (&queue.spill, 2) } else { (&queue.ring, 0) };
        push_all(&queue, 0..number);
        let interrupted = place.claim().ok().unwrap();
        // The rest goes to the ring, the spill and the overflow.
        push_all(&queue, number + 1..7);
        let items: Vec<i32> = queue.take_batch().map(|posted| posted.item).collect();
        assert_eq!(items, (0..number).collect::<Vec<_>>(), "nothing may overtake what came before");
        assert!(!queue.is_empty());
        interrupted.publish(posted(number));
        push_all(&queue, 7..8);
        let items: Vec<i32> = queue.take_batch().map(|posted| posted.item).collect();
        assert_eq!(items, (number..8).collect::<Vec<_>>());
        assert!(queue.is_empty());
    }
}

fn push_all(queue: &ConcurrentQueue<i32>, numbers: std::ops::Range<i32>) {
    numbers.for_each(|number| queue.push(number, None, Ticks(0)).unwrap());
}

#[test]
fn b10_closing_under_load_takes_or_refuses_every_item() {
    const EACH: usize = 2_000;
    for (ring, spill) in [(1, 1), (4, 16), (64, 1024)] {
        let queue = Arc::new(ConcurrentQueue::with_slots(ring, spill));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let refused = |n: &usize| queue.push(Box::new(*n), None, Ticks(0)).is_err();
                    let count = (0..EACH).filter(refused).count();
                    // A closed queue refuses every push.
                    (count, count == 0 || queue.push(Box::new(0), None, Ticks(0)).is_err())
                })
            })
            .collect();
        let mut taken = 0;
        while taken < EACH && !threads.iter().all(thread::JoinHandle::is_finished) {
            taken += queue.take_batch().len();
        }
        taken += queue.close().len();
        let mut refused = 0;
        for thread in threads {
            let (count, is_final) = thread.join().unwrap();
            refused += count;
            assert!(is_final);
        }
        assert_eq!(taken + refused, 3 * EACH);
    }
}
