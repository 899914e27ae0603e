//! Timer lag and ticks through time: a column for each step of time, the same in both panes.

use std::ops::Range;

use loop_probes::ids::Timestamp;
use loop_traces::timeline::{HistorySlot, LAG_EDGES_NS};
use ratatui::layout::Rect;

use super::scale::{Scale, axis, bar};
use super::strip;
use crate::app::hang::hang;
use crate::app::state::AppState;
use crate::pages::overview::OverviewPage;
use crate::pages::overview::layout::{AXIS_WIDTH, Pane, Panes};
use crate::units;
use crate::view::paint::{Canvas, HATCH};

/// The columns of both panes, and their width in nanoseconds.
pub(super) type Columns<'a> = (&'a [Option<HistorySlot>], u64);

/// Shades of the heatmap, each with the smallest share for it, in percent.
const SHADES: [(u64, &str); 4] = [(60, "█"), (30, "▓"), (10, "▒"), (0, "·")];

/// The bands of timer lag in at most `rows` rows, from the smallest: the buckets of each.
fn bands(rows: usize) -> Vec<Range<usize>> {
    let last = LAG_EDGES_NS.len() + 1;
    // The limits for late timers and for stalls are the last to go.
    let edges: &[usize] = match rows {
        0 => return Vec::new(),
        1 => &[],
        2 => &[4],
        3 => &[3, 4],
        4 => &[2, 3, 4],
        5 => &[2, 3, 4, 5],
        6 => &[1, 2, 3, 4, 5],
        _ => &[1, 2, 3, 4, 5, 6],
    };
    let starts = std::iter::once(0).chain(edges.iter().copied());
    starts.zip(edges.iter().copied().chain([last])).map(|(from, to)| from..to).collect()
}

/// Draws the timer lag: how many of the timers of each column fired how late.
pub(super) fn lag(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    panes: &Panes,
    columns: Columns<'_>,
    focused: bool,
) {
    let area = panes.area(Pane::Lag);
    if area.is_empty() {
        return;
    }
    let theme = canvas.theme;
    // Single values are not kept: the first edge that is not below the limit is the first that is known to be over it.
    let red_from = LAG_EDGES_NS.partition_point(|edge| *edge < state.about.stall_limit_ns);
    let red = LAG_EDGES_NS
        .get(red_from)
        .map(|edge| format!(", {} = over {}", theme.over_word(), units::limit(*edge)));
    let counts = match state.of_window().timers.fired {
        0 => String::new(),
        fired => format!("fired {} late {}, ", units::count(fired), units::count(state.figures.timers_late)),
    };
    let (step, red) = (units::limit(columns.1), red.unwrap_or_default());
    let remark = format!("{counts}1 column = {step}, shade = share of timers{red}");
    let inner = canvas.pane(area, "timer lag", &remark, focused);
    let cells = Rect { width: panes.strip().width, height: inner.height.saturating_sub(1), ..inner };
    let bands = bands(cells.height.into());
    for (row, band) in bands.iter().rev().enumerate() {
        let (sign, edge) = match LAG_EDGES_NS.get(band.end - 1) {
            Some(edge) => ("≤", *edge),
            None => (">", LAG_EDGES_NS[band.start - 1]),
        };
        let label = Rect { x: cells.x + cells.width, width: AXIS_WIDTH, ..cells };
        canvas.pen(label, row as u16).number(
            &format!("{sign}{}", units::limit(edge)),
            AXIS_WIDTH - 1,
            theme.dim(),
        );
        for (x, slot) in shown(columns.0, cells) {
            let Some(slot) = slot else { continue };
            let fired = slot.fired();
            let count_in =
                |band: Range<usize>| slot.lag[band].iter().map(|count| u64::from(*count)).sum::<u64>();
            let count = count_in(band.clone());
            let is_over = count_in((red_from + 1).clamp(band.start, band.end)..band.end) > 0;
            let y = cells.y + row as u16;
            if count > 0 {
                let percent = count.saturating_mul(100) / fired;
                let shade =
                    SHADES.iter().find(|(from, _)| percent >= *from).map_or("·", |(_, shade)| *shade);
                // What is over the limit stands out, however rare.
                let shade = if is_over && shade == "·" { "▒" } else { shade };
                canvas.cell(x, y, shade, if is_over { theme.over() } else { theme.bar() });
            } else if slot.has_lost && fired == 0 {
                canvas.cell(x, y, HATCH, theme.held());
            }
        }
    }
    if columns.0.iter().flatten().all(|slot| slot.fired() == 0) {
        let text = if state.figures.lag_ns.count == 0 {
            "no timer fired yet"
        } else {
            "no timer fired in this time"
        };
        canvas.pen(cells, cells.height / 2).gap(1).put(text, theme.dim());
    }
    time_axis(canvas, Rect { y: cells.y + cells.height, height: 1, ..cells }, columns.1);
}

/// Draws the ticks: the longest of each column.
pub(super) fn ticks(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    page: &OverviewPage,
    panes: &Panes,
    columns: Columns<'_>,
) {
    let (area, cells) = (panes.area(Pane::Ticks), panes.strip());
    let theme = canvas.theme;
    let remark = format!(
        "1 column = {}, height = longest tick (log), {} = over {}",
        units::limit(columns.1),
        theme.over_word(),
        limit(state)
    );
    canvas.pane(area, "ticks", &remark, page.focus == Pane::Ticks);
    let tallest = columns.0.iter().flatten().map(|slot| slot.longest_ns).max().unwrap_or(0);
    let scale = Scale::new(tallest.max(state.about.stall_limit_ns), cells.height);
    axis(canvas, &scale, cells);
    for (x, slot) in shown(columns.0, cells) {
        let Some(slot) = slot else { continue };
        if slot.has_lost {
            (0..cells.height).for_each(|row| canvas.cell(x, cells.y + row, HATCH, theme.held()));
        }
        if slot.longest_ns > 0 {
            // A tick that has not ended is drawn as the running one is in the strip of ticks.
            let full = slot.longest_end.is_none().then_some("▒");
            bar(canvas, state, &scale, (x, cells), slot.longest_ns, theme.bar(), full);
        }
    }
    if state.picture().timeline.ticks.recent.is_empty() {
        strip::no_ticks(canvas, state, cells);
    }
    let below = Rect { y: cells.y + cells.height, height: 1, ..cells };
    let marked = state.marked_tick();
    if marked.is_none() && hang(state).is_none() {
        time_axis(canvas, below, columns.1);
        return;
    }
    let back = marked.map(|tick| {
        let number = |at: Timestamp| at.as_ns() / columns.1.max(1);
        number(state.picture_at()).saturating_sub(number(tick.end)) as usize
    });
    let column = back.and_then(|back| usize::from(cells.width).checked_sub(back + 1));
    strip::marker(canvas, state, cells, marked, column);
}

/// The columns, each with its cell; the last is the newest.
fn shown(
    columns: &[Option<HistorySlot>],
    cells: Rect,
) -> impl Iterator<Item = (u16, Option<HistorySlot>)> + '_ {
    let skipped = columns.len().saturating_sub(cells.width.into());
    let first = cells.x + cells.width.saturating_sub((columns.len() - skipped) as u16);
    columns.iter().skip(skipped).enumerate().map(move |(place, slot)| (first + place as u16, *slot))
}

fn limit(state: &AppState) -> String {
    units::limit(state.about.stall_limit_ns)
}

/// Cells between two labels of the time axis.
const LABELS_APART: u16 = 15;

/// Draws how long ago each column was.
fn time_axis(canvas: &mut Canvas<'_>, row: Rect, step_ns: u64) {
    let style = canvas.theme.dim();
    canvas.pen(row, 0).right("now", style);
    for back in (LABELS_APART..row.width.saturating_sub(4)).step_by(LABELS_APART.into()) {
        let label = format!("-{}", units::limit(u64::from(back).saturating_mul(step_ns)));
        let x = row.x + row.width - 1 - back;
        canvas.pen(Rect { x, width: row.x + row.width - x, ..row }, 0).put(&label, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_in_one_band() {
        for rows in 1..10 {
            let bands = bands(rows);
            assert!(bands.len() == rows.min(7), "{rows}: {bands:?}");
            let buckets: Vec<usize> = bands.into_iter().flatten().collect();
            assert_eq!(buckets, (0..7).collect::<Vec<_>>());
        }
        assert!(bands(0).is_empty());
    }
}
