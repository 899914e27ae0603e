//! Models of the wake-up: none is lost, and none is polled twice for.

use std::sync::Arc;
use std::task::{Wake, Waker};

use loom::sync::Condvar;
use loom::thread;

use super::*;
use crate::poller::{Wake as WakePoller, Waker as PollerWaker};

/// A poller that can be woken and nothing else.
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl WakePoller for Bell {
    fn wake(&self) {
        *locked(&self.rung) = true;
        self.changed.notify_one();
    }
}

impl Bell {
    /// A wait without a timeout: a lost wake-up is a deadlock, which loom reports.
    fn wait(&self) {
        let mut rung = locked(&self.rung);
        while !std::mem::take(&mut *rung) {
            rung = self.changed.wait(rung).unwrap();
        }
    }
}

const FUTURE: FutureKey = FutureKey { index: 0, generation: 0 };

fn list() -> (Arc<Bell>, Arc<WakeList>) {
    let bell = Arc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() });
    let poller: Arc<dyn WakePoller> = bell.clone();
    (bell, Arc::new(WakeList::new(PollerWaker::new(poller), Box::new(|| Ticks(0)))))
}

/// Waits until the future is on the list, as a loop does.
fn wait_until_woken(bell: &Bell, list: &WakeList) -> usize {
    loop {
        let woken = list.take();
        if !woken.is_empty() {
            return woken.len();
        }
        if !list.begin_wait() {
            bell.wait();
        }
        list.end_wait();
    }
}

#[test]
fn loom_a_wake_up_ends_a_wait_that_is_about_to_begin() {
    loom::model(|| {
        let (bell, list) = list();
        let waker = FutureWaker::queued(FUTURE, Arc::clone(&list));
        waker.begin_poll();
        let other = Waker::from(waker);
        let thread = thread::spawn(move || other.wake());
        assert_eq!(wait_until_woken(&bell, &list), 1);
        thread.join().unwrap();
    });
}

#[test]
fn loom_two_wake_ups_are_one_poll_or_two_and_the_last_one_sees_both() {
    loom::model(|| {
        let (bell, list) = list();
        let waker = FutureWaker::queued(FUTURE, Arc::clone(&list));
        waker.begin_poll();
        let done = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (other, done) = (Arc::clone(&waker), Arc::clone(&done));
                thread::spawn(move || {
                    // What a future looks at need not be ordered by itself: the wake-up orders it.
                    done.fetch_add(1, Ordering::Relaxed);
                    other.wake();
                })
            })
            .collect();
        let mut polls = 0;
        loop {
            polls += wait_until_woken(&bell, &list);
            waker.begin_poll();
            if done.load(Ordering::Relaxed) == 2 {
                break;
            }
        }
        assert!((1..=2).contains(&polls));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
