//! `loopscope rerun`: its flags.

use std::ffi::OsString;

use clap::Args;

use super::WhatIfArgs;

/// `loopscope rerun`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope rerun a.looptrace --check        does the loop decide again what it decided?
  loopscope rerun a.looptrace                ... in a virtual world: how good is the model?
  loopscope rerun a.looptrace --policy quickjs
  loopscope rerun a.looptrace --scale ReadFile=0.5 --budget 2ms -o b.looptrace
  loopscope rerun a.looptrace --drop Report --gc off --workers 8 --json")]
pub struct RerunArgs {
    /// A trace, the path of a ring, or the process id of one
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// Feed the loop with exactly what it saw, and compare its decisions with the recorded ones
    #[arg(long)]
    pub check: bool,
    /// Of several loops in the trace, the one of this name; without it, the one with the most ticks
    #[arg(long = "loop", value_name = "NAME")]
    pub loop_name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// What is to be different.
    #[command(flatten)]
    pub what_if: WhatIfArgs,
}
