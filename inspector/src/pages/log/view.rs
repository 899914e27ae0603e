//! Draws the log.

use ratatui::layout::Rect;

use super::LogPage;
use crate::app::state::AppState;
use crate::describe;
use crate::pages::page::LogOf;
use crate::text::cut_middle;
use crate::units;
use crate::view::paint::Canvas;

/// Width of an emitter's name, on screens that have room for it; the second if there are workers of an agenda.
const SOURCE_WIDTHS: [u16; 2] = [12, 15];
/// Width of the kind's name.
const KIND_WIDTH: u16 = 17;

/// The name of a kind of events in the title.
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
    let filter = if state.filter.is_empty() { String::new() } else { format!(" /{}", state.filter) };
    let title = format!("log{of}{filter}");
    let remark =
        format!("{} so far ── Enter opens the tick", units::counted(timeline.events, "event", "events"));
    let inner = canvas.pane(body, &title, &remark, true);
    let height = usize::from(inner.height);
    // Keeps the selected row visible: the page ends at the newest event, or above it.
    let below = state.row.saturating_sub(height.saturating_sub(1));
    let shown: Vec<_> = page.from_newest(state).skip(below).take(height).collect();
    if shown.is_empty() {
        let text = match (state.filter.is_empty(), of.as_str()) {
            (true, "") => "no event yet",
            (true, _) => "no such event in history; 5 shows all",
            (false, _) => "no event of a tag that contains the filter",
        };
        canvas.pen(inner, 0).gap(1).put(text, theme.dim());
        return;
    }
    let sources = body.width >= 100;
    let source_width = SOURCE_WIDTHS[usize::from(timeline.agenda.is_seen())];
    for (up, stamped) in shown.iter().enumerate() {
        let line = (shown.len() - 1 - up) as u16;
        let mut pen = canvas.pen(inner, line);
        pen.gap(1).put(&units::position_us(state.since_start_ns(stamped.at)), theme.dim()).gap(2);
        if sources {
            let name = timeline.labels.source(stamped.source);
            pen.left(&cut_middle(&name, source_width.into()), source_width, theme.dim()).gap(1);
        }
        pen.left(stamped.event.name(), KIND_WIDTH, theme.strong()).gap(1);
        pen.put(&describe::event(stamped.at, &stamped.event, &timeline.labels), theme.text());
        if below + up == state.row && state.row > 0 {
            canvas.buffer.set_style(Rect { y: inner.y + line, height: 1, ..inner }, theme.selected());
        }
    }
}
