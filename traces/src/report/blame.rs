//! The report's sections on blame: stalls, late timers, late signals and slow tasks with their breakdowns, and the table
//! of delay caused.

use super::bounds::MARK;
use super::page::Page;
use crate::cells::table::{Column, Table};
use crate::cells::{cut_name, fill, width};
use crate::summary::{BlameSummary, StateSummary, Summary};
use crate::units::{UNKNOWN, count, counted, duration, position};

/// Maximum number of stalls shown.
const STALLS_SHOWN: usize = 10;

/// Maximum number of stalls that `report --stalls` shows.
const STALLS_LISTED_MAX: u64 = 10_000;

/// Maximum number of late timers, late signals and slow tasks shown, of each.
const LATE_SHOWN: usize = 5;

/// Rows of the table of delay caused.
const IMPACTS_SHOWN: usize = 8;

/// Columns for a name that shares a line of `columns` with other contents: 24 of 80, 36 of 120, 60 of 200.
const fn name_columns(columns: usize) -> usize {
    columns * 3 / 10
}

/// Formats a duration: `3.20s`, or `≥ 3.20s` if it has not ended.
pub(super) fn at_least(is_open: bool, ns: u64) -> String {
    format!("{}{}", if is_open { "≥ " } else { "" }, duration(ns))
}

/// Parts of a breakdown that are at least one in this many of the whole are always named.
const NAMED_SHARE: u64 = 20;

/// Formats the parts of a breakdown: `ReadFile #8812 38.2ms`, `microtasks 2.1µs`, `3 smaller 900ns`, `unattributed 0`.
///
/// Names as many parts as fit into `room` columns with ` + ` between them. Always names the largest part, each part of
/// at least a twentieth of the whole, and unknown time, even if they do not fit. Cuts names to `name` columns.
fn parts(blame: &[BlameSummary], room: usize, name: usize) -> Vec<String> {
    let is_ignorance = |line: &&BlameSummary| {
        let what = line.what.as_str();
        ["unattributed", "evicted", "before the recording"].contains(&what) || what.starts_with("unknown (")
    };
    let share = |line: &BlameSummary| {
        let what = line.what.strip_prefix("task ").unwrap_or(&line.what);
        format!("{} {}", cut_name(what, name), duration(line.ns))
    };
    // Unknown time is at the end of a breakdown.
    let known = blame.iter().take_while(|line| !is_ignorance(line)).count();
    let (known, unknown) = blame.split_at(known);
    let with = |shown: usize| {
        let mut parts: Vec<String> = known[..shown].iter().map(share).collect();
        let rest = &known[shown..];
        if !rest.is_empty() {
            let ns = rest.iter().map(|line| line.ns).fold(0, u64::saturating_add);
            parts.push(format!("{} smaller {}", count(rest.len() as u64), duration(ns)));
        }
        parts.extend(unknown.iter().map(share));
        parts
    };
    let whole = blame.iter().map(|line| line.ns).fold(0, u64::saturating_add);
    let large = known.iter().rposition(|line| line.ns > 0 && line.ns >= whole / NAMED_SHARE);
    let least = large.map_or(usize::from(!known.is_empty()), |last| last + 1);
    let fits = |parts: &Vec<String>| width(&parts.join(" + ")) <= room;
    (least..=known.len()).rev().map(with).find(fits).unwrap_or_else(|| with(least))
}

/// Writes a line that begins with `head` and continues with the breakdown. If the line is too long, the breakdown starts
/// on the next line, and wraps if its largest parts need more than that.
fn breakdown(page: &mut Page, head: &str, blame: &[BlameSummary]) {
    let columns = page.columns();
    let room = columns.saturating_sub(width(head) + 3);
    let name = name_columns(columns);
    let text = parts(blame, room, name).join(" + ");
    if width(&text) <= room {
        page.line(&format!("{head} = {text}"));
        return;
    }
    page.line(head);
    let mut line = String::new();
    for part in parts(blame, columns.saturating_sub(6), name) {
        if line.is_empty() {
            line = format!("    = {part}");
        } else if width(&line) + 3 + width(&part) <= columns {
            line = format!("{line} + {part}");
        } else {
            page.line(&line);
            line = format!("    + {part}");
        }
    }
    page.line(&line);
}

/// Formats the number of stalls: `3 stalls`, `~3 stalls`, `3 to 5 stalls`, `at least 3 stalls`.
pub(super) fn stalls_seen(summary: &Summary) -> String {
    let ticks = &summary.ticks;
    let seen = counted(ticks.stalls, "stall", "stalls");
    match ticks.stalls_bounds.map(|bounds| bounds.hi) {
        _ if summary.clock_error_ns_max > 0
            || ticks.stalls_bounds.is_some_and(|bounds| bounds.lo < ticks.stalls) =>
        {
            format!("{MARK}{seen}")
        }
        None if summary.lost_records > 0 || summary.misses_anything() => format!("at least {seen}"),
        Some(None) => format!("at least {seen}"),
        Some(Some(most)) if most > ticks.stalls => {
            format!("{} to {} stalls", count(ticks.stalls), count(most))
        }
        None | Some(Some(_)) => seen,
    }
}

pub(super) fn stalls(page: &mut Page, summary: &Summary) {
    let mut worst: Vec<_> = summary.stalls.iter().collect();
    worst.sort_by_key(|stall| std::cmp::Reverse(stall.run_ns));
    if worst.is_empty() {
        let bounds = summary.ticks.stalls_bounds;
        let most = bounds.and_then(|bounds| bounds.hi);
        let none = match (summary.lost_records, most) {
            _ if summary.clock_error_ns_max > 0 => "no stall seen; times may be wrong",
            _ if summary.misses_anything() => "no stall seen; a missing part may contain one",
            (_, None) if summary.source.state == StateSummary::Unclosed && bounds.is_some() => {
                "no stall seen; the recording was cut off, and there may have been one since"
            }
            (0, Some(1..)) if summary.ticks.open == 0 => {
                "no stall seen; an incomplete tick may have been one"
            }
            (0, Some(1..)) => "no stall so far; a tick has not ended, and may become one",
            (0, _) => "no stall",
            (_, Some(0)) => "no stall; the lost part is too short for one",
            _ => "no stall seen; records were lost, so there may have been one",
        };
        page.blank();
        page.paragraph(none);
        return;
    }
    page.blank();
    page.line("stalls, worst first");
    for stall in worst.iter().take(STALLS_SHOWN) {
        let (at, run) = (position(stall.at_ns), at_least(stall.open, stall.run_ns));
        let tick = stall.tick.map_or_else(|| UNKNOWN.to_owned(), count) + &of(summary, &stall.loop_name);
        breakdown(page, &format!("  {at}  tick {tick:<10} {run:>7}"), &stall.blame);
    }
    let rest = summary.ticks.stalls.saturating_sub(worst.len().min(STALLS_SHOWN) as u64);
    if rest > 0 {
        let all = summary.ticks.stalls.min(STALLS_LISTED_MAX);
        let text = format!("and {} more: report --json --stalls {all} has their breakdowns", count(rest));
        page.beside("  ", &text);
    }
}

/// Formats the name of the loop, ` of NAME`, if there are several.
fn of(summary: &Summary, loop_name: &str) -> String {
    if summary.has_several_loops() { format!(" of {loop_name}") } else { String::new() }
}

/// Writes how many of `all` entries are not shown, and where to find those that the summary has (`kept`).
fn more(page: &mut Page, all: u64, kept: usize, shown: usize) {
    let more = all.saturating_sub(kept.min(shown) as u64);
    if kept <= shown && more > 0 {
        page.line(&format!("  and {} more", count(more)));
    } else if all > kept as u64 {
        page.line(&format!("  and {} more: --json has {} in all", count(more), count(kept as u64)));
    } else if more > 0 {
        page.line(&format!("  and {} more: --json has them", count(more)));
    }
}

/// A late timer, a late signal or a slow task.
struct Row<'a> {
    at_ns: i64,
    name: String,
    ns: u64,
    open: bool,
    blame: &'a [BlameSummary],
}

/// Writes the first [`LATE_SHOWN`] entries of `all`, with aligned names.
fn rows(page: &mut Page, all: &[Row<'_>]) {
    let shown = all.get(..LATE_SHOWN).unwrap_or(all);
    let longest = shown.iter().map(|row| width(&row.name)).max().unwrap_or(0);
    let wide = longest.clamp(15, name_columns(page.columns()).max(15));
    for row in shown {
        let at = position(u64::try_from(row.at_ns).unwrap_or(0));
        let head =
            format!("  {at}  {} {:>7}", fill(&cut_name(&row.name, wide), wide), at_least(row.open, row.ns));
        breakdown(page, &head, row.blame);
    }
}

/// Writes late timers, late signals and slow tasks; nothing if there are none.
pub(super) fn late(page: &mut Page, summary: &Summary) {
    let row = |at_ns, (name, loop_name): (&str, &str), ns, open, blame| {
        let name = format!("{name}{}", of(summary, loop_name));
        Row { at_ns, name, ns, open, blame }
    };
    let timers = summary.late_timers.iter();
    let timers: Vec<_> = timers
        .map(|late| row(late.at_ns, (&late.tag, &late.loop_name), late.lag_ns, late.open, &late.blame))
        .collect();
    if !timers.is_empty() {
        let limit = duration(summary.timers.late_limit_ns);
        page.blank();
        page.line(&format!("timers later than {limit}, worst first: from due to fired"));
        rows(page, &timers);
        more(page, summary.timers.late.unwrap_or(0), timers.len(), LATE_SHOWN);
    }
    let signals = summary.late_signals.iter();
    let signals: Vec<_> = signals
        .map(|late| row(late.at_ns, (&late.signal, &late.loop_name), late.latency_ns, false, &late.blame))
        .collect();
    if !signals.is_empty() {
        page.blank();
        page.line("late signals, worst first: from arrived to delivered");
        rows(page, &signals);
        more_as_json(page, signals.len());
    }
    let tasks = summary.slow_tasks.iter();
    let tasks: Vec<_> = tasks
        .map(|slow| {
            let name = format!("{} #{}", slow.tag, slow.task);
            row(slow.at_ns, (&name, &slow.loop_name), slow.run_ns, slow.open, &slow.blame)
        })
        .collect();
    if !tasks.is_empty() {
        page.blank();
        page.line("slow tasks, worst first: by the labelled spans in them");
        rows(page, &tasks);
        more_as_json(page, tasks.len());
    }
}

/// Writes how many more the summary has. It has only the worst, so the total number is unknown.
fn more_as_json(page: &mut Page, kept: usize) {
    if kept > LATE_SHOWN {
        page.line(&format!("  and {} more of the worst: --json has them", count((kept - LATE_SHOWN) as u64)));
    }
}

/// Writes the delay caused; nothing if there was none.
pub(super) fn delay_caused(page: &mut Page, summary: &Summary) {
    if summary.delay_caused.is_empty() {
        return;
    }
    let all = &summary.delay_caused;
    let mut table = Table::new([
        Column::name("DELAYED OTHERS", 20),
        Column::figure("TOTAL", 8),
        Column::figure("TIMERS", 8),
        Column::figure("SIGNALS", 8),
        Column::figure("TASKS", 8),
        Column::figure("DELAYED", 12).optional(1),
        Column::figure("OWN RUN", 9).optional(2),
    ]);
    let some = |ns: u64| if ns == 0 { UNKNOWN.to_owned() } else { duration(ns) };
    for impact in all.iter().take(IMPACTS_SHOWN) {
        table.row([
            impact.tag.clone(),
            duration(impact.delay_caused_ns),
            some(impact.timers_ns),
            some(impact.signals_ns),
            some(impact.tasks_ns),
            count(impact.delayed),
            impact.run_ns.map_or_else(|| UNKNOWN.to_owned(), duration),
        ]);
    }
    page.blank();
    page.table(&table);
    let rest = all.get(IMPACTS_SHOWN..).unwrap_or(&[]);
    if !rest.is_empty() {
        let ns = rest.iter().fold(0u64, |sum, impact| sum.saturating_add(impact.delay_caused_ns));
        let rest = format!("and {} more ({}): see --json", rest.len(), duration(ns));
        page.sentence(&rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[(&str, u64)]) -> Vec<BlameSummary> {
        let one = |(what, ns): &(&str, u64)| serde_json::json!({"what": what, "ns": ns});
        serde_json::from_value(lines.iter().map(one).collect()).unwrap()
    }

    #[test]
    fn unknown_figures_are_shown_at_any_width() {
        let blame = lines(&[
            ("task ReadFile #12", 38_200_000),
            ("microtasks", 2_100),
            ("gc", 900),
            ("unknown (3 records lost)", 70),
            ("unattributed", 0),
        ]);
        let all = "ReadFile #12 38.2ms + microtasks 2.10µs + gc 900ns + unknown (3 records lost) 70ns + unattributed 0";
        assert_eq!(parts(&blame, 200, 24).join(" + "), all);
        let some = "ReadFile #12 38.2ms + 2 smaller 3.00µs + unknown (3 records lost) 70ns + unattributed 0";
        assert_eq!(parts(&blame, 10, 24).join(" + "), some);
    }

    #[test]
    fn a_large_part_is_named_on_a_line_of_its_own_rather_than_hidden() {
        let blame = lines(&[
            ("suspended", 1_970_000_000),
            ("task RenderMonthlyInvoice #2647", 1_040_000_000),
            ("task Heartbeat #2646", 99_000_000),
            ("microtasks", 20_000),
            ("unattributed", 7),
        ]);
        let mut page = Page::new(50);
        breakdown(&mut page, "  00:01.000  Heartbeat1ms     3.11s", &blame);
        let expected = "  00:01.000  Heartbeat1ms     3.11s
    = suspended 1.97s + Rende…ice #2647 1.04s
    + 2 smaller 99.0ms + unattributed 7ns
";
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn a_breakdown_without_a_cause_is_unattributed() {
        assert_eq!(parts(&lines(&[("unattributed", 7)]), 80, 24), ["unattributed 7ns"]);
    }

    #[test]
    fn long_names_are_cut_to_the_width() {
        let blame = lines(&[
            ("task billing::invoices::monthly::RenderMonthlyInvoice #151857", 5),
            ("unattributed", 7),
        ]);
        let of = |columns| parts(&blame, columns, name_columns(columns)).join(" + ");
        assert_eq!(of(80), "billing::i…voice #151857 5ns + unattributed 7ns");
        assert_eq!(of(120), "billing::invoices:…lyInvoice #151857 5ns + unattributed 7ns");
        assert!(
            of(200).starts_with("billing::invoices::monthly::RenderMonthlyInvoice #151857 5ns"),
            "{}",
            of(200)
        );
    }
}
