//! Models every interleaving of two workers, a requester, and a requester that gives up. A worker left waiting shows as
//! a deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use super::{Joined, Rendezvous};
use crate::sync::model_bounded;

/// Performs a worker's safe point. Returns whether this worker did the job.
fn safe_point(place: &Rendezvous<u32>, worker: u16, inside: &AtomicUsize) -> bool {
    match place.join(worker) {
        Joined::Nothing => false,
        Joined::Wait(round) => {
            place.wait(round, None);
            false
        }
        Joined::Last(round, _job) => {
            inside.fetch_add(1, Ordering::SeqCst);
            place.finish(round);
            true
        }
    }
}

/// Runs safe points of a worker until the meeting that it knows of is over.
fn worker(place: Arc<Rendezvous<u32>>, worker: u16, inside: Arc<AtomicUsize>) -> thread::JoinHandle<bool> {
    thread::spawn(move || {
        let mut collected = false;
        while place.is_asked() {
            collected |= safe_point(&place, worker, &inside);
            thread::yield_now();
        }
        collected
    })
}

#[test]
fn loom_exactly_one_worker_collects_and_all_resume() {
    model_bounded(3, || {
        let (place, inside) = (Arc::new(Rendezvous::new(2)), Arc::new(AtomicUsize::new(0)));
        let round = place.ask(7).unwrap();
        let workers = [0, 1].map(|number| worker(Arc::clone(&place), number, Arc::clone(&inside)));
        place.wait(round, None);
        let collected = workers.into_iter().map(|worker| worker.join().unwrap());
        assert_eq!(collected.filter(|collected| *collected).count(), 1);
        assert_eq!(inside.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn loom_abandoned_or_collected_never_both() {
    model_bounded(3, || {
        let (place, inside) = (Arc::new(Rendezvous::new(2)), Arc::new(AtomicUsize::new(0)));
        let round = place.ask(7).unwrap();
        let workers = [0, 1].map(|number| worker(Arc::clone(&place), number, Arc::clone(&inside)));
        let given_up = place.give_up(round).is_some();
        for worker in workers {
            let _ = worker.join().unwrap();
        }
        let collected = inside.load(Ordering::SeqCst) == 1;
        assert!(given_up != collected);
        assert!(place.wait(round, None), "the requester does not wait forever");
    });
}

#[test]
fn loom_a_late_worker_does_not_join_a_later_rendezvous_midway() {
    model_bounded(3, || {
        let (place, inside) = (Arc::new(Rendezvous::new(2)), Arc::new(AtomicUsize::new(0)));
        let first = place.ask(1).unwrap();
        let late = {
            let (place, inside) = (Arc::clone(&place), Arc::clone(&inside));
            thread::spawn(move || safe_point(&place, 1, &inside))
        };
        let (Joined::Wait(_) | Joined::Last(..)) = place.join(0) else { panic!("it was asked") };
        let gave_up = place.give_up(first).is_some();
        if !gave_up {
            place.finish(first);
        }
        // The next meeting needs both workers: it keeps its job until both have arrived.
        let joined_late = late.join().unwrap();
        let second = place.ask(2).unwrap();
        let Joined::Wait(round) = place.join(0) else { panic!("the other one is not here yet") };
        assert_eq!(round, second);
        assert!(!joined_late || !gave_up);
        assert!(matches!(place.join(1), Joined::Last(_, 2)));
        place.finish(second);
    });
}

#[test]
fn loom_the_end_leaves_no_worker_waiting() {
    model_bounded(3, || {
        let (place, inside) = (Arc::new(Rendezvous::new(2)), Arc::new(AtomicUsize::new(0)));
        let asker = {
            let place = Arc::clone(&place);
            thread::spawn(move || place.ask(1).map(|_| ()).map_err(|(refusal, _)| refusal))
        };
        let one = worker(Arc::clone(&place), 0, Arc::clone(&inside));
        let given_up = place.close().is_some();
        one.join().unwrap();
        let asked = asker.join().unwrap();
        assert_eq!(given_up, asked.is_ok());
        assert_eq!(inside.load(Ordering::SeqCst), 0, "one of two never collects");
    });
}
