//! The uncertainty of percentiles after lost records: a mark at the figure, and the figure's bounds in words.

use loop_traces::histogram::Percentiles;
use loop_traces::loss::Bounds;
use loop_traces::units::between;
use ratatui::layout::Rect;

use super::paint::Canvas;
use crate::app::state::AppState;
use crate::units;

/// Marks a percentile that lost records could move.
pub(crate) const MARK: &str = "~";
/// Marks a lower bound.
pub(crate) const AT_LEAST: &str = "≥";

/// The 90th percentile, marked if there are too few samples.
pub(crate) fn p90(figures: &Percentiles) -> String {
    format!("{}{}", units::duration(figures.p90), figures.p90_mark())
}

/// The 99th percentile, marked if there are too few samples.
pub(crate) fn p99(figures: &Percentiles) -> String {
    format!("{}{}", units::duration(figures.p99), figures.p99_mark())
}

/// Whether lost records could move the 99th percentile.
pub(crate) fn is_open(figures: &Percentiles) -> bool {
    figures.bounds.zip(figures.p99).is_some_and(|(bounds, p99)| bounds.p99.is_open(p99))
}

/// `value`, marked if it could be different: `≥79µs` if it is a lower bound, `~79µs` otherwise.
pub(crate) fn marked(value: Option<u64>, bounds: Option<Bounds>) -> String {
    let shown = units::duration(value);
    let mark = match bounds.filter(|_| words(value, bounds).is_some() && value.is_some()) {
        Some(Bounds { lo, hi: None }) if units::duration(lo) == shown => AT_LEAST,
        Some(_) => MARK,
        None => "",
    };
    format!("{mark}{shown}")
}

/// The bounds of `value`, if it could be different: `79µs to 91µs`, `79µs or more`.
pub(crate) fn words(value: Option<u64>, bounds: Option<Bounds>) -> Option<String> {
    let bounds = bounds?;
    let (lo, hi) = (units::duration(bounds.lo), bounds.hi.map(units::duration));
    let shown = units::duration(value);
    (lo != shown || hi.as_ref() != Some(&shown)).then(|| between(&lo, hi.as_deref()))
}

/// Draws one row with the bounds of the figures shown; returns whether there are any.
pub(crate) fn row(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    figures: &Percentiles,
    area: Rect,
    row: u16,
) -> bool {
    let Some(bounds) = figures.bounds else { return false };
    let all = [
        ("p99", figures.p99, bounds.p99),
        ("max", figures.max, bounds.max),
        ("p50", figures.p50, bounds.p50),
    ];
    let parts: Vec<String> = all
        .into_iter()
        .filter_map(|(name, value, bounds)| Some(format!("{name} is {}", words(value, Some(bounds))?)))
        .collect();
    let Some((first, rest)) = parts.split_first() else { return false };
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, row);
    pen.gap(1).put(first, theme.held());
    let why = match state.figures.lost_records {
        // The figure is incomplete because a run has not ended or events are malformed.
        0 => ": incomplete".to_owned(),
        1 => ": 1 record lost".to_owned(),
        lost => format!(": {} records lost", units::short_count(lost)),
    };
    pen.group(&[(&why, theme.dim())]);
    for more in rest {
        pen.group(&[("  ", theme.dim()), (more, theme.held())]);
    }
    true
}
