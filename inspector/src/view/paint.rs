//! Drawing primitives for the panes: text that is cut and never wraps, frames, sparklines.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, RenderDirection, Sparkline, Widget as _};
use unicode_width::UnicodeWidthStr as _;

use crate::app::layout::Target;
use crate::keymap::Action;
use crate::text::cut;
use crate::theme::Theme;

/// Bars by eighths of a cell's height, empty to full.
pub(crate) const COLUMNS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// The side of a frame.
const SIDE: &str = "│";

/// Marks time with lost records.
pub(crate) const HATCH: &str = "░";

/// The buffer to draw on, its theme, and what the mouse finds there.
pub(crate) struct Canvas<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) theme: Theme,
    pub(crate) targets: Vec<Target>,
}

/// Writes along one row, up to the row's end; text that does not fit is cut with `…`.
pub(crate) struct Pen<'c, 'a> {
    canvas: &'c mut Canvas<'a>,
    x: u16,
    y: u16,
    end: u16,
}

impl<'a> Canvas<'a> {
    pub(crate) const fn new(buffer: &'a mut Buffer, theme: Theme) -> Self {
        Self { buffer, theme, targets: Vec::new() }
    }

    /// Makes a click into `area` act like the key of `action`.
    pub(crate) fn target(&mut self, area: Rect, action: Action) {
        self.targets.push(Target { area, action });
    }

    /// A pen at the start of a row of `area`, which stops one cell before a frame. Outside of `area`, it writes nothing.
    pub(crate) fn pen(&mut self, area: Rect, row: u16) -> Pen<'_, 'a> {
        let y = area.y.saturating_add(row);
        let end = if row < area.height { area.x.saturating_add(area.width) } else { area.x };
        let behind = self.buffer.cell(Position::new(end, y)).map(ratatui::buffer::Cell::symbol);
        let end = if behind == Some(SIDE) { end.saturating_sub(1).max(area.x) } else { end };
        Pen { canvas: self, x: area.x, y, end }
    }

    /// Writes one symbol into one cell.
    pub(crate) fn cell(&mut self, x: u16, y: u16, symbol: &str, style: Style) {
        if let Some(cell) = self.buffer.cell_mut(Position::new(x, y)) {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    /// Draws a frame with a title on the left and a remark on the right; returns the area inside.
    pub(crate) fn pane<'r>(&mut self, area: Rect, title: &str, remark: &'r str, focused: bool) -> Rect {
        if area.width < 2 || area.height < 2 {
            return Rect::ZERO;
        }
        let frame = self.theme.frame(focused);
        let room = usize::from(area.width.saturating_sub(4));
        let left = [
            Span::styled("─ ", frame),
            Span::styled(cut(title, room.saturating_sub(1)), self.theme.title(focused)),
            Span::styled(" ", frame),
        ];
        // A remark that does not fit loses its last parts first.
        let fits = |remark: &&str| title.width() + remark.width() + 6 <= room;
        let shorter = |remark: &&'r str| remark.rsplit_once(", ").map(|(first, _)| first);
        let shown = std::iter::successors(Some(remark), shorter).find(fits).filter(|it| !it.is_empty());
        let right = shown.map(|it| {
            Line::from_iter([Span::styled(format!(" {it} "), self.theme.dim()), Span::styled("─", frame)])
        });
        let block = Block::bordered().border_type(BorderType::Rounded).border_style(frame);
        let block =
            block.title_top(Line::from_iter(left)).title_top(right.unwrap_or_default().right_aligned());
        let inner = block.inner(area);
        block.render(area, self.buffer);
        inner
    }
}

impl Pen<'_, '_> {
    /// The pen's theme.
    pub(crate) const fn theme(&self) -> Theme {
        self.canvas.theme
    }

    /// Writes `text`, cut at the end of the row.
    pub(crate) fn put(&mut self, text: &str, style: Style) -> &mut Self {
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
    pub(crate) fn whole(&mut self, text: &str, style: Style) -> &mut Self {
        if text.width() <= usize::from(self.room()) { self.put(text, style) } else { self }
    }

    /// Writes all of the parts, or none if they do not fit; returns whether they did.
    pub(crate) fn group(&mut self, parts: &[(&str, Style)]) -> bool {
        let width: usize = parts.iter().map(|(text, _)| text.width()).sum();
        let fits = width <= usize::from(self.room());
        for (text, style) in parts.iter().filter(|_| fits) {
            self.put(text, *style);
        }
        fits
    }

    /// Writes `text` left-aligned in `width` cells, cut if longer.
    pub(crate) fn left(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let end = self.x.saturating_add(width).min(self.end);
        let row_end = std::mem::replace(&mut self.end, end);
        self.put(text, style);
        self.x = end;
        self.end = row_end;
        self
    }

    /// Writes `text` right-aligned in `width` cells. A number that does not fit, or would touch the text before it, is
    /// left out rather than cut.
    pub(crate) fn number(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let cells = text.width() as u16;
        let end = self.x.saturating_add(width);
        if end <= self.end && cells <= width && self.is_clear_before(end - cells) {
            self.x = end - cells;
            self.write(text, style, cells);
        }
        self.x = end.min(self.end);
        self
    }

    /// Whether text written at `x` would touch no text before it.
    fn is_clear_before(&self, x: u16) -> bool {
        let before = x.checked_sub(1).and_then(|x| self.canvas.buffer.cell(Position::new(x, self.y)));
        before.is_none_or(|cell| matches!(cell.symbol(), " " | SIDE))
    }

    /// Writes `text` at the end of the row, as the last item.
    pub(crate) fn right(&mut self, text: &str, style: Style) -> &mut Self {
        let cells = text.width() as u16;
        if cells <= self.room() {
            self.x = self.end - cells;
            self.write(text, style, cells);
        }
        self
    }

    /// Skips `cells`.
    pub(crate) fn gap(&mut self, cells: u16) -> &mut Self {
        self.x = self.x.saturating_add(cells).min(self.end);
        self
    }

    /// Moves to column `x`, but never back.
    pub(crate) fn to(&mut self, x: u16) -> &mut Self {
        self.x = x.clamp(self.x.min(self.end), self.end);
        self
    }

    /// The cells from column `x` to the pen.
    pub(crate) fn since(&self, x: u16) -> Rect {
        Rect { x, y: self.y, width: self.x.saturating_sub(x), height: 1 }
    }

    /// The current column.
    pub(crate) fn at(&self) -> u16 {
        self.x
    }

    /// The number of cells left.
    pub(crate) fn room(&self) -> u16 {
        self.end.saturating_sub(self.x)
    }

    /// A sparkline of all samples; each cell is as high as the largest sample in it.
    pub(crate) fn sparkline_of_maxima<T>(&mut self, samples: &[T], width: u16, style: Style) -> &mut Self
    where
        T: Copy + Into<Option<u64>>,
    {
        self.sparkline(&deepest(samples, width.into()), width, style)
    }

    /// A sparkline of the last values that fit into `width` cells, scaled to the largest; blank for missing values.
    pub(crate) fn sparkline<T>(&mut self, values: &[T], width: u16, style: Style) -> &mut Self
    where
        T: Copy + Into<Option<u64>>,
    {
        let width = width.min(self.room());
        let shown = &values[values.len().saturating_sub(width.into())..];
        let most = shown.iter().filter_map(|value| (*value).into()).max().unwrap_or(0).max(1);
        // Small values must look different from zero.
        let level = |value: u64| 1 + value.saturating_mul(7).div_ceil(most).min(7);
        let bars = Sparkline::default()
            .data(shown.iter().rev().map(|value| (*value).into().map(level)))
            .direction(RenderDirection::RightToLeft)
            .max(8)
            .style(style);
        bars.render(Rect::new(self.x, self.y, width, 1), self.canvas.buffer);
        self.gap(width)
    }

    /// Writes styled text, cut at the end of the row.
    pub(crate) fn spans<'t>(&mut self, spans: impl IntoIterator<Item = Span<'t>>) -> &mut Self {
        spans.into_iter().fold(self, |pen, span| pen.put(&span.content, span.style))
    }
}

/// Merges samples into cells by their maximum, because a single sample would pass too fast to be seen. A cell without a
/// known sample is `None`.
fn deepest<T: Copy + Into<Option<u64>>>(samples: &[T], cells: usize) -> Vec<Option<u64>> {
    let per_cell = samples.len().div_ceil(cells.max(1)).max(1);
    let deepest = |chunk: &[T]| chunk.iter().filter_map(|sample| (*sample).into()).max();
    samples.rchunks(per_cell).rev().map(deepest).collect()
}

/// Width of a depth, including the blank before it.
pub(crate) const DEPTH_WIDTH: u16 = 5;

/// A depth in four cells: `7`, `1204`, `12k`.
pub(crate) fn depth(depth: u32) -> String {
    match depth {
        0..10_000 => depth.to_string(),
        10_000..10_000_000 => format!("{}k", depth / 1_000),
        10_000_000..1_000_000_000 => format!("{}M", depth / 1_000_000),
        _ => format!("{}G", depth / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(width: u16, draw: impl FnOnce(&mut Canvas<'_>, Rect)) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        let mut canvas = Canvas::new(&mut buffer, Theme::new(true, false));
        draw(&mut canvas, Rect::new(0, 0, width, 1));
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
    fn sparklines_stay_in_their_cells() {
        let style = Style::new();
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
    fn a_remark_loses_its_last_parts_first() {
        let top = |width| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, 2));
            let mut canvas = Canvas::new(&mut buffer, Theme::new(true, false));
            canvas.pane(Rect::new(0, 0, width, 2), "late", "3 of 9 shown, worst first, Enter opens", false);
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
                canvas.pane(Rect::new(0, 0, 1, 1), "t", "", false);
                canvas.cell(90, 90, "x", style);
            }),
            "    "
        );
    }

    #[test]
    fn a_cell_shows_the_deepest_of_its_samples() {
        assert_eq!(deepest(&[1, 9, 0, 2, 3], 2), [9, 3].map(Some));
        assert_eq!(deepest(&[1, 2], 5), [1, 2].map(Some));
        assert_eq!(deepest(&[] as &[u64], 5), []);
        assert_eq!(deepest(&[None, None, Some(0), None], 2), [None, Some(0)]);
    }
}
