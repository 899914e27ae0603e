//! The part of the summary about blame: stalls, late timers, late signals and slow tasks with their breakdowns, and the
//! delay caused.

use loop_probes::ids::SourceId;
use serde::{Deserialize, Serialize};

use super::unfinished::since;
use crate::attribution::Breakdown;
use crate::labels::Labels;
use crate::timeline::{Impact, Timeline, Unfinished, signal_name};

/// One line of a breakdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct BlameSummary {
    /// What used the time: `task ReadFile #12`, `gc`, `unattributed`.
    pub what: String,
    /// The time it used.
    pub ns: u64,
}

/// One stall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StallSummary {
    /// The loop's name.
    #[serde(rename = "loop")]
    pub loop_name: String,
    /// The tick's number; null if its beginning was not seen.
    pub tick: Option<u64>,
    /// When the stall began, in nanoseconds since the first event.
    pub at_ns: u64,
    /// Busy time of the tick; a lower bound if `open`.
    pub run_ns: u64,
    /// Whether it has not ended.
    pub open: bool,
    /// What used this time. Sums to `run_ns`; `unattributed` is last.
    pub blame: Vec<BlameSummary>,
}

/// One late timer. Times count from the first event; earlier ones are negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LateTimerSummary {
    /// The loop's name.
    #[serde(rename = "loop")]
    pub loop_name: String,
    /// The timer's number.
    pub timer: u64,
    /// The tag of its task.
    pub tag: String,
    /// The task that ran for it; null if it has not fired.
    pub task: Option<u64>,
    /// When it fired; if it has not, the last known moment, or when its loop stopped.
    pub at_ns: i64,
    /// When it was due.
    pub due_ns: i64,
    /// When it fired; null if it has not.
    pub fired_ns: Option<i64>,
    /// From `due_ns` to `at_ns`; a lower bound if `open`.
    pub lag_ns: u64,
    /// Whether it is still overdue. One whose loop has stopped is not: its lag is final.
    pub open: bool,
    /// What used this time. Sums to `lag_ns`; `unattributed` is last.
    pub blame: Vec<BlameSummary>,
}

/// One late signal. Times count from the first event; earlier ones are negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LateSignalSummary {
    /// The loop's name.
    #[serde(rename = "loop")]
    pub loop_name: String,
    /// The name of the signal, for example `USR1`.
    pub signal: String,
    /// The number of the signal.
    pub signo: u8,
    /// The task that ran for the signal.
    pub task: u64,
    /// When it was delivered; equal to `delivered_ns`.
    pub at_ns: i64,
    /// When its handler ran.
    pub arrived_ns: i64,
    /// When its task was about to run.
    pub delivered_ns: i64,
    /// Delivered − arrived.
    pub latency_ns: u64,
    /// What used this time. Sums to `latency_ns`; `unattributed` is last.
    pub blame: Vec<BlameSummary>,
}

/// One slow task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SlowTaskSummary {
    /// The loop's name.
    #[serde(rename = "loop")]
    pub loop_name: String,
    /// The id of the task.
    pub task: u64,
    /// The tag of the task.
    pub tag: String,
    /// When the task started, in nanoseconds since the first event.
    pub at_ns: i64,
    /// From start to end; a lower bound if `open`.
    pub run_ns: u64,
    /// Whether it has not ended.
    pub open: bool,
    /// The labelled parts of the run. Sums to `run_ns`; `unattributed` is last.
    pub blame: Vec<BlameSummary>,
}

/// The delay that one cause inflicted on others. Delays that have not ended count with their length so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ImpactSummary {
    /// The cause: a tag, or another kind of line in a breakdown, such as `gc`.
    pub tag: String,
    /// Delay caused to timers, signals and tasks together.
    pub delay_caused_ns: u64,
    /// Delay caused to timers, between due and fired.
    pub timers_ns: u64,
    /// Delay caused to signals, between arrived and delivered.
    pub signals_ns: u64,
    /// Delay caused to tasks, between queued and started.
    pub tasks_ns: u64,
    /// Number of timers, signals and tasks that waited for the cause.
    pub delayed: u64,
    /// Total duration of its runs; null if it has none of its own.
    pub run_ns: Option<u64>,
    /// The run that caused the most delay.
    pub worst: Option<WorstImpactSummary>,
}

/// The run that caused the most delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WorstImpactSummary {
    /// The task or callback; null if the cause is neither.
    pub task: Option<u64>,
    /// When the run began to delay others, in nanoseconds since the first event.
    pub at_ns: i64,
    /// Delay caused by this run.
    pub delay_caused_ns: u64,
    /// Number of timers, signals and tasks that waited for this run.
    pub delayed: u64,
}

fn lines(breakdown: &Breakdown, labels: &Labels) -> Vec<BlameSummary> {
    let lines = breakdown.shares.iter();
    lines.map(|share| BlameSummary { what: share.what.describe(labels), ns: share.ns }).collect()
}

/// The name of each loop, as in [`Summary::loops`](super::Summary::loops).
pub(super) fn loop_names(timeline: &Timeline) -> impl Fn(SourceId) -> String {
    let names = super::loops::names(timeline);
    move |source| {
        let known = names.iter().find(|(number, _)| *number == source.0);
        known.map_or_else(|| source.to_string(), |(_, name)| name.clone())
    }
}

/// Stalls, newest first, starting with those in progress.
pub(super) fn stalls(
    timeline: &Timeline,
    unfinished: &Unfinished,
    name: &impl Fn(SourceId) -> String,
) -> Vec<StallSummary> {
    let first = timeline.first_at().unwrap_or_default();
    let open = unfinished.stalls(timeline.config().stall_limit_ns).map(|tick| StallSummary {
        loop_name: name(tick.source),
        tick: tick.tick,
        at_ns: tick.start.ns_since(first),
        run_ns: tick.busy_ns,
        open: true,
        blame: lines(&timeline.blame_unfinished(tick), &timeline.labels),
    });
    let ended = timeline.stalls.newest_first().map(|stall| StallSummary {
        loop_name: name(stall.tick.source),
        tick: Some(stall.tick.tick),
        at_ns: stall.tick.start.ns_since(first),
        run_ns: stall.tick.busy_ns,
        open: false,
        blame: lines(&stall.blame, &timeline.labels),
    });
    open.chain(ended).take(timeline.config().stalls_kept.max(1)).collect()
}

/// Merges finished and unfinished entries, worst first, and keeps at most `late_kept` of them.
fn worst_first<T>(
    timeline: &Timeline,
    open: impl Iterator<Item = T>,
    mut ended: Vec<T>,
    ns: fn(&T) -> u64,
) -> Vec<T> {
    ended.extend(open);
    ended.sort_by_key(|one| std::cmp::Reverse(ns(one)));
    ended.truncate(timeline.config().late_kept);
    ended
}

pub(super) fn late_timers(
    timeline: &Timeline,
    unfinished: &Unfinished,
    name: &impl Fn(SourceId) -> String,
) -> Vec<LateTimerSummary> {
    let (labels, since) = (&timeline.labels, since(timeline));
    let all = timeline.late_timers().into_iter();
    let fired = all.map(|late| LateTimerSummary {
        loop_name: name(late.what.source),
        timer: late.what.timer.0,
        tag: labels.tag(late.what.tag).into_owned(),
        task: Some(late.what.task.0),
        at_ns: since(late.what.fired),
        due_ns: since(late.what.due),
        fired_ns: Some(since(late.what.fired)),
        lag_ns: late.what.lag_ns(),
        open: false,
        blame: lines(&late.blame, labels),
    });
    let limit_ns = timeline.config().late_timer_ns;
    let late = unfinished.timers.iter().filter(|timer| timer.lag_ns() > limit_ns);
    let overdue = late.take(timeline.config().late_kept).map(|timer| LateTimerSummary {
        loop_name: name(timer.source),
        timer: timer.timer.0,
        tag: labels.tag(timer.tag).into_owned(),
        task: None,
        at_ns: since(timer.as_of),
        due_ns: since(timer.due),
        fired_ns: None,
        lag_ns: timer.lag_ns(),
        open: !timer.is_final,
        blame: lines(&timeline.blame_overdue(timer), labels),
    });
    worst_first(timeline, overdue, fired.collect(), |late| late.lag_ns)
}

pub(super) fn late_signals(
    timeline: &Timeline,
    name: &impl Fn(SourceId) -> String,
) -> Vec<LateSignalSummary> {
    let since = since(timeline);
    let all = timeline.late_signals().into_iter();
    all.map(|late| LateSignalSummary {
        loop_name: name(late.what.source),
        signal: signal_name(late.what.signo),
        signo: late.what.signo,
        task: late.what.task.0,
        at_ns: since(late.what.delivered),
        arrived_ns: since(late.what.arrived),
        delivered_ns: since(late.what.delivered),
        latency_ns: late.what.latency_ns(),
        blame: lines(&late.blame, &timeline.labels),
    })
    .collect()
}

pub(super) fn slow_tasks(
    timeline: &Timeline,
    unfinished: &Unfinished,
    name: &impl Fn(SourceId) -> String,
) -> Vec<SlowTaskSummary> {
    let (labels, since) = (&timeline.labels, since(timeline));
    let all = timeline.slow_tasks().into_iter();
    let ended = all.map(|slow| SlowTaskSummary {
        loop_name: name(slow.what.source),
        task: slow.what.task.0,
        tag: labels.tag(slow.what.tag).into_owned(),
        at_ns: since(slow.what.start),
        run_ns: slow.what.run_ns(),
        open: false,
        blame: lines(&slow.blame, labels),
    });
    let limit_ns = timeline.config().slow_task_ns;
    let running =
        unfinished.tasks.iter().filter(|task| task.run_ns() > limit_ns).map(|task| SlowTaskSummary {
            loop_name: name(task.source),
            task: task.task.0,
            tag: labels.tag(task.tag).into_owned(),
            at_ns: since(task.start),
            run_ns: task.run_ns(),
            open: true,
            blame: lines(&timeline.run_of(task.source, task.task, task.tag, task.start, task.as_of), labels),
        });
    worst_first(timeline, running, ended.collect(), |slow| slow.run_ns)
}

pub(super) fn delay_caused(timeline: &Timeline, impacts: &[Impact]) -> Vec<ImpactSummary> {
    let since = since(timeline);
    let all = impacts.iter();
    all.map(|impact| {
        let [timers_ns, signals_ns, tasks_ns] = impact.lateness_ns;
        ImpactSummary {
            tag: impact.cause.describe(&timeline.labels),
            delay_caused_ns: impact.total_ns(),
            timers_ns,
            signals_ns,
            tasks_ns,
            delayed: impact.delayed(),
            run_ns: impact.run_ns,
            worst: impact.worst.map(|worst| WorstImpactSummary {
                task: worst.task.map(|task| task.0),
                at_ns: since(worst.at),
                delay_caused_ns: worst.lateness_ns,
                delayed: worst.delayed,
            }),
        }
    })
    .collect()
}
