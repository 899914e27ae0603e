//! Tests of unfinished work at every cut of long streams, where it must never exceed what the rest of the stream shows.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::synthetic::strategy::{scripts, with_running};

/// The actual durations, from the whole stream, of work that is unfinished in a part of it.
#[derive(Default)]
struct Truth {
    ticks: BTreeMap<u64, [u64; 2]>,
    tasks: BTreeMap<TaskId, u64>,
    waits: BTreeMap<TaskId, u64>,
}

impl Truth {
    fn of(events: &[Stamped], whole: &Timeline) -> Self {
        let mut truth = Self::default();
        let mut fired = BTreeMap::new();
        for Stamped { at, event, .. } in events {
            if let Event::TaskRan { task, queued, start, .. } = *event {
                truth.waits.insert(task, start.ns_since(queued));
            }
            match *event {
                Event::TimerFired { task, .. } => _ = fired.insert(task, *at),
                Event::TaskRan { task, start, .. } | Event::IoReady { task, start, .. } => {
                    // A timer's task runs from when the timer fired.
                    let start = fired.get(&task).copied().unwrap_or(start);
                    truth.tasks.insert(task, at.ns_since(start));
                }
                _ => {}
            }
        }
        let complete = whole.ticks.recent.iter().filter(|tick| !tick.incomplete);
        truth.ticks = complete.map(|tick| (tick.tick, [tick.busy_ns, tick.poll_wait_ns])).collect();
        truth
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_lower_bound_holds_at_every_cut(script in scripts(), every in 1usize..9) {
        let events = with_running(&script.events(), every);
        let fold = |events: &[Stamped]| {
            let mut timeline = Timeline::of(&script.metadata());
            timeline.extend(events);
            timeline
        };
        let truth = Truth::of(&events, &fold(&events));
        let mut cut = Timeline::of(&script.metadata());
        for stamped in &events {
            cut.extend([stamped]);
            for tick in cut.unfinished_ticks() {
                prop_assert_eq!(tick.busy_ns + tick.poll_wait_ns, tick.as_of.ns_since(tick.start));
                prop_assert_eq!(cut.blame_unfinished(&tick).total_ns, tick.busy_ns);
                if let Some([busy_ns, poll_wait_ns]) = tick.tick.and_then(|tick| truth.ticks.get(&tick)) {
                    prop_assert!(tick.busy_ns <= *busy_ns, "{:?} {}", tick, busy_ns);
                    prop_assert!(tick.poll_wait_ns <= *poll_wait_ns, "{:?} {}", tick, poll_wait_ns);
                }
            }
            for task in cut.waiting_tasks() {
                if let Some(waited_ns) = truth.waits.get(&task.task) {
                    prop_assert!(task.queue_wait_ns() <= *waited_ns, "{:?} {}", task, waited_ns);
                }
            }
            for task in cut.running_tasks() {
                if let Some(run_ns) = truth.tasks.get(&task.task) {
                    prop_assert!(task.run_ns() <= *run_ns, "{:?} {}", task, run_ns);
                }
            }
        }
    }

    /// Finished work is recorded at its end: earlier samples of it change no figure.
    #[test]
    fn where_everything_has_ended_it_adds_nothing(script in scripts(), every in 1usize..9) {
        let events = script.events();
        let mut plain = Timeline::of(&script.metadata());
        plain.extend(&events);
        // The end of a tick may have been lost.
        prop_assume!(plain.unfinished(StreamEnd::Known).ticks.is_empty());
        let mut said = Timeline::of(&script.metadata());
        said.extend(&with_running(&events, every));
        let figures = |timeline: &Timeline| {
            let summary = crate::summary::Summary::new(&script.source(), timeline);
            serde_json::to_value(&summary).unwrap()
        };
        prop_assert_eq!(figures(&said), figures(&plain));
    }
}
