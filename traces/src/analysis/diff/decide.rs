//! From an effect to a verdict, and what it would take to have one.
//!
//! - **worse**, **better**: significant among all primaries, the 95% interval on one side of zero, and the shift beyond
//!   what does not matter;
//! - **same**: the whole 95% interval lies within what does not matter: equivalence was shown, it is not that nothing
//!   was found;
//! - **undecided**: everything else, with how many more runs would decide.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::Run;
use super::any::{Many, Most};
use super::effect::{self, Effect, Sides};
use super::leeway::{Loss, interval, lost_records};
use crate::analysis::metric::{Metric, Sense, Unit};
use crate::analysis::statistics::splits::Splits;

/// Better or worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The candidate is worse.
    Worse,
    /// The candidate is better.
    Better,
    /// There is no difference that matters.
    Same,
    /// The runs do not say.
    Undecided,
}

impl Verdict {
    /// In words.
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

/// How many more runs a side would decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoreRuns {
    /// About so many.
    About(u32),
    /// More than anybody would make: [`RUNS_MAX`].
    MoreThan(u32),
    /// One run a side does not show how runs scatter: so many at least.
    AtLeast(u32),
}

/// Runs that are asked for, at most.
pub const RUNS_MAX: u32 = 50;

/// Another tag whose change is significant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OtherTag {
    /// Which.
    pub tag: String,
    /// Its change, as a share.
    pub change: f64,
    /// Its p-value among all tags.
    pub p: f64,
}

/// A primary metric and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judged {
    /// Its name.
    pub metric: String,
    /// Its unit.
    pub unit: Unit,
    /// The verdict.
    pub verdict: Verdict,
    /// For a metric of any tag: the tag that changed most, to which the effect belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// For a metric of any tag: other tags that changed significantly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_tags: Vec<OtherTag>,
    /// For a metric of any tag: how many were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags_compared: Option<usize>,
    /// The effect. Absent where a side has no value.
    #[serde(flatten)]
    pub effect: Option<Effect>,
    /// The chance that equals differ as much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// What it had to be below to be significant whatever the other metrics say.
    pub p_needed: f64,
    /// How many more runs a side would decide, where these cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_runs: Option<MoreRuns>,
    /// What lost records leave open. Absent where they cannot move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
}

/// A primary metric before its verdict.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    metric: Metric,
    runs: (usize, usize),
    effect: Option<Effect>,
    most: Option<Most>,
    pub(super) p: f64,
    lost_records: u64,
}

impl Measured {
    pub(super) fn one(metric: &Metric, base: &[Run], candidate: &[Run]) -> Self {
        let sides = Sides::of(metric, base, candidate);
        let ends = sides.ends(metric, base, candidate);
        let effect = Effect::between(&sides, ends.as_ref());
        let p = effect::p_value(&sides);
        Self {
            metric: metric.clone(),
            runs: (sides.base.len(), sides.candidate.len()),
            effect,
            most: None,
            p,
            lost_records: lost_records(base, candidate),
        }
    }

    pub(super) fn any(metric: &Metric, base: &[Run], candidate: &[Run], margin: f64) -> Self {
        let most = Many::of_metric(metric, base, candidate).most(margin);
        let p = most.as_ref().map_or(1.0, |most| most.p);
        Self {
            metric: metric.clone(),
            runs: (base.len(), candidate.len()),
            effect: most.as_ref().map(|most| most.effect.clone()),
            p,
            most,
            lost_records: lost_records(base, candidate),
        }
    }

    pub(super) const fn has_values(&self) -> bool {
        self.effect.is_some()
    }

    pub(super) fn judge(self, significant: bool, p_needed: f64, margin: f64) -> Judged {
        let seen = self.verdict(significant, margin);
        let loss = self.loss(seen, significant, p_needed, margin);
        let overturned = loss.is_some_and(|loss| loss.overturned.is_some());
        let verdict = if overturned { Verdict::Undecided } else { seen };
        // More runs would not bring the records back.
        let undecided = verdict == Verdict::Undecided && !overturned;
        let more_runs = undecided.then(|| self.more_runs(p_needed, margin)).flatten();
        let other = |(tag, effect, p): &(String, Effect, f64)| {
            Some(OtherTag { tag: tag.clone(), change: effect.change?, p: *p })
        };
        let others = self.most.iter().filter(|_| significant).flat_map(|most| &most.others);
        Judged {
            metric: self.metric.to_string(),
            unit: self.metric.unit(),
            verdict,
            tag: self.most.as_ref().map(|most| most.name.clone()),
            other_tags: others.filter_map(other).collect(),
            tags_compared: self.most.as_ref().map(|most| most.compared),
            p: self.has_values().then_some(self.p),
            effect: self.effect,
            p_needed,
            more_runs,
            loss,
        }
    }

    /// What lost records leave open of the verdict that was `seen`.
    fn loss(&self, seen: Verdict, significant: bool, p_needed: f64, margin: f64) -> Option<Loss> {
        let effect = self.effect.as_ref()?;
        let ends = effect.ends.as_ref()?;
        let significant = significant && effect.p_at_worst() <= self.p.max(p_needed);
        let all_within = self.most.as_ref().map(|most| most.all_within_whatever_was_lost);
        let stands = seen == Verdict::Undecided
            || ends.iter().all(|end| self.verdict_of(end, all_within, significant, margin) == seen);
        Some(Loss {
            lost_records: self.lost_records,
            change_interval: interval(ends),
            overturned: (!stands).then_some(seen),
        })
    }

    fn verdict(&self, significant: bool, margin: f64) -> Verdict {
        let Some(effect) = &self.effect else { return Verdict::Undecided };
        self.verdict_of(effect, self.most.as_ref().map(|most| most.all_within), significant, margin)
    }

    fn verdict_of(
        &self,
        effect: &Effect,
        all_within: Option<bool>,
        significant: bool,
        margin: f64,
    ) -> Verdict {
        let by = effect.in_margins(margin);
        let apart = effect.shift_interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0);
        if significant && apart && by.abs() > 1.0 {
            let is_worse = (by > 0.0) == (self.metric.sense() == Sense::MoreIsWorse);
            return if is_worse { Verdict::Worse } else { Verdict::Better };
        }
        let within = |ends: [f64; 2]| ends.iter().all(|end| end.abs() <= 1.0);
        let same = match all_within {
            Some(all_within) => all_within,
            None => effect.interval_in_margins(margin).is_some_and(within),
        };
        if same { Verdict::Same } else { Verdict::Undecided }
    }

    /// Runs a side that find the observed effect, or that show that it is none, four times of five: the normal
    /// approximation of both tests (Noether 1987 for the rank test's efficiency of 0.955), at the observed scatter.
    fn more_runs(&self, p_needed: f64, margin: f64) -> Option<MoreRuns> {
        let effect = self.effect.as_ref()?;
        let now = self.runs.0.min(self.runs.1) as u32;
        let fewest =
            (1..=RUNS_MAX).find(|runs| Splits::new(*runs as usize, *runs as usize).p_min() <= p_needed)?;
        if now < 2 {
            return Some(MoreRuns::AtLeast(fewest.saturating_sub(now).max(1)));
        }
        let tolerated = match effect.grain {
            grain if grain > 0.0 && effect.base > 0.0 => margin.max(grain / effect.base),
            grain if grain > 0.0 => grain,
            _ => margin,
        };
        let by = effect.change.unwrap_or(effect.shift).abs();
        // A difference is found by its size; that there is none, by the room that it leaves within the margin.
        let tests = self.most.as_ref().map_or(1, |most| most.compared.max(1)) as f64;
        let (error, distance) =
            if by > tolerated { (p_needed / 2.0 / tests, by) } else { (0.025, tolerated - by) };
        let normal = Normal::standard();
        let quantiles = -normal.inverse_cdf(error) - normal.inverse_cdf(0.2);
        let needed = 2.0 * (quantiles * effect.scatter? / distance.max(1e-9)).powi(2) / 0.955;
        let needed = needed.ceil().min(1e6) as u32;
        let more = needed.max(fewest).saturating_sub(now).max(1);
        Some(if more > RUNS_MAX { MoreRuns::MoreThan(RUNS_MAX) } else { MoreRuns::About(more) })
    }
}

impl std::fmt::Display for MoreRuns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (words, number) = match self {
            Self::About(number) => ("about", number),
            Self::MoreThan(number) => ("more than", number),
            Self::AtLeast(number) => ("at least", number),
        };
        write!(f, "{words} {number} more {} a side", if *number == 1 { "run" } else { "runs" })
    }
}
