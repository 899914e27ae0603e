//! `loopscope report`: summarizes a trace or a ring on one page, and checks gates.

use std::path::Path;

use loop_probes::text::printable_path;
use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::Judgement;
use loop_traces::summary::Summary;
use loop_traces::timeline::TimelineConfig;
use serde::Serialize;

use super::runs::{self, fold};
use super::{diff, drawing, summary};
use crate::cli::{Global, ListLimits, ReportArgs, ReportFormat, STALLS_MAX, VerdictFormat};
use crate::io::exit::{CommandError, warn};
use crate::io::gates::{self, Bounds};
use crate::io::input::Input;
use crate::io::stdout::{self, one_format};
use crate::verdict::Page;

pub(super) fn run(args: &ReportArgs, global: &Global) -> Result<(), CommandError> {
    one_format(args.json, &args.format)?;
    let json = args.format == ReportFormat::Json;
    match &args.gate {
        Some(gates) => gated(args, gates, json, global),
        None if matches!(args.format, ReportFormat::Junit | ReportFormat::Markdown) => {
            Err(CommandError::Usage(
                "--format junit and markdown print gates: name their file with --gate".to_owned(),
            ))
        }
        None => print(Input::open(&args.input)?, json, &args.kept, global),
    }
}

/// Reads `input` to its end and prints its summary, with lists limited by `kept`.
pub(super) fn print(
    mut input: Input,
    json: bool,
    kept: &ListLimits,
    global: &Global,
) -> Result<(), CommandError> {
    let source = input.source();
    let config = saver(kept, TimelineConfig::of(source.metadata()));
    let timeline = fold(source, config)?;
    for warning in input.warnings() {
        warn(&warning);
    }
    let mut summary = Summary::new(input.source(), &timeline);
    if json {
        summary.shorten_stalls(kept.stalls.into());
    }
    summary::show(&summary, None, json, global)
}

/// Text lists the worst stalls, and the diagnosis looks at all of them, however many JSON lists.
fn saver(kept: &ListLimits, config: TimelineConfig) -> TimelineConfig {
    TimelineConfig { late_kept: kept.late_timers.into(), stalls_kept: STALLS_MAX.into(), ..config }
}

fn gated(args: &ReportArgs, file: &Path, json: bool, global: &Global) -> Result<(), CommandError> {
    let gates = gates::read(file, Bounds::OfOneRun)?;
    let mut read = runs::read_with_limits(&args.input, |config| saver(&args.kept, config))?;
    if json {
        read.run.summary.shorten_stalls(args.kept.stalls.into());
    }
    read.warnings.iter().for_each(|warning| warn(warning));
    let judged: Result<Vec<Judgement>, _> = gates.iter().map(|gate| gate.judge(&read.run)).collect();
    let judged = judged.map_err(|error| CommandError::Usage(format!("{}: {error}", printable_path(file))))?;
    let page = Page::of_gates(judged, args.strict);
    match args.format {
        ReportFormat::Json => {
            stdout::print_json(&WithGates { summary: &read.run.summary, gates: &page.gates })?;
        }
        ReportFormat::Junit => stdout::print(&diff::render(&page, VerdictFormat::Junit, global)?)?,
        ReportFormat::Markdown => stdout::print(&diff::render(&page, VerdictFormat::Markdown, global)?)?,
        ReportFormat::Text => stdout::print(&text(&read.run, &page, global)?)?,
    }
    diff::conclude(&page)
}

/// A summary, and the gates after it.
#[derive(Serialize)]
struct WithGates<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    gates: &'a [Judgement],
}

fn text(run: &Run, page: &Page, global: &Global) -> Result<String, CommandError> {
    let gates = diff::render(page, VerdictFormat::Text, global)?;
    let page = summary::page(&run.summary, drawing::theme(global));
    Ok(format!("{page}\n{gates}"))
}
