//! Better or worse: runs of one build against runs of another.
//!
//! Five runs against five can carry few answers, so verdicts are given on a few declared *primary* metrics only, and
//! all of them together raise a false alarm in one comparison of twenty at most ([`holm`]). Everything else is shown
//! as it is, without a verdict.
//!
//! | file | what it is |
//! |---|---|
//! | [`comparable`] | what forbids a comparison: other machines, other load, losses |
//! | [`effect`] | one metric on both sides: medians, shift, interval, p-value |
//! | [`any`] | the one metric that is many: did any tag change, and which |
//! | [`speed`] | how fast the machine was in each run |
//! | [`decide`] | from an effect to better, worse, same or undecided, and how many more runs would decide |
//! | [`leeway`] | what lost records leave open of that, and whether the verdict stands |
//! | [`pressure`] | what other programs on the machine could have caused of it |
//! | [`changes`] | all other metrics, the largest change first |

pub mod any;
pub mod changes;
pub mod comparable;
pub mod decide;
pub mod effect;
pub mod leeway;
pub mod pressure;
pub mod speed;

use loop_probes::metadata::Metadata;
use serde::Serialize;

use super::metric::{Metric, Sense};
use super::statistics::holm;
use super::statistics::splits::Splits;
use crate::summary::Summary;

use changes::Change;
use decide::{Judged, Verdict};
use pressure::Pressure;
use speed::Speed;

/// The number of the schema of [`Comparison`].
pub const SCHEMA: u32 = 1;

/// How often a comparison of equals may raise an alarm.
pub const ALPHA: f64 = 0.05;

/// What does not matter, as a share: the default of [`Options::margin`].
pub const MARGIN: f64 = 0.05;

/// Within this share runs are the same: the default of [`Options::same_within`]. Twice the margin, since five runs a side
/// that scatter by 5% show no less.
pub const SAME_WITHIN: f64 = 0.1;

/// The primary metrics where `--primary` names no others: is any task slower, are timers later, does the loop stall for
/// longer?
///
/// Three, because with five runs against five the smallest p-values are 2/252, 4/252 and 6/252. Of three metrics the one
/// that stands for all tags gets half of the 5%, for which each of them is enough, and the others a quarter, for which
/// the first is. Of six, a sixth is enough for the first; of seven nothing would ever be significant.
///
/// Lag counts skipped periods, and stalls count by their time: a stall a second lies below any percentile of what
/// happens a thousand times a second.
pub const PRIMARIES: [&str; 3] = ["task.*.run.gmean", "timer_lag_corrected.p99", "stalls.busy"];

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its name for people: a path.
    pub name: String,
    /// What it amounts to.
    pub summary: Summary,
    /// Where it comes from. `None` where only its summary was saved.
    pub metadata: Option<Metadata>,
}

/// How to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to give verdicts on.
    pub primaries: Vec<Metric>,
    /// A change by less than this share is not worse or better.
    pub margin: f64,
    /// Runs are the same where it is shown that they differ by less than this share.
    pub same_within: f64,
}

impl Default for Options {
    fn default() -> Self {
        let known = PRIMARIES.iter().filter_map(|name| name.parse().ok());
        Self { primaries: known.collect(), margin: MARGIN, same_within: SAME_WITHIN }
    }
}

/// Why metrics cannot be primary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrimaryError {
    /// More of it is neither better nor worse.
    #[error("{metric} cannot be a primary metric: more of it is neither better nor worse")]
    Senseless {
        /// Which.
        metric: String,
    },
    /// It is there twice.
    #[error("{metric} is a primary metric already")]
    Twice {
        /// Which.
        metric: String,
    },
    /// None is left.
    #[error("a comparison needs a primary metric")]
    None,
}

impl Options {
    /// Other primaries.
    ///
    /// # Errors
    ///
    /// [`PrimaryError`] where one of them can have no verdict.
    pub fn with_primaries(self, primaries: Vec<Metric>) -> Result<Self, PrimaryError> {
        if primaries.is_empty() {
            return Err(PrimaryError::None);
        }
        for (place, metric) in primaries.iter().enumerate() {
            if metric.sense() == Sense::Neither {
                return Err(PrimaryError::Senseless { metric: metric.to_string() });
            }
            if primaries[..place].contains(metric) {
                return Err(PrimaryError::Twice { metric: metric.to_string() });
            }
        }
        Ok(Self { primaries, ..self })
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Of all primaries: worse where one is worse, else better where one is better, same where all are the same.
    pub verdict: Verdict,
    /// The names of the runs that it was measured against.
    pub base: Vec<String>,
    /// The names of the runs that were measured.
    pub candidate: Vec<String>,
    /// What does not matter, as a share.
    pub margin: f64,
    /// Within what share they were shown to be the same, where they were.
    pub same_within: f64,
    /// How often all verdicts together may be a false alarm.
    pub alpha: f64,
    /// The metrics with a verdict.
    pub primary: Vec<Judged>,
    /// All other metrics, the largest change first: no verdicts.
    pub descriptive: Vec<Change>,
    /// How much faster or slower the machine was from run to run, by what all tags have in common: the slowest over
    /// the fastest. Absent where there are too few tags to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_speed: Option<f64>,
    /// How much processors were wanted and not had.
    pub pressure: Pressure,
    /// What differs between the sides and is meant to, and what else people should know.
    pub notes: Vec<String>,
}

/// Compares the runs. Whether they can be compared is for [`comparable::check`] to say.
#[must_use]
pub fn compare(base: &[Run], candidate: &[Run], options: &Options) -> Comparison {
    let (speed, pressure) = (Speed::of(base, candidate), Pressure::of(base, candidate));
    let mut measured: Vec<decide::Measured> = options
        .primaries
        .iter()
        .map(|metric| decide::Measured::of(metric, base, candidate, &speed, options.margin))
        .collect();
    // What was measured on no side can be no false alarm either.
    let tested: Vec<usize> = (0..measured.len()).filter(|place| measured[*place].has_values()).collect();
    let are_any: Vec<bool> = tested.iter().map(|place| options.primaries[*place].is_of_any()).collect();
    let weights = weights(&are_any, Splits::new(base.len(), candidate.len()));
    let p_values: Vec<(f64, f64)> =
        tested.iter().zip(&weights).map(|(place, weight)| (measured[*place].p, *weight)).collect();
    let mut significant = holm(&p_values, ALPHA).into_iter().zip(&weights);
    let all: f64 = weights.iter().sum();
    let primary: Vec<Judged> = measured
        .drain(..)
        .map(|one| {
            let (significant, weight) =
                one.has_values().then(|| significant.next()).flatten().unwrap_or((false, &1.0));
            one.judge(significant, ALPHA * weight / all.max(1.0), options, &pressure)
        })
        .collect();
    Comparison {
        schema: SCHEMA,
        verdict: Verdict::of_all(primary.iter().map(|judged| judged.verdict)),
        base: base.iter().map(|run| run.name.clone()).collect(),
        candidate: candidate.iter().map(|run| run.name.clone()).collect(),
        margin: options.margin,
        same_within: options.same_within,
        alpha: ALPHA,
        descriptive: changes::all(base, candidate, &options.primaries),
        machine_speed: speed.range(),
        notes: comparable::notes(base, candidate).into_iter().chain(pressure.note()).collect(),
        pressure,
        primary,
    }
}

/// The parts of the error that metrics get: one that stands for all tags counts double, where that leaves the others
/// enough to be significant with so many runs.
fn weights(are_any: &[bool], splits: Splits) -> Vec<f64> {
    let double = are_any.iter().map(|is_any| if *is_any { 2.0 } else { 1.0 });
    let all: f64 = double.clone().sum();
    if splits.p_min() <= ALPHA / all.max(1.0) { double.collect() } else { vec![1.0; are_any.len()] }
}

#[cfg(test)]
pub(crate) mod tests;
