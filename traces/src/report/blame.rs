//! The report's lines on who is to blame: stalls, late timers, late signals and slow tasks, each with its ledger
//! in one line, then who made others late, and how far all that can be trusted where records were lost.

use std::fmt::Write as _;

use super::line;
use crate::histogram::Percentiles;
use crate::summary::{BlameSummary, Summary};
use crate::units::{count, counted, duration, position};

/// Stalls shown.
const STALLS_SHOWN: usize = 10;

/// Late timers, late signals and slow tasks shown, of each.
const LATE_SHOWN: usize = 5;

/// Rows of the table of harm.
const HARM_SHOWN: usize = 8;

/// Columns that a line may take, where it holds a ledger.
const COLUMNS: usize = 100;

/// Columns that a name may take in a line with a ledger.
const NAME_COLUMNS: usize = 28;

/// `text`, cut to `wide` columns.
fn cut(text: &str, wide: usize) -> String {
    if text.chars().count() <= wide {
        return text.to_owned();
    }
    text.chars().take(wide.saturating_sub(1)).chain(['…']).collect()
}

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

/// A line that begins with `head`, and goes on with the ledger.
fn ledger(out: &mut String, head: &str, blame: &[BlameSummary]) {
    let room = COLUMNS.saturating_sub(head.chars().count() + 3);
    line!(out, "{head} = {}", told(blame, room));
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

pub(super) fn stalls(out: &mut String, summary: &Summary) {
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
        ledger(out, &format!("  {at}  tick {tick:<10} {run:>7}"), &stall.blame);
    }
    more(out, summary.ticks.stalls, worst.len().min(STALLS_SHOWN));
}

fn more(out: &mut String, all: u64, shown: usize) {
    let more = all.saturating_sub(shown as u64);
    if more > 0 {
        line!(out, "  and {} more", count(more));
    }
}

/// Late timers, late signals, slow tasks: nothing where there are none.
pub(super) fn late(out: &mut String, summary: &Summary) {
    let at = |ns: i64| position(u64::try_from(ns).unwrap_or(0));
    let row = |out: &mut String, at_ns: i64, name: &str, ns: u64, blame: &[BlameSummary]| {
        ledger(out, &format!("  {}  {:<15} {:>7}", at(at_ns), cut(name, 15), duration(ns)), blame);
    };
    if !summary.late_timers.is_empty() {
        let limit = duration(summary.timers.late_limit_ns);
        line!(out, "\ntimers later than {limit}, worst first: from due to fired");
        for late in summary.late_timers.iter().take(LATE_SHOWN) {
            row(out, late.at_ns, &late.tag, late.lag_ns, &late.blame);
        }
        more(out, summary.timers.late, summary.late_timers.len().min(LATE_SHOWN));
    }
    if !summary.late_signals.is_empty() {
        line!(out, "\nlate signals, worst first: from arrived to delivered");
        for late in summary.late_signals.iter().take(LATE_SHOWN) {
            row(out, late.at_ns, &late.signal, late.latency_ns, &late.blame);
        }
    }
    // Where a task has no labelled part its ledger says nothing that the stalls do not.
    let told = |blame: &[BlameSummary]| blame.len() > 1;
    let slow: Vec<_> = summary.slow_tasks.iter().filter(|slow| told(&slow.blame)).collect();
    if !slow.is_empty() {
        line!(out, "\nslow tasks, by their labelled parts");
        for slow in slow.iter().take(LATE_SHOWN) {
            row(out, slow.at_ns, &format!("{} #{}", slow.tag, slow.task), slow.run_ns, &slow.blame);
        }
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
        "\n{:<wide$}{:>9}{:>9}{:>9}{:>9}{:>10}{:>10}",
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
            "{:<wide$}{:>9}{:>9}{:>9}{:>9}{:>10}{:>10}",
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
