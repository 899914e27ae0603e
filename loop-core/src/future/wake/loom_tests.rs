//! Models of waking a future: no wake-up is lost, and none causes two polls.

use std::sync::Arc;
use std::task::{Wake as _, Waker};

use loom::thread;

use super::*;
use crate::poller::Waker as PollerWaker;
use crate::sync::model_bounded;
use crate::wake_up::loom_tests::WakeFlag;

const FUTURE: FutureKey = FutureKey { index: 0, generation: 0 };

fn list() -> (Arc<WakeFlag>, Arc<WakeList>) {
    let wake_flag = WakeFlag::new();
    let wake_up = Arc::new(WakeUp::new(PollerWaker::new(wake_flag.clone())));
    (wake_flag, Arc::new(WakeList::new(wake_up, Box::new(|| Ticks(0)))))
}

/// Waits until the future is on the list, as a loop does.
fn wait_until_woken(wake_flag: &WakeFlag, list: &WakeList) -> usize {
    loop {
        let woken = list.take();
        if !woken.is_empty() {
            return woken.len();
        }
        list.wake_up.announce();
        if !list.has_some() {
            wake_flag.wait();
        }
        list.wake_up.withdraw();
    }
}

#[test]
fn loom_a_wake_up_ends_a_wait_that_is_about_to_begin() {
    model_bounded(3, || {
        let (wake_flag, list) = list();
        let waker = FutureWaker::queued(FUTURE, Arc::clone(&list));
        waker.begin_poll();
        let other = Waker::from(waker);
        let thread = thread::spawn(move || other.wake());
        assert_eq!(wait_until_woken(&wake_flag, &list), 1);
        thread.join().unwrap();
    });
}

#[test]
fn loom_two_wakeups_cause_one_or_two_polls_and_the_last_sees_both() {
    model_bounded(3, || {
        let (wake_flag, list) = list();
        let waker = FutureWaker::queued(FUTURE, Arc::clone(&list));
        waker.begin_poll();
        let done = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (other, done) = (Arc::clone(&waker), Arc::clone(&done));
                thread::spawn(move || {
                    // Relaxed: the wake-up orders the state that the future checks.
                    done.fetch_add(1, Ordering::Relaxed);
                    other.wake();
                })
            })
            .collect();
        let mut polls = 0;
        loop {
            polls += wait_until_woken(&wake_flag, &list);
            waker.begin_poll();
            if done.load(Ordering::Relaxed) == 2 {
                break;
            }
        }
        assert!((1..=2).contains(&polls));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
