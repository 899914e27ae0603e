//! Text for a terminal: cut to a number of cells, wrapped between words, coloured, or reduced to ASCII. Panes and
//! printed pages share it, so that names are cut the same way everywhere.

use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr as _;

use crate::theme::{Theme, plain};

pub use loop_traces::cells::{cut, cut_middle, fill, wrap};

/// Appends a line to a page. Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($args:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($out, $($args)*);
    }};
}
pub(crate) use line;

/// A row of a page: its head, and beside it the text, wrapped between words to a total of `width` cells. Words joined
/// by a no-break space stay together.
#[must_use]
pub fn row(head: &str, text: &str, width: usize) -> String {
    let indent = head.width();
    format!("{head}{}", wrap(text, width.saturating_sub(indent), indent).replace('\u{a0}', " "))
}

/// `text` in a style of `theme`, if that has colour.
#[must_use]
pub fn paint(theme: Theme, style: Style, text: &str) -> String {
    if !theme.has_color() {
        return text.to_owned();
    }
    let mut codes = Vec::new();
    if style.add_modifier.contains(Modifier::BOLD) {
        codes.push("1".to_owned());
    }
    if let Some(Color::Indexed(index)) = style.fg {
        codes.push(format!("38;5;{index}"));
    }
    if codes.is_empty() { text.to_owned() } else { format!("\x1b[{}m{text}\x1b[0m", codes.join(";")) }
}

/// A plain page in the colours of `theme`, if it has any: the heads of tables are dimmed, titles emphasised.
///
/// A table head has no lower-case letter; a title follows an empty line and precedes indented ones. A line that ends in
/// a comma continues below and is not a title.
#[must_use]
pub fn page(plain: &str, theme: Theme) -> String {
    let lines: Vec<&str> = plain.lines().collect();
    let line_at = |place: Option<usize>| place.and_then(|place| lines.get(place)).copied();
    let is_head = |line: &str| {
        line.chars().filter(|letter| letter.is_ascii_uppercase()).count() > 3
            && !line.chars().any(char::is_lowercase)
    };
    let mut out = String::with_capacity(plain.len());
    for (place, line) in lines.iter().enumerate() {
        let is_title = !line.is_empty()
            && !line.starts_with(' ')
            && !line.ends_with(',')
            && line_at(place.checked_sub(1)) == Some("")
            && line_at(Some(place + 1)).is_some_and(|next| next.starts_with("  "));
        if is_head(line) {
            out.push_str(&paint(theme, theme.dim(), line));
        } else if is_title {
            out.push_str(&paint(theme, theme.strong(), line));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    finish(out, theme)
}

/// A finished page, reduced to the glyphs that `theme` allows.
#[must_use]
pub fn finish(page: String, theme: Theme) -> String {
    if theme.ascii {
        page.chars().map(|one| plain(one.encode_utf8(&mut [0; 4])).to_owned()).collect()
    } else {
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7, 2), "one two\n  three");
        assert_eq!(wrap("incomprehensible", 4, 2), "incomprehensible");
        assert_eq!(wrap("日本 語", 4, 0), "日本\n語");
        assert_eq!(row("ran  ", "Metric\u{a0}×5, Send\u{a0}×7", 18), "ran  Metric ×5,\n     Send ×7");
    }

    #[test]
    fn of_a_page_heads_and_titles_have_colour() {
        let plain = "a · 3 ticks\n\nTASK TAG  COUNT\nRead         3\n\nstalls, worst first\n  1.2s  4µs\n";
        let painted = plain
            .replace("TASK TAG  COUNT", "\x1b[38;5;244mTASK TAG  COUNT\x1b[0m")
            .replace("stalls, worst first", "\x1b[1mstalls, worst first\x1b[0m");
        assert_eq!(page(plain, Theme::new(true, false)), painted);
        assert_eq!(page(plain, Theme::new(false, false)), plain);
        assert!(page(plain, Theme::new(false, true)).is_ascii());
    }

    #[test]
    fn a_row_that_goes_on_below_is_no_title() {
        let names = "timer\u{a0}Report ×1, timer\u{a0}Heartbeat1ms ×1, io echo connection ×8";
        let plain = format!("a · 3 ticks\n\n{}\n", wrap(&format!("kept alive by {names}"), 40, 2));
        assert!(plain.lines().count() > 3, "{plain}");
        assert_eq!(page(&plain, Theme::new(true, false)), plain);
    }

    #[test]
    fn colour_is_only_where_the_theme_has_it() {
        let style = Theme::new(true, false).over();
        assert_eq!(paint(Theme::new(true, false), style, "late"), "\x1b[1;38;5;203mlate\x1b[0m");
        assert_eq!(paint(Theme::new(false, false), style, "late"), "late");
        assert_eq!(finish("3µs …".to_owned(), Theme::new(false, true)), "3us ~");
    }
}
