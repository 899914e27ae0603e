//! The verbs of the command line, one file each.

mod attach;
mod demo;
mod diff;
mod drawing;
mod export;
mod follow;
mod import;
mod lint;
mod man;
mod minimize;
mod progress;
mod ps;
mod record;
mod replay;
mod report;
mod rerun;
mod summary;
mod what_if;

use std::sync::Arc;

use clap::CommandFactory as _;
use loop_probes::text::printable;

use crate::cli::{Cli, Command};
use crate::diagnostics;
use crate::exit::Failure;
use crate::stdout;

/// Runs the command that the command line asks for.
///
/// # Errors
///
/// [`Failure`], with the exit code and an explanatory line.
pub fn run(cli: Cli) -> Result<(), Failure> {
    let global = cli.global;
    large_files_are_errors()?;
    // The demo's own spans go into its session, which must exist first.
    if !matches!(cli.command, Command::Demo(_)) {
        diagnostics::start(global.log.as_deref(), None)?;
    }
    match cli.command {
        Command::Demo(args) => demo::run(&args, &global),
        Command::Attach(args) => attach::run(&args, &global),
        Command::Ps(args) => ps::run(&args),
        Command::Record(args) => record::run(&args, &global),
        Command::Replay(args) => replay::run(&args, &global),
        Command::Rerun(args) => rerun::run(&args, &global),
        Command::Report(args) => report::run(&args, &global),
        Command::Diff(args) => diff::run(&args, &global),
        Command::Minimize(args) => minimize::run(&args, &global),
        Command::Export(args) => export::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Import(args) => import::run(&args, &global),
        Command::Completions { shell } => completions(shell),
        Command::Man { verb } => man::run(verb.as_deref()),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "loopscope", &mut script);
    stdout::print(&String::from_utf8_lossy(&script))
}

/// Turns a write beyond the file size limit (`ulimit -f`) into an error that names the file: unhandled, SIGXFSZ kills
/// the process silently.
fn large_files_are_errors() -> Result<(), Failure> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default())
        .map(drop)
        .map_err(|error| Failure::Input(format!("cannot handle SIGXFSZ: {error}")))
}

/// Prints a warning to standard error.
fn warn(line: &str) {
    use std::io::Write as _;
    // If standard error is closed, there is nowhere to report it.
    let _ = writeln!(std::io::stderr(), "loopscope: {}", printable(line));
}
