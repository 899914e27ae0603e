//! The report's table of loops, if there are several.

use std::fmt::Write as _;

use super::bounds::{Of, figure, utilization};
use super::{line, sentence};
use crate::cells::table::{Column, Table};
use crate::summary::Summary;
use crate::units::count;

pub(super) fn table(out: &mut String, summary: &Summary, columns: usize) {
    if !summary.has_several_loops() {
        return;
    }
    let mut table = Table::new([
        Column::name("LOOP", 12),
        Column::figure("TICKS", 11),
        Column::figure("BUSY", 8),
        Column::figure("STALLS", 8),
        Column::figure("P99", 10).of("RUN").optional(2),
        Column::figure("MAX", 9).of("RUN"),
        Column::figure("P99", 10).of("LAG").optional(1),
        Column::figure("MAX", 9).of("LAG"),
    ]);
    for own in &summary.loops {
        let (run, lag) = (&own.ticks.run_ns, &own.timers.lag_ns);
        table.row([
            own.name.clone(),
            count(own.ticks.count),
            utilization(&own.ticks),
            count(own.ticks.stalls),
            figure(run, Of::P99),
            figure(run, Of::Max),
            figure(lag, Of::P99),
            figure(lag, Of::Max),
        ]);
    }
    out.push('\n');
    table.fit(columns).write(out);
    if summary.loops_beyond_limit {
        let all = if summary.loops_left_out { "the figures of some" } else { "their figures" };
        let text = format!("and more loops, not tracked separately: {all} are in the totals only");
        line!(out, "{}", sentence(&text, columns));
    }
}
