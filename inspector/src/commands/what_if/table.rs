//! The page of a what-if: figures before, of the model, after and their change; the largest changes; the assumptions.
//!
//! Better is green and worse is red. A word repeats it for output without colour.

use loop_traces::cells::table::{Column, Table};
use loop_traces::units::{change, count, duration, percent};
use ratatui::style::Style;

use crate::text::{self, line, wrap};
use crate::theme::Theme;
use loop_rerun::what_if::{Answer, Changed, Changes, Figure, Row, Unit, Verdict, is_change};

/// Widths of a figure, of a change, and of the word after it.
const FIGURE: usize = 10;
const CHANGE: usize = 10;
const WORD: usize = "  better".len();

/// Maximum number of figures named in the headline.
const NAMED: usize = 3;

struct Page {
    out: String,
    theme: Theme,
    columns: usize,
    /// Width of the name column.
    name: usize,
    /// Whether there is a column for the model.
    has_model: bool,
    stall_limit_ns: u64,
}

/// Renders the page for a screen of `columns`.
pub(super) fn render(answer: &Answer, changes: &Changes, theme: Theme, columns: usize) -> String {
    let columns = columns.clamp(60, 120);
    let has_model = answer.model.is_some();
    let figures = 4 * FIGURE + CHANGE + WORD;
    let stall_limit_ns = answer.before.summary.ticks.stall_limit_ns;
    let name = columns.saturating_sub(figures).clamp(22, 36);
    let mut page = Page { out: String::new(), theme, columns, name, has_model, stall_limit_ns };
    page.head(answer, changes);
    if !changes.is_identity() && answer.cut_short.is_none() {
        page.overview(answer);
    }
    page.line("");
    page.rows(&answer.rows);
    page.changed(&answer.changed);
    page.legend(answer);
    page.assumptions(&answer.assumptions);
    text::finish(page.out, theme)
}

fn show(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Ns => duration(value as u64),
        Unit::Count => count(value as u64),
        Unit::Share => percent(value),
    }
}

fn times(factor: f64) -> String {
    if factor < 100.0 { format!("{factor:.1}") } else { count(factor as u64) }
}

/// Formats a change as a percentage, a factor or a word.
fn moved(from: f64, to: f64) -> String {
    match (from, to) {
        _ if !is_change(from, to) => "=".to_owned(),
        (0.0, _) => "new".to_owned(),
        (_, 0.0) => "gone".to_owned(),
        _ if to / from >= 3.0 => format!("×{}", times(to / from)),
        _ if from / to >= 3.0 => format!("÷{}", times(from / to)),
        _ => change(to / from - 1.0),
    }
}

/// The word after a change.
const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Model => "model",
        Verdict::Unlike => "unlike",
        Verdict::Changed | Verdict::Same => "",
    }
}

impl Page {
    fn paint(&self, style: Style, text: &str) -> String {
        text::paint(self.theme, style, text)
    }

    fn line(&mut self, text: &str) {
        line!(self.out, "{}", text.trim_end());
    }

    fn wrapped(&mut self, text: &str) {
        self.line(&wrap(text, self.columns.saturating_sub(2), 2));
    }

    fn dim(&mut self, text: &str) {
        let text = self.paint(self.theme.dim(), text.trim_end());
        self.line(&text);
    }

    fn head(&mut self, answer: &Answer, changes: &Changes) {
        let source = &answer.before.summary.source;
        let text = format!(
            "{} · policy {} · {}",
            source.name,
            source.policy,
            duration(answer.before.summary.span_ns)
        );
        self.wrapped(&text);
        let what = wrap(&format!("what if: {changes}"), self.columns.saturating_sub(2), 2);
        self.line(&self.paint(self.theme.strong(), &what));
        if changes.is_identity() {
            self.wrapped(
                "the recording and its unchanged re-execution: all differences are the model's error",
            );
        }
        if let Some(text) = answer.open_tick_line() {
            self.line(&wrap(&text, self.columns, 0));
        }
        if let Some(why) = answer.cut_short {
            let why = wrap(&format!("cut short: {why}"), self.columns.saturating_sub(2), 2);
            self.line(&self.paint(self.theme.over(), &why));
        }
    }

    /// Prints the headline: the figures that got better and worse, largest change first.
    fn overview(&mut self, answer: &Answer) {
        let mut found = false;
        let words =
            [(Verdict::Better, self.theme.live(), "better"), (Verdict::Worse, self.theme.over(), "worse")];
        for (wanted, style, word) in words {
            let news = answer.news(wanted);
            let mut text: Vec<String> =
                news.iter().map(|news| format!("{} {}", news.name, moved(news.from, news.to))).collect();
            let room = self.columns - "better   · 99 more".chars().count();
            while text.len() > NAMED || (text.len() > 1 && text.join(" · ").chars().count() > room) {
                text.pop();
            }
            if text.len() < news.len() {
                text.push(format!("{} more", news.len() - text.len()));
            }
            if !text.is_empty() {
                found = true;
                let line = format!("{}  {}", self.paint(style, &format!("{word:<6}")), text.join(" · "));
                self.line(&line);
            }
        }
        if !found {
            let text = if self.has_model {
                "neither better nor worse: no change is larger than the model's error"
            } else {
                "neither better nor worse: the model's error is unknown"
            };
            self.wrapped(text);
        }
    }

    /// An empty table for figures before, of the model, and after.
    fn table(&self, head: &'static str, error: bool) -> Table {
        let model = Column::figure("MODEL", FIGURE).optional(2);
        let error = error.then(|| Column::figure("ERROR", FIGURE).optional(1));
        Table::new(
            [Column::name(head, self.name), Column::figure("BEFORE", FIGURE)]
                .into_iter()
                .chain(self.has_model.then_some(model))
                .chain([Column::figure("AFTER", FIGURE)])
                .chain(error.filter(|_| self.has_model))
                .chain([Column::figure("CHANGE", CHANGE), Column::text("", WORD)]),
        )
    }

    /// Prints a table, colouring the changes by `verdicts`.
    fn rows_of(&mut self, table: &Table, verdicts: &[Verdict]) {
        let table = table.fit(self.columns);
        self.dim(&table.head);
        for (row, verdict) in table.rows.iter().zip(verdicts) {
            // The change and the word are the last two cells of the row.
            let word = word(*verdict);
            let change = row.strip_suffix(word).unwrap_or(row).trim_end();
            let end = change.rfind(' ').map_or(0, |blank| blank + 1);
            let (figures, text) = row.split_at(end);
            let text = match verdict {
                Verdict::Better => self.paint(self.theme.live(), text),
                Verdict::Worse => self.paint(self.theme.over(), text),
                Verdict::Model | Verdict::Unlike | Verdict::Same => self.paint(self.theme.dim(), text),
                Verdict::Changed => text.to_owned(),
            };
            self.line(&format!("{figures}{text}"));
        }
        if let Some(note) = &table.note {
            self.dim(note);
        }
    }

    fn rows(&mut self, rows: &[Row]) {
        let mut table = self.table("", true);
        let mut last = "";
        for row in rows {
            let name = match row.what {
                "stalls" => format!("stalls over {}", duration(self.stall_limit_ns)),
                what if row.statistic.is_empty() => what.to_owned(),
                what => format!("{:15}{}", if what == last { "" } else { what }, row.statistic),
            };
            last = row.what;
            let shown =
                |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| show(row.unit, value));
            let error = row.error.map_or_else(String::new, |error| format!("±{}", show(row.unit, error)));
            let text = match (row.from(), row.after) {
                (Some(from), Some(after)) => moved(from, after),
                _ => "–".to_owned(),
            };
            let model = self.has_model.then(|| shown(row.model));
            let error = self.has_model.then_some(error);
            let cells = [name, shown(row.before)].into_iter().chain(model).chain([shown(row.after)]);
            table.row(cells.chain(error).chain([text, word(row.verdict).to_owned()]));
        }
        let verdicts: Vec<Verdict> = rows.iter().map(|row| row.verdict).collect();
        self.rows_of(&table, &verdicts);
    }

    fn changed(&mut self, changed: &[Changed]) {
        let is_shown = |changed: &&Changed| {
            is_change(changed.from().p99_ns as f64, changed.after.p99_ns as f64)
                || changed.from().count.min(changed.after.count) == 0
        };
        let changed: Vec<&Changed> = changed.iter().filter(is_shown).collect();
        if changed.is_empty() {
            return;
        }
        self.line("");
        let mut table = self.table("CHANGED MOST, P99", false);
        let verdicts: Vec<Verdict> = changed.iter().map(|changed| changed.verdict).collect();
        for changed in changed {
            let name = format!("{:<5}{}", changed.what.word(), changed.tag);
            let shown = |figure: Figure| match figure.count {
                0 => "–".to_owned(),
                _ => duration(figure.p99_ns),
            };
            let model = self.has_model.then(|| changed.model.map(shown).unwrap_or_default());
            let text = match (changed.from().count, changed.after.count) {
                (_, 0) => "gone".to_owned(),
                (0, _) => "new".to_owned(),
                _ => moved(changed.from().p99_ns as f64, changed.after.p99_ns as f64),
            };
            let cells = [name, shown(changed.before)].into_iter().chain(model).chain([shown(changed.after)]);
            table.row(cells.chain([text, word(changed.verdict).to_owned()]));
        }
        self.rows_of(&table, &verdicts);
    }

    /// Explains the columns and words that the page contains.
    fn legend(&mut self, answer: &Answer) {
        let rows = answer.rows.iter().map(|row| row.verdict);
        let verdicts: Vec<Verdict> =
            rows.chain(answer.changed.iter().map(|changed| changed.verdict)).collect();
        let lines = [
            (self.has_model, "CHANGE is from MODEL (the recording re-executed without changes) to AFTER"),
            (self.has_model, "ERROR is how far the model may be off; – means a value below it"),
            (verdicts.contains(&Verdict::Model), "model: the change is not larger than the model's error"),
            (
                verdicts.contains(&Verdict::Unlike),
                "unlike: of more or fewer events, which alone may explain the change",
            ),
        ];
        if lines.iter().any(|(is_shown, _)| *is_shown) {
            self.line("");
        }
        for (_, line) in lines.into_iter().filter(|(is_shown, _)| *is_shown) {
            self.dim(&wrap(line, self.columns, 0));
        }
    }

    fn assumptions(&mut self, lines: &[String]) {
        self.line("");
        self.dim("ASSUMED");
        for line in lines {
            self.line(&format!("- {}", wrap(line, self.columns.saturating_sub(2), 2)));
        }
    }
}
