//! The scale of run times: a log scale, because a tick that is a thousand times longer than its neighbours must not hide
//! them.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::state::AppState;
use crate::pages::overview::layout::AXIS_WIDTH;
use crate::units;
use crate::view::paint::{COLUMNS, Canvas};

/// The bottom of the scale, in nanoseconds: shorter ticks do next to nothing.
const FOOT_NS: f64 = 1_000.0;
/// The smallest scale, and the step to the next ones, in powers of ten: up to 32 ms, 1 s, 32 s.
const DECADES_MIN: f64 = 4.5;
const DECADES_STEP: f64 = 1.5;

/// A log scale over the rows of the strip. Its bottom is fixed, and its top has few possible values: a scale that
/// follows every tick would make all others jump.
pub(super) struct Scale {
    decades: f64,
    rows: u16,
}

impl Scale {
    /// A scale that includes `tallest_ns`.
    pub(super) fn new(tallest_ns: u64, rows: u16) -> Self {
        let needed = (tallest_ns.max(1) as f64 / FOOT_NS).log10() - 0.01;
        let decades = (needed / DECADES_STEP).ceil().max(DECADES_MIN / DECADES_STEP) * DECADES_STEP;
        Self { decades, rows }
    }

    /// The height in eighths of a row, at least one.
    fn height(&self, ns: u64) -> u16 {
        let share = (ns.max(1) as f64 / FOOT_NS).log10() / self.decades;
        ((share.clamp(0.0, 1.0) * f64::from(self.rows) * 8.0).round() as u16).max(1)
    }

    /// The time at the upper edge of a row, where 0 is the topmost.
    fn at(&self, row: u16) -> u64 {
        let share = 1.0 - f64::from(row) / f64::from(self.rows.max(1));
        (FOOT_NS * 10f64.powf(self.decades * share)).round() as u64
    }
}

/// Draws the labels of the scale, on the right of `strip`.
pub(super) fn axis(canvas: &mut Canvas<'_>, scale: &Scale, strip: Rect) {
    let style = canvas.theme.dim();
    let every = if strip.height > 4 { 2 } else { 1 };
    for row in (0..strip.height).step_by(every) {
        let label = units::limit(scale.at(row));
        let at = Rect::new(strip.x + strip.width, strip.y + row, AXIS_WIDTH, 1);
        canvas.pen(at, 0).number(&label, AXIS_WIDTH - 1, style);
    }
}

/// Draws a bar as high as `ns`, in the column `x` of `strip`, with `full` for its full cells.
pub(super) fn bar(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    scale: &Scale,
    (x, strip): (u16, Rect),
    ns: u64,
    style: Style,
    full: Option<&str>,
) {
    let eighths = scale.height(ns);
    let limit = state.about.stall_limit_ns;
    let top_row = eighths.div_ceil(8);
    for from_foot in 0..top_row {
        let level = usize::from((eighths - from_foot * 8).min(8));
        let symbol = match full {
            Some(full) if level > 2 => full,
            _ => COLUMNS[level],
        };
        // The part above the limit is red, and so is the tip of every tick over the limit.
        let row = strip.height - 1 - from_foot;
        let above = ns > limit && (from_foot + 1 == top_row || scale.at(row + 1) >= limit);
        let style = if above { canvas.theme.over() } else { style };
        canvas.cell(x, strip.y + row, symbol, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_has_few_possible_tops() {
        let top = |ns| Scale::new(ns, 3).at(0);
        assert_eq!((top(0), top(50_000), top(31_000_000)), (31_622_777, 31_622_777, 31_622_777));
        assert_eq!((top(41_000_000), top(1_000_000_000)), (1_000_000_000, 1_000_000_000));
        assert_eq!((top(1_100_000_000), top(30_000_000_000)), (31_622_776_602, 31_622_776_602));
        assert!(top(u64::MAX) >= u64::MAX / 2);
    }

    #[test]
    fn a_tick_is_as_tall_as_its_axis_says() {
        let scale = Scale::new(10_000_000, 3);
        assert_eq!([0, 1, 2].map(|row| scale.at(row)), [31_622_777, 1_000_000, 31_623]);
        assert_eq!([1, 1_000, 31_623, 1_000_000, 31_622_777].map(|ns| scale.height(ns)), [1, 1, 8, 16, 24]);
    }
}
