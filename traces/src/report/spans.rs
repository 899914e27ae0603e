//! The report's table of spans: labelled by the program within its tasks, or taken from traced slices.

use std::fmt::Write as _;

use super::bounds::{Of, figure};
use super::line;
use crate::cells::{cut_apart, fill, width};
use crate::summary::Summary;
use crate::units::count;

/// Most labels shown.
const LABELS_SHOWN: usize = 12;

/// Cells taken by the figures.
const FIGURES: usize = 37;

pub(super) fn table(out: &mut String, summary: &Summary, columns: usize) {
    let spans: Vec<_> = summary.spans.iter().filter(|span| span.count > 0).collect();
    let shown = &spans[..spans.len().min(LABELS_SHOWN)];
    let Some(longest) = shown.iter().map(|span| width(&span.label)).max() else { return };
    let wide = longest.clamp(12, columns.saturating_sub(FIGURES).max(12));
    line!(out, "\n{:<wide$}{:>10}{:>9}{:>9}{:>9}", "SPAN", "COUNT", "RUN P50", "P99", "MAX");
    let names: Vec<&str> = shown.iter().map(|span| &*span.label).collect();
    for (span, name) in shown.iter().zip(cut_apart(&names, wide)) {
        line!(
            out,
            "{}{:>10}{:>9}{:>9}{:>9}",
            fill(&name, wide),
            count(span.count),
            figure(&span.run_ns, Of::P50),
            figure(&span.run_ns, Of::P99),
            figure(&span.run_ns, Of::Max)
        );
    }
    let more = &spans[shown.len()..];
    if !more.is_empty() {
        let spans: u64 = more.iter().map(|span| span.count).sum();
        line!(
            out,
            "and {} more labels with {} spans: --json has them",
            count(more.len() as u64),
            count(spans)
        );
    }
    if summary.spans_beyond_limit > 0 {
        line!(
            out,
            "{} more spans and marks are of labels beyond the limit",
            count(summary.spans_beyond_limit)
        );
    }
}
