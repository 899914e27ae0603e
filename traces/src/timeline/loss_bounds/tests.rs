//! Drops parts of a stream, as a ring would: the figures of the whole stream must lie within the bounds computed from
//! the rest.

use loop_probes::event::{Event, Priority, Queue, WorkerPhase};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId};
use loop_probes::record::Packed;
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Limit, Outcome};
use crate::analysis::metric::Metric;
use crate::histogram::Percentiles;
use crate::loss::Bounds;
use crate::source::SourceCounts;
use crate::summary::Summary;
use crate::synthetic::Script;
use crate::timeline::{StreamEnd, Timeline};

mod unplaced;

fn summary(script: &Script, events: &[Stamped]) -> Summary {
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(events);
    Summary::new(&script.source(), &timeline)
}

/// `events` without `stretches` of them (position as a share of all, and length), with a `Lost` event for each emitter
/// where it continues.
fn torn(events: &[Stamped], stretches: &[(f64, usize)]) -> Vec<Stamped> {
    let ranges: Vec<_> = stretches
        .iter()
        .map(|(at, length)| {
            let start = (at * events.len() as f64) as usize;
            start..start + length
        })
        .collect();
    let mut left = Vec::new();
    // By emitter: when its last event was, and how many records are missing since.
    let mut emitters: Vec<(SourceId, Option<Timestamp>, u64)> = Vec::new();
    for (place, stamped) in events.iter().enumerate() {
        // Names are in the ring's own table, and survive.
        if let Event::Label { .. } = stamped.event {
            left.push(*stamped);
            continue;
        }
        let known = emitters.iter().position(|(source, ..)| *source == stamped.source);
        let emitter = known.unwrap_or_else(|| {
            emitters.push((stamped.source, None, 0));
            emitters.len() - 1
        });
        let (source, last, lost) = &mut emitters[emitter];
        // A ring overwrites its oldest records: its last one is always there.
        let is_last = !events[place + 1..].iter().any(|later| later.source == *source);
        if !is_last && ranges.iter().any(|range| range.contains(&place)) {
            *lost += Packed::new(stamped.at, stamped.event).parts() as u64;
            continue;
        }
        if *lost > 0 {
            let event = Event::Lost { count: std::mem::take(lost), from: last.unwrap_or(stamped.at) };
            left.push(Stamped { at: stamped.at, source: *source, event });
        }
        *last = Some(stamped.at);
        left.push(*stamped);
    }
    left
}

fn holds(bounds: Bounds, value: u64) -> bool {
    bounds.lo <= value && bounds.hi.is_none_or(|hi| value <= hi)
}

/// Whether the bounds of `torn` hold for `whole`.
fn check(what: &str, torn: &Percentiles, whole: &Percentiles) -> Result<(), TestCaseError> {
    let Some(bounds) = torn.bounds else {
        prop_assert_eq!(torn, whole, "{}: nothing is missing", what);
        return Ok(());
    };
    prop_assert_eq!(torn.p99_bounds, Some(bounds.p99));
    let both = [
        (bounds.p50, torn.p50, whole.p50),
        (bounds.p90, torn.p90, whole.p90),
        (bounds.p99, torn.p99, whole.p99),
        (bounds.max, torn.max, whole.max),
        (bounds.mean, torn.mean, whole.mean),
        (bounds.gmean, torn.gmean, whole.gmean),
    ];
    for (bounds, seen, value) in both {
        let fits = |value: Option<u64>| value.is_none_or(|value| holds(bounds, value));
        prop_assert!(fits(value), "{what}: {bounds:?} {torn:?} {whole:?}");
        prop_assert!(fits(seen), "{what}: not even its own: {bounds:?} {torn:?}");
    }
    Ok(())
}

fn check_all(torn: &Summary, whole: &Summary) -> Result<(), TestCaseError> {
    check("ticks", &torn.ticks.run_ns, &whole.ticks.run_ns)?;
    check("tasks", &torn.tasks.run_ns, &whole.tasks.run_ns)?;
    check("waits", &torn.tasks.queue_wait_ns, &whole.tasks.queue_wait_ns)?;
    check("microtasks", &torn.microtasks.run_ns, &whole.microtasks.run_ns)?;
    check("timers", &torn.timers.lag_ns, &whole.timers.lag_ns)?;
    check("corrected", &torn.timers.lag_corrected_ns, &whole.timers.lag_corrected_ns)?;
    check("gc", &torn.gc.run_ns, &whole.gc.run_ns)?;
    check("signals", &torn.signals.latency_ns, &whole.signals.latency_ns)?;
    for tag in &torn.tasks.by_tag {
        let same = whole.tasks.by_tag.iter().find(|same| same.tag == tag.tag).unwrap();
        check(&tag.tag, &tag.run_ns, &same.run_ns)?;
        check(&tag.tag, &tag.queue_wait_ns, &same.queue_wait_ns)?;
    }
    if let (Some(torn), Some(whole)) = (&torn.agenda, &whole.agenda) {
        check("rendezvous", &torn.rendezvous.waited_ns, &whole.rendezvous.waited_ns)?;
        for (torn, whole) in torn.priorities.iter().zip(&whole.priorities) {
            check("tasklets", &torn.run_ns, &whole.run_ns)?;
            check("tasklets' waits", &torn.queue_wait_ns, &whole.queue_wait_ns)?;
        }
    }
    if let (Some(torn), Some(whole)) = (&torn.pumps, &whole.pumps) {
        check("pumps", &torn.run_ns, &whole.run_ns)?;
    }
    for queue in torn.queues.iter().filter(|queue| queue.queue != "agenda") {
        let same = whole.queues.iter().find(|same| same.queue == queue.queue).unwrap();
        prop_assert!(
            queue.depth.p50_bounds.zip(same.depth.p50).is_none_or(|(bounds, p50)| holds(bounds, p50)),
            "{queue:?}"
        );
    }
    let stalls = torn.ticks.stalls_bounds;
    prop_assert!(
        stalls.is_none_or(|bounds| holds(bounds, whole.ticks.stalls)),
        "{stalls:?} {:?}",
        whole.ticks
    );
    let busy = (torn.ticks.stalls_busy_bounds, whole.ticks.stalls_busy_ns.unwrap());
    prop_assert!(busy.0.is_none_or(|bounds| holds(bounds, busy.1)), "{busy:?}");
    let overdue = (torn.timers.overdue_bounds, whole.timers.overdue);
    prop_assert!(overdue.0.zip(overdue.1).is_none_or(|(bounds, count)| holds(bounds, count)), "{overdue:?}");
    for name in ["span", "ticks.rate", "tasks.rate"] {
        let metric: Metric = name.parse().unwrap();
        let (Some(bounds), Some(value)) = (metric.bounds(torn), metric.of(whole)) else { continue };
        let fits = bounds.low <= value.number && bounds.high.is_none_or(|high| value.number <= high);
        prop_assert!(fits, "{name}: {bounds:?} {value:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn the_figures_of_the_whole_lie_within_the_bounds_of_the_rest(
        seed in 0u64..1 << 40, ticks in 1u32..400, stall_every in 0u32..60,
        (agenda_workers, loop_kinds) in (0u16..3, any::<bool>()),
        stretches in prop::collection::vec((0.0..1.0f64, 1usize..400), 0..9),
    ) {
        let script = Script { seed, ticks, stall_every, agenda_workers, loop_kinds, ..Script::default() };
        let events = script.events();
        check_all(&summary(&script, &torn(&events, &stretches)), &summary(&script, &events))?;
    }
}

#[test]
fn a_short_gap_bounds_everything_that_runs_in_ticks() {
    let script = Script { ticks: 2_000, stall_every: 100, workers: 0, ..Script::default() };
    let events = script.events();
    let torn = summary(&script, &torn(&events, &[(0.3, 60), (0.6, 90)]));
    let bounds = torn.ticks.run_ns.bounds.unwrap();
    assert!(torn.lost_records > 0 && bounds.max.hi.is_some() && bounds.mean.hi.is_some(), "{bounds:?}");
    let tasks = torn.tasks.run_ns.bounds.unwrap();
    assert!(tasks.p99.hi.unwrap() < 2 * torn.tasks.run_ns.p99.unwrap(), "{tasks:?} {:?}", torn.tasks.run_ns);
    // A timer's lag is not bounded by the gap's length.
    assert_eq!(torn.timers.lag_ns.bounds.unwrap().max.hi, None);
}

const LOOP: SourceId = SourceId(1);

fn at(at_ns: u64, event: Event) -> Stamped {
    Stamped { at: Timestamp(at_ns), source: LOOP, event }
}

fn ran(start: u64, end: u64) -> Stamped {
    let outcome = loop_probes::event::Outcome::Done;
    let (queued, start) = (Timestamp(start), Timestamp(start));
    at(end, Event::TaskRan { task: TaskId(1), tag: Tag(1), outcome, queued, start })
}

fn longest_task(events: &[Stamped]) -> Option<u64> {
    let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
    timeline.extend(events);
    timeline.missing().tasks.longest()
}

#[test]
fn a_task_is_bounded_by_the_last_record_before_the_gap() {
    let begin = [at(1_000, Event::TickStart { tick: 1 }), ran(1_100, 1_400)];
    let lost = |from, to| at(to, Event::Lost { count: 5, from: Timestamp(from) });
    let after = at(4_000, Event::Wake { from: None, coalesced: 0 });
    let of = |events: &[Stamped], gap| longest_task(&[events, &[gap, after]].concat());
    assert_eq!(of(&begin, lost(1_500, 4_000)), Some(2_600), "since the last task");
    assert_eq!(of(&begin[..1], lost(1_500, 4_000)), Some(3_000), "since the tick began");
    assert_eq!(of(&[], lost(4_000, 4_000)), None, "the first that is seen at all");
    assert_eq!(of(&[at(1_000, Event::Wake { from: None, coalesced: 0 })], lost(1_000, 4_000)), None);
    assert_eq!(of(&[&begin[..], &[ran(1_050, 1_450)]].concat(), lost(1_500, 4_000)), None, "one in another");
}

fn tick(tick: u64, start: u64, end: u64) -> [Stamped; 2] {
    let ended = Event::TickEnd { tick, tasks_run: 0, start: Timestamp(start) };
    [at(start, Event::TickStart { tick }), at(end, ended)]
}

#[test]
fn a_gap_is_as_long_as_the_records_around_it_allow() {
    let (before, after) = (tick(1, 1_000, 2_000), tick(9, 900_000, 901_000));
    let claims = [(2_000, 900_000), (899_999, 900_000), (900_500, 900_000), (2_000, 2_000), (0, 0)];
    for (from, to) in claims {
        let lost = at(to, Event::Lost { count: 20, from: Timestamp(from) });
        let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
        timeline.extend(before.iter().chain([&lost]).chain(&after));
        let missing = timeline.missing();
        let all = [&missing.ticks, &missing.tasks, &missing.in_ticks].map(Missing::longest);
        assert_eq!(all, [Some(898_000); 3], "{from} to {to}");
        let stalls = timeline.stall_figures(&timeline.unfinished(StreamEnd::Known), &missing);
        assert_eq!(stalls.bounds.map(|bounds| bounds.lo), Some(0));
    }
}

#[test]
fn a_gap_before_the_first_record_has_no_length() {
    let lost = at(5_000, Event::Lost { count: 20, from: Timestamp(4_999) });
    let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
    timeline.extend([lost].iter().chain(&tick(9, 5_000, 6_000)));
    assert_eq!(timeline.missing().ticks.longest(), None);
    assert_eq!(timeline.missing().tasks.longer_than(1), 20);
}

#[test]
fn records_lost_at_an_end_may_have_been_outside_of_the_span() {
    let second = 1_000_000_000;
    let ticks = [tick(1, 0, 1), tick(2, 1, 2), tick(3, second - 1, second)];
    let lost = |at_ns| vec![at(at_ns, Event::Lost { count: 2, from: Timestamp(at_ns) })];
    let [first, second_tick, last] = ticks.map(Vec::from);
    let summary = |events: &[Vec<Stamped>]| closed(&events.concat(), SourceCounts::default());
    let within = summary(&[first.clone(), lost(2), last.clone()]);
    assert_eq!(within.span_bounds, Some(Bounds { lo: second, hi: Some(second) }));
    assert_eq!(judged(&within, "ticks.rate", Limit::Max(1.5)), Outcome::Failed);
    for outside in [[lost(1), second_tick.clone(), last.clone()], [first.clone(), last.clone(), lost(second)]]
    {
        let summary = summary(&outside);
        assert_eq!(summary.span_bounds, Some(Bounds { lo: summary.span_ns, hi: None }));
        assert_eq!(judged(&summary, "ticks.rate", Limit::Max(1.5)), Outcome::Undecided);
    }
}

#[test]
fn a_damaged_tick_may_last_to_the_last_known_moment() {
    let lost = at(1_500, Event::Lost { count: 2, from: Timestamp(1_400) });
    let mut timeline = Timeline::new(crate::timeline::TimelineConfig::default());
    timeline.extend(&[at(1_000, Event::TickStart { tick: 1 }), lost, ran(1_600, 9_000)]);
    assert_eq!(timeline.missing().ticks.longest(), Some(8_000));
}

/// The summary of a closed recording of these events.
fn closed(events: &[Stamped], counts: SourceCounts) -> Summary {
    let script = Script::default();
    let mut timeline = Timeline::of(&script.metadata());
    timeline.extend(events);
    timeline.counts = counts;
    Summary::new(&script.source(), &timeline)
}

fn is_open(summary: &Summary) {
    assert_eq!(summary.ticks.run_ns.bounds.map(|bounds| bounds.max.hi), Some(None));
    assert_eq!(summary.ticks.stalls_bounds, Some(Bounds { lo: 0, hi: None }));
    assert_eq!(summary.ticks.utilization_bounds, Some([0.0, 1.0]));
    let text = crate::report::text(summary);
    // The tick may have waited in a poll whose event was skipped.
    let longest = if summary.malformed_events > 0 { "~1.00µs" } else { "≥1.00µs" };
    for part in ["~100.0%", "at least 0 stalls", "no stall seen; a missing part may contain one", longest] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn tick_numbers_that_jump_without_a_loss_are_a_gap_with_an_unknown_number_of_records() {
    let (before, after) = (tick(3, 1_000, 2_000), tick(1_000, 5_000_000, 5_001_000));
    let of =
        |between: &[Stamped]| closed(&[&before[..], between, &after[..]].concat(), SourceCounts::default());
    let lost = |count| at(5_000_000, Event::Lost { count, from: Timestamp(2_000) });
    for (between, records) in [(vec![], 1), (vec![lost(995)], 996)] {
        let summary = of(&between);
        assert_eq!((summary.uncounted_gaps, summary.lost_records), (1, records));
        assert_eq!(summary.ticks.missing, 996);
        is_open(&summary);
    }
    let enough = of(&[lost(996)]);
    assert_eq!((enough.uncounted_gaps, enough.lost_records), (0, 996));
    // The records of a damaged block are counted once, with its first emitter.
    let first = Stamped { source: SourceId(2), ..lost(996) };
    assert_eq!(of(&[first, lost(0)]).uncounted_gaps, 0);
    let first = Stamped { source: SourceId(2), ..lost(995) };
    assert_eq!(of(&[first, lost(0)]).uncounted_gaps, 1);
}

#[test]
fn a_stretch_that_cannot_be_read_is_one_gap_though_the_tick_numbers_jump_there_too() {
    let of = |others: &[u32], unread: bool| {
        let sources: Vec<SourceId> = others.iter().map(|source| SourceId(*source)).collect();
        let all = |events: [Stamped; 2]| {
            sources.iter().flat_map(|source| events.map(|it| Stamped { source: *source, ..it })).collect()
        };
        let (before, after): (Vec<_>, Vec<_>) =
            (all(tick(3, 1_000, 2_000)), all(tick(1_000, 5_000_000, 5_001_000)));
        // As a reader announces it: to every emitter, but counted once.
        let lost = sources.iter().enumerate().map(|(place, source)| {
            let lost = Event::Lost { count: u64::from(place == 0), from: Timestamp(2_000) };
            Stamped { source: *source, ..at(5_000_000, lost) }
        });
        let lost: Vec<Stamped> = lost.filter(|_| unread).collect();
        let uncounted_gaps = u64::from(unread);
        let counts = SourceCounts { lost_records: uncounted_gaps, uncounted_gaps, ..Default::default() };
        let summary = closed(&[before, lost, after].concat(), counts);
        (summary.uncounted_gaps, summary.lost_records, summary.lost_records_bounds)
    };
    let one = Some(Bounds { lo: 1, hi: None });
    assert_eq!(of(&[1], true), (1, 1, one), "a tick is missing, so at least one record is");
    assert_eq!(of(&[1, 2], true), (1, 1, one));
    // Without a report, nothing shows that the gaps of two emitters have one cause.
    assert_eq!(of(&[1, 2], false), (2, 2, one));
}

#[test]
fn a_wrong_clock_leaves_open_all_that_depends_on_time() {
    let armed = Event::TimerArmed { timer: TimerId(1), tag: Tag(1), due: Timestamp(1_100), period_ns: None };
    let fired = Event::TimerFired {
        timer: TimerId(1),
        tag: Tag(1),
        task: TaskId(9),
        due: Timestamp(1_100),
        fired: Timestamp(1_200),
        skipped: 0,
    };
    let [began, ended] = tick(1, 1_000, 2_000);
    let depth = Event::QueueDepth { queue: Queue::Tasks, depth: 3 };
    let events = [began, at(1_010, armed), at(1_020, depth), at(1_200, fired), ran(1_300, 1_400), ended];
    let counts = |clock_error_ns_max| SourceCounts { clock_error_ns_max, ..SourceCounts::default() };
    let spreads = |summary: &Summary| {
        let Summary { ticks, tasks, timers, .. } = summary;
        [ticks.run_ns, tasks.run_ns, timers.lag_ns, timers.lag_corrected_ns, tasks.by_tag[0].run_ns]
    };
    let right = closed(&events, counts(0));
    assert!(spreads(&right).iter().all(|spread| spread.bounds.is_none() && spread.count == 1));
    let wrong = closed(&events, counts(5));
    let any = Bounds { lo: 0, hi: None };
    for spread in spreads(&wrong) {
        let bounds = spread.bounds.unwrap();
        assert_eq!([bounds.p50, bounds.p90, bounds.p99, bounds.max, bounds.mean, bounds.gmean], [any; 6]);
        assert_eq!((spread.p99_bounds, spread.count), (Some(any), 1));
    }
    assert_eq!((wrong.ticks.stalls_bounds, wrong.ticks.stalls_busy_bounds), (Some(any), Some(any)));
    assert_eq!((wrong.ticks.utilization_bounds, wrong.timers.skipped_bounds), (Some([0.0, 1.0]), Some(any)));
    assert_eq!(wrong.timers.late_bounds, Some(any));
    assert!(wrong.queues.iter().all(|queue| queue.depth.p50_bounds == Some(any)));
    assert_eq!((wrong.lost_records_bounds, wrong.tasks.count), (None, 1));
    assert!(!wrong.has_unfinished());
    let text = crate::report::text(&wrong);
    let parts =
        ["~ marks figures that a wrong clock could change", "~1.00µs", "~0 stalls", "~0 skipped periods"];
    for part in [&parts[..], &["no stall seen; times may be wrong"]].concat() {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("at least"), "{text}");
}

#[test]
fn skipped_events_leave_every_figure_open() {
    let counts = SourceCounts { malformed: 1, ..Default::default() };
    let summary = closed(&tick(1, 1_000, 2_000), counts);
    is_open(&summary);
    let text = crate::report::text(&summary);
    assert!(text.contains("1 event is missing: counts are lower bounds"), "{text}");
    assert!(!text.contains("something has not ended"), "{text}");
}

#[test]
fn the_maximum_over_several_loops_has_the_bounds_of_its_loop() {
    let other = |stamped: Stamped| Stamped { source: SourceId(2), ..stamped };
    let lost = other(at(900_000, Event::Lost { count: 20, from: Timestamp(2_000) }));
    let [before, after] = [tick(1, 1_000, 2_000), tick(9, 900_000, 901_000)].map(|ticks| ticks.map(other));
    let events = [&tick(1, 500, 600)[..], &before[..], &[lost], &after[..]].concat();
    let summary = closed(&events, SourceCounts::default());
    let [one, two] = &summary.loops[..] else { panic!("{:?}", summary.loops) };
    assert_eq!(one.ticks.run_ns.bounds, None);
    let whole = summary.ticks.run_ns;
    let (own, all) = (two.ticks.run_ns.bounds.unwrap(), whole.bounds.unwrap());
    assert_eq!([all.max, own.max], [Bounds { lo: 1_000, hi: Some(898_000) }; 2]);
    assert_eq!((whole.max, whole.p50, all.p50), (Some(1_000), None, Bounds { lo: 0, hi: None }));
    let text = crate::report::text(&summary);
    assert!(text.contains("~1.00µs") && text.contains("1.00µs–898µs") && !text.contains("~–"), "{text}");
}

#[test]
fn a_tick_may_have_waited_in_an_event_that_is_missing_somewhere() {
    let long = tick(1, 1_000, 40_001_000);
    let none = SourceCounts::default();
    let whole = closed(&long, none);
    assert_eq!((whole.ticks.stalls, whole.ticks.stalls_bounds), (1, None));
    for (counts, hi) in [
        (SourceCounts { malformed: 1, ..none }, None),
        (SourceCounts { lost_records: 1, ..none }, Some(2)),
        (SourceCounts { lost_records: 1, uncounted_gaps: 1, ..none }, None),
    ] {
        let damaged = closed(&long, counts);
        assert_eq!((damaged.ticks.stalls, damaged.ticks.stalls_bounds), (1, Some(Bounds { lo: 0, hi })));
        assert!(crate::report::text(&damaged).contains("~1 stall over"));
        for metric in ["stalls", "stalls.busy", "busy", "utilization", "ticks.run.max", "ticks.run.mean"] {
            let judged = |summary: &Summary| {
                let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
                Gate::new(metric.parse().unwrap(), Limit::Max(0.0)).unwrap().judge(&run).unwrap().outcome
            };
            let expected = (Outcome::Failed, Outcome::Undecided);
            assert_eq!((judged(&whole), judged(&damaged)), expected, "{metric}: {counts:?}");
        }
    }
    // A loss at a known place does not change the ticks before it.
    let lost = at(40_003_000, Event::Lost { count: 1, from: Timestamp(40_002_000) });
    let after = closed(
        &[&long[..], &[lost], &tick(2, 40_004_000, 40_005_000)].concat(),
        SourceCounts { lost_records: 1, ..none },
    );
    assert_eq!(after.ticks.stalls_bounds.map(|bounds| bounds.lo), Some(1));
}

#[test]
fn a_tasklet_that_waits_at_the_end_may_have_run_in_a_record_that_was_lost() {
    let added =
        |task| Event::AgendaAdded { task: TaskId(task), tag: Tag(1), priority: Priority::Normal, depth: 1 };
    for counts in [(0, Outcome::Failed), (1, Outcome::Undecided)] {
        let counts_of = SourceCounts { lost_records: counts.0, ..SourceCounts::default() };
        let summary = closed(&[at(1_000, added(1)), at(2_000, added(2))], counts_of);
        let run = Run { name: "t".to_owned(), summary, metadata: None };
        let gate = Gate::new("agenda.waiting".parse().unwrap(), Limit::Max(0.0)).unwrap();
        assert_eq!(gate.judge(&run).unwrap().outcome, counts.1);
    }
}

fn judged(summary: &Summary, metric: &str, limit: Limit) -> Outcome {
    let run = Run { name: "t".to_owned(), summary: summary.clone(), metadata: None };
    Gate::new(metric.parse().unwrap(), limit).unwrap().judge(&run).unwrap().outcome
}

#[test]
fn tasklets_added_before_the_reading_began_may_wait() {
    let priority = Priority::Low;
    let ran = Event::AgendaRan {
        task: TaskId(1),
        tag: Tag(1),
        priority,
        worker: 0,
        outcome: loop_probes::event::Outcome::Done,
        queued: Timestamp(900),
        start: Timestamp(1_000),
    };
    let added = Event::AgendaAdded { task: TaskId(2), tag: Tag(1), priority, depth: 1 };
    let idle = Event::WorkerState { worker: 0, from: WorkerPhase::Run, to: WorkerPhase::Idle };
    let of = |more: &[Event], before_attach| {
        let more = more.iter().map(|event| at(2_000, *event));
        let events: Vec<_> = [at(1_500, ran)].into_iter().chain(more).collect();
        let summary = closed(&events, SourceCounts { before_attach, ..SourceCounts::default() });
        let gates = ["agenda.waiting", "agenda.low.wait.max"];
        gates.map(|metric| judged(&summary, metric, Limit::Max(500.0)))
    };
    assert_eq!(of(&[], 0), [Outcome::Held; 2], "the stream is whole");
    assert_eq!(of(&[], 7), [Outcome::Undecided; 2], "any number may wait, for any time");
    let other = |priority| Event::AgendaAdded { task: TaskId(3), tag: Tag(1), priority, depth: 1 };
    let others = [other(Priority::High), other(Priority::Normal)];
    assert_eq!(of(&others, 7)[0], Outcome::Undecided, "additions of other priorities do not show the depth");
    assert_eq!(of(&[&others[..], &[added]].concat(), 7)[0], Outcome::Held, "each addition shows a depth");
    assert_eq!(of(&[idle], 7), [Outcome::Held; 2], "an idle worker found nothing to run");
}

#[test]
fn tasklets_added_before_a_loss_may_wait_still() {
    let priority = Priority::Low;
    let added = |task, depth| Event::AgendaAdded { task: TaskId(task), tag: Tag(1), priority, depth };
    let mut events: Vec<_> = (1..=300).map(|task| at(1_000 + task, added(task, task as u32))).collect();
    let summary = |events: &[Stamped], lost| {
        closed(events, SourceCounts { lost_records: lost, ..SourceCounts::default() })
    };
    assert_eq!(judged(&summary(&events, 0), "agenda.waiting", Limit::Max(10.0)), Outcome::Failed);
    // Any of them may have run in an event that was skipped.
    let skipped = closed(&events, SourceCounts { malformed: 1, ..SourceCounts::default() });
    for (summary, outcome) in [(summary(&events, 0), Outcome::Failed), (skipped, Outcome::Undecided)] {
        assert_eq!(judged(&summary, "agenda.low.wait.max", Limit::Max(100.0)), outcome);
        assert_eq!(judged(&summary, "queue.agenda.depth.max", Limit::Max(10.0)), outcome);
    }
    events.push(at(3_000, Event::Lost { count: 1, from: Timestamp(2_000) }));
    let lossy = summary(&events, 1);
    let agenda = lossy.agenda.as_ref().unwrap();
    assert_eq!((agenda.waiting, agenda.waiting_bounds), (0, Some(Bounds { lo: 0, hi: Some(301) })));
    assert_eq!(agenda.priorities[2].queue_wait_ns.bounds.map(|bounds| bounds.p90.hi), Some(None));
    for limit in [Limit::Max(10.0), Limit::Min(100.0)] {
        assert_eq!(judged(&lossy, "agenda.waiting", limit), Outcome::Undecided);
    }
    // An addition has the depth.
    events.push(at(4_000, added(301, 1)));
    let bounds = summary(&events, 1).agenda.unwrap().waiting_bounds;
    assert_eq!(bounds, Some(Bounds { lo: 0, hi: Some(2) }));
}

#[test]
fn a_lost_record_may_have_held_any_total() {
    let signal = at(1_000, Event::SignalArrived { signo: 10, depth: 1, arrived: Timestamp(900) });
    let dropped = at(1_500, Event::SignalDropped { total: 2 });
    let lost = at(3_000, Event::Lost { count: 1, from: Timestamp(2_000) });
    let counts = SourceCounts { lost_records: 1, ..SourceCounts::default() };
    let lossy = closed(&[&tick(1, 100, 800)[..], &[signal, dropped, lost]].concat(), counts);
    assert_eq!(judged(&lossy, "signals.dropped", Limit::Max(5.0)), Outcome::Undecided);
    assert_eq!(judged(&lossy, "signals.dropped", Limit::Max(1.0)), Outcome::Failed);
}
