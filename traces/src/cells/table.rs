//! Tables of a page. A column is as wide as its longest cell; a page that is too narrow for all columns leaves out the
//! least important ones and says which. Only names are cut.

use std::fmt::Write as _;

use super::{cut_distinct, fill, width, wrap};

/// Names up to this width are cut only if no column can be left out any more.
const NAME: usize = 24;

/// The fewest cells of a name.
const NAME_MIN: usize = 8;

/// Blanks before a column of text.
const TEXT_GAP: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Text,
    Figure,
}

/// A column of a [`Table`].
#[derive(Clone, Debug)]
pub struct Column {
    kind: Kind,
    /// Precedes the head of the first shown column of a group.
    group: &'static str,
    head: &'static str,
    /// The usual width, with the blanks before it.
    usual: usize,
    /// Columns with a rank can be left out, the highest rank first.
    rank: Option<u8>,
}

impl Column {
    const fn new(kind: Kind, head: &'static str, usual: usize) -> Self {
        Self { kind, group: "", head, usual, rank: None }
    }

    /// A column of names, aligned on the left, the only kind whose cells are cut. A table has at most one.
    #[must_use]
    pub const fn name(head: &'static str, usual: usize) -> Self {
        Self::new(Kind::Name, head, usual)
    }

    /// A column of text, aligned on the left.
    #[must_use]
    pub const fn text(head: &'static str, usual: usize) -> Self {
        Self::new(Kind::Text, head, usual)
    }

    /// A column of figures, aligned on the right.
    #[must_use]
    pub const fn figure(head: &'static str, usual: usize) -> Self {
        Self::new(Kind::Figure, head, usual)
    }

    /// Puts the column into a group of neighbours with a common head: `WAIT P50`, `P99`, `MAX`.
    #[must_use]
    pub const fn of(mut self, group: &'static str) -> Self {
        self.group = group;
        self
    }

    /// Leaves the column out of a page that is too narrow; the highest `rank` goes first.
    #[must_use]
    pub const fn optional(mut self, rank: u8) -> Self {
        self.rank = Some(rank);
        self
    }

    /// The head with that of its group.
    fn whole_head(&self) -> String {
        format!("{} {}", self.group, self.head).trim_start().to_owned()
    }
}

/// How much room columns take.
#[derive(Clone, Copy)]
enum Spacing {
    /// At least their usual width.
    Usual,
    /// The width of their longest cell, plus this many blanks.
    Blanks(usize),
}

/// The lines of a table that fits a page.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// The line of heads.
    pub head: String,
    /// A line for each row.
    pub rows: Vec<String>,
    /// Names the columns that were left out, wrapped; `None` if none were.
    pub note: Option<String>,
}

impl Fitted {
    /// Appends all lines to a page.
    pub fn write(&self, out: &mut String) {
        let lines = std::iter::once(&self.head).chain(&self.rows).chain(&self.note);
        // Writing to a string cannot fail.
        lines.for_each(|line| {
            let _ = writeln!(out, "{line}");
        });
    }
}

/// A table, row by row.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Appends a row, with a cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines for a page of `columns` cells.
    #[must_use]
    pub fn fit(&self, columns: usize) -> Fitted {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let mut left_out: Vec<usize> = Vec::new();
        let spacings = [Spacing::Usual, Spacing::Blanks(2), Spacing::Blanks(1)];
        let widths = loop {
            if let Some(widths) =
                spacings.into_iter().find_map(|spacing| self.widths(&shown, spacing, columns))
            {
                break widths;
            }
            let rank = |place: &usize| self.columns[*place].rank;
            let Some(least) = shown.iter().copied().filter(|place| rank(place).is_some()).max_by_key(rank)
            else {
                break self.narrowest(&shown, columns);
            };
            shown.retain(|place| *place != least);
            left_out.push(least);
        };
        left_out.sort_unstable();
        let names: Vec<String> = left_out.iter().map(|place| self.columns[*place].whole_head()).collect();
        let note = format!("not shown at {columns} columns: {}", names.join(", "));
        Fitted {
            head: self.line(&shown, &widths, |place| self.head(&shown, place)),
            rows: self.lines(&shown, &widths),
            note: (!names.is_empty()).then(|| wrap(&note, columns.saturating_sub(2), 2)),
        }
    }

    /// The head of a column: with its group, if it is the first of it that is shown.
    fn head(&self, shown: &[usize], place: usize) -> String {
        let column = &self.columns[place];
        let before = shown.iter().rev().find(|other| **other < place);
        let is_first = before.is_none_or(|before| self.columns[*before].group != column.group);
        if is_first { column.whole_head() } else { column.head.to_owned() }
    }

    /// The widest cell of a column, its head included.
    fn longest(&self, shown: &[usize], place: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(place)).map(|cell| width(cell));
        cells.max().unwrap_or(0).max(width(&self.head(shown, place)))
    }

    /// Blanks that belong to the width of a column, before its cells.
    fn gap(&self, place: usize, blanks: usize) -> usize {
        match self.columns[place].kind {
            _ if place == 0 => 0,
            Kind::Name | Kind::Text => TEXT_GAP,
            Kind::Figure => blanks,
        }
    }

    /// The width of a column that is not cut.
    fn whole(&self, shown: &[usize], place: usize, spacing: Spacing) -> usize {
        let longest = self.longest(shown, place);
        match spacing {
            Spacing::Usual => self.columns[place].usual.max(longest + self.gap(place, 1)),
            Spacing::Blanks(blanks) => longest + self.gap(place, blanks),
        }
    }

    fn is_name(&self, place: &usize) -> bool {
        self.columns[*place].kind == Kind::Name
    }

    /// The widths of the shown columns, if they fit without cutting a name to less than [`NAME`] cells.
    fn widths(&self, shown: &[usize], spacing: Spacing, columns: usize) -> Option<Vec<usize>> {
        let others: usize = shown
            .iter()
            .filter(|place| !self.is_name(place))
            .map(|place| self.whole(shown, *place, spacing))
            .sum();
        let room = columns.checked_sub(others)?;
        let fitted = shown.iter().map(|place| {
            let whole = self.whole(shown, *place, spacing);
            if !self.is_name(place) {
                return Some(whole);
            }
            let least = match spacing {
                Spacing::Usual => whole.min(self.columns[*place].usual.max(NAME + self.gap(*place, 0))),
                Spacing::Blanks(_) => whole.min(NAME + self.gap(*place, 0)),
            };
            (least <= room).then_some(whole.min(room))
        });
        let fitted: Vec<usize> = fitted.collect::<Option<_>>()?;
        (fitted.iter().sum::<usize>() <= columns).then_some(fitted)
    }

    /// The widths if no more columns can be left out: the name gets the remaining room.
    fn narrowest(&self, shown: &[usize], columns: usize) -> Vec<usize> {
        let whole = |place: usize| self.whole(shown, place, Spacing::Blanks(1));
        let others: usize =
            shown.iter().filter(|place| !self.is_name(place)).map(|place| whole(*place)).sum();
        let room = columns.saturating_sub(others);
        let of = |place: &usize| match self.is_name(place) {
            true => whole(*place).min(room.max(NAME_MIN + self.gap(*place, 0))),
            false => whole(*place),
        };
        shown.iter().map(of).collect()
    }

    fn lines(&self, shown: &[usize], widths: &[usize]) -> Vec<String> {
        let name = shown.iter().zip(widths).find(|(place, _)| self.is_name(place));
        let names = name.map_or_else(Vec::new, |(place, wide)| {
            let names: Vec<&str> =
                self.rows.iter().map(|row| row.get(*place).map_or("", String::as_str)).collect();
            cut_distinct(&names, wide - self.gap(*place, 0))
        });
        let cell = |row: usize, place: usize| match name {
            Some((name, _)) if *name == place => names.get(row).cloned(),
            _ => self.rows.get(row).and_then(|row| row.get(place)).cloned(),
        };
        (0..self.rows.len())
            .map(|row| self.line(shown, widths, |place| cell(row, place).unwrap_or_default()))
            .collect()
    }

    fn line(&self, shown: &[usize], widths: &[usize], cell: impl Fn(usize) -> String) -> String {
        let mut line = String::new();
        for (place, wide) in shown.iter().zip(widths) {
            let cell = cell(*place);
            if self.columns[*place].kind == Kind::Figure {
                line.push_str(&" ".repeat(wide.saturating_sub(width(&cell))));
                line.push_str(&cell);
            } else {
                let gap = self.gap(*place, 0);
                line.push_str(&" ".repeat(gap));
                line.push_str(&fill(&cell, wide.saturating_sub(gap)));
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, figure: &str) -> Table {
        let mut table = Table::new([
            Column::name("TAG", 12),
            Column::figure("COUNT", 10),
            Column::figure("P50", 8).of("RUN").optional(2),
            Column::figure("P90", 8).of("RUN").optional(1),
            Column::figure("MAX", 8).of("RUN"),
            Column::text("SAYS", 10),
        ]);
        table.row([name, figure, "1µs", "2µs", "3µs", "yes"].map(str::to_owned));
        table.row(["gc", "1", "1µs", "2µs", "3µs", ""].map(str::to_owned));
        table
    }

    fn page(table: &Table, columns: usize) -> String {
        let mut out = String::new();
        table.fit(columns).write(&mut out);
        out
    }

    #[test]
    fn columns_have_their_usual_width_where_there_is_room() {
        let expected = "\
TAG              COUNT RUN P50     P90     MAX  SAYS
Read                12     1µs     2µs     3µs  yes
gc                   1     1µs     2µs     3µs
";
        assert_eq!(page(&table("Read", "12"), 80), expected);
    }

    #[test]
    fn columns_never_touch() {
        let page = page(&table("Read", "18,446,744,073,709,551,615"), 80);
        assert!(page.contains("\nRead         18,446,744,073,709,551,615     1µs"), "{page}");
    }

    #[test]
    fn a_narrow_page_first_closes_up_then_leaves_out_and_says_so() {
        let head = |columns| page(&table("Read", "12"), columns).lines().next().map(str::to_owned);
        assert_eq!(head(40).unwrap(), "TAG   COUNT  RUN P50  P90  MAX  SAYS");
        assert_eq!(head(33).unwrap(), "TAG  COUNT RUN P50 P90 MAX  SAYS");
        let expected = "\
TAG  COUNT RUN P90 MAX  SAYS
Read    12     2µs 3µs  yes
gc       1     2µs 3µs
not shown at 30 columns: RUN
  P50
";
        assert_eq!(page(&table("Read", "12"), 30), expected);
    }

    #[test]
    fn names_are_cut_last_and_figures_never() {
        let long = "billing::invoices::請求書::monthly::ReadFileWithTaxesOfAllCountries";
        for columns in 48..120 {
            let page = page(&table(long, "18,446,744,073"), columns);
            assert!(page.lines().all(|line| width(line) <= columns && line.trim_end() == line), "{page}");
            assert!(page.contains(" 18,446,744,073 ") && page.contains("3µs"), "{page}");
            assert!(page.contains("RUN P50") && page.contains("P90"), "shown, or named in the note: {page}");
            let name = page.lines().nth(1).and_then(|row| row.split(' ').next()).unwrap();
            assert!(width(name) >= NAME || page.contains("RUN P50, RUN"), "all else was left out: {page}");
        }
    }
}
