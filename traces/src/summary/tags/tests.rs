//! Tags beyond the limit: sums, maxima and bounds include them, and no gate passes because a tag has no figures of its
//! own.

use loop_probes::event::Event;
use loop_probes::event::Outcome as Ended;

use crate::analysis::diff::Run;
use crate::analysis::gate::{Gate, Judgement, Limit, Outcome};
use crate::analysis::metric::Metric;
use crate::summary::Summary;
use crate::synthetic::Script;
use crate::timeline::{StreamEnd, Timeline, TimelineConfig};
use crate::units::count;

/// Summaries of the same run: with figures for each tag, and with figures for only two tags.
fn both(script: &Script) -> (Summary, Summary) {
    let of = |tags_max: usize| {
        let mut timeline = Timeline::new(TimelineConfig { tags_max, ..TimelineConfig::default() });
        timeline.extend(&script.events());
        Summary::new(&script.source(), &timeline)
    };
    (of(1024), of(2))
}

#[test]
fn a_hang_may_hide_a_tag_beyond_the_limit() {
    let script = Script { ticks: 700, ..Script::default() };
    let mut events = script.events();
    let last_start = events.iter().rposition(|stamped| matches!(stamped.event, Event::TickStart { .. }));
    events.truncate(last_start.unwrap() + 1);
    let mut timeline = Timeline::new(TimelineConfig { tags_max: 2, ..TimelineConfig::default() });
    timeline.extend(&events);
    let missing = timeline.missing_with(&timeline.unfinished(StreamEnd::Died));
    let beyond = super::TagsBeyondLimit::of(&timeline, &missing, true);
    for spread in [beyond.run_ns, beyond.queue_wait_ns] {
        assert_eq!(spread.bounds.map(|bounds| bounds.max.hi), Some(None), "{spread:?}");
    }
}

fn judged(summary: &Summary, metric: &str, limit: Limit) -> Judgement {
    let run = Run { name: "few".to_owned(), summary: summary.clone(), metadata: None };
    Gate::new(metric.parse().unwrap(), limit).unwrap().judge(&run).unwrap()
}

#[test]
fn counts_and_maxima_include_tags_beyond_the_limit() {
    let (all, few) = both(&Script { ticks: 700, agenda_workers: 2, ..Script::default() });
    assert_eq!(all.tasks.tags_beyond_limit, super::TagsBeyondLimit::default());
    let (beyond, by_tag) = (&few.tasks.tags_beyond_limit, &few.tasks.by_tag);
    assert!(beyond.tags > 1 && by_tag.len() <= 2);
    let counted: u64 = by_tag.iter().map(|tag| tag.count).sum();
    assert_eq!(counted + beyond.count, few.tasks.count);
    let longest = by_tag.iter().filter_map(|tag| tag.run_ns.max).max().max(beyond.run_ns.max);
    assert_eq!(longest, few.tasks.run_ns.max);
    assert_eq!(few.tasks.queue_wait_ns, all.tasks.queue_wait_ns);
    let page = crate::report::text(&few);
    let line = page.lines().find(|line| line.contains("tags beyond the limit, not distinguished: ")).unwrap();
    assert!(line.contains(" tasks, run max "), "{line}");
    assert!(beyond.run_ns.max > by_tag[0].run_ns.max);
    assert!(page.contains(" · longest: a tag beyond the limit\n"), "{page}");
    let mut other = few.clone();
    other.tasks.tags_beyond_limit.run_ns.max = by_tag[0].run_ns.max;
    assert!(crate::report::text(&other).contains(&format!(" · longest: {}\n", by_tag[0].tag)));
    assert!(!crate::report::text(&all).contains("beyond the limit"));
}

#[test]
fn bounds_over_any_tag_contain_the_true_figure() {
    for script in [
        Script { ticks: 700, ..Script::default() },
        Script { ticks: 700, lost_every: 300, ..Script::default() },
        Script { ticks: 300, seed: 11, tasks_max: 40, ..Script::default() },
    ] {
        let (all, few) = both(&script);
        let (mut exact, mut open) = (0, 0);
        for what in [
            "run.p50",
            "run.p90",
            "run.p99",
            "run.max",
            "run.mean",
            "run.gmean",
            "wait.p50",
            "wait.max",
            "count",
        ] {
            let metric: Metric = format!("task.*.{what}").parse().unwrap();
            let (truth, seen) = (metric.of(&all).unwrap().number, metric.of(&few).unwrap().number);
            let bounds = metric.bounds(&few).unwrap();
            let holds = |value: f64| bounds.low <= value && bounds.high.is_none_or(|high| value <= high);
            assert!(holds(truth) && holds(seen), "{what}: {truth} {seen} {bounds:?}");
            exact += u32::from(!bounds.is_open());
            open += u32::from(bounds.is_open());
            if what.ends_with("max") {
                assert_eq!(truth, seen, "{what}: a maximum is exact whatever the limit");
            }
        }
        assert!(open > 0 && (exact >= 2 || few.lost_records > 0), "{exact} {open}");
    }
}

#[test]
fn a_gate_on_any_tag_allows_for_tags_beyond_the_limit() {
    let (all, few) = both(&Script { ticks: 700, ..Script::default() });
    let longest = all.tasks.run_ns.max.unwrap() as f64;
    let kept = few.tasks.by_tag.iter().filter_map(|tag| tag.run_ns.max).max().unwrap() as f64;
    assert!(kept < longest, "the longest run is of a tag beyond the limit");
    let beyond = few.tasks.tags_beyond_limit.tags;

    let failed = judged(&few, "task.*.run.max", Limit::Max(longest - 1.0));
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(failed.why.unwrap(), format!("the largest is beyond the limit, among {beyond} tags"));
    assert_eq!(judged(&few, "task.*.run.max", Limit::Max(longest)).outcome, Outcome::Held);

    let open = judged(&few, "task.*.run.p50", Limit::Max(longest - 1.0));
    assert_eq!(open.outcome, Outcome::Undecided, "one of them could have run so long each time");
    assert_eq!(open.why.unwrap(), format!("{beyond} tags beyond the limit could overturn it"));
    assert_eq!(judged(&all, "task.*.run.p50", Limit::Max(longest - 1.0)).outcome, Outcome::Held);
    assert_eq!(judged(&few, "task.*.run.p50", Limit::Max(longest)).outcome, Outcome::Held);
}

#[test]
fn a_gate_on_a_tag_beyond_the_limit_says_why_it_is_undecided() {
    let (all, few) = both(&Script { ticks: 700, ..Script::default() });
    let beyond = few.tasks.tags_beyond_limit.tags;
    let names = all.tasks.by_tag.iter().map(|tag| &tag.tag);
    let mut hidden = names.filter(|name| few.tasks.by_tag.iter().all(|tag| tag.tag != **name));
    let name = hidden.next().unwrap();
    for (what, limit) in
        [("run.max", Limit::Max(1.0)), ("count", Limit::Max(0.0)), ("count", Limit::Min(1.0))]
    {
        let judged = judged(&few, &format!("task.{name}.{what}"), limit);
        assert_eq!(judged.outcome, Outcome::Undecided, "{what}");
        let why = judged.why.unwrap();
        assert!(why.contains(&format!("there is no {name:?} among the ")), "{why}");
        assert!(why.ends_with(&format!("{beyond} more are beyond the limit")), "{why}");
    }
    let absent: Metric = "task.Nobody.count".parse().unwrap();
    assert_eq!((absent.of(&all).map(|value| value.number), absent.of(&few)), (Some(0.0), None));
}

#[test]
fn tasks_that_failed_or_panicked_are_counted_for_all_and_for_each_tag() {
    let script = Script { ticks: 300, ..Script::default() };
    let (mut events, mut tasks, mut failed) = (script.events(), 0, 0);
    for stamped in &mut events {
        if let Event::TaskRan { outcome, .. } = &mut stamped.event {
            *outcome = [Ended::Failed, Ended::Panicked, Ended::Done, Ended::Pending][tasks % 4];
            failed += u64::from(tasks % 4 < 2);
            tasks += 1;
        }
    }
    assert!(failed > 20);
    for tags_max in [2, 1024] {
        let mut timeline = Timeline::new(TimelineConfig { tags_max, ..TimelineConfig::default() });
        timeline.extend(&events);
        let summary = Summary::new(&script.source(), &timeline);
        assert_eq!(summary.tasks.failed, Some(failed));
        let of_tags = summary.tasks.by_tag.iter().filter_map(|tag| tag.failed).sum::<u64>();
        assert_eq!(of_tags + summary.tasks.tags_beyond_limit.failed.unwrap_or(0), failed);
        assert!(
            crate::report::text(&summary).contains(&format!("run · {} failed · longest: ", count(failed)))
        );
        assert_eq!(judged(&summary, "tasks.failed", Limit::Max(failed as f64)).outcome, Outcome::Held);
        assert_eq!(judged(&summary, "task.*.failed", Limit::Max(0.0)).outcome, Outcome::Failed);
    }
    for stamped in &mut events {
        if let Event::TaskRan { outcome, .. } = &mut stamped.event {
            *outcome = Ended::Done;
        }
    }
    for (queue_waits_in_part, expected) in [(false, Some(0)), (true, None)] {
        let config = TimelineConfig { queue_waits_in_part, ..TimelineConfig::default() };
        let mut timeline = Timeline::new(config);
        timeline.extend(&events);
        let none = Summary::new(&script.source(), &timeline);
        let outcome = if expected.is_some() { Outcome::Held } else { Outcome::Undecided };
        let judged = judged(&none, "tasks.failed", Limit::Max(0.0));
        assert_eq!((none.tasks.failed, judged.outcome), (expected, outcome));
        assert!(!crate::report::text(&none).contains(" failed · longest"));
    }
}
