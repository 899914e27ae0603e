//! The report's lines on who is to blame: stalls, late timers, late signals and slow tasks, each with its ledger
//! in one line, then who made others late, and how far all that can be trusted where records were lost.

use std::fmt::Write as _;

use super::{cut, line};
use crate::histogram::Percentiles;
use crate::summary::{BlameSummary, Summary};
use crate::units::{count, counted, duration, position};

/// Stalls shown.
const STALLS_SHOWN: usize = 10;

/// Late timers, late signals and slow tasks shown, of each.
const LATE_SHOWN: usize = 5;

/// Rows of the table of harm.
const HARM_SHOWN: usize = 8;

/// Columns that a name may take in a line with a ledger.
const NAME_COLUMNS: usize = 24;

/// A ledger as `ReadFile #8812 38.2ms + microtasks 2.1µs + 3 smaller 900ns + unattributed 0`, in at most `room`
/// columns where that is possible at all.
fn told(blame: &[BlameSummary], room: usize) -> String {
    let is_ignorance = |line: &&BlameSummary| {
        let what = line.what.as_str();
        ["unattributed", "not kept", "before the recording"].contains(&what) || what.starts_with("unknown (")
    };
    let share = |line: &BlameSummary| {
        let name = line.what.strip_prefix("task ").unwrap_or(&line.what);
        format!("{} {}", cut(name, NAME_COLUMNS), duration(line.ns))
    };
    // What is not known stands at the end of a ledger, and is always told.
    let known = blame.iter().take_while(|line| !is_ignorance(line)).count();
    let (known, unknown) = blame.split_at(known);
    let end: Vec<String> = unknown.iter().map(share).collect();
    let smaller = |from: usize| {
        let rest = known.get(from..).unwrap_or(&[]);
        let ns = rest.iter().map(|line| line.ns).sum();
        (!rest.is_empty()).then(|| format!("{} smaller {}", rest.len(), duration(ns)))
    };
    let with = |shown: usize| {
        let mut parts: Vec<String> = known[..shown].iter().map(share).collect();
        // One that is left alone takes no more room by its name.
        parts.extend(smaller(shown));
        parts.extend(end.iter().cloned());
        parts.join(" + ")
    };
    let fits = |text: &String| text.chars().count() <= room;
    let least = usize::from(!known.is_empty());
    (least..=known.len()).rev().map(with).find(fits).unwrap_or_else(|| with(least))
}

/// A line of at most `columns` that begins with `head` and goes on with the ledger, or two where one is too short.
fn ledger(out: &mut String, head: &str, blame: &[BlameSummary], columns: usize) {
    let room = columns.saturating_sub(head.chars().count() + 3);
    let text = told(blame, room);
    if text.chars().count() <= room {
        line!(out, "{head} = {text}");
    } else {
        line!(out, "{head}\n    = {}", told(blame, columns.saturating_sub(6)));
    }
}

/// `figure`, at least, where records were lost that could have told of more.
pub(super) fn at_least(summary: &Summary, figure: String) -> String {
    if summary.lost_records > 0 { format!("at least {figure}") } else { figure }
}

/// What the lost records leave open.
pub(super) fn losses(out: &mut String, summary: &Summary) {
    if summary.lost_records == 0 {
        return;
    }
    let lost = counted(summary.lost_records, "record was lost", "records were lost");
    line!(out, "\n{lost}: maxima and counts are at least what is shown, and p99 lies between");
    let rows: [(&str, &Percentiles); 5] = [
        ("ticks", &summary.ticks.run_ns),
        ("tasks", &summary.tasks.run_ns),
        ("timers", &summary.timers.lag_ns),
        ("microtasks", &summary.microtasks.run_ns),
        ("gc", &summary.gc.run_ns),
    ];
    for (name, unit) in rows.into_iter().filter(|(_, unit)| unit.count > 0) {
        if let Some(bounds) = unit.p99_bounds {
            let hi = bounds.hi.map_or_else(|| "?".to_owned(), duration);
            let lost = counted(summary.lost_records, "record lost", "records lost");
            line!(out, "  {name:<12}p99 {} ({} to {hi}; {lost})", duration(unit.p99), duration(bounds.lo));
        }
    }
}

pub(super) fn stalls(out: &mut String, summary: &Summary, columns: usize) {
    let mut worst: Vec<_> = summary.stalls.iter().collect();
    worst.sort_by_key(|stall| std::cmp::Reverse(stall.run_ns));
    if worst.is_empty() {
        if summary.lost_records > 0 {
            line!(out, "\nno stall seen; records were lost, so there may have been one");
        } else {
            line!(out, "\nno stall");
        }
        return;
    }
    line!(out, "\nstalls, worst first");
    for stall in worst.iter().take(STALLS_SHOWN) {
        let (at, tick, run) = (position(stall.at_ns), count(stall.tick), duration(stall.run_ns));
        ledger(out, &format!("  {at}  tick {tick:<10} {run:>7}"), &stall.blame, columns);
    }
    more(out, summary.ticks.stalls, worst.len().min(STALLS_SHOWN));
}

fn more(out: &mut String, all: u64, shown: usize) {
    let more = all.saturating_sub(shown as u64);
    if more > 0 {
        line!(out, "  and {} more", count(more));
    }
}

/// One that was late or slow: when, who, by how much, and who used that time.
struct Row<'a> {
    at_ns: i64,
    name: String,
    ns: u64,
    blame: &'a [BlameSummary],
}

/// The worst of `all`, their names aligned.
fn rows(out: &mut String, all: &[Row<'_>], columns: usize) {
    let shown = all.get(..LATE_SHOWN).unwrap_or(all);
    let wide = shown.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).clamp(15, 24);
    for row in shown {
        let at = position(u64::try_from(row.at_ns).unwrap_or(0));
        let head = format!("  {at}  {:<wide$} {:>7}", cut(&row.name, wide), duration(row.ns));
        ledger(out, &head, row.blame, columns);
    }
}

/// Late timers, late signals, slow tasks: nothing where there are none.
pub(super) fn late(out: &mut String, summary: &Summary, columns: usize) {
    let row = |at_ns, name: &str, ns, blame| Row { at_ns, name: name.to_owned(), ns, blame };
    let timers = summary.late_timers.iter();
    let timers: Vec<_> = timers.map(|late| row(late.at_ns, &late.tag, late.lag_ns, &late.blame)).collect();
    if !timers.is_empty() {
        let limit = duration(summary.timers.late_limit_ns);
        line!(out, "\ntimers later than {limit}, worst first: from due to fired");
        rows(out, &timers, columns);
        more(out, summary.timers.late, timers.len().min(LATE_SHOWN));
    }
    let signals = summary.late_signals.iter();
    let signals: Vec<_> =
        signals.map(|late| row(late.at_ns, &late.signal, late.latency_ns, &late.blame)).collect();
    if !signals.is_empty() {
        line!(out, "\nlate signals, worst first: from arrived to delivered");
        rows(out, &signals, columns);
        more_as_json(out, signals.len());
    }
    let tasks = summary.slow_tasks.iter();
    let tasks: Vec<_> = tasks
        .map(|slow| row(slow.at_ns, &format!("{} #{}", slow.tag, slow.task), slow.run_ns, &slow.blame))
        .collect();
    if !tasks.is_empty() {
        line!(out, "\nslow tasks, worst first: by what is labelled in them");
        rows(out, &tasks, columns);
        more_as_json(out, tasks.len());
    }
}

/// Of these the summary has the worst only, so there is no number of all.
fn more_as_json(out: &mut String, kept: usize) {
    if kept > LATE_SHOWN {
        line!(out, "  and more: --json has {kept}");
    }
}

/// Who made others late: nothing where nobody was.
pub(super) fn harm(out: &mut String, summary: &Summary) {
    if summary.harm.is_empty() {
        return;
    }
    let all = &summary.harm;
    let wide =
        all.iter().take(HARM_SHOWN).map(|harm| harm.tag.chars().count()).max().unwrap_or(0).clamp(20, 24);
    line!(
        out,
        "\n{:<wide$}{:>8}{:>8}{:>8}{:>8}{:>12}{:>9}",
        "MADE OTHERS LATE",
        "BY",
        "TIMERS",
        "SIGNALS",
        "TASKS",
        "VICTIMS",
        "OWN RUN"
    );
    let some = |ns: u64| if ns == 0 { "–".to_owned() } else { duration(ns) };
    for harm in all.iter().take(HARM_SHOWN) {
        line!(
            out,
            "{:<wide$}{:>8}{:>8}{:>8}{:>8}{:>12}{:>9}",
            cut(&harm.tag, wide),
            duration(harm.lateness_caused_ns),
            some(harm.timers_ns),
            some(harm.signals_ns),
            some(harm.tasks_ns),
            count(harm.victims),
            harm.run_ns.map_or_else(|| "–".to_owned(), duration)
        );
    }
    let rest = all.get(HARM_SHOWN..).unwrap_or(&[]);
    if !rest.is_empty() {
        let ns = rest.iter().fold(0u64, |sum, harm| sum.saturating_add(harm.lateness_caused_ns));
        line!(out, "and {} more, {} together", rest.len(), duration(ns));
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
    fn what_is_not_known_is_told_whatever_the_room() {
        let blame = lines(&[
            ("task ReadFile #12", 38_200_000),
            ("microtasks", 2_100),
            ("gc", 900),
            ("unknown (3 records lost)", 70),
            ("unattributed", 0),
        ]);
        let all = "ReadFile #12 38.2ms + microtasks 2.10µs + gc 900ns + unknown (3 records lost) 70ns + unattributed 0";
        assert_eq!(told(&blame, 200), all);
        let some = "ReadFile #12 38.2ms + 2 smaller 3.00µs + unknown (3 records lost) 70ns + unattributed 0";
        assert_eq!(told(&blame, 10), some);
    }

    #[test]
    fn a_ledger_of_nothing_is_nobodys() {
        assert_eq!(told(&lines(&[("unattributed", 7)]), 80), "unattributed 7ns");
    }

    #[test]
    fn long_names_are_cut() {
        let blame = lines(&[(&"x".repeat(99), 5), ("unattributed", 7)]);
        assert_eq!(told(&blame, 80), format!("{}… 5ns + unattributed 7ns", "x".repeat(NAME_COLUMNS - 1)));
    }
}
