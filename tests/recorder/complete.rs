//! Figures and gates of a complete recording: each figure is exact, and each gate is decided.

use std::collections::HashSet;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, TaskId};
use loop_probes::stamped::Stamped;
use loop_traces::analysis::diff::Run;
use loop_traces::analysis::gate::{Gate, Limit, Outcome};
use serde_json::Value;

/// Waits longer than this delay something.
const LATE_NS: u64 = 1_000_000;

/// What the program did, counted from the emitted events.
#[derive(Debug, Default)]
struct Performed {
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

impl Performed {
    fn of(emitted: &[Stamped]) -> Self {
        let (mut performed, mut waited_ns) = (Self::default(), 0);
        let mut of_timers = HashSet::new();
        for stamped in emitted.iter().filter(|stamped| stamped.source == SourceId(1)) {
            let at = stamped.at;
            match stamped.event {
                Event::TickStart { .. } => waited_ns = 0,
                Event::Poll { start, .. } => waited_ns += at.ns_since(start),
                Event::TickEnd { start, .. } => {
                    let busy_ns = at.ns_since(start) - waited_ns;
                    performed.ticks += 1;
                    performed.busy_ns += busy_ns;
                    performed.busy_ns_max = performed.busy_ns_max.max(busy_ns);
                    performed.poll_wait_ns += waited_ns;
                }
                Event::TimerFired { task, due, fired, .. } => {
                    of_timers.insert(task);
                    performed.lags.push(fired.max(at).ns_since(due));
                }
                Event::SignalDelivered { arrived, .. } => performed.latencies.push(at.ns_since(arrived)),
                Event::TaskQueued { task, .. } => drop(performed.queued.insert(task)),
                Event::TaskRan { task, queued, start, .. } => {
                    performed.tasks += 1;
                    performed.queued.remove(&task);
                    if !of_timers.contains(&task) {
                        performed.waits.push(start.ns_since(queued));
                    }
                }
                _ => {}
            }
        }
        performed
    }
}

/// Compares the summary of a complete recording with what was emitted.
pub(crate) fn check(emitted: &[Stamped], run: &Run) -> Result<(), String> {
    let performed = Performed::of(emitted);
    let summary = serde_json::to_value(&run.summary).expect("a summary is JSON");
    let at = |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let is = |pointer: &str, expected: u64| match at(pointer) {
        shown if shown == expected => Ok(()),
        shown => Err(format!("{pointer} is {shown}, exactly {expected}")),
    };
    is("/ticks/count", performed.ticks)?;
    is("/ticks/busy_ns", performed.busy_ns)?;
    is("/ticks/poll_wait_ns", performed.poll_wait_ns)?;
    is("/ticks/run_ns/max", performed.busy_ns_max)?;
    is("/tasks/count", performed.tasks)?;
    is("/timers/fired", performed.lags.len() as u64)?;
    is("/signals/latency_ns/count", performed.latencies.len() as u64)?;
    is("/signals/latency_ns/max", performed.latencies.iter().copied().max().unwrap_or(0))?;
    let late = |waits: &[u64]| waits.iter().filter(|ns| **ns > LATE_NS).sum::<u64>();
    let caused = |key: &str| {
        let lines = summary["delay_caused"].as_array().into_iter().flatten();
        lines.map(|line| line[key].as_u64().unwrap_or(0)).sum::<u64>()
    };
    if at("/timers/overdue") == 0 {
        is("/timers/lag_ns/max", performed.lags.iter().copied().max().unwrap_or(0))?;
        is("/timers/late", performed.lags.iter().filter(|ns| **ns > LATE_NS).count() as u64)?;
        let (shown, expected) = (caused("timers_ns"), late(&performed.lags));
        if shown != expected {
            return Err(format!("timers were delayed by {expected} ns, not {shown}"));
        }
    }
    if caused("signals_ns") != late(&performed.latencies) {
        return Err(format!(
            "signals were delayed by {}, not {}",
            late(&performed.latencies),
            caused("signals_ns")
        ));
    }
    if performed.queued.is_empty() {
        is("/tasks/queue_wait_ns/max", performed.waits.iter().copied().max().unwrap_or(0))?;
    }
    gates(&performed, run)
}

/// A limit just above the exact value holds, and one just below it fails.
fn gates(performed: &Performed, run: &Run) -> Result<(), String> {
    if performed.ticks == 0 {
        return Ok(());
    }
    let utilization = performed.busy_ns as f64 / (performed.busy_ns + performed.poll_wait_ns) as f64;
    for (metric, exact) in [("utilization", utilization), ("ticks.run.max", performed.busy_ns_max as f64)] {
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
