//! Tests a recording process and one that reads: this program starts itself again as the recording process.

#![expect(unsafe_code, reason = "a closure between fork and exec is the only way to be a forked child here")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use loop_probes::clock::{Clock, SystemClock};
use loop_probes::discover::{self, FindError};
use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, Ticks};
use loop_probes::process::{ProcessReader, ProcessState};
use loop_probes::recorder::{Recorder, Running};
use loop_probes::ring::Start;
use loop_probes::session::Session;
use loop_probes::stamped::Stamped;

const FOLDER: &str = "LOOPSCOPE_TEST_FOLDER";

/// The recording process: follows the commands on standard input.
#[test]
#[ignore = "the recording process that the other tests start as a child"]
fn as_recording_process() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).expect("started by a test of this file"));
    let session = Session::builder("recording").policy("none").capacity(4096).shared_in(&folder).unwrap();
    let recorder = session.recorder("loop");
    let mut output = std::io::stdout();
    writeln!(output, "\nchild: {}", session.path().unwrap().display()).unwrap();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let mut words = line.split_whitespace();
        match (words.next(), words.next().and_then(|count| count.parse::<u64>().ok())) {
            (Some("write"), Some(count)) => {
                for number in 1..=count {
                    recorder.record_now(Event::TickStart { tick: number });
                    if number % 50 == 0 {
                        recorder.record_now(Event::TickStart { tick: 1 << 40 | number });
                    }
                }
            }
            (Some("hang"), _) => {
                let running = Running::Task { task: TaskId(77), tag: Tag(5) };
                recorder.set_running(session.clock().ticks(), running);
            }
            (Some("exec"), _) => {
                let error = Command::new("sleep").arg("600").exec();
                panic!("sleep is not started: {error}");
            }
            (Some("fill"), Some(bytes)) => {
                // From here on, the disk is full as far as this process is concerned.
                let limit = rustix::process::Rlimit { current: Some(bytes), maximum: Some(bytes) };
                rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
                // Its ring is in this process's private memory: visible here, absent elsewhere.
                let unshared = session.recorder("no room");
                unshared.record_now(Event::TickStart { tick: 7 });
                let mut reader = session.reader(Start::Oldest);
                reader.flush(&mut Vec::new()).unwrap();
                assert_eq!((session.unshared(), reader.dropped_sources()), (1, 0));
                assert_eq!(reader.records_read(), recorder.written() + unshared.written());
                let error = Session::builder("no room").shared_in(&folder).unwrap_err();
                assert!(error.to_string().contains("ulimit -f"), "{error}");
            }
            (Some("finish"), _) => break,
            _ => panic!("{line}"),
        }
        writeln!(output, "child: {}", recorder.written()).unwrap();
    }
    session.finish();
    writeln!(output, "child: {}", recorder.written()).unwrap();
}

struct Recording {
    child: Child,
    output: BufReader<ChildStdout>,
    path: PathBuf,
    folder: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Recording {
    fn start() -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let folder = scratch.path().join("rings");
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", "as_recording_process", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut recording = Self { child, output, path: PathBuf::new(), folder, _scratch: scratch };
        recording.path = PathBuf::from(recording.answer());
        recording
    }

    /// Sends a command without waiting for the answer.
    fn say(&mut self, words: &str) {
        let input = self.child.stdin.as_mut().expect("it was asked for");
        writeln!(input, "{words}").expect("it listens");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        while self.output.read_line(&mut line).expect("it answers") > 0 {
            if let Some(answer) = line.trim_end().strip_prefix("child: ") {
                return answer.to_owned();
            }
            line.clear();
        }
        panic!("the recording process is gone");
    }

    fn ask(&mut self, words: &str) -> u64 {
        self.say(words);
        self.answer().parse().expect("a number of records")
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("it is ours");
    }

    fn only(&self) -> Result<discover::RingInfo, FindError> {
        discover::only_in(std::slice::from_ref(&self.folder))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It may have ended already, which is fine.
        let _gone = (self.child.kill(), self.child.wait());
    }
}

fn ticks(events: &[Stamped]) -> impl Iterator<Item = u64> + '_ {
    events.iter().filter_map(|stamped| match stamped.event {
        Event::TickStart { tick } if tick < 1 << 40 => Some(tick),
        _ => None,
    })
}

#[test]
fn every_record_of_another_process_is_accounted_for() {
    let mut recording = Recording::start();
    recording.ask("write 6000");
    let mut reader = ProcessReader::open(&recording.path, Start::Oldest).unwrap();
    let mut out = Vec::new();
    for _ in 0..20 {
        recording.say("write 100000");
        for _ in 0..10 {
            reader.poll(&mut out).unwrap();
            std::thread::sleep(Duration::from_micros(300));
        }
        let written: u64 = recording.answer().parse().unwrap();
        reader.flush(&mut out).unwrap();
        assert_eq!(reader.records_read() + reader.lost_records() + reader.before_attach(), written);
    }
    let reported: u64 = out
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Lost { count, .. } => Some(count),
            _ => None,
        })
        .sum();
    assert_eq!(reported, reader.lost_records(), "the stream tells of every lost record");
    assert!(reader.before_attach() > 0 && reader.unknown_kinds() + reader.malformed_events() == 0);
    assert!(out.is_sorted_by_key(|stamped| stamped.at));

    let written = recording.ask("finish");
    recording.child.wait().unwrap();
    let report = reader.flush(&mut out).unwrap();
    assert_eq!(report.state, ProcessState::Ended);
    assert_eq!(reader.records_read() + reader.lost_records() + reader.before_attach(), written);
    assert!(matches!(recording.only(), Err(FindError::None)) && !recording.path.exists());
}

#[test]
fn hanging_stopped_and_killed_processes_are_distinguished() {
    let mut recording = Recording::start();
    recording.ask("write 10");
    recording.ask("hang");
    let found = recording.only().unwrap();
    assert_eq!((found.pid, found.state), (recording.child.id(), ProcessState::Running));
    assert_eq!((found.metadata.program.as_str(), found.metadata.policy.as_str()), ("recording", "none"));
    assert_eq!(found.path, recording.path);

    let mut reader = ProcessReader::open(&found.path, Start::Oldest).unwrap();
    let mut out = Vec::new();
    reader.poll(&mut out).unwrap();
    let running = reader.running().unwrap();
    assert_eq!(running[0].running, Running::Task { task: TaskId(77), tag: Tag(5) });
    assert_eq!(running[0].source, SourceId(1));

    recording.signal(rustix::process::Signal::STOP);
    let stopped = || recording.only().is_ok_and(|ring| ring.state == ProcessState::Stopped);
    let mut patience = 0..2_000;
    assert!(patience.any(|_| stopped() || {
        std::thread::sleep(Duration::from_millis(5));
        false
    }));

    recording.signal(rustix::process::Signal::KILL);
    recording.child.wait().unwrap();
    let found = discover::find_in(std::slice::from_ref(&recording.folder), recording.child.id()).unwrap();
    assert_eq!(found.state, ProcessState::Crashed, "its ring is kept");
    let mut after = ProcessReader::open(&found.path, Start::Oldest).unwrap();
    let mut last = Vec::new();
    assert_eq!(after.flush(&mut last).unwrap().state, ProcessState::Crashed);
    assert_eq!(ticks(&last).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(after.running().unwrap()[0].running, Running::Task { task: TaskId(77), tag: Tag(5) });
}

#[test]
fn a_copy_does_not_say_how_its_process_ended() {
    for is_killed in [false, true] {
        let mut recording = Recording::start();
        recording.ask("write 10");
        recording.ask("hang");
        let [copy, moved] = ["copy", "moved"].map(|name| recording.folder.join(name));
        std::fs::copy(&recording.path, &copy).unwrap();
        let read = |path: &Path| {
            let mut reader = ProcessReader::open(path, Start::Oldest).unwrap().with_heartbeat();
            let mut out = Vec::new();
            reader.flush(&mut out).unwrap();
            assert_eq!(ticks(&out).count(), 10);
            let running = out.iter().any(|stamped| matches!(stamped.event, Event::Running { .. }));
            let crashed = out.iter().any(|stamped| matches!(stamped.event, Event::Crashed {}));
            (reader.state(), running, crashed)
        };
        assert_eq!(read(&copy), (ProcessState::Unclosed, true, false), "it runs");
        if is_killed {
            recording.child.kill().unwrap();
        } else {
            recording.ask("finish");
        }
        recording.child.wait().unwrap();
        assert_eq!(read(&copy), (ProcessState::Unclosed, true, false), "killed: {is_killed}");
        if is_killed {
            std::fs::rename(&recording.path, &moved).unwrap();
            assert_eq!(read(&moved), (ProcessState::Crashed, true, true));
            std::fs::copy(&moved, &copy).unwrap();
            assert_eq!(
                read(&copy),
                (ProcessState::Unclosed, true, false),
                "nothing tells when it was copied"
            );
        }
    }
}

/// A hung loop records nothing, and nothing reads its ring before the kill.
#[test]
fn a_process_killed_during_a_hang_is_reported_as_hung() {
    let mut recording = Recording::start();
    recording.ask("write 10");
    recording.ask("hang");
    // "When the process last noted that it exists", in the header.
    let ring = std::fs::File::open(&recording.path).unwrap();
    let noted = || {
        let mut word = [0; 8];
        ring.read_exact_at(&mut word, 296).unwrap();
        u64::from_le_bytes(word)
    };
    let at_first = noted();
    let mut patience = 0..10_000;
    assert!(patience.any(|_| noted() > at_first || {
        std::thread::sleep(Duration::from_millis(5));
        false
    }));
    recording.child.kill().unwrap();
    recording.child.wait().unwrap();
    let mut reader = ProcessReader::open(&recording.path, Start::Oldest).unwrap().with_heartbeat();
    let mut out = Vec::new();
    assert_eq!(reader.flush(&mut out).unwrap().state, ProcessState::Crashed);
    let hung = out.iter().find_map(|stamped| match stamped.event {
        Event::Running { task: Some(TaskId(77)), since, .. } => Some(stamped.at.ns_since(since)),
        _ => None,
    });
    assert!(hung > Some(0), "{out:?}");
}

#[test]
fn nothing_is_claimed_of_a_process_after_its_death() {
    let mut recording = Recording::start();
    recording.ask("write 10");
    recording.ask("hang");
    let mut reader = ProcessReader::open(&recording.path, Start::Oldest).unwrap().with_heartbeat();
    let mut out = Vec::new();
    // Checks the state and reports the hang.
    reader.flush(&mut out).unwrap();
    assert!(out.iter().any(|stamped| matches!(stamped.event, Event::Running { .. })), "{out:?}");
    recording.child.kill().unwrap();
    recording.child.wait().unwrap();
    let gone = SystemClock::new().now();
    // The next heartbeat is due before the next check of the state.
    while reader.poll(&mut out).unwrap().state.is_alive() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(out.iter().any(|stamped| matches!(stamped.event, Event::Crashed {})));
    let later: Vec<_> = out.iter().filter(|stamped| stamped.at > gone).collect();
    assert!(later.is_empty(), "it was gone at {gone:?}: {later:?}");
}

#[test]
fn a_full_disk_costs_a_ring_and_not_the_process() {
    let mut recording = Recording::start();
    let before = recording.ask("write 10");
    recording.ask("fill 4096");
    assert!(recording.ask("write 10") > before, "what was there goes on");
    let mut reader = ProcessReader::open(&recording.path, Start::Oldest).unwrap();
    reader.poll(&mut Vec::new()).unwrap();
    assert_eq!((reader.dropped_sources(), reader.records_read()), (1, 20));
    assert_eq!(std::fs::read_dir(&recording.folder).unwrap().count(), 1, "nothing half-made is left");
}

#[test]
fn a_reader_that_was_attached_sees_the_kill() {
    let mut recording = Recording::start();
    let written = recording.ask("write 100");
    let mut reader = ProcessReader::open(&recording.path, Start::Oldest).unwrap();
    recording.child.kill().unwrap();
    recording.child.wait().unwrap();
    let mut out = Vec::new();
    assert_eq!(reader.flush(&mut out).unwrap().state, ProcessState::Crashed);
    assert_eq!((reader.records_read(), reader.lost_records()), (written, 0));
}

#[test]
fn foreign_files_in_the_folder_are_reported_and_nothing_else_suffers() {
    let recording = Recording::start();
    std::fs::write(recording.folder.join("1-1-0.ring"), b"no ring").unwrap();
    std::fs::write(recording.folder.join("notes.txt"), b"not looked at").unwrap();
    let listing = discover::list_in(std::slice::from_ref(&recording.folder));
    assert_eq!((listing.rings.len(), listing.problems.len()), (1, 1));
    assert!(listing.problems[0].to_string().contains("1-1-0.ring"));
    assert!(matches!(
        discover::find_in(std::slice::from_ref(&recording.folder), 1),
        Err(FindError::Unreadable(_))
    ));
    assert!(matches!(discover::find_in(&[], 1), Err(FindError::NoSuchPid { pid: 1 })));
    let nowhere = discover::list_in(&[Path::new("/nonexistent/loopscope").to_owned()]);
    assert!(nowhere.rings.is_empty() && nowhere.problems.is_empty());
}

/// Gives a closure that runs between fork and exec access to the recorder of the forking thread.
struct OnThisThread(Recorder, Session);

// SAFETY: the closure runs in the forked child, where only the forking thread exists.
unsafe impl Sync for OnThisThread {}
// SAFETY: as above; the recorder is itself `Send`.
unsafe impl Send for OnThisThread {}

#[test]
fn a_fork_turns_the_childs_recorder_off() {
    let scratch = tempfile::tempdir().unwrap();
    let session = Session::builder("forks").capacity(128).shared_in(&scratch.path().join("rings")).unwrap();
    let recorder = session.recorder("loop");
    recorder.record(Ticks(1), Event::TickStart { tick: 1 });
    let both: &'static OnThisThread = Box::leak(Box::new(OnThisThread(recorder, session)));
    let in_child = move || {
        let OnThisThread(recorder, session) = both;
        for tick in 1..=1_000 {
            recorder.record(Ticks(9), Event::TickStart { tick });
        }
        recorder.set_running(Ticks(9), Running::Task { task: TaskId(9), tag: Tag(9) });
        session.finish();
        let own = session.recorder("child");
        if recorder.is_enabled() || own.is_enabled() {
            Err(std::io::Error::other("still enabled"))
        } else {
            Ok(())
        }
    };
    let mut command = Command::new("/bin/true");
    // SAFETY: the closure accesses atomics and reads the process id: neither can involve a held lock.
    unsafe { command.pre_exec(in_child) };
    assert!(command.status().expect("the child's recorder is off").success());

    let OnThisThread(recorder, session) = both;
    assert!(recorder.is_enabled());
    recorder.record(Ticks(2), Event::TickStart { tick: 2 });
    let mut reader = ProcessReader::open(session.path().unwrap(), Start::Oldest).unwrap();
    let mut out = Vec::new();
    assert_eq!(reader.flush(&mut out).unwrap().state, ProcessState::Running);
    assert_eq!(ticks(&out).collect::<Vec<_>>(), [1, 2]);
    assert!(reader.running().unwrap().is_empty());
    assert_eq!(reader.dropped_sources(), 0);
    session.finish();
}

/// The process lives on, but its ring does not: what is left of it can be read like that of a crashed one.
#[test]
fn a_process_that_becomes_another_program_counts_as_crashed() {
    let mut recording = Recording::start();
    recording.ask("write 10");
    recording.say("exec");
    let state = || {
        let folder = std::slice::from_ref(&recording.folder);
        discover::find_in(folder, recording.child.id()).map(|found| found.state)
    };
    let mut patience = 0..2_000;
    assert!(patience.any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        state().is_ok_and(|state| state == ProcessState::Crashed)
    }));
    assert!(recording.child.try_wait().unwrap().is_none(), "it runs");
    let mut reader = ProcessReader::open(&recording.path, Start::Oldest).unwrap();
    let mut events = Vec::new();
    reader.flush(&mut events).unwrap();
    assert_eq!(ticks(&events).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
}
