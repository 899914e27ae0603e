//! Tests the end of an agenda: tasklets are finished or handed back within the deadline, and dropping it never
//! hangs.

use std::sync::mpsc::channel;
use std::time::Duration;

use loop_core::agenda::{Agenda, Next, Priority, Refused, Tasklet};
use loop_core::work_pool::PendingWork;

use super::kit::{Done, FOREVER, Ran, hold, next};

#[test]
fn a05_a_shutdown_finishes_what_waits() {
    let (mut agenda, ran) = (Agenda::builder().workers(2).build().unwrap(), Ran::default());
    for number in 0..100 {
        agenda.add(ran.tasklet(number.to_string(), Priority::Low)).unwrap();
    }
    let end = agenda.shutdown(PendingWork::Finish, None);
    assert!(end.handed_back.is_empty() && end.unjoined.is_empty());
    assert_eq!(ran.names().len(), 100);
    let back = agenda.add(ran.tasklet("late", Priority::High)).map_err(Refused::into_tasklet).unwrap_err();
    assert_eq!(back.label(), "logged");
    assert!(agenda.handle().is_closed());
    let again = agenda.shutdown(PendingWork::Finish, None);
    assert!(again.handed_back.is_empty() && again.unjoined.is_empty());
}

#[test]
fn a05_a_shutdown_hands_back_what_waits_oldest_first() {
    let mut agenda = Agenda::builder().workers(1).build().unwrap();
    let held = hold(&agenda.handle());
    for (label, priority) in [("one", Priority::Low), ("two", Priority::High), ("three", Priority::Normal)] {
        agenda.add(Tasklet::once(label, |_| -> Done { unreachable!() }).priority(priority)).unwrap();
    }
    let end = agenda.shutdown(PendingWork::HandBack, Some(Duration::ZERO));
    let labels: Vec<_> = end.handed_back.iter().map(Tasklet::label).collect();
    assert_eq!(labels, ["one", "two", "three"]);
    assert_eq!(end.unjoined.len(), 1);
    assert_eq!(&*end.unjoined[0].tasklet.as_ref().unwrap().label, "held");
    assert!(agenda.statistics().pending.iter().all(|(label, _)| &**label == "held"));
    held.release();
    let end = agenda.shutdown(PendingWork::HandBack, Some(FOREVER));
    assert!(end.unjoined.is_empty());
    assert!(agenda.statistics().pending.is_empty());
}

#[test]
fn a05_what_could_not_be_finished_in_time_comes_back() {
    let mut agenda = Agenda::builder().workers(1).build().unwrap();
    let held = hold(&agenda.handle());
    agenda.add(Tasklet::once("waits", |_| -> Done { unreachable!() })).unwrap();
    let end = agenda.shutdown(PendingWork::Finish, Some(Duration::from_millis(1)));
    assert_eq!(end.handed_back.iter().map(Tasklet::label).collect::<Vec<_>>(), ["waits"]);
    assert_eq!(end.unjoined[0].worker, held.worker);
    held.release();
}

#[test]
fn a05_who_asks_to_run_again_at_the_end_comes_back_and_tasklets_add_no_more() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (reporter, results) = channel();
    agenda
        .add(Tasklet::repeat("for ever", move |worker| {
            if worker.is_closing() {
                let refused = worker.add(Tasklet::once("more", |_| -> Done { Ok(()) })).is_err();
                reporter.send(refused).unwrap();
            }
            Ok::<_, std::fmt::Error>(Next::Again)
        }))
        .unwrap();
    while agenda.statistics().tally.run == 0 {
        std::thread::yield_now();
    }
    let end = agenda.shutdown(PendingWork::Finish, Some(FOREVER));
    assert!(end.unjoined.is_empty());
    assert_eq!(end.handed_back.iter().map(Tasklet::label).collect::<Vec<_>>(), ["for ever"]);
    assert!(results.try_iter().all(|refused| refused));
}

#[test]
fn a05_every_tasklet_runs_or_comes_back_while_others_add() {
    for round in 0..20 {
        let mut agenda = Agenda::builder().workers(2).build().unwrap();
        let (ran, runs) = channel();
        let adders: Vec<_> = (0..3)
            .map(|_| {
                let (handle, ran) = (agenda.handle(), ran.clone());
                std::thread::spawn(move || {
                    let mut entered = 0_usize;
                    loop {
                        let ran = ran.clone();
                        let tasklet = Tasklet::once("added", move |_| ran.send(()));
                        if handle.add(tasklet).is_err() {
                            return entered;
                        }
                        entered += 1;
                    }
                })
            })
            .collect();
        drop(ran);
        next(&runs);
        let pending = if round % 2 == 0 { PendingWork::Finish } else { PendingWork::HandBack };
        let end = agenda.shutdown(pending, Some(FOREVER));
        let entered: usize = adders.into_iter().map(|adder| adder.join().unwrap()).sum();
        assert!(end.unjoined.is_empty());
        let handed_back = end.handed_back.len();
        drop(end);
        assert_eq!(1 + runs.iter().count() + handed_back, entered);
        assert!(agenda.statistics().pending.is_empty());
    }
}

#[test]
fn a05_dropping_an_agenda_does_not_hang_wherever_it_is_dropped() {
    let agenda = Agenda::builder().workers(2).drop_wait(Duration::ZERO).build().unwrap();
    let held = hold(&agenda.handle());
    drop(agenda);
    held.release();
    // The agenda is dropped on its own worker.
    let agenda = Agenda::builder().workers(1).build().unwrap();
    let (handle, (reporter, dropped)) = (agenda.handle(), channel());
    handle
        .add(Tasklet::once("drops it", move |_| {
            drop(agenda);
            reporter.send(())
        }))
        .unwrap();
    next(&dropped);
    assert!(handle.is_closed());
}
