//! Gates on more loops than are kept apart, or than are followed at all.

use loop_probes::event::{Event, LabelKind, PollReason};
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use super::*;
use crate::source::{MemorySource, SourceKind};
use crate::summary::Summary;
use crate::timeline::{LOOPS_MAX, Timeline, TimelineConfig};

const MS: u64 = 1_000_000;

/// A run of loops that tick twice each, busy for `busy_ms` of 100 ms.
fn run_of(busy_ms: &[u64]) -> Run {
    named_run_of(&[], busy_ms)
}

/// The same, where the first loops have these names.
fn named_run_of(names: &[&str], busy_ms: &[u64]) -> Run {
    let mut events = Vec::new();
    for tick in 1..3 {
        for (place, busy_ms) in busy_ms.iter().enumerate() {
            let at = |ms: u64, event| {
                let at = Timestamp((tick * 100 + ms) * MS);
                Stamped { at, source: SourceId(place as u32 + 1), event }
            };
            let (start, poll) = (Timestamp(tick * 100 * MS), Timestamp((tick * 100 + busy_ms) * MS));
            let poll = Event::Poll { reason: PollReason::Timer, ready: 0, timeout_ns: None, start: poll };
            events.push(at(0, Event::TickStart { tick }));
            events.extend([at(100, poll), at(100, Event::TickEnd { tick, tasks_run: 0, start })]);
        }
    }
    events.sort_by_key(|stamped| stamped.at);
    let mut timeline = Timeline::new(TimelineConfig::default());
    for (place, name) in names.iter().enumerate() {
        std::sync::Arc::make_mut(&mut timeline.labels).learn(LabelKind::Source, place as u32 + 1, name);
    }
    timeline.extend(&events);
    let source = MemorySource::new("t", SourceKind::Trace, Metadata::new("t"), events);
    Run { name: "t".to_owned(), summary: Summary::new(&source, &timeline), metadata: None }
}

fn outcome(run: &Run, metric: &str, limit: Limit) -> Outcome {
    gate(metric, limit).judge(run).unwrap().outcome
}

#[test]
fn loops_beyond_the_limit_count_as_far_as_the_totals_show() {
    let mut busy_ms = vec![1; LOOPS_MAX + 6];
    let calm = run_of(&busy_ms);
    *busy_ms.last_mut().unwrap() = 80;
    let stalling = run_of(&busy_ms);
    assert!(calm.summary.loops_beyond_limit && !calm.summary.loops_left_out);
    assert_eq!((calm.summary.ticks.stalls, stalling.summary.ticks.stalls), (0, 2));
    for (metric, limit, of_calm, of_stalling) in [
        ("stalls", 0.0, Outcome::Held, Outcome::Failed),
        ("stalls", 1.0, Outcome::Held, Outcome::Undecided),
        ("stalls", 2.0, Outcome::Held, Outcome::Held),
        ("ticks.run.max", 10e6, Outcome::Held, Outcome::Failed),
        ("ticks.run.p99", 10e6, Outcome::Undecided, Outcome::Undecided),
        ("ticks.count", 2.0, Outcome::Undecided, Outcome::Undecided),
    ] {
        let outcomes = [&calm, &stalling].map(|run| outcome(run, metric, Limit::Max(limit)));
        assert_eq!(outcomes, [of_calm, of_stalling], "{metric} at most {limit}");
    }
    assert_eq!(outcome(&calm, "ticks.count", Limit::Min(2.0)), Outcome::Undecided);
    assert_eq!(outcome(&calm, "ticks.count", Limit::Min(3.0)), Outcome::Failed);
    assert_eq!(outcome(&stalling, "lost", Limit::Max(0.0)), Outcome::Held);
    let failed = gate("stalls", Limit::Max(0.0)).judge(&stalling).unwrap();
    assert_eq!(failed.numbers, "2 in all loops");
    assert_eq!(failed.why.as_deref(), Some("loops beyond the limit have no figures of their own"));
    let (base, candidate) = (vec![calm; 5], vec![stalling; 5]);
    let compared = gate("ticks.run.p99", Limit::WorseBy(0.1)).judge_against(&base, &candidate);
    assert_eq!(compared.outcome, Outcome::Undecided);
}

#[test]
fn a_loop_that_is_not_followed_leaves_all_totals_open() {
    let mut busy_ms = vec![1; 300];
    *busy_ms.last_mut().unwrap() = 80;
    let run = run_of(&busy_ms);
    assert_eq!((run.summary.ticks.stalls, run.summary.loops_left_out), (0, true));
    for (metric, limit) in [("stalls", 0.0), ("stalls", 1e9), ("ticks.run.max", 1e12), ("busy", 1e18)] {
        let judged = gate(metric, Limit::Max(limit)).judge(&run).unwrap();
        assert_eq!(judged.outcome, Outcome::Undecided, "{metric}: {judged:?}");
        assert!(judged.why.unwrap().contains("loops beyond the limit"), "{metric}");
    }
    assert_eq!(outcome(&run, "ticks.run.max", Limit::Max(1e5)), Outcome::Failed, "one is known to be longer");
    let one = gate("loop.source 3.stalls", Limit::Max(0.0));
    let text = crate::report::text(&run.summary);
    assert_eq!(one.judge(&run).unwrap().outcome, Outcome::Held, "{text}");
    assert!(text.contains("loops beyond the limit of emitters are left out"), "{text}");
    assert!(text.contains("no stall seen") && text.contains("the figures of some are in the totals only"));
}

#[test]
fn a_name_that_several_loops_have_selects_none_of_them() {
    let run = named_run_of(&["loop", "loop", "other", "loop"], &[1, 1, 1, 80]);
    let judged = |metric: &str| gate(metric, Limit::Max(0.0)).judge(&run).unwrap();
    let ambiguous = judged("loop.loop.stalls");
    assert_eq!((ambiguous.outcome, ambiguous.numbers.as_str()), (Outcome::Undecided, "no value"));
    let why = ambiguous.why.unwrap();
    assert!(why.starts_with("there is no loop \"loop\"; did you mean loop #1, loop #2, loop #4"), "{why}");
    for (name, outcome) in
        [("loop #1", Outcome::Held), ("loop #4", Outcome::Failed), ("other", Outcome::Held)]
    {
        assert_eq!(judged(&format!("loop.{name}.stalls")).outcome, outcome, "{name}");
    }
    let each = judged("stalls");
    assert_eq!((each.outcome, each.numbers.as_str()), (Outcome::Failed, "loop #4 2"));
    assert_eq!(run.summary.stalls[0].loop_name, "loop #4");
}

#[test]
fn a_loop_may_be_called_like_another_with_its_number() {
    let run = named_run_of(&["loop", "loop", "loop #2"], &[1, 80, 1]);
    let names: Vec<&str> = run.summary.loops.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(names, ["loop #1", "loop #2", "loop #2 #3"]);
    assert_eq!(outcome(&run, "loop.loop #2.stalls", Limit::Max(0.0)), Outcome::Failed);
}
