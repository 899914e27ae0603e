//! Lost records and unfinished work in the report: marks at figures that they could change, and a table of the bounds.

use super::page::Page;
use crate::cells::table::{Column, Table};
use crate::histogram::Percentiles;
use crate::loss::Bounds;
use crate::summary::{DepthSummary, Summary, TicksSummary};
use crate::units::{UNKNOWN, count, counted, duration, percent};

/// Precedes a figure that lost records could change.
pub(super) const MARK: char = '~';

/// Precedes a figure that is only a lower bound.
pub(super) const AT_LEAST: char = '≥';

/// The statistics shown of a distribution.
#[derive(Clone, Copy)]
pub(super) enum Of {
    P50,
    P90,
    P99,
    Max,
}

impl Of {
    const ALL: [Self; 4] = [Self::P50, Self::P90, Self::P99, Self::Max];

    const fn value(self, unit: &Percentiles) -> Option<u64> {
        match self {
            Self::P50 => unit.p50,
            Self::P90 => unit.p90,
            Self::P99 => unit.p99,
            Self::Max => unit.max,
        }
    }

    fn bounds(self, unit: &Percentiles) -> Option<Bounds> {
        let bounds = unit.bounds?;
        Some(match self {
            Self::P50 => bounds.p50,
            Self::P90 => bounds.p90,
            Self::P99 => bounds.p99,
            Self::Max => bounds.max,
        })
    }
}

/// Formats a figure, with a mark if lost records or unfinished work could change the displayed digits, and with another
/// if it is the maximum because there are too few samples.
pub(super) fn figure(unit: &Percentiles, of: Of) -> String {
    let value = of.value(unit);
    let shown = duration(value);
    if value.is_none() {
        return shown;
    }
    let same = |end: u64| duration(end) == shown;
    let few = match of {
        Of::P90 => unit.p90_mark(),
        Of::P99 => unit.p99_mark(),
        Of::P50 | Of::Max => "",
    };
    let certain = of.bounds(unit).is_none_or(|bounds| same(bounds.lo) && bounds.hi.is_some_and(same));
    let at_least = of.bounds(unit).is_some_and(|bounds| same(bounds.lo) && bounds.hi.is_none());
    match (certain, at_least) {
        (true, _) => format!("{shown}{few}"),
        (_, true) => format!("{AT_LEAST}{shown}{few}"),
        _ => format!("{MARK}{shown}{few}"),
    }
}

/// Whether any figure of `unit` is marked as uncertain.
pub(super) fn is_marked(unit: &Percentiles) -> bool {
    Of::ALL.iter().any(|of| figure(unit, *of).starts_with([MARK, AT_LEAST]))
}

/// Formats the utilization, with a mark if missing records or an unfinished tick could change it.
pub(super) fn utilization(ticks: &TicksSummary) -> String {
    let Some(shown) = ticks.utilization.map(percent) else { return UNKNOWN.to_owned() };
    let certain = ticks.utilization_bounds.is_none_or(|bounds| bounds.map(percent) == [&*shown; 2]);
    if certain { shown } else { format!("{MARK}{shown}") }
}

/// Formats the median depth of a queue, with a mark if it may have been another one.
pub(super) fn depth_p50(depth: &DepthSummary) -> String {
    let Some(p50) = depth.p50 else { return UNKNOWN.to_owned() };
    match depth.p50_bounds {
        Some(_) => format!("{MARK}{}", count(p50)),
        None => count(p50),
    }
}

/// Formats the greatest depth of a queue: `12`, `≥12`, or `1–12`.
pub(super) fn depth_max(depth: &DepthSummary) -> String {
    within(depth.max, depth.max_bounds)
}

/// Formats a count, or its range: `12`, `≥12`, or `1–12`.
pub(super) fn within(value: u64, bounds: Option<Bounds>) -> String {
    match bounds {
        None => count(value),
        Some(Bounds { lo, hi: None }) => format!("{AT_LEAST}{}", count(lo)),
        Some(Bounds { lo, hi: Some(hi) }) => format!("{}–{}", count(lo), count(hi)),
    }
}

/// Formats bounds: `1.24ms–3.10ms`, `≥ 1.24ms`, `≤ 3.10ms`; a single figure if both ends look the same.
fn range(bounds: Bounds) -> String {
    let lo = duration(bounds.lo);
    match bounds.hi.map(duration) {
        Some(hi) if hi == lo => lo,
        Some(hi) if bounds.lo == 0 => format!("≤ {hi}"),
        Some(hi) => format!("{lo}–{hi}"),
        None if bounds.lo == 0 => "unknown".to_owned(),
        None => format!("≥ {lo}"),
    }
}

/// Writes the bounds of figures if records were lost, events skipped, loops left out or the clock was wrong.
pub(super) fn losses(page: &mut Page, summary: &Summary) {
    let lost = match summary.lost_records {
        _ if summary.uncounted_gaps > 0 => "an unknown number of records is missing".to_owned(),
        0 if summary.malformed_events > 0 => {
            counted(summary.malformed_events, "event is missing", "events are missing")
        }
        0 if summary.clock_error_ns_max > 0 => {
            let text =
                format!("{MARK} marks figures that a wrong clock could change: all that depend on time");
            page.blank();
            page.paragraph(&text);
            return;
        }
        0 if summary.loops_left_out => "some loops were left out".to_owned(),
        0 => return,
        lost => counted(lost, "record was lost", "records were lost"),
    };
    let counts = match summary.misses_slices() {
        true => format!("{lost}: there may be fewer ticks and tasks than shown, or more,"),
        false => format!("{lost}: counts are lower bounds,"),
    };
    let marks = format!(
        "and {MARK} marks figures that they could change, {AT_LEAST} those that they could only raise"
    );
    page.blank();
    page.paragraph(&counts);
    page.paragraph(&marks);
    let rows: [(&str, &Percentiles); 8] = [
        ("ticks", &summary.ticks.run_ns),
        ("tasks", &summary.tasks.run_ns),
        ("waits", &summary.tasks.queue_wait_ns),
        ("timers", &summary.timers.lag_ns),
        ("  corrected", &summary.timers.lag_corrected_ns),
        ("microtasks", &summary.microtasks.run_ns),
        ("gc", &summary.gc.run_ns),
        ("signals", &summary.signals.latency_ns),
    ];
    let mut table = Table::new([
        Column::text("  BETWEEN", 12),
        Column::text("P50", 16).optional(1),
        Column::text("P90", 16).optional(2),
        Column::text("P99", 16),
        Column::text("MAX", 16),
    ]);
    for (name, unit) in rows.into_iter().filter(|(_, unit)| unit.count > 0) {
        let bounds = |of: Of| of.value(unit).and_then(|_| of.bounds(unit));
        let cells = Of::ALL.map(|of| bounds(of).map_or_else(|| figure(unit, of), range));
        table.row(std::iter::once(format!("  {name}")).chain(cells));
    }
    page.table(&table);
    page.line("  bounds for each tag: --json");
}
