//! The verbs of the command line.

mod attach;
mod check;
mod config;
mod demo;
mod diagnostics;
mod diff;
mod drawing;
mod export;
mod exporting;
mod import;
mod lint;
mod man;
mod minimize;
mod progress;
mod ps;
mod replay;
mod report;
mod runs;
mod save;
mod snapshot;
mod summary;
mod what_if;

use std::path::Path;
use std::sync::Arc;

use crate::cli::{Cli, Command};
use crate::config::load;
use crate::io::exit::CommandError;

/// Runs the command of a command line.
///
/// # Errors
///
/// [`CommandError`] with a line for the user, and the exit code.
pub fn run(cli: Cli) -> Result<(), CommandError> {
    let mut global = cli.global;
    large_files_are_errors()?;
    if let Some((option, path)) = trace_output(&cli.command)
        && path == Path::new("-")
    {
        return Err(CommandError::Usage(format!(
            "{option} -: a trace cannot be written to standard output; name a file (./- for one named -)"
        )));
    }
    // A mistake in the config file must not keep these from helping to repair it.
    if !matches!(cli.command, Command::Config(_) | Command::Completions { .. } | Command::Man { .. }) {
        global.file =
            load(global.config.as_deref()).map_err(|error| CommandError::Usage(error.to_string()))?;
    }
    // The demo starts its diagnostics itself: its spans go into its session, which must exist first.
    if !matches!(cli.command, Command::Demo(_)) {
        diagnostics::start(global.log.as_deref(), None)?;
    }
    match cli.command {
        Command::Demo(args) => demo::run(&args, &global),
        Command::Attach(args) => attach::run(&args, &global),
        Command::Ps(args) => ps::run(&args),
        Command::Record(args) => attach::record(&args, &global),
        Command::Replay(args) => replay::run(&args, &global),
        Command::Rerun(args) if args.check => check::run(&args),
        Command::Rerun(args) => what_if::run(&args, &global),
        Command::Report(args) => report::run(&args, &global),
        Command::Snapshot(args) => snapshot::run(&args, &global),
        Command::Diff(args) => diff::run(&args, &global),
        Command::Minimize(args) => minimize::run(&args, &global),
        Command::Export(args) => export::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Import(args) => import::run(&args, &global),
        Command::Config(args) => config::run(&args, &global),
        Command::Completions { shell } => man::completions(shell),
        Command::Man { verb } => man::run(verb.as_deref()),
    }
}

/// The option that names the trace to write, and its value.
fn trace_output(command: &Command) -> Option<(&'static str, &Path)> {
    match command {
        Command::Demo(args) => args.live.record.as_deref().map(|path| ("--record", path)),
        Command::Attach(args) => args.live.record.as_deref().map(|path| ("--record", path)),
        Command::Record(args) => Some(("-o", &args.output)),
        Command::Rerun(args) => args.what_if.output.as_deref().map(|path| ("-o", path)),
        Command::Minimize(args) => Some(("-o", &args.output)),
        Command::Import(args) => Some(("-o", &args.output)),
        Command::Ps(_)
        | Command::Replay(_)
        | Command::Snapshot(_)
        | Command::Report(_)
        | Command::Diff(_)
        | Command::Export(_)
        | Command::Lint(_)
        | Command::Config(_)
        | Command::Completions { .. }
        | Command::Man { .. } => None,
    }
}

/// Turns a write beyond the file size limit (`ulimit -f`) into an error that names the file: unhandled, SIGXFSZ kills
/// the process silently.
fn large_files_are_errors() -> Result<(), CommandError> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
        .map(drop)
        .map_err(|error| CommandError::Input(format!("cannot handle SIGXFSZ: {error}")))
}
