//! Metrics: the figures of a summary by name, so that gates, comparisons and searches all mean the same one.
//!
//! The list is closed ([`catalogue`]): an unknown name is an error that suggests the nearest ones, never a metric that
//! is silently absent. Distributions are followed by a statistic:
//!
//! ```text
//! timer_lag.p99        ticks.run.max        stalls        utilization
//! task.ReadFile.run.p99        task.ReadFile.count        task.*.run.p50        queue.tasks.depth.max
//! ```
//!
//! The name of a tag or queue stands between `task.` or `queue.` and the rest, and may contain anything, even dots and
//! spaces: `task.GET /a.b.run.p99` is the tag `GET /a.b`. Only a name that is empty, begins or ends with a space,
//! begins with a quote, or is a lone `*` needs quotes: `task."*".count`. Without quotes `*` stands for every tag: the
//! metric is the largest of their figures.
//!
//! `loop.NAME.` before a metric selects one loop: `loop.renderer.utilization`. Names that would be ambiguous take the
//! same quotes. Over several loops together, shares, percentiles and medians are not measured.

pub mod bounds;
pub mod catalogue;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use loop_probes::text::printable;
use serde::Serialize;

use crate::cells::cut;
use crate::histogram::Percentiles;
use crate::suggest::nearest;
use crate::summary::Summary;
use crate::units;

use catalogue::{FIGURES, Figure, NAMED, Named};

/// Resolution of a clock: differences of two readings are no more exact than this, in nanoseconds.
pub const CLOCK_GRAIN_NS: f64 = 20.0;

/// One figure of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    kind: Kind,
    /// The loop it belongs to; `None` for all loops together.
    of_loop: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// An index into [`FIGURES`].
    Plain(usize, Option<Statistic>),
    /// An index into [`NAMED`], and whose figure it is.
    Of(usize, MetricSubject, Option<Statistic>),
}

/// Whose figure a metric is, for figures that occur once per name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MetricSubject {
    /// The one with this name.
    One(String),
    /// Each of them: the metric is the largest.
    Any,
}

/// A statistic of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Statistic {
    /// The median.
    P50,
    /// Nine in ten are at most this.
    P90,
    /// Ninety-nine in a hundred are at most this.
    P99,
    /// The largest.
    Max,
    /// The mean.
    Mean,
    /// The geometric mean: hardly moved by outliers, as the median, but steadier from run to run.
    Gmean,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::P50, Self::P90, Self::P99, Self::Max, Self::Mean, Self::Gmean];

    /// Its suffix in a metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Gmean => "gmean",
        }
    }
}

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// A number of things.
    Count,
    /// A share of one.
    Ratio,
    /// Bytes.
    Bytes,
    /// A rate per second.
    PerSecond,
}

/// Whether more of a metric is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sense {
    /// More is worse.
    MoreIsWorse,
    /// More is better.
    MoreIsBetter,
    /// More is neither: it only says how much there was to do.
    Neither,
}

/// A figure with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    /// The number, in `unit`.
    pub number: f64,
    /// Its unit.
    pub unit: Unit,
}

/// The list has no metric of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no metric {name:?}{}", near(nearest))]
pub struct UnknownMetric {
    /// What was written.
    pub name: String,
    /// Names in the list, nearest first.
    pub nearest: Vec<String>,
}

/// The part of the message about similar names.
fn near(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; did you mean {}", printable(&names.join(", "))) }
}

impl Metric {
    /// Its value in `summary`; `None` if it was not measured: the median of no timers is not zero.
    #[must_use]
    pub fn of(&self, summary: &Summary) -> Option<Value> {
        let summary = &*self.summary_of(summary)?;
        if summary.is_empty() && !self.is_plain("lost") {
            return None;
        }
        let number = match &self.kind {
            Kind::Plain(place, statistic) => FIGURES[*place].of(summary, *statistic)?,
            Kind::Of(place, subject, statistic) => NAMED[*place].of(summary, subject, *statistic)?,
        };
        Some(Value { number, unit: self.unit() })
    }

    fn is_plain(&self, name: &str) -> bool {
        matches!(&self.kind, Kind::Plain(place, _) if FIGURES[*place].name == name)
    }

    /// The summary of its loop.
    fn summary_of<'a>(&self, summary: &'a Summary) -> Option<Cow<'a, Summary>> {
        match &self.of_loop {
            Some(name) => summary.of_loop(name),
            None => Some(Cow::Borrowed(summary)),
        }
    }

    /// Whether each loop has its own value, so that one across several loops is meaningless. Figures by tag, and
    /// those that a process has once, are excluded.
    #[must_use]
    pub fn is_of_each_loop(&self) -> bool {
        const ONCE: [&str; 4] = ["span", "lost", "pumps.run", "shutdown.left"];
        self.of_loop.is_none()
            && match &self.kind {
                Kind::Plain(place, _) => {
                    let name = FIGURES[*place].name;
                    !ONCE.contains(&name) && !name.starts_with("agenda.")
                }
                Kind::Of(place, ..) => NAMED[*place].before == "queue",
            }
    }

    /// The same metric for one loop.
    #[must_use]
    pub fn on_loop(&self, name: &str) -> Self {
        Self { of_loop: Some(name.to_owned()), ..self.clone() }
    }

    /// The loop it is restricted to, if any.
    #[must_use]
    pub fn loop_name(&self) -> Option<&str> {
        self.of_loop.as_deref()
    }

    /// Its unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        match &self.kind {
            Kind::Plain(place, _) => FIGURES[*place].unit,
            Kind::Of(place, ..) => NAMED[*place].unit,
        }
    }

    /// Whether more of it is worse.
    #[must_use]
    pub fn sense(&self) -> Sense {
        match &self.kind {
            Kind::Plain(place, _) => FIGURES[*place].sense,
            Kind::Of(place, ..) => NAMED[*place].sense,
        }
    }

    /// The difference below which two values count as equal, in its unit: half a unit for counts, half a stall for the
    /// time in stalls, the clock's resolution for other times, 0 for everything else.
    #[must_use]
    pub fn grain(&self, summary: &Summary) -> f64 {
        match self.unit() {
            Unit::Count => 0.5,
            Unit::Ns if self.is_time_in_stalls() => summary.ticks.stall_limit_ns as f64 / 2.0,
            Unit::Ns => CLOCK_GRAIN_NS,
            Unit::Ratio | Unit::Bytes | Unit::PerSecond => 0.0,
        }
    }

    /// The difference below which a change does not matter, however large as a share, in its unit: half of what makes a
    /// timer late for timer lag, and at least the [`grain`](Self::grain).
    #[must_use]
    pub fn floor(&self, summary: &Summary) -> f64 {
        let is_lag =
            matches!(&self.kind, Kind::Plain(place, _) if FIGURES[*place].name.starts_with("timer_lag"));
        let late = if is_lag { summary.timers.late_limit_ns as f64 / 2.0 } else { 0.0 };
        late.max(self.grain(summary))
    }

    /// Whether it is the time in stalls.
    #[must_use]
    pub fn is_time_in_stalls(&self) -> bool {
        matches!(&self.kind, Kind::Plain(place, _) if FIGURES[*place].name == "stalls.busy")
    }

    /// Whether it is the run time of a tag's tasks, of one tag or of any: the machine's speed can be taken out of
    /// these.
    #[must_use]
    pub fn is_run_of_tag(&self) -> bool {
        matches!(&self.kind, Kind::Of(place, ..) if NAMED[*place].is_run_of_tag())
    }

    /// The statistic, if it is one of a distribution.
    #[must_use]
    pub const fn statistic(&self) -> Option<Statistic> {
        match &self.kind {
            Kind::Plain(_, statistic) | Kind::Of(_, _, statistic) => *statistic,
        }
    }

    /// The distribution that it is a statistic of.
    fn spread(&self, summary: &Summary) -> Option<Percentiles> {
        let summary = &*self.summary_of(summary)?;
        match &self.kind {
            Kind::Plain(place, _) => FIGURES[*place].spread(summary),
            Kind::Of(place, MetricSubject::One(name), _) => NAMED[*place].spread(summary, name),
            Kind::Of(_, MetricSubject::Any, _) => None,
        }
    }

    /// Whether it is the largest of many, as `task.*.run.p50`.
    #[must_use]
    pub const fn is_of_any(&self) -> bool {
        matches!(&self.kind, Kind::Of(_, MetricSubject::Any, _))
    }

    /// For a metric over any, the metric of each one in `summary`; for all others, the metric itself.
    #[must_use]
    pub fn each(&self, summary: &Summary) -> Vec<Self> {
        let Some(summary) = self.summary_of(summary) else { return Vec::new() };
        match &self.kind {
            Kind::Of(place, MetricSubject::Any, statistic) => {
                let names = NAMED[*place].names(&summary).into_iter();
                let of = |name| Kind::Of(*place, MetricSubject::One(name), *statistic);
                names.map(|name| Self { kind: of(name), of_loop: self.of_loop.clone() }).collect()
            }
            _ => vec![self.clone()],
        }
    }

    /// The tag, queue or priority it belongs to, if it is one of many.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match &self.kind {
            Kind::Of(_, MetricSubject::One(name), _) => Some(name),
            _ => None,
        }
    }

    /// All tags, queues or priorities in `summary` that it could belong to, if it is one of many.
    #[must_use]
    pub fn siblings(&self, summary: &Summary) -> Vec<String> {
        let Some(summary) = self.summary_of(summary) else { return Vec::new() };
        match &self.kind {
            Kind::Of(place, ..) => NAMED[*place].names(&summary),
            Kind::Plain(..) => Vec::new(),
        }
    }

    /// Every metric with a value in `summary`, in the order of the list.
    #[must_use]
    pub fn all(summary: &Summary) -> Vec<Self> {
        let plain = FIGURES.iter().enumerate().flat_map(|(place, figure)| {
            let kinds = statistics(figure.is_distribution()).into_iter();
            kinds.map(move |statistic| Kind::Plain(place, statistic))
        });
        let named = NAMED.iter().enumerate().flat_map(|(place, named)| {
            let names = named.names(summary).into_iter();
            names.flat_map(move |name| {
                let kinds = statistics(named.is_distribution()).into_iter();
                kinds.map(move |statistic| Kind::Of(place, MetricSubject::One(name.clone()), statistic))
            })
        });
        let all: Vec<Self> = plain.chain(named).map(|kind| Self { kind, of_loop: None }).collect();
        let apart: Vec<(&str, Cow<'_, Summary>)> = match summary.has_several_loops() {
            true => summary
                .loops
                .iter()
                .filter_map(|own| Some((&*own.name, summary.of_loop(&own.name)?)))
                .collect(),
            false => Vec::new(),
        };
        let of_each = all.iter().filter(|metric| metric.is_of_each_loop());
        let of_loops = of_each.flat_map(|metric| {
            let known = apart.iter().filter(|(_, own)| metric.of(own).is_some());
            known.map(|(name, _)| metric.on_loop(name))
        });
        let of_whole = all.iter().filter(|metric| metric.of(summary).is_some());
        of_whole.cloned().chain(of_loops).collect()
    }
}

/// Limit on the length of a metric's name: those of a tag and a loop are shorter, and the time to read it is linear in
/// its dots.
const NAME_BYTES_MAX: usize = 4096;

/// The possible suffixes: each statistic, or none.
fn statistics(of_a_distribution: bool) -> Vec<Option<Statistic>> {
    if of_a_distribution { Statistic::ALL.map(Some).to_vec() } else { vec![None] }
}

/// A name with each possible suffix.
fn ends(name: &str, of_a_distribution: bool) -> impl Iterator<Item = (String, Option<Statistic>)> {
    statistics(of_a_distribution).into_iter().map(move |statistic| match statistic {
        Some(statistic) => (format!("{name}.{}", statistic.name()), Some(statistic)),
        None => (name.to_owned(), None),
    })
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(text: &str) -> Result<Self, UnknownMetric> {
        let text = text.trim();
        if text.len() > NAME_BYTES_MAX {
            return Err(UnknownMetric { name: cut(text, 80), nearest: Vec::new() });
        }
        if let Some(found) = text.strip_prefix("loop.").and_then(of_one_loop) {
            return Ok(found);
        }
        match of_all_loops(text) {
            Some(found) => Ok(found),
            None => Err(UnknownMetric { name: text.to_owned(), nearest: nearest_metrics(text) }),
        }
    }
}

/// A metric that names no loop.
fn of_all_loops(text: &str) -> Option<Metric> {
    for (place, figure) in FIGURES.iter().enumerate() {
        let found = ends(figure.name, figure.is_distribution()).find(|(name, _)| name == text);
        if let Some((_, statistic)) = found {
            return Some(Metric { kind: Kind::Plain(place, statistic), of_loop: None });
        }
    }
    for (place, named) in NAMED.iter().enumerate() {
        let Some(rest) = text.strip_prefix(named.before).and_then(|rest| rest.strip_prefix('.')) else {
            continue;
        };
        for (end, statistic) in ends(named.after, named.is_distribution()) {
            let name = rest.strip_suffix(&end).and_then(|rest| rest.strip_suffix('.'));
            if let Some(subject) = name.and_then(|name| named.read(name)) {
                return Some(Metric { kind: Kind::Of(place, subject, statistic), of_loop: None });
            }
        }
    }
    None
}

/// Splits a loop's name from its metric: the shortest name whose rest is a metric.
fn of_one_loop(text: &str) -> Option<Metric> {
    let (name, metric) = match text.strip_prefix('"').and_then(|rest| rest.split_once("\".")) {
        Some((name, rest)) => (name, of_all_loops(rest)?),
        None => {
            let mut splits = text.match_indices('.').map(|(dot, _)| (&text[..dot], &text[dot + 1..]));
            splits.find_map(|(name, rest)| Some((name, of_all_loops(rest)?)))?
        }
    };
    (!name.is_empty()).then(|| Metric { of_loop: Some(name.to_owned()), ..metric })
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.of_loop {
            let plain = !name.contains(['.', '"']) && name.trim() == name && !name.is_empty();
            if plain { write!(f, "loop.{name}.")? } else { write!(f, "loop.\"{name}\".")? }
        }
        let statistic = match &self.kind {
            Kind::Plain(place, statistic) => {
                f.write_str(FIGURES[*place].name)?;
                statistic
            }
            Kind::Of(place, subject, statistic) => {
                let Named { before, after, .. } = &NAMED[*place];
                write!(f, "{before}.{subject}.{after}")?;
                statistic
            }
        };
        statistic.map_or(Ok(()), |statistic| write!(f, ".{}", statistic.name()))
    }
}

impl fmt::Display for MetricSubject {
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

fn nearest_metrics(text: &str) -> Vec<String> {
    let plain = FIGURES.iter().flat_map(|Figure { name, .. }| ends_of(name));
    let named = NAMED.iter().flat_map(|named| {
        // Keeps the name itself as written: the mistake is in the words around it.
        let inner = text.split('.').nth(1).filter(|inner| !inner.is_empty()).unwrap_or("NAME");
        let name = format!("{}.{inner}.{}", named.before, named.after);
        ends(&name, named.is_distribution()).map(|(name, _)| name).collect::<Vec<_>>()
    });
    nearest(text, plain.chain(named))
}

fn ends_of(name: &str) -> Vec<String> {
    let figure = FIGURES.iter().find(|figure| figure.name == name);
    ends(name, figure.is_some_and(Figure::is_distribution)).map(|(name, _)| name).collect()
}

/// Formats a value, or says that there is none.
#[must_use]
pub fn measured(value: Option<Value>) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| value.to_string())
}

impl fmt::Display for Value {
    /// As reports show it: `1.24ms`, `12`, `37.2%`, `18.2 MiB`, `97.1/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.number.max(0.0).round() as u64;
        match self.unit {
            Unit::Ns => f.write_str(&units::duration(whole)),
            Unit::Count if self.number.fract() == 0.0 => f.write_str(&units::count(whole)),
            Unit::Count => f.write_str(&units::rate(self.number)),
            Unit::Ratio => f.write_str(&units::percent(self.number)),
            Unit::Bytes => f.write_str(&units::bytes(whole)),
            Unit::PerSecond => write!(f, "{}/s", units::rate(self.number)),
        }
    }
}

#[cfg(test)]
mod tests;
