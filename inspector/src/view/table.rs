//! Lists and tables: ratatui's `Table`, filled with the visible rows, and the position in the list on the frame.
//!
//! Bars are text, because table cells hold nothing else. ratatui's `Gauge` would need a cell of its own, and swaps
//! the two colours of its middle cell for a label, even an empty one: without colours that is a hole in the bar.

use std::ops::Range;

use ratatui::layout::{Alignment, Constraint, Margin, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Row, Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget as _, Table, TableState,
};
use unicode_width::UnicodeWidthStr as _;

use super::paint::{Canvas, HATCH};
use crate::app::layout::{cells, first_row};
use crate::text::cut;
use crate::units;

/// The scroll bar's part on the frame.
const THUMB: &str = "┃";

/// A column: its heading, its width, and how its cells are aligned.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    title: &'a str,
    width: Constraint,
    is_figure: bool,
    is_strong: bool,
}

impl<'a> Column<'a> {
    /// Left-aligned text, cut with `…`.
    pub(crate) const fn text(title: &'a str, width: u16) -> Self {
        Self { title, width: Constraint::Length(width), is_figure: false, is_strong: false }
    }

    /// Text in the room that the other columns leave.
    pub(crate) const fn rest(title: &'a str) -> Self {
        Self { width: Constraint::Fill(1), ..Self::text(title, 0) }
    }

    /// Right-aligned figures. One that does not fit is left out rather than cut.
    pub(crate) const fn figure(title: &'a str, width: u16) -> Self {
        Self { is_figure: true, ..Self::text(title, width) }
    }

    /// A column of any width.
    pub(crate) const fn new(title: &'a str, width: Constraint, is_figure: bool) -> Self {
        Self { width, is_figure, ..Self::text(title, 0) }
    }

    /// The column with an emphasized heading, if `is_strong`.
    pub(crate) const fn strong(self, is_strong: bool) -> Self {
        Self { is_strong, ..self }
    }

    fn align<'t>(&self, cell: Line<'t>, width: usize) -> Line<'t> {
        let alignment = if self.is_figure { Alignment::Right } else { Alignment::Left };
        if cell.width() <= width {
            return cell.alignment(alignment);
        }
        if self.is_figure {
            return Line::default();
        }
        let mut room = width;
        let fit = |span: Span<'t>| {
            let text = cut(&span.content, room);
            room -= text.width();
            Span::styled(text, span.style)
        };
        cell.spans.into_iter().map(fit).collect()
    }
}

/// A cell of one style.
pub(crate) fn cell<'t>(text: impl Into<std::borrow::Cow<'t, str>>, style: Style) -> Line<'t> {
    Line::from(Span::styled(text, style))
}

/// A bar of `share` (0 to 1) of `width` cells, in eighths of a cell; anything above zero shows at least a sliver.
pub(crate) fn bar(share: f64, width: u16) -> String {
    if share.is_nan() || share <= 0.0 || width == 0 {
        return String::new();
    }
    let eighths = ((share.min(1.0) * f64::from(width) * 8.0).round() as usize).max(1);
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    "█".repeat(eighths / 8) + part
}

/// A bar for time with lost records: hatched, in whole cells.
pub(crate) fn hatch(share: f64, width: u16) -> String {
    let cells = (share.min(1.0) * f64::from(width)).round() as usize;
    HATCH.repeat(if share > 0.0 { cells.max(1).min(width.into()) } else { 0 })
}

impl Canvas<'_> {
    /// Draws headings, if any, and the rows of a list of `count` rows that fit into `area`. The selected row is among
    /// them, and highlighted if `tinted`. `row` makes a row from its index and the cells of the columns. Returns the
    /// range of rows drawn.
    pub(crate) fn table<'t, R>(
        &mut self,
        area: Rect,
        columns: &[Column<'_>],
        count: usize,
        (selected, tinted): (usize, bool),
        mut row: impl FnMut(usize, &[Rect]) -> R,
    ) -> Range<usize>
    where
        R: IntoIterator<Item = Line<'t>>,
    {
        let is_headed = columns.iter().any(|column| !column.title.is_empty());
        let height = area.height.saturating_sub(u16::from(is_headed));
        let first = first_row(selected, height);
        let shown = first..count.min(first + usize::from(height)).max(first);
        let widths = columns.iter().map(|column| column.width);
        let cells = cells(area, widths.clone());
        let aligned =
            |(text, (column, cell)): (Line<'t>, (&Column<'_>, &Rect))| column.align(text, cell.width.into());
        let rows = shown.clone().map(|place| {
            Row::new(row(place, &cells).into_iter().zip(columns.iter().zip(cells.iter())).map(aligned))
        });
        let mut table = Table::new(rows, widths);
        if is_headed {
            let heads = columns.iter().zip(cells.iter()).map(|(column, cell)| {
                let style = if column.is_strong { self.theme.strong() } else { self.theme.dim() };
                column.align(self::cell(column.title, style), cell.width.into())
            });
            table = table.header(Row::new(heads));
        }
        let selected = Some(selected).filter(|selected| tinted && shown.contains(selected));
        let mut state = TableState::new().with_selected(selected.map(|selected| selected - first));
        let table = table.column_spacing(1).row_highlight_style(self.theme.selected());
        table.render(area.inner(Margin::new(1, 0)), self.buffer, &mut state);
        shown
    }

    /// Marks on the frame of `pane` which rows of a list of `count` are `shown`, unless all are: with a scroll bar, and
    /// with figures at the foot.
    pub(crate) fn position(&mut self, pane: Rect, shown: Range<usize>, count: usize) {
        if shown.len() >= count || pane.height < 3 {
            return;
        }
        let side = pane.inner(Margin::new(0, 1));
        let mut state = ScrollbarState::new(count - shown.len() + 1)
            .position(shown.start)
            .viewport_content_length(shown.len());
        Scrollbar::new(ScrollbarOrientation::VerticalRight)
            .begin_symbol(None)
            .end_symbol(None)
            .track_symbol(None)
            .thumb_symbol(THUMB)
            .thumb_style(self.theme.title(false))
            .render(side, self.buffer, &mut state);
        let foot =
            Rect { x: pane.x + 2, y: pane.bottom() - 1, width: pane.width.saturating_sub(4), height: 1 };
        let figures = [shown.start + 1, shown.end, count].map(|row| units::count(row as u64));
        let dim = self.theme.dim();
        self.pen(foot, 0).right(&format!(" {}–{} of {} ", figures[0], figures[1], figures[2]), dim);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::theme::Theme;

    #[test]
    fn bars_stay_in_their_cells() {
        assert_eq!([bar(2.0, 5), bar(0.0001, 4), bar(1.0, 0), bar(f64::NAN, 4)], ["█████", "▏", "", ""]);
        assert_eq!([bar(0.5, 3), bar(0.0, 3)], ["█▌", ""]);
        assert_eq!([hatch(2.0, 3), hatch(0.01, 3), hatch(0.0, 3), hatch(1.0, 0)], ["░░░", "░", "", ""]);
    }

    fn drawn(width: u16, rows: &[[&str; 2]], selected: usize) -> (Vec<String>, Range<usize>) {
        let pane = Rect::new(0, 0, width, 5);
        let mut buffer = Buffer::empty(pane);
        let mut canvas = Canvas::new(&mut buffer, Theme::new(true, false));
        let inner = canvas.pane(pane, "t", "", false);
        let columns = [Column::rest("NAME"), Column::figure("RUN", 5)];
        let shown = canvas.table(inner, &columns, rows.len(), (selected, true), |place, _| {
            rows[place].map(|text| cell(text, Style::new()))
        });
        canvas.position(pane, shown.clone(), rows.len());
        let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        (cells.chunks(width.into()).map(<[&str]>::concat).collect(), shown)
    }

    #[test]
    fn text_is_cut_and_figures_are_whole_or_left_out() {
        let (rows, shown) = drawn(16, &[["HttpRequest", "38.2ms"], ["Echo", "1.9ms"]], 0);
        assert_eq!(rows[1..4], ["│ NAME     RUN │", "│ HttpR…       │", "│ Echo   1.9ms │"]);
        assert_eq!(shown, 0..2);
        assert_eq!(rows[4], "╰──────────────╯", "all are shown");
    }

    #[test]
    fn the_selected_row_is_visible_and_the_frame_says_where_it_is() {
        let (rows, shown) = drawn(20, &[["a", ""], ["b", ""], ["c", ""], ["d", ""], ["e", ""]], 3);
        assert_eq!(shown, 2..4);
        assert_eq!((&rows[2][3..7], &rows[3][3..7]), (" c  ", " d  "));
        assert_eq!(rows[4], "╰─────── 3–4 of 5 ─╯");
    }

    #[test]
    fn no_size_panics() {
        for width in 0..12 {
            drawn(width.max(1), &[["a", "1"], ["b", "2"], ["c", "3"]], 2);
        }
    }
}
