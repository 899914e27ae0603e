//! Tests futures: spawned, polled as tasks, cancelled, joined, woken from anywhere.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::task::{Poll, Waker};

use loop_core::future::JoinError;
use loop_core::{Builtin, Context, EventLoop, LocalHandle, Options, Policy, Task};
use loop_probes::event::{Event, Origin, Outcome, RefKind};
use loop_probes::ids::NonMax;

use crate::kit::{World, ms, name, pick};

type Local = LocalHandle<Builtin>;

/// The records of polled futures, as (tag, outcome).
fn ran(world: &World) -> Vec<(String, Outcome)> {
    pick!(world.events(), Event::TaskRan { tag, outcome, .. } => (name(tag), outcome))
}

#[test]
fn e04_a_spawned_future_is_polled_as_a_task_behind_those_that_wait() {
    let mut world = World::new();
    let log = world.log.clone();
    world.post(log.task("before"));
    let mut handle = world.lp.spawn("future", {
        let log = log.clone();
        |_| async move {
            log.add("future");
            7
        }
    });
    world.post(log.task("after"));
    assert_eq!(world.lp.pending().iter().filter(|pending| pending.what == RefKind::Future).count(), 1);
    assert_eq!(world.run(), ["before", "future", "after"]);
    assert_eq!(handle.take(), Some(Ok(7)));
    assert_eq!(handle.take(), None, "it is taken once");
    let events = world.events();
    let queued = pick!(events, Event::TaskQueued { tag, place, .. } => (name(tag), place.origin));
    assert_eq!(queued[1], ("future".to_owned(), Origin::Future));
    let ran = pick!(events, Event::TaskRan { outcome, .. } => outcome);
    assert_eq!(ran, [Outcome::Done; 3]);
}

#[test]
fn e04_each_poll_is_a_task_and_says_whether_it_is_done() {
    let mut world = World::new();
    world.lp.spawn("naps", |lp| async move {
        lp.sleep(ms(5)).await;
        lp.sleep(ms(5)).await;
    });
    world.lp.run().unwrap();
    assert_eq!(world.sim.elapsed(), ms(10));
    let events = world.events();
    let polls = pick!(&events, Event::TaskRan { outcome, .. } => outcome);
    // Between the polls, timers wake the future.
    let expected = [Outcome::Pending, Outcome::Woke, Outcome::Pending, Outcome::Woke, Outcome::Done];
    assert_eq!(polls, expected);
    let metrics = world.lp.metrics();
    assert_eq!((metrics.tasks_run, metrics.woke), (3, 2), "only the polls are tasks");
    let counted = pick!(events, Event::TickEnd { tasks_run, .. } => tasks_run);
    assert_eq!(counted.iter().sum::<u32>(), 3);
}

#[test]
fn e04_what_wakes_a_future_is_the_parent_of_its_poll() {
    let mut world = World::new();
    world.lp.spawn("nap", |lp| async move { lp.sleep(ms(5)).await });
    world.lp.run().unwrap();
    let events = world.events();
    let fired = pick!(events, Event::TimerFired { task, .. } => Some(task));
    let parents = pick!(events, Event::TaskQueued { parent, .. } => parent.map(NonMax::get));
    assert_eq!(parents, [None, fired[0]]);
}

#[test]
fn e04_microtasks_drain_after_each_poll() {
    let mut world = World::new();
    let log = world.log.clone();
    let inner = log.clone();
    world.lp.spawn("future", |lp| async move {
        lp.post(inner.task("next"));
        lp.microtask(inner.task("micro"));
        lp.yield_now().await;
        lp.microtask(inner.task("micro again"));
    });
    world.post(log.task("queued behind"));
    assert_eq!(world.run(), ["micro", "queued behind", "next", "micro again"]);
    let events = world.events();
    let polls =
        pick!(events, Event::TaskQueued { task, place, .. } if place.origin == Origin::Future => Some(task));
    assert_eq!(pick!(events, Event::Microtasks { trigger, .. } => trigger), polls);
}

/// Worlds whose loops are recorded, and not recorded.
fn worlds() -> [World; 2] {
    [World::new(), World::silent(Policy::bun())]
}

#[test]
fn e04_what_a_callback_asks_for_is_done_before_its_checkpoint() {
    for panics in [false, true] {
        for mut world in worlds() {
            let (log, lp) = (world.log.clone(), world.lp.with(|cx| cx.local()));
            let inner = log.clone();
            world.post(log.then("task", move |cx| {
                lp.microtask(inner.then("asked for", {
                    let (lp, inner) = (lp.clone(), inner.clone());
                    move |_| lp.microtask(inner.task("nested"))
                }));
                cx.microtask(inner.task("queued"));
                lp.post(inner.task("last"));
                if panics {
                    resume_unwind(Box::new("on purpose"));
                }
            }));
            world.post(log.task("next"));
            assert_eq!(world.run(), ["task", "queued", "asked for", "nested", "next", "last"]);
        }
    }
}

#[test]
fn e04_what_a_future_asked_for_is_done_before_its_checkpoint_however_it_ends() {
    /// Asks for a microtask when it is dropped.
    struct Asks(Local, crate::kit::Log);

    impl Drop for Asks {
        fn drop(&mut self) {
            self.0.microtask(self.1.task("asked for"));
        }
    }

    for is_cancelled in [false, true] {
        for mut world in worlds() {
            let log = world.log.clone();
            let asks = Asks(world.lp.with(|cx| cx.local()), log.clone());
            let handle = world.lp.spawn("ends", move |_| async move {
                let _asks = asks;
                resume_unwind(Box::new("on purpose"))
            });
            if is_cancelled {
                handle.cancel();
            }
            world.post(log.task("next"));
            assert_eq!(world.run(), ["asked for", "next"], "cancelled: {is_cancelled}");
        }
    }
}

#[test]
fn e04_a_request_that_panics_takes_no_other_with_it() {
    for mut world in worlds() {
        let (log, lp) = (world.log.clone(), world.lp.with(|cx| cx.local()));
        let inner = log.clone();
        world.post(log.then("task", move |_| {
            for _ in 0..2 {
                lp.with(|_| resume_unwind(Box::new("on purpose")));
                lp.microtask(inner.task("asked for"));
            }
        }));
        world.post(log.task("next"));
        assert_eq!(world.run(), ["task", "asked for", "asked for", "next"]);
        assert_eq!(world.lp.metrics().panics, 2);
    }
}

#[test]
fn e04_a_future_of_any_task_type_need_not_be_send() {
    enum Mine {
        Tell(Rc<Cell<u32>>),
    }
    impl Task for Mine {
        type Remote = ();
        loop_core::tags!("Tell");
        fn run(self, _: &mut Context<'_, Self>) {
            let Self::Tell(calls) = self;
            calls.set(calls.get() + 1);
        }
    }
    impl From<()> for Mine {
        fn from((): ()) -> Self {
            Self::Tell(Rc::default())
        }
    }
    let mut event_loop = EventLoop::<Mine>::new().unwrap();
    let calls = Rc::new(Cell::new(0));
    let inside = Rc::clone(&calls);
    event_loop.spawn("mine", |lp: LocalHandle<Mine>| async move {
        lp.post(Mine::Tell(Rc::clone(&inside)));
        lp.yield_now().await;
        inside.set(inside.get() + 10);
    });
    event_loop.run().unwrap();
    assert_eq!(calls.get(), 11);
}

/// Reports when it is dropped.
struct Guard(crate::kit::Log, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add(self.1);
    }
}

#[test]
fn e04_cancelling_drops_the_future_before_it_is_polled_again() {
    let mut world = World::new();
    let log = world.log.clone();
    let guard = Guard(log.clone(), "dropped");
    let mut handle = world.lp.spawn("victim", |lp| async move {
        let _guard = guard;
        lp.sleep(ms(5)).await;
        unreachable!("it was cancelled");
    });
    world.lp.tick();
    assert!(world.log.take().is_empty());
    handle.cancel();
    handle.cancel();
    assert!(!handle.is_finished(), "not before the loop runs");
    assert_eq!(world.run(), ["dropped"]);
    assert_eq!(handle.take(), Some(Err(JoinError::Cancelled)));
    assert_eq!(world.sim.elapsed(), ms(0), "its timer was cleared with it");
    let ran = ran(&world);
    assert_eq!(ran.last().unwrap().1, Outcome::Cancelled);
    assert_eq!((ran.len(), world.lp.metrics().tasks_run), (2, 1), "a poll that was cancelled did not run");
    assert!(!world.lp.is_alive());
}

#[test]
fn e04_awaiting_the_handle_gives_the_result_before_and_after_it_is_done() {
    let mut world = World::new();
    let mut sum = world.lp.spawn("sum", |lp| async move {
        let slow = lp.spawn("slow", |lp| async move {
            lp.sleep(ms(5)).await;
            40
        });
        let quick = lp.spawn("quick", |_| async { 2 });
        let slow = slow.await.unwrap();
        assert!(quick.is_finished());
        slow + quick.await.unwrap()
    });
    world.lp.run().unwrap();
    assert_eq!((sum.take(), world.sim.elapsed()), (Some(Ok(42)), ms(5)));
}

#[test]
fn e04_cancelling_what_is_done_keeps_its_result() {
    let mut world = World::new();
    let mut handle = world.lp.spawn("done", |_| async { 1 });
    world.lp.run().unwrap();
    assert!(handle.is_finished());
    handle.cancel();
    world.lp.run().unwrap();
    assert_eq!(handle.take(), Some(Ok(1)));
}

#[test]
fn e04_a_future_that_cancels_itself_is_dropped_at_its_next_turn() {
    let mut world = World::new();
    let slot: Rc<RefCell<Option<loop_core::JoinHandle<()>>>> = Rc::default();
    let own = Rc::clone(&slot);
    let handle = world.lp.spawn("self", |lp| async move {
        own.borrow().as_ref().unwrap().cancel();
        lp.yield_now().await;
        unreachable!("it cancelled itself");
    });
    *slot.borrow_mut() = Some(handle);
    world.lp.run().unwrap();
    assert_eq!(slot.borrow_mut().as_mut().unwrap().take(), Some(Err(JoinError::Cancelled)));
}

#[test]
fn e04_dropping_the_handle_detaches_the_future() {
    let mut world = World::new();
    let log = world.log.clone();
    drop(world.lp.spawn("detached", |lp| async move {
        lp.sleep(ms(5)).await;
        log.add("ran on");
    }));
    assert_eq!(world.run(), ["ran on"]);
}

#[test]
fn e04_a_panic_is_recorded_and_becomes_an_error_for_who_awaits_it() {
    let mut world = World::new();
    let mut joined = world.lp.spawn("joins", |lp| async move {
        let bad = lp.spawn("bad", |lp| async move {
            lp.yield_now().await;
            panic!("on the rocks");
        });
        bad.await
    });
    world.lp.run().unwrap();
    let message = "on the rocks".to_owned();
    assert_eq!(joined.take(), Some(Ok(Err(JoinError::Panicked { message }))));
    assert_eq!(world.lp.metrics().panics, 1);
    let events = world.events();
    assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1);
    assert!(pick!(events, Event::TaskRan { outcome, .. } => outcome).contains(&Outcome::Panicked));
    assert!(!world.lp.is_alive());
}

#[test]
fn e04_a_future_keeps_the_loop_alive_by_its_label_unless_unreferenced() {
    let mut world = World::new();
    let mut held = world.lp.spawn("held", |_| pending::<()>());
    let pending_now = world.lp.pending();
    let future: Vec<_> = pending_now.iter().filter(|one| one.what == RefKind::Future).collect();
    assert_eq!((future[0].name.as_str(), future[0].count), ("held", 1));
    world.lp.turn().err(); // Its first poll; then the virtual world has nothing to wait for.
    assert!(world.lp.is_alive());
    held = held.unref();
    world.lp.run().unwrap();
    assert!(!world.lp.is_alive());
    assert!(!held.is_finished());

    let ticks = Rc::new(Cell::new(0));
    let count = Rc::clone(&ticks);
    world.lp.spawn(Options::new("background").unreferenced(), |lp| async move {
        let mut interval = lp.interval(ms(10));
        while interval.tick().await {
            count.set(count.get() + 1);
        }
    });
    world.lp.spawn("foreground", |lp| async move { lp.sleep(ms(35)).await });
    world.lp.run().unwrap();
    assert_eq!((ticks.get(), world.sim.elapsed()), (3, ms(35)), "it ran while something else did");
}

#[test]
fn e04_a_timeout_gives_the_result_or_says_that_time_is_up_and_leaves_no_timer() {
    let mut world = World::new();
    let mut handle = world.lp.spawn("limits", |lp| async move {
        let quick = lp.timeout(ms(10), lp.sleep(ms(5))).await;
        let slow = lp.timeout(ms(10), lp.sleep(ms(20))).await;
        (quick.is_ok(), slow.unwrap_err().to_string())
    });
    world.lp.run().unwrap();
    assert_eq!(handle.take(), Some(Ok((true, "not done within 10ms".to_owned()))));
    assert_eq!(world.sim.elapsed(), ms(15), "nothing waits for the sleep that was dropped");
    assert_eq!(world.lp.scheduler().timer_count(), 0);
}

#[test]
fn e04_a_future_that_is_woken_often_is_polled_once() {
    let mut world = World::new();
    let (polls, waker) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None::<Waker>)));
    let (count, slot) = (Rc::clone(&polls), Rc::clone(&waker));
    world.lp.spawn("woken", |_| {
        poll_fn(move |cx| {
            count.set(count.get() + 1);
            *slot.borrow_mut() = Some(cx.waker().clone());
            if count.get() < 2 { Poll::Pending } else { Poll::Ready(()) }
        })
    });
    let log = world.log.clone();
    world.post(log.then("wakes", move |_| {
        let waker = waker.borrow_mut().take().unwrap();
        (0..10).for_each(|_| waker.wake_by_ref());
    }));
    world.lp.run().unwrap();
    assert_eq!(polls.get(), 2);
    let queued = pick!(world.events(), Event::TaskQueued { place, .. } => place.origin);
    assert_eq!(queued, [Origin::Future, Origin::Local, Origin::Future]);
}

#[test]
fn e04_a_waker_works_from_any_thread_and_is_harmless_after_the_end() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let (send, receive) = std::sync::mpsc::channel::<Waker>();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = std::sync::Arc::clone(&done);
    let thread = std::thread::spawn(move || {
        let first = receive.recv().unwrap();
        flag.store(true, std::sync::atomic::Ordering::Relaxed);
        first.wake();
        receive.recv().unwrap()
    });
    let to_thread = send.clone();
    event_loop.spawn("waits for a thread", |_| {
        poll_fn(move |cx| {
            // Ordered by the wakeup alone.
            if done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = to_thread.send(cx.waker().clone());
                return Poll::Ready(());
            }
            let _ = to_thread.send(cx.waker().clone());
            Poll::Pending
        })
    });
    event_loop.run().unwrap();
    drop((event_loop, send));
    let late = thread.join().unwrap();
    late.wake_by_ref();
    late.wake();
}

#[test]
fn e04_a_hundred_thousand_wake_ups_from_four_threads_lose_none() {
    const EACH: u32 = 25_000;
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let seen = std::sync::Arc::clone(&count);
    event_loop.spawn("counts", |_| {
        let mut threads = Vec::new();
        poll_fn(move |cx| {
            if threads.is_empty() {
                for _ in 0..4 {
                    let (waker, count) = (cx.waker().clone(), std::sync::Arc::clone(&seen));
                    threads.push(std::thread::spawn(move || {
                        for _ in 0..EACH {
                            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                            waker.wake_by_ref();
                        }
                    }));
                }
            }
            // The last wakeup has to show the last count, or this would wait for ever.
            let all = seen.load(std::sync::atomic::Ordering::Relaxed) == 4 * EACH;
            if all { Poll::Ready(()) } else { Poll::Pending }
        })
    });
    event_loop.run().unwrap();
    assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), 4 * EACH);
}

#[test]
fn e04_the_end_of_the_loop_drops_its_futures_and_says_so() {
    let mut world = World::new();
    let log = world.log.clone();
    let guard = Guard(log.clone(), "dropped");
    let mut handle = world.lp.spawn("endless", |lp| async move {
        let _guard = guard;
        lp.sleep(ms(1_000)).await;
        pending::<()>().await;
    });
    world.lp.turn().unwrap();
    let local = world.lp.with(|cx| cx.local());
    let World { lp, sim: _sim, .. } = world;
    drop(lp);
    assert_eq!(log.take(), ["dropped"]);
    assert_eq!(handle.take(), Some(Err(JoinError::Cancelled)));
    let mut refused = local.spawn("late", |_| async {});
    assert_eq!(refused.take(), Some(Err(JoinError::Refused)));
    handle.cancel();
}

#[test]
fn e04_a_panic_while_a_future_is_dropped_is_caught() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let mut world = World::new();
    let (bad, done) = (Bad, Bad);
    let cancelled = world.lp.spawn("cancelled", |lp| async move {
        let _bad = bad;
        lp.sleep(ms(5)).await;
    });
    world.lp.tick();
    cancelled.cancel();
    world.lp.run().unwrap();
    let mut ended = world.lp.spawn("done", |_| async move {
        let _bad = done;
    });
    world.lp.run().unwrap();
    assert_eq!(world.lp.metrics().panics, 2);
    assert!(!world.lp.is_alive());
    assert!(matches!(ended.take(), Some(Err(JoinError::Panicked { .. }))));
}
