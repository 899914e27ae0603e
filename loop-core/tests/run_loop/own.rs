//! Tests a second loop of ours on the same thread, driven by the first.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use loop_core::poller::Interest;
use loop_core::run_loop::{PumpError, RunLoop};
use loop_core::{Builtin, EventLoop, Policy, Shutdown};
use loop_probes::clock::monotonic_now;
use loop_probes::event::StopReason;

use crate::kit::{Cx, ms};

type Inner = RunLoop<EventLoop<Builtin>>;

fn inner(set_up: impl FnOnce(&mut Cx<'_>)) -> Inner {
    let mut inner = EventLoop::<Builtin>::new().unwrap();
    inner.with(set_up);
    RunLoop::new(inner)
}

/// A host that lives until it is released.
fn held() -> EventLoop<Builtin> {
    let mut host = EventLoop::<Builtin>::new().unwrap();
    host.with(|cx| cx.hold("the test"));
    host
}

/// The same, but it stops after ten seconds, which is longer than any test takes that waits for a wakeup or
/// two.
fn host() -> EventLoop<Builtin> {
    let mut host = held();
    host.with(|cx| {
        let late = cx.set_timeout(ms(10_000), Builtin::once("late", |cx| cx.stop()));
        cx.set_timer_referenced(late, false).unwrap();
    });
    host
}

/// A task of the inner loop that ends the host's run.
fn ends(host: &EventLoop<Builtin>, ran: &Rc<Cell<u32>>) -> Builtin {
    let (handle, ran) = (host.handle(), Rc::clone(ran));
    Builtin::once("inner", move |_| {
        ran.set(ran.get() + 1);
        handle.release();
    })
}

#[test]
fn r01_a_pump_waits_for_the_second_loop_and_no_longer_than_its_timeout() {
    let start = monotonic_now();
    // Not due yet, even on the slowest machine.
    let inner = inner(|cx| {
        cx.set_timeout(ms(3_600_000), Builtin::once("in an hour", |_| ()));
    });
    assert!(!inner.pump(Duration::ZERO).unwrap());
    assert!(!inner.pump(Duration::from_micros(2500)).unwrap());
    assert!(monotonic_now().ns_since(start) >= 2_500_000);
    let (start, ran) = (monotonic_now(), Rc::new(Cell::new(0)));
    let seen = Rc::clone(&ran);
    let timer = Builtin::once("timer", move |_: &mut Cx<'_>| seen.set(1));
    inner.with(|inner| inner.with(|cx| cx.set_timeout(ms(30), timer))).unwrap();
    assert!(inner.pump(ms(10_000)).unwrap(), "its own timer is nearer");
    let waited = monotonic_now().ns_since(start);
    assert!((30_000_000..9_000_000_000).contains(&waited) && ran.get() == 1);
}

#[test]
fn r07_a_second_loop_runs_from_a_timer_of_ours() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let (task, timer) = (ends(&host, &ran), ends(&host, &ran));
    host.with(|cx| cx.hold("the second task"));
    let inner = inner(|cx| {
        cx.post(task);
        cx.set_timeout(ms(5), timer);
    });
    host.with(|cx| inner.run(cx, ms(1))).unwrap();
    assert!(host.tick_until(|| ran.get() == 2).unwrap());
}

#[test]
fn r07_a_post_from_another_thread_wakes_the_host_of_the_second_loop() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let inner = inner(|_| ());
    host.with(|cx| inner.run_ready(cx)).unwrap();
    let (posts_to, releases) = (inner.with(|inner| inner.handle()).unwrap(), host.handle());
    let poster = thread::spawn(move || {
        thread::sleep(ms(20));
        posts_to.post(Builtin::remote("posted", move |_| releases.release())).unwrap();
    });
    assert_eq!(host.run().unwrap(), StopReason::Drained);
    poster.join().unwrap();
    ran.set(inner.with(|inner| inner.metrics().tasks_run as u32).unwrap());
    assert_eq!(ran.get(), 1);
    assert!(host.metrics().polls < 20, "it was not polled again and again: {:?}", host.metrics());
}

#[test]
fn r07_timers_and_sources_of_the_second_loop_are_ours() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let (mut near, far) = UnixStream::pair().unwrap();
    let (timer, second) = (ends(&host, &ran), ends(&host, &ran));
    host.with(|cx| cx.hold("the second task"));
    let inner = inner(move |cx| {
        let far = Arc::new(far);
        let stream = Arc::clone(&far);
        let mut second = Some(second);
        let io = Builtin::repeat("io", move |cx| {
            let mut byte = [0];
            (&*stream).read_exact(&mut byte).unwrap();
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
            cx.post(second.take().unwrap());
        });
        cx.register(far, Interest::READABLE, io).unwrap();
        cx.set_timeout(ms(5), timer);
    });
    host.with(|cx| {
        inner.run_ready(cx).unwrap();
        cx.set_timeout(ms(10), Builtin::once("writes", move |_| near.write_all(b"!").unwrap()));
    });
    assert!(host.tick_until(|| ran.get() == 2).unwrap());
    assert!(host.metrics().polls < 50, "{:?}", host.metrics());
}

#[test]
fn r06_what_is_changed_between_two_pumps_is_noticed() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let inner = inner(|_| ());
    host.with(|cx| inner.run_ready(cx)).unwrap();
    let (task, pumped) = (ends(&host, &ran), inner.clone());
    host.with(|cx| {
        let late = Builtin::once("sets up", move |_| {
            pumped.with(|inner| inner.with(|cx| cx.set_timeout(ms(1), task))).unwrap();
        });
        cx.set_timeout(ms(5), late);
    });
    assert_eq!(host.run().unwrap(), StopReason::Drained);
    assert_eq!(ran.get(), 1);
}

#[test]
fn r06_a_pump_by_hand_takes_nothing_from_a_run_by_readiness() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let inner = inner(|_| ());
    host.with(|cx| inner.run_ready(cx)).unwrap();
    host.turn_within(Duration::ZERO).unwrap();
    // The inner loop arms a timer of its own while it is pumped by hand, and is then left alone.
    let task = ends(&host, &ran);
    let sets = Builtin::once("sets", move |cx: &mut Cx<'_>| {
        cx.set_timeout(ms(2), task);
    });
    inner.with(|inner| inner.post(sets)).unwrap();
    while inner.with(|inner| inner.metrics().tasks_run).unwrap() == 0 {
        inner.pump(Duration::ZERO).unwrap();
    }
    let (posts_to, releases) = (inner.with(|inner| inner.handle()).unwrap(), host.handle());
    host.with(|cx| cx.hold("the post"));
    inner.pump(Duration::ZERO).unwrap();
    let poster = thread::spawn(move || {
        thread::sleep(ms(20));
        posts_to.post(Builtin::remote("posted", move |_| releases.release())).unwrap();
    });
    assert_eq!(host.run().unwrap(), StopReason::Drained);
    poster.join().unwrap();
    assert_eq!(ran.get(), 1);
}

#[test]
fn r06_no_wake_up_of_the_second_loop_is_lost() {
    // The three thousand questions have no overall time limit, but each has one: the asker's timeout.
    let (mut host, inner) = (held(), inner(|_| ()));
    host.with(|cx| inner.run_ready(cx)).unwrap();
    let posts_to = inner.with(|inner| inner.handle()).unwrap();
    let send = move |answer: Box<dyn FnOnce() + Send>| {
        posts_to.post(Builtin::remote("asked", move |_| answer())).unwrap();
    };
    super::answer_one_at_a_time(&mut host, send);
}

#[test]
fn r07_a_waker_in_another_thread_wakes_the_host_of_the_second_loop() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let (sender, wakers) = mpsc::channel::<Waker>();
    let is_set = Arc::new(AtomicBool::new(false));
    let (set, releases, seen) = (Arc::clone(&is_set), host.handle(), Rc::clone(&ran));
    let inner = inner(move |cx| {
        cx.spawn("awaits", move |_| async move {
            poll_fn(|task| match is_set.load(Ordering::Acquire) {
                true => Poll::Ready(()),
                false => {
                    sender.send(task.waker().clone()).unwrap();
                    Poll::Pending
                }
            })
            .await;
            seen.set(1);
            releases.release();
        });
    });
    host.with(|cx| inner.run_ready(cx)).unwrap();
    let other = thread::spawn(move || {
        let waker = wakers.recv().unwrap();
        thread::sleep(ms(20));
        set.store(true, Ordering::Release);
        waker.wake();
    });
    assert_eq!(host.run().unwrap(), StopReason::Drained);
    other.join().unwrap();
    assert_eq!(ran.get(), 1);
    assert!(host.metrics().polls < 20, "{:?}", host.metrics());
}

#[test]
fn r06_a_second_loop_that_would_end_does_not_keep_its_host_busy() {
    for policy in Policy::NAMES {
        let mut inner =
            EventLoop::<Builtin>::builder().policy(Policy::by_name(policy).unwrap()).build().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let calls = Rc::new(Cell::new(0));
        let counts = Rc::clone(&calls);
        inner.with(|cx| {
            let far = Arc::new(far);
            let stream = Arc::clone(&far);
            let io = Builtin::repeat("io", move |_| {
                counts.set(counts.get() + (&*stream).read(&mut [0; 8]).unwrap());
            });
            let io = cx.register(far, Interest::READABLE, io).unwrap();
            // The source is unreferenced: the inner loop has nothing to run for, but is called for this source
            // all the same.
            cx.set_source_referenced(io, false).unwrap();
        });
        let (mut host, inner) = (host(), RunLoop::new(inner));
        host.with(|cx| {
            inner.run_ready(cx).unwrap();
            cx.set_timeout(ms(5), Builtin::once("writes", move |_| near.write_all(b"!").unwrap()));
        });
        assert!(host.tick_until(|| calls.get() == 1).unwrap(), "{policy}");
        assert!(host.metrics().polls < 50, "{policy}: {:?}", host.metrics());
    }
}

#[test]
fn r07_a_shutdown_of_the_second_loop_is_carried_out_by_its_host() {
    let (mut host, inner) = (host(), inner(|cx| cx.hold("for ever")));
    host.with(|cx| {
        inner.run_ready(cx).unwrap();
        let asks = inner.clone();
        let ask = Builtin::once("asks", move |_: &mut Cx<'_>| {
            asks.with(|inner| inner.shutdown(Shutdown::within(ms(10)))).unwrap();
        });
        cx.set_timeout(ms(5), ask);
    });
    let over = Rc::new(Cell::new(false));
    let (sees, looked_at) = (Rc::clone(&over), inner.clone());
    let look = Builtin::repeat("looks", move |_| {
        sees.set(looked_at.with(|inner| inner.shutdown_report().is_some()).unwrap());
    });
    host.with(|cx| cx.set_interval(ms(5), look)).unwrap();
    assert!(host.tick_until(|| over.get()).unwrap());
    let over = inner.pump(Duration::ZERO).unwrap_err();
    assert_eq!(over.to_string(), "the second event loop was shut down: there is nothing left to pump");
    assert!(matches!(inner.take_error(), Some(PumpError::Ended { .. })));
    assert!(!inner.is_running());
    assert_eq!(host.metrics().panics, 0);
    assert!(host.metrics().polls < 50, "{:?}", host.metrics());
}

#[test]
fn r03_a_stop_of_the_second_loop_ends_a_pump_and_not_the_run() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let task = ends(&host, &ran);
    let inner = inner(move |cx| {
        cx.stop();
        cx.post(task);
    });
    host.with(|cx| inner.run_ready(cx)).unwrap();
    assert_eq!(host.run().unwrap(), StopReason::Drained);
    assert_eq!((ran.get(), inner.is_running()), (1, true));
}

#[test]
fn r05_the_second_loop_cannot_pump_itself() {
    let (mut host, ran) = (host(), Rc::new(Cell::new(0)));
    let inner = inner(|_| ());
    let (itself, task) = (inner.clone(), ends(&host, &ran));
    let reentering = Builtin::once("reenters", move |cx: &mut Cx<'_>| {
        assert!(itself.pump(Duration::ZERO).is_err());
        cx.post(task);
    });
    inner.with(|inner| inner.post(reentering)).unwrap();
    host.with(|cx| inner.run(cx, ms(1))).unwrap();
    assert_eq!(host.run().unwrap(), StopReason::Drained);
    assert_eq!(ran.get(), 1);
    assert_eq!(inner.with(|inner| inner.metrics().panics).unwrap(), 0);
}
