//! What the book lists as compared is compared, and what it lists as input is not: each field of each event is edited.

use std::collections::BTreeSet;

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;

use super::{churn, is_found, policies, stamped};

/// Input fields, those measured by the record clock, and the number of tasks in a tick, which are compared one by one. All
/// others are compared.
const INPUT: &[&str] = &[
    "callback_ran.label",
    "callback_ran.start",
    "deferred_ran.start",
    "exception.message",
    "gc_ran.start",
    "immediates.start",
    "io_modified.interest",
    "io_ready.readiness",
    "io_ready.source",
    "io_ready.start",
    "microtasks.start",
    "poll.start",
    "signal_arrived.arrived",
    "signal_delivered.arrived",
    "snapshot_loop.concurrent",
    "task_queued.queued",
    "task_ran.outcome",
    "task_ran.queued",
    "task_ran.start",
    "tick_end.start",
    "tick_end.tasks_run",
    "work_queued.depth",
];

/// The numbers of ticks: one that does not continue those before it shows that records are missing.
const HOLES: [&str; 2] = ["tick_end.tick", "tick_start.tick"];

/// How many times a field is edited, at different positions, until an edit is found: at most, for an input and for any
/// other field. A deadline or a key that is off by one rarely makes a difference.
const TRIES: [usize; 2] = [6, 60];

/// The fields in which two events differ.
fn changed(one: Event, other: Event) -> Vec<String> {
    let fields = |event: Event| {
        let mut fields = Vec::new();
        event.each_field(|name, value| fields.push((name, format!("{value:?}"))));
        fields
    };
    let (one_fields, other_fields) = (fields(one), fields(other));
    let pairs = one_fields.into_iter().zip(other_fields).filter(|(one, other)| one != other);
    pairs.map(|((name, _), _)| format!("{}.{name}", one.name())).collect()
}

#[test]
fn each_field_is_compared_or_input() {
    let (mut tried, mut caught) = (std::collections::BTreeMap::new(), BTreeSet::new());
    for policy in policies().into_iter().take(3) {
        let events = stamped(&churn::record(policy, 5));
        // No event here is part of the start.
        for place in events.len() / 6..events.len() * 9 / 10 {
            let stamped = events[place];
            if !super::super::compared::is_compared(&stamped.event) {
                continue;
            }
            let fields = stamped.event.to_fields(stamped.at);
            for word in 0..fields.len {
                let mut edited = fields;
                edited.words[word] ^= 1;
                let event = Event::<Timestamp>::from_fields(stamped.event.code(), stamped.at, &edited);
                let Ok(event) = event else { continue };
                let Ok([name]) = <[String; 1]>::try_from(changed(stamped.event, event)) else { continue };
                let count = tried.entry(name.clone()).or_insert(0);
                if *count >= TRIES[usize::from(!INPUT.contains(&name.as_str()))] || caught.contains(&name) {
                    continue;
                }
                *count += 1;
                let mut events = events.clone();
                events[place].event = event;
                if is_found(&events) {
                    caught.insert(name);
                }
            }
        }
    }
    let never: Vec<&str> = tried.keys().map(String::as_str).filter(|name| !caught.contains(*name)).collect();
    // An edited input that changes a decision is found.
    let unlisted: Vec<&&str> =
        never.iter().filter(|name| !INPUT.contains(name) && !HOLES.contains(name)).collect();
    assert!(unlisted.is_empty() && never.contains(&"task_ran.outcome"), "{unlisted:?}");
}
