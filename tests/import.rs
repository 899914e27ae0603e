//! Tests foreign Chrome traces through the binary: imports, refusals, and our own exports read back.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::program::{NO_CONFIG, Place, text};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A loop with three tasks, one of which another thread posted, in the object form, out of order.
const SMALL: &str = r#"{"displayTimeUnit":"ms","traceEvents":[
{"ph":"X","name":"Second","pid":7,"tid":70,"ts":2000,"dur":500},
{"ph":"X","name":"First","pid":7,"tid":70,"ts":1000,"dur":300.25},
{"ph":"M","name":"thread_name","pid":7,"tid":70,"args":{"name":"CrRendererMain"}},
{"ph":"M","name":"process_name","pid":7,"tid":70,"args":{"name":"Renderer"}},
{"ph":"X","name":"post","pid":7,"tid":71,"ts":1500,"dur":100},
{"ph":"s","name":"f","cat":"c","id":"0x1","pid":7,"tid":71,"ts":1550},
{"ph":"f","bp":"e","name":"f","cat":"c","id":"0x1","pid":7,"tid":70,"ts":3000},
{"ph":"X","name":"Third","pid":7,"tid":70,"ts":3000,"dur":20000},
{"ph":"E","name":"nobody","pid":7,"tid":70,"ts":30000}
]}"#;

fn written(place: &Place, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = place.file(name);
    fs::write(&path, bytes).expect("the place is ours");
    path
}

/// A whole report except for its source.
fn report(place: &Place, trace: &Path) -> Value {
    let mut report = place.json(&["report", text(trace), "--json"]);
    report.as_object_mut().expect("a report is an object").remove("source");
    report
}

#[test]
fn a_foreign_trace_becomes_a_trace_with_its_loop() {
    let place = Place::new();
    let (json, trace) = (written(&place, "small.json", SMALL), place.file("small.looptrace"));
    let page = place.succeed(&["import", text(&json), "-o", text(&trace)]);
    println!("{page}");
    for expected in ["9 events", "Renderer · CrRendererMain ", " 7/70 ", "out of order", "end without begin"]
    {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert!(page.contains(&format!("next: loopscope replay {}", text(&trace))), "{page}");
    assert!(page.lines().all(|line| line.chars().count() < 160), "{page}");
    let report = place.json(&["import", text(&json), "-o", text(&trace), "--json"]);
    assert_eq!(
        (&report["events_read"], &report["slices"], &report["instants"]),
        (&9.into(), &4.into(), &0.into())
    );
    assert_eq!((&report["flows"], &report["counters"]), (&1.into(), &0.into()));
    assert_eq!(report["dropped"]["end_without_begin"], 1);
    assert_eq!(report["dropped"]["slice_of_other_thread"], 1);
    let summary = place.json(&["report", text(&trace), "--json"]);
    assert_eq!((&summary["source"]["kind"], &summary["source"]["pid"]), (&"chrome".into(), &7.into()));
    assert_eq!(
        (&summary["tasks"]["count"], &summary["stalls"][0]["run_ns"]),
        (&3.into(), &20_000_000.into())
    );
    let third =
        summary["tasks"]["by_tag"].as_array().unwrap().iter().find(|tag| tag["tag"] == "Third").unwrap();
    assert_eq!(third["queue_wait_ns"]["max"], 1_450_000);
    let delay_caused = summary["delay_caused"].as_array().unwrap();
    let delay_caused = |tag: &str| {
        delay_caused.iter().find(|impact| impact["tag"] == tag).map(|impact| &impact["delay_caused_ns"])
    };
    assert_eq!(delay_caused("Second"), Some(&500_000.into()), "a part of the wait of Third");
    assert_eq!(delay_caused("late wakeup"), None, "activity in a gap is unknown");
    assert_eq!(delay_caused("unattributed"), Some(&950_000.into()));
    let page = place.succeed(&["report", text(&trace)]);
    assert!(
        page.contains("imported from Chrome JSON by Chromium · queue waits known for 1 of 3 tasks"),
        "{page}"
    );
    // The other commands accept it like any trace.
    place.succeed(&["replay", text(&trace), "--no-tui"]);
    place.succeed(&["export", text(&trace), "-o", text(&place.file("again.json"))]);
}

#[test]
fn compressed_and_piped_imports_are_the_same() {
    let place = Place::new();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(SMALL.as_bytes()).unwrap();
    let packed = written(&place, "small.json.gz", encoder.finish().unwrap());
    let plain = written(&place, "small.json", SMALL);
    let report = |input: &Path| place.json(&["import", text(input), "-o", text(&place.file("o")), "--json"]);
    assert_eq!(report(&packed), report(&plain));
    let mut piped = place
        .command(&["import", "-", "-o", text(&place.file("o")), "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(&fs::read(&packed).unwrap()).unwrap();
    let output = piped.wait_with_output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), report(&plain));
}

#[test]
fn our_own_export_comes_back_with_the_same_summary() {
    let place = Place::new();
    for (policy, seed) in [("bun", "3"), ("agenda", "4")] {
        let (trace, json, back) =
            (place.file("a.looptrace"), place.file("a.json"), place.file("b.looptrace"));
        place.succeed(&[
            "demo",
            "--duration",
            "1500ms",
            "--no-tui",
            "--policy",
            policy,
            "--seed",
            seed,
            "--stall",
            "20ms",
            "--record",
            text(&trace),
        ]);
        place.succeed(&["export", text(&trace), "-o", text(&json)]);
        let json_report = place.json(&["import", text(&json), "-o", text(&back), "--json"]);
        assert_eq!(json_report["own_recording"], true);
        assert_eq!(report(&place, &back), report(&place, &trace), "{policy}");
        let exported: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
        let slices = exported["traceEvents"].as_array().unwrap().iter();
        let phases = slices.filter(|event| ["X", "b", "i"].contains(&event["ph"].as_str().unwrap())).count();
        assert_eq!(
            json_report["slices"].as_u64().unwrap() + json_report["instants"].as_u64().unwrap(),
            phases as u64
        );
    }
}

#[test]
fn unreadable_imports_print_one_line_and_leave_no_file() {
    let place = Place::new();
    let output = place.file("o.looptrace");
    for (name, bytes, says) in [
        ("empty.json", &b""[..], "it is empty"),
        ("page.html", b"<!doctype html><p>404", "HTML"),
        ("cloud.json", br#"{"projectId":"p","traceId":"1","spans":[]}"#, "a Google Cloud trace"),
        ("damaged.json", b"{\"traceEvents\":[{},}]}", "line 1, byte 19"),
        ("other.json", b"[{\"a\":1}]", "none of its 1 objects is an event"),
        ("nested.json", b"[[[[[[[[", "cut off before the end of its first event"),
        ("binary.json", b"\x00\x01\x02", "binary"),
        ("cut.json.gz", b"\x1f\x8b\x08\x00\x00\x00", "empty"),
    ] {
        let input = written(&place, name, bytes);
        let stderr = place.fail(3, &["import", text(&input), "-o", text(&output)]);
        assert!(stderr.contains(says) && stderr.contains(name), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!output.exists());
    }
    let blanks = [b" ".repeat(5000), SMALL.into()].concat();
    place.succeed(&[
        "import",
        text(&written(&place, "blanks.json", &blanks)),
        "-o",
        text(&place.file("b.looptrace")),
    ]);
    let trace = written(&place, "small.json", SMALL);
    let stderr = place.fail(2, &["import", text(&trace), "-o", text(&trace)]);
    assert!(stderr.contains("the input itself"), "{stderr}");
    let stderr = place.fail(2, &["import", text(&trace), "-o", text(&output), "--thread", "Nobody"]);
    assert!(stderr.contains("Nobody") && stderr.contains("CrRendererMain (7/70)"), "{stderr}");
    place.fail(3, &["import", "no-such-file.json", "-o", text(&output)]);
    assert_eq!(place.run(&["import", text(&trace)]).status.code(), Some(2), "-o is missing");
    assert_eq!(fs::read_to_string(&trace).unwrap(), SMALL);
}

#[test]
fn imports_without_a_loop_are_refused_and_unclosed_slices_are_no_stalls() {
    let place = Place::new();
    let output = place.file("o.looptrace");
    let profile = r#"[{"ph":"P","name":"ProfileChunk","pid":1,"tid":1,"ts":5,"id":"0x1","args":{}}]"#;
    let stderr = place.fail(3, &["import", text(&written(&place, "p.json", profile)), "-o", text(&output)]);
    assert!(stderr.contains("p.json has no event loop: it is a CPU profile"), "{stderr}");
    assert!(!output.exists() && stderr.lines().count() == 1, "{stderr}");
    let mut events = vec![r#"{"ph":"B","name":"START_MSG_LOOP","pid":5,"tid":5,"ts":0}"#.to_owned()];
    events.extend((0..20).map(|number| {
        let at = 1000 + number * 100_000;
        format!(r#"{{"ph":"X","name":"A::RunTask","pid":5,"tid":5,"ts":{at},"dur":900}}"#)
    }));
    let json = written(&place, "loop.json", format!("[{}]", events.join(",")));
    place.succeed(&["import", text(&json), "-o", text(&output)]);
    let summary = place.json(&["report", text(&output), "--json"]);
    assert_eq!((&summary["ticks"]["busy_ns"], &summary["ticks"]["stalls"]), (&18_000_000.into(), &0.into()));
    let page = place.succeed(&["report", text(&output)]);
    assert!(page.contains("repaired: 1 begin without end, 1 slice around loop"), "{page}");
}

#[test]
fn loops_have_the_same_names_in_the_import_and_in_reports() {
    let place = Place::new();
    let events = [70, 71].map(|tid| {
        format!(
            r#"{{"ph":"M","name":"thread_name","pid":7,"tid":{tid},"args":{{"name":"CrRendererMain"}}}},
            {{"ph":"X","name":"A::RunTask","pid":7,"tid":{tid},"ts":{tid},"dur":20}}"#
        )
    });
    let json = written(&place, "two.json", format!("[{}]", events.join(",")));
    let trace = place.file("two.looptrace");
    let json_report = place.json(&["import", text(&json), "-o", text(&trace), "--json"]);
    let names = |report: &Value| -> Vec<Value> {
        report["loops"].as_array().unwrap().iter().map(|own| own["name"].clone()).collect()
    };
    assert_eq!(names(&json_report), ["CrRendererMain (7/70)", "CrRendererMain (7/71)"]);
    assert_eq!(names(&place.json(&["report", text(&trace), "--json"])), names(&json_report));
}

#[test]
fn a_cut_file_is_read_as_far_as_it_is_whole() {
    let place = Place::new();
    let cut = written(&place, "cut.json", &SMALL[..SMALL.find("\"post\"").unwrap()]);
    let output = place.run(&["import", text(&cut), "-o", text(&place.file("o.looptrace")), "--json"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.contains("cut off at line 6, byte ") && stderr.contains("the 4 whole events"), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["slices"], &report["repaired"]["cut_off"]), (&2.into(), &1.into()));
}

/// An event of the loop's thread, for the tests of cut files and missing slices.
fn slice(name: &str, ts: u32, dur: Option<u32>) -> String {
    let dur = dur.map_or_else(String::new, |dur| format!(r#","dur":{dur}"#));
    format!(r#"{{"ph":"X","name":"{name}","pid":5,"tid":5,"ts":{ts}{dur}}}"#)
}

/// Six tasks of 50 ms, each listed after the two slices inside it, because a complete slice is written when it ends.
fn parents() -> Vec<String> {
    let of = |start: u32| {
        let child = |name, offset| slice(name, start + offset, Some(2_000));
        [child("childA", 1_000), child("childB", 30_000), slice("parent", start, Some(50_000))]
    };
    (0..6).flat_map(|number| of(number * 100_000)).collect()
}

/// Imports `json` and judges `gates`, each a metric and its bound. Returns the line on standard error, the repairs,
/// whether the result is closed, and the outcome of each gate.
fn judged(place: &Place, json: &str, gates: &[(&str, &str)]) -> (String, Value, Value, Vec<String>) {
    let (input, trace) = (written(place, "judged.json", json), place.file("judged.looptrace"));
    let imported = place.run(&["import", text(&input), "-o", text(&trace), "--json"]);
    let stderr = String::from_utf8(imported.stderr).expect("it is text");
    assert!(imported.status.success(), "{stderr}");
    let gates: Vec<String> =
        gates.iter().map(|(metric, bound)| format!("[[gate]]\nmetric=\"{metric}\"\n{bound}\n")).collect();
    let gates = written(place, "gates.toml", gates.concat());
    let report = place.run(&["report", text(&trace), "--gate", text(&gates), "--json"]);
    let report: Value = serde_json::from_slice(&report.stdout).expect("it is JSON");
    let outcomes = report["gates"].as_array().expect("gates were judged").iter();
    let outcomes = outcomes.map(|gate| gate["outcome"].as_str().expect("it is a word").to_owned()).collect();
    let imported: Value = serde_json::from_slice(&imported.stdout).expect("it is JSON");
    (stderr, imported["repaired"].clone(), report["source"]["state"].clone(), outcomes)
}

#[test]
fn a_file_without_an_end_is_an_unclosed_recording() {
    let place = Place::new();
    let gates = [("stalls", "max=6"), ("stalls", "max=5"), ("tasks.count", "min=6"), ("span", "min=\"1ms\"")];
    let events = parents();
    let (all, last) = (events.join(",\n"), events[17].len());
    let object = |end: &str| format!("{{\"traceEvents\":[{all}{end}");
    for whole in [object("]}"), format!("[{all}]"), format!("[{all},]")] {
        let (stderr, _, state, outcomes) = judged(&place, &whole, &gates);
        assert_eq!(
            (&*stderr, state, outcomes),
            (
                "",
                "closed".into(),
                vec!["held", "failed", "held", "held"].into_iter().map(str::to_owned).collect()
            ),
            "{whole}"
        );
    }
    let says = "is cut off at line 18, byte ";
    let may_be = "may be cut off, because its list of events has no ] at line 18, byte ";
    for (cut, kind, says) in [
        (object(""), "cut_off", says),
        (object("\n"), "cut_off", "is cut off at line 19, byte "),
        (object(","), "cut_off", says),
        (object("]"), "cut_off", says),
        (object("],\"metadata\":{"), "cut_off", says),
        (format!("[{all}"), "unclosed_list", may_be),
        (format!("[{all},"), "unclosed_list", may_be),
        (format!("[{}", &all[..all.len() - last / 2]), "cut_off", says),
    ] {
        let (stderr, repaired, state, outcomes) = judged(&place, &cut, &gates);
        assert!(stderr.contains(says) && stderr.lines().count() == 1, "{stderr} of {cut}");
        assert_eq!((&repaired[kind], state), (&1.into(), "unclosed".into()), "{repaired} of {cut}");
        assert_eq!(outcomes, ["undecided", "undecided", "undecided", "held"], "{cut}");
    }
}

#[test]
fn missing_slices_may_have_enclosed_or_joined_others() {
    let place = Place::new();
    let mut events = parents();
    let whole = |events: &[String]| format!("[{}]", events.join(","));
    let gates = [
        ("tasks.count", "max=6"),
        ("tasks.count", "min=7"),
        ("ticks.count", "max=6"),
        ("ticks.count", "min=7"),
        ("task.childA.count", "max=0"),
        ("task.childA.count", "min=1"),
        ("task.*.count", "max=4"),
        ("task.childA.run.max", "max=\"1ms\""),
        ("tasks.run.max", "max=\"1ms\""),
        ("ticks.run.max", "max=\"1ms\""),
        ("stalls", "max=4"),
        ("busy", "max=\"1ms\""),
    ];
    // Enclosed slices are no tags of the whole file, so gates on them are undecided.
    let (_, _, _, outcomes) = judged(&place, &whole(&events), &gates);
    let expected = ["held", "failed", "held", "failed", "undecided", "undecided", "failed", "undecided"];
    assert_eq!(outcomes, [&expected[..], &["failed"; 4]].concat());
    // The last parent lacks its duration, or the file ends within it.
    let cut = whole(&events[..17]).replace(']', ",{\"ph\":\"X\"");
    events[17] = slice("parent", 500_000, None);
    for file in [whole(&events), cut] {
        let (_, _, _, outcomes) = judged(&place, &file, &gates);
        assert_eq!(outcomes, ["undecided"; 12], "{file}");
    }
    let page = place.succeed(&["report", text(&place.file("judged.looptrace"))]);
    assert!(page.contains("~5 stalls") && !page.contains("at least"), "{page}");
    // Three slices without a gap are one tick; without the middle one they are two.
    let of = |start: u32| [0, 10_000, 20_000].map(|offset| slice("step", start + offset, Some(10_000)));
    let mut events: Vec<String> = (0..6).flat_map(|number| of(number * 100_000)).collect();
    assert_eq!(judged(&place, &whole(&events), &gates[2..4]).3, ["held", "failed"]);
    events[16] = slice("step", 510_000, None);
    assert_eq!(judged(&place, &whole(&events), &gates[2..4]).3, ["undecided"; 2]);
    let page = place.succeed(&["report", text(&place.file("judged.looptrace"))]);
    assert!(page.contains("1 event is missing: there may be fewer ticks and tasks than shown"), "{page}");
    // Gates that do not depend on the missing slice are decided.
    let fixed = [("span", "min=\"500ms\""), ("span", "min=\"1s\""), ("lost", "max=0")];
    assert_eq!(judged(&place, &whole(&events), &fixed).3, ["held", "undecided", "held"]);
}

#[test]
fn a_full_disk_leaves_no_partial_trace() {
    let place = Place::new();
    let mut events: Vec<String> = (0..60_000)
        .map(|n| {
            format!(
                "{{\"ph\":\"X\",\"name\":\"n{}\",\"pid\":1,\"tid\":1,\"ts\":{},\"dur\":1}}",
                n * 7919 % 5003,
                n * 3
            )
        })
        .collect();
    events.insert(0, "[{}".to_owned());
    let input = written(&place, "many.json", events.join(",\n"));
    let output = place.file("o.looptrace");
    let stderr = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" import \"$1\" -o \"$2\""])
        .args([env!("CARGO_BIN_EXE_loopscope"), text(&input), text(&output)])
        .envs([NO_CONFIG])
        .output()
        .unwrap();
    assert_eq!(stderr.status.code(), Some(3));
    let stderr = String::from_utf8(stderr.stderr).unwrap();
    assert!(stderr.lines().count() == 1 && stderr.contains("no file was made"), "{stderr}");
    assert!(!output.exists());
}

#[test]
fn many_threads_are_never_taken_for_one() {
    let place = Place::new();
    let slice = |tid: u32, at: u32| {
        format!("{{\"ph\":\"X\",\"name\":\"work\",\"pid\":1,\"tid\":{tid},\"ts\":{at},\"dur\":1}}")
    };
    let mut events: Vec<String> = (1..=20_000).map(|tid| slice(tid, tid)).collect();
    let name = r#"{"ph":"M","name":"thread_name","pid":1,"tid":19000,"args":{"name":"CrRendererMain"}}"#;
    events.push(name.to_owned());
    events.extend((0..10).map(|number| slice(19_000, 30_000 + number * 10)));
    let json = written(&place, "th.json", format!("[{}]", events.join(",\n")));
    let trace = place.file("th.looptrace");
    let import = ["import", text(&json), "-o", text(&trace), "--json"];
    let report = place.json(&import);
    assert_eq!((&report["threads"], &report["slices"]), (&20_000.into(), &20_010.into()));
    let found = &report["loops"][0];
    assert_eq!(
        (&found["tid"], &found["tasks"], &found["chosen"]),
        (&"19000".into(), &11.into(), &"name".into())
    );
    assert_eq!(report["dropped"]["slice_of_other_thread"], 19_999);
    let report = place.json(&[&import[..], &["--thread", "17000", "--thread", "1/18000"]].concat());
    let tids: Vec<&Value> = report["loops"].as_array().unwrap().iter().map(|found| &found["tid"]).collect();
    assert_eq!(tids, ["17000", "18000"]);
    // Loops beyond a trace's limit are counted.
    let turns = (1..=300).map(|tid| {
        let name = format!(
            "{{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":1,\"tid\":{tid},\"args\":{{\"name\":\"node\"}}}}"
        );
        format!("{name},\n{}", slice(tid, tid))
    });
    let json = written(&place, "loops.json", format!("[{}]", turns.collect::<Vec<_>>().join(",\n")));
    let report = place.json(&["import", text(&json), "-o", text(&trace), "--json"]);
    assert_eq!(report["loops"].as_array().unwrap().len(), 256);
    assert_eq!(
        (&report["dropped"]["loop_beyond_limit"], &report["dropped"]["slice_of_other_thread"]),
        (&44.into(), &44.into())
    );
}

/// Files that other programs wrote, if they are present beside the checkout.
#[test]
fn real_files_beside_the_checkout_are_imported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    // The number of slices in Perfetto's trace processor; the loops; the longest tick, in milliseconds.
    let known = [
        ("catapult-flow.json", 1625, 6, 360),
        ("catapult-main_thread_has_unclosed_slices.json", 1684, 2, 767),
        ("node20-immediate-queue.json", 28, 1, 0),
        ("viztracer-async_simple.json", 656, 1, 0),
    ];
    let place = Place::new();
    for (name, slices, loops, longest) in known {
        let path = folder.join(name);
        if !path.exists() {
            println!("{name} is not beside the checkout: not tried");
            continue;
        }
        let trace = place.file("o.looptrace");
        let json_report = place.json(&["import", text(&path), "-o", text(&trace), "--json"]);
        assert_eq!(
            json_report["slices"].as_u64().unwrap() + json_report["instants"].as_u64().unwrap(),
            slices,
            "{name}"
        );
        assert_eq!(json_report["loops"].as_array().unwrap().len(), loops, "{name}");
        let report = place.json(&["report", text(&trace), "--json"]);
        assert_eq!(report["ticks"]["run_ns"]["max"].as_u64().unwrap() / 1_000_000, longest, "{name}");
        assert_eq!(report["source"]["import"]["repaired"], json_report["repaired"], "{name}");
        let spans = report["spans"].as_array().unwrap().iter().map(|span| span["count"].as_u64().unwrap());
        let expected =
            json_report["loops"].as_array().unwrap().iter().map(|found| found["spans"].as_u64().unwrap());
        assert_eq!(spans.sum::<u64>(), expected.sum::<u64>(), "{name}");
    }
}
