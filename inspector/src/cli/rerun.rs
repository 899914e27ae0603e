//! `loopscope rerun`: its arguments, and the changes they ask for.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::values::duration;
use loop_rerun::Changes;

/// `loopscope rerun`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope rerun a.looptrace --check      does the loop decide the same again?
  loopscope rerun a.looptrace              no change: how accurate is the model?
  loopscope rerun a.looptrace --policy quickjs
  loopscope rerun a.looptrace --scale ReadFile=0.5 --budget 2ms -o b.looptrace
  loopscope rerun a.looptrace --drop Report --gc off --workers 8 --json

Exit codes: 0 success, 1 --check found a different decision, 2 wrong usage, 3 the input could not be read or executed, or the output not written.")]
pub struct RerunArgs {
    /// A trace, the path of a ring, or a process id; - for a trace on standard input
    #[arg(value_name = "FILE|RING")]
    pub input: OsString,
    /// Feed the loop its recorded inputs, and compare its decisions with the recorded ones
    #[arg(long)]
    pub check: bool,
    /// The loop to re-execute; default: the one with the most ticks
    #[arg(long = "loop", value_name = "NAME")]
    pub loop_name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// The changes.
    #[command(flatten)]
    pub what_if: WhatIfArgs,
}

/// The changes under which to re-execute a recording.
#[derive(Clone, Debug, Default, Args)]
#[group(id = "what_if")]
#[command(next_help_heading = "What if")]
pub struct WhatIfArgs {
    /// Use another policy: bun, quickjs, agenda or mini
    #[arg(long, value_name = "NAME", conflicts_with = "check")]
    pub policy: Option<String>,
    /// Multiply the duration of every callback of a tag (repeatable)
    #[arg(long, value_name = "TAG=FACTOR", value_parser = factor, conflicts_with = "check")]
    pub scale: Vec<(String, f64)>,
    /// Remove all callbacks of a tag, and everything that only they started (repeatable)
    #[arg(long, value_name = "TAG", conflicts_with = "check")]
    pub drop: Vec<String>,
    /// Start no further tasks in a tick after this time
    #[arg(long, value_name = "TIME", value_parser = budget, conflicts_with = "check")]
    #[arg(allow_hyphen_values = true)]
    pub budget: Option<Duration>,
    /// Switch the GC controller on or off
    #[arg(long, value_name = "on|off", value_parser = on_or_off(), conflicts_with = "check")]
    pub gc: Option<bool>,
    /// Change the number of workers of the pool, and of the agenda if there is one
    #[arg(long, value_name = "N", conflicts_with = "check")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// Save the result as a trace; an existing file is replaced
    #[arg(short, long, value_name = "FILE", conflicts_with = "check")]
    pub output: Option<PathBuf>,
}

impl WhatIfArgs {
    /// Converts the arguments into changes.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes {
            policy: self.policy.clone(),
            scale: self.scale.clone(),
            drop: self.drop.clone(),
            budget: self.budget,
            gc: self.gc,
            workers: self.workers,
            ..Changes::default()
        }
    }
}

fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|word| word == "on")
}

fn factor(text: &str) -> Result<(String, f64), String> {
    let explain =
        || "write it as TAG=FACTOR with a factor from 0 to 1000, for example ReadFile=0.5".to_owned();
    let (tag, factor) = text.rsplit_once('=').ok_or_else(explain)?;
    let factor = f64::from_str(factor).ok().filter(|factor| (0.0..=1000.0).contains(factor));
    Ok((tag.to_owned(), factor.ok_or_else(explain)?))
}

fn budget(text: &str) -> Result<Duration, String> {
    duration(text)?
        .checked_sub(Duration::from_nanos(1))
        .ok_or_else(|| "give a tick more than 0 for its tasks, for example 2ms".to_owned())?;
    duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_bounded_and_tags_may_hold_an_equals_sign() {
        assert_eq!(factor("ReadFile=0.5"), Ok(("ReadFile".to_owned(), 0.5)));
        assert_eq!(factor("a=b=2"), Ok(("a=b".to_owned(), 2.0)));
        for wrong in ["ReadFile", "ReadFile=", "ReadFile=-1", "ReadFile=NaN", "ReadFile=1e9"] {
            assert!(factor(wrong).is_err(), "{wrong}");
        }
        assert!(budget("0s").is_err());
        assert_eq!(budget("2ms"), Ok(Duration::from_millis(2)));
    }
}
