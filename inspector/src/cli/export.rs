//! `loopscope export`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values::duration;

/// `loopscope export`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope export a.looptrace --format chrome -o a.json
  loopscope export a.looptrace --from 2s --to 2.5s -o - | gzip > a.json.gz
  loopscope export a.looptrace --format speedscope -o a.speedscope.json
  loopscope export a.looptrace --format folded -o - | inferno-flamegraph --countname ns > a.svg
  loopscope export a.looptrace --format csv -o a.csv && duckdb -c \"SELECT tag, max(run_ns) FROM 'a.csv' GROUP BY tag\"")]
pub struct ExportArgs {
    /// A trace, the path of a ring, or a process id; - for a trace on standard input
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "chrome")]
    pub format: ExportFormat,
    /// The file to write, or - for standard output; an existing file is replaced
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Omit everything that ended before this time, counted from the beginning of the trace
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub from: Option<Duration>,
    /// Omit everything that began after this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub to: Option<Duration>,
    /// With --format folded: include time waiting in poll, under a root frame named poll
    #[arg(long)]
    pub poll: bool,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Chrome-trace JSON: Perfetto, chrome://tracing, the Firefox Profiler.
    Chrome,
    /// One row per event: data frames, databases, spreadsheets.
    Csv,
    /// One line per stack with its self time in nanoseconds: flame graphs.
    Folded,
    /// speedscope's format: time order, left-heavy and sandwich views.
    Speedscope,
}
