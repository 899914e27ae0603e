//! The metric over all tags: did the tasks of *any* tag become slower, and which?
//!
//! A test for each tag would need a p-value so small that five runs a side could never reach it. So there is one test
//! for all of them (Westfall & Young 1993): for every split of the runs into two sides, take the tag with the largest
//! shift; a tag's own shift is significant if hardly any split has a tag with a shift that large.
//!
//! Shifts are measured relative to the scatter of the runs plus a constant, the shift that does not matter (Tusher,
//! Tibshirani & Chu 2001), so that a tag without scatter does not win by a negligible shift.
//!
//! Every tag that changed is named, ranked by the weight of its change, that is, by its share of the time.
//!
//! Run times are corrected for the machine's [`Speed`]. What all tags have in common is judged as one more tag,
//! [`EVERY_TAG`], so that a build in which everything became slower does not go unnoticed.

use std::collections::BTreeSet;

use super::effect::{Effect, Sides};
use super::input::Run;
use super::speed::{Speed, is_frequent};
use crate::analysis::metric::Metric;
use crate::analysis::statistics::splits::Splits;
use crate::analysis::statistics::{at_least, mean, median, shift};

/// The name under which the common change of all tags is judged.
pub const EVERY_TAG: &str = "every tag";

/// A tag with a smaller share of the time does not prevent a verdict of same.
const SHARE_MIN: f64 = 0.01;

/// The result for one tag, or for [`EVERY_TAG`].
#[derive(Clone, Debug)]
pub(crate) struct One {
    pub(crate) name: String,
    /// The tag's share of the time of all tasks in the median run; 1 for [`EVERY_TAG`].
    pub(crate) share: f64,
    pub(crate) effect: Effect,
    /// The change as measured, with the machine's speed in it.
    pub(crate) measured: Option<f64>,
    /// The chance that any tag differs this much between equals.
    pub(crate) p: f64,
}

impl One {
    /// How much the change matters: its logarithm times the tag's share of the time.
    pub(crate) fn weight(&self) -> f64 {
        let factor =
            self.effect.change.map_or(0.0, |change| (1.0 + change).max(f64::MIN_POSITIVE).ln().abs());
        factor * self.share
    }
}

/// The results for all tags of one metric.
#[derive(Clone, Debug)]
pub(crate) struct Many {
    /// Sorted by shift, largest first.
    pub(crate) ones: Vec<One>,
    /// Number of tags among them.
    pub(crate) compared: usize,
}

impl Many {
    /// Evaluates each metric of which `metric` is the largest, if it has a value in every run.
    pub(crate) fn of(metric: &Metric, base: &[Run], candidate: &[Run], speed: &Speed, margin: f64) -> Self {
        let found = found(metric, base, candidate, speed);
        let compared = found.iter().filter(|one| one.name != EVERY_TAG).count();
        let ranked = ranked(found, Splits::new(base.len(), candidate.len()), margin);
        let one = |(Found { name, share, sides, measured }, p)| {
            Some(One { name, share, effect: Effect::of(&sides)?, measured, p })
        };
        Self { ones: ranked.into_iter().filter_map(one).collect(), compared }
    }

    /// The tags that must be equal for a verdict of same; tags that take hardly any time are exempt.
    pub(crate) fn worth_mentioning(&self) -> impl Iterator<Item = &One> {
        let largest = self.ones.iter().map(|one| one.share).fold(0.0, f64::max);
        self.ones.iter().filter(move |one| one.share >= SHARE_MIN.min(largest))
    }
}

/// The values of a tag, before its effect is computed.
struct Found {
    name: String,
    share: f64,
    sides: Sides,
    measured: Option<f64>,
}

/// The values of each metric of which `metric` is the largest, if it has one in every run.
fn found(metric: &Metric, base: &[Run], candidate: &[Run], speed: &Speed) -> Vec<Found> {
    let runs = || base.iter().chain(candidate);
    let each: BTreeSet<String> =
        runs().flat_map(|run| metric.each(&run.summary)).map(|metric| metric.to_string()).collect();
    let each = each.iter().filter_map(|name| name.parse::<Metric>().ok());
    let is_tag = metric.to_string().starts_with("task.");
    let mut found: Vec<Found> = Vec::new();
    for metric in each {
        let Some(name) = metric.subject() else { continue };
        let sides = Sides::of(&metric, base, candidate, speed);
        // Skipped if a value is missing in a run, or cannot be compared as a ratio.
        let whole = sides.base.len() + sides.candidate.len() == base.len() + candidate.len();
        if whole && sides.is_ratio && (!is_tag || is_frequent(name, runs())) {
            let measured = Sides::of(&metric, base, candidate, &Speed::default());
            let measured = shift(&measured.base, &measured.candidate).map(f64::exp_m1);
            found.push(Found { name: name.to_owned(), share: share(name, runs()), sides, measured });
        }
    }
    if let Some(logs) = speed.but(None).filter(|_| metric.is_run_of_tag()) {
        let sides = common(&logs, base.len());
        let measured = shift(&sides.base, &sides.candidate).map(f64::exp_m1);
        found.push(Found { name: EVERY_TAG.to_owned(), share: 1.0, sides, measured });
    }
    found
}

/// The values of [`EVERY_TAG`]: the machine's speed in each run, as the tags show it.
fn common(logs: &super::speed::Logs, base: usize) -> Sides {
    let of = |values: &[f64], others: &[f64]| Sides {
        base: values[..base].to_vec(),
        candidate: others[base..].to_vec(),
        medians: [Some(1.0); 2],
        is_ratio: true,
        grain: 0.0,
        floor: 0.0,
        ends: None,
    };
    let ends = [of(&logs.most, &logs.least), of(&logs.least, &logs.most)];
    let ends = (ends[0] != ends[1]).then(|| Box::new(ends));
    Sides { ends, ..of(&logs.seen, &logs.seen) }
}

/// A tag's share of the time of all tasks, in the median run.
fn share<'a>(name: &str, runs: impl Iterator<Item = &'a Run>) -> f64 {
    let shares = runs.map(|run| {
        let took = |tag: &crate::summary::TagSummary| tag.count as f64 * tag.run_ns.mean.unwrap_or(0) as f64;
        let beyond = took(&run.summary.tasks.tags_beyond_limit.as_one());
        let all: f64 = run.summary.tasks.by_tag.iter().map(took).sum::<f64>() + beyond;
        let own = run.summary.tasks.by_tag.iter().find(|tag| tag.tag == name).map_or(0.0, took);
        own / all.max(1.0)
    });
    median(&shares.collect::<Vec<f64>>()).unwrap_or_default()
}

/// The tags, each with the chance that any of them differs this much between equals, the largest shift first.
fn ranked(found: Vec<Found>, splits: Splits, margin: f64) -> Vec<(Found, f64)> {
    let shifts: Vec<Shift> = found.iter().map(|one| Shift::new(&one.sides, margin)).collect();
    // One pass serves all of them: each is compared with the largest shift of each split.
    let mut largest = Vec::new();
    splits.each(|split| largest.push(shifts.iter().map(|shift| shift.of(split)).fold(0.0, f64::max)));
    let ranked = found.into_iter().zip(&shifts).map(|(one, shift)| {
        let sides = &one.sides;
        let real: Vec<usize> = (sides.base.len()..sides.base.len() + sides.candidate.len()).collect();
        let own = shift.of(&real);
        let extreme = largest.iter().filter(|largest| **largest >= at_least(own)).count();
        (own, (one, extreme as f64 / largest.len().max(1) as f64))
    });
    let mut ranked: Vec<(f64, (Found, f64))> = ranked.collect();
    ranked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    ranked.into_iter().map(|(_, one)| one).collect()
}

/// The distance of a split's runs from the others, in units of scatter.
struct Shift {
    /// Centred: they sum to zero.
    values: Vec<f64>,
    squares: f64,
    floor: f64,
}

impl Shift {
    fn new(sides: &Sides, margin: f64) -> Self {
        let values = [sides.base.as_slice(), &sides.candidate].concat();
        let middle = mean(&values).unwrap_or_default();
        let values: Vec<f64> = values.iter().map(|value| value - middle).collect();
        let grain = sides.medians[0].map_or(0.0, |median| sides.grain / median);
        Self { squares: values.iter().map(|value| value * value).sum(), values, floor: margin.max(grain) }
    }

    fn of(&self, split: &[usize]) -> f64 {
        let (runs, inside) = (self.values.len() as f64, split.len() as f64);
        let sides = inside * (runs - inside) / runs;
        if sides <= 0.0 {
            return 0.0;
        }
        // The other runs sum to the opposite.
        let sum: f64 = split.iter().map(|at| self.values[*at]).sum();
        let by = sum / sides;
        let left = (self.squares - by * sum).max(0.0);
        by.abs() / ((left / (runs - 2.0).max(1.0)).sqrt() + self.floor)
    }
}

#[cfg(test)]
mod tests;
