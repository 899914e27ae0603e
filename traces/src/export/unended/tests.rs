//! Tests of unfinished work: the exports agree with the timeline, wherever a stream ends.

use loop_probes::event::{Event, Phase};
use loop_probes::ids::Tag;
use proptest::prelude::*;

use super::*;
use crate::synthetic::Script;
use crate::synthetic::strategy::{scripts, with_running};
use crate::timeline::Timeline;

/// Work in progress at the end of `events`: by the exports, and by the timeline.
fn both(events: &[Stamped], timeline: &Timeline) -> [Vec<(SourceId, &'static str, Timestamp)>; 2] {
    let mut unended = Unended::default();
    events.iter().for_each(|stamped| unended.see(stamped));
    let exported = unended.events().filter_map(|stamped| match stamped.event {
        Event::TaskRan { start, .. } => Some((stamped.source, "task", start)),
        Event::Poll { start, .. } => Some((stamped.source, "poll", start)),
        Event::Phase { start, .. } => Some((stamped.source, "phase", start)),
        _ => None,
    });
    let seen = timeline.unfinished_ticks().into_iter().filter_map(|tick| {
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
fn what_is_over_does_not_go_on() {
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
        let mut unended = Unended::default();
        for (at, event) in [(100, Event::TickStart { tick: 1 }), (300, end), (700, running.event(start))] {
            unended.see(&Stamped { at: Timestamp(at), source: SourceId(1), event });
        }
        assert_eq!(unended.events().count(), 0, "{running:?}");
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
        }
    }
}
