//! Separate figures for several loops in one stream: each gets a timeline of its own, with figures only.
//!
//! The figures of a single loop are those of the whole, so its events are folded once. When a second loop appears, the
//! figures so far become the first loop's.

use std::sync::Arc;

use loop_probes::event::Event;
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;

use super::history::History;
use super::impacts::Impacts;
use super::state::Loops;
use super::worst::WorstCases;
use super::{Timeline, TimelineConfig};
use crate::source::SourceCounts;

/// Loops with figures of their own; further ones are only part of the whole.
pub const LOOPS_MAX: usize = 64;

impl Loops {
    /// Whether an event has to be folded separately, or introduces a second loop.
    #[inline]
    pub(super) fn concerns(&self, stamped: &Stamped) -> bool {
        Some(stamped.source) != self.first && is_of_a_loop(&stamped.event) || !self.by_loop.is_empty()
    }
}

/// Whether the event shows that its emitter is a loop. Workers, and threads that only have spans, emit none of these.
#[must_use]
pub const fn is_of_a_loop(event: &Event) -> bool {
    matches!(
        event,
        Event::TickStart { .. }
            | Event::TickEnd { .. }
            | Event::Phase { .. }
            | Event::Poll { .. }
            | Event::TaskQueued { .. }
            | Event::TaskRan { .. }
            | Event::Microtasks { .. }
            | Event::DeferredRan { .. }
            | Event::Immediates { .. }
            | Event::TimerArmed { .. }
            | Event::TimerFired { .. }
            | Event::QueueDepth { .. }
            | Event::IoReady { .. }
            | Event::SnapshotBegin { .. }
            | Event::InputRun { .. }
    )
}

/// Figures only: ticks cannot be opened and there is no blame.
fn figures_of(config: &TimelineConfig) -> TimelineConfig {
    TimelineConfig {
        late_kept: 0,
        stretches_kept: 0,
        causes_max: 0,
        ticks_kept: 1,
        spans_kept: 1,
        spans_per_tick: 1,
        stalls_kept: 1,
        breakdown_lines: 2,
        samples_kept: 1,
        labels_max: 0,
        worst_runs_kept: 1,
        loops_left_out: false,
        history: false,
        ..config.clone()
    }
}

impl Timeline {
    /// The loops with separate figures, in the order of appearance; empty if there is at most one loop.
    pub fn separate_loops(&self) -> impl ExactSizeIterator<Item = (SourceId, &Self)> + '_ {
        self.loops.by_loop.iter().map(|(source, timeline)| (*source, timeline))
    }

    /// The first loop seen, if any.
    #[must_use]
    pub const fn first_loop(&self) -> Option<SourceId> {
        self.loops.first
    }

    /// Whether there are more loops than those with separate figures.
    #[must_use]
    pub const fn has_more_loops(&self) -> bool {
        self.loops.more
    }

    /// The separate timelines, with the names known to all and the first and last times of the whole.
    pub(crate) fn loops_by_now(&self) -> impl Iterator<Item = Self> + '_ {
        let by_now = move |own: &Self| {
            let labels = Arc::clone(&self.labels);
            // Lost records that the stream does not report may have been of any loop.
            let of_others = self.inferred_gaps().saturating_sub(own.inferred_gaps());
            let unreported = self.counts.lost_records.saturating_sub(self.lost_records).max(of_others);
            let lost_records = own.lost_records.saturating_add(unreported);
            let uncounted_gaps = self.counts.uncounted_gaps.saturating_add(of_others);
            let counts = SourceCounts { lost_records, uncounted_gaps, ..self.counts };
            Self {
                first: self.first,
                pressure_from: self.pressure_from,
                last: self.last,
                labels,
                counts,
                ..own.clone()
            }
        };
        self.loops.by_loop.iter().map(move |(_, own)| by_now(own))
    }

    /// Folds an event into its own loop's timeline, before it is folded into the whole.
    #[cold]
    #[inline(never)]
    pub(super) fn fold_by_loop(&mut self, stamped: &Stamped) {
        let source = stamped.source;
        match self.loops.first {
            None => {
                self.loops.first = Some(source);
                return;
            }
            Some(first) if first != source && self.loops.by_loop.is_empty() => {
                let config = figures_of(&self.config);
                let mut own = self.clone();
                (own.blame, own.delays_caused) = (WorstCases::new(&config), Impacts::new(&config));
                own.blame_of_slice = WorstCases::of_slice(&config);
                (own.config, own.loops_left_out) = (config, false);
                own.history = History::new(false);
                self.loops.by_loop.push((first, own));
            }
            _ => {}
        }
        let found = self.loops.by_loop.iter().position(|(its, _)| *its == source);
        let place = match found {
            Some(place) => place,
            None if !is_of_a_loop(&stamped.event) => return,
            None if self.loops.by_loop.len() >= LOOPS_MAX => {
                self.loops.more = true;
                return;
            }
            None => {
                self.loops.by_loop.push((source, Self::new(figures_of(&self.config))));
                self.loops.by_loop.len() - 1
            }
        };
        let lost = self.loops.lost;
        let own = &mut self.loops.by_loop[place].1;
        own.loops.lost = lost;
        own.fold_alone(stamped);
        // A damaged block's records are counted once, with its first emitter: any of them may have been this loop's.
        if let Event::Lost { count: 0, .. } = stamped.event {
            own.lost_records = own.lost_records.saturating_add(lost.max(1));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
