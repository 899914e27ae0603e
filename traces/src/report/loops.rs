//! The report's table of loops, which it has if there are several.

use super::bounds::{Of, figure, utilization};
use super::page::Page;
use crate::cells::table::{Column, Table};
use crate::summary::Summary;
use crate::units::count;

pub(super) fn table(page: &mut Page, summary: &Summary) {
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
    page.blank();
    page.table(&table);
    if summary.loops_beyond_limit {
        let all = if summary.loops_left_out { "the figures of some" } else { "their figures" };
        let text = format!("and more loops, not tracked separately: {all} are in the totals only");
        page.sentence(&text);
    }
}
