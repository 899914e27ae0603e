//! One saved regression: read, re-executed, and compared with what its TOML file says.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use loop_probes::text::printable_path;
use loop_rerun::{Changes, Divergence, Recorded, check};
use loop_traces::analysis::condition::Condition;
use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::{Gate, Outcome};
use loop_traces::analysis::metric::bounded;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, MemorySource};
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use loopscope::io::gates::{self, Bounds};
use loopscope::io::toml_text::{self, Wrong};
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::spanned_text::SpannedText;
use super::statement::{Fired, RunStarts, Span, out_of_order};

/// Why a case cannot be read or re-executed.
pub(crate) type CaseError = Box<dyn Error>;

/// A saved regression.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Path of the trace.
    pub(crate) trace: PathBuf,
    file: CaseFile,
}

/// The content of a TOML file of the corpus.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    about: String,
    made_by: String,
    /// Whether nothing more can be removed on its own: a note of `minimize` that no test needs.
    #[serde(default = "yes", rename = "minimal")]
    _minimal: bool,
    #[serde(default = "yes")]
    check: bool,
    #[serde(default = "yes")]
    again: bool,
    #[serde(default)]
    in_order: bool,
    #[serde(default)]
    shows: Vec<SpannedText<Condition>>,
    #[serde(skip)]
    gate: Vec<Gate>,
    #[serde(default)]
    ran: Vec<RunStarts>,
    #[serde(default)]
    fired: Vec<Fired>,
    #[serde(default)]
    what_if: Vec<WhatIf>,
}

/// What must hold after changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WhatIf {
    /// The name of another policy.
    pub(crate) policy: Option<String>,
    /// Factors for the run time of callbacks, by tag.
    pub(crate) scale: BTreeMap<String, f64>,
    /// Tags whose callbacks never happen.
    pub(crate) drop: Vec<String>,
    /// The time limit of a tick's task passes.
    pub(crate) budget: Option<Span>,
    /// Turns the GC controller on or off.
    pub(crate) gc: Option<Switch>,
    /// The number of pool workers.
    pub(crate) workers: Option<u16>,
    shows: Vec<SpannedText<Condition>>,
    #[serde(skip)]
    gate: Vec<Gate>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

const fn yes() -> bool {
    true
}

impl CaseFile {
    /// Gates are parsed as in every other file, the rest by type.
    fn read(text: &str) -> Result<Self, Wrong> {
        let mut document = toml_text::document(text)?;
        let table = document.get_mut();
        let gate = gates::take(table, Bounds::OfOneRun)?;
        let mut of_what_ifs = Vec::new();
        if let Some(DeValue::Array(what_ifs)) = table.get_mut("what_if").map(Spanned::get_mut) {
            for what_if in what_ifs.iter_mut() {
                let DeValue::Table(table) = what_if.get_mut() else { continue };
                of_what_ifs.push(gates::take(table, Bounds::OfOneRun)?);
            }
        }
        let mut file = Self { gate, ..Self::deserialize(toml::Deserializer::from(document))? };
        file.what_if.iter_mut().zip(of_what_ifs).for_each(|(what_if, gate)| what_if.gate = gate);
        Ok(file)
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
    /// Reads the TOML file at `path`; the trace is beside it.
    pub(crate) fn read(path: &Path) -> Result<Self, CaseError> {
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        let file = CaseFile::read(&text).map_err(|wrong| wrong.describe(path, &text))?;
        Ok(Self { trace: path.with_extension("looptrace"), file })
    }

    /// A sentence that describes the case.
    pub(crate) fn about(&self) -> &str {
        &self.file.about
    }

    /// What made it: a scenario of the generator, or a command.
    pub(crate) fn made_by(&self) -> &str {
        &self.file.made_by
    }

    /// Re-executes it, and returns everything that does not hold.
    pub(crate) fn broken(&self) -> Result<Vec<String>, CaseError> {
        let mut trace = TraceReader::open(&self.trace)?;
        let recorded = MemorySource::read(&mut trace)?;
        let (file, mut broken) = (&self.file, self.broken_in(&recorded));
        if file.check {
            broken.extend(check(&self.trace)?.divergence.map(describe));
        }
        let again = Recorded::read(&mut recorded.clone())?;
        if file.again {
            let identity = again.what_if(&Changes::default(), None)?;
            fails(&file.gate, &file.shows, &identity.after.summary, "re-executed", &mut broken);
        }
        for what_if in &file.what_if {
            let changes = what_if.changes();
            let answer = again.what_if(&changes, None)?;
            fails(&what_if.gate, &what_if.shows, &answer.after.summary, &changes.to_string(), &mut broken);
        }
        Ok(broken)
    }

    /// What does not hold in a recording: the saved one, or a fresh one by the generator.
    pub(crate) fn broken_in(&self, recorded: &MemorySource) -> Vec<String> {
        let (file, events) = (&self.file, recorded.events());
        let mut timeline = Timeline::of(recorded.metadata());
        timeline.extend(events);
        timeline.counts = recorded.counts();
        let labels = &timeline.labels;
        let ran = file.ran.iter().filter_map(|ran| ran.broken(events, labels));
        let fired = file.fired.iter().filter_map(|fired| fired.broken(events, labels));
        let order = file.in_order.then(|| out_of_order(events, labels)).flatten();
        let mut broken = ran.chain(fired).chain(order).collect();
        fails(&file.gate, &file.shows, &Summary::new(recorded, &timeline), "recorded", &mut broken);
        broken
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", printable_path(path))
}

fn describe(divergence: Divergence) -> String {
    let Divergence { tick, recorded, happened, .. } = divergence;
    format!("check: in tick {tick} was recorded {recorded:?}, and {happened:?} happened")
}

/// The `gates` and `shows` that do not hold in `summary`.
fn fails(
    gates: &[Gate],
    shows: &[SpannedText<Condition>],
    summary: &Summary,
    when: &str,
    broken: &mut Vec<String>,
) {
    for SpannedText(condition) in
        shows.iter().filter(|SpannedText(condition)| condition.holds(summary) != Some(true))
    {
        let value = bounded(condition.metric.bounded(summary));
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

/// The TOML files in `folder`, sorted by name.
pub(crate) fn cases(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let unreadable = |error| unreadable(folder, &error);
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
