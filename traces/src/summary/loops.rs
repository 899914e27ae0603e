//! The part of the summary with the figures of each loop.

use serde::{Deserialize, Serialize};

use super::families::{
    GcSummary, MicrotasksSummary, QueueSummary, SignalsSummary, TasksSummary, TicksSummary, TimersSummary,
};
use super::unfinished::OpenTickSummary;
use crate::timeline::Timeline;

/// One loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LoopSummary {
    /// The loop's name, with its number if loops share the name: `renderer #2`.
    pub name: String,
    /// The number of its emitter in its process.
    pub source: u32,
    /// Records of this loop that were lost. Includes all records of a damaged part of a file, which may be of any loop.
    pub lost_records: u64,
    /// The loop's tick in progress; null if every tick has ended.
    pub open_tick: Option<OpenTickSummary>,
    /// Ticks.
    pub ticks: TicksSummary,
    /// Tasks.
    pub tasks: TasksSummary,
    /// Microtasks.
    pub microtasks: MicrotasksSummary,
    /// Timers.
    pub timers: TimersSummary,
    /// Queues of which anything is known.
    pub queues: Vec<QueueSummary>,
    /// The GC controller.
    pub gc: GcSummary,
    /// Signals.
    pub signals: SignalsSummary,
}

/// The names of the loops in a timeline, with the numbers of their emitters.
pub(super) fn names(timeline: &Timeline) -> Vec<(u32, String)> {
    let apart = timeline.separate_loops().map(|(source, _)| source);
    let sources: Vec<_> = match timeline.separate_loops().len() {
        0 => timeline.first_loop().into_iter().collect(),
        _ => apart.collect(),
    };
    let names = timeline.labels.of_loops(&sources);
    sources.iter().map(|source| source.0).zip(names).collect()
}
