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
  loopscope minimize a.looptrace --keep 'timer_lag.max > 20ms' -o small.looptrace
  loopscope minimize a.looptrace --keep 'stalls >= 1' -o small.looptrace --toml --budget 5m
  loopscope rerun small.looptrace --check    the result is a recording like any other

Exit codes: 1 when the condition does not hold on the trace or on its re-execution, or when --budget ends before
the first re-execution does.")]
pub struct MinimizeArgs {
    /// A trace, the path of a ring, or the process id of one
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// The condition to keep, for example 'timer_lag.max > 20ms'
    #[arg(long, value_name = "CONDITION", value_parser = condition)]
    pub keep: Condition,
    /// The trace to write; an existing file is replaced
    #[arg(short, long, value_name = "SMALL")]
    pub output: PathBuf,
    /// Also write a .toml beside it with its origin and its gates, for a corpus; an existing one is never replaced
    #[arg(long)]
    pub toml: bool,
    /// Stop the search after this long and keep the smallest so far
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub budget: Duration,
    /// Stop the search after this number of re-executions
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub tries: u32,
    /// Print the search and its result as JSON
    #[arg(long)]
    pub json: bool,
}

fn condition(text: &str) -> Result<Condition, String> {
    text.parse().map_err(|error: loop_traces::analysis::condition::ConditionError| error.to_string())
}
