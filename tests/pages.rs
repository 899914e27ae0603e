//! Tests text pages through the real binary: their maximum width, in ASCII, in colour, and from standard input.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::program::{Place, text};
use loop_traces::cells::width;

/// A Chrome trace of one thread, with long names that differ in the middle and long process and thread ids.
fn foreign(place: &Place) -> PathBuf {
    let mut events = vec![
        r#"{"ph":"M","name":"thread_name","pid":1234567,"tid":1234568,"args":{"name":"CrRendererMain"}}"#.to_owned(),
        r#"{"ph":"M","name":"process_name","pid":1234567,"args":{"name":"Renderer of a page with a long name"}}"#.to_owned(),
    ];
    for number in 0..300 {
        let name = ["one", "two", "three"][number % 3];
        events.push(format!(
            "{{\"ph\":\"X\",\"name\":\"base::internal::RunOnceCallback (render_thread_{name}.cc:1200)\",\"pid\":1234567,\
             \"tid\":1234568,\"ts\":{},\"dur\":{}}}",
            number * 50_000,
            if number % 10 == 0 { 30_000 } else { 3 }
        ));
    }
    let path = place.file("foreign.json");
    fs::write(&path, format!("[{}]", events.join(",\n"))).expect("the place is ours");
    path
}

fn printed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the binary starts");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("output is UTF-8")
}

/// The traces of the corpus, of all versions.
fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus");
    let files = |folder: &Path| {
        fs::read_dir(folder).expect("the corpus is there").map(|file| file.expect("it can be listed").path())
    };
    let all = files(&folder).chain(files(&folder.join("versions")));
    all.filter(|file| file.extension().is_some_and(|extension| extension == "looptrace")).collect()
}

/// The lines of a page that are wider than `columns`, end in a blank, or have a figure that touches the previous one. Paths
/// are never cut, so lines that contain `name` may be wider.
fn faults<'a>(page: &'a str, columns: usize, name: &str) -> Vec<&'a str> {
    let touches = |line: &str| {
        let letters: Vec<char> = line.chars().collect();
        letters.windows(2).any(|pair| "≥~".contains(pair[1]) && pair[0] != ' ')
    };
    let is_bad = |line: &&str| {
        let is_wide = width(line) > columns && !line.contains(name);
        is_wide || line.trim_end() != *line || touches(line)
    };
    page.lines().filter(is_bad).collect()
}

fn widest(page: &str) -> usize {
    page.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn piped(place: &Place, arguments: &[&str], from: &Path) -> Output {
    let input = File::open(from).expect("it is there");
    place.command(arguments).stdin(Stdio::from(input)).output().expect("the binary starts")
}

#[test]
fn pages_are_as_wide_as_the_variable_columns() {
    let place = Place::new();
    let json = foreign(&place);
    let trace = place.file("a.looptrace");
    let import = ["import", text(&json), "-o", text(&trace)];
    place.succeed(&import);
    let report = ["report", text(&trace)];
    for arguments in [&import[..], &report] {
        let page = |columns: &str| printed(place.command(arguments).env("COLUMNS", columns));
        // Paths in tests can be long, and are never wrapped.
        let fit = |page: &str, most: usize| {
            let of_ours = |line: &&str| !line.contains(text(&trace)) && !line.contains(text(&json));
            let lines: Vec<&str> = page.lines().filter(of_ours).collect();
            assert!(widest(&lines.join("\n")) <= most, "{page}");
        };
        fit(&page("80"), 80);
        fit(&page("120"), 120);
        fit(&page("nonsense"), 80);
    }
    let [narrow, wide] = ["80", "120"].map(|columns| printed(place.command(&report).env("COLUMNS", columns)));
    assert!(widest(&narrow) < widest(&wide), "{wide}");
    let page = printed(place.command(&report).env("COLUMNS", "80"));
    let tags = page.lines().skip_while(|line| !line.starts_with("TASK TAG")).skip(1).take(3);
    let mut names: Vec<&str> = tags.filter_map(|line| line.split("  ").next()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 3, "names that differ read differently: {page}");
}

#[test]
fn every_page_of_every_trace_fits() {
    let place = Place::new();
    let fits = |arguments: &[&str], name: &str, columns: usize| {
        let mut command = place.command(arguments);
        let Output { stdout, stderr, .. } =
            command.env("COLUMNS", columns.to_string()).output().expect("the binary starts");
        let page = String::from_utf8(stdout).expect("output is UTF-8");
        assert!(!page.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
        let faults = faults(&page, columns, name);
        assert!(faults.is_empty(), "{arguments:?} at {columns}: {faults:#?}");
    };
    let traces = corpus();
    assert!(traces.len() > 15, "{traces:?}");
    for trace in &traces {
        let name = text(trace);
        for columns in [60, 80, 120] {
            fits(&["report", name], name, columns);
        }
        fits(&["diff", name, "--", name, "--anyway"], name, 60);
        fits(&["rerun", name, "--policy", "quickjs"], name, 60);
        fits(&["rerun", name], name, 80);
        // Recordings in version 1.0 lack the loop's state, from which a check starts.
        let minor_version = fs::read(trace).expect("it can be read")[10];
        if minor_version > 0 {
            fits(&["rerun", name, "--check"], name, 60);
        }
    }
    let gates = place.file("gates.toml");
    fs::write(&gates, "[[gate]]\nmetric = \"timer_lag_corrected.p99\"\nmax = \"1ns\"\n\n[[gate]]\nmetric = \"stalls\"\nmax = 0\n")
        .expect("the place is ours");
    fits(&["report", text(&traces[0]), "--gate", text(&gates)], "", 60);
    let (folder, json) = (place.file(""), foreign(&place));
    let folder = text(&folder).trim_end_matches('/');
    for columns in [60, 80, 120] {
        fits(&["import", text(&json), "-o", text(&place.file("a.looptrace"))], folder, columns);
        fits(&["report", text(&place.file("a.looptrace"))], folder, columns);
        fits(&["lint", text(&damaged(&place))], folder, columns);
    }
}

/// A Chrome trace that breaks several rules of the lint.
fn damaged(place: &Place) -> PathBuf {
    let path = place.file("damaged.json");
    let events = [
        r#"{"ph":"X","name":"no length","pid":1,"tid":1,"ts":1}"#,
        r#"{"ph":"E","name":"not begun","pid":1,"tid":1,"ts":5}"#,
        r#"{"ph":"X","name":"no time","pid":1,"tid":1,"dur":1}"#,
        r#"{"ph":"?","name":"of no kind","pid":1,"tid":1,"ts":9}"#,
        r#"{"ph":"C","name":"counter","pid":1,"tid":1,"ts":9,"args":{"value":1}}"#,
    ];
    fs::write(&path, format!("[{}]", events.join(",\n"))).expect("the place is ours");
    path
}

#[test]
fn a_narrow_page_names_the_columns_it_leaves_out() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    place.succeed(&["demo", "--no-tui", "--duration", "1s", "--record", text(&trace)]);
    let page = |columns| printed(place.command(&["report", text(&trace)]).env("COLUMNS", columns));
    let (narrow, wide) = (page("60"), page("120"));
    assert!(narrow.contains("not shown at 60 columns: RUN P90"), "{narrow}");
    assert!(!wide.contains("not shown"), "{wide}");
    assert_eq!(page("40"), narrow, "60 columns are the minimum");
}

/// The keys of JSON, at any depth.
fn keys_of(value: &serde_json::Value, keys: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => members.iter().for_each(|(key, member)| {
            keys.push(key.clone());
            keys_of(member, keys);
        }),
        serde_json::Value::Array(items) => items.iter().for_each(|item| keys_of(item, keys)),
        _ => {}
    }
}

#[test]
fn the_book_explains_every_key_that_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/figures.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let place = Place::new();
    let mut keys = Vec::new();
    for policy in ["bun", "agenda"] {
        let demo = ["demo", "--no-tui", "--duration", "1s", "--stall", "30ms", "--policy", policy, "--json"];
        keys_of(&place.json(&demo), &mut keys);
    }
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 120, "{keys:?}");
    keys.retain(|key| !page.contains(&format!("`{key}`")));
    assert!(keys.is_empty(), "docs/src/figures.md does not explain {keys:?}");
}

#[test]
fn every_page_takes_ascii_and_colour() {
    let place = Place::new();
    let json = foreign(&place);
    let (trace, large) = (place.file("a.looptrace"), place.file("b.looptrace"));
    let demo = ["demo", "--no-tui", "--duration", "1s", "--stall", "30ms", "--record", text(&large)];
    place.succeed(&demo);
    let import = ["import", text(&json), "-o", text(&trace)];
    for arguments in
        [&import[..], &["report", text(&large)], &["report", text(&trace)], &["rerun", text(&large)]]
    {
        let with = |options: &[&str]| place.succeed(&[arguments, options].concat());
        let page = with(&["--ascii"]);
        assert!(page.is_ascii(), "{arguments:?}: {page}");
        assert!(!page.contains('?'), "every glyph has a substitute: {page}");
        assert!(with(&["--color", "always"]).contains("\x1b["), "{arguments:?}");
        assert!(!with(&["--color", "never"]).contains('\x1b'), "{arguments:?}");
        assert!(!with(&[]).contains('\x1b'), "{arguments:?}");
    }
}

#[test]
fn a_dash_is_standard_input() {
    let place = Place::new();
    let json = foreign(&place);
    let trace = place.file("a.looptrace");
    place.succeed(&["import", text(&json), "-o", text(&trace)]);
    let read = piped(&place, &["report", "-", "--json"], &trace);
    let mut read_report: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    let mut known = place.json(&["report", text(&trace), "--json"]);
    assert_eq!(read_report["source"]["name"], "standard input");
    for report in [&mut read_report, &mut known] {
        report.as_object_mut().unwrap().remove("source");
    }
    assert_eq!(read_report, known);
    let csv = |output: Output| String::from_utf8(output.stdout).unwrap();
    let exported = piped(&place, &["export", "-", "--format", "csv", "-o", "-"], &trace);
    assert_eq!(csv(exported), place.succeed(&["export", text(&trace), "--format", "csv", "-o", "-"]));
    // The lint of a Chrome trace gives the same findings.
    let linted = piped(&place, &["lint", "-"], &json);
    let direct = place.run(&["lint", text(&json)]);
    assert_eq!(linted.status.code(), direct.status.code());
    let direct = String::from_utf8(direct.stdout).unwrap().replace(text(&json), "standard input");
    assert_eq!(String::from_utf8(linted.stdout).unwrap(), direct);
    // The error for input that is not a trace names standard input, not an invented file.
    let refused = piped(&place, &["report", "-"], &json);
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(3) && line.contains("standard input"), "{line}");
}

#[test]
fn every_stall_has_its_breakdown_on_request() {
    let place = Place::new();
    let json = place.file("stalls.json");
    let slice = |number: u32| {
        let (at, dur) = (number * 50_000, 11_000 + number % 7);
        format!("{{\"ph\":\"X\",\"name\":\"slow\",\"pid\":1,\"tid\":1,\"ts\":{at},\"dur\":{dur}}}")
    };
    fs::write(&json, format!("[{}]", (0..200).map(slice).collect::<Vec<_>>().join(","))).unwrap();
    let trace = place.file("a.looptrace");
    place.succeed(&["import", text(&json), "-o", text(&trace)]);
    let stalls = |options: &[&str]| {
        let report = place.json(&[&["report", text(&trace), "--json"][..], options].concat());
        assert_eq!(report["ticks"]["stalls"], 200);
        report["stalls"].as_array().unwrap().clone()
    };
    assert_eq!((stalls(&[]).len(), stalls(&["--stalls", "3"]).len()), (64, 3));
    let all = stalls(&["--stalls", "10000"]);
    assert_eq!(all.len(), 200);
    for stall in &all {
        let ns = stall["blame"].as_array().unwrap().iter().filter_map(|line| line["ns"].as_u64());
        assert_eq!(Some(ns.sum::<u64>()), stall["run_ns"].as_u64(), "{stall}");
    }
    // However many are listed, the diagnosis is of all of them.
    for options in [&["--stalls", "3"][..], &[], &["--stalls", "10000"]] {
        let report = place.json(&[&["report", text(&trace), "--json"][..], options].concat());
        let said = "slow blocks the loop for about 11.0ms every 50.0ms";
        assert_eq!(
            (&report["diagnosis"]["text"], &report["diagnosis"]["count"]),
            (&said.into(), &200.into())
        );
    }
    let worst = all.iter().filter_map(|stall| stall["run_ns"].as_u64()).max();
    let few = stalls(&["--stalls", "3"]);
    assert_eq!(few.iter().filter_map(|stall| stall["run_ns"].as_u64()).max(), worst, "{few:?}");
    let page = place.succeed(&["report", text(&trace)]);
    assert!(page.contains("and 190 more: report --json --stalls 200 has their breakdowns"), "{page}");
    assert!(page.contains("microtasks  run of") || !page.contains("microtasksrun"), "{page}");
}
