//! The page of an import: what was read, which threads became loops, what was repaired and dropped.

use loop_probes::text::printable;
use loop_traces::cells::table::{Column, Table};
use loop_traces::chrome::import::tally::{dropped, repaired};
use loop_traces::chrome::import::{ImportReport, ImportSummary, Tally};

use crate::text::{line, row, wrap};
use crate::units::{bytes, count, counted};

/// One line about the most important problem of the input, if there is any.
pub(super) fn warning(report: &ImportReport, input: &str) -> Option<String> {
    let cuts = [
        (repaired::CUT_OFF, "is cut off"),
        (repaired::UNCLOSED_LIST, "may be cut off, because its list of events has no ]"),
    ];
    for (cut, says) in cuts {
        if let Some((_, _, place)) = report.repaired.iter().find(|(kind, ..)| *kind == cut) {
            let place = place.map_or_else(String::new, |place| format!(" at {place}"));
            let events = count(report.events_read);
            return Some(format!("{input} {says}{place}: the {events} whole events before were read"));
        }
    }
    let bad = report.dropped.iter().find(|(kind, ..)| {
        [dropped::MALFORMED, dropped::NO_OBJECT, dropped::TOO_LONG, dropped::TOO_DEEP, dropped::TRAILING]
            .contains(kind)
    });
    bad.map(|(kind, number, place)| {
        let place = place.map_or_else(String::new, |place| format!(", the first at {place}"));
        format!("{input} is damaged: {} × {kind}{place}", count(number))
    })
}

/// The page, with lines of at most `width` cells.
pub(super) fn page(report: &ImportReport, input: &str, output: &str, size: u64, width: usize) -> String {
    let mut out = String::new();
    let by = report.producer.map_or_else(String::new, |producer| format!(" by {}", producer.name()));
    let head = [
        format!("{}, Chrome JSON{by}: {}", printable(input), counted(report.events_read, "event", "events")),
        counted(report.slices, "slice", "slices"),
        counted(report.instants, "instant", "instants"),
        counted(report.counters, "counter sample", "counter samples"),
        counted(report.flows, "flow", "flows"),
    ];
    line!(out, "{}", row("", &head.map(|part| part.replace(' ', "\u{a0}")).join("\u{a0}· "), width));
    loops(&mut out, report, width);
    tally(&mut out, "repaired", &report.repaired, width);
    tally(&mut out, "dropped", &report.dropped, width);
    line!(out, "\nsaved {} to {}", bytes(size), printable(output));
    line!(out, "next: loopscope replay {}", printable(output));
    out
}

fn loops(out: &mut String, report: &ImportReport, width: usize) {
    if report.own_recording {
        line!(out, "\nan export of loopscope: its recording was restored unchanged");
        return;
    }
    let mut table = Table::new([
        Column::name("LOOP", 12),
        Column::figure("THREAD", 10),
        Column::figure("TICKS", 10),
        Column::figure("TASKS", 10),
        Column::figure("SPANS", 10),
    ]);
    for found in &report.loops {
        let thread = format!("{}/{}", found.pid, found.tid);
        let counts = [found.counts.ticks, found.counts.tasks, found.counts.spans].map(count);
        table.row([found.name.clone(), thread].into_iter().chain(counts));
    }
    out.push('\n');
    table.fit(width).write(out);
    let mut reasons: Vec<&str> = report.loops.iter().map(|found| found.chosen.name()).collect();
    reasons.dedup();
    line!(out, "{}", row("chosen: ", &reasons.join("; "), width));
    if let Some(left_out) = report.left_out.text() {
        line!(out, "{}", row("left out: ", &format!("{left_out}; --thread NAME takes other threads"), width));
    }
    if let Some(doubt) = ImportSummary::new(report).doubt() {
        line!(out, "{}", wrap(&doubt, width, 0));
    }
    let (tasks, known) = report.loops.iter().fold((0, 0), |(tasks, known), found| {
        (tasks + found.counts.tasks, known + found.counts.queue_waits_known)
    });
    if tasks > 0 {
        let tasks = counted(tasks, "task", "tasks");
        line!(out, "queue wait: known for {} of {tasks}", count(known));
    }
}

fn tally(out: &mut String, title: &str, tally: &Tally, width: usize) {
    if tally.is_empty() {
        return;
    }
    let wide = tally.iter().map(|(_, number, _)| count(number).len()).max().unwrap_or(0).max(8);
    line!(out, "\n{title}");
    for (kind, number, place) in tally.iter() {
        let place = place.map_or_else(String::new, |place| format!(" \u{a0}first at {place}"));
        let head = format!("  {:>wide$}  ", count(number));
        line!(out, "{}", row(&head, &format!("{}{place}", kind.replace('_', " ")), width));
    }
}
