//! The statistics of a comparison: few runs a side, so exact where that is possible and robust everywhere.
//!
//! | what | how | source |
//! |---|---|---|
//! | location, shift | medians; the median of all pairwise differences | Hodges & Lehmann 1963 |
//! | effect size | how often one side is above the other | Cliff 1993 |
//! | p-value | all splits of the runs into two sides ([`splits`]), so that ties cost nothing | Fisher 1935, Mann & Whitney 1947 |
//! | any of many | the largest statistic over all of them, over the same splits | Westfall & Young 1993 |
//! | many verdicts | the smallest p against 5%/m, the next against 5%/(m-1), … | Holm 1979 |
//! | interval | [`bootstrap`], widened for few runs | Efron 1979, Hesterberg 2015 |
//!
//! Everything random is seeded: the same runs give the same answer.

pub mod bootstrap;
pub mod splits;

use splits::Splits;

/// The median; `None` of nothing. Values that are no number must not come in.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    median_of(&mut sorted)
}

/// The median, of values that may be moved about.
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

/// The mean; `None` of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// How far `candidate` lies above `base`: the median of all differences between one of each (Hodges–Lehmann).
#[must_use]
pub fn shift(base: &[f64], candidate: &[f64]) -> Option<f64> {
    let mut differences: Vec<f64> =
        candidate.iter().flat_map(|above| base.iter().map(move |below| above - below)).collect();
    median_of(&mut differences)
}

/// Cliff's delta: how often one of `candidate` is above one of `base`, less how often below; from -1 to 1.
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

/// How two sides of runs scatter around their own means: the pooled standard deviation. `None` with fewer than
/// three runs in all.
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

/// Ranks from 1, the mean rank for equal values.
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

/// The two-sided p-value of the rank-sum test (Mann–Whitney), from the distribution over the splits themselves:
/// exact for few runs, with ties too. 1 where a side is empty.
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

/// What counts as no less than `statistic`: sums in another order differ in their last bits.
pub(crate) fn at_least(statistic: f64) -> f64 {
    statistic * (1.0 - 1e-9) - 1e-12
}

/// The share of splits whose statistic is at least that of the real one, which counts itself. `statistic` gets the
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

/// Holm's procedure: which of the p-values are significant, if all of them together may err once in `1 / alpha`.
#[must_use]
pub fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut significant = vec![false; p_values.len()];
    for (step, at) in order.iter().enumerate() {
        if p_values[*at] > alpha / (p_values.len() - step) as f64 {
            break;
        }
        significant[*at] = true;
    }
    significant
}

#[cfg(test)]
mod tests;
