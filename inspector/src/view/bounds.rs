//! What lost records leave of a percentile: a mark at the figure, and the bounds in words.

use loop_traces::histogram::Percentiles;

use super::paint::Canvas;
use crate::app::layout::Area;
use crate::app::state::State;
use crate::units;

/// Stands at a percentile that lost records could move.
pub(super) const MARK: &str = "~";

/// Whether lost records could move the 99th percentile.
pub(super) fn is_open(figures: &Percentiles) -> bool {
    let p99 = figures.p99;
    figures.p99_bounds.is_some_and(|bounds| bounds.lo != p99 || bounds.hi != Some(p99))
}

/// Its bounds: `79µs to 91µs`, `79µs or more`.
pub(super) fn words(figures: &Percentiles) -> Option<String> {
    let bounds = figures.p99_bounds.filter(|_| is_open(figures))?;
    let lo = units::duration(bounds.lo);
    Some(match bounds.hi {
        Some(hi) => format!("{lo} to {}", units::duration(hi)),
        None => format!("{lo} or more"),
    })
}

/// One row that says it; whether there was anything to say.
pub(super) fn row(
    canvas: &mut Canvas<'_>,
    state: &State,
    figures: &Percentiles,
    area: Area,
    row: u16,
) -> bool {
    let Some(words) = words(figures) else { return false };
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, row);
    pen.gap(1).put(&format!("p99 is {words}"), theme.held());
    let lost = units::short_count(state.glance.lost_records);
    pen.group(&[(&format!(": {lost} records lost"), theme.dim())]);
    true
}
