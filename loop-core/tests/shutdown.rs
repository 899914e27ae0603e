//! Tests shutdown: at any time, with the owners' choices, within a deadline, with a report.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::tag::TagOf;
use loop_core::{Builtin, EventLoop, OnShutdown, Options, Policy, RequestError, Shutdown, ShutdownReport};
use loop_probes::event::{Event, Outcome, Phase, RefKind, StopReason};

use crate::kit::{World, ms, name, pick};

impl World {
    /// Runs until the shutdown has ended, and returns its report.
    fn shut_down(&mut self) -> ShutdownReport {
        assert_eq!(self.lp.run().unwrap(), StopReason::Shutdown);
        self.lp.shutdown_report().expect("it was shut down").clone()
    }
}

#[test]
fn e03_queued_tasks_and_what_they_post_still_run() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.shutdown(Shutdown::within(ms(100)));
    let inner = log.task("posted during shutdown");
    world.post(log.then("queued", |cx| {
        assert!(cx.is_shutting_down());
        cx.post(inner);
    }));
    let report = world.shut_down();
    assert_eq!(world.log.take(), ["queued", "posted during shutdown"]);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.elapsed, ms(0));
    let events = world.events();
    assert_eq!(pick!(events, Event::ShutdownBegan { deadline } => deadline).len(), 1);
    let ended =
        pick!(events, Event::ShutdownEnded { finished, cancelled, left, .. } => (finished, cancelled, left));
    assert_eq!(ended, [(0, 0, 0)]);
    assert_eq!(pick!(events, Event::Phase { phase: Phase::Shutdown, .. } => ()).len(), 2);
    assert_eq!(pick!(events, Event::LoopStopped { reason } => reason), [StopReason::Shutdown]);
}

#[test]
fn e03_what_is_new_is_refused_with_an_error_and_posts_are_handed_back() {
    let mut world = World::new();
    let handle = world.lp.handle();
    let log = world.log.clone();
    world.lp.shutdown(Shutdown::within(ms(100)));
    world.post(log.then("asks", move |cx| {
        let source = cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ()));
        assert!(matches!(source, Err(RequestError::ShuttingDown { what: RefKind::Io })));
        let job = cx.work(TagOf::Own(0), |_| unreachable!(), |_| unreachable!());
        let error = job.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the loop is shutting down and takes no new work: ask `is_shutting_down` first"
        );
        let refused = handle.post(Builtin::remote("late", |_| ()));
        assert!(refused.is_err());
        assert!(handle.is_closed());
    }));
    assert!(world.shut_down().is_clean());
    assert_eq!(world.log.take(), ["asks"]);
}

#[test]
fn e03_sources_close_at_once_and_timers_are_cleared_unless_their_owner_chose() {
    let mut world = World::new();
    let log = world.log.clone();
    let (listener, upload) = (SimSource::new(), SimSource::new());
    world.lp.with(|cx| {
        cx.register_with("listener", listener.clone(), Interest::READABLE, log.repeat("accepts", |_| ()))
            .unwrap();
        let options = Options::new("upload").on_shutdown(OnShutdown::Finish);
        let reads = log.repeat("reads the rest", |cx| {
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
        });
        cx.register_with(options, upload.clone(), Interest::READABLE, reads).unwrap();
        cx.set_timeout(ms(10), log.task("cancelled"));
        cx.set_interval(ms(10), log.repeat("interval", |_| ())).unwrap();
        let flush = cx.set_timeout(ms(20), log.task("flush"));
        cx.set_timer_on_shutdown(flush, OnShutdown::Finish).unwrap();
    });
    world.sim.ready_at(ms(5), &listener, Readiness::READABLE);
    world.sim.ready_at(ms(6), &upload, Readiness::READABLE);
    world.lp.shutdown(Shutdown::within(ms(100)));
    let report = world.shut_down();
    assert_eq!(world.log.take(), ["reads the rest", "flush"]);
    assert_eq!((report.finished, report.cancelled, report.elapsed), (2, 3, ms(20)));
    assert!(report.is_clean());
}

#[test]
fn e03_futures_finish_or_are_cancelled_and_learn_of_it() {
    let mut world = World::new();
    let log = world.log.clone();
    let inside = log.clone();
    world.lp.spawn("connection", |lp| async move {
        lp.shutting_down().await;
        assert!(lp.is_shutting_down());
        lp.sleep(ms(10)).await;
        inside.add("answered");
    });
    let inside = log.clone();
    let cancelled = Options::new("prefetch").on_shutdown(OnShutdown::Cancel);
    let mut prefetch = world.lp.spawn(cancelled, |lp| async move {
        lp.sleep(ms(50)).await;
        inside.add("unreachable");
    });
    let inside = log.clone();
    world.lp.spawn("ticker", |lp| async move {
        let mut interval = lp.interval(ms(3));
        while interval.tick().await {
            inside.add("tick");
        }
        inside.add("interval is over");
    });
    let lp = world.lp.handle();
    world.sim.at(ms(7), move || lp.shutdown(Shutdown::within(ms(100))));
    let report = world.shut_down();
    assert_eq!(world.log.take(), ["tick", "tick", "interval is over", "answered"]);
    assert_eq!((report.finished, report.cancelled, report.elapsed), (2, 1, ms(10)));
    assert_eq!(prefetch.take(), Some(Err(loop_core::future::JoinError::Cancelled)));
    let outcomes =
        pick!(world.events(), Event::TaskRan { tag, outcome: Outcome::Cancelled, .. } => name(tag));
    assert_eq!(outcomes, ["prefetch"]);
}

#[test]
fn e03_the_deadline_cuts_off_what_is_left_and_names_it() {
    let mut world = World::new();
    let dropped = Rc::new(Cell::new(false));
    struct Guard(Rc<Cell<bool>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let guard = Guard(Rc::clone(&dropped));
    world.lp.spawn("stuck", |_| async move {
        let _guard = guard;
        pending::<()>().await;
    });
    world.lp.with(|cx| {
        let options = Options::new("upload of a.png").on_shutdown(OnShutdown::Finish);
        cx.register_with(options, SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ()))
            .unwrap();
        cx.hold("database");
    });
    world.lp.shutdown(Shutdown::within(ms(250)));
    let report = world.shut_down();
    assert_eq!(report.elapsed, ms(250));
    let left: Vec<_> = report.left.iter().map(|left| (left.what, left.name.as_str())).collect();
    let expected =
        [(RefKind::Io, "upload of a.png"), (RefKind::Handle, "database"), (RefKind::Future, "stuck")];
    assert_eq!(left, expected);
    assert!(dropped.get());
    assert!(!report.is_clean());
    let events = world.events();
    assert_eq!(pick!(events, Event::ShutdownEnded { left, .. } => left), [3]);
    assert_eq!(pick!(events, Event::IoRemoved { .. } => ()).len(), 1);
}

#[test]
fn e03_jobs_finish_or_are_taken_back_as_their_owner_chose() {
    let mut world = World::new();
    world.sim.job_durations([ms(10), ms(10), ms(10)]);
    world.lp.with(|cx| {
        let job = |cx: &mut crate::kit::Cx<'_>, name: &'static str| {
            let tag = TagOf::Global(loop_core::tag::tag_of_label(name));
            cx.work(tag, move |_| Builtin::remote("saved", |_| ()), |_| Builtin::once("rejected", |_| ()))
                .unwrap()
        };
        job(cx, "first");
        let second = job(cx, "second");
        job(cx, "third");
        assert!(cx.set_work_on_shutdown(second, OnShutdown::Cancel));
    });
    world.lp.shutdown(Shutdown::within(ms(100)));
    let report = world.shut_down();
    assert_eq!((report.finished, report.cancelled), (2, 1));
    assert_eq!(report.jobs_handed_back, 0);
    let events = world.events();
    let saved = pick!(events, Event::TaskRan { .. } => ()).len();
    assert_eq!(saved, 2, "the second never ran");
}

#[test]
fn e03_a_nearer_deadline_shortens_and_a_later_one_does_not_extend() {
    let mut world = World::new();
    world.lp.spawn("stuck", |_| pending::<()>());
    world.lp.shutdown(Shutdown::within(ms(1_000)));
    let (second, third) = (world.lp.handle(), world.lp.handle());
    world.sim.at(ms(100), move || second.shutdown(Shutdown::within(ms(200))));
    world.sim.at(ms(200), move || third.shutdown(Shutdown::within(ms(5_000))));
    assert_eq!(world.shut_down().elapsed, ms(300));
    assert_eq!(pick!(world.events(), Event::ShutdownBegan { .. } => ()).len(), 1);
}

#[test]
fn e03_it_can_be_asked_for_from_every_kind_of_callback_and_before_the_run() {
    type Ask = fn(&mut World);
    fn task(label: &'static str) -> Builtin {
        Builtin::once(label, |cx| cx.shutdown(Shutdown::within(ms(50))))
    }
    let asks: [Ask; 10] = [
        |world| world.lp.with(|cx| cx.microtask(task("microtask"))),
        |world| {
            world.lp.with(|cx| {
                cx.defer(1, |cx| {
                    cx.shutdown(Shutdown::within(ms(50)));
                    false
                });
            });
        },
        |world| {
            world.lp.with(|cx| cx.immediate(task("immediate")));
        },
        |world| {
            world.lp.with(|cx| cx.after_loop(task("after loop")));
        },
        |world| {
            let source = SimSource::new();
            let asks = Builtin::repeat("io", |cx| cx.shutdown(Shutdown::within(ms(50))));
            world.lp.with(|cx| cx.register(source.clone(), Interest::READABLE, asks)).unwrap();
            world.sim.ready_at(ms(5), &source, Readiness::READABLE);
        },
        |world| world.lp.shutdown(Shutdown::within(ms(50))),
        |world| world.post(Builtin::once("asks", |cx| cx.shutdown(Shutdown::within(ms(50))))),
        |world| {
            world.lp.with(|cx| {
                cx.set_timeout(ms(5), Builtin::once("asks", |cx| cx.shutdown(Shutdown::within(ms(50)))));
            });
        },
        |world| {
            world.lp.with(|cx| {
                let asks = Builtin::repeat("asks", |cx: &mut crate::kit::Cx<'_>| {
                    cx.shutdown(Shutdown::within(ms(50)));
                });
                cx.on_signal(15, asks).unwrap();
            });
            world.sim.signal_at(ms(5), 15);
        },
        |world| {
            world.lp.spawn("asks", |lp| async move {
                lp.sleep(ms(5)).await;
                lp.shutdown(Shutdown::within(ms(50)));
            });
        },
    ];
    for ask in asks {
        let mut world = World::new();
        world.lp.spawn("stuck", |_| pending::<()>());
        ask(&mut world);
        let report = world.shut_down();
        assert_eq!((report.elapsed, report.left.len()), (ms(50), 1));
    }
}

#[test]
fn e03_it_works_under_every_policy() {
    for policy in [Policy::bun(), Policy::quickjs(), Policy::agenda()] {
        let policy_name = policy.name.clone();
        let mut world = World::with_policy(policy);
        let log = world.log.clone();
        let inside = log.clone();
        world.lp.spawn("polite", |lp| async move {
            lp.shutting_down().await;
            lp.sleep(ms(10)).await;
            inside.add("bye");
        });
        world.lp.with(|cx| {
            cx.set_interval(ms(7), log.repeat("interval", |_| ())).unwrap();
        });
        let handle = world.lp.handle();
        world.sim.at(ms(10), move || handle.shutdown(Shutdown::within(ms(100))));
        let report = world.shut_down();
        assert_eq!(world.log.take(), ["interval", "bye"], "{policy_name}");
        assert_eq!((report.elapsed, report.is_clean()), (ms(10), true), "{policy_name}");
    }
}

#[test]
fn e03_a_loop_that_only_stops_on_request_ends_with_its_shutdown() {
    let mut policy = Policy::bun();
    policy.exit = loop_core::policy::ExitRule::OnlyStopped;
    let mut world = World::with_policy(policy);
    let handle = world.lp.handle();
    world.sim.at(ms(10), move || handle.shutdown(Shutdown::within(ms(100))));
    assert_eq!(world.shut_down().elapsed, ms(0));
}

#[test]
fn e03_after_it_a_run_returns_at_once() {
    let mut world = World::new();
    world.lp.shutdown(Shutdown::within(ms(10)));
    world.shut_down();
    world.post(world.log.task("too late"));
    assert_eq!(world.lp.run().unwrap(), StopReason::Shutdown);
    assert!(world.log.take().is_empty());
}

#[test]
fn e03_a_timer_armed_during_it_does_not_hold_it_up() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.shutdown(Shutdown::within(ms(1_000)));
    let (dropped, flush) = (log.task("retry"), log.task("flush"));
    world.post(log.then("task", |cx| {
        cx.set_timeout(ms(500), dropped);
        let flush = cx.set_timeout(ms(20), flush);
        cx.set_timer_on_shutdown(flush, OnShutdown::Finish).unwrap();
    }));
    assert_eq!(world.shut_down().elapsed, ms(20));
    assert_eq!(world.log.take(), ["task", "flush"]);
}

#[test]
fn e03_workers_are_joined_and_one_that_is_stuck_is_counted() {
    let mut event_loop = EventLoop::<Builtin>::builder().workers(2).build().unwrap();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (began, begun) = std::sync::mpsc::channel::<()>();
    event_loop.spawn(Options::new("asks").on_shutdown(OnShutdown::Cancel), |lp| async move {
        let job = lp.work("stuck", move |_| {
            let _ = began.send(());
            let _ = wait.recv();
        });
        let _ = lp.work("quick", |_| ()).await;
        let _ = job.await;
    });
    let handle = event_loop.handle();
    let thread = std::thread::spawn(move || {
        begun.recv().unwrap();
        handle.shutdown(Shutdown::within(ms(20)));
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Shutdown);
    let report = event_loop.shutdown_report().unwrap().clone();
    assert_eq!(report.unjoined_workers, 1, "{report:?}");
    assert!(report.elapsed >= ms(20));
    thread.join().unwrap();
    release.send(()).unwrap();
}

#[test]
fn e03_real_sockets_are_closed_the_listener_first() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let handle = event_loop.handle();
    event_loop.spawn_checked("listen", |lp| async move {
        let listener = lp.watch(listener);
        while let Some((stream, _)) = listener.accept().await? {
            lp.spawn_checked("connection", |lp| async move {
                stream.write_all(b"hello ").await?;
                lp.shutting_down().await;
                // Gives the listener time to close before the client is answered.
                lp.sleep(ms(20)).await;
                stream.write_all(b"bye").await
            });
        }
        Ok::<_, std::io::Error>(())
    });
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut hello = [0; 6];
        stream.read_exact(&mut hello).unwrap();
        handle.shutdown(Shutdown::within(Duration::from_secs(20)));
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        (said, TcpStream::connect(address).is_err())
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Shutdown);
    let (said, refused) = client.join().unwrap();
    assert_eq!(said, "bye");
    assert!(refused);
    assert!(event_loop.shutdown_report().unwrap().is_clean());
}

#[test]
fn e03_posts_race_with_it_and_each_runs_or_is_handed_back_or_counted() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let ran = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let handle = event_loop.handle();
    event_loop.handle().hold();
    let count = Arc::clone(&ran);
    let poster = std::thread::spawn(move || {
        let mut accepted = 0;
        loop {
            let count = Arc::clone(&count);
            let task = Builtin::remote("post", move |_| {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            });
            if handle.post(task).is_err() {
                return accepted;
            }
            accepted += 1;
            if accepted == 1_000 {
                handle.shutdown(Shutdown::within(Duration::ZERO));
            }
        }
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Shutdown);
    let accepted: u32 = poster.join().unwrap();
    let report = event_loop.shutdown_report().unwrap();
    let left: u32 = report.left.iter().filter(|left| left.what == RefKind::Task).map(|left| left.count).sum();
    let ran = ran.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(ran + left + report.posts_dropped, accepted);
}

#[test]
fn e03_stopping_in_the_middle_can_be_resumed() {
    let mut world = World::new();
    let stops: Rc<RefCell<u32>> = Rc::default();
    let count = Rc::clone(&stops);
    world.lp.spawn("slow", |lp| async move {
        lp.shutting_down().await;
        lp.stop();
        *count.borrow_mut() += 1;
        lp.sleep(ms(30)).await;
    });
    world.lp.shutdown(Shutdown::within(ms(100)));
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped);
    assert!(world.lp.shutdown_report().is_none());
    assert_eq!(world.shut_down().finished, 1);
    assert_eq!(*stops.borrow(), 1);
}
