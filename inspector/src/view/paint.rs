//! Drawing primitives for the panes: text that is cut and never wraps, frames, bars, sparklines.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use crate::app::layout::Area;
use crate::text::cut;
use crate::theme::Theme;
use crate::units;

/// Bars by eighths of a cell's height, empty to full.
pub(super) const COLUMNS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ROWS: [&str; 9] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// The side of a frame.
const SIDE: &str = "│";

/// Marks time with lost records.
pub(super) const HATCH: &str = "░";

/// The buffer to draw on, and its theme.
pub(super) struct Canvas<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) theme: Theme,
}

/// Writes along one row, up to its end; what does not fit is cut with `…`.
pub(super) struct Pen<'c, 'a> {
    canvas: &'c mut Canvas<'a>,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Canvas<'a> {
    /// A pen at the start of a row of `area`; outside of it, one that writes nothing. It stops one cell before a frame.
    pub(super) fn pen(&mut self, area: Area, row: u16) -> Pen<'_, 'a> {
        let y = area.y.saturating_add(row);
        let end = if row < area.height { area.x.saturating_add(area.width) } else { area.x };
        let behind = self.buffer.cell(Position::new(end, y)).map(ratatui::buffer::Cell::symbol);
        let end = if behind == Some(SIDE) { end.saturating_sub(1).max(area.x) } else { end };
        Pen { canvas: self, x: area.x, y, end }
    }

    /// Writes one symbol into one cell.
    pub(super) fn cell(&mut self, x: u16, y: u16, symbol: &str, style: Style) {
        if let Some(cell) = self.buffer.cell_mut(Position::new(x, y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    /// Applies a style to a row, leaving its text unchanged.
    pub(super) fn tint(&mut self, area: Area, row: u16, style: Style) {
        if row < area.height {
            for x in area.x..area.x.saturating_add(area.width) {
                if let Some(cell) = self.buffer.cell_mut(Position::new(x, area.y + row)) {
                    cell.set_style(style);
                }
            }
        }
    }

    /// Draws a frame with a title on the left and a remark on the right; returns the area inside.
    pub(super) fn pane<'r>(&mut self, area: Area, title: &str, remark: &'r str, focused: bool) -> Area {
        if area.width < 2 || area.height < 2 {
            return Area::default();
        }
        let frame = self.theme.frame(focused);
        let (right, bottom) = (area.x + area.width - 1, area.y + area.height - 1);
        for x in area.x + 1..right {
            self.cell(x, area.y, "─", frame);
            self.cell(x, bottom, "─", frame);
        }
        for y in area.y + 1..bottom {
            self.cell(area.x, y, SIDE, frame);
            self.cell(right, y, SIDE, frame);
        }
        self.cell(area.x, area.y, "╭", frame);
        self.cell(right, area.y, "╮", frame);
        self.cell(area.x, bottom, "╰", frame);
        self.cell(right, bottom, "╯", frame);
        let top = Area::new(area.x + 2, area.y, area.width.saturating_sub(4), 1);
        let (title_style, dim) = (self.theme.title(focused), self.theme.dim());
        let titled = title.width() + 2;
        self.pen(top, 0).put(" ", frame).put(title, title_style).put(" ", frame);
        // Of a remark that does not fit, the last parts give way first.
        let fits = |remark: &&str| titled + remark.width() + 4 <= usize::from(top.width);
        let shorter = |remark: &&'r str| remark.rsplit_once(", ").map(|(first, _)| first);
        let shown = std::iter::successors(Some(remark), shorter).find(fits);
        if let Some(shown) = shown.filter(|shown| !shown.is_empty()) {
            self.pen(top, 0).right(&format!(" {shown} "), dim);
        }
        area.inner()
    }

    /// Writes at a frame's foot how many rows of its list are below the visible ones.
    pub(super) fn more_below(&mut self, area: Area, rows: usize) {
        if rows > 0 && area.height > 1 {
            let foot = Area::new(area.x + 2, area.y + area.height - 1, area.width.saturating_sub(4), 1);
            let dim = self.theme.dim();
            self.pen(foot, 0).right(&format!(" {} more below ", units::count(rows as u64)), dim);
        }
    }

    /// Draws a bar of `share` (0 to 1) of `width` cells; anything above zero shows at least a sliver.
    pub(super) fn bar(&mut self, area: Area, row: u16, column: u16, width: u16, share: f64, style: Style) {
        let width = width.min(area.width.saturating_sub(column));
        if row >= area.height || width == 0 || share.is_nan() || share <= 0.0 {
            return;
        }
        let eighths = ((share.min(1.0) * f64::from(width) * 8.0).round() as u16).max(1);
        let (x, y) = (area.x + column, area.y + row);
        for cell in 0..eighths / 8 {
            self.cell(x + cell, y, ROWS[8], style);
        }
        if !eighths.is_multiple_of(8) {
            self.cell(x + eighths / 8, y, ROWS[usize::from(eighths % 8)], style);
        }
    }

    /// The same for time with lost records: hatched, in whole cells.
    pub(super) fn hatch(&mut self, area: Area, row: u16, column: u16, width: u16, share: f64) {
        let width = width.min(area.width.saturating_sub(column));
        if row < area.height && share > 0.0 {
            let cells = ((share.min(1.0) * f64::from(width)).round() as u16).max(1).min(width);
            let style = self.theme.held();
            (0..cells).for_each(|cell| self.cell(area.x + column + cell, area.y + row, HATCH, style));
        }
    }
}

impl Pen<'_, '_> {
    /// The theme that it writes with.
    pub(super) const fn theme(&self) -> Theme {
        self.canvas.theme
    }

    /// Writes `text`, cut at the end of the row.
    pub(super) fn put(&mut self, text: &str, style: Style) -> &mut Self {
        let room = self.room();
        let width = text.width();
        if width <= usize::from(room) {
            self.write(text, style, width as u16);
        } else if room > 0 {
            let cut = cut(text, room.into());
            let width = cut.width() as u16;
            self.write(&cut, style, width);
        }
        self
    }

    fn write(&mut self, text: &str, style: Style, width: u16) {
        self.canvas.buffer.set_string(self.x, self.y, text, style);
        self.x += width;
    }

    /// Writes `text` only if all of it fits.
    pub(super) fn whole(&mut self, text: &str, style: Style) -> &mut Self {
        if text.width() <= usize::from(self.room()) { self.put(text, style) } else { self }
    }

    /// Writes all of the parts, or none if they do not fit; returns whether they did.
    pub(super) fn group(&mut self, parts: &[(&str, Style)]) -> bool {
        let width: usize = parts.iter().map(|(text, _)| text.width()).sum();
        let fits = width <= usize::from(self.room());
        for (text, style) in parts.iter().filter(|_| fits) {
            self.put(text, *style);
        }
        fits
    }

    /// Writes `text` left-aligned in `width` cells, cut if longer.
    pub(super) fn left(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let end = self.x.saturating_add(width).min(self.end);
        let row_end = std::mem::replace(&mut self.end, end);
        self.put(text, style);
        self.x = end;
        self.end = row_end;
        self
    }

    /// Writes `text` right-aligned in `width` cells. A number that does not fit, or would touch what is before it, is left
    /// out rather than cut.
    pub(super) fn number(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let cells = text.width() as u16;
        let end = self.x.saturating_add(width);
        if end <= self.end && cells <= width && self.is_clear_before(end - cells) {
            self.x = end - cells;
            self.write(text, style, cells);
        }
        self.x = end.min(self.end);
        self
    }

    /// Whether what is written at `x` would touch nothing before it.
    fn is_clear_before(&self, x: u16) -> bool {
        let before = x.checked_sub(1).and_then(|x| self.canvas.buffer.cell(Position::new(x, self.y)));
        before.is_none_or(|cell| matches!(cell.symbol(), " " | SIDE))
    }

    /// Writes `text` at the end of the row, as the last item.
    pub(super) fn right(&mut self, text: &str, style: Style) -> &mut Self {
        let cells = text.width() as u16;
        if cells <= self.room() {
            self.x = self.end - cells;
            self.write(text, style, cells);
        }
        self
    }

    /// Skips `cells`.
    pub(super) fn gap(&mut self, cells: u16) -> &mut Self {
        self.x = self.x.saturating_add(cells).min(self.end);
        self
    }

    /// Moves to column `x`, but never back.
    pub(super) fn to(&mut self, x: u16) -> &mut Self {
        self.x = x.clamp(self.x.min(self.end), self.end);
        self
    }

    /// The number of cells left.
    pub(super) fn room(&self) -> u16 {
        self.end.saturating_sub(self.x)
    }

    /// The current column.
    pub(super) fn at(&self) -> u16 {
        self.x
    }

    /// A sparkline of the last values that fit `width` cells, scaled to the largest of them; blank for missing values.
    pub(super) fn sparkline<T>(&mut self, values: &[T], width: u16, style: Style) -> &mut Self
    where
        T: Copy + Into<Option<u64>>,
    {
        let width = width.min(self.room());
        let shown = &values[values.len().saturating_sub(usize::from(width))..];
        let most = shown.iter().filter_map(|value| (*value).into()).max().unwrap_or(0);
        self.x += width - shown.len() as u16;
        for value in shown {
            // Small values must look different from zero.
            let level = match ((*value).into(), most) {
                (None, _) => 0,
                (_, 0) | (Some(0), _) => 1,
                (Some(value), _) => 1 + (value.saturating_mul(7)).div_ceil(most).min(7) as usize,
            };
            let (x, y) = (self.x, self.y);
            self.canvas.cell(x, y, COLUMNS[level], style);
            self.x += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    fn drawn(width: u16, draw: impl FnOnce(&mut Canvas<'_>, Area)) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        let mut canvas = Canvas { buffer: &mut buffer, theme: Theme::new(true, false) };
        draw(&mut canvas, Area::new(0, 0, width, 1));
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn a_number_is_whole_or_left_out() {
        let style = Style::new();
        assert_eq!(
            drawn(12, |canvas, area| {
                canvas.pen(area, 0).number("38.2ms", 7, style).number("1.9ms", 4, style).put("|", style);
            }),
            " 38.2ms    |"
        );
    }

    #[test]
    fn bars_and_sparklines_stay_in_their_cells() {
        let style = Style::new();
        assert_eq!(drawn(6, |canvas, area| canvas.bar(area, 0, 1, 9, 2.0, style)), " █████");
        assert_eq!(drawn(6, |canvas, area| canvas.bar(area, 0, 0, 4, 0.0001, style)), "▏     ");
        assert_eq!(drawn(6, |canvas, area| canvas.bar(area, 3, 0, 4, 1.0, style)), "      ");
        assert_eq!(
            drawn(6, |canvas, area| {
                canvas.pen(area, 0).sparkline(&[9, 9, 0, 1, 8], 4, style);
            }),
            "█▁▂█  "
        );
        assert_eq!(
            drawn(4, |canvas, area| {
                canvas.pen(area, 0).sparkline(&[Some(4), None, Some(0)], 4, style);
            }),
            " █ ▁"
        );
    }

    #[test]
    fn of_a_remark_the_last_parts_give_way_first() {
        let top = |width| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, 2));
            let mut canvas = Canvas { buffer: &mut buffer, theme: Theme::new(true, false) };
            canvas.pane(Area::new(0, 0, width, 2), "late", "3 of 9 shown, worst first, Enter opens", false);
            buffer.content()[..usize::from(width)].iter().map(|cell| cell.symbol()).collect::<String>()
        };
        assert_eq!(top(54), "╭─ late ──── 3 of 9 shown, worst first, Enter opens ─╮");
        assert_eq!(top(50), "╭─ late ───────────── 3 of 9 shown, worst first ─╮");
        assert_eq!(top(30), "╭─ late ────── 3 of 9 shown ─╮");
        assert_eq!(top(20), "╭─ late ───────────╮");
    }

    #[test]
    fn nothing_is_drawn_outside() {
        let style = Style::new();
        assert_eq!(
            drawn(4, |canvas, area| {
                canvas.pen(area, 1).put("below", style);
                canvas.pane(Area::new(0, 0, 1, 1), "t", "", false);
                canvas.cell(90, 90, "x", style);
            }),
            "    "
        );
    }
}
