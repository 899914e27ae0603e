//! What was delayed: in one row, and as a table.

use loop_probes::ids::Timestamp;
use loop_traces::timeline::TickSummary;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::paint::{Canvas, Pen, cells};
use super::time::{up_to, when_width};
use crate::app::delayed::{self, DelayedByTick};
use crate::app::layout::{inner, rows};
use crate::app::state::AppState;
use crate::units;

/// Width of a figure, including the blank before it.
const FIGURE: u16 = 8;
/// Maximum width of a name, if there is room for a bar, too.
const NAME_MAX: u16 = 32;

/// One row, such as `delayed: Heartbeat 38.9ms  HttpRequest ×14 512ms`; what does not fit is counted: `and 3 more`.
pub(crate) fn row(pen: &mut Pen<'_, '_>, state: &AppState, tick: &TickSummary) {
    let theme = pen.theme();
    let (dim, text) = (theme.dim(), theme.text());
    let labels = &state.picture().timeline.labels;
    let delayed = delayed::by_tick(state.picture(), tick);
    // A fold of the distant past only has the worst ones.
    let kept = if delayed.worst_only && !delayed.all.is_empty() { ", of the worst in history" } else { "" };
    pen.gap(1).put(&format!("delayed{kept}: "), dim);
    if delayed.all.is_empty() {
        pen.put(none_text(&delayed), dim).put(&up_to(state), dim);
        return;
    }
    let all = delayed.by_name(labels);
    for (place, one) in all.iter().enumerate() {
        let count =
            if one.count > 1 { format!(" ×{}", units::short_count(one.count)) } else { String::new() };
        let ns = format!("{count} {}  ", units::duration(one.ns));
        let more = all.len() - place - 1;
        let rest = if more > 0 { format!("and {more} more") } else { String::new() };
        let needed = one.name.width() + ns.chars().count() + rest.len();
        if place > 0 && needed >= usize::from(pen.room()) {
            pen.put(&format!("and {} more", more + 1), dim);
            return;
        }
        pen.put(&one.name, text).put(&ns, dim);
    }
}

/// What stands for an empty list.
pub(crate) const fn none_text(delayed: &DelayedByTick) -> &'static str {
    if delayed.worst_only { "none with a breakdown in history" } else { "nothing" }
}

/// A row of the table.
pub(crate) struct DelayedRow {
    /// When the wait ended.
    pub(crate) at: Timestamp,
    /// What waited.
    pub(crate) name: String,
    /// The part of the wait that counts here, in nanoseconds.
    pub(crate) ns: u64,
    /// The whole wait, in nanoseconds.
    pub(crate) waited_ns: u64,
}

/// Draws the waits, at least one, largest part first, in the pane `area`.
pub(crate) fn table(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    count: usize,
    selected: Option<usize>,
    row: impl Fn(usize) -> DelayedRow,
) {
    let theme = canvas.theme;
    let rows = rows(area, true);
    let when = when_width(state) + 3;
    let left = rows.width.saturating_sub(1 + when + 2 * FIGURE + 1);
    let name = if left > NAME_MAX + 10 { NAME_MAX } else { left };
    let bar = (left - name).saturating_sub(2);
    let mut pen = canvas.pen(inner(area), 0);
    pen.gap(1).left("WHEN", when, theme.dim()).left("DELAYED", name, theme.dim());
    pen.number("ITS PART", FIGURE, theme.strong()).number("WAIT", FIGURE, theme.dim());
    let most = row(0).ns.max(1);
    let scroll = (selected.unwrap_or(0), selected.is_some());
    let below = canvas.list(rows, count, scroll, |canvas, area, place| {
        let delayed = row(place);
        let over = delayed.waited_ns > state.about.stall_limit_ns;
        let mut pen = canvas.pen(area, 0);
        pen.gap(1).left(&units::position(state.since_start_ns(delayed.at)), when, theme.dim());
        pen.left(&delayed.name, name, theme.text());
        pen.number(&units::duration(delayed.ns), FIGURE, theme.text());
        let style = if over { theme.over() } else { theme.dim() };
        pen.number(&units::duration(delayed.waited_ns), FIGURE, style);
        let at = pen.at() + 2 - area.x;
        canvas.bar(cells(area, at, bar), delayed.ns as f64 / most as f64, theme.bar());
    });
    canvas.more_below(area, below);
}
