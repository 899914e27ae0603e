//! The contents of the pages' lists, in display order.

use std::collections::{BTreeMap, HashMap};

use loop_probes::event::{Event, Origin};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::analysis::attribution::Breakdown;
use loop_traces::timeline::{Cause, Impact, Stall, TickSummary, UnfinishedTick};

use super::attribution::{Attribution, Subject};
use super::delayed::{self, DelayedByTick};
use super::fold::Fold;
use super::overview;
use super::state::{AppState, Part, TickKey, View};
use crate::describe;

/// A row of the list of stalls.
#[derive(Clone, Copy, Debug)]
pub enum StallRow<'a> {
    /// A stall that has not ended.
    Unfinished(UnfinishedTick),
    /// A stall that has ended.
    Ended(&'a Stall),
}

/// The stalls: unfinished ones, then ended ones, newest first.
pub fn stalls(fold: &Fold) -> impl Iterator<Item = StallRow<'_>> {
    let ended = fold.timeline.stalls.newest_first();
    unfinished_stalls(fold).map(StallRow::Unfinished).chain(ended.map(StallRow::Ended))
}

fn unfinished_stalls(fold: &Fold) -> impl Iterator<Item = UnfinishedTick> + use<> {
    let limit_ns = fold.timeline.config().stall_limit_ns;
    fold.timeline.unfinished_ticks().into_iter().filter(move |tick| tick.is_stall(limit_ns))
}

/// Number of rows in the list of stalls.
#[must_use]
pub fn stall_rows(fold: &Fold) -> usize {
    unfinished_stalls(fold).count() + fold.timeline.stalls.newest_first().len()
}

/// Number of stalls seen, including evicted ones.
#[must_use]
pub fn stalls_seen(fold: &Fold) -> u64 {
    fold.timeline.stalls.count.saturating_add(unfinished_stalls(fold).count() as u64)
}

/// The row of the stall in this tick.
#[must_use]
pub fn stall_row_of(fold: &Fold, key: TickKey) -> Option<usize> {
    stalls(fold).position(|row| matches!(row, StallRow::Ended(stall) if TickKey::of(&stall.tick) == key))
}

/// Limits the log to the events behind one pane of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOf {
    /// Events that carry a queue's depth.
    Queues,
    /// Microtask checkpoints.
    Microtasks,
    /// The GC controller's decisions, and collections.
    Gc,
}

impl LogOf {
    /// Its name in the log's title.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queues => "queues",
            Self::Microtasks => "microtasks",
            Self::Gc => "gc",
        }
    }

    const fn holds(self, event: &Event) -> bool {
        match self {
            Self::Queues => matches!(
                event,
                Event::QueueDepth { .. }
                    | Event::SnapshotQueue { .. }
                    | Event::TaskQueued { .. }
                    | Event::WorkQueued { .. }
                    | Event::Immediates { .. }
            ),
            Self::Microtasks => matches!(event, Event::Microtasks { .. }),
            Self::Gc => matches!(
                event,
                Event::GcDecision { .. }
                    | Event::GcRan { .. }
                    | Event::GcMode { .. }
                    | Event::GcRendezvous { .. }
                    | Event::SnapshotGc { .. }
            ),
        }
    }
}

/// The log events that pass the filter, newest first.
pub fn log_from_newest(state: &AppState) -> impl Iterator<Item = &Stamped> + '_ {
    let log = state.picture().log().iter().rev();
    let is_shown = |event: &Event| state.log_of.map_or_else(|| !is_noise(event), |of| of.holds(event));
    log.filter(move |stamped| is_shown(&stamped.event) && lets_through(state, stamped))
}

/// The number of log events that pass the filter.
#[must_use]
pub fn log_rows(state: &AppState) -> usize {
    log_from_newest(state).count()
}

fn lets_through(state: &AppState, stamped: &Stamped) -> bool {
    state.filter.is_empty() || describe::tag_of(&stamped.event).is_some_and(|tag| state.lets_through(tag))
}

/// Frequent events that only re-execution needs, and labels, whose times mean nothing.
const fn is_noise(event: &Event) -> bool {
    matches!(
        event,
        Event::InputClock { .. }
            | Event::InputBatch { .. }
            | Event::InputHeap { .. }
            | Event::InputReturned { .. }
            | Event::QueueDepth { .. }
            | Event::Calibration { .. }
            | Event::Running { .. }
            | Event::Label { .. }
            | Event::Pressure { .. }
    )
}

/// The number of rows in the focused list, for pages whose rows can be selected.
#[must_use]
pub fn rows(state: &AppState) -> usize {
    let timeline = &state.picture().timeline;
    match (state.view, state.part) {
        (View::Breakdown, _) => state.attribution.as_ref().map_or(0, Attribution::rows),
        (View::Tick, Part::Second) => delayed_by_tick(state).all.len(),
        (View::Timers, Part::First) => late_shown(state).count(),
        (View::Timers, Part::Second) => delay_caused_shown(state).count(),
        (View::Tag, Part::Second) => state.delayed.len(),
        (View::Tag, Part::First) => {
            let stats = state.tag.and_then(|tag| timeline.tags.tag(tag));
            stats.and_then(overview::runs).map_or(0, |(_, runs)| runs.worst().len())
        }
        _ => 0,
    }
}

/// What the shown tick delayed.
#[must_use]
pub fn delayed_by_tick(state: &AppState) -> DelayedByTick {
    state.shown_tick().map(|tick| delayed::by_tick(state.picture(), tick)).unwrap_or_default()
}

/// What queued the tasks of a tag, among the events still in the log, with counts: most frequent first.
#[must_use]
pub fn queued_by(fold: &Fold, tag: Tag) -> Vec<(String, u64)> {
    // Every loop and every agenda numbers its tasks from 1.
    let mut parents: HashMap<(SourceId, TaskId), u64> = HashMap::new();
    let mut emitters: BTreeMap<SourceId, u64> = BTreeMap::new();
    let mut origins: BTreeMap<Origin, u64> = BTreeMap::new();
    for stamped in fold.log() {
        let source = stamped.source;
        match stamped.event {
            Event::TaskQueued { tag: its, parent, poster, place, .. } if its == tag => {
                match (parent, poster) {
                    (Some(parent), _) => *parents.entry((source, parent)).or_default() += 1,
                    (None, Some(poster)) => *emitters.entry(poster).or_default() += 1,
                    (None, None) => *origins.entry(place.origin).or_default() += 1,
                }
            }
            Event::WorkQueued { tag: its, parent: Some(parent), .. } if its == tag => {
                *parents.entry((source, parent)).or_default() += 1;
            }
            Event::AgendaAdded { tag: its, .. } if its == tag => {
                *emitters.entry(source).or_default() += 1;
            }
            _ => {}
        }
    }
    let mut tags: BTreeMap<Tag, u64> = BTreeMap::new();
    for stamped in fold.log() {
        let ran = match stamped.event {
            Event::TaskRan { task, tag, .. } | Event::IoReady { task, tag, .. } => Some((task, tag)),
            _ => None,
        };
        // The last run of an id is enough: a task runs once.
        if let Some((task, tag)) = ran
            && let Some(count) = parents.remove(&(stamped.source, task))
        {
            *tags.entry(tag).or_default() += count;
        }
    }
    let labels = &fold.timeline.labels;
    let named = tags.into_iter().map(|(tag, count)| (labels.tag(tag).into_owned(), count));
    let by_emitter = emitters.into_iter().map(|(source, count)| (labels.source(source).into_owned(), count));
    let by_origin = origins.into_iter().map(|(origin, count)| (format!("from {origin}"), count));
    let unknown = parents.values().sum::<u64>();
    let unknown = (unknown > 0).then(|| ("tasks before the log".to_owned(), unknown));
    let mut all: Vec<(String, u64)> = named.chain(by_emitter).chain(by_origin).chain(unknown).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// What was queued during a tick, among the events still in the log, by tag: most frequent first.
#[must_use]
pub fn enqueued_during(fold: &Fold, tick: &TickSummary) -> Vec<(Tag, u64)> {
    let mut tags: BTreeMap<Tag, u64> = BTreeMap::new();
    for stamped in fold.log().iter().rev().take_while(|stamped| stamped.at >= tick.start) {
        if let Event::TaskQueued { tag, queued, .. } = stamped.event
            && (tick.start..=tick.end).contains(&queued)
        {
            *tags.entry(tag).or_default() += 1;
        }
    }
    let mut all: Vec<(Tag, u64)> = tags.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

/// Losses within a tick, among the events still in the log: start, end, and number of records.
#[must_use]
pub fn lost_in(fold: &Fold, tick: &TickSummary) -> Vec<(Timestamp, Timestamp, u64)> {
    if !tick.incomplete {
        return Vec::new();
    }
    let log = fold.log().iter().rev().take_while(|stamped| stamped.at >= tick.start);
    let within = log.filter(|stamped| stamped.source == tick.source);
    let lost = within.filter_map(|stamped| match stamped.event {
        Event::Lost { count, from } if from <= tick.end => Some((from, stamped.at, count)),
        _ => None,
    });
    lost.collect()
}

/// A timer or a signal that was late, and the breakdown of its delay.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    /// The timer or the signal.
    pub subject: Subject,
    /// The breakdown of its delay.
    pub breakdown: Breakdown,
}

/// The late timers and signals that are kept, worst first.
#[must_use]
pub fn late(fold: &Fold) -> Vec<LateRow> {
    let (timers, signals) = (fold.timeline.late_timers(), fold.timeline.late_signals());
    let timers =
        timers.into_iter().map(|late| LateRow { subject: Subject::Timer(late.what), breakdown: late.blame });
    let signals =
        signals.into_iter().map(|late| LateRow { subject: late.what.into(), breakdown: late.blame });
    let mut all: Vec<LateRow> = timers.chain(signals).collect();
    all.sort_by_key(|row| std::cmp::Reverse(row.subject.lasted_ns()));
    all
}

/// The late timers and signals that pass the filter.
pub fn late_shown(state: &AppState) -> impl Iterator<Item = &LateRow> + '_ {
    state
        .late
        .iter()
        .filter(|row| state.lets_through_name(&row.subject.name(&state.picture().timeline.labels)))
}

/// The causes of the ranking that pass the filter, worst first.
pub fn delay_caused_shown(state: &AppState) -> impl Iterator<Item = &Impact> + '_ {
    let labels = &state.picture().timeline.labels;
    state
        .overview
        .delay_caused
        .iter()
        .filter(|impact| state.lets_through_name(&impact.cause.describe(labels)))
}

/// Something that a tag delayed.
#[derive(Clone, Debug, PartialEq)]
pub struct DelayedByTag {
    /// What was delayed, with the whole breakdown.
    pub row: LateRow,
    /// The part caused by the tag's [own runs](overview::own_cause), in nanoseconds.
    pub ns: u64,
}

/// What the runs of a tag delayed, among the kept ones: largest part first.
#[must_use]
pub fn delayed_by_tag(fold: &Fold, tag: Tag) -> Vec<DelayedByTag> {
    let own = fold.timeline.tags.tag(tag).and_then(overview::own_cause);
    let of_tag = |row: LateRow| {
        let of_tag = row.breakdown.shares.iter().map(|share| (Cause::of(&share.what), share.ns));
        let of_tag: Vec<(Cause, u64)> = of_tag.filter(|(cause, _)| cause_tag(*cause) == Some(tag)).collect();
        let ns = of_tag.iter().filter(|(cause, _)| Some(*cause) == own).map(|(_, ns)| ns).sum();
        (!of_tag.is_empty()).then_some(DelayedByTag { row, ns })
    };
    let mut all: Vec<DelayedByTag> = late(fold).into_iter().filter_map(of_tag).collect();
    all.sort_by_key(|waiter| std::cmp::Reverse(waiter.ns));
    all
}

/// The tag that a cause is named after.
#[must_use]
pub const fn cause_tag(cause: Cause) -> Option<Tag> {
    match cause {
        Cause::Tasks(tag) | Cause::Io(tag) | Cause::Microtasks(Some(tag)) => Some(tag),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
