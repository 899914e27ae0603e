//! Tests `loopscope minimize` end to end: a recording of the demo is reduced to what makes a timer late.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::corpus::Case;
use crate::support::program::{Place, Running, text, wait_for};
use crate::support::terminal::Terminal;

#[test]
fn a_blocked_loop_is_reduced_to_the_handler_and_a_late_timer() {
    let place = Place::new();
    let (large, small) = (place.file("night.looptrace"), place.file("small.looptrace"));
    let (large, small) = (text(&large), text(&small));
    // So long that a busy machine alone does not make a timer this late.
    place.succeed(&["demo", "--stall", "900ms", "--duration", "3s", "--no-tui", "--record", large]);
    let minimize = [
        "minimize",
        large,
        "--keep",
        "timer_lag.max > 600ms",
        "-o",
        small,
        "--toml",
        "--json",
        "--budget",
        "1h",
    ];
    let json_report = place.json(&minimize);
    let number = |side: &str, what: &str| json_report[side][what].as_f64().unwrap();
    assert!(number("after", "value") > 600e6, "{json_report}");
    assert!(number("after", "span_ns") < number("before", "span_ns"), "{json_report}");
    assert!(number("after", "tasks") * 100.0 < number("before", "tasks"), "{json_report}");
    // What else is needed depends on how the machine ran the demo, but no part of the result can be removed.
    assert_eq!(
        (&json_report["minimal"], &json_report["ended"]),
        (&true.into(), &"minimal".into()),
        "{json_report}"
    );
    let tags = |side: &str| {
        let tags = json_report[side]["tags"].as_array().unwrap().iter();
        tags.map(|tag| tag["tag"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert!(tags("after").len() < tags("before").len(), "{json_report}");

    // The result is a recording like any other, and shows the delay it was kept for.
    let report = place.json(&["report", small, "--json"]);
    let late = &report["late_timers"][0];
    assert!(late["lag_ns"].as_u64() > Some(600_000_000), "{report}");
    // A timer that is overdue at the end shows the delay as well; then its callback is not needed.
    let has_run = tags("after").contains(&late["tag"].as_str().unwrap());
    assert!(has_run || late["fired_ns"].is_null(), "the late timer's tag is left: {late}");
    assert_eq!(json_report["after"]["bounds"].is_array(), late["open"] == true, "{json_report}");
    let blamed = late["blame"][0]["what"].as_str().unwrap();
    assert!(blamed.starts_with("task Report #"), "the handler that blocks is left: {late}");
    assert!(tags("after").contains(&"Report"), "{json_report}");
    place.succeed(&["export", small, "-o", text(&place.file("small.json"))]);
    place.succeed(&["rerun", small, "--check"]);
    // The result is also a case for a corpus.
    let case = Case::read(&place.file("small.toml")).unwrap();
    assert_eq!(case.broken().unwrap(), Vec::<String>::new(), "{}", case.about());

    // Repeating it gives the same bytes.
    let bytes = fs::read(small).unwrap();
    let stderr = place.fail(2, &minimize);
    assert!(stderr.contains("small.toml already exists"), "edits of an existing TOML are kept: {stderr}");
    fs::remove_file(place.file("small.toml")).unwrap();
    place.succeed(&minimize);
    assert!(bytes == fs::read(small).unwrap(), "the search is deterministic");
}

#[test]
fn recordings_under_a_virtual_clock_are_reduced_exactly() {
    let place = Place::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus");
    let cases = [
        // The timer's own task and the one that delayed it remain, and none of the hundred behind it.
        ("slow-behind-fast", "timer_lag.max > 20ms", 2, 31_000_000),
        ("self-posting", "timer_lag.max > 4ms", 10_001, 10_100_000),
        ("zero-delay-chain", "tasks.count > 400", 401, 20_000_000),
        ("gc-thrash", "gc.collect >= 4", 7, 36_000_000),
    ];
    for (name, keep, tasks, span_ns_max) in cases {
        let (large, small) = (corpus.join(name).with_extension("looptrace"), place.file(name));
        let report = place.json(&["minimize", text(&large), "--keep", keep, "-o", text(&small), "--json"]);
        assert_eq!(
            (&report["minimal"], &report["after"]["tasks"]),
            (&true.into(), &tasks.into()),
            "{name}: {report}"
        );
        assert!(report["after"]["span_ns"].as_u64() <= Some(span_ns_max), "{name}: {report}");
    }
}

#[test]
fn a_condition_that_does_not_hold_is_refused() {
    let place = Place::new();
    let (large, small) = (place.file("a.looptrace"), place.file("small.looptrace"));
    let (large, small) = (text(&large), text(&small));
    place.succeed(&["demo", "--duration", "1s", "--no-tui", "--record", large]);
    let stderr = place.fail(1, &["minimize", large, "--keep", "timer_lag.max > 30s", "-o", small]);
    assert!(stderr.contains("timer_lag.max > 30s does not hold"), "{stderr}");
    assert!(!place.file("small.looptrace").exists(), "nothing is written");
    place.fail(3, &["minimize", "/nowhere.looptrace", "--keep", "stalls > 0", "-o", small]);
    place.fail(2, &["minimize", large, "--keep", "stalls > 0", "-o", large]);
    let device = place.fail(3, &["minimize", large, "--keep", "stalls >= 0", "-o", "/dev/full"]);
    assert!(
        device.contains("cannot write /dev/full: it is not a regular file"),
        "the device is not replaced: {device}"
    );
    let toml = place.file("small.toml");
    let stderr = place.fail(2, &["minimize", large, "--keep", "stalls >= 0", "-o", text(&toml), "--toml"]);
    assert!(stderr.contains("would overwrite the trace") && !toml.exists(), "{stderr}");
    let output = place.run(&["minimize", large, "--keep", "timer_lga.max > 1ms", "-o", small]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("timer_lag.max"), "the nearest metric is named: {stderr}");
}

#[test]
fn a_killed_search_leaves_nothing_behind() {
    let place = Place::new();
    let (temporary, small) = (place.file("temporary"), place.file("small.looptrace"));
    fs::create_dir(&temporary).unwrap();
    let large = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/self-posting.looptrace");
    let minimize = ["minimize", text(&large), "--keep", "timer_lag.max > 4ms", "-o", text(&small)];
    let mut command = place.command(&minimize);
    command.env("TMPDIR", &temporary).stdout(Stdio::null()).stderr(Stdio::null());
    let mut search = Running::start(&mut command);
    let descriptors = PathBuf::from(format!("/proc/{}/fd", search.pid()));
    let is_recording = |descriptor: fs::DirEntry| {
        let of_the_search = fs::read_link(descriptor.path()).is_ok_and(|file| file.starts_with(&temporary));
        of_the_search && fs::metadata(descriptor.path()).is_ok_and(|file| file.len() > 0)
    };
    wait_for("a part to be executed again", || {
        fs::read_dir(&descriptors).into_iter().flatten().flatten().any(is_recording)
    });
    search.kill();
    let left = |folder: &Path| -> Vec<_> {
        let names = fs::read_dir(folder).unwrap().map(|found| found.unwrap().file_name());
        names.filter(|name| name != "temporary").collect()
    };
    assert_eq!([left(&temporary), left(&place.file(""))], [[], []].map(Vec::<std::ffi::OsString>::from));
}

#[test]
fn an_interrupted_search_saves_the_smallest_part_so_far() {
    let place = Place::new();
    let (large, small) = (place.file("night.looptrace"), place.file("small.looptrace"));
    place.succeed(&["demo", "--stall", "900ms", "--duration", "3s", "--no-tui", "--record", text(&large)]);
    let arguments = ["minimize", text(&large), "--keep", "timer_lag.max > 600ms", "-o", text(&small)];
    let mut terminal = Terminal::start(
        env!("CARGO_BIN_EXE_loopscope"),
        &arguments.map(str::to_owned),
        &place.environment(),
        (80, 24),
    )
    .unwrap();
    // The progress shows how much is left: waits until that has shrunk.
    let mut first = None;
    terminal.wait_for("a part that is smaller", |screen| {
        let left = screen.split(" left in ").next().and_then(|tail| tail.split("so far, ").nth(1));
        left.is_some_and(|left| first.get_or_insert_with(|| left.to_owned()) != left)
    });
    terminal.send("\x03").unwrap();
    let screen = terminal.wait_for("its end", |screen| screen.contains("saved  "));
    assert_eq!(terminal.wait().exit_code(), 0, "{screen}");
    assert!(screen.contains("stopped by you after"), "{screen}");
    assert!(screen.contains("the smallest found: "), "{screen}");
    assert!(!screen.contains("so far, ") && !screen.contains("--budget"), "the progress is gone: {screen}");
    let report = place.json(&["report", text(&small), "--json"]);
    assert!(report["timers"]["lag_ns"]["max"].as_u64() > Some(600_000_000), "{report}");
}
