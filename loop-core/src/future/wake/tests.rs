//! Waking futures from real threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Wake, Waker};
use std::thread;

use super::*;
use crate::poller::{Wake as WakePoller, Waker as PollerWaker};

#[derive(Default)]
struct Count(AtomicU32);

impl WakePoller for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

const FUTURE: FutureKey = FutureKey { index: 3, generation: 7 };

fn list() -> (Arc<Count>, Arc<WakeList>) {
    let count = Arc::new(Count::default());
    let poller: Arc<dyn WakePoller> = count.clone();
    let wake_up = Arc::new(WakeUp::new(PollerWaker::new(poller)));
    (count, Arc::new(WakeList::new(wake_up, Box::new(|| Ticks(5)))))
}

#[test]
fn a_future_that_is_woken_often_is_on_the_list_once() {
    let (count, list) = list();
    let waker = FutureWaker::queued(FUTURE, Arc::clone(&list));
    let woken = Waker::from(Arc::clone(&waker));
    woken.wake_by_ref();
    assert!(!list.has_some(), "its first poll is queued already");
    waker.begin_poll();
    woken.wake_by_ref();
    woken.wake_by_ref();
    assert!(list.has_some());
    assert_eq!(list.take(), [Woken { future: FUTURE, at: Ticks(5), here: true }]);
    assert!(!list.has_some());
    assert_eq!(count.0.load(Ordering::SeqCst), 0, "a loop that does not wait need not be woken");
}

#[test]
fn a_loop_that_waits_is_woken_once() {
    let (count, list) = list();
    list.wake_up.announce();
    let wakers: Vec<_> = (0..4).map(|_| FutureWaker::queued(FUTURE, Arc::clone(&list))).collect();
    thread::scope(|scope| {
        for waker in &wakers {
            waker.begin_poll();
            scope.spawn(|| Arc::clone(waker).wake());
        }
    });
    list.wake_up.withdraw();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(list.take().iter().filter(|woken| !woken.here).count(), 4);
    assert!(!list.has_some());
}

#[test]
fn after_the_end_a_wake_up_does_nothing() {
    let (count, list) = list();
    let waker = FutureWaker::queued(FUTURE, Arc::clone(&list));
    waker.begin_poll();
    list.wake_up.announce();
    list.close();
    waker.wake();
    assert!(list.take().is_empty());
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
}
