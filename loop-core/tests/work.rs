//! Tests the work pool: a job on a worker, its completion on the loop.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::tag::tag_of_label;
use loop_core::work_pool::Rejected;
use loop_core::{Builtin, EventLoop, TagOf};
use loop_probes::event::{Event, Origin, RefKind, StopReason};
use loop_probes::recorder::Recorder;

use crate::kit::{Cx, World, ms, name, pick};

fn job() -> TagOf {
    TagOf::Global(tag_of_label("job"))
}

fn not_rejected(reason: Rejected) -> Builtin {
    panic!("{reason}")
}

#[test]
fn b11_run_on_the_pool_then_on_the_loop_with_the_loop_kept_alive() {
    let mut world = World::new();
    world.sim.job_durations([ms(5)]);
    let seen = world.log.clone();
    world.post(world.log.then("schedules", move |cx: &mut Cx<'_>| {
        cx.work(job(), |_| Builtin::remote("then", |_| ()), not_rejected).unwrap();
        seen.add("scheduled");
    }));
    assert_eq!(world.run(), ["schedules", "scheduled"]);
    assert_eq!(world.sim.elapsed(), ms(5));
    let events = world.events();
    let ran = pick!(events, Event::TaskRan { task, tag, .. } => (task, name(tag)));
    assert_eq!(ran.iter().map(|(_, tag)| tag.as_str()).collect::<Vec<_>>(), ["schedules", "job"]);
    let queued = pick!(events, Event::WorkQueued { task, parent, .. } => (task, parent));
    assert_eq!(queued, [(ran[1].0, Some(ran[0].0.into()))], "the completion has the job's id");
    let back = pick!(events, Event::TaskQueued { task, parent, place, .. } if place.origin == Origin::Work => (task, parent));
    assert_eq!(back, queued, "a trace shows the parent across threads");
    let refs = pick!(events, Event::RefChanged { what: RefKind::Work, delta, .. } => delta);
    assert_eq!(refs, [1, -1]);
    assert_eq!(pick!(events, Event::WorkSettled { task, .. } => task), [ran[1].0]);
}

#[test]
fn b11_jobs_of_several_workers_come_back_in_the_order_in_which_they_end() {
    let mut world = World::new();
    world.sim.workers(2);
    world.sim.job_durations([ms(9), ms(2), ms(3)]);
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    world.lp.with(|cx| {
        for number in [9, 2, 3] {
            let order = std::sync::Arc::clone(&order);
            let run = move |_: &loop_core::work_pool::Worker<'_>| {
                Builtin::remote("then", move |_| order.lock().unwrap().push(number))
            };
            cx.work(job(), run, not_rejected).unwrap();
        }
    });
    world.run();
    assert_eq!(*order.lock().unwrap(), [2, 3, 9]);
    assert_eq!(world.sim.elapsed(), ms(9));
}

#[test]
fn b11_run_is_on_a_thread_of_the_pool_and_then_on_the_loops_own() {
    let mut event_loop = EventLoop::<Builtin>::builder().workers(1).build().unwrap();
    let (sender, threads) = std::sync::mpsc::channel();
    event_loop.with(|cx| {
        let run = move |_: &loop_core::work_pool::Worker<'_>| {
            sender.send(std::thread::current().id()).unwrap();
            Builtin::remote("then", move |_| sender.send(std::thread::current().id()).unwrap())
        };
        cx.work(job(), run, not_rejected).unwrap();
    });
    event_loop.run().unwrap();
    let threads: Vec<_> = threads.iter().collect();
    let here = std::thread::current().id();
    assert!(threads[0] != here && threads[1..] == [here], "{threads:?}");
}

/// Bun's `ConcurrentPromiseTask`, with a future as the promise.
#[test]
fn b11_a_job_settles_its_promise_with_its_result_or_with_its_panic() {
    let mut world = World::new();
    world.sim.job_durations([ms(3), ms(4)]);
    let mut promises = ["resolves", "rejects"].map(|which| {
        world.lp.spawn(which, move |lp| async move {
            let promise = lp.work("job", move |_| if which == "rejects" { panic!("disk full") } else { 42 });
            promise.await
        })
    });
    world.lp.tick();
    let waiting: Vec<_> =
        world.lp.pending().into_iter().map(|pending| (pending.what, pending.count)).collect();
    assert!(waiting.contains(&(RefKind::Work, 2)), "{waiting:?}");
    assert!(promises.iter_mut().all(|promise| promise.take().is_none()));
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    let settled = promises.map(|mut promise| promise.take().unwrap().unwrap());
    assert_eq!(settled[0], Ok(42));
    assert!(matches!(&settled[1], Err(Rejected::Panicked { message }) if message == "disk full"));
    let events = world.events();
    let refs = pick!(events, Event::RefChanged { what: RefKind::Work, delta, .. } => delta);
    assert_eq!(refs, [1, 1, -1, -1], "held from when it was asked for until the promise was settled");
}

fn a_panic_becomes_a_rejection(mut event_loop: EventLoop<Builtin>) {
    let rejected = Rc::new(Cell::new(false));
    let seen = Rc::clone(&rejected);
    event_loop.with(|cx| {
        let reject = move |reason: Rejected| {
            Builtin::once("rejected", move |_| seen.set(reason.to_string().contains("disk full")))
        };
        cx.work(job(), |_| panic!("disk full"), reject).unwrap();
    });
    assert_eq!(event_loop.pending().len(), 1);
    event_loop.run().unwrap();
    assert!(rejected.get());
    assert!(!event_loop.is_alive(), "the keep-alive is given back");
    let (sender, receiver) = std::sync::mpsc::channel();
    event_loop.with(|cx| {
        let run = move |_: &loop_core::work_pool::Worker<'_>| {
            sender.send(()).unwrap();
            Builtin::remote("then", |_| ())
        };
        cx.work(job(), run, not_rejected).unwrap();
    });
    event_loop.run().unwrap();
    assert!(receiver.try_recv().is_ok(), "the worker lives on");
}

#[test]
fn b11_a_panic_on_a_real_worker_becomes_a_rejection_and_the_worker_lives() {
    a_panic_becomes_a_rejection(EventLoop::builder().workers(1).build().unwrap());
}

#[test]
fn b11_a_rejection_that_panics_itself_loses_no_keep_alive_and_no_other_job() {
    let mut world = World::new();
    world.lp.with(|cx| {
        cx.work(job(), |_| panic!("disk full"), |reason| panic!("and its error is ignored: {reason}"))
            .unwrap();
        let done = move |_: &loop_core::work_pool::Worker<'_>| Builtin::remote("then", |_| ());
        cx.work(job(), done, not_rejected).unwrap();
    });
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    assert_eq!((world.lp.metrics().panics, world.lp.metrics().tasks_run), (1, 1));
    let events = world.events();
    assert_eq!(pick!(events, Event::WorkSettled { .. } => ()).len(), 2);
    assert_eq!(pick!(events, Event::Exception { task, .. } => task.is_some()), [true]);
}

#[test]
fn b11_the_virtual_pool_does_the_same() {
    let mut world = World::new();
    let seen = world.log.clone();
    world.lp.with(|cx| {
        let reject = move |reason: Rejected| {
            seen.task(if reason.to_string().contains("disk full") { "rejected" } else { "?" })
        };
        cx.work(job(), |_| panic!("disk full"), reject).unwrap();
    });
    assert_eq!(world.run(), ["rejected"]);
    assert!(!world.lp.is_alive());
}

#[test]
fn b11_real_workers_complete_every_job() {
    const JOBS: u32 = 200;
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::<Builtin>::builder().workers(3).recorder(recorder).build().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    event_loop.with(|cx| {
        for number in 0..JOBS {
            let sender = sender.clone();
            let run = move |_: &loop_core::work_pool::Worker<'_>| {
                Builtin::remote("then", move |_| sender.send(number).unwrap())
            };
            cx.work(job(), run, not_rejected).unwrap();
        }
    });
    event_loop.run().unwrap();
    let mut done: Vec<u32> = receiver.try_iter().collect();
    done.sort_unstable();
    assert_eq!(done, (0..JOBS).collect::<Vec<_>>());
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    assert_eq!(pick!(events, Event::WorkSettled { .. } => ()).len(), JOBS as usize);
}
