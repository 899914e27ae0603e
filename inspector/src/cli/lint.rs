//! `loopscope lint`: its arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use loop_traces::chrome::lint::Viewer as Known;

/// `loopscope lint`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope lint a.json                    all viewers
  loopscope lint a.json.gz --viewer perfetto
  loopscope lint a.json --json | jq '.findings[] | select(.rule == \"overlap\")'

Exit codes: 0 no viewer loses anything (warnings are listed), 1 a viewer loses something, 2 wrong usage, 3 the input could not be read or is not a Chrome trace.")]
pub struct LintArgs {
    /// A Chrome trace, plain or gzip; - for standard input
    #[arg(value_name = "TRACE.json[.gz]")]
    pub input: PathBuf,
    /// Only rules that affect this viewer (repeatable)
    #[arg(long, value_name = "NAME")]
    pub viewer: Vec<Viewer>,
    /// Print all findings instead of the first five per rule
    #[arg(long)]
    pub all: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A viewer of Chrome traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Viewer {
    /// ui.perfetto.dev and its trace processor.
    Perfetto,
    /// chrome://tracing.
    Catapult,
    /// speedscope.app.
    Speedscope,
    /// profiler.firefox.com.
    Firefox,
}

impl From<Viewer> for Known {
    fn from(viewer: Viewer) -> Self {
        match viewer {
            Viewer::Perfetto => Self::Perfetto,
            Viewer::Catapult => Self::Catapult,
            Viewer::Speedscope => Self::Speedscope,
            Viewer::Firefox => Self::Firefox,
        }
    }
}
