//! Compares runs of one build with runs of another: better or worse.
//!
//! Five runs against five can support only a few answers. So only a few declared *primary* metrics get verdicts, which
//! together raise a false alarm in at most one comparison of twenty ([`holm`]). Everything else is shown without a
//! verdict.
//!
//! | file | what it is |
//! |---|---|
//! | [`comparable`] | what rules out a comparison: different machines or loads, losses |
//! | [`effect`] | one metric on both sides: medians, shift, interval, p-value |
//! | [`any_tag`] | the metric over all tags: did any of them change, and which |
//! | [`speed`] | the machine's speed in each run |
//! | [`decide`] | turns an effect into better, worse, same or undecided, and estimates the runs needed |
//! | [`uncertainty`] | what lost records leave open, and whether the verdict stands |
//! | [`pressure`] | how much other programs on the machine could have caused |
//! | [`changes`] | all other metrics, the largest change first |

pub mod any_tag;
pub mod changes;
pub mod comparable;
pub mod decide;
pub mod effect;
pub mod pressure;
pub mod speed;
pub mod uncertainty;

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

/// The schema version of [`Comparison`].
pub const SCHEMA: u32 = 1;

/// The accepted rate of false alarms in comparisons of equals.
pub const ALPHA: f64 = 0.05;

/// The share below which a change does not matter: the default of [`Options::margin`].
pub const MARGIN: f64 = 0.05;

/// The share within which runs are the same: the default of [`Options::same_within`]. Twice the margin, because five
/// runs a side with a scatter of 5% cannot show less.
pub const SAME_WITHIN: f64 = 0.1;

/// The primary metrics unless `--primary` names others: is any task slower, are timers later, does the loop stall
/// longer?
///
/// Three, because with five runs against five the smallest p-values are 2/252, 4/252 and 6/252. Of three metrics, the
/// one over all tags gets half of the 5%, for which any of these p-values is enough, and the others get a quarter each,
/// for which only the first is. Of six, each gets a sixth, for which the first is enough; of seven, nothing would ever
/// be significant.
///
/// Lag counts skipped periods, and stalls count by their time: one stall per second lies below any percentile of
/// something that happens a thousand times a second.
pub const PRIMARIES: [&str; 3] = ["task.*.run.gmean", "timer_lag_corrected.p99", "stalls.busy"];

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its display name: a path.
    pub name: String,
    /// Its summary.
    pub summary: Summary,
    /// Its origin. `None` if only its summary was saved.
    pub metadata: Option<Metadata>,
}

/// Options of a comparison.
#[derive(Clone, Debug)]
pub struct Options {
    /// The metrics that get verdicts.
    pub primaries: Vec<Metric>,
    /// A change by a smaller share is neither worse nor better.
    pub margin: f64,
    /// Runs are the same if they are shown to differ by less than this share.
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
        /// The metric.
        metric: String,
    },
    /// It is listed twice.
    #[error("{metric} is a primary metric already")]
    Twice {
        /// The metric.
        metric: String,
    },
    /// The list is empty.
    #[error("a comparison needs a primary metric")]
    None,
}

impl Options {
    /// Sets other primaries.
    ///
    /// # Errors
    ///
    /// [`PrimaryError`] if one of them cannot have a verdict.
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

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Over all primaries: worse if one is worse, else better if one is better; same if all are the same.
    pub verdict: Verdict,
    /// The names of the base runs.
    pub base: Vec<String>,
    /// The names of the candidate runs.
    pub candidate: Vec<String>,
    /// The share below which a change does not matter.
    pub margin: f64,
    /// The share within which runs count as the same.
    pub same_within: f64,
    /// The accepted false-alarm rate of all verdicts together.
    pub alpha: f64,
    /// The metrics with a verdict.
    pub primary: Vec<Judged>,
    /// All other metrics, the largest change first, without verdicts.
    pub descriptive: Vec<Change>,
    /// The variation of the machine's speed between runs, judged by what all tags have in common: the slowest run over
    /// the fastest. Absent if there are too few tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine_speed: Option<f64>,
    /// Contention for processors.
    pub pressure: Pressure,
    /// Intended differences between the sides, and other remarks for the reader.
    pub notes: Vec<String>,
}

/// Compares the runs. [`comparable::check`] tells whether they can be compared.
#[must_use]
pub fn compare(base: &[Run], candidate: &[Run], options: &Options) -> Comparison {
    let (speed, pressure) = (Speed::of(base, candidate), Pressure::of(base, candidate));
    let mut measured: Vec<decide::Measured> = options
        .primaries
        .iter()
        .map(|metric| decide::Measured::of(metric, base, candidate, &speed, options.margin))
        .collect();
    // A metric without values on either side cannot raise a false alarm.
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
        notes: comparable::several_loops(base, candidate, &options.primaries)
            .into_iter()
            .chain(comparable::notes(base, candidate))
            .chain(pressure.note())
            .collect(),
        pressure,
        primary,
    }
}

/// The weights of the metrics in the error budget: one over all tags counts double, if that leaves the others enough to
/// be significant with this many runs.
fn weights(are_any: &[bool], splits: Splits) -> Vec<f64> {
    let double = are_any.iter().map(|is_any| if *is_any { 2.0 } else { 1.0 });
    let all: f64 = double.clone().sum();
    if splits.p_min() <= ALPHA / all.max(1.0) { double.collect() } else { vec![1.0; are_any.len()] }
}

#[cfg(test)]
pub(crate) mod tests;
