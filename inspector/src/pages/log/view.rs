//! Draws the log.

use ratatui::layout::Rect;

use super::LogPage;
use crate::app::state::AppState;
use crate::describe;
use crate::pages::page::{LogOf, Page as _};
use crate::text::cut_middle;
use crate::units;
use crate::view::paint::Canvas;
use crate::view::table::{Column, cell};

/// Width of an emitter's name: without an agenda, and with one, whose workers have longer names.
const SOURCE_WIDTHS: [u16; 2] = [12, 15];
/// Width of the kind's name.
const KIND_WIDTH: u16 = 17;

/// The title's name for a kind of events.
const fn name(of: LogOf) -> &'static str {
    match of {
        LogOf::Queues => "queues",
        LogOf::Microtasks => "microtasks",
        LogOf::Gc => "gc",
    }
}

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &LogPage, body: Rect) {
    let theme = canvas.theme;
    let timeline = &state.picture().timeline;
    let of = page.of.map_or_else(String::new, |of| format!(" of {}", name(of)));
    let filter = if state.filter.is_empty() { String::new() } else { format!(" /{}", state.filter.text()) };
    let title = format!("log{of}{filter}");
    let remark =
        format!("{} so far ── Enter opens the tick", units::counted(timeline.events, "event", "events"));
    let inner = canvas.pane(body, &title, &remark, true);
    let height = usize::from(inner.height);
    // Keeps the selected row visible: the page ends at the newest event or, scrolled up, at an older one.
    let below = state.row.saturating_sub(height.saturating_sub(1));
    let shown: Vec<_> = page.from_newest(state).skip(below).take(height).collect();
    if shown.is_empty() {
        let text = match (state.filter.is_empty(), of.as_str()) {
            (true, "") => "no events yet",
            (true, _) => "no such events in history; 5 shows all",
            (false, _) => "no events match the filter",
        };
        canvas.pen(inner, 0).gap(1).put(text, theme.dim());
        return;
    }
    let source_width = SOURCE_WIDTHS[usize::from(timeline.agenda.is_seen())];
    let time_width = units::position_us(state.elapsed_ns()).len() as u16 + 1;
    let has_source = body.width >= 100;
    let mut columns = vec![Column::text("", time_width)];
    columns.extend(has_source.then(|| Column::text("", source_width)));
    columns.extend([Column::text("", KIND_WIDTH), Column::rest("")]);
    let selected = (shown.len() + below).saturating_sub(1 + state.row);
    canvas.table(inner, &columns, shown.len(), (selected, state.row > 0), |place, _| {
        let stamped = shown[shown.len() - 1 - place];
        let source = timeline.labels.source(stamped.source);
        let source = cell(cut_middle(&source, source_width.into()), theme.dim());
        let about = describe::event(stamped.at, &stamped.event, &timeline.labels);
        [cell(units::position_us(state.since_start_ns(stamped.at)), theme.dim())]
            .into_iter()
            .chain(has_source.then_some(source))
            .chain([cell(stamped.event.name(), theme.strong()), cell(about, theme.text())])
            .collect::<Vec<_>>()
    });
    if state.row > 0 {
        let count = page.rows(state);
        let end = count.saturating_sub(below);
        canvas.position(body, end - shown.len()..end, count);
    }
}
