//! Tests the agenda: order, metadata, failures, workers, statistics.

mod collect;
mod end;
pub(crate) mod kit;
mod with_loop;

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};

use loop_core::agenda::{Agenda, AgendaError, Cause, Next, Priority, Tally, Tasklet};
use loop_probes::event::{Event, Outcome, WorkerPhase};

use self::kit::{Done, Ran, finish, hold, next, recorded};
use crate::kit::{name, pick};

use Priority::{High, Low, Normal};

fn one_worker() -> Agenda {
    Agenda::builder().workers(1).build().unwrap()
}

#[test]
fn a04_first_in_first_out_within_a_priority() {
    let (mut agenda, ran) = (one_worker(), Ran::default());
    let held = hold(&agenda.handle());
    for number in 0..100 {
        agenda.add(ran.tasklet(number.to_string(), Normal)).unwrap();
    }
    held.release();
    finish(&mut agenda);
    assert_eq!(ran.names(), (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a04_high_then_normal_then_low_looked_at_again_for_every_fetch() {
    let (mut agenda, ran) = (one_worker(), Ran::default());
    let held = hold(&agenda.handle());
    // The tasklets of low and normal priority each add one of the next higher priority, which the next fetch must
    // prefer.
    for (priority, name, higher) in [(Low, "low", Normal), (Normal, "normal", High)] {
        let ran = ran.clone();
        let tasklet = Tasklet::once("brings", move |worker| -> Done {
            worker.add(ran.tasklet(format!("brought by {name}"), higher))?;
            worker.agenda().add(ran.tasklet(format!("beside {name}"), priority))?;
            Ok(())
        });
        agenda.add(tasklet.priority(priority)).unwrap();
    }
    agenda.add(ran.tasklet("low", Low)).unwrap();
    agenda.add(ran.tasklet("high", High)).unwrap();
    held.release();
    finish_when(&mut agenda, 9);
    let expected = ["high", "brought by normal", "beside normal", "brought by low", "low", "beside low"];
    assert_eq!(ran.names(), expected);
}

/// Covers every combination of local and shared queues.
#[test]
fn a04_a_new_high_overtakes_every_waiting_low_in_whatever_queue_both_are() {
    for low_is_local in [false, true] {
        for high_is_local in [false, true] {
            let mut agenda = Agenda::builder().workers(4).build().unwrap();
            let (handle, ran) = (agenda.handle(), Ran::default());
            let mut others: Vec<_> = (0..3).map(|_| hold(&handle)).collect();
            let (reporter, adds) = channel();
            let (go, wait) = channel::<()>();
            let logs = ran.clone();
            // The fourth worker adds tasklets and stays blocked.
            let adder = Tasklet::once("adds", move |worker| -> Done {
                for (local, priority) in [(low_is_local, Low), (low_is_local, Low), (high_is_local, High)] {
                    let tasklet = logs.tasklet(priority.name(), priority);
                    if local {
                        worker.add(tasklet)?
                    } else {
                        worker.agenda().add(tasklet)?
                    };
                }
                reporter.send(())?;
                let _ = wait.recv();
                Ok(())
            });
            agenda.add(adder).unwrap();
            next(&adds);
            // One of the other workers continues, and is the only one that looks.
            others.pop().unwrap().release();
            while agenda.statistics().tally.run < 4 {
                std::thread::yield_now();
            }
            assert_eq!(
                ran.names(),
                ["high", "low", "low"],
                "low local {low_is_local}, high local {high_is_local}"
            );
            go.send(()).unwrap();
            others.into_iter().for_each(kit::Held::release);
            finish(&mut agenda);
        }
    }
}

#[test]
fn a04_the_starvation_of_low_is_visible() {
    let (builder, recorded) = recorded(1);
    let (mut agenda, ran) = (builder.build().unwrap(), Ran::default());
    let held = hold(&agenda.handle());
    agenda.add(ran.tasklet("low", Low)).unwrap();
    for _ in 0..50 {
        agenda.add(ran.tasklet("high", High)).unwrap();
    }
    let statistics = agenda.statistics();
    let waiting = [High, Normal, Low].map(|priority| statistics.of(priority).unwrap().waiting);
    assert_eq!(waiting, [50, 0, 1]);
    held.release();
    finish(&mut agenda);
    let added = pick!(recorded.external(), Event::AgendaAdded { priority, depth, .. } => (priority, depth));
    assert_eq!(added[1], (Low, 1));
    assert_eq!(added[2..], (1..=50).map(|depth| (High, depth)).collect::<Vec<_>>());
    let events = recorded.worker(0);
    let runs =
        pick!(events, Event::AgendaRan { priority, queued, start, .. } => (priority, start.0 - queued.0));
    let (last, waited) = *runs.last().unwrap();
    assert_eq!(last, Low);
    assert!(runs[1..51].iter().all(|(priority, before)| *priority == High && *before <= waited), "{runs:?}");
    let statistics = agenda.statistics();
    assert_eq!(statistics.of(Low).unwrap().tally.waited_ns, waited);
    assert!(statistics.to_string().contains("  low    1 added, 0 waiting, 1 run, 0 failed"), "{statistics}");
}

#[test]
fn a04a_a_tasklet_knows_when_it_was_created_its_priority_its_label_and_its_runs() {
    let (sender, receiver) = channel();
    let mut agenda = one_worker();
    let task = agenda
        .add(
            Tasklet::repeat("metadata", move |worker| {
                sender.send(*worker.info()).unwrap();
                Ok::<_, std::fmt::Error>(if worker.info().runs < 3 { Next::Again } else { Next::Done })
            })
            .priority(Low),
        )
        .unwrap();
    finish_when(&mut agenda, 3);
    let seen: Vec<_> = receiver.iter().collect();
    assert_eq!(seen.iter().map(|info| info.runs).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(seen.iter().all(|info| (info.task, info.label, info.priority) == (task, "metadata", Low)));
    assert!(seen.iter().all(|info| info.created == seen[0].created && info.queued >= info.created));
    assert!(seen[2].queued > seen[0].queued, "it was put into the queue again");
    let statistics = agenda.statistics();
    assert_eq!((statistics.added, statistics.tally.run), (3, 3));
}

/// Ends an agenda after this many runs.
fn finish_when(agenda: &mut Agenda, runs: u64) {
    while agenda.statistics().tally.run < runs {
        std::thread::yield_now();
    }
    finish(agenda);
}

#[test]
fn a04a_what_runs_again_goes_behind_those_that_wait() {
    let (mut agenda, ran) = (one_worker(), Ran::default());
    let held = hold(&agenda.handle());
    let log = ran.clone();
    let again = Tasklet::repeat("again", move |worker| {
        let run = worker.info().runs;
        worker.add(log.tasklet(format!("added in run {run}"), Normal))?;
        Ok::<_, loop_core::agenda::Refused>(if run < 3 { Next::Again } else { Next::Done })
    });
    agenda.add(again).unwrap();
    agenda.add(ran.tasklet("waited", Normal)).unwrap();
    held.release();
    finish_when(&mut agenda, 8);
    assert_eq!(ran.names(), ["waited", "added in run 1", "added in run 2", "added in run 3"]);
}

#[test]
fn a04a_a_failure_without_an_owner_is_recorded_and_counted() {
    let (builder, recorded) = recorded(1);
    let mut agenda = builder.build().unwrap();
    agenda.add(Tasklet::once("fails", |_| Err("no such page"))).unwrap();
    agenda.add(Tasklet::once("panics", |_| -> Done { panic!("out of bounds") })).unwrap();
    finish(&mut agenda);
    let statistics = agenda.statistics();
    assert_eq!((statistics.tally.run, statistics.tally.failed, statistics.unreported), (2, 2, 2));
    let events = recorded.worker(0);
    let outcomes = pick!(events, Event::AgendaRan { tag, outcome, .. } => (name(tag), outcome));
    assert_eq!(outcomes, [("fails".into(), Outcome::Failed), ("panics".into(), Outcome::Panicked)]);
    assert_eq!(pick!(events, Event::Exception { task, .. } => task.unwrap().0), [1, 2]);
}

#[test]
fn a04a_a_failure_goes_to_its_owner_with_what_is_known() {
    let (sender, failures) = channel();
    let mut agenda = one_worker();
    let held = hold(&agenda.handle());
    let reporter = sender.clone();
    let fails = Tasklet::repeat("fails at last", |worker| match worker.info().runs {
        2 => Err("no such page"),
        _ => Ok(Next::Again),
    });
    agenda.add(fails.on_failure(move |failure| reporter.send(failure).is_ok()).priority(Low)).unwrap();
    let panics = Tasklet::once("panics", |_| -> Done { panic!("out of bounds") });
    agenda.add(panics.on_failure(move |failure| sender.send(failure).is_ok())).unwrap();
    held.release();
    let failure = next(&failures);
    assert!(matches!(&failure.cause, Cause::Panicked { message } if message == "out of bounds"), "{failure}");
    let failure = next(&failures);
    let text = "tasklet fails at last #2 failed in run 2 on worker 0: no such page";
    assert_eq!(failure.to_string(), text);
    assert_eq!((failure.info.priority, failure.worker), (Low, 0));
    finish(&mut agenda);
    assert_eq!(agenda.statistics().unreported, 0);
}

#[test]
fn a05_a_worker_a_core_unless_said_otherwise_and_never_none() {
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(usize::from(Agenda::builder().build().unwrap().handle().workers()), cores);
    assert_eq!(Agenda::builder().workers(7).build().unwrap().handle().workers(), 7);
    assert!(matches!(Agenda::builder().workers(0).build(), Err(AgendaError::NoWorkers)));
}

#[test]
fn a05_a_panicking_tasklet_an_error_that_panics_and_an_owner_that_panics_end_no_worker() {
    #[derive(Debug)]
    struct Unprintable;
    impl std::fmt::Display for Unprintable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("it cannot be said")
        }
    }
    impl std::error::Error for Unprintable {}
    struct PanicsOnDrop;
    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("it does not want to go")
        }
    }
    let (mut agenda, ran) = (one_worker(), Ran::default());
    let captured = PanicsOnDrop;
    for tasklet in [
        Tasklet::once("panics", |_| -> Done { panic!("out of bounds") }),
        Tasklet::once("fails unspeakably", |_| Err(Unprintable)),
        Tasklet::once("fails", |_| Err("no such page")).on_failure(|_| panic!("the error is ignored")),
        Tasklet::once("captures", move |_| -> Done {
            let _captured = &captured;
            Ok(())
        }),
        ran.tasklet("still here", Low),
    ] {
        agenda.add(tasklet).unwrap();
    }
    finish(&mut agenda);
    assert_eq!(ran.names(), ["still here"]);
    let statistics = agenda.statistics();
    assert_eq!((statistics.tally.run, statistics.tally.failed, statistics.unreported), (5, 4, 4));
}

#[test]
fn a05_a_worker_is_idle_or_runs_and_says_so() {
    let (builder, recorded) = recorded(1);
    let mut agenda = builder.build().unwrap();
    let held = hold(&agenda.handle());
    let worker = agenda.statistics().workers.remove(0);
    assert_eq!(worker.state, WorkerPhase::Run);
    let current = worker.current.unwrap();
    assert_eq!((current.task.0, &*current.label), (1, "held"));
    held.release();
    finish(&mut agenda);
    let worker = agenda.statistics().workers.remove(0);
    assert_eq!((worker.state, worker.current), (WorkerPhase::Idle, None));
    let changes = pick!(recorded.worker(0), Event::WorkerState { worker: 0, from, to } => (from, to));
    assert_eq!(changes, [(WorkerPhase::Idle, WorkerPhase::Run), (WorkerPhase::Run, WorkerPhase::Idle)]);
}

#[test]
fn a07_what_a_busy_worker_has_for_itself_is_stolen_by_others_oldest_first() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (handle, ran) = (agenda.handle(), Ran::default());
    let other = hold(&handle);
    let thief = other.worker;
    let (reporter, added) = channel();
    let (go, wait) = channel::<()>();
    let log = ran.clone();
    agenda
        .add(Tasklet::once("adds and stays", move |worker| -> Done {
            for number in 0..5 {
                worker.add(log.tasklet(number.to_string(), Normal))?;
            }
            reporter.send(worker.index())?;
            let _ = wait.recv();
            Ok(())
        }))
        .unwrap();
    assert_ne!(next(&added), thief);
    other.release();
    while agenda.statistics().tally.run < 6 {
        std::thread::yield_now();
    }
    assert_eq!(ran.names(), ["0", "1", "2", "3", "4"]);
    assert_eq!(ran.workers(), [thief; 5]);
    go.send(()).unwrap();
    finish(&mut agenda);
}

#[test]
fn a07_tasklets_that_add_tasklets_do_not_keep_those_waiting_that_came_from_outside() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (handle, ran) = (agenda.handle(), Ran::default());
    let other = hold(&handle);
    let held = hold(&handle);
    agenda
        .add(Tasklet::repeat("for ever", |worker| {
            Ok::<_, std::fmt::Error>(if worker.is_closing() { Next::Done } else { Next::Again })
        }))
        .unwrap();
    held.release();
    while agenda.statistics().tally.run < 100 {
        std::thread::yield_now();
    }
    agenda.add(ran.tasklet("from outside", Normal)).unwrap();
    while ran.names().is_empty() {
        std::thread::yield_now();
    }
    other.release();
    let end = agenda.shutdown(loop_core::work_pool::PendingWork::Finish, Some(kit::FOREVER));
    assert!(end.unjoined.is_empty());
}

#[test]
fn a08_statistics_are_exact_under_8_producers_and_8_workers() {
    const EACH: u64 = 500;
    let (builder, recorded) = recorded(8);
    let mut agenda = builder.build().unwrap();
    let barrier = Arc::new(Barrier::new(8));
    let producers: Vec<_> = (0..8)
        .map(|_| {
            let (handle, barrier) = (agenda.handle(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                barrier.wait();
                for number in 0..EACH {
                    let priority = Priority::ALL[(number % 3) as usize];
                    let tasklet = Tasklet::once("counted", move |worker| match number % 10 {
                        0 => Err("every tenth".into()),
                        // Tasklets added by tasklets are counted too.
                        1 => worker
                            .add(Tasklet::once("added", |_| -> Done { Ok(()) }))
                            .map(drop)
                            .map_err(Into::into),
                        _ => Ok::<(), loop_core::agenda::TaskletError>(()),
                    });
                    handle.add(tasklet.priority(priority)).unwrap();
                }
            })
        })
        .collect();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let (total, failed) = (8 * EACH + 8 * EACH / 10, 8 * EACH / 10);
    finish_when(&mut agenda, total);
    let statistics = agenda.statistics();
    assert_eq!(statistics.added, total);
    assert_eq!(
        (statistics.tally.run, statistics.tally.failed, statistics.unreported),
        (total, failed, failed)
    );
    assert!(statistics.pending.is_empty() && statistics.priorities.iter().all(|of| of.waiting == 0));
    let by_priority: Vec<_> = statistics.priorities.iter().map(|of| (of.added, of.tally.run)).collect();
    // 500 splits into 167, 167 and 166; 50 of each producer's were added by tasklets, as Normal.
    assert_eq!(by_priority, [(166 * 8, 166 * 8), (217 * 8, 217 * 8), (167 * 8, 167 * 8)]);
    let add = |tallies: Vec<Tally>| {
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
        [
            sum(|tally| tally.run),
            sum(|tally| tally.failed),
            sum(|tally| tally.waited_ns),
            sum(|tally| tally.ran_ns),
        ]
    };
    let whole = add(vec![statistics.tally]);
    assert_eq!(add(statistics.workers.iter().map(|worker| worker.tally).collect()), whole);
    assert_eq!(add(statistics.priorities.iter().map(|of| of.tally).collect()), whole);
    // The rings agree.
    let mut added = pick!(recorded.external(), Event::AgendaAdded { .. } => ()).len() as u64;
    let (mut run, mut waited, mut ran_ns) = (0, 0, 0);
    for worker in 0..8 {
        for (at, event) in recorded.stamped_worker(worker) {
            match event {
                Event::AgendaAdded { .. } => added += 1,
                Event::AgendaRan { queued, start, worker: by, .. } => {
                    assert_eq!(by, worker);
                    run += 1;
                    waited += start.0 - queued.0;
                    ran_ns += at.0 - start.0;
                }
                _ => {}
            }
        }
    }
    assert_eq!((added, [run, failed, waited, ran_ns]), (total, whole));
}
