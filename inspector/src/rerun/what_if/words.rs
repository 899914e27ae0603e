//! The answer in figures and words: what changed most, what was assumed, what had to be made up.

use loop_probes::metadata::Metadata;
use loop_traces::histogram::Histogram;
use loop_traces::source::MemorySource;
use loop_traces::summary::Summary;
use loop_traces::units::{counted, duration, percent};

use super::answer::{Answer, Changed, Figure, Figures, Kind, Side};
use super::changes::{Changes, Filter};
use super::measure::Measure;
use super::run::Plan;
use super::script::Script;
use super::world::Invented;
use crate::rerun::Chosen;

/// Changes that are listed.
const CHANGED_MAX: usize = 12;

/// How the run itself went.
pub(super) struct Ran {
    pub(super) invented: Invented,
    /// Why it ended before its time.
    pub(super) cut: Option<&'static str>,
    /// Tasks that waited at the end.
    pub(super) waiting: u32,
    /// How long the last turn lasted beyond the end.
    pub(super) over_ns: u64,
}

pub(super) fn answer(
    script: &Script,
    changes: &Changes,
    plan: &Plan,
    metadata: &Metadata,
    after: Measure,
    ran: Ran,
) -> Answer {
    let mut before = script.before.clone();
    before.timeline.labels = script.labels.clone();
    let assumptions = assumptions(script, changes, plan, &ran);
    let before = side(&script.name, script, &script.metadata, before);
    let after = side(&format!("{}, {changes}", script.name), script, metadata, after);
    let changed = changed(&before.figures, &after.figures);
    Answer { before, after, model: None, changed, cut_short: ran.cut, assumptions }
}

fn side(name: &str, script: &Script, metadata: &Metadata, measure: Measure) -> Side {
    let figures = figures(&measure);
    let source = MemorySource::new(name, script.kind, metadata.clone(), Vec::new());
    let (queue_wait_ns_p99, queue_depth_max) =
        (measure.queue_wait_ns.quantile(0.99), measure.queue_depth_max());
    let summary = Summary::new(&source, &measure.timeline);
    let tasklets = &measure.tasklets_wait_ns;
    let tasklet_wait_ns_p99 = (tasklets.count() > 0).then(|| tasklets.quantile(0.99));
    Side {
        timeline: measure.timeline,
        summary,
        queue_wait_ns_p99,
        tasklet_wait_ns_p99,
        queue_depth_max,
        figures,
    }
}

fn figure(histogram: &Histogram) -> Figure {
    let shown = histogram.percentiles();
    Figure { count: shown.count, p50_ns: shown.p50, p99_ns: shown.p99, max_ns: shown.max }
}

/// The figures of one side by what they are about: tags are told by name, their numbers are each side's own.
fn figures(measure: &Measure) -> Figures {
    let labels = &measure.timeline.labels;
    let by_tag = |all: &[Option<Box<Histogram>>], kind| -> Vec<((Kind, String), Figure)> {
        let figures = all.iter().enumerate().filter_map(|(tag, histogram)| {
            let name = labels.tag(loop_probes::ids::Tag(tag as u16)).into_owned();
            Some(((kind, name), figure(histogram.as_ref()?)))
        });
        figures.collect()
    };
    let lag = by_tag(&measure.lag_ns, Kind::TimerLag);
    let tasklets = by_tag(&measure.tasklet_wait_ns, Kind::TaskletWait);
    let timers: Vec<String> = lag.iter().map(|((_, name), _)| name.clone()).collect();
    let wait = measure.timeline.tags.iter().filter(|tag| tag.tasks.count() > 0).filter_map(|tag| {
        let name = labels.tag(tag.tag).into_owned();
        // What a timer runs waits for its turn in the pass alone.
        let waits = !timers.contains(&name);
        waits.then(|| ((Kind::QueueWait, name), figure(&tag.tasks.queue_wait_ns)))
    });
    lag.iter().cloned().chain(tasklets).chain(wait).collect()
}

fn changed(before: &Figures, after: &Figures) -> Vec<Changed> {
    let mut names: Vec<&(Kind, String)> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let of = |side: &Figures, name| side.get(name).copied().unwrap_or_default();
    let mut changed: Vec<Changed> = names
        .into_iter()
        .map(|name| Changed {
            what: name.0,
            tag: name.1.clone(),
            before: of(before, name),
            after: of(after, name),
            model: None,
        })
        .filter(|changed| changed.before != changed.after)
        .collect();
    // The tail is what people wait for, and it counts by how much longer it is, not by how many times.
    let moved = |changed: &Changed| changed.before.p99_ns.abs_diff(changed.after.p99_ns);
    changed.sort_by(|a, b| moved(b).cmp(&moved(a)).then_with(|| a.tag.cmp(&b.tag)));
    changed.truncate(CHANGED_MAX);
    changed
}

fn assumptions(script: &Script, changes: &Changes, plan: &Plan, ran: &Ran) -> Vec<String> {
    let mut lines = vec![
        "arrivals unchanged: posts, signals and readiness come when they came, whatever the loop does"
            .to_owned(),
        if changes.scale.is_empty() {
            "costs unchanged: each callback takes as long as it took, and does what it did after as long"
                .to_owned()
        } else {
            "costs unchanged but for the scaled tags' callbacks on the loop's thread; their jobs on the pool cost what \
             they cost"
                .to_owned()
        },
        "the loop's own time, late wake-ups and collections cost what they cost nearest in time".to_owned(),
        "a poll that came back at once found sources that became ready evenly spread since the poll before"
            .to_owned(),
    ];
    let policy = &plan.policy.name;
    if *policy != script.metadata.policy {
        lines.push(format!("policy {policy} with its own limits, instead of {}", script.metadata.policy));
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
    lines.extend(invented(script, ran));
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

/// What the recording could not say.
fn invented(script: &Script, ran: &Ran) -> Vec<String> {
    let Invented { firings, callbacks, jobs, tasklets } = ran.invented;
    let mut lines = Vec::new();
    if firings > 0 {
        let share = firings as f64 / script.before.timeline.timers.fired.max(1) as f64;
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

/// What was recorded and is not executed again.
fn left(script: &Script) -> Vec<String> {
    let left = script.left;
    let mut lines = Vec::new();
    if left.lost > 0 {
        lines.push(format!(
            "the stretch begins after the last loss: {} given up",
            counted(left.lost, "earlier beginning was", "earlier beginnings were")
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
    lines.extend(script.chosen.as_ref().and_then(Chosen::told));
    if left.pumps > 0 {
        lines.push("what a foreign loop did when it was pumped is part of its callback's cost".to_owned());
    }
    if left.shutdown {
        lines.push("the stretch ends where the recorded loop began to shut down".to_owned());
    }
    lines
}
