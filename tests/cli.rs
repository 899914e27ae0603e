//! Tests the command line through the real binary: useful help, and one clear line for each error.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::program::{Place, text};

const VERBS: [&str; 15] = [
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
    "config",
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
        let stderr = place.fail(2, arguments);
        assert!(stderr.starts_with("loopscope: ") && stderr.contains(named), "{arguments:?}: {stderr}");
    }
    let stderr = place.fail(2, &["demo", "--no-tui", "--duration", "1s", "--scale", "Nothing=2"]);
    assert!(stderr.contains("Nothing") && stderr.contains("ReadFile"), "{stderr}");
    let stderr = place.fail(2, &["demo", "--no-tui", "--duration", "1s", "--policy", "tokio"]);
    for name in ["--policy tokio", "bun", "quickjs", "agenda"] {
        assert!(stderr.contains(name), "{stderr}");
    }
}

#[test]
fn missing_inputs_exit_3() {
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
fn a_file_of_another_format_is_refused_with_the_command_that_reads_it() {
    let place = Place::new();
    for (name, content, command) in [
        ("a.json", &b"[{\"ph\":\"X\"}]"[..], "`loopscope import` reads Chrome traces"),
        ("b.json", b"{\"schema\":1}", "`loopscope diff` saved summaries"),
        ("a.json.gz", b"\x1f\x8b\x08\0\0\0", "unpack it"),
        ("a.txt", b"hello", "begins like neither a .looptrace nor a ring\n"),
    ] {
        let file = place.file(name);
        fs::write(&file, content).expect("the place is ours");
        let stderr = place.fail(3, &["report", text(&file)]);
        assert!(stderr.contains(command) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn ps_without_loops_says_how_to_start_one() {
    let place = Place::new();
    assert!(place.succeed(&["ps"]).contains("loopscope demo"));
    fs::create_dir_all(place.rings()).expect("the place is ours");
    fs::set_permissions(place.rings(), Permissions::from_mode(0o700)).expect("it is ours");
    fs::write(place.rings().join("loopscope-99-1.ring"), "nothing of ours").expect("the folder is there");
    let listed = place.run(&["ps"]);
    let stderr = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(stderr.contains("is not a ring file\n") && !stderr.contains("lists those"), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "none of the loops on this machine can be read\n");
    fs::remove_file(place.rings().join("loopscope-99-1.ring")).expect("it is there");
    assert_eq!(place.json(&["ps", "--json"]), serde_json::json!([]));
    // A folder that others may write to is refused, not listed as empty.
    fs::set_permissions(place.rings(), Permissions::from_mode(0o777)).expect("it is ours");
    let stderr = place.fail(3, &["ps"]);
    assert!(stderr.contains(text(&place.rings())), "{stderr}");
    assert!(place.run(&["ps"]).stdout.is_empty(), "it does not claim that there are no loops");
}

#[test]
fn completions_and_man_pages_are_complete() {
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
    assert!(place.fail(2, &["man", "repot"]).contains("did you mean report"));
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

#[test]
fn a_closed_standard_output_is_an_error() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    place.succeed(&["demo", "--duration", "200ms", "--no-tui", "--record", text(&trace)]);
    for arguments in [&["export", text(&trace), "-o", "-"][..], &["report", text(&trace)], &["ps"], &["man"]]
    {
        let mut command = Command::new("bash");
        command.args(["-c", "exec \"$0\" \"$@\" >&-", env!("CARGO_BIN_EXE_loopscope")]).args(arguments);
        let output = command.envs(place.environment()).output().expect("a shell runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {stderr}");
        assert_eq!(stderr, "loopscope: cannot write standard output: it is closed\n", "{arguments:?}");
    }
}

#[test]
fn usage_errors_repeat_input_printably() {
    let place = Place::new();
    for arguments in [
        &["rep\u{202e}ort"][..],
        &["report", "a", "--fo\u{202e}o"],
        &["diff", "a", "--", "b", "--fo\u{202e}o"],
        &["demo", "--seed", "\u{202e}7"],
        &["demo", "--stall", "7\u{202e}\u{1b}[2J"],
        &["report", "a", "--format", "te\u{202e}xt"],
        &["minimize", "a", "-o", "b", "--keep", "ta\u{202e}sk > 1"],
        &["rerun", "a", "--scale", "\u{202e}"],
    ] {
        let stderr = place.fail(2, arguments);
        assert!(stderr.contains("\\u{202e}") && !stderr.contains('\u{202e}'), "{arguments:?}: {stderr:?}");
    }
}

#[test]
fn a_trace_is_not_written_to_standard_output() {
    let place = Place::new();
    for (option, arguments) in [
        ("--record", &["demo", "--no-tui", "--record", "-"][..]),
        ("--record", &["attach", "1", "--no-tui", "--record", "-"]),
        ("-o", &["record", "1", "-o", "-"]),
        ("-o", &["rerun", "a.looptrace", "-o", "-"]),
        ("-o", &["minimize", "a.looptrace", "--keep", "stalls >= 1", "-o", "-"]),
        ("-o", &["import", "a.json", "-o", "-"]),
    ] {
        let stderr = place.fail(2, arguments);
        assert!(
            stderr
                .starts_with(&format!("loopscope: {option} -: a trace cannot be written to standard output")),
            "{stderr}"
        );
    }
}

#[test]
fn two_formats_at_once_are_refused() {
    let place = Place::new();
    for arguments in [
        &["report", "a", "--json", "--format", "text"][..],
        &["report", "a", "--format", "junit", "--json"],
        &["diff", "--json", "a", "--", "b", "--format", "markdown"],
    ] {
        let stderr = place.fail(2, arguments);
        assert!(stderr.contains("--json and --format") && stderr.contains("contradict"), "{stderr}");
    }
    assert!(place.fail(3, &["report", "a", "--json", "--format", "json"]).contains("\"a\""));
}

#[test]
fn a_piped_trace_without_room_names_the_temporary_folder() {
    let place = Place::new();
    let output =
        place.command(&["report", "-"]).env("TMPDIR", "/no-such-folder").output().expect("it starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("/no-such-folder") && stderr.contains("TMPDIR"), "{stderr}");
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    for words in [&["--help"][..], &["--version"], &["report", "--help"]] {
        let full = Command::new("sh")
            .args(["-c", "exec \"$@\" > /dev/full", "sh", env!("CARGO_BIN_EXE_loopscope")])
            .args(words)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&full.stderr);
        assert_eq!((full.status.code(), stderr.lines().count()), (Some(3), 1), "{words:?}: {stderr}");
        assert!(stderr.contains("cannot write"), "{words:?}: {stderr}");
    }
}
