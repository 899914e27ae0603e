//! Models every interleaving of two handlers on other threads and the loop that takes.

use std::sync::Arc;

use loom::thread;

use super::*;

/// An arrival whose time is derived from its number, so that a torn read shows.
fn arrival(signo: u8) -> Arrival {
    Arrival { signo, arrived: Ticks(u64::from(signo) * 1_000) }
}

fn push_on_threads(ring: &Arc<SignalRing>) -> Vec<thread::JoinHandle<bool>> {
    let push = |signo| {
        let ring = Arc::clone(ring);
        thread::spawn(move || ring.push(arrival(signo)))
    };
    vec![push(1), push(2)]
}

#[test]
fn loom_two_handlers_lose_nothing_and_tear_nothing() {
    loom::model(|| {
        let ring = Arc::new(SignalRing::of(Bounded::starting_at(u64::MAX, 2)));
        let handlers = push_on_threads(&ring);
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.extend(ring.pop());
            thread::yield_now();
        }
        for handler in handlers {
            assert!(handler.join().unwrap());
        }
        assert_eq!((ring.pop(), ring.pending(), ring.dropped()), (None, 0, 0));
        seen.sort_unstable_by_key(|arrival| arrival.signo);
        assert_eq!(seen, [arrival(1), arrival(2)]);
    });
}

#[test]
fn loom_a_full_ring_refuses_and_counts_what_it_refused() {
    loom::model(|| {
        let ring = Arc::new(SignalRing::of(Bounded::starting_at(7, 2)));
        assert!(ring.push(arrival(9)));
        let handlers = push_on_threads(&ring);
        let mut seen: Vec<_> = ring.pop().into_iter().collect();
        let kept = handlers.into_iter().map(|handler| handler.join().unwrap()).filter(|kept| *kept).count();
        seen.extend(std::iter::from_fn(|| ring.pop()));
        assert_eq!(seen[0], arrival(9));
        assert!(seen.iter().all(|one| *one == arrival(one.signo)));
        assert_eq!(seen.len(), kept + 1);
        assert_eq!(ring.dropped(), 2 - kept as u64);
    });
}
