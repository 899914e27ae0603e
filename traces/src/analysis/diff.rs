//! Compares runs of one build with runs of another: better or worse.
//!
//! Five runs against five can support only a few answers. So only a few declared *primary* metrics get verdicts, which
//! together raise a false alarm in at most one comparison of twenty ([`holm`]). Everything else is shown without a
//! verdict.
//!
//! | file | what it is |
//! |---|---|
//! | `input` | the runs of both sides, what to judge, how strictly |
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
mod input;
pub mod pressure;
pub mod speed;
pub mod uncertainty;

use serde::Serialize;

pub use effect::Verdict;
pub use input::{ALPHA, MARGIN, Options, PRIMARIES, PrimaryError, Run, SAME_WITHIN};

use super::statistics::holm;
use super::statistics::splits::Splits;

use changes::Change;
use decide::Judged;
use pressure::Pressure;
use speed::Speed;

/// The schema version of [`Comparison`].
pub const SCHEMA: u32 = 1;

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
