//! Draws the overview.

mod panels;
mod stalls;
mod strip;

use super::layout::Pane;
use super::{OverviewPage, panes};
use crate::app::state::AppState;
use crate::pages::tag_table;
use crate::view::histogram;
use crate::view::paint::Canvas;

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &OverviewPage) {
    let panes = panes(state);
    strip::draw(canvas, state, page, &panes);
    tag_table::view::draw(canvas, state, panes.tasks, page.focus == Pane::Tasks);
    if !panes.lag.is_empty() {
        histogram::lag(canvas, state, panes.lag, page.focus == Pane::Lag);
    }
    panels::draw(canvas, state, &panes, page.focus);
    stalls::draw(canvas, state, page, panes.stalls);
}
