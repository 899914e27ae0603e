//! The method of measurement: short samples of all subjects, interleaved and compared round by round.
//!
//! A shared machine drifts by more than the differences that matter, so a figure is the median of many samples
//! and a ratio the median of the rounds' ratios: both of its sides were measured within the same milliseconds.

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;

/// The duration of a run: full or quick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) quick: bool,
}

impl Effort {
    /// Rounds of a part: `full`, or `quick` in a short run.
    pub(crate) fn rounds(self, quick: usize, full: usize) -> usize {
        if self.quick { quick } else { full }
    }
}

/// A subject of measurement: a name, and a function that takes one sample.
pub(crate) struct Subject<'a, const N: usize = 1> {
    name: String,
    sample: Box<dyn FnMut() -> [f64; N] + 'a>,
}

impl<'a> Subject<'a> {
    /// One figure per sample.
    pub(crate) fn new(name: impl Into<String>, mut sample: impl FnMut() -> f64 + 'a) -> Self {
        Self::of(name, move || [sample()])
    }
}

impl<'a, const N: usize> Subject<'a, N> {
    /// `N` related figures per sample.
    pub(crate) fn of(name: impl Into<String>, sample: impl FnMut() -> [f64; N] + 'a) -> Self {
        Self { name: name.into(), sample: Box::new(sample) }
    }
}

/// The samples of a subject, one value per round.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    pub(crate) name: String,
    values: Vec<f64>,
}

impl Samples {
    pub(crate) const fn of(name: String, values: Vec<f64>) -> Self {
        Self { name, values }
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.values.clone())
    }

    /// The value below which this share of the samples lies, `0.99` for the 99th percentile.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        quantile(self.values.clone(), share)
    }

    /// The median of the rounds' ratios to `other`.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        median(self.values.iter().zip(&other.values).map(|(one, other)| one / other).collect())
    }

    /// This minus `other`, round by round.
    pub(crate) fn less(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(one, other)| one - other).collect();
        Self { name: self.name.clone(), values }
    }

    /// The smaller of the two, round by round.
    pub(crate) fn min(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(one, other)| one.min(*other)).collect();
        Self { name: self.name.clone(), values }
    }
}

/// Takes `rounds` samples of each subject, all subjects in each round, after some warm-up rounds. The order
/// rotates from round to round, so that no subject always runs in the cache that the same predecessor left.
pub(crate) fn interleave<const N: usize>(
    rounds: usize,
    mut subjects: Vec<Subject<'_, N>>,
) -> Vec<[Samples; N]> {
    let mut columns: Vec<[Vec<f64>; N]> = subjects.iter().map(|_| [const { Vec::new() }; N]).collect();
    let warm = rounds.div_ceil(20);
    for round in 0..rounds + warm {
        for turn in 0..subjects.len() {
            let index = (round + turn) % subjects.len();
            let sample = (subjects[index].sample)();
            if round >= warm {
                columns[index].iter_mut().zip(sample).for_each(|(column, value)| column.push(value));
            }
        }
    }
    let named = subjects.into_iter().zip(columns);
    named.map(|(subject, columns)| columns.map(|values| Samples::of(subject.name.clone(), values))).collect()
}

/// The same for subjects of one figure.
pub(crate) fn interleave_one(rounds: usize, subjects: Vec<Subject<'_>>) -> Vec<Samples> {
    interleave(rounds, subjects).into_iter().map(|[samples]| samples).collect()
}

/// Nanoseconds per operation, of the `count` that `work` performs.
pub(crate) fn ns_each(count: usize, work: impl FnOnce()) -> f64 {
    let start = monotonic_now();
    work();
    monotonic_now().ns_since(start) as f64 / count as f64
}

/// Sleeps until `until`: a sleeping thread takes nothing from the subject.
pub(crate) fn sleep_until(until: Timestamp) {
    std::thread::sleep(Duration::from_nanos(until.ns_since(monotonic_now())));
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Pseudo-random numbers, the same in every run (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `from..to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    /// The numbers below `count`, shuffled.
    pub(crate) fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.between(0, last as u64 + 1) as usize);
        }
        order
    }
}
