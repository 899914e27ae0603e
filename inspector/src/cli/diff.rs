//! `loopscope diff`: its arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{ArgPredicate, OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};
use loop_traces::analysis::condition;
use loop_traces::analysis::metric::Metric;

/// `loopscope diff`
#[derive(Clone, Debug, Args)]
#[command(override_usage = "loopscope diff [OPTIONS] <BASE>... -- <CANDIDATE>... [OPTIONS]")]
#[command(after_help = "Examples:
  loopscope diff old*.looptrace -- new*.looptrace
  loopscope diff a.looptrace -- b.looptrace  one run a side: no verdicts
  loopscope diff old* -- new* --primary timer_lag.p99 --primary stalls
  loopscope diff old* -- new* --gate gates.toml --format junit > junit.xml

Verdicts need at least five runs per side. Record the two sides alternately, not one after the other. To fail a build whose candidate is worse, give a --gate with worse_by.

Exit codes: 0 compared, whatever the verdict, 1 a gate failed, 2 wrong usage, 3 the runs could not be read or are not comparable.")]
pub struct DiffArgs {
    /// Runs to compare with: traces, rings, process ids, or the saved output of report --json
    #[arg(value_name = "BASE", required = true, num_args = 1.., value_parser = base())]
    // Ends at the -- rather than with the options, which may follow the candidates.
    #[arg(value_terminator = "--", allow_hyphen_values = true)]
    pub base: Vec<OsString>,
    /// Runs to judge
    #[arg(value_name = "CANDIDATE", required = true, num_args = 1..)]
    pub candidate: Vec<OsString>,
    /// Give verdicts on this metric instead of the default three (repeatable)
    #[arg(long, value_name = "METRIC", value_parser = metric)]
    pub primary: Vec<Metric>,
    /// Ignore changes smaller than this
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = share)]
    pub margin: f64,
    /// Treat runs as the same if they are shown to differ by less than this
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = share)]
    pub same_within: f64,
    /// Compare runs that are not comparable; the reasons become warnings
    #[arg(long)]
    pub anyway: bool,
    /// Fail with exit code 1 if a gate in this TOML file fails
    #[arg(long, value_name = "FILE")]
    pub gate: Option<PathBuf>,
    /// Also fail on undecided gates
    #[arg(long, requires = "gate")]
    pub strict: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    #[arg(default_value_if("json", ArgPredicate::IsPresent, "json"))]
    pub format: VerdictFormat,
    /// The same as --format json
    #[arg(long)]
    pub json: bool,
}

/// The output format of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerdictFormat {
    /// One page of text.
    Text,
    /// The comparison as JSON.
    Json,
    /// The verdicts and gates as test cases, for CI systems.
    Junit,
    /// Tables for a pull request.
    Markdown,
}

/// Rejects options between the runs of the base, where clap would take them for runs.
fn base() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|word| match word.as_encoded_bytes() {
        [b'-', _, ..] => Err("options go before the base or after the --; a file of that name is ./-NAME"),
        _ => Ok(word),
    })
}

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
    use crate::cli::{Cli, Command};

    #[test]
    fn shares_are_percents_or_fractions() {
        assert_eq!((share("5%"), share("0.05"), share("10 %")), (Ok(0.05), Ok(0.05), Ok(0.1)));
        for wrong in ["0", "-5%", "5", "NaN", "nan%", "much"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    fn cli(line: &str) -> Result<Cli, clap::Error> {
        Cli::read(format!("loopscope {line}").split(' ').map(OsString::from))
    }

    fn diff(line: &str) -> DiffArgs {
        match cli(line).map(|cli| cli.command) {
            Ok(Command::Diff(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// The error message for a command line.
    fn error(line: &str) -> String {
        let error = cli(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
        error.to_string()
    }

    #[test]
    fn options_go_before_the_base_or_after_the_dashes() {
        for line in [
            "diff --gate g --primary stalls --json a b -- c d",
            "diff --gate g a b -- c --primary stalls d --json",
            "diff a b -- --primary stalls --gate=g --json c d",
            "diff a b -- c d --json --primary=stalls --gate g",
            "--log l --ascii diff a b -- c d --json --primary stalls --gate g",
        ] {
            let args = diff(line);
            assert_eq!(
                (args.base, args.candidate),
                (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()])
            );
            assert!(args.json && args.gate.is_some() && args.primary.len() == 1, "{line}");
        }
        assert!(matches!(cli("diff a -- b --log l").unwrap().global.log, Some(log) if log.ends_with("l")));
        assert_eq!(diff("diff ./-a - -- ./--json").candidate, ["./--json"]);
        for line in
            ["diff a --gate g b -- c", "diff a b --json", "diff a b --gate -- c", "diff --gat f a -- b"]
        {
            let error = error(line);
            assert!(error.contains("options go before the base or after the --"), "{line}: {error}");
        }
    }

    #[test]
    fn json_is_a_format() {
        let format = |line: &str| {
            let args = diff(line);
            (args.json, args.format)
        };
        for refused_later in ["diff a -- b --format junit --json", "diff a -- b --json --format junit"] {
            assert_eq!(format(refused_later), (true, VerdictFormat::Junit));
        }
        assert_eq!(format("diff a -- b --json"), (true, VerdictFormat::Json));
    }

    #[test]
    fn a_missing_side_is_named() {
        let usage = "Usage: loopscope diff [OPTIONS] <BASE>... -- <CANDIDATE>... [OPTIONS]";
        for (line, missing) in [
            ("diff", "<BASE>..."),
            ("diff --json", "<BASE>..."),
            ("diff -- b", "<BASE>..."),
            ("diff a b", "<CANDIDATE>..."),
            ("diff a -- --json", "<CANDIDATE>..."),
        ] {
            let error = error(line);
            assert!(error.contains(missing) && error.contains(usage), "{line}: {error}");
        }
        let third = error("diff a -- b -- c");
        assert_eq!(third, "error: more than one --: write the runs as BASE... -- CANDIDATE...\n");
    }

    #[test]
    fn an_unknown_option_suggests_the_nearest() {
        let near = error("diff a -- b --gat f");
        assert!(near.contains("unexpected argument '--gat' found") && near.contains("'--gate'"), "{near}");
    }

    #[test]
    fn other_verbs_accept_values_with_dashes() {
        let replayed = |line| match cli(line).unwrap().command {
            Command::Replay(args) => args.input,
            other => panic!("{other:?}"),
        };
        assert_eq!([replayed("replay -- diff"), replayed("replay -- -x")], ["diff", "-x"]);
        assert_eq!(replayed("--color never replay diff"), "diff");
    }

    #[test]
    fn help_is_accepted_anywhere() {
        let help = |line| cli(line).expect_err("help").to_string();
        assert!(help("diff --help").contains("<BASE>... -- <CANDIDATE>..."));
        assert_eq!(help("diff a -- b --help"), help("diff --help"));
    }
}
