//! Tests of the agenda's fold: what waits, what starves, and the effect of races and gaps between emitters.

use std::collections::BTreeMap;

use loop_probes::event::WorkerPhase;
use loop_probes::ids::Tag;
use loop_probes::metadata::Metadata;

use proptest::prelude::*;

use super::*;
use crate::synthetic::strategy::scripts;
use crate::timeline::{SLOT_NS, Timeline};

const LOW: Priority = Priority::Low;

fn agenda() -> Agenda {
    Agenda::new(&TimelineConfig { tasklets_followed: 4, ..TimelineConfig::default() })
}

fn add(agenda: &mut Agenda, at: u64, task: u64, priority: Priority, depth: u32) {
    agenda.added_one(Timestamp(at), TaskId(task), priority, depth);
}

fn ran(task: u64, priority: Priority, queued: u64, start: u64, end: u64) -> TaskletRun {
    let (queued, start, end) = (Timestamp(queued), Timestamp(start), Timestamp(end));
    TaskletRun { task: TaskId(task), tag: Tag(1), priority, outcome: Outcome::Done, queued, start, end }
}

fn run(agenda: &mut Agenda, run: TaskletRun) {
    agenda.ran_one(SourceId(7), 0, run);
}

#[test]
fn a_low_tasklet_that_is_passed_over_is_seen_while_it_waits() {
    let mut agenda = agenda();
    add(&mut agenda, 10, 1, LOW, 1);
    for task in 2..5 {
        add(&mut agenda, 10 + task, task, Priority::High, 1);
        run(&mut agenda, ran(task, Priority::High, 10 + task, 11 + task, 12 + task));
    }
    let oldest = agenda.oldest(LOW).unwrap();
    assert_eq!((oldest.task, oldest.added, oldest.passed_by), (TaskId(1), Timestamp(10), 3));
    assert_eq!(oldest.waited_ns(Timestamp(500)), Some(6), "the worker's next run may be this tasklet");
    assert_eq!((agenda.oldest(Priority::High), agenda.waiting()), (None, 1));
    run(&mut agenda, ran(1, LOW, 10, 40, 45));
    assert_eq!((agenda.oldest(LOW), agenda.waiting()), (None, 0));
    let low = agenda.priority(LOW);
    assert_eq!((low.passed_by_max.get(), low.queue_wait_ns.max(), low.run_ns.max()), (3, 30, 5));
}

#[test]
fn a_waiting_tasklet_has_a_wait_and_a_run_without_an_upper_limit() {
    let mut agenda = agenda();
    let none = Missing::none();
    let run_longest =
        |agenda: &Agenda, end| agenda.missing_runs(LOW, &none, 0, Timestamp(500), end).longest();
    for task in 1..6 {
        add(&mut agenda, 10, task, LOW, task as u32);
    }
    let waits = |agenda: &Agenda, end| agenda.missing_waits(LOW, &none, Timestamp(500), end);
    let at_least = |missing: &Missing| missing.unfinished().map(|waits| (waits.count(), waits.max()));
    assert_eq!(at_least(&waits(&agenda, StreamEnd::Known)), Some((4, 490)));
    assert_eq!(at_least(&waits(&agenda, StreamEnd::Cut)), Some((4, 0)));
    assert_eq!(waits(&agenda, StreamEnd::Cut).count(), 5, "one of them is not tracked by name");
    assert_eq!(run_longest(&agenda, StreamEnd::Cut), Some(0), "no worker is known");
    // A worker that was in another tasklet until 40 may have taken one of them: 3 wait, and one has waited until 40.
    run(&mut agenda, ran(9, Priority::High, 10, 30, 40));
    assert_eq!(at_least(&waits(&agenda, StreamEnd::Died)), Some((4, 490)));
    assert_eq!(waits(&agenda, StreamEnd::Died).unfinished().map(Histogram::total), Some(3 * 490 + 30));
    assert_eq!(at_least(&waits(&agenda, StreamEnd::Cut)), Some((4, 30)), "its next records may be missing");
    assert_eq!(run_longest(&agenda, StreamEnd::Died), None);
    assert_eq!(agenda.missing_waits(Priority::High, &none, Timestamp(500), StreamEnd::Cut), none);
}

#[test]
fn the_depth_of_an_addition_corrects_what_a_gap_hid() {
    let mut agenda = agenda();
    for task in 1..4 {
        add(&mut agenda, task, task, LOW, task as u32);
    }
    // The runs of 1 and 2 are missing; adding 4 shows that it is the second one waiting.
    add(&mut agenda, 9, 4, LOW, 2);
    assert_eq!(agenda.oldest(LOW).map(|oldest| oldest.task), Some(TaskId(3)));
    assert_eq!(agenda.waiting(), 2);
    agenda.lost(SourceId(7));
    assert_eq!((agenda.waiting(), agenda.oldest(LOW)), (0, None));
}

#[test]
fn one_that_runs_again_waits_again() {
    let mut agenda = agenda();
    add(&mut agenda, 1, 1, LOW, 1);
    // The same number is in its queue again before its first run is recorded.
    add(&mut agenda, 9, 1, LOW, 1);
    run(&mut agenda, ran(1, LOW, 1, 3, 9));
    assert_eq!((agenda.waiting(), agenda.oldest(LOW).map(|oldest| oldest.added)), (1, Some(Timestamp(9))));
    run(&mut agenda, ran(1, LOW, 9, 10, 12));
    assert_eq!((agenda.waiting(), agenda.oldest(LOW)), (0, None));
}

#[test]
fn a_possibly_running_tasklet_has_waited_until_its_earliest_start() {
    let mut agenda = agenda();
    let change = |agenda: &mut Agenda, at, worker, from, to| {
        let event = Event::WorkerState { worker, from, to };
        agenda.see(&Stamped { at: Timestamp(at), source: SourceId(7), event });
    };
    add(&mut agenda, 10, 1, LOW, 1);
    change(&mut agenda, 30, 0, WorkerPhase::Idle, WorkerPhase::Run);
    let waited = |agenda: &Agenda| agenda.oldest(LOW).and_then(|oldest| oldest.waited_ns(Timestamp(500)));
    assert_eq!(waited(&agenda), Some(20), "worker 0 may have it since 30");
    change(&mut agenda, 60, 0, WorkerPhase::Run, WorkerPhase::Gc);
    assert_eq!(waited(&agenda), Some(20), "a collection in the middle of it changes nothing");
    run(&mut agenda, ran(7, Priority::High, 20, 30, 100));
    assert_eq!(waited(&agenda), Some(90), "the worker ran another one; its next may be this one");
    change(&mut agenda, 120, 0, WorkerPhase::Run, WorkerPhase::Idle);
    assert_eq!(waited(&agenda), Some(490));
}

/// The events of worker 0, which has an emitter of its own, and of the threads that add.
fn on(source: u64, at: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at), source: SourceId(source as u32), event }
}

fn state(at: u64, to: WorkerPhase) -> Stamped {
    on(7, at, Event::WorkerState { worker: 0, from: WorkerPhase::Idle, to })
}

fn added(at: u64, task: u64, priority: Priority, depth: u32) -> Stamped {
    on(1, at, Event::AgendaAdded { task: TaskId(task), tag: Tag(1), priority, depth })
}

fn sample(at: u64, task: u64, since: u64) -> Stamped {
    on(7, at, Running::Task { task: TaskId(task), tag: Tag(1) }.event(Timestamp(since)))
}

fn ended(at: u64, task: u64, priority: Priority, start: u64) -> Stamped {
    let run = ran(task, priority, start, start, at);
    let TaskletRun { task, tag, priority, outcome, queued, start, .. } = run;
    on(7, at, Event::AgendaRan { task, tag, priority, worker: 0, outcome, queued, start })
}

fn folded(events: &[Stamped]) -> Timeline {
    let mut timeline = Timeline::of(&Metadata::new("t"));
    timeline.extend(events);
    timeline
}

#[test]
fn a_tasklet_that_a_worker_is_seen_in_runs_and_the_ones_behind_it_wait() {
    use Priority::High;

    // Tasklet 1 was taken before 2 was added, which the depth of that shows.
    let hang =
        [added(10, 1, High, 1), state(20, WorkerPhase::Run), added(30, 2, High, 1), added(40, 3, LOW, 1)];
    let hang = [&hang[..], &[sample(100, 1, 20), sample(900, 1, 20)]].concat();
    let agenda = &folded(&hang).agenda;
    let none = Missing::none();
    let known = Timestamp(1_000);
    let runs = |end| agenda.missing_runs(High, &none, 0, known, end);
    let run_ns = |end| runs(end).unfinished().map(|runs| (runs.count(), runs.max()));
    assert_eq!((run_ns(StreamEnd::Died), run_ns(StreamEnd::Cut)), (Some((1, 980)), Some((1, 880))));
    assert_eq!(
        agenda.missing_runs(LOW, &none, 0, known, StreamEnd::Died),
        none,
        "the only worker is in another"
    );
    let oldest_ns = |priority, end| agenda.oldest_waiting_ns(priority, known, end);
    assert_eq!((oldest_ns(High, StreamEnd::Died), oldest_ns(LOW, StreamEnd::Died)), (Some(970), Some(960)));
    assert_eq!(oldest_ns(High, StreamEnd::Cut), Some(870));
    let wait_ns = agenda.missing_waits(High, &none, known, StreamEnd::Died);
    assert_eq!(wait_ns.unfinished().map(|waits| (waits.count(), waits.max())), Some((1, 970)));
    assert_eq!((agenda.waiting(), agenda.oldest(High).map(|oldest| oldest.task)), (2, Some(TaskId(2))));
    let worker = &agenda.workers()[0];
    assert_eq!(worker.running(known, StreamEnd::Died).map(|run| run.run_ns()), Some(980));
    assert!((worker.busy_share(known) - 1.0).abs() < 1e-9);

    // The recorded end replaces the samples, and a sample of a run that is over changes nothing.
    let over = folded(&[&hang[..], &[ended(1_200, 1, High, 20), sample(1_300, 1, 20)]].concat());
    let agenda = &over.agenda;
    assert_eq!(agenda.workers()[0].running(Timestamp(1_300), StreamEnd::Known), None);
    assert_eq!((agenda.waiting(), agenda.ran(), agenda.priority(High).run_ns.max()), (2, 1, 1_180));
    assert_eq!(agenda.workers()[0].busy_ns, 1_180);
}

#[test]
fn a_tasklet_that_was_seen_running_is_taken_from_the_waiting_once() {
    let waiting = [added(10, 1, LOW, 1), added(11, 2, LOW, 2), state(20, WorkerPhase::Run)];
    let seen = [sample(50, 1, 20), sample(60, 1, 20), ended(70, 1, LOW, 20)];
    for (events, left) in [(&seen[..0], 2), (&seen[..1], 1), (&seen[..2], 1), (&seen[..], 1)] {
        let timeline = folded(&[&waiting[..], events].concat());
        assert_eq!(timeline.agenda.waiting(), left, "{events:?}");
    }
    // The state and the samples show that it idles, or that its records were lost.
    let idle =
        folded(&[&waiting[..], &seen[..2], &[state(65, WorkerPhase::Idle), sample(66, 1, 20)]].concat());
    let lost = on(7, 65, Event::Lost { from: Timestamp(61), count: 1 });
    let lost = folded(&[&waiting[..], &seen[..2], &[lost]].concat());
    for timeline in [idle, lost] {
        assert_eq!(timeline.agenda.workers()[0].running(Timestamp(90), StreamEnd::Known), None);
    }
}

#[test]
fn a_tasklet_whose_addition_is_unknown_may_have_any_priority() {
    let agenda = folded(&[state(20, WorkerPhase::Run), sample(50, 1, 20)]).agenda;
    for priority in HIGHEST_FIRST {
        let missing = agenda.missing_runs(priority, &Missing::none(), 0, Timestamp(90), StreamEnd::Known);
        assert_eq!((missing.count(), missing.longest()), (1, None), "{priority}");
    }
}

#[test]
fn a_worker_can_have_taken_only_one_without_a_record() {
    let mut agenda = agenda();
    let event = Event::WorkerState { worker: 0, from: WorkerPhase::Idle, to: WorkerPhase::Run };
    agenda.see(&Stamped { at: Timestamp(5), source: SourceId(7), event });
    add(&mut agenda, 10, 1, LOW, 1);
    let oldest_ns = |agenda: &Agenda, end| agenda.oldest_waiting_ns(LOW, Timestamp(500), end);
    assert_eq!(oldest_ns(&agenda, StreamEnd::Known), None, "the worker may have taken it at once");
    add(&mut agenda, 20, 2, LOW, 2);
    assert_eq!(oldest_ns(&agenda, StreamEnd::Known), Some(480), "it cannot have taken both");
    assert_eq!(oldest_ns(&agenda, StreamEnd::Cut), None, "its last records may be missing");
    run(&mut agenda, ran(9, LOW, 5, 5, 100));
    assert_eq!(oldest_ns(&agenda, StreamEnd::Cut), Some(90), "until then, it was in another");
}

#[test]
fn one_that_runs_was_not_in_the_depth_of_a_later_addition() {
    let mut agenda = agenda();
    add(&mut agenda, 1, 1, LOW, 1);
    // Taken at 2, done at 20; in between another one arrives, alone in its queue.
    add(&mut agenda, 10, 2, LOW, 1);
    run(&mut agenda, ran(1, LOW, 1, 2, 20));
    assert_eq!((agenda.waiting(), agenda.oldest(LOW).map(|oldest| oldest.task)), (1, Some(TaskId(2))));
}

#[test]
fn beyond_the_limit_they_are_counted_and_the_oldest_stay() {
    let mut agenda = agenda();
    for task in 1..=100 {
        add(&mut agenda, task, task, LOW, task as u32);
    }
    assert_eq!((agenda.waiting(), agenda.oldest(LOW).map(|oldest| oldest.task)), (100, Some(TaskId(1))));
    for task in 1..=100 {
        run(&mut agenda, ran(task, LOW, task, 200 + task, 201 + task));
    }
    assert_eq!((agenda.waiting(), agenda.oldest(LOW), agenda.ran()), (0, None, 100));
}

#[test]
fn cancelled_tasklets_neither_wait_nor_run() {
    let mut agenda = agenda();
    add(&mut agenda, 1, 1, LOW, 1);
    run(&mut agenda, TaskletRun { outcome: Outcome::Cancelled, ..ran(1, LOW, 1, 5, 5) });
    let low = agenda.priority(LOW);
    assert_eq!((low.cancelled, low.ran, low.waiting(), low.run_ns.count()), (1, 0, 0, 0));
}

#[test]
fn depth_is_sampled_by_tenths_of_a_second_with_the_empty_ones_between() {
    let mut agenda = agenda();
    add(&mut agenda, 0, 1, LOW, 1);
    add(&mut agenda, 1, 2, LOW, 2);
    run(&mut agenda, ran(1, LOW, 0, 2, 3));
    add(&mut agenda, 3 * SLOT_NS, 3, LOW, 2);
    let depths = &agenda.priority(LOW).depths;
    assert_eq!(depths.series(Timestamp(4 * SLOT_NS)), [2, 1, 1, 2, 2].map(Some));
    add(&mut agenda, u64::MAX, 4, LOW, 3);
    let series = agenda.priority(LOW).depths.series(Timestamp(u64::MAX));
    assert_eq!(series.len(), TimelineConfig::default().rate_window);
}

#[test]
fn workers_have_a_state_a_share_and_stops() {
    let mut agenda = agenda();
    let change = |agenda: &mut Agenda, at, from, to| {
        let event = Event::WorkerState { worker: 2, from, to };
        agenda.see(&Stamped { at: Timestamp(at), source: SourceId(7), event });
    };
    change(&mut agenda, 100, WorkerPhase::Idle, WorkerPhase::Run);
    agenda.ran_one(SourceId(7), 2, ran(1, LOW, 90, 100, 150));
    change(&mut agenda, 150, WorkerPhase::Run, WorkerPhase::Gc);
    change(&mut agenda, 170, WorkerPhase::Gc, WorkerPhase::EndGc);
    change(&mut agenda, 175, WorkerPhase::EndGc, WorkerPhase::Idle);
    let workers = agenda.workers();
    assert_eq!((workers.len(), workers[0].is_seen()), (3, false));
    let worker = &workers[2];
    assert_eq!((worker.ran, worker.busy_ns, worker.run_ns_max.get(), worker.stopped_ns), (1, 50, 50, 25));
    assert_eq!(worker.state, Some((WorkerPhase::Idle, Timestamp(175))));
    assert_eq!(worker.last, Some((TaskId(1), Tag(1), Timestamp(150))));
    assert!((worker.busy_share(Timestamp(300)) - 0.25).abs() < 1e-9);
    agenda.ran_one(SourceId(7), u16::MAX, ran(2, LOW, 90, 100, 150));
    assert_eq!(agenda.workers().len(), 3, "no worker has such a number");
}

#[test]
fn a_rendezvous_with_a_missing_worker_has_failed() {
    let mut agenda = agenda();
    let met = |arrived, waited_ns| Rendezvous { at: Timestamp(9), arrived, expected: 4, waited_ns };
    agenda.rendezvous.add(met(4, 70));
    agenda.rendezvous.add(met(3, 90));
    let all = &agenda.rendezvous;
    assert_eq!((all.count, all.failed, all.waited_ns.max()), (2, 1, 90));
    assert!(all.recent.newest().is_some_and(Rendezvous::is_failed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// At every cut of a stream, no wait and no run so far exceeds its actual duration in the whole stream.
    #[test]
    fn a_lower_bound_holds_at_every_cut(script in scripts(), every in 1usize..5) {
        let mut events = script.events();
        let (mut starts, mut added, mut samples) = (BTreeMap::new(), Vec::new(), Vec::new());
        for stamped in &events {
            match stamped.event {
                Event::AgendaRan { task, tag, start, .. } => {
                    starts.insert(task, (start, stamped.at));
                    let middle = start.plus_ns(stamped.at.ns_since(start) / 2);
                    let event = Running::Task { task, tag }.event(start);
                    samples.push([middle, stamped.at].map(|at| Stamped { at, event, ..*stamped }));
                }
                Event::AgendaAdded { task, priority, .. } => added.push((task, priority, stamped.at)),
                _ => {}
            }
        }
        events.extend(samples.into_iter().step_by(every).flatten());
        events.sort_by_key(|stamped| stamped.at);
        let mut cut = Timeline::of(&script.metadata());
        for stamped in &events {
            cut.extend([stamped]);
            let (agenda, now) = (&cut.agenda, cut.last_at().unwrap_or_default());
            for end in [StreamEnd::Known, StreamEnd::Cut] {
                for priority in HIGHEST_FIRST {
                    let mut waited: Vec<u64> = Vec::new();
                    for (task, _, at) in added.iter().filter(|(_, its, at)| *its == priority && *at <= now) {
                        let start = starts.get(task).map_or(now, |(start, _)| *start);
                        waited.push(start.min(now).ns_since(*at));
                    }
                    let longest_ns = waited.iter().copied().max();
                    prop_assert!(agenda.oldest_waiting_ns(priority, now, end) <= longest_ns);
                    let missing = agenda.missing_waits(priority, &Missing::none(), now, end);
                    prop_assert!(missing.unfinished().map(Histogram::max) <= longest_ns);
                }
                for run in agenda.workers().iter().filter_map(|worker| worker.running(now, end)) {
                    let (start, ended) = starts[&run.task];
                    prop_assert!(run.run_ns() <= ended.ns_since(start), "{run:?}");
                }
            }
        }
    }
}
