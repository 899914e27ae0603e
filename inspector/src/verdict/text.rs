//! Renders a page as text: the headline, the metrics with verdicts, the gates, other changes, and notes.

use loop_probes::text::printable;
use loop_traces::analysis::diff::Verdict;
use loop_traces::analysis::gate::Outcome;
use loop_traces::cells::table::{Column, Table};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::{Page, describe_gate};
use crate::text::{self, cut_middle, fill, line, wrap};
use crate::theme::Theme;

/// Maximum number of changes shown without a verdict.
const CHANGES_SHOWN: usize = 10;

/// Renders the page, at most `width` cells wide if the names allow it.
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

    fn rows(&mut self, page: &Page) {
        let mut table = Table::new([
            Column::text("VERDICT", 11),
            Column::name("METRIC", 14),
            Column::figure("BASE", 10),
            Column::figure("NOW", 10),
            Column::figure("CHANGE", 8),
            Column::text("95% INTERVAL", 14).optional(1),
            Column::figure("P", 8).optional(2),
        ]);
        for row in &page.rows {
            let figures = [&row.base, &row.candidate, &row.change, &row.interval, &row.p];
            let cells = [row.verdict.name(), &row.metric].map(str::to_owned);
            table.row(cells.into_iter().chain(figures.map(Clone::clone)));
        }
        let table = table.fit(self.width);
        line!(self.out, "\n{}", self.paint(self.theme.dim(), &table.head));
        for (row, cells) in page.rows.iter().zip(&table.rows) {
            let verdict = row.verdict.name();
            let cells = cells.strip_prefix(verdict).unwrap_or(cells);
            line!(self.out, "{}{cells}", self.paint(self.verdict(row.verdict), verdict));
            for detail in &row.details {
                let detail = wrap(detail, self.width.saturating_sub(13), 13);
                line!(self.out, "{:13}{}", "", self.paint(self.theme.dim(), &detail));
            }
        }
        if let Some(note) = &table.note {
            line!(self.out, "{}", self.paint(self.theme.dim(), note));
        }
    }

    fn gates(&mut self, page: &Page) {
        let style = if page.failed().next().is_some() { self.theme.over() } else { self.theme.strong() };
        let blank = if self.out.is_empty() { "" } else { "\n" };
        line!(self.out, "{blank}{}", self.paint(style, &page.gates_line()));
        let longest = page.gates.iter().map(|gate| gate.gate.width()).max().unwrap_or_default();
        let name = longest.clamp(12, self.width.saturating_sub(35));
        for gate in &page.gates {
            let style = match gate.outcome {
                outcome if page.fails(outcome) => self.theme.over(),
                Outcome::Undecided => self.theme.held(),
                _ => self.theme.live(),
            };
            let outcome = self.paint(style, &format!("{:<11}", gate.outcome.name()));
            let wanted = fill(&cut_middle(&printable(&gate.gate), name), name);
            let numbers = wrap(&describe_gate(gate), self.width.saturating_sub(name + 15), name + 15);
            line!(self.out, "{outcome}  {wanted}  {numbers}");
        }
    }

    fn changes(&mut self, page: &Page) {
        let shown = &page.changes[..page.changes.len().min(CHANGES_SHOWN)];
        let mut table = Table::new([
            Column::name("LARGEST CHANGES, NO VERDICT", 24),
            Column::figure("BASE", 10),
            Column::figure("NOW", 10),
            Column::figure("CHANGE", 8),
        ]);
        for moved in shown {
            table.row([&moved.metric, &moved.base, &moved.candidate, &moved.change].map(Clone::clone));
        }
        let table = table.fit(self.width);
        line!(self.out, "\n{}", self.paint(self.theme.dim(), &table.head));
        table.rows.iter().for_each(|row| line!(self.out, "{row}"));
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
