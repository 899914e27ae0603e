//! `loopscope rerun`: its flags.

use std::path::PathBuf;

use clap::Args;

/// `loopscope rerun`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope rerun a.looptrace --check        does the loop decide again what it decided?")]
pub struct RerunArgs {
    /// A trace
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Feed the loop with exactly what it saw, and compare its decisions with the recorded ones
    #[arg(long)]
    pub check: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
