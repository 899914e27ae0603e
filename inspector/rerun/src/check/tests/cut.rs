//! A recording cut off anywhere is checked up to its last whole tick.

use loop_probes::event::Event;
use loop_probes::stamped::Stamped;

use super::{check, churn, policies, stamped};
use crate::RerunError;

/// The last whole tick, and the one that began after it.
fn ends(events: &[Stamped]) -> (Option<u64>, Option<u64>) {
    let mut ends = (None, None);
    for Stamped { event, .. } in events {
        match *event {
            Event::TickStart { tick } => ends.1 = Some(tick),
            Event::TickEnd { tick, .. } => ends = (Some(tick), None),
            _ => {}
        }
    }
    ends
}

#[track_caller]
fn assert_agrees_up_to_its_last_whole_tick(events: &[Stamped], at: &str) {
    match check(events) {
        Ok(checked) => {
            let (last, open) = ends(events);
            assert!(checked.agrees(), "{at}: {:#?}", checked.divergence);
            assert_eq!((Some(checked.seen.last_tick), checked.cut_in), (last, open), "{at}");
        }
        Err(
            RerunError::NoWholeTick { .. }
            | RerunError::NoLoop { .. }
            | RerunError::NoSnapshot { .. }
            | RerunError::Foreign { .. },
        ) => {}
        Err(error) => panic!("{at}: {error}"),
    }
}

#[test]
fn a_recording_cut_anywhere_agrees_up_to_its_last_whole_tick() {
    for (seed, policy) in policies().into_iter().enumerate() {
        let name = policy.name.clone();
        let events = stamped(&churn::record(policy, seed as u64));
        // Every position at the beginning, then one per stride, which differs between policies.
        let places = (0..events.len()).filter(|cut| *cut < 400 || cut % 97 == seed);
        for cut in places {
            assert_agrees_up_to_its_last_whole_tick(&events[..cut], &format!("{name} cut at {cut}"));
        }
    }
}
