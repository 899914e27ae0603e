//! The layout of every screen: the header, the page, the footer; and what all lists have in common.

use std::rc::Rc;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Constraint, Layout, Margin, Rect};

use crate::keymap::Action;

/// Minimum width, in columns; the narrowest screens leave some parts out.
pub const WIDTH_MIN: u16 = 60;
/// Minimum height, in rows.
pub const HEIGHT_MIN: u16 = 20;
/// Narrower screens have no room for two columns of panes.
pub const NARROW: u16 = 80;

/// Whether the dashboard fits at all.
#[must_use]
pub const fn fits(width: u16, height: u16) -> bool {
    width >= WIDTH_MIN && height >= HEIGHT_MIN
}

/// A part of the screen that a click makes act like a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The cells, as drawn last.
    pub area: Rect,
    /// What a click there does.
    pub action: Action,
}

/// The rows common to all pages, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// The source, the diagnosis, the condition: a row each.
    pub header: Rect,
    /// The area of the page.
    pub body: Rect,
    /// The position of a replay; empty for a live loop.
    pub scrubber: Rect,
    /// The keys, the filter, the last message.
    pub footer: Rect,
}

/// The rows of a screen of this size.
#[must_use]
pub fn screen(width: u16, height: u16, replay: bool) -> Screen {
    let rows = Layout::vertical([Length(3), Fill(1), Length(u16::from(replay)), Length(1)]);
    let [header, body, scrubber, footer] = rows.areas(Rect::new(0, 0, width, height));
    Screen { header, body, scrubber, footer }
}

/// The line of the scrubber, without the figures at its ends.
#[must_use]
pub const fn track(scrubber: Rect) -> Rect {
    Rect { x: scrubber.x + 20, width: scrubber.width.saturating_sub(43), ..scrubber }
}

/// The first `rows` of an area, and the rest.
#[must_use]
pub fn from_top(area: Rect, rows: u16) -> [Rect; 2] {
    Layout::vertical([Length(rows), Fill(1)]).areas(area)
}

/// The last `rows` of an area, after the rest.
#[must_use]
pub fn from_bottom(area: Rect, rows: u16) -> [Rect; 2] {
    Layout::vertical([Fill(1), Length(rows)]).areas(area)
}

/// The first `columns` of an area, and the rest.
#[must_use]
pub fn from_left(area: Rect, columns: u16) -> [Rect; 2] {
    Layout::horizontal([Length(columns), Fill(1)]).areas(area)
}

/// A percentage of a width, rounded down.
#[must_use]
pub fn share(width: u16, percent: u16) -> u16 {
    (u32::from(width) * u32::from(percent) / 100) as u16
}

/// The area inside the frame of a pane.
#[must_use]
pub const fn inner(pane: Rect) -> Rect {
    pane.inner(Margin::new(1, 1))
}

/// The rows of a list within its frame, below its heading.
#[must_use]
pub fn rows(pane: Rect, heading: bool) -> Rect {
    below(inner(pane), u16::from(heading))
}

/// The rest of an area below its first rows.
#[must_use]
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

/// The cells of a row of `area` in columns of these widths, with a blank between them and on both sides.
#[must_use]
pub fn cells(area: Rect, widths: impl IntoIterator<Item = Constraint>) -> Rc<[Rect]> {
    Layout::horizontal(widths).spacing(1).split(area.inner(Margin::new(1, 0)))
}

/// The first row shown by a list of `height` rows, so that the selected one is visible.
#[must_use]
pub const fn first_row(selected: usize, height: u16) -> usize {
    (selected + 1).saturating_sub(height as usize)
}

/// The index `place` moved by `by` rows, clamped to 0..=`last`.
#[must_use]
pub fn moved(place: usize, by: i64, last: usize) -> usize {
    let to = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(by).max(0);
    usize::try_from(to).unwrap_or(usize::MAX).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_size_panics() {
        for (width, height) in [(0, 0), (1, 1), (0, 50), (200, 0), (79, 23), (u16::MAX, u16::MAX)] {
            for replay in [false, true] {
                let screen = screen(width, height, replay);
                assert!(!fits(width, height) || screen.header.height == 3 && screen.footer.height == 1);
            }
        }
    }
}
