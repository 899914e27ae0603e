//! The bottom rows: the replay's scrubber, and the keys, the filter or the last message.

use ratatui::layout::Rect;

use crate::app::layout::{Target, track};
use crate::app::state::AppState;
use crate::keymap::{Action, BINDINGS, Key};
use crate::pages::page::PageName;
use crate::units;
use crate::view::paint::Canvas;

/// The keys while a filter is typed.
const KEYS: &str = "regular expression; Enter applies, Esc cancels";

/// Widths of the last two hints, with the blanks before them.
const HELP: usize = "? help".len() + 2;
const QUIT: usize = "q quit".len() + 2;

pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: PageName, typing: bool, area: Rect) {
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    if typing {
        pen.put("/", theme.key()).put(state.filter.text(), theme.strong()).put("▏", theme.key());
        let remark = if state.filter.is_plain() { "no regular expression: looked for as text" } else { KEYS };
        pen.gap(2).put(remark, theme.dim());
        return;
    }
    if let Some(note) = &state.note {
        let style = if note.failed { theme.over() } else { theme.held() };
        let text = loop_probes::text::printable(&note.text);
        pen.put(&text, style);
        return;
    }
    if !state.filter.is_empty() {
        pen.put("/", theme.key()).put(state.filter.text(), theme.held()).gap(2);
    }
    let mut targets = Vec::new();
    for (place, binding) in
        BINDINGS.iter().enumerate().filter(|(_, binding)| binding.holds(state.is_replay()))
    {
        let Some(hint) = binding.hint.filter(|_| is_of_page(binding.action, page)) else { continue };
        let hint = match hint {
            "stall" if !state.filter.is_empty() && is_of_page(Action::Filter, page) => "match",
            "freeze" if state.frozen.is_some() => "resume",
            "play" if state.playback.as_ref().is_some_and(|playback| playback.playing) => "pause",
            hint => hint,
        };
        // Of two keys, the second is that of the next binding.
        let (keys, is_pair) = match binding.keys {
            // In ASCII, the arrows `<>` would read as the seek keys.
            [Key::Left, ..] if theme.ascii => ("hl", true),
            [Key::Left, ..] => ("←→", true),
            [Key::Char('['), ..] => ("[]", true),
            [Key::Char('z'), ..] => ("zZ", true),
            [Key::Char('n'), ..] => ("nN", true),
            [Key::Char('+'), ..] => ("+-", true),
            [Key::Char('<'), ..] => ("<>", true),
            _ => (binding.shown.split(' ').next().unwrap_or(""), false),
        };
        // The keys for help and to quit are always shown.
        let last = match binding.action {
            Action::Quit => 0,
            Action::Help => QUIT,
            _ => HELP + QUIT,
        };
        if usize::from(pen.room()) >= keys.chars().count() + 1 + hint.len() + last {
            let x = pen.at();
            pen.put(keys, theme.key()).gap(1).put(hint, theme.dim());
            targets.push(Target { area: pen.since(x), action: binding.action });
            let second = BINDINGS.get(place + 1).filter(|_| is_pair);
            let cell = Rect { x: x + 1, width: 1, ..pen.since(x) };
            targets.extend(second.map(|second| Target { area: cell, action: second.action }));
            pen.gap(2);
        }
    }
    canvas.targets.extend(targets);
}

/// Whether a key does something on a page.
const fn is_of_page(action: Action, page: PageName) -> bool {
    match action {
        Action::ZoomOut => matches!(page, PageName::Overview | PageName::Tick),
        Action::Sort => matches!(page, PageName::Overview | PageName::Tags),
        Action::Open => !matches!(page, PageName::Handles | PageName::Agenda),
        Action::Filter => {
            !matches!(page, PageName::Tag | PageName::Breakdown | PageName::Handles | PageName::Agenda)
        }
        Action::LongerWindow | Action::ShorterWindow => {
            !matches!(page, PageName::Tick | PageName::Breakdown | PageName::Log)
        }
        _ => true,
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
