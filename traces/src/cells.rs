//! Text in terminal cells: names truncated and padded to the width of their columns, in any script.
//!
//! Shared by the report, the pages that commands print and the dashboard, so that names are truncated the same way
//! everywhere.

pub mod table;

use std::collections::BTreeMap;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The number of cells that `text` occupies.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// Truncates `text` to at most `width` cells, ending in `…` if anything was cut.
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

/// Like [`cut`], but cuts in the middle: names that end in a number or a statistic keep it.
#[must_use]
pub fn cut_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end: String = text.chars().skip(text.chars().count().saturating_sub(width / 3)).collect();
    format!("{}{end}", cut(text, width.saturating_sub(end.width())))
}

/// Like [`cut_middle`], for a task's name: a final `#151857` is kept whole if there is room for any name beside it.
#[must_use]
pub fn cut_name(text: &str, width: usize) -> String {
    let numbered = text.rfind(" #").map(|at| text.split_at(at));
    match numbered {
        Some((name, number)) if text.width() > width && number.width() + 8 <= width => {
            format!("{}{number}", cut_middle(name, width - number.width()))
        }
        _ => cut_middle(text, width),
    }
}

/// Truncates the names of a table to at most `width` cells each, as [`cut_middle`] does. Different names that would look
/// the same keep a part in which they differ.
#[must_use]
pub fn cut_distinct(names: &[&str], width: usize) -> Vec<String> {
    let plain: Vec<String> = names.iter().map(|name| cut_middle(name, width)).collect();
    let mut alike: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, cut) in names.iter().zip(&plain) {
        alike.entry(cut).or_default().push(name);
    }
    let distinct = |(name, cut): (&&str, &String)| {
        let others = alike.get(&**cut).map_or(&[][..], Vec::as_slice).iter().filter(|other| *other != name);
        let same = |other: &&str| name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        // The one with the longest common prefix differs last.
        others.map(same).max().map_or_else(|| cut.clone(), |at| cut_around(name, at, width))
    };
    names.iter().zip(&plain).map(distinct).collect()
}

/// The beginning of `text`, a part around character `at`, and the end, in at most `width` cells.
fn cut_around(text: &str, at: usize, width: usize) -> String {
    let from = |at: usize| -> String { text.chars().skip(at).collect() };
    let rest = from(at.saturating_sub(2));
    let head = cut(text, (width / 6).max(2));
    if rest.width() + head.width() <= width {
        return format!("{}{rest}", cut(text, width - rest.width()));
    }
    let end = from(text.chars().count().saturating_sub(width / 3));
    let piece = cut(&rest, width.saturating_sub(head.width() + end.width()));
    cut(&format!("{head}{piece}{end}"), width)
}

/// Pads `text` with blanks to `width` cells: a table cell, aligned in any script.
#[must_use]
pub fn fill(text: &str, width: usize) -> String {
    format!("{text}{:1$}", "", width.saturating_sub(text.width()))
}

/// Wraps `text` between words into lines of `width` cells; all but the first are indented.
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
    fn names_that_differ_read_differently() {
        let names = [
            "base::internal::RunOnce (render_thread_one.cc:120)",
            "base::internal::RunOnce (render_thread_two.cc:120)",
            "base::internal::RunOnce (render_thread_twelve.cc:120)",
            "gc",
        ];
        let cut = cut_distinct(&names, 20);
        assert_eq!(cut, ["base::…d_one.cc:120)", "base::in…two.cc:120)", "base:…twelve.cc:120)", "gc"]);
        assert!(cut.iter().all(|name| name.width() <= 20));
        assert_eq!(cut_distinct(&["same", "same"], 3), ["s…e", "s…e"]);
        let names = ["billing::monthly::ReadFileOfAllCountries", "billing::monthly::SendMailToAllCountries"];
        assert_eq!(cut_distinct(&names, 20), ["bi…::ReadFile…ntries", "bi…::SendMail…ntries"]);
        for width in 0..60 {
            assert!(cut_distinct(&names, width).iter().all(|name| name.width() <= width), "{width}");
        }
    }

    #[test]
    fn a_cut_task_keeps_its_whole_number() {
        assert_eq!(cut_name("HttpRequest #151857", 24), "HttpRequest #151857");
        assert_eq!(cut_name("billing::invoices::RenderMonthly #151857", 24), "billing::i…nthly #151857");
        assert_eq!(cut_name("請求書::毎月の請求書を描画する #7", 20), "請求書…を描画する #7");
        assert_eq!(cut_name("billing::invoices::RenderMonthly", 24), "billing::invoic…rMonthly");
        for cells in 0..60 {
            assert!(cut_name("billing::invoices::RenderMonthly #151857", cells).width() <= cells);
        }
    }
}
