//! Leeway: by how much a shift may be off because records were lost, and whether a verdict survives that.
//!
//! Where losses leave a metric between two values ([`Metric::bounds`]), the shift between two sides can be less by as
//! much as the base's runs may lie higher and the candidate's lower, and more by the opposite. A shift is a median of
//! differences of runs, so it moves with all its interval by no more than the runs do. A verdict stands if it is the
//! same at both ends.

use serde::Serialize;

use super::Run;
use super::decide::Verdict;
use super::effect::{Effect, Sides, p_value};
use crate::analysis::metric::Metric;

/// What lost records leave open of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// Records lost, in all runs.
    pub lost_records: u64,
    /// The 95% interval of the change with all that they could have held; null where nothing bounds it.
    pub change_interval: Option<[Option<f64>; 2]>,
    /// The verdict without them, where they could overturn it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overturned: Option<Verdict>,
}

/// By how much a shift can be less and more than it is, on the scale on which it is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Leeway {
    pub(crate) less: f64,
    pub(crate) more: f64,
}

impl Leeway {
    /// That of `metric` where its values are `sides`.
    pub(crate) fn of(metric: &Metric, sides: &Sides, base: &[Run], candidate: &[Run]) -> Self {
        let (base, candidate) = (open(metric, sides, base), open(metric, sides, candidate));
        Self { less: base.1 + candidate.0, more: base.0 + candidate.1 }
    }

    pub(crate) fn none(self) -> bool {
        self == Self::default()
    }

    /// The larger of both, on either side.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { less: self.less.max(other.less), more: self.more.max(other.more) }
    }

    /// What moves by one and against the other.
    pub(crate) fn against(self, other: Self) -> Self {
        Self { less: self.less + other.more, more: self.more + other.less }
    }

    /// The wider side.
    pub(crate) fn width(self) -> f64 {
        self.less.max(self.more)
    }

    /// `effect` at both ends.
    pub(crate) fn ends(self, effect: &Effect) -> [Effect; 2] {
        [effect.moved(-self.less), effect.moved(self.more)]
    }

    /// The interval of `effect` with what is open.
    pub(super) fn interval(self, effect: &Effect) -> Option<[Option<f64>; 2]> {
        let [least, most] = self.ends(effect).map(|end| end.change_interval.or(end.change.map(|by| [by; 2])));
        let (low, high) = (least?[0], most?[1]);
        Some([low, high].map(|end| end.is_finite().then_some(end)))
    }
}

/// How far the runs of a side may lie below and above their values.
fn open(metric: &Metric, sides: &Sides, runs: &[Run]) -> (f64, f64) {
    let of = |run: &Run| {
        let value = sides.scale(metric.of(&run.summary)?.number);
        let bounds = metric.bounds(&run.summary)?;
        let high = bounds.high.map_or(f64::INFINITY, |high| sides.scale(high));
        Some(((value - sides.scale(bounds.low)).max(0.0), (high - value).max(0.0)))
    };
    let all = runs.iter().filter_map(of);
    all.fold((0.0, 0.0), |most, one| (f64::max(most.0, one.0), f64::max(most.1, one.1)))
}

/// The p-value where the losses have brought the sides as near to each other as they can.
pub(super) fn p_at_worst(metric: &Metric, base: &[Run], candidate: &[Run], is_more: bool) -> f64 {
    let end = |runs: &[Run], high: bool| -> Vec<f64> {
        let bounds = runs.iter().filter_map(|run| metric.bounds(&run.summary));
        bounds.map(|bounds| if high { bounds.high.unwrap_or(f64::INFINITY) } else { bounds.low }).collect()
    };
    let (base, candidate) = (end(base, is_more), end(candidate, !is_more));
    p_value(&Sides { base, candidate, is_ratio: false, is_count: false })
}

/// Records lost in all runs.
pub(crate) fn lost_records(base: &[Run], candidate: &[Run]) -> u64 {
    let all = base.iter().chain(candidate);
    all.fold(0, |sum, run| sum.saturating_add(run.summary.lost_records))
}
