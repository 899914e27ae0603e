//! Tests the exports for other programs, as users make them: the same recording agrees in every format.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::program::{NO_CONFIG, Place, text};
use loop_traces::export::csv::COLUMNS;
use serde_json::Value;

fn recorded(place: &Place) -> PathBuf {
    let trace = place.file("a.looptrace");
    place.succeed(&["demo", "--policy", "agenda", "--duration", "1s", "--no-tui", "--record", text(&trace)]);
    trace
}

fn exported(place: &Place, trace: &Path, arguments: &[&str]) -> String {
    let output = place.file("out");
    let mut all = vec!["export", text(trace), "-o", text(&output)];
    all.extend(arguments);
    place.succeed(&all);
    fs::read_to_string(output).expect("an export is text")
}

#[test]
fn every_format_says_what_the_report_says() {
    let place = Place::new();
    let trace = recorded(&place);
    let report = place.json(&["report", text(&trace), "--json"]);
    let tasks = report["tasks"]["count"].as_u64().unwrap();
    let busy_ns = report["ticks"]["busy_ns"].as_u64().unwrap();

    let csv = exported(&place, &trace, &["--format", "csv"]);
    assert_eq!(csv.lines().next().unwrap(), COLUMNS.map(|(name, _)| name).join(","));
    let ran = csv.lines().filter(|line| line.split(',').nth(2) == Some("task_ran")).count() as u64;
    assert_eq!(ran, tasks);
    assert!(csv.lines().skip(1).all(|line| line.split(',').next().unwrap().parse::<i64>().is_ok()));

    let folded = exported(&place, &trace, &["--format", "folded"]);
    let own = folded.lines().filter_map(|line| {
        let (stack, ns) = line.rsplit_once(' ').unwrap();
        let is_busy = stack.starts_with("loop;") && !stack.starts_with("loop;(") || stack == "loop";
        is_busy.then(|| ns.parse::<u64>().unwrap())
    });
    assert_eq!(own.sum::<u64>(), busy_ns, "the loop's stacks are its busy time, to the nanosecond");
    assert!(folded.contains("loop;phase tasks;Echo "), "{folded}");
    assert!(folded.contains("\nagenda worker_0;"), "{folded}");
    let polls = exported(&place, &trace, &["--format", "folded", "--poll"]);
    assert!(polls.contains("\npoll;loop ") && !folded.contains("poll;loop"));

    let speedscope: Value =
        serde_json::from_str(&exported(&place, &trace, &["--format", "speedscope"])).unwrap();
    let frames = speedscope["shared"]["frames"].as_array().unwrap();
    let profile = &speedscope["profiles"][0];
    assert_eq!(profile["name"], "loop");
    let mut opened: HashMap<&str, u64> = HashMap::new();
    for event in profile["events"].as_array().unwrap() {
        if event["type"] == "O" {
            let frame = &frames[event["frame"].as_u64().unwrap() as usize];
            *opened.entry(frame["name"].as_str().unwrap()).or_default() += 1;
        }
    }
    let by_tag = report["tasks"]["by_tag"].as_array().unwrap();
    let echo = by_tag.iter().find(|tag| tag["tag"] == "Echo").unwrap();
    assert_eq!(opened["Echo"], echo["count"].as_u64().unwrap());
    assert_eq!(opened["tick"], report["ticks"]["count"].as_u64().unwrap());
}

#[test]
fn a_range_is_exported_in_every_format() {
    let place = Place::new();
    let trace = recorded(&place);
    for format in ["chrome", "csv", "folded", "speedscope"] {
        let whole = exported(&place, &trace, &["--format", format]);
        let part = exported(&place, &trace, &["--format", format, "--from", "300ms", "--to", "400ms"]);
        assert!(!part.is_empty() && part.len() < whole.len(), "{format}");
    }
    assert!(place.fail(2, &["export", text(&trace), "-o", "-", "--poll"]).contains("--format folded"));
    for format in ["csv", "folded", "speedscope"] {
        let refused = place.fail(2, &["export", text(&trace), "--format", format, "-o", text(&trace)]);
        assert!(refused.contains("is the input itself"), "{refused}");
        let mut piped = place.command(&["export", "-", "--format", format, "-o", text(&trace)]);
        let refused = piped.stdin(fs::File::open(&trace).unwrap()).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "the input is redirected from the output");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("is the input itself"), "{refused:?}");
    }
    assert!(place.succeed(&["report", text(&trace)]).contains("ticks"), "it is still there");
}

#[test]
fn closed_pipes_and_full_disks_leave_no_partial_exports() {
    let place = Place::new();
    let trace = recorded(&place);
    for format in ["csv", "folded", "speedscope"] {
        let mut command = place.command(&["export", text(&trace), "--format", format, "-o", "-"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{format}: {}", String::from_utf8_lossy(&ended.stderr));
        let full = Command::new("sh")
            .args(["-c", "exec \"$@\" > /dev/full", "sh", env!("CARGO_BIN_EXE_loopscope"), "export"])
            .args([text(&trace), "--format", format, "-o", "-"])
            .envs([NO_CONFIG])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&full.stderr);
        assert_eq!((full.status.code(), stderr.lines().count()), (Some(3), 1), "{format}: {stderr}");
    }
    for format in ["csv", "speedscope"] {
        let output = place.file("cramped");
        let cramped = Command::new("bash")
            .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$@\"", "bash", env!("CARGO_BIN_EXE_loopscope")])
            .args(["export", text(&trace), "--format", format, "-o", text(&output)])
            .envs([NO_CONFIG])
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&cramped.stderr);
        assert_eq!((cramped.status.code(), stderr.lines().count()), (Some(3), 1), "{format}: {stderr}");
        assert!(!output.exists(), "no partial document is left");
    }
}
