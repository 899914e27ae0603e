//! Tests where output goes: files that matter are never overwritten, and unfinished output is readable or
//! removed.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::program::{Place, Running, text, wait_for};
use crate::support::served::assert_served;
use loop_probes::event::Event;
use loop_probes::process::ProcessReader;
use loop_probes::ring::Start;
use loop_probes::stamped::Stamped;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource as _, SourceState};
use loop_traces::synthetic::Script;
use loop_traces::writer::TraceWriter;
use rustix::process::{Pid, Signal, kill_process};

/// Runs the binary with a limit of `kib` on the size of files: acts like a full disk, for any user.
fn run_cramped(place: &Place, kib: u32, arguments: &[&str]) -> Output {
    cramped(place, kib, arguments).output().expect("a shell runs")
}

fn cramped(place: &Place, kib: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f \"$0\"; exec \"$@\"", &kib.to_string()])
        .arg(env!("CARGO_BIN_EXE_loopscope"))
        .args(arguments)
        .envs(place.environment())
        .stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_export_does_not_overwrite_its_input() {
    let place = Place::new();
    let (trace, link) = (place.file("a.looptrace"), place.file("link.looptrace"));
    place.succeed(&["demo", "--duration", "500ms", "--no-tui", "--record", text(&trace)]);
    fs::hard_link(&trace, &link).unwrap();
    let before = fs::read(&trace).unwrap();
    for output in [&trace, &link] {
        let stderr = place.fail(2, &["export", text(&trace), "-o", text(output)]);
        assert!(stderr.contains(text(output)), "{stderr}");
    }
    assert_eq!(fs::read(&trace).unwrap(), before);
    // Any other existing file is replaced.
    let json = place.file("a.json");
    fs::write(&json, "x".repeat(10_000_000)).unwrap();
    place.succeed(&["export", text(&trace), "-o", text(&json)]);
    let exported: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert!(exported["traceEvents"].is_array());
}

#[test]
fn a_ring_is_never_overwritten() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let ring = place.loops()[0]["ring"].as_str().unwrap().to_owned();
    let trace = place.file("a.looptrace");
    place.succeed(&["record", &ring, "-o", text(&trace), "--duration", "200ms"]);
    for arguments in [
        &["record", &ring, "-o", &ring, "--duration", "1s"][..],
        &["attach", &ring, "--no-tui", "--record", &ring, "--duration", "1s"],
        &["demo", "--no-tui", "--record", &ring, "--duration", "1s"],
        &["export", text(&trace), "-o", &ring],
        &["rerun", text(&trace), "-o", &ring],
        &["minimize", text(&trace), "--keep", "tasks.run.max > 0", "-o", &ring],
    ] {
        assert!(place.fail(3, arguments).contains(&ring));
    }
    // Emptying a ring would kill the process that maps it.
    assert_eq!(place.json(&["ps", "--json"])[0]["state"], "running");
    assert!(place.json(&["report", &ring, "--json"])["ticks"]["count"].as_u64() > Some(0));
    drop(demo);
}

#[test]
fn a_file_has_one_recorder() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let trace = place.file("a.looptrace");
    let mut first = record(&place, &pid, &trace);
    wait_for("the first recorder to write", || fs::metadata(&trace).is_ok_and(|found| found.len() > 0));
    let line = place.fail(3, &["record", &pid, "-o", text(&trace), "--duration", "1s"]);
    assert!(line.contains(text(&trace)), "{line}");
    // It can be read before the recording ends.
    wait_for("whole blocks", || {
        place.report(text(&trace)).is_some_and(|saved| saved["ticks"]["count"].as_u64() > Some(0))
    });
    first.signal("TERM");
    assert!(first.wait().success());
    let report = place.run(&["report", text(&trace), "--json"]);
    assert!(report.stderr.is_empty(), "closed and whole: {}", stderr(&report));
}

fn record(place: &Place, pid: &str, trace: &Path) -> Running {
    let mut command = place.command(&["record", pid, "-o", text(trace)]);
    Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

#[test]
fn a_loop_that_falls_silent_is_saved_before_its_recorder_dies() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let trace = place.file("a.looptrace");
    let mut recorder = record(&place, &pid, &trace);
    wait_for("the recorder to write", || fs::metadata(&trace).is_ok_and(|found| found.len() > 10_000));
    demo.stop();
    let ring = place.loops()[0]["ring"].as_str().unwrap().to_owned();
    let mut events = Vec::new();
    ProcessReader::open(Path::new(&ring), Start::Oldest).unwrap().flush(&mut events).unwrap();
    let last = last_tick(&events).expect("the ring holds ticks");
    wait_for("the last tick to be saved", || last_tick(&saved(&trace)) == Some(last));
    recorder.kill();
    assert_eq!(last_tick(&saved(&trace)), Some(last));
}

fn saved(trace: &Path) -> Vec<Stamped> {
    let mut reader = TraceReader::open(trace).expect("a trace that is being written can be read");
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("the file is there") != SourceState::Ended {}
    events
}

fn last_tick(events: &[Stamped]) -> Option<u64> {
    events.iter().rev().find_map(|stamped| match stamped.event {
        Event::TickStart { tick } => Some(tick),
        _ => None,
    })
}

#[test]
fn a_recording_to_a_full_disk_ends_and_stays_readable() {
    let place = Place::new();
    let demo = place.demo(&["--load", "3000"]);
    let pid = demo.pid().to_string();
    let trace = place.file("a.looptrace");
    // Without a time limit, so that it ends only because there is no space left.
    let recorded = run_cramped(&place, 100, &["record", &pid, "-o", text(&trace), "--json"]);
    assert_eq!(recorded.status.code(), Some(3), "{}", stderr(&recorded));
    assert_eq!(stderr(&recorded).lines().count(), 1, "{}", stderr(&recorded));
    assert!(stderr(&recorded).contains(text(&trace)));
    let live: serde_json::Value = serde_json::from_slice(&recorded.stdout).unwrap();
    assert_eq!(live["schema"], 1, "the summary is printed all the same");
    let report = place.run(&["report", text(&trace), "--json"]);
    assert_eq!(report.status.code(), Some(0), "{}", stderr(&report));
    assert!(stderr(&report).contains("not closed"), "{}", stderr(&report));
    let kept: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert!(kept["ticks"]["count"].as_u64() > Some(0), "{kept}");
}

#[test]
fn an_export_to_a_full_disk_leaves_no_partial_file() {
    let place = Place::new();
    let (trace, json) = (place.file("a.looptrace"), place.file("a.json"));
    place.succeed(&["demo", "--duration", "1s", "--no-tui", "--record", text(&trace)]);
    let exported = run_cramped(&place, 100, &["export", text(&trace), "-o", text(&json)]);
    assert_eq!(exported.status.code(), Some(3), "{}", stderr(&exported));
    assert_eq!(stderr(&exported).lines().count(), 1);
    assert!(!json.exists(), "no partial document is left");
    fs::write(&json, "of before").unwrap();
    let exported = run_cramped(&place, 100, &["export", text(&trace), "-o", text(&json)]);
    assert_eq!(exported.status.code(), Some(3), "{}", stderr(&exported));
    assert!(stderr(&exported).contains("the file that was there is unchanged"), "{}", stderr(&exported));
    assert_eq!(fs::read_to_string(&json).unwrap(), "of before");
    assert_eq!(mode(&trace), 0o600, "a trace holds a command line");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

#[test]
fn a_file_that_cannot_be_moved_into_place_is_not_reported_as_saved() {
    let place = Place::new();
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/busy-pool.looptrace");
    let folder = format!("{}/", text(&place.file("nowhere")));
    let stderr = place.fail(3, &["rerun", text(&trace), "-o", &folder]);
    assert!(stderr.contains("nothing was saved; no file was made"), "{stderr}");
}

#[test]
fn a_write_protected_file_stays_and_an_unread_pipe_is_named() {
    let place = Place::new();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/busy-pool.looptrace");
    let (kept, pipe) = (place.file("kept.looptrace"), place.file("pipe"));
    fs::write(&kept, "of before").unwrap();
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o444)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let record =
        |to: &Path| place.fail(3, &["demo", "--no-tui", "--duration", "100ms", "--record", text(to)]);
    let rerun = |to: &Path| place.fail(3, &["rerun", text(&corpus), "-o", text(to)]);
    for stderr in [record(&kept), rerun(&kept)] {
        assert!(stderr.contains("kept.looptrace is write-protected: choose another name"), "{stderr}");
    }
    assert_eq!((fs::read_to_string(&kept).unwrap(), mode(&kept)), ("of before".to_owned(), 0o444));
    for stderr in [record(&pipe), rerun(&pipe)] {
        assert!(stderr.contains("is a named pipe that no program reads: start its reader first"), "{stderr}");
    }
}

#[test]
fn a_recording_that_cannot_start_keeps_the_old_file() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    fs::write(&trace, "of before").unwrap();
    let demo = ["demo", "--no-tui", "--duration", "1s", "--record", text(&trace)];
    place.fail(2, &[&demo[..], &["--policy", "none"]].concat());
    assert_eq!(run_cramped(&place, 0, &demo).status.code(), Some(3));
    assert_eq!(fs::read_to_string(&trace).unwrap(), "of before");
    let running = place.demo(&[]);
    let pid = running.pid().to_string();
    // 1 KiB holds the header and names, but no events.
    for kib in 0..3 {
        let ended = run_cramped(&place, kib, &["record", &pid, "-o", text(&trace)]);
        let is_nothing_saved = stderr(&ended).contains("nothing was saved");
        assert_eq!((ended.status.code(), is_nothing_saved || kib > 1), (Some(3), true), "{}", stderr(&ended));
        let is_kept = fs::read(&trace).unwrap() == b"of before";
        assert_eq!(is_kept, is_nothing_saved, "{kib} KiB: {}", stderr(&ended));
        fs::write(&trace, "of before").unwrap();
    }
}

#[test]
fn rings_without_room_are_readable_only_inside_the_process() {
    let place = Place::new();
    // Space for the head of the ring file, but not for the rings.
    let mut demo = cramped(&place, 600, &["demo", "--no-tui", "--json", "--duration", "120s"]);
    let demo = demo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the demo's loop to be listed", || !place.loops().is_empty());
    let pid = demo.id().to_string();
    wait_for("a reader to report the missing rings", || {
        stderr(&place.run(&["report", &pid])).contains("found no room")
    });
    let watched = place.run(&["attach", &pid, "--json", "--duration", "300ms"]);
    assert!(watched.status.success() && stderr(&watched).contains("found no room"), "{}", stderr(&watched));
    // Ended only after all checks.
    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    let ended = demo.wait_with_output().unwrap();
    assert!(ended.status.success() && stderr(&ended).contains("no room"), "{}", stderr(&ended));
    let live: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    // The process itself sees all events.
    assert_served(&live);
    assert_eq!(live["lost_records"], 0);
}

#[test]
fn pipes_and_devices_are_refused() {
    let place = Place::new();
    let fifo = place.file("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for arguments in [
        &["report", text(&fifo)][..],
        &["replay", text(&fifo), "--no-tui"],
        &["export", text(&fifo), "-o", "/dev/null"],
        &["report", "/dev/zero"],
        &["attach", text(&fifo), "--no-tui"],
        &["demo", "--no-tui", "--duration", "1s", "--record", text(&fifo)],
    ] {
        place.fail(3, arguments);
    }
    assert!(place.fail(2, &["record", "1", "-o", "-"]).contains("-o"));
}

/// Runs the binary, and sends it `signal` once it writes the temporary file for `output`.
fn interrupted(place: &Place, arguments: &[&str], output: &Path, signal: Signal) -> Output {
    // On a busy machine, the binary may finish before the signal arrives.
    for _ in 0..20 {
        let mut command = place.command(arguments);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let before = fs::read(output).ok();
        let opened = PathBuf::from(format!("/proc/{}/fd", child.id()));
        let mut is_over = || child.try_wait().expect("a child can be waited for").is_some();
        while !writes_unnamed_file(&opened, place) && !is_over() {
            thread::sleep(Duration::from_millis(1));
        }
        if !is_over() {
            kill_process(Pid::from_child(&child), signal).expect("a child can be signalled");
        }
        let ended = child.wait_with_output().expect("a child can be waited for");
        if !ended.status.success() {
            return ended;
        }
        match before {
            Some(before) => fs::write(output, before).expect("what was there can be put back"),
            None => fs::remove_file(output).expect("what was written can be removed"),
        }
    }
    panic!("the binary always finished before the signal");
}

/// Whether one of the descriptors in `opened` is a file in the place that has no name yet.
fn writes_unnamed_file(opened: &Path, place: &Place) -> bool {
    let descriptors = fs::read_dir(opened).into_iter().flatten().flatten();
    let mut files = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    let folder = place.file("");
    files.any(|file| {
        file.starts_with(&folder) && [" (deleted)", ".part"].iter().any(|end| text(&file).ends_with(end))
    })
}

#[test]
fn an_interrupted_command_keeps_the_old_file_and_says_so() {
    let place = Place::new();
    let (trace, json) = (place.file("a.looptrace"), place.file("a.json"));
    let script = Script { ticks: 3_000, ..Script::default() };
    let mut writer = TraceWriter::create(&trace, &script.metadata()).unwrap();
    writer.append(&script.events()).unwrap();
    writer.finish().unwrap();
    place.succeed(&["export", text(&trace), "-o", text(&json)]);
    let (half, imported) = (place.file("half"), place.file("b.looptrace"));
    for (arguments, output) in [
        (&["export", text(&trace), "-o", text(&half)][..], &half),
        (&["export", text(&trace), "--format", "csv", "-o", text(&half)], &half),
        (&["import", text(&json), "-o", text(&imported)], &imported),
    ] {
        let ended = interrupted(&place, arguments, output, Signal::INT);
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}: {}", stderr(&ended));
        assert_eq!(stderr(&ended).lines().count(), 1, "{}", stderr(&ended));
        assert!(stderr(&ended).contains("interrupted; no file was made"), "{}", stderr(&ended));
        assert!(!output.exists(), "{arguments:?} left half a file");
        fs::write(output, "of before").unwrap();
        let ended = interrupted(&place, arguments, output, Signal::INT);
        assert!(stderr(&ended).contains("the file that was there is unchanged"), "{}", stderr(&ended));
        interrupted(&place, arguments, output, Signal::KILL);
        assert_eq!(fs::read_to_string(output).unwrap(), "of before");
        fs::remove_file(output).unwrap();
    }
    let names = fs::read_dir(place.file("")).unwrap().map(|found| found.unwrap().file_name());
    let others: Vec<_> =
        names.filter(|name| name != "a.looptrace" && name != "a.json" && name != "rings").collect();
    assert!(others.is_empty(), "left behind: {others:?}");
}

#[test]
fn an_import_that_waits_for_its_input_is_interrupted() {
    let place = Place::new();
    let (fifo, output) = (place.file("fifo"), place.file("a.looptrace"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = place.command(&["import", text(&fifo), "-o", text(&output)]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds, so the import must have read some of it, and then waits for more.
    let mut input = File::options().write(true).open(&fifo).unwrap();
    let event = "{\"ph\":\"X\",\"name\":\"a\",\"pid\":1,\"tid\":1,\"ts\":1,\"dur\":1},\n";
    input.write_all(format!("[{}", event.repeat(20_000)).as_bytes()).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(ended.status.code(), Some(3), "{}", stderr(&ended));
    assert_eq!(stderr(&ended).lines().count(), 1, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("interrupted"), "{}", stderr(&ended));
    assert!(!output.exists());
}

/// Opening a pipe blocks until it is also opened for writing.
#[test]
fn an_import_of_a_pipe_without_a_writer_is_interrupted() {
    let place = Place::new();
    let (fifo, output) = (place.file("fifo"), place.file("a.looptrace"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut command = place.command(&["import", text(&fifo), "-o", text(&output)]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    wait_for("its handler of SIGINT", || catches(&status, Signal::INT));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    wait_for("its end", || child.try_wait().unwrap().is_some());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("interrupted"), "{}", stderr(&ended));
}

#[test]
fn a_recording_started_by_nohup_outlives_its_terminal() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    let mut nohup = Command::new("nohup");
    nohup
        .arg(env!("CARGO_BIN_EXE_loopscope"))
        .args(["demo", "--no-tui", "--duration", "60s", "--load", "10", "--record", text(&trace)])
        .envs(place.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = nohup.spawn().expect("nohup is part of every system");
    let status = format!("/proc/{}/status", child.id());
    wait_for("its handlers of signals", || catches(&status, Signal::TERM));
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the recording goes on");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", stderr(&ended));
    assert!(place.succeed(&["report", text(&trace)]).contains("ticks"));
}

/// Whether the process whose status is in this file has a handler for `signal`.
fn catches(status: &str, signal: Signal) -> bool {
    let status = fs::read_to_string(status).expect("the process exists until it is waited for");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("Linux lists them");
    u64::from_str_radix(caught.trim(), 16).expect("a mask") & (1 << (signal.as_raw() - 1)) != 0
}

#[test]
fn a_demo_reports_a_full_disk_at_once() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    let arguments = ["demo", "--no-tui", "--duration", "60s", "--load", "2000", "--record", text(&trace)];
    let mut child =
        cramped(&place, 500, &arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let printed = lines.find(|line| line.contains("the demo continues"));
    assert!(child.try_wait().unwrap().is_none(), "the demo continues: {printed:?}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let printed = printed.expect("a line while the demo runs");
    assert!(printed.contains("cannot write") && printed.contains(text(&trace)), "{printed}");
    let last = lines.last().expect("a line at the end repeats it");
    assert!(last.contains("cannot write"), "{last}");
    assert_eq!(child.wait().unwrap().code(), Some(3));
    place.succeed(&["report", text(&trace)]);
}

#[test]
fn a_demo_with_an_unknown_tag_keeps_the_old_file() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    fs::write(&trace, "of before").unwrap();
    let stderr = place
        .fail(2, &["demo", "--no-tui", "--duration", "1s", "--scale", "None=2", "--record", text(&trace)]);
    assert!(stderr.contains("--scale None"), "{stderr}");
    assert_eq!(fs::read_to_string(&trace).unwrap(), "of before");
}

#[test]
fn names_that_are_not_utf_8_work_and_are_shown_escaped() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let trace = place.file("").join(OsStr::from_bytes(b"a\xff\xe2\x80\xae.looptrace"));
    let json = place.file("").join(OsStr::from_bytes(b"b\xff.json"));
    let run = |arguments: &[&OsStr]| place.command(&[]).args(arguments).output().expect("the binary starts");
    let word = OsStr::new;
    let recorded = run(&[
        word("demo"),
        word("--no-tui"),
        word("--duration"),
        word("500ms"),
        word("--record"),
        trace.as_os_str(),
    ]);
    assert!(recorded.status.success(), "{}", stderr(&recorded));
    let reported = run(&[word("report"), trace.as_os_str()]);
    assert!(reported.status.success(), "{}", stderr(&reported));
    let page = String::from_utf8(reported.stdout).expect("a page is UTF-8");
    let escaped = r"a\xff\u{202e}.looptrace";
    assert!(page.lines().any(|line| line.contains(escaped)), "{page}");
    let damaged = place.file("").join(OsStr::from_bytes(b"c\xff.looptrace"));
    fs::write(&damaged, "no trace").expect("the place is ours");
    let refused = run(&[word("report"), damaged.as_os_str()]);
    assert!(stderr(&refused).contains(r"c\xff.looptrace is not a loopscope trace"), "{}", stderr(&refused));
    let exported = run(&[word("export"), trace.as_os_str(), word("-o"), json.as_os_str()]);
    assert!(exported.status.success() && json.exists(), "{}", stderr(&exported));
    assert!(stderr(&exported).contains(r"b\xff.json"), "{}", stderr(&exported));
    let missing = run(&[word("report"), OsStr::from_bytes(b"nothing\xff")]);
    assert!(stderr(&missing).contains("nothing\\xff"), "{}", stderr(&missing));

    // A ring in this folder is listed as readable.
    let rings = place.file("").join(OsStr::from_bytes(b"rings\xff"));
    let mut demo = place.command(&["demo", "--no-tui", "--duration", "120s"]);
    let demo = Running::start(demo.env("LOOPSCOPE_DIR", &rings).stdout(Stdio::null()).stderr(Stdio::null()));
    let listed =
        || place.command(&["ps", "--json"]).env("LOOPSCOPE_DIR", &rings).output().expect("the binary starts");
    wait_for("the ring to be listed", || {
        let listed = listed();
        assert!(listed.status.success(), "{}", stderr(&listed));
        String::from_utf8(listed.stdout).expect("JSON is UTF-8").contains(r"rings\\xff/")
    });
    drop(demo);
}

#[test]
fn positions_past_the_end_are_refused() {
    let place = Place::new();
    let (trace, json) = (place.file("a.looptrace"), place.file("a.json"));
    let script = Script { ticks: 30, ..Script::default() };
    let mut writer = TraceWriter::create(&trace, &script.metadata()).unwrap();
    writer.append(&script.events()).unwrap();
    writer.finish().unwrap();
    let line = place.fail(2, &["export", text(&trace), "--from", "50s", "-o", text(&json)]);
    assert!(line.contains("--from 50s is past the end") && !json.exists(), "{line}");
    place.succeed(&["export", text(&trace), "--to", "50s", "-o", text(&json)]);
    // Also without a terminal.
    for option in ["--no-tui", "--json", "--speed=1x"] {
        let line = place.fail(2, &["replay", text(&trace), "--at", "50s", option]);
        assert!(line.contains("--at 50s is past the end"), "{option}: {line}");
    }
    place.succeed(&["replay", text(&trace), "--at", "0s", "--no-tui"]);
}

#[test]
fn standard_input_is_refused_without_reading_it_to_its_end() {
    let place = Place::new();
    let mut report = place.command(&["report", "-"]);
    let ended = report.stdin(File::open("/dev/zero").unwrap()).output().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", stderr(&ended));
    assert!(stderr(&ended).contains("standard input is not a loopscope trace"), "{}", stderr(&ended));
}

#[test]
fn a_demo_that_is_quit_says_what_happened_and_what_it_saved() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    for signal in [Signal::INT, Signal::QUIT] {
        let mut demo = place.command(&["demo", "--json", "--duration", "120s", "--record", text(&trace)]);
        let demo = demo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let ticks = |saved: serde_json::Value| saved["ticks"]["count"].as_u64() > Some(0);
        wait_for("its first ticks", || place.report(text(&trace)).is_some_and(ticks));
        kill_process(Pid::from_child(&demo), signal).unwrap();
        let ended = demo.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", stderr(&ended));
        let summary: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert!(summary["ticks"]["count"].as_u64() > Some(0), "{summary}");
        let saved = format!("to {0}; `loopscope report {0}` summarizes them", text(&trace));
        assert!(stderr(&ended).contains(&saved), "{}", stderr(&ended));
        fs::remove_file(&trace).unwrap();
    }
}

#[test]
fn a_signal_that_arrives_twice_still_closes_the_recording() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let commands = [
        ("demo", vec!["demo", "--no-tui", "--duration", "600s", "--record"]),
        ("record", vec!["record", &pid, "-o"]),
        ("attach", vec!["attach", &pid, "--no-tui", "--record"]),
    ];
    for (name, mut arguments) in commands {
        let trace = place.file(name);
        arguments.push(text(&trace));
        let mut command = place.command(&arguments);
        let mut running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        wait_for("its first events", || place.report(text(&trace)).is_some());
        // As `timeout` does, which signals the process and then its group.
        running.signal("TERM");
        running.signal("TERM");
        let mut said = String::new();
        running.stderr().read_to_string(&mut said).unwrap();
        assert!(running.wait().success(), "{name}: {said}");
        assert!(said.starts_with("loopscope: saved ") && said.lines().count() == 1, "{name}: {said}");
        assert_eq!(place.report(text(&trace)).unwrap()["source"]["state"], "closed", "{name}");
    }
}

#[test]
fn saved_files_are_named_even_if_the_page_cannot_be_written() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let trace = place.file("a.looptrace");
    for arguments in [
        ["demo", "--no-tui", "--duration", "100ms", "--record", text(&trace)],
        ["record", &pid, "--duration", "100ms", "-o", text(&trace)],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = place.command(&arguments).stdout(full).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("saved ") && said.contains("cannot write standard output"), "{said}");
    }
}
