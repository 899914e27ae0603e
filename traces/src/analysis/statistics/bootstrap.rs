//! Confidence intervals by resampling the runs of each side.
//!
//! The plain percentile interval of five runs is far too narrow, because resampling sees only these runs. It is widened
//! to the quantiles that make it as wide as Student's interval where that one is right ("expanded percentile", T.
//! Hesterberg, *What teachers should know about the bootstrap*, 2015, section 5.3).

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::{median_of, shift};

/// Number of resamples.
const RESAMPLES: usize = 2_000;

/// The seed of all resampling.
const SEED: u64 = 0x6c6f_6f70;

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The 95% confidence interval of the [`shift`] from `base` to `candidate`. `None` with fewer than two runs on a side,
/// when the scatter is unknown.
#[must_use]
pub fn of_shift(base: &[f64], candidate: &[f64]) -> Option<Interval> {
    let fewest = base.len().min(candidate.len());
    if fewest < 2 {
        return None;
    }
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut shifts = Vec::with_capacity(RESAMPLES);
    let (mut low, mut high) = (vec![0.0; base.len()], vec![0.0; candidate.len()]);
    let mut differences = vec![0.0; base.len() * candidate.len()];
    for _ in 0..RESAMPLES {
        low.fill_with(|| base[random.usize(..base.len())]);
        high.fill_with(|| candidate[random.usize(..candidate.len())]);
        for (place, difference) in differences.iter_mut().enumerate() {
            *difference = high[place / base.len()] - low[place % base.len()];
        }
        shifts.extend(median_of(&mut differences));
    }
    shifts.sort_by(f64::total_cmp);
    let tail = tail(base.len() + candidate.len() - 2, fewest);
    let last = shifts.len().checked_sub(1)?;
    let at = (tail * last as f64).floor() as usize;
    let observed = shift(base, candidate)?;
    Some(Interval { low: shifts[at].min(observed), high: shifts[last - at].max(observed) })
}

/// The share to leave out at each end.
fn tail(freedom: usize, fewest: usize) -> f64 {
    let wide = StudentsT::new(0.0, 1.0, freedom as f64).map_or(0.0, |student| student.inverse_cdf(0.025));
    let narrow = (fewest as f64 / (fewest as f64 - 1.0)).sqrt();
    Normal::standard().cdf(wide * narrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_runs_give_the_same_interval() {
        let (base, candidate) = ([1.0, 1.2, 0.9, 1.1, 1.05], [1.4, 1.5, 1.3, 1.6, 1.45]);
        let interval = of_shift(&base, &candidate).unwrap();
        assert_eq!(of_shift(&base, &candidate), Some(interval));
        assert!(interval.low > 0.1 && interval.low < 0.4, "{interval:?}");
        assert!(interval.high > 0.4 && interval.high < 0.7, "{interval:?}");
        assert_eq!(of_shift(&[1.0], &candidate), None);
        assert_eq!(of_shift(&[2.0; 5], &[2.0; 5]), Some(Interval { low: 0.0, high: 0.0 }));
    }

    #[test]
    fn the_interval_covers_the_true_shift_about_as_often_as_stated() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let mut covered = 0;
        for _ in 0..200 {
            let base: Vec<f64> = (0..5).map(|_| normal()).collect();
            let candidate: Vec<f64> = (0..5).map(|_| normal() + 2.0).collect();
            let interval = of_shift(&base, &candidate).unwrap();
            covered += u32::from(interval.low <= 2.0 && 2.0 <= interval.high);
        }
        println!("{covered} of 200");
        assert!((184..=198).contains(&covered), "{covered} of 200");
    }
}
