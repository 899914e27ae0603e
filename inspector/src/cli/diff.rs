//! `loopscope diff`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ArgPredicate;
use clap::{Args, ValueEnum};
use loop_traces::analysis::condition;
use loop_traces::analysis::metric::Metric;

/// `loopscope diff`
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  loopscope diff old*.looptrace -- new*.looptrace
  loopscope diff a.looptrace -- b.looptrace              one run a side: the numbers, no verdicts
  loopscope diff old* -- new* --primary timer_lag.p99 --primary task.ReadFile.run.gmean
  loopscope diff old* -- new* --gate gates.toml --format junit > junit.xml

Five runs a side is the least that can give verdicts. Record both sides in turn, not one after the other. Exit codes: 0 compared, whatever the verdict, 1 a gate failed, 2 wrong usage, 3 unreadable, or not to be compared. For a build that fails when it is worse, give a --gate with worse_by.")]
pub struct DiffArgs {
    /// Runs to compare with: traces, rings, or saved `report --json`
    #[arg(value_name = "BASE", required = true)]
    pub base: Vec<OsString>,
    /// Runs to judge
    #[arg(value_name = "CANDIDATE", required = true, last = true)]
    pub candidate: Vec<OsString>,
    /// Give verdicts on this metric instead of the default three (repeatable)
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    pub primary: Vec<Metric>,
    /// A change by less than this does not matter
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    pub margin: f64,
    /// Runs are the same where it is shown that they differ by less than this
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    pub same_within: f64,
    /// Compare although it would mislead; the reasons become warnings
    #[arg(long)]
    pub anyway: bool,
    /// Fail, with exit code 1, where a gate of this TOML file fails
    #[arg(long, value_name = "FILE")]
    pub gate: Option<PathBuf>,
    /// A gate that cannot be decided fails
    #[arg(long, requires = "gate")]
    pub strict: bool,
    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    #[arg(default_value_if("json", ArgPredicate::IsPresent, "json"))]
    pub format: VerdictFormat,
    /// The same as --format json
    #[arg(long)]
    pub json: bool,
}

/// How to print verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerdictFormat {
    /// For people.
    Text,
    /// The comparison schema.
    Json,
    /// For CI systems.
    Junit,
    /// A table for a pull request.
    Markdown,
}

/// Clap shows each error on the same line as the argument.
fn metric(text: &str) -> Result<Metric, String> {
    text.parse::<Metric>().map_err(|error| error.to_string())
}

fn share(text: &str) -> Result<f64, String> {
    let share = condition::share(text).filter(|share| (0.001..=1.0).contains(share));
    share.ok_or_else(|| "write a share from 0.1% to 100%, for example 5% or 0.05".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percents_or_fractions() {
        assert_eq!((share("5%"), share("0.05"), share("10 %")), (Ok(0.05), Ok(0.05), Ok(0.1)));
        for wrong in ["0", "-5%", "5", "NaN", "nan%", "much"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
