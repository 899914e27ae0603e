//! The figures of a window are those of the events in it.

use loop_probes::event::{Event, Outcome, Queue};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId};
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::diagnosis::Diagnosis;
use crate::histogram::Histogram;
use crate::synthetic::Script;
use crate::synthetic::strategy::hostile_events;
use crate::timeline::StreamEnd;

/// A fold of `events` with a baseline before each of the events at `cuts`.
fn with_baselines(events: &[Stamped], cuts: &[usize]) -> (Timeline, Vec<Baseline>) {
    let mut timeline = Timeline::new(TimelineConfig::default());
    let mut baselines: Vec<Baseline> = Vec::new();
    for (place, event) in events.iter().enumerate() {
        if cuts.contains(&place) {
            let baseline = timeline.baseline(event.at, baselines.last());
            baselines.push(baseline);
        }
        timeline.fold(event);
    }
    (timeline, baselines)
}

fn folded(events: &[Stamped]) -> Timeline {
    let mut timeline = Timeline::new(TimelineConfig::default());
    timeline.extend(events);
    timeline
}

fn since(timeline: &Timeline, baselines: &[Baseline], place: usize) -> Timeline {
    let at = &baselines[place];
    timeline.since(at, at.at(), baselines[place + 1..].iter())
}

/// What a distribution of values shows.
type Shown = (Vec<(u64, u64)>, u64, u64);

fn shown(values: &Histogram) -> Shown {
    (values.steps(), values.max(), values.total())
}

/// The figures that follow from single events: those of a fold of only the events in the window.
fn of_single_events(timeline: &Timeline) -> Vec<(String, Shown)> {
    let mut all = vec![
        ("tasks".to_owned(), shown(&timeline.tasks_run_ns)),
        ("microtasks".to_owned(), shown(&timeline.microtasks.run_ns)),
        ("deferred".to_owned(), shown(&timeline.deferred.run_ns)),
        ("gc".to_owned(), shown(&timeline.gc.run_ns)),
        ("jobs".to_owned(), shown(&timeline.work.run_ns)),
        ("job waits".to_owned(), shown(&timeline.work.queue_wait_ns)),
        ("lag".to_owned(), shown(&timeline.timers.lag_ns)),
        ("signals".to_owned(), shown(&timeline.signals.latency_ns())),
        ("pumps".to_owned(), shown(&timeline.pumps.run_ns)),
    ];
    let mut tags: Vec<_> = timeline.tags.iter().collect();
    tags.sort_by_key(|tag| tag.tag);
    for tag in tags {
        let runs = [Some(&tag.tasks), tag.io.as_deref(), tag.work.as_deref(), tag.tasklets.as_deref()];
        all.extend(runs.into_iter().flatten().map(|runs| (format!("{:?}", tag.tag), shown(&runs.run_ns))));
    }
    for priority in &timeline.agenda.priorities {
        all.push((format!("{:?}", priority.priority), shown(&priority.run_ns)));
    }
    all.retain(|(_, (steps, ..))| !steps.is_empty());
    all
}

fn counts_of_single_events(timeline: &Timeline) -> Vec<u64> {
    let (gc, timers, futures) = (&timeline.gc, &timeline.timers, timeline.futures);
    vec![
        timeline.tasks_run,
        timeline.microtasks.ran,
        timeline.tags.iter().map(|tag| tag.queued).sum(),
        gc.collect,
        gc.defer,
        gc.skip,
        timers.fired,
        timers.armed,
        timers.cleared,
        timeline.signals.arrived(),
        timeline.signals.delivered(),
        timeline.work.queued,
        timeline.work.ran,
        timeline.agenda.added(),
        timeline.agenda.ran(),
        timeline.wakes.count,
        timeline.commands.count(),
        futures.woken,
        timeline.troubles.exceptions,
    ]
}

/// The difference of two distributions, value by value.
fn difference(whole: &Histogram, before: &Histogram) -> Vec<(u64, u64)> {
    let of = |values: &Histogram| {
        let steps = values.steps();
        let below = [0].into_iter().chain(steps.iter().map(|(_, up_to)| *up_to)).collect::<Vec<_>>();
        steps.into_iter().zip(below).map(|((edge, up_to), below)| (edge, up_to - below)).collect::<Vec<_>>()
    };
    let before = of(before);
    let counts = of(whole).into_iter().map(|(edge, count)| {
        (edge, count - before.iter().find(|(its, _)| *its == edge).map_or(0, |(_, count)| *count))
    });
    let mut up_to = 0;
    let steps = counts.filter(|(_, count)| *count > 0).map(|(edge, count)| {
        up_to += count;
        (edge, up_to)
    });
    steps.collect()
}

fn script() -> impl Strategy<Value = Script> {
    (any::<u64>(), 0..3_u16, any::<bool>(), 0..3_u32).prop_map(|(seed, agenda_workers, loop_kinds, loss)| {
        Script {
            seed,
            ticks: 150,
            stall_every: 20,
            agenda_workers,
            loop_kinds,
            lost_every: loss * 40,
            ..Script::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_window_has_the_figures_of_its_events(
        script in script(),
        cuts in prop::collection::btree_set(0..1_000_usize, 1..5),
        which in any::<prop::sample::Index>(),
    ) {
        let events = script.events();
        let cuts: Vec<usize> = cuts.into_iter().map(|cut| cut * (events.len() - 1) / 1_000).collect();
        let (whole, baselines) = with_baselines(&events, &cuts);
        let place = which.index(baselines.len());
        let cut = events.iter().position(|event| event.at == baselines[place].at()).unwrap();
        let cut = cuts.iter().copied().filter(|its| *its >= cut).find(|its| events[*its].at == baselines[place].at()).unwrap();
        let window = since(&whole, &baselines, place);
        let (before, after) = (folded(&events[..cut]), folded(&events[cut..]));
        prop_assert_eq!(of_single_events(&window), of_single_events(&after));
        prop_assert_eq!(counts_of_single_events(&window), counts_of_single_events(&after));
        // Ticks and waits need what was before.
        prop_assert_eq!(window.ticks.count, whole.ticks.count - before.ticks.count);
        prop_assert_eq!(window.stalls.count, whole.stalls.count - before.stalls.count);
        prop_assert_eq!(window.ticks.run_ns.steps(), difference(&whole.ticks.run_ns, &before.ticks.run_ns));
        for tag in whole.tags.iter() {
            let waits = |of: &Timeline| of.tags.tag(tag.tag).map_or_else(Histogram::new, |tag| tag.tasks.queue_wait_ns.clone());
            prop_assert_eq!(waits(&window).steps(), difference(&waits(&whole), &waits(&before)));
        }
        prop_assert_eq!(window.work.not_ended(), whole.work.not_ended());
        prop_assert_eq!(window.lost_records, whole.lost_records - before.lost_records);
    }

    #[test]
    fn a_window_of_everything_is_everything(script in script()) {
        let events = script.events();
        let (whole, baselines) = with_baselines(&events, &[0, events.len() / 2]);
        let mut window = since(&whole, &baselines, 0);
        prop_assert_eq!(of_single_events(&window), of_single_events(&whole));
        prop_assert_eq!(window.missing(), whole.missing());
        let queues = |of: &Timeline| of.queues.iter().map(|queue| queue.depth_max.get()).collect::<Vec<_>>();
        prop_assert_eq!(queues(&window), queues(&whole));
        let ends = |timeline: &Timeline| timeline.late_timers().iter().map(|late| late.what.fired).collect::<Vec<_>>();
        prop_assert_eq!(ends(&window), ends(&whole));
        prop_assert_eq!(window.delay_caused(), whole.delay_caused());
        window.window_from = None;
        prop_assert_eq!(Diagnosis::of(&window, StreamEnd::Known), Diagnosis::of(&whole, StreamEnd::Known));
    }

    #[test]
    fn no_events_make_a_window_fail(events in hostile_events(), cuts in prop::collection::vec(0..60_usize, 0..6)) {
        let (whole, baselines) = with_baselines(&events, &cuts);
        for place in 0..baselines.len() {
            let window = since(&whole, &baselines, place);
            let missing = window.missing();
            let _ = window.timers.lag_corrected_ns().percentiles_missing(&missing.lag_corrected);
            let _ = Diagnosis::of(&window, StreamEnd::Known);
        }
    }
}

#[test]
fn losses_before_the_window_leave_no_doubt_in_it() {
    let script = Script { ticks: 200, lost_every: 60, ..Script::default() };
    let mut events = script.events();
    let last_loss = events.iter().rposition(|event| matches!(event.event, Event::Lost { .. })).unwrap();
    // A tick later, its gap is over.
    let tick = |from: usize| {
        from + events[from..].iter().position(|it| matches!(it.event, Event::TickStart { .. })).unwrap()
    };
    let cut = tick(tick(last_loss) + 1);
    assert!(cut < events.len());
    let (whole, baselines) = with_baselines(&events, &[0, cut]);
    assert!(whole.lost_in_all() > 0 && whole.missing().ticks.count() > 0);
    assert!(since(&whole, &baselines, 0).missing() == whole.missing());
    let window = since(&whole, &baselines, 1);
    assert_eq!((window.lost_in_all(), window.incomplete_ticks(), window.missing().ticks.count()), (0, 0, 0));
    // One more loss is one in the window.
    let last = *events.last().unwrap();
    let lost = Event::Lost { count: 7, from: last.at };
    events.push(Stamped { event: lost, ..last });
    let (whole, baselines) = with_baselines(&events, &[0, cut]);
    assert_eq!(since(&whole, &baselines, 1).lost_in_all(), 7);
}

#[test]
fn a_baseline_that_is_removed_leaves_its_maximum_to_the_next() {
    let events = Script { ticks: 300, ..Script::default() }.events();
    let cuts = [events.len() / 4, events.len() / 2, events.len() * 3 / 4];
    let (whole, mut baselines) = with_baselines(&events, &cuts);
    let expected = since(&whole, &baselines, 0);
    let removed = baselines.remove(1);
    let (before, rest) = baselines.split_at_mut(1);
    rest[0].absorb(&removed, before.first());
    let window = since(&whole, &baselines, 0);
    assert_eq!(of_single_events(&window), of_single_events(&expected));
    assert_eq!(window.ticks.run_ns.max(), expected.ticks.run_ns.max());
}

#[test]
fn worse_timers_of_earlier_times_do_not_hide_those_of_the_window() {
    let config = TimelineConfig { late_kept: 5, ..TimelineConfig::default() };
    let mut timeline = Timeline::new(config);
    let fired = |at: u64, lag_ns: u64| {
        let (timer, task) = (TimerId(1), TaskId(at));
        let event = Event::TimerFired {
            timer,
            tag: Tag(1),
            task,
            due: Timestamp(at - lag_ns),
            fired: Timestamp(at),
            skipped: 0,
        };
        Stamped { at: Timestamp(at), source: SourceId(1), event }
    };
    const MS: u64 = 1_000_000;
    (1..=9).for_each(|second| timeline.fold(&fired(second * 1_000 * MS, 500 * MS)));
    let mut baselines = vec![timeline.baseline(Timestamp(9_500 * MS), None)];
    for second in 10..=19 {
        timeline.fold(&fired(second * 1_000 * MS, second * MS));
        let baseline = timeline.baseline(Timestamp((second * 1_000 + 500) * MS), baselines.last());
        baselines.push(baseline);
    }
    timeline.fold(&fired(20_000 * MS, 3 * MS));
    let lags =
        |of: &Timeline| of.late_timers().iter().map(|late| late.what.lag_ns() / MS).collect::<Vec<_>>();
    assert_eq!(lags(&timeline), [500; 5]);
    assert_eq!(lags(&since(&timeline, &baselines, 0)), [19, 18, 17, 16, 15]);
    assert_eq!(lags(&since(&timeline, &baselines, 10)), [3]);
    let removed = baselines.remove(5);
    let (before, rest) = baselines.split_at_mut(5);
    rest[0].absorb(&removed, before.last());
    assert_eq!(lags(&since(&timeline, &baselines, 0)), [19, 18, 17, 16, 15]);
}

#[test]
fn what_was_wrong_before_the_window_is_not_wrong_in_it() {
    const MS: u64 = 1_000_000;
    let mut timeline = Timeline::new(TimelineConfig::default());
    let mut baselines: Vec<Baseline> = Vec::new();
    let mut texts = Vec::new();
    for tick in 1..=40_u64 {
        let start = Timestamp(tick * 500 * MS);
        let run_ns = if tick <= 20 { 40 * MS } else { MS };
        let end = start.plus_ns(run_ns);
        let stamped = |at, event| Stamped { at, source: SourceId(1), event };
        let ran =
            Event::TaskRan { task: TaskId(tick), tag: Tag(1), outcome: Outcome::Done, queued: start, start };
        timeline.extend(&[
            stamped(start, Event::TickStart { tick }),
            stamped(end, ran),
            stamped(end, Event::TickEnd { tick, tasks_run: 1, start }),
        ]);
        if tick % 10 == 0 {
            texts.push(match baselines.last() {
                Some(last) => {
                    Diagnosis::of(&timeline.since(last, last.at(), [].iter()), StreamEnd::Known).text
                }
                None => Diagnosis::of(&timeline, StreamEnd::Known).text,
            });
            let baseline = timeline.baseline(end, baselines.last());
            baselines.push(baseline);
        }
    }
    let [first, second, third, fourth] = texts.try_into().unwrap();
    assert_eq!(first, "tag 1 blocks the loop for about 40.0ms every 500ms");
    assert_eq!(second, first, "and not since the window began");
    assert!(third.starts_with("Idle") && third == fourth, "{third} {fourth}");
}

#[test]
fn longer_runs_of_earlier_times_do_not_hide_those_of_the_window() {
    let mut timeline = Timeline::new(TimelineConfig::default());
    let ran = |second: u64, run_ns: u64| {
        let end = Timestamp(second * 1_000_000_000);
        let start = Timestamp(end.0 - run_ns);
        let (task, tag, outcome) = (TaskId(second), Tag(1), Outcome::Done);
        let event = Event::TaskRan { task, tag, outcome, queued: start, start };
        Stamped { at: end, source: SourceId(1), event }
    };
    (1..=9).for_each(|second| timeline.fold(&ran(second, 900_000)));
    let mut baselines = vec![timeline.baseline(Timestamp(9_500_000_000), None)];
    for second in 10..=17 {
        timeline.fold(&ran(second, second));
        let baseline = timeline.baseline(Timestamp(second * 1_000_000_000 + 1), baselines.last());
        baselines.push(baseline);
    }
    timeline.fold(&ran(18, 11));
    let worst = |of: &Timeline| {
        let runs = of.tags.tag(Tag(1)).unwrap().tasks.worst().iter().map(|run| run.run_ns);
        runs.collect::<Vec<_>>()
    };
    assert_eq!(worst(&timeline), [900_000; 5]);
    assert_eq!(worst(&since(&timeline, &baselines, 0)), [17, 16, 15, 14, 13]);
    assert_eq!(worst(&since(&timeline, &baselines, 8)), [11]);
}

#[test]
fn a_queue_that_does_not_change_is_as_deep_in_the_window() {
    let mut timeline = Timeline::new(TimelineConfig::default());
    let sampled = |second: u64, depth: u32| {
        let event = Event::QueueDepth { queue: Queue::Tasks, depth };
        Stamped { at: Timestamp(second * 1_000_000_000), source: SourceId(1), event }
    };
    let deepest = |of: &Timeline| of.queues.queue(Queue::Tasks).depth_max.get();
    [sampled(1, 9), sampled(2, 4)].iter().for_each(|event| timeline.fold(event));
    let baseline = timeline.baseline(Timestamp(3_000_000_000), None);
    assert_eq!(deepest(&timeline.since(&baseline, baseline.at(), [].iter())), 4);
    timeline.fold(&sampled(4, 2));
    assert_eq!(deepest(&timeline.since(&baseline, baseline.at(), [].iter())), 4);
    let later = timeline.baseline(Timestamp(5_000_000_000), Some(&baseline));
    timeline.fold(&sampled(6, 3));
    assert_eq!(deepest(&timeline.since(&later, later.at(), [].iter())), 3);
    assert_eq!(
        (deepest(&timeline.since(&baseline, baseline.at(), [&later].into_iter())), deepest(&timeline)),
        (4, 9)
    );
}
