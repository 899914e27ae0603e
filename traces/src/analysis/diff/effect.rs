//! One metric on both sides: its values, and the distance of the candidate from the base.
//!
//! Times and shares scatter in proportion to their size: they are compared as logarithms, and the shift is a ratio.
//! Counts, and anything that can be zero, are compared as they are. The run times of one tag are corrected for the
//! machine's [`Speed`], and verdicts and gates use the same values.
//!
//! Where a metric is only known to lie between two values ([`Metric::bounds`]), the candidate is as far below the base
//! as possible when every base run is at its upper bound and every candidate run at its lower, and as far above in the
//! opposite case. Every measure of them (a median of differences, its interval) rises with the candidate and falls with
//! the base, so the two extremes enclose it whatever was lost.

use serde::Serialize;

use super::input::{ALPHA, Run};
use super::speed::{Logs, Speed};
use crate::analysis::metric::{Metric, Unit};
use crate::analysis::statistics::bootstrap::{self, Interval};
use crate::analysis::statistics::{Welch, cliffs_delta, median, rank_test, scatter, shift};

/// Stands for the lack of a bound: finite, so that differences are finite too, and beyond any value.
const ANYTHING: f64 = 1e24;

/// Stands for zero where a logarithm is taken: below any value.
const NOTHING: f64 = 1e-9;

/// The verdict on a metric or a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The candidate is worse.
    Worse,
    /// The candidate is better.
    Better,
    /// There is no difference that matters.
    Same,
    /// The runs do not decide it.
    Undecided,
}

impl Verdict {
    /// The verdict's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Same => "same",
            Self::Undecided => "undecided",
        }
    }

    pub(super) fn of_all(verdicts: impl Iterator<Item = Self>) -> Self {
        let all: Vec<Self> = verdicts.collect();
        let first = [Self::Worse, Self::Better, Self::Undecided].into_iter().find(|one| all.contains(one));
        first.unwrap_or(if all.is_empty() { Self::Undecided } else { Self::Same })
    }
}

/// The values of one metric as they are compared, for the runs that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sides {
    /// One for each base run.
    pub base: Vec<f64>,
    /// One for each candidate run.
    pub candidate: Vec<f64>,
    /// The measured medians of the base and of the candidate, in the metric's unit.
    pub medians: [Option<f64>; 2],
    /// Whether they are compared as logarithms.
    pub is_ratio: bool,
    /// A smaller difference counts as none, in the metric's unit.
    pub grain: f64,
    /// A smaller difference does not matter, in the metric's unit.
    pub floor: f64,
    /// The sides at the extremes that lost records leave open; `None` if they leave nothing open.
    pub ends: Option<Box<[Self; 2]>>,
}

impl Sides {
    /// The values of `metric`; a tag's run times are corrected for `speed`.
    #[must_use]
    pub fn of(metric: &Metric, base: &[Run], candidate: &[Run], speed: &Speed) -> Self {
        let values = |side: &[Run]| -> Vec<f64> {
            side.iter().filter_map(|run| metric.of(&run.summary)).map(|value| value.number).collect()
        };
        let runs = || base.iter().chain(candidate);
        let (below, above) = (values(base), values(candidate));
        let is_absolute = metric.unit() == Unit::Count || metric.is_time_in_stalls();
        let is_ratio = !is_absolute && below.iter().chain(&above).all(|value| *value > 0.0);
        let scale = |side: Vec<f64>| match is_ratio {
            true => side.into_iter().map(f64::ln).collect(),
            false => side,
        };
        let sides = Self {
            medians: [median(&below), median(&above)],
            base: scale(below),
            candidate: scale(above),
            is_ratio,
            grain: runs().map(|run| metric.grain(&run.summary)).fold(0.0, f64::max),
            floor: runs().map(|run| metric.floor(&run.summary)).fold(0.0, f64::max),
            ends: None,
        };
        let whole = sides.base.len() + sides.candidate.len() == base.len() + candidate.len();
        let logs = metric.is_run_of_tag().then(|| speed.but(metric.subject())).flatten();
        let values = [sides.base.as_slice(), &sides.candidate].concat();
        let logs = logs.filter(|_| whole && is_ratio).map(|logs| logs.followed_by(&values));
        let ends = ends(&sides, metric, base, candidate, logs.as_ref());
        match logs {
            Some(logs) => Self { ends, ..sides.less(&logs.seen) },
            None => Self { ends, ..sides },
        }
    }

    /// The shift (Hodges–Lehmann) as a share of the base; `None` if a side has no value, or the base is zero.
    pub(super) fn change(&self) -> Option<f64> {
        self.relative(shift(&self.base, &self.candidate)?)
    }

    fn relative(&self, by: f64) -> Option<f64> {
        match self.is_ratio {
            true => Some(by.exp() - 1.0),
            false => self.medians[0].filter(|base| *base > 0.0).map(|base| by / base),
        }
    }

    /// Subtracts `logs`, one for each run.
    pub(super) fn less(&self, logs: &[f64]) -> Self {
        let (base, candidate) = logs.split_at(self.base.len().min(logs.len()));
        let less =
            |side: &[f64], logs: &[f64]| side.iter().zip(logs).map(|(value, log)| value - log).collect();
        Self { base: less(&self.base, base), candidate: less(&self.candidate, candidate), ..self.clone() }
    }
}

/// The extremes of `sides`, which are not adjusted for speed: every run as far off as possible, and the machine's speed
/// (`logs`) as far as possible in the other direction.
fn ends(
    sides: &Sides,
    metric: &Metric,
    base: &[Run],
    candidate: &[Run],
    logs: Option<&Logs>,
) -> Option<Box<[Sides; 2]>> {
    let bounds = |runs: &[Run], high: bool| -> Vec<f64> {
        let bounds = runs.iter().map(|run| metric.bounds_in_run(&run.summary));
        let end = bounds.map(|bounds| if high { bounds.high.unwrap_or(ANYTHING) } else { bounds.low });
        end.map(|end| if sides.is_ratio { end.max(NOTHING) } else { end }).collect()
    };
    let scale = |values: Vec<f64>| match sides.is_ratio {
        true => values.into_iter().map(f64::ln).collect(),
        false => values,
    };
    let end = |more: bool| {
        let (below, above) = (bounds(base, !more), bounds(candidate, more));
        let medians = [median(&below), median(&above)];
        let end = Sides { medians, base: scale(below), candidate: scale(above), ..sides.clone() };
        let Some(logs) = logs else { return end };
        // The run was slowest if its machine was fastest.
        let at = end.base.len().min(logs.seen.len());
        let (below, above) = if more { (&logs.most, &logs.least) } else { (&logs.least, &logs.most) };
        end.less(&[&below[..at], &above[at..]].concat())
    };
    let ends = [end(false), end(true)];
    (ends[0] != ends[1]).then(|| Box::new(ends))
}

/// The distance of the candidate from the base.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Effect {
    /// The base's median, in the metric's unit.
    pub base: f64,
    /// The candidate's median.
    pub candidate: f64,
    /// The shift (Hodges–Lehmann) as a share of the base: 0.3 is 30% more. Absent if the base is zero.
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
    /// Cliff's delta: -1 if every candidate run is below every base run, 1 if all are above.
    pub delta: f64,
    /// The scatter of the runs within a side, as a share of the base (in units of 1 if the base is zero).
    #[serde(skip)]
    pub(super) scatter: Option<f64>,
    #[serde(skip)]
    pub(super) is_ratio: bool,
    #[serde(skip)]
    pub(super) grain: f64,
    #[serde(skip)]
    pub(super) floor: f64,
    /// The difference of the means and its error, on the scale of the comparison. `None` with one run on a side.
    #[serde(skip)]
    welch: Option<Welch>,
    /// The p-value of the rank test.
    #[serde(skip)]
    pub(crate) p: f64,
    /// The effects at both extremes of what lost records could have held, if they leave anything open.
    #[serde(skip)]
    pub(crate) ends: Option<Box<[Self; 2]>>,
}

impl Effect {
    /// The effect between these sides, including what lost records leave open. `None` if a side has no value.
    #[must_use]
    pub fn of(sides: &Sides) -> Option<Self> {
        let (base, candidate) = (&sides.base, &sides.candidate);
        let [base_median, candidate_median] = [sides.medians[0]?, sides.medians[1]?];
        let by = shift(base, candidate)?;
        let interval = bootstrap::of_shift(base, candidate);
        let relative = |by: f64| sides.relative(by);
        let absolute = |by: f64| if sides.is_ratio { (by.exp() - 1.0) * base_median } else { by };
        let change_interval = |Interval { low, high }: Interval| Some([relative(low)?, relative(high)?]);
        let unit = if sides.is_ratio || base_median <= 0.0 { 1.0 } else { base_median };
        let ends = sides.ends.as_ref();
        let ends = ends.and_then(|ends| Some(Box::new([Self::of(&ends[0])?, Self::of(&ends[1])?])));
        Some(Self {
            base: base_median,
            candidate: candidate_median,
            change: relative(by),
            change_interval: interval.and_then(change_interval),
            shift: absolute(by),
            shift_interval: interval.map(|found| [absolute(found.low), absolute(found.high)]),
            delta: cliffs_delta(base, candidate)?,
            scatter: scatter(base, candidate).map(|scatter| scatter / unit),
            is_ratio: sides.is_ratio,
            grain: sides.grain,
            floor: sides.floor,
            welch: Welch::of(base, candidate),
            p: rank_test(base, candidate),
            ends,
        })
    }

    /// The difference that counts as none, in the metric's unit.
    pub(crate) const fn grain(&self) -> f64 {
        self.grain
    }

    /// The larger p-value of the extremes, if there are any.
    pub(crate) fn p_at_worst(&self) -> f64 {
        let ends = self.ends.iter().flat_map(|ends| ends.iter());
        ends.map(|end| end.p).fold(0.0, f64::max)
    }

    /// Whether the candidate differs in one direction at both extremes: if it does not, it may equal the base between them.
    pub(crate) fn ends_agree_in_direction(&self) -> bool {
        self.ends.as_ref().is_none_or(|ends| ends[0].shift * ends[1].shift > 0.0)
    }

    /// The shift in units of the margin: beyond 1 it matters. Infinite if any shift matters.
    pub(super) fn in_margins(&self, margin: f64) -> f64 {
        match self.change.filter(|_| self.is_ratio || self.grain == 0.0) {
            Some(change) => ratio(change, margin.max(self.grain / self.base)),
            None => ratio(self.shift, self.tolerated(margin, self.grain)),
        }
    }

    /// The p-value of the equivalence test (two one-sided tests, Schuirmann 1987): the chance to look this equal if the
    /// difference is the share `within` or more. `None` with one run on a side.
    #[must_use]
    pub fn equivalence_p(&self, within: f64) -> Option<f64> {
        let floor = self.floor.max(self.grain);
        let within = match self.is_ratio {
            true => within.max(floor / self.base).ln_1p(),
            false => self.tolerated(within, floor),
        };
        Some(self.welch?.equivalence(within))
    }

    /// Whether the equivalence test shows that they differ by less than the share `within`; `whatever_was_lost`: at
    /// both extremes that lost records leave open.
    #[must_use]
    pub fn is_same(&self, within: f64, whatever_was_lost: bool) -> bool {
        let is_same = |effect: &Self| effect.equivalence_p(within).is_some_and(|p| p <= ALPHA);
        match self.ends.as_ref().filter(|_| whatever_was_lost) {
            Some(ends) => ends.iter().all(is_same),
            None => is_same(self),
        }
    }

    /// The share `within` as a difference in the metric's unit.
    fn tolerated(&self, within: f64, floor: f64) -> f64 {
        (within * self.base).max(floor)
    }
}

fn ratio(by: f64, tolerated: f64) -> f64 {
    if by == 0.0 { 0.0 } else { by / tolerated }
}
