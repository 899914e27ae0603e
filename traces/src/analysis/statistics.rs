//! The statistics of a comparison: with few runs a side, exact where possible and robust everywhere.
//!
//! | what | how | source |
//! |---|---|---|
//! | location, shift | medians; the median of all pairwise differences | Hodges & Lehmann 1963 |
//! | effect size | how often one side is above the other | Cliff 1993 |
//! | p-value | all splits of the runs into two sides ([`splits`]), exact with ties | Fisher 1935, Mann & Whitney 1947 |
//! | any of many | the largest statistic over all of them, over the same splits | Westfall & Young 1993 |
//! | many verdicts | the smallest p against its part of 5%, the next against what is left, … | Holm 1979 |
//! | equality | two one-sided tests ([`Welch`]) | Schuirmann 1987, Welch 1947 |
//! | interval | [`bootstrap`], widened for few runs | Efron 1979, Hesterberg 2015 |
//!
//! All randomness is seeded: the same runs give the same answer.

pub mod bootstrap;
pub mod splits;

use splits::Splits;
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// The median; `None` if there are no values. NaN is not allowed.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    median_of(&mut sorted)
}

/// The median; reorders the values.
pub(crate) fn median_of(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let (middle, odd) = (values.len() / 2, values.len() % 2 == 1);
    let (low, &mut high, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if odd {
        return Some(high);
    }
    low.iter().copied().max_by(f64::total_cmp).map(|low| f64::midpoint(low, high))
}

/// The mean; `None` if there are no values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The shift from `base` to `candidate`: the median of all pairwise differences (Hodges–Lehmann).
#[must_use]
pub fn shift(base: &[f64], candidate: &[f64]) -> Option<f64> {
    let mut differences: Vec<f64> =
        candidate.iter().flat_map(|above| base.iter().map(move |below| above - below)).collect();
    median_of(&mut differences)
}

/// Cliff's delta: the share of pairs in which `candidate` is above `base`, less the share in which it is below; -1 to
/// 1.
#[must_use]
pub fn cliffs_delta(base: &[f64], candidate: &[f64]) -> Option<f64> {
    let pairs = base.len() * candidate.len();
    let sign = |above: &f64, below: &f64| match above.total_cmp(below) {
        std::cmp::Ordering::Greater => 1i64,
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => -1,
    };
    let balance: i64 =
        candidate.iter().map(|above| base.iter().map(|below| sign(above, below)).sum::<i64>()).sum();
    (pairs > 0).then(|| balance as f64 / pairs as f64)
}

/// The scatter of the runs around the means of their sides: the pooled standard deviation. `None` with fewer than three
/// runs in all.
#[must_use]
pub fn scatter(base: &[f64], candidate: &[f64]) -> Option<f64> {
    let runs = base.len() + candidate.len();
    if base.is_empty() || candidate.is_empty() || runs < 3 {
        return None;
    }
    let squares = |side: &[f64]| {
        let mean = mean(side).unwrap_or_default();
        side.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
    };
    Some(((squares(base) + squares(candidate)) / (runs - 2) as f64).sqrt())
}

/// The difference of the means of two sides with possibly different scatter, and its error (Welch 1947).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    by: f64,
    error: f64,
    freedom: f64,
}

impl Welch {
    /// From `base` to `candidate`. `None` with fewer than two runs on a side.
    #[must_use]
    pub fn of(base: &[f64], candidate: &[f64]) -> Option<Self> {
        if base.len() < 2 || candidate.len() < 2 {
            return None;
        }
        let side = |side: &[f64]| {
            let (middle, runs) = (mean(side).unwrap_or_default(), side.len() as f64);
            let squares: f64 = side.iter().map(|value| (value - middle).powi(2)).sum();
            (middle, squares / (runs - 1.0) / runs, runs - 1.0)
        };
        let ((below, low, low_freedom), (above, high, high_freedom)) = (side(base), side(candidate));
        let shares = low * low / low_freedom + high * high / high_freedom;
        let freedom = if shares > 0.0 { (low + high).powi(2) / shares } else { low_freedom + high_freedom };
        Some(Self { by: above - below, error: (low + high).sqrt(), freedom })
    }

    /// The p-value of the equivalence test: the chance to look this equal if the difference is `within` or more in
    /// either direction. Two one-sided tests, of which the worse counts (Schuirmann 1987).
    #[must_use]
    pub fn equivalence(self, within: f64) -> f64 {
        let room = within - self.by.abs();
        if self.error <= 0.0 || !self.error.is_finite() {
            return if room > 0.0 && self.error == 0.0 { 0.0 } else { 1.0 };
        }
        StudentsT::new(0.0, 1.0, self.freedom).map_or(1.0, |student| student.sf(room / self.error))
    }
}

/// Ranks from 1; equal values get their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let equal = order[from..].iter().take_while(|at| values[**at] == values[order[from]]).count();
        for at in &order[from..from + equal] {
            ranks[*at] = (2 * from + equal + 1) as f64 / 2.0;
        }
        from += equal;
    }
    ranks
}

/// The two-sided p-value of the rank-sum test (Mann–Whitney), computed over the splits: exact for few runs, also with
/// ties. 1 if a side is empty.
#[must_use]
pub fn rank_test(base: &[f64], candidate: &[f64]) -> f64 {
    let all: Vec<f64> = base.iter().chain(candidate).copied().collect();
    let ranks = ranks(&all);
    let expected = candidate.len() as f64 * (all.len() + 1) as f64 / 2.0;
    p_value(base.len(), candidate.len(), |split| {
        let sum: f64 = split.iter().map(|at| ranks[*at]).sum();
        (sum - expected).abs()
    })
}

/// The threshold for counting as at least `statistic`: sums in another order differ in their last bits.
pub(crate) fn at_least(statistic: f64) -> f64 {
    statistic * (1.0 - 1e-9) - 1e-12
}

/// The share of splits whose statistic is at least that of the real one, which is included. `statistic` receives the
/// candidate's places among all runs, base first.
pub(crate) fn p_value(base: usize, candidate: usize, statistic: impl Fn(&[usize]) -> f64) -> f64 {
    if base == 0 || candidate == 0 {
        return 1.0;
    }
    let real: Vec<usize> = (base..base + candidate).collect();
    let least = at_least(statistic(&real));
    let (mut extreme, mut all) = (0u64, 0u64);
    Splits::new(base, candidate).each(|split| {
        all += 1;
        extreme += u64::from(statistic(split) >= least);
    });
    extreme as f64 / all as f64
}

/// Holm's procedure: returns which p-values are significant if the family-wise error may be `alpha`. Each gets its part
/// of `alpha` by its weight.
#[must_use]
pub fn holm(weighted: &[(f64, f64)], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..weighted.len()).collect();
    let cost = |at: usize| weighted[at].0 / weighted[at].1;
    order.sort_by(|a, b| cost(*a).total_cmp(&cost(*b)));
    let mut significant = vec![false; weighted.len()];
    let mut weights: f64 = weighted.iter().map(|(_, weight)| weight).sum();
    for at in order {
        let (p, weight) = weighted[at];
        if p > alpha * weight / weights {
            break;
        }
        significant[at] = true;
        weights -= weight;
    }
    significant
}

#[cfg(test)]
mod tests;
