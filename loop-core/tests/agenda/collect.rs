//! Tests collections: all workers stop, one collects, all continue; workers that do not arrive are named.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use loop_core::agenda::{Agenda, AgendaHandle, CollectError, Next, Priority, Tasklet};
use loop_core::work_pool::PendingWork;
use loop_probes::event::{Event, WorkerPhase};

use super::kit::{Done, FOREVER, Ran, finish, hold, next, recorded};
use crate::kit::pick;

fn states(agenda: &AgendaHandle) -> Vec<WorkerPhase> {
    agenda.statistics().workers.iter().map(|worker| worker.state).collect()
}

#[test]
fn a06_all_workers_stop_one_collects_and_all_go_on() {
    let (builder, recorded) = recorded(3);
    let mut agenda = builder.build().unwrap();
    let (handle, ran) = (agenda.handle(), Ran::default());
    let inside = Arc::new(AtomicBool::new(false));
    let seen = {
        let (handle, ran, inside) = (handle.clone(), ran.clone(), Arc::clone(&inside));
        move || {
            inside.store(true, Ordering::SeqCst);
            // No worker takes it before the collection is over.
            let was_inside = Arc::clone(&inside);
            let tasklet = Tasklet::once("after", move |_| -> Done {
                assert!(!was_inside.load(Ordering::SeqCst));
                Ok(())
            });
            handle.add(tasklet).unwrap();
            let states = states(&handle);
            assert!(ran.names().is_empty());
            inside.store(false, Ordering::SeqCst);
            states
        }
    };
    assert_eq!(handle.collect(FOREVER, seen).unwrap(), [WorkerPhase::Gc; 3]);
    // The same with workers that come out of tasklets.
    let barrier = Arc::new(Barrier::new(4));
    for _ in 0..3 {
        let barrier = Arc::clone(&barrier);
        let meets = move |_: &loop_core::agenda::AgendaWorker<'_>| -> Done {
            barrier.wait();
            Ok(())
        };
        agenda.add(Tasklet::once("meets", meets)).unwrap();
    }
    barrier.wait();
    assert_eq!(handle.collect(FOREVER, || 7), Ok(7));
    agenda.add(ran.tasklet("goes on", Priority::Low)).unwrap();
    finish(&mut agenda);
    assert_eq!((agenda.statistics().tally.failed, ran.names().len()), (0, 1));
    let mut meetings = 0;
    for worker in 0..3 {
        let events = recorded.worker(worker);
        let changes = pick!(events, Event::WorkerState { from, to, .. } => (from, to));
        assert!(changes.iter().filter(|(_, to)| *to == WorkerPhase::Gc).count() >= 2, "{changes:?}");
        for pair in changes.windows(2) {
            assert_eq!(pair[0].1, pair[1].0, "each state is left before the next begins");
        }
        let after_gc = changes.iter().filter(|(from, _)| *from == WorkerPhase::Gc).map(|(_, to)| *to);
        assert!(after_gc.into_iter().all(|to| to == WorkerPhase::EndGc));
        let met = pick!(events, Event::GcRendezvous { arrived, expected, .. } => (arrived, expected));
        assert!(met.iter().all(|met| *met == (3, 3)));
        meetings += met.len();
    }
    assert_eq!(meetings, 2, "one collects");
}

#[test]
fn a06_a_worker_that_does_not_come_is_named_with_its_tasklet_and_the_others_go_on() {
    let (builder, recorded) = recorded(3);
    let mut agenda = builder.name("pages").build().unwrap();
    let (handle, ran) = (agenda.handle(), Ran::default());
    let late = hold(&handle);
    let error = handle.collect(Duration::from_millis(1), || unreachable!("not all are here")).unwrap_err();
    let CollectError::Late { arrived, expected: 3, missing, .. } = &error else { panic!("{error}") };
    let named = missing.iter().find(|missing| missing.worker == late.worker).unwrap();
    assert_eq!(&*named.tasklet.as_ref().unwrap().label, "held");
    assert_eq!(usize::from(*arrived) + missing.len(), 3);
    let text = error.to_string();
    assert!(
        text.contains("agenda pages") && text.contains(&format!("worker {} (in held #1)", late.worker)),
        "{text}"
    );
    // The others are working again while this one is still blocked.
    for number in 0..10 {
        agenda.add(ran.tasklet(number.to_string(), Priority::Normal)).unwrap();
    }
    while agenda.statistics().tally.run < 10 {
        std::thread::yield_now();
    }
    let failed =
        pick!(recorded.external(), Event::GcRendezvous { arrived, expected, .. } => (arrived, expected));
    assert_eq!(failed, [(u32::from(*arrived), 3)]);
    late.release();
    assert_eq!(handle.collect(FOREVER, || "all"), Ok("all"));
    finish(&mut agenda);
}

#[test]
fn a06_who_came_too_late_joins_no_later_collection_half_way() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let handle = agenda.handle();
    for _ in 0..50 {
        let late = hold(&handle);
        assert!(matches!(handle.collect(Duration::ZERO, || ()), Err(CollectError::Late { .. })));
        let (reporter, done) = channel();
        let inside = Arc::new(AtomicU32::new(0));
        let (count, seen) = (Arc::clone(&inside), handle.clone());
        // Released while the next collection is being requested: the worker reaches that collection, or is
        // reached by it.
        late.release();
        let collect = move || {
            assert_eq!(states(&seen), [WorkerPhase::Gc; 2]);
            count.fetch_add(1, Ordering::SeqCst);
        };
        handle.begin_collect(collect, move |result| reporter.send(result).unwrap()).unwrap();
        assert_eq!(next(&done), Ok(()));
        assert_eq!(inside.load(Ordering::SeqCst), 1);
    }
    finish(&mut agenda);
}

#[test]
fn a06_a_long_tasklet_comes_at_its_own_safe_points_and_goes_on_where_it_was() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (reporter, begun) = channel();
    let collected = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&collected);
    agenda
        .add(Tasklet::once("long", move |worker| -> Done {
            reporter.send(())?;
            while !seen.load(Ordering::Acquire) {
                worker.safe_point();
                std::thread::yield_now();
            }
            Ok(())
        }))
        .unwrap();
    next(&begun);
    let handle = agenda.handle();
    handle.collect(FOREVER, move || collected.store(true, Ordering::Release)).unwrap();
    finish(&mut agenda);
    assert_eq!(agenda.statistics().tally.failed, 0);
}

#[test]
fn a06_a_tasklet_collects_through_its_worker_and_never_waits_for_itself() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (reporter, results) = channel();
    let handle = agenda.handle();
    let collects = Tasklet::once("collects", move |worker| -> Done {
        reporter.send(handle.collect(FOREVER, || 1))?;
        reporter.send(worker.collect(FOREVER, || 2))?;
        Ok(())
    });
    agenda.add(collects).unwrap();
    assert_eq!(next(&results), Err(CollectError::OnWorker { agenda: "agenda".into() }));
    assert_eq!(next(&results), Ok(2));
    let late = hold(&agenda.handle());
    let (reporter, results) = channel();
    let gives_up = Tasklet::once("gives up", move |worker| -> Done {
        reporter.send(worker.collect(Duration::from_millis(1), || ()))?;
        Ok(())
    });
    agenda.add(gives_up).unwrap();
    let Err(CollectError::Late { arrived: 1, missing, .. }) = next(&results) else { panic!("one is held") };
    assert_eq!(missing[0].worker, late.worker);
    late.release();
    finish(&mut agenda);
}

#[test]
fn a06_one_collection_at_a_time_and_none_after_the_end() {
    let mut agenda = Agenda::builder().workers(1).build().unwrap();
    let (handle, held) = (agenda.handle(), hold(&agenda.handle()));
    let (reporter, done) = channel();
    let round = handle.begin_collect(|| (), move |result| reporter.send(result).unwrap()).unwrap();
    assert!(matches!(handle.collect(FOREVER, || ()), Err(CollectError::Busy { .. })));
    assert!(handle.give_up(round));
    assert!(!handle.give_up(round), "it is over");
    assert!(matches!(next(&done), Err(CollectError::Late { arrived: 0, expected: 1, .. })));
    let (reporter, done) = channel();
    handle.begin_collect(|| (), move |result| reporter.send(result).unwrap()).unwrap();
    // The end of the agenda ends the wait for workers.
    let end = agenda.shutdown(PendingWork::HandBack, Some(Duration::ZERO));
    assert_eq!(end.unjoined.len(), 1);
    assert!(matches!(next(&done), Err(CollectError::Closed { .. })));
    assert!(matches!(handle.collect(FOREVER, || ()), Err(CollectError::Closed { .. })));
    held.release();
}

#[test]
fn a06_a_collection_that_panics_is_reported_and_all_workers_resume() {
    let (mut agenda, ran) = (Agenda::builder().workers(2).build().unwrap(), Ran::default());
    let handle = agenda.handle();
    let panicked = handle.collect(FOREVER, || panic!("a dangling reference")).unwrap_err();
    assert!(panicked.to_string().contains("a dangling reference"), "{panicked}");
    agenda.add(ran.tasklet("goes on", Priority::Normal)).unwrap();
    assert_eq!(handle.collect(FOREVER, || 3), Ok(3));
    finish(&mut agenda);
    assert_eq!(ran.names(), ["goes on"]);
}

/// Work, collections and late workers together: everything ends.
#[test]
fn a06_collections_under_load_end_one_way_or_the_other() {
    let mut agenda = Agenda::builder().workers(4).build().unwrap();
    let handle = agenda.handle();
    let churn = Tasklet::repeat("churns", |worker| {
        worker.safe_point();
        Ok::<_, std::fmt::Error>(if worker.info().runs < 2_000 { Next::Again } else { Next::Done })
    });
    agenda.add(churn).unwrap();
    let askers: Vec<_> = (0..2)
        .map(|asker| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                let bound = if asker == 0 { FOREVER } else { Duration::from_micros(5) };
                let mut ends = [0, 0, 0];
                for _ in 0..200 {
                    match handle.collect(bound, || ()) {
                        Ok(()) => ends[0] += 1,
                        Err(CollectError::Late { .. }) => ends[1] += 1,
                        Err(CollectError::Busy { .. }) => ends[2] += 1,
                        Err(other) => panic!("{other}"),
                    }
                }
                ends
            })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.join().unwrap().into_iter().sum::<i32>(), 200);
    }
    while agenda.statistics().tally.run < 2_000 {
        std::thread::yield_now();
    }
    finish(&mut agenda);
}
