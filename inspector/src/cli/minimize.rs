//! `loopscope minimize`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use loop_traces::analysis::condition::Condition;

use super::values::duration;

/// `loopscope minimize`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope minimize a.looptrace --keep 'timer_lag.max > 20ms' -o b.looptrace
  loopscope minimize a.looptrace --keep 'stalls >= 1' -o b.looptrace --toml
  loopscope rerun b.looptrace --check      the result is an ordinary trace

Exit codes: 0 saved, 1 the condition does not hold on the trace or on its re-execution, or --budget ended before the first re-execution, 2 wrong usage, 3 the input could not be read or the output not written.")]
pub struct MinimizeArgs {
    /// A trace, the path of a ring, or a process id; - for a trace on standard input
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// The condition to keep, for example 'timer_lag.max > 20ms'
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    pub keep: Condition,
    /// The trace to write; an existing file is replaced
    #[arg(short, long, value_name = "SMALL")]
    pub output: PathBuf,
    /// Also write a .toml next to SMALL, with its origin and a gate to fill in, for a corpus; an existing one is never replaced
    #[arg(long)]
    pub toml: bool,
    /// Stop the search after this long, and keep the smallest trace found
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub budget: Duration,
    /// Stop the search after this many re-executions, and keep the smallest trace found
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: u32,
    /// Print the search and its result as JSON
    #[arg(long)]
    pub json: bool,
}

fn condition(text: &str) -> Result<Condition, String> {
    text.parse().map_err(|error: loop_traces::analysis::condition::ConditionError| error.to_string())
}
