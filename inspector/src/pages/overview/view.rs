//! Draws the overview.

mod history;
mod late;
mod panels;
mod scale;
mod stalls;
mod strip;

use super::layout::Pane;
use super::zoom::Zoom;
use super::{OverviewPage, panes};
use crate::app::state::AppState;
use crate::pages::tag_table;
use crate::view::paint::Canvas;

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &OverviewPage) {
    let panes = panes(state);
    let (columns, step_ns) = page.through_time(state, &panes);
    let columns = (&columns[..], step_ns);
    history::lag(canvas, state, &panes, columns, page.focus == Pane::Lag);
    match page.column(state, &panes) {
        Zoom::Time(_) => history::ticks(canvas, state, page, &panes, columns),
        Zoom::Ticks(_) => strip::draw(canvas, state, page, &panes),
    }
    tag_table::view::draw(canvas, state, panes.area(Pane::Tasks), page.focus == Pane::Tasks);
    late::draw(canvas, state, page, panes.area(Pane::Late));
    panels::draw(canvas, state, &panes, page.focus);
    stalls::draw(canvas, state, page, panes.area(Pane::Stalls));
}
