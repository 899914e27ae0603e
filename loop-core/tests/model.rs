//! Runs random programs under virtual time, under every policy, and compares the loop with a model that is
//! small enough to be verified by reading. `LOOPSCOPE_PROGRAMS` sets the number of programs per policy.

mod program;
mod real;
mod reference;

use loop_core::Policy;
use loop_core::policy::{DrainRule, ExitRule};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::invariants;
use program::{ExternalEvent, Program, any_program};
use real::Running;
use reference::{Ended, Model};

/// Programs per policy unless the environment sets another number.
const PROGRAMS: u32 = 150;

/// When to stop a loop that might not end without it: an unreleased reference keeps it alive.
const LAST_STOP_MS: u64 = 1_000;

/// Runs `program` on the loop and on the model, and compares the two after each run.
fn compare(policy: &Policy, program: &Program) -> Result<(), TestCaseError> {
    let mut program = program.clone();
    let needs_stop = policy.exit == ExitRule::OnlyStopped || policy.poll_timeout_default.is_some();
    if needs_stop {
        program.world.push((LAST_STOP_MS, ExternalEvent::Stop));
    }
    let mut model = Model::new(policy.clone(), &program);
    let mut running = Running::new(policy.clone(), &program);
    loop {
        let (expected, ended) = (model.run(), running.run());
        prop_assert_eq!(running.log(), &*model.log);
        prop_assert_eq!(ended, expected);
        prop_assert_eq!(running.alive(), model.alive());
        let is_over = needs_stop && model.elapsed_ms() >= LAST_STOP_MS;
        if ended != Ended::Stopped || is_over {
            break;
        }
    }
    invariants::check(&running.record());
    Ok(())
}

fn programs_run_as_in_the_model(policy: &Policy) {
    let asked = std::env::var("LOOPSCOPE_PROGRAMS").ok();
    let cases = asked.map_or(PROGRAMS, |count| count.parse().expect("LOOPSCOPE_PROGRAMS is a number"));
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30_000,
        ..ProptestConfig::default()
    };
    let ran = TestRunner::new(config).run(&any_program(), |program| compare(policy, &program));
    ran.unwrap_or_else(|error| panic!("policy {}: {error}", policy.name));
}

#[test]
fn random_programs_under_bun() {
    programs_run_as_in_the_model(&Policy::bun());
}

#[test]
fn random_programs_under_quickjs() {
    programs_run_as_in_the_model(&Policy::quickjs());
}

#[test]
fn random_programs_under_agenda() {
    programs_run_as_in_the_model(&Policy::agenda());
}

#[test]
fn random_programs_under_mini() {
    programs_run_as_in_the_model(&Policy::mini());
}

#[test]
fn random_programs_under_a_policy_of_ones_own() {
    programs_run_as_in_the_model(&crate::kit::policy(|policy| {
        policy.drain = DrainRule::AfterEveryPass;
        policy.tasks_per_tick = 3;
        policy.microtasks_per_checkpoint = Some(2);
    }));
}
