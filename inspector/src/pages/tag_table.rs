//! The table of the tags, on the overview and on its own page: columns, selection, headings.

pub mod view;

use loop_probes::ids::Tag;
use ratatui::layout::Constraint::{self, Fill, Length};
use ratatui::layout::{Position, Rect};

use super::page::Request;
use crate::app::figures::{Column, Order};
use crate::app::layout::{cells, first_row, inner, moved, rows};
use crate::app::state::AppState;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// A column that the table can be sorted by.
    Sorted(Column),
    /// Runs per second, on wide screens.
    Rate,
    /// The tag's share of all run time, on wide screens.
    Share,
}

impl Shows {
    /// What a click on the heading sorts by.
    #[must_use]
    pub const fn sorts_by(self) -> Option<Column> {
        match self {
            Self::Sorted(column) => Some(column),
            Self::Rate => Some(Column::Count),
            Self::Share => None,
        }
    }
}

/// The columns in a pane, when sorted by `by`: what they show, their heading, and their width. Percentiles and maxima
/// have a cell for their mark, which the heading leaves blank.
#[must_use]
pub fn columns(pane: Rect, by: Column) -> Vec<(Shows, &'static str, Constraint)> {
    use Shows::{Rate, Share, Sorted};
    let width = inner(pane).width;
    // On the narrowest panes, the median has a place only if the table is sorted by it, instead of the 99th percentile.
    let is_small = width < 50;
    let [count, figure, wait, caused] = if width >= 72 { [8, 8, 10, 12] } else { [6, 7, 8, 8] };
    let delay = if width >= 72 { "DELAY CAUSED" } else { "CAUSED" };
    let mut columns =
        vec![(Sorted(Column::Tag), "TAG", Fill(1)), (Sorted(Column::Count), "COUNT", Length(count))];
    columns.extend((width >= 80).then_some((Rate, "RATE/s", Length(7))));
    let p50 = (Sorted(Column::RunP50), "RUN p50", Length(figure));
    let p99 = |heading| (Sorted(Column::RunP99), heading, Length(figure));
    match (is_small, by) {
        (true, Column::RunP50) => columns.push(p50),
        (true, _) => columns.push(p99("p99 RUN")),
        (false, _) => columns.extend([p50, p99("p99 ")]),
    }
    columns.push((Sorted(Column::RunMax), "MAX ", Length(figure)));
    // On a narrow screen, the delay caused replaces the queue wait if the table is sorted by it.
    let both = width >= 60;
    let wait = (Sorted(Column::WaitP99), "WAIT p99", Length(wait));
    columns.extend((both || by != Column::Caused).then_some(wait));
    columns.extend((both || by == Column::Caused).then_some((Sorted(Column::Caused), delay, Length(caused))));
    columns.extend((width >= 94).then_some((Share, "% RUN TIME", Length(13))));
    columns
}

/// The column whose heading or figures are at `x`.
fn column_at(pane: Rect, x: u16, by: Column) -> Option<Column> {
    let columns = columns(pane, by);
    let cells = cells(inner(pane), columns.iter().map(|(.., width)| *width));
    // The blank before a column belongs to it.
    let place = cells.iter().position(|cell| (cell.x.saturating_sub(1)..cell.right()).contains(&x))?;
    columns[place].0.sorts_by()
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

/// Moves the selection; without one, selects the first tag or, if `by` is `i64::MAX`, the last.
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
        assert_eq!((at(0, Column::Tag), at(59, Column::Tag)), (None, None));
        let wide = Rect::new(0, 7, 70, 10);
        assert_eq!(column_at(wide, 67, Column::Tag), Some(Column::Caused));
        assert_eq!(column_at(wide, 57, Column::Caused), Some(Column::WaitP99));
        let widest = Rect::new(0, 7, 120, 10);
        assert_eq!(column_at(widest, 110, Column::Tag), None, "the share sorts nothing");
    }
}
