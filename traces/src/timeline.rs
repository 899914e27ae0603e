//! `Timeline`: folds a stream of events into everything that is shown of it.
//!
//! Dashboard, report and comparison read this and nothing else, so they cannot disagree. It is bounded in
//! memory whatever the length of the run ([`TimelineConfig`] has every limit), and a pure function of the
//! events: how they are cut into batches, and whether they come live or from a file, makes no difference.
//!
//! ```text
//! Stamped ──> fold ──┬─> open tick of its emitter ──(TickEnd)──> ticks ──> stalls
//!                    ├─> tags · timers · queues · microtasks · gc · signals · pool · agenda · keep-alive · …
//!                    └─> labels
//! ```

mod agenda;
mod blame;
mod commands;
pub(crate) mod config;
mod delay_caused;
mod depth_slots;
mod depths;
mod families;
mod fold;
mod futures;
mod gaps;
mod gc;
mod keep_alive;
mod last_activity;
mod loops;
mod loss_bounds;
mod microtasks;
mod open_tick;
mod opened;
mod poll_wait;
mod pool;
mod pressure;
mod program;
mod queues;
mod rates;
mod shutdown;
mod signals;
mod stalls;
mod suspensions;
mod tags;
mod ticks;
mod timers;
mod unfinished;
mod worst;

pub use crate::attribution::Waiter;
pub use crate::span::{SpanKind, TickSpan};
pub use agenda::{Agenda, AgendaWorker, OldestWaiting, PriorityStats, Rendezvous, RendezvousStats};
pub use blame::{Blamed, LateSignal, SlowTask};
pub use commands::{CommandStats, Commands, Pumps, Wakes, command_name};
pub use config::TimelineConfig;
pub use delay_caused::{Cause, Impact, WorstImpact};
pub use depth_slots::DepthSlots;
pub use families::Families;
pub use futures::Futures;
pub use gc::{Gc, GcCheck, GcRun};
pub use keep_alive::{Held, KeepAlive, RefName};
pub use last_activity::StreamEnd;
#[cfg(test)]
pub(crate) use loops::tests::two as two_loops;
pub use loops::{LOOPS_MAX, is_of_a_loop};
pub use loss_bounds::MissingSamples;
pub use microtasks::{Batches, Microtasks};
pub use opened::{OpenedSpan, OpenedTick};
pub use pool::{WorkerStats, Workers};
pub use pressure::Pressure;
pub use program::{LabelStats, Spans, Trouble, TroubleKind, Troubles};
pub use queues::{QueueStats, Queues};
pub use rates::{PerSecond, Rates, SLOT_NS, Slot};
pub use shutdown::{Shutdown, ShutdownEnd, Stopped};
pub use signals::{SignalStats, Signals, signal_name};
pub use stalls::{Stall, StallFigures, Stalls};
pub use suspensions::{Suspension, Suspensions};
pub use tags::{BeyondLimit, RunStats, TagStats, Tags, WorstRun};
pub use ticks::{LongestRun, PhaseTimes, TickSummary, Ticks, utilization};
pub use timers::{LateTimer, Timers};
pub use unfinished::{OverdueTimer, RunningTask, Unfinished, UnfinishedTick};
pub(crate) use worst::Allowance;

use loop_probes::event::Outcome;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use crate::histogram::Histogram;
use crate::labels::Labels;
use crate::loss::{Bounds, Missing};
use crate::source::SourceCounts;
use blame::Blame;
use delay_caused::Impacts;
use gaps::Gaps;
use loops::Loops;
use loss_bounds::LossBounds;
use open_tick::OpenTick;
use unfinished::Replaced;

/// The folded state of a stream of events. See the [module](self).
///
/// Totals count what was folded: since the attach for a live ring, since the start for a recording.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timeline {
    /// Names.
    pub labels: Labels,
    /// Ticks.
    pub ticks: Ticks,
    /// Tasks that ran on a loop's thread.
    pub tasks_run: u64,
    /// Their run times.
    pub tasks_run_ns: Histogram,
    /// Figures by tag.
    pub tags: Tags,
    /// Timers.
    pub timers: Timers,
    /// Queues.
    pub queues: Queues,
    /// Microtask checkpoints.
    pub microtasks: Microtasks,
    /// The deferred queue.
    pub deferred: Batches,
    /// Immediates.
    pub immediates: Batches,
    /// The GC controller.
    pub gc: Gc,
    /// Signals.
    pub signals: Signals,
    /// Stalls.
    pub stalls: Stalls,
    /// Periods in which the process was suspended.
    pub suspensions: Suspensions,
    /// The work pool.
    pub work: Workers,
    /// The agenda.
    pub agenda: Agenda,
    /// Rates over a sliding window.
    pub rates: Rates,
    /// Spans and marks.
    pub spans: Spans,
    /// Errors and panics.
    pub troubles: Troubles,
    /// Wake-ups.
    pub wakes: Wakes,
    /// Commands through the self-pipe.
    pub commands: Commands,
    /// Pumps of a foreign loop.
    pub pumps: Pumps,
    /// Spawned futures.
    pub futures: Futures,
    /// Active handles: what keeps the loop alive.
    pub keep_alive: KeepAlive,
    /// The last shutdown, from the moment it began.
    pub shutdown: Option<Shutdown>,
    /// The loop's end, once recorded.
    pub stopped: Option<Stopped>,
    /// Contention for processors.
    pub pressure: Pressure,
    /// The process died while it was recorded.
    pub has_crashed: bool,
    /// There are loops beyond the limit of emitters, or of an import: their ticks are not counted.
    pub loops_left_out: bool,
    /// Events folded.
    pub events: u64,
    /// Snapshots completed.
    pub snapshots: u64,
    /// Records lost within the stream, as the stream itself reports.
    pub lost_records: u64,
    /// What the source could not deliver, as it reports it.
    pub counts: SourceCounts,
    config: TimelineConfig,
    first: Option<Timestamp>,
    /// When the first sample of pressure was taken.
    pressure_from: Option<Timestamp>,
    last: Option<Timestamp>,
    open: Vec<OpenTick>,
    /// Indexed as `open` is, one entry per emitter.
    gaps: Vec<Gaps>,
    loss_bounds: LossBounds,
    replaced: Replaced,
    blame: Blame,
    delays_caused: Impacts,
    loops: Loops,
    last_open: usize,
}

impl Timeline {
    /// An empty timeline with these limits.
    #[must_use]
    pub fn new(config: TimelineConfig) -> Self {
        Self {
            labels: Labels::default(),
            ticks: Ticks::new(&config),
            tasks_run: 0,
            tasks_run_ns: Histogram::new(),
            tags: Tags::new(config.tags_max),
            timers: Timers::new(&config),
            queues: Queues::new(&config),
            microtasks: Microtasks::new(&config),
            deferred: Batches::default(),
            immediates: Batches::default(),
            gc: Gc::new(&config),
            signals: Signals::default(),
            stalls: Stalls::new(&config),
            suspensions: Suspensions::new(config.entries_kept),
            work: Workers::default(),
            agenda: Agenda::new(&config),
            rates: Rates::new(config.rate_window),
            spans: Spans::default(),
            troubles: Troubles::new(&config),
            wakes: Wakes::default(),
            commands: Commands::default(),
            pumps: Pumps::default(),
            futures: Futures::default(),
            keep_alive: KeepAlive::new(&config),
            shutdown: None,
            stopped: None,
            pressure: Pressure::default(),
            has_crashed: false,
            loops_left_out: config.loops_left_out,
            events: 0,
            snapshots: 0,
            lost_records: 0,
            counts: SourceCounts::default(),
            blame: Blame::new(&config),
            delays_caused: Impacts::new(&config),
            config,
            first: None,
            pressure_from: None,
            last: None,
            open: Vec::new(),
            gaps: Vec::new(),
            loss_bounds: LossBounds::default(),
            replaced: Replaced::default(),
            loops: Loops::default(),
            last_open: 0,
        }
    }

    /// An empty timeline for a recording: the default limits and the recording's own stall limit.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self::new(TimelineConfig::of(metadata))
    }

    /// Its limits.
    #[must_use]
    pub const fn config(&self) -> &TimelineConfig {
        &self.config
    }

    /// Folds `events`, in the order of the stream.
    pub fn extend<'a>(&mut self, events: impl IntoIterator<Item = &'a Stamped>) {
        for stamped in events {
            self.fold(stamped);
        }
    }

    /// Folds one event.
    #[inline]
    pub fn fold(&mut self, stamped: &Stamped) {
        if self.loops.concerns(stamped) {
            self.fold_by_loop(stamped);
        }
        self.fold_alone(stamped);
    }

    #[inline]
    fn fold_alone(&mut self, stamped: &Stamped) {
        fold::fold(self, stamped);
    }

    /// Takes from one event only what breakdowns need, for callers that use nothing else.
    #[inline]
    pub(crate) fn follow(&mut self, stamped: &Stamped) {
        fold::follow(self, stamped);
    }

    /// The time of the earliest event, or the start of the first interval if that is earlier: times count from here, as in
    /// exports.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        self.first.into_iter().chain(self.pressure_from).min()
    }

    /// The time of the last event, which may be one that reports something still running.
    #[must_use]
    pub const fn last_at(&self) -> Option<Timestamp> {
        self.last
    }

    /// The time of the last event that an emitter wrote itself.
    #[must_use]
    pub fn last_moved_at(&self) -> Option<Timestamp> {
        self.open.iter().map(|open| open.last).max()
    }

    /// From the first event to the last known moment.
    #[must_use]
    pub fn span_ns(&self) -> u64 {
        match (self.first, self.last) {
            (Some(first), Some(last)) => last.ns_since(first),
            _ => 0,
        }
    }

    /// The range of [`span_ns`](Self::span_ns), if records were lost or times may be wrong. Only what was lost between two
    /// records of one emitter is known to lie within the span.
    #[must_use]
    pub(crate) fn span_bounds(&self) -> Option<Bounds> {
        if self.is_clock_wrong() {
            return Some(Bounds::UNKNOWN);
        }
        let (lost, lo) = (self.lost_in_all(), self.span_ns());
        let is_within = !self.may_miss_anything()
            && lost == self.lost_records
            && !self.loss_bounds.may_be_outside_of_span();
        let has_lost = lost > 0 || self.may_miss_anything();
        has_lost.then_some(Bounds { lo, hi: is_within.then_some(lo) })
    }

    /// Ticks lost whole, inferred from gaps in the tick numbers.
    #[must_use]
    pub const fn ticks_missing(&self) -> u64 {
        self.loss_bounds.ticks_between()
    }

    /// Gaps for which the number of missing records is unknown: those that the source reports, and those in the tick
    /// numbers for which no record, or too few, are reported lost.
    #[must_use]
    pub const fn uncounted_gaps(&self) -> u64 {
        self.counts.uncounted_gaps.saturating_add(self.inferred_gaps())
    }

    /// Of the [uncounted gaps](Self::uncounted_gaps), those that the source does not report.
    const fn inferred_gaps(&self) -> u64 {
        self.loss_bounds.uncounted_gaps(self.counts.uncounted_gaps)
    }

    /// The range of the number of lost records, where it is unknown. A gap that cannot be read may have held only names,
    /// unless ticks are missing there.
    #[must_use]
    pub fn lost_bounds(&self) -> Option<Bounds> {
        let gaps = self.uncounted_gaps();
        let least = self.lost_in_all().saturating_sub(gaps).max(u64::from(self.ticks_missing() > 0));
        (gaps > 0).then_some(Bounds { lo: least, hi: None })
    }

    /// Whether the source's readings of its clocks contradict each other: no time is certain.
    pub(crate) const fn is_clock_wrong(&self) -> bool {
        self.counts.clock_error_ns_max > 0
    }

    /// Whether any number of samples of any kind may be missing: of an unknown number of records, of events that were
    /// skipped, or of loops.
    pub(crate) const fn may_miss_anything(&self) -> bool {
        self.uncounted_gaps() > 0 || self.counts.malformed > 0 || self.loops_left_out
    }

    /// Ticks with missing records, including those that were open when records were lost and have not ended since.
    #[must_use]
    pub fn incomplete_ticks(&self) -> u64 {
        self.ticks.incomplete.saturating_add(self.loss_bounds.torn())
    }

    /// Records lost: as the stream reports, or the source if it knows of more. Where those were is unknown. An uncounted
    /// gap is one.
    #[must_use]
    pub fn lost_in_all(&self) -> u64 {
        self.lost_records.saturating_add(self.inferred_gaps()).max(self.counts.lost_records)
    }

    /// What lost records may have held, and what has not ended: together they bound every percentile.
    #[must_use]
    pub fn missing(&self) -> MissingSamples {
        self.missing_with(&self.unfinished(StreamEnd::Known))
    }

    /// As [`missing`](Self::missing), with `unfinished` as what has not ended.
    #[must_use]
    pub fn missing_with(&self, unfinished: &Unfinished) -> MissingSamples {
        let lost = self.lost_in_all();
        let left_out = if lost > 0 { self.queues.waits_left_out() } else { 0 };
        let waits = Missing::anything(lost.saturating_add(left_out));
        let now = self.last.unwrap_or_default();
        let mut missing = match self.may_miss_anything() {
            true => MissingSamples::anything(u64::MAX),
            false if lost > self.lost_records => MissingSamples::anything(lost),
            false => self.loss_bounds.missing(now, lost, self.incomplete_ticks(), waits),
        };
        unfinished.add_to(&mut missing);
        self.timers.add_unresolved(&mut missing.lag_corrected);
        if self.is_clock_wrong() {
            missing.of_wrong_clock()
        } else if self.misses_slices() {
            missing.of_regrouped_slices()
        } else if self.has_unplaced_loss() {
            // Any tick may have waited in a poll whose event is missing, and have been busy for less.
            MissingSamples { ticks: missing.ticks.without_known_samples(), ..missing }
        } else {
            missing
        }
    }

    /// Whether this is an import of which slices are missing. They may have enclosed others, which were no tasks then, or
    /// filled the gap between two ticks, which were one.
    fn misses_slices(&self) -> bool {
        let misses_any = self.lost_in_all() > 0 || self.counts.malformed > 0 || self.uncounted_gaps() > 0;
        self.config.queue_waits_in_part && misses_any
    }

    /// A kept tick in full: a recent one or a stall. `None` if its spans were evicted.
    #[must_use]
    pub fn opened(&self, tick: &TickSummary) -> Option<OpenedTick> {
        let stall = self.stalls.newest_first().find(|stall| {
            (stall.tick.source, stall.tick.tick, stall.tick.start) == (tick.source, tick.tick, tick.start)
        });
        let spans = match stall {
            Some(stall) => stall.spans.to_vec(),
            None => self.ticks.spans_of(tick)?,
        };
        Some(OpenedTick::new(*tick, spans))
    }
}

/// Whether the run failed or panicked.
pub(crate) const fn failed(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Panicked)
}

#[cfg(test)]
mod tests;
