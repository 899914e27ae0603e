//! Tests the cost of wakeups in system calls: one for any number of posts to a waiting loop, none for a loop that
//! is awake. Counted at the poller's wakeup, which is where the system call is made.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use loop_core::poller::os::OsPoller;
use loop_core::{Builtin, EventLoop, Handle, KeptPost};
use loop_probes::clock::SystemClock;
use loop_probes::event::Event;
use loop_probes::recorder::{Capture, Recorder};

use crate::kit::around::{HookedPoller, Moment};
use crate::kit::{ms, pick};

/// A loop on its own thread, held at the start of each of its waits.
struct Held {
    handle: Handle<Builtin>,
    calls: Arc<AtomicU32>,
    waits: mpsc::Receiver<Option<Duration>>,
    may_end: mpsc::Sender<()>,
    thread: thread::JoinHandle<Capture>,
}

impl Held {
    fn start() -> Self {
        let (waits_from, waits) = mpsc::channel();
        let (may_end, may_end_at) = mpsc::channel();
        let (handle_from, handle_at) = mpsc::channel();
        let thread = thread::spawn(move || {
            // Reports the start of each wait, and does not let it begin before it is allowed to.
            let poller = HookedPoller::new(OsPoller::new().unwrap(), move |moment, timeout| {
                if moment == Moment::Before && timeout != Some(Duration::ZERO) {
                    waits_from.send(timeout).unwrap();
                    may_end_at.recv().unwrap();
                }
            });
            let calls = Arc::clone(&poller.wakes);
            let (recorder, capture) = Recorder::capture();
            let builder = EventLoop::<Builtin>::builder().recorder(recorder);
            let mut event_loop = builder.build_on(SystemClock::new(), poller);
            event_loop.with(|cx| cx.hold("test"));
            handle_from.send((event_loop.handle(), calls)).unwrap();
            event_loop.run().unwrap();
            capture
        });
        let (handle, calls) = handle_at.recv().unwrap();
        Self { handle, calls, waits, may_end, thread }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    fn wait_begins(&self) {
        assert_eq!(self.waits.recv().unwrap(), None, "nothing but a wake-up ends this wait");
    }

    /// Ends the loop, and returns the number of pushes that each wakeup coalesced.
    fn end(self) -> Vec<u32> {
        self.handle.post(Builtin::remote("end", |cx| cx.release("test"))).unwrap();
        self.may_end.send(()).unwrap();
        let events: Vec<_> = self.thread.join().unwrap().take().into_iter().map(|(_, event)| event).collect();
        pick!(events, Event::Wake { coalesced, .. } => coalesced + 1)
    }
}

/// Calls `f` on this many threads at once.
fn on_threads(threads: u32, f: impl Fn(u32) + Sync) {
    thread::scope(|scope| {
        for number in 0..threads {
            let f = &f;
            scope.spawn(move || f(number));
        }
    });
}

#[test]
fn b08_any_number_of_posts_to_a_loop_that_waits_is_one_system_call() {
    let held = Held::start();
    held.wait_begins();
    let post = |_| {
        // More than the slots of the rings: posts that overflow cost no system call either.
        for _ in 0..40_000 {
            held.handle.post(Builtin::remote("posted", |_| ())).unwrap();
        }
        held.handle.wake();
        held.handle.hold();
        held.handle.release();
    };
    on_threads(4, post);
    assert_eq!(held.calls(), 1);
    held.may_end.send(()).unwrap();
    held.wait_begins();
    assert_eq!(held.calls(), 1);
    let pushes = held.end();
    assert_eq!(pushes[0], 4 * 40_003);
    assert_eq!(pushes.len(), 2);
}

#[test]
fn b08_posts_to_a_loop_that_is_awake_are_no_system_call() {
    let held = Held::start();
    held.wait_begins();
    let (started, is_awake) = mpsc::channel();
    let (resume, may_resume) = mpsc::channel();
    let busy = Builtin::remote("busy", move |_| {
        started.send(()).unwrap();
        may_resume.recv().unwrap();
    });
    held.handle.post(busy).unwrap();
    held.may_end.send(()).unwrap();
    is_awake.recv().unwrap();
    assert_eq!(held.calls(), 1);
    on_threads(4, |_| {
        for _ in 0..100 {
            held.handle.post(Builtin::remote("posted", |_| ())).unwrap();
            held.handle.wake();
        }
    });
    resume.send(()).unwrap();
    // The next wait begins only after all of them have run: nothing was left behind.
    held.wait_begins();
    assert_eq!(held.calls(), 1);
    let pushes = held.end();
    assert_eq!(pushes.iter().sum::<u32>(), 1 + 4 * 200 + 1);
}

#[test]
fn l05_l08_stop_wake_hold_and_a_kept_post_each_end_a_wait() {
    let held = Held::start();
    let kept = held.handle.keep(|| Builtin::remote("kept", |_| ()));
    let mut calls = 0;
    for end in
        [&(|| held.handle.wake()) as &dyn Fn(), &|| held.handle.hold(), &|| held.handle.release(), &|| {
            assert_eq!(kept.post().unwrap(), KeptPost::Queued)
        }]
    {
        held.wait_begins();
        end();
        calls += 1;
        assert_eq!(held.calls(), calls);
        held.may_end.send(()).unwrap();
    }
    held.wait_begins();
    held.handle.stop();
    held.may_end.send(()).unwrap();
    held.thread.join().unwrap();
}

/// A pool's completions arrive through the same queue.
#[test]
fn b08_b11_a_finished_job_wakes_a_loop_that_waits() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let tag = loop_core::TagOf::Global(loop_core::tag::tag_of_label("job"));
    event_loop.with(|cx| {
        let run = |_: &loop_core::work_pool::Worker<'_>| {
            thread::sleep(ms(5));
            Builtin::remote("done", |_| ())
        };
        cx.work(tag, run, |_| unreachable!("the job does not panic")).unwrap();
    });
    event_loop.run().unwrap();
    assert_eq!(event_loop.metrics().tasks_run, 1);
    assert!(event_loop.metrics().polls <= 4, "{:?}", event_loop.metrics());
}

#[test]
fn a_future_that_another_thread_wakes_while_the_loop_waits_is_one_wakeup() {
    let slot = Arc::new(Mutex::new(None::<Waker>));
    let waker = Arc::clone(&slot);
    let poller = HookedPoller::new(OsPoller::new().unwrap(), move |moment, timeout| {
        let is_wait = moment == Moment::Before && timeout != Some(Duration::ZERO);
        if is_wait && let Some(waker) = waker.lock().unwrap().take() {
            thread::spawn(move || waker.wake()).join().unwrap();
        }
    });
    let (recorder, capture) = Recorder::capture();
    let builder = EventLoop::<Builtin>::builder().recorder(recorder);
    let mut event_loop = builder.build_on(SystemClock::new(), poller);
    let mut polls = 0;
    let future = poll_fn(move |cx| {
        polls += 1;
        *slot.lock().unwrap() = Some(cx.waker().clone());
        if polls > 3 { Poll::Ready(()) } else { Poll::Pending }
    });
    drop(event_loop.spawn("woken", |_| future));
    event_loop.run().unwrap();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    assert_eq!(pick!(events, Event::Wake { from, coalesced } => (from, coalesced)), [(None, 0); 3]);
}
