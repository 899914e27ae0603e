//! What an import says when it is done: what was read, which threads became loops, what was lost on the way.

use loop_probes::text::printable;
use loop_traces::chrome::import::tally::{dropped, repaired};
use loop_traces::chrome::import::{ImportReport, Tally};

use crate::text::{cut, fill, line};
use crate::units::{bytes, count, counted};

/// Cells of a loop's name.
const LOOP_CELLS: usize = 38;

/// What nobody should overlook, in one line.
pub(super) fn warning(report: &ImportReport, input: &str) -> Option<String> {
    let cut = report.repaired.iter().find(|(kind, ..)| *kind == repaired::CUT_OFF);
    if let Some((_, _, place)) = cut {
        let place = place.map_or_else(String::new, |place| format!(" at {place}"));
        return Some(format!(
            "{input} is cut off{place}: the {} whole events before were read",
            count(report.events_read)
        ));
    }
    let bad = report.dropped.iter().find(|(kind, ..)| {
        [dropped::MALFORMED, dropped::TOO_LONG, dropped::TOO_DEEP, dropped::TRAILING].contains(kind)
    });
    bad.map(|(kind, number, place)| {
        let place = place.map_or_else(String::new, |place| format!(", the first at {place}"));
        format!("{input} is damaged: {} × {kind}{place}", count(number))
    })
}

/// The page.
pub(super) fn page(report: &ImportReport, input: &str, output: &str, size: u64) -> String {
    let mut out = String::new();
    let by = report.producer.map_or_else(String::new, |producer| format!(", by {}", producer.name()));
    line!(
        out,
        "{}{by}: {} · {} · {} · {} · {}",
        printable(input),
        counted(report.events_read, "event", "events"),
        counted(report.slices, "slice", "slices"),
        counted(report.instants, "instant", "instants"),
        counted(report.counters, "counter sample", "counter samples"),
        counted(report.flows, "flow", "flows"),
    );
    loops(&mut out, report);
    tally(&mut out, "repaired", &report.repaired);
    tally(&mut out, "dropped", &report.dropped);
    line!(out, "\nsaved {} to {}", bytes(size), printable(output));
    line!(out, "next: loopscope replay {}", printable(output));
    out
}

fn loops(out: &mut String, report: &ImportReport) {
    if report.own_recording {
        line!(out, "\nan export of loopscope: its recording came back as it was");
        return;
    }
    if report.loops.is_empty() {
        line!(out, "\nno thread has a slice: the trace is empty");
        return;
    }
    line!(
        out,
        "\n{:<LOOP_CELLS$} {:>8} {:>8} {:>8}  {}",
        "LOOP",
        "TICKS",
        "TASKS",
        "SPANS",
        "CHOSEN BECAUSE IT"
    );
    for found in &report.loops {
        let title = format!("{} ({}/{})", found.name, found.pid, found.tid);
        line!(
            out,
            "{} {:>8} {:>8} {:>8}  {}",
            fill(&cut(&title, LOOP_CELLS), LOOP_CELLS),
            count(found.counts.ticks),
            count(found.counts.tasks),
            count(found.counts.spans),
            found.chosen.name()
        );
    }
    let others = report.threads.saturating_sub(report.loops.len() as u64);
    if others > 0 {
        let threads = counted(others, "other thread has", "other threads have");
        line!(out, "{threads} slices; --thread NAME takes another for the loop");
    }
    let (tasks, known) = report.loops.iter().fold((0, 0), |(tasks, known), found| {
        (tasks + found.counts.tasks, known + found.counts.queue_waits_known)
    });
    if tasks > 0 {
        line!(
            out,
            "queue wait: told by the file for {} of {}",
            count(known),
            counted(tasks, "task", "tasks")
        );
    }
}

fn tally(out: &mut String, title: &str, tally: &Tally) {
    if tally.is_empty() {
        return;
    }
    line!(out, "\n{title}");
    for (kind, number, place) in tally.iter() {
        let place = place.map_or_else(String::new, |place| format!("  first at {place}"));
        line!(out, "  {:>8}  {}{place}", count(number), kind.replace('_', " "));
    }
}
