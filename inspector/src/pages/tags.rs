//! The tags: the table, and the details of the selected tag beside it.

pub mod view;

use ratatui::layout::{Position, Rect};

use super::page::{Page, Request, row_step};
use super::tag_table;
use crate::app::layout::{NARROW, from_bottom, from_left, share};
use crate::app::state::AppState;

/// The page has no state of its own: all pages share the selected tag.
#[derive(Clone, Copy, Debug, Default)]
pub struct TagsPage;

/// Rows of the detail on a narrow screen.
const DETAIL_ROWS: u16 = 9;

/// The table, and the detail beside it, or below it on a narrow screen.
fn panes(body: Rect) -> [Rect; 2] {
    if body.width < NARROW {
        from_bottom(body, DETAIL_ROWS.min(body.height / 2 + 1))
    } else {
        from_left(body, share(body.width, 58).max(55).min(body.width))
    }
}

impl Page for TagsPage {
    fn step(&mut self, state: &mut AppState, by: i64) {
        tag_table::step(state, by);
    }

    fn next_match(&mut self, _state: &mut AppState, forward: bool) -> Option<Request> {
        Some(row_step(forward))
    }

    fn open(&self, _state: &AppState) -> Request {
        Request::SelectedTag
    }

    fn click(&mut self, state: &mut AppState, at: Position) -> Request {
        let [table, _] = panes(state.body());
        if table.contains(at) { tag_table::click(state, at, table) } else { Request::Nothing }
    }
}
