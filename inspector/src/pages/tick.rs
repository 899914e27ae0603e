//! One tick: what ran in it, its breakdown, and what it delayed.

pub mod flame;
pub mod view;

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{Tag, Timestamp};
use loop_traces::timeline::{OpenedSpan, OpenedTick, SpanKind, TickSummary};
use ratatui::layout::{Position, Rect};

use self::flame::Flame;
use super::page::{NOTHING_DELAYED, Page, Request, WHEEL_ROWS, click_lists};
use crate::app::attribution::Attribution;
use crate::app::delayed::{self, DelayedByTick};
use crate::app::fold::Fold;
use crate::app::layout::{from_bottom, inner, rows};
use crate::app::state::{AppState, Part};
use crate::describe;
use crate::units;

/// The state of the page. The tick shown is the marked one.
#[derive(Clone, Copy, Debug, Default)]
pub struct TickPage {
    /// The flame chart is magnified by two to the power of this.
    pub zoom: u32,
}

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

/// The first row shown of a list of `count` runs: the selected one is in the middle, so that what ran before and after it
/// is visible.
fn first_shown(selected: usize, count: usize, height: u16) -> usize {
    let height = usize::from(height);
    selected.saturating_sub(height / 2).min(count.saturating_sub(height))
}

/// The index of the selected run.
fn selected(state: &AppState) -> usize {
    if state.part == Part::First { state.row } else { 0 }
}

/// The tag of a span.
const fn tag_of(span: &SpanKind) -> Option<Tag> {
    match span {
        SpanKind::Task { tag, .. } | SpanKind::Io { tag, .. } | SpanKind::Timer { tag, .. } => Some(*tag),
        _ => None,
    }
}

/// Whether the filter lets nothing through that this run belongs to.
fn is_filtered_out(state: &AppState, what: SpanKind) -> bool {
    !state.filter.is_empty() && !tag_of(&what).is_some_and(|tag| state.lets_through(tag))
}

/// Whether a run alone is longer than the stall limit.
fn is_over(state: &AppState, opened: &OpenedSpan) -> bool {
    let is_run = !matches!(opened.span.what, SpanKind::Poll { .. } | SpanKind::Phase(_));
    is_run && opened.span.run_ns() > state.about.stall_limit_ns
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

    fn zoom(&mut self, state: &AppState, out: bool) -> Result<(), &'static str> {
        let Some(opened) = opened(state) else { return Err("no run to zoom in on") };
        let max = flame::zoom_max(&opened);
        let zoom = self.zoom.min(max);
        self.zoom = match out {
            true => zoom.checked_sub(1).ok_or("the chart shows the whole tick")?,
            false if zoom < max => zoom + 1,
            false => return Err("the chart cannot show less time"),
        };
        Ok(())
    }

    fn next_match(&mut self, state: &mut AppState, forward: bool) -> Option<Request> {
        const NONE: Request = Request::Note("no further match in this tick");
        let Some(opened) = opened(state).filter(|_| state.part == Part::First) else { return Some(NONE) };
        let mut matches =
            opened.spans.iter().enumerate().filter(|(_, run)| !is_filtered_out(state, run.span.what));
        let next = match forward {
            true => matches.find(|(place, _)| *place > state.row),
            false => matches.take_while(|(place, _)| *place < state.row).last(),
        };
        let Some((row, _)) = next else { return Some(NONE) };
        state.row = row;
        Some(Request::Freeze)
    }

    fn click(&mut self, state: &mut AppState, at: Position) -> Request {
        let [upper, _] = panes(state.body());
        if !upper.contains(at) {
            return click_lists(self, state, at);
        }
        let Some(opened) = opened(state) else { return Request::Nothing };
        let selected = selected(state);
        let flame = Flame::new(&opened, inner(upper), self.zoom, selected);
        let list = flame.list_rows();
        let clicked = if list.contains(at) {
            let first = first_shown(selected, opened.spans.len(), list.height);
            Some(first + usize::from(at.y - list.y)).filter(|row| *row < opened.spans.len())
        } else {
            flame.at(at)
        };
        let Some(row) = clicked else { return Request::Nothing };
        if state.part == Part::First && row == state.row {
            return Request::Open;
        }
        (state.part, state.row) = (Part::First, row);
        Request::Freeze
    }

    fn wheel(&mut self, state: &AppState, at: Position, direction: i64) -> Request {
        let [upper, _] = panes(state.body());
        let opened = opened(state).filter(|_| upper.contains(at));
        let on_chart = opened.is_some_and(|opened| {
            Flame::new(&opened, inner(upper), self.zoom, selected(state)).rows.contains(at)
        });
        match on_chart {
            true => self.zoom(state, direction > 0).map_or_else(Request::Note, |()| Request::Nothing),
            false => Request::StepRows(direction * WHEEL_ROWS),
        }
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

    fn copied(&self, state: &AppState) -> Option<String> {
        let opened = opened(state).filter(|_| state.part == Part::First)?;
        let span = &opened.spans.get(state.row)?.span;
        let (name, detail) = describe::span(&span.what, &state.picture().timeline.labels);
        let at = units::position_us(state.since_start_ns(span.start));
        let run = if span.what.is_point() {
            String::new()
        } else {
            format!("  {}", units::duration(span.run_ns()))
        };
        Some(format!("{at}  {name}{run}  {detail}\n"))
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
