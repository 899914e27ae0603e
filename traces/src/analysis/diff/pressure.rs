//! Pressure: whether the sides differed in contention for processors, and what that difference could have caused.
//!
//! A build that runs beside two programs that compute all the time has slower tasks, later timers and more stalls than
//! the same build alone. If the sides differ in pressure by more than a bound, and by more than runs of one side do,
//! any verdict that this could explain is undecided:
//!
//! - **typical run times** (`p50`, `gmean`): a factor of two in either direction. A shared processor runs half as fast;
//!   one that others keep awake can be faster (by a third, measured);
//! - **other times**: the additional time that threads of one side waited for processors; it makes nothing shorter;
//! - **everything else**: any amount.
//!
//! Pressure may also hide that something is worse, so the sides are not called the same either.

use serde::Serialize;

use super::effect::{Effect, Verdict};
use super::input::{ALPHA, Run};
use crate::analysis::metric::{Metric, Sense, Statistic, Unit};
use crate::analysis::statistics::splits::Splits;
use crate::analysis::statistics::{median, rank_test};
use crate::summary::PressureSummary;
use crate::units::{duration, percent};

/// The largest difference between the sides' shares of time in which a task of the machine, or the threads of the
/// process, waited for a processor.
pub const WAITED_MAX: f64 = 0.1;

/// The largest difference between the sides' shares of time taken by the hypervisor.
pub const STOLEN_MAX: f64 = 0.02;

/// Contention in the median run of a side, as shares of the time; `None` if a run has no data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Shares {
    /// Time in which any task of the machine waited for a processor.
    pub waited: Option<f64>,
    /// Time the hypervisor ran something else, summed over all processors.
    pub stolen: Option<f64>,
    /// Time threads of the process waited for a processor, summed.
    pub delayed: Option<f64>,
    /// `delayed` in nanoseconds.
    pub delayed_ns: Option<f64>,
}

/// Contention on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pressure {
    /// Contention on the base side.
    pub base: Shares,
    /// Contention on the candidate side.
    pub candidate: Shares,
    /// Whether they differ by more than the bounds, and by more than runs of one side do.
    pub is_distinct: bool,
    /// Which of `waited`, `delayed` and `stolen` differ by more than runs of one side do.
    #[serde(skip)]
    certain: [bool; 3],
}

impl Shares {
    fn of(side: &[Run]) -> Self {
        let of = |value: fn(&PressureSummary) -> Option<f64>| -> Option<f64> {
            let values = side.iter().map(|run| value(run.summary.pressure.as_ref()?));
            median(&values.collect::<Option<Vec<f64>>>()?)
        };
        // The kernel updates its count only now and then, so it may cover slightly more time than was observed.
        let at_most_all = |share: f64| share.min(1.0);
        Self {
            waited: of(|one| Some(one.share(one.waited_ns?))).map(at_most_all),
            stolen: of(|one| Some(one.share(one.stolen_ns?))),
            delayed: of(|one| Some(one.share(one.delayed_ns?))),
            delayed_ns: of(|one| Some(one.delayed_ns? as f64)),
        }
    }
}

impl Pressure {
    /// Evaluates the runs of both sides.
    #[must_use]
    pub fn of(base: &[Run], candidate: &[Run]) -> Self {
        let values = |side: &[Run], of: fn(&PressureSummary) -> Option<u64>| -> Vec<f64> {
            let share = |run: &Run| {
                let one = run.summary.pressure.as_ref()?;
                Some(one.share(of(one)?))
            };
            side.iter().filter_map(share).collect()
        };
        // With fewer runs the test cannot show it, so the bound alone decides.
        let level = Splits::new(base.len(), candidate.len()).p_min().max(ALPHA);
        let kinds: [fn(&PressureSummary) -> Option<u64>; 3] =
            [|one| one.waited_ns, |one| one.delayed_ns, |one| one.stolen_ns];
        let certain = kinds.map(|of| rank_test(&values(base, of), &values(candidate, of)) <= level);
        let (base, candidate) = (Shares::of(base), Shares::of(candidate));
        let pressure = Self { base, candidate, is_distinct: false, certain };
        Self { is_distinct: pressure.apart().next().is_some(), ..pressure }
    }

    /// The kinds of contention that differ by more than the bound: by how much the candidate has more, and a
    /// description of both sides.
    fn apart(&self) -> impl Iterator<Item = (f64, String)> {
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
        let certain = kinds.into_iter().zip(self.certain).filter(|(_, certain)| *certain);
        certain.filter_map(|((base, candidate, max, what), _)| {
            let (base, candidate) = (base?, candidate?);
            let by = candidate - base;
            let (base, candidate) = (percent(base), percent(candidate));
            let said = || format!("{what} {base} of the time in the base, {candidate} in the candidate");
            (by.abs() > max).then(|| (by, said()))
        })
    }

    /// Whether the base had more of it than the candidate, by more than the bound.
    #[must_use]
    pub fn is_more_in_base(&self) -> bool {
        self.apart().any(|(by, _)| by < 0.0)
    }

    /// Whether more pressure can move the metric in either direction: others that compute keep processors awake, so
    /// that threads wake sooner and run faster, and share caches with them. Stalls only get longer.
    pub(crate) fn moves_both_ways(metric: &Metric) -> bool {
        matches!(metric.unit(), Unit::Ns | Unit::Ratio) && !metric.is_time_in_stalls()
    }

    /// Why `verdict` on this effect is withheld; `None` if the sides had about the same pressure, or it cannot explain
    /// the effect.
    #[must_use]
    pub fn refuses(&self, verdict: Verdict, metric: &Metric, effect: &Effect, margin: f64) -> Option<String> {
        let (by, said) = self.apart().next()?;
        match verdict {
            Verdict::Undecided => None,
            Verdict::Same => Some(format!("{said}, which may hide a difference")),
            Verdict::Worse | Verdict::Better => {
                let more_is_worse = metric.sense() == Sense::MoreIsWorse;
                let follows = ((effect.shift > 0.0) == more_is_worse) == (by > 0.0);
                self.explains(metric, effect, follows, margin)
                    .then(|| format!("{said}, which may be the cause"))
            }
        }
    }

    /// Whether the difference in pressure could cause the effect.
    fn explains(&self, metric: &Metric, effect: &Effect, follows: bool, margin: f64) -> bool {
        let is_small = |change: f64| {
            let by = (1.0 + change).max(f64::MIN_POSITIVE).ln().abs();
            by <= std::f64::consts::LN_2 + margin.ln_1p()
        };
        if Self::moves_both_ways(metric) && effect.change.is_some_and(is_small) {
            return true;
        }
        let is_typical = matches!(metric.statistic(), Some(Statistic::P50 | Statistic::Gmean));
        match (metric.unit(), self.base.delayed_ns, self.candidate.delayed_ns) {
            (Unit::Ns, ..) if is_typical && effect.change.is_some() => false,
            (Unit::Ns, Some(base), Some(candidate)) => {
                follows && effect.shift.abs() <= (candidate - base).abs()
            }
            _ => follows,
        }
    }

    /// A remark for the reader, if the sides differ.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let (_, said) = self.apart().next()?;
        let delayed = self.base.delayed_ns.zip(self.candidate.delayed_ns).map(|(base, candidate)| {
            format!(" (its threads for {} and {})", duration(base as u64), duration(candidate as u64))
        });
        Some(format!("{said}{}; record both sides under the same load", delayed.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::diff::tests::{Imagined, run};
    use crate::analysis::diff::{Options, compare};
    use crate::analysis::gate::{Gate, Limit, Outcome};

    const SCATTER: [f64; 5] = [0.01, -0.01, 0.004, -0.006, 0.0];

    /// Runs with everything that takes time multiplied by this factor, having spent this share waiting.
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
    fn a_change_that_rare_outliers_could_cause_is_undecided() {
        let (quiet, pressed) = (side(1.0, Some(0.02)), side(1.4, Some(0.95)));
        for (seen, base, candidate) in
            [(Verdict::Worse, &quiet, &pressed), (Verdict::Better, &pressed, &quiet)]
        {
            let all = verdicts(base, candidate);
            assert_eq!(all, [(Verdict::Undecided, Some(seen)); 3]);
        }
        let compared = compare(&quiet, &pressed, &Options::default());
        assert!(compared.pressure.is_distinct);
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
        // What is made of run times moves with them: a quiet machine is no regression.
        for metric in ["busy", "ticks.run.p90", "ticks.run.mean", "utilization"] {
            let (slow, fast) = (side(1.0, Some(0.02)), side(0.7, Some(0.95)));
            let judged = gate(metric).judge_against(&fast, &slow);
            assert_ne!(judged.outcome, Outcome::Failed, "{judged:?}");
        }
        let lag = gate("timer_lag.p50");
        let (lower, awake) = (side(0.8, Some(0.95)), side(1.0, Some(0.02)));
        let held = lag.judge_against(&awake, &side(0.8, Some(0.02)));
        assert_eq!(held.outcome, Outcome::Held, "{held:?}");
        let hidden = lag.judge_against(&awake, &lower);
        assert_eq!(hidden.outcome, Outcome::Undecided, "pressure alone lowers a typical lag: {hidden:?}");
    }

    #[test]
    fn a_change_too_large_for_rare_outliers_stands() {
        let of = |base: (f64, Option<f64>), candidate: (f64, Option<f64>)| {
            verdicts(&side(base.0, base.1), &side(candidate.0, candidate.1))[0]
        };
        assert_eq!(of((1.0, Some(0.02)), (2.5, Some(0.3))), (Verdict::Worse, None), "too much");
        let awake = of((1.0, Some(0.95)), (1.4, Some(0.02)));
        assert_eq!(awake, (Verdict::Undecided, Some(Verdict::Worse)), "others keep processors awake");
        let stalls = &verdicts(&side(1.0, Some(0.95)), &side(1.4, Some(0.02)))[2];
        assert_eq!(*stalls, (Verdict::Worse, None), "more pressure makes no stalls shorter");
        assert_eq!(
            of((1.0, Some(0.02)), (1.4, Some(0.08))),
            (Verdict::Worse, None),
            "about the same pressure"
        );
        let mut scattered = (side(1.0, Some(0.5)), side(1.4, Some(0.5)));
        for (place, run) in scattered.0.iter_mut().chain(&mut scattered.1).enumerate() {
            let waited = [1.0, 0.2, 1.0, 0.4, 0.3, 1.0, 0.9, 0.2, 1.0, 0.7][place] * 3e9;
            run.summary.pressure.as_mut().unwrap().waited_ns = Some(waited as u64);
        }
        let compared = compare(&scattered.0, &scattered.1, &Options::default());
        assert_eq!(
            (compared.primary[0].verdict, compared.pressure.is_distinct),
            (Verdict::Worse, false),
            "in turn"
        );
        assert_eq!(of((1.0, None), (1.4, Some(0.95))), (Verdict::Worse, None), "one side says nothing");
        assert_eq!(of((1.0, Some(0.02)), (1.0, Some(0.95))), (Verdict::Undecided, Some(Verdict::Same)));
        assert_eq!(of((1.0, Some(0.02)), (1.0, Some(0.03))), (Verdict::Same, None));
    }
}
