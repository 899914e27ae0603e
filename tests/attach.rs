//! Tests attaching to another process, which is listed, watched, stopped or killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::program::{Place, text, wait_for};
use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopProbe;
use loop_probes::session::Session;
use serde_json::Value;

#[test]
fn a_running_demo_is_listed_and_watched() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let listed = place.loops();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["program"], &listed[0]["policy"]), (&"demo".into(), &"bun".into()));
    assert!(place.succeed(&["ps"]).contains(&pid));

    // Totals count from the attach on; earlier events are counted separately.
    wait_for("records", || place.json(&["report", &pid, "--json"])["timers"]["fired"].as_u64() > Some(100));
    let before = monotonic_now();
    let watched =
        place.watch_until(&demo, "timers to be seen", |seen| seen["timers"]["fired"].as_u64() > Some(500));
    let within_ns = monotonic_now().ns_since(before);
    assert_eq!(watched["source"]["kind"], "ring");
    assert_eq!(watched["source"]["pid"].as_u64(), Some(u64::from(demo.pid())));
    assert!(watched["timers"]["fired"].as_u64() > Some(500), "{watched}");
    assert_eq!(watched["lost_records"], 0);
    assert!(watched["before_attach"].as_u64() > Some(100), "{watched}");
    assert!(watched["span_ns"].as_u64() < Some(within_ns), "{} in {within_ns} ns", watched["span_ns"]);
    // If there is only one loop, no name is needed.
    place.json(&["attach", "--json", "--duration", "1s"]);
}

#[test]
fn record_includes_the_earlier_contents_of_the_ring() {
    let place = Place::new();
    let demo = place.demo(&[]);
    wait_for("a second of records", || {
        place.json(&["report", &demo.pid().to_string(), "--json"])["span_ns"].as_u64() > Some(1_000_000_000)
    });
    let trace = place.file("r.looptrace");
    let pid = demo.pid().to_string();
    let live = place.json(&["record", &pid, "-o", text(&trace), "--duration", "100ms", "--json"]);
    assert!(live["span_ns"].as_u64() > Some(1_000_000_000), "{live}");
    let report = place.json(&["report", text(&trace), "--json"]);
    for key in ["ticks", "tasks", "timers", "lost_records", "span_ns", "stalls"] {
        assert_eq!(live[key], report[key], "{key}");
    }
}

#[test]
fn after_a_kill_the_ring_holds_the_last_ticks() {
    let place = Place::new();
    let mut demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    place.wait_until_past(&demo, 200);
    demo.kill();
    let listed = place.loops();
    assert_eq!(listed.len(), 1, "a crashed loop's ring is kept");
    assert_eq!(listed[0]["state"], "crashed");
    let report = place.json(&["report", &pid, "--json"]);
    assert!(report["ticks"]["count"].as_u64() > Some(200), "{report}");
    assert!(place.succeed(&["replay", &pid, "--no-tui"]).contains("demo"));
    let ring = listed[0]["ring"].as_str().unwrap();
    assert_eq!(place.json(&["report", ring, "--json"])["ticks"], report["ticks"]);
    // A range counts from the first event still present, as in a trace.
    let chrome = place.file("dead.json");
    place.succeed(&["export", &pid, "--from", "0s", "--to", "300ms", "-o", text(&chrome)]);
    assert!(fs::read_to_string(chrome).unwrap().contains(r#""cat":"tick""#));
    let stderr = String::from_utf8(place.run(&["report", &pid]).stderr).unwrap();
    assert!(stderr.contains("crashed; its loop was last seen "), "{stderr}");
    // Attaching to a dead process prints the page at once instead of waiting.
    place.succeed(&["attach", &pid, "--no-tui"]);
}

#[test]
#[ignore = "the process that dies in the test below"]
fn dies_after_the_first_task_of_a_tick() {
    let session = Session::builder("dying").shared().unwrap();
    let probe = LoopProbe::new(&session, "dying loop");
    let _tick = probe.tick();
    drop(probe.task(probe.tag("First")));
    std::process::abort();
}

#[test]
fn a_loop_that_died_between_two_tasks_was_last_seen_in_its_tick() {
    let place = Place::new();
    let mut dying = Command::new(std::env::current_exe().unwrap());
    dying.args(["--exact", "attach::dies_after_the_first_task_of_a_tick", "--ignored"]);
    dying.envs(place.environment()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(!dying.status().unwrap().success());
    let ring = place.loops()[0]["ring"].as_str().unwrap().to_owned();
    let stderr = String::from_utf8(place.run(&["report", &ring]).stderr).unwrap();
    assert!(stderr.contains("crashed; its loop was last seen in tick 1"), "{stderr}");
}

#[test]
fn a_demo_that_ends_well_leaves_nothing() {
    let place = Place::new();
    place.succeed(&["demo", "--no-tui", "--duration", "1s"]);
    assert!(place.loops().is_empty());
    assert_eq!(fs::read_dir(place.rings()).unwrap().count(), 0);

    let demo = place.demo(&[]);
    demo.signal("TERM");
    wait_for("the demo to clean up", || place.loops().is_empty());
}

#[test]
fn a_ring_truncated_while_read_is_reported_in_one_line() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let ring = place.loops()[0]["ring"].as_str().unwrap().to_owned();
    let mut command = place.command(&["attach", &ring, "--no-tui", "--duration", "60s"]);
    let reader = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let files = format!("/proc/{}/fd", reader.id());
    wait_for("the reader to open the ring", || {
        let open = fs::read_dir(&files).unwrap().filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        open.into_iter().any(|file| file == Path::new(&ring))
    });
    // The writer maps the file, so it is stopped first: only the reader may see the truncated file.
    demo.stop();
    fs::OpenOptions::new().write(true).open(&ring).unwrap().set_len(8192).unwrap();
    let output = reader.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(&ring), "{stderr}");
}

#[test]
fn a_loop_in_another_time_namespace_is_read_by_its_own_clock() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let apart = |arguments: &[&str]| {
        let command = place.command(arguments);
        let mut unshared = Command::new("unshare");
        unshared.args(["-Ur", "-T", "--monotonic", "100000", "--boottime", "100000"]);
        unshared.arg(command.get_program()).args(command.get_args()).envs(place.environment());
        unshared.output().expect("unshare runs")
    };
    let listed = apart(&["ps", "--json"]);
    let stderr = String::from_utf8_lossy(&listed.stderr).into_owned();
    if stderr.contains("unshare failed") {
        eprintln!("NOT TESTED: time namespaces are not available here: {stderr}");
        return;
    }
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["pid"], &listed[0]["state"]), (&demo.pid().into(), &"running".into()));
    // A watermark by the wrong clock would hold back all events or none.
    let watched = apart(&["attach", &demo.pid().to_string(), "--json", "--duration", "2s"]);
    let watched: Value = serde_json::from_slice(&watched.stdout).unwrap();
    assert!(watched["ticks"]["count"].as_u64() > Some(10), "{watched}");
}
