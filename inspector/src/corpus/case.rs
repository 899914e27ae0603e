//! One saved regression: read, re-executed, held against what its TOML says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use loop_traces::analysis::condition::Condition;
use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::{Gate, Outcome};
use loop_traces::analysis::metric::measured;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, MemorySource, SourceError};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::statement::{Fired, Ran, Span, out_of_order};
use super::written::Written;
use crate::gates::{self, Bounds, Wrong};
use crate::rerun::{Changes, Divergence, Recorded, RerunError, check};

/// Why a corpus cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The folder or a file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The TOML does not say what a TOML of the corpus says: its file, its line, and what is wrong there.
    #[error("{0}")]
    Toml(String),
    /// The trace cannot be read.
    #[error(transparent)]
    Trace(#[from] SourceError),
    /// The trace cannot be re-executed.
    #[error(transparent)]
    Rerun(#[from] RerunError),
}

/// A saved regression.
#[derive(Clone, Debug)]
pub struct Case {
    /// The trace.
    pub trace: PathBuf,
    says: Says,
}

/// What a TOML of the corpus says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Says {
    about: String,
    made_by: String,
    /// Nothing single of it can go: unless `minimize` says otherwise.
    #[serde(default = "yes")]
    minimal: bool,
    #[serde(default = "yes")]
    check: bool,
    #[serde(default = "yes")]
    again: bool,
    #[serde(default)]
    in_order: bool,
    #[serde(default)]
    shows: Vec<Written<Condition>>,
    #[serde(skip)]
    gate: Vec<Gate>,
    #[serde(default)]
    ran: Vec<Ran>,
    #[serde(default)]
    fired: Vec<Fired>,
    #[serde(default)]
    what_if: Vec<WhatIf>,
}

/// What must hold where something is different.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatIf {
    /// Another policy, by name.
    pub policy: Option<String>,
    /// Tags whose callbacks take so many times as long.
    pub scale: BTreeMap<String, f64>,
    /// Tags whose callbacks never happen.
    pub drop: Vec<String>,
    /// A tick's task passes end after so much time.
    pub budget: Option<Span>,
    /// The GC controller.
    pub gc: Option<Switch>,
    /// Workers of the pool.
    pub workers: Option<u16>,
    shows: Vec<Written<Condition>>,
    #[serde(skip)]
    gate: Vec<Gate>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

const fn yes() -> bool {
    true
}

impl Says {
    /// Gates are read as those of every other file are, all else by what it is.
    fn read(text: &str) -> Result<Self, Wrong> {
        let mut document = gates::document(text)?;
        let table = document.get_mut();
        let gate = gates::take(table, Bounds::OfOneRun)?;
        let mut of_what_ifs = Vec::new();
        if let Some(DeValue::Array(what_ifs)) = table.get_mut("what_if").map(Spanned::get_mut) {
            for what_if in what_ifs.iter_mut() {
                let DeValue::Table(table) = what_if.get_mut() else { continue };
                of_what_ifs.push(gates::take(table, Bounds::OfOneRun)?);
            }
        }
        let mut says = Self { gate, ..Self::deserialize(toml::Deserializer::from(document))? };
        says.what_if.iter_mut().zip(of_what_ifs).for_each(|(what_if, gate)| what_if.gate = gate);
        Ok(says)
    }
}

impl WhatIf {
    fn changes(&self) -> Changes {
        Changes {
            policy: self.policy.clone(),
            scale: self.scale.iter().map(|(tag, factor)| (tag.clone(), *factor)).collect(),
            drop: self.drop.clone(),
            budget: self.budget.map(|budget| std::time::Duration::from_nanos(budget.ns)),
            gc: self.gc.map(|gc| gc == Switch::On),
            workers: self.workers,
            ..Changes::default()
        }
    }
}

impl Case {
    /// Reads what the TOML at `path` says; its trace lies beside it.
    ///
    /// # Errors
    ///
    /// [`CorpusError`] where it cannot be read or says something else.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        let text =
            fs::read_to_string(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })?;
        let says = Says::read(&text).map_err(|wrong| CorpusError::Toml(wrong.told(path, &text)))?;
        Ok(Self { trace: path.with_extension("looptrace"), says })
    }

    /// What it is.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.says.about
    }

    /// Who made it: a scenario of the generator, or a command.
    #[must_use]
    pub fn made_by(&self) -> &str {
        &self.says.made_by
    }

    /// Whether the search that made it came to its end.
    #[must_use]
    pub const fn is_minimal(&self) -> bool {
        self.says.minimal
    }

    /// Re-executes it, and says everything that does not hold.
    ///
    /// # Errors
    ///
    /// [`CorpusError`] where the trace cannot be read or not be re-executed.
    pub fn broken(&self) -> Result<Vec<String>, CorpusError> {
        let mut trace = TraceReader::open(&self.trace).map_err(SourceError::from)?;
        let recorded = MemorySource::read(&mut trace)?;
        let (says, mut broken) = (&self.says, self.broken_in(&recorded));
        if says.check {
            broken.extend(check(&self.trace)?.divergence.map(parted));
        }
        let again = Recorded::read(&mut recorded.clone())?;
        if says.again {
            let identity = again.what_if(&Changes::default(), None)?;
            fails(&says.gate, &says.shows, &identity.after.summary, "re-executed", &mut broken);
        }
        for what_if in &says.what_if {
            let changes = what_if.changes();
            let answer = again.what_if(&changes, None)?;
            fails(&what_if.gate, &what_if.shows, &answer.after.summary, &changes.to_string(), &mut broken);
        }
        Ok(broken)
    }

    /// What does not hold in a recording: the saved one, or one that the generator made just now.
    #[must_use]
    pub fn broken_in(&self, recorded: &MemorySource) -> Vec<String> {
        let (says, events) = (&self.says, recorded.events());
        let mut timeline = Timeline::of(recorded.metadata());
        timeline.extend(events);
        timeline.counts = recorded.counts();
        let labels = &timeline.labels;
        let ran = says.ran.iter().filter_map(|ran| ran.broken(events, labels));
        let fired = says.fired.iter().filter_map(|fired| fired.broken(events, labels));
        let order = says.in_order.then(|| out_of_order(events, labels)).flatten();
        let mut broken = ran.chain(fired).chain(order).collect();
        fails(&says.gate, &says.shows, &Summary::new(recorded, &timeline), "recorded", &mut broken);
        broken
    }
}

fn parted(divergence: Divergence) -> String {
    let Divergence { tick, recorded, happened, .. } = divergence;
    format!("check: in tick {tick} was recorded {recorded}, and {happened} happened")
}

/// What of `gates` and `shows` does not hold in `summary`.
fn fails(
    gates: &[Gate],
    shows: &[Written<Condition>],
    summary: &Summary,
    when: &str,
    broken: &mut Vec<String>,
) {
    for Written(condition) in shows.iter().filter(|Written(condition)| condition.holds(summary) != Some(true))
    {
        let value = measured(condition.metric.of(summary));
        broken.push(format!("{when}: it does not show {condition}: it is {value}"));
    }
    let run = Run { name: when.to_owned(), summary: summary.clone(), metadata: None };
    for gate in gates {
        match gate.judge(&run) {
            Ok(judged) if judged.outcome == Outcome::Held => {}
            Ok(judged) => {
                broken.push(format!("{when}: {gate}: {}, {}", judged.outcome.name(), judged.numbers))
            }
            Err(error) => broken.push(format!("{when}: {error}")),
        }
    }
}

/// The TOMLs of `folder`, by name.
///
/// # Errors
///
/// [`CorpusError::Read`] where the folder cannot be read.
pub fn cases(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let unreadable = |source| CorpusError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
