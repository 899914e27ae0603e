//! The command line: the verbs and their arguments, with help and examples. No behaviour.

mod diff;
mod export;
mod lint;
mod minimize;
mod report;
mod rerun;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand, ValueEnum};
use loop_probes::text::{printable, printable_path};

pub use diff::{DiffArgs, VerdictFormat};
pub use export::{ExportArgs, ExportFormat};
pub use lint::{LintArgs, Viewer};
pub use minimize::MinimizeArgs;
pub use report::{ListLimits, ReportArgs, ReportFormat, STALLS_MAX};
pub use rerun::{RerunArgs, WhatIfArgs};

use loop_demo::{Load, POLICIES, Scale};
use values::{PolicyName, duration, speed, stall};

const EXAMPLES: &str = "\
Examples:
  loopscope demo                              a live loop under a real load, in the dashboard
  loopscope demo --stall 40ms                 ... with something to find in it
  loopscope ps                                the loops on this machine
  loopscope attach 4121                       watch the loop of process 4121
  loopscope record 4121 -o a.looptrace        save it without a dashboard
  loopscope replay a.looptrace --at 1.2s      look at it again
  loopscope export a.looptrace --format chrome -o a.json
  loopscope diff old*.looptrace -- new*.looptrace

A trace, or a Chrome trace, may be - for standard input. Pages are as wide as the terminal, up to 120 columns;
where there is none, as COLUMNS says, else 80.

Exit codes: 0 fine, 1 a check failed, 2 wrong usage, 3 the input cannot be read or the output not written.";

/// The inspector for event loops.
#[derive(Debug, Parser)]
#[command(name = "loopscope", version, about, after_help = EXAMPLES, max_term_width = 100)]
#[command(propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses a command line, of which the first word is the program's name.
    ///
    /// # Errors
    ///
    /// [`clap::Error`] with the mistake, or with the help or version that was asked for.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().collect();
        Self::parse_words(words.clone()).map_err(|error| printed(error, &words))
    }

    fn parse_words(words: Vec<OsString>) -> Result<Self, clap::Error> {
        let separators = words.iter().filter(|word| *word == "--").count();
        let cli = Self::try_parse_from(words)?;
        // Clap would add a third side to the candidates.
        if matches!(cli.command, Command::Diff(_)) && separators > 1 {
            let message = "there are two sides to compare, so there is one --\n";
            return Err(clap::Error::raw(ErrorKind::TooManyValues, message));
        }
        Ok(cli)
    }
}

/// Makes `error` printable. Clap repeats words of the command line as they are, so this parses the same words again in
/// printable form.
fn printed(error: clap::Error, words: &[OsString]) -> clap::Error {
    let shown: Vec<OsString> = words.iter().map(|word| printable_path(Path::new(word)).into()).collect();
    if shown == words {
        return error;
    }
    let kind = error.kind();
    let is_same = |shown: &clap::Error| shown.kind() == kind;
    let plain = || clap::Error::raw(kind, printable(&error.to_string()));
    Cli::parse_words(shown).err().filter(is_same).unwrap_or_else(plain)
}

/// Options of every verb.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Write loopscope's own log to FILE (level: LOOPSCOPE_LOG, default info)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub log: Option<PathBuf>,
    /// When to use colour; without it NO_COLOR, CLICOLOR_FORCE and the terminal decide
    #[arg(long, global = true, value_name = "WHEN", help_heading = "Global options")]
    pub color: Option<ColorChoice>,
    /// ASCII only, for terminals without box glyphs
    #[arg(long, global = true, help_heading = "Global options")]
    pub ascii: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an instrumented loop under load and watch it
    Demo(DemoArgs),
    /// Watch a running loop
    Attach(AttachArgs),
    /// List the loops on this machine
    Ps(PsArgs),
    /// Record a loop without a dashboard
    Record(RecordArgs),
    /// Open a saved trace or a ring in the dashboard
    Replay(ReplayArgs),
    /// Re-execute a trace on the real loop under a virtual clock
    Rerun(RerunArgs),
    /// Summarize a trace or a ring on one page
    Report(ReportArgs),
    /// Compare runs: better, worse, the same or undecided
    Diff(DiffArgs),
    /// Find the smallest part of a trace that still meets a condition
    Minimize(MinimizeArgs),
    /// Export a trace or a ring for other programs
    Export(ExportArgs),
    /// Check how viewers will read a Chrome trace
    Lint(LintArgs),
    /// Import a Chrome trace from another program
    Import(ImportArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man {
        /// The verb whose page it is; without it, the page that lists them all
        verb: Option<String>,
    },
}

/// Options of the verbs that observe a live loop.
#[derive(Clone, Debug, Args)]
pub struct Live {
    /// Print a summary at the end instead of drawing (also if stdout is not a terminal)
    #[arg(long)]
    pub no_tui: bool,
    /// Print the summary as JSON at the end instead of drawing
    #[arg(long)]
    pub json: bool,
    /// Stop after this long, for example 10s or 1m30s; a demo that is not drawn stops after 5s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Also save everything to FILE; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Maximum frames per second
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=120))]
    pub fps: u16,
}

/// `loopscope demo`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope demo --seed 7 --duration 10s --record a.looptrace
  loopscope demo --stall 40ms                one handler blocks 40 ms once per second
  loopscope demo --scale ReadFile=1.2        every ReadFile task takes 20% longer
  loopscope demo --policy agenda             ... with part of its work on an agenda
  loopscope demo --load max --no-tui --duration 5s")]
pub struct DemoArgs {
    /// Options of the verbs that watch a live loop.
    #[command(flatten)]
    pub live: Live,
    /// Seed of the arrivals
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub seed: u64,
    /// Loop design: Bun's, QuickJS's, or with an agenda and workers
    #[arg(long, value_name = "NAME", default_value = POLICIES[0], value_parser = PolicyName)]
    pub policy: String,
    /// Requests per second, or `max` to saturate the loop
    #[arg(long, value_name = "RATE|max", default_value = "600", value_parser = Load::parse)]
    #[arg(allow_negative_numbers = true)]
    pub load: Load,
    /// Block one handler for this long (at most 10s) once per second
    #[arg(long, value_name = "TIME", value_parser = stall)]
    pub stall: Option<Duration>,
    /// Make every task of a tag this much slower (repeatable); what the loop itself adds to a run stays
    #[arg(long, value_name = "TAG=FACTOR", value_parser = Scale::parse)]
    pub scale: Vec<Scale>,
    /// A tick busier than this is a stall
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration)]
    pub stall_limit: Duration,
    /// Record nothing: the loop without instrumentation
    #[arg(long, conflicts_with = "record")]
    pub no_ring: bool,
}

/// `loopscope attach`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope attach                           the only loop there is
  loopscope attach 4121 --record a.looptrace
  loopscope attach 4121 --json --duration 5s | jq .timers")]
pub struct AttachArgs {
    /// A process id, or the path of a ring; without it, the only loop there is
    #[arg(value_name = "PID|RING")]
    pub target: Option<OsString>,
    /// Options of the verbs that watch a live loop.
    #[command(flatten)]
    pub live: Live,
}

/// `loopscope ps`
#[derive(Clone, Debug, Args)]
pub struct PsArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `loopscope record`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope record -o a.looptrace            the only loop there is
  loopscope record 4121 -o a.looptrace       until Ctrl-C, or until the process ends
  loopscope record 4121 -o a.looptrace --duration 30s")]
pub struct RecordArgs {
    /// A process id, or the path of a ring; without it, the only loop there is
    #[arg(value_name = "PID|RING")]
    pub target: Option<OsString>,
    /// The trace to write; an existing file is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Stop after this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print the summary as JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// `loopscope replay`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope replay a.looptrace --speed 0.1x --at 2.5s
  loopscope replay a.looptrace --no-tui      the same numbers as report")]
pub struct ReplayArgs {
    /// A trace, the path of a ring, or the process id of one
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// Speed, for example 2x or 0.1x
    #[arg(long, value_name = "FACTOR", default_value = "1x", value_parser = speed)]
    #[arg(allow_negative_numbers = true)]
    pub speed: f64,
    /// Start position, from the start of the trace
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub at: Option<Duration>,
    /// Do not draw; print the summary
    #[arg(long)]
    pub no_tui: bool,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Maximum frames per second
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=120))]
    pub fps: u16,
}

/// `loopscope import`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope import trace.json.gz -o a.looptrace
  loopscope import trace.json -o a.looptrace --thread CrRendererMain
  loopscope import trace.json -o a.looptrace --json | jq .dropped")]
pub struct ImportArgs {
    /// Chrome-trace JSON, plain or gzip, by Chromium, Node.js, viztracer or others; - for standard input
    #[arg(value_name = "TRACE.json")]
    pub input: PathBuf,
    /// The trace to write; an existing file is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// A thread to import as a loop, by name, number, or PID/TID (repeatable); default: detected
    #[arg(long, value_name = "NAME|TID")]
    pub thread: Vec<String>,
    /// Print what was read, repaired and dropped as JSON
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
