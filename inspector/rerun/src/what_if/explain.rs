//! Builds the answer: its sides, and its assumptions and invented events in words.

use std::sync::Arc;

use loop_probes::ids::Tag;
use loop_probes::metadata::Metadata;
use loop_probes::text::printable;
use loop_traces::units::{counted, duration, percent};

use super::answer::Answer;
use super::changes::{Changes, Filter};
use super::measure::Measure;
use super::plan::Plan;
use super::script::Script;
use super::side::Side;
use super::world::Synthesized;
use crate::ChosenLoop;

/// A callback counts as held up if it takes this multiple of its tag's median, and at least this many nanoseconds.
const HELD_UP_TIMES: u64 = 16;
const HELD_UP_NS: u64 = 1_000_000;

/// How the run went.
pub(super) struct RunOutcome {
    pub(super) synthesized: Synthesized,
    /// Why the re-execution ended early; `None` if it did not.
    pub(super) cut: Option<&'static str>,
    /// Tasks still waiting at the end.
    pub(super) waiting: u32,
    /// Time by which the last tick overran the end, in nanoseconds.
    pub(super) over_ns: u64,
}

pub(super) fn answer(
    script: &Script,
    before: &Arc<Side>,
    changes: &Changes,
    plan: &Plan,
    metadata: &Metadata,
    after: Measure,
    ran: RunOutcome,
) -> Answer {
    let after = Side::of(&format!("{}, {changes}", script.name), script.kind, metadata, after);
    let left_out = left_out(changes, before, &after);
    let mut assumptions = assumptions(script, before, changes, plan, &ran);
    assumptions.extend(dropped(changes, &left_out, before));
    let wake_ns = script.costs.oversleep.median_ns().max(script.costs.wake.median_ns());
    let mut answer = Answer::new(Arc::clone(before), after, left_out, ran.cut, wake_ns);
    (answer.assumptions, answer.open_tick) = (assumptions, script.open_tick.clone());
    answer
}

/// The dropped tags, and the tags that vanish with them.
fn left_out(changes: &Changes, before: &Side, after: &Side) -> Vec<String> {
    let is_gone = |name: &str| !after.figures.keys().any(|(_, tag)| tag == name);
    let mut names = changes.drop.clone();
    if !names.is_empty() {
        names.extend(before.figures.keys().map(|(_, tag)| tag).filter(|tag| is_gone(tag)).cloned());
    }
    names.sort();
    names.dedup();
    names
}

fn dropped(changes: &Changes, left_out: &[String], before: &Side) -> Option<String> {
    let labels = &before.timeline.labels;
    // All runs, queued or not, as `report` counts them.
    let times = |name: &&String| {
        let of = before.timeline.tags.iter().filter(|tag| labels.tag(tag.tag) == name.as_str());
        let ran = of.map(|tag| tag.tasks.count() + tag.tasklets.as_ref().map_or(0, |ran| ran.count()));
        match ran.sum::<u64>() {
            0 => (*name).clone(),
            times => format!("{name} ({})", counted(times, "time", "times")),
        }
    };
    let list = |names: &[&String]| names.iter().map(times).collect::<Vec<_>>().join(", ");
    let (own, caused) = left_out.iter().partition::<Vec<_>, _>(|name| changes.drop.contains(name));
    let caused = match &caused[..] {
        [] => String::new(),
        caused => format!(", and what only that started: {}", list(caused)),
    };
    (!own.is_empty()).then(|| {
        format!("dropped: {}{caused}; timer lag and waits are those of the others, on all sides", list(&own))
    })
}

fn assumptions(
    script: &Script,
    before: &Side,
    changes: &Changes,
    plan: &Plan,
    ran: &RunOutcome,
) -> Vec<String> {
    let mut lines = vec![
        format!(
            "arrivals unchanged{}: posts, signals and readiness arrive at their recorded times, whatever the loop does",
            if changes.drop.is_empty() { "" } else { " but for those of dropped tags" }
        ),
        if changes.scale.is_empty() {
            "callback costs unchanged: each callback takes as long as it took, and does what it did after as long"
                .to_owned()
        } else {
            "callback costs unchanged but for the scaled tags' callbacks on the loop's thread; their jobs on the pool cost what \
             they cost"
                .to_owned()
        },
        "the loop's own time, late wake-ups and collections cost what they cost nearest in time".to_owned(),
        "a poll that came back at once found sources that became ready evenly spread since the poll before"
            .to_owned(),
    ];
    let policy = &plan.policy.name;
    if *policy != script.metadata.policy {
        let recorded = printable(&script.metadata.policy);
        lines.push(format!("policy {policy} with its own limits, instead of {recorded}"));
    }
    if let Some(workers) = changes.workers {
        lines.push(format!(
            "{} instead of {}, which do not slow each other down",
            counted(workers.into(), "worker", "workers"),
            match script.agenda_workers {
                0 => script.workers.to_string(),
                agenda => format!("{} in the pool, and instead of {agenda} in the agenda", script.workers),
            }
        ));
    }
    let drain_pauses = &script.costs.drain_pauses;
    if !drain_pauses.is_empty() {
        lines.push(format!(
            "the loop stopped {}, for {} in all, to make room for its recording: it does so again, at the same times",
            counted(drain_pauses.len() as u64, "time", "times"),
            duration(drain_pauses.iter().map(|drain_pause| drain_pause.ns).sum::<u64>())
        ));
    }
    let outside = &script.costs.outside;
    if !outside.is_empty() {
        lines.push(format!(
            "the program ran the loop again {}, after {} outside of it in all: it does so again, at the same times",
            counted(outside.len() as u64, "time", "times"),
            duration(outside.iter().map(|outside| outside.ns).sum::<u64>())
        ));
    }
    lines.extend(held_up(script));
    lines.extend(synthesized(before, ran));
    lines.extend(left(script));
    if changes.filter != Filter::default() {
        lines.push("only part of what arrived arrives again; before is all of it".to_owned());
    }
    if ran.waiting > 0 {
        lines.push(format!(
            "{} still waiting at the end",
            counted(ran.waiting.into(), "task was", "tasks were")
        ));
    }
    let span_ns = script.end_ns.saturating_sub(script.begin_ns);
    if ran.over_ns > span_ns / 100 {
        lines.push(format!("the last turn ended {} after the recorded end", duration(ran.over_ns)));
    }
    lines.extend(ran.cut.map(|why| format!("cut short: {why}")));
    lines
}

/// Callbacks that took much longer than others of their tag: the cause is outside of the program's control.
fn held_up(script: &Script) -> Option<String> {
    let typical_ns = |tag: Tag| script.typical_ns.get(usize::from(tag.0)).copied().unwrap_or(0);
    let costs = (0..).zip(&script.runs).filter(|(_, run)| run.is_known());
    let costs = costs.map(|(id, run)| (script.cost_ns(id), run.tag));
    let is_held_up = |(ns, tag): &(u64, Tag)| *ns > HELD_UP_NS && ns / HELD_UP_TIMES > typical_ns(*tag);
    let (mut count, mut total_ns) = (0_u64, 0_u64);
    for (cost_ns, _) in costs.filter(is_held_up) {
        (count, total_ns) = (count + 1, total_ns.saturating_add(cost_ns));
    }
    (count > 0).then(|| {
        format!(
            "{} took over {HELD_UP_TIMES} times the median of their tags, {} in all: whatever the cause (another \
             process, a page fault, their own work) does so again, at the same callback",
            counted(count, "callback", "callbacks"),
            duration(total_ns)
        )
    })
}

/// Describes the events that the recording did not contain and the model invented.
fn synthesized(before: &Side, ran: &RunOutcome) -> Vec<String> {
    let Synthesized { firings, callbacks, jobs, tasklets } = ran.synthesized;
    let mut lines = Vec::new();
    if firings > 0 {
        let share = firings as f64 / before.timeline.timers.fired.max(1) as f64;
        lines.push(format!(
            "invented: {} beyond the recorded ones ({} of those), each at the median cost of its tag",
            counted(firings, "timer firing", "timer firings"),
            percent(share)
        ));
    }
    if callbacks > 0 {
        lines.push(format!(
            "invented: {} that did not run in the recording, at the median cost of their tags",
            counted(callbacks, "callback", "callbacks")
        ));
    }
    if tasklets > 0 {
        lines.push(format!(
            "invented: {} that no worker finished in the recording, at the median cost of their tags",
            counted(tasklets, "tasklet", "tasklets")
        ));
    }
    if jobs > 0 {
        lines.push(format!(
            "invented: {} that no worker finished in the recording, at the median cost of their tags",
            counted(jobs, "job", "jobs")
        ));
    }
    lines
}

/// Describes the parts of the recording that are not re-executed.
fn left(script: &Script) -> Vec<String> {
    let left = script.left;
    let mut lines = Vec::new();
    if left.lost > 0 {
        lines.push(format!(
            "the stretch begins after the last loss: {} discarded",
            counted(left.lost, "earlier beginning was", "earlier beginnings were")
        ));
    }
    if left.before_ns > 0 {
        lines.push(format!(
            "the first {} of the recording come before the snapshot that the stretch begins with, and are in no column",
            duration(left.before_ns)
        ));
    }
    if left.jobs > 0 {
        lines.push(format!(
            "{} scheduled before the stretch are not re-executed, so the pool has less to do than it had",
            counted(left.jobs, "job", "jobs")
        ));
    }
    if script.start.left_out > 0 {
        lines.push(format!(
            "{} of the first snapshot were left out by its recording",
            counted(script.start.left_out.into(), "part", "parts")
        ));
    }
    if script.agenda_workers > 0 {
        lines.push(
            "tasklets do what they did and take as long; one that was added while a callback ran was added by it"
                .to_owned(),
        );
    }
    if left.collections > 0 {
        lines.push(format!(
            "{} of the agenda stopped its workers: that is part of what their tasklets cost, and is not in the result",
            counted(left.collections, "collection", "collections")
        ));
    }
    lines.extend(script.chosen.as_ref().and_then(ChosenLoop::describe));
    if left.pumps > 0 {
        lines.push("what a foreign loop did when it was pumped is part of its callback's cost".to_owned());
    }
    if left.shutdown {
        lines.push("the stretch ends where the recorded loop began to shut down".to_owned());
    }
    lines
}
