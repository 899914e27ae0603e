//! Gates: bounds on a run, or on a candidate relative to a base.
//!
//! A gate fails only on what is certain: if lost records or too few runs leave it open, the outcome is
//! [`Outcome::Undecided`], with the reason.

mod loops;
mod reasons;

use loop_probes::text::printable;
use serde::Serialize;

use super::condition::shown;
use super::diff::Verdict;
use super::diff::any_tag::{Many, One};
use super::diff::effect::{Effect, Sides};
use super::diff::pressure::Pressure;
use super::diff::speed::Speed;
use super::diff::uncertainty::{self, Uncertainty};
use super::diff::{ALPHA, Run};
use super::metric::{Metric, Sense, Value};
use super::statistics::median;
use crate::units::{between, percent};

/// A bound for one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The metric that the gate limits.
    pub metric: Metric,
    /// The bound that the metric must keep.
    pub limit: Limit,
}

/// The kinds of bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// At most this, in the metric's unit.
    Max(f64),
    /// At least this.
    Min(f64),
    /// Worse than the base by at most this share.
    WorseBy(f64),
    /// Within this share of the base.
    SameWithin(f64),
}

/// The outcome of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The bound is kept.
    Held,
    /// The bound is violated.
    Failed,
    /// The runs do not decide it.
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

/// The result of judging a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judgement {
    /// The gate in words: `timer_lag.p99 at most 2.00ms`.
    pub gate: String,
    /// Name of the gate's metric.
    pub metric: String,
    /// Whether the gate held.
    pub outcome: Outcome,
    /// The numbers: `3.10ms`, or `2.00ms to 2.60ms, 30.0% worse`.
    pub numbers: String,
    /// Where records were lost: the bounds of the value in the metric's unit; null where there is no upper bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounds: Option<(f64, Option<f64>)>,
    /// Why the gate is undecided, or which tag or loop the figure belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A gate needs a base, and there is only one side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gate on {metric} has {key}, which needs a base: use it with `diff --gate`")]
pub struct NeedsBase {
    /// The key that needs a base.
    pub key: &'static str,
    /// Name of the gate's metric.
    pub metric: String,
}

/// The metric has no direction that is worse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{metric} has no worse_by: more of it is neither better nor worse; give it max or min")]
pub struct NeverWorse {
    /// Name of the gate's metric.
    pub metric: String,
}

impl Gate {
    /// Creates a gate.
    ///
    /// # Errors
    ///
    /// [`NeverWorse`] if it has `worse_by` on a metric that has no worse direction.
    pub fn new(metric: Metric, limit: Limit) -> Result<Self, NeverWorse> {
        if matches!(limit, Limit::WorseBy(_)) && metric.sense() == Sense::Neither {
            return Err(NeverWorse { metric: printable(&metric.to_string()) });
        }
        Ok(Self { metric, limit })
    }

    /// Checks that one run is enough to judge it.
    ///
    /// # Errors
    ///
    /// [`NeedsBase`] if it compares.
    pub fn needs_no_base(&self) -> Result<(), NeedsBase> {
        match self.limit {
            Limit::WorseBy(_) => {
                Err(NeedsBase { key: "worse_by", metric: printable(&self.metric.to_string()) })
            }
            Limit::SameWithin(_) => {
                Err(NeedsBase { key: "same_within", metric: printable(&self.metric.to_string()) })
            }
            Limit::Max(_) | Limit::Min(_) => Ok(()),
        }
    }

    /// Judges one run.
    ///
    /// # Errors
    ///
    /// [`NeedsBase`] if the gate compares.
    pub fn judge(&self, run: &Run) -> Result<Judgement, NeedsBase> {
        self.needs_no_base()?;
        Ok(self.judge_runs(std::slice::from_ref(run)))
    }

    /// Judges a candidate: its median by `max` and `min`, its distance from the base by `worse_by` and `same_within`.
    /// As in a comparison, the machine's speed is taken out of a tag's run times.
    #[must_use]
    pub fn judge_against(&self, base: &[Run], candidate: &[Run]) -> Judgement {
        let on_each = self.judge_each_loop(candidate, |gate| gate.judge_against(base, candidate));
        if let Some(judgement) = on_each {
            return judgement;
        }
        if !self.names_one_of(base.iter().chain(candidate)) {
            return self.unmeasured(candidate);
        }
        let share = match self.limit {
            Limit::Max(_) | Limit::Min(_) => return self.judge_values(candidate),
            Limit::WorseBy(share) | Limit::SameWithin(share) => share,
        };
        let speed = Speed::of(base, candidate);
        let (judged, effects) = if self.metric.is_of_any() {
            match Many::of(&self.metric, base, candidate, &speed, share) {
                many if many.ones.is_empty() => return self.unmeasured(candidate),
                many => self.judge_any(base, candidate, &many, share),
            }
        } else {
            let is_adjusted = self.metric.is_run_of_tag() && speed.but(self.metric.subject()).is_some();
            let than = if is_adjusted { " without the machine's speed" } else { "" };
            match Effect::of(&Sides::of(&self.metric, base, candidate, &speed)) {
                Some(effect) => (self.judge_change(base, candidate, &effect, (share, than)), vec![effect]),
                None => return self.unmeasured(candidate),
            }
        };
        self.under_pressure(judged, &effects, share, &Pressure::of(base, candidate))
    }

    /// Makes an outcome undecided if a different load of the machine could cause or hide it. Each of `effects` alone
    /// would be decisive.
    fn under_pressure(
        &self,
        judged: Judgement,
        effects: &[Effect],
        share: f64,
        pressure: &Pressure,
    ) -> Judgement {
        // More pressure on the candidate cannot hide a regression if pressure only ever lengthens, or if the machine's
        // speed was taken out.
        let lengthens = self.metric.is_run_of_tag() || !Pressure::moves_both_ways(&self.metric);
        let is_bound = matches!(self.limit, Limit::WorseBy(_));
        if judged.outcome == Outcome::Held && is_bound && lengthens && !pressure.is_more_in_base() {
            return judged;
        }
        let verdict = match judged.outcome {
            Outcome::Undecided => Verdict::Undecided,
            Outcome::Held => Verdict::Same,
            // The direction is the effect's.
            Outcome::Failed => Verdict::Worse,
        };
        let whys: Option<Vec<String>> =
            effects.iter().map(|effect| pressure.refuses(verdict, &self.metric, effect, share)).collect();
        match whys.and_then(|whys| whys.into_iter().next()) {
            Some(why) => Judgement {
                why: Some(format!("{} but {why}", judged.outcome.name())),
                outcome: Outcome::Undecided,
                ..judged
            },
            None => judged,
        }
    }

    fn judge_runs(&self, runs: &[Run]) -> Judgement {
        let on_each = self.judge_each_loop(runs, |gate| gate.judge_values(runs));
        match on_each {
            Some(judgement) => judgement,
            None if self.names_one_of(runs) => self.judge_values(runs),
            None => self.unmeasured(runs),
        }
    }

    /// Whether its tag, queue or priority, if it is of one, occurs in any run: no task of a misspelt tag ever ran.
    fn names_one_of<'a>(&self, runs: impl IntoIterator<Item = &'a Run>) -> bool {
        let Some(name) = self.metric.subject() else { return true };
        runs.into_iter().flat_map(|run| self.metric.siblings(&run.summary)).any(|known| known == name)
    }

    fn judgement(&self, outcome: Outcome, numbers: String, why: Option<String>) -> Judgement {
        Judgement {
            gate: self.to_string(),
            metric: printable(&self.metric.to_string()),
            outcome,
            numbers,
            bounds: None,
            why,
        }
    }

    fn judge_values(&self, runs: &[Run]) -> Judgement {
        let value = median(&values(&self.metric, runs));
        let bounds = runs.iter().map(|run| self.metric.bounds_in_run(&run.summary));
        let (lows, highs): (Vec<f64>, Vec<f64>) =
            bounds.map(|bounds| (bounds.low, bounds.high.unwrap_or(f64::INFINITY))).unzip();
        let (Some(value), Some(low), Some(high)) = (value, median(&lows), median(&highs)) else {
            return self.unmeasured(runs);
        };
        let keeps = |value: f64| match self.limit {
            Limit::Max(max) => value <= max,
            Limit::Min(min) => value >= min,
            Limit::WorseBy(_) | Limit::SameWithin(_) => true,
        };
        let outcome = match (keeps(value), keeps(low), keeps(high)) {
            (true, true, true) => Outcome::Held,
            (false, false, false) => Outcome::Failed,
            _ => Outcome::Undecided,
        };
        let why = match outcome {
            Outcome::Undecided => Some(self.open(runs)),
            _ => self.subject(runs),
        };
        let several = if runs.len() > 1 { " (median)" } else { "" };
        let most = high.is_finite().then(|| self.shown(high));
        let between = between(&self.shown(low), most.as_deref());
        let numbers = match low == high {
            true => self.shown(value) + several,
            false => format!("{}{several}, {between}", self.shown(value)),
        };
        let numbers = numbers + &self.difference(value);
        let judgement = self.judgement(outcome, numbers, why);
        Judgement { bounds: (low != high).then_some((low, high.is_finite().then_some(high))), ..judgement }
    }

    fn judge_change(
        &self,
        base: &[Run],
        candidate: &[Run],
        effect: &Effect,
        (share, than): (f64, &str),
    ) -> Judgement {
        let (outcome, why) = self.decide(effect, effect.p, share);
        let both = format!("{} to {}", self.shown(effect.base), self.shown(effect.candidate));
        let numbers = match effect.change {
            Some(change) => format!("{both}, {}{than}", self.by(self.worse(change))),
            None if effect.shift == 0.0 => both,
            None => format!("{both}, {}", self.by_shift(effect.shift)),
        };
        let ends: Vec<(Option<f64>, Outcome)> = effect
            .ends
            .iter()
            .flat_map(|ends| ends.iter())
            .map(|end| (end.change.map(|change| self.worse(change)), self.decide(end, end.p, share).0))
            .collect();
        let stands = ends.iter().all(|(_, at_end)| *at_end == outcome)
            && (outcome != Outcome::Failed || effect.ends_agree_in_direction());
        let could_be = self.between_changes(ends.into_iter().filter_map(|(worse, _)| worse));
        self.overturned(base, candidate, (outcome, stands), (numbers, could_be), why)
    }

    /// Failed if the effect is significant and beyond `share`; held if it is shown to be within `share`.
    fn decide(&self, effect: &Effect, p: f64, share: f64) -> (Outcome, Option<String>) {
        let is_same = matches!(self.limit, Limit::SameWithin(_));
        let off = |by: f64| if is_same { by.abs() } else { self.worse(by) };
        // Every share of a base of zero is zero, so the shift itself decides: beyond the grain, it is beyond any share.
        let (by, interval, limit) = match effect.change {
            Some(change) => (change, effect.change_interval, share),
            None => (effect.shift, effect.shift_interval, effect.grain()),
        };
        let Some([low, high]) = interval else {
            let why = "one run a side does not show how runs scatter";
            return (Outcome::Undecided, Some(why.to_owned()));
        };
        let most = off(low).max(off(high));
        let holds = if is_same { effect.is_same(share, false) } else { most <= limit };
        if off(by) > limit && p <= ALPHA {
            (Outcome::Failed, None)
        } else if holds {
            (Outcome::Held, None)
        } else if off(by) > limit {
            (Outcome::Undecided, Some("it may be chance".to_owned()))
        } else {
            let than = if is_same { "off" } else { "worse" };
            let most = if effect.change.is_some() { percent(most) } else { self.shown(most) };
            (Outcome::Undecided, Some(format!("it may be {most} {than}")))
        }
    }

    /// Judges a metric over all tags. Also returns the effects that decide: those surely beyond the limit, else those
    /// furthest from chance.
    fn judge_any(
        &self,
        base: &[Run],
        candidate: &[Run],
        many: &Many,
        share: f64,
    ) -> (Judgement, Vec<Effect>) {
        let is_same = matches!(self.limit, Limit::SameWithin(_));
        let off = |one: &&One| {
            one.effect.change.map(|change| if is_same { change.abs() } else { self.worse(change) })
        };
        let mut beyond: Vec<&One> =
            many.ones.iter().filter(|one| off(one).is_some_and(|off| off > share)).collect();
        beyond.sort_by(|one, other| other.weight().total_cmp(&one.weight()));
        let (sure, unsure): (Vec<&One>, Vec<&One>) = beyond.into_iter().partition(|one| one.p <= ALPHA);
        let named = |ones: &[&One]| {
            let name = |one: &&One| Some(format!("{} {}", one.name, self.by(self.worse(one.effect.change?))));
            ones.iter().filter_map(name).collect::<Vec<String>>().join(", ")
        };
        let compared = || format!("{} compared", many.compared);
        let holds = |one: &One, effect: &Effect| self.decide(effect, one.p, share).0 == Outcome::Held;
        // Tags that take hardly any time need not be shown to be within the limit.
        let all_hold = many.worth_mentioning().all(|one| holds(one, &one.effect));
        let (outcome, numbers, why) = if !sure.is_empty() {
            (Outcome::Failed, named(&sure), None)
        } else if !unsure.is_empty() && !all_hold {
            (Outcome::Undecided, named(&unsure), Some("it may be chance".to_owned()))
        } else if all_hold {
            (Outcome::Held, compared(), None)
        } else {
            let than = if is_same { "off" } else { "worse" };
            (Outcome::Undecided, compared(), Some(format!("some may be more than {} {than}", percent(share))))
        };
        let ends =
            |one: &One| one.effect.ends.iter().flat_map(|ends| ends.iter()).cloned().collect::<Vec<Effect>>();
        let off_still = |end: &Effect| {
            end.change.is_some_and(|change| if is_same { change.abs() } else { self.worse(change) } > share)
        };
        let stands = match outcome {
            // One effect beyond the limit whatever was lost is enough, unless its p-value gets worse with the losses.
            Outcome::Failed => {
                let is_sure = |one: &&One| {
                    one.effect.p_at_worst() <= one.p
                        && one.effect.ends_agree_in_direction()
                        && ends(one).iter().all(off_still)
                };
                sure.iter().any(is_sure)
            }
            _ => {
                let all = || base.iter().chain(candidate);
                Uncertainty::of(&self.metric, all()).tags_beyond_limit == 0
                    && many.ones.iter().all(|one| ends(one).iter().all(|end| holds(one, end)))
            }
        };
        let could_be = sure.iter().flat_map(|one| ends(one)).filter_map(|end| Some(self.worse(end.change?)));
        let could_be = self.between_changes(could_be);
        let deciding = if sure.is_empty() { many.ones.iter().take(1).collect() } else { sure };
        let effects = deciding.into_iter().map(|one| one.effect.clone()).collect();
        (self.overturned(base, candidate, (outcome, stands), (numbers, could_be), why), effects)
    }

    /// Makes the outcome undecided if lost records could overturn it, and gives the range that it could have.
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
        let lost = Uncertainty::of(&self.metric, base.iter().chain(candidate));
        let why = format!("{} but {lost} could overturn it{could_be}", outcome.name());
        self.judgement(Outcome::Undecided, numbers, Some(why))
    }

    /// Converts a change to how much worse it is, or how much higher if the metric is neither better nor worse.
    fn worse(&self, change: f64) -> f64 {
        if self.metric.sense() == Sense::MoreIsBetter { -change } else { change }
    }

    /// `80.1ms worse`.
    fn by_shift(&self, shift: f64) -> String {
        format!("{} {}", self.shown(shift.abs()), self.direction(self.worse(shift)))
    }

    /// The word for a change by `worse`: better or worse, or for a metric that is neither, higher or lower.
    fn direction(&self, worse: f64) -> &'static str {
        match (self.metric.sense(), worse >= 0.0) {
            (Sense::Neither, true) => "higher",
            (Sense::Neither, false) => "lower",
            (_, true) => "worse",
            (_, false) => "better",
        }
    }

    /// `30.0% worse`.
    fn by(&self, worse: f64) -> String {
        format!("{} {}", percent(worse.abs()), self.direction(worse))
    }

    /// `: 2.0% better to 30.0% worse`; empty if there are no changes.
    fn between_changes(&self, ends: impl Iterator<Item = f64>) -> String {
        let all: Vec<f64> = ends.collect();
        let bounded =
            |end: f64| if uncertainty::is_anything(end) { "anything".to_owned() } else { self.by(end) };
        let (least, most) = (all.iter().copied().reduce(f64::min), all.iter().copied().reduce(f64::max));
        match (least, most) {
            (Some(least), Some(most)) => format!(": {} to {}", bounded(least), bounded(most)),
            _ => String::new(),
        }
    }

    fn shown(&self, number: f64) -> String {
        Value { number, unit: self.metric.unit() }.to_string()
    }
}

fn values(metric: &Metric, runs: &[Run]) -> Vec<f64> {
    runs.iter().filter_map(|run| metric.of(&run.summary)).map(|value| value.number).collect()
}

impl std::fmt::Display for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.limit {
            Limit::Max(max) => write!(f, "{} at most {}", self.metric, shown(&self.metric, max)),
            Limit::Min(min) => write!(f, "{} at least {}", self.metric, shown(&self.metric, min)),
            Limit::SameWithin(share) => write!(f, "{} the same within {}", self.metric, percent(share)),
            Limit::WorseBy(share) => write!(f, "{} at most {} worse", self.metric, percent(share)),
        }
    }
}

#[cfg(test)]
mod tests;
