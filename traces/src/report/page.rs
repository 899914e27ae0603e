//! The page of the report: text wrapped to a number of columns.

use crate::cells::table::Table;
use crate::cells::{width, wrap};

/// Indentation of continuation lines.
const INDENT: usize = 2;

/// Text for lines of `columns` columns.
pub(super) struct Page {
    text: String,
    columns: usize,
}

impl Page {
    pub(super) const fn new(columns: usize) -> Self {
        Self { text: String::new(), columns }
    }

    pub(super) const fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Appends a line without wrapping it.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Appends an empty line.
    pub(super) fn blank(&mut self) {
        self.line("");
    }

    /// Appends `head` and, to the right of it, `text` wrapped between words.
    pub(super) fn beside(&mut self, head: &str, text: &str) {
        let indent = width(head);
        self.line(&format!("{head}{}", wrap(text, self.columns.saturating_sub(indent), indent)));
    }

    /// Appends text without indentation, wrapped between words.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.beside("", text);
    }

    /// Appends text wrapped between words, with indented continuation lines.
    pub(super) fn sentence(&mut self, text: &str) {
        self.line(&wrap(text, self.columns.saturating_sub(INDENT), INDENT));
    }

    /// Appends `parts` with ` · ` between them. Wraps only between parts.
    pub(super) fn dotted(&mut self, parts: &[String]) {
        let parts: Vec<String> = parts.iter().map(|part| part.replace(' ', "\u{a0}")).collect();
        let whole = parts.join("\u{a0}· ");
        self.line(&wrap(&whole, self.columns.saturating_sub(INDENT), INDENT).replace('\u{a0}', " "));
    }

    /// Appends `head` and `parts` with commas between the parts. Wraps only between parts.
    pub(super) fn list(&mut self, head: &str, parts: &[String]) {
        let mut line = head.to_owned();
        for (place, part) in parts.iter().enumerate() {
            let comma = if place + 1 < parts.len() { "," } else { "" };
            if place > 0 && width(&line) + 1 + width(part) + comma.len() > self.columns {
                self.line(&line);
                line = " ".to_owned();
            }
            line.push_str(&format!(" {part}{comma}"));
        }
        self.line(&line);
    }

    /// Appends a table, fitted to the page.
    pub(super) fn table(&mut self, table: &Table) {
        table.fit(self.columns).write(&mut self.text);
    }

    /// Appends an empty line and `page`; nothing if `page` is empty.
    pub(super) fn section(&mut self, page: Self) {
        if !page.text.is_empty() {
            self.blank();
            self.text.push_str(&page.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_break_between_their_parts() {
        let parts = ["timer A ×1", "io B ×22", "io C ×3"].map(str::to_owned);
        let listed = |parts: &[String], columns| {
            let mut page = Page::new(columns);
            page.list("kept by", parts);
            page.into_text()
        };
        assert_eq!(listed(&parts, 80), "kept by timer A ×1, io B ×22, io C ×3\n");
        assert_eq!(listed(&parts, 20), "kept by timer A ×1,\n  io B ×22, io C ×3\n");
        assert_eq!(listed(&parts[..1], 5), "kept by timer A ×1\n");
    }
}
