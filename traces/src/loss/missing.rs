//! Missing samples of one kind: how many there can be, and how long.
//!
//! A sample that has not ended is missing too: its minimum is its last known duration, and it has no maximum. A sample cut
//! short when its loop stopped has exactly that duration. A paused one (a tick in its poll) has its known duration as of
//! the last known moment, and may grow later.
//!
//! Samples that are intervals of a loop's own time (ticks, tasks, collections) follow one another, so those lost in a
//! gap share its length. A run may lose records for hours, so gaps are grouped by powers of two of their lengths, which
//! makes the bounds slightly wider but never wrong.

use crate::histogram::Histogram;

/// Samples that may be missing.
///
/// # Examples
///
/// ```
/// use loop_traces::loss::Missing;
///
/// let mut missing = Missing::none();
/// missing.stretch(3_000);
/// let missing = missing.counted(10);
/// assert_eq!((missing.longer_than(3_000), missing.longer_than(1_400), missing.longer_than(0)), (0, 2, 10));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Missing {
    count: u64,
    of_any_length: u64,
    /// Indexed by the base-2 logarithm of the length.
    stretches: Vec<SimilarGaps>,
    /// Samples that have not ended, at their known minimum.
    unfinished: Option<Box<Histogram>>,
    /// Samples that may follow `unfinished`, each longer than all known ones.
    to_come: u64,
    /// Samples that ended because their loop stopped.
    cut_short: Option<Box<Histogram>>,
    /// Samples that have not ended, but do not grow.
    paused: Option<Box<Histogram>>,
    /// Whether no sample's duration is certain: the clock was wrong, or missing records could shorten any of them.
    no_known_sample: bool,
}

/// Gaps of similar length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SimilarGaps {
    total_ns: u64,
    longest_ns: u64,
}

impl Missing {
    /// Nothing is missing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Up to `count` samples of unknown length.
    #[must_use]
    pub fn anything(count: u64) -> Self {
        Self { count, of_any_length: count, ..Self::default() }
    }

    /// Limits the number of lost samples to `count`.
    #[must_use]
    pub fn counted(self, count: u64) -> Self {
        Self { count, ..self }
    }

    /// Adds samples that have not ended, each at its known minimum; up to `to_come` more may follow, each longer.
    #[must_use]
    pub fn with_unfinished(self, at_least: Histogram, to_come: u64) -> Self {
        let unfinished = (!at_least.is_empty()).then(|| Box::new(at_least));
        Self { unfinished, to_come, ..self }
    }

    /// Adds up to `samples` more of any length.
    #[must_use]
    pub(crate) fn with_more(mut self, samples: u64) -> Self {
        self.count = self.count.saturating_add(samples);
        self.of_any_length(samples);
        self
    }

    /// Assumes that each unfinished sample may have ended earlier, with any duration.
    #[must_use]
    pub(crate) fn perhaps_ended(self) -> Self {
        let not_ended = self.not_ended();
        Self { unfinished: None, to_come: 0, ..self }.with_more(not_ended)
    }

    /// Adds samples that ended because their loop stopped.
    #[must_use]
    pub fn with_cut_short(self, samples: Histogram) -> Self {
        Self { cut_short: (!samples.is_empty()).then(|| Box::new(samples)), ..self }
    }

    /// Adds samples that have not ended but do not grow, each with its duration so far.
    #[must_use]
    pub(crate) fn with_paused(self, samples: Histogram) -> Self {
        Self { paused: (!samples.is_empty()).then(|| Box::new(samples)), ..self }
    }

    /// Makes the duration of every sample uncertain: the clock was wrong, or missing records could shorten any of them.
    #[must_use]
    pub(crate) fn without_known_samples(self) -> Self {
        Self { no_known_sample: true, ..self }
    }

    /// Whether the duration of every sample is uncertain.
    #[must_use]
    pub(crate) const fn has_no_known_sample(&self) -> bool {
        self.no_known_sample
    }

    /// Whether the figures of the seen samples are uncertain.
    pub(crate) fn opens_figures(&self) -> bool {
        self.no_known_sample || self.paused.is_some() || self.count() > 0
    }

    /// Adds a gap of `ns`, whose missing samples follow one another.
    pub fn stretch(&mut self, ns: u64) {
        self.stretches_of(ns, 1);
    }

    /// Adds up to `samples` missing samples of at most `ns` each.
    pub fn of_at_most(&mut self, samples: u64, ns: u64) {
        if samples > 0 {
            self.count = self.count.saturating_add(samples);
            self.stretches_of(ns, samples);
        }
    }

    fn stretches_of(&mut self, ns: u64, number: u64) {
        let power = ns.checked_ilog2().map_or(0, |power| power as usize);
        if self.stretches.len() <= power {
            self.stretches.resize(power + 1, SimilarGaps::default());
        }
        let stretches = &mut self.stretches[power];
        stretches.total_ns = stretches.total_ns.saturating_add(ns.saturating_mul(number));
        stretches.longest_ns = stretches.longest_ns.max(ns);
    }

    /// Adds missing samples of unknown length.
    pub fn of_any_length(&mut self, samples: u64) {
        self.of_any_length = self.of_any_length.saturating_add(samples);
    }

    /// Adds the missing samples of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.of_any_length(other.of_any_length);
        self.no_known_sample |= other.no_known_sample;
        let pairs = [
            (&mut self.unfinished, &other.unfinished),
            (&mut self.cut_short, &other.cut_short),
            (&mut self.paused, &other.paused),
        ];
        for (own, other) in pairs {
            if let Some(other) = other {
                own.get_or_insert_default().merge(other);
            }
        }
        self.to_come = self.to_come.saturating_add(other.to_come);
        self.stretches.resize(self.stretches.len().max(other.stretches.len()), SimilarGaps::default());
        for (own, other) in self.stretches.iter_mut().zip(&other.stretches) {
            own.total_ns = own.total_ns.saturating_add(other.total_ns);
            own.longest_ns = own.longest_ns.max(other.longest_ns);
        }
    }

    /// Maximum number of samples that may be missing, including those that have not ended and may grow.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.saturating_add(self.not_ended())
    }

    /// Maximum number of samples that may have been lost.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.count
    }

    /// Samples that have not ended, if any, at their known minimum.
    #[must_use]
    pub fn unfinished(&self) -> Option<&Histogram> {
        self.unfinished.as_deref()
    }

    /// Samples that ended because their loop stopped, if any.
    #[must_use]
    pub fn cut_short(&self) -> Option<&Histogram> {
        self.cut_short.as_deref()
    }

    /// Samples that have not ended but do not grow, if any, with their durations so far.
    #[must_use]
    pub(crate) fn paused(&self) -> Option<&Histogram> {
        self.paused.as_deref()
    }

    /// Number of samples that have not ended, plus those that may follow.
    fn not_ended(&self) -> u64 {
        self.unfinished().map_or(0, Histogram::count).saturating_add(self.to_come)
    }

    /// Maximum number of missing samples that can be longer than `value`.
    #[must_use]
    pub fn longer_than(&self, value: u64) -> u64 {
        let fit = |stretches: &&SimilarGaps| stretches.longest_ns > value;
        let stretches = self.stretches.iter().filter(fit);
        let counts = stretches.map(|stretches| stretches.total_ns / value.saturating_add(1));
        let lost = counts.fold(self.of_any_length, u64::saturating_add).min(self.count);
        lost.saturating_add(self.not_ended())
    }

    /// The most time that samples longer than `value` can add up to; `None` if there is no upper bound.
    #[must_use]
    pub fn total_longer_than(&self, value: u64) -> Option<u64> {
        if self.longer_than(value) == 0 {
            return Some(0);
        }
        let stretches = self.stretches.iter().filter(|stretches| stretches.longest_ns > value);
        let total = stretches.fold(0u64, |sum, stretches| sum.saturating_add(stretches.total_ns));
        (self.of_any_length == 0 && self.not_ended() == 0).then_some(total)
    }

    /// The longest sample that can be missing; `None` if there is no upper bound.
    #[must_use]
    pub fn longest(&self) -> Option<u64> {
        let longest = self.stretches.iter().map(|stretches| stretches.longest_ns).max();
        match (self.count, self.of_any_length) {
            _ if self.not_ended() > 0 => None,
            (0, _) => Some(0),
            (_, 0) => Some(longest.unwrap_or(0)),
            _ => None,
        }
    }

    /// The total length of all gaps.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.stretches.iter().fold(0, |sum, stretches| sum.saturating_add(stretches.total_ns))
    }
}
