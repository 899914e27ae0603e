//! The figures of a window of time: from a [`Baseline`] to now.
//!
//! A window's timeline is what the whole one grew by since the baseline. What is a state and not a sum (what is running,
//! waiting, armed or held, the names) is that of now, so a task that began before the window and ends in it counts with
//! its whole run time, and losses that happened before the window leave no doubt in it.

use std::sync::Arc;

use loop_probes::ids::Timestamp;

use super::baseline::{Difference, Figures, Part, Reader};
use super::history::History;
use super::impacts::{Impact, Impacts};
use super::state::Loops;
use super::worst::{WorstCases, WorstOfSlice};
use super::{Timeline, TimelineConfig};

/// The figures at a moment, from which a window may begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    at: Timestamp,
    figures: Arc<Part>,
    delays_caused: Arc<[Impact]>,
    /// The worst cases since the baseline before.
    worst: WorstOfSlice,
    doubts: Doubts,
    bytes: usize,
}

/// What makes figures uncertain, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Doubts {
    lost: u64,
    uncounted_gaps: u64,
    incomplete_ticks: u64,
    malformed: u64,
}

impl Baseline {
    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Bytes that it takes besides what it shares with the one before.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the place of `earlier`, the baseline before this one, which is removed: what it counted of the time since
    /// `before`, the one before that, now counts for this one.
    pub fn absorb(&mut self, earlier: &Self, before: Option<&Self>) {
        Arc::make_mut(&mut self.figures).absorb(&earlier.figures);
        self.worst.absorb(&earlier.worst);
        self.bytes = self.figures.bytes_since(before.map(|before| &*before.figures)) + self.worst.bytes();
    }
}

impl Timeline {
    /// The figures at `at`, up to which all events were folded. `before` is the last baseline that was made.
    #[must_use]
    pub fn baseline(&mut self, at: Timestamp, before: Option<&Baseline>) -> Baseline {
        // Like a run, a wait that goes on counts as a whole in the window in which it ends.
        let delays_caused = self.delays_caused.counted().into();
        let doubts = self.doubts();
        let worst = self.end_slice();
        let mut reader = Reader::after(before.map(|before| &*before.figures));
        self.figures(&mut reader);
        let (figures, bytes) = reader.made();
        let bytes = bytes + worst.bytes();
        Baseline { at, figures: Arc::new(figures), delays_caused, worst, doubts, bytes }
    }

    fn doubts(&self) -> Doubts {
        Doubts {
            lost: self.lost_in_all(),
            uncounted_gaps: self.uncounted_gaps(),
            incomplete_ticks: self.incomplete_ticks(),
            malformed: self.counts.malformed,
        }
    }

    fn figures(&mut self, by: &mut impl Figures) {
        by.count(&mut self.tasks_run);
        by.histogram(&mut self.tasks_run_ns);
        by.count(&mut self.lost_records);
        by.part(0, false, |by| self.timers.figures(by));
        by.part(1, false, |by| self.queues.figures(by));
        by.part(2, false, |by| self.microtasks.figures(by));
        by.part(3, false, |by| self.deferred.figures(by));
        by.part(4, false, |by| self.immediates.figures(by));
        by.part(5, false, |by| self.gc.figures(by));
        by.part(6, false, |by| self.signals.figures(by));
        by.part(7, false, |by| self.stalls.figures(by));
        by.part(8, false, |by| self.suspensions.figures(by));
        by.part(9, false, |by| self.work.figures(by));
        by.part(10, false, |by| self.agenda.figures(by));
        by.part(11, false, |by| self.spans.figures(by));
        by.part(12, false, |by| self.troubles.figures(by));
        by.part(13, false, |by| self.commands.figures(by));
        by.part(14, false, |by| self.pumps.figures(by));
        by.part(15, false, |by| self.futures.figures(by));
        by.part(16, false, |by| self.pressure.figures(by));
        by.part(17, false, |by| by.counts([&mut self.wakes.count, &mut self.wakes.coalesced]));
        by.part(18, false, |by| self.ticks.figures(by));
        by.part(19, false, |by| self.tags.figures(by));
        let Loops { first, by_loop, .. } = &mut self.loops;
        for (source, own) in by_loop {
            // Until the second loop appeared, the figures of the whole were those of the first.
            by.part(1 << 32 | u64::from(source.0), Some(*source) == *first, |by| own.figures(by));
        }
    }

    /// The figures of the window that begins at `from`, of which `at` is the last baseline. `later` are all baselines
    /// after it, in any order. What happened between the baseline and `from` counts as well.
    ///
    /// Of ticks, only the figures are there; of stalls and late timers, those of the window that are still kept.
    #[must_use]
    pub fn since<'m>(
        &self,
        at: &'m Baseline,
        from: Timestamp,
        later: impl Iterator<Item = &'m Baseline> + Clone,
    ) -> Self {
        let unfinished = self.unfinished_so_far();
        let mut delays_caused = Impacts::new(&self.config);
        for mut impact in self.delay_caused_with(&unfinished) {
            if let Some(before) = at.delays_caused.iter().find(|before| before.cause == impact.cause) {
                impact.forget(before, from);
            }
            delays_caused.add(impact);
        }
        let mut since = self.without_history(delays_caused, from);
        since.blame = self.blame_since(from, later.clone().map(|later| &later.worst));
        let mut difference =
            Difference::since(Some(&at.figures), later.map(|later| &*later.figures).collect());
        since.figures(&mut difference);
        // Of losses that are not in the stream, nobody knows when they were.
        if !self.has_unplaced_loss() && self.counts.uncounted_gaps == 0 {
            since.forget_doubts(at.doubts != self.doubts());
        }
        since
    }

    /// A copy with `delays_caused` and without ticks, history, and entries from before `from`.
    fn without_history(&self, delays_caused: Impacts, from: Timestamp) -> Self {
        let mut copy = Self {
            labels: Arc::clone(&self.labels),
            ticks: self.ticks.without_ticks(),
            tasks_run: self.tasks_run,
            tasks_run_ns: self.tasks_run_ns.clone(),
            tags: self.tags.clone(),
            timers: self.timers.clone(),
            queues: self.queues.clone(),
            microtasks: self.microtasks.clone(),
            deferred: self.deferred.clone(),
            immediates: self.immediates.clone(),
            gc: self.gc.clone(),
            signals: self.signals.clone(),
            stalls: self.stalls.since(from),
            suspensions: self.suspensions.clone(),
            work: self.work.clone(),
            agenda: self.agenda.clone(),
            rates: self.rates.clone(),
            history: History::new(false),
            spans: self.spans.clone(),
            troubles: self.troubles.clone(),
            wakes: self.wakes,
            commands: self.commands.clone(),
            pumps: self.pumps.clone(),
            futures: self.futures,
            keep_alive: self.keep_alive.clone(),
            shutdown: self.shutdown,
            stopped: self.stopped,
            pressure: self.pressure,
            has_crashed: self.has_crashed,
            loops_left_out: self.loops_left_out,
            events: self.events,
            snapshots: self.snapshots,
            lost_records: self.lost_records,
            counts: self.counts,
            // What waits now is counted in the delays already.
            config: TimelineConfig { stretches_kept: 0, ..self.config.clone() },
            first: self.first,
            pressure_from: self.pressure_from,
            window_from: Some(from),
            last: self.last,
            open: self.open.clone(),
            gaps: self.gaps.clone(),
            loss_bounds: self.loss_bounds.clone(),
            replaced: self.replaced.clone(),
            blame: WorstCases::new(&self.config),
            blame_of_slice: WorstCases::of_slice(&self.config),
            delays_caused,
            loops: Loops {
                by_loop: self
                    .loops
                    .by_loop
                    .iter()
                    .map(|(source, own)| (*source, own.without_history(Impacts::new(&own.config), from)))
                    .collect(),
                ..self.loops
            },
            last_open: self.last_open,
        };
        copy.tags.forget_before(from);
        copy.timers.forget_before(from);
        copy.gc.forget_before(from);
        copy.suspensions.forget_before(from);
        copy.agenda.forget_before(from);
        copy.troubles.forget_before(from);
        copy
    }

    /// Forgets losses from before the window, if there were none in it.
    fn forget_doubts(&mut self, has_new: bool) {
        self.counts.lost_records = self.lost_records;
        if !has_new {
            self.loss_bounds.forget();
        }
        self.loops.by_loop.iter_mut().for_each(|(_, own)| own.forget_doubts(has_new));
    }
}

#[cfg(test)]
mod tests;
