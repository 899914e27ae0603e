//! The timers: how many, how late, and who made each late one late.

use loop_probes::event::Queue;

use super::paint::Canvas;
use super::{histogram, stalls};
use crate::app::layout::{self, Area};
use crate::app::lists;
use crate::app::state::State;
use crate::units;

/// Rows of the upper part, its frame included: seven buckets, the figures and a blank.
const UPPER_ROWS: u16 = 11;
/// Columns of the figures beside the histogram.
const FIGURES_WIDTH: u16 = 34;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, body: Area) {
    let upper = Area { height: UPPER_ROWS.min(body.height), ..body };
    let figures = Area { width: FIGURES_WIDTH, ..upper };
    let lag = Area { x: upper.x + FIGURES_WIDTH, width: upper.width - FIGURES_WIDTH, ..upper };
    self::figures(canvas, state, figures);
    histogram::lag(canvas, state, lag, false);
    let late = Area { y: upper.y + upper.height, height: body.height - upper.height, ..body };
    self::late(canvas, state, late);
}

fn figures(canvas: &mut Canvas<'_>, state: &State, area: Area) {
    let theme = canvas.theme;
    let timeline = &state.picture().timeline;
    let timers = &timeline.timers;
    let inner = canvas.pane(area, "timers", "", false);
    // Sampled when it changes: whoever attached later may not have seen it yet.
    let armed_now = timeline.queues.queue(Queue::Timers).samples.newest();
    let lag = state.glance.lag_ns;
    let rows = [
        ("armed now", armed_now.map_or("not seen yet".to_owned(), |depth| units::count(u64::from(*depth)))),
        ("armed", units::count(timers.armed)),
        ("fired", units::count(timers.fired)),
        ("cleared", units::count(timers.cleared)),
        ("late", units::count(timers.late)),
        ("periods skipped", units::count(timers.skipped)),
        ("lag p50", units::duration(lag.p50)),
        ("lag p99", units::duration(lag.p99)),
        ("lag max", units::duration(lag.max)),
    ];
    for (row, (name, value)) in rows.iter().enumerate() {
        let over = row == 8 && lag.max > state.about.stall_limit_ns;
        let style = if over { theme.over() } else { theme.strong() };
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1).left(name, 17, theme.dim()).number(value, 13, style);
    }
}

fn late(canvas: &mut Canvas<'_>, state: &State, area: Area) {
    let theme = canvas.theme;
    let limit = units::duration(state.picture().timeline.config().late_timer_ns).replace(".0", "");
    let remark = format!("later than {limit}, newest first, Enter opens the tick");
    let inner = canvas.pane(area, "late timers, and who made them late", &remark, true);
    if lists::late_shown(state).next().is_none() {
        let text =
            if state.late.is_empty() { "none so far" } else { "none of a tag that contains the filter" };
        canvas.pen(inner, 0).gap(1).put(text, theme.dim());
        return;
    }
    let labels = &state.picture().timeline.labels;
    let first = layout::first_row(state.row, inner.height);
    let late = lists::late_shown(state).enumerate();
    for (line, (place, row)) in late.skip(first).take(usize::from(inner.height)).enumerate() {
        let line = line as u16;
        let lag_ns = row.late.lag_ns();
        let over = lag_ns > state.about.stall_limit_ns;
        let mut pen = canvas.pen(inner, line);
        pen.gap(1).put(&units::position(state.since_start_ns(row.late.fired)), theme.dim()).gap(2);
        pen.left(&labels.tag(row.late.tag), 16, theme.text()).gap(1);
        pen.put("lag", theme.dim());
        pen.number(&units::duration(lag_ns), 8, if over { theme.over() } else { theme.text() });
        pen.put(" = ", theme.dim());
        match &row.blame {
            Some(blame) => {
                // A poll that slept past the deadline is nobody's busy time.
                let overslept_ns = lag_ns.saturating_sub(blame.total_ns);
                let (text, dim) = (theme.text(), theme.dim());
                if overslept_ns >= stalls::TOLD_NS {
                    pen.put("poll overslept", text).put(&format!(" {}", units::duration(overslept_ns)), dim);
                }
                if blame.total_ns >= stalls::TOLD_NS || overslept_ns < stalls::TOLD_NS {
                    pen.put(if overslept_ns >= stalls::TOLD_NS { " + " } else { "" }, dim);
                    stalls::shares(&mut pen, &blame.shares, labels, (text, dim));
                }
            }
            None => {
                pen.put("its ticks are no longer kept", theme.dim());
            }
        }
        if place == state.row {
            canvas.tint(inner, line, theme.selected());
        }
    }
}
