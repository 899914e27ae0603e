//! The command line: the verbs and their arguments, with help and examples. No behaviour.

mod diff;
mod export;
mod lint;
mod minimize;
mod mistake;
mod report;
mod rerun;
mod settings;
mod snapshot;
mod values;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use loop_probes::text::{printable, printable_path};

pub use diff::{DiffArgs, VerdictFormat};
pub use export::{ExportArgs, ExportFormat};
pub use lint::{LintArgs, Viewer};
pub use minimize::MinimizeArgs;
pub use mistake::one_line;
pub use report::{ListLimits, ReportArgs, ReportFormat, STALLS_MAX};
pub use rerun::{RerunArgs, WhatIfArgs};
pub use settings::{Global, ViewArgs};
pub use snapshot::{Press, SnapshotArgs, SnapshotFormat};

use loop_demo::{Load, POLICIES, Scale};
use settings::fps;
use values::{PolicyName, duration, speed, stall};

const EXAMPLES: &str = "\
Examples:
  loopscope demo                          watch a live loop under load
  loopscope demo --stall 40ms             ... with stalls to find
  loopscope ps                            list the loops on this machine
  loopscope attach 4121                   watch the loop of process 4121
  loopscope record 4121 -o a.looptrace    record it without a dashboard
  loopscope replay a.looptrace --at 1.2s  watch the recording
  loopscope export a.looptrace --format chrome -o a.json
  loopscope diff old*.looptrace -- new*.looptrace

An input that is a trace or a Chrome trace can be - for standard input. Output is as wide as the terminal, from 60 to \
120 columns; without a terminal, as wide as COLUMNS, or 80.

Exit codes: 0 success, 1 a check or a gate failed, 2 wrong usage, 3 the input could not be read or the output not \
written.";

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
            let message = "more than one --: write the runs as BASE... -- CANDIDATE...\n";
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
    let plain = || clap::Error::raw(kind, printable(&one_line(&error)));
    Cli::parse_words(shown).err().filter(is_same).unwrap_or_else(plain)
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
    /// Print or save what the dashboard shows
    Snapshot(SnapshotArgs),
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
    /// Check how viewers read a Chrome trace
    Lint(LintArgs),
    /// Import a Chrome trace from another program
    Import(ImportArgs),
    /// Print or create the config file
    Config(ConfigArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell that will run the script
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man {
        /// The command to describe; default: loopscope itself
        #[arg(value_name = "COMMAND")]
        verb: Option<String>,
    },
}

/// Options of the verbs that observe a live loop.
#[derive(Clone, Debug, Args)]
pub struct Live {
    /// Print a summary at the end instead of drawing; implied if stdout is not a terminal
    #[arg(long)]
    pub no_tui: bool,
    /// Print the summary as JSON at the end instead of drawing
    #[arg(long)]
    pub json: bool,
    /// Stop after this long, for example 10s or 1m30s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Also record to FILE; an existing file is replaced
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Maximum frames per second, from 1 to 120; default: 30
    #[arg(long, value_name = "N", value_parser = fps())]
    pub fps: Option<u16>,
    /// What the dashboard shows at first.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// `loopscope demo`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope demo --seed 7 --duration 10s --record a.looptrace
  loopscope demo --stall 40ms          a handler blocks 40 ms once per second
  loopscope demo --scale ReadFile=1.2  ReadFile tasks take 20% longer
  loopscope demo --policy agenda       part of the work runs on an agenda
  loopscope demo --load max --no-tui --duration 5s

Without --duration, the demo runs until you quit it, or for 5s if stdout is not a terminal.")]
pub struct DemoArgs {
    /// Options of the verbs that watch a live loop.
    #[command(flatten)]
    pub live: Live,
    /// Seed for the arrival times
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub seed: u64,
    /// Loop design: like Bun, like QuickJS, or with an agenda and its workers
    #[arg(long, value_name = "NAME", default_value = POLICIES[0], value_parser = PolicyName)]
    pub policy: String,
    /// Requests per second, or max to saturate the loop
    #[arg(long, value_name = "RATE|max", default_value = "600", value_parser = Load::parse)]
    #[arg(allow_negative_numbers = true)]
    pub load: Load,
    /// Block one handler for this long (at most 10s) once per second
    #[arg(long, value_name = "TIME", value_parser = stall)]
    pub stall: Option<Duration>,
    /// Multiply the run time of a tag's tasks, without the loop's own overhead (repeatable)
    #[arg(long, value_name = "TAG=FACTOR", value_parser = Scale::parse)]
    pub scale: Vec<Scale>,
    /// A tick busier than this is a stall
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = duration)]
    pub stall_limit: Duration,
    /// Run the loop without instrumentation, recording nothing
    #[arg(long, conflicts_with = "record")]
    pub no_ring: bool,
}

/// `loopscope attach`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope attach                         the only loop on this machine
  loopscope attach 4121 --record a.looptrace
  loopscope attach 4121 --json --duration 5s | jq .timers")]
pub struct AttachArgs {
    /// A process id, or the path of a ring; default: the only loop on this machine
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
  loopscope record -o a.looptrace          the only loop on this machine
  loopscope record 4121 -o a.looptrace     until Ctrl-C or the end of the process
  loopscope record 4121 -o a.looptrace --duration 30s")]
pub struct RecordArgs {
    /// A process id, or the path of a ring; default: the only loop on this machine
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
  loopscope replay a.looptrace --no-tui    the same page as report")]
pub struct ReplayArgs {
    /// A trace, the path of a ring, or a process id
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// Speed, for example 2x or 0.1x; default: 1x
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    #[arg(allow_negative_numbers = true)]
    pub speed: Option<f64>,
    /// Start this long after the beginning of the trace
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub at: Option<Duration>,
    /// Print the summary instead of drawing
    #[arg(long)]
    pub no_tui: bool,
    /// Print the summary as JSON instead of drawing
    #[arg(long)]
    pub json: bool,
    /// Maximum frames per second, from 1 to 120; default: 30
    #[arg(long, value_name = "N", value_parser = fps())]
    pub fps: Option<u16>,
    /// What the dashboard shows at first.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// `loopscope import`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope import trace.json.gz -o a.looptrace
  loopscope import trace.json -o a.looptrace --thread CrRendererMain
  loopscope import trace.json -o a.looptrace --json | jq .dropped")]
pub struct ImportArgs {
    /// Chrome-trace JSON by Chromium, Node.js, viztracer or others, plain or gzip; - for standard input
    #[arg(value_name = "TRACE.json")]
    pub input: PathBuf,
    /// The trace to write; an existing file is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// A thread to import as a loop, by name, TID or PID/TID (repeatable); default: detect the loops
    #[arg(long, value_name = "NAME|TID")]
    pub thread: Vec<String>,
    /// Print what was read, repaired and dropped as JSON
    #[arg(long)]
    pub json: bool,
}

/// `loopscope config`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope config                         print the default file: every key, its default and its values
  loopscope config --write                 create it where it is looked for
  $EDITOR \"$(loopscope config --path)\"

The file is the one of --config, else of $LOOPSCOPE_CONFIG, else $XDG_CONFIG_HOME/loopscope/config.toml, else \
~/.config/loopscope/config.toml. Options on the command line and the environment win over it.")]
pub struct ConfigArgs {
    /// Create the file; an existing one is left as it is
    #[arg(long, conflicts_with = "path")]
    pub write: bool,
    /// Print the path of the file, whether it exists or not
    #[arg(long)]
    pub path: bool,
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
