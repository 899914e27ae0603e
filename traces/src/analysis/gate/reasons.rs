//! Reasons: why a gate is undecided, and which tag or loop its figure belongs to.

use std::collections::BTreeSet;

use super::{Gate, Judgement, Limit, Outcome};
use crate::analysis::diff::Run;
use crate::analysis::diff::uncertainty::Uncertainty;
use crate::analysis::metric::{Metric, Unit};
use crate::suggest::nearest;
use crate::units::{count, counted};

impl Gate {
    /// A misspelt name looks like work that was not done, so the names that the runs do have are listed.
    pub(super) fn unmeasured(&self, runs: &[Run]) -> Judgement {
        let known: BTreeSet<String> =
            runs.iter().flat_map(|run| self.metric.siblings(&run.summary)).collect();
        let loops: BTreeSet<String> =
            runs.iter().flat_map(|run| &run.summary.loops).map(|own| own.name.clone()).collect();
        if let Some(name) = self.metric.loop_name().filter(|name| !loops.contains(*name)) {
            let why = match loops.is_empty() {
                true => format!("there is no loop {name:?}"),
                false => {
                    format!("there is no loop {name:?}; did you mean {}", nearest(name, loops).join(", "))
                }
            };
            return self.judgement(Outcome::Undecided, "no value".to_owned(), Some(why));
        }
        let beyond = Uncertainty::of(&self.metric, runs).tags_beyond_limit;
        let why = match (self.metric.subject(), known.is_empty()) {
            (Some(name), _) if beyond > 0 => format!(
                "there is no {name:?} among the {} tags with figures of their own; {} more are beyond the limit",
                count(known.len() as u64),
                count(beyond)
            ),
            (Some(name), false) if !known.contains(name) => {
                format!("there is no {name:?}; did you mean {}", nearest(name, known).join(", "))
            }
            (None, _) if beyond > 0 => {
                format!("{} beyond the limit have no figures of their own", counted(beyond, "tag", "tags"))
            }
            _ => "nothing was measured".to_owned(),
        };
        self.judgement(Outcome::Undecided, "no value".to_owned(), Some(why))
    }

    /// ` (40,027,441ns, 1ns above)`: how far a value is from the limit, if both read alike; otherwise empty.
    pub(super) fn difference(&self, value: f64) -> String {
        let (Limit::Max(limit) | Limit::Min(limit)) = self.limit else { return String::new() };
        if value == limit || self.shown(value) != self.shown(limit) {
            return String::new();
        }
        let exact = |number: f64| match self.metric.unit() {
            Unit::Ns if number >= 1.0 => format!("{}ns", count(number.round() as u64)),
            Unit::Bytes if number >= 1.0 => format!("{} B", count(number.round() as u64)),
            Unit::Ns => format!("{number}ns"),
            Unit::Bytes => format!("{number} B"),
            Unit::Ratio => format!("{}%", number * 100.0),
            Unit::Count | Unit::PerSecond => number.to_string(),
        };
        let direction = if value > limit { "above" } else { "below" };
        format!(" ({}, {} {direction})", exact(value), exact((value - limit).abs()))
    }

    /// The reason why the gate is undecided.
    pub(super) fn open(&self, runs: &[Run]) -> String {
        let uncertainty = Uncertainty::of(&self.metric, runs);
        match uncertainty.unmeasured_runs {
            0 => format!("{uncertainty} could overturn it"),
            unmeasured => format!("{unmeasured} of {} runs have no value", runs.len()),
        }
    }

    /// Where the largest value occurs, for a metric over any.
    pub(super) fn subject(&self, runs: &[Run]) -> Option<String> {
        let run = runs.first().filter(|_| runs.len() == 1 && self.metric.is_of_any())?;
        if self.metric.is_largest_beyond_limit(&run.summary) {
            let tags = counted(self.metric.tags_beyond_limit(&run.summary), "tag", "tags");
            return Some(format!("the largest is beyond the limit, among {tags}"));
        }
        let largest = self.metric.each(&run.summary).into_iter().max_by(|a, b| {
            let of = |metric: &Metric| metric.of(&run.summary).map_or(0.0, |value| value.number);
            of(a).total_cmp(&of(b))
        });
        largest.and_then(|metric| Some(format!("the largest is {}", metric.subject()?)))
    }
}
