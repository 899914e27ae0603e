//! Options may stand anywhere in a diff, and mistakes are explained in one line.

use super::*;
use crate::cli::{Cli, Command, DiffArgs, VerdictFormat};

fn cli(line: &str) -> Result<Cli, Error> {
    Cli::read(line.split(' ').map(OsString::from))
}

fn diff(line: &str) -> DiffArgs {
    match cli(line).map(|cli| cli.command) {
        Ok(Command::Diff(args)) => args,
        other => panic!("{line}: {other:?}"),
    }
}

/// The error message for a wrong line, without clap's hints below it.
fn error(line: &str) -> String {
    let error = cli(line).expect_err(line);
    assert!(error.exit_code() == 2, "{line}: {error}");
    error.to_string()
}

#[test]
fn options_are_accepted_anywhere() {
    for line in [
        "loopscope diff --gate g --primary stalls --json a b -- c d",
        "loopscope diff a --gate g b --json -- c --primary stalls d",
        "loopscope diff a b -- --primary stalls --gate=g --json c d",
        "loopscope diff a b -- c d --json --primary=stalls --gate g",
        "loopscope --log l --ascii diff a b -- c d --json --primary stalls --gate g",
    ] {
        let args = diff(line);
        assert_eq!((args.base, args.candidate), (vec!["a".into(), "b".into()], vec!["c".into(), "d".into()]));
        assert!(args.json && args.gate.is_some() && args.primary.len() == 1, "{line}");
    }
    assert!(
        matches!(cli("loopscope diff a -- b --log l").unwrap().global.log, Some(log) if log.ends_with("l"))
    );
    assert_eq!(diff("loopscope diff ./-a -- ./--json").candidate, ["./--json"]);
}

#[test]
fn json_is_a_format() {
    let format = |line: &str| {
        let args = diff(line);
        (args.json, args.format)
    };
    assert_eq!(format("loopscope diff a -- b --format junit --json"), (true, VerdictFormat::Junit));
    assert_eq!(
        format("loopscope diff a -- b --json --format junit"),
        (true, VerdictFormat::Junit),
        "refused later"
    );
    assert_eq!(format("loopscope diff a -- b --json"), (true, VerdictFormat::Json));
}

#[test]
fn a_usage_error_is_one_line() {
    for (line, expected) in [
        ("loopscope diff", "error: there is nothing to compare: write loopscope diff BASE… -- CANDIDATE…\n"),
        (
            "loopscope diff --json",
            "error: there is nothing to compare: write loopscope diff BASE… -- CANDIDATE…\n",
        ),
        (
            "loopscope diff -- b",
            "error: there is nothing before --: write loopscope diff BASE… -- CANDIDATE…\n",
        ),
        (
            "loopscope diff a b",
            "error: there is no -- between the two sides: write loopscope diff BASE… -- CANDIDATE…\n",
        ),
        (
            "loopscope diff a -- --json",
            "error: there is nothing behind --: write loopscope diff BASE… -- CANDIDATE…\n",
        ),
        (
            "loopscope diff a -- b -- c",
            "error: there are two sides to compare, so there is one --: write loopscope diff BASE… -- CANDIDATE…\n",
        ),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}

#[test]
fn an_unknown_option_suggests_the_nearest() {
    let near = error("loopscope diff a -- b --gat f");
    assert!(
        near.starts_with("error: unexpected argument '--gat' found") && near.contains("'--gate'"),
        "{near}"
    );
    let none = error("loopscope diff a -- b -7");
    assert!(none.contains("write ./-7") && !none.contains("-- -7"), "{none}");
    let value = error("loopscope diff a b --gate -- c");
    assert!(value.contains("--gate <FILE>") && !value.contains('\0'), "{value}");
}

#[test]
fn other_verbs_keep_their_dashes() {
    assert!(
        matches!(cli("loopscope replay -- diff").unwrap().command, Command::Replay(args) if args.input == "diff")
    );
    assert!(
        matches!(cli("loopscope replay -- -x").unwrap().command, Command::Replay(args) if args.input == "-x")
    );
    assert!(matches!(cli("loopscope --color never replay diff").unwrap().command, Command::Replay(_)));
}

#[test]
fn help_shows_the_double_dash_syntax() {
    let help = cli("loopscope diff a -- b --help").expect_err("help").to_string();
    assert!(help.contains("Usage: loopscope diff [OPTIONS] <BASE>... -- <CANDIDATE>..."), "{help}");
    assert!(
        help == cli("loopscope diff --help").expect_err("help").to_string() && !help.contains('\0'),
        "{help}"
    );
}
