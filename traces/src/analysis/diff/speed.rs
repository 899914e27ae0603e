//! The machine's speed in each run, inferred from all tags.
//!
//! A processor may be three times as fast in one run as in another: then every tag is faster, though none of them
//! changed. So a tag's run times are divided by what all *other* tags have in common in that run, their median, before
//! they are compared, in verdicts and gates alike. A single tag that changed does not move a median.

use std::collections::BTreeSet;

use super::input::Run;
use crate::analysis::metric::Metric;
use crate::analysis::metric::bounds::Bounds;
use crate::analysis::statistics::{mean, median};

/// Fewest tasks of a tag in each run: fewer have no reliable middle.
pub const TASKS_MIN: u64 = 20;

/// Fewest other tags needed to tell a slower machine from a slower tag.
pub const OTHERS_MIN: usize = 3;

/// A speed that scatters by this much (10%) weighs as much in a tag's slope as the prior assumption that it is 1.
const STEADY: f64 = 0.1;

/// Largest assumed slope of a tag against the machine's speed.
const SLOPE_MAX: f64 = 2.0;

/// Stands for the lack of a bound: beyond the logarithm of any time.
const UNBOUNDED: f64 = 60.0;

/// One logarithm for each run, the base's first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    /// The logarithms as measured.
    pub seen: Vec<f64>,
    /// Lower bound, given lost records.
    pub least: Vec<f64>,
    /// Upper bound.
    pub most: Vec<f64>,
}

impl Logs {
    /// As followed by a tag whose run times have these logarithms: computing scales with a processor's clock, waiting
    /// for memory hardly does. The slope is fitted over all runs of both sides, so that all splits see the same values;
    /// if the machine's speed hardly changed there is no slope to fit, and 1 is used.
    #[must_use]
    pub fn followed_by(&self, values: &[f64]) -> Self {
        let centred = |values: &[f64]| {
            let middle = mean(values).unwrap_or_default();
            values.iter().map(|value| value - middle).collect::<Vec<f64>>()
        };
        let (common, own) = (centred(&self.seen), centred(values));
        let product = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
        let steady = common.len() as f64 * STEADY * STEADY;
        let slope = (product(&common, &own) + steady) / (product(&common, &common) + steady);
        let slope = if slope.is_finite() { slope.clamp(0.0, SLOPE_MAX) } else { 1.0 };
        let times = |logs: &[f64]| logs.iter().map(|log| log * slope).collect();
        Self { seen: times(&self.seen), least: times(&self.least), most: times(&self.most) }
    }
}

/// The machine's speed in each run.
#[derive(Clone, Debug, Default)]
pub struct Speed {
    /// Tags that ran often in every run, and the logarithms of their run times, less their own mean.
    tags: Vec<(String, Logs)>,
}

impl Speed {
    /// Infers it from the tags of these runs.
    #[must_use]
    pub fn of(base: &[Run], candidate: &[Run]) -> Self {
        let runs: Vec<&Run> = base.iter().chain(candidate).collect();
        let Ok(metric) = "task.*.run.gmean".parse::<Metric>() else { return Self::default() };
        let tags: BTreeSet<String> = runs.iter().flat_map(|run| frequent(run)).map(str::to_owned).collect();
        let each = runs.first().map_or_else(Vec::new, |run| metric.each(&run.summary));
        let named = each.into_iter().filter_map(|metric| Some((metric.subject()?.to_owned(), metric)));
        let tags = named.filter(|(name, _)| tags.contains(name));
        Self { tags: tags.filter_map(|(name, metric)| Some((name, logs(&metric, &runs)?))).collect() }
    }

    /// The slowness of each run as a logarithm, by all tags but one; `None` if there are too few.
    #[must_use]
    pub fn but(&self, tag: Option<&str>) -> Option<Logs> {
        let others: Vec<&Logs> =
            self.tags.iter().filter(|(name, _)| Some(name.as_str()) != tag).map(|(_, logs)| logs).collect();
        if others.len() < OTHERS_MIN {
            return None;
        }
        let runs = others.first().map_or(0, |logs| logs.seen.len());
        let of = |which: fn(&Logs) -> &Vec<f64>| -> Vec<f64> {
            let run = |run: usize| others.iter().map(|logs| which(logs)[run]).collect::<Vec<f64>>();
            (0..runs).filter_map(|place| median(&run(place))).collect()
        };
        Some(Logs { seen: of(|logs| &logs.seen), least: of(|logs| &logs.least), most: of(|logs| &logs.most) })
    }

    /// The slowest run over the fastest.
    #[must_use]
    pub fn range(&self) -> Option<f64> {
        let seen = self.but(None)?.seen;
        let most = seen.iter().copied().max_by(f64::total_cmp)?;
        let least = seen.iter().copied().min_by(f64::total_cmp)?;
        Some((most - least).exp())
    }
}

/// Tags that ran often enough in `run`.
fn frequent(run: &Run) -> impl Iterator<Item = &str> {
    let tags = run.summary.tasks.by_tag.iter();
    tags.filter(|tag| tag.count >= TASKS_MIN).map(|tag| tag.tag.as_str())
}

/// Whether a tag ran often enough in every run of `runs`.
pub(super) fn is_frequent<'a>(tag: &str, mut runs: impl Iterator<Item = &'a Run>) -> bool {
    runs.all(|run| frequent(run).any(|name| name == tag))
}

/// Logarithms of the metric in each run; `None` if a run has no value, or its tag is not frequent in all runs.
fn logs(metric: &Metric, runs: &[&Run]) -> Option<Logs> {
    let tag = metric.subject()?;
    if !is_frequent(tag, runs.iter().copied()) {
        return None;
    }
    let value = |run: &&Run| metric.of(&run.summary).map(|value| value.number).filter(|ns| *ns > 0.0);
    let seen: Vec<f64> = runs.iter().map(|run| Some(value(run)?.ln())).collect::<Option<_>>()?;
    let own = mean(&seen)?;
    let bounds: Vec<Bounds> = runs.iter().map(|run| metric.bounds(&run.summary)).collect::<Option<_>>()?;
    let log = |end: f64| end.max(f64::MIN_POSITIVE).ln().clamp(-UNBOUNDED, UNBOUNDED) - own;
    Some(Logs {
        seen: seen.iter().map(|seen| seen - own).collect(),
        least: bounds.iter().map(|bounds| log(bounds.low)).collect(),
        most: bounds.iter().map(|bounds| log(bounds.high.unwrap_or(f64::MAX))).collect(),
    })
}
