//! The bottom rows: the replay's scrubber, and the keys, the filter or the last message.

use ratatui::layout::Rect;

use crate::app::layout::track;
use crate::app::state::AppState;
use crate::keymap::{Action, BINDINGS, Key};
use crate::units;
use crate::view::paint::Canvas;

/// Widths of the last two hints, with the blanks before them.
const HELP: usize = "? help".len() + 2;
const QUIT: usize = "q quit".len() + 2;

pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, typing: bool, area: Rect) {
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    if typing {
        pen.put("/", theme.key()).put(&state.filter, theme.strong()).put("▏", theme.key());
        pen.gap(2).put("Enter applies, Esc cancels", theme.dim());
        return;
    }
    if let Some(note) = &state.note {
        let style = if note.failed { theme.over() } else { theme.held() };
        let text = loop_probes::text::printable(&note.text);
        pen.put(&text, style);
        return;
    }
    if !state.filter.is_empty() {
        pen.put("/", theme.key()).put(&state.filter, theme.held()).gap(2);
    }
    for binding in BINDINGS.iter().filter(|binding| binding.holds(state.is_replay())) {
        let Some(hint) = binding.hint else { continue };
        let hint = match hint {
            "freeze" if state.frozen.is_some() => "resume",
            "play" if state.playback.as_ref().is_some_and(|playback| playback.playing) => "pause",
            hint => hint,
        };
        let keys = match binding.keys {
            // In ASCII, the arrows `<>` would read as the seek keys.
            [Key::Left, ..] if theme.ascii => "hl",
            [Key::Left, ..] => "←→",
            [Key::Char('['), ..] => "[]",
            [Key::Char('+'), ..] => "+-",
            [Key::Char('<'), ..] => "<>",
            _ => binding.shown.split(' ').next().unwrap_or(""),
        };
        // The keys for help and to quit are always shown.
        let last = match binding.action {
            Action::Quit => 0,
            Action::Help => QUIT,
            _ => HELP + QUIT,
        };
        if usize::from(pen.room()) >= keys.chars().count() + 1 + hint.len() + last {
            pen.put(keys, theme.key()).gap(1).put(hint, theme.dim()).gap(2);
        }
    }
}

/// The position of the replay, its stalls, and its pace.
pub(crate) fn scrubber(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let Some(playback) = &state.playback else { return };
    let theme = canvas.theme;
    let track = track(area);
    let (symbol, style) = if playback.playing { ("▶", theme.live()) } else { ("‖", theme.held()) };
    let position = units::position(playback.position.ns_since(playback.start));
    let mut pen = canvas.pen(Rect { width: track.x - area.x, ..area }, 0);
    pen.gap(1).put(symbol, style).gap(1).left(&units::speed(playback.speed), 5, theme.strong());
    pen.number(&position, 11, theme.strong());
    let cells = track.width.saturating_sub(1);
    let knob = (playback.share() * f64::from(cells)).round() as u16;
    for cell in 0..track.width {
        let (symbol, style) = if cell < knob { ("━", theme.live()) } else { ("─", theme.dim()) };
        canvas.cell(track.x + cell, track.y, symbol, style);
    }
    for stall in playback.stalls.iter() {
        let cell = (playback.share_of(*stall) * f64::from(cells)).round() as u16;
        canvas.cell(track.x + cell, track.y, "▲", theme.over());
    }
    canvas.cell(track.x + knob.min(cells), track.y, "●", theme.strong());
    let end = track.x + track.width;
    let mut pen = canvas.pen(Rect { x: end, width: area.width.saturating_sub(end - area.x), ..area }, 0);
    pen.gap(1).put(&units::position(playback.end.ns_since(playback.start)), theme.dim());
    let count = playback.stalls.len() as u64;
    let noun = if count == 1 { "stall" } else { "stalls" };
    pen.whole(&format!("  {} {noun}", units::short_count(count)), theme.dim());
}
