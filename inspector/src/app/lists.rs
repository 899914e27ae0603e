//! The lists of the pages that have one: what they hold, in the order in which they show it.

use std::collections::{BTreeMap, HashMap};

use loop_probes::event::{Event, Origin};
use loop_probes::ids::{SourceId, Tag, TaskId};
use loop_probes::stamped::Stamped;
use loop_traces::analysis::attribution::{Ledger, ledger};
use loop_traces::timeline::{LateTimer, TickSpan, TickSummary};

use super::describe;
use super::fold::Fold;
use super::glance;
use super::state::{Part, State, View};

/// The events of the log that the filter lets through, newest first.
pub fn log_from_newest(state: &State) -> impl Iterator<Item = &Stamped> + '_ {
    let log = state.picture().log().iter().rev();
    log.filter(|stamped| !is_noise(&stamped.event) && lets_through(state, stamped))
}

/// How many they are.
#[must_use]
pub fn log_rows(state: &State) -> usize {
    log_from_newest(state).count()
}

fn lets_through(state: &State, stamped: &Stamped) -> bool {
    state.filter.is_empty() || describe::tag_of(&stamped.event).is_some_and(|tag| state.lets_through(tag))
}

/// What only re-execution needs: many a tick, and nothing to read.
const fn is_noise(event: &Event) -> bool {
    matches!(
        event,
        Event::InputClock { .. }
            | Event::InputBatch { .. }
            | Event::InputHeap { .. }
            | Event::InputReturned { .. }
            | Event::QueueDepth { .. }
            | Event::Calibration { .. }
    )
}

/// The rows of the list that has the focus, on the pages whose rows are chosen one by one.
#[must_use]
pub fn rows(state: &State) -> usize {
    let timeline = &state.picture().timeline;
    match (state.view, state.part) {
        (View::Ledger, _) => state.account.as_ref().map_or(0, |account| account.lines() + 1),
        (View::Timers, Part::First) => late_shown(state).count(),
        (View::Tag, Part::First) => {
            let stats = state.tag.and_then(|tag| timeline.tags.tag(tag));
            stats.and_then(glance::runs).map_or(0, |(_, runs)| runs.worst().len())
        }
        _ => 0,
    }
}

/// Who queued the tasks of a tag, and how often, as far as the log goes back: most frequent first.
#[must_use]
pub fn queued_by(fold: &Fold, tag: Tag) -> Vec<(String, u64)> {
    // Every loop and every agenda counts its tasks from 1.
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
    let elsewhere = emitters.into_iter().map(|(source, count)| (labels.source(source).into_owned(), count));
    let outside = origins.into_iter().map(|(origin, count)| (format!("from {origin}"), count));
    let unknown = parents.values().sum::<u64>();
    let unknown = (unknown > 0).then(|| ("tasks before the log".to_owned(), unknown));
    let mut all: Vec<(String, u64)> = named.chain(elsewhere).chain(outside).chain(unknown).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// What was queued while a tick lasted, by tag, as far as the log goes back: most frequent first.
#[must_use]
pub fn queued_meanwhile(fold: &Fold, tick: &TickSummary) -> Vec<(Tag, u64)> {
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

/// A late timer, and who used the time between its due time and its firing.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRow {
    /// The timer.
    pub late: LateTimer,
    /// Who made it late; `None` where the ticks of that time are no longer kept.
    pub blame: Option<Ledger>,
}

/// Shares that a late timer names.
const BLAME_LINES: usize = 4;

/// The late timers, newest first.
#[must_use]
pub fn late(fold: &Fold) -> Vec<LateRow> {
    let late = fold.timeline.timers.recent_late.iter().rev();
    late.map(|late| LateRow { late: *late, blame: blame(fold, late) }).collect()
}

/// The late timers of the page that the filter lets through, newest first.
pub fn late_shown(state: &State) -> impl Iterator<Item = &LateRow> + '_ {
    state.late.iter().filter(|row| state.lets_through(row.late.tag))
}

fn blame(fold: &Fold, late: &LateTimer) -> Option<Ledger> {
    let own = fold.tick_at(late.fired)?;
    let ticks = fold.timeline.ticks.recent.iter().rev();
    let then = ticks
        .skip_while(|tick| tick.start > late.fired)
        .take_while(|tick| tick.end >= late.due || tick.source != own.source)
        .filter(|tick| tick.source == own.source && tick.end >= late.due);
    let mut spans: Vec<TickSpan> = Vec::new();
    for tick in then {
        // In the order in which they ended: of equal extents the later one is the outer one.
        spans.extend(fold.timeline.opened(tick)?.spans.iter().rev().map(|opened| opened.span));
    }
    Some(ledger(late.due, late.fired, &spans, BLAME_LINES))
}

#[cfg(test)]
mod tests;
