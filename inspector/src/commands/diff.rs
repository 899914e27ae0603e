//! `loopscope diff`: judges whether runs got better or worse.

use loop_traces::analysis::diff::{Comparison, Options, Run, comparable, compare};
use loop_traces::analysis::gate::Judgement;
use serde_json::Value;
use std::ffi::OsString;

use super::drawing;
use super::runs;
use crate::cli::{DiffArgs, Global, VerdictFormat};
use crate::io::exit::{CommandError, warn};
use crate::io::gates::{self, Bounds};
use crate::io::stdout::{self, one_format};
use crate::verdict::{Page, junit, markdown, text};

pub(super) fn run(args: &DiffArgs, global: &Global) -> Result<(), CommandError> {
    one_format(args.json, &args.format)?;
    let options = options(args)?;
    // Reports mistakes in the gate file before reading long traces.
    let gates = args
        .gate
        .as_deref()
        .map(|file| gates::read(file, Bounds::OfTwoSides))
        .transpose()?
        .unwrap_or_default();
    let (base, candidate) = (side(&args.base)?, side(&args.candidate)?);
    for refused in comparable::check(&base, &candidate) {
        if !args.anyway {
            return Err(CommandError::Input(format!("{refused}, or compare --anyway")));
        }
        warn(&refused.why);
    }
    let comparison = compare(&base, &candidate, &options);
    let judged: Vec<Judgement> = gates.iter().map(|gate| gate.judge_against(&base, &candidate)).collect();
    let page = Page::of(&comparison, judged, args.strict);
    if args.format == VerdictFormat::Json {
        stdout::print_json(&to_json(&comparison, &page)?)?;
    } else {
        stdout::print(&render(&page, args.format, global)?)?;
    }
    conclude(&page)
}

/// Warns of undecided gates.
///
/// # Errors
///
/// [`CommandError::Check`] if a gate failed.
pub(super) fn conclude(page: &Page) -> Result<(), CommandError> {
    // Standard output may go to a file that is read only after a failure.
    if let Some(line) = page.warning() {
        warn(&line);
    }
    page.failure().map_or(Ok(()), |line| Err(CommandError::Check(line)))
}

/// Renders the page in any format other than JSON, which differs between commands.
pub(super) fn render(page: &Page, format: VerdictFormat, global: &Global) -> Result<String, CommandError> {
    match format {
        VerdictFormat::Markdown => Ok(markdown::render(page)),
        VerdictFormat::Junit => junit::render(page).map_err(CommandError::input),
        VerdictFormat::Text | VerdictFormat::Json => {
            Ok(text::render(page, drawing::theme(global), stdout::width()))
        }
    }
}

fn to_json(comparison: &Comparison, page: &Page) -> Result<Value, CommandError> {
    let mut value = serde_json::to_value(comparison).map_err(CommandError::input)?;
    let gates = serde_json::to_value(&page.gates).map_err(CommandError::input)?;
    if let (false, Some(object)) = (page.gates.is_empty(), value.as_object_mut()) {
        object.insert("gates".to_owned(), gates);
    }
    Ok(value)
}

fn options(args: &DiffArgs) -> Result<Options, CommandError> {
    let options = Options { margin: args.margin, same_within: args.same_within, ..Options::default() };
    if args.primary.is_empty() {
        return Ok(options);
    }
    let chosen = options.with_primaries(args.primary.clone());
    chosen.map_err(|error| CommandError::Usage(format!("--primary: {error}")))
}

fn side(words: &[OsString]) -> Result<Vec<Run>, CommandError> {
    let read = words.iter().map(|word| {
        let read = runs::read(word)?;
        read.warnings.iter().for_each(|warning| warn(warning));
        Ok(read.run)
    });
    read.collect()
}
