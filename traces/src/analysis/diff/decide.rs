//! Turns an effect into a verdict, and estimates what a verdict would take.
//!
//! - **worse**, **better**: significant among all primaries, with the 95% interval on one side of zero and a shift that
//!   matters;
//! - **same**: an equivalence test shows that they differ by less than declared; it is not the absence of a finding;
//! - **undecided**: everything else, with how many more runs would decide.

use loop_probes::text::printable;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::any_tag::{EVERY_TAG, Many, One};
use super::effect::{Effect, Sides, Verdict};
use super::input::{ALPHA, Options, Run};
use super::pressure::Pressure;
use super::speed::Speed;
use super::uncertainty::{Loss, Uncertainty, interval};
use crate::analysis::metric::{Metric, Sense, Unit};
use crate::analysis::statistics::splits::Splits;
use crate::units::percent;

/// How many more runs a side would decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MoreRuns {
    /// About this many.
    About(u32),
    /// More than is reasonable: [`RUNS_MAX`].
    MoreThan(u32),
    /// One run a side does not show the scatter: at least this many.
    AtLeast(u32),
}

/// Maximum number of runs per side that are asked for.
pub const RUNS_MAX: u32 = 50;

/// Another tag whose change is significant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OtherTag {
    /// Name of the tag.
    pub tag: String,
    /// The relative change of the tag's figure.
    pub change: f64,
    /// The tag's share of the time of all tasks.
    pub share: f64,
    /// The p-value, corrected for the number of tags.
    pub p: f64,
}

/// A primary metric and its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Judged {
    /// The metric's name.
    pub metric: String,
    /// The metric's unit.
    pub unit: Unit,
    /// The verdict on the change of the metric.
    pub verdict: Verdict,
    /// For a metric over any tag: the tag the effect belongs to. Among tags that became significantly worse, the one
    /// whose change weighs most by its share of the time; else among those that changed; else the one furthest from
    /// chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// For a metric over any tag: its share of the time of all tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// For a metric over any tag: all other tags that changed significantly, the weightiest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_tags: Vec<OtherTag>,
    /// For a metric over any tag: how many were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags_compared: Option<usize>,
    /// The effect. Absent if a side has no value.
    #[serde(flatten)]
    pub effect: Option<Effect>,
    /// The chance that equals differ this much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The p-value below which it is significant whatever the other metrics show.
    pub p_needed: f64,
    /// The p-value of the equivalence test; for a metric over any tag, the largest among the tags with a relevant share
    /// of the time. Absent with one run a side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_p: Option<f64>,
    /// How many more runs a side would decide, if these do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_runs: Option<MoreRuns>,
    /// What lost records leave open. Absent if they cannot change the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// The verdict withheld because the sides differ in pressure, or because another tag is worse, with the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// A withheld verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Refused {
    /// The verdict without the reason.
    pub verdict: Verdict,
    /// Why the verdict is withheld.
    pub why: String,
}

/// A primary metric before its verdict.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    metric: Metric,
    runs: (usize, usize),
    found: Found,
    pub(super) p: f64,
    left_open: Uncertainty,
}

#[derive(Clone, Debug)]
enum Found {
    One(Option<Box<Effect>>),
    Many(Many),
}

impl Measured {
    pub(super) fn of(metric: &Metric, base: &[Run], candidate: &[Run], speed: &Speed, margin: f64) -> Self {
        let (found, runs) = if metric.is_of_any() {
            let many = Many::of(metric, base, candidate, speed, margin);
            (Found::Many(many), (base.len(), candidate.len()))
        } else {
            let sides = Sides::of(metric, base, candidate, speed);
            (Found::One(Effect::of(&sides).map(Box::new)), (sides.base.len(), sides.candidate.len()))
        };
        let p = match &found {
            Found::One(effect) => effect.as_ref().map(|effect| effect.p),
            Found::Many(many) => many.ones.first().map(|one| one.p),
        };
        let left_open = Uncertainty::of(metric, base.iter().chain(candidate));
        Self { metric: metric.clone(), runs, found, p: p.unwrap_or(1.0), left_open }
    }

    pub(super) const fn has_values(&self) -> bool {
        match &self.found {
            Found::One(effect) => effect.is_some(),
            Found::Many(many) => !many.ones.is_empty(),
        }
    }

    /// Tags that changed significantly and by an amount that matters, the weightiest first.
    fn changed(&self, significant: bool, p_needed: f64, margin: f64) -> Vec<&One> {
        let Found::Many(many) = &self.found else { return Vec::new() };
        let is_changed =
            |one: &&One| significant && one.p <= p_needed.max(self.p) && matters(&one.effect, margin);
        let mut changed: Vec<&One> = many.ones.iter().filter(is_changed).collect();
        changed.sort_by(|one, other| other.weight().total_cmp(&one.weight()));
        changed
    }

    pub(super) fn judge(
        self,
        significant: bool,
        p_needed: f64,
        options: &Options,
        pressure: &Pressure,
    ) -> Judged {
        let changed = self.changed(significant, p_needed, options.margin);
        let (first, effect) = match &self.found {
            Found::One(effect) => (None, effect.as_deref()),
            Found::Many(many) => {
                // A single worse tag decides, regardless of the others.
                let worse =
                    changed.iter().copied().filter(|one| self.is_surely_worse(one, &changed, options.margin));
                let worse: Vec<&One> = worse.collect();
                let deciding = if worse.is_empty() { &changed } else { &worse };
                // Changes that pressure or losses could explain come after those they could not.
                let stands = |one: &&&One| {
                    let seen = self.verdict_of(&one.effect, significant, options, false);
                    let loss = self.loss(&one.effect, seen, significant, p_needed, options);
                    loss.is_none_or(|loss| loss.overturned.is_none())
                        && pressure.refuses(seen, &self.metric, &one.effect, options.margin).is_none()
                };
                let first = deciding.iter().find(stands).or_else(|| deciding.first());
                let first = first.copied().or_else(|| many.ones.first());
                (first, first.map(|one| &one.effect))
            }
        };
        let seen = effect.map_or(Verdict::Undecided, |effect| {
            self.verdict_of(effect, significant, options, self.is_same(options, false))
        });
        let loss = effect.and_then(|effect| self.loss(effect, seen, significant, p_needed, options));
        let overturned = loss.is_some_and(|loss| loss.overturned.is_some());
        let certain = if overturned { Verdict::Undecided } else { seen };
        let why = effect.and_then(|effect| pressure.refuses(certain, &self.metric, effect, options.margin));
        let why = why.or_else(|| self.contradicts(certain, options.margin));
        let refused = why.map(|why| Refused { verdict: certain, why });
        let verdict = if refused.is_some() { Verdict::Undecided } else { certain };
        // More runs would neither bring back the records nor remove the other programs.
        let undecided = certain == Verdict::Undecided && !overturned;
        let more_runs =
            effect.filter(|_| undecided).and_then(|effect| self.more_runs(effect, p_needed, options));
        let others = changed.iter().filter(|one| first.is_none_or(|first| first.name != one.name));
        let others = others.filter_map(|one| {
            Some(OtherTag { tag: one.name.clone(), change: one.effect.change?, share: one.share, p: one.p })
        });
        Judged {
            metric: self.metric.to_string(),
            unit: self.metric.unit(),
            verdict,
            tag: first.map(|one| one.name.clone()),
            share: first.map(|one| one.share),
            other_tags: others.collect(),
            tags_compared: match &self.found {
                Found::Many(many) if !many.ones.is_empty() => Some(many.compared),
                _ => None,
            },
            p: self.has_values().then(|| first.map_or(self.p, |one| one.p)),
            same_p: self.same_p(options),
            effect: effect.cloned(),
            p_needed,
            more_runs,
            loss,
            refused,
        }
    }

    /// Whether the direction of this effect is worse.
    fn is_worse(&self, effect: &Effect) -> bool {
        (effect.shift > 0.0) == (self.metric.sense() == Sense::MoreIsWorse)
    }

    /// Whether a tag is certainly worse. If the tags in general became faster, one that did not may only seem slower
    /// because the machine's speed was taken out, so it must also be slower as measured.
    fn is_surely_worse(&self, one: &One, changed: &[&One], margin: f64) -> bool {
        let all_faster = changed.iter().any(|one| one.name == EVERY_TAG && !self.is_worse(&one.effect));
        let as_measured = one.measured.is_some_and(|change| change * one.effect.shift.signum() > margin);
        self.is_worse(&one.effect) && (as_measured || !all_faster)
    }

    /// Why a verdict of better is withheld: another tag is worse, by the test of a single gate.
    fn contradicts(&self, verdict: Verdict, margin: f64) -> Option<String> {
        let Found::Many(many) = &self.found else { return None };
        let worse = |one: &&One| {
            one.p <= ALPHA && self.is_worse(&one.effect) && one.effect.in_margins(margin).abs() > 1.0
        };
        let worse =
            many.ones.iter().filter(worse).max_by(|one, other| one.weight().total_cmp(&other.weight()));
        let worse = worse.filter(|_| verdict == Verdict::Better)?;
        Some(format!("{} is {} worse", printable(&worse.name), percent(worse.effect.change?.abs())))
    }

    fn same_p(&self, options: &Options) -> Option<f64> {
        match &self.found {
            Found::One(effect) => effect.as_ref()?.equivalence_p(options.same_within),
            Found::Many(many) => {
                let all = many.worth_mentioning().map(|one| one.effect.equivalence_p(options.same_within));
                all.collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
            }
        }
    }

    /// Whether the equivalence test shows that the sides are the same; with `whatever_was_lost`, at both extremes that
    /// losses leave open.
    fn is_same(&self, options: &Options, whatever_was_lost: bool) -> bool {
        let is_same = |effect: &Effect| effect.is_same(options.same_within, whatever_was_lost);
        match &self.found {
            Found::One(effect) => effect.as_deref().is_some_and(is_same),
            Found::Many(many) => {
                let mut all = many.worth_mentioning().peekable();
                all.peek().is_some() && all.all(|one| is_same(&one.effect))
            }
        }
    }

    /// What lost records, unfinished work and tags beyond the limit leave open about the verdict `seen`.
    fn loss(
        &self,
        effect: &Effect,
        seen: Verdict,
        significant: bool,
        p_needed: f64,
        options: &Options,
    ) -> Option<Loss> {
        // A tag that became slower is enough for *worse*, but not one that did not for *same* or *better*.
        let is_any = matches!(self.found, Found::Many(_)) && self.left_open.tags_beyond_limit > 0;
        let overturned = (is_any && matches!(seen, Verdict::Same | Verdict::Better)).then_some(seen);
        let Some(ends) = effect.ends.as_ref() else {
            let change_interval = effect.change_interval.map(|ends| ends.map(Some));
            return overturned.map(|_| Loss { left_open: self.left_open, change_interval, overturned });
        };
        let significant = significant && effect.p_at_worst() <= self.p.max(p_needed);
        let is_same = self.is_same(options, true);
        let stands = seen == Verdict::Undecided
            || ends.iter().all(|end| self.verdict_of(end, significant, options, is_same) == seen);
        Some(Loss {
            left_open: self.left_open,
            change_interval: interval(ends),
            overturned: overturned.or((!stands).then_some(seen)),
        })
    }

    fn verdict_of(&self, effect: &Effect, significant: bool, options: &Options, is_same: bool) -> Verdict {
        if significant && matters(effect, options.margin) {
            return if self.is_worse(effect) { Verdict::Worse } else { Verdict::Better };
        }
        if is_same { Verdict::Same } else { Verdict::Undecided }
    }

    /// The number of runs per side that would find the observed effect, or show that it is too small to matter, four
    /// times out of five: the normal approximation of the tests (Noether 1987 for the rank test's efficiency of 0.955),
    /// at the observed scatter.
    fn more_runs(&self, effect: &Effect, p_needed: f64, options: &Options) -> Option<MoreRuns> {
        let now = self.runs.0.min(self.runs.1) as u32;
        let fewest =
            (1..=RUNS_MAX).find(|runs| Splits::new(*runs as usize, *runs as usize).p_min() <= p_needed)?;
        if now < 2 {
            return Some(MoreRuns::AtLeast(fewest.saturating_sub(now).max(1)));
        }
        let tolerated = |share: f64, least: f64| match effect.base {
            base if base > 0.0 => share.max(least / base),
            _ => least,
        };
        let by = effect.change.unwrap_or(effect.shift).abs();
        let same_within = tolerated(options.same_within, effect.floor);
        let tests = if let Found::Many(many) = &self.found { many.compared.max(1) as f64 } else { 1.0 };
        // The distance that the runs must resolve: for a difference, its size; for equality, how far the effect is
        // within the bound.
        let found = (by > tolerated(options.margin, effect.grain)).then_some((p_needed / 2.0 / tests, by));
        let same = (by < same_within).then_some((ALPHA, same_within - by));
        let normal = Normal::standard();
        let scatter = effect.scatter?;
        let needed = found.into_iter().chain(same).map(|(error, distance)| {
            let quantiles = -normal.inverse_cdf(error) - normal.inverse_cdf(0.2);
            2.0 * (quantiles * scatter / distance.max(1e-9)).powi(2) / 0.955
        });
        let needed = needed.fold(1e6, f64::min).ceil() as u32;
        let more = needed.max(fewest).saturating_sub(now).max(1);
        Some(if more > RUNS_MAX { MoreRuns::MoreThan(RUNS_MAX) } else { MoreRuns::About(more) })
    }
}

/// Whether the whole interval lies on one side of zero, and the shift is large enough to matter.
fn matters(effect: &Effect, margin: f64) -> bool {
    let apart = effect.shift_interval.is_some_and(|[low, high]| low > 0.0 || high < 0.0);
    apart && effect.in_margins(margin).abs() > 1.0
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
