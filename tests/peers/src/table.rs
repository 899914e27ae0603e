//! The output: sections with a table each, and at the end the targets and whether they were met.

use std::fmt;

/// One section of the page.
#[derive(Debug)]
pub(crate) struct Section {
    title: &'static str,
    /// What was measured and how, above the table.
    text: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Notes on what the table cannot show.
    notes: Vec<String>,
}

impl Section {
    pub(crate) fn new(title: &'static str, text: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|&word| word.to_owned()).collect();
        Self { title, text: text.into(), head, rows: Vec::new(), notes: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        self.rows.push([name.to_owned()].into_iter().chain(cells).collect());
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n## {}\n\n{}\n", self.title, wrapped(&self.text))?;
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.head.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        for note in &self.notes {
            writeln!(f, "\n{}", wrapped(note))?;
        }
        Ok(())
    }
}

/// A target, with the measured value.
#[derive(Debug)]
pub(crate) struct Target {
    what: String,
    /// NaN if it could not be measured.
    measured: f64,
    limit: f64,
    unit: &'static str,
}

impl Target {
    /// The target that `what` is at most `limit`.
    pub(crate) fn at_most(limit: f64, unit: &'static str, what: impl Into<String>, measured: f64) -> Self {
        Self { what: what.into(), measured, limit, unit }
    }

    fn verdict(&self) -> &'static str {
        match self.measured {
            measured if measured.is_nan() => "not measured",
            measured if measured <= self.limit => "met",
            _ => "**not met**",
        }
    }
}

/// The results of a run's parts.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) sections: Vec<Section>,
    pub(crate) targets: Vec<Target>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            section.fmt(f)?;
        }
        if self.targets.is_empty() {
            return Ok(());
        }
        let text =
            "Targets of this loop, checked with the figures above: the medians of the ratios per round.";
        let mut targets = Section::new("Targets", text, &["target", "at most", "measured", ""]);
        for target in &self.targets {
            let Target { what, measured, limit, unit } = target;
            let cells = [format!("{limit}{unit}"), figure(*measured) + unit, target.verdict().to_owned()];
            targets.row(what, cells);
        }
        targets.fmt(f)
    }
}

/// A figure with three significant digits.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "–".to_owned(),
        size if size >= 99.95 => grouped(value.round() as i64),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A ratio, as in `1.25 ×`.
pub(crate) fn times(ratio: f64) -> String {
    if ratio.is_nan() { "–".to_owned() } else { format!("{} ×", figure(ratio)) }
}

/// A number with its thousands grouped.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Wraps at the line length of the rest of the book.
pub(crate) fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 118 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}
