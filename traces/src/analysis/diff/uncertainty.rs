//! Leeway: how far a comparison may be off because records were lost or something has not ended, and whether a verdict
//! survives that.
//!
//! A verdict stands if it is the same at both [ends](super::effect::Sides::ends) of what they leave open.

use std::fmt;

use serde::Serialize;

use super::effect::{Effect, Verdict};
use super::input::Run;
use crate::analysis::metric::Metric;
use crate::units::counted;

/// A larger change counts as unbounded.
const BOUNDED_MAX: f64 = 1e12;

/// Why the figures of some runs are uncertain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Uncertainty {
    /// Records lost, in all runs.
    pub lost_records: u64,
    /// Runs whose recording was cut off: anything may have followed.
    pub cut_runs: u64,
    /// Other runs with a running tick or an overdue timer.
    pub unfinished_runs: u64,
    /// Runs in which the metric was not measured: it could have had any value.
    pub unmeasured_runs: u64,
    /// Events skipped because of impossible values, or dropped by an import.
    pub malformed_events: u64,
    /// The part of `malformed_events` that an import dropped.
    pub dropped_by_import: u64,
    /// Gaps with an unknown number of missing records.
    pub uncounted_gaps: u64,
    /// By how much times may be wrong, in the run with the worst clock.
    pub clock_error_ns_max: u64,
    /// Ticks with missing records, whether or not the loss was recorded.
    pub incomplete_ticks: u64,
    /// For skipped periods and corrected lag: firings of timers with an unknown period.
    pub periods_unknown: u64,
    /// For the depth of a queue: runs in which some of its changes have no event.
    pub depths_unseen_runs: u64,
    /// Whether loops beyond the limit have no figures of their own, or none at all.
    pub loops_beyond_limit: bool,
    /// For a figure of tags: the tags beyond the limit that it could belong to, in the run with the most of them.
    pub tags_beyond_limit: u64,
}

impl Uncertainty {
    pub(crate) fn of<'a>(metric: &Metric, runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let nothing = Self {
            lost_records: 0,
            cut_runs: 0,
            unfinished_runs: 0,
            unmeasured_runs: 0,
            malformed_events: 0,
            dropped_by_import: 0,
            uncounted_gaps: 0,
            clock_error_ns_max: 0,
            periods_unknown: 0,
            depths_unseen_runs: 0,
            loops_beyond_limit: false,
            incomplete_ticks: 0,
            tags_beyond_limit: 0,
        };
        runs.into_iter().fold(nothing, |sum, Run { summary, .. }| Self {
            lost_records: sum.lost_records.saturating_add(summary.lost_records),
            cut_runs: sum.cut_runs + u64::from(summary.is_cut()),
            unfinished_runs: sum.unfinished_runs + u64::from(summary.has_unfinished() && !summary.is_cut()),
            unmeasured_runs: sum.unmeasured_runs + u64::from(metric.of(summary).is_none()),
            malformed_events: sum.malformed_events.saturating_add(summary.malformed_events),
            dropped_by_import: sum.dropped_by_import.saturating_add(summary.dropped_by_import()),
            uncounted_gaps: sum.uncounted_gaps.saturating_add(summary.uncounted_gaps),
            clock_error_ns_max: sum.clock_error_ns_max.max(summary.clock_error_ns_max),
            incomplete_ticks: sum.incomplete_ticks.saturating_add(summary.ticks.incomplete),
            periods_unknown: sum.periods_unknown.saturating_add(metric.periods_unknown(summary)),
            depths_unseen_runs: sum.depths_unseen_runs + u64::from(metric.has_unseen_depths(summary)),
            loops_beyond_limit: sum.loops_beyond_limit || metric.has_loops_beyond_limit(summary),
            tags_beyond_limit: sum.tags_beyond_limit.max(metric.tags_beyond_limit(summary)),
        })
    }
}

impl fmt::Display for Uncertainty {
    /// `5 lost records`, `what has not ended`, `5 lost records, what has not ended and 3 tags beyond the limit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = counted(self.lost_records, "lost record", "lost records");
        let tags = counted(self.tags_beyond_limit, "tag beyond the limit", "tags beyond the limit");
        let incomplete = counted(self.incomplete_ticks, "incomplete tick", "incomplete ticks");
        let malformed = "event with impossible values";
        let impossible = self.malformed_events - self.dropped_by_import;
        let malformed = counted(impossible, malformed, "events with impossible values");
        let dropped = "event that the import dropped";
        let dropped = counted(self.dropped_by_import, dropped, "events that the import dropped");
        let gap = "gap with an unknown number of records";
        let gaps = counted(self.uncounted_gaps, gap, "gaps with an unknown number of records");
        let cut = counted(self.cut_runs, "recording that was cut off", "recordings that were cut off");
        let unmeasured = counted(self.unmeasured_runs, "run without a value", "runs without a value");
        let periods = counted(self.periods_unknown, "unknown timer period", "unknown timer periods");
        let all = [
            (self.clock_error_ns_max > 0).then_some("clock readings that contradict each other"),
            (self.uncounted_gaps > 0).then_some(gaps.as_str()),
            (impossible > 0).then_some(malformed.as_str()),
            (self.dropped_by_import > 0).then_some(dropped.as_str()),
            // If a loss was recorded, it is the reason for them.
            (self.incomplete_ticks > 0 && self.lost_records == 0).then_some(incomplete.as_str()),
            (self.lost_records > self.uncounted_gaps).then_some(lost.as_str()),
            (self.cut_runs > 0).then_some(cut.as_str()),
            (self.unfinished_runs > 0).then_some("what has not ended"),
            (self.unmeasured_runs > 0).then_some(unmeasured.as_str()),
            (self.periods_unknown > 0).then_some(periods.as_str()),
            (self.depths_unseen_runs > 0).then_some("changes of the depth without an event"),
            (self.tags_beyond_limit > 0).then_some(tags.as_str()),
            self.loops_beyond_limit.then_some("loops beyond the limit"),
        ];
        let all: Vec<&str> = all.into_iter().flatten().collect();
        match all.split_last() {
            // Jobs that outlive their loop, or what may wait for one that does not look.
            None if self.lost_records == 0 => f.write_str("what has not ended or has no record"),
            None => f.write_str(&lost),
            Some((last, [])) => f.write_str(last),
            Some((last, others)) => write!(f, "{} and {last}", others.join(", ")),
        }
    }
}

/// What lost records and unfinished work leave open in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Loss {
    /// What leaves the comparison open.
    #[serde(flatten)]
    pub left_open: Uncertainty,
    /// The 95% interval of the change, including anything they could have held; null where there is no bound.
    pub change_interval: Option<[Option<f64>; 2]>,
    /// The verdict without them, if they could overturn it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overturned: Option<Verdict>,
}

/// The interval of a change over both extremes of its effect.
pub(super) fn interval([least, most]: &[Effect; 2]) -> Option<[Option<f64>; 2]> {
    let of = |end: &Effect| end.change_interval.or(end.change.map(|by| [by; 2]));
    Some([of(least)?[0], of(most)?[1]].map(|end| (end < BOUNDED_MAX).then_some(end)))
}

/// Whether a change is unbounded.
pub(crate) fn is_anything(change: f64) -> bool {
    change >= BOUNDED_MAX
}
