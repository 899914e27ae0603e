//! The summary: one JSON schema for `report`, `attach --json`, `demo --json` and `diff`.
//!
//! Times are nanoseconds, sizes bytes. Fields are only ever added; a change of meaning is a new
//! [`SCHEMA`] number.

mod blame;
mod build;
mod families;
mod io;
mod jobs;
mod lists;
mod loop_kinds;
mod loops;
mod pressure;
mod tags;
mod unfinished;

pub use blame::{
    BlameSummary, ImpactSummary, LateSignalSummary, LateTimerSummary, SlowTaskSummary, StallSummary,
    WorstImpactSummary,
};
pub use loop_kinds::{
    AgendaSummary, AgendaWorkerSummary, CommandSummary, CommandsSummary, FuturesSummary, HeldSummary,
    PrioritySummary, PumpsSummary, RendezvousSummary, ShutdownSummary,
};

pub use families::{
    DepthSummary, GcSummary, MicrotasksSummary, QueueSummary, SignalsSummary, SpanSummary, TasksSummary,
    TicksSummary, TimersSummary,
};
pub use io::IoSummary;
pub use jobs::JobsSummary;
pub use loops::LoopSummary;
pub use pressure::PressureSummary;
pub use tags::{TagSummary, TagsBeyondLimit};
pub use unfinished::{OpenTickSummary, SourceSummary, StateSummary};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::diagnosis::Diagnosis;
use crate::loss::Bounds;
use crate::timeline::StreamEnd;

/// The number of this schema.
pub const SCHEMA: u32 = 1;

/// The figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What is wrong most; null in summaries of earlier versions.
    pub diagnosis: Option<Diagnosis>,
    /// What was observed.
    pub source: SourceSummary,
    /// Whether the process ended its session or the recording was closed: nothing follows, and the end is complete.
    pub closed: bool,
    /// The tick in progress; of several loops, the one that has been busy longest. Null if every tick has ended.
    pub open_tick: Option<OpenTickSummary>,
    /// Time from the first event to the last known moment.
    pub span_ns: u64,
    /// Range of `span_ns` if records were lost or times may be wrong: records lost at the beginning or the end may extend
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_bounds: Option<Bounds>,
    /// Records lost after the first one read.
    pub lost_records: u64,
    /// Range of `lost_records` if the number of missing records is unknown: an unreadable part may have held none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_records_bounds: Option<Bounds>,
    /// Records overwritten before the first one read. They are no loss: totals count from the first one read.
    pub before_attach: u64,
    /// Events skipped because this version does not know their kind.
    pub unknown_kinds: u64,
    /// Events skipped because of impossible values.
    pub malformed_events: u64,
    /// Gaps for which the number of missing records is unknown; each counts as one lost record.
    pub uncounted_gaps: u64,
    /// Largest error of any time, because the recording's readings of its clocks contradict each other; `u64::MAX` if no
    /// two of them agree, 0 if all agree.
    pub clock_error_ns_max: u64,
    /// Contention for processors; null if it was not sampled.
    pub pressure: Option<PressureSummary>,
    /// Ticks.
    pub ticks: TicksSummary,
    /// Tasks.
    pub tasks: TasksSummary,
    /// Spans and marks by label, the longest span first.
    #[serde(deserialize_with = "lists::entries")]
    pub spans: Vec<SpanSummary>,
    /// Spans and marks whose labels are beyond the limit of distinguished labels.
    pub spans_beyond_limit: u64,
    /// Microtasks.
    pub microtasks: MicrotasksSummary,
    /// Timers.
    pub timers: TimersSummary,
    /// Queues of which anything is known, even if only that they were empty.
    pub queues: Vec<QueueSummary>,
    /// The GC controller.
    pub gc: GcSummary,
    /// Signals.
    pub signals: SignalsSummary,
    /// Suspensions of the process; null if none was recorded.
    pub suspended: Option<SuspendedSummary>,
    /// The agenda; null if there is none.
    pub agenda: Option<AgendaSummary>,
    /// Readiness callbacks; null if there were none.
    pub io: Option<IoSummary>,
    /// Jobs of the work pool; null if there were none.
    pub jobs: Option<JobsSummary>,
    /// The active handles at the end, by kind and name; null if no snapshot and no event names any.
    pub keep_alive: Option<Vec<HeldSummary>>,
    /// Age, at the end, of the snapshot on which `keep_alive` is based.
    pub keep_alive_age_ns: Option<u64>,
    /// Parts for which that snapshot had no room. If there are any, names are missing from `keep_alive`, and its counts
    /// may be off by as many.
    pub keep_alive_left_out: Option<u64>,
    /// Commands through the self-pipe; null if there were none.
    pub commands: Option<CommandsSummary>,
    /// Pumps of a foreign loop; null if there were none.
    pub pumps: Option<PumpsSummary>,
    /// Spawned futures; null if there were none.
    pub futures: Option<FuturesSummary>,
    /// The last shutdown; null if there was none.
    pub shutdown: Option<ShutdownSummary>,
    /// The figures of each loop. With several loops, the fields outside this list have only counts, sums and maxima;
    /// utilization, percentiles and median depths are null there.
    #[serde(deserialize_with = "lists::loops")]
    pub loops: Vec<LoopSummary>,
    /// Whether there are more loops than are tracked separately.
    pub loops_beyond_limit: bool,
    /// Whether there are more emitters than are tracked, loops among them, whose ticks are in no figure.
    pub loops_left_out: bool,
    /// The latest stalls and the worst one, newest first.
    pub stalls: Vec<StallSummary>,
    /// The worst late timers, worst first.
    pub late_timers: Vec<LateTimerSummary>,
    /// The worst late signals, worst first.
    pub late_signals: Vec<LateSignalSummary>,
    /// The slowest tasks, slowest first.
    pub slow_tasks: Vec<SlowTaskSummary>,
    /// Delay caused to others, by cause, largest first.
    pub delay_caused: Vec<ImpactSummary>,
}

/// Periods in which nothing in the process ran, because a signal stopped it or the machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SuspendedSummary {
    /// Number of suspensions.
    pub count: u64,
    /// Total duration of all suspensions.
    pub total_ns: u64,
    /// Time for which the machine slept, which no other duration includes.
    pub asleep_ns: u64,
}

impl Summary {
    /// Reduces the list of stalls to the latest `most`, of which the last gives way to the worst one.
    pub fn shorten_stalls(&mut self, most: usize) {
        let worst = (0..self.stalls.len()).max_by_key(|place| self.stalls[*place].run_ns);
        if let Some(worst) = worst.filter(|worst| (most..self.stalls.len()).contains(worst) && most > 0) {
            self.stalls.swap(most - 1, worst);
        }
        self.stalls.truncate(most);
    }

    /// The summary of one loop: with its figures, and lists reduced to its entries. `None` if no loop has that name, as in
    /// any summary that an older version saved without loops.
    #[must_use]
    pub fn of_loop(&self, name: &str) -> Option<Cow<'_, Self>> {
        let own = self.loops.iter().find(|own| own.name == name)?;
        if self.loops.len() == 1 {
            return Some(Cow::Borrowed(self));
        }
        // Names every field, so that a new one cannot be forgotten here.
        let LoopSummary {
            name: _,
            source: _,
            lost_records,
            open_tick,
            ticks,
            tasks,
            microtasks,
            timers,
            queues,
            gc,
            signals,
        } = own.clone();
        let mut one = Self {
            lost_records,
            lost_records_bounds: self.lost_records_bounds.map(|_| {
                // Each gap may belong to another loop.
                Bounds { lo: lost_records.saturating_sub(self.uncounted_gaps), hi: None }
            }),
            open_tick,
            ticks,
            tasks,
            microtasks,
            timers,
            queues,
            gc,
            signals,
            loops: vec![own.clone()],
            loops_beyond_limit: false,
            loops_left_out: false,
            ..self.clone()
        };
        one.stalls.retain(|stall| stall.loop_name == name);
        one.late_timers.retain(|late| late.loop_name == name);
        one.late_signals.retain(|late| late.loop_name == name);
        one.slow_tasks.retain(|slow| slow.loop_name == name);
        Some(Cow::Owned(one))
    }

    /// Whether there are several loops.
    #[must_use]
    pub const fn has_several_loops(&self) -> bool {
        self.loops.len() > 1
    }

    /// Whether a tick is in progress, or a timer is or may be overdue, so that figures are lower bounds.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        let is_certain = self.lost_records == 0 && !self.misses_anything() && self.clock_error_ns_max == 0;
        let may_be_late = is_certain && self.timers.lag_ns.bounds.is_some();
        self.ticks.open > 0 || self.timers.still_overdue() > 0 || may_be_late
    }

    /// Whether posts and signals may be waiting unrecorded: a loop is, or after the end of the recording may have been,
    /// busy for longer than the limit of late timers.
    #[must_use]
    pub(crate) fn may_keep_waiting(&self) -> bool {
        let open = self.open_tick.as_ref().filter(|open| open.running.as_deref() != Some("poll"));
        let is_known = self.source.state.end() == StreamEnd::Known;
        open.is_some_and(|open| !is_known || open.run_ns > self.timers.late_limit_ns)
    }

    /// Whether nothing was recorded, as in a trace that consists of a header. Counts of 0 are then not measured.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        let counts = [Some(self.tasks.count), self.signals.arrived, self.timers.armed, self.timers.fired];
        let counted = counts.into_iter().flatten().any(|count| count > 0);
        !self.has_ticks()
            && !counted
            && self.queues.is_empty()
            && self.spans.is_empty()
            && self.agenda.is_none()
            && [self.io.is_some(), self.jobs.is_some(), self.pumps.is_some()] == [false; 3]
            && self.commands.is_none()
    }

    /// The part of `malformed_events` that an import dropped.
    pub(crate) fn dropped_by_import(&self) -> u64 {
        let import = self.source.import.as_ref();
        import.map_or(0, |import| import.dropped_of_loops).min(self.malformed_events)
    }

    /// Whether a part of unknown content is missing.
    #[must_use]
    pub(crate) const fn misses_anything(&self) -> bool {
        self.uncounted_gaps > 0 || self.malformed_events > 0 || self.loops_left_out
    }

    /// Whether the recording was cut off, so that anything may have followed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.source.state.end() == StreamEnd::Cut
    }

    /// Whether it is an import whose file lacks slices, or may have been cut off before further ones. A missing slice
    /// may have enclosed others, which then were no tasks, or filled the gap between two ticks, which then were one: the
    /// numbers of ticks and tasks have no lower bound.
    pub(crate) fn may_miss_slices(&self) -> bool {
        self.misses_slices() || self.is_of_slices() && self.is_cut()
    }

    /// Whether it is an import that lacks slices between those that were read.
    pub(crate) fn misses_slices(&self) -> bool {
        let misses_any = self.lost_records > 0 || self.malformed_events > 0 || self.uncounted_gaps > 0;
        misses_any && self.is_of_slices()
    }

    /// Whether ticks and tasks were derived from another program's slices, which lack outcomes.
    fn is_of_slices(&self) -> bool {
        self.source.import.is_some() && self.tasks.failed.is_none()
    }

    /// Whether any tick was seen, complete or not.
    #[must_use]
    pub(crate) const fn has_ticks(&self) -> bool {
        self.ticks.count > 0 || self.ticks.incomplete > 0 || self.ticks.open > 0
    }
}

#[cfg(test)]
mod tests;
