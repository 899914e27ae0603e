//! Bounds on a metric where records were lost, something has not ended, or tags are beyond the limit.
//!
//! For a distribution they are the bounds that the summary itself shows ([`crate::loss`]). For a count, each
//! lost record can have held one more. Sums of values of any size (shares, times) are bounded from one side at most. If
//! an unknown number of records is missing, or events were skipped, nothing is bounded from above. If slices of an import
//! are missing, its ticks and tasks are not bounded from below either.

use std::fmt;

use super::catalogue::{named_queue, named_tag};
use super::{Metric, Statistic, Unit, Value};
use crate::histogram::Percentiles;
use crate::loss::{self, SpreadBounds};
use crate::summary::{DepthSummary, StateSummary, Summary};
use crate::units::between;

/// A lower and an upper bound; no upper bound where it is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: Option<f64>,
}

impl From<loss::Bounds> for Bounds {
    fn from(bounds: loss::Bounds) -> Self {
        Self { low: bounds.lo as f64, high: bounds.hi.map(|high| high as f64) }
    }
}

impl Bounds {
    /// Any value.
    pub(crate) const UNKNOWN: Self = Self { low: 0.0, high: None };

    const fn exactly(value: f64) -> Self {
        Self { low: value, high: Some(value) }
    }

    /// Whether more than one value is possible.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.high != Some(self.low)
    }
}

/// A value and its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// The value, as measured.
    pub value: Value,
    /// Bounds of the value, in the value's unit.
    pub bounds: Bounds,
}

impl Bounded {
    /// The same value, as if it were exact.
    #[must_use]
    pub fn exactly(self) -> Self {
        Self { bounds: Bounds::exactly(self.value.number), ..self }
    }
}

impl fmt::Display for Bounded {
    /// The value, and the bounds if several values are possible: `12`, `3.20s, 3.20s or more`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, bounds } = self;
        value.fmt(f)?;
        if !bounds.is_open() {
            return Ok(());
        }
        let shown = |number| Value { number, unit: value.unit }.to_string();
        write!(f, ", {}", between(&shown(bounds.low), bounds.high.map(shown).as_deref()))
    }
}

/// Formats a value with its bounds; `not measured` if there is none.
#[must_use]
pub fn bounded(value: Option<Bounded>) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| value.to_string())
}

impl Metric {
    /// The metric's value in `summary` with its bounds; `None` if it was not measured.
    #[must_use]
    pub fn bounded(&self, summary: &Summary) -> Option<Bounded> {
        Some(Bounded { value: self.of(summary)?, bounds: self.bounds_in_run(summary) })
    }

    /// The bounds of the metric's value; both equal the value if nothing was lost or cut off and everything has ended.
    /// `None` if it was not measured.
    #[must_use]
    pub fn bounds(&self, summary: &Summary) -> Option<Bounds> {
        let bounds = self.bounds_of_readable(summary)?;
        if summary.clock_error_ns_max > 0 && self.depends_on_time() {
            return Some(Bounds { low: 0.0, high: self.most() });
        }
        let is_one_of_several = self.of_loop.is_some() && summary.has_several_loops();
        let is_all_known = summary.uncounted_gaps == 0
            && summary.malformed_events == 0
            && !summary.misses_slices()
            && (!summary.loops_left_out || is_one_of_several);
        if !summary.is_cut() && (is_all_known || self.is_plain("lost")) {
            return Some(bounds);
        }
        // Missing records, and what followed where the recording was cut off, could have held anything.
        let may_fall = !self.only_rises() || self.depends_on_slices() && summary.may_miss_slices();
        Some(Bounds { low: if may_fall { 0.0 } else { bounds.low }, high: self.most() })
    }

    /// Whether the metric depends on times. A wrong clock changes no other count, size or depth.
    fn depends_on_time(&self) -> bool {
        let name = self.to_string();
        matches!(self.unit(), Unit::Ns | Unit::Ratio | Unit::PerSecond)
            || name.ends_with("stalls")
            || name.ends_with("timers.skipped")
            || name.ends_with("timers.late")
            || name.ends_with("depth.p50")
    }

    /// Whether, in an import, the metric depends on how slices nest and follow each other.
    fn depends_on_slices(&self) -> bool {
        !self.is_plain("span") && !self.is_plain("lost") && !self.figure().name.starts_with("gc.")
    }

    /// Whether more events can only raise the metric: true of sums, counts and maxima, but not of percentiles, means,
    /// shares, rates and what is left at the end.
    fn only_rises(&self) -> bool {
        match self.statistic() {
            Some(statistic) => statistic == Statistic::Max,
            None => {
                let is_share = matches!(self.unit(), Unit::Ratio | Unit::PerSecond);
                let is_at_end = self.is_plain("agenda.waiting") || self.is_plain("shutdown.left");
                !is_share && !is_at_end && !self.to_string().ends_with("depth.p50")
            }
        }
    }

    /// Whether the metric's value over several loops is the largest of theirs.
    pub(in crate::analysis) fn is_maximum(&self) -> bool {
        self.statistic() == Some(Statistic::Max) || self.to_string().ends_with(".max")
    }

    /// The bounds of its value in one run of several: a run without a value could have had any.
    pub(crate) fn bounds_in_run(&self, summary: &Summary) -> Bounds {
        self.bounds(summary).unwrap_or(Bounds::UNKNOWN)
    }

    fn bounds_of_readable(&self, summary: &Summary) -> Option<Bounds> {
        if self.of_loop.is_some() {
            return Self { of_loop: None, ..self.clone() }.bounds_of_readable(&*self.summary_of(summary)?);
        }
        let value = self.of(summary)?.number;
        let lost = summary.lost_records;
        let name = self.to_string();
        let unbounded = Bounds { low: value, high: None };
        if name == "lost" {
            return Some(summary.lost_records_bounds.map_or(Bounds::exactly(value), Bounds::from));
        }
        if let Some(depth) = self.depth_in(summary) {
            return Some(if name.ends_with("depth.max") {
                let least = if lost > 0 { unbounded } else { Bounds::exactly(value) };
                depth.max_bounds.map_or(least, Bounds::from)
            } else {
                let any = if lost > 0 { Bounds::UNKNOWN } else { Bounds::exactly(value) };
                depth.p50_bounds.map_or(any, Bounds::from)
            });
        }
        if lost == 0 {
            return Some(self.bounds_of_unfinished(summary, &name).unwrap_or(Bounds::exactly(value)));
        }
        Some(match self.statistic() {
            _ if self.is_of_any() => self.bounds_of_any(summary),
            Some(statistic) => of_spread(&self.spread(summary)?, statistic, lost),
            None => match self.unit() {
                Unit::Count if name == "stalls" && summary.ticks.stalls_bounds.is_some() => {
                    summary.ticks.stalls_bounds.map_or(unbounded, Bounds::from)
                }
                // One record has the number that the last shutdown left.
                Unit::Count if name == "shutdown.left" => Bounds::UNKNOWN,
                // What waits at the end may have run in a record that was lost, and what was queued before may wait.
                Unit::Count if name == "agenda.waiting" => {
                    let shown = summary.agenda.as_ref().and_then(|agenda| agenda.waiting_bounds);
                    shown.map_or(Bounds::UNKNOWN, Bounds::from)
                }
                Unit::Count if self.is_one_a_record() => {
                    Bounds { low: value, high: Some(value + lost as f64) }
                }
                Unit::Count | Unit::Bytes => unbounded,
                Unit::Ns if name == "stalls.busy" => {
                    summary.ticks.stalls_busy_bounds.map_or(unbounded, Bounds::from)
                }
                Unit::Ratio => Bounds { low: 0.0, high: Some(1.0) },
                Unit::Ns if name == "busy" => busy(summary),
                Unit::Ns if name == "span" => summary.span_bounds.map_or(unbounded, Bounds::from),
                Unit::Ns => unbounded,
                Unit::PerSecond => Bounds { low: value * least_share_of_span(summary), high: None },
            },
        })
    }

    /// The largest possible value; `None` if there is no limit.
    pub(in crate::analysis) fn most(&self) -> Option<f64> {
        match self.unit() {
            Unit::Ratio => Some(1.0),
            Unit::Count | Unit::Bytes | Unit::Ns | Unit::PerSecond => None,
        }
    }

    /// The bounds if nothing was lost but some work has not ended.
    fn bounds_of_unfinished(&self, summary: &Summary, name: &str) -> Option<Bounds> {
        let ticks = &summary.ticks;
        match self.statistic() {
            _ if self.is_of_any() => {
                let each = self.each(summary);
                let each = each.iter().filter_map(|one| one.bounds(summary));
                let bounds: Vec<Bounds> = each.chain(self.bounds_beyond_limit(summary)).collect();
                let low = bounds.iter().map(|bounds| bounds.low).reduce(f64::max)?;
                let highs: Option<Vec<f64>> = bounds.iter().map(|bounds| bounds.high).collect();
                Some(Bounds { low, high: highs.and_then(|highs| highs.into_iter().reduce(f64::max)) })
            }
            Some(statistic) => {
                let spread = self.spread(summary)?;
                spread.bounds.is_some().then(|| of_spread(&spread, statistic, 0))
            }
            _ if name == "timers.skipped" => summary.timers.skipped_bounds.map(Bounds::from),
            // The loop counts what did not fit only when it takes what is in the ring.
            _ if name == "signals.dropped" => {
                let low = self.of(summary)?.number;
                summary.may_keep_waiting().then_some(Bounds { low, high: None })
            }
            // A checkpoint that is running has no record.
            _ if name.starts_with("microtasks.") => {
                let low = self.of(summary)?.number;
                let run_ns = summary.microtasks.run_ns.bounds?;
                run_ns.max.hi.is_none().then_some(Bounds { low, high: None })
            }
            // Jobs that have not ended may run and fail.
            _ if name == "jobs.ran" || name == "jobs.failed" => {
                let low = self.of(summary)?.number;
                let run_ns = summary.jobs.as_ref()?.run_ns.bounds?;
                run_ns.max.hi.is_none().then_some(Bounds { low, high: None })
            }
            _ if name == "agenda.waiting" => summary.agenda.as_ref()?.waiting_bounds.map(Bounds::from),
            // An incomplete tick may have been a whole one.
            _ if (name == "ticks.count" || name == "ticks.rate") && ticks.incomplete > 0 => {
                let low = self.of(summary)?.number;
                let of_one = if self.unit() == Unit::Count { 1.0 } else { 1e9 / summary.span_ns as f64 };
                Some(Bounds { low, high: Some(low + ticks.incomplete as f64 * of_one) })
            }
            _ if name == "stalls" => ticks.stalls_bounds.map(Bounds::from),
            _ if name == "stalls.busy" => ticks.stalls_busy_bounds.map(Bounds::from),
            _ if name == "utilization" => {
                ticks.utilization_bounds.map(|[low, high]| Bounds { low, high: Some(high) })
            }
            _ if name == "busy" => ticks.stalls_bounds.map(|_| busy(summary)),
            _ => {
                let running = self.running_tasks(summary).filter(|running| *running > 0)?;
                let low = self.of(summary)?.number;
                Some(Bounds { low, high: Some(low + running as f64) })
            }
        }
    }

    /// Running tasks that the metric may count when they end, if it counts tasks. Tasks of a crashed process never end.
    fn running_tasks(&self, summary: &Summary) -> Option<u64> {
        if summary.source.state == StateSummary::Crashed {
            return None;
        }
        let (ended, seen) = match (self.figure().family(), self.subject()) {
            (None, None) if self.is_plain("tasks.count") || self.is_plain("tasks.failed") => {
                (summary.tasks.count, summary.tasks.run_ns.count)
            }
            (None, None) if self.is_plain("io.count") => {
                let io = summary.io.as_ref()?;
                (io.count, io.run_ns.count)
            }
            (Some("task"), Some(name)) => {
                let tag = named_tag(summary, name)?;
                (tag.count, tag.run_ns.count)
            }
            _ => return None,
        };
        Some(seen.saturating_sub(ended))
    }

    /// The bounds of a metric over all tags: at least the largest. A tag that was not seen can have any value, but no
    /// task was longer than the longest possible one.
    fn bounds_of_any(&self, summary: &Summary) -> Bounds {
        let each = self.each(summary);
        let each = each.iter().filter_map(|one| one.bounds(summary));
        let low = each.chain(self.bounds_beyond_limit(summary)).map(|bounds| bounds.low).fold(0.0, f64::max);
        let all = summary.tasks.run_ns.bounds.filter(|_| self.to_string().starts_with("task.*.run."));
        Bounds { low, high: all.and_then(|all| all.max.hi).map(|longest| longest as f64) }
    }

    /// The bounds of the largest figure of a tag beyond the limit.
    fn bounds_beyond_limit(&self, summary: &Summary) -> Option<Bounds> {
        let beyond = self.figure().beyond_limit(summary, None)?;
        let low = self.figure().of_beyond_limit(beyond, self.statistic)?;
        let Some(statistic) = self.statistic else {
            return Some(Bounds { low, high: Some(beyond.count as f64) });
        };
        let all = self.figure().spread_beyond_limit(beyond)?;
        Some(match all.bounds {
            Some(_) => Bounds {
                low: of_spread(&all, statistic, summary.lost_records).low,
                high: of_spread(&all, Statistic::Max, summary.lost_records).high,
            },
            None => Bounds { low, high: all.max.map(|max| max as f64) },
        })
    }

    /// Number of tags beyond the limit, if the metric could be a figure of one of them.
    #[must_use]
    pub fn tags_beyond_limit(&self, summary: &Summary) -> u64 {
        let Some(summary) = self.summary_of(summary) else { return 0 };
        self.figure().beyond_limit(&summary, self.subject()).map_or(0, |beyond| beyond.tags)
    }

    /// Firings with an unknown period, if the metric depends on periods.
    pub(in crate::analysis) fn periods_unknown(&self, summary: &Summary) -> u64 {
        let depends = self.is_plain("timers.skipped") || self.is_plain("timer_lag_corrected");
        let summary = self.summary_of(summary).filter(|_| depends);
        summary.and_then(|summary| summary.timers.period_unknown).unwrap_or(0)
    }

    /// Whether the metric could belong to a loop beyond the limit, which has no figures of its own, or none at all.
    pub(in crate::analysis) fn has_loops_beyond_limit(&self, summary: &Summary) -> bool {
        let is_beyond = self.is_of_each_loop() && summary.loops_beyond_limit;
        self.of_loop.is_none() && !self.is_plain("lost") && (is_beyond || summary.loops_left_out)
    }

    /// Whether a tag beyond the limit has the largest figure, for a metric over any.
    #[must_use]
    pub fn is_largest_beyond_limit(&self, summary: &Summary) -> bool {
        let of = |metric: &Self| metric.of(summary).map_or(0.0, |value| value.number);
        self.tags_beyond_limit(summary) > 0 && self.each(summary).iter().all(|one| of(one) < of(self))
    }

    /// The depth of the metric's queue; `None` if it is not about a queue.
    fn depth_in<'a>(&self, summary: &'a Summary) -> Option<&'a DepthSummary> {
        let name = self.subject().filter(|_| self.figure().family() == Some("queue"));
        named_queue(summary, name?)
    }

    /// Whether the metric is about the depth of a queue some of whose changes have no event.
    pub(in crate::analysis) fn has_unseen_depths(&self, summary: &Summary) -> bool {
        let Some(summary) = self.summary_of(summary) else { return false };
        let is_open = |depth: &DepthSummary| depth.max_bounds.is_some() || depth.p50_bounds.is_some();
        let is_certain = summary.lost_records == 0 && !summary.misses_anything();
        is_certain && self.each(&summary).iter().any(|one| one.depth_in(&summary).is_some_and(is_open))
    }

    /// Whether each record adds at most one to the metric, rather than many.
    fn is_one_a_record(&self) -> bool {
        let name = self.to_string();
        !name.starts_with("microtasks.") && !["timers.skipped", "signals.dropped"].contains(&&*name)
    }
}

/// The bounds of the busy time where something is missing. If that may be polls, which are no busy time, the length of no
/// tick is known.
fn busy(summary: &Summary) -> Bounds {
    let ticks = &summary.ticks;
    let may_be_less = ticks.run_ns.bounds == Some(SpreadBounds::UNKNOWN);
    Bounds { low: if may_be_less { 0.0 } else { ticks.busy_ns as f64 }, high: None }
}

/// The span as a share of the longest that it can have been; 0 if there is no limit to that. Summaries saved by older
/// versions do not say.
fn least_share_of_span(summary: &Summary) -> f64 {
    let longest = summary.span_bounds.and_then(|bounds| bounds.hi);
    longest.map_or(0.0, |longest| summary.span_ns as f64 / longest as f64)
}

/// The bounds in the summary. Summaries saved by older versions have fewer of them.
fn of_spread(spread: &Percentiles, statistic: Statistic, lost: u64) -> Bounds {
    let shown = spread.bounds.map(|bounds| statistic.bounds_in(&bounds));
    match (shown.or(spread.p99_bounds.filter(|_| statistic == Statistic::P99)), statistic) {
        (Some(shown), _) => shown.into(),
        (None, Statistic::Max) => Bounds { low: spread.max.unwrap_or(0) as f64, high: None },
        (None, Statistic::Mean | Statistic::Gmean) => Bounds::UNKNOWN,
        (None, _) => percentile(spread, statistic, lost),
    }
}

/// Bounds a percentile of `spread`, from which `lost` samples may be missing, using the other figures of a summary
/// without bounds.
fn percentile(spread: &Percentiles, statistic: Statistic, lost: u64) -> Bounds {
    let share = match statistic {
        Statistic::P50 => 0.5,
        Statistic::P90 => 0.9,
        _ => 0.99,
    };
    let (seen, lost) = (spread.count as f64, lost as f64);
    let known = [(0.5, spread.p50), (0.9, spread.p90), (0.99, spread.p99), (1.0, spread.max)];
    // The lost samples may all have been below it, or all above.
    let (lowest, highest) = ((share * (seen + lost) - lost) / seen, share * (seen + lost) / seen);
    let low = known.iter().rev().find(|(at, _)| *at <= lowest).map_or(0, |(_, value)| value.unwrap_or(0));
    let high = known.iter().find(|(at, _)| *at >= highest).and_then(|(_, value)| *value);
    loss::Bounds { lo: low, hi: high }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_their_neighbours() {
        let [p50, p90, p99, max] = [50, 90, 99, 100].map(Some);
        let spread = Percentiles { count: 1000, p50, p90, p99, max, ..Percentiles::default() };
        let of = |statistic, lost| percentile(&spread, statistic, lost);
        assert_eq!(of(Statistic::P50, 10), Bounds { low: 0.0, high: Some(90.0) });
        assert_eq!(of(Statistic::P90, 10), Bounds { low: 50.0, high: Some(99.0) });
        assert_eq!(of(Statistic::P99, 10), Bounds { low: 90.0, high: Some(100.0) });
        assert_eq!(of(Statistic::P99, 11), Bounds { low: 90.0, high: None });
        assert_eq!(of(Statistic::P50, 5_000), Bounds { low: 0.0, high: None });
    }
}
