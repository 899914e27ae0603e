//! Tests the command line through the real binary: useful help, and one clear line for each error.

#[expect(dead_code, reason = "each test file uses its part")]
#[path = "support/program.rs"]
mod program;

use program::Place;

const VERBS: [&str; 14] = [
    "demo",
    "attach",
    "ps",
    "record",
    "replay",
    "rerun",
    "report",
    "diff",
    "minimize",
    "export",
    "lint",
    "import",
    "completions",
    "man",
];

#[test]
fn help_shows_every_verb_and_examples() {
    let help = Place::new().succeed(&["--help"]);
    for verb in VERBS {
        assert!(help.contains(&format!("  {verb} ")), "{verb} is missing in\n{help}");
    }
    assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    for verb in VERBS.into_iter().filter(|verb| !["ps", "completions", "man"].contains(verb)) {
        assert!(
            Place::new().succeed(&[verb, "--help"]).contains("Examples:"),
            "{verb} --help has no examples"
        );
    }
}

#[test]
fn wrong_usage_exits_2_and_names_the_flag() {
    let place = Place::new();
    for (arguments, named) in [
        (&["demo", "--seed", "seven"][..], "--seed"),
        (&["demo", "--duration", "soon"], "--duration"),
        (&["demo", "--load", "0"], "--load"),
        (&["demo", "--no-ring", "--record", "a.looptrace"], "--no-ring"),
        (&["replay", "a.looptrace", "--speed", "0x"], "--speed"),
        (&["export", "a.looptrace", "--format", "gif", "-o", "a"], "--format"),
        (&["nothing"], "nothing"),
    ] {
        let output = place.run(arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(named), "{arguments:?}: {told}");
    }
    let told = place.fail(2, &["demo", "--no-tui", "--duration", "1s", "--scale", "Nothing=2"]);
    assert!(told.contains("Nothing") && told.contains("ReadFile"), "{told}");
    let told = place.fail(2, &["demo", "--no-tui", "--duration", "1s", "--policy", "tokio"]);
    for name in ["--policy tokio", "bun", "quickjs", "agenda"] {
        assert!(told.contains(name), "{told}");
    }
}

#[test]
fn what_is_not_there_exits_3() {
    let place = Place::new();
    for arguments in [
        &["report", "no-such-file.looptrace"][..],
        &["replay", "no-such-file.looptrace", "--no-tui"],
        &["export", "no-such-file.looptrace", "-o", "-"],
        &["attach", "no-such-ring", "--no-tui"],
        &["attach", "--no-tui"],
        &["attach", "4194999", "--no-tui"],
        &["record", "4194999", "-o", "a.looptrace"],
    ] {
        place.fail(3, arguments);
    }
    assert!(place.fail(3, &["attach", "4194999"]).contains("4194999"));
}

#[test]
fn an_empty_machine_says_how_to_begin() {
    let place = Place::new();
    assert!(place.succeed(&["ps"]).contains("loopscope demo"));
    assert_eq!(place.json(&["ps", "--json"]), serde_json::json!([]));
}

#[test]
fn scripts_and_the_manual_come_out_whole() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.succeed(&["completions", shell]);
        assert!(script.contains("loopscope") && script.contains("quickjs"), "{shell} completes policies");
    }
    assert!(place.succeed(&["man"]).contains(".TH loopscope"));
    for verb in VERBS {
        let page = place.succeed(&["man", verb]);
        assert!(page.contains(&format!(".TH loopscope-{verb} 1")) && page.contains("SYNOPSIS"), "{page}");
    }
    assert!(place.fail(2, &["man", "repot"]).contains("near it are report"));
    assert!(place.succeed(&["demo", "--help"]).contains("[possible values: bun, quickjs, agenda]"));
}

#[test]
fn a_pipe_that_closes_is_no_error() {
    let place = Place::new();
    let mut command = place.command(&["man"]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("the binary starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("the binary ends").success());
}
