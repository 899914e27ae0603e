//! The machine's speed, run by run, as all tags tell it.
//!
//! Between two runs a processor may be three times as fast: then every tag is faster, and none of them changed. What all
//! *other* tags have in common in a run, their median, is therefore divided out of a tag's run times before they are
//! compared, by verdicts and gates alike. One tag that changed moves no median.

use std::collections::BTreeSet;

use super::Run;
use crate::analysis::metric::Metric;
use crate::analysis::metric::bounds::Bounds;
use crate::analysis::statistics::{mean, median};

/// Tasks of a tag in each run, at least: fewer have no middle.
pub const TASKS_MIN: u64 = 20;

/// Other tags, at least, to tell a slower machine from a slower tag.
const OTHERS_MIN: usize = 3;

/// A speed that scatters by this much (10%) says as much of a tag's slope as is taken for granted: that it is 1.
const STEADY: f64 = 0.1;

/// A tag does not follow the machine's speed more than this.
const SLOPE_MAX: f64 = 2.0;

/// Stands for what nothing bounds: beyond any logarithm of a time.
const UNBOUNDED: f64 = 60.0;

/// A logarithm for each run, the base's first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logs {
    /// As it was measured.
    pub seen: Vec<f64>,
    /// At least, whatever lost records held.
    pub least: Vec<f64>,
    /// At most.
    pub most: Vec<f64>,
}

impl Logs {
    /// As a tag follows it whose run times have these logarithms: computing scales with a processor's clock, waiting for
    /// memory hardly does. Fitted over all runs, whichever side they are of, so that all ways to divide them see the
    /// same values; a machine that hardly changed its speed shows no slope, and 1 is taken.
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

/// How fast the machine was in each run.
#[derive(Clone, Debug, Default)]
pub struct Speed {
    /// Tags that ran often in every run, and how long they ran, less their own mean.
    tags: Vec<(String, Logs)>,
}

impl Speed {
    /// As the tags of these runs tell it.
    #[must_use]
    pub fn of(base: &[Run], candidate: &[Run]) -> Self {
        let runs: Vec<&Run> = base.iter().chain(candidate).collect();
        let Ok(metric) = "task.*.run.gmean".parse::<Metric>() else { return Self::default() };
        let tags: BTreeSet<String> = runs.iter().flat_map(|run| frequent(run)).map(str::to_owned).collect();
        let each = runs.first().map_or_else(Vec::new, |run| metric.each(&run.summary));
        let named = each.into_iter().filter_map(|metric| Some((metric.whose()?.to_owned(), metric)));
        let tags = named.filter(|(name, _)| tags.contains(name));
        Self { tags: tags.filter_map(|(name, metric)| Some((name, logs(&metric, &runs)?))).collect() }
    }

    /// The slowness of each run in logarithms, by all tags but one; `None` where there are too few to say.
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

/// `None` where a run has no value.
fn logs(metric: &Metric, runs: &[&Run]) -> Option<Logs> {
    let tag = metric.whose()?;
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
