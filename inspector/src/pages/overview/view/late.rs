//! The late timers and signals, worst first, each with what delayed it most.

use loop_traces::attribution::What;
use loop_traces::timeline::Cause;
use ratatui::layout::Rect;
use ratatui::text::Span;

use crate::app::attribution::LateRow;
use crate::app::layout::rows;
use crate::app::state::AppState;
use crate::pages::overview::OverviewPage;
use crate::pages::overview::layout::Pane;
use crate::pages::timers::late_shown;
use crate::units;
use crate::view::bounds;
use crate::view::paint::Canvas;
use crate::view::table::{Column, cell};
use crate::view::time::{so_far, when_width};

/// The narrowest pane that says when each was.
const WITH_TIME: u16 = 36;

/// The narrowest pane whose title also names the signals.
const WITH_SIGNALS: u16 = 44;

/// Draws the pane.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &OverviewPage, area: Rect) {
    if area.is_empty() {
        return;
    }
    let theme = canvas.theme;
    let focused = page.focus == Pane::Late;
    let title = if area.width >= WITH_SIGNALS { "late timers and signals" } else { "late timers" };
    canvas.pane(area, title, "worst first", focused);
    let rows = rows(area, false);
    let late: Vec<&LateRow> = late_shown(&page.late, state).collect();
    if late.is_empty() {
        let text = if page.late.is_empty() {
            format!("none{}", so_far(state))
        } else {
            "none match the filter".to_owned()
        };
        canvas.pen(rows, 0).gap(1).put(&text, theme.dim());
        return;
    }
    let labels = &state.picture().timeline.labels;
    let selected = page.late_selected(late.len());
    let when = if area.width >= WITH_TIME { when_width(state) } else { 0 };
    let name = if area.width >= WITH_TIME { 12 } else { 11 };
    let columns = [Column::text("", when), Column::text("", name), Column::rest("")];
    let columns = &columns[usize::from(when == 0)..];
    let shown = canvas.table(rows, columns, late.len(), (selected, focused), |place, _| {
        let row = late[place];
        let lag_ns = row.subject.lasted_ns();
        let mark = if row.subject.is_unfinished() { bounds::AT_LEAST } else { "" };
        let style = if lag_ns > state.about.stall_limit_ns { theme.over() } else { theme.text() };
        let mut lag = cell(format!("{mark}{} ", units::duration(lag_ns)), style);
        // The largest part that has a name.
        let parts = row.breakdown.shares.iter().filter(|share| !matches!(share.what, What::Others { .. }));
        let most = parts.max_by_key(|share| share.ns);
        let cause = most.map_or_else(String::new, |share| Cause::of(&share.what).describe(labels));
        let arrow = if theme.ascii { "<- " } else { "← " };
        lag.push_span(Span::styled(arrow, theme.dim()));
        lag.push_span(Span::styled(cause, theme.text()));
        let at = units::position(state.since_start_ns(row.subject.extent().1));
        let cells = [cell(at, theme.dim()), cell(row.name(labels), theme.text()), lag];
        cells.into_iter().skip(usize::from(when == 0)).collect::<Vec<_>>()
    });
    canvas.position(area, shown, late.len());
}
