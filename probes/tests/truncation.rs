//! Tests a ring file that is truncated while it is mapped. Each case runs in a process of its own, since it may be
//! killed: this program starts itself again.

#![expect(unsafe_code, reason = "a fault is made by reading behind the end of a mapped file")]

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_probes::clock::Clock as _;
use loop_probes::event::{Event, LabelKind, Phase};
use loop_probes::ids::SourceId;
use loop_probes::process::{ProcessReader, ReadError};
use loop_probes::recorder::{Recorder, Running};
use loop_probes::ring::Start;
use loop_probes::session::{Session, SessionBuilder, SessionError, SharingError};
use loop_probes::stamped::Stamped;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};

const FOLDER: &str = "LOOPSCOPE_TEST_FOLDER";

/// Runs the case named `name` in a process of its own.
fn run(case: &str) -> ExitStatus {
    let scratch = tempfile::tempdir().expect("the system grants it");
    Command::new(std::env::current_exe().expect("the system grants it"))
        .args(["--exact", case, "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, scratch.path().join("rings"))
        .status()
        .expect("the system grants it")
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER).expect("started by a test of this file"))
}

fn builder() -> SessionBuilder {
    Session::builder("cut").capacity(1024)
}

/// Writes a few laps of the ring.
fn write(recorder: &Recorder) {
    for tick in 0..5_000 {
        recorder.record_now(Event::TickStart { tick });
    }
}

fn cut(path: &Path, bytes: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .expect("the system grants it")
        .set_len(bytes)
        .expect("the system grants it");
}

/// Reads past the end of a file that this process has mapped itself.
fn fault_elsewhere() {
    let file = tempfile::tempfile().expect("the system grants it");
    file.set_len(4096).expect("the system grants it");
    let map = memmap2::MmapRaw::map_raw(&file).expect("the system grants it");
    file.set_len(0).expect("the system grants it");
    // SAFETY: the address is mapped; the fault is what the caller wants.
    let _byte = unsafe { map.as_ptr().read_volatile() };
}

/// Sends the signal to this thread; it has been handled on return.
fn send() {
    // SAFETY: `raise` has no preconditions.
    assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0);
}

#[test]
fn a_session_that_asked_for_it_survives_and_is_off() {
    assert!(run("survives").success());
}

#[test]
#[ignore = "the test above runs it in a child process, because it may be killed"]
fn survives() {
    for bytes in [0, 4096, 460_000] {
        let session = builder().survive_truncation().shared_in(&folder()).unwrap();
        let path = session.path().unwrap().to_owned();
        let (recorder, other) = (session.recorder("loop"), session.recorder("worker"));
        let at = recorder.record_now(Event::TickStart { tick: 1 });
        recorder.set_running(at, Running::Phase(Phase::Timers));
        let mut local = session.reader(Start::Oldest).with_heartbeat();
        let mut foreign = ProcessReader::open(&path, Start::Oldest).unwrap().with_heartbeat();
        local.poll(&mut Vec::new()).unwrap();
        assert_eq!(session.check(), Ok(()));
        cut(&path, bytes);
        std::thread::scope(|scope| {
            scope.spawn(move || write(&other));
            write(&recorder);
        });
        let _label = recorder.intern(session.clock().ticks(), LabelKind::Span, "span");
        // Long enough for a heartbeat of what the loop was last seen doing.
        std::thread::sleep(Duration::from_millis(50));
        for reader in [&mut local, &mut foreign] {
            let mut events = Vec::new();
            for _again in 0..2 {
                let error = reader.poll(&mut events).unwrap_err();
                assert!(matches!(error, ReadError::Truncated { path: found } if found == path));
                assert!(reader.flush(&mut events).is_err() && reader.running().is_err());
            }
            let lost = |stamped: &Stamped| match stamped.event {
                Event::Lost { count, .. } => Some((stamped.source, count)),
                _ => None,
            };
            let all: Vec<_> = events.iter().filter_map(lost).collect();
            // The other gaps are those of the rings, whose records were overwritten.
            let end = (SourceId(0), 1);
            assert_eq!(all.iter().filter(|gap| **gap == end).count(), 1, "{bytes}: {all:?}");
            assert_eq!(events.last().and_then(lost), Some(end), "nothing is known of what followed");
            assert_eq!(reader.lost_records(), all.iter().map(|(_, count)| count).sum::<u64>());
            assert_eq!(reader.uncounted_gaps(), 1);
            let claims = |stamped: &Stamped| matches!(stamped.event, Event::Running { .. });
            assert!(!events.iter().any(claims), "the loop goes on, whatever it was last seen doing");
        }
        assert_eq!(session.check(), Err(SharingError::Truncated { path: path.clone() }));
        write(&recorder);
        assert!(!recorder.is_enabled(), "off at the end of a lap at the latest");
        assert!(!session.recorder("late").is_enabled());
        drop((recorder, session));
        assert!(!path.exists(), "it ends as any other");
    }
    // A failure of one session does not affect the next.
    let session = builder().survive_truncation().shared_in(&folder()).unwrap();
    let recorder = session.recorder("loop");
    write(&recorder);
    assert!(session.check().is_ok() && recorder.is_enabled());
}

#[test]
fn a_session_without_protection_is_killed_as_documented() {
    assert_eq!(run("is_killed").signal(), Some(Signal::BUS.as_raw()));
}

#[test]
#[ignore = "the test above runs it in a child process, because it may be killed"]
fn is_killed() {
    let session = builder().shared_in(&folder()).unwrap();
    let recorder = session.recorder("loop");
    cut(session.path().unwrap(), 0);
    recorder.record_now(Event::TickStart { tick: 1 });
}

#[test]
fn a_fault_elsewhere_kills_as_before() {
    assert_eq!(run("faults_elsewhere").signal(), Some(Signal::BUS.as_raw()));
}

#[test]
#[ignore = "the test above runs it in a child process, because it may be killed"]
fn faults_elsewhere() {
    let _session = builder().survive_truncation().shared_in(&folder()).unwrap();
    fault_elsewhere();
}

#[test]
fn an_earlier_handler_is_called_for_foreign_faults() {
    assert!(run("chains").success());
}

#[test]
#[ignore = "the test above runs it in a child process, because it may be killed"]
fn chains() {
    static SEEN: AtomicBool = AtomicBool::new(false);
    extern "C" fn before(_signal: libc::c_int) {
        SEEN.store(true, Ordering::Relaxed);
    }
    // SAFETY: the handler stores into an atomic, which is async-signal-safe.
    unsafe { libc::signal(libc::SIGBUS, before as *const () as usize) };
    let session = builder().survive_truncation().shared_in(&folder()).unwrap();
    let recorder = session.recorder("loop");
    cut(session.path().unwrap(), 0);
    recorder.record_now(Event::TickStart { tick: 1 });
    assert!(!SEEN.load(Ordering::Relaxed), "that one was ours");
    send();
    assert!(SEEN.swap(false, Ordering::Relaxed));
    drop((recorder, session));
    let session = builder().survive_truncation().shared_in(&folder()).unwrap();
    send();
    assert!(SEEN.load(Ordering::Relaxed) && session.check().is_ok(), "installed once");
}

#[test]
fn a_signal_that_is_sent_kills_as_before() {
    assert_eq!(run("is_sent").signal(), Some(Signal::BUS.as_raw()));
}

#[test]
#[ignore = "the test above runs it in a child process, because it may be killed"]
fn is_sent() {
    let _session = builder().survive_truncation().shared_in(&folder()).unwrap();
    // The standard library's handler for stack overflows, which was installed earlier, may need two signals.
    send();
    send();
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_no_signal() {
    assert!(run("is_limited").success());
}

#[test]
#[ignore = "the test above runs it in a child process, because it may be killed"]
fn is_limited() {
    let limit = |bytes| {
        setrlimit(Resource::Fsize, Rlimit { current: Some(bytes), maximum: None }).unwrap();
    };
    // Enough for the fixed part and one ring.
    let session = Session::builder("limited").shared_in(&folder()).unwrap();
    let fixed = File::open(session.path().unwrap()).unwrap().metadata().unwrap().len();
    limit(fixed + 100_000);
    let (seen, unseen) = (session.recorder_with_capacity("seen", 128), session.recorder("unseen"));
    for recorder in [&seen, &unseen] {
        assert!(recorder.is_enabled());
        recorder.record_now(Event::TickStart { tick: 1 });
    }
    let error = session.check().unwrap_err();
    assert!(matches!(&error, SharingError::NoRoom { rings: 1, .. }), "{error}");
    assert!(error.to_string().contains("ulimit -f"), "{error}");
    limit(fixed - 1);
    let error = Session::builder("limited").shared_in(&folder()).unwrap_err();
    assert!(matches!(error, SessionError::FileLimit { .. }), "{error}");
}
