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
    tag_table::view::draw(canvas, state, panes.area(Pane::Tasks), page.focus == Pane::Tasks);
    let lag = panes.area(Pane::Lag);
    if !lag.is_empty() {
        histogram::lag(canvas, state, lag, page.focus == Pane::Lag);
    }
    panels::draw(canvas, state, &panes, page.focus);
    stalls::draw(canvas, state, page, panes.area(Pane::Stalls));
}
