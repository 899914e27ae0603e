//! Tests that the examples record what they do: they run as written, and their rings are summarized.

#[path = "../examples/mio_echo.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod mio_echo;
#[path = "../examples/tokio_current_thread.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod tokio_current_thread;
#[path = "../examples/tokio_multi_thread.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod tokio_multi_thread;

use std::collections::BTreeSet;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ring::Start;
use loop_probes::session::Session;
use loop_traces::source::EventSource as _;
use loop_traces::summary::{Summary, TicksSummary};
use loop_traces::timeline::Timeline;

const DURATION: Duration = Duration::from_millis(2500);
const MS: u64 = 1_000_000;

/// The summary of what `run` recorded, and how long it ran, in nanoseconds.
fn summary(run: impl FnOnce(&Session, Duration) -> anyhow::Result<()>) -> (Summary, u64) {
    let session = Session::builder("example").private();
    let mut reader = session.reader(Start::Oldest);
    let start = monotonic_now();
    run(&session, DURATION).expect("it runs");
    session.finish();
    let ran_ns = monotonic_now().ns_since(start);
    let mut events = Vec::new();
    reader.flush(&mut events).expect("its ring can be read");
    let mut timeline = Timeline::of(reader.metadata());
    timeline.extend(&events);
    timeline.counts = reader.counts();
    (Summary::new(&reader, &timeline), ran_ns)
}

fn runs(summary: &Summary, tag: &str) -> u64 {
    summary.tasks.by_tag.iter().find(|listed| listed.tag == tag).map_or(0, |listed| listed.count)
}

/// Checks that a block of 40 ms is a stall that `task` is blamed for.
fn blames(summary: &Summary, task: &str) {
    let is_blamed = |stall: &loop_traces::summary::StallSummary| {
        stall.blame.first().is_some_and(|first| first.what.starts_with(task) && first.ns >= 40 * MS)
    };
    assert!(summary.stalls.iter().any(is_blamed), "{:?}", summary.stalls);
}

/// Checks that no time is counted twice: busy and idle time add up to at most `ran_ns`.
fn counts_once(ticks: &TicksSummary, ran_ns: u64) {
    assert!(ticks.busy_ns + ticks.poll_wait_ns <= ran_ns, "{ticks:?} in {ran_ns} ns");
}

fn share(ticks: &TicksSummary) -> f64 {
    ticks.busy_ns as f64 / (ticks.busy_ns + ticks.poll_wait_ns) as f64
}

// On a loaded machine the computing takes longer, and a wait begins late: the bounds hold there as well.

#[test]
fn a_current_thread_runtime_is_busy_while_it_computes_and_idle_while_it_sleeps() {
    let (summary, ran_ns) = summary(tokio_current_thread::run);
    let (ticks, computed, blocked) = (&summary.ticks, runs(&summary, "Compute"), runs(&summary, "Block"));
    assert!(computed >= 6 && blocked >= 2, "{computed} and {blocked} polls");
    counts_once(ticks, ran_ns);
    // The first poll of each starts its first sleep.
    let work_ns = (computed - 1) * 5 * MS + (blocked - 1) * 40 * MS;
    assert!(ticks.busy_ns >= work_ns, "{} ns busy of {work_ns}", ticks.busy_ns);
    // A task sleeps 50 ms before it computes; the thread is idle then, unless the other task blocks it.
    let idle_ns = ((computed - 1) * 50).saturating_sub(blocked * 40) * MS * 3 / 4;
    assert!(ticks.poll_wait_ns >= idle_ns, "{} ns idle of {idle_ns}", ticks.poll_wait_ns);
    blames(&summary, "task Block");
}

#[test]
fn each_worker_of_a_runtime_is_a_loop() {
    let (summary, ran_ns) = summary(tokio_multi_thread::run);
    // Either thread may come first.
    let names: BTreeSet<&str> = summary.loops.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["worker", "worker 2"]));
    for of in &summary.loops {
        counts_once(&of.ticks, ran_ns);
    }
    let (computed, blocked) = (runs(&summary, "Compute"), runs(&summary, "Block"));
    assert!(computed >= 24 && blocked >= 2, "{computed} and {blocked} polls");
    let work_ns = (computed - 4) * 5 * MS + (blocked - 1) * 40 * MS;
    assert!(summary.ticks.busy_ns >= work_ns, "{} ns busy of {work_ns}", summary.ticks.busy_ns);
    assert!(summary.ticks.poll_wait_ns > summary.ticks.busy_ns, "{:?}", summary.ticks);
    blames(&summary, "task Block");
}

#[test]
fn a_loop_on_mio_waits_and_counts() {
    let (summary, ran_ns) = summary(mio_echo::run);
    let ticks = &summary.ticks;
    counts_once(ticks, ran_ns);
    assert!(ticks.count >= 50 && runs(&summary, "Echo") == summary.tasks.count, "{ticks:?}");
    assert!(share(ticks) < 0.5, "{ticks:?}");
    blames(&summary, "task Echo");
}
