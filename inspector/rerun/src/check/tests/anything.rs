//! Programs that do anything that a loop offers, at random, under random policies: each is decided again, also from
//! its middle on, and if its recording ends anywhere.

mod future;
mod program;

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use loop_core::Policy;
use loop_core::policy::{DrainRule, ExitRule, PanicRule, PollRule, SignalRule, SourceRule, TimerRule};
use loop_probes::event::Event;

use super::{check, policies, stamped};
use crate::RerunError;

/// How often something was done.
type Counts = BTreeMap<&'static str, u64>;

fn policy(dice: &mut Rng) -> Policy {
    let base = dice.choice(policies()).unwrap();
    let mut policy = base;
    let mut is = |percent| dice.u32(..100) < percent;
    for (percent, change) in [
        (20, (|policy| policy.drain = DrainRule::AfterEveryPass) as fn(&mut Policy)),
        (20, |policy| policy.timers = TimerRule::OnePerTurn),
        (20, |policy| policy.signals = SignalRule::OnePerTurn),
        (20, |policy| policy.sources = SourceRule::OnePerTurn),
        (10, |policy| policy.exit = ExitRule::OnlyStopped),
        (10, |policy| policy.poll = PollRule::WhenNoTask),
        (10, |policy| policy.panics = PanicRule::Stop),
        (20, |policy| policy.tasks_per_tick = 3),
        (20, |policy| policy.microtasks_per_checkpoint = Some(2)),
        (10, |policy| policy.task_time_per_tick = Some(Duration::from_micros(200))),
        (10, |policy| policy.poll_gap = Duration::from_micros(700)),
        (10, |policy| policy.jobs_per_read = Some(1)),
        (10, |policy| policy.sources_max = Some(1)),
        (20, |policy| policy.gc.enabled = false),
        (70, |policy| policy.snapshot_interval = Duration::from_millis(5)),
    ] {
        let before = policy.clone();
        if is(percent) {
            change(&mut policy);
        }
        if policy.check().is_err() {
            policy = before;
        }
    }
    policy
}

/// Checks the programs of these seeds; the number of checks that agree.
#[track_caller]
fn agree(seeds: std::ops::Range<u64>) -> u64 {
    let (mut done, mut agree, mut wrong) = (Counts::new(), 0, Vec::new());
    for seed in seeds {
        let mut dice = Rng::with_seed(seed);
        let policy = policy(&mut dice);
        let events = stamped(&program::recorded(&policy, dice.fork(), &mut done));
        let is_start = |at: &usize| matches!(events[*at].event, Event::TickStart { .. });
        let starts: Vec<usize> = (0..events.len()).filter(is_start).collect();
        for (from_start, to_end) in [(true, true), (false, true), (true, false), (false, false)] {
            let start = if from_start { 0 } else { dice.choice(&starts).copied().unwrap_or(0) };
            let end = if to_end { events.len() } else { dice.usize(start..=events.len()) };
            match check(&events[start..end]) {
                Ok(checked) if checked.agrees() => agree += 1,
                Ok(checked) => {
                    let what = checked.divergence.map(|it| (it.recorded, it.happened));
                    wrong.push(format!("seed {seed}, {start}..{end}, {:?}: {what:?}", policy.poll));
                }
                Err(
                    RerunError::NoLoop { .. }
                    | RerunError::Foreign { .. }
                    | RerunError::NoSnapshot { .. }
                    | RerunError::NoWholeTick { .. },
                ) => {}
                Err(error) => panic!("seed {seed}, {start}..{end}: {error}"),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), wrong.len() as u64 + agree);
    assert!(done.len() > 40, "{done:?}");
    agree
}

#[test]
fn whatever_a_program_does_is_decided_again() {
    let agree = agree(0..400);
    assert!(agree > 300, "{agree} checks");
}
