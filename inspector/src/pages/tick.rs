//! One tick: what ran in it, its breakdown, and what it delayed.

pub mod view;

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{Tag, Timestamp};
use loop_traces::timeline::{OpenedSpan, OpenedTick, SpanKind, TickSummary};
use ratatui::layout::Rect;

use super::page::{NOTHING_DELAYED, Page, Request};
use crate::app::attribution::Attribution;
use crate::app::delayed::{self, DelayedByTick};
use crate::app::fold::Fold;
use crate::app::layout::{from_bottom, rows};
use crate::app::state::{AppState, Part};

/// The page has no state of its own: the tick shown is the marked one.
#[derive(Clone, Copy, Debug, Default)]
pub struct TickPage;

/// Rows of the pane below the list of runs, including its frame.
const BELOW_ROWS: u16 = 8;

/// The areas of what ran in the tick and, below, of its summary or, with the focus, of what it delayed.
fn panes(body: Rect) -> [Rect; 2] {
    from_bottom(body, BELOW_ROWS)
}

/// What the shown tick delayed.
#[must_use]
pub fn delayed(state: &AppState) -> DelayedByTick {
    state.shown_tick().map(|tick| delayed::by_tick(state.picture(), tick)).unwrap_or_default()
}

fn opened(state: &AppState) -> Option<OpenedTick> {
    state.shown_tick().and_then(|tick| state.picture().timeline.opened(tick))
}

/// The tag of a span.
const fn tag_of(span: &SpanKind) -> Option<Tag> {
    match span {
        SpanKind::Task { tag, .. } | SpanKind::Io { tag, .. } | SpanKind::Timer { tag, .. } => Some(*tag),
        _ => None,
    }
}

impl Page for TickPage {
    fn rows(&self, state: &AppState) -> usize {
        match state.part {
            Part::First => opened(state).map_or(0, |opened| opened.spans.len()),
            Part::Second => delayed(state).all.len(),
        }
    }

    fn lists(&self, body: Rect) -> [Rect; 2] {
        [Rect::ZERO, rows(panes(body)[1], true)]
    }

    fn rows_move(&self, state: &AppState) -> bool {
        state.part == Part::Second
    }

    /// The longest run of any kind: in a tick of a thousand tasks, it is the one of interest.
    fn first_selected(&self, state: &AppState) -> usize {
        let Some(opened) = opened(state).filter(|_| state.part == Part::First) else { return 0 };
        let ran =
            |kind: &SpanKind| !kind.is_point() && !matches!(kind, SpanKind::Phase(_) | SpanKind::Poll { .. });
        let runs = opened.spans.iter().enumerate().filter(|(_, opened)| ran(&opened.span.what));
        // The first of equals.
        let longest = runs.rev().max_by_key(|(_, opened)| opened.span.run_ns());
        longest.map_or(0, |(place, _)| place)
    }

    fn ends_are_ticks(&self, state: &AppState) -> bool {
        state.is_replay()
    }

    fn open(&self, state: &AppState) -> Request {
        match state.part {
            Part::First => open_span(state),
            Part::Second => {
                let delayed = delayed(state).all.get(state.row).copied();
                delayed
                    .and_then(|delayed| Attribution::of_wait(&delayed.stamped, state.picture()))
                    .map_or(NOTHING_DELAYED, |attribution| Request::Breakdown(Box::new(attribution)))
            }
        }
    }

    fn tag(&self, state: &AppState) -> Option<Tag> {
        let opened = opened(state).filter(|_| state.part == Part::First)?;
        tag_of(&opened.spans.get(state.row)?.span.what)
    }
}

/// Opens a span: its breakdown if it waited or was slow, else its tag.
fn open_span(state: &AppState) -> Request {
    let opened = opened(state);
    let selected =
        opened.as_ref().and_then(|opened| Some((opened.tick.source, opened.spans.get(state.row)?)));
    let Some((source, OpenedSpan { span, .. })) = selected else { return Request::Evicted };
    if let Some(attribution) = Attribution::of_span(span, source, state.picture()) {
        return Request::Breakdown(Box::new(attribution));
    }
    match span.what {
        SpanKind::Task { tag, .. } | SpanKind::Io { tag, .. } => Request::Tag(tag),
        _ => Request::Nothing,
    }
}

/// What was queued during a tick, among the events still in the log, by tag: most frequent first.
fn enqueued_during(fold: &Fold, tick: &TickSummary) -> Vec<(Tag, u64)> {
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
fn lost_in(fold: &Fold, tick: &TickSummary) -> Vec<(Timestamp, Timestamp, u64)> {
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
