//! The stalls, newest first, each with what ran in it.

use loop_traces::timeline::{Stall, UnfinishedTick};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::app::layout::{first_row, rows};
use crate::app::state::AppState;
use crate::pages::overview::OverviewPage;
use crate::pages::overview::layout::Pane;
use crate::pages::overview::stalls::{StallRow, stalls};
use crate::units;
use crate::view::paint::Canvas;
use crate::view::shares;
use crate::view::time::when_width;

/// Draws the pane.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &OverviewPage, area: Rect) {
    let focused = page.focus == Pane::Stalls;
    let counted = state.picture().timeline.stalls.count;
    let rows = rows(area, false);
    let limit = units::limit(state.about.stall_limit_ns);
    let lost = state.figures.more_stalls;
    let remark = match (lost, area.width) {
        (true, _) => format!("at least {}: records were lost, newest first", units::count(counted)),
        (false, 0..96) => format!("busier than {limit}, newest first"),
        (false, _) => format!("ticks busier than {limit}, newest first, Enter opens the breakdown"),
    };
    canvas.pane(area, "stalls", &remark, focused);
    let theme = canvas.theme;
    let first = first_row(page.stall_row, rows.height);
    let mut all = stalls(state.picture()).peekable();
    if counted == 0 && all.peek().is_none() {
        let text = if lost { "none seen; lost records may have held some" } else { "none so far" };
        canvas.pen(rows, 0).gap(1).put(text, theme.dim());
        return;
    }
    let shown: Vec<StallRow<'_>> = all.skip(first).take(usize::from(rows.height)).collect();
    let widths = shown.iter().map(|row| units::tick_name(number_of(row)).width() as u16);
    let tick_width = widths.max().unwrap_or(0).max(TICK_WIDTH_MIN);
    let selected = (page.stall_row, focused);
    canvas.list(rows, first + shown.len(), selected, |canvas, area, place| match &shown[place - first] {
        StallRow::Unfinished(tick) => unfinished_row(canvas, state, area, tick, tick_width),
        StallRow::Ended(stall) => row(canvas, state, area, stall, tick_width),
    });
}

/// Width of `tick 999,999`.
const TICK_WIDTH_MIN: u16 = 12;

const fn number_of(row: &StallRow<'_>) -> Option<u64> {
    match row {
        StallRow::Unfinished(tick) => tick.tick,
        StallRow::Ended(stall) => Some(stall.tick.tick),
    }
}

fn row(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, stall: &Stall, tick_width: u16) {
    let theme = canvas.theme;
    let labels = &state.picture().timeline.labels;
    let tick = &stall.tick;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1)
        .left(&units::position(state.since_start_ns(tick.start)), when_width(state), theme.dim())
        .gap(2);
    pen.left(&units::tick_name(Some(tick.tick)), tick_width, theme.text()).gap(1);
    pen.number(&units::duration(tick.busy_ns), 6, theme.over()).put(" = ", theme.dim());
    shares::write(&mut pen, &stall.blame.shares, labels, (theme.text(), theme.dim()));
}

/// `00:02.1  tick 431  at least 3.2s, still running: BusyHang #4764, since 00:02.2`
fn unfinished_row(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    tick: &UnfinishedTick,
    tick_width: u16,
) {
    let theme = canvas.theme;
    let position = |at| units::position(state.since_start_ns(at));
    let doing = tick.describe(&state.picture().timeline.labels);
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).left(&position(tick.start), when_width(state), theme.dim()).gap(2);
    pen.left(&units::tick_name(tick.tick), tick_width, theme.text()).gap(1);
    pen.put("at least ", theme.over()).put(&units::duration(tick.busy_ns), theme.over());
    match (doing, tick.running) {
        (Some(_), Some((_, since))) if tick.is_polling() => {
            pen.put(&format!(", in poll since {}", position(since)), theme.dim());
        }
        (Some(doing), Some((_, since))) => {
            let doing = doing.strip_prefix("task ").unwrap_or(&doing);
            let verb =
                if state.picture_running().2.is_gone() { ", was running: " } else { ", still running: " };
            pen.put(verb, theme.dim()).put(doing, theme.text());
            pen.whole(&format!(", since {}", position(since)), theme.dim());
        }
        _ => _ = pen.put(", not ended", theme.dim()),
    }
}
