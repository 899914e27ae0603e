//! One metric on both sides: what its values are, and how far the candidate's lie from the base's.
//!
//! What takes time, or is a share, scatters in proportion to itself: it is compared as logarithms, and the shift is a
//! ratio. Counts, and what can be zero, are compared as they are.

use serde::Serialize;

use super::Run;
use crate::analysis::metric::Metric;
use crate::analysis::statistics::bootstrap::{self, Interval};
use crate::analysis::statistics::{cliffs_delta, median, rank_test, scatter, shift};

/// The values of one metric, in runs that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// One for each run of the base.
    pub base: Vec<f64>,
    /// One for each run of the candidate.
    pub candidate: Vec<f64>,
    /// Compared as logarithms.
    pub is_ratio: bool,
    /// A difference by less than this is none, in the metric's unit: half a thing of what is counted, half a stall of
    /// the time in stalls. 0 of everything else, which differs by a share.
    pub grain: f64,
}

impl Sides {
    /// The values of `metric`.
    #[must_use]
    pub fn of(metric: &Metric, base: &[Run], candidate: &[Run]) -> Self {
        let runs = base.iter().chain(candidate);
        let grain = runs.map(|run| metric.grain(&run.summary)).fold(0.0, f64::max);
        let values = |side: &[Run]| -> Vec<f64> {
            side.iter().filter_map(|run| metric.of(&run.summary)).map(|value| value.number).collect()
        };
        let (base, candidate) = (values(base), values(candidate));
        Self::new(base, candidate, grain)
    }

    fn new(base: Vec<f64>, candidate: Vec<f64>, grain: f64) -> Self {
        let is_ratio = grain == 0.0 && base.iter().chain(&candidate).all(|value| *value > 0.0);
        Self { base, candidate, is_ratio, grain }
    }

    /// The same on the scale on which they are compared.
    #[must_use]
    pub fn scaled(&self) -> [Vec<f64>; 2] {
        [&self.base, &self.candidate].map(|side| side.iter().map(|value| self.scale(*value)).collect())
    }

    fn scale(&self, value: f64) -> f64 {
        if self.is_ratio { value.ln() } else { value }
    }
}

/// How far the candidate lies from the base.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Effect {
    /// The base's median, in the metric's unit.
    pub base: f64,
    /// The candidate's median.
    pub candidate: f64,
    /// The shift (Hodges–Lehmann) as a share of the base: 0.3 is 30% more. Absent where the base is zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// The 95% interval of `change`. Absent with one run a side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_interval: Option<[f64; 2]>,
    /// The shift in the metric's unit.
    pub shift: f64,
    /// The 95% interval of `shift`. Absent with one run a side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift_interval: Option<[f64; 2]>,
    /// Cliff's delta: -1 where every run of the candidate is below every run of the base, 1 where all are above.
    pub delta: f64,
    /// By how much runs of one side scatter around each other, as a share of the base (of one, where that is zero).
    #[serde(skip)]
    pub(super) scatter: Option<f64>,
    #[serde(skip)]
    pub(super) grain: f64,
    /// The least and the most that it may be with what lost records could have held, where they leave that open.
    #[serde(skip)]
    pub(crate) ends: Option<Box<[Self; 2]>>,
    /// Of such an end, the p-value of the rank test there.
    #[serde(skip)]
    pub(crate) p_at_end: f64,
}

impl Effect {
    /// The larger p-value of the ends, where there are any.
    pub(crate) fn p_at_worst(&self) -> f64 {
        let ends = self.ends.iter().flat_map(|ends| ends.iter());
        ends.map(|end| end.p_at_end).fold(0.0, f64::max)
    }
}

impl Effect {
    /// Of the values themselves. `None` where a side has none.
    #[must_use]
    pub fn of(sides: &Sides) -> Option<Self> {
        let [base, candidate] = sides.scaled();
        let located = (median(&sides.base)?, median(&sides.candidate)?);
        Self::of_scaled(sides, located, &base, &candidate)
    }

    /// Of values that were adjusted on their scale, with the medians of what was measured.
    #[must_use]
    pub(super) fn of_scaled(
        sides: &Sides,
        (base_median, candidate_median): (f64, f64),
        base: &[f64],
        candidate: &[f64],
    ) -> Option<Self> {
        let by = shift(base, candidate)?;
        let interval = bootstrap::of_shift(base, candidate);
        let relative = |by: f64| match sides.is_ratio {
            true => Some(by.exp() - 1.0),
            false => (base_median > 0.0).then(|| by / base_median),
        };
        let absolute = |by: f64| if sides.is_ratio { (by.exp() - 1.0) * base_median } else { by };
        let ends = |Interval { low, high }: Interval| Some([relative(low)?, relative(high)?]);
        let unit = if sides.is_ratio || base_median <= 0.0 { 1.0 } else { base_median };
        Some(Self {
            base: base_median,
            candidate: candidate_median,
            change: relative(by),
            change_interval: interval.and_then(ends),
            shift: absolute(by),
            shift_interval: interval.map(|found| [absolute(found.low), absolute(found.high)]),
            delta: cliffs_delta(base, candidate)?,
            scatter: scatter(base, candidate).map(|scatter| scatter / unit),
            grain: sides.grain,
            ends: None,
            p_at_end: 0.0,
        })
    }

    /// As [`of`](Self::of), with what lost records leave open of it.
    #[must_use]
    pub fn between(sides: &Sides, ends: Option<&[Sides; 2]>) -> Option<Self> {
        let end = |sides: &Sides| Some(Self { p_at_end: p_value(sides), ..Self::of(sides)? });
        let both = ends.and_then(|[least, most]| Some(Box::new([end(least)?, end(most)?])));
        Some(Self { ends: both, ..Self::of(sides)? })
    }

    /// From median to median, as a share of the base.
    #[must_use]
    pub fn median_change(&self) -> Option<f64> {
        (self.base > 0.0).then(|| self.candidate / self.base - 1.0)
    }

    /// The shift in units of what does not matter: beyond 1 it matters. Infinite where anything matters.
    pub(super) fn in_margins(&self, margin: f64) -> f64 {
        self.margins(self.shift, self.change, margin)
    }

    /// The interval, so measured.
    pub(super) fn interval_in_margins(&self, margin: f64) -> Option<[f64; 2]> {
        let [low, high] = self.shift_interval?;
        let change = self.change_interval;
        let end = |place: usize, by| self.margins(by, change.map(|ends| ends[place]), margin);
        Some([end(0, low), end(1, high)])
    }

    fn margins(&self, shift: f64, change: Option<f64>, margin: f64) -> f64 {
        match change.filter(|_| self.grain == 0.0) {
            Some(change) => ratio(change, margin),
            None => ratio(shift, (margin * self.base * f64::from(self.grain > 0.0)).max(self.grain)),
        }
    }
}

fn ratio(by: f64, tolerated: f64) -> f64 {
    if by == 0.0 { 0.0 } else { by / tolerated }
}

/// The rank test of `sides`.
#[must_use]
pub fn p_value(sides: &Sides) -> f64 {
    rank_test(&sides.base, &sides.candidate)
}
