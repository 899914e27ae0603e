//! The report: a summary as one page of text, worst first.

mod blame;
mod bounds;
mod loop_kinds;
mod loops;
mod page;
mod spans;
mod unfinished;

use crate::cells::table::{Column, Fitted, Table};
use crate::cells::{cut_name, fill, width};
use crate::histogram::{FEW_MARK, Percentiles};
use crate::import_summary::ImportSummary;
use crate::loss::Bounds;
use crate::source::SourceKind;
use crate::summary::Summary;
use crate::units::{UNKNOWN, count, counted, duration, percent, rate};
use bounds::{Of, figure};
use page::Page;

/// Maximum number of tags shown.
const TAGS_SHOWN: usize = 24;

/// Line width when the output is not a terminal.
const COLUMNS: usize = 120;

/// The narrowest supported line width, in columns.
pub const COLUMNS_MIN: usize = 60;

/// Formats the summary as text for lines of 120 columns: aligned columns, no colours, ending with a line break.
#[must_use]
pub fn text(summary: &Summary) -> String {
    text_within(summary, COLUMNS)
}

/// Like [`text`], for lines of `columns` columns, but at least [`COLUMNS_MIN`].
#[must_use]
pub fn text_within(summary: &Summary, columns: usize) -> String {
    let mut page = Page::new(columns.max(COLUMNS_MIN));
    let is_empty = summary.is_empty() && summary.lost_records == 0;
    if let Some(diagnosis) = summary.diagnosis.as_ref().filter(|_| !is_empty) {
        page.sentence(&diagnosis.with_next());
    }
    head(&mut page, summary);
    if is_empty {
        page.line("nothing was recorded of any loop: no figure is known");
        return page.into_text();
    }
    totals(&mut page, summary);
    pressure(&mut page, summary);
    loops::table(&mut page, summary);
    bounds::losses(&mut page, summary);
    blame::stalls(&mut page, summary);
    blame::late(&mut page, summary);
    blame::delay_caused(&mut page, summary);
    tags(&mut page, summary);
    tags_beyond_limit(&mut page, summary);
    spans::table(&mut page, summary);
    queues(&mut page, summary);
    loop_kinds::agenda(&mut page, summary);
    loop_kinds::rest(&mut page, summary);
    page.into_text()
}

/// Writes the contention for processors, if it was sampled.
fn pressure(page: &mut Page, summary: &Summary) {
    let Some(pressure) = &summary.pressure else { return };
    let share = |ns: u64| percent(pressure.share(ns).min(1.0));
    let waited = pressure.waited_ns.map_or_else(|| UNKNOWN.to_owned(), share);
    let parts = [
        format!("a task of the machine waited for a processor {waited} of the time"),
        format!("this program's threads waited {}", duration(pressure.delayed_ns)),
        format!("stolen {}", duration(pressure.stolen_ns)),
    ];
    page.sentence(&format!("pressure: {}", parts.join(", ")));
}

/// Formats the number of lost records.
fn lost(summary: &Summary) -> String {
    match summary.lost_records_bounds {
        Some(Bounds { lo: 0, .. }) => "unknown".to_owned(),
        Some(Bounds { lo, .. }) => format!("≥{}", count(lo)),
        None => count(summary.lost_records),
    }
}

fn head(page: &mut Page, summary: &Summary) {
    let source = &summary.source;
    let kind = if source.kind == SourceKind::Chrome { "imported" } else { source.kind.name() };
    let parts = [
        source.name.clone(),
        kind.to_owned(),
        format!("pid {}", source.pid),
        format!("policy {}", source.policy),
        duration(summary.span_ns),
        format!("lost {}", lost(summary)),
    ];
    page.dotted(&parts);
    if let Some(import) = &source.import {
        imported(page, summary, import);
    }
    unfinished::head(page, summary);
    for remark in remarks(summary) {
        page.sentence(&remark);
    }
}

/// Remarks on everything that makes figures of the whole page incomplete or uncertain.
fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks = Vec::new();
    if summary.before_attach > 0 {
        let records = counted(summary.before_attach, "record", "records");
        remarks.push(format!("totals count since the attach; {records} precede it"));
    }
    if summary.ticks.incomplete > 0 {
        let ticks = counted(summary.ticks.incomplete, "incomplete tick is", "incomplete ticks are");
        remarks.push(format!("{ticks} left out of all figures: records are missing there"));
    }
    if let Some(suspended) = summary.suspended {
        let asleep = match suspended.asleep_ns {
            0 => String::new(),
            ns => format!("; the machine slept for {}", duration(ns)),
        };
        remarks.push(format!(
            "suspended {} for {}: nothing of the process ran{asleep}",
            counted(suspended.count, "time", "times"),
            duration(suspended.total_ns)
        ));
    }
    if summary.clock_error_ns_max > 0 {
        let by = match summary.clock_error_ns_max {
            u64::MAX => "any amount".to_owned(),
            error_ns => format!("up to {}", duration(error_ns)),
        };
        remarks.push(format!("readings of the clocks contradict each other: times may be wrong by {by}"));
    }
    if summary.uncounted_gaps > 0 {
        let gaps = counted(summary.uncounted_gaps, "gap", "gaps");
        remarks.push(format!("{gaps} with an unknown number of records: any figure may be missing a part"));
    }
    if summary.loops_left_out {
        remarks.push(
            "loops beyond the limit of emitters are left out: any total may be missing a part".to_owned(),
        );
    }
    let dropped = summary.dropped_by_import();
    if dropped > 0 {
        let events = counted(dropped, "event that the import dropped", "events that the import dropped");
        remarks.push(format!("{events} may have been of these loops: any figure may be missing a part"));
    }
    if summary.malformed_events > dropped {
        let events = counted(summary.malformed_events - dropped, "event", "events");
        remarks.push(format!("{events} with impossible values skipped: any figure may be missing a part"));
    }
    if summary.unknown_kinds > 0 {
        let events =
            counted(summary.unknown_kinds, "event of an unknown kind was", "events of unknown kinds were");
        remarks.push(format!("{events} skipped"));
    }
    remarks
}

/// Writes what the figures of an imported trace are based on.
fn imported(page: &mut Page, summary: &Summary, import: &ImportSummary) {
    let known = summary.tasks.queue_wait_ns.count;
    let waits = format!("queue waits known for {} of {} tasks", count(known), count(summary.tasks.count));
    page.dotted(&[format!("imported from {}", import.from()), waits]);
    for (what, counts) in [("repaired:", &import.repaired), ("dropped:", &import.dropped)] {
        let parts: Vec<String> = counts
            .iter()
            .map(|(kind, number)| format!("{} {}", count(*number), kind.replace('_', " ")))
            .collect();
        if !parts.is_empty() {
            page.list(what, &parts);
        }
    }
    if let Some(left_out) = import.left_out.text() {
        let parts: Vec<String> = left_out.split(", ").map(str::to_owned).collect();
        page.list("left out:", &parts);
    }
    if let Some(doubt) = import.doubt() {
        page.sentence(&doubt);
    }
}

fn totals(page: &mut Page, summary: &Summary) {
    let Summary { ticks, tasks, microtasks, timers, gc, signals, .. } = summary;
    let seconds = summary.span_ns as f64 / 1e9;
    let per_second = |count: u64| rate(if seconds > 0.0 { count as f64 / seconds } else { 0.0 });
    let over = format!(
        "run · busy {} · {} over {}",
        bounds::utilization(ticks),
        blame::stalls_seen(summary),
        duration(ticks.stall_limit_ns)
    );
    let failed = match tasks.failed {
        None | Some(0) => String::new(),
        Some(failed) => format!(" · {} failed", count(failed)),
    };
    let longest = tasks.by_tag.first().map(|tag| {
        let is_beyond = tasks.tags_beyond_limit.run_ns.max > tag.run_ns.max;
        if is_beyond { "a tag beyond the limit".to_owned() } else { cut_name(&tag.tag, page.columns() / 2) }
    });
    let slowest = longest.map_or_else(String::new, |tag| format!("run{failed} · longest: {tag}"));
    let armed = timers.armed.zip(timers.cleared).map_or_else(String::new, |(armed, cleared)| {
        format!(" · {} armed, {} cleared", count(armed), count(cleared))
    });
    let lag = format!("lag{armed}");
    let checkpoints = counted(microtasks.checkpoints.unwrap_or(0), "checkpoint", "checkpoints");
    let checkpoints = format!("run of {checkpoints}");
    let decided = gc.collect.zip(gc.defer).zip(gc.skip).map_or_else(
        || "run".to_owned(),
        |((collect, defer), skip)| {
            format!("run · decided {} collect, {} defer, {} skip", count(collect), count(defer), count(skip))
        },
    );
    let skipped = timers.skipped.map_or_else(String::new, |skipped| {
        let least = match timers.skipped_bounds {
            Some(_) if summary.clock_error_ns_max > 0 => "~",
            Some(_) => "at least ",
            None => "",
        };
        let unknown = match timers.period_unknown {
            None | Some(0) => String::new(),
            Some(firings) => format!(" · {} with unknown period", counted(firings, "firing", "firings")),
        };
        format!("lag with {least}{}{unknown}", counted(skipped, "skipped period", "skipped periods"))
    });
    // A family that the loop does not record has no row: its count is unknown, not zero.
    let corrected = timers.fired.map(|_| timers.lag_corrected_ns.count);
    let rows: [(&str, Option<u64>, &Percentiles, &str); 6] = [
        ("ticks", Some(ticks.count), &ticks.run_ns, &over),
        ("tasks", Some(tasks.count), &tasks.run_ns, &slowest),
        ("timers", timers.fired, &timers.lag_ns, &lag),
        ("  corrected", corrected, &timers.lag_corrected_ns, &skipped),
        ("microtasks", microtasks.ran, &microtasks.run_ns, &checkpoints),
        ("gc", gc.heap_bytes_max.map(|_| gc.run_ns.count), &gc.run_ns, &decided),
    ];
    let rows = rows.into_iter().filter_map(|(name, total, unit, remark)| Some((name, total?, unit, remark)));
    let rows: Vec<(&str, u64, &Percentiles, &str)> = rows.collect();
    let mut table = Table::new([
        Column::text("", 12),
        Column::figure("COUNT", 11),
        Column::figure("RATE/s", 10).optional(2),
        Column::figure("P50", 10),
        Column::figure("P90", 9).optional(1),
        Column::figure("P99", 9),
        Column::figure("MAX", 9),
    ]);
    for (name, total, unit, _) in &rows {
        let figures = [Of::P50, Of::P90, Of::P99, Of::Max].map(|of| figure(unit, of));
        table.row([(*name).to_owned(), count(*total), per_second(*total)].into_iter().chain(figures));
    }
    let mut remarks: Vec<(&str, String)> =
        rows.iter().map(|(name, .., remark)| (*name, (*remark).to_owned())).collect();
    if let (Some(arrived), Some(delivered)) = (signals.arrived, signals.delivered) {
        let none = std::iter::repeat_n(String::new(), 4);
        table.row(["signals".to_owned(), count(arrived), per_second(arrived)].into_iter().chain(none));
        let dropped = signals.dropped.map_or_else(|| UNKNOWN.to_owned(), count);
        remarks.push(("signals", format!("{} delivered, {dropped} dropped", count(delivered))));
    }
    page.blank();
    remarked(page, &table.fit(page.columns()), &remarks);
    let tags = summary.tasks.by_tag.iter().flat_map(|tag| [&tag.run_ns, &tag.queue_wait_ns]);
    if rows.iter().map(|(_, _, unit, _)| *unit).chain(tags).any(|unit| unit.few_samples) {
        let few = format!("{FEW_MARK} fewer than 100 samples (p90: 10), so the maximum is shown");
        page.sentence(&few);
    }
    let is_open = |(_, _, unit, _): &(&str, _, &Percentiles, _)| bounds::is_marked(unit);
    // For missing records, `bounds::losses` explains the marks.
    let is_missing = summary.lost_records > 0 || summary.misses_anything() || summary.clock_error_ns_max > 0;
    if !is_missing && rows.iter().any(is_open) {
        let open = format!(
            "{} a lower bound, {} may change: something has not ended",
            bounds::AT_LEAST,
            bounds::MARK
        );
        page.sentence(&open);
    }
}

/// Writes a table with a remark for each row: beside the rows, or all below if one of them does not fit.
fn remarked(page: &mut Page, table: &Fitted, remarks: &[(&str, String)]) {
    let beside = width(&table.head) + 2;
    let fit = remarks.iter().all(|(_, remark)| beside + width(remark) <= page.columns());
    page.line(&table.head);
    for (row, (_, remark)) in table.rows.iter().zip(remarks) {
        match fit && !remark.is_empty() {
            true => page.line(&format!("{}{remark}", fill(row, beside))),
            false => page.line(row),
        }
    }
    if let Some(note) = &table.note {
        page.line(note);
    }
    for (name, remark) in remarks.iter().filter(|(_, remark)| !fit && !remark.is_empty()) {
        page.beside(&format!("  {}", fill(name, 12)), remark);
    }
}

fn tags(page: &mut Page, summary: &Summary) {
    let tags = &summary.tasks.by_tag;
    if tags.is_empty() {
        return;
    }
    let mut table = Table::new([
        Column::name("TASK TAG", 12),
        Column::figure("COUNT", 10),
        Column::figure("P50", 10).of("RUN"),
        Column::figure("P90", 9).of("RUN").optional(3),
        Column::figure("P99", 9).of("RUN").optional(1),
        Column::figure("MAX", 9).of("RUN"),
        Column::figure("P50", 10).of("WAIT").optional(2),
        Column::figure("P99", 9).of("WAIT"),
        Column::figure("MAX", 9).of("WAIT"),
    ]);
    for tag in tags.iter().take(TAGS_SHOWN) {
        let (run, waited) = (&tag.run_ns, &tag.queue_wait_ns);
        // An unknown wait is not shown as 0, which would be a measurement.
        let wait = |of| if waited.count > 0 { figure(waited, of) } else { UNKNOWN.to_owned() };
        let runs = [Of::P50, Of::P90, Of::P99, Of::Max].map(|of| figure(run, of));
        let waits = [Of::P50, Of::P99, Of::Max].map(wait);
        table.row([tag.tag.clone(), count(tag.count)].into_iter().chain(runs).chain(waits));
    }
    page.blank();
    page.table(&table);
    if tags.len() > TAGS_SHOWN {
        page.line(&format!("and {} more tags: --json has them", count((tags.len() - TAGS_SHOWN) as u64)));
    }
}

fn tags_beyond_limit(page: &mut Page, summary: &Summary) {
    let beyond = &summary.tasks.tags_beyond_limit;
    if beyond.tags > 0 {
        let text = format!(
            "{} beyond the limit, not distinguished: {}, run max {}",
            counted(beyond.tags, "tag", "tags"),
            counted(beyond.count, "task", "tasks"),
            figure(&beyond.run_ns, Of::Max)
        );
        page.sentence(&text);
    }
}

fn queues(page: &mut Page, summary: &Summary) {
    let mut used = summary.queues.iter().filter(|queue| queue.depth.max > 0).peekable();
    if used.peek().is_none() {
        return;
    }
    let mut table = Table::new([
        Column::name("QUEUE", 12),
        Column::figure("P50", 11).of("DEPTH"),
        Column::figure("MAX", 10).of("DEPTH"),
    ]);
    for queue in used {
        table.row([queue.queue.to_owned(), bounds::depth_p50(&queue.depth), bounds::depth_max(&queue.depth)]);
    }
    page.blank();
    page.table(&table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Script;
    use crate::timeline::Timeline;

    fn report(script: &Script) -> String {
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&script.events());
        text(&Summary::new(&script.source(), &timeline))
    }

    #[test]
    fn a_report_names_its_source_and_the_worst_stall_first() {
        let text = report(&Script { ticks: 700, ..Script::default() });
        println!("{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ReadFile blocked the loop 2 times, for "), "{}", lines[0]);
        let is_head = |line: &&str| line.starts_with("synthetic · ring · pid 4121 · policy bun · ");
        assert!(lines[..3].iter().any(is_head), "{lines:?}");
        let stall = lines.iter().position(|line| line.starts_with("stalls, worst first")).unwrap();
        assert!(lines[stall + 1].contains(" = ReadFile #"), "{}", lines[stall + 1]);
        assert!(lines[stall + 1].contains("unattributed "));
        assert!(lines.iter().any(|line| line.starts_with("HttpRequest")));
        assert!(lines.iter().all(|line| line.chars().count() < 200 && !line.chars().any(char::is_control)));
    }

    #[test]
    fn an_agenda_and_other_features_have_lines() {
        let text = report(&Script { ticks: 700, agenda_workers: 2, loop_kinds: true, ..Script::default() });
        println!("{text}");
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        assert!(line("  low").contains("passed by"), "{text}");
        assert!(line("worker 1").contains('%'), "{text}");
        assert!(line("rendezvous").contains("failed"), "{text}");
        assert!(line("active handles").contains("Heartbeat"), "{text}");
        assert!(line("commands").contains("D ×"), "{text}");
        assert!(line("pumps").contains("handled") && line("futures").contains("woken"), "{text}");
        assert!(line("shutdown").contains("1 left"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 200 && !line.chars().any(char::is_control)));
    }

    #[test]
    fn it_fits_a_narrow_terminal() {
        for (lost_every, rename) in [(0, false), (300, false), (300, true)] {
            fits(&Script { ticks: 700, lost_every, ..Script::default() }, rename);
        }
    }

    /// A long name with characters of one and of two columns.
    fn long(name: &str) -> String {
        format!("billing::invoices::請求書::monthly::{name}WithTaxesOfAllCountries")
    }

    fn fits(script: &Script, rename: bool) {
        let mut timeline = Timeline::of(&script.metadata());
        timeline.extend(&script.events());
        let mut summary = Summary::new(&script.source(), &timeline);
        if rename {
            let tags = summary.tasks.by_tag.iter_mut().map(|tag| &mut tag.tag);
            let all = tags.chain(summary.late_timers.iter_mut().map(|late| &mut late.tag));
            all.chain(summary.delay_caused.iter_mut().map(|impact| &mut impact.tag))
                .for_each(|name| *name = long(name));
            let blamed = summary.stalls.iter_mut().flat_map(|stall| &mut stall.blame);
            blamed
                .filter(|line| line.what.starts_with("task "))
                .for_each(|line| line.what = long(&line.what));
        }
        for columns in [60, 80, 100, 120, 200] {
            let text = text_within(&summary, columns);
            println!("{text}");
            let wide: Vec<&str> = text.lines().filter(|line| width(line) > columns).collect();
            assert!(wide.is_empty(), "{wide:#?}");
            assert_eq!(text.contains("~ marks figures that they could change"), summary.lost_records > 0);
            if rename {
                let table = text.lines().skip_while(|line| !line.starts_with("TASK TAG")).skip(1);
                let rows: Vec<&str> =
                    table.take_while(|line| !line.is_empty() && !line.starts_with("not shown")).collect();
                assert!(rows.len() > 4 && rows.iter().all(|row| width(row) == width(rows[0])), "{rows:#?}");
                assert!(
                    rows.iter().all(|row| row.contains("ntries ")),
                    "the end of a name is seen: {rows:#?}"
                );
            }
        }
    }

    #[test]
    fn an_idle_loop_has_a_report() {
        let text = report(&Script { ticks: 1, ..Script::default() });
        assert!(text.contains("no stall"), "{text}");
        let nothing = report(&Script { ticks: 0, ..Script::default() });
        assert!(nothing.ends_with("\nnothing was recorded of any loop: no figure is known\n"), "{nothing}");
    }
}
