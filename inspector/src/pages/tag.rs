//! One tag: its histogram, its worst runs, what queued it, what it delayed.

pub mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use loop_probes::event::{Event, Origin};
use loop_probes::ids::{SourceId, Tag, TaskId};
use loop_traces::timeline::{Cause, TagStats};
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};

use super::page::{NOTHING_DELAYED, Page, Request};
use crate::app::attribution::{Attribution, LateRow};
use crate::app::figures::{cause_tag, is_own_cause, runs_shown};
use crate::app::fold::Fold;
use crate::app::layout::{from_left, rows, share};
use crate::app::state::{AppState, Part};

/// The state of the page.
#[derive(Clone, Debug, Default)]
pub struct TagPage {
    /// What queued the tag's tasks, with counts.
    pub queued_by: Vec<(String, u64)>,
    /// What the tag delayed.
    pub delayed: Vec<DelayedByTag>,
}

/// The areas of the page.
struct Panes {
    /// The tag's figures, and below them the histogram.
    histogram: Rect,
    /// The worst runs: a list without a heading.
    worst: Rect,
    /// What queued the tag's tasks.
    queued_by: Rect,
    /// The figures of the delay caused.
    delay_caused: Rect,
    /// What the tag delayed most: a list below a heading.
    delayed: Rect,
}

fn panes(body: Rect) -> Panes {
    let [upper, lower] = Layout::vertical([Length((body.height / 2 + 1).min(20)), Fill(1)]).areas(body);
    let [histogram, upper] = from_left(upper, share(body.width, 46));
    let queued_by = if upper.height < 14 { 3 } else { 4 };
    let [worst, queued_by] = Layout::vertical([Fill(1), Length(queued_by)]).areas(upper);
    let [delay_caused, delayed] = from_left(lower, share(body.width, 36).max(32));
    Panes { histogram, worst, queued_by, delay_caused, delayed }
}

/// The selected tag; without figures if nothing of it has ended.
fn selected(state: &AppState) -> Option<Cow<'_, TagStats>> {
    Some(stats(state, state.tag?))
}

/// The figures of a tag; empty ones if it has none of its own yet.
fn stats(state: &AppState, tag: Tag) -> Cow<'_, TagStats> {
    state.of_window().tags.tag(tag).map_or_else(|| Cow::Owned(TagStats::new(tag)), Cow::Borrowed)
}

impl Page for TagPage {
    fn refresh(&mut self, state: &AppState) {
        let Some(tag) = state.tag else { return *self = Self::default() };
        self.queued_by = queued_by(state.picture(), tag);
        self.delayed = delayed_by_tag(state, tag);
    }

    fn rows(&self, state: &AppState) -> usize {
        match state.part {
            Part::First => selected(state).map_or(0, |stats| runs_shown(&stats).1.worst().len()),
            Part::Second => self.delayed.len(),
        }
    }

    fn lists(&self, body: Rect) -> [Rect; 2] {
        let panes = panes(body);
        [rows(panes.worst, false), rows(panes.delayed, true)]
    }

    fn rows_move(&self, _state: &AppState) -> bool {
        true
    }

    fn open(&self, state: &AppState) -> Request {
        match state.part {
            Part::First => {
                let run =
                    selected(state).and_then(|stats| runs_shown(&stats).1.worst().get(state.row).copied());
                run.map_or(Request::Evicted, |run| Request::TickAt(run.at))
            }
            Part::Second => self.delayed.get(state.row).map_or(NOTHING_DELAYED, |delayed| {
                Request::Breakdown(Box::new(Attribution::of_late(&delayed.row, state.picture())))
            }),
        }
    }
}

/// What queued the tasks of a tag, among the events still in the log, with counts: most frequent first.
fn queued_by(fold: &Fold, tag: Tag) -> Vec<(String, u64)> {
    // Every loop and every agenda numbers its tasks from 1.
    let mut parents: HashMap<(SourceId, TaskId), u64> = HashMap::new();
    let mut emitters: BTreeMap<SourceId, u64> = BTreeMap::new();
    let mut origins: BTreeMap<Origin, u64> = BTreeMap::new();
    for stamped in fold.log() {
        let source = stamped.source;
        match stamped.event {
            Event::TaskQueued { tag: its, parent, poster, place, .. } if its == tag => {
                match (parent, poster) {
                    (Some(parent), _) => *parents.entry((source, parent.get())).or_default() += 1,
                    (None, Some(poster)) => *emitters.entry(poster).or_default() += 1,
                    (None, None) => *origins.entry(place.origin).or_default() += 1,
                }
            }
            Event::WorkQueued { tag: its, parent: Some(parent), .. } if its == tag => {
                *parents.entry((source, parent.get())).or_default() += 1;
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
        // A task runs once: its first run takes the whole count.
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
    let unknown = (unknown > 0).then(|| ("tasks evicted from the log".to_owned(), unknown));
    let mut all: Vec<(String, u64)> = named.chain(by_emitter).chain(by_origin).chain(unknown).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// Something that a tag delayed.
#[derive(Clone, Debug, PartialEq)]
pub struct DelayedByTag {
    /// What was delayed, with the whole breakdown.
    pub row: LateRow,
    /// The part caused by the tag's [own runs](is_own_cause), in nanoseconds.
    pub ns: u64,
}

/// What a tag delayed, among the waits whose breakdowns are kept: largest part first.
fn delayed_by_tag(state: &AppState, tag: Tag) -> Vec<DelayedByTag> {
    let stats = stats(state, tag);
    let of_tag = |row: LateRow| {
        let of_tag = row.breakdown.shares.iter().map(|share| (Cause::of(&share.what), share.ns));
        let of_tag: Vec<(Cause, u64)> = of_tag.filter(|(cause, _)| cause_tag(*cause) == Some(tag)).collect();
        let ns = of_tag.iter().filter(|(cause, _)| is_own_cause(&stats, *cause)).map(|(_, ns)| ns).sum();
        (!of_tag.is_empty()).then_some(DelayedByTag { row, ns })
    };
    let mut all: Vec<DelayedByTag> =
        LateRow::all(state.picture(), state.of_window()).into_iter().filter_map(of_tag).collect();
    all.sort_by_key(|waiter| std::cmp::Reverse(waiter.ns));
    all
}

#[cfg(test)]
mod tests;
