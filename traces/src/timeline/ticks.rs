//! Completed ticks: totals, and the most recent ticks with their spans.

use std::ops::Range;

use loop_probes::event::Phase;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::baseline::Figures;
use super::config::TimelineConfig;
use crate::attribution::What;
use crate::attribution::sweep::{Node, Nodes};
use crate::histogram::Histogram;
use crate::recent::Recent;
use crate::span::TickSpan;

/// Busy share: `busy / (busy + poll wait)`, as Node's event-loop utilization; 0 if both are 0.
#[must_use]
pub fn utilization(busy_ns: u64, poll_wait_ns: u64) -> f64 {
    let (busy, wait) = (busy_ns as f64, poll_wait_ns as f64);
    if busy + wait > 0.0 { busy / (busy + wait) } else { 0.0 }
}

/// Time by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseTimes([u64; Phase::ALL.len()]);

impl PhaseTimes {
    /// The time in `phase`.
    #[must_use]
    pub fn of(&self, phase: Phase) -> u64 {
        self.0[usize::from(phase.code()) - 1]
    }

    /// The busy phase that took longest; `None` if none took any time.
    #[must_use]
    pub fn largest(&self) -> Option<(Phase, u64)> {
        let busy = Phase::ALL.iter().filter(|phase| **phase != Phase::Poll);
        // The first of equals: `max_by_key` alone would return the last.
        busy.map(|phase| (*phase, self.of(*phase))).filter(|(_, ns)| *ns > 0).rev().max_by_key(|(_, ns)| *ns)
    }

    pub(crate) fn add(&mut self, phase: Phase, ns: u64) {
        let time = &mut self.0[usize::from(phase.code()) - 1];
        *time = time.saturating_add(ns);
    }
}

/// The longest task or readiness callback of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongestRun {
    /// Id of the task or callback.
    pub task: TaskId,
    /// Tag of the task or callback.
    pub tag: Tag,
    /// Run time from start to end, in nanoseconds.
    pub run_ns: u64,
}

/// One completed tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TickSummary {
    /// The loop it belongs to.
    pub source: SourceId,
    /// The number of the tick in its loop.
    pub tick: u64,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// The tick's duration less the loop's own polls: a poll within a callback is the callback's time.
    pub busy_ns: u64,
    /// Total duration of the loop's own polls.
    pub poll_wait_ns: u64,
    /// Tasks that ran in the tick, as counted by its end record.
    pub tasks_run: u32,
    /// Tasks that were queued during the tick.
    pub tasks_queued: u32,
    /// Time by phase; the poll phase excludes its wait.
    pub phases: PhaseTimes,
    /// The longest task or readiness callback of the tick.
    pub longest: Option<LongestRun>,
    /// Timers that fired in the tick.
    pub timers_fired: u32,
    /// Timers that fired later than the limit, out of `timers_fired`.
    pub timers_late: u32,
    /// Microtasks that ran in the tick.
    pub microtasks_run: u32,
    /// Collections in the tick.
    pub gc_runs: u32,
    /// Total duration of these collections.
    pub gc_run_ns: u64,
    /// Whether it was busy beyond the limit.
    pub stall: bool,
    /// Whether records of it are missing. Its figures are then lower bounds and enter no total.
    pub incomplete: bool,
    /// Number of the tick's spans that were not kept, the shortest ones.
    pub spans_left_out: u32,
    pub(crate) spans: SpanRange,
}

/// The position of a tick's spans in the shared store, as numbers that count up and never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanRange {
    pub(crate) first: u64,
    pub(crate) count: u32,
}

/// A position in the store of ticks: anything before it may be evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    tick: u64,
    span: u64,
}

impl Mark {
    /// Beyond every position.
    pub(crate) const NEVER: Self = Self { tick: u64::MAX, span: u64::MAX };

    pub(crate) fn min(self, other: Self) -> Self {
        Self { tick: self.tick.min(other.tick), span: self.span.min(other.span) }
    }

    #[cfg(test)]
    pub(crate) const fn at(tick: u64, span: u64) -> Self {
        Self { tick, span }
    }

    /// Ticks and spans from `from` to this position.
    pub(crate) const fn extent_from(self, from: Self) -> u64 {
        self.tick.saturating_sub(from.tick) + self.span.saturating_sub(from.span)
    }

    pub(crate) fn max(self, other: Self) -> Self {
        Self { tick: self.tick.max(other.tick), span: self.span.max(other.span) }
    }

    /// Whether this position is evicted once the kept history begins at `kept_from`.
    #[inline]
    pub(crate) const fn is_lost_at(self, kept_from: Self) -> bool {
        self.tick < kept_from.tick || self.span < kept_from.span
    }
}

/// All ticks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ticks {
    /// Whole ticks.
    pub count: u64,
    /// Ticks with missing records: counted here and nowhere else.
    pub incomplete: u64,
    /// Busy time of whole ticks.
    pub busy_ns: u64,
    /// Poll wait of whole ticks.
    pub poll_wait_ns: u64,
    /// Busy time per whole tick.
    pub run_ns: Histogram,
    /// Tasks per whole tick.
    pub tasks_run: Histogram,
    /// Time by phase in whole ticks.
    pub phases: PhaseTimes,
    /// The most recent ticks, including incomplete ones.
    pub recent: Recent<TickSummary>,
    spans: Recent<TickSpan>,
    spans_added: u64,
    added: u64,
    /// The end of the last evicted tick.
    forgotten_until: Timestamp,
}

impl Ticks {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            count: 0,
            incomplete: 0,
            busy_ns: 0,
            poll_wait_ns: 0,
            run_ns: Histogram::new(),
            tasks_run: Histogram::new(),
            phases: PhaseTimes::default(),
            recent: Recent::new(config.ticks_kept),
            spans: Recent::new(config.spans_kept),
            spans_added: 0,
            added: 0,
            forgotten_until: Timestamp(0),
        }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { count, incomplete, busy_ns, poll_wait_ns, run_ns, tasks_run, phases, .. } = self;
        by.counts([count, incomplete, busy_ns, poll_wait_ns]);
        by.histogram(run_ns);
        by.histogram(tasks_run);
        phases.0.iter_mut().for_each(|ns| by.count(ns));
    }

    /// The same figures without any tick.
    pub(super) fn without_ticks(&self) -> Self {
        Self {
            recent: Recent::new(0),
            spans: Recent::new(0),
            run_ns: self.run_ns.clone(),
            tasks_run: self.tasks_run.clone(),
            ..*self
        }
    }

    /// Busy share of all whole ticks.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        utilization(self.busy_ns, self.poll_wait_ns)
    }

    /// Adds a tick and its spans, in the order of their ends.
    pub(crate) fn add(&mut self, mut tick: TickSummary, spans: &[TickSpan]) {
        tick.spans = SpanRange { first: self.spans_added, count: spans.len() as u32 };
        for span in spans {
            self.spans.push(*span);
        }
        self.spans_added += spans.len() as u64;
        if tick.incomplete {
            self.incomplete += 1;
        } else {
            self.count += 1;
            self.busy_ns = self.busy_ns.saturating_add(tick.busy_ns);
            self.poll_wait_ns = self.poll_wait_ns.saturating_add(tick.poll_wait_ns);
            self.run_ns.record(tick.busy_ns);
            self.tasks_run.record(u64::from(tick.tasks_run));
            for phase in Phase::ALL {
                self.phases.add(*phase, tick.phases.of(*phase));
            }
        }
        self.added += 1;
        if let Some(forgotten) = self.recent.push(tick) {
            self.forgotten_until = self.forgotten_until.max(forgotten.end);
        }
    }

    /// Where the kept history will begin once a tick with `spans` spans is added.
    pub(crate) fn kept_from_after(&self, spans: usize) -> Mark {
        let span = (self.spans_added + spans as u64).saturating_sub(self.spans.limit() as u64);
        let tick = (self.added + 1).saturating_sub(self.recent.limit() as u64);
        Mark { tick, span }
    }

    /// The positions from the first tick that was not over at `from` to the end.
    pub(crate) fn since(&self, from: Timestamp) -> Range<Mark> {
        self.mark(from)..Mark { tick: self.added, span: self.spans_added }
    }

    /// The position of the first tick that was not over at `from`.
    pub(crate) fn mark(&self, from: Timestamp) -> Mark {
        let place = self.recent.partition_point(|tick| tick.end <= from);
        let tick = self.added - (self.recent.len() - place) as u64;
        let span = self.recent.at(place).map_or(self.spans_added, |tick| tick.spans.first);
        Mark { tick, span }
    }

    /// Adds to `nodes` what happened on `source` between `from` and `to`, and the part of it that was evicted.
    pub(crate) fn gather(&self, source: SourceId, from: Timestamp, to: Timestamp, nodes: &mut Nodes) {
        let mut known_from = self.forgotten_until;
        let mut any = false;
        let place = self.recent.partition_point(|tick| tick.end <= from);
        let ticks = self.recent.iter().skip(place).filter(|tick| tick.source == source);
        // Ticks of one emitter do not overlap.
        for tick in ticks.take_while(|tick| tick.start < to) {
            match self.range_of(tick) {
                Some(spans) => {
                    if !any {
                        known_from = known_from.min(tick.start);
                    }
                    any = true;
                    nodes.add_tick((tick.start, tick.end), spans, tick.spans_left_out > 0);
                }
                None => known_from = known_from.max(tick.end),
            }
        }
        if from < known_from {
            nodes.list.push(Node::missing(from, known_from, What::Evicted));
        }
    }

    /// The spans of a tick in the order of their ends; `None` if they were evicted.
    pub(crate) fn spans_of(&self, tick: &TickSummary) -> Option<Vec<TickSpan>> {
        Some(self.range_of(tick)?.copied().collect())
    }

    fn range_of(&self, tick: &TickSummary) -> Option<impl Iterator<Item = &TickSpan> + '_> {
        let oldest = self.spans_added - self.spans.len() as u64;
        let from = usize::try_from(tick.spans.first.checked_sub(oldest)?).ok()?;
        Some(self.spans.iter().skip(from).take(tick.spans.count as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_phase_is_a_busy_one_and_the_first_of_equals() {
        let mut times = PhaseTimes::default();
        assert_eq!(times.largest(), None);
        times.add(Phase::Poll, 900);
        times.add(Phase::Io, 5);
        times.add(Phase::Timers, 5);
        assert_eq!(times.largest(), Some((Phase::Timers, 5)));
    }

    #[test]
    fn utilization_is_a_share() {
        assert!((utilization(1, 3) - 0.25).abs() < 1e-12);
        assert!(utilization(0, 0) == 0.0);
    }
}
