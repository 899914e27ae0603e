//! What-if on recordings of which every nanosecond is known: of loops in a virtual world that takes no time itself.

pub(crate) mod cut;
mod futures;
mod hostile;
mod later;
mod own_time;
pub(crate) mod recorded;

use std::time::Duration;

use loop_probes::event::Event;
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::MemorySource;

use super::{Answer, Changes, Filter, Recorded};
use crate::RerunError;
use recorded::{program, shop};

fn answer(changes: &Changes) -> Answer {
    Recorded::read(&mut shop()).unwrap().what_if(changes, None).unwrap()
}

/// The callbacks that ran, with name, start and end.
fn ran(events: &[Stamped]) -> Vec<(String, u64, u64)> {
    let mut labels = loop_traces::labels::Labels::default();
    events.iter().for_each(|stamped| labels.learn_event(&stamped.event));
    let ran = events.iter().filter_map(|stamped| match stamped.event {
        Event::TaskRan { tag, start, .. } | Event::IoReady { tag, start, .. } => {
            Some((labels.tag(tag).into_owned(), start.as_ns(), stamped.at.as_ns()))
        }
        _ => None,
    });
    ran.collect()
}

fn saved(changes: &Changes) -> Vec<Stamped> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after.looptrace");
    Recorded::read(&mut shop()).unwrap().what_if(changes, Some(&path)).unwrap();
    MemorySource::read(&mut TraceReader::open(&path).unwrap()).unwrap().events().to_vec()
}

#[test]
fn without_a_change_everything_runs_again_in_its_order_and_at_its_time() {
    let (before, after) = (ran(shop().events()), ran(&saved(&Changes::default())));
    let names = |ran: &[(String, u64, u64)]| ran.iter().map(|(name, ..)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));
    assert!(before.len() > 60, "the program does something: {}", before.len());
    for (then, now) in before.iter().zip(&after) {
        // A poll that does not wait takes a nanosecond here and none there.
        assert!(then.1.abs_diff(now.1) < 2_000 && then.2.abs_diff(now.2) < 2_000, "{then:?} came as {now:?}");
    }
}

#[test]
fn without_a_change_both_sides_have_the_same_figures() {
    let answer = answer(&Changes::default());
    let (before, after) = (&answer.before.summary, &answer.after.summary);
    assert_eq!(before.tasks.count, after.tasks.count);
    assert_eq!(before.timers.fired, after.timers.fired);
    // The heap is measured a millisecond after the last measurement: one nanosecond can change what it finds.
    let collected = [before.gc.collect, after.gc.collect].map(|count| count.expect("it has a heap"));
    assert!(collected[0].abs_diff(collected[1]) <= 1, "{collected:?}");
    assert_eq!(before.microtasks.ran, after.microtasks.ran);
    assert_eq!(before.signals, after.signals);
    assert_eq!(answer.before.queue_depth_max, answer.after.queue_depth_max);
    assert!(answer.assumptions.iter().all(|line| !line.starts_with("invented")), "{:?}", answer.assumptions);
}

#[test]
fn a_dropped_tag_never_runs_nor_what_only_it_started() {
    let drop = vec!["request".to_owned()];
    let after = answer(&Changes { drop, ..Changes::default() });
    let tags: Vec<&str> = after.after.summary.tasks.by_tag.iter().map(|tag| tag.tag.as_str()).collect();
    assert!(!tags.contains(&"request") && !tags.contains(&"read"), "{tags:?}");
    assert!(tags.contains(&"beat") && tags.contains(&"posted"), "{tags:?}");
}

#[test]
fn a_scaled_tag_takes_proportionally_long_and_others_wait_accordingly() {
    let of = |answer: &Answer, tag: &str| {
        let tags = &answer.after.summary.tasks.by_tag;
        tags.iter().find(|found| found.tag == tag).unwrap().run_ns.max.unwrap()
    };
    let same = answer(&Changes::default());
    let scale = vec![("slow".to_owned(), 0.25)];
    let faster = answer(&Changes { scale, ..Changes::default() });
    assert_eq!(of(&same, "slow"), 4 * of(&faster, "slow"));
    assert_eq!(of(&same, "beat"), of(&faster, "beat"));
    assert!(faster.after.summary.timers.lag_ns.max < same.after.summary.timers.lag_ns.max);
    assert!(faster.changed.iter().any(|changed| changed.tag == "beat"), "{:?}", faster.changed);
}

#[test]
fn more_workers_take_jobs_sooner() {
    let wait = |workers| {
        let answer = answer(&Changes { workers: Some(workers), ..Changes::default() });
        answer.after.timeline.work.queue_wait_ns.max()
    };
    assert!(wait(1) > wait(2));
    assert_eq!(wait(8), 0);
}

#[test]
fn a_budget_ends_the_passes_and_the_rest_runs_in_later_ticks() {
    let budget = Some(Duration::from_micros(200));
    let (whole, cut) = (answer(&Changes::default()), answer(&Changes { budget, ..Changes::default() }));
    assert!(cut.after.summary.ticks.count > whole.after.summary.ticks.count);
    assert_eq!(cut.after.summary.tasks.count, whole.after.summary.tasks.count);
}

#[test]
fn without_the_collector_nothing_is_collected() {
    let off = answer(&Changes { gc: Some(false), ..Changes::default() });
    assert!(off.before.summary.gc.collect > Some(0));
    assert_eq!(off.after.summary.gc.collect, Some(0));
}

#[test]
fn another_policy_fires_one_timer_a_turn() {
    let policy = Some("quickjs".to_owned());
    let other = answer(&Changes { policy, ..Changes::default() });
    assert_eq!(other.after.summary.source.policy, "quickjs");
    let ticks = &other.after.timeline.ticks.recent;
    assert!(ticks.iter().all(|tick| tick.timers_fired <= 1));
}

#[test]
fn part_of_the_arrivals_is_part_of_the_work() {
    let recorded = Recorded::read(&mut shop()).unwrap();
    assert!(recorded.arrivals() > 5);
    let filter = Filter { arrivals: Some([0].into()), ..Filter::default() };
    let one = recorded.what_if(&Changes { filter, ..Changes::default() }, None).unwrap();
    assert!(one.after.summary.tasks.count < one.before.summary.tasks.count);
    let filter = Filter { window_ns: Some((0, 4_000_000)), ..Filter::default() };
    let short = recorded.what_if(&Changes { filter, ..Changes::default() }, None).unwrap();
    assert!(short.after.summary.span_ns < 9_000_000, "{}", short.after.summary.span_ns);
    let filter = Filter { tags: Some(["beat".to_owned()].into()), ..Filter::default() };
    let beats = recorded.what_if(&Changes { filter, ..Changes::default() }, None).unwrap();
    assert!(beats.after.summary.tasks.by_tag.iter().all(|tag| tag.tag == "beat"));
}

#[test]
fn impossible_changes_are_refused_with_the_possible_ones() {
    let recorded = Recorded::read(&mut shop()).unwrap();
    let refused = |changes: Changes| recorded.what_if(&changes, None).unwrap_err().to_string();
    let message = refused(Changes { drop: vec!["bear".to_owned()], ..Changes::default() });
    assert!(
        message.starts_with("--drop bear: nothing of that tag was recorded; the nearest are beat"),
        "{message}"
    );
    let message = refused(Changes { policy: Some("tokio".to_owned()), ..Changes::default() });
    assert!(message.contains("tokio") && message.contains("quickjs"), "{message}");
    let mut nothing = program(Vec::new());
    assert!(matches!(Recorded::read(&mut nothing), Err(RerunError::NoLoop { .. })));
}

#[test]
fn the_result_can_be_the_recording_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after.looptrace");
    let first = Recorded::read(&mut shop()).unwrap().what_if(&Changes::default(), Some(&path)).unwrap();
    let again = Recorded::read(&mut TraceReader::open(&path).unwrap()).unwrap();
    let second = again.what_if(&Changes::default(), None).unwrap();
    assert_eq!(first.after.summary.tasks.count, second.after.summary.tasks.count);
    assert_eq!(first.after.summary.timers.fired, second.after.summary.timers.fired);
}

#[test]
fn dropped_tasks_are_counted_as_in_the_report() {
    let changes = Changes { drop: vec!["beat".to_owned()], ..Changes::default() };
    let answer = Recorded::read(&mut shop()).unwrap().what_if(&changes, None).unwrap();
    let tags = &answer.before.summary.tasks.by_tag;
    let count = tags.iter().find(|tag| tag.tag == "beat").unwrap().count;
    let message = format!("dropped: beat ({count} times)");
    assert!(
        answer.assumptions.iter().any(|line| line.starts_with(&message)),
        "{message}: {:?}",
        answer.assumptions
    );
}
