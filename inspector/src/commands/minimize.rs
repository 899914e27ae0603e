//! `loopscope minimize`: finds the smallest part of a trace that still meets a condition.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loop_probes::text::{printable, printable_path};
use loop_traces::analysis::condition::Condition;
use loop_traces::analysis::metric::bounded;
use loop_traces::units;
use loop_traces::writer::{NewFile, TraceOutput as _, WriteError, untouched};
use serde_json::json;

use super::drawing;
use super::progress::spinner;
use crate::cli::{Global, MinimizeArgs};
use crate::io::exit::{CommandError, warn};
use crate::io::input::{Input, shown};
use crate::io::interrupt::Interrupt;
use crate::io::stdout;
use crate::io::temp_file::TempFileError;
use crate::text::{self, row};
use loop_rerun::RerunError;
use loop_rerun::minimize::{Ended, Limits, MinimizeError, Minimized, Progress, Size, minimize};

/// Maximum width of the progress message, in cells.
const PROGRESS_CELLS: usize = 64;

/// Maximum number of tags or arrivals named on a line.
const SHOWN: usize = 6;

pub(super) fn run(args: &MinimizeArgs, global: &Global) -> Result<(), CommandError> {
    let input = Input::open(&args.input)?;
    input.spare(&args.output)?;
    if args.output.exists() && !args.output.is_file() {
        let output = shown(&args.output);
        return Err(CommandError::Input(format!("cannot write {output}: it is not a regular file")));
    }
    // Fails before the search if its result cannot be saved.
    let mut output = NewFile::create(&args.output).map_err(CommandError::input)?;
    let toml = args.toml.then(|| toml_path(args, &input)).transpose()?;
    let interrupt = Interrupt::new(None)?;
    let bar = spinner("{spinner} {elapsed} {msg}");
    bar.set_message("reading");
    let (asked, progress_bar) = (interrupt.clone(), bar.clone());
    let stop = move || {
        let is_asked = asked.is_asked();
        if is_asked {
            progress_bar.set_message("stopping");
        }
        is_asked
    };
    let result = minimize(
        &|| input.reopen(),
        &args.keep,
        Limits {
            tries: args.tries,
            budget: args.budget,
            stop: Arc::new(stop),
            watch: &mut |progress| bar.set_message(text::cut(&describe(progress), PROGRESS_CELLS)),
        },
        &mut output,
    );
    bar.finish_and_clear();
    let minimized = result.map_err(|error| failure(&args.output, error))?;
    output.finish().map_err(|error| unwritten(&args.output, &error))?;
    if let Some(toml) = &toml {
        write_toml(args, &minimized, toml)?;
    }
    for warning in input.warnings() {
        warn(&warning);
    }
    if args.json {
        return stdout::print_json(&to_json(args, &minimized));
    }
    stdout::print(&text::finish(page(args, &minimized, stdout::width()), drawing::theme(global)))
}

fn unwritten(output: &Path, error: &io::Error) -> CommandError {
    CommandError::Input(format!("cannot write {}: {}{}", shown(output), plain(error), untouched(output)))
}

/// The system error without the name of a temporary file, which means nothing to the user. Keeps errors of libraries,
/// which have no code.
fn plain(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

fn failure(output: &Path, error: MinimizeError) -> CommandError {
    match error {
        MinimizeError::NotThere { .. }
        | MinimizeError::OnlyInOpenTick { .. }
        | MinimizeError::NotAgain { .. }
        | MinimizeError::NotInLoop { .. }
        | MinimizeError::Stopped { .. }
        | MinimizeError::OutOfTime { .. } => CommandError::Check(error.to_string()),
        MinimizeError::Output(error) => unwritten(output, &error),
        MinimizeError::Temporary(error)
        | MinimizeError::Rerun(RerunError::Write(
            WriteError::Write { source: error, .. } | WriteError::Create { source: error, .. },
        )) => {
            CommandError::input(TempFileError::File { folder: std::env::temp_dir(), source: plain(&error) })
        }
        error => CommandError::input(error),
    }
}

fn describe(progress: &Progress) -> String {
    let Progress { reduction, tries, span_ns, arrivals, .. } = progress;
    format!(
        "{}: {} so far, {} left in {}",
        reduction.name(),
        units::counted(u64::from(*tries), "re-execution", "re-executions"),
        units::counted(*arrivals as u64, "arrival", "arrivals"),
        units::duration(*span_ns)
    )
}

fn page(args: &MinimizeArgs, minimized: &Minimized, width: usize) -> String {
    let Minimized { before, after, tries, ended, .. } = minimized;
    let Condition { metric, .. } = &args.keep;
    let bytes = fs::metadata(&args.output).map_or(0, |file| file.len());
    let size = |size: &Size| format!("{}, {metric}\u{a0}{}", extent(size), bounded(size.value));
    let tries = units::counted(u64::from(*tries), "re-execution", "re-executions");
    let tried = match ended {
        Ended::Minimal => format!("{tries}; locally minimal"),
        Ended::Stopped => format!("stopped by you after {tries}; the smallest found: {}", extent(after)),
        Ended::Budget => format!(
            "{tries}; not minimal: --budget {} ended before everything was tried",
            units::duration(u64::try_from(args.budget.as_nanos()).unwrap_or(u64::MAX))
        ),
        _ => format!("{tries}; not minimal: --tries {} ended before everything was tried", args.tries),
    };
    let saved = format!("{} to {}", units::bytes(bytes), printable_path(&args.output));
    let rows = [
        ("before", size(before)),
        ("after", size(after)),
        ("kept", args.keep.to_string()),
        ("ran", ran(after)),
        ("arrived", describe_arrivals(minimized)),
        ("tried", tried),
        ("saved", saved),
    ];
    let rows = rows.map(|(head, text)| row(&format!("{head:<8}"), &text, width));
    rows.join("\n") + "\n"
}

fn extent(size: &Size) -> String {
    format!(
        "{}, {}, {} of {}",
        units::duration(size.span_ns),
        units::counted(size.arrivals as u64, "arrival", "arrivals"),
        units::counted(size.tasks, "task", "tasks"),
        units::counted(size.tags.len() as u64, "tag", "tags"),
    )
}

fn ran(size: &Size) -> String {
    let tags =
        size.tags.iter().map(|(tag, count)| format!("{}\u{a0}×{}", printable(tag), units::count(*count)));
    listed(tags, size.tags.len().saturating_sub(SHOWN), "no task")
}

/// Describes the arrivals, merging equal ones.
fn describe_arrivals(minimized: &Minimized) -> String {
    let describe = |(at, what): &(u64, String)| format!("{} at {}", printable(what), units::duration(*at));
    let all: Vec<String> = minimized.arrivals.iter().map(describe).collect();
    let alike: Vec<&[String]> = all.chunk_by(|a, b| a == b).collect();
    let more = alike.iter().skip(SHOWN).map(|alike| alike.len()).sum();
    let lines = alike.into_iter().map(|alike| match alike.len() {
        1 => alike[0].clone(),
        many => format!("{}\u{a0}×{}", alike[0], units::count(many as u64)),
    });
    listed(lines, more, "nothing")
}

/// Lists the first few, and the number of others.
fn listed(all: impl Iterator<Item = String>, more: usize, none: &str) -> String {
    let shown: Vec<String> = all.take(SHOWN).collect();
    match more {
        _ if shown.is_empty() => none.to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), units::count(more as u64)),
    }
}

fn to_json(args: &MinimizeArgs, minimized: &Minimized) -> serde_json::Value {
    let size = |size: &Size| {
        json!({
            "span_ns": size.span_ns,
            "arrivals": size.arrivals,
            "tasks": size.tasks,
            "tags": size.tags.iter().map(|(tag, count)| json!({"tag": tag, "count": count})).collect::<Vec<_>>(),
            "value": size.value.map(|bounded| bounded.value.number),
            "bounds": size.value.map(|bounded| bounded.bounds).filter(|bounds| bounds.is_open()).map(|it| (it.low, it.high)),
        })
    };
    json!({
        "keep": args.keep.to_string(),
        "before": size(&minimized.before),
        "after": size(&minimized.after),
        "arrivals": minimized.arrivals.iter().map(|(at, what)| json!({"at_ns": at, "what": what})).collect::<Vec<_>>(),
        "tries": minimized.tries,
        "minimal": minimized.ended == Ended::Minimal,
        "ended": minimized.ended,
        "search_ns": minimized.search_ns,
        "output": stdout::json_path(&args.output),
    })
}

/// The path of the TOML file.
///
/// # Errors
///
/// [`CommandError::Usage`] if it is the path of a trace, or of an existing file, which may contain edited gates.
fn toml_path(args: &MinimizeArgs, input: &Input) -> Result<PathBuf, CommandError> {
    let path = args.output.with_extension("toml");
    let shown = printable_path(&path);
    if path == args.output || input.spare(&path).is_err() {
        return Err(CommandError::Usage(format!(
            "--toml would overwrite the trace {shown}: give -o a name that ends in .looptrace"
        )));
    }
    if path.exists() {
        let way_out = "move it, or omit --toml";
        return Err(CommandError::Usage(format!(
            "{shown} already exists and may have been edited: {way_out}"
        )));
    }
    Ok(path)
}

/// Writes the TOML file of a corpus entry.
fn write_toml(args: &MinimizeArgs, minimized: &Minimized, path: &Path) -> Result<(), CommandError> {
    let name = |path: &Path| printable_path(Path::new(path.file_name().unwrap_or_default()));
    let (small, large) = (name(&args.output), name(Path::new(&args.input)));
    let mut toml = toml::Table::new();
    let is_minimal = minimized.ended == Ended::Minimal;
    let part = if is_minimal { "" } else { ", which is not minimal" };
    toml.insert("about".to_owned(), format!("{} in {}{part}", args.keep, extent(&minimized.after)).into());
    toml.insert("minimal".to_owned(), is_minimal.into());
    let made_by = format!("loopscope minimize {large} --keep '{}' -o {small}", args.keep);
    toml.insert("made_by".to_owned(), made_by.into());
    toml.insert("shows".to_owned(), toml::Value::Array(vec![args.keep.to_string().into()]));
    let text =
        format!("{toml}\n# Once fixed, this must hold:\n# [[gate]]\n# metric = \"{}\"\n", args.keep.metric);
    let mut file = NewFile::create(path).map_err(CommandError::input)?;
    io::Write::write_all(&mut file, text.as_bytes())
        .and_then(|()| file.finish())
        .map_err(|error| unwritten(path, &error))
}
