//! Tests of the folded stacks: their sums match the report, and flame graph programs can read the lines.

use std::collections::HashMap;

use loop_probes::event::{Event, LabelKind, Outcome};
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use super::*;
use crate::source::{MemorySource, SourceKind};
use crate::synthetic::Script;
use crate::synthetic::strategy::{hanging, hostile_events, scripts, with_running};
use crate::timeline::{StreamEnd, Timeline};

fn folded(source: &MemorySource, options: FoldedOptions) -> (String, FoldedStats) {
    let mut out = Vec::new();
    let stats = export(|| Ok(source.clone()), options, &mut out).unwrap();
    assert_eq!(stats.bytes, out.len() as u64);
    (String::from_utf8(out).unwrap(), stats)
}

/// Stacks and their times, parsed as flame graph programs do: split at the last blank, where a number before it would
/// be a second count.
fn stacks(text: &str) -> Vec<(Vec<&str>, u64)> {
    let lines = text.lines().map(|line| {
        let (stack, ns) = line.rsplit_once(' ').unwrap();
        let second = stack.rsplit_once(' ').is_some_and(|(_, last)| last.parse::<f64>().is_ok());
        assert!(!second, "{line}");
        (stack.split(';').collect(), ns.parse().unwrap())
    });
    lines.collect()
}

fn sum(stacks: &[(Vec<&str>, u64)], wanted: impl Fn(&[&str]) -> bool) -> u64 {
    stacks.iter().filter(|(stack, _)| wanted(stack)).map(|(_, ns)| ns).sum()
}

fn in_brackets(stack: &[&str]) -> bool {
    stack.get(1).is_some_and(|frame| frame.starts_with('('))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn loops_of_equal_names_are_told_apart_as_in_reports(script in scripts()) {
        let mut events = script.events();
        let second = Script { seed: script.seed ^ 1, ..script.clone() }.events();
        events.extend(second.into_iter().map(|stamped| {
            let event = match stamped.event {
                Event::Label { kind: LabelKind::Source, id, text } => Event::Label { kind: LabelKind::Source, id: id + 9, text },
                event => event,
            };
            Stamped { source: SourceId(stamped.source.0 + 9), event, ..stamped }
        }));
        events.sort_by_key(|stamped| stamped.at);
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&events);
        let source = MemorySource::new("t", SourceKind::Ring, script.metadata(), events);
        let (text, _) = folded(&source, FoldedOptions::default());
        let stacks = stacks(&text);
        let loops = timeline.separate_loops().map(|(source, own)| (format!("loop #{source}"), own.ticks.busy_ns));
        let loops: Vec<_> = loops.collect();
        prop_assert_eq!(loops.len(), 2);
        for (name, busy_ns) in loops {
            prop_assert_eq!(sum(&stacks, |stack| stack[0] == name && !in_brackets(stack)), busy_ns, "{}", name);
        }
        let mut csv = Vec::new();
        crate::export::csv::export(|| Ok(source.clone()), Default::default(), &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let count = |name: &str| csv.lines().filter(|row| row.split(',').nth(1) == Some(name)).count();
        prop_assert_eq!((count("loop"), count("loop #1") > 0, count("loop #10") > 0), (0, true, true));
    }

    #[test]
    fn a_loop_sums_to_its_busy_time(script in scripts()) {
        let source = script.source();
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&script.events());
        let (text, stats) = folded(&source, FoldedOptions { poll: true, ..FoldedOptions::default() });
        let stacks = stacks(&text);
        let busy = sum(&stacks, |stack| stack[0] == "loop" && !in_brackets(stack));
        prop_assert_eq!(busy, timeline.ticks.busy_ns);
        let waited = sum(&stacks, |stack| stack[0] == "poll" && !in_brackets(&stack[1..]));
        prop_assert_eq!(waited, timeline.ticks.poll_wait_ns);
        prop_assert_eq!(stats.total_ns, sum(&stacks, |_| true));
        let (without, fewer) = folded(&source, FoldedOptions::default());
        prop_assert!(!without.contains("poll;") && fewer.total_ns <= stats.total_ns);
    }

    #[test]
    fn a_tick_that_has_not_ended_counts_as_in_the_fold(
        script in scripts(), every in 1usize..9, end in any::<prop::sample::Index>(),
        losses in prop::collection::vec(any::<prop::sample::Index>(), 0..3), is_closed in any::<bool>(),
    ) {
        let mut events = with_running(&script.events(), every);
        events.truncate(end.index(events.len()) + 1);
        for loss in losses {
            let place = loss.index(events.len() + 1);
            let Stamped { at, .. } = events[place.saturating_sub(1)];
            let lost = Event::Lost { count: 3, from: at };
            events.insert(place, Stamped { at, source: SourceId(1), event: lost });
        }
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&events);
        let source = MemorySource::new("t", SourceKind::Trace, script.metadata(), events);
        let (source, end) =
            if is_closed { (source, StreamEnd::Known) } else { (source.unclosed(), StreamEnd::Cut) };
        let unfinished = timeline.unfinished(end);
        prop_assert!(unfinished.ticks.iter().all(|tick| tick.source == SourceId(1)));
        let (text, _) = folded(&source, FoldedOptions { poll: true, ..FoldedOptions::default() });
        let stacks = stacks(&text);
        let is_loop = |frame: &str| frame == "loop" || frame == "loop 1";
        let busy_ns = sum(&stacks, |stack| is_loop(stack[0]) && !in_brackets(stack));
        prop_assert_eq!(busy_ns, timeline.ticks.busy_ns + unfinished.busy_ns(), "{}", text);
        let polled_ns = sum(&stacks, |stack| stack[0] == "poll" && !in_brackets(&stack[1..]));
        prop_assert_eq!(polled_ns, timeline.ticks.poll_wait_ns + unfinished.poll_wait_ns(), "{}", text);
        // No time counts twice.
        let all_ns = sum(&stacks, |stack| is_loop(stack[0]) || stack[0] == "poll");
        let starts = unfinished.ticks.iter().map(|tick| tick.start).chain(timeline.first_at());
        prop_assert!(all_ns <= timeline.last_at().unwrap_or_default().ns_since(starts.min().unwrap_or_default()));
    }

    #[test]
    fn workers_sum_to_what_they_ran(script in scripts()) {
        let mut expected: HashMap<&str, u64> = HashMap::new();
        for stamped in script.events() {
            match stamped.event {
                Event::WorkRan { start, .. } => *expected.entry("pool").or_default() += stamped.at.ns_since(start),
                Event::AgendaRan { start, outcome, .. } if outcome != Outcome::Cancelled => {
                    *expected.entry("agenda").or_default() += stamped.at.ns_since(start);
                }
                _ => {}
            }
        }
        let (text, stats) = folded(&script.source(), FoldedOptions::default());
        let stacks = stacks(&text);
        prop_assume!(stats.left_out == 0);
        let ran = sum(&stacks, |stack| stack[0] != "loop" && stack.len() > 1 && stack[1] != "gc");
        prop_assert!(ran >= expected.values().sum::<u64>(), "{ran} {expected:?}");
    }

    #[test]
    fn hostile_events_make_lines(events in hostile_events()) {
        let source = MemorySource::new("t", SourceKind::Ring, Script::default().metadata(), events);
        let (text, _) = folded(&source, FoldedOptions { poll: true, ..FoldedOptions::default() });
        stacks(&text);
        prop_assert!(!text.chars().any(|it| it.is_control() && it != '\n'));
    }

    #[test]
    fn any_name_is_one_frame(name in ".{0,12}( [0-9.]{1,3})?") {
        let mut line = String::from("loop;");
        escape(&name, &mut line);
        line.push_str(" 17");
        let stacks = stacks(&line);
        prop_assert_eq!((stacks[0].0.len(), stacks[0].1), (2, 17));
        prop_assert!(!line.chars().any(char::is_control));
    }
}

#[test]
fn polls_that_overlap_without_nesting_sum_to_the_wait() {
    use loop_probes::event::{Phase, PollReason};
    use loop_probes::ids::{SourceId, Timestamp};
    use loop_probes::metadata::Metadata;
    use loop_probes::stamped::Stamped;

    let at = |at, event| Stamped { at: Timestamp(at), source: SourceId(1), event };
    let poll = |start: u64, end| {
        let (reason, timeout_ns) = (PollReason::Timer, Some(5));
        at(end, Event::Poll { reason, ready: 0, timeout_ns, start: Timestamp(start) })
    };
    let phase = at(90, Event::Phase { phase: Phase::Poll, start: Timestamp(5) });
    // One within another, chains of overlapping ones, and some apart.
    let polls = [(12, 18), (10, 20), (15, 30), (25, 40), (14, 42), (50, 60), (85, 88)];
    let mut events = vec![at(0, Event::TickStart { tick: 1 })];
    events.extend(polls.map(|(start, end)| poll(start, end)));
    events.push(phase);
    events.push(at(100, Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(0) }));
    let mut timeline = Timeline::of(&Metadata::new("polls"));
    timeline.extend(&events);
    let source = MemorySource::new("polls", SourceKind::Trace, Metadata::new("polls"), events);
    let (text, stats) = folded(&source, FoldedOptions { poll: true, ..FoldedOptions::default() });
    let stacks = stacks(&text);
    assert_eq!((timeline.ticks.poll_wait_ns, timeline.ticks.busy_ns), (45, 55));
    assert_eq!(sum(&stacks, |stack| stack[0] == "poll"), 45, "{text}");
    assert_eq!((stats.total_ns, stats.left_out), (100, 0), "{text}");
}

#[test]
fn parts_sum_to_the_whole() {
    let script = Script { lost_every: 0, ..Script::default() };
    let (source, events) = (script.source(), script.events());
    let middle = events[events.len() / 2].at;
    let total = |range| {
        let (text, _) = folded(&source, FoldedOptions { range, poll: true });
        sum(&stacks(&text), |stack| stack.first() == Some(&"loop") || stack.first() == Some(&"poll"))
    };
    let (before, after) = (
        total(TimeRange { from: None, to: Some(middle) }),
        total(TimeRange { from: Some(middle), to: None }),
    );
    assert_eq!(before + after, total(TimeRange::default()));
}

#[test]
fn names_that_would_be_misread_are_escaped() {
    let shown = |name: &str| {
        let mut line = String::new();
        escape(name, &mut line);
        line
    };
    assert_eq!(shown("a;b"), "a\\u{3b}b");
    assert_eq!(shown("worker 1"), "worker_1");
    assert_eq!(shown("GET /users/12"), "GET /users/12");
    assert_eq!(shown("ReadFile"), "ReadFile");
    assert_eq!(shown("(outside ticks)"), "\\u{28}outside ticks)");
    assert_eq!(shown("(anonymous namespace)::run"), "(anonymous namespace)::run");
}

#[test]
fn what_has_not_ended_is_there_as_far_as_it_is_known() {
    let (text, _) = folded(&hanging(), FoldedOptions::default());
    let stacks = stacks(&text);
    assert_eq!(sum(&stacks, |stack| stack.contains(&"unfinished")), 3_000_000, "{text}");
}
