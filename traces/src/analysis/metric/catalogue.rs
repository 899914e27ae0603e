//! The list of metrics: their names and units, and whether more is worse.
//!
//! `docs/src/compare.md` shows the same list to users; a test compares the two.

use std::fmt;

use crate::histogram::Percentiles;
use crate::summary::{
    AgendaSummary, DepthSummary, JobsSummary, PrioritySummary, Summary, TagSummary, TagsBeyondLimit,
};

use super::value::Sense::{self, MoreIsBetter, MoreIsWorse, Neither};
use super::value::Statistic;
use super::value::Unit::{self, Bytes, Count, Ns, PerSecond, Ratio};

/// A figure of a summary.
#[derive(Debug)]
pub struct Figure {
    /// The figure's name. For figures of tags, queues and priorities, the part that follows the name of the tag, queue
    /// or priority.
    pub name: &'static str,
    /// The figure's unit.
    pub unit: Unit,
    /// Whether more of it is worse.
    pub sense: Sense,
    /// The description for users.
    pub what: &'static str,
    of: Of,
}

/// What the figure belongs to: the whole summary, or each tag, queue or priority.
#[derive(Debug)]
enum Of {
    Summary(Source<Summary>),
    Tag(Source<TagSummary>),
    Queue(Source<DepthSummary>),
    Priority(Source<PrioritySummary>),
}

/// How a figure is obtained.
#[derive(Debug)]
enum Source<T> {
    /// One number.
    Number(fn(&T) -> f64),
    /// One number that may be unknown.
    Known(fn(&T) -> Option<f64>),
    /// A distribution, which needs a statistic.
    Spread(fn(&T) -> Option<Percentiles>),
}

impl<T> Source<T> {
    fn of(&self, of: &T, statistic: Option<Statistic>) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number(of)),
            Self::Known(number) => number(of),
            Self::Spread(_) => statistic?.of(&self.spread(of)?).map(|value| value as f64),
        }
    }

    fn spread(&self, of: &T) -> Option<Percentiles> {
        match self {
            Self::Number(_) | Self::Known(_) => None,
            Self::Spread(spread) => spread(of).filter(|spread| spread.count > 0),
        }
    }

    const fn is_spread(&self) -> bool {
        matches!(self, Self::Spread(_))
    }
}

/// The tag, queue or priority that a metric is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// The one with the given name.
    One(String),
    /// Any: the metric is the largest figure of all.
    Any,
}

impl Subject {
    /// Parses what [`Display`](fmt::Display) writes; `None` if `text` cannot be a subject.
    pub(super) fn read(text: &str) -> Option<Self> {
        let quoted = text.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        match quoted {
            Some(quoted) => Some(Self::One(quoted.to_owned())),
            None if text == "*" => Some(Self::Any),
            None if text.is_empty() || text.starts_with('"') || text.trim() != text => None,
            None => Some(Self::One(text.to_owned())),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(name)
                if name.is_empty() || name == "*" || name.starts_with('"') || name.trim() != name =>
            {
                write!(f, "\"{name}\"")
            }
            Self::One(name) => f.write_str(name),
        }
    }
}

const fn once(
    name: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: Source<Summary>,
) -> Figure {
    Figure { name, unit, sense, what, of: Of::Summary(of) }
}

const fn spread(
    name: &'static str,
    sense: Sense,
    what: &'static str,
    of: fn(&Summary) -> Option<Percentiles>,
) -> Figure {
    once(name, Ns, sense, what, Source::Spread(of))
}

const fn number(
    name: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: fn(&Summary) -> f64,
) -> Figure {
    once(name, unit, sense, what, Source::Number(of))
}

const fn known(
    name: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: fn(&Summary) -> Option<f64>,
) -> Figure {
    once(name, unit, sense, what, Source::Known(of))
}

const fn tag(
    name: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: Source<TagSummary>,
) -> Figure {
    Figure { name, unit, sense, what, of: Of::Tag(of) }
}

const fn queue(name: &'static str, what: &'static str, of: fn(&DepthSummary) -> Option<f64>) -> Figure {
    Figure { name, unit: Count, sense: MoreIsWorse, what, of: Of::Queue(Source::Known(of)) }
}

const fn priority(
    name: &'static str,
    what: &'static str,
    of: fn(&PrioritySummary) -> Option<Percentiles>,
) -> Figure {
    Figure { name, unit: Ns, sense: MoreIsWorse, what, of: Of::Priority(Source::Spread(of)) }
}

/// Every figure: those that a summary has once, then those that it has for each tag, queue or priority.
pub const FIGURES: &[Figure] = &[
    spread("timer_lag", MoreIsWorse, "fired minus due, one sample per firing", |s| Some(s.timers.lag_ns)),
    spread("timer_lag_corrected", MoreIsWorse, "the same with a sample for each skipped period", |s| {
        Some(s.timers.lag_corrected_ns)
    }),
    spread("ticks.run", MoreIsWorse, "busy time of a tick", |s| Some(s.ticks.run_ns)),
    spread("tasks.run", MoreIsWorse, "run time of a task, all tags", |s| Some(s.tasks.run_ns)),
    spread("tasks.wait", MoreIsWorse, "from queued to started, all tags", |s| Some(s.tasks.queue_wait_ns)),
    spread("microtasks.run", MoreIsWorse, "a microtask checkpoint", |s| Some(s.microtasks.run_ns)),
    spread("gc.run", MoreIsWorse, "a collection", |s| Some(s.gc.run_ns)),
    spread("signal.latency", MoreIsWorse, "from arrived to delivered", |s| Some(s.signals.latency_ns)),
    spread("pumps.run", MoreIsWorse, "a pump of a foreign loop", |s| s.pumps.map(|pumps| pumps.run_ns)),
    spread("io.run", MoreIsWorse, "a readiness callback", |s| s.io.as_ref().map(|io| io.run_ns)),
    spread("jobs.run", MoreIsWorse, "a job of the work pool", |s| s.jobs.as_ref().map(|jobs| jobs.run_ns)),
    spread("jobs.wait", MoreIsWorse, "a job, from scheduled to taken", |s| {
        s.jobs.as_ref().map(|jobs| jobs.queue_wait_ns)
    }),
    spread("agenda.rendezvous", MoreIsWorse, "all workers asked to stop until they did", |s| {
        s.agenda.as_ref().map(|agenda| agenda.rendezvous.waited_ns)
    }),
    known("stalls", Count, MoreIsWorse, "ticks over the stall limit", |s| of_ticks(s, s.ticks.stalls as f64)),
    known("stalls.busy", Ns, MoreIsWorse, "busy time of all stalls", |s| {
        of_ticks(s, s.ticks.stalls_busy_ns? as f64)
    }),
    known("utilization", Ratio, MoreIsWorse, "busy / (busy + poll wait)", |s| {
        let watched = s.ticks.busy_ns.saturating_add(s.ticks.poll_wait_ns);
        s.ticks.utilization.filter(|_| watched > 0)
    }),
    known("busy", Ns, MoreIsWorse, "busy time of all ticks", |s| of_ticks(s, s.ticks.busy_ns as f64)),
    number("span", Ns, Neither, "from the first event to the last known moment", |s| s.span_ns as f64),
    number("lost", Count, MoreIsWorse, "records lost", |s| s.lost_records as f64),
    number("ticks.count", Count, Neither, "whole ticks", |s| s.ticks.count as f64),
    known("ticks.rate", PerSecond, Neither, "whole ticks a second", |s| a_second(s, s.ticks.count)),
    number("ticks.incomplete", Count, MoreIsWorse, "ticks that losses touch", |s| s.ticks.incomplete as f64),
    number("tasks.count", Count, Neither, "tasks that ran", |s| s.tasks.count as f64),
    known("tasks.failed", Count, MoreIsWorse, "tasks that failed or panicked", |s| count(s.tasks.failed)),
    known("tasks.rate", PerSecond, Neither, "tasks a second", |s| a_second(s, s.tasks.count)),
    known("timers.armed", Count, Neither, "timers armed", |s| count(s.timers.armed)),
    known("timers.fired", Count, Neither, "timers fired", |s| count(s.timers.fired)),
    known("timers.skipped", Count, MoreIsWorse, "periods that late intervals skipped", |s| {
        s.timers.skipped.map(|skipped| skipped as f64)
    }),
    known("timers.cleared", Count, Neither, "timers cleared", |s| count(s.timers.cleared)),
    known("microtasks.ran", Count, Neither, "microtasks", |s| count(s.microtasks.ran)),
    known("microtasks.checkpoints", Count, Neither, "checkpoints at which something ran", |s| {
        count(s.microtasks.checkpoints)
    }),
    known("gc.collect", Count, MoreIsWorse, "decisions to collect", |s| count(s.gc.collect)),
    known("gc.defer", Count, Neither, "decisions to wait", |s| count(s.gc.defer)),
    known("gc.skip", Count, Neither, "decisions to do nothing", |s| count(s.gc.skip)),
    known("gc.heap.max", Bytes, MoreIsWorse, "the largest heap seen", |s| count(s.gc.heap_bytes_max)),
    known("signals.arrived", Count, Neither, "signals taken from the ring", |s| count(s.signals.arrived)),
    known("signals.delivered", Count, MoreIsBetter, "signals delivered", |s| count(s.signals.delivered)),
    known("signals.dropped", Count, MoreIsWorse, "signals dropped", |s| count(s.signals.dropped)),
    known("io.count", Count, Neither, "readiness callbacks that ran", |s| {
        count(s.io.as_ref().map(|io| io.count))
    }),
    known("jobs.queued", Count, Neither, "jobs scheduled", |s| of_jobs(s, |jobs| jobs.queued)),
    known("jobs.ran", Count, Neither, "jobs that ended on a worker", |s| of_jobs(s, |jobs| jobs.ran)),
    known("jobs.failed", Count, MoreIsWorse, "jobs that failed or panicked", |s| {
        of_jobs(s, |jobs| jobs.failed)
    }),
    known("agenda.ran", Count, Neither, "tasklets that ran", |s| of_agenda(s, |agenda| agenda.ran)),
    known("agenda.failed", Count, MoreIsWorse, "tasklets that failed", |s| {
        of_agenda(s, |agenda| agenda.failed)
    }),
    known("agenda.waiting", Count, MoreIsWorse, "tasklets that waited at the end", |s| {
        of_agenda(s, |agenda| agenda.waiting)
    }),
    known("shutdown.left", Count, MoreIsWorse, "work that the last shutdown cut off", |s| {
        count(s.shutdown.and_then(|shutdown| shutdown.left))
    }),
    tag("run", Ns, MoreIsWorse, "run time of a tag's task", Source::Spread(|tag| Some(tag.run_ns))),
    tag("wait", Ns, MoreIsWorse, "from queued to started", Source::Spread(|tag| Some(tag.queue_wait_ns))),
    tag("count", Count, Neither, "tasks of a tag", Source::Number(|tag| tag.count as f64)),
    tag("failed", Count, MoreIsWorse, "tasks of a tag that failed", Source::Known(|tag| count(tag.failed))),
    queue("depth.p50", "the median depth of a queue, over time", |depth| count(depth.p50)),
    queue("depth.max", "the largest depth of a queue", |depth| Some(depth.max as f64)),
    priority("run", "run time of a tasklet", |one| Some(one.run_ns)),
    priority("wait", "from added to taken", |one| Some(one.queue_wait_ns)),
];

fn a_second(summary: &Summary, count: u64) -> Option<f64> {
    (summary.span_ns > 0).then(|| count as f64 * 1e9 / summary.span_ns as f64)
}

/// `value`, or `None` if it is 0 and no tick has ended: without ticks, there was nothing to stall.
fn of_ticks(summary: &Summary, value: f64) -> Option<f64> {
    (summary.ticks.count > 0 || value > 0.0).then_some(value)
}

fn of_agenda(summary: &Summary, of: fn(&AgendaSummary) -> u64) -> Option<f64> {
    count(summary.agenda.as_ref().map(of))
}

fn of_jobs(summary: &Summary, of: fn(&JobsSummary) -> u64) -> Option<f64> {
    count(summary.jobs.as_ref().map(of))
}

fn count(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

impl Figure {
    /// The word before the name of a tag, queue or priority in a metric's name; `None` for figures that a summary has
    /// once.
    #[must_use]
    pub const fn family(&self) -> Option<&'static str> {
        match self.of {
            Of::Summary(_) => None,
            Of::Tag(_) => Some("task"),
            Of::Queue(_) => Some("queue"),
            Of::Priority(_) => Some("agenda"),
        }
    }

    /// The statistics that the metric's name can end with: every one for a distribution, none for other figures.
    pub(super) const fn statistics(&self) -> &'static [Option<Statistic>] {
        const ALL: [Option<Statistic>; 6] = {
            let [p50, p90, p99, max, mean, gmean] = Statistic::ALL;
            [Some(p50), Some(p90), Some(p99), Some(max), Some(mean), Some(gmean)]
        };
        let is_spread = match &self.of {
            Of::Summary(source) => source.is_spread(),
            Of::Tag(source) => source.is_spread(),
            Of::Queue(source) => source.is_spread(),
            Of::Priority(source) => source.is_spread(),
        };
        if is_spread { &ALL } else { &[None] }
    }

    /// The figure's name with the statistic: `timer_lag.p99`, `stalls`.
    pub(super) fn ending(&self, statistic: Option<Statistic>) -> String {
        match statistic {
            Some(statistic) => format!("{}.{}", self.name, statistic.name()),
            None => self.name.to_owned(),
        }
    }

    /// The names of all tags, queues or priorities in `summary` that have the figure; empty for a figure that a summary
    /// has once.
    pub(super) fn names(&self, summary: &Summary) -> Vec<String> {
        match &self.of {
            Of::Summary(_) => Vec::new(),
            Of::Tag(_) => summary.tasks.by_tag.iter().map(|tag| tag.tag.clone()).collect(),
            Of::Queue(_) => summary.queues.iter().map(|queue| queue.queue.clone()).collect(),
            Of::Priority(_) => {
                let agenda = summary.agenda.iter().flat_map(|agenda| &agenda.priorities);
                agenda.map(|priority| priority.priority.name().to_owned()).collect()
            }
        }
    }

    /// The value for the tag, queue or priority of this name.
    pub(super) fn of(&self, summary: &Summary, name: &str, statistic: Option<Statistic>) -> Option<f64> {
        match &self.of {
            Of::Summary(source) => source.of(summary, statistic),
            Of::Tag(source) => match named_tag(summary, name) {
                Some(tag) => source.of(tag, statistic),
                // A tag that is absent never ran, and has no run time.
                None => {
                    let is_certain = !summary.tasks.tags_beyond_limit.have_tasks();
                    (matches!(source, Source::Number(_)) && is_certain).then_some(0.0)
                }
            },
            Of::Queue(source) => source.of(named_queue(summary, name)?, statistic),
            Of::Priority(source) => source.of(named_priority(summary, name)?, statistic),
        }
    }

    /// The distribution for the tag, queue or priority of this name; `None` for other figures and without samples.
    pub(super) fn spread(&self, summary: &Summary, name: &str) -> Option<Percentiles> {
        match &self.of {
            Of::Summary(source) => source.spread(summary),
            Of::Tag(source) => source.spread(named_tag(summary, name)?),
            Of::Queue(source) => source.spread(named_queue(summary, name)?),
            Of::Priority(source) => source.spread(named_priority(summary, name)?),
        }
    }

    /// The largest of all values.
    pub(super) fn largest(&self, summary: &Summary, statistic: Option<Statistic>) -> Option<f64> {
        let names = self.names(summary);
        let each = names.iter().filter_map(|name| self.of(summary, name, statistic));
        let beyond = self.beyond_limit(summary, None);
        each.chain(beyond.and_then(|beyond| self.of_beyond_limit(beyond, statistic))).reduce(f64::max)
    }

    /// The tags beyond the limit, if it could be a figure of one of them: of the one with this name, or of any.
    pub(super) fn beyond_limit<'a>(
        &self,
        summary: &'a Summary,
        name: Option<&str>,
    ) -> Option<&'a TagsBeyondLimit> {
        let beyond = &summary.tasks.tags_beyond_limit;
        let could_be = name.is_none_or(|name| named_tag(summary, name).is_none());
        (matches!(self.of, Of::Tag(_)) && could_be && beyond.have_tasks()).then_some(beyond)
    }

    /// The largest figure of a tag beyond the limit is at least this: a statistic of several distributions together is
    /// never above the largest of theirs.
    pub(super) fn of_beyond_limit(
        &self,
        beyond: &TagsBeyondLimit,
        statistic: Option<Statistic>,
    ) -> Option<f64> {
        match &self.of {
            Of::Tag(Source::Number(number)) => Some((number(&beyond.as_one()) / beyond.tags as f64).ceil()),
            Of::Tag(source) => source.of(&beyond.as_one(), statistic),
            _ => None,
        }
    }

    /// The distribution of all tags beyond the limit together.
    pub(super) fn spread_beyond_limit(&self, beyond: &TagsBeyondLimit) -> Option<Percentiles> {
        match &self.of {
            Of::Tag(source) => source.spread(&beyond.as_one()),
            _ => None,
        }
    }
}

/// The figures of a tag.
pub(super) fn named_tag<'a>(summary: &'a Summary, name: &str) -> Option<&'a TagSummary> {
    summary.tasks.by_tag.iter().find(|tag| tag.tag == name)
}

/// The depth of a queue.
pub(super) fn named_queue<'a>(summary: &'a Summary, name: &str) -> Option<&'a DepthSummary> {
    summary.queues.iter().find(|queue| queue.queue == name).map(|queue| &queue.depth)
}

fn named_priority<'a>(summary: &'a Summary, name: &str) -> Option<&'a PrioritySummary> {
    let agenda = summary.agenda.iter().flat_map(|agenda| &agenda.priorities);
    agenda.into_iter().find(|priority| priority.priority.name() == name)
}
