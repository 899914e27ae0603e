//! The part of the summary about a loop's activity: ticks, tasks, spans, microtasks, timers, queues, collections,
//! signals. Families that a loop does not record are null.

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

/// Microtasks. Of a loop that does not tell of them all is null, as of every family below.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MicrotasksSummary {
    /// Checkpoints in which something ran.
    pub checkpoints: Option<u64>,
    /// Microtasks that ran.
    pub ran: Option<u64>,
    /// Extents of checkpoints.
    pub run_ns: Percentiles,
}

/// Timers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct TimersSummary {
    /// Armed, or armed again.
    pub armed: Option<u64>,
    /// Fired.
    pub fired: Option<u64>,
    /// Cleared before they fired.
    pub cleared: Option<u64>,
    /// Fired later than the limit, or overdue by more, also those that are not listed.
    #[serde(default)]
    pub late: Option<u64>,
    /// Where records were lost, or more timers may be overdue than are known: the range of `late`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_bounds: Option<Bounds>,
    /// Due at the last known moment, or when the loop stopped, and had not fired.
    #[serde(default)]
    pub overdue: Option<u64>,
    /// Where timers beyond the most that are tracked may be overdue, or ones whose records were lost: the range of
    /// `overdue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdue_bounds: Option<Bounds>,
    /// Of `overdue`, the ones whose loop has stopped: their lag is final.
    #[serde(default)]
    pub overdue_at_stop: Option<u64>,
    /// A timer that fires later than this is late.
    #[serde(default)]
    pub late_limit_ns: u64,
    /// Periods that late intervals skipped; null in what older versions saved.
    #[serde(default)]
    pub skipped: Option<u64>,
    /// Where records were lost, periods are unknown, or an interval may be overdue by more than is known: the range of
    /// `skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped_bounds: Option<Bounds>,
    /// Firings of timers with an unknown period, armed before the reading began, that may have skipped more than is
    /// counted; null in what older versions saved.
    #[serde(default)]
    pub period_unknown: Option<u64>,
    /// Fired less due, one sample for each firing.
    pub lag_ns: Percentiles,
    /// Fired less due, with a sample for each period that a late interval skipped.
    #[serde(default)]
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
    /// Its name.
    pub queue: String,
    /// Its depth.
    pub depth: DepthSummary,
}

/// How deep a queue was: by time, not by sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DepthSummary {
    /// The depth that it did not exceed for half of the time; null where its depth is not known over time.
    pub p50: Option<u64>,
    /// The deepest, between samples too. A lower bound where `max_bounds` says so.
    pub max: u64,
    /// Where its depth was unknown for some of the time: between which values the true `p50` lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_bounds: Option<Bounds>,
    /// Where not every change of its depth is known: between which values the true `max` lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bounds: Option<Bounds>,
}

/// The GC controller.
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
    /// Extents of collections.
    pub run_ns: Percentiles,
    /// The largest heap seen, in bytes.
    #[serde(default)]
    pub heap_bytes_max: Option<u64>,
}

/// Signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SignalsSummary {
    /// Taken from the signal ring.
    pub arrived: Option<u64>,
    /// Delivered to a task.
    pub delivered: Option<u64>,
    /// Dropped, since the loop began.
    pub dropped: Option<u64>,
    /// From arrived to delivered.
    #[serde(default)]
    pub latency_ns: Percentiles,
}

/// A loop that has had no signals is not expected to wait for one.
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
            // It may have changed, or lasted, in an event that is missing somewhere.
            let is_unknown =
                timeline.is_clock_wrong() || timeline.may_miss_anything() || timeline.has_unplaced_loss();
            let p50_bounds = match is_unknown {
                true => Some(Bounds::UNKNOWN),
                false => queue.depth_p50_bounds(now).filter(|bounds| !is_certain(bounds)),
            };
            let (max, max_bounds) =
                (u64::from(queue.depth_max), timeline.depth_max_bounds(queue, unfinished));
            let depth = DepthSummary { p50, max, p50_bounds, max_bounds };
            QueueSummary { queue: queue.queue.name().to_owned(), depth }
        })
        .collect()
}

/// The range of a count that depends on time, and that what is missing or has not ended may only raise.
pub(super) fn timed_bounds(timeline: &Timeline, count: Option<u64>, may_rise: bool) -> Option<Bounds> {
    match count? {
        _ if timeline.is_clock_wrong() => Some(Bounds::UNKNOWN),
        lo => may_rise.then_some(Bounds { lo, hi: None }),
    }
}

/// The range of skipped periods, given the number that is known and whether there may be any number of others.
pub(super) fn skipped_bounds(timeline: &Timeline, skipped: Option<u64>, may_rise: bool) -> Option<Bounds> {
    let more = timeline.timers.skipped_more();
    let of_unknown =
        || skipped.filter(|_| more > 0).map(|lo| Bounds { lo, hi: Some(lo.saturating_add(more)) });
    timed_bounds(timeline, skipped, may_rise).or_else(of_unknown)
}

/// Spans and marks by label, the longest span first.
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
