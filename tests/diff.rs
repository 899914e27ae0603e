//! Tests comparisons through the real binary: synthetic runs as traces, verdicts, refusals, gates, and every
//! format.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use crate::support::program::{Place, text};
use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::reader::TraceReader;
use loop_traces::source::MemorySource;
use loop_traces::synthetic::{Script, TAGS};
use loop_traces::writer::TraceWriter;
use serde_json::Value;

/// Ticks of each run.
const TICKS: u32 = 400;

/// Writes a synthetic run in which the tasks of one tag take `factor` times as long.
fn write(path: &Path, seed: u64, slower: Option<(&str, f64)>, change: impl Fn(&mut Metadata)) {
    let script = Script { seed, ticks: TICKS, stall_every: 0, spans: false, ..Script::default() };
    let mut events = script.events();
    if let Some((tag, factor)) = slower {
        let tag = TAGS.iter().position(|name| *name == tag).expect("the script has that tag");
        for stamped in &mut events {
            slow_down(stamped, tag as u16, factor);
        }
    }
    let mut metadata = script.metadata();
    metadata.settings.remove("seed");
    metadata.started.wall_ns = 0;
    change(&mut metadata);
    let mut writer = TraceWriter::create(path, &metadata).expect("a trace can be created");
    writer.append(&events).expect("a trace can be written");
    writer.finish().expect("a trace can be closed");
}

/// Prolongs tasks of one tag by starting them earlier, so that later events keep their times.
fn slow_down(stamped: &mut Stamped, slow: u16, factor: f64) {
    if let Event::TaskRan { tag, queued, start, .. } = &mut stamped.event
        && tag.0 == slow
    {
        let run_ns = (stamped.at.ns_since(*start) as f64 * factor) as u64;
        *start = Timestamp(stamped.at.0 - run_ns);
        *queued = Timestamp(queued.0.min(start.0));
    }
}

/// Five runs per side; in those of the candidate, one tag is slower.
struct Sides {
    place: Place,
    base: Vec<String>,
    candidate: Vec<String>,
}

impl Sides {
    fn new(slower: Option<(&str, f64)>) -> Self {
        let place = Place::new();
        let side = |name: &str, from: u64, slower: Option<(&str, f64)>| {
            let runs = (0..5).map(|run| {
                let path = place.file(&format!("{name}{run}.looptrace"));
                write(&path, from + run, slower, |_| {});
                text(&path).to_owned()
            });
            runs.collect::<Vec<String>>()
        };
        let (base, candidate) = (side("old", 10, None), side("new", 20, slower));
        Self { place, base, candidate }
    }

    fn arguments<'a>(&'a self, flags: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["diff"];
        arguments.extend(flags);
        arguments.extend(self.base.iter().map(String::as_str));
        arguments.push("--");
        arguments.extend(self.candidate.iter().map(String::as_str));
        arguments
    }

    fn run(&self, flags: &[&str]) -> Output {
        self.place.run(&self.arguments(flags))
    }

    fn json(&self, flags: &[&str]) -> Value {
        let flags = [flags, &["--json"]].concat();
        self.place.json(&self.arguments(&flags))
    }

    fn gates(&self, gates: &str) -> String {
        let path = self.place.file("gates.toml");
        std::fs::write(&path, gates).expect("a file can be written");
        text(&path).to_owned()
    }
}

fn texts(output: &Output) -> (String, String) {
    let of = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    (of(&output.stdout), of(&output.stderr))
}

#[test]
fn a_slower_tag_is_found_and_named() {
    let sides = Sides::new(Some(("Echo", 1.5)));
    let compared = sides.json(&[]);
    assert_eq!(compared["verdict"], "worse", "{compared}");
    let tasks = &compared["primary"][0];
    assert_eq!((tasks["metric"].as_str(), tasks["tag"].as_str()), (Some("task.*.run.gmean"), Some("Echo")));
    let change = tasks["change"].as_f64().expect("a change");
    assert!((0.3..0.7).contains(&change), "{tasks}");
    let (page, _) = texts(&sides.run(&[]));
    assert!(page.starts_with("worse: Echo runs "), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    assert!(!page.contains('\x1b'), "no colours without a terminal");
    let (coloured, _) = texts(&sides.run(&["--color", "always"]));
    assert!(coloured.starts_with("\x1b["), "{coloured:?}");
    let (plain, _) = texts(&sides.run(&["--ascii"]));
    assert!(plain.is_ascii(), "{plain}");
}

#[test]
fn equals_are_not_worse_and_one_run_is_undecided() {
    let sides = Sides::new(None);
    let compared = sides.json(&[]);
    assert!(
        compared["primary"].as_array().unwrap().iter().all(|one| one["verdict"] != "worse"),
        "{compared}"
    );
    let one = sides.place.json(&["diff", "--json", &sides.base[0], "--", &sides.candidate[0]]);
    assert_eq!(one["verdict"], "undecided");
    assert_eq!(one["primary"][1]["more_runs"]["at_least"], 4);
    assert!(one["primary"][1]["base"].as_f64() > Some(0.0), "the numbers are shown: {one}");
    let saved = sides.place.file("saved.json");
    std::fs::write(&saved, sides.place.succeed(&["report", &sides.base[0], "--json"])).unwrap();
    let twice = ["diff", "--json", text(&saved), "--", &sides.base[0]];
    assert!(sides.place.fail(3, &twice).contains("are the same run"), "a run may not count twice");
    let same = sides.place.json(&[&["diff", "--anyway"], &twice[1..]].concat());
    assert_eq!(
        same["primary"][1]["base"], same["primary"][1]["candidate"],
        "a saved summary is the same run"
    );
    assert!(same["notes"].to_string().contains("saved summary"), "{same}");
}

#[test]
fn misleading_comparisons_are_refused_without_anyway() {
    let place = Place::new();
    let (old, new) = (place.file("old.looptrace"), place.file("new.looptrace"));
    write(&old, 1, None, |_| {});
    for (change, named) in [
        ((|metadata| metadata.policy = "quickjs".to_owned()) as fn(&mut Metadata), "the policy differs"),
        (|metadata| metadata.host = "elsewhere".to_owned(), "the host differs"),
        (|metadata| metadata.build = "1 debug".to_owned(), ""),
        (|metadata| metadata.stall_limit_ns = 1, "the stall limit differs"),
        (
            |metadata| drop(metadata.settings.insert("load".to_owned(), "9".to_owned())),
            "the setting load differs",
        ),
    ] {
        write(&new, 2, None, change);
        let arguments = ["diff", text(&old), "--", text(&new)];
        if named.is_empty() {
            place.succeed(&arguments);
            continue;
        }
        let line = place.fail(3, &arguments);
        assert!(line.contains(named) && line.contains("--anyway"), "{line}");
        let output = place.run(&["diff", "--anyway", text(&old), "--", text(&new)]);
        let (page, warned) = texts(&output);
        assert!(output.status.success() && page.starts_with("undecided"), "{page}");
        assert!(warned.contains(named), "{warned}");
    }
}

const GATES: &str = "[[gate]]\nmetric = \"task.Echo.run.gmean\"\nworse_by = \"10%\"\n\n\
                     [[gate]]\nmetric = \"stalls\"\nmax = 0\n\n[[gate]]\nmetric = \"ticks.count\"\nmin = 100\n";

/// Adds the keys of all objects in `value`.
fn add_keys(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key.clone());
                add_keys(value, keys);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| add_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn the_book_names_every_key_of_the_json() {
    let sides = Sides::new(Some(("Echo", 1.5)));
    let gates = sides.gates(GATES);
    let (page, _) = texts(&sides.run(&["--gate", &gates, "--format", "json"]));
    let mut keys = BTreeSet::new();
    add_keys(&serde_json::from_str(&page).expect("JSON"), &mut keys);
    assert!(keys.len() > 25, "{keys:?}");
    let book = include_str!("../docs/src/compare.md");
    let (_, book) = book.split_once("\n## In JSON\n").expect("it has the section");
    let (table, _) = book.split_once("\n## ").expect("another section follows");
    keys.retain(|key| !table.contains(&format!("`{key}`")));
    assert!(keys.is_empty(), "{keys:?}");
}

#[test]
fn gates_fail_with_their_numbers_in_every_format() {
    let sides = Sides::new(Some(("Echo", 1.5)));
    let gates = sides.gates(GATES);
    for format in ["text", "json", "markdown", "junit"] {
        let output = sides.run(&["--gate", &gates, "--format", format]);
        let (page, line) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(line.contains("1 of 3 gates failed: task.Echo.run.gmean at most 10.0% worse: "), "{line}");
        assert_eq!(line.lines().count(), 1);
        match format {
            "json" => {
                let page: Value = serde_json::from_str(&page).expect("JSON");
                assert_eq!(page["gates"][0]["outcome"], "failed");
                assert_eq!(page["gates"][1]["outcome"], "held");
            }
            "junit" => {
                assert!(page.starts_with("<?xml"), "{page}");
                assert!(page.contains(
                    "<testsuite name=\"gates\" tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"0\">"
                ));
                assert!(page.contains("<failure message=\""), "{page}");
            }
            "markdown" => {
                assert!(page.contains("| 🔴 failed | task.Echo.run.gmean at most 10.0% worse |"), "{page}")
            }
            _ => assert!(page.contains("\nfailed       task.Echo.run.gmean at most 10.0% worse"), "{page}"),
        }
    }
}

#[test]
fn one_run_has_gates_too() {
    let sides = Sides::new(None);
    let run = sides.base[0].as_str();
    let gates = sides.gates("[[gate]]\nmetric = \"timer_lag.p99\"\nmax = \"1ns\"\n");
    let line = sides.place.run(&["report", run, "--gate", &gates, "--format", "junit"]);
    assert_eq!(line.status.code(), Some(1));
    let (page, line) = texts(&line);
    assert!(line.contains("1 of 1 gate failed: timer_lag.p99 at most 1ns: "), "{line}");
    assert!(page.contains("failures=\"1\""), "{page}");
    let held = sides.gates("[[gate]]\nmetric = \"ticks.count\"\nmin = 100\n");
    assert!(
        sides.place.succeed(&["report", run, "--gate", &held]).ends_with("ticks.count at least 100  400\n")
    );
    assert_eq!(sides.place.json(&["report", run, "--gate", &held, "--json"])["gates"][0]["outcome"], "held");
    let open = sides.gates("[[gate]]\nmetric = \"task.Nobody.run.p99\"\nmax = \"1ms\"\n");
    let (_, warned) = texts(&sides.place.run(&["report", run, "--gate", &open]));
    assert!(
        warned.contains("there is no \"Nobody\"; did you mean ") && warned.contains("--strict"),
        "{warned}"
    );
    sides.place.succeed(&["report", run, "--gate", &open]);
    assert_eq!(sides.place.run(&["report", run, "--gate", &open, "--strict"]).status.code(), Some(1));
}

#[test]
fn mistakes_are_reported_in_one_line() {
    let sides = Sides::new(None);
    let (old, new) = (sides.base[0].as_str(), sides.candidate[0].as_str());
    let compares = sides.gates(GATES);
    let line = sides.place.fail(2, &["report", old, "--gate", &compares]);
    assert!(line.contains("gates.toml:3: ") && line.contains("diff --gate"), "{line}");
    for one_side in [&["diff", "--json", old, new][..], &["diff", old, "--", "--json"]] {
        let run = sides.place.run(one_side);
        let (_, wrong) = texts(&run);
        assert!(run.status.code() == Some(2) && wrong.contains("<BASE>... -- <CANDIDATE>..."), "{wrong}");
    }
    let unknown = sides.gates("[[gate]]\nmetric = \"stalls\"\nmaximum = 3\n");
    for arguments in [&["report", old, "--gate", &unknown][..], &["diff", "--gate", &unknown, old, "--", new]]
    {
        let line = sides.place.fail(2, arguments);
        assert!(line.contains("gates.toml:3: unknown key \"maximum\""), "{line}");
    }
    assert!(
        sides.place.fail(3, &["diff", "--gate", "/no/gates.toml", old, "--", new]).contains("/no/gates.toml")
    );
    assert!(sides.place.fail(2, &["report", old, "--format", "junit"]).contains("--gate"));
    assert!(
        sides
            .place
            .fail(2, &["diff", "--primary", "ticks.count", old, "--", new])
            .contains("neither better nor worse")
    );
    let saved = sides.place.file("not.json");
    std::fs::write(&saved, "{\"schema\": 99}").unwrap();
    sides.place.fail(3, &["diff", text(&saved), "--", new]);
    let (_, wrong) = texts(&sides.place.run(&["diff", "--primary", "timerlag.p99", old, "--", new]));
    assert!(wrong.contains("did you mean timer_lag.p99"), "{wrong}");
}

#[test]
fn options_may_follow_the_files() {
    let sides = Sides::new(None);
    let gates = sides.gates(GATES);
    let files = [sides.base.as_slice(), &["--".to_owned()], &sides.candidate].concat();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let options = ["--gate", &gates, "--json", "--primary", "stalls"];
    let before = sides.place.json(&[&["diff"], &options[..], &files].concat());
    let behind = sides.place.json(&[&["diff"], &files[..], &options].concat());
    assert_eq!(before, behind);
    assert_eq!(
        (&behind["primary"][0]["metric"], behind["gates"].as_array().map(Vec::len)),
        (&"stalls".into(), Some(3))
    );
    assert_eq!(
        sides.place.json(&[&["diff"], &files[..], &["--format", "json"]].concat())["schema"],
        behind["schema"]
    );
}

/// The ratio of each `RenderPage` task's run time to the span inside its handler.
///
/// The demo scales the time that the handler took, including preemption, and the span is a part of that time: preemption
/// in the span changes both.
fn prolonged(place: &Place, scale: &[&str]) -> Vec<f64> {
    let trace = place.file("demo.looptrace");
    let demo = ["demo", "--no-tui", "--duration", "2s", "--load", "1500", "--record", text(&trace)];
    place.succeed(&[&demo, scale].concat());
    let recorded = MemorySource::read(&mut TraceReader::open(&trace).expect("a trace can be read"));
    let (mut labels, mut spans, mut ratios) = (Labels::default(), Vec::new(), Vec::new());
    for stamped in recorded.expect("a trace can be read").events() {
        labels.learn_event(&stamped.event);
        match stamped.event {
            Event::Span { label, start } if labels.span(label) == "render" => spans.push((start, stamped.at)),
            Event::TaskRan { tag, start, .. } if labels.tag(tag) == "RenderPage" => {
                let inside = spans.drain(..).filter(|span| start <= span.0 && span.1 <= stamped.at);
                let rendered_ns: u64 = inside.map(|(from, to)| to.ns_since(from)).sum();
                assert!(rendered_ns > 0, "the handler of {stamped:?} renders");
                ratios.push(stamped.at.ns_since(start) as f64 / rendered_ns as f64);
            }
            _ => {}
        }
    }
    assert!(ratios.len() > 50, "{} pages", ratios.len());
    ratios
}

#[test]
fn a_scaled_demo_is_slower_by_its_factor() {
    let place = Place::new();
    let smallest = |ratios: &[f64]| ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let (as_it_is, scaled) = (prolonged(&place, &[]), prolonged(&place, &["--scale", "RenderPage=4"]));
    // No task can take less than the factor; 1% is for the error between the two clocks.
    assert!(smallest(&scaled) >= 3.96, "{scaled:?}");
    // Preemption may add time, but not to every page.
    let (as_it_is, scaled) = (smallest(&as_it_is), smallest(&scaled));
    assert!((3.5..4.5).contains(&(scaled / as_it_is)), "{as_it_is} became {scaled}");
}

#[test]
#[ignore = "needs a processor that is free: .ci/run runs it on its own"]
fn a_demo_that_stalls_is_worse_than_one_that_does_not() {
    let place = Place::new();
    let record = |name: String, stall: &[&str]| {
        let trace = text(&place.file(&name)).to_owned();
        place.succeed(&[&["demo", "--no-tui", "--duration", "2s", "--record", &trace], stall].concat());
        trace
    };
    // Alternating, as the book recommends.
    let pairs = (0..5).map(|run| {
        (
            record(format!("old{run}.looptrace"), &[]),
            record(format!("new{run}.looptrace"), &["--stall", "40ms"]),
        )
    });
    let (old, new): (Vec<String>, Vec<String>) = pairs.unzip();
    let arguments = ["diff", "--format", "json"].map(str::to_owned).into_iter();
    let arguments: Vec<String> = arguments.chain(old).chain(["--".to_owned()]).chain(new).collect();
    let texts = place.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let stalls =
        texts["primary"].as_array().expect("metrics").iter().find(|it| it["metric"] == "stalls.busy");
    let stalls = stalls.unwrap_or_else(|| panic!("time in stalls has a verdict: {texts}"));
    assert_eq!((&texts["verdict"], &stalls["verdict"]), (&"worse".into(), &"worse".into()), "{texts}");
}
