//! Pressure: whether the sides had the processors that they wanted, and what a difference in that could have caused.
//!
//! A build beside two programs that compute all the time has slower tasks, later timers and more stalls than the same
//! build alone. Where the sides differ in pressure by more than a bound, a verdict that this could explain is undecided:
//!
//! - **typical run times** (`p50`, `gmean`): a processor that is shared may run half as fast for as long as somebody
//!   waits, so with the shares `a` and `b` of such time a factor of `(1 + a) / (1 + b)`, and the margin;
//! - **other times**: what the threads of the process waited for processors in one side more than in the other;
//! - **everything else**: whatever it is.
//!
//! Pressure makes nothing faster: what is worse beside less pressure is worse. But it may hide what is worse, so the
//! sides are not the same either.

use serde::Serialize;

use super::Run;
use super::decide::Verdict;
use super::effect::Effect;
use crate::analysis::metric::{Metric, Sense, Statistic, Unit};
use crate::analysis::statistics::median;
use crate::summary::PressureSummary;
use crate::units::{duration, percent};

/// By how much the shares of time may differ in which a task of the machine waited for a processor, or the threads of
/// the process did.
pub const WAITED_MAX: f64 = 0.1;

/// By how much the shares of time may differ that the hypervisor took.
pub const STOLEN_MAX: f64 = 0.02;

/// How much processors were wanted in the median run of a side; shares of the time, `None` where a run does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Shares {
    /// A task of the machine waited for a processor.
    pub waited: Option<f64>,
    /// The hypervisor ran something else, on all processors together.
    pub stolen: Option<f64>,
    /// Threads of the process waited for a processor, all together.
    pub delayed: Option<f64>,
    /// The same in nanoseconds.
    pub delayed_ns: Option<f64>,
}

/// Of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pressure {
    /// Of the base.
    pub base: Shares,
    /// Of the candidate.
    pub candidate: Shares,
    /// They differ by more than the bounds.
    pub is_apart: bool,
}

impl Shares {
    fn of(side: &[Run]) -> Self {
        let of = |value: fn(&PressureSummary) -> Option<f64>| -> Option<f64> {
            let values = side.iter().map(|run| value(run.summary.pressure.as_ref()?));
            median(&values.collect::<Option<Vec<f64>>>()?)
        };
        // The kernel updates its count now and then: it may be of a little more time than was looked at.
        let at_most_all = |share: f64| share.min(1.0);
        Self {
            waited: of(|one| Some(one.waited_ns? as f64 / one.observed_ns.max(1) as f64)).map(at_most_all),
            stolen: of(|one| Some(one.stolen_ns? as f64 / one.observed_ns.max(1) as f64)),
            delayed: of(|one| Some(one.delayed_ns? as f64 / one.observed_ns.max(1) as f64)),
            delayed_ns: of(|one| Some(one.delayed_ns? as f64)),
        }
    }

    /// How much slower a processor may have been.
    fn slowness(&self) -> f64 {
        let shares = [self.waited, self.stolen, self.delayed].into_iter().flatten();
        1.0 + shares.fold(0.0, f64::max).min(1.0)
    }
}

impl Pressure {
    /// Of the runs of both sides.
    #[must_use]
    pub fn of(base: &[Run], candidate: &[Run]) -> Self {
        let (base, candidate) = (Shares::of(base), Shares::of(candidate));
        let pressure = Self { base, candidate, is_apart: false };
        let is_apart = pressure.differences().iter().any(|(by, max, _)| by.abs() > *max);
        Self { is_apart, ..pressure }
    }

    /// By how much more the candidate was under pressure, the bound of that, and in words what both were.
    fn differences(&self) -> Vec<(f64, f64, String)> {
        let kinds = [
            (
                self.base.waited,
                self.candidate.waited,
                WAITED_MAX,
                "a task of the machine waited for a processor",
            ),
            (
                self.base.delayed,
                self.candidate.delayed,
                WAITED_MAX,
                "the process's threads waited for a processor",
            ),
            (self.base.stolen, self.candidate.stolen, STOLEN_MAX, "the hypervisor took"),
        ];
        let known = kinds.into_iter().filter_map(|(base, candidate, max, what)| {
            let (base, candidate) = (base?, candidate?);
            let said = format!(
                "{what} {} of the time in the base, {} in the candidate",
                percent(base),
                percent(candidate)
            );
            Some((candidate - base, max, said))
        });
        known.collect()
    }

    /// The base had more of it than the candidate, by more than the bound.
    #[must_use]
    pub fn is_more_in_base(&self) -> bool {
        self.differences().iter().any(|(by, max, _)| -by > *max)
    }

    /// Why `verdict` on this effect cannot be given; `None` where the sides had about the same, or it cannot explain it.
    #[must_use]
    pub fn refuses(&self, verdict: Verdict, metric: &Metric, effect: &Effect, margin: f64) -> Option<String> {
        let mut apart = self.differences().into_iter().filter(|(by, max, _)| by.abs() > *max);
        let (by, _, said) = apart.next()?;
        match verdict {
            Verdict::Undecided => None,
            Verdict::Same => Some(format!("{said}, which could hide a difference")),
            Verdict::Worse | Verdict::Better => {
                // More of what more pressure makes more of, or less where there is less.
                let more_is_worse = metric.sense() == Sense::MoreIsWorse;
                let follows = ((effect.shift > 0.0) == more_is_worse) == (by > 0.0);
                (follows && self.explains(metric, effect, margin))
                    .then(|| format!("{said}, which could cause that"))
            }
        }
    }

    /// Whether the difference in pressure could cause as much.
    fn explains(&self, metric: &Metric, effect: &Effect, margin: f64) -> bool {
        let is_typical = matches!(metric.statistic(), Some(Statistic::P50 | Statistic::Gmean));
        match (metric.unit(), effect.change, self.base.delayed_ns, self.candidate.delayed_ns) {
            (Unit::Ns, Some(change), ..) if is_typical => {
                let caused = (self.candidate.slowness() / self.base.slowness()).ln().abs();
                (1.0 + change).max(f64::MIN_POSITIVE).ln().abs() <= caused + margin.ln_1p()
            }
            (Unit::Ns, _, Some(base), Some(candidate)) => effect.shift.abs() <= (candidate - base).abs(),
            _ => true,
        }
    }

    /// A line for people, where the sides differ.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let (_, _, said) = self.differences().into_iter().find(|(by, max, _)| by.abs() > *max)?;
        let delayed = self.base.delayed_ns.zip(self.candidate.delayed_ns).map(|(base, candidate)| {
            format!(" (its threads for {} and {})", duration(base as u64), duration(candidate as u64))
        });
        Some(format!("{said}{}; record both sides beside the same load", delayed.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::diff::tests::{Imagined, run};
    use crate::analysis::diff::{Options, compare};
    use crate::analysis::gate::{Gate, Limit, Outcome};

    const SCATTER: [f64; 5] = [0.01, -0.01, 0.004, -0.006, 0.0];

    /// Runs with this factor on all that takes time, of which this share was spent waiting.
    fn side(factor: f64, waited: Option<f64>) -> Vec<Run> {
        let runs = SCATTER.iter().map(|by| {
            let own = factor * (1.0 + by);
            let imagined = Imagined {
                tags: vec![5_000.0 * own; 6],
                lag_ns: 1e7 * own,
                tick_ns: 8e4 * own,
                stalled_ns: if factor > 1.3 { 5e8 } else { 0.0 },
            };
            let mut run = run(&imagined);
            run.summary.pressure = waited.map(|waited| PressureSummary {
                observed_ns: 3_000_000_000,
                waited_ns: Some((waited * 3e9) as u64),
                stolen_ns: None,
                delayed_ns: Some((waited * 1e9) as u64),
            });
            run
        });
        runs.collect()
    }

    fn verdicts(base: &[Run], candidate: &[Run]) -> Vec<(Verdict, Option<Verdict>)> {
        let compared = compare(base, candidate, &Options::default());
        let primary = compared.primary.into_iter();
        primary.map(|judged| (judged.verdict, judged.refused.map(|refused| refused.verdict))).collect()
    }

    #[test]
    fn what_two_hogs_could_cause_is_undecided() {
        let (quiet, pressed) = (side(1.0, Some(0.02)), side(1.4, Some(0.95)));
        for (seen, base, candidate) in
            [(Verdict::Worse, &quiet, &pressed), (Verdict::Better, &pressed, &quiet)]
        {
            let all = verdicts(base, candidate);
            assert_eq!(all, [(Verdict::Undecided, Some(seen)); 3]);
        }
        let compared = compare(&quiet, &pressed, &Options::default());
        assert!(compared.pressure.is_apart);
        assert!(compared.notes.iter().any(|note| note.contains("95.0% in the candidate")), "{compared:?}");
        let gate = |metric: &str| Gate::new(metric.parse().unwrap(), Limit::WorseBy(0.1)).unwrap();
        let (ticks, tag) = (gate("ticks.run.p50"), gate("task.tag 1.run.p50"));
        assert_eq!(ticks.judge_against(&quiet, &pressed).outcome, Outcome::Undecided);
        assert_eq!(
            tag.judge_against(&pressed, &quiet).outcome,
            Outcome::Undecided,
            "it may hide what is worse"
        );
        assert_eq!(
            tag.judge_against(&quiet, &pressed).outcome,
            Outcome::Held,
            "it hides nothing that is worse"
        );
    }

    #[test]
    fn what_they_could_not_cause_stands() {
        let of = |base: (f64, Option<f64>), candidate: (f64, Option<f64>)| {
            verdicts(&side(base.0, base.1), &side(candidate.0, candidate.1))[0]
        };
        assert_eq!(of((1.0, Some(0.02)), (2.5, Some(0.3))), (Verdict::Worse, None), "too much");
        assert_eq!(of((1.0, Some(0.95)), (1.4, Some(0.02))), (Verdict::Worse, None), "the other way round");
        assert_eq!(
            of((1.0, Some(0.02)), (1.4, Some(0.08))),
            (Verdict::Worse, None),
            "about the same pressure"
        );
        assert_eq!(of((1.0, None), (1.4, Some(0.95))), (Verdict::Worse, None), "one side says nothing");
        assert_eq!(of((1.0, Some(0.02)), (1.0, Some(0.95))), (Verdict::Undecided, Some(Verdict::Same)));
        assert_eq!(of((1.0, Some(0.02)), (1.0, Some(0.03))), (Verdict::Same, None));
    }
}
