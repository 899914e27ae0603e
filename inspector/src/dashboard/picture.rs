//! Frames in formats for files: text, SVG, asciicast.

use std::fmt::Write as _;
use std::time::Duration;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

/// Width of a cell in an SVG, in pixels.
const CELL_PX: usize = 8;

/// The cells as lines of text, without trailing blanks.
#[must_use]
pub fn text(cells: &Buffer) -> String {
    rows(cells).fold(String::new(), |mut text, row| {
        let line: String = row.map(Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// The cells as a picture, on a dark or a light background.
#[must_use]
pub fn svg(cells: &Buffer, is_light: bool) -> String {
    let width_px = usize::from(cells.area.width) * CELL_PX;
    let term = anstyle_svg::Term::new().min_width_px(width_px);
    let (text, background) = (anstyle::RgbColor(0, 0, 0), anstyle::RgbColor(255, 255, 255));
    let term = if is_light { term.fg_color(text.into()).bg_color(background.into()) } else { term };
    term.render_svg(&ansi(cells))
}

/// The cells of each row, without those that a wide character covers.
fn rows(cells: &Buffer) -> impl Iterator<Item = impl Iterator<Item = &Cell>> {
    let width = usize::from(cells.area.width).max(1);
    cells.content.chunks(width).map(|row| {
        let mut covered = 0;
        row.iter().filter(move |cell| {
            let is_covered = covered > 0;
            covered = if is_covered { covered - 1 } else { cell.symbol().width().saturating_sub(1) };
            !is_covered
        })
    })
}

/// The cells as text with escape sequences.
fn ansi(cells: &Buffer) -> String {
    const CODES: [(Modifier, u8); 5] = [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::REVERSED, 7),
    ];
    let mut ansi = String::new();
    for row in rows(cells) {
        for cell in row {
            ansi.push_str("\x1b[0m");
            // Each in a sequence of its own: the renderer takes what follows an underline for its kind.
            for (_, code) in CODES.iter().filter(|(modifier, _)| cell.modifier.contains(*modifier)) {
                let _ = write!(ansi, "\x1b[{code}m");
            }
            push_color(&mut ansi, 38, cell.fg);
            push_color(&mut ansi, 48, cell.bg);
            ansi.push_str(cell.symbol());
        }
        ansi.push_str("\x1b[0m\n");
    }
    ansi
}

/// Each colour gets an escape sequence of its own: given two in one sequence, the renderer uses the second for both.
fn push_color(ansi: &mut String, code: u8, color: Color) {
    let _ = match color {
        Color::Indexed(index) => write!(ansi, "\x1b[{code};5;{index}m"),
        Color::Rgb(red, green, blue) => write!(ansi, "\x1b[{code};2;{red};{green};{blue}m"),
        // The theme uses no others.
        _ => Ok(()),
    };
}

/// A recording of the screen in the format of asciinema, version 2.
///
/// Source: the page "asciicast v2" of asciinema's documentation.
#[derive(Debug)]
pub struct Asciicast {
    lines: String,
}

impl Asciicast {
    /// An empty recording of a screen with this width and height. `started` is seconds since 1970.
    #[must_use]
    pub fn new((width, height): (u16, u16), started: u64, title: &str) -> Self {
        let title = serde_json::Value::from(title);
        let lines = format!(
            "{{\"version\":2,\"width\":{width},\"height\":{height},\"timestamp\":{started},\"title\":{title},\
             \"env\":{{\"TERM\":\"xterm-256color\"}}}}\n"
        );
        let mut cast = Self { lines };
        cast.output(Duration::ZERO, "\x1b[2J\x1b[H\x1b[?25l");
        cast
    }

    /// Adds what the terminal receives, at this time since the beginning.
    pub fn frame(&mut self, at: Duration, bytes: &[u8]) {
        self.output(at, &String::from_utf8_lossy(bytes));
    }

    fn output(&mut self, at: Duration, text: &str) {
        let seconds = at.as_micros() as f64 / 1e6;
        let event = serde_json::json!([seconds, "o", text]);
        let _ = writeln!(self.lines, "{event}");
    }

    /// The lines of the file.
    #[must_use]
    pub fn finish(self) -> String {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    fn cells() -> Buffer {
        let mut cells = Buffer::empty(Rect::new(0, 0, 12, 2));
        cells.set_string(0, 0, "a 日 <b>", Style::new().fg(Color::Indexed(203)).add_modifier(Modifier::BOLD));
        cells.set_string(4, 1, "│", Style::new());
        cells
    }

    #[test]
    fn text_has_each_character_once_and_no_trailing_blanks() {
        assert_eq!(text(&cells()), "a 日 <b>\n    │\n");
    }

    #[test]
    fn a_picture_is_xml_with_all_text_and_colours() {
        let svg = svg(&cells(), false);
        let mut reader = quick_xml::Reader::from_str(&svg);
        let mut text = String::new();
        loop {
            match reader.read_event().expect("it is XML") {
                quick_xml::events::Event::Eof => break,
                quick_xml::events::Event::Text(part) => text.push_str(&part.decode().unwrap()),
                quick_xml::events::Event::GeneralRef(name) => text.push_str(&name.decode().unwrap()),
                _ => {}
            }
        }
        for part in ["日", "lt", "│"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(svg.contains("#FF5F5F") || svg.contains("#ff5f5f"), "{svg}");
    }

    #[test]
    fn an_asciicast_is_a_line_of_json_per_frame() {
        let mut cast = Asciicast::new((80, 24), 5, "a \"title\"");
        cast.frame(Duration::from_millis(40), "\x1b[1mlö\r\n".as_bytes());
        let lines = cast.finish();
        let lines: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["version"], &lines[0]["width"]), (&2.into(), &80.into()));
        assert_eq!(lines[0]["title"], "a \"title\"");
        assert_eq!(lines[2], serde_json::json!([0.04, "o", "\x1b[1mlö\r\n"]));
    }
}
