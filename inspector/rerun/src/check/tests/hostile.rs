//! Recordings that no loop can produce are refused, not reported as divergences.

use loop_core::Policy;
use loop_probes::event::{Event, PolicyField, Queue};

use super::{check, churn, stamped};
use crate::RerunError;

#[test]
fn a_snapshot_with_an_impossible_policy_is_damaged() {
    let mut events = stamped(&churn::record(Policy::bun(), 3));
    for stamped in &mut events {
        if let Event::SnapshotPolicy { field: PolicyField::Name, .. } = stamped.event {
            continue;
        }
        if let Event::SnapshotPolicy { value, .. } = &mut stamped.event {
            *value = Some(u64::MAX);
        }
    }
    let refused = check(&events).unwrap_err();
    assert!(matches!(refused, RerunError::DamagedPolicy { .. }), "{refused}");
}

/// One event can stand for four billion of anything: that is an error, not a divergence.
#[test]
fn counts_that_no_loop_can_reach_are_refused() {
    let edits: [fn(&mut Event) -> bool; 3] = [
        |event| match event {
            Event::Microtasks { ran, .. } => std::mem::replace(ran, u32::MAX) > 0,
            _ => false,
        },
        |event| match event {
            Event::Poll { ready, .. } => std::mem::replace(ready, u32::MAX) > 0,
            _ => false,
        },
        |event| match event {
            Event::InputBatch { queue: Queue::Concurrent, taken } => std::mem::replace(taken, u32::MAX) > 0,
            _ => false,
        },
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut events = stamped(&churn::record(Policy::bun(), 3));
        assert!(events.iter_mut().any(|stamped| edit(&mut stamped.event)), "edit {number} finds nothing");
        let refused = check(&events).unwrap_err();
        match &refused {
            RerunError::TooMuchWork { events: read, .. } => {
                assert!((1..=events.len() as u64).contains(read), "{refused}");
            }
            RerunError::Damaged { .. } => {}
            _ => panic!("edit {number}: {refused}"),
        }
        assert!(refused.to_string().contains("churn"), "it names the recording: {refused}");
    }
}
