//! Histograms: one row per bucket, with a bar to scale and its share of the total.

use ratatui::layout::Rect;

use super::bounds;
use super::paint::Canvas;
use super::table::{Column, bar, cell};
use crate::app::figures::{EDGES_NS, Figures};
use crate::app::layout::below;
use crate::app::state::AppState;
use crate::units;

/// One row: the bounds of the bucket and its count.
struct Bucket {
    /// Upper bound of the bucket; `None` for values above all edges.
    upper_ns: Option<u64>,
    lower_ns: u64,
    count: u64,
}

/// Says that no timer fired: so far, or in the window.
pub(crate) fn none_fired(state: &AppState) -> &'static str {
    if state.picture().timeline.timers.fired > 0 { "no timer fired" } else { "no timer fired yet" }
}

/// Draws the timer-lag histogram as a pane.
pub(crate) fn lag(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let figures = &state.figures;
    let timers = &state.of_window().timers;
    let remark = if area.width >= 40 { "fired − due" } else { "" };
    let inner = canvas.pane(area, "timer lag", remark, focused);
    let theme = canvas.theme;
    if figures.lag_ns.count == 0 {
        canvas.pen(inner, 0).gap(1).put(none_fired(state), theme.dim());
        return;
    }
    let left = buckets(canvas, state, inner, &figures.lag_buckets, LAG_FLOOR_NS);
    let mut foot = below(inner, left);
    if foot.height >= 3 {
        percentiles(canvas, below(foot, 1), figures);
        foot = below(foot, 2);
    }
    let mut pen = canvas.pen(foot, 0);
    pen.gap(1).put("fired ", theme.dim()).put(&units::short_count(timers.fired), theme.text());
    pen.put("  late ", theme.dim()).put(&units::short_count(figures.timers_late), theme.text());
    pen.whole(&format!("  skipped {}", units::short_count(figures.timers_skipped)), theme.dim());
}

fn percentiles(canvas: &mut Canvas<'_>, area: Rect, figures: &Figures) {
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    let lag = &figures.lag_ns;
    for (name, figure) in
        [("p50 ", units::duration(lag.p50)), ("  p90 ", bounds::p90(lag)), ("  p99 ", bounds::p99(lag))]
    {
        pen.group(&[(name, theme.dim()), (&figure, theme.text())]);
    }
}

/// Lags below this form one bucket, in nanoseconds: no system's timers are more punctual.
const LAG_FLOOR_NS: u64 = 10_000;

/// Draws buckets of [`EDGES_NS`] in the rows of `area`, those up to `floor_ns` as one; returns the number of rows used.
pub(crate) fn buckets(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    counts: &[u64],
    floor_ns: u64,
) -> u16 {
    let rows = merged(counts, usize::from(area.height), floor_ns);
    let total: u64 = counts.iter().sum();
    let most = rows.iter().map(|row| row.count).max().unwrap_or(0).max(1);
    let theme = canvas.theme;
    let columns = [Column::figure("", 6), Column::rest(""), Column::figure("", 6)];
    canvas.table(area, &columns, rows.len(), (0, false), |place, cells| {
        let bucket = &rows[place];
        let (sign, edge_ns) = bucket.upper_ns.map_or((">", bucket.lower_ns), |upper_ns| ("≤", upper_ns));
        let label = format!("{sign}{}", units::limit(edge_ns));
        let over = bucket.lower_ns >= state.about.stall_limit_ns && bucket.count > 0;
        let (bar_style, style, mark) = match bucket.count {
            0 => (theme.bar(), theme.dim(), " "),
            _ if over => (theme.over(), theme.over(), "▲"),
            _ => (theme.bar(), theme.text(), " "),
        };
        let share = match bucket.count {
            0 => "·".to_owned(),
            count => units::percent(count as f64 / total as f64),
        };
        [
            cell(label, theme.dim()),
            cell(bar(bucket.count as f64 / most as f64, cells[1].width), bar_style),
            cell(share + mark, style),
        ]
    });
    rows.len() as u16
}

/// The buckets in at most `rows` rows: all of them, else by powers of ten, else with the longest ones merged.
fn merged(counts: &[u64], rows: usize, floor_ns: u64) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    let mut lower_ns = 0;
    for (place, count) in counts.iter().enumerate() {
        let upper_ns = EDGES_NS.get(place).copied();
        buckets.push(Bucket { upper_ns, lower_ns, count: *count });
        lower_ns = upper_ns.unwrap_or(lower_ns);
    }
    buckets = joined(buckets, |upper| upper >= floor_ns);
    if rows < buckets.len() {
        buckets = joined(buckets, |upper| is_power_of_ten(upper / 1_000));
    }
    while buckets.len() > rows.max(1) {
        let Some(last) = buckets.pop() else { break };
        if let Some(bucket) = buckets.last_mut() {
            bucket.upper_ns = last.upper_ns;
            bucket.count += last.count;
        }
    }
    buckets
}

fn joined(buckets: Vec<Bucket>, ends: impl Fn(u64) -> bool) -> Vec<Bucket> {
    let mut joined: Vec<Bucket> = Vec::new();
    let mut open: Option<Bucket> = None;
    for bucket in buckets {
        let mut total = open.take().map_or(Bucket { count: 0, ..bucket }, |open| Bucket { ..open });
        total.upper_ns = bucket.upper_ns;
        total.count += bucket.count;
        match bucket.upper_ns {
            Some(upper) if !ends(upper) => open = Some(total),
            _ => joined.push(total),
        }
    }
    joined.extend(open);
    joined
}

const fn is_power_of_ten(mut value: u64) -> bool {
    while value >= 10 && value.is_multiple_of(10) {
        value /= 10;
    }
    value == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_rows_lose_no_value() {
        let counts: Vec<u64> = (1..=EDGES_NS.len() as u64 + 1).collect();
        for rows in 1..20 {
            let merged = merged(&counts, rows, 1_000 * rows as u64);
            assert!(merged.len() <= rows.max(1));
            assert_eq!(merged.iter().map(|bucket| bucket.count).sum::<u64>(), counts.iter().sum::<u64>());
            assert!(merged.last().is_some_and(|last| last.upper_ns.is_none()));
        }
    }

    #[test]
    fn decades_end_at_powers_of_ten() {
        let rows = merged(&[1; EDGES_NS.len() + 1], 8, 1_000);
        let uppers: Vec<Option<u64>> = rows.iter().map(|bucket| bucket.upper_ns).collect();
        assert_eq!(
            uppers,
            [
                Some(1_000),
                Some(10_000),
                Some(100_000),
                Some(1_000_000),
                Some(10_000_000),
                Some(100_000_000),
                None
            ]
        );
    }
}
