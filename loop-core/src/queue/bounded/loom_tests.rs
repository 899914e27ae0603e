//! Models every interleaving of producers and takers in a ring of two slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Std};

use loom::thread;

use super::*;

/// Counts its drops.
struct Item(u32, Arc<AtomicUsize>);

impl Drop for Item {
    fn drop(&mut self) {
        self.1.fetch_add(1, Std::SeqCst);
    }
}

/// Pushes an item. The model fails if a slot is read without being ordered after its write.
fn push(ring: &Bounded<Item>, number: u32, drops: &Arc<AtomicUsize>) -> Result<(), ClaimError> {
    ring.claim().map(|claim| claim.publish(Item(number, Arc::clone(drops))))
}

fn take(ring: &Bounded<Item>) -> Vec<u32> {
    let mut taken = ring.begin_take();
    let _ = taken.extend(ring.claims());
    taken.map(|item| item.0).collect()
}

#[test]
fn loom_slots_change_hands_lap_after_lap() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let ring = Arc::new(Bounded::starting_at(u64::MAX, 2));
        let producer = {
            let (ring, drops) = (Arc::clone(&ring), Arc::clone(&drops));
            thread::spawn(move || {
                (0..4).filter(|number| push(&ring, *number, &drops).is_ok()).collect::<Vec<_>>()
            })
        };
        let mut got = take(&ring);
        got.extend(ring.pop().map(|item| item.0));
        let kept = producer.join().unwrap();
        got.extend(take(&ring));
        assert_eq!(got, kept);
        assert_eq!(drops.load(Std::SeqCst), kept.len());
    });
}

#[test]
fn loom_a_close_is_final_and_every_item_is_taken_or_refused() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let ring = Arc::new(Bounded::new(2));
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let (ring, drops) = (Arc::clone(&ring), Arc::clone(&drops));
                thread::spawn(move || push(&ring, number, &drops).is_ok())
            })
            .collect();
        let claims = ring.close();
        assert_eq!(push(&ring, 9, &drops), Err(ClaimError::Closed));
        let kept =
            producers.into_iter().map(|producer| producer.join().unwrap()).filter(|kept| *kept).count();
        assert_eq!(ring.claims(), claims);
        assert_eq!(take(&ring).len(), kept);
    });
}

#[test]
fn loom_two_takers_share_the_items() {
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let ring = Arc::new(Bounded::new(2));
        push(&ring, 0, &drops).unwrap();
        let other = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || take(&ring))
        };
        push(&ring, 1, &drops).unwrap();
        let mut got = take(&ring);
        got.extend(other.join().unwrap());
        got.extend(take(&ring));
        got.sort_unstable();
        assert_eq!(got, [0, 1]);
        assert_eq!(drops.load(Std::SeqCst), 2);
    });
}
