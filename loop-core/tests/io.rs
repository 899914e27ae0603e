//! Tests sources of readiness.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::{Builtin, EventLoop, RequestError};
use loop_probes::event::{Event, Origin, PollReason};
use loop_probes::ids::{IoSource, NonMax};

use crate::kit::{Cx, World, ms, pick};

#[test]
fn l07_a_source_removed_in_a_callback_is_not_called_even_when_ready_in_the_same_poll() {
    let mut world = World::new();
    let log = world.log.clone();
    let sources = [SimSource::new(), SimSource::new()];
    let ids: Rc<RefCell<Vec<IoSource>>> = Rc::default();
    world.lp.with(|cx| {
        for source in &sources {
            let all = Rc::clone(&ids);
            // The callback that runs first removes both sources.
            let io = log.repeat("io", move |cx| {
                for id in all.borrow().iter() {
                    cx.remove(*id).unwrap();
                }
            });
            let id = cx.register(source.clone(), Interest::READABLE, io).unwrap();
            ids.borrow_mut().push(id);
        }
    });
    for source in &sources {
        world.sim.ready_at(ms(1), source, Readiness::READABLE);
    }
    assert_eq!(world.run(), ["io"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::Poll { ready, .. } => ready), [2], "both were ready");
    assert_eq!(pick!(events, Event::IoReady { .. } => ()).len(), 1);
    assert_eq!(pick!(events, Event::IoRemoved { source } => source), *ids.borrow());
}

#[test]
fn l07_a_source_added_in_a_callback_waits_for_the_next_poll() {
    let mut world = World::new();
    let (log, second) = (world.log.clone(), SimSource::new());
    let first = SimSource::new();
    let late = Arc::clone(&second);
    world.lp.with(|cx| {
        let inner = log.clone();
        let io = log.repeat("first", move |cx| {
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
            let io = inner.repeat("second", |cx| {
                let own = cx.ready().unwrap().source;
                cx.remove(own).unwrap();
            });
            cx.register(late.clone(), Interest::READABLE, io).unwrap();
        });
        cx.register(first.clone(), Interest::READABLE, io).unwrap();
    });
    world.sim.ready_at(ms(1), &first, Readiness::READABLE);
    world.sim.ready_at(ms(1), &second, Readiness::READABLE);
    assert_eq!(world.turn(), ["first"], "a source may remove itself");
    assert_eq!(world.turn(), ["second"]);
    assert!(!world.lp.is_alive());
}

#[test]
fn l07_a_wrong_token_is_an_error() {
    let mut world = World::new();
    world.lp.with(|cx| {
        let gone = cx.register(SimSource::new(), Interest::READABLE, Builtin::repeat("io", |_| ())).unwrap();
        cx.remove(gone).unwrap();
        assert!(matches!(cx.remove(gone), Err(RequestError::SourceGone(source)) if source == gone));
        assert!(matches!(
            cx.modify(IoSource(77), Interest::READABLE | Interest::WRITABLE),
            Err(RequestError::SourceGone(_))
        ));
        assert!(matches!(cx.set_source_referenced(gone, true), Err(RequestError::SourceGone(_))));
        let once = cx.register(SimSource::new(), Interest::READABLE, Builtin::once("once", |_| ()));
        assert!(matches!(once, Err(RequestError::RunsOnce { .. })));
    });
}

#[test]
fn what_a_readiness_callback_posts_names_it_as_parent() {
    let mut world = World::new();
    let source = SimSource::new();
    world.lp.with(|cx| {
        let io = Builtin::repeat("io", |cx| {
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
            cx.post(Builtin::once("child", |_| ()));
        });
        cx.register(source.clone(), Interest::READABLE | Interest::WRITABLE, io).unwrap();
    });
    world.sim.ready_at(ms(1), &source, Readiness::WRITABLE);
    world.run();
    let events = world.events();
    let callback = pick!(events, Event::IoReady { task, readiness, .. } => (Some(task), readiness));
    let child =
        pick!(events, Event::TaskQueued { parent, place, .. } => (parent.map(NonMax::get), place.origin));
    assert_eq!(callback[0].1, 2);
    assert_eq!(child, [(callback[0].0, Origin::Io)]);
}

#[test]
fn a_panic_in_a_readiness_callback_is_caught_and_the_source_stays() {
    let mut world = World::new();
    let (source, calls) = (SimSource::new(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&calls);
    world.lp.with(|cx| {
        let io = Builtin::repeat("io", move |cx| {
            count.set(count.get() + 1);
            assert!(count.get() > 1, "the first call panics");
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
    });
    world.sim.ready_at(ms(1), &source, Readiness::READABLE);
    world.sim.ready_at(ms(2), &source, Readiness::READABLE);
    world.run();
    assert_eq!((calls.get(), world.lp.metrics().panics), (2, 1));
}

#[test]
fn l09_a_poll_without_a_timeout_still_reports_readiness() {
    let (mut near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    near.write_all(b"hello").unwrap();
    let (recorder, capture) = loop_probes::recorder::Recorder::capture();
    let mut event_loop = EventLoop::<Builtin>::builder().recorder(recorder).build().unwrap();
    let got = Rc::new(RefCell::new(Vec::new()));
    let (read, far) = (Rc::clone(&got), Arc::new(far));
    let stream = Arc::clone(&far);
    event_loop.with(|cx| {
        let io = Builtin::repeat("readable", move |cx: &mut Cx<'_>| {
            let mut buffer = [0; 16];
            let bytes = (&*stream).read(&mut buffer).unwrap();
            read.borrow_mut().extend_from_slice(&buffer[..bytes]);
            cx.stop();
        });
        cx.register(far, Interest::READABLE, io).unwrap();
        // Queued work makes the poll non-blocking.
        cx.immediate(Builtin::once("immediate", |cx| {
            cx.immediate(Builtin::once("next", |_| ()));
        }));
    });
    event_loop.turn().unwrap();
    assert_eq!(*got.borrow(), b"hello");
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let polls = pick!(events, Event::Poll { reason, ready, .. } => (reason, ready));
    assert_eq!(polls, [(PollReason::NonBlock, 1)]);
}

#[test]
fn a_file_that_cannot_be_waited_for_is_an_error_and_leaves_nothing_behind() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let regular = Arc::new(std::fs::File::open(std::env::current_exe().unwrap()).unwrap());
    let refused =
        event_loop.with(|cx| cx.register(regular, Interest::READABLE, Builtin::repeat("file", |_| ())));
    assert!(matches!(refused, Err(RequestError::Poller(_))));
    assert!(!event_loop.is_alive());
}
