//! A loop that its caller drives turn by turn: what is called between turns is recorded, and done again.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use loop_core::low_level::replay::Flags;
use loop_core::sim::{Sim, SimLoop};
use loop_core::{Builtin, Context, EventLoop, Host, Policy};
use loop_probes::event::{Event, LoopCall};
use loop_probes::recorder::Recorder;
use loop_probes::stamped::Stamped;

use super::{assert_agrees, check, churn, policies, stamped};
use crate::RerunError;

fn recorded(policy: Policy, seed: u64) -> Vec<Stamped> {
    stamped(&churn::record_turns(9, churn::between, policy, seed))
}

fn calls(events: &[Stamped], wanted: LoopCall) -> usize {
    let is_it = |stamped: &&Stamped| matches!(stamped.event, Event::InputCall { call } if call == wanted);
    events.iter().filter(is_it).count()
}

/// As if recorded before calls between turns were: without them, and without the flag that says so.
fn without_calls(mut events: Vec<Stamped>) -> Vec<Stamped> {
    events.retain(|stamped| !matches!(stamped.event, Event::InputCall { .. }));
    for stamped in &mut events {
        if let Event::SnapshotLoop { flags, .. } = &mut stamped.event {
            *flags &= !Flags::SHOWS_CALLS.bits();
        }
    }
    events
}

/// A turn within a time polls no longer than that, which depends on the time and not only on the poll.
#[test]
fn turns_with_a_time_limit_replay_identically() {
    for policy in policies() {
        for seed in 0..8 {
            assert_agrees(&stamped(&churn::record_turns(9, |_, _| {}, policy.clone(), seed)));
        }
    }
}

#[test]
fn what_is_called_between_turns_is_done_again() {
    let all = [
        LoopCall::Microtask,
        LoopCall::Heap,
        LoopCall::Release,
        LoopCall::Drain,
        LoopCall::Turn,
        LoopCall::Tick,
        LoopCall::AutoTick,
    ];
    for policy in policies() {
        let is_mini = policy.name == "mini";
        let mut seen = [0; 7];
        for seed in 0..8 {
            let events = recorded(policy.clone(), seed);
            all.iter().zip(&mut seen).for_each(|(call, seen)| *seen += calls(&events, *call));
            let checked = check(&events).unwrap();
            assert!(checked.agrees(), "{} {seed}: {:#?}", policy.name, checked.divergence);
        }
        for (call, seen) in all.iter().zip(seen) {
            // No heap is measured there.
            assert!(seen > 0 || is_mini && *call == LoopCall::Heap, "{}: no {call}", policy.name);
        }
    }
}

#[test]
fn it_begins_at_any_snapshot_between_turns() {
    for mut policy in policies() {
        policy.snapshot_interval = Duration::from_millis(5);
        let events = recorded(policy, 4);
        let starts =
            events.iter().enumerate().filter(|(_, stamped)| matches!(stamped.event, Event::TickStart { .. }));
        for (start, _) in starts.step_by(40) {
            match check(&events[start..]) {
                Ok(checked) => assert!(checked.agrees(), "from {start}: {:#?}", checked.divergence),
                Err(error) => assert!(matches!(error, RerunError::NoSnapshot { .. }), "{error}"),
            }
        }
    }
}

#[test]
fn a_divergence_between_turns_is_one() {
    for policy in policies() {
        let mut events = recorded(policy, 2);
        // The last one: by then the program has called all there is.
        let timeout = events.iter_mut().rev().find_map(|stamped| match &mut stamped.event {
            Event::Poll { timeout_ns: Some(timeout), .. } if *timeout > 0 => Some(timeout),
            _ => None,
        });
        *timeout.unwrap() += 1;
        assert!(!check(&events).unwrap().agrees());
    }
}

/// Without these records, calls may have queued microtasks, and half a turn looks like a tick.
#[test]
fn a_divergence_of_an_older_recording_proves_nothing() {
    let (mut agree, mut open) = (0, 0);
    for policy in policies() {
        for seed in 0..8 {
            match check(&without_calls(recorded(policy.clone(), seed))) {
                Ok(checked) => {
                    agree += 1;
                    assert!(checked.agrees(), "{} {seed}: {:#?}", policy.name, checked.divergence);
                }
                Err(error) => {
                    open += 1;
                    assert!(matches!(error, RerunError::NotShown { .. }), "{error}");
                }
            }
        }
    }
    assert!(open > 0, "{agree} agree, {open} are open");
}

/// Keeps microtasks of its own, as a script engine does.
struct Scripts(Rc<Cell<u32>>);

impl Host<Builtin> for Scripts {
    fn has_microtasks(&self) -> bool {
        self.0.get() > 0
    }

    fn run_microtask(&mut self, _: &mut Context<'_, Builtin>) -> bool {
        let waiting = self.0.get();
        self.0.set(waiting.saturating_sub(1));
        waiting > 0
    }
}

/// Drives a loop whose host has microtasks, turn by turn, with `between` before each turn.
fn with_scripts(between: impl Fn(&mut SimLoop<Builtin>, &Cell<u32>)) -> Vec<Stamped> {
    let (sim, (recorder, capture), waiting) = (Sim::new(), Recorder::capture(), Rc::default());
    let builder = EventLoop::<Builtin>::builder().recorder(recorder).host(Scripts(Rc::clone(&waiting)));
    let mut event_loop = sim.build(builder);
    event_loop.with(|cx| cx.set_interval(Duration::from_millis(3), Builtin::repeat("beat", |_| ())).unwrap());
    for _ in 0..5 {
        between(&mut event_loop, &waiting);
        event_loop.turn_within(Duration::from_millis(2)).unwrap();
    }
    drop(event_loop);
    stamped(&capture.take())
}

#[test]
fn microtasks_of_a_host_that_are_drained_at_once_are_known() {
    let events = with_scripts(|event_loop, waiting| {
        event_loop.run_callback("script", |_| waiting.set(waiting.get() + 3));
        event_loop.enter();
        event_loop.with(|_| waiting.set(waiting.get() + 2));
        event_loop.exit();
    });
    assert_eq!((calls(&events, LoopCall::HostDrain), calls(&events, LoopCall::HostMicrotasks)), (10, 10));
    assert_agrees(&events);
}

/// They keep the next poll from waiting, and their number is not known before they run.
#[test]
fn microtasks_of_a_host_that_wait_for_a_turn_may_explain_a_divergence() {
    let events = with_scripts(|event_loop, waiting| event_loop.with(|_| waiting.set(2)));
    let error = check(&events).unwrap_err();
    assert!(matches!(error, RerunError::NotShown { .. }), "{error}");
}

/// A run that ends by its condition does not record its end; the loop may be closed right after.
#[test]
fn a_loop_closed_after_a_run_that_ended_by_its_condition_agrees() {
    for policy in policies() {
        // Before the first turn, before a turn, before a poll.
        for calls in 1..9 {
            for futures in 0..2 {
                let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
                let builder = EventLoop::<Builtin>::builder().policy(policy.clone()).recorder(recorder);
                let mut event_loop = sim.build(builder);
                event_loop.with(|cx| {
                    cx.set_interval(Duration::from_millis(2), Builtin::repeat("beat", |_| ())).unwrap();
                });
                let spawn = |_| event_loop.spawn("never", |_| std::future::pending::<()>());
                let _dropped_by_close = (0..futures).map(spawn).collect::<Vec<_>>();
                event_loop.turn().unwrap();
                let mut left = calls;
                let done = || {
                    left -= 1;
                    left == 0
                };
                assert!(event_loop.tick_until(done).unwrap());
                event_loop.close();
                let checked = check(&stamped(&capture.take())).unwrap();
                assert!(checked.agrees(), "{}, {calls} calls: {:#?}", policy.name, checked.divergence);
            }
        }
    }
}
