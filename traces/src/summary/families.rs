//! The part of the summary about a loop's activity: ticks, tasks, spans, microtasks, timers, queues, collections and
//! signals. The figures of a family that the loop does not record are null.

use serde::{Deserialize, Serialize};

use super::lists;
use super::tags::{TagSummary, TagsBeyondLimit};
use crate::histogram::Percentiles;
use crate::loss::Bounds;
use crate::timeline::{MissingSamples, Timeline, Unfinished};

/// Ticks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TicksSummary {
    /// Complete ticks.
    pub count: u64,
    /// Ticks with missing records; no other figure counts them.
    pub incomplete: u64,
    /// Ticks lost entirely, inferred from the numbers of the ticks around them.
    pub missing: u64,
    /// Ticks in progress. The known part of their busy time and polls counts in the following fields.
    pub open: u64,
    /// All stalls, whether or not they are listed.
    pub stalls: u64,
    /// Range of `stalls` if ticks may be missing or one is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalls_bounds: Option<Bounds>,
    /// Busy time of all stalls; null in summaries saved by older versions.
    pub stalls_busy_ns: Option<u64>,
    /// Range of `stalls_busy_ns` if ticks may be missing or one is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalls_busy_bounds: Option<Bounds>,
    /// A tick busier than this is a stall.
    pub stall_limit_ns: u64,
    /// Total busy time.
    pub busy_ns: u64,
    /// Total poll wait.
    pub poll_wait_ns: u64,
    /// `busy / (busy + poll wait)`; null for several loops together, and if neither was seen.
    pub utilization: Option<f64>,
    /// Range of `utilization` if records are missing, a tick is incomplete, or the activity of one in progress is partly
    /// unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// Tasks that failed or panicked; null if outcomes are not recorded.
    pub failed: Option<u64>,
    /// Run times of all tasks, from start to end.
    pub run_ns: Percentiles,
    /// Queue waits of all tasks, from queued to started.
    pub queue_wait_ns: Percentiles,
    /// Figures by tag, in descending order of the longest run.
    #[serde(deserialize_with = "lists::entries")]
    pub by_tag: Vec<TagSummary>,
    /// Tags beyond the limit, which `by_tag` does not list.
    pub tags_beyond_limit: TagsBeyondLimit,
}

/// The spans and marks of one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SpanSummary {
    /// The text of the label.
    pub label: String,
    /// Number of spans.
    pub count: u64,
    /// Durations of the spans.
    pub run_ns: Percentiles,
    /// Number of marks.
    pub marks: u64,
}

/// Microtasks. All null for a loop that does not record them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MicrotasksSummary {
    /// Checkpoints in which a microtask ran.
    pub checkpoints: Option<u64>,
    /// Microtasks that ran.
    pub ran: Option<u64>,
    /// Durations of checkpoints.
    pub run_ns: Percentiles,
}

/// Timers. Null for a loop that does not record them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TimersSummary {
    /// Timers armed, counting each time one is armed again.
    pub armed: Option<u64>,
    /// Number of firings.
    pub fired: Option<u64>,
    /// Timers cleared before they fired.
    pub cleared: Option<u64>,
    /// Timers that fired later than the limit or are overdue by more, whether or not they are listed.
    pub late: Option<u64>,
    /// Range of `late` if records were lost, times may be wrong, or more timers may be overdue than are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_bounds: Option<Bounds>,
    /// Timers that were due but had not fired at the last known moment, or when their loop stopped.
    pub overdue: Option<u64>,
    /// Range of `overdue` if timers may be overdue that are beyond the tracked number, or whose records were lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue_bounds: Option<Bounds>,
    /// The part of `overdue` whose loop has stopped, so that the lag is final.
    pub overdue_at_stop: Option<u64>,
    /// A timer that fires later than this is late.
    pub late_limit_ns: u64,
    /// Periods that late intervals skipped; null in summaries saved by older versions.
    pub skipped: Option<u64>,
    /// Range of `skipped` if records were lost, times may be wrong, periods are unknown, or an interval may be overdue by
    /// more than is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped_bounds: Option<Bounds>,
    /// Firings that may have skipped more periods than are counted, because the timer was armed before the reading
    /// began and its period is unknown; null in summaries saved by older versions.
    pub period_unknown: Option<u64>,
    /// Fired − due, one sample per firing.
    pub lag_ns: Percentiles,
    /// Fired − due, with further samples for the periods that a late interval skipped.
    pub lag_corrected_ns: Percentiles,
}

impl TimersSummary {
    /// Overdue timers of loops that have not stopped.
    pub(crate) fn still_overdue(&self) -> u64 {
        self.overdue.unwrap_or(0).saturating_sub(self.overdue_at_stop.unwrap_or(0))
    }
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct QueueSummary {
    /// The name of the queue.
    pub queue: String,
    /// The depth of the queue over time.
    pub depth: DepthSummary,
}

/// The depth of a queue over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DepthSummary {
    /// The depth that the queue did not exceed for half of the time; null if its depth is not known over time.
    pub p50: Option<u64>,
    /// The greatest depth, including depths between samples.
    pub max: u64,
    /// Range of `p50` if the depth was unknown for some of the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_bounds: Option<Bounds>,
    /// Range of `max` if not every change of the depth is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bounds: Option<Bounds>,
}

/// The GC controller. Null for a loop that does not record it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct GcSummary {
    /// Decisions to collect.
    pub collect: Option<u64>,
    /// Decisions to wait.
    pub defer: Option<u64>,
    /// Decisions to do nothing.
    pub skip: Option<u64>,
    /// Durations of collections.
    pub run_ns: Percentiles,
    /// The largest heap seen, in bytes.
    pub heap_bytes_max: Option<u64>,
}

/// Signals. Null for a loop that does not record them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SignalsSummary {
    /// Taken from the signal ring.
    pub arrived: Option<u64>,
    /// Delivered to a task.
    pub delivered: Option<u64>,
    /// Dropped since the loop began, because the signal ring was full.
    pub dropped: Option<u64>,
    /// Times from arrival to delivery.
    pub latency_ns: Percentiles,
}

/// Signal latencies. The bounds allow for a signal that waits for a busy loop only if signals have arrived before.
pub(super) fn signal_latency_ns(timeline: &Timeline, missing: &MissingSamples) -> Percentiles {
    let seen = timeline.signals.latency_ns();
    let missing = if timeline.signals.arrived() > 0 { &missing.signals } else { &missing.others };
    seen.percentiles_missing(missing)
}

pub(super) fn queues(timeline: &Timeline, unfinished: &Unfinished) -> Vec<QueueSummary> {
    let known = timeline.queues.known();
    let now = timeline.last_at().unwrap_or_default();
    known
        .map(|queue| {
            let p50 = queue.depth_p50(now);
            let is_certain = |bounds: &Bounds| p50.is_some() && (Some(bounds.lo), bounds.hi) == (p50, p50);
            // If it is unknown where an event is missing, the depth may have changed at any time.
            let is_unknown =
                timeline.is_clock_wrong() || timeline.may_miss_anything() || timeline.has_unplaced_loss();
            let p50_bounds = match is_unknown {
                true => Some(Bounds::UNKNOWN),
                false => timeline.depth_p50_bounds(queue).filter(|bounds| !is_certain(bounds)),
            };
            let (max, max_bounds) = (queue.depth_max.get(), timeline.depth_max_bounds(queue, unfinished));
            let depth = DepthSummary { p50, max, p50_bounds, max_bounds };
            QueueSummary { queue: queue.queue.name().to_owned(), depth }
        })
        .collect()
}

/// The range of a count that depends on time. Missing records and unfinished work can only raise it.
pub(super) fn timed_bounds(timeline: &Timeline, count: Option<u64>, may_rise: bool) -> Option<Bounds> {
    match count? {
        _ if timeline.is_clock_wrong() => Some(Bounds::UNKNOWN),
        lo => may_rise.then_some(Bounds { lo, hi: None }),
    }
}

/// The range of skipped periods: at least `skipped`, unbounded if `may_rise`.
pub(super) fn skipped_bounds(timeline: &Timeline, skipped: Option<u64>, may_rise: bool) -> Option<Bounds> {
    let more = timeline.timers.skipped_more();
    let of_unknown =
        || skipped.filter(|_| more > 0).map(|lo| Bounds { lo, hi: Some(lo.saturating_add(more)) });
    timed_bounds(timeline, skipped, may_rise).or_else(of_unknown)
}

/// Spans and marks by label, in descending order of the longest span.
pub(super) fn spans(timeline: &Timeline, missing: &MissingSamples) -> Vec<SpanSummary> {
    let labels = timeline.spans.by_label.iter();
    let mut spans: Vec<SpanSummary> = labels
        .map(|(label, stats)| {
            let run_ns = stats.run_ns.as_deref().map(|run_ns| run_ns.percentiles_missing(&missing.others));
            let run_ns = run_ns.unwrap_or_default();
            let label = timeline.labels.span(*label).into_owned();
            SpanSummary { label, count: run_ns.count, run_ns, marks: stats.marks }
        })
        .collect();
    spans.sort_by(|a, b| b.run_ns.max.cmp(&a.run_ns.max).then_with(|| a.label.cmp(&b.label)));
    spans
}
