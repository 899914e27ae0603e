//! Tests the recorder in deterministic simulation: real rings, a real reader and a real writer under a virtual clock,
//! on a disk that fails. After any fault of the recorder, a reader's conclusions from the file must be true.
//!
//! A seed decides everything. `LOOPSCOPE_TEST_SEEDS=1000000 cargo test --release -p loopscope --test end_to_end recorder::` runs a
//! campaign, `LOOPSCOPE_TEST_SEED=4711` repeats one of its seeds, and both together run that many seeds starting from
//! that one.

mod complete;
mod disk;
mod truth;
mod world;

use truth::Truth;
use world::{Plan, World};

/// Seeds in a plain test run.
const SEEDS: u64 = 2_000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn a_recorded_file_is_true_after_any_fault_of_the_recorder() {
    let first = variable("LOOPSCOPE_TEST_SEED");
    let count = variable("LOOPSCOPE_TEST_SEEDS").unwrap_or(if first.is_some() { 1 } else { SEEDS });
    let first = first.unwrap_or(0);
    let seeds = first..first + count;
    let mut seen = Seen::default();
    for seed in seeds {
        let plan = Plan::of(seed);
        let (saved, events) = World::new(&plan).run();
        let truth = Truth::new(&plan, &saved, &events);
        if let Err(wrong) = truth.check() {
            panic!("seed {seed}: {wrong}\n{plan:#?}");
        }
        seen.count(&plan, &truth);
    }
    println!("{count} seeds from {first}: {seen:?}");
    if count >= SEEDS {
        seen.assert_every_situation_occurred();
    }
}

/// How often each situation occurred, to notice plans that no longer have an effect.
#[derive(Debug, Default)]
struct Seen {
    killed: u64,
    full: u64,
    lost: u64,
    whole: u64,
    headless: u64,
    stalls: u64,
    complete: u64,
    drain_died: u64,
    sync_failed: u64,
}

impl Seen {
    fn count(&mut self, plan: &Plan, truth: &Truth<'_>) {
        self.killed += u64::from(plan.kill_at.is_some() || plan.disk.dies_at_byte.is_some());
        self.full += u64::from(truth.failed());
        self.lost += u64::from(truth.lost());
        self.whole += u64::from(truth.is_whole());
        self.headless += u64::from(truth.is_headless());
        self.stalls += u64::from(truth.has_stall());
        self.complete += u64::from(truth.is_complete());
        self.drain_died += u64::from(plan.drain_dies_at.is_some());
        self.sync_failed += u64::from(plan.disk.sync_fails && !truth.failed());
    }

    fn assert_every_situation_occurred(&self) {
        for (what, count) in [
            ("killed", self.killed),
            ("full disk", self.full),
            ("lost records", self.lost),
            ("whole", self.whole),
            ("killed before the header", self.headless),
            ("stalls", self.stalls),
            ("complete", self.complete),
            ("the draining thread alone killed", self.drain_died),
            ("failing syncs", self.sync_failed),
        ] {
            assert!(count > 3, "{what}: {self:?}");
        }
    }
}
