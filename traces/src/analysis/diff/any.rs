//! The metric that is many: did the tasks of *any* tag become slower, and which?
//!
//! A test for each tag would need a p-value so small that five runs a side never reach it. So there is one test for all
//! of them (Westfall & Young 1993): of every split of the runs into two sides, the tag with the largest shift; the real
//! split is significant where hardly another one has any tag with as large a shift. The tag that has it is named.
//!
//! Shifts are measured against the scatter of the runs plus a constant, what does not matter (Tusher, Tibshirani &
//! Chu 2001), so that a tag that never scatters does not win by a shift of nothing.
//!
//! **The machine's speed.** Between two runs a processor may be three times as fast: then every tag is faster, each by
//! a factor of its own. So the shift of a tag is the one that is left when what all *other* tags have in common in
//! each run is accounted for (analysis of covariance; the same for every split, so that the test stays exact). The
//! common part itself is judged as one more tag, [`EVERY_TAG`]: a build in which everything became slower does not go
//! unnoticed.

use std::collections::BTreeSet;

use super::Run;
use super::effect::{Effect, Sides};
use crate::analysis::metric::Metric;
use crate::analysis::statistics::splits::Splits;
use crate::analysis::statistics::{at_least, mean, median, rank_test};

/// The name of what all tags have in common.
pub const EVERY_TAG: &str = "every tag";

/// Tasks of a tag in each run, at least: fewer have no middle.
pub const TASKS_MIN: f64 = 20.0;

/// Tags, at least, to tell a slower machine from a slower tag.
const TAGS_MIN: usize = 4;

/// Runs, at least, to fit how a tag follows what is common.
const RUNS_MIN: usize = 6;

/// A scatter of the common part (2%) that may be chance: nothing is made to follow it.
const STEADY: f64 = 0.02;

/// By how much runs are moved, to the least and to the most.
type Moved = [Vec<f64>; 2];

/// One of many.
#[derive(Clone, Debug)]
struct One {
    name: String,
    /// What was measured; of what all have in common nothing was.
    sides: Option<Sides>,
    fit: Covariance,
    /// By how much lost records may have moved it in each run, to the least and to the most.
    open: Option<Moved>,
}

/// What became of all of them.
#[derive(Clone, Debug)]
pub(crate) struct Most {
    /// Whose shift is the largest.
    pub(crate) name: String,
    pub(crate) effect: Effect,
    pub(crate) p: f64,
    /// Others whose shift is significant where its own p-value is at most this, the largest shift first.
    pub(crate) others: Vec<(String, Effect, f64)>,
    /// Every interval lies within the margin.
    pub(crate) all_within: bool,
    /// And would whatever the lost records had held.
    pub(crate) all_within_whatever_was_lost: bool,
    /// How many there are.
    pub(crate) compared: usize,
}

/// All of one metric of any.
#[derive(Clone, Debug)]
pub struct Many {
    ones: Vec<One>,
    base_runs: usize,
    candidate_runs: usize,
    speed: Vec<f64>,
    /// In each run, the most of all that lost records may have moved.
    open: Option<Moved>,
}

impl Many {
    /// The run times of all tags: what tells the machine's speed.
    pub(super) fn of(base: &[Run], candidate: &[Run]) -> Self {
        let metric = "task.*.run.gmean".parse::<Metric>();
        metric.map_or_else(|_| Self::none(), |metric| Self::of_metric(&metric, base, candidate))
    }

    const fn none() -> Self {
        Self { ones: Vec::new(), base_runs: 0, candidate_runs: 0, speed: Vec::new(), open: None }
    }

    /// All that `metric` is the largest of, in every run.
    pub(crate) fn of_metric(metric: &Metric, base: &[Run], candidate: &[Run]) -> Self {
        let runs = base.len() + candidate.len();
        let each: BTreeSet<String> = base
            .iter()
            .chain(candidate)
            .flat_map(|run| metric.each(&run.summary))
            .map(|metric| metric.to_string())
            .collect();
        let each = each.iter().filter_map(|name| name.parse::<Metric>().ok());
        let frequent = each.filter(|metric| base.iter().chain(candidate).all(|run| is_frequent(metric, run)));
        let whole = frequent.filter_map(|metric| {
            let sides = Sides::of(&metric, base, candidate);
            let ends = sides.ends(&metric, base, candidate);
            let open = ends.map(|ends| ends.map(|end| sides.moved_to(&end)));
            // A value is missing in a run, or cannot be compared as a ratio.
            let whole = sides.base.len() + sides.candidate.len() == runs && sides.is_ratio;
            whole.then(|| ((metric.whose().unwrap_or_default().to_owned(), open), sides))
        });
        let (names, sides): (Vec<(String, Option<Moved>)>, Vec<Sides>) = whole.unzip();
        let widest = names.iter().filter_map(|(_, open)| open.clone()).reduce(wider);
        let columns: Vec<Vec<f64>> = sides.iter().map(|sides| centred(&sides.scaled().concat())).collect();
        let speed: Vec<f64> = match columns.len() {
            0..TAGS_MIN => Vec::new(),
            _ => (0..runs).filter_map(|run| common(&columns, run, None)).collect(),
        };
        let mut ones = Vec::with_capacity(names.len() + 1);
        for (place, ((name, open), sides)) in names.into_iter().zip(sides).enumerate() {
            let others = (columns.len() >= TAGS_MIN && runs >= RUNS_MIN)
                .then(|| (0..runs).filter_map(|run| common(&columns, run, Some(place))).collect());
            ones.push(One { name, sides: Some(sides), fit: Covariance::new(&columns[place], others), open });
        }
        if !speed.is_empty() {
            let fit = Covariance::new(&speed, None);
            ones.push(One { name: EVERY_TAG.to_owned(), sides: None, fit, open: widest.clone() });
        }
        Self { ones, base_runs: base.len(), candidate_runs: candidate.len(), speed, open: widest }
    }

    /// The slowest run over the fastest, by what all have in common.
    pub(super) fn machine_speed(&self) -> Option<f64> {
        let most = self.speed.iter().copied().max_by(f64::total_cmp)?;
        let least = self.speed.iter().copied().min_by(f64::total_cmp)?;
        Some((most - least).exp())
    }

    /// All of them, the largest shift first, each with its p-value among all.
    fn ranked(&self, margin: f64) -> Vec<Ranked> {
        let real: Vec<usize> = (self.base_runs..self.base_runs + self.candidate_runs).collect();
        let own: Vec<Shift> = self.ones.iter().map(|one| one.fit.shift(&real)).collect();
        // Counted for all of them over one pass: against each stands the largest of each split.
        let mut largest = Vec::new();
        Splits::new(self.base_runs, self.candidate_runs).each(|split| {
            let all = self.ones.iter().map(|one| one.fit.shift(split).in_scatters(margin));
            largest.push(all.fold(0.0, f64::max));
        });
        let ranked = own.into_iter().enumerate().map(|(place, shift)| {
            let least = at_least(shift.in_scatters(margin));
            let extreme = largest.iter().filter(|largest| **largest >= least).count();
            Ranked { place, shift, p: extreme as f64 / largest.len() as f64 }
        });
        let mut ranked: Vec<Ranked> = ranked.collect();
        ranked.sort_by(|a, b| b.shift.in_scatters(margin).total_cmp(&a.shift.in_scatters(margin)));
        ranked
    }

    /// Which changed most, and whether that can be chance.
    pub(crate) fn most(&self, margin: f64) -> Option<Most> {
        let ranked = self.ranked(margin);
        let (first, rest) = ranked.split_first()?;
        let effect = self.effect(first)?;
        let others = rest.iter().take_while(|other| other.p <= super::ALPHA);
        let others = others
            .filter_map(|other| Some((self.ones[other.place].name.clone(), self.effect(other)?, other.p)));
        let within = |effect: &Effect| {
            let ends = effect.interval_in_margins(margin);
            ends.is_some_and(|ends| ends.iter().all(|end| end.abs() <= 1.0))
        };
        let whatever = |ranked: &Ranked| {
            self.effect(ranked).is_some_and(|effect| match &effect.ends {
                Some(ends) => ends.iter().all(within),
                None => within(&effect),
            })
        };
        Some(Most {
            name: self.ones[first.place].name.clone(),
            p: first.p,
            others: others.collect(),
            all_within: within(&effect)
                && rest.iter().all(|other| self.effect(other).is_some_and(|effect| within(&effect))),
            all_within_whatever_was_lost: ranked.iter().all(whatever),
            compared: self.ones.iter().filter(|one| one.sides.is_some()).count(),
            effect,
        })
    }

    fn effect(&self, ranked: &Ranked) -> Option<Effect> {
        let one = &self.ones[ranked.place];
        let adjusted = one.fit.adjusted(ranked.shift.slope);
        // What all have in common has no value of its own: it is a ratio to itself.
        let common = || Sides { base: vec![1.0], candidate: vec![1.0], is_ratio: true, grain: 0.0 };
        let sides = one.sides.clone().unwrap_or_else(common);
        let located = (median(&sides.base)?, median(&sides.candidate)?);
        let of = |values: &[f64]| {
            let (base, candidate) = values.split_at(self.base_runs);
            Effect::of_scaled(&sides, located, base, candidate)
        };
        let end = |values: &[f64]| {
            let (base, candidate) = values.split_at(self.base_runs);
            Some(Effect { p_at_end: rank_test(base, candidate), ..of(values)? })
        };
        let ends = self.open_values(ranked, &adjusted);
        let ends = ends.and_then(|[least, most]| Some(Box::new([end(&least)?, end(&most)?])));
        Some(Effect { ends, ..of(&adjusted)? })
    }

    /// `adjusted` with what lost records may have moved: its own values, and against them what the others have in
    /// common, which moves no further than the one of them that moves most.
    fn open_values(&self, ranked: &Ranked, adjusted: &[f64]) -> Option<Moved> {
        let widest = self.open.as_ref()?;
        let nothing = || [vec![0.0; adjusted.len()], vec![0.0; adjusted.len()]];
        let own = self.ones[ranked.place].open.clone().unwrap_or_else(nothing);
        let slope = ranked.shift.slope.abs();
        let end = |own: &[f64], others: &[f64]| {
            let moved = own.iter().zip(others).map(|(own, others)| own - slope * others);
            adjusted.iter().zip(moved).map(|(value, moved)| value + moved).collect()
        };
        Some([end(&own[0], &widest[1]), end(&own[1], &widest[0])])
    }
}

/// In each run, the one of both that is moved further.
fn wider(one: Moved, other: Moved) -> Moved {
    let further = |(one, other): (f64, f64)| if one.abs() >= other.abs() { one } else { other };
    let ([least, most], [others_least, others_most]) = (one, other);
    let each = |one: Vec<f64>, other: Vec<f64>| one.into_iter().zip(other).map(further).collect();
    [each(least, others_least), each(most, others_most)]
}

/// Its tag ran often enough in `run`.
fn is_frequent(metric: &Metric, run: &Run) -> bool {
    let Some(name) = metric.whose() else { return false };
    let found = run.summary.tasks.by_tag.iter().find(|tag| tag.tag == name);
    found.is_none_or(|tag| tag.count as f64 >= TASKS_MIN)
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = mean(values).unwrap_or_default();
    values.iter().map(|value| value - mean).collect()
}

/// What all columns but one have in common in a run: their median.
fn common(centred: &[Vec<f64>], run: usize, but: Option<usize>) -> Option<f64> {
    let others = centred.iter().enumerate().filter(|(place, _)| Some(*place) != but);
    let values: Vec<f64> = others.map(|(_, column)| column[run]).collect();
    median(&values)
}

/// One of many among all.
#[derive(Clone, Copy, Debug)]
struct Ranked {
    place: usize,
    shift: Shift,
    p: f64,
}

/// A tag over all runs, and what it may follow: what is summed once for all splits.
#[derive(Clone, Debug)]
struct Covariance {
    values: Vec<f64>,
    common: Option<Vec<f64>>,
    /// Sums of squares and products.
    values_values: f64,
    common_common: f64,
    common_values: f64,
}

/// How far the runs of a split lie from the others.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    by: f64,
    /// How much of what is common the tag follows.
    slope: f64,
    /// How the runs scatter around it.
    scatter: f64,
    /// By how much the shift is less certain because the common part shifts with it.
    inflation: f64,
}

impl Shift {
    fn in_scatters(self, floor: f64) -> f64 {
        if self.inflation > 0.0 { self.by.abs() / ((self.scatter + floor) * self.inflation) } else { 0.0 }
    }
}

impl Covariance {
    fn new(values: &[f64], common: Option<Vec<f64>>) -> Self {
        let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let values = centred(values);
        let common = common.map(|common| centred(&common));
        let steady = values.len() as f64 * STEADY * STEADY;
        Self {
            values_values: product(&values, &values),
            common_common: common.as_ref().map_or(0.0, |common| product(common, common) + steady),
            common_values: common.as_ref().map_or(0.0, |common| product(common, &values)),
            values,
            common,
        }
    }

    /// Least squares of the values by the side of the split and by what is common.
    fn shift(&self, split: &[usize]) -> Shift {
        let (inside, runs) = (split.len() as f64, self.values.len() as f64);
        let sides = inside * (1.0 - inside / runs);
        if sides <= 0.0 {
            return Shift::default();
        }
        // All add up to zero, so that sums over the split are products with its side.
        let sum = |of: &[f64]| split.iter().map(|at| of[*at]).sum::<f64>();
        let with_values = sum(&self.values);
        let Some(common) = &self.common else {
            let by = with_values / sides;
            let left = (self.values_values - by * with_values).max(0.0);
            return Shift { by, slope: 0.0, scatter: (left / (runs - 2.0).max(1.0)).sqrt(), inflation: 1.0 };
        };
        let with_common = sum(common);
        let determinant = sides * self.common_common - with_common * with_common;
        if determinant <= sides * self.common_common * 1e-9 {
            return Shift::default();
        }
        let by = (with_values * self.common_common - self.common_values * with_common) / determinant;
        let slope = (self.common_values * sides - with_values * with_common) / determinant;
        let left = (self.values_values - by * with_values - slope * self.common_values).max(0.0);
        let inflation = (sides * self.common_common / determinant).sqrt();
        Shift { by, slope, scatter: (left / (runs - 3.0).max(1.0)).sqrt(), inflation }
    }

    /// The values without what they follow.
    fn adjusted(&self, slope: f64) -> Vec<f64> {
        let common = self.common.iter().flatten().chain(std::iter::repeat(&0.0));
        self.values.iter().zip(common).map(|(value, common)| value - slope * common).collect()
    }
}

#[cfg(test)]
mod tests;
