//! Draws the table of the tags, sorted by any of its columns.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{TagColumns, columns, selected};
use crate::app::figures::{Column, Order, RunPlace, TagRow};
use crate::app::layout::{first_row, inner, rows};
use crate::app::state::AppState;
use crate::units;
use crate::view::paint::{Canvas, Pen, cells};

/// Draws the table.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let Order { column, inverted } = state.order;
    let arrow = if inverted { "▲" } else { "▼" };
    let title = if state.filter.is_empty() { "tasks".to_owned() } else { format!("tasks /{}", state.filter) };
    let tags = &state.figures.tags;
    let rows = rows(area, true);
    let selected = selected(state);
    let first = first_row(selected.unwrap_or(0), rows.height);
    let below = tags.len().saturating_sub(first + usize::from(rows.height));
    let more = match (first, below) {
        (0, 0) => String::new(),
        (0, below) => format!("{below} below ─ "),
        (above, 0) => format!("{above} above ─ "),
        (above, below) => format!("{above} above, {below} below ─ "),
    };
    let beyond = match state.figures.tags_beyond_limit {
        0 => String::new(),
        tags => format!("{} beyond the limit, ", units::count(tags)),
    };
    canvas.pane(area, &title, &format!("{beyond}{more}by {} {arrow}", column.name()), focused);
    let columns = columns(area, state.order.column);
    heading(canvas, inner(area), &columns, state.order);

    let theme = canvas.theme;
    if tags.is_empty() {
        let text = if state.filter.is_empty() { "no task ran yet" } else { "no tag contains the filter" };
        canvas.pen(rows, 0).gap(1).put(text, theme.dim());
        return;
    }
    let beyond_ns = if state.filter.is_empty() { state.figures.beyond_limit_ns_total } else { 0 };
    let total: u64 = tags.iter().map(|row| row.run_ns_total).fold(beyond_ns, u64::saturating_add);
    canvas.list(rows, tags.len(), (selected.unwrap_or(0), selected.is_some()), |canvas, area, place| {
        let row = &tags[place];
        self::row(canvas, state, area, &columns, row);
        if columns.share > 0 && total > 0 {
            let share = row.run_ns_total as f64 / total as f64;
            let at = area.width - columns.share + 1;
            canvas.bar(cells(area, at, columns.share - 6), share, theme.bar());
            let percent = Rect { width: area.width.saturating_sub(1), ..area };
            canvas.pen(percent, 0).right(&units::percent(share), theme.dim());
        }
    });
}

fn heading(canvas: &mut Canvas<'_>, inner: Rect, columns: &TagColumns, order: Order) {
    let theme = canvas.theme;
    let style = |column| if order.column == column { theme.strong() } else { theme.dim() };
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).left("TAG", columns.tag.saturating_sub(1), style(Column::Tag));
    pen.number("COUNT", columns.count, style(Column::Count));
    if columns.rate > 0 {
        pen.number("RATE/s", columns.rate, style(Column::Count));
    }
    pen.number("RUN p50", columns.p50, style(Column::RunP50));
    pen.number("p99", columns.p99 - 1, style(Column::RunP99)).gap(1);
    pen.number("MAX", columns.max - 1, style(Column::RunMax)).gap(1);
    let caused = if columns.caused > 12 { "DELAY CAUSED" } else { "CAUSED" };
    for (title, width, column) in
        [("WAIT p99", columns.wait, Column::WaitP99), (caused, columns.caused, Column::Caused)]
    {
        pen.number(title, width.saturating_sub(1), style(column)).gap(width.min(1));
    }
    if columns.share > 0 {
        pen.put("% RUN TIME", theme.dim());
    }
}

fn row(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, columns: &TagColumns, row: &TagRow) {
    let theme = canvas.theme;
    let over = row.run_ns.max > Some(state.about.stall_limit_ns)
        && matches!(row.ran, RunPlace::Tasks | RunPlace::Io);
    let max_style = if over { theme.over() } else { theme.text() };
    let seconds = state.elapsed_ns() as f64 / 1e9;
    let mut pen = canvas.pen(area, 0);
    let kind = match row.ran {
        RunPlace::Tasks => "",
        RunPlace::Io => " io",
        RunPlace::Pool => " pool",
        RunPlace::Agenda => " agenda",
    };
    // The name comes first; its kind is only shown if both fit.
    let room = columns.tag.saturating_sub(1);
    let start = pen.gap(1).at();
    pen.put(&crate::text::cut(&row.name, room.into()), theme.text());
    let kind = if pen.at() - start + kind.len() as u16 <= room { kind } else { "" };
    pen.put(kind, theme.dim()).to(start + room);
    pen.number(&units::short_count(row.run_ns.count), columns.count, theme.text());
    if columns.rate > 0 {
        let rate = if seconds > 0.0 { row.run_ns.count as f64 / seconds } else { 0.0 };
        pen.number(&units::rate(rate), columns.rate, theme.dim());
    }
    let time = |pen: &mut Pen<'_, '_>, ns: Option<u64>, width: u16, style: Style| {
        pen.number(&units::duration(ns), width, if ns.is_some() { style } else { theme.dim() });
    };
    time(&mut pen, row.run_ns.p50, columns.p50, theme.text());
    time(&mut pen, row.run_ns.p99, columns.p99 - 1, theme.text());
    pen.left(row.run_ns.p99_mark(), 1, theme.dim());
    time(&mut pen, row.run_ns.max, columns.max - 1, max_style);
    pen.put(if over { "▲" } else { " " }, max_style);
    if columns.wait > 0 {
        time(&mut pen, row.wait_ns.p99, columns.wait - 2, theme.text());
        pen.left(row.wait_ns.p99_mark(), 2, theme.dim());
    }
    time(
        &mut pen,
        Some(row.caused_ns),
        columns.caused.saturating_sub(1),
        if row.caused_ns > 0 { theme.text() } else { theme.dim() },
    );
}
