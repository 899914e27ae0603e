//! Models every interleaving of producers and a waiting loop that share only a counter.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Std};

use loom::sync::Notify;
use loom::sync::atomic::AtomicU32;
use loom::thread;

use super::*;
use crate::poller::Wake;
use crate::sync::model_bounded;

/// Stand-in for the poller that a loop waits on. Counts wake-ups.
pub(crate) struct WakeFlag {
    notify: Notify,
    calls: AtomicUsize,
}

impl WakeFlag {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { notify: Notify::new(), calls: AtomicUsize::new(0) })
    }

    pub(crate) fn wait(&self) {
        self.notify.wait();
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Std::SeqCst)
    }
}

impl Wake for WakeFlag {
    fn wake(&self) {
        self.calls.fetch_add(1, Std::SeqCst);
        self.notify.notify();
    }
}

/// A lost wake-up is a deadlock, which loom reports.
#[test]
fn loom_l08_no_wake_up_is_lost_and_each_announcement_is_answered_once() {
    model_bounded(4, || {
        let wake_flag = WakeFlag::new();
        let shared = Arc::new((AtomicU32::new(0), WakeUp::new(Waker::new(wake_flag.clone()))));
        let producers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    shared.0.fetch_add(1, Ordering::SeqCst);
                    shared.1.wake();
                })
            })
            .collect();
        let (news, wake_up) = &*shared;
        let mut announced = 0;
        while news.load(Ordering::SeqCst) < 2 {
            wake_up.announce();
            announced += 1;
            if news.load(Ordering::SeqCst) < 2 {
                wake_flag.wait();
            }
            wake_up.withdraw();
        }
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        assert!(wake_flag.calls() <= announced);
    });
}

#[test]
fn loom_b08_a_loop_that_is_awake_is_not_woken() {
    loom::model(|| {
        let wake_flag = WakeFlag::new();
        let wake_up = Arc::new(WakeUp::new(Waker::new(wake_flag.clone())));
        wake_up.announce();
        wake_up.withdraw();
        let producer = {
            let wake_up = Arc::clone(&wake_up);
            thread::spawn(move || wake_up.wake())
        };
        producer.join().unwrap();
        assert_eq!(wake_flag.calls(), 0);
    });
}
