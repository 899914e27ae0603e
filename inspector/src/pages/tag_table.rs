//! The table of the tags, on the overview and on a page of its own: its columns, its selection, its headings.

pub mod view;

use loop_probes::ids::Tag;
use ratatui::layout::{Position, Rect};

use super::page::Request;
use crate::app::figures::{Column, Order};
use crate::app::layout::{first_row, inner, moved, rows};
use crate::app::state::AppState;

/// The column widths, each including the blank before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagColumns {
    /// The tag.
    pub tag: u16,
    /// Runs.
    pub count: u16,
    /// Runs per second, on wide screens.
    pub rate: u16,
    /// The median run time.
    pub p50: u16,
    /// The 99th percentile of the run time, and its mark.
    pub p99: u16,
    /// The longest run time, and its mark.
    pub max: u16,
    /// The queue wait.
    pub wait: u16,
    /// The delay caused: on narrow screens it replaces the queue wait if the table is sorted by it.
    pub caused: u16,
    /// The bar of the tag's share of all run time, on wide screens.
    pub share: u16,
}

/// The column widths in a pane, when sorted by `by`.
#[must_use]
pub fn columns(pane: Rect, by: Column) -> TagColumns {
    let width = inner(pane).width;
    let rate = if width >= 80 { 8 } else { 0 };
    let share = if width >= 94 { 14 } else { 0 };
    let (count, p50, p99, max, wait, delay) =
        if width >= 72 { (9, 9, 9, 9, 11, 13) } else { (7, 8, 8, 8, 9, 9) };
    let (wait, caused) = match (width >= 60, by == Column::Caused) {
        (true, _) => (wait, delay),
        (false, true) => (0, wait),
        (false, false) => (wait, 0),
    };
    let figures = count + rate + p50 + p99 + max + wait + caused + share;
    TagColumns { tag: width.saturating_sub(figures), count, rate, p50, p99, max, wait, caused, share }
}

/// The column at a cell of the heading.
fn column_at(pane: Rect, x: u16, by: Column) -> Option<Column> {
    let TagColumns { tag, count, rate, p50, p99, max, wait, caused, .. } = columns(pane, by);
    let mut left = x.checked_sub(inner(pane).x)?;
    for (column, width) in Column::ALL.into_iter().zip([tag, count + rate, p50, p99, max, wait, caused]) {
        if left < width {
            return Some(column);
        }
        left -= width;
    }
    None
}

/// The row of the selected tag, if it passes the filter.
#[must_use]
pub fn selected(state: &AppState) -> Option<usize> {
    state.tag.and_then(|tag| state.figures.tags.iter().position(|row| row.tag == tag))
}

/// The tag in the first row.
#[must_use]
pub fn first(state: &AppState) -> Option<Tag> {
    state.figures.tags.first().map(|row| row.tag)
}

/// Moves the selection; without one, to the first tag or, by `i64::MAX`, to the last.
pub fn step(state: &mut AppState, by: i64) {
    let last = state.figures.tags.len().saturating_sub(1);
    let place = match selected(state) {
        Some(place) => moved(place, by, last),
        None if by == i64::MAX => last,
        None => 0,
    };
    state.tag = state.figures.tags.get(place).map(|row| row.tag);
}

/// A click: selects a tag, opens it if it is selected, or sorts by the column of the heading.
pub fn click(state: &mut AppState, at: Position, pane: Rect) -> Request {
    let rows = rows(pane, true);
    if at.y + 1 == rows.y {
        if let Some(column) = column_at(pane, at.x, state.order.column) {
            let again = state.order.column == column;
            state.order = Order { column, inverted: again && !state.order.inverted };
            state.figures.sort(state.order);
        }
        return Request::Nothing;
    }
    if !rows.contains(at) {
        return Request::Nothing;
    }
    let row = first_row(selected(state).unwrap_or(0), rows.height) + usize::from(at.y - rows.y);
    let Some(tag) = state.figures.tags.get(row).map(|row| row.tag) else { return Request::Nothing };
    if state.tag == Some(tag) {
        return Request::Open;
    }
    state.tag = Some(tag);
    Request::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found_by_their_column() {
        let pane = Rect::new(0, 7, 60, 10);
        let at = |x, by| column_at(pane, x, by);
        assert_eq!(at(1, Column::Tag), Some(Column::Tag));
        assert_eq!(at(57, Column::Tag), Some(Column::WaitP99));
        assert_eq!(at(57, Column::Caused), Some(Column::Caused), "takes the place of the wait");
        assert_eq!(at(0, Column::Tag), None);
        let wide = Rect::new(0, 7, 70, 10);
        assert_eq!(column_at(wide, 67, Column::Tag), Some(Column::Caused));
        assert_eq!(column_at(wide, 57, Column::Caused), Some(Column::WaitP99));
    }
}
