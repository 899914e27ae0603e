//! Renders a page as text: the verdict first, then its basis, then where else to look.

use loop_probes::text::printable;
use loop_traces::analysis::diff::decide::Verdict;
use loop_traces::analysis::gate::Outcome;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use super::{Page, told};
use crate::text::{self, cut_middle, fill, line, wrap};
use crate::theme::Theme;

/// Maximum number of changes shown without a verdict.
const CHANGES_SHOWN: usize = 10;

/// From this width on there is room for p-values.
const WIDE: usize = 100;

/// Renders the page, `width` cells wide if the names allow it.
#[must_use]
pub fn render(page: &Page, theme: Theme, width: usize) -> String {
    let mut out = Text { out: String::new(), theme, width };
    if let Some((verdict, sentence)) = &page.headline {
        out.headline(*verdict, sentence);
    }
    if !page.rows.is_empty() {
        out.rows(page);
    }
    if !page.gates.is_empty() {
        out.gates(page);
    }
    if !page.changes.is_empty() {
        out.changes(page);
    }
    out.notes(page);
    text::finish(out.out, theme)
}

struct Text {
    out: String,
    theme: Theme,
    width: usize,
}

impl Text {
    fn verdict(&self, verdict: Verdict) -> Style {
        match verdict {
            Verdict::Worse => self.theme.over(),
            Verdict::Better => self.theme.live(),
            Verdict::Same => self.theme.text(),
            Verdict::Undecided => self.theme.held(),
        }
    }

    fn paint(&self, style: Style, text: &str) -> String {
        text::paint(self.theme, style, text)
    }

    fn headline(&mut self, verdict: Verdict, sentence: &str) {
        let word = self.paint(self.verdict(verdict), verdict.name());
        let indent = verdict.name().len() + 2;
        let wrapped = wrap(sentence, self.width.saturating_sub(indent), indent);
        line!(self.out, "{word}: {wrapped}");
    }

    /// The width of names beside `others` cells.
    fn names<'a>(&self, others: usize, names: impl Iterator<Item = &'a str>) -> usize {
        let longest = names.map(UnicodeWidthStr::width).max().unwrap_or_default();
        longest.clamp(12, self.width.saturating_sub(others).max(20))
    }

    fn rows(&mut self, page: &Page) {
        let wide = self.width >= WIDE;
        let interval = page.rows.iter().map(|row| row.interval.chars().count()).max().unwrap_or(0).max(12);
        let taken = 11 + 2 + 10 + 10 + 8 + 2 + interval + if wide { 8 } else { 0 };
        let name = self.names(taken, page.rows.iter().map(|row| row.metric.as_str()));
        let p = if wide { "       P" } else { "" };
        let head = format!(
            "{:<11}  {:<name$}{:>10}{:>10}{:>8}  {:<interval$}{p}",
            "VERDICT", "METRIC", "BASE", "NOW", "CHANGE", "95% INTERVAL"
        );
        line!(self.out, "\n{}", self.paint(self.theme.dim(), head.trim_end()));
        for row in &page.rows {
            let verdict = self.paint(self.verdict(row.verdict), &format!("{:<11}", row.verdict.name()));
            let p = if wide { format!("{:>8}", row.p) } else { String::new() };
            let cells = format!(
                "{}{:>10}{:>10}{:>8}  {:<interval$}{p}",
                fill(&cut_middle(&row.metric, name), name),
                row.base,
                row.candidate,
                row.change,
                row.interval
            );
            line!(self.out, "{verdict}  {}", cells.trim_end());
            for detail in &row.details {
                let detail = wrap(detail, self.width.saturating_sub(13), 13);
                line!(self.out, "{:13}{}", "", self.paint(self.theme.dim(), &detail));
            }
        }
    }

    fn gates(&mut self, page: &Page) {
        let style = if page.failed().next().is_some() { self.theme.over() } else { self.theme.strong() };
        let blank = if self.out.is_empty() { "" } else { "\n" };
        line!(self.out, "{blank}{}", self.paint(style, &page.gates_line()));
        let name = self.names(30, page.gates.iter().map(|gate| gate.gate.as_str()));
        for gate in &page.gates {
            let style = match gate.outcome {
                outcome if page.fails(outcome) => self.theme.over(),
                Outcome::Undecided => self.theme.held(),
                _ => self.theme.live(),
            };
            let outcome = self.paint(style, &format!("{:<11}", gate.outcome.name()));
            let wanted = fill(&cut_middle(&printable(&gate.gate), name), name);
            let numbers = wrap(&told(gate), self.width.saturating_sub(name + 15).max(20), name + 15);
            line!(self.out, "{outcome}  {wanted}  {numbers}");
        }
    }

    fn changes(&mut self, page: &Page) {
        let shown = &page.changes[..page.changes.len().min(CHANGES_SHOWN)];
        let title = "CHANGED MOST, NO VERDICT";
        let name = self.names(30, shown.iter().map(|moved| moved.metric.as_str())).max(title.len());
        let head = format!("{title:<name$}{:>10}{:>10}{:>8}", "BASE", "NOW", "CHANGE");
        line!(self.out, "\n{}", self.paint(self.theme.dim(), &head));
        for moved in shown {
            line!(
                self.out,
                "{}{:>10}{:>10}{:>8}",
                fill(&cut_middle(&moved.metric, name), name),
                moved.base,
                moved.candidate,
                moved.change,
            );
        }
        if page.changes.len() > shown.len() {
            let more = format!("and {} more: --format json", page.changes.len() - shown.len());
            line!(self.out, "{}", self.paint(self.theme.dim(), &more));
        }
    }

    fn notes(&mut self, page: &Page) {
        for (place, note) in page.notes.iter().enumerate() {
            let blank = if place == 0 { "\n" } else { "" };
            line!(
                self.out,
                "{blank}{} {}",
                self.paint(self.theme.held(), "note"),
                wrap(note, self.width.saturating_sub(5), 5)
            );
        }
    }
}
