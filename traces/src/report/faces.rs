//! The report's lines on features that only some loops use: an agenda, active handles, commands, pumps, futures, a
//! shutdown.

use std::fmt::Write as _;

use super::blame::at_least;
use super::{line, listed};
use crate::summary::Summary;
use crate::timeline::utilization;
use crate::units::{count, counted, duration, percent, position};

/// Most workers shown.
const WORKERS_SHOWN: usize = 16;

/// Most names of active handles shown.
const NAMES_SHOWN: usize = 12;

pub(super) fn agenda(out: &mut String, summary: &Summary) {
    let Some(agenda) = &summary.agenda else { return };
    line!(
        out,
        "\n{:<12}{:>11}{:>9}{:>10}  {:>9}{:>9}{:>9}  {:>9}{:>9}",
        "AGENDA",
        "RAN",
        "FAILED",
        "WAITING",
        "WAIT P50",
        "P99",
        "MAX",
        "RUN P50",
        "MAX"
    );
    for priority in &agenda.priorities {
        let (wait, run) = (&priority.queue_wait_ns, &priority.run_ns);
        let mut told = Vec::new();
        if let Some(oldest_ns) = priority.oldest_waiting_ns {
            told.push(format!("the oldest waits for {}", at_least(true, oldest_ns)));
        }
        if priority.passed_by_max > 0 {
            told.push(format!("one was passed by {}", count(priority.passed_by_max)));
        }
        if priority.cancelled > 0 {
            told.push(format!("{} cancelled", count(priority.cancelled)));
        }
        line!(
            out,
            "{:<12}{:>11}{:>9}{:>10}  {:>9}{:>9}{:>9}  {:>9}{:>9}  {}",
            priority.priority.name(),
            count(priority.ran),
            count(priority.failed),
            count(priority.waiting),
            duration(wait.p50),
            duration(wait.p99),
            duration(wait.max),
            duration(run.p50),
            duration(run.max),
            told.join(", ")
        );
    }
    for worker in agenda.workers.iter().take(WORKERS_SHOWN) {
        let idle_ns = summary.span_ns.saturating_sub(worker.busy_ns);
        let stopped = match worker.stopped_ns {
            0 => String::new(),
            ns => format!(", stopped for collections {}", duration(ns)),
        };
        let name = format!("worker {}", worker.worker);
        let longest = at_least(worker.running_ns == Some(worker.run_ns_max), worker.run_ns_max);
        line!(
            out,
            "{name:<12}{:>11}{:>9}  busy {:>5}, longest {longest}{stopped}",
            count(worker.ran),
            count(worker.failed),
            percent(utilization(worker.busy_ns, idle_ns))
        );
    }
    if agenda.workers.len() > WORKERS_SHOWN {
        line!(out, "and {} more workers", count((agenda.workers.len() - WORKERS_SHOWN) as u64));
    }
    let met = &agenda.rendezvous;
    if met.count > 0 {
        let waited = &met.waited_ns;
        line!(
            out,
            "{:<12}{:>11}{:>9}  failed, waited p50 {}, max {}",
            "rendezvous",
            count(met.count),
            count(met.failed),
            duration(waited.p50),
            duration(waited.max)
        );
    }
}

pub(super) fn rest(out: &mut String, summary: &Summary, columns: usize) {
    let before = out.len();
    out.push('\n');
    keep_alive(out, summary, columns);
    if let Some(commands) = &summary.commands {
        let bytes: Vec<String> = commands
            .by_byte
            .iter()
            .map(|it| format!("{} ×{}{}", it.byte, count(it.count), if it.known { "" } else { " (unknown)" }))
            .collect();
        line!(out, "commands: {}", bytes.join(", "));
    }
    if let Some(pumps) = &summary.pumps {
        line!(
            out,
            "pumps: {}, {} handled a source, {} because the foreign loop was ready, p50 {}, max {}",
            count(pumps.count),
            count(pumps.handled),
            count(pumps.ready),
            duration(pumps.run_ns.p50),
            duration(pumps.run_ns.max)
        );
    }
    if let Some(futures) = &summary.futures {
        line!(
            out,
            "futures: {} spawned, {} ended, {} woken, {} polled for nothing yet",
            count(futures.spawned),
            count(futures.ended),
            count(futures.woken),
            count(futures.pending)
        );
    }
    shutdown(out, summary);
    if out.len() == before + 1 {
        out.truncate(before);
    }
}

fn keep_alive(out: &mut String, summary: &Summary, columns: usize) {
    let Some(held) = summary.keep_alive.as_ref().filter(|held| !held.is_empty()) else { return };
    let shown = held.iter().take(NAMES_SHOWN);
    let names: Vec<String> =
        shown.map(|it| format!("{} {} ×{}", it.what, it.name, count(it.count))).collect();
    let more = match held.len().saturating_sub(NAMES_SHOWN) {
        0 => String::new(),
        more => format!(" and {}", counted(more as u64, "more name", "more names")),
    };
    line!(out, "{}{more}", listed("kept alive by", &names, columns));
}

fn shutdown(out: &mut String, summary: &Summary) {
    let Some(shutdown) = &summary.shutdown else { return };
    let limit = shutdown.limit_ns.map_or_else(String::new, |ns| format!(" of {}", duration(ns)));
    let took = match shutdown.run_ns {
        Some(ns) => format!("took {}{limit}", duration(ns)),
        None => format!("goes on{limit}"),
    };
    line!(
        out,
        "shutdown at {} {took}: {} finished, {} cancelled, {} left",
        position(shutdown.at_ns),
        count(shutdown.finished),
        count(shutdown.cancelled),
        count(shutdown.left)
    );
}
