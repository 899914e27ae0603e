//! All other metrics: medians and changes, without verdicts.
//!
//! There are hundreds of them, of which some always change: they show where to look, not whether anything changed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::effect::Sides;
use super::input::Run;
use super::speed::Speed;
use crate::analysis::metric::{Metric, Statistic, Unit};
use crate::analysis::statistics::{cliffs_delta, rank_test};

/// One metric, without a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The metric's name.
    pub metric: String,
    /// The metric's unit.
    pub unit: Unit,
    /// The base's median; absent if the base has no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
    /// The candidate's median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<f64>,
    /// The shift (Hodges–Lehmann) as a share of the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// Cliff's delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<f64>,
    /// The p-value of the rank test for this metric alone: of hundreds, one in twenty is below 0.05 by chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

/// Every metric with a value in any run, except `primaries`; the clearest and largest change first.
pub(super) fn all(base: &[Run], candidate: &[Run], primaries: &[Metric]) -> Vec<Change> {
    let runs = base.iter().chain(candidate);
    let known: BTreeMap<String, Metric> = runs
        .flat_map(|run| Metric::all(&run.summary))
        .filter(|metric| !primaries.contains(metric))
        .map(|metric| (metric.to_string(), metric))
        .collect();
    let mut changes: Vec<Change> =
        known.into_iter().map(|(name, metric)| change(name, &metric, base, candidate)).collect();
    changes.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    changes
}

fn change(name: String, metric: &Metric, base: &[Run], candidate: &[Run]) -> Change {
    // As measured: not corrected for the machine's speed.
    let sides = Sides::of(metric, base, candidate, &Speed::default());
    let [below, above] = sides.medians;
    let both = below.is_some() && above.is_some();
    Change {
        metric: name,
        unit: metric.unit(),
        base: below,
        candidate: above,
        change: sides.change(),
        delta: cliffs_delta(&sides.base, &sides.candidate),
        p: both.then(|| rank_test(&sides.base, &sides.candidate)),
    }
}

/// How well the change separates the sides, and how large it is; the maximum of few runs always changes.
fn weight(change: &Change) -> f64 {
    let largest = change.metric.ends_with(Statistic::Max.name());
    let by = change.change.map_or(0.0, |change| (1.0 + change).max(1e-3).ln().abs());
    by * change.delta.unwrap_or_default().powi(2) * if largest { 0.5 } else { 1.0 }
}
