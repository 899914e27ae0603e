//! Tests that the examples record what they do: the two run as written, and their rings are folded.

#[path = "../examples/mio.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod on_mio;
#[path = "../examples/tokio.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
mod on_tokio;

use std::time::Duration;

use loop_probes::ring::Start;
use loop_probes::session::Session;
use loop_traces::timeline::Timeline;

const DURATION: Duration = Duration::from_secs(2);

/// Folds the recording of `run`.
fn folded(run: impl FnOnce(&Session, Duration) -> anyhow::Result<()>) -> Timeline {
    let session = Session::builder("example").private();
    let mut reader = session.reader(Start::Oldest);
    run(&session, DURATION).expect("it runs");
    session.finish();
    let mut events = Vec::new();
    reader.flush(&mut events).expect("its ring can be read");
    let mut timeline = Timeline::of(reader.metadata());
    timeline.extend(&events);
    timeline
}

#[test]
fn a_tokio_runtime_is_busy_while_it_computes_and_idle_while_it_sleeps() {
    let timeline = folded(on_tokio::run);
    let (ticks, tasks) = (&timeline.ticks, timeline.tasks_run);
    assert!(tasks >= 5, "{tasks} tasks");
    // tokio may wait several times for one sleep.
    assert!(ticks.count > tasks, "{} ticks, {tasks} tasks", ticks.count);
    eprintln!("{:.1}% busy, {} stalls, {tasks} tasks", 100.0 * ticks.utilization(), timeline.stalls.count);
    // On a loaded machine the computing takes longer, and a wait begins late.
    assert!(ticks.busy_ns >= tasks * 5_000_000, "{} ns busy", ticks.busy_ns);
    assert!(ticks.poll_wait_ns >= tasks * 25_000_000, "{} ns waited of {tasks} × 50 ms", ticks.poll_wait_ns);
    let span_ns = timeline.last_at().zip(timeline.first_at()).map_or(0, |(last, first)| last.ns_since(first));
    assert!(ticks.busy_ns + ticks.poll_wait_ns <= span_ns, "each moment counts once");
}

#[test]
fn a_loop_on_mio_waits_and_counts() {
    let timeline = folded(on_mio::run);
    assert!(timeline.ticks.count >= 10 && timeline.tasks_run >= 10, "{} ticks", timeline.ticks.count);
    assert!(timeline.ticks.poll_wait_ns > 0 && timeline.ticks.utilization() < 0.5);
}
