//! Gates: bounds that a run must keep, or that a candidate must keep against a base.
//!
//! A gate fails only on what is known: where lost records, or too few runs, leave it open, the answer is
//! [`Outcome::Undecided`] and says why.

use std::collections::BTreeSet;

use serde::Serialize;

use super::condition::shown;
use super::diff::any::Many;
use super::diff::effect::{Effect, Sides, p_value};
use super::diff::leeway;
use super::diff::{ALPHA, Run};
use super::metric::bounds::Bounds;
use super::metric::{Metric, Sense, Value};
use super::statistics::median;
use crate::near::nearest;
use crate::units::{between, counted, percent};

/// A bound for one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Of what.
    pub metric: Metric,
    /// The bound.
    pub limit: Limit,
}

/// What a gate asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most this, in the metric's unit.
    Max(f64),
    /// At least this.
    Min(f64),
    /// Worse than the base by this share at most.
    WorseBy(f64),
}

/// Whether a gate is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is.
    Held,
    /// It is not.
    Failed,
    /// The runs do not say.
    Undecided,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Undecided => "undecided",
        }
    }
}

/// What became of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// The gate in words: `timer_lag.p99 at most 2.00ms`.
    pub gate: String,
    /// Its metric.
    pub metric: String,
    /// Whether it is kept.
    pub outcome: Outcome,
    /// The numbers: `3.10ms`, or `2.00ms to 2.60ms, 30.0% worse`.
    pub numbers: String,
    /// Where records were lost: between which values it lies, in the metric's unit; null where nothing bounds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<(f64, Option<f64>)>,
    /// Why it is undecided, or whose figure it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A gate asks for a comparison, and there is only one side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gate on {metric} has worse_by, which needs a base: use it with `diff --gate`")]
pub struct NeedsBase {
    /// Which.
    pub metric: String,
}

/// The metric cannot be worse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{metric} has no worse_by: more of it is neither better nor worse; give it max or min")]
pub struct NeverWorse {
    /// Which.
    pub metric: String,
}

impl Gate {
    /// A gate.
    ///
    /// # Errors
    ///
    /// [`NeverWorse`] where it asks that a metric be not worse that cannot be.
    pub fn new(metric: Metric, limit: Limit) -> Result<Self, NeverWorse> {
        if matches!(limit, Limit::WorseBy(_)) && metric.sense() == Sense::Neither {
            return Err(NeverWorse { metric: metric.to_string() });
        }
        Ok(Self { metric, limit })
    }

    /// Whether one run is enough to judge it.
    ///
    /// # Errors
    ///
    /// [`NeedsBase`] where it compares.
    pub fn needs_no_base(&self) -> Result<(), NeedsBase> {
        match self.limit {
            Limit::WorseBy(_) => Err(NeedsBase { metric: self.metric.to_string() }),
            Limit::Max(_) | Limit::Min(_) => Ok(()),
        }
    }

    /// Judges one run.
    ///
    /// # Errors
    ///
    /// [`NeedsBase`] where the gate compares.
    pub fn judge(&self, run: &Run) -> Result<Judgement, NeedsBase> {
        self.needs_no_base()?;
        Ok(self.judge_values(std::slice::from_ref(run)))
    }

    /// Judges a candidate: its median by `max` and `min`, its median against the base's by `worse_by`.
    #[must_use]
    pub fn judge_against(&self, base: &[Run], candidate: &[Run]) -> Judgement {
        match self.limit {
            Limit::Max(_) | Limit::Min(_) => self.judge_values(candidate),
            Limit::WorseBy(share) if self.metric.is_of_any() => self.judge_any(base, candidate, share),
            Limit::WorseBy(share) => self.judge_change(base, candidate, share),
        }
    }

    fn judgement(&self, outcome: Outcome, numbers: String, why: Option<String>) -> Judgement {
        Judgement {
            gate: self.to_string(),
            metric: self.metric.to_string(),
            outcome,
            numbers,
            bounds: None,
            why,
        }
    }

    /// A name that was mistaken looks like work that was not done: what the runs do have is said with it.
    fn unmeasured(&self, runs: &[Run]) -> Judgement {
        let known: BTreeSet<String> =
            runs.iter().flat_map(|run| self.metric.siblings(&run.summary)).collect();
        let why = match (self.metric.whose(), known.is_empty()) {
            (Some(name), false) if !known.contains(name) => {
                format!("there is no {name:?}; near it are {}", nearest(name, known).join(", "))
            }
            _ => "nothing was measured".to_owned(),
        };
        self.judgement(Outcome::Undecided, "no value".to_owned(), Some(why))
    }

    fn judge_values(&self, runs: &[Run]) -> Judgement {
        let value = median(&values(&self.metric, runs));
        // A run without a value could have had any.
        let unknown = Bounds { low: 0.0, high: None };
        let bounds = runs.iter().map(|run| self.metric.bounds(&run.summary).unwrap_or(unknown));
        let (lows, highs): (Vec<f64>, Vec<f64>) =
            bounds.map(|bounds| (bounds.low, bounds.high.unwrap_or(f64::INFINITY))).unzip();
        let (Some(value), Some(low), Some(high)) = (value, median(&lows), median(&highs)) else {
            return self.unmeasured(runs);
        };
        let keeps = |value: f64| match self.limit {
            Limit::Max(max) => value <= max,
            Limit::Min(min) => value >= min,
            Limit::WorseBy(_) => true,
        };
        let outcome = match (keeps(value), keeps(low), keeps(high)) {
            (true, true, true) => Outcome::Held,
            (false, false, false) => Outcome::Failed,
            _ => Outcome::Undecided,
        };
        let why = match outcome {
            Outcome::Undecided => Some(self.open(runs)),
            _ => self.whose(runs),
        };
        let several = if runs.len() > 1 { " (median)" } else { "" };
        let most = high.is_finite().then(|| self.shown(high));
        let between = between(&self.shown(low), most.as_deref());
        let numbers = match low == high {
            true => self.shown(value) + several,
            false => format!("{}{several}, {between}", self.shown(value)),
        };
        let judgement = self.judgement(outcome, numbers, why);
        Judgement { bounds: (low != high).then_some((low, high.is_finite().then_some(high))), ..judgement }
    }

    /// What leaves it open.
    fn open(&self, runs: &[Run]) -> String {
        let unmeasured = runs.iter().filter(|run| self.metric.of(&run.summary).is_none()).count();
        if unmeasured > 0 {
            return format!("{unmeasured} of {} runs have no value", runs.len());
        }
        let lost = runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.summary.lost_records));
        format!("{} could overturn it", lost_records(lost))
    }

    /// The one that is the largest, for a metric of any.
    fn whose(&self, runs: &[Run]) -> Option<String> {
        let run = runs.first().filter(|_| runs.len() == 1 && self.metric.is_of_any())?;
        let largest = self.metric.each(&run.summary).into_iter().max_by(|a, b| {
            let of = |metric: &Metric| metric.of(&run.summary).map_or(0.0, |value| value.number);
            of(a).total_cmp(&of(b))
        });
        largest.and_then(|metric| Some(format!("the largest is {}", metric.whose()?)))
    }

    fn judge_change(&self, base: &[Run], candidate: &[Run], share: f64) -> Judgement {
        let sides = Sides::of(&self.metric, base, candidate);
        let ends = sides.ends(&self.metric, base, candidate);
        let Some(effect) = Effect::between(&sides, ends.as_ref()) else { return self.unmeasured(candidate) };
        let Some(change) = effect.median_change() else {
            // From nothing to something: no share says how much worse that is.
            return if effect.candidate == 0.0 {
                self.judgement(Outcome::Held, self.both(&effect), None)
            } else {
                let why = "the base is zero, of which there is no share; use max".to_owned();
                self.judgement(Outcome::Undecided, self.both(&effect), Some(why))
            };
        };
        let worse = self.worse(change);
        let judge = |worse: f64, effect: &Effect, is_sure: bool| match self.most(effect) {
            None => (Outcome::Undecided, Some("one run a side does not show how runs scatter".to_owned())),
            Some(_) if worse > share && is_sure => (Outcome::Failed, None),
            Some(_) if worse > share => (Outcome::Undecided, Some("it may be chance".to_owned())),
            Some(most) if most > share => {
                (Outcome::Undecided, Some(format!("it may be {} worse", percent(most))))
            }
            Some(_) => (Outcome::Held, None),
        };
        let (outcome, why) = judge(worse, &effect, p_value(&sides) <= ALPHA);
        let numbers = format!("{}, {}", self.both(&effect), by(worse));
        let ends = ends.iter().flatten().zip(effect.ends.iter().flat_map(|ends| ends.iter()));
        let ends: Vec<(f64, Outcome)> = ends
            .filter_map(|(sides, effect)| {
                let worse = self.worse(effect.median_change()?);
                Some((worse, judge(worse, effect, p_value(sides) <= ALPHA).0))
            })
            .collect();
        let stands = ends.iter().all(|(_, at_end)| *at_end == outcome);
        let could_be = between_changes(ends.into_iter().map(|(worse, _)| worse));
        self.overturned(base, candidate, (outcome, stands), (numbers, could_be), why)
    }

    /// How much worse it may be.
    fn most(&self, effect: &Effect) -> Option<f64> {
        effect.change_interval.map(|[low, high]| self.worse(low).max(self.worse(high)))
    }

    fn judge_any(&self, base: &[Run], candidate: &[Run], share: f64) -> Judgement {
        let Some(most) = Many::of_metric(&self.metric, base, candidate).most(share) else {
            return self.unmeasured(candidate);
        };
        let first = (most.name, most.effect, most.p);
        let all = std::iter::once(first).chain(most.others);
        let worse = all.filter_map(|(tag, effect, p)| {
            let ends = effect.ends.iter().flat_map(|ends| ends.iter());
            let ends: Vec<f64> = ends.filter_map(|end| Some(self.worse(end.change?))).collect();
            Some(WorseTag { tag, by: self.worse(effect.change?), p, ends, p_at_worst: effect.p_at_worst() })
        });
        let (sure, unsure): (Vec<_>, Vec<_>) =
            worse.filter(|tag| tag.by > share).partition(|tag| tag.p <= ALPHA);
        // One that is worse enough whatever was lost is enough, where that makes it no less sure.
        let sure_still =
            sure.iter().any(|tag| tag.p_at_worst <= tag.p && tag.ends.iter().all(|worse| *worse > share));
        let named = |tags: &[WorseTag]| {
            let tags: Vec<String> = tags.iter().map(|one| format!("{} {}", one.tag, by(one.by))).collect();
            tags.join(", ")
        };
        let (outcome, numbers, why) = if !sure.is_empty() {
            (Outcome::Failed, named(&sure), None)
        } else if !unsure.is_empty() {
            (Outcome::Undecided, named(&unsure), Some("it may be chance".to_owned()))
        } else if most.all_within {
            (Outcome::Held, format!("{} compared", most.compared), None)
        } else {
            let why = format!("some may be more than {} worse", percent(share));
            (Outcome::Undecided, format!("{} compared", most.compared), Some(why))
        };
        let stands = match outcome {
            Outcome::Failed => sure_still,
            _ => most.all_within_whatever_was_lost,
        };
        let could_be = between_changes(sure.iter().flat_map(|tag| tag.ends.iter().copied()));
        self.overturned(base, candidate, (outcome, stands), (numbers, could_be), why)
    }

    /// What the lost records could overturn says so, and what it could be with them.
    fn overturned(
        &self,
        base: &[Run],
        candidate: &[Run],
        (outcome, stands): (Outcome, bool),
        (numbers, could_be): (String, String),
        why: Option<String>,
    ) -> Judgement {
        if stands || outcome == Outcome::Undecided {
            return self.judgement(outcome, numbers, why);
        }
        let lost = lost_records(leeway::lost_records(base, candidate));
        let why = format!("{} but {lost} could overturn it{could_be}", outcome.name());
        self.judgement(Outcome::Undecided, numbers, Some(why))
    }

    /// A change as how much worse it is.
    fn worse(&self, change: f64) -> f64 {
        if self.metric.sense() == Sense::MoreIsBetter { -change } else { change }
    }

    fn shown(&self, number: f64) -> String {
        Value { number, unit: self.metric.unit() }.to_string()
    }

    fn both(&self, effect: &Effect) -> String {
        format!("{} to {}", self.shown(effect.base), self.shown(effect.candidate))
    }
}

/// `2.0% better to 30.0% worse`; nothing of nothing.
fn between_changes(ends: impl Iterator<Item = f64>) -> String {
    let all: Vec<f64> = ends.collect();
    let bounded = |end: f64| if leeway::is_anything(end) { "anything".to_owned() } else { by(end) };
    let (least, most) = (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max));
    match (least, most) {
        (Some(least), Some(most)) => format!(": {} to {}", bounded(least), bounded(most)),
        _ => String::new(),
    }
}

/// A tag that is worse, and how much worse it is at both ends of what lost records leave open.
struct WorseTag {
    tag: String,
    by: f64,
    p: f64,
    ends: Vec<f64>,
    p_at_worst: f64,
}

fn lost_records(lost: u64) -> String {
    counted(lost, "lost record", "lost records")
}

fn by(worse: f64) -> String {
    if worse >= 0.0 { format!("{} worse", percent(worse)) } else { format!("{} better", percent(-worse)) }
}

fn values(metric: &Metric, runs: &[Run]) -> Vec<f64> {
    runs.iter().filter_map(|run| metric.of(&run.summary)).map(|value| value.number).collect()
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.limit {
            Limit::Max(max) => write!(f, "{} at most {}", self.metric, shown(&self.metric, max)),
            Limit::Min(min) => write!(f, "{} at least {}", self.metric, shown(&self.metric, min)),
            Limit::WorseBy(share) => write!(f, "{} at most {} worse", self.metric, percent(share)),
        }
    }
}

#[cfg(test)]
mod tests;
