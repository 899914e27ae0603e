//! Models every interleaving of calls through handles and a loop that takes, announces its wait, checks and waits.

use std::sync::Arc;

use loom::sync::atomic::AtomicU32 as Word;
use loom::thread;
use loop_probes::ids::Ticks;

use super::*;
use crate::sync::model_bounded;
use crate::wake_up::loom_tests::WakeFlag;

type TestShared = Arc<LoopShared<u32>>;

fn shared() -> (TestShared, Arc<WakeFlag>) {
    let wake_flag = WakeFlag::new();
    (Arc::new(LoopShared::new(Waker::new(wake_flag.clone()), Box::new(|| Ticks(0)), false)), wake_flag)
}

/// Waits like a loop until `turn` returns true. A lost wake-up shows as a deadlock.
fn run(shared: &TestShared, wake_flag: &WakeFlag, mut turn: impl FnMut() -> bool) {
    while !turn() {
        shared.announce_wait();
        if !shared.has_news() {
            wake_flag.wait();
        }
        shared.awake();
    }
}

/// Takes all posts, and makes the items of kept posts.
fn take(shared: &TestShared) -> Vec<u32> {
    let items = shared.queue.take_batch().map(|posted| match posted.item {
        Inbound::Post(number) => number,
        Inbound::Kept(node) => node.taken(),
        Inbound::Work(_) => unreachable!("there is no pool"),
    });
    let items: Vec<u32> = items.collect();
    if items.is_empty() && !shared.queue.is_empty() {
        thread::yield_now();
    }
    items
}

#[test]
fn loom_l08_posts_from_two_threads_end_the_wait() {
    model_bounded(2, || {
        let (shared, wake_flag) = shared();
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || assert!(shared.push(Inbound::Post(number), None).is_ok()))
            })
            .collect();
        let mut seen = 0;
        run(&shared, &wake_flag, || {
            seen += take(&shared).len();
            seen == 2
        });
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert!(wake_flag.calls() <= 2);
    });
}

#[test]
fn loom_l08_a_post_into_the_overflow_ends_the_wait() {
    model_bounded(2, || {
        let (shared, wake_flag) = shared();
        let producer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                (0..4).for_each(|number| assert!(shared.push(Inbound::Post(number), None).is_ok()));
            })
        };
        let mut seen = Vec::new();
        run(&shared, &wake_flag, || {
            seen.extend(take(&shared));
            seen.len() == 4
        });
        producer.join().unwrap();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

#[test]
fn loom_l08_stop_hold_and_wake_end_the_wait() {
    model_bounded(3, || {
        let (shared, wake_flag) = shared();
        let stopper = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.stop())
        };
        let holder = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.hold(1))
        };
        let (mut stopped, mut refs) = (false, 0);
        run(&shared, &wake_flag, || {
            stopped |= shared.take_stop();
            refs += shared.take_refs();
            let _ = shared.take_wakes();
            stopped && refs == 1
        });
        stopper.join().unwrap();
        holder.join().unwrap();
    });
}

/// Checks that each post is followed by a run that sees everything stored before the post, even if an earlier post
/// triggered that run.
fn kept_posts_are_seen(in_the_way: u32) {
    model_bounded(2, move || {
        let (shared, wake_flag) = shared();
        let stored = Arc::new(Word::new(0));
        let node = {
            let stored = Arc::clone(&stored);
            Node::new(Box::new(move || stored.load(Ordering::Relaxed)))
        };
        // With full rings, kept posts use their own links.
        for _ in 0..in_the_way {
            assert!(shared.push(Inbound::Post(0), None).is_ok());
        }
        let posters: Vec<_> = (0..2)
            .map(|_| {
                let (shared, stored, node) = (Arc::clone(&shared), Arc::clone(&stored), Arc::clone(&node));
                thread::spawn(move || {
                    stored.fetch_add(1, Ordering::Relaxed);
                    shared.push_kept(&node, None).unwrap()
                })
            })
            .collect();
        let (mut seen, mut runs) = (0, 0);
        run(&shared, &wake_flag, || {
            let taken = take(&shared);
            runs += taken.len();
            seen = taken.into_iter().max().map_or(seen, |now| now.max(seen));
            seen == 2
        });
        let queued = posters.into_iter().map(|poster| poster.join().unwrap());
        let queued = queued.filter(|post| *post == KeptPost::Queued).count();
        runs += take(&shared).len();
        assert_eq!(runs - in_the_way as usize, queued, "one run for each post that was queued");
        assert_eq!(Arc::strong_count(&node), 1);
    });
}

#[test]
fn loom_b09_a_kept_post_runs_for_all_who_posted_it() {
    kept_posts_are_seen(0);
}

#[test]
fn loom_b09_a_kept_post_runs_from_the_overflow_too() {
    kept_posts_are_seen(3);
}

#[test]
fn loom_b10_a_kept_post_is_its_owners_after_the_end() {
    model_bounded(3, || {
        let (shared, _wake_flag) = shared();
        let node = Node::new(Box::new(|| 1));
        let poster = {
            let (shared, node) = (Arc::clone(&shared), Arc::clone(&node));
            thread::spawn(move || shared.push_kept(&node, None).is_ok())
        };
        let left = shared.queue.close().len();
        assert_eq!(poster.join().unwrap(), left == 1);
        assert!(shared.push_kept(&Node::new(Box::new(|| 2)), None).is_err());
        assert_eq!(Arc::strong_count(&node), 1);
    });
}
