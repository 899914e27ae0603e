//! `loopscope rerun --check`: checks whether the loop makes the recorded decisions again.

use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use serde_json::{Value, json};

use super::what_if::failure;
use crate::cli::RerunArgs;
use crate::describe;
use crate::io::exit::{CommandError, warn};
use crate::io::input::Input;
use crate::io::stdout;
use crate::text::{line, wrap};
use crate::units::{count, counted, duration};
use loop_rerun::check::{Checked, Divergence, Happened, check_source};

pub(super) fn run(args: &RerunArgs) -> Result<(), CommandError> {
    let input = Input::open(&args.input)?;
    let checked = check_source(|| Ok(input.reopen()?), args.loop_name.as_deref()).map_err(failure)?;
    input.warnings().iter().for_each(|line| warn(line));
    if args.json {
        stdout::print_json(&to_json(&checked))?;
    } else {
        stdout::print(&to_text(&checked, stdout::width()))?;
    }
    match &checked.divergence {
        None => Ok(()),
        Some(divergence) => Err(CommandError::Check(format!(
            "{}: the loop decides differently in tick {}{}",
            printable(&checked.name),
            divergence.tick,
            loop_number(divergence)
        ))),
    }
}

/// Formats the result as text. Wraps indented lines at `columns`.
fn to_text(checked: &Checked, columns: usize) -> String {
    let text = match &checked.divergence {
        None => agreed(checked),
        Some(divergence) => describe_divergence(checked, divergence),
    };
    let broken = |line: &str| {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        if indent == 0 {
            return format!("{line}\n");
        }
        format!("{:indent$}{}\n", "", wrap(words, columns.saturating_sub(indent), indent))
    };
    text.lines().map(broken).collect()
}

fn agreed(checked: &Checked) -> String {
    let seen = &checked.seen;
    let mut out = format!(
        "{}: every decision was made again, under policy {}\n",
        printable(&checked.name),
        printable(&checked.policy)
    );
    line!(
        out,
        "  {} from tick {} on{}: {}, {}, {}, {}, {}",
        counted(seen.ticks, "tick", "ticks"),
        count(seen.first_tick.unwrap_or(0)),
        match checked.lost_records {
            0 => String::new(),
            lost => format!(", after the last of {}", counted(lost, "lost record", "lost records")),
        },
        counted(seen.tasks, "task", "tasks"),
        counted(seen.ready, "readiness event", "readiness events"),
        counted(seen.timers, "timer", "timers"),
        counted(seen.polls, "poll", "polls"),
        counted(seen.gc, "GC decision", "GC decisions"),
    );
    line!(
        out,
        "  {} compared, {} among them; {} of the loop in {}: {} times real time",
        counted(seen.decisions, "event", "events"),
        counted(seen.snapshots, "snapshot", "snapshots"),
        duration(seen.span_ns),
        duration(checked.elapsed_ns),
        times(checked.speed())
    );
    if let Some(tick) = checked.cut_in {
        line!(
            out,
            "  up to tick {}, the last complete one: the recording was cut off in tick {}",
            count(seen.last_tick),
            count(tick)
        );
    }
    if checked.goes_on {
        line!(out, "  up to the end of its shutdown: what the loop did after that is not checked");
    }
    out + &in_sequence(checked) + &of_several(checked)
}

/// Formats which of the loops in sequence diverged, if it is not the first.
fn loop_number(divergence: &Divergence) -> String {
    if divergence.loop_number > 1 {
        format!(" of loop {} in sequence", count(divergence.loop_number))
    } else {
        String::new()
    }
}

/// Formats the number of loops, if several of the same name used the ring one after the other.
fn in_sequence(checked: &Checked) -> String {
    let mut out = String::new();
    if checked.in_sequence > 1 {
        line!(out, "  {} loops of that name, one after the other", count(checked.in_sequence));
    }
    if checked.unchecked > 0 {
        line!(
            out,
            "  {} of that name not checked: no complete snapshot, no complete tick after it, or too many loops",
            counted(checked.unchecked, "further loop", "further loops")
        );
    }
    out
}

/// Formats a factor with at least two digits.
fn times(factor: f64) -> String {
    if factor < 10.0 { format!("{factor:.1}") } else { count(factor.round() as u64) }
}

fn of_several(checked: &Checked) -> String {
    checked.chosen.describe().map_or_else(String::new, |text| format!("  {text}\n"))
}

/// Formats a divergence, with the events around it.
fn describe_divergence(checked: &Checked, divergence: &Divergence) -> String {
    let mut out = format!(
        "{}: the loop decides differently in tick {}{}, {} into the check, under policy {}\n\n",
        printable(&checked.name),
        count(divergence.tick),
        loop_number(divergence),
        duration(divergence.at_ns),
        printable(&checked.policy)
    );
    for line in &divergence.before {
        line!(out, "    both        {}", printable(&event(divergence, line)));
    }
    line!(out, "  > recorded    {}", printable(&event(divergence, &divergence.recorded)));
    line!(out, "  > happened    {}", printable(&happened(divergence)));
    for line in &divergence.after {
        line!(out, "    recorded    {}", printable(&event(divergence, line)));
    }
    let seen = &checked.seen;
    line!(
        out,
        "\n  before it, {} agreed: {}, {}, {}",
        counted(seen.decisions, "event", "events"),
        counted(seen.ticks, "tick", "ticks"),
        counted(seen.tasks, "task", "tasks"),
        counted(seen.timers, "timer", "timers"),
    );
    out + &in_sequence(checked) + &of_several(checked)
}

/// Formats an event of a divergence: its kind, and its content in words.
fn event(divergence: &Divergence, stamped: &Stamped) -> String {
    let Stamped { at, event, .. } = stamped;
    format!("{}  {}", event.name(), describe::event(*at, event, &divergence.labels))
}

fn happened(divergence: &Divergence) -> String {
    match &divergence.happened {
        Happened::Event { event: happened, differences } => {
            let text = event(divergence, &Stamped { event: *happened, ..divergence.recorded });
            // The description may round away the difference.
            let differences = differences.as_ref().map(|fields| format!("  ({fields})"));
            text + &differences.unwrap_or_default()
        }
        Happened::Other(what) => what.clone(),
    }
}

fn to_json(checked: &Checked) -> Value {
    let seen = &checked.seen;
    let divergence = checked.divergence.as_ref().map(|divergence| {
        let events = |all: &[Stamped]| all.iter().map(|one| event(divergence, one)).collect::<Vec<_>>();
        json!({
            "tick": divergence.tick,
            "loop_number": divergence.loop_number,
            "at_ns": divergence.at_ns,
            "recorded": event(divergence, &divergence.recorded),
            "happened": happened(divergence),
            "before": events(&divergence.before),
            "after": events(&divergence.after),
        })
    });
    json!({
        "schema": 1,
        "name": checked.name,
        "policy": checked.policy,
        "agrees": checked.agrees(),
        "loops": checked.chosen.others.len() + 1,
        "loop": checked.chosen.name,
        "other_loops": checked.chosen.others,
        "loops_in_sequence": checked.in_sequence,
        "loops_unchecked": checked.unchecked,
        "lost_records": checked.lost_records,
        "first_tick": seen.first_tick,
        "last_tick": seen.last_tick,
        "cut_in_tick": checked.cut_in,
        "goes_on_after_shutdown": checked.goes_on,
        "ticks": seen.ticks,
        "tasks": seen.tasks,
        "ready": seen.ready,
        "timers": seen.timers,
        "polls": seen.polls,
        "gc": seen.gc,
        "snapshots": seen.snapshots,
        "decisions": seen.decisions,
        "span_ns": seen.span_ns,
        "elapsed_ns": checked.elapsed_ns,
        "divergence": divergence,
    })
}
