//! Colours and glyphs: each colour has one meaning, and each glyph an ASCII substitute.
//!
//! A phase has the same colour everywhere; that of what is over its limit has no other meaning. Without colour, bold and reverse
//! video carry the same meaning, over `Color::Reset` alone, so that no colour sequence ever reaches the terminal.

mod palette;

use std::ffi::OsStr;

use loop_probes::event::Phase;
use loop_traces::timeline::Cause;
use ratatui::style::{Color, Modifier, Style};

use palette::Colors;

pub use palette::Palette;

/// The appearance of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    color: bool,
    palette: Palette,
    /// Whether to draw with ASCII characters only.
    pub ascii: bool,
}

/// Every non-ASCII glyph that the dashboard draws, with its substitute. Each takes one cell.
const PLAIN: &[(&str, &str)] = &[
    ("▁▂", "."),
    ("▃▄", ":"),
    ("▅▆", "|"),
    ("▇█", "#"),
    ("▏▎", "|"),
    ("▍▌▋", "-"),
    ("▊▉", "="),
    ("▒▓", "%"),
    ("░", "/"),
    ("≥", ">"),
    ("─━", "-"),
    ("│", "|"),
    ("┃", "#"),
    ("╭╮╰╯", "+"),
    ("●", "*"),
    ("■", "#"),
    ("▶▸→", ">"),
    ("◀←", "<"),
    ("▲↑", "^"),
    ("▼↓", "v"),
    ("‖", "="),
    ("…", "~"),
    ("–−", "-"),
    ("·", "-"),
    ("×", "x"),
    ("÷", "/"),
    ("≤", "<"),
    ("±", "~"),
    ("µ", "u"),
];

/// The ASCII substitute of `symbol`, one cell wide.
#[must_use]
pub fn plain(symbol: &str) -> &str {
    if symbol.is_ascii() {
        return symbol;
    }
    PLAIN.iter().find(|(from, _)| from.contains(symbol)).map_or("?", |(_, to)| to)
}

impl Theme {
    /// A theme with or without colour, with or without non-ASCII glyphs.
    #[must_use]
    pub const fn new(color: bool, ascii: bool) -> Self {
        Self { color, palette: Palette::Dark, ascii }
    }

    /// The same theme in the colours of `palette`.
    #[must_use]
    pub const fn with_palette(self, palette: Palette) -> Self {
        Self { palette, ..self }
    }

    /// Whether it is for light backgrounds.
    #[must_use]
    pub const fn is_light(self) -> bool {
        self.palette.is_light()
    }

    /// The name of the colour of what is [over](Self::over) its limit.
    #[must_use]
    pub const fn over_word(self) -> &'static str {
        self.palette.over_word()
    }

    /// Names arrow keys by words in ASCII, where `<` and `>` would read as the seek keys.
    #[must_use]
    pub fn arrow_keys(self, text: &str) -> String {
        let words = [
            ("←→", "Left/Right"),
            ("↑↓", "Up/Down"),
            ("←", "Left"),
            ("→", "Right"),
            ("↑", "Up"),
            ("↓", "Down"),
        ];
        let words = words.iter().filter(|_| self.ascii);
        words.fold(text.to_owned(), |text, (arrow, word)| text.replace(arrow, word))
    }

    /// Whether it uses colour.
    #[must_use]
    pub const fn has_color(self) -> bool {
        self.color
    }

    const fn pick(self, color: u8) -> Style {
        Style::new().fg(if self.color { Color::Indexed(color) } else { Color::Reset })
    }

    const fn colors(self) -> &'static Colors {
        self.palette.colors()
    }

    /// Normal text.
    #[must_use]
    pub const fn text(self) -> Style {
        Style::new()
    }

    /// An important number.
    #[must_use]
    pub const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Names, axes, frames: secondary text.
    #[must_use]
    pub const fn dim(self) -> Style {
        self.pick(self.colors().dim)
    }

    /// The frame of a pane.
    #[must_use]
    pub const fn frame(self, focused: bool) -> Style {
        match (focused, self.color) {
            (true, true) => self.pick(self.colors().focused_frame),
            (true, false) => Style::new().add_modifier(Modifier::BOLD),
            (false, _) => self.pick(self.colors().frame),
        }
    }

    /// Style of a pane's title.
    #[must_use]
    pub const fn title(self, focused: bool) -> Style {
        if focused { self.strong() } else { self.pick(self.colors().title) }
    }

    /// Style of a figure over its limit. Nothing else has this colour.
    #[must_use]
    pub const fn over(self) -> Style {
        self.pick(self.colors().over).add_modifier(Modifier::BOLD)
    }

    /// Style of the sign that the loop is running.
    #[must_use]
    pub const fn live(self) -> Style {
        self.pick(self.colors().live).add_modifier(Modifier::BOLD)
    }

    /// Style of the sign that the view is not current.
    #[must_use]
    pub const fn held(self) -> Style {
        self.pick(self.colors().held).add_modifier(Modifier::BOLD)
    }

    /// Style of the selected row.
    #[must_use]
    pub const fn selected(self) -> Style {
        if self.color {
            Style::new().bg(Color::Indexed(self.colors().selected_background)).add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// Style of a key in the bottom row and in the help.
    #[must_use]
    pub const fn key(self) -> Style {
        self.pick(self.colors().key).add_modifier(Modifier::BOLD)
    }

    /// Style of a bar or a sparkline that belongs to no phase.
    #[must_use]
    pub const fn bar(self) -> Style {
        self.pick(self.colors().bar)
    }

    /// Style of a phase, the same everywhere.
    #[must_use]
    pub const fn phase(self, phase: Phase) -> Style {
        self.pick(self.colors().phase(phase))
    }

    /// Style of a cause: that of its phase.
    #[must_use]
    pub const fn cause(self, cause: Cause) -> Style {
        self.phase(match cause {
            Cause::Tasks(_) => Phase::Tasks,
            Cause::Io(_) => Phase::Io,
            Cause::Microtasks(_) => Phase::Microtasks,
            Cause::Deferred => Phase::Deferred,
            Cause::Immediates => Phase::Immediates,
            Cause::Gc => Phase::Gc,
            Cause::Phase(phase) | Cause::ShortRuns(phase) => phase,
            Cause::Poll | Cause::Overslept | Cause::LateWakeup | Cause::Suspended => Phase::Poll,
            Cause::Spans(_) => return self.bar(),
            _ => return self.unattributed(),
        })
    }

    /// Style of time that is not attributed to any phase.
    #[must_use]
    pub const fn unattributed(self) -> Style {
        self.pick(self.colors().unattributed)
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR or CLICOLOR_FORCE is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// The decision, if it depends on nothing else.
    const fn decided(self) -> Option<bool> {
        match self {
            Self::Auto => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

/// Whether to use colour: a flag beats a non-empty `NO_COLOR`, which beats a `CLICOLOR_FORCE` other than `0`, which
/// beats the config file, which beats whether the output is a terminal. `auto` as a flag skips the config file.
#[must_use]
pub fn wants_color(
    flag: Option<ColorChoice>,
    no_color: Option<&OsStr>,
    clicolor_force: Option<&OsStr>,
    file: Option<ColorChoice>,
    terminal: bool,
) -> bool {
    if let Some(decided) = flag.and_then(ColorChoice::decided) {
        return decided;
    }
    if no_color.is_some_and(|value| !value.is_empty()) {
        return false;
    }
    if clicolor_force.is_some_and(|value| !value.is_empty() && value != "0") {
        return true;
    }
    flag.or(file).and_then(ColorChoice::decided).unwrap_or(terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stronger_wish_wins() {
        let set = Some(OsStr::new("1"));
        let empty = Some(OsStr::new(""));
        let zero = Some(OsStr::new("0"));
        let [auto, always, never] = [ColorChoice::Auto, ColorChoice::Always, ColorChoice::Never].map(Some);
        assert!(wants_color(always, set, None, never, false));
        assert!(!wants_color(never, None, set, always, true));
        assert!(!wants_color(None, set, set, always, true));
        assert!(wants_color(None, empty, None, None, true));
        assert!(wants_color(None, None, set, never, false));
        assert!(!wants_color(None, None, zero, None, false));
        assert!(wants_color(None, None, zero, always, false) && !wants_color(None, None, None, never, true));
        assert!(wants_color(auto, None, None, never, true) && !wants_color(auto, None, None, always, false));
        assert!(!wants_color(None, None, None, auto, false));
    }

    #[test]
    fn every_substitute_is_ascii() {
        assert!(PLAIN.iter().all(|(_, to)| to.is_ascii() && to.len() == 1));
        assert_eq!((plain("█"), plain("a"), plain("ü")), ("#", "a", "?"));
    }

    #[test]
    fn without_colour_there_is_none() {
        let theme = Theme::new(false, false);
        let mut styles: Vec<Style> = Phase::ALL.iter().map(|phase| theme.phase(*phase)).collect();
        styles.extend([theme.dim(), theme.over(), theme.live(), theme.held(), theme.selected()]);
        styles.extend([theme.key(), theme.bar(), theme.frame(true), theme.frame(false), theme.title(false)]);
        for style in styles {
            assert!(matches!(style.fg, None | Some(Color::Reset)) && style.bg.is_none(), "{style:?}");
        }
    }
}
