//! The report's lines on features that only some loops use: an agenda, active handles, readiness callbacks, jobs,
//! commands, pumps, futures, a shutdown.

use super::blame::at_least;
use super::bounds::{AT_LEAST, Of, figure, within};
use super::page::Page;
use crate::cells::cut_name;
use crate::cells::table::{Column, Table};
use crate::summary::Summary;
use crate::timeline::utilization;
use crate::units::{count, counted, duration, percent, position};

/// Maximum number of workers shown.
const WORKERS_SHOWN: usize = 16;

/// Maximum number of names of active handles shown.
const NAMES_SHOWN: usize = 12;

pub(super) fn agenda(page: &mut Page, summary: &Summary) {
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
    let mut remarks = Vec::new();
    for priority in &agenda.priorities {
        let (wait, run) = (&priority.queue_wait_ns, &priority.run_ns);
        let mut facts = Vec::new();
        if let Some(oldest_ns) = priority.oldest_waiting_ns {
            facts.push(format!("the oldest waits for {}", at_least(true, oldest_ns)));
        }
        if priority.passed_by_max > 0 {
            let passed_by = within(priority.passed_by_max, priority.passed_by_max_bounds);
            facts.push(format!("one was passed by {passed_by}"));
        }
        if priority.cancelled > 0 {
            facts.push(format!("{} cancelled", count(priority.cancelled)));
        }
        table.row([
            priority.priority.name().to_owned(),
            count(priority.ran),
            count(priority.failed),
            within(priority.waiting, priority.waiting_bounds),
            figure(wait, Of::P50),
            figure(wait, Of::P99),
            figure(wait, Of::Max),
            figure(run, Of::P50),
            figure(run, Of::Max),
        ]);
        if !facts.is_empty() {
            remarks.push((format!("  {:<8}", priority.priority.name()), facts));
        }
    }
    page.blank();
    page.table(&table);
    for (head, facts) in &remarks {
        page.list(head, facts);
    }
    // A run of any worker may be missing.
    let is_lossy = summary.lost_records > 0 || summary.misses_anything();
    for worker in agenda.workers.iter().take(WORKERS_SHOWN) {
        let idle_ns = summary.span_ns.saturating_sub(worker.busy_ns);
        let name = format!("worker {}", worker.worker);
        let is_open = is_lossy || worker.running_ns == Some(worker.run_ns_max);
        let longest = at_least(is_open, worker.run_ns_max);
        let head = format!("{name:<10}{:>11}{:>7} ", count(worker.ran), count(worker.failed));
        let mark = if is_lossy { AT_LEAST } else { ' ' };
        let busy = format!("busy{mark}{:>5}", percent(utilization(worker.busy_ns, idle_ns)));
        let mut parts = vec![busy, format!("longest {longest}")];
        if worker.stopped_ns > 0 {
            parts.push(format!("stopped for collections {}", duration(worker.stopped_ns)));
        }
        page.list(&head, &parts);
    }
    if agenda.workers.len() > WORKERS_SHOWN {
        page.line(&format!("and {} more workers", count((agenda.workers.len() - WORKERS_SHOWN) as u64)));
    }
    let met = &agenda.rendezvous;
    if met.count > 0 {
        let waited = &met.waited_ns;
        let head = format!("{:<10}{:>11}{:>7} ", "rendezvous", count(met.count), count(met.failed));
        let parts = [
            format!("failed, waited p50 {}", figure(waited, Of::P50)),
            format!("max {}", figure(waited, Of::Max)),
        ];
        page.list(&head, &parts);
    }
}

pub(super) fn rest(page: &mut Page, summary: &Summary) {
    let mut rest = Page::new(page.columns());
    keep_alive(&mut rest, summary);
    io(&mut rest, summary);
    jobs(&mut rest, summary);
    if let Some(commands) = &summary.commands {
        let bytes: Vec<String> = commands
            .by_byte
            .iter()
            .map(|it| format!("{} ×{}{}", it.byte, count(it.count), if it.known { "" } else { " (unknown)" }))
            .collect();
        rest.list("commands:", &bytes);
    }
    if let Some(pumps) = &summary.pumps {
        let parts = [
            count(pumps.count),
            format!("{} handled a source", count(pumps.handled)),
            format!("{} because the foreign loop was ready", count(pumps.ready)),
            format!("p50 {}", figure(&pumps.run_ns, Of::P50)),
            format!("max {}", figure(&pumps.run_ns, Of::Max)),
        ];
        rest.list("pumps:", &parts);
    }
    if let Some(futures) = &summary.futures {
        let parts = [
            counted(futures.refs_taken, "reference taken", "references taken"),
            format!("{} released", count(futures.refs_released)),
            format!("{} woken", count(futures.woken)),
            format!("{} polls not ready", count(futures.pending)),
        ];
        rest.list("futures:", &parts);
    }
    shutdown(&mut rest, summary);
    page.section(rest);
}

fn io(page: &mut Page, summary: &Summary) {
    let Some(io) = &summary.io else { return };
    let run = &io.run_ns;
    let parts = [
        format!("{} ran", count(io.count)),
        format!("run p50 {}", figure(run, Of::P50)),
        format!("p99 {}", figure(run, Of::P99)),
        format!("max {}", figure(run, Of::Max)),
    ];
    page.list("readiness callbacks:", &parts);
}

fn jobs(page: &mut Page, summary: &Summary) {
    let Some(jobs) = &summary.jobs else { return };
    let (wait, run) = (&jobs.queue_wait_ns, &jobs.run_ns);
    let parts = [
        format!("{} queued", count(jobs.queued)),
        format!("{} ran", count(jobs.ran)),
        format!("{} failed", count(jobs.failed)),
        format!("wait p50 {}", figure(wait, Of::P50)),
        format!("max {}", figure(wait, Of::Max)),
        format!("run p50 {}", figure(run, Of::P50)),
        format!("max {}", figure(run, Of::Max)),
    ];
    page.list("jobs:", &parts);
    let failed = jobs.by_tag.iter().filter(|tag| tag.failed.is_some_and(|failed| failed > 0));
    let failed = failed
        .map(|tag| format!("{} ×{}", cut_name(&tag.tag, page.columns() / 2), count(tag.failed.unwrap_or(0))));
    let failed: Vec<String> = failed.take(NAMES_SHOWN).collect();
    if !failed.is_empty() {
        page.list("  failed:", &failed);
    }
}

fn keep_alive(page: &mut Page, summary: &Summary) {
    let Some(held) = summary.keep_alive.as_ref().filter(|held| !held.is_empty()) else { return };
    let name = |name: &str| cut_name(name, page.columns() / 2);
    let shown = held.iter().take(NAMES_SHOWN);
    let names: Vec<String> =
        shown.map(|it| format!("{} {} ×{}", it.what, name(&it.name), count(it.count))).collect();
    page.list("active handles", &names);
    let more = held.len().saturating_sub(NAMES_SHOWN);
    if more > 0 {
        page.line(&format!("  and {}", counted(more as u64, "more name", "more names")));
    }
    let left_out = summary.keep_alive_left_out.unwrap_or(0);
    if left_out > 0 {
        page.line(&format!(
            "  incomplete: its snapshot had no room for {}",
            counted(left_out, "part", "parts")
        ));
    }
}

fn shutdown(page: &mut Page, summary: &Summary) {
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
    page.sentence(&format!("shutdown at {at} {took}{counts}"));
}

#[cfg(test)]
mod tests {
    use crate::report::text_within;
    use crate::summary::Summary;
    use crate::synthetic::Script;
    use crate::timeline::Timeline;

    #[test]
    fn lines_fit_the_page() {
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
