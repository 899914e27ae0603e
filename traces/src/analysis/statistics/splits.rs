//! All splits of the runs into two sides: the basis of a permutation test.
//!
//! Five runs against five have 252 splits. If there are more than [`TRIED_MAX`], a seeded random sample is drawn
//! instead, which includes the real split.

/// Maximum number of splits up to which all are tried: enough for ten against ten.
pub const TRIED_MAX: u64 = 200_000;

/// Number of splits drawn if not all can be tried.
const DRAWN: u64 = 20_000;

/// The splits of the runs into a base and a candidate.
#[derive(Clone, Copy, Debug)]
pub struct Splits {
    base: usize,
    candidate: usize,
}

impl Splits {
    /// The splits of `base` and `candidate` runs.
    #[must_use]
    pub const fn new(base: usize, candidate: usize) -> Self {
        Self { base, candidate }
    }

    /// The number of splits; `None` if there are too many to try all.
    #[must_use]
    pub fn count(self) -> Option<u64> {
        let runs = (self.base + self.candidate) as u64;
        let few = self.base.min(self.candidate) as u64;
        let mut count = 1u64;
        for step in 0..few {
            // Always whole: a product of consecutive numbers over a factorial. It only grows.
            count = count.checked_mul(runs - step)? / (step + 1);
            if count > TRIED_MAX {
                return None;
            }
        }
        Some(count)
    }

    /// The smallest two-sided p-value that a test over them can give.
    #[must_use]
    pub fn p_min(self) -> f64 {
        // With equal sides, the split that swaps them is as extreme as the real one.
        let extremes = if self.base == self.candidate { 2.0 } else { 1.0 };
        self.count().map_or(1.0 / (DRAWN + 1) as f64, |count| (extremes / count as f64).min(1.0))
    }

    /// Calls `with` for each split, with the places of the candidate's runs among all runs.
    pub fn each(self, mut with: impl FnMut(&[usize])) {
        let runs = self.base + self.candidate;
        if self.count().is_some() {
            self.every(runs, &mut with);
        } else {
            self.drawn(runs, &mut with);
        }
    }

    fn every(self, runs: usize, with: &mut impl FnMut(&[usize])) {
        let mut chosen: Vec<usize> = (0..self.candidate).collect();
        loop {
            with(&chosen);
            // The last place that can still move up; all after it are reset close to it.
            let movable = (0..chosen.len()).rev().find(|at| chosen[*at] < runs - chosen.len() + at);
            let Some(at) = movable else { return };
            chosen[at] += 1;
            for behind in at + 1..chosen.len() {
                chosen[behind] = chosen[behind - 1] + 1;
            }
        }
    }

    fn drawn(self, runs: usize, with: &mut impl FnMut(&[usize])) {
        let mut places: Vec<usize> = (0..runs).collect();
        let real: Vec<usize> = (self.base..runs).collect();
        with(&real);
        let mut random = fastrand::Rng::with_seed(runs as u64);
        for _ in 0..DRAWN {
            for at in 0..self.candidate {
                places.swap(at, random.usize(at..runs));
            }
            with(&places[..self.candidate]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_against_five_are_252() {
        let splits = Splits::new(5, 5);
        let mut seen = std::collections::BTreeSet::new();
        splits.each(|split| assert!(seen.insert(split.to_vec())));
        assert_eq!((seen.len(), splits.count()), (252, Some(252)));
        assert_eq!(splits.p_min(), 2.0 / 252.0);
        assert_eq!(Splits::new(10, 10).count(), Some(184_756));
    }

    #[test]
    fn sides_of_any_size_have_their_splits() {
        for (base, candidate, count) in [(1, 1, 2), (1, 4, 5), (3, 2, 10), (0, 3, 1), (12, 1, 13)] {
            let mut tried = 0;
            Splits::new(base, candidate).each(|split| {
                tried += 1;
                assert_eq!(split.len(), candidate);
            });
            assert_eq!((tried, Splits::new(base, candidate).count()), (count, Some(count)));
        }
    }

    #[test]
    fn of_too_many_splits_a_sample_with_the_real_one_is_drawn() {
        let splits = Splits::new(40, 30);
        assert_eq!(splits.count(), None);
        let (mut tried, mut real) = (0, 0);
        splits.each(|split| {
            tried += 1;
            real += u64::from(split.iter().all(|at| *at >= 40));
            assert!(split.iter().collect::<std::collections::BTreeSet<_>>().len() == 30);
        });
        assert_eq!((tried, real), (DRAWN + 1, 1));
    }
}
