//! Draws the table of the tags, sorted by any of its columns.

use loop_traces::loss::Bounds;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::{Shows, selected};
use crate::app::figures::{Column, Order, RunPlace, TagRow};
use crate::app::layout::rows;
use crate::app::state::AppState;
use crate::pages::tag_table;
use crate::theme::Theme;
use crate::units;
use crate::view::bounds;
use crate::view::paint::Canvas;
use crate::view::table::{self, bar, cell};

/// Draws the table.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let Order { column, inverted } = state.order;
    let arrow = if inverted { "▲" } else { "▼" };
    // Sorted by the delay caused, the table says who is to blame.
    let (title, of) = if column == Column::Caused { ("blame", "tasks ") } else { ("tasks", "") };
    let title =
        if state.filter.is_empty() { title.to_owned() } else { format!("{title} /{}", state.filter.text()) };
    let tags = &state.figures.tags;
    let theme = canvas.theme;
    let selected = selected(state);
    let beyond = match state.figures.tags_beyond_limit {
        0 => String::new(),
        tags => format!("{} beyond the limit, ", units::count(tags)),
    };
    let inner = canvas.pane(area, &title, &format!("{beyond}{of}by {} {arrow}", column.name()), focused);
    let columns = tag_table::columns(area, column);
    let heads: Vec<table::Column<'_>> = columns
        .iter()
        .map(|(shows, title, width)| {
            let is_figure = !matches!(shows, Shows::Sorted(Column::Tag) | Shows::Share);
            table::Column::new(title, *width, is_figure).strong(shows.sorts_by() == Some(column))
        })
        .collect();
    let beyond_ns = if state.filter.is_empty() { state.figures.beyond_limit_ns_total } else { 0 };
    let total: u64 = tags.iter().map(|row| row.run_ns_total).fold(beyond_ns, u64::saturating_add);
    let scroll = (selected.unwrap_or(0), selected.is_some());
    let shown = canvas.table(inner, &heads, tags.len(), scroll, |place, cells| {
        let cell = |((shows, ..), area): (&(Shows, _, _), &Rect)| {
            cell_of(state, theme, &tags[place], *shows, (area.width, total))
        };
        columns.iter().zip(cells).map(cell).collect::<Vec<_>>()
    });
    canvas.position(area, shown, tags.len());
    if tags.is_empty() {
        let text = if state.filter.is_empty() { "no task ran yet" } else { "no tag matches the filter" };
        canvas.pen(rows(area, true), 0).gap(1).put(text, theme.dim());
    }
}

fn cell_of(
    state: &AppState,
    theme: Theme,
    row: &TagRow,
    shows: Shows,
    (width, total_ns): (u16, u64),
) -> Line<'static> {
    // A time that may be different, and its mark, unless both do not fit.
    let uncertain = |ns: Option<u64>, bounds: Option<Bounds>, style, (mark, mark_style): (&str, _)| {
        let figure = bounds::marked(ns, bounds);
        let fits = figure.width() < usize::from(width);
        let mut cell = cell(figure, if ns.is_some() { style } else { theme.dim() });
        if fits {
            cell.push_span(Span::styled(format!("{mark:1}"), mark_style));
        }
        cell
    };
    let of = row.run_ns.bounds;
    match shows {
        Shows::Sorted(Column::Tag) => {
            let kind = match row.ran {
                RunPlace::Tasks => "",
                RunPlace::Io => " io",
                RunPlace::Pool => " pool",
                RunPlace::Agenda => " agenda",
            };
            // The name takes precedence: the kind is shown only if both fit.
            let fits = row.name.width() + kind.len() <= usize::from(width);
            let kind = Span::styled(if fits { kind } else { "" }, theme.dim());
            Line::from_iter([Span::styled(row.name.clone(), theme.text()), kind])
        }
        Shows::Sorted(Column::Count) => cell(units::short_count(row.count), theme.text()),
        Shows::Rate => {
            let seconds = state.window_ns() as f64 / 1e9;
            let rate = if seconds > 0.0 { row.count as f64 / seconds } else { 0.0 };
            cell(units::rate(rate), theme.dim())
        }
        Shows::Sorted(Column::RunP50) => {
            let p50 = bounds::marked(row.run_ns.p50, of.map(|of| of.p50));
            cell(p50, if row.run_ns.p50.is_some() { theme.text() } else { theme.dim() })
        }
        Shows::Sorted(Column::RunP99) => {
            uncertain(row.run_ns.p99, of.map(|of| of.p99), theme.text(), (row.run_ns.p99_mark(), theme.dim()))
        }
        Shows::Sorted(Column::RunMax) => {
            let over = row.run_ns.max > Some(state.about.stall_limit_ns)
                && matches!(row.ran, RunPlace::Tasks | RunPlace::Io);
            let (mark, style) = if over { ("▲", theme.over()) } else { ("", theme.text()) };
            uncertain(row.run_ns.max, of.map(|of| of.max), style, (mark, style))
        }
        Shows::Sorted(Column::WaitP99) => {
            let p99 = row.wait_ns.bounds.map(|of| of.p99);
            uncertain(row.wait_ns.p99, p99, theme.text(), (row.wait_ns.p99_mark(), theme.dim()))
        }
        Shows::Sorted(Column::Caused) => {
            let style = if row.caused_ns > 0 { theme.text() } else { theme.dim() };
            cell(units::duration(row.caused_ns), style)
        }
        Shows::Share => {
            let share = row.run_ns_total as f64 / total_ns.max(1) as f64;
            let bar = format!("{:8}", bar(share, width.saturating_sub(5)));
            let percent = format!("{:>5}", units::percent(share));
            Line::from_iter([Span::styled(bar, theme.bar()), Span::styled(percent, theme.dim())])
        }
    }
}
