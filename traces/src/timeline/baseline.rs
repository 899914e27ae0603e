//! Baselines: the figures of a timeline at a moment, from which those of the time since then follow by subtraction.
//!
//! Every part of a timeline lists its figures in one function, `figures`, in an order that never changes. A
//! [`Reader`] reads them into a [`Part`]; a [`Difference`] replaces each by what it grew by since then.

use std::collections::HashMap;

use super::worst_runs::{WorstRun, merge_worst};
use crate::histogram::Histogram;
use crate::histogram::compact::Compact;
use crate::histogram::spaced::{Spaced, SpacedMark};
use crate::peak::Peak;

/// What is done with each figure of a timeline.
pub(super) trait Figures: Sized {
    /// A number that only grows.
    fn count(&mut self, count: &mut u64);
    /// The maximum of a figure that is at `level` now: in a window in which it does not change, that is its maximum.
    fn peak(&mut self, peak: &mut Peak, level: u64);
    /// A distribution.
    fn histogram(&mut self, values: &mut Histogram);
    /// A distribution with runs of values.
    fn spaced(&mut self, values: &mut Spaced);
    /// The longest runs, of all and of the slice since the last baseline.
    fn worst(&mut self, all: &mut Vec<WorstRun>, of_slice: &mut Vec<WorstRun>);
    /// The figures of one of several like parts, of which there may be more later. A part that did not exist at
    /// the baseline has grown from nothing, or from its surroundings if it `was_the_whole`.
    fn part(&mut self, key: u64, was_the_whole: bool, figures: impl FnOnce(&mut Self));

    /// Several [counts](Self::count).
    fn counts<const N: usize>(&mut self, counts: [&mut u64; N]) {
        counts.into_iter().for_each(|count| self.count(count));
    }

    /// A count that may be unknown.
    fn known_count(&mut self, count: &mut Option<u64>) {
        let mut known = count.unwrap_or(0);
        self.count(&mut known);
        *count = count.map(|_| known);
    }
}

/// The figures of a part of a timeline at a moment, in the order of its `figures`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    counts: Vec<u64>,
    peaks: Vec<u64>,
    histograms: Vec<Compact>,
    spaced: Vec<SpacedMark>,
    worst: Vec<Vec<WorstRun>>,
    parts: HashMap<u64, Part>,
}

impl Part {
    /// Bytes that it shares with no earlier baseline.
    pub(super) fn bytes_since(&self, before: Option<&Self>) -> usize {
        let histograms = self.histograms.iter().enumerate();
        let histograms = histograms
            .map(|(place, of)| of.bytes_since(before.and_then(|before| before.histograms.get(place))));
        let spaced = self.spaced.iter().enumerate();
        let spaced =
            spaced.map(|(place, of)| of.bytes_since(before.and_then(|before| before.spaced.get(place))));
        let parts = self.parts.iter();
        let parts = parts.map(|(key, part)| {
            size_of::<Self>() + part.bytes_since(before.and_then(|before| before.parts.get(key)))
        });
        let worst = self.worst.iter().map(|runs| size_of::<Vec<WorstRun>>() + size_of_val(&runs[..]));
        let numbers = size_of::<u64>() * (self.counts.len() + self.peaks.len());
        numbers
            + worst.sum::<usize>()
            + histograms.sum::<usize>()
            + spaced.sum::<usize>()
            + parts.sum::<usize>()
    }

    /// Takes over the peaks of the slice that `earlier` ends, which is no baseline any more.
    pub(super) fn absorb(&mut self, earlier: &Self) {
        for (peak, earlier) in self.peaks.iter_mut().zip(&earlier.peaks) {
            *peak = (*peak).max(*earlier);
        }
        for (own, earlier) in self.histograms.iter_mut().zip(&earlier.histograms) {
            own.absorb(earlier);
        }
        for (own, earlier) in self.spaced.iter_mut().zip(&earlier.spaced) {
            own.single.absorb(&earlier.single);
        }
        for (own, earlier) in self.worst.iter_mut().zip(&earlier.worst) {
            merge_worst(own, earlier);
        }
        for (key, part) in &mut self.parts {
            if let Some(earlier) = earlier.parts.get(key) {
                part.absorb(earlier);
            }
        }
    }
}

/// Makes a baseline.
pub(super) struct Reader<'m> {
    before: Option<&'m Part>,
    made: Part,
}

impl<'m> Reader<'m> {
    /// Makes the baseline after `before`.
    pub(super) fn after(before: Option<&'m Part>) -> Self {
        Self { before, made: Part::default() }
    }

    /// The figures, and the bytes that they share with no earlier mark.
    pub(super) fn made(self) -> (Part, usize) {
        let bytes = self.made.bytes_since(self.before);
        (self.made, bytes)
    }
}

impl Figures for Reader<'_> {
    fn count(&mut self, count: &mut u64) {
        self.made.counts.push(*count);
    }

    fn peak(&mut self, peak: &mut Peak, level: u64) {
        self.made.peaks.push(peak.mark());
        // The level is known from elsewhere, and changes no maximum of all.
        peak.reach(level.min(peak.get()));
    }

    fn histogram(&mut self, values: &mut Histogram) {
        let before = self.before.and_then(|before| before.histograms.get(self.made.histograms.len()));
        self.made.histograms.push(values.mark(before));
    }

    fn spaced(&mut self, values: &mut Spaced) {
        let before = self.before.and_then(|before| before.spaced.get(self.made.spaced.len()));
        self.made.spaced.push(values.mark(before));
    }

    fn worst(&mut self, _: &mut Vec<WorstRun>, of_slice: &mut Vec<WorstRun>) {
        self.made.worst.push(std::mem::take(of_slice));
    }

    fn part(&mut self, key: u64, _: bool, figures: impl FnOnce(&mut Self)) {
        let mut part = Reader::after(self.before.and_then(|before| before.parts.get(&key)));
        figures(&mut part);
        let same = self.made.parts.insert(key, part.made);
        debug_assert!(same.is_none(), "two parts have the key {key}");
    }
}

/// Reduces figures to what they grew by since a baseline.
pub(super) struct Difference<'m> {
    at: Option<&'m Part>,
    /// The baselines after it.
    later: Vec<&'m Part>,
    counts: usize,
    peaks: usize,
    histograms: usize,
    spaced: usize,
    worst: usize,
}

impl<'m> Difference<'m> {
    /// The growth since `at`, with all `later` baselines.
    pub(super) const fn since(at: Option<&'m Part>, later: Vec<&'m Part>) -> Self {
        Self { at, later, counts: 0, peaks: 0, histograms: 0, spaced: 0, worst: 0 }
    }
}

/// The place that `next` counts up to.
const fn next(next: &mut usize) -> usize {
    let place = *next;
    *next += 1;
    place
}

impl Figures for Difference<'_> {
    fn count(&mut self, count: &mut u64) {
        let place = next(&mut self.counts);
        let before = self.at.and_then(|at| at.counts.get(place)).copied();
        *count = count.saturating_sub(before.unwrap_or(0));
    }

    fn peak(&mut self, peak: &mut Peak, _: u64) {
        let place = next(&mut self.peaks);
        *peak = peak.since(self.later.iter().filter_map(|it| it.peaks.get(place).copied()));
    }

    fn histogram(&mut self, values: &mut Histogram) {
        let place = next(&mut self.histograms);
        let later = self.later.iter().filter_map(|it| it.histograms.get(place));
        let at = self.at.and_then(|at| at.histograms.get(place));
        *values = values.since(at, later.map(Compact::peak));
    }

    fn spaced(&mut self, values: &mut Spaced) {
        let place = next(&mut self.spaced);
        let later = self.later.iter().filter_map(|it| it.spaced.get(place));
        let at = self.at.and_then(|at| at.spaced.get(place));
        *values = values.since(at, later.map(|it| it.single.peak()));
    }

    fn worst(&mut self, all: &mut Vec<WorstRun>, of_slice: &mut Vec<WorstRun>) {
        let place = next(&mut self.worst);
        self.later.iter().filter_map(|it| it.worst.get(place)).for_each(|slice| merge_worst(all, slice));
        merge_worst(all, of_slice);
    }

    fn part(&mut self, key: u64, was_the_whole: bool, figures: impl FnOnce(&mut Self)) {
        let at = self.at.and_then(|it| of_part(it, key, was_the_whole));
        let later = self.later.iter().filter_map(|it| of_part(it, key, was_the_whole)).collect();
        figures(&mut Difference::since(at, later));
    }
}

fn of_part(part: &Part, key: u64, was_the_whole: bool) -> Option<&Part> {
    part.parts.get(&key).or_else(|| was_the_whole.then_some(part))
}
