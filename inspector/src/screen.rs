//! Draws the whole screen: the header, the page shown, the footer, the help. A pure function from [`App`] to cells.

mod footer;
mod header;
mod help;
mod tabs;
#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layout::{self, Target};
use crate::pages::page::PageName;
use crate::pages::{agenda, breakdown, handles, log, overview, tag, tags, tick, timers};
use crate::shell::app::App;
use crate::theme::{self, Theme};
use crate::view::paint::Canvas;

/// Draws the dashboard over all of `buffer`; returns what the mouse finds there.
pub fn draw(buffer: &mut Buffer, app: &App, theme: Theme) -> Vec<Target> {
    let (width, height) = (buffer.area.width, buffer.area.height);
    let mut canvas = Canvas::new(buffer, theme);
    if layout::fits(width, height) {
        everything(&mut canvas, app);
    } else {
        too_small(&mut canvas, width, height);
    }
    if theme.ascii {
        for cell in &mut canvas.buffer.content {
            let plain = theme::plain(cell.symbol());
            if plain != cell.symbol() {
                let plain = plain.to_owned();
                cell.set_symbol(&plain);
            }
        }
    }
    canvas.targets
}

fn too_small(canvas: &mut Canvas<'_>, width: u16, height: u16) {
    let (need_width, need_height) = (layout::WIDTH_MIN, layout::HEIGHT_MIN);
    let need = format!("needs {need_width}x{need_height}");
    let whole = format!("{width}x{height} is too small: {need}");
    let text = if whole.len() <= usize::from(width) { whole } else { need };
    let style = canvas.theme.text();
    canvas.pen(Rect::new(0, height / 2, width, 1), 0).put(&text, style);
}

fn everything(canvas: &mut Canvas<'_>, app: &App) {
    let App { state, pages, page, .. } = app;
    let screen = layout::screen(state.width, state.height, state.is_replay());
    header::draw(canvas, state, *page, screen.header);
    let body = screen.body;
    match page {
        PageName::Overview => overview::view::draw(canvas, state, &pages.overview),
        PageName::Tick => tick::view::draw(canvas, state, pages.tick, body),
        PageName::Tags => tags::view::draw(canvas, state, body),
        PageName::Tag => tag::view::draw(canvas, state, &pages.tag, body),
        PageName::Timers => timers::view::draw(canvas, state, &pages.timers, body),
        PageName::Breakdown => breakdown::view::draw(canvas, state, &pages.breakdown, body),
        PageName::Log => log::view::draw(canvas, state, &pages.log, body),
        PageName::Handles => handles::view::draw(canvas, state, body),
        PageName::Agenda => agenda::view::draw(canvas, state, body),
    }
    footer::scrubber(canvas, state, screen.scrubber);
    footer::draw(canvas, state, *page, app.typing.is_some(), screen.footer);
    let above = Rect { height: state.height - screen.footer.height, ..canvas.buffer.area };
    if app.help {
        help::draw(canvas, state.is_replay(), above);
    }
    if let Some(palette) = &app.palette {
        help::commands(canvas, palette, state.is_replay(), above);
    }
}
