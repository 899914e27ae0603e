//! The part of the summary that keeps several loops apart, and limits what the whole can say about them.
//!
//! Counts and sums are those of all loops. A share, a percentile or a median of several loops together describes none
//! of them: there the whole is null, and each loop has its own.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use loop_probes::ids::SourceId;
use serde::{Deserialize, Serialize};

use super::{
    GcSummary, MicrotasksSummary, OpenTickSummary, QueueSummary, SignalsSummary, SourceSummary, Summary,
    TasksSummary, TicksSummary, TimersSummary,
};
use crate::histogram::Percentiles;
use crate::labels::Labels;
use crate::loss::{Bounds, SpreadBounds};
use crate::timeline::Timeline;

/// One loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LoopSummary {
    /// Its name; where several have the same one, with its number: `renderer #2`.
    pub name: String,
    /// The number of its emitter in its process.
    pub source: u32,
    /// Records lost of it; of a damaged part of a file, all that were lost there.
    pub lost_records: u64,
    /// Its tick that has not ended, where there is one.
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

impl LoopSummary {
    fn new(name: String, source: u32, whole: &Summary) -> Self {
        Self {
            name,
            source,
            lost_records: whole.lost_records,
            open_tick: whole.open_tick.clone(),
            ticks: whole.ticks.clone(),
            tasks: whole.tasks.clone(),
            microtasks: whole.microtasks.clone(),
            timers: whole.timers.clone(),
            queues: whole.queues.clone(),
            gc: whole.gc.clone(),
            signals: whole.signals,
        }
    }
}

/// The names of loops. Loops with equal names get their number as a suffix, all of them: a plain name that selects one of
/// several would hide the others.
#[must_use]
pub fn loop_names(labels: &Labels, loops: &[SourceId]) -> Vec<String> {
    let labels: Vec<Cow<'_, str>> = loops.iter().map(|source| labels.source(*source)).collect();
    let with_number = || loops.iter().zip(&labels).map(|(source, label)| format!("{label} #{source}"));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
    // A loop may be called what another one's suffix makes of its name.
    let numbered: HashSet<String> = with_number().collect();
    let named = labels.iter().zip(with_number()).map(|(label, with_number)| {
        let is_shared = counts.get(&**label).is_some_and(|count| *count > 1) || numbered.contains(&**label);
        if is_shared { with_number } else { label.clone().into_owned() }
    });
    named.collect()
}

/// The names of the loops in a timeline, with the numbers of their emitters.
pub(super) fn names(timeline: &Timeline) -> Vec<(u32, String)> {
    let apart = timeline.separate_loops().map(|(source, _)| source);
    let sources: Vec<_> = match timeline.separate_loops().len() {
        0 => timeline.first_loop().into_iter().collect(),
        _ => apart.collect(),
    };
    let names = loop_names(&timeline.labels, &sources);
    sources.iter().map(|source| source.0).zip(names).collect()
}

impl Summary {
    /// The summary of one loop: a loop's figures are its own, and lists contain only its entries. `None` if no loop has
    /// that name, or if the summary has no loops, as older versions saved it.
    #[must_use]
    pub fn of_loop(&self, name: &str) -> Option<Cow<'_, Self>> {
        let own = self.loops.iter().find(|own| own.name == name)?;
        if self.loops.len() == 1 {
            return Some(Cow::Borrowed(self));
        }
        let own = own.clone();
        let mut one = self.clone();
        one.stalls.retain(|stall| stall.loop_name == name);
        one.late_timers.retain(|late| late.loop_name == name);
        one.late_signals.retain(|late| late.loop_name == name);
        one.slow_tasks.retain(|slow| slow.loop_name == name);
        (one.lost_records, one.open_tick) = (own.lost_records, own.open_tick.clone());
        one.lost_records_bounds = self.lost_records_bounds.map(|_| {
            // Any of the gaps may be another loop's.
            Bounds { lo: own.lost_records.saturating_sub(self.uncounted_gaps), hi: None }
        });
        (one.ticks, one.tasks, one.timers) = (own.ticks.clone(), own.tasks.clone(), own.timers.clone());
        (one.microtasks, one.queues) = (own.microtasks.clone(), own.queues.clone());
        (one.gc, one.signals) = (own.gc.clone(), own.signals);
        (one.loops_beyond_limit, one.loops_left_out) = (false, false);
        one.loops = vec![own];
        Some(Cow::Owned(one))
    }

    /// There are several loops.
    #[must_use]
    pub const fn has_several_loops(&self) -> bool {
        self.loops.len() > 1
    }

    /// Adds the loops to a summary, and removes figures that describe none of them.
    pub(super) fn with_loops(mut self, source: &SourceSummary, timeline: &Timeline) -> Self {
        let names = names(timeline);
        if let [(number, name)] = names.as_slice() {
            self.loops = vec![LoopSummary::new(name.clone(), *number, &self)];
            return self;
        }
        let loops = names.into_iter().zip(timeline.loops_by_now());
        self.loops = loops
            .map(|((number, name), own)| LoopSummary::new(name, number, &Self::of(source.clone(), &own)))
            .collect();
        if self.has_several_loops() {
            self.take_out_blends();
        }
        self
    }

    fn take_out_blends(&mut self) {
        (self.ticks.utilization, self.ticks.utilization_bounds) = (None, None);
        let spreads = [
            &mut self.ticks.run_ns,
            &mut self.tasks.run_ns,
            &mut self.tasks.queue_wait_ns,
            &mut self.microtasks.run_ns,
            &mut self.timers.lag_ns,
            &mut self.timers.lag_corrected_ns,
            &mut self.gc.run_ns,
            &mut self.signals.latency_ns,
        ];
        for spread in spreads {
            // The maximum over all loops is that of one of them.
            let bounds = spread.bounds.map(SpreadBounds::of_maximum);
            *spread = Percentiles { count: spread.count, max: spread.max, bounds, ..Percentiles::default() };
        }
        for queue in &mut self.queues {
            (queue.depth.p50, queue.depth.p50_bounds) = (None, None);
        }
    }
}
