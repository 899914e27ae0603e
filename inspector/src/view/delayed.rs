//! Draws what was delayed: in one row, and as a table.

use loop_probes::ids::Timestamp;
use loop_traces::timeline::TickSummary;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::paint::{Canvas, Pen};
use super::table::{Column, bar, cell};
use super::time::{up_to, when_width};
use crate::app::delayed::{self, DelayedByTick};
use crate::app::layout::inner;
use crate::app::state::AppState;
use crate::units;

/// Width of a figure and its heading.
const FIGURE: u16 = 8;
/// Maximum width of a name beside a bar.
const NAME_MAX: u16 = 32;

/// Draws one row, such as `delayed: Heartbeat 38.9ms  HttpRequest ×14 512ms  and 3 more`; the last words count the names
/// that do not fit.
pub(crate) fn row(pen: &mut Pen<'_, '_>, state: &AppState, tick: &TickSummary) {
    let theme = pen.theme();
    let (dim, text) = (theme.dim(), theme.text());
    let labels = &state.picture().timeline.labels;
    let delayed = delayed::by_tick(state.picture(), tick);
    // For a tick that the log no longer reaches, only the worst waits are known.
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

/// The text of an empty list.
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
    let when = when_width(state) + 2;
    let left = inner(area).width.saturating_sub(when + 2 * FIGURE + 5);
    let columns = [
        Column::text("WHEN", when),
        Column::text("DELAYED", if left > NAME_MAX + 10 { NAME_MAX } else { left }),
        Column::figure("ITS PART", FIGURE).strong(true),
        Column::figure("WAIT", FIGURE - 1),
        Column::rest(""),
    ];
    let most = row(0).ns.max(1);
    let scroll = (selected.unwrap_or(0), selected.is_some());
    let shown = canvas.table(inner(area), &columns, count, scroll, |place, cells| {
        let delayed = row(place);
        let over = delayed.waited_ns > state.about.stall_limit_ns;
        [
            cell(units::position(state.since_start_ns(delayed.at)), theme.dim()),
            cell(delayed.name, theme.text()),
            cell(units::duration(delayed.ns), theme.text()),
            cell(units::duration(delayed.waited_ns), if over { theme.over() } else { theme.dim() }),
            cell(bar(delayed.ns as f64 / most as f64, cells[4].width), theme.bar()),
        ]
    });
    canvas.position(area, shown, count);
}
