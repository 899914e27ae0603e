//! Figures and gates of a recording from which nothing is missing: each figure is exact, and each gate is decided.

use std::collections::HashSet;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, TaskId};
use loop_probes::stamped::Stamped;
use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::{Gate, Limit, Outcome};
use serde_json::Value;

/// Waits longer than this delay something.
const LATE_NS: u64 = 1_000_000;

/// What the program did, counted where it was emitted.
#[derive(Debug, Default)]
struct Did {
    ticks: u64,
    busy_ns: u64,
    busy_ns_max: u64,
    poll_wait_ns: u64,
    tasks: u64,
    /// Timer lags, queue waits and signal latencies.
    lags: Vec<u64>,
    waits: Vec<u64>,
    latencies: Vec<u64>,
    /// Tasks that were queued and have not run.
    queued: HashSet<TaskId>,
}

impl Did {
    fn of(emitted: &[Stamped]) -> Self {
        let (mut did, mut waited_ns) = (Self::default(), 0);
        let mut of_timers = HashSet::new();
        for stamped in emitted.iter().filter(|stamped| stamped.source == SourceId(1)) {
            let at = stamped.at;
            match stamped.event {
                Event::TickStart { .. } => waited_ns = 0,
                Event::Poll { start, .. } => waited_ns += at.ns_since(start),
                Event::TickEnd { start, .. } => {
                    let busy_ns = at.ns_since(start) - waited_ns;
                    did.ticks += 1;
                    did.busy_ns += busy_ns;
                    did.busy_ns_max = did.busy_ns_max.max(busy_ns);
                    did.poll_wait_ns += waited_ns;
                }
                Event::TimerFired { task, due, fired, .. } => {
                    of_timers.insert(task);
                    did.lags.push(fired.max(at).ns_since(due));
                }
                Event::SignalDelivered { arrived, .. } => did.latencies.push(at.ns_since(arrived)),
                Event::TaskQueued { task, .. } => drop(did.queued.insert(task)),
                Event::TaskRan { task, queued, start, .. } => {
                    did.tasks += 1;
                    did.queued.remove(&task);
                    if !of_timers.contains(&task) {
                        did.waits.push(start.ns_since(queued));
                    }
                }
                _ => {}
            }
        }
        did
    }
}

/// Compares the summary of a complete recording with what was emitted.
pub(crate) fn check(emitted: &[Stamped], run: &Run) -> Result<(), String> {
    let did = Did::of(emitted);
    let summary = serde_json::to_value(&run.summary).expect("a summary is JSON");
    let at = |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let is = |pointer: &str, expected: u64| match at(pointer) {
        shown if shown == expected => Ok(()),
        shown => Err(format!("{pointer} is {shown}, exactly {expected}")),
    };
    is("/ticks/count", did.ticks)?;
    is("/ticks/busy_ns", did.busy_ns)?;
    is("/ticks/poll_wait_ns", did.poll_wait_ns)?;
    is("/ticks/run_ns/max", did.busy_ns_max)?;
    is("/tasks/count", did.tasks)?;
    is("/timers/fired", did.lags.len() as u64)?;
    is("/signals/latency_ns/count", did.latencies.len() as u64)?;
    is("/signals/latency_ns/max", did.latencies.iter().copied().max().unwrap_or(0))?;
    let late = |waits: &[u64]| waits.iter().filter(|ns| **ns > LATE_NS).sum::<u64>();
    let caused = |key: &str| {
        let lines = summary["harm"].as_array().into_iter().flatten();
        lines.map(|line| line[key].as_u64().unwrap_or(0)).sum::<u64>()
    };
    if at("/timers/overdue") == 0 {
        is("/timers/lag_ns/max", did.lags.iter().copied().max().unwrap_or(0))?;
        is("/timers/late", did.lags.iter().filter(|ns| **ns > LATE_NS).count() as u64)?;
        let (shown, expected) = (caused("timers_ns"), late(&did.lags));
        if shown != expected {
            return Err(format!("timers were delayed by {expected} ns, not {shown}"));
        }
    }
    if caused("signals_ns") != late(&did.latencies) {
        return Err(format!(
            "signals were delayed by {}, not {}",
            late(&did.latencies),
            caused("signals_ns")
        ));
    }
    if did.queued.is_empty() {
        is("/tasks/queue_wait_ns/max", did.waits.iter().copied().max().unwrap_or(0))?;
    }
    gates(&did, run)
}

/// A limit just above the exact value holds, and one just below it fails.
fn gates(did: &Did, run: &Run) -> Result<(), String> {
    if did.ticks == 0 {
        return Ok(());
    }
    let utilization = did.busy_ns as f64 / (did.busy_ns + did.poll_wait_ns) as f64;
    for (metric, exact) in [("utilization", utilization), ("ticks.run.max", did.busy_ns_max as f64)] {
        for (share, expected) in [(1.001, Outcome::Held), (0.999, Outcome::Failed)] {
            let metric = metric.parse().expect("a metric");
            let gate = Gate::new(metric, Limit::Max(exact * share)).expect("a gate");
            let judged = gate.judge(run).expect("it needs no base");
            if judged.outcome != expected {
                return Err(format!("the gate is not {expected:?}: {judged:?}"));
            }
        }
    }
    Ok(())
}
