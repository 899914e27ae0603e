//! Draws the tags.

use super::panes;
use crate::app::state::AppState;
use crate::pages::{tag, tag_table};
use crate::view::paint::Canvas;
use ratatui::layout::Rect;

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Rect) {
    let [table, detail] = panes(body);
    tag_table::view::draw(canvas, state, table, true);
    tag::view::detail(canvas, state, detail);
}
