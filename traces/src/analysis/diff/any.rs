//! The metric that is many: did the tasks of *any* tag become slower, and which?
//!
//! A test for each tag would need a p-value so small that five runs a side never reach it. So there is one test for all
//! of them (Westfall & Young 1993): of every split of the runs into two sides, the tag with the largest shift; the real
//! split is significant where hardly another one has any tag with as large a shift. The tag that has it is named.
//!
//! Shifts are measured against the scatter of the runs plus a constant, what does not matter (Tusher, Tibshirani &
//! Chu 2001), so that a tag that never scatters does not win by a shift of nothing.
//!
//! **The machine's speed.** Between two runs a processor may be three times as fast: then every tag is faster. What all
//! *other* tags have in common in a run is taken out of each tag, by a regression over all runs that does not know
//! which side they are on, so that the test stays exact. The common part itself is judged as one more tag,
//! [`EVERY_TAG`]: a build in which everything became slower does not go unnoticed.

use std::collections::BTreeSet;

use super::Run;
use super::effect::{Effect, Sides};
use crate::analysis::metric::Metric;
use crate::analysis::statistics::splits::Splits;
use crate::analysis::statistics::{at_least, mean, median};

/// The name of what all tags have in common.
pub const EVERY_TAG: &str = "every tag";

/// Tasks of a tag in each run, at least: fewer have no middle.
pub const TASKS_MIN: f64 = 20.0;

/// Tags, at least, to tell a slower machine from a slower tag.
const TAGS_MIN: usize = 4;

/// Runs, at least, to fit how a tag follows the machine's speed.
const RUNS_MIN: usize = 6;

/// A scatter of the common part (2%) below which nothing is taken out: as little may be chance.
const STEADY: f64 = 0.02;

/// One of many.
#[derive(Clone, Debug)]
struct One {
    name: String,
    /// What was measured.
    sides: Sides,
    /// On the scale on which it is compared, without what all have in common; base first.
    adjusted: Vec<f64>,
}

/// What became of all of them.
#[derive(Clone, Debug)]
pub(super) struct Most {
    /// Whose shift is the largest.
    pub(super) name: String,
    pub(super) effect: Effect,
    pub(super) p: f64,
    /// Others whose shift is significant where its own p-value is at most this, the largest shift first.
    pub(super) others: Vec<(String, Effect, f64)>,
    /// Every interval lies within the margin.
    pub(super) all_within: bool,
    /// How many there are.
    pub(super) compared: usize,
}

/// All of one metric of any.
#[derive(Clone, Debug)]
pub struct Many {
    ones: Vec<One>,
    base_runs: usize,
    candidate_runs: usize,
    speed: Vec<f64>,
}

impl Many {
    /// The run times of all tags: what tells the machine's speed.
    pub(super) fn of(base: &[Run], candidate: &[Run]) -> Self {
        let metric = "task.*.run.gmean".parse::<Metric>().ok();
        metric.map_or_else(Self::none, |metric| Self::of_metric(&metric, base, candidate))
    }

    const fn none() -> Self {
        Self { ones: Vec::new(), base_runs: 0, candidate_runs: 0, speed: Vec::new() }
    }

    /// All that `metric` is the largest of, in every run.
    pub(super) fn of_metric(metric: &Metric, base: &[Run], candidate: &[Run]) -> Self {
        let runs = base.len() + candidate.len();
        let each: BTreeSet<String> = base
            .iter()
            .chain(candidate)
            .flat_map(|run| metric.each(&run.summary))
            .map(|metric| metric.to_string())
            .collect();
        let each = each.iter().filter_map(|name| name.parse::<Metric>().ok());
        let frequent = each.filter(|metric| base.iter().chain(candidate).all(|run| is_frequent(metric, run)));
        let ones = frequent.filter_map(|metric| {
            let sides = Sides::of(&metric, base, candidate);
            // A value is missing in a run, or cannot be compared as a ratio.
            let whole = sides.base.len() + sides.candidate.len() == runs && sides.is_ratio;
            let (mut adjusted, above) = sides.scaled();
            adjusted.extend(above);
            whole.then(|| One { name: metric.whose().unwrap_or_default().to_owned(), sides, adjusted })
        });
        let mut many = Self {
            ones: ones.collect(),
            base_runs: base.len(),
            candidate_runs: candidate.len(),
            speed: Vec::new(),
        };
        many.adjust();
        many
    }

    /// The slowest run over the fastest, by what all have in common.
    pub(super) fn machine_speed(&self) -> Option<f64> {
        let most = self.speed.iter().copied().max_by(f64::total_cmp)?;
        let least = self.speed.iter().copied().min_by(f64::total_cmp)?;
        Some((most - least).exp())
    }

    fn adjust(&mut self) {
        let runs = self.base_runs + self.candidate_runs;
        let centred: Vec<Vec<f64>> = self.ones.iter().map(|one| centred(&one.adjusted)).collect();
        if centred.len() < TAGS_MIN {
            return;
        }
        self.speed = (0..runs).filter_map(|run| common(&centred, run, None)).collect();
        if runs < RUNS_MIN {
            return;
        }
        for (place, one) in self.ones.iter_mut().enumerate() {
            let others: Vec<f64> = (0..runs).filter_map(|run| common(&centred, run, Some(place))).collect();
            let others = self::centred(&others);
            let along: f64 = others.iter().zip(&centred[place]).map(|(common, own)| common * own).sum();
            let square: f64 = others.iter().map(|common| common * common).sum();
            let slope = along / (square + runs as f64 * STEADY * STEADY);
            for (value, common) in one.adjusted.iter_mut().zip(&others) {
                *value -= slope * common;
            }
        }
    }

    /// Which changed most, and whether that can be chance.
    pub(super) fn most(&self, margin: f64) -> Option<Most> {
        let mut columns: Vec<(&str, &[f64])> =
            self.ones.iter().map(|one| (one.name.as_str(), one.adjusted.as_slice())).collect();
        if !self.speed.is_empty() {
            columns.push((EVERY_TAG, &self.speed));
        }
        let statistics: Vec<Shift> = columns.iter().map(|(_, column)| Shift::new(column, margin)).collect();
        let real: Vec<usize> = (self.base_runs..self.base_runs + self.candidate_runs).collect();
        let own: Vec<f64> = statistics.iter().map(|shift| shift.of(&real)).collect();
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by(|a, b| own[*b].total_cmp(&own[*a]));
        // Counted for all of them over one pass: against each stands the largest of each split.
        let mut largest = Vec::new();
        Splits::new(self.base_runs, self.candidate_runs).each(|split| {
            largest.push(statistics.iter().map(|shift| shift.of(split)).fold(0.0, f64::max));
        });
        let p_of = |place: usize| {
            let extreme = largest.iter().filter(|largest| **largest >= at_least(own[place])).count();
            extreme as f64 / largest.len() as f64
        };
        let (&first, rest) = order.split_first()?;
        let effects: Vec<Option<Effect>> = columns.iter().map(|column| self.effect(column)).collect();
        let mut others = Vec::new();
        for place in rest {
            let p = p_of(*place);
            let (Some(effect), true) = (&effects[*place], p <= super::ALPHA) else { break };
            others.push((columns[*place].0.to_owned(), effect.clone(), p));
        }
        let within = |effect: &Option<Effect>| {
            let ends = effect.as_ref().and_then(|effect| effect.interval_in_margins(margin));
            ends.is_some_and(|ends| ends.iter().all(|end| end.abs() <= 1.0))
        };
        Some(Most {
            name: columns[first].0.to_owned(),
            p: p_of(first),
            effect: effects[first].clone()?,
            others,
            all_within: effects.iter().all(within),
            compared: self.ones.len(),
        })
    }

    fn effect(&self, (name, column): &(&str, &[f64])) -> Option<Effect> {
        let (base, candidate) = column.split_at(self.base_runs);
        let measured = self.ones.iter().find(|one| one.name == *name).map(|one| &one.sides);
        // What all have in common has no value of its own: it is a ratio to itself.
        let common = || Sides { base: vec![1.0], candidate: vec![1.0], is_ratio: true, is_count: false };
        let sides = measured.cloned().unwrap_or_else(common);
        let located = (median(&sides.base)?, median(&sides.candidate)?);
        Effect::of_scaled(&sides, located, base, candidate)
    }
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

/// How far the runs of a split lie from the others, in scatters: what is summed once for all splits.
struct Shift {
    centred: Vec<f64>,
    squares: f64,
    floor: f64,
}

impl Shift {
    fn new(column: &[f64], floor: f64) -> Self {
        let centred = centred(column);
        let squares = centred.iter().map(|value| value * value).sum();
        Self { centred, squares, floor }
    }

    fn of(&self, split: &[usize]) -> f64 {
        let (inside, runs) = (split.len() as f64, self.centred.len() as f64);
        let (outside, freedom) = (runs - inside, runs - 2.0);
        if inside < 1.0 || outside < 1.0 {
            return 0.0;
        }
        // All add up to zero, so that the others' sum is the same with the other sign.
        let sum: f64 = split.iter().map(|at| self.centred[*at]).sum();
        let within = (self.squares - sum * sum / inside - sum * sum / outside).max(0.0);
        let scatter = if freedom < 1.0 { 0.0 } else { (within / freedom).sqrt() };
        (sum / inside + sum / outside).abs() / (scatter + self.floor)
    }
}
