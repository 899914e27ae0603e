//! Tests the lint as users run it: its output, its exit code, and that our own exports are clean.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::program::{Place, text};
use loop_traces::chrome::lint::{RULES, Viewer};

const OVERLAP: &str = "[\n{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":2,\"ts\":1,\"dur\":10},\n\
                       {\"ph\":\"X\",\"name\":\"b\",\"pid\":1,\"tid\":2,\"ts\":5,\"dur\":10}\n]";

fn written(place: &Place, name: &str, content: &str) -> PathBuf {
    let path = place.file(name);
    fs::write(&path, content).expect("a temporary folder can be written to");
    path
}

#[test]
fn our_own_export_is_clean() {
    let place = Place::new();
    let (trace, json) = (place.file("a.looptrace"), place.file("a.json"));
    place.succeed(&[
        "demo",
        "--policy",
        "agenda",
        "--stall",
        "40ms",
        "--duration",
        "1s",
        "--no-tui",
        "--record",
        text(&trace),
    ]);
    place.succeed(&["export", text(&trace), "-o", text(&json)]);
    let printed = place.succeed(&["lint", text(&json)]);
    assert!(printed.contains("no issues"), "{printed}");
    let answer = place.json(&["lint", text(&json), "--json"]);
    assert_eq!(
        (answer["findings"].as_array().unwrap().len(), answer["losing"].as_array().unwrap().len()),
        (0, 0)
    );
    assert!(answer["events"].as_u64() > Some(1_000));
}

#[test]
fn a_finding_is_one_line_with_its_position() {
    let place = Place::new();
    let file = written(&place, "a.json", OVERLAP);
    let output = place.run(&["lint", text(&file)]);
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    let expected = format!("{}:3:57 overlap perfetto,catapult,speedscope: an X that overlaps", text(&file));
    assert!(printed.starts_with(&expected), "{printed}");
    let row = printed.lines().find(|line| line.starts_with("overlap ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["overlap", "1", "reports", "wrong", "wrong"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("perfetto, catapult, speedscope lose something"), "{stderr}");
    // Firefox has no rows in which slices would have to nest.
    place.succeed(&["lint", text(&file), "--viewer", "firefox"]);
    let output = place.run(&["lint", text(&file), "--json", "--viewer", "perfetto"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = &answer["findings"][0];
    assert_eq!((&finding["line"], &finding["byte"]), (&3.into(), &57.into()));
    assert_eq!(finding["effects"], serde_json::json!({"perfetto": "reports"}));
    assert_eq!(answer["losing"], serde_json::json!(["perfetto"]));
}

#[test]
fn many_findings_are_counted_and_all_are_listed_on_request() {
    let place = Place::new();
    let events: Vec<String> = (1..=40)
        .map(|at| {
            format!("{{\"ph\":\"i\",\"s\":\"x\",\"name\":\"m\\u001b[2J\",\"pid\":1,\"tid\":1,\"ts\":{at}}}")
        })
        .collect();
    let file = written(&place, "a.json", &format!("[{}]", events.join(",\n")));
    let lines = |arguments: &[&str]| {
        let printed = String::from_utf8(place.run(arguments).stdout).unwrap();
        assert!(!printed.contains('\x1b'), "control sequences in a file are not printed");
        assert!(
            printed.lines().any(|line| line.split_whitespace().take(2).eq(["instant-scope", "40"])),
            "{printed}"
        );
        printed.lines().filter(|line| line.contains(": an instant whose")).count()
    };
    assert_eq!((lines(&["lint", text(&file)]), lines(&["lint", text(&file), "--all"])), (5, 40));
}

#[test]
fn warnings_alone_do_not_fail_and_other_files_are_refused() {
    let place = Place::new();
    let open = OVERLAP.replace("\"X\",\"name\":\"b\"", "\"B\",\"name\":\"b\"");
    let printed = place.succeed(&["lint", text(&written(&place, "b.json", &open))]);
    assert!(printed.contains("begin-open") && printed.contains("(warning)"), "{printed}");
    assert!(
        place
            .fail(3, &["lint", text(&written(&place, "c.json", "{\"spans\":[]}"))])
            .contains("not a Chrome trace")
    );
    assert!(place.fail(3, &["lint", text(&place.file("nowhere.json"))]).contains("cannot read"));
    let fifo = place.file("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    place.fail(3, &["lint", text(&fifo)]);
}

/// The book's table of rules.
fn table() -> String {
    let mut table = String::from(
        "| rule | what is wrong | Perfetto | Catapult | speedscope | Firefox | fix |\n|---|---|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let effects = Viewer::ALL.map(|viewer| rule.effect(viewer).word()).join(" | ");
        table += &format!("| `{}` | {} | {effects} | {} |\n", rule.id, rule.what, rule.fix);
    }
    table
}

#[test]
fn the_book_has_the_rules_and_the_columns() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/exports.md");
    let page = fs::read_to_string(path).unwrap();
    assert!(page.contains(&table()), "docs/src/exports.md should have this table:\n{}", table());
    for (column, what) in loop_traces::export::csv::COLUMNS {
        let row = format!("| `{column}` | {what} |\n");
        assert!(page.contains(&row), "docs/src/exports.md should have this row: {row}");
    }
}
