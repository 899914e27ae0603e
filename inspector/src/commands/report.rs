//! `loopscope report`: what happened in a trace or a ring, in one page, and whether it keeps its gates.

use std::path::Path;

use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::Judgement;
use loop_traces::summary::Summary;
use loop_traces::timeline::TimelineConfig;
use serde_json::Value;

use super::{diff, summary, warn};
use crate::cli::{Global, ReportArgs, ReportFormat, VerdictFormat};
use crate::exit::Failure;
use crate::gates::{self, Bounds};
use crate::input::Input;
use crate::runs::{self, fold};
use crate::stdout;
use crate::verdict::Page;

pub(super) fn run(args: &ReportArgs, global: &Global) -> Result<(), Failure> {
    let json = args.json || args.format == ReportFormat::Json;
    match &args.gate {
        Some(gates) => gated(args, gates, json, global),
        None if matches!(args.format, ReportFormat::Junit | ReportFormat::Markdown) && !json => Err(
            Failure::Usage("--format junit and markdown print gates: name their file with --gate".to_owned()),
        ),
        None => print(&args.input, json, usize::from(args.late_timers)),
    }
}

/// Reads `input` to its end and prints its summary, with so many of what was late or slow.
pub(super) fn print(input: &str, json: bool, late_kept: usize) -> Result<(), Failure> {
    let mut input = Input::open(input)?;
    let source = input.source();
    let config = TimelineConfig { late_kept, ..TimelineConfig::of(source.metadata()) };
    let timeline = fold(source, config)?;
    for warning in input.warnings() {
        warn(&warning);
    }
    summary::print(&timeline, input.source(), json)
}

fn gated(args: &ReportArgs, file: &Path, json: bool, global: &Global) -> Result<(), Failure> {
    let gates = gates::read(file, Bounds::OfOneRun)?;
    let read = runs::read(&args.input)?;
    read.warnings.iter().for_each(|warning| warn(warning));
    let judged: Result<Vec<Judgement>, _> = gates.iter().map(|gate| gate.judge(&read.run)).collect();
    let judged = judged.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    let page = Page::of_gates(judged, args.strict);
    match args.format {
        _ if json => stdout::print_json(&with_gates(&read.run.summary, &page)?)?,
        ReportFormat::Junit => stdout::print(&diff::render(&page, VerdictFormat::Junit, global)?)?,
        ReportFormat::Markdown => stdout::print(&diff::render(&page, VerdictFormat::Markdown, global)?)?,
        ReportFormat::Text | ReportFormat::Json => stdout::print(&text(&read.run, &page, global)?)?,
    }
    diff::conclude(&page)
}

fn text(run: &Run, page: &Page, global: &Global) -> Result<String, Failure> {
    let gates = diff::render(page, VerdictFormat::Text, global)?;
    Ok(format!("{}\n{gates}", summary::page(&run.summary)))
}

fn with_gates(summary: &Summary, page: &Page) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(summary).map_err(Failure::input)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("gates".to_owned(), serde_json::to_value(&page.gates).map_err(Failure::input)?);
    }
    Ok(value)
}
