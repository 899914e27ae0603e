//! The summary: one JSON schema for `report`, `attach --json`, `demo --json` and `diff`.
//!
//! Times are nanoseconds, sizes bytes. Fields are only ever added; a change of meaning is a new
//! [`SCHEMA`] number.

mod blame;
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

pub use families::{DepthSummary, GcSummary, MicrotasksSummary, QueueSummary, SignalsSummary, TimersSummary};
pub use jobs::JobsSummary;
pub use loops::{LoopSummary, loop_names};
pub use pressure::PressureSummary;
pub use tags::{TagSummary, TagsBeyondLimit};
pub use unfinished::{OpenTickSummary, StateSummary};

use serde::{Deserialize, Serialize};

use crate::histogram::Percentiles;
use crate::import_summary::ImportSummary;
use crate::loss::Bounds;
use crate::source::{EventSource, SourceKind};
use crate::timeline::{StreamEnd, Suspensions, Timeline, utilization};

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

/// What was watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SourceSummary {
    /// What kind of source.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// The process.
    pub pid: u32,
    /// The loop's policy.
    pub policy: String,
    /// What was done to make it, where it was imported.
    #[serde(default)]
    pub import: Option<ImportSummary>,
    /// How it was when it was read.
    #[serde(default)]
    pub state: StateSummary,
}

/// Ticks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TicksSummary {
    /// Whole ticks.
    pub count: u64,
    /// Ticks of which records are missing, counted nowhere else.
    #[serde(default)]
    pub incomplete: u64,
    /// Ticks that were lost whole, by the numbers of the ticks around them.
    #[serde(default)]
    pub missing: u64,
    /// Ticks that have not ended: their busy time and polls count in what follows, as far as they are known.
    #[serde(default)]
    pub open: u64,
    /// Stalls, also those that are not listed.
    #[serde(default)]
    pub stalls: u64,
    /// Where ticks may be missing, or one has not ended: between which numbers that of the stalls lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalls_bounds: Option<Bounds>,
    /// Busy time of all stalls; null in what older versions saved.
    #[serde(default)]
    pub stalls_busy_ns: Option<u64>,
    /// As `stalls_bounds`: between which values `stalls_busy_ns` lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalls_busy_bounds: Option<Bounds>,
    /// A tick busier than this is a stall.
    #[serde(default)]
    pub stall_limit_ns: u64,
    /// Busy time.
    pub busy_ns: u64,
    /// Poll wait.
    pub poll_wait_ns: u64,
    /// `busy / (busy + poll wait)`; null of several loops together, and where no tick was seen.
    pub utilization: Option<f64>,
    /// Where records are missing, or a tick has not ended and its last activity is unknown: the range of `utilization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization_bounds: Option<[f64; 2]>,
    /// Busy time per tick.
    pub run_ns: Percentiles,
}

/// Tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TasksSummary {
    /// Tasks that ran on a loop's thread.
    pub count: u64,
    /// Of these, failed or panicked; null where outcomes are not recorded.
    #[serde(default)]
    pub failed: Option<u64>,
    /// From start to end, of all tags.
    #[serde(default)]
    pub run_ns: Percentiles,
    /// From queued to start, of all tags.
    #[serde(default)]
    pub queue_wait_ns: Percentiles,
    /// By tag, the longest run first.
    #[serde(deserialize_with = "lists::entries")]
    pub by_tag: Vec<TagSummary>,
    /// Tags beyond the limit, which are not in `by_tag`.
    #[serde(default)]
    pub tags_beyond_limit: TagsBeyondLimit,
}

/// The spans and marks of one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SpanSummary {
    /// The label.
    pub label: String,
    /// Its spans.
    pub count: u64,
    /// Their extents.
    pub run_ns: Percentiles,
    /// Its marks.
    pub marks: u64,
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
    /// The summary of what was folded from `source`.
    #[must_use]
    pub fn new(source: &(impl EventSource + ?Sized), timeline: &Timeline) -> Self {
        let metadata = source.metadata();
        let printable = loop_probes::text::printable;
        let source = SourceSummary {
            kind: source.kind(),
            name: printable(source.name()),
            pid: metadata.pid,
            policy: printable(&metadata.policy),
            import: ImportSummary::of(metadata),
            state: StateSummary::of(source, timeline),
        };
        Self::of(source.clone(), timeline).with_loops(&source, timeline)
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

    fn of(source: SourceSummary, timeline: &Timeline) -> Self {
        let Timeline { ticks, timers, microtasks, gc, signals, .. } = timeline;
        // A trace made of another program's slices does not say how its tasks ended.
        let (state, has_outcomes) = (source.state, !timeline.config().queue_waits_in_part);
        let unfinished = timeline.unfinished(state.end());
        let (missing, recorded) = (timeline.missing_with(&unfinished), timeline.families());
        let (busy_ns, poll_wait_ns) = (
            ticks.busy_ns.saturating_add(unfinished.busy_ns()),
            ticks.poll_wait_ns.saturating_add(unfinished.poll_wait_ns()),
        );
        let has_ticks = ticks.count > 0 || timeline.incomplete_ticks() > 0 || !unfinished.ticks.is_empty();
        let stalls = timeline.stall_figures(&unfinished, &missing);
        let loop_name = blame::loop_names(timeline);
        let late = unfinished.timers.iter().filter(|timer| timer.lag_ns() > timeline.config().late_timer_ns);
        let overdue = unfinished.timers.len() as u64;
        let most_overdue = match unfinished.has_timers_beyond_limit || unfinished.has_timers_unseen {
            true => None,
            false => Some(overdue.saturating_add(unfinished.timers_lost)),
        };
        let knows_overdue = recorded.timers_armed && (overdue > 0 || !unfinished.has_timers_unseen);
        let is_range = knows_overdue && most_overdue != Some(overdue);
        let overdue_bounds = is_range.then_some(Bounds { lo: overdue, hi: most_overdue });
        let at_stop = unfinished.timers.iter().filter(|timer| timer.is_final).count() as u64;
        let late = recorded.timers.then(|| timers.late.saturating_add(late.count() as u64));
        let lag_ns = timers.lag_ns.percentiles_missing(&missing.lag);
        let may_be_later = lag_ns.bounds.is_some_and(|bounds| bounds.max.hi.is_none());
        let skipped = recorded.timers.then(|| timers.skipped.saturating_add(unfinished.skipped()));
        let has_gaps = timeline.lost_in_all() > 0 || timeline.may_miss_anything();
        let may_skip_more = has_gaps || unfinished.may_skip_more();
        Self {
            schema: SCHEMA,
            source,
            closed: state.is_closed(),
            open_tick: unfinished::open_tick(timeline, &unfinished),
            span_ns: timeline.span_ns(),
            span_bounds: timeline.span_bounds(),
            lost_records: timeline.lost_in_all(),
            lost_records_bounds: timeline.lost_bounds(),
            before_attach: timeline.counts.before_attach,
            unknown_kinds: timeline.counts.unknown_kinds,
            malformed_events: timeline.counts.malformed,
            uncounted_gaps: timeline.uncounted_gaps(),
            clock_error_ns_max: timeline.counts.clock_error_ns_max,
            pressure: PressureSummary::of(timeline),
            ticks: TicksSummary {
                count: ticks.count,
                incomplete: timeline.incomplete_ticks(),
                missing: timeline.ticks_missing(),
                open: unfinished.ticks.len() as u64,
                stalls: stalls.count,
                stalls_bounds: stalls.bounds,
                stalls_busy_ns: Some(stalls.busy_ns),
                stalls_busy_bounds: stalls.busy_bounds,
                stall_limit_ns: timeline.config().stall_limit_ns,
                busy_ns,
                poll_wait_ns,
                utilization: (busy_ns > 0 || poll_wait_ns > 0).then(|| utilization(busy_ns, poll_wait_ns)),
                utilization_bounds: unfinished::utilization_bounds(timeline, &unfinished, &missing)
                    .filter(|_| has_ticks),
                run_ns: ticks.run_ns.percentiles_missing(&missing.ticks),
            },
            tasks: TasksSummary {
                count: timeline.tasks_run,
                failed: has_outcomes.then(|| tags::failed(timeline)),
                run_ns: timeline.tasks_run_ns.percentiles_missing(&missing.tasks),
                queue_wait_ns: tags::queue_wait_ns(timeline, &missing),
                by_tag: tags::by_tag(timeline, &missing, has_outcomes),
                tags_beyond_limit: TagsBeyondLimit::of(timeline, &missing, has_outcomes),
            },
            spans: families::spans(timeline, &missing),
            spans_beyond_limit: timeline.spans.beyond_limit,
            microtasks: MicrotasksSummary {
                checkpoints: recorded.microtasks.then(|| microtasks.checkpoints()),
                ran: recorded.microtasks.then_some(microtasks.ran),
                run_ns: microtasks.run_ns.percentiles_missing(&missing.in_ticks),
            },
            timers: TimersSummary {
                armed: recorded.timers_armed.then_some(timers.armed),
                fired: recorded.timers.then_some(timers.fired),
                cleared: recorded.timers_armed.then_some(timers.cleared),
                late,
                late_bounds: families::timed_bounds(timeline, late, has_gaps || may_be_later),
                overdue: knows_overdue.then_some(overdue),
                overdue_bounds,
                overdue_at_stop: recorded.timers_armed.then_some(at_stop),
                late_limit_ns: timeline.config().late_timer_ns,
                skipped,
                skipped_bounds: families::skipped_bounds(timeline, skipped, may_skip_more),
                period_unknown: recorded.timers.then(|| timers.period_unknown()),
                lag_ns,
                lag_corrected_ns: timers.lag_corrected_ns().percentiles_missing(&missing.lag_corrected),
            },
            queues: families::queues(timeline, &unfinished),
            gc: GcSummary {
                collect: recorded.gc_decisions.then_some(gc.collect),
                defer: recorded.gc_decisions.then_some(gc.defer),
                skip: recorded.gc_decisions.then_some(gc.skip),
                run_ns: gc.run_ns.percentiles_missing(&missing.in_ticks),
                heap_bytes_max: recorded.gc.then_some(gc.heap_bytes_max),
            },
            signals: SignalsSummary {
                arrived: recorded.signals.then(|| signals.arrived()),
                delivered: recorded.signals.then(|| signals.delivered()),
                dropped: recorded.signals_dropped.then_some(signals.dropped),
                latency_ns: families::signal_latency_ns(timeline, &missing),
            },
            suspended: suspended(timeline),
            agenda: loop_kinds::agenda(timeline, &missing.others, state.end()),
            jobs: jobs::jobs(timeline, &missing.others, &unfinished),
            keep_alive: loop_kinds::keep_alive(timeline),
            keep_alive_age_ns: loop_kinds::keep_alive_age_ns(timeline),
            keep_alive_left_out: timeline.keep_alive.as_of().map(|_| timeline.keep_alive.left_out()),
            commands: loop_kinds::commands(timeline),
            pumps: loop_kinds::pumps(timeline, &missing.others, &unfinished),
            futures: loop_kinds::futures(timeline),
            shutdown: loop_kinds::shutdown(timeline),
            loops: Vec::new(),
            loops_beyond_limit: timeline.has_more_loops(),
            loops_left_out: timeline.loops_left_out,
            stalls: blame::stalls(timeline, &unfinished, &loop_name),
            late_timers: blame::late_timers(timeline, &unfinished, &loop_name),
            late_signals: blame::late_signals(timeline, &loop_name),
            slow_tasks: blame::slow_tasks(timeline, &unfinished, &loop_name),
            delay_caused: blame::delay_caused(timeline, &unfinished),
        }
    }
}

fn suspended(timeline: &Timeline) -> Option<SuspendedSummary> {
    let Suspensions { count, total_ns, asleep_ns, .. } = timeline.suspensions;
    (count > 0).then_some(SuspendedSummary { count, total_ns, asleep_ns })
}

#[cfg(test)]
mod tests;
