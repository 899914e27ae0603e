//! The report's lines on features that only some loops use: an agenda, active handles, commands, pumps, futures, a
//! shutdown.

use std::fmt::Write as _;

use super::blame::at_least;
use super::{line, listed, sentence};
use crate::cells::cut_name;
use crate::cells::table::{Column, Table};
use crate::summary::Summary;
use crate::timeline::utilization;
use crate::units::{count, counted, duration, percent, position};

/// Most workers shown.
const WORKERS_SHOWN: usize = 16;

/// Most names of active handles shown.
const NAMES_SHOWN: usize = 12;

pub(super) fn agenda(out: &mut String, summary: &Summary, columns: usize) {
    let Some(agenda) = &summary.agenda else { return };
    let mut table = Table::new([
        Column::text("AGENDA", 10),
        Column::figure("RAN", 11),
        Column::figure("FAILED", 7),
        Column::figure("WAITING", 8),
        Column::figure("P50", 10).of("WAIT").optional(2),
        Column::figure("P99", 8).of("WAIT"),
        Column::figure("MAX", 8).of("WAIT"),
        Column::figure("P50", 9).of("RUN").optional(1),
        Column::figure("MAX", 8).of("RUN"),
    ]);
    let mut remarks = String::new();
    for priority in &agenda.priorities {
        let (wait, run) = (&priority.queue_wait_ns, &priority.run_ns);
        let mut facts = Vec::new();
        if let Some(oldest_ns) = priority.oldest_waiting_ns {
            facts.push(format!("the oldest waits for {}", at_least(true, oldest_ns)));
        }
        if priority.passed_by_max > 0 {
            facts.push(format!("one was passed by {}", count(priority.passed_by_max)));
        }
        if priority.cancelled > 0 {
            facts.push(format!("{} cancelled", count(priority.cancelled)));
        }
        table.row([
            priority.priority.name().to_owned(),
            count(priority.ran),
            count(priority.failed),
            count(priority.waiting),
            duration(wait.p50),
            duration(wait.p99),
            duration(wait.max),
            duration(run.p50),
            duration(run.max),
        ]);
        if !facts.is_empty() {
            line!(remarks, "{}", listed(&format!("  {:<8}", priority.priority.name()), &facts, columns));
        }
    }
    out.push('\n');
    table.fit(columns).write(out);
    out.push_str(&remarks);
    for worker in agenda.workers.iter().take(WORKERS_SHOWN) {
        let idle_ns = summary.span_ns.saturating_sub(worker.busy_ns);
        let name = format!("worker {}", worker.worker);
        let longest = at_least(worker.running_ns == Some(worker.run_ns_max), worker.run_ns_max);
        let head = format!("{name:<10}{:>11}{:>7} ", count(worker.ran), count(worker.failed));
        let busy = format!("busy {:>5}", percent(utilization(worker.busy_ns, idle_ns)));
        let mut parts = vec![busy, format!("longest {longest}")];
        if worker.stopped_ns > 0 {
            parts.push(format!("stopped for collections {}", duration(worker.stopped_ns)));
        }
        line!(out, "{}", listed(&head, &parts, columns));
    }
    if agenda.workers.len() > WORKERS_SHOWN {
        line!(out, "and {} more workers", count((agenda.workers.len() - WORKERS_SHOWN) as u64));
    }
    let met = &agenda.rendezvous;
    if met.count > 0 {
        let waited = &met.waited_ns;
        let head = format!("{:<10}{:>11}{:>7} ", "rendezvous", count(met.count), count(met.failed));
        let parts =
            [format!("failed, waited p50 {}", duration(waited.p50)), format!("max {}", duration(waited.max))];
        line!(out, "{}", listed(&head, &parts, columns));
    }
}

pub(super) fn rest(out: &mut String, summary: &Summary, columns: usize) {
    let before = out.len();
    out.push('\n');
    keep_alive(out, summary, columns);
    jobs(out, summary, columns);
    if let Some(commands) = &summary.commands {
        let bytes: Vec<String> = commands
            .by_byte
            .iter()
            .map(|it| format!("{} ×{}{}", it.byte, count(it.count), if it.known { "" } else { " (unknown)" }))
            .collect();
        line!(out, "{}", listed("commands:", &bytes, columns));
    }
    if let Some(pumps) = &summary.pumps {
        let parts = [
            count(pumps.count),
            format!("{} handled a source", count(pumps.handled)),
            format!("{} because the foreign loop was ready", count(pumps.ready)),
            format!("p50 {}", duration(pumps.run_ns.p50)),
            format!("max {}", duration(pumps.run_ns.max)),
        ];
        line!(out, "{}", listed("pumps:", &parts, columns));
    }
    if let Some(futures) = &summary.futures {
        let parts = [
            counted(futures.refs_taken, "reference taken", "references taken"),
            format!("{} released", count(futures.refs_released)),
            format!("{} woken", count(futures.woken)),
            format!("{} polled for nothing yet", count(futures.pending)),
        ];
        line!(out, "{}", listed("futures:", &parts, columns));
    }
    shutdown(out, summary, columns);
    if out.len() == before + 1 {
        out.truncate(before);
    }
}

fn jobs(out: &mut String, summary: &Summary, columns: usize) {
    let Some(jobs) = &summary.jobs else { return };
    let (wait, run) = (&jobs.queue_wait_ns, &jobs.run_ns);
    let parts = [
        format!("{} queued", count(jobs.queued)),
        format!("{} ran", count(jobs.ran)),
        format!("{} failed", count(jobs.failed)),
        format!("wait p50 {}", duration(wait.p50)),
        format!("max {}", duration(wait.max)),
        format!("run p50 {}", duration(run.p50)),
        format!("max {}", duration(run.max)),
    ];
    line!(out, "{}", listed("jobs:", &parts, columns));
    let failed = jobs.by_tag.iter().filter(|tag| tag.failed.is_some_and(|failed| failed > 0));
    let failed =
        failed.map(|tag| format!("{} ×{}", cut_name(&tag.tag, columns / 2), count(tag.failed.unwrap_or(0))));
    let failed: Vec<String> = failed.take(NAMES_SHOWN).collect();
    if !failed.is_empty() {
        line!(out, "{}", listed("  failed:", &failed, columns));
    }
}

fn keep_alive(out: &mut String, summary: &Summary, columns: usize) {
    let Some(held) = summary.keep_alive.as_ref().filter(|held| !held.is_empty()) else { return };
    let name = |name: &str| cut_name(name, columns / 2);
    let shown = held.iter().take(NAMES_SHOWN);
    let names: Vec<String> =
        shown.map(|it| format!("{} {} ×{}", it.what, name(&it.name), count(it.count))).collect();
    let more = match held.len().saturating_sub(NAMES_SHOWN) {
        0 => String::new(),
        more => format!("\n  and {}", counted(more as u64, "more name", "more names")),
    };
    let left_out = match summary.keep_alive_left_out.unwrap_or(0) {
        0 => String::new(),
        parts => format!("\n  incomplete: its snapshot had no room for {}", counted(parts, "part", "parts")),
    };
    line!(out, "{}{more}{left_out}", listed("active handles", &names, columns));
}

fn shutdown(out: &mut String, summary: &Summary, columns: usize) {
    let Some(shutdown) = &summary.shutdown else { return };
    let limit = shutdown.limit_ns.map_or_else(String::new, |ns| format!(" of {}", duration(ns)));
    let took = match shutdown.run_ns {
        Some(ns) => format!("took {}{limit}", duration(ns)),
        None => format!("in progress{limit}"),
    };
    let at = position(shutdown.at_ns);
    let counts =
        [(shutdown.finished, "finished"), (shutdown.cancelled, "cancelled"), (shutdown.left, "left")];
    let counts: Vec<_> =
        counts.iter().filter_map(|(of, name)| of.map(|of| format!("{} {name}", count(of)))).collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    line!(out, "{}", sentence(&format!("shutdown at {at} {took}{counts}"), columns));
}

#[cfg(test)]
mod tests {
    use crate::report::text_within;
    use crate::summary::Summary;
    use crate::synthetic::Script;
    use crate::timeline::Timeline;

    #[test]
    fn its_lines_are_as_wide_as_the_page() {
        let script = Script { ticks: 700, agenda_workers: 3, loop_kinds: true, ..Script::default() };
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&script.events());
        let mut summary = Summary::new(&script.source(), &timeline);
        let agenda = summary.agenda.as_mut().unwrap();
        for priority in &mut agenda.priorities {
            (priority.ran, priority.cancelled, priority.passed_by_max) = (99_999_999, 1_234_567, 1_234_567);
            priority.oldest_waiting_ns = Some(1_234_567_890);
        }
        agenda.workers.iter_mut().for_each(|worker| worker.stopped_ns = 1_234_567);
        for columns in [60, 80, 120] {
            let page = text_within(&summary, columns);
            let agenda = page.split_once("AGENDA").unwrap().1;
            for part in
                ["AGENDA", "cancelled", "rendezvous", "stopped for", "pumps:", "futures:", "commands:"]
            {
                assert!(page.contains(part), "{part}: {page}");
            }
            for line in agenda.lines() {
                assert!(line.chars().count() <= columns && line.trim_end() == line, "{line:?} in {page}");
            }
        }
    }
}
