//! The command line of `loopscope import`.

use std::path::PathBuf;

use clap::Args;

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
    /// The trace to write; a file that exists is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// A thread to take for a loop, by its name, its number, or PID/TID (repeatable); without it, they are found
    #[arg(long, value_name = "NAME|TID")]
    pub thread: Vec<String>,
    /// Print what was read, repaired and dropped as JSON
    #[arg(long)]
    pub json: bool,
}
