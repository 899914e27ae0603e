//! Tests of unfinished work in exports, which only follow a stream: they agree with the fold, at every cut.

use loop_probes::event::{Event, Outcome, Phase, PollReason};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use proptest::prelude::*;

use crate::synthetic::Script;
use crate::synthetic::strategy::{scripts, with_running};
use crate::timeline::{StreamEnd, Timeline, TimelineConfig};

/// What an export shows as unfinished at the end of `events`.
fn exported(events: &[Stamped]) -> Vec<Stamped> {
    let mut timeline = Timeline::new(TimelineConfig::followed(&Metadata::new("test")));
    events.iter().for_each(|stamped| timeline.follow(stamped));
    timeline.unfinished_events(StreamEnd::Known)
}

/// Work in progress at the end of `events`: by the exports, and by the fold.
fn both(events: &[Stamped], timeline: &Timeline) -> [Vec<(SourceId, &'static str, Timestamp)>; 2] {
    let exported = exported(events).into_iter().filter_map(|stamped| match stamped.event {
        Event::TaskRan { start, .. } => Some((stamped.source, "task", start)),
        Event::Poll { start, .. } => Some((stamped.source, "poll", start)),
        Event::Phase { start, .. } => Some((stamped.source, "phase", start)),
        _ => None,
    });
    let mut ticks = timeline.unfinished_ticks();
    ticks.sort_by_key(|tick| tick.source);
    let seen = ticks.into_iter().filter_map(|tick| {
        let (running, since) = tick.running?;
        let what = match running {
            Running::Task { .. } => "task",
            Running::Poll { .. } => "poll",
            Running::Phase(_) => "phase",
            Running::Outside => return None,
        };
        Some((tick.source, what, since))
    });
    [exported.collect(), seen.collect()]
}

#[test]
fn finished_work_is_not_exported_as_unfinished() {
    let start = Timestamp(110);
    let task = TaskId(1);
    let tag = Tag(0);
    for (end, running) in [
        (
            Event::TaskRan { task, tag, outcome: Outcome::Done, queued: start, start },
            Running::Task { task, tag },
        ),
        (
            Event::Poll { reason: PollReason::Idle, ready: 0, timeout_ns: None, start },
            Running::Poll { deadline: None },
        ),
        (Event::Phase { phase: Phase::Gc, start }, Running::Phase(Phase::Gc)),
    ] {
        let events = [(100, Event::TickStart { tick: 1 }), (300, end), (700, running.event(start))]
            .map(|(at, event)| Stamped { at: Timestamp(at), source: SourceId(1), event });
        assert_eq!(exported(&events), [], "{running:?}");
    }
}

#[test]
fn activity_up_to_a_loss_at_the_end_is_exported() {
    let (source, task, tag) = (SourceId(1), TaskId(1), Tag(0));
    let at = |at, event| Stamped { at: Timestamp(at), source, event };
    let hangs = Running::Task { task, tag }.event(Timestamp(110));
    let lost = Event::Lost { count: 7, from: Timestamp(700) };
    let begun = [at(100, Event::TickStart { tick: 1 }), at(700, hangs), at(900, lost)];
    let ran = Event::TaskRan {
        task,
        tag,
        outcome: Outcome::Pending,
        queued: Timestamp(110),
        start: Timestamp(110),
    };
    let ended = Event::TickEnd { tick: 1, tasks_run: 0, start: Timestamp(100) };
    for (after, known) in [
        (&[][..], &[at(700, ran), at(700, ended)][..]),
        (&[at(950, lost)], &[at(700, ran), at(700, ended)]),
        (&[at(950, Event::Mark { label: loop_probes::ids::LabelId(1) })], &[]),
        (&[at(950, hangs)], &[]),
    ] {
        assert_eq!(exported(&[&begun[..], after].concat()), known, "{after:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn exports_show_what_the_timeline_says(script in scripts(), every in 1usize..9) {
        // A tick with lost records may have an unknown start, and has no slice.
        let script = Script { lost_every: 0, ..script };
        let events = with_running(&script.events(), every);
        let mut timeline = Timeline::of(&script.metadata());
        for place in 0..events.len().min(400) {
            timeline.extend([&events[place]]);
            let [exported, seen] = both(&events[..=place], &timeline);
            prop_assert_eq!(exported, seen, "up to {}", place);
            if place % 7 == 0 {
                let Stamped { at, source, .. } = events[place];
                let lost = Stamped { at, source, event: Event::Lost { count: 3, from: at } };
                let mut cut = timeline.clone();
                cut.extend([&lost]);
                let [exported, seen] = both(&[&events[..=place], &[lost]].concat(), &cut);
                prop_assert_eq!(exported, seen, "lost after {}", place);
            }
        }
    }
}
