//! The report: a summary as one page of text, the worst first.

mod blame;
mod faces;

use std::fmt::Write as _;

use crate::histogram::Percentiles;
use crate::source::SourceKind;
use crate::summary::Summary;
use crate::units::{count, counted, duration, percent, rate};

/// Tags shown.
const TAGS_SHOWN: usize = 24;

/// The summary as text: aligned columns, no colours, ends with a line break.
#[must_use]
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    head(&mut out, summary);
    totals(&mut out, summary);
    blame::losses(&mut out, summary);
    blame::stalls(&mut out, summary);
    blame::late(&mut out, summary);
    blame::harm(&mut out, summary);
    tags(&mut out, summary);
    queues(&mut out, summary);
    faces::agenda(&mut out, summary);
    faces::rest(&mut out, summary);
    out
}

/// Appends a line. Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($args:tt)*) => { let _ = writeln!($out, $($args)*); };
}
use line;

fn head(out: &mut String, summary: &Summary) {
    let source = &summary.source;
    line!(
        out,
        "{} · {} · pid {} · policy {} · {} · lost {}",
        source.name,
        if source.kind == SourceKind::Chrome { "imported" } else { source.kind.name() },
        source.pid,
        source.policy,
        duration(summary.span_ns),
        count(summary.lost_records)
    );
    if source.kind == SourceKind::Chrome {
        let known = summary.tasks.by_tag.iter().map(|tag| tag.queue_wait_ns.count).sum();
        line!(
            out,
            "imported: queue waits are told for {} of {} tasks",
            count(known),
            count(summary.tasks.count)
        );
    }
    if summary.before_attach > 0 {
        line!(out, "totals count since the attach; {} records came before it", count(summary.before_attach));
    }
    if summary.ticks.incomplete > 0 {
        line!(
            out,
            "{} left out of all figures: records before or around it are missing",
            counted(summary.ticks.incomplete, "incomplete tick is", "incomplete ticks are")
        );
    }
    if summary.unknown_kinds > 0 {
        line!(out, "{} events of unknown kinds were skipped", count(summary.unknown_kinds));
    }
}

fn totals(out: &mut String, summary: &Summary) {
    let Summary { ticks, tasks, microtasks, timers, gc, signals, .. } = summary;
    let seconds = summary.span_ns as f64 / 1e9;
    let per_second = |count: u64| rate(if seconds > 0.0 { count as f64 / seconds } else { 0.0 });
    line!(
        out,
        "\n{:<12}{:>11}{:>10}  {:>9}{:>9}{:>9}{:>9}",
        "",
        "COUNT",
        "PER S",
        "P50",
        "P90",
        "P99",
        "MAX"
    );
    let row = |out: &mut String, name: &str, total: u64, unit: &Percentiles, more: &str| {
        line!(
            out,
            "{name:<12}{:>11}{:>10}  {:>9}{:>9}{:>9}{:>9}  {more}",
            count(total),
            per_second(total),
            duration(unit.p50),
            duration(unit.p90),
            duration(unit.p99),
            duration(unit.max)
        );
    };
    let over = format!(
        "run · busy {} · {} over {}",
        percent(ticks.utilization),
        blame::at_least(summary, counted(ticks.stalls, "stall", "stalls")),
        duration(ticks.stall_limit_ns)
    );
    row(out, "ticks", ticks.count, &ticks.run_ns, &over);
    let slowest = tasks.by_tag.first().map_or_else(String::new, |tag| format!("run · longest: {}", tag.tag));
    row(out, "tasks", tasks.count, &tasks.run_ns, &slowest);
    let cleared = format!("lag · {} armed, {} cleared", count(timers.armed), count(timers.cleared));
    row(out, "timers", timers.fired, &timers.lag_ns, &cleared);
    let checkpoints = format!("run of {} checkpoints", count(microtasks.checkpoints));
    row(out, "microtasks", microtasks.ran, &microtasks.run_ns, &checkpoints);
    let decided = format!(
        "run · decided {} collect, {} defer, {} skip",
        count(gc.collect),
        count(gc.defer),
        count(gc.skip)
    );
    row(out, "gc", gc.run_ns.count, &gc.run_ns, &decided);
    line!(
        out,
        "{:<12}{:>11}{:>10}  {} delivered, {} dropped",
        "signals",
        count(signals.arrived),
        per_second(signals.arrived),
        count(signals.delivered),
        count(signals.dropped)
    );
}

fn tags(out: &mut String, summary: &Summary) {
    let tags = &summary.tasks.by_tag;
    let Some(wide) = tags.iter().map(|tag| tag.tag.chars().count()).max() else { return };
    let wide = wide.clamp(12, 32);
    line!(
        out,
        "\n{:<wide$}{:>11}  {:>9}{:>9}{:>9}{:>9}  {:>9}{:>9}{:>9}",
        "TASK TAG",
        "COUNT",
        "RUN P50",
        "P90",
        "P99",
        "MAX",
        "WAIT P50",
        "P99",
        "MAX"
    );
    for tag in tags.iter().take(TAGS_SHOWN) {
        let run = &tag.run_ns;
        // Where no wait is known, none is shown: 0 would be an answer.
        let wait = |ns| if tag.queue_wait_ns.count > 0 { duration(ns) } else { "–".to_owned() };
        line!(
            out,
            "{:<wide$.wide$}{:>11}  {:>9}{:>9}{:>9}{:>9}  {:>9}{:>9}{:>9}",
            tag.tag,
            count(tag.count),
            duration(run.p50),
            duration(run.p90),
            duration(run.p99),
            duration(run.max),
            wait(tag.queue_wait_ns.p50),
            wait(tag.queue_wait_ns.p99),
            wait(tag.queue_wait_ns.max)
        );
    }
    if tags.len() > TAGS_SHOWN {
        line!(out, "and {} more tags", count((tags.len() - TAGS_SHOWN) as u64));
    }
}

fn queues(out: &mut String, summary: &Summary) {
    if summary.queues.is_empty() {
        return;
    }
    line!(out, "\n{:<12}{:>11}{:>10}", "QUEUE", "DEPTH P50", "MAX");
    for queue in &summary.queues {
        line!(out, "{:<12}{:>11}{:>10}", queue.queue, count(queue.depth.p50), count(queue.depth.max));
    }
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
    fn it_says_what_where_and_the_worst_first() {
        let text = report(&Script { ticks: 700, ..Script::default() });
        println!("{text}");
        assert!(text.starts_with("synthetic · ring · pid 4121 · policy bun · "));
        let lines: Vec<&str> = text.lines().collect();
        let stall = lines.iter().position(|line| line.starts_with("stalls, worst first")).unwrap();
        assert!(lines[stall + 1].contains(" = ReadFile #"), "{}", lines[stall + 1]);
        assert!(lines[stall + 1].contains("unattributed "));
        assert!(lines.iter().any(|line| line.starts_with("HttpRequest")));
        assert!(lines.iter().all(|line| line.chars().count() < 200 && !line.chars().any(char::is_control)));
    }

    #[test]
    fn an_agenda_its_starvation_and_the_rest_have_their_lines() {
        let text = report(&Script { ticks: 700, agenda_workers: 2, faces: true, ..Script::default() });
        println!("{text}");
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        assert!(line("low").contains("passed by"), "{text}");
        assert!(line("worker 1").contains('%'), "{text}");
        assert!(line("rendezvous").contains("failed"), "{text}");
        assert!(line("kept alive by").contains("Heartbeat"), "{text}");
        assert!(line("commands").contains("D ×"), "{text}");
        assert!(line("pumps").contains("handled") && line("futures").contains("woken"), "{text}");
        assert!(line("shutdown").contains("1 left"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() < 200 && !line.chars().any(char::is_control)));
    }

    #[test]
    fn a_quiet_loop_has_a_report_too() {
        let text = report(&Script { ticks: 0, ..Script::default() });
        assert!(text.contains("no stall"), "{text}");
    }
}
