//! `loopscope report`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{Args, ValueEnum};

/// `loopscope report`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope report a.looptrace
  loopscope report a.looptrace --json | jq .timers
  loopscope report a.looptrace --json --stalls 10000 | jq '.stalls | length'
  zcat a.looptrace.gz | loopscope report -
  loopscope report a.looptrace --gate gates.toml --format junit > junit.xml")]
pub struct ReportArgs {
    /// A trace, the path of a ring, or a process id; - for a trace on standard input
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    #[arg(default_value_if("json", ArgPredicate::IsPresent, "json"))]
    pub format: ReportFormat,
    /// The same as --format json
    #[arg(long)]
    pub json: bool,
    /// Limits of its lists.
    #[command(flatten)]
    pub kept: ListLimits,
    /// Fail with exit code 1 if a gate in this TOML file fails
    #[arg(long, value_name = "FILE")]
    pub gate: Option<PathBuf>,
    /// Also fail on undecided gates
    #[arg(long, requires = "gate")]
    pub strict: bool,
}

/// Limits of the lists of late timers, slow tasks and stalls.
#[derive(Clone, Debug, Args)]
pub struct ListLimits {
    /// Most late timers, late signals and slow tasks to list in JSON, worst first; text lists at most 5 of each
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub late_timers: u16,
    /// Most stalls to list in JSON, the latest and the worst; text lists the worst 10
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = stalls())]
    pub stalls: u16,
}

/// Maximum of `--stalls`.
pub const STALLS_MAX: u16 = 10_000;

fn stalls() -> impl clap::builder::TypedValueParser {
    clap::value_parser!(u16).range(0..=i64::from(STALLS_MAX))
}

impl Default for ListLimits {
    fn default() -> Self {
        Self { late_timers: 100, stalls: 64 }
    }
}

/// The output format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// One page of text.
    Text,
    /// The summary as JSON.
    Json,
    /// The gates as test cases, for CI systems.
    Junit,
    /// The gates as a table, for a pull request.
    Markdown,
}
