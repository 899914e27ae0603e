//! Draws the state: a pure function from [`AppState`] to cells.
//!
//! The view depends on the state and never the other way round. It draws what is there and decides nothing.

mod agenda_page;
mod bounds;
mod breakdown;
mod delay_caused;
mod delayed;
mod footer;
mod header;
mod help;
mod histogram;
mod keep_alive;
mod log;
mod paint;
mod panels;
mod stalls;
mod strip;
mod tag;
mod tasks;
#[cfg(test)]
mod tests;
mod tick;
mod timers;

use ratatui::buffer::Buffer;

use crate::app::layout::{self, Area, Pane};
use crate::app::state::{AppState, View};
use crate::theme::{self, Theme};
use crate::units;
use paint::Canvas;

/// Draws the dashboard over all of `buffer`.
pub fn draw(buffer: &mut Buffer, state: &AppState, theme: Theme) {
    let (width, height) = (buffer.area.width, buffer.area.height);
    let mut canvas = Canvas { buffer, theme };
    if layout::fits(width, height) {
        page(&mut canvas, state, width, height);
    } else {
        too_small(&mut canvas, width, height);
    }
    if theme.ascii {
        for cell in &mut buffer.content {
            let plain = theme::plain(cell.symbol());
            if plain != cell.symbol() {
                let plain = plain.to_owned();
                cell.set_symbol(&plain);
            }
        }
    }
}

/// Width of the positions in a list: that of the latest one.
fn when_width(state: &AppState) -> u16 {
    let latest = units::position(state.elapsed_ns());
    (latest.len() as u16).max(units::position(0).len() as u16)
}

fn too_small(canvas: &mut Canvas<'_>, width: u16, height: u16) {
    let (need_width, need_height) = (layout::WIDTH_MIN, layout::HEIGHT_MIN);
    let need = format!("needs {need_width}x{need_height}");
    let whole = format!("{width}x{height} is too small: {need}");
    let text = if whole.len() <= usize::from(width) { whole } else { need };
    let style = canvas.theme.text();
    canvas.pen(Area::new(0, height / 2, width, 1), 0).put(&text, style);
}

fn page(canvas: &mut Canvas<'_>, state: &AppState, width: u16, height: u16) {
    let page = layout::page(width, height, state.is_replay());
    header::draw(canvas, state, page.header);
    match state.view {
        View::Overview => overview(canvas, state, page.body),
        View::Tick => tick::draw(canvas, state, page.body),
        View::Tasks => tag::detail_pane(canvas, state, page.body),
        View::Tag => tag::draw(canvas, state, page.body),
        View::Breakdown => breakdown::draw(canvas, state, page.body),
        View::Timers => timers::draw(canvas, state, page.body),
        View::Log => log::draw(canvas, state, page.body),
        View::Loop => keep_alive::draw(canvas, state, page.body),
        View::Agenda => agenda_page::draw(canvas, state, page.body),
    }
    if let Some(scrubber) = page.scrubber {
        footer::scrubber(canvas, state, scrubber);
    }
    footer::draw(canvas, state, page.footer);
    if state.help {
        help::draw(canvas, state, Area::new(0, 0, width, height - page.footer.height));
    }
}

fn overview(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let panes = layout::overview(body, state.extras());
    let focused = |pane: Pane| state.focus == pane;
    strip::draw(canvas, state, panes.ticks, focused(Pane::Ticks));
    tasks::draw(canvas, state, panes.tasks, focused(Pane::Tasks));
    if !panes.lag.is_empty() {
        histogram::lag(canvas, state, panes.lag, focused(Pane::Lag));
    }
    panels::draw(canvas, state, &panes);
    agenda_page::overview(canvas, state, &panes);
    keep_alive::pane(canvas, state, panes.keep_alive);
    stalls::draw(canvas, state, panes.stalls, focused(Pane::Stalls));
}
