//! Selection of ticks, tags, stalls and rows, and its movement.

use loop_probes::ids::{Tag, Timestamp};
use loop_traces::timeline::SpanKind;

use super::{freeze, note, open};
use crate::app::attribution::Lead;
use crate::app::effect::Effect;
use crate::app::layout::{self, Pane};
use crate::app::lists;
use crate::app::state::{AppState, Part, TickKey, View};

/// Moves the marker by this many of the kept ticks; without a marker, to the newest.
pub(super) fn tick(state: &mut AppState, by: i64) {
    let recent = &state.picture().timeline.ticks.recent;
    let last = recent.len().saturating_sub(1);
    let place = match state.tick {
        None if by == i64::MIN => 0,
        None => last,
        Some(key) => match state.picture().place(key) {
            Some(place) => moved(place, by, last),
            // A stall before the oldest kept tick.
            None if by > 0 => 0,
            None => return,
        },
    };
    state.tick = recent.at(place).map(TickKey::of);
    aim(state);
}

/// Selects the longest run on the tick page, of whatever kind: in a tick of a thousand tasks, that is the one of
/// interest. Other lists start at their top.
pub(super) fn aim(state: &mut AppState) {
    state.row = 0;
    if (state.view, state.part) != (View::Tick, Part::First) {
        return;
    }
    let Some(tick) = state.shown_tick() else { return };
    let Some(opened) = state.picture().timeline.opened(tick) else { return };
    let ran =
        |kind: &SpanKind| !kind.is_point() && !matches!(kind, SpanKind::Phase(_) | SpanKind::Poll { .. });
    let runs = opened.spans.iter().enumerate().filter(|(_, opened)| ran(&opened.span.what));
    // Of equal ones, the first.
    let longest = runs.rev().max_by_key(|(_, opened)| opened.span.run_ns());
    state.row = longest.map_or(0, |(place, _)| place);
}

fn moved(place: usize, by: i64, last: usize) -> usize {
    let to = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(by).max(0);
    usize::try_from(to).unwrap_or(usize::MAX).min(last)
}

/// Moves the selection in the focused list.
pub(super) fn step(state: &mut AppState, by: i64) -> Vec<Effect> {
    match (state.view, state.focus) {
        (View::Overview, Pane::Stalls) => {
            let last = lists::stall_rows(state.picture()).saturating_sub(1);
            state.stall_row = moved(state.stall_row, by, last);
        }
        (View::Overview, Pane::Tasks) | (View::Tasks, _) => step_tag(state, by),
        (View::Overview, _) => {
            state.focus = Pane::Tasks;
            if state.tag.is_none() {
                step_tag(state, 0);
            }
        }
        (View::Tick, _) if state.part == Part::First => {
            let tick = state.shown_tick().copied();
            let opened = tick.and_then(|tick| state.picture().timeline.opened(&tick));
            let last = opened.map_or(0, |opened| opened.spans.len().saturating_sub(1));
            state.row = moved(state.row, by, last);
        }
        (View::Loop, _) => {
            let last = state.overview.keep_alive.held.len().saturating_sub(1);
            state.row = moved(state.row, by, last);
        }
        (View::Agenda, _) => {
            let workers = state.overview.agenda.as_ref().map_or(0, |agenda| agenda.workers.len());
            state.row = moved(state.row, by, workers.saturating_sub(1));
        }
        (View::Timers | View::Tag | View::Tick, _) => {
            let effects = freeze(state);
            step_row(state, by);
            return effects;
        }
        (View::Breakdown, _) => step_row(state, by),
        (View::Log, _) => {
            // The newest event is at the bottom: up leads into the past, which requires a frozen view.
            let effects = freeze(state);
            let last = lists::log_rows(state).saturating_sub(1);
            state.row = moved(state.row, by.saturating_neg(), last);
            return effects;
        }
    }
    Vec::new()
}

/// The tag of the selected item, on a page that lists something other than tags.
pub(super) fn tag_in_sight(state: &AppState) -> Option<Tag> {
    match (state.view, state.part) {
        (View::Breakdown, _) => {
            state.attribution.as_ref().and_then(|attribution| match attribution.lead(state.row) {
                Lead::Tag(tag) => Some(tag),
                Lead::Tick => attribution.subject.tag(),
            })
        }
        (View::Tick, Part::First) => {
            let opened = state.shown_tick().and_then(|tick| state.picture().timeline.opened(tick))?;
            match opened.spans.get(state.row)?.span.what {
                SpanKind::Task { tag, .. } | SpanKind::Io { tag, .. } | SpanKind::Timer { tag, .. } => {
                    Some(tag)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn step_row(state: &mut AppState, by: i64) {
    state.row = moved(state.row, by, lists::rows(state).saturating_sub(1));
}

fn step_tag(state: &mut AppState, by: i64) {
    let tags = &state.overview.tags;
    let last = tags.len().saturating_sub(1);
    let place = state.tag.and_then(|tag| tags.iter().position(|row| row.tag == tag));
    let place = match place {
        Some(place) => moved(place, by, last),
        None if by == i64::MAX => last,
        None => 0,
    };
    state.tag = tags.get(place).map(|row| row.tag);
    super::read_page(state);
}

/// Rows per page in the focused list.
pub(super) fn page_rows(state: &AppState) -> i64 {
    let page = layout::page(state.width, state.height, state.is_replay());
    let panes = layout::overview(page.body, state.extras());
    let rows = match (state.view, state.focus) {
        (View::Overview, Pane::Stalls) => layout::rows(panes.stalls, false).height,
        (View::Overview, _) => layout::rows(panes.tasks, true).height,
        (view, _) => {
            layout::list(view, state.part, page.body).unwrap_or(layout::rows(page.body, true)).height
        }
    };
    i64::from(rows.max(1))
}

/// Goes to the next or previous stall in time; wraps around at the ends.
pub(super) fn stall(state: &mut AppState, forward: bool) -> Vec<Effect> {
    if state.is_replay() {
        if state.view == View::Overview {
            state.focus = Pane::Ticks;
        }
        return vec![Effect::SeekStall { forward }];
    }
    let effects = freeze(state);
    let stalls = &state.picture().timeline.stalls;
    let mut oldest_first: Vec<(Timestamp, TickKey)> =
        stalls.newest_first().map(|stall| (stall.tick.start, TickKey::of(&stall.tick))).collect();
    oldest_first.reverse();
    let Some(last) = oldest_first.len().checked_sub(1) else {
        note(state, "no stall so far".to_owned(), false);
        return effects;
    };
    let here = state.tick.and_then(|key| state.picture().tick(key)).map(|tick| tick.start);
    let (place, round) = match here {
        None => (last, false),
        Some(here) if forward => match oldest_first.iter().position(|(start, _)| *start > here) {
            Some(place) => (place, false),
            None => (0, true),
        },
        Some(here) => match oldest_first.iter().rposition(|(start, _)| *start < here) {
            Some(place) => (place, false),
            None => (last, true),
        },
    };
    if round {
        let end = if forward {
            "that was the newest stall, this is the oldest"
        } else {
            "wrapped to the newest stall"
        };
        note(state, end.to_owned(), false);
    }
    select_stall(state, oldest_first[place].1);
    effects
}

/// Updates the selected stall after a replay went to a stall, or away from one.
pub(super) fn marked_stall(state: &mut AppState) {
    let row = state.tick.and_then(|key| lists::stall_row_of(state.picture(), key));
    state.stall_row = row.unwrap_or(state.stall_row);
    if state.view == View::Breakdown {
        open::marked_stall(state);
    }
}

fn select_stall(state: &mut AppState, key: TickKey) {
    state.stall_row = lists::stall_row_of(state.picture(), key).unwrap_or(0);
    state.tick = Some(key);
    aim(state);
    match state.view {
        View::Overview => state.focus = Pane::Ticks,
        View::Breakdown => open::marked_stall(state),
        _ => {}
    }
}
