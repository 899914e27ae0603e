//! The summary: one JSON schema for `report`, `attach --json`, `demo --json` and `diff`.
//!
//! Times are nanoseconds, sizes bytes. Fields are only ever added; a change of meaning is a new
//! [`SCHEMA`] number.

mod blame;
mod build;
mod families;
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
pub use jobs::JobsSummary;
pub use loops::{LoopSummary, loop_names};
pub use pressure::PressureSummary;
pub use tags::{TagSummary, TagsBeyondLimit};
pub use unfinished::{OpenTickSummary, SourceSummary, StateSummary};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::loss::Bounds;
use crate::timeline::StreamEnd;

/// The number of this schema.
pub const SCHEMA: u32 = 1;

/// Everything a run amounts to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was watched.
    pub source: SourceSummary,
    /// The process ended its session, or the recording was closed: nothing comes any more, and the end is not missing.
    #[serde(default)]
    pub closed: bool,
    /// The tick that has not ended, where there is one: of several loops the one that has been busy for longest.
    #[serde(default)]
    pub open_tick: Option<OpenTickSummary>,
    /// From the first event to the last known moment.
    pub span_ns: u64,
    /// Where records were lost, or times may be wrong: the range of `span_ns`. Records lost at an end may have been outside
    /// of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_bounds: Option<Bounds>,
    /// Records lost in between.
    pub lost_records: u64,
    /// Where the number of missing records is unknown: the range of `lost_records`. What cannot be read may have held none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_records_bounds: Option<Bounds>,
    /// Records overwritten before the first one that was returned: no loss, totals count since then.
    #[serde(default)]
    pub before_attach: u64,
    /// Events skipped because this version does not know them.
    #[serde(default)]
    pub unknown_kinds: u64,
    /// Events with values that they cannot have: skipped.
    #[serde(default)]
    pub malformed_events: u64,
    /// Gaps for which the number of missing records is unknown; each counts as one lost record.
    #[serde(default)]
    pub uncounted_gaps: u64,
    /// By how much times may be wrong, because the recording's readings of its clocks contradict each other; the largest
    /// number if no two of them agree.
    #[serde(default)]
    pub clock_error_ns_max: u64,
    /// Contention for processors; null where it was not sampled.
    #[serde(default)]
    pub pressure: Option<PressureSummary>,
    /// Ticks.
    pub ticks: TicksSummary,
    /// Tasks.
    pub tasks: TasksSummary,
    /// Spans and marks by label, the longest span first.
    #[serde(default, deserialize_with = "lists::entries")]
    pub spans: Vec<SpanSummary>,
    /// Spans and marks of labels beyond the most that are distinguished.
    #[serde(default)]
    pub spans_beyond_limit: u64,
    /// Microtasks.
    pub microtasks: MicrotasksSummary,
    /// Timers.
    pub timers: TimersSummary,
    /// Queues of which anything is known, and be it that they were empty.
    pub queues: Vec<QueueSummary>,
    /// The GC controller.
    pub gc: GcSummary,
    /// Signals.
    pub signals: SignalsSummary,
    /// Times at which nothing of the process ran; null where none is recorded.
    #[serde(default)]
    pub suspended: Option<SuspendedSummary>,
    /// The agenda; null where there is none.
    #[serde(default)]
    pub agenda: Option<AgendaSummary>,
    /// Jobs of the work pool; null where there were none.
    #[serde(default)]
    pub jobs: Option<JobsSummary>,
    /// What kept the loop alive at the end, by kind and name; null where no snapshot says.
    #[serde(default)]
    pub keep_alive: Option<Vec<HeldSummary>>,
    /// How old the snapshot was at the end with which that list begins.
    #[serde(default)]
    pub keep_alive_age_ns: Option<u64>,
    /// Parts that had no room in that snapshot: while there are any, names are missing from the list, and its counts may
    /// be off by as many.
    #[serde(default)]
    pub keep_alive_left_out: Option<u64>,
    /// Commands through the self-pipe; null where none came.
    #[serde(default)]
    pub commands: Option<CommandsSummary>,
    /// Pumps of a foreign loop; null where there were none.
    #[serde(default)]
    pub pumps: Option<PumpsSummary>,
    /// Spawned futures; null where there were none.
    #[serde(default)]
    pub futures: Option<FuturesSummary>,
    /// The last shutdown; null where there was none.
    #[serde(default)]
    pub shutdown: Option<ShutdownSummary>,
    /// Each loop by itself. Of several, what is above has only what is counted or summed up; the rest is null there.
    #[serde(default, deserialize_with = "lists::loops")]
    pub loops: Vec<LoopSummary>,
    /// There are more loops than are kept apart.
    #[serde(default)]
    pub loops_beyond_limit: bool,
    /// There are more emitters than are followed, loops among them: their ticks are in no figure.
    #[serde(default)]
    pub loops_left_out: bool,
    /// Stalls, newest first: the last ones, and the worst of all.
    pub stalls: Vec<StallSummary>,
    /// The worst late timers, worst first.
    #[serde(default)]
    pub late_timers: Vec<LateTimerSummary>,
    /// The worst late signals, worst first.
    #[serde(default)]
    pub late_signals: Vec<LateSignalSummary>,
    /// The slowest tasks, slowest first.
    #[serde(default)]
    pub slow_tasks: Vec<SlowTaskSummary>,
    /// Delay caused to others, by tag, largest first.
    #[serde(default)]
    pub delay_caused: Vec<ImpactSummary>,
}

/// Times at which nothing of the process ran: it was stopped by a signal, or the machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SuspendedSummary {
    /// How often.
    pub count: u64,
    /// How long, all together.
    pub total_ns: u64,
    /// For how long the machine slept, which no other time counts.
    pub asleep_ns: u64,
}

impl Summary {
    /// The summary of one loop: a loop's figures are its own, and lists contain only its entries. `None` if no loop has
    /// that name, or if the summary has no loops, as older versions saved it.
    #[must_use]
    pub fn of_loop(&self, name: &str) -> Option<Cow<'_, Self>> {
        let own = self.loops.iter().find(|own| own.name == name)?;
        if self.loops.len() == 1 {
            return Some(Cow::Borrowed(self));
        }
        let own = own.clone();
        let mut one = self.clone();
        one.stalls.retain(|stall| stall.loop_name == name);
        one.late_timers.retain(|late| late.loop_name == name);
        one.late_signals.retain(|late| late.loop_name == name);
        one.slow_tasks.retain(|slow| slow.loop_name == name);
        (one.lost_records, one.open_tick) = (own.lost_records, own.open_tick.clone());
        one.lost_records_bounds = self.lost_records_bounds.map(|_| {
            // Any of the gaps may be another loop's.
            Bounds { lo: own.lost_records.saturating_sub(self.uncounted_gaps), hi: None }
        });
        (one.ticks, one.tasks, one.timers) = (own.ticks.clone(), own.tasks.clone(), own.timers.clone());
        (one.microtasks, one.queues) = (own.microtasks.clone(), own.queues.clone());
        (one.gc, one.signals) = (own.gc.clone(), own.signals);
        (one.loops_beyond_limit, one.loops_left_out) = (false, false);
        one.loops = vec![own];
        Some(Cow::Owned(one))
    }

    /// There are several loops.
    #[must_use]
    pub const fn has_several_loops(&self) -> bool {
        self.loops.len() > 1
    }

    /// A tick or a task goes on, or a timer is overdue or may be: figures are lower bounds.
    #[must_use]
    pub fn has_unfinished(&self) -> bool {
        let is_certain = self.lost_records == 0 && !self.misses_anything() && self.clock_error_ns_max == 0;
        let may_be_late = is_certain && self.timers.lag_ns.bounds.is_some();
        self.ticks.open > 0 || self.timers.still_overdue() > 0 || may_be_late
    }

    /// A loop has been busy for so long that posts and signals may be late for it, or may have been for longer than is
    /// known.
    #[must_use]
    pub(crate) fn may_keep_waiting(&self) -> bool {
        let open = self.open_tick.as_ref().filter(|open| open.running.as_deref() != Some("poll"));
        let is_known = self.source.state.end() == StreamEnd::Known;
        open.is_some_and(|open| !is_known || open.run_ns > self.timers.late_limit_ns)
    }

    /// Nothing was recorded, as in a trace of only a header: a count of 0 says nothing then.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        let counts = [Some(self.tasks.count), self.signals.arrived, self.timers.armed, self.timers.fired];
        let counted = counts.into_iter().flatten().any(|count| count > 0);
        !self.has_ticks()
            && !counted
            && self.queues.is_empty()
            && self.spans.is_empty()
            && self.agenda.is_none()
            && [self.jobs.is_some(), self.pumps.is_some(), self.commands.is_some()] == [false; 3]
    }

    /// Of the `malformed_events`, those that an import dropped.
    pub(crate) fn dropped_by_import(&self) -> u64 {
        let import = self.source.import.as_ref();
        import.map_or(0, |import| import.dropped_of_loops).min(self.malformed_events)
    }

    /// An unknown part is missing, in which anything may have happened.
    #[must_use]
    pub(crate) const fn misses_anything(&self) -> bool {
        self.uncounted_gaps > 0 || self.malformed_events > 0 || self.loops_left_out
    }

    /// The recording was cut off: anything may have followed.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.source.state.end() == StreamEnd::Cut
    }

    /// An import of which slices are missing, or may be behind the end of the file. They may have enclosed others, which
    /// were no tasks then, or filled the gap between two ticks, which were one: there may have been fewer of both.
    pub(crate) fn may_miss_slices(&self) -> bool {
        self.misses_slices() || self.is_of_slices() && self.is_cut()
    }

    /// An import of which slices are missing among those that were read.
    pub(crate) fn misses_slices(&self) -> bool {
        let misses_any = self.lost_records > 0 || self.malformed_events > 0 || self.uncounted_gaps > 0;
        misses_any && self.is_of_slices()
    }

    /// Its ticks and tasks were made of another program's slices, which do not say how tasks ended.
    fn is_of_slices(&self) -> bool {
        self.source.import.is_some() && self.tasks.failed.is_none()
    }

    /// Any tick was seen.
    #[must_use]
    pub(crate) const fn has_ticks(&self) -> bool {
        self.ticks.count > 0 || self.ticks.incomplete > 0 || self.ticks.open > 0
    }
}

#[cfg(test)]
mod tests;
