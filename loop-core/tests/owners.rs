//! Tests that errors reach their owners, that sources explain their purpose, and that what is registered lives
//! as long as its registration.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loop_core::poller::{Interest, Readiness, Source};
use loop_core::sim::SimSource;
use loop_core::{Builtin, EventLoop, OnError, Options, Policy, RequestError, RunError};
use loop_probes::event::{Event, LabelKind, Outcome, RefKind, StopReason};
use loop_probes::ids::NonMax;
use loop_probes::recorder::Recorder;

use crate::kit::{Cx, World, ms, pick};

/// A callback that reports an error, or panics.
fn fails(how: &'static str) -> Builtin {
    Builtin::repeat("fails", move |cx: &mut Cx<'_>| match how {
        "panics" => panic!("it panicked"),
        _ => cx.fail("it failed"),
    })
}

#[test]
fn e01_an_error_is_recorded_and_the_source_stays_unless_its_owner_chose() {
    for how in ["fails", "panics"] {
        let mut world = World::new();
        let source = SimSource::new();
        world.lp.with(|cx| cx.register(source.clone(), Interest::READABLE, fails(how)).unwrap());
        world.sim.ready_at(ms(1), &source, Readiness::READABLE);
        world.sim.ready_at(ms(2), &source, Readiness::READABLE);
        world.lp.run_for(ms(3)).unwrap();
        let events = world.events();
        assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 2);
        assert!(world.lp.is_alive());
    }
}

#[test]
fn e01_a_bad_source_closes_only_itself() {
    for how in ["fails", "panics"] {
        let mut world = World::new();
        let (bad, good) = (SimSource::new(), SimSource::new());
        let reads = Rc::new(Cell::new(0));
        let count = Rc::clone(&reads);
        world.lp.with(|cx| {
            let options = Options::new("bad peer").on_error(OnError::Close);
            cx.register_with(options, bad.clone(), Interest::READABLE, fails(how)).unwrap();
            let good_reads = Builtin::repeat("reads", move |_| count.set(count.get() + 1));
            cx.register(good.clone(), Interest::READABLE, good_reads).unwrap();
        });
        for at in 1..=3 {
            world.sim.ready_at(ms(at), &bad, Readiness::READABLE);
            world.sim.ready_at(ms(at), &good, Readiness::READABLE);
        }
        world.lp.run_for(ms(5)).unwrap();
        assert_eq!(reads.get(), 3);
        let events = world.events();
        assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1, "it was called once");
        assert_eq!(pick!(events, Event::IoRemoved { .. } => ()).len(), 1);
        assert_eq!(Arc::strong_count(&bad), 1, "and is closed");
    }
}

#[test]
fn e01_a_failing_listener_stops_the_loop_with_its_error() {
    for (how, said) in [("fails", "it failed"), ("panics", "it panicked")] {
        let mut world = World::new();
        let source = SimSource::new();
        world.lp.with(|cx| {
            let options = Options::new("public listener").on_error(OnError::Stop);
            cx.register_with(options, source.clone(), Interest::READABLE, fails(how)).unwrap();
        });
        world.sim.ready_at(ms(1), &source, Readiness::READABLE);
        let error = world.lp.run().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("io public listener failed and is essential (`OnError::Stop`): {said}")
        );
        assert!(matches!(error, RunError::Failed { what: RefKind::Io, .. }));
        let reasons = pick!(world.events(), Event::LoopStopped { reason } => reason);
        assert_eq!(reasons, [StopReason::Failed]);
    }
}

#[test]
fn e01_an_owner_is_notified_of_the_failure() {
    let mut world = World::new();
    let (source, seen) = (SimSource::new(), Rc::new(RefCell::new(Vec::new())));
    let log = Rc::clone(&seen);
    world.lp.with(|cx| {
        let owner = Builtin::repeat("owner", move |cx: &mut Cx<'_>| {
            let failure = cx.failure().expect("it is reported").clone();
            log.borrow_mut().push((failure.what, failure.name, failure.message));
        });
        let options = Options::new("peer 7").on_error(OnError::Tell(owner));
        cx.register_with(options, source.clone(), Interest::READABLE, fails("fails")).unwrap();
        cx.post(Builtin::once("other", |cx| assert_eq!(cx.failure(), None)));
    });
    for at in [1, 2] {
        world.sim.ready_at(ms(at), &source, Readiness::READABLE);
    }
    world.lp.run_for(ms(5)).unwrap();
    let expected = (RefKind::Io, "peer 7".to_owned(), "it failed".to_owned());
    assert_eq!(*seen.borrow(), [expected.clone(), expected]);
    let events = world.events();
    let calls = pick!(events, Event::IoReady { task, .. } => Some(task));
    let parents = pick!(events, Event::TaskQueued { parent, .. } => parent.map(NonMax::get));
    assert_eq!(parents, [None, calls[0], calls[1]]);
}

#[test]
fn e01_an_owner_that_runs_once_is_notified_once() {
    let mut world = World::new();
    let (source, seen) = (SimSource::new(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&seen);
    world.lp.with(|cx| {
        let owner = Builtin::once("owner", move |_| count.set(count.get() + 1));
        let options = Options::new("peer").on_error(OnError::Tell(owner));
        cx.register_with(options, source.clone(), Interest::READABLE, fails("fails")).unwrap();
    });
    for at in [1, 2] {
        world.sim.ready_at(ms(at), &source, Readiness::READABLE);
    }
    world.lp.run_for(ms(5)).unwrap();
    assert_eq!(seen.get(), 1);
}

#[test]
fn e01_the_error_of_a_checked_future_goes_to_its_owner() {
    let mut world = World::new();
    let mut handle =
        world.lp.spawn_checked("plain", |_| async { Err::<u8, _>(std::io::Error::other("disk full")) });
    world.lp.run().unwrap();
    assert!(matches!(handle.take(), Some(Ok(Err(error))) if error.to_string() == "disk full"));
    let events = world.events();
    assert_eq!(pick!(events, Event::TaskRan { outcome, .. } => outcome), [Outcome::Failed]);
    assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1);

    let options = Options::new("listener").on_error(OnError::Stop);
    world.lp.spawn_checked(options, |lp| async move {
        lp.sleep(ms(1)).await;
        Err::<(), _>("address in use")
    });
    let error = world.lp.run().unwrap_err();
    assert_eq!(
        error.to_string(),
        "future listener failed and is essential (`OnError::Stop`): address in use"
    );

    let seen = Rc::new(RefCell::new(String::new()));
    let log = Rc::clone(&seen);
    let owner = Builtin::once("owner", move |cx: &mut Cx<'_>| {
        *log.borrow_mut() = cx.failure().unwrap().message.clone();
    });
    let options = Options::new("worker").on_error(OnError::Tell(owner));
    world.lp.spawn(options, |_| async { panic!("no luck") });
    world.lp.run().unwrap();
    assert_eq!(*seen.borrow(), "no luck");
}

#[test]
fn e01_a_future_that_reports_an_error_goes_on_or_is_closed() {
    let mut world = World::new();
    let log = world.log.clone();
    for (label, rule) in [("goes on", OnError::Report), ("closed", OnError::Close)] {
        let log = log.clone();
        world.lp.spawn(Options::new(label).on_error(rule), |lp| async move {
            lp.fail("a hiccup");
            lp.yield_now().await;
            log.add(label);
        });
    }
    assert_eq!(world.run(), ["goes on"]);
    let events = world.events();
    let outcomes = pick!(events, Event::TaskRan { outcome, .. } => outcome);
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Failed, Outcome::Done, Outcome::Cancelled]);
}

#[test]
fn e01_on_real_sockets_one_bad_connection_closes_only_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    event_loop.spawn_checked(Options::new("listener").on_error(OnError::Stop), |lp| async move {
        let listener = lp.watch(listener);
        while let Some((stream, _)) = listener.accept().await? {
            lp.spawn_checked("connection", |lp| async move {
                let mut buffer = [0; 64];
                let bytes = stream.read(&mut buffer).await?;
                if buffer[..bytes] == *b"bad" {
                    return Err(std::io::Error::other("bad request"));
                }
                if buffer[..bytes] == *b"end" {
                    lp.shutdown(loop_core::Shutdown::within(ms(10_000)));
                }
                stream.write_all(&buffer[..bytes]).await
            });
        }
        Ok::<_, std::io::Error>(())
    });
    let clients = std::thread::spawn(move || {
        let say = |stream: &mut TcpStream, words: &str| {
            stream.write_all(words.as_bytes()).unwrap();
            let mut answer = String::new();
            // A connection closed with unread data is reset: that is an answer too.
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        let mut open = TcpStream::connect(address).unwrap();
        let mut bad = TcpStream::connect(address).unwrap();
        let said = [say(&mut bad, "bad"), say(&mut open, "hello")];
        let mut last = TcpStream::connect(address).unwrap();
        (said, say(&mut last, "end"))
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Shutdown);
    let (said, last) = clients.join().unwrap();
    assert_eq!((said[0].as_str(), said[1].as_str(), last.as_str()), ("", "hello", "end"));
}

#[test]
fn a01_a_source_says_what_it_is_for() {
    let (recorder, capture) = Recorder::capture();
    let sim = loop_core::sim::Sim::new();
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder().recorder(recorder));
    let source = event_loop.with(|cx| {
        let io = Builtin::repeat("io", |_| ());
        cx.register_with("commands of the operator", SimSource::new(), Interest::READABLE, io).unwrap()
    });
    let pending = event_loop.pending();
    assert_eq!((pending[0].what, pending[0].name.as_str()), (RefKind::Io, "commands of the operator"));
    event_loop.run_for(ms(1)).unwrap();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let labels = pick!(events, Event::IoLabel { source, label } => (source, label));
    assert_eq!(labels[0].0, source);
    let text = |label: loop_probes::ids::LabelId| capture.label(LabelKind::Text, label.0);
    assert_eq!(text(labels[0].1).as_deref(), Some("commands of the operator"));
    let named =
        pick!(events, Event::SnapshotPending { what, label: Some(label), count, .. } => (what, label, count));
    assert_eq!(named, [(RefKind::Io, labels[0].1, 1)]);
    // Each snapshot repeats the label, for readers that start at it.
    for _ in 0..2 {
        event_loop.run_for(ms(10_000)).unwrap();
    }
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let snapshots = pick!(events, Event::SnapshotEnd { .. } => ()).len();
    let again = pick!(events, Event::IoLabel { source, label } => (source, label));
    assert!(snapshots > 0);
    assert_eq!(again, vec![labels[0]; snapshots]);
}

#[test]
fn a01_the_128_sources_of_the_agenda_are_a_limit_that_can_be_raised() {
    for (limit, policy) in [
        (128, Policy::agenda()),
        (300, {
            let mut policy = Policy::agenda();
            policy.sources_max = Some(300);
            policy
        }),
    ] {
        let mut world = World::with_policy(policy);
        world.lp.with(|cx| {
            let mut register =
                || cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ()));
            let sources: Vec<_> = (0..limit).map(|_| register().unwrap()).collect();
            let error = register().unwrap_err();
            assert!(matches!(error, RequestError::TooManySources { limit: named, .. } if named == limit));
            assert!(error.to_string().contains(&format!("{limit} sources")), "{error}");
            let io = Builtin::repeat("io", |_| ());
            let named =
                cx.register_with("one too many", SimSource::new(), Interest::READABLE, io).unwrap_err();
            assert!(named.to_string().contains("cannot take one too many"), "{named}");
            cx.remove(sources[0]).unwrap();
            cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ())).unwrap();
        });
    }
    let mut world = World::new();
    world.lp.with(|cx| {
        for _ in 0..1_000 {
            cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ())).unwrap();
        }
    });
}

#[test]
fn a_changed_source_interest_is_recorded() {
    let mut world = World::new();
    world.lp.with(|cx| {
        let io = Builtin::repeat("io", |_| ());
        let source = cx.register(SimSource::new(), Interest::READABLE, io).unwrap();
        cx.modify(source, Interest::READABLE | Interest::WRITABLE).unwrap();
        cx.modify(source, Interest::NONE).unwrap();
    });
    assert_eq!(pick!(world.events(), Event::IoModified { interest, .. } => interest), [1, 3, 0]);
}

/// A socket that reports when it is closed.
struct DropFlag(std::os::unix::net::UnixStream, Arc<AtomicBool>);

impl AsFd for DropFlag {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn e06_a_source_lives_exactly_as_long_as_its_registration() {
    let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    let closed = Arc::new(AtomicBool::new(false));
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let source: Source = Arc::new(DropFlag(near, Arc::clone(&closed)));
    let id =
        event_loop.with(|cx| cx.register(source, Interest::READABLE, Builtin::repeat("io", |_| ())).unwrap());
    event_loop.run_for(ms(1)).unwrap();
    assert!(!closed.load(Ordering::Relaxed), "the registration alone holds it");
    let back = event_loop.with(|cx| cx.remove(id).unwrap());
    assert!(!closed.load(Ordering::Relaxed), "who removed it has it");
    drop(back);
    assert!(closed.load(Ordering::Relaxed));
}

#[test]
fn e06_the_end_of_the_loop_closes_what_is_registered() {
    let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
    let closed = Arc::new(AtomicBool::new(false));
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let seen = DropFlag(near, Arc::clone(&closed));
    event_loop.spawn("holds it", |lp| async move { lp.watch(seen).readable().await });
    event_loop.run_for(ms(1)).unwrap();
    assert!(!closed.load(Ordering::Relaxed));
    drop(event_loop);
    assert!(closed.load(Ordering::Relaxed));
}

#[test]
fn e06_what_a_task_of_a_timer_holds_goes_with_the_timer() {
    let mut world = World::new();
    let held = Rc::new(());
    let inside = Rc::clone(&held);
    let timer = world.lp.with(|cx| cx.set_timeout(ms(5), Builtin::once("holds", move |_| drop(inside))));
    assert_eq!(Rc::strong_count(&held), 2);
    world.lp.with(|cx| cx.clear_timer(timer));
    assert_eq!(Rc::strong_count(&held), 1);
}
