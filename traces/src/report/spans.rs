//! The report's table of spans, which the program labelled within its tasks or an import took from slices.

use super::bounds::{Of, figure};
use super::page::Page;
use crate::cells::table::{Column, Table};
use crate::summary::Summary;
use crate::units::count;

/// Maximum number of labels shown.
const LABELS_SHOWN: usize = 12;

pub(super) fn table(page: &mut Page, summary: &Summary) {
    let spans: Vec<_> = summary.spans.iter().filter(|span| span.count > 0).collect();
    let shown = &spans[..spans.len().min(LABELS_SHOWN)];
    if shown.is_empty() {
        return;
    }
    let mut table = Table::new([
        Column::name("SPAN", 12),
        Column::figure("COUNT", 10),
        Column::figure("P50", 9).of("RUN"),
        Column::figure("P99", 9).of("RUN"),
        Column::figure("MAX", 9).of("RUN"),
    ]);
    for span in shown {
        let figures = [Of::P50, Of::P99, Of::Max].map(|of| figure(&span.run_ns, of));
        table.row([span.label.clone(), count(span.count)].into_iter().chain(figures));
    }
    page.blank();
    page.table(&table);
    let more = &spans[shown.len()..];
    if !more.is_empty() {
        let spans: u64 = more.iter().map(|span| span.count).sum();
        let (more, spans) = (count(more.len() as u64), count(spans));
        let text = format!("and {more} more labels with {spans} spans: --json has them");
        page.sentence(&text);
    }
    if summary.spans_beyond_limit > 0 {
        let beyond = count(summary.spans_beyond_limit);
        let text = format!("{beyond} more spans and marks have labels beyond the limit");
        page.sentence(&text);
    }
}
