//! Clicks and the wheel: each acts like a key, at the position of the pointer.

use super::{freeze, keys, pick};
use crate::app::columns::{Columns, busiest, column_ticks};
use crate::app::effect::Effect;
use crate::app::layout::{self, Area, Overview, Pane};
use crate::app::lists;
use crate::app::message::{Mouse, MouseKind};
use crate::app::overview::{Column, Order};
use crate::app::state::{AppState, Part, TickKey, View};

/// Rows per notch of the wheel, in lists.
const WHEEL_ROWS: i64 = 3;

pub(super) fn moved(state: &mut AppState, mouse: Mouse) -> Vec<Effect> {
    if !layout::fits(state.width, state.height) {
        return Vec::new();
    }
    if state.help {
        state.help = mouse.kind != MouseKind::Click;
        return Vec::new();
    }
    let page = layout::page(state.width, state.height, state.is_replay());
    if let Some(effects) = on_scrubber(state, mouse, page.scrubber) {
        return effects;
    }
    let panes = (state.view == View::Overview).then(|| layout::overview(page.body, state.extras()));
    match (mouse.kind, panes) {
        (MouseKind::Drag, _) => Vec::new(),
        (MouseKind::Click, Some(panes)) => click(state, mouse, &panes),
        (MouseKind::Click, None) => click_list(state, mouse, page.body),
        (MouseKind::WheelUp, panes) => wheel(state, mouse, panes, -1),
        (MouseKind::WheelDown, panes) => wheel(state, mouse, panes, 1),
    }
}

fn on_scrubber(state: &AppState, mouse: Mouse, scrubber: Option<Area>) -> Option<Vec<Effect>> {
    let scrubber = scrubber.filter(|area| area.contains(mouse.x, mouse.y))?;
    if !matches!(mouse.kind, MouseKind::Click | MouseKind::Drag) {
        return Some(Vec::new());
    }
    let track = layout::track(scrubber);
    let share = f64::from(mouse.x.saturating_sub(track.x)) / f64::from(track.width.saturating_sub(1).max(1));
    Some(state.playback.iter().map(|playback| Effect::Seek(playback.at_share(share))).collect())
}

fn wheel(state: &mut AppState, mouse: Mouse, panes: Option<Overview>, direction: i64) -> Vec<Effect> {
    match panes.map(|panes| panes.pane_at(mouse.x, mouse.y)) {
        None => pick::step(state, direction * WHEEL_ROWS),
        Some(Some(Pane::Ticks)) => keys::step_ticks(state, direction),
        Some(Some(pane @ (Pane::Tasks | Pane::Stalls))) => {
            state.focus = pane;
            pick::step(state, direction)
        }
        Some(_) => Vec::new(),
    }
}

fn click(state: &mut AppState, mouse: Mouse, panes: &Overview) -> Vec<Effect> {
    let Some(pane) = panes.pane_at(mouse.x, mouse.y) else { return Vec::new() };
    let had_focus = state.focus == pane;
    state.focus = pane;
    match pane {
        Pane::Ticks => click_tick(state, mouse, panes.ticks),
        Pane::Tasks => click_tag(state, mouse, panes.tasks),
        Pane::Stalls => {
            let rows = layout::rows(panes.stalls, false);
            if !rows.contains(mouse.x, mouse.y) {
                return Vec::new();
            }
            let first = layout::first_row(state.stall_row, rows.height);
            let row = first + usize::from(mouse.y - rows.y);
            if had_focus && row == state.stall_row {
                return keys::open(state);
            }
            if row < lists::stall_rows(state.picture()) {
                state.stall_row = row;
            }
            Vec::new()
        }
        _ if had_focus => keys::open(state),
        _ => Vec::new(),
    }
}

fn click_tick(state: &mut AppState, mouse: Mouse, pane: Area) -> Vec<Effect> {
    let strip = layout::strip(pane);
    if !(strip.x..strip.x + strip.width).contains(&mouse.x) {
        return Vec::new();
    }
    let picture = state.picture();
    let marked = state.marked_tick().map(TickKey::of);
    let place = marked.and_then(|key| picture.place(key));
    let ticks = &picture.timeline.ticks;
    let columns = Columns::new(ticks, column_ticks(state));
    let window = columns.window(layout::tick_columns(strip), place);
    let cell = usize::from(mouse.x - strip.x);
    let column = cell.checked_sub(window.indent).filter(|column| *column < window.count);
    let places = column.map_or(0..0, |column| columns.places(window.first + column));
    // Of several ticks, the one that the column shows.
    let clicked = busiest(ticks.recent.iter().skip(places.start).take(places.len())).map(TickKey::of);
    if clicked.is_none() {
        return Vec::new();
    }
    if marked == clicked {
        return keys::open(state);
    }
    let effects = freeze(state);
    state.tick = clicked;
    state.row = 0;
    effects
}

fn click_tag(state: &mut AppState, mouse: Mouse, pane: Area) -> Vec<Effect> {
    let rows = layout::rows(pane, true);
    if mouse.y + 1 == rows.y {
        if let Some(column) = layout::column_at(pane, mouse.x, state.order.column) {
            sort_by(state, column);
        }
        return Vec::new();
    }
    if !rows.contains(mouse.x, mouse.y) {
        return Vec::new();
    }
    let row = layout::first_row(tag_row(state), rows.height) + usize::from(mouse.y - rows.y);
    let Some(tag) = state.overview.tags.get(row).map(|row| row.tag) else { return Vec::new() };
    if state.tag == Some(tag) {
        return keys::open(state);
    }
    state.tag = Some(tag);
    Vec::new()
}

fn sort_by(state: &mut AppState, column: Column) {
    let again = state.order.column == column;
    state.order = Order { column, inverted: again && !state.order.inverted };
    state.overview.sort(state.order);
}

fn tag_row(state: &AppState) -> usize {
    let tags = &state.overview.tags;
    state.tag.and_then(|tag| tags.iter().position(|row| row.tag == tag)).unwrap_or(0)
}

fn click_list(state: &mut AppState, mouse: Mouse, body: Area) -> Vec<Effect> {
    if state.view == View::Tasks {
        let (list, _) = layout::list_and_detail(body);
        return if list.contains(mouse.x, mouse.y) { click_tag(state, mouse, list) } else { Vec::new() };
    }
    for part in [Part::First, Part::Second] {
        let list = layout::list(state.view, part, body).filter(|list| list.contains(mouse.x, mouse.y));
        if let Some(list) = list {
            return click_row(state, part, list, mouse.y);
        }
    }
    Vec::new()
}

/// Selects a row of a list, or opens it if it is already selected.
fn click_row(state: &mut AppState, part: Part, list: Area, y: u16) -> Vec<Effect> {
    let had_focus = state.part == part || !layout::has_two_lists(state.view);
    let scrolled = if had_focus { layout::first_row(state.row, list.height) } else { 0 };
    let row = scrolled + usize::from(y - list.y);
    if had_focus && row == state.row {
        return keys::open(state);
    }
    let before = std::mem::replace(&mut state.part, part);
    if row < lists::rows(state) {
        state.row = row;
        return freeze(state);
    }
    state.part = before;
    Vec::new()
}
