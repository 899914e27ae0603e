//! The report's table of loops, if there are several.

use std::fmt::Write as _;

use super::bounds::{Of, figure, utilization};
use super::line;
use crate::cells::{cut_apart, fill, width};
use crate::summary::Summary;
use crate::units::count;

/// Columns taken by its figures.
const FIGURES: usize = 65;

pub(super) fn table(out: &mut String, summary: &Summary, columns: usize) {
    if !summary.has_several_loops() {
        return;
    }
    let longest = summary.loops.iter().map(|own| width(&own.name)).max().unwrap_or(0);
    let wide = longest.clamp(12, columns.saturating_sub(FIGURES).max(12));
    line!(
        out,
        "\n{:<wide$}{:>11}{:>8}{:>8} {:>9}{:>9} {:>9}{:>9}",
        "LOOP",
        "TICKS",
        "BUSY",
        "STALLS",
        "RUN P99",
        "MAX",
        "LAG P99",
        "MAX"
    );
    let names: Vec<&str> = summary.loops.iter().map(|own| &*own.name).collect();
    for (own, name) in summary.loops.iter().zip(cut_apart(&names, wide)) {
        let (run, lag) = (&own.ticks.run_ns, &own.timers.lag_ns);
        let busy = utilization(&own.ticks);
        line!(
            out,
            "{}{:>11}{busy:>8}{:>8} {:>9}{:>9} {:>9}{:>9}",
            fill(&name, wide),
            count(own.ticks.count),
            count(own.ticks.stalls),
            figure(run, Of::P99),
            figure(run, Of::Max),
            figure(lag, Of::P99),
            figure(lag, Of::Max)
        );
    }
    if summary.loops_beyond_limit {
        let all = if summary.loops_left_out { "the figures of some" } else { "their figures" };
        line!(out, "and more loops, which are not kept apart: {all} are in the totals only");
    }
}
