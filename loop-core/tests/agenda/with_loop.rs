//! Tests the agenda beside a loop: a single wakeup, and each can queue work for the other.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;

use loop_core::agenda::{Agenda, Priority, Tasklet, TaskletFailure};
use loop_core::work_pool::PendingWork;
use loop_core::{Builtin, EventLoop};
use loop_probes::event::{Event, RefKind, StopReason};
use loop_probes::recorder::Recorder;

use super::kit::{Done, FOREVER, finish, hold};
use crate::kit::pick;

type Loop = EventLoop<Builtin>;

fn attached(workers: u16) -> (Loop, Agenda) {
    let event_loop = Loop::new().unwrap();
    let agenda = Agenda::builder().workers(workers).attach(&event_loop.handle()).build().unwrap();
    (event_loop, agenda)
}

#[test]
fn a09_a_tasklet_posts_to_the_loop_and_the_loop_adds_to_the_agenda() {
    let (mut event_loop, mut agenda) = attached(2);
    let log = Rc::new(RefCell::new(Vec::new()));
    let (handle, tasklets) = (event_loop.handle(), agenda.handle());
    let (reporter, results) = channel();
    // loop -> agenda -> loop -> agenda -> loop.
    event_loop.post(Builtin::once("asks", move |_| {
        let again = tasklets.clone();
        let first = Tasklet::once("first", move |_| {
            let answer = handle.clone();
            let back = Builtin::remote("answered", move |_| {
                let second = Tasklet::once("second", move |_| {
                    let done = Builtin::remote("done", move |_| reporter.send("done").unwrap());
                    answer.post(done).map_err(|closed| closed.to_string())
                });
                again.add(second).unwrap();
            });
            handle.post(back).map_err(|closed| closed.to_string())
        });
        tasklets.add(first).unwrap();
    }));
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    log.borrow_mut().extend(results.try_iter());
    assert_eq!(*log.borrow(), ["done"]);
    finish(&mut agenda);
}

#[test]
fn a09_tasklets_that_wait_or_run_keep_the_loop_alive_and_are_listed_by_name() {
    let (mut event_loop, mut agenda) = attached(1);
    let held = hold(&agenda.handle());
    for label in ["index page", "index page", "thumbnail"] {
        agenda.add(Tasklet::once(label, |_| -> Done { Ok(()) })).unwrap();
    }
    event_loop.tick();
    assert!(event_loop.is_alive());
    let pending = event_loop.pending();
    let listed: Vec<_> = pending.iter().map(|of| (of.what, of.name.as_str(), of.count)).collect();
    let expected = [("held", 1), ("index page", 2), ("thumbnail", 1)];
    assert_eq!(listed, expected.map(|(name, count)| (RefKind::Agenda, name, count)));
    held.release();
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    assert!(event_loop.pending().is_empty());
    assert_eq!(agenda.statistics().tally.run, 4);
    finish(&mut agenda);
}

#[test]
fn a09_the_last_tasklet_ends_the_wait_of_a_loop_that_has_nothing_else() {
    for _ in 0..50 {
        let (mut event_loop, mut agenda) = attached(2);
        let held = hold(&agenda.handle());
        let release = std::thread::spawn(move || held.release());
        assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
        release.join().unwrap();
        assert_eq!(agenda.statistics().tally.run, 1);
        finish(&mut agenda);
    }
}

#[test]
fn a09_a_run_of_tasklets_does_not_turn_the_loop_once_for_each() {
    let (mut event_loop, mut agenda) = attached(2);
    let held = hold(&agenda.handle());
    for _ in 0..5_000 {
        agenda.add(Tasklet::once("small", |_| -> Done { Ok(()) })).unwrap();
    }
    held.release();
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    assert_eq!(agenda.statistics().tally.run, 5_001);
    assert!(event_loop.metrics().ticks < 10, "{:?}", event_loop.metrics());
    finish(&mut agenda);
}

#[test]
fn a09_what_keeps_the_loop_alive_is_recorded() {
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = Loop::builder().recorder(recorder).build().unwrap();
    let mut agenda = Agenda::builder().workers(1).attach(&event_loop.handle()).build().unwrap();
    let held = hold(&agenda.handle());
    event_loop.tick();
    held.release();
    event_loop.run().unwrap();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let refs = pick!(events, Event::RefChanged { what: RefKind::Agenda, delta, alive } => (delta, alive));
    assert_eq!(refs, [(1, 1), (-1, 0)]);
    finish(&mut agenda);
}

#[test]
fn a04a_a_failure_is_a_task_of_the_owners_choice_on_the_owners_loop() {
    let (mut event_loop, mut agenda) = attached(2);
    let (handle, (reporter, failures)) = (event_loop.handle(), channel());
    for (label, priority) in [("fails", Priority::High), ("panics", Priority::Low)] {
        let reporter = reporter.clone();
        let report = move |failure: TaskletFailure| {
            Builtin::remote("failed", move |cx| {
                cx.fail(&failure);
                reporter.send(failure.info.label).unwrap();
            })
        };
        let tasklet =
            Tasklet::once(label, move |_| if label == "fails" { Err("no such page") } else { panic!("!") });
        agenda.add(tasklet.priority(priority).owner(&handle, report)).unwrap();
    }
    event_loop.run().unwrap();
    let mut was_reported: Vec<_> = failures.try_iter().collect();
    was_reported.sort_unstable();
    assert_eq!(was_reported, ["fails", "panics"]);
    assert_eq!(agenda.statistics().unreported, 0);
    // If the owner's loop has ended, the failure is recorded and counted like one without an owner.
    drop(event_loop);
    let orphan = Tasklet::once("fails", |_| Err("no receiver"));
    agenda.add(orphan.owner(&handle, |_| Builtin::remote("failed", |_| unreachable!()))).unwrap();
    finish(&mut agenda);
    assert_eq!(agenda.statistics().unreported, 1);
}

#[test]
fn a09_what_a_shutdown_hands_back_keeps_no_loop_alive() {
    let (mut event_loop, mut agenda) = attached(1);
    let held = hold(&agenda.handle());
    agenda.add(Tasklet::once("waits", |_| -> Done { unreachable!() })).unwrap();
    event_loop.tick();
    let end = agenda.shutdown(PendingWork::HandBack, Some(std::time::Duration::ZERO));
    assert_eq!(end.handed_back.len(), 1);
    held.release();
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    let end = agenda.shutdown(PendingWork::HandBack, Some(FOREVER));
    assert!(end.unjoined.is_empty());
}
