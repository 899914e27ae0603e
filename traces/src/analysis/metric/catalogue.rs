//! The list of metrics: their names and units, and whether more is worse.
//!
//! `docs/src/compare.md` shows the same list to users; a test compares the two.

use crate::histogram::Percentiles;
use crate::summary::{AgendaSummary, DepthSummary, PrioritySummary, Summary, TagSummary, TagsBeyondLimit};

use super::Sense::{self, MoreIsBetter, MoreIsWorse, Neither};
use super::Unit::{self, Bytes, Count, Ns, PerSecond, Ratio};
use super::{MetricSubject, Statistic};

/// How a figure is obtained.
#[derive(Debug)]
pub(super) enum Source<Of> {
    /// One number.
    Number(fn(&Of) -> f64),
    /// One number that may be unknown.
    Known(fn(&Of) -> Option<f64>),
    /// A distribution, which needs a statistic.
    Spread(fn(&Of) -> Option<Percentiles>),
}

impl<Of> Source<Of> {
    fn of(&self, of: &Of, statistic: Option<Statistic>) -> Option<f64> {
        match self {
            Self::Number(number) => return Some(number(of)),
            Self::Known(number) => return number(of),
            Self::Spread(_) => {}
        }
        let spread = self.spread(of)?;
        let value = match statistic? {
            Statistic::P50 => spread.p50,
            Statistic::P90 => spread.p90,
            Statistic::P99 => spread.p99,
            Statistic::Max => spread.max,
            Statistic::Mean => spread.mean,
            Statistic::Gmean => spread.gmean,
        };
        value.map(|value| value as f64)
    }

    fn spread(&self, of: &Of) -> Option<Percentiles> {
        match self {
            Self::Number(_) | Self::Known(_) => None,
            Self::Spread(spread) => spread(of).filter(|spread| spread.count > 0),
        }
    }
}

/// A figure that a summary has once.
#[derive(Debug)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Whether more of it is worse.
    pub sense: Sense,
    /// Its description for users.
    pub what: &'static str,
    source: Source<Summary>,
}

impl Figure {
    /// Whether its name is followed by a statistic.
    #[must_use]
    pub const fn is_distribution(&self) -> bool {
        matches!(self.source, Source::Spread(_))
    }

    pub(super) fn of(&self, summary: &Summary, statistic: Option<Statistic>) -> Option<f64> {
        self.source.of(summary, statistic)
    }

    pub(super) fn spread(&self, summary: &Summary) -> Option<Percentiles> {
        self.source.spread(summary)
    }
}

const fn spread(
    name: &'static str,
    sense: Sense,
    what: &'static str,
    of: fn(&Summary) -> Option<Percentiles>,
) -> Figure {
    Figure { name, unit: Ns, sense, what, source: Source::Spread(of) }
}

const fn number(
    name: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: fn(&Summary) -> f64,
) -> Figure {
    Figure { name, unit, sense, what, source: Source::Number(of) }
}

const fn known(
    name: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: fn(&Summary) -> Option<f64>,
) -> Figure {
    Figure { name, unit, sense, what, source: Source::Known(of) }
}

/// Figures that a summary has once.
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
];

fn a_second(summary: &Summary, count: u64) -> Option<f64> {
    (summary.span_ns > 0).then(|| count as f64 * 1e9 / summary.span_ns as f64)
}

/// Without a tick there is nothing that could have been a stall: the emitter has no ticks, or none of them ended.
fn of_ticks(summary: &Summary, value: f64) -> Option<f64> {
    (summary.ticks.count > 0 || value > 0.0).then_some(value)
}

fn of_agenda(summary: &Summary, of: fn(&AgendaSummary) -> u64) -> Option<f64> {
    count(summary.agenda.as_ref().map(of))
}

fn count(count: Option<u64>) -> Option<f64> {
    count.map(|count| count as f64)
}

/// Figures that a summary has many of, each with a name.
#[derive(Debug)]
pub(super) enum Family {
    Tag(Source<TagSummary>),
    QueueDepth(fn(&DepthSummary) -> Option<u64>),
    Priority(Source<PrioritySummary>),
}

/// A figure that a summary has once for each name.
#[derive(Debug)]
pub struct Named {
    /// The part of the name before the tag's or queue's own.
    pub before: &'static str,
    /// The part after it.
    pub after: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Whether more of it is worse.
    pub sense: Sense,
    /// Its description for users.
    pub what: &'static str,
    family: Family,
}

/// Figures that a summary has once for each tag, queue or priority.
pub const NAMED: &[Named] = &[
    tag("run", Ns, MoreIsWorse, "run time of a tag's task", Source::Spread(|tag| Some(tag.run_ns))),
    tag("wait", Ns, MoreIsWorse, "from queued to started", Source::Spread(|tag| Some(tag.queue_wait_ns))),
    tag("count", Count, Neither, "tasks of a tag", Source::Number(|tag| tag.count as f64)),
    tag("failed", Count, MoreIsWorse, "tasks of a tag that failed", Source::Known(|tag| count(tag.failed))),
    queue("depth.p50", "the median depth of a queue, over time", |depth| depth.p50),
    queue("depth.max", "the largest depth of a queue", |depth| Some(depth.max)),
    priority("run", MoreIsWorse, "run time of a tasklet", Source::Spread(|one| Some(one.run_ns))),
    priority("wait", MoreIsWorse, "from added to taken", Source::Spread(|one| Some(one.queue_wait_ns))),
];

const fn tag(
    after: &'static str,
    unit: Unit,
    sense: Sense,
    what: &'static str,
    of: Source<TagSummary>,
) -> Named {
    Named { before: "task", after, unit, sense, what, family: Family::Tag(of) }
}

const fn queue(after: &'static str, what: &'static str, of: fn(&DepthSummary) -> Option<u64>) -> Named {
    let family = Family::QueueDepth(of);
    Named { before: "queue", after, unit: Count, sense: MoreIsWorse, what, family }
}

const fn priority(
    after: &'static str,
    sense: Sense,
    what: &'static str,
    of: Source<PrioritySummary>,
) -> Named {
    Named { before: "agenda", after, unit: Ns, sense, what, family: Family::Priority(of) }
}

impl Named {
    /// Whether its name is followed by a statistic.
    #[must_use]
    pub const fn is_distribution(&self) -> bool {
        matches!(self.family, Family::Tag(Source::Spread(_)) | Family::Priority(Source::Spread(_)))
    }

    pub(super) fn is_run_of_tag(&self) -> bool {
        self.before == "task" && self.after == "run"
    }

    /// Parses the name between `before` and `after`; `None` if it cannot be one.
    pub(super) fn read(&self, name: &str) -> Option<MetricSubject> {
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        match quoted {
            Some(quoted) => Some(MetricSubject::One(quoted.to_owned())),
            None if name == "*" => Some(MetricSubject::Any),
            None if name.is_empty() || name.starts_with('"') || name.trim() != name => None,
            None => Some(MetricSubject::One(name.to_owned())),
        }
    }

    /// The names in `summary`.
    pub(super) fn names(&self, summary: &Summary) -> Vec<String> {
        match &self.family {
            Family::Tag(_) => summary.tasks.by_tag.iter().map(|tag| tag.tag.clone()).collect(),
            Family::QueueDepth(_) => summary.queues.iter().map(|queue| queue.queue.clone()).collect(),
            Family::Priority(_) => {
                let agenda = summary.agenda.iter().flat_map(|agenda| &agenda.priorities);
                agenda.map(|priority| priority.priority.name().to_owned()).collect()
            }
        }
    }

    pub(super) fn of(
        &self,
        summary: &Summary,
        subject: &MetricSubject,
        statistic: Option<Statistic>,
    ) -> Option<f64> {
        match subject {
            MetricSubject::One(name) => self.of_one(summary, name, statistic),
            MetricSubject::Any => {
                let names = self.names(summary);
                let each = names.iter().filter_map(|name| self.of_one(summary, name, statistic));
                let beyond = self.beyond_limit(summary, subject);
                each.chain(beyond.and_then(|beyond| self.of_beyond_limit(beyond, statistic))).reduce(f64::max)
            }
        }
    }

    /// The tags beyond the limit, if it could be a figure of one of them.
    pub(super) fn beyond_limit<'a>(
        &self,
        summary: &'a Summary,
        subject: &MetricSubject,
    ) -> Option<&'a TagsBeyondLimit> {
        let beyond = &summary.tasks.tags_beyond_limit;
        let could_be = match subject {
            MetricSubject::One(name) => summary.tasks.by_tag.iter().all(|tag| tag.tag != *name),
            MetricSubject::Any => true,
        };
        (matches!(self.family, Family::Tag(_)) && could_be && beyond.have_tasks()).then_some(beyond)
    }

    /// The largest figure of a tag beyond the limit is at least this: a statistic of several distributions together is
    /// never above the largest of theirs.
    pub(super) fn of_beyond_limit(
        &self,
        beyond: &TagsBeyondLimit,
        statistic: Option<Statistic>,
    ) -> Option<f64> {
        match &self.family {
            Family::Tag(Source::Number(number)) => {
                Some((number(&beyond.as_one()) / beyond.tags as f64).ceil())
            }
            Family::Tag(source) => source.of(&beyond.as_one(), statistic),
            Family::QueueDepth(_) | Family::Priority(_) => None,
        }
    }

    /// The distribution of all tags beyond the limit together.
    pub(super) fn spread_beyond_limit(&self, beyond: &TagsBeyondLimit) -> Option<Percentiles> {
        match &self.family {
            Family::Tag(source) => source.spread(&beyond.as_one()),
            Family::QueueDepth(_) | Family::Priority(_) => None,
        }
    }

    fn of_one(&self, summary: &Summary, name: &str, statistic: Option<Statistic>) -> Option<f64> {
        match &self.family {
            Family::Tag(source) => {
                let found = summary.tasks.by_tag.iter().find(|tag| tag.tag == name);
                match (found, source) {
                    (Some(tag), source) => source.of(tag, statistic),
                    (None, _) if summary.tasks.tags_beyond_limit.have_tasks() => None,
                    // A tag that is absent never ran, and has no run time.
                    (None, Source::Number(_)) => Some(0.0),
                    (None, Source::Known(_) | Source::Spread(_)) => None,
                }
            }
            Family::QueueDepth(depth) => {
                let found = summary.queues.iter().find(|queue| queue.queue == name);
                depth(&found?.depth).map(|depth| depth as f64)
            }
            Family::Priority(source) => {
                let agenda = summary.agenda.as_ref()?;
                let found = agenda.priorities.iter().find(|one| one.priority.name() == name)?;
                source.of(found, statistic)
            }
        }
    }

    pub(super) fn spread(&self, summary: &Summary, name: &str) -> Option<Percentiles> {
        match &self.family {
            Family::Tag(source) => source.spread(summary.tasks.by_tag.iter().find(|tag| tag.tag == name)?),
            Family::QueueDepth(_) => None,
            Family::Priority(source) => {
                let agenda = summary.agenda.as_ref()?;
                source.spread(agenda.priorities.iter().find(|one| one.priority.name() == name)?)
            }
        }
    }
}
