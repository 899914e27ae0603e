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
mod value;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use loop_probes::text::printable;

use crate::cells::cut;
use crate::histogram::Percentiles;
use crate::suggest::nearest;
use crate::summary::Summary;

use catalogue::{FIGURES, Figure, Subject};

pub use bounds::{Bounded, bounded};
pub use value::{Sense, Statistic, Unit, Value};

/// Resolution of a clock: differences of two readings are no more exact than this, in nanoseconds.
pub const CLOCK_GRAIN_NS: f64 = 20.0;

/// One figure of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Metric {
    /// An index into [`FIGURES`].
    place: usize,
    /// The tag, queue or priority; `None` for figures that a summary has once.
    subject: Option<Subject>,
    /// The statistic of a distribution; `None` for other figures.
    statistic: Option<Statistic>,
    /// The loop; `None` for all loops together.
    of_loop: Option<String>,
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
    /// The metric's value in `summary`; `None` if it was not measured: the median of no timers is not zero.
    #[must_use]
    pub fn of(&self, summary: &Summary) -> Option<Value> {
        let summary = &*self.summary_of(summary)?;
        if summary.is_empty() && !self.is_plain("lost") {
            return None;
        }
        let number = match &self.subject {
            Some(Subject::Any) => self.figure().largest(summary, self.statistic)?,
            _ => self.figure().of(summary, self.name(), self.statistic)?,
        };
        Some(Value { number, unit: self.unit() })
    }

    fn figure(&self) -> &'static Figure {
        &FIGURES[self.place]
    }

    /// The name of the tag, queue or priority; empty for figures that a summary has once.
    fn name(&self) -> &str {
        self.subject().unwrap_or_default()
    }

    fn is_plain(&self, name: &str) -> bool {
        self.subject.is_none() && self.figure().name == name
    }

    /// The part of `summary` about the metric's loop.
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
        let name = self.figure().name;
        self.of_loop.is_none()
            && match self.figure().family() {
                None => {
                    let is_of_process = ["agenda.", "jobs.", "io."].iter().any(|part| name.starts_with(part));
                    !ONCE.contains(&name) && !is_of_process
                }
                Some(family) => family == "queue",
            }
    }

    /// The same metric for one loop.
    #[must_use]
    pub fn on_loop(&self, name: &str) -> Self {
        Self { of_loop: Some(name.to_owned()), ..self.clone() }
    }

    /// The loop that the metric is restricted to, if any.
    #[must_use]
    pub fn loop_name(&self) -> Option<&str> {
        self.of_loop.as_deref()
    }

    /// The metric's unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.figure().unit
    }

    /// Whether more of it is worse.
    #[must_use]
    pub fn sense(&self) -> Sense {
        self.figure().sense
    }

    /// The difference below which two values count as equal, in the metric's unit: half a unit for counts, half a stall
    /// for the time in stalls, the clock's resolution for other times, 0 for everything else.
    #[must_use]
    pub fn grain(&self, summary: &Summary) -> f64 {
        match self.unit() {
            Unit::Count => 0.5,
            Unit::Ns if self.is_time_in_stalls() => summary.ticks.stall_limit_ns as f64 / 2.0,
            Unit::Ns => CLOCK_GRAIN_NS,
            Unit::Ratio | Unit::Bytes | Unit::PerSecond => 0.0,
        }
    }

    /// The difference below which a change does not matter, however large as a share, in the metric's unit: half of
    /// what makes a timer late for timer lag, and at least the [`grain`](Self::grain).
    #[must_use]
    pub fn floor(&self, summary: &Summary) -> f64 {
        let is_lag = self.figure().name.starts_with("timer_lag");
        let late = if is_lag { summary.timers.late_limit_ns as f64 / 2.0 } else { 0.0 };
        late.max(self.grain(summary))
    }

    /// Whether the metric is the time in stalls.
    #[must_use]
    pub fn is_time_in_stalls(&self) -> bool {
        self.is_plain("stalls.busy")
    }

    /// Whether the metric is the run time of a tag's tasks, of one tag or of any. The machine's speed can be taken out
    /// of these.
    #[must_use]
    pub fn is_run_of_tag(&self) -> bool {
        self.figure().family() == Some("task") && self.figure().name == "run"
    }

    /// The metric's statistic; `None` if it is not of a distribution.
    #[must_use]
    pub const fn statistic(&self) -> Option<Statistic> {
        self.statistic
    }

    /// The distribution in `summary` that the metric is a statistic of.
    fn spread(&self, summary: &Summary) -> Option<Percentiles> {
        let summary = &*self.summary_of(summary)?;
        if self.is_of_any() { None } else { self.figure().spread(summary, self.name()) }
    }

    /// Whether the metric is the largest of many, such as `task.*.run.p50`.
    #[must_use]
    pub const fn is_of_any(&self) -> bool {
        matches!(self.subject, Some(Subject::Any))
    }

    /// For a metric over any, the metric of each one in `summary`; for all others, the metric itself.
    #[must_use]
    pub fn each(&self, summary: &Summary) -> Vec<Self> {
        let Some(summary) = self.summary_of(summary) else { return Vec::new() };
        if !self.is_of_any() {
            return vec![self.clone()];
        }
        let names = self.figure().names(&summary).into_iter();
        names.map(|name| Self { subject: Some(Subject::One(name)), ..self.clone() }).collect()
    }

    /// The tag, queue or priority that the metric is about; `None` for figures that a summary has once.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match &self.subject {
            Some(Subject::One(name)) => Some(name),
            _ => None,
        }
    }

    /// All tags, queues or priorities in `summary` that have the metric's figure; empty for figures that a summary has
    /// once.
    #[must_use]
    pub fn siblings(&self, summary: &Summary) -> Vec<String> {
        self.summary_of(summary).map_or_else(Vec::new, |summary| self.figure().names(&summary))
    }

    /// Every metric with a value in `summary`, in the order of the list.
    #[must_use]
    pub fn all(summary: &Summary) -> Vec<Self> {
        let all = FIGURES.iter().enumerate().flat_map(|(place, figure)| {
            let subjects: Vec<Option<Subject>> = match figure.family() {
                None => vec![None],
                Some(_) => figure.names(summary).into_iter().map(|name| Some(Subject::One(name))).collect(),
            };
            subjects.into_iter().flat_map(move |subject| {
                let statistics = figure.statistics().iter();
                statistics.map(move |statistic| Self {
                    place,
                    subject: subject.clone(),
                    statistic: *statistic,
                    of_loop: None,
                })
            })
        });
        let all: Vec<Self> = all.collect();
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
    FIGURES.iter().enumerate().find_map(|(place, figure)| {
        let rest = match figure.family() {
            None => text,
            Some(family) => text.strip_prefix(family)?.strip_prefix('.')?,
        };
        figure.statistics().iter().find_map(|statistic| {
            let name = rest.strip_suffix(&figure.ending(*statistic))?;
            let subject = match figure.family() {
                None if name.is_empty() => None,
                None => return None,
                Some(_) => Some(Subject::read(name.strip_suffix('.')?)?),
            };
            Some(Metric { place, subject, statistic: *statistic, of_loop: None })
        })
    })
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
        if let (Some(family), Some(subject)) = (self.figure().family(), &self.subject) {
            write!(f, "{family}.{subject}.")?;
        }
        f.write_str(&self.figure().ending(self.statistic))
    }
}

fn nearest_metrics(text: &str) -> Vec<String> {
    // Keeps the name itself as written: the mistake is in the words around it.
    let inner = text.split('.').nth(1).filter(|inner| !inner.is_empty()).unwrap_or("NAME");
    let all = FIGURES.iter().flat_map(|figure| {
        let before = figure.family().map_or_else(String::new, |family| format!("{family}.{inner}."));
        let endings = figure.statistics().iter().map(|statistic| figure.ending(*statistic));
        endings.map(move |ending| format!("{before}{ending}"))
    });
    nearest(text, all)
}

#[cfg(test)]
mod tests;
