//! Text on a terminal: cut to its cells, broken between words, coloured, or without glyphs beyond ASCII. The panes and
//! the pages that commands print share it, so that a name is cut the same way everywhere.

use ratatui::style::{Color, Modifier, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::theme::{Theme, plain};

/// Appends a line to a page. Writing to a string cannot fail.
macro_rules! line {
    ($out:expr, $($args:tt)*) => {{
        use std::fmt::Write as _;
        let _ = writeln!($out, $($args)*);
    }};
}
pub(crate) use line;

/// The beginning of `text` in at most `width` cells, ending in `…` where something is missing.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut cells = 0;
    for character in text.chars() {
        let wide = character.width().unwrap_or(0);
        if cells + wide + 1 > width {
            break;
        }
        kept.push(character);
        cells += wide;
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The same with what is missing in the middle: of names that end in a number or a statistic, that stays.
#[must_use]
pub fn cut_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end: String = text.chars().skip(text.chars().count().saturating_sub(width / 3)).collect();
    format!("{}{end}", cut(text, width.saturating_sub(end.width())))
}

/// `text` with blanks behind it up to `width` cells: a cell of a table, aligned whatever script a name is in.
#[must_use]
pub fn fill(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// Breaks `text` between words into lines of `width` cells; all but the first are indented.
#[must_use]
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let cells = word.width();
        if used > 0 && used + 1 + cells > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += cells;
    }
    out
}

/// `text` in a style of `theme`, where that has colour.
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

/// A page that is done, with the glyphs that `theme` allows.
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
    fn text_is_cut_by_cells_and_not_by_characters() {
        assert_eq!(cut("ReadFile", 8), "ReadFile");
        assert_eq!(cut("ReadFile", 5), "Read…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(fill("日本", 6), "日本  ");
        assert_eq!(fill("ReadFile", 3), "ReadFile");
    }

    #[test]
    fn a_cut_name_keeps_its_number() {
        assert_eq!(cut_middle("agenda worker 0", 15), "agenda worker 0");
        assert_eq!(cut_middle("agenda worker 128", 15), "agenda wo…r 128");
        assert_eq!(cut_middle("日本語日本語日本語 7", 9), "日本…語 7");
        for width in 0..12 {
            assert!(cut_middle("worker 日本", width).width() <= width);
        }
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7, 2), "one two\n  three");
        assert_eq!(wrap("incomprehensible", 4, 2), "incomprehensible");
        assert_eq!(wrap("日本 語", 4, 0), "日本\n語");
    }

    #[test]
    fn colour_is_only_where_the_theme_has_it() {
        let style = Theme::new(true, false).over();
        assert_eq!(paint(Theme::new(true, false), style, "late"), "\x1b[1;38;5;203mlate\x1b[0m");
        assert_eq!(paint(Theme::new(false, false), style, "late"), "late");
        assert_eq!(finish("3µs …".to_owned(), Theme::new(false, true)), "3us ~");
    }
}
