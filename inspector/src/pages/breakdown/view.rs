//! A breakdown in full: each line with its share and a bar to scale, and their sum.

use ratatui::layout::Rect;

use super::{BreakdownPage, lines};
use crate::app::attribution::{Attribution, Subject};
use crate::app::layout::{below, first_row};
use crate::app::state::AppState;
use crate::describe;
use crate::text::cut;
use crate::view::paint::Canvas;
use crate::view::{breakdown as table, delayed};

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &BreakdownPage, body: Rect) {
    let Some(attribution @ Attribution { subject, breakdown, .. }) = &page.attribution else {
        let inner = canvas.pane(body, "breakdown", "", true);
        let dim = canvas.theme.dim();
        canvas.pen(inner, 0).gap(1).put("none is open: Enter on a stall or on a late timer opens one", dim);
        return;
    };
    let title = subject.title(&state.picture().timeline.labels);
    let slow = matches!(subject, Subject::Slow { .. });
    let remark = match (slow, body.width >= 96) {
        (true, true) => "Enter opens the task's tag, on the sum the tick",
        (true, false) => "Enter opens the task's tag",
        (false, true) => "Enter opens a line's tag, else the tick",
        (false, false) => "Enter opens a line",
    };
    let inner = canvas.pane(body, &title, remark, true);
    table::about(canvas, state, subject, inner);
    let list = lines(body);
    let headed = Rect { y: list.y - 1, height: list.height + 1, ..list };
    table::table(canvas, state, headed, (subject, breakdown), Some(state.row));
    let last = first_row(state.row, list.height) + usize::from(list.height);
    canvas.more_below(body, attribution.rows().saturating_sub(last));
    let explained = match breakdown.shares.get(state.row) {
        Some(share) => describe::what(&share.what),
        None if matches!(subject, Subject::Unfinished(_)) => describe::SUM_SO_FAR,
        None => describe::SUM,
    };
    let foot = Rect { y: inner.y + inner.height.saturating_sub(1), height: 1, ..inner };
    let dim = canvas.theme.dim();
    canvas.pen(foot, 0).gap(1).put(explained, dim);
    if let Subject::Tick(tick) = subject {
        delayed::row(&mut canvas.pen(Rect { y: foot.y.saturating_sub(1), ..foot }, 0), state, tick);
    }
    if attribution.is_bare() {
        bare(canvas, state, subject, below(headed, 4));
    }
}

/// Says that nothing within a slow task is labelled, and where to go from there.
fn bare(canvas: &mut Canvas<'_>, state: &AppState, subject: &Subject, area: Rect) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let labels = &state.picture().timeline.labels;
    let tag = subject.tag().map_or_else(String::new, |tag| labels.tag(tag).into_owned());
    let name = cut(&tag, usize::from(area.width / 3));
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put("nothing inside it is labelled", text).put(": where its time went is unknown", dim);
    let mut pen = canvas.pen(area, 1);
    pen.gap(1).put("Enter", theme.key()).put(" opens ", dim).put(&name, text);
    pen.put(": its statistics, what it delayed", dim);
    let mut pen = canvas.pen(area, 2);
    pen.gap(1).put("a span within it, of tracing or of the probe, becomes a line here", dim);
}
