//! Checks over thousands of simulated comparisons that false alarms stay within the promised rate and real changes are
//! found.

use fastrand::Rng;

use super::super::tests::{Imagined, run};
use super::*;
use crate::analysis::diff::speed::TASKS_MIN;
use crate::analysis::diff::{ALPHA, PRIMARIES, weights};
use crate::analysis::statistics::{holm, rank_test};

const TAGS: usize = 10;

/// A machine whose speed changes between runs, and tags that each follow it in their own way.
struct Machine {
    random: Rng,
    /// Additional scatter of the runs, as a share.
    noise: f64,
    /// The speed of the slow regime relative to the fast one.
    regimes: f64,
}

impl Machine {
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0
    }

    fn run(&mut self, scaled: Option<(usize, f64)>) -> Run {
        let slow = if self.random.bool() { self.regimes.ln() } else { 0.0 };
        let speed = slow + 0.1 * self.normal();
        let tags = (0..TAGS).map(|tag| {
            let follows = 0.5 + tag as f64 / TAGS as f64;
            let scale = scaled.filter(|(place, _)| *place == tag).map_or(1.0, |(_, factor)| factor);
            let noise = self.noise * self.normal();
            2_000.0 * (1 + tag) as f64 * (follows * speed + noise).exp() * scale
        });
        let tags = tags.collect();
        let lag_ns = 1e6 * (speed + self.normal()).exp();
        let stalled_ns =
            if self.random.u32(..10) == 0 { 12e6 * (speed + 0.2 * self.normal()).exp() } else { 0.0 };
        run(&Imagined { tags, lag_ns, tick_ns: 80_000.0, stalled_ns })
    }

    fn side(&mut self, scaled: Option<(usize, f64)>) -> Vec<Run> {
        (0..5).map(|_| self.run(scaled)).collect()
    }
}

/// The p-values of the default primaries.
fn p_values(base: &[Run], candidate: &[Run]) -> (String, Vec<f64>) {
    let mut named = String::new();
    let p_of = |metric: &str| {
        let metric: Metric = metric.parse().unwrap();
        let speed = Speed::of(base, candidate);
        if metric.is_of_any() {
            let found = found(&metric, base, candidate, &speed);
            let (first, p) = ranked(found, Splits::new(base.len(), candidate.len()), 0.05).remove(0);
            named = first.name;
            return p;
        }
        let sides = Sides::of(&metric, base, candidate, &speed);
        rank_test(&sides.base, &sides.candidate)
    };
    let all = PRIMARIES.map(p_of).to_vec();
    (named, all)
}

/// Which of the default primaries are significant.
fn significant(p_values: &[f64]) -> Vec<bool> {
    let weights = weights(&[true, false, false], Splits::new(5, 5));
    holm(&p_values.iter().copied().zip(weights).collect::<Vec<_>>(), ALPHA)
}

/// False alarms in `comparisons` comparisons of equals, before the floor and the interval are applied.
fn alarms(mut machine: Machine, comparisons: u32) -> u32 {
    let mut alarms = 0;
    for _ in 0..comparisons {
        let (_, p) = p_values(&machine.side(None), &machine.side(None));
        alarms += u32::from(significant(&p).contains(&true));
    }
    alarms
}

#[test]
fn equals_raise_an_alarm_in_one_comparison_of_twenty_at_most() {
    for (seed, noise, regimes) in [(1, 0.05, 1.0), (2, 0.1, 3.0), (3, 0.3, 1.2)] {
        let comparisons = 400;
        let alarms = alarms(Machine { random: Rng::with_seed(seed), noise, regimes }, comparisons);
        println!("noise {noise}, regimes {regimes}: {alarms} alarms in {comparisons}");
        // 5% of 400 are 20, and everything is seeded: the count is the same everywhere.
        assert!(alarms <= 20, "{alarms} alarms in {comparisons}");
    }
}

#[test]
fn one_tag_that_is_slower_by_a_third_is_found_and_named() {
    for (seed, noise, regimes, least) in [(4, 0.03, 1.0, 98), (5, 0.05, 3.0, 50), (6, 0.07, 1.5, 50)] {
        let mut machine = Machine { random: Rng::with_seed(seed), noise, regimes };
        let mut found = 0;
        for comparison in 0..100 {
            let tag = comparison % TAGS;
            let (named, p) = p_values(&machine.side(None), &machine.side(Some((tag, 1.3))));
            found += u32::from(significant(&p)[0] && named == format!("tag {tag}"));
        }
        println!("noise {noise}, regimes {regimes}: found in {found} of 100");
        assert!(found >= least, "found in {found} of 100 at noise {noise}, regimes {regimes}");
    }
}

#[test]
fn a_build_in_which_everything_is_slower_does_not_pass_for_a_slow_machine() {
    let mut machine = Machine { random: Rng::with_seed(7), noise: 0.05, regimes: 1.0 };
    let base = machine.side(None);
    let mut candidate = machine.side(None);
    for run in &mut candidate {
        for tag in &mut run.summary.tasks.by_tag {
            tag.run_ns.gmean = tag.run_ns.gmean.map(|ns| ns * 2);
        }
    }
    let (named, p) = p_values(&base, &candidate);
    assert_eq!(named, EVERY_TAG);
    assert!(significant(&p)[0], "{p:?}");
}

#[test]
fn rare_tags_and_few_tags_are_no_trouble() {
    let mut machine = Machine { random: Rng::with_seed(8), noise: 0.05, regimes: 1.0 };
    let (mut base, candidate) = (machine.side(None), machine.side(None));
    let metric: Metric = "task.*.run.gmean".parse().unwrap();
    base[2].summary.tasks.by_tag[0].count = TASKS_MIN - 1;
    base[3].summary.tasks.by_tag.remove(1);
    let many = |base: &[Run]| Many::of(&metric, base, &candidate, &Speed::of(base, &candidate), 0.05);
    assert_eq!(many(&base).compared, TAGS - 2);
    for run in &mut base {
        run.summary.tasks.by_tag.truncate(2);
    }
    assert!(Speed::of(&base, &candidate).range().is_none());
    for run in &mut base {
        run.summary.tasks.by_tag.clear();
    }
    assert!(many(&base).ones.is_empty());
}
