//! Tests what recordings contain when the recorder is killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::support::program::{PATIENCE, Place, Running, text};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running as Doing;
use loop_probes::stamped::Stamped;
use loop_traces::format::BlockKind;
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, SourceState};

/// A demo that records to `trace` from its first event.
fn recording(place: &Place, trace: &Path, arguments: &[&str]) -> Running {
    let mut command = place.command(&["demo", "--no-tui", "--duration", "120s", "--record", text(trace)]);
    Running::start(command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()))
}

fn events(trace: &Path) -> Vec<Stamped> {
    let Ok(mut reader) = TraceReader::open(trace) else { return Vec::new() };
    let mut events = Vec::new();
    while reader.poll(&mut events).expect("a trace can be read") == SourceState::More {}
    events
}

/// The longest time covered by one block, and the time from the start of the session to the last event of the first
/// block: lower bounds on how long events waited to be written. `None` while there is no block with records.
fn blocks(trace: &Path) -> Option<(Duration, Duration)> {
    let reader = TraceReader::open(trace).ok()?;
    let records = || reader.blocks().iter().filter(|block| block.header.kind == BlockKind::RECORDS);
    let longest = records().map(|block| block.header.last.ns_since(block.header.first)).max()?;
    let first = records().next()?.header.last.ns_since(EventSource::metadata(&reader).started.monotonic);
    Some((Duration::from_nanos(longest), Duration::from_nanos(first)))
}

/// Waits for `wanted` like `wait_for`, but checks every millisecond, because these recordings are killed early.
fn soon(what: &str, mut wanted: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() {
        if wanted() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("waited {PATIENCE:?} for {what}");
}

/// How long the threads of a process have been ready to run without a processor, in total.
fn waited_for_processors(process: &Running) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.pid())).expect("it runs").flatten();
    let waited = threads.filter_map(|thread| {
        let figures = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        figures.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(waited.sum())
}

#[test]
fn a_recording_killed_at_once_holds_what_happened() {
    let place = Place::new();
    let trace = place.file("killed.looptrace");
    // A busy machine can keep the recorder from running: that time does not count, and one attempt out of many must
    // succeed.
    let shown = (0..30).any(|_| {
        let _ = std::fs::remove_file(&trace);
        let mut demo = recording(&place, &trace, &[]);
        soon("the first block", || blocks(&trace).is_some());
        let waited = waited_for_processors(&demo);
        demo.kill();
        assert!(!events(&trace).is_empty());
        blocks(&trace).is_some_and(|(longest, first)| {
            longest < Duration::from_millis(50) + waited && first < Duration::from_millis(200) + waited
        })
    });
    assert!(shown, "no recording had its first block within 200 ms");
}

#[test]
fn a_recording_killed_in_a_hang_says_what_hung_and_for_how_long() {
    let place = Place::new();
    let trace = place.file("hung.looptrace");
    let mut demo = recording(&place, &trace, &["--stall", "10s"]);
    let hung = |stamped: &Stamped| match Doing::of_event(&stamped.event) {
        Some((Doing::Task { .. }, since)) => Some((since, stamped.at)),
        _ => None,
    };
    let lasted = || events(&trace).iter().filter_map(hung).next_back();
    let enough = |(since, at): (Timestamp, Timestamp)| at.ns_since(since) > 400_000_000;
    soon("a hang of 400 ms", || lasted().is_some_and(enough));
    demo.kill();
    let hangs: Vec<_> = events(&trace).iter().filter_map(hung).collect();
    let &(since, _) = hangs.last().unwrap();
    let of_it: Vec<_> = hangs.iter().filter(|hangs| hangs.0 == since).map(|hangs| hangs.1).collect();
    assert!(of_it.len() >= 2 && of_it.is_sorted(), "{of_it:?}");
    let shortest = of_it.windows(2).map(|pair| pair[1].ns_since(pair[0])).min().unwrap();
    assert!(shortest >= 36_000_000, "reported again after {shortest} ns");
}
