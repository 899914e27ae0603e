//! The stalls, newest first, each with what ran in it.

use loop_traces::timeline::{Stall, UnfinishedTick};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::app::layout::{first_row, rows};
use crate::app::state::AppState;
use crate::pages::overview::OverviewPage;
use crate::pages::overview::layout::Pane;
use crate::pages::overview::stalls::{self, StallRow};
use crate::theme::Theme;
use crate::units;
use crate::view::paint::Canvas;
use crate::view::shares;
use crate::view::table::{Column, cell};
use crate::view::time::{so_far, when_width};

/// Draws the pane.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &OverviewPage, area: Rect) {
    let focused = page.focus == Pane::Stalls;
    let counted = state.of_window().stalls.count;
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
    let mut all = stalls::stalls(state).peekable();
    if counted == 0 && all.peek().is_none() {
        let text = match lost {
            true => "none seen; lost records may include some".to_owned(),
            false => format!("none{}", so_far(state)),
        };
        canvas.pen(rows, 0).gap(1).put(&text, theme.dim());
        return;
    }
    let shown: Vec<StallRow<'_>> = all.skip(first).take(usize::from(rows.height)).collect();
    let widths = shown.iter().map(|row| units::tick_name(number_of(row)).width() as u16);
    let tick_width = widths.max().unwrap_or(0).max(TICK_WIDTH_MIN);
    let columns = [Column::text("", when_width(state) + 1), Column::text("", tick_width), Column::rest("")];
    let count = stalls::rows(state);
    let shown = canvas.table(rows, &columns, count, (page.stall_row, focused), |place, cells| {
        let row = &shown[place - first];
        let (start, about) = match row {
            StallRow::Unfinished(tick) => (tick.start, unfinished(state, theme, tick)),
            StallRow::Ended(stall) => (stall.tick.start, ended(state, theme, stall, cells[2].width)),
        };
        [
            cell(units::position(state.since_start_ns(start)), theme.dim()),
            cell(units::tick_name(number_of(row)), theme.text()),
            about,
        ]
    });
    canvas.position(area, shown, count);
}

/// Width of `tick 999,999`.
const TICK_WIDTH_MIN: u16 = 12;

const fn number_of(row: &StallRow<'_>) -> Option<u64> {
    match row {
        StallRow::Unfinished(tick) => tick.tick,
        StallRow::Ended(stall) => Some(stall.tick.tick),
    }
}

fn ended(state: &AppState, theme: Theme, stall: &Stall, width: u16) -> Line<'static> {
    let mut line = cell(format!("{:>6}", units::duration(stall.tick.busy_ns)), theme.over());
    line.push_span(Span::styled(" = ", theme.dim()));
    let labels = &state.picture().timeline.labels;
    let width = usize::from(width).saturating_sub(line.width());
    line.extend(shares::line(&stall.blame.shares, labels, width, (theme.text(), theme.dim())));
    line
}

/// `at least 3.2s, still running: BusyHang #4764, since 00:02.2`
fn unfinished(state: &AppState, theme: Theme, tick: &UnfinishedTick) -> Line<'static> {
    let doing = tick.describe(&state.picture().timeline.labels);
    let mut line = cell(format!("at least {}", units::duration(tick.busy_ns)), theme.over());
    let mut put = |text: String, style| line.push_span(Span::styled(text, style));
    match (doing, tick.running) {
        (Some(doing), Some((_, since))) => {
            let since = units::position(state.since_start_ns(since));
            if tick.is_polling() {
                put(format!(", in poll since {since}"), theme.dim());
            } else {
                let is_gone = state.shown().process.is_gone();
                put(if is_gone { ", was running: " } else { ", still running: " }.to_owned(), theme.dim());
                put(doing.strip_prefix("task ").unwrap_or(&doing).to_owned(), theme.text());
                put(format!(", since {since}"), theme.dim());
            }
        }
        _ => put(", not ended".to_owned(), theme.dim()),
    }
    line
}
