//! A breakdown in full, as a table: each line with its share and a bar to scale, and their sum.

use std::ops::Range;

use loop_traces::attribution::{Breakdown, What};
use loop_traces::timeline::Cause;
use ratatui::layout::Rect;

use super::paint::Canvas;
use super::table::{Column, bar, cell, hatch};
use super::{bounds, shares};
use crate::app::attribution::Subject;
use crate::app::state::AppState;
use crate::units;

/// Minimum width for times to the nanosecond.
const EXACT_FROM: u16 = 96;

/// Draws the lines of `breakdown` and their sum, keeping the selected line visible; returns the range of lines drawn. If
/// none is selected and there is too little room, the sum says how many lines are not shown.
pub(crate) fn table(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    (subject, breakdown): (&Subject, &Breakdown),
    selected: Option<usize>,
) -> Range<usize> {
    let theme = canvas.theme;
    let digits = units::count(breakdown.total_ns).len() as u16;
    let exact =
        (area.width >= EXACT_FROM).then(|| Column::figure("EXACTLY", (digits + " ns".len() as u16).max(17)));
    let left = area.width.saturating_sub(if exact.is_some() { digits.max(14) + 24 } else { 20 });
    let mut columns = vec![Column::text("", 1), Column::text("CAUSE", (left / 2).clamp(22, 44))];
    columns.push(Column::figure("TIME", 7));
    columns.extend(exact);
    columns.extend([Column::figure("SHARE", 6), Column::rest("")]);
    let (rows, all) = (usize::from(area.height.saturating_sub(1)), breakdown.shares.len());
    let scroll = (selected.unwrap_or(0), selected.is_some());
    canvas.table(area, &columns, all + 1, scroll, |place, cells| {
        let is_last = selected.is_none() && place + 1 == rows;
        let share = breakdown.shares.get(place).filter(|_| !is_last);
        let (ns, at_least, style) = match share {
            Some(share) => (share.ns, subject.is_open(&share.what), theme.text()),
            None => (breakdown.total_ns, subject.is_unfinished(), theme.strong()),
        };
        let mark = if at_least { bounds::AT_LEAST } else { "" };
        let time = cell(format!("{mark}{}", units::duration(ns)), style);
        let exact = exact.map(|_| cell(format!("{} ns", units::count(ns)), theme.dim()));
        let Some(share) = share else {
            let name = match all - place {
                0 => "total".to_owned(),
                more => format!("total (incl. {more} more)"),
            };
            return [cell("=", style), cell(name, style), time].into_iter().chain(exact).collect::<Vec<_>>();
        };
        let color = theme.cause(Cause::of(&share.what));
        let is_known = !share.what.is_ignorance();
        let name = shares::name(&share.what, &state.picture().timeline.labels);
        let name = cell(name, if is_known { style } else { theme.dim() });
        let part = share.ns as f64 / breakdown.total_ns.max(1) as f64;
        let width = cells.last().map_or(0, |cell| cell.width);
        let bar = match share.what {
            What::Unknown { .. } | What::BeforeRecording | What::Evicted => {
                cell(hatch(part, width), theme.held())
            }
            _ => cell(bar(part, width), color),
        };
        let begin = [cell(if is_known { "■" } else { "·" }, color), name, time];
        begin.into_iter().chain(exact).chain([cell(units::percent(part), style), bar]).collect()
    })
}

/// Draws what the delay was, and when, in one row.
pub(crate) fn about(canvas: &mut Canvas<'_>, state: &AppState, subject: &Subject, inner: Rect) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.strong());
    let limit = state.about.stall_limit_ns;
    let lasted_ns = subject.lasted_ns();
    let (lasted, began, ended) = match subject {
        Subject::Tick(_) => ("busy ", "  began ", "  ended "),
        Subject::Unfinished(_) => ("busy at least ", "  began ", "  as of "),
        Subject::Timer(_) => ("lag ", "  due ", "  fired "),
        Subject::Overdue(timer) if timer.is_final => ("lag ", "  due ", "  as of "),
        Subject::Overdue(_) => ("lag at least ", "  due ", "  as of "),
        Subject::Signal { .. } => ("latency ", "  arrived ", "  delivered "),
        Subject::Slow { .. } => ("ran ", "  from ", "  to "),
        Subject::Wait { .. } => ("waited ", "  queued ", "  started "),
    };
    let mut pen = canvas.pen(Rect { width: inner.width.saturating_sub(1), ..inner }, 0);
    let style = if lasted_ns > limit { theme.over() } else { text };
    pen.gap(1).put(lasted, dim).put(&units::duration(lasted_ns), style);
    let (from, to) = subject.extent();
    for (name, at) in [(began, from), (ended, to)] {
        pen.put(name, dim).put(&units::position_us(state.since_start_ns(at)), text);
    }
    match subject {
        Subject::Tick(tick) => {
            pen.group(&[("  limit ", dim), (&units::limit(limit), text)]);
            pen.group(&[("  idle in poll ", dim), (&units::duration(tick.poll_wait_ns), text)]);
            for (name, count) in [("tasks", tick.tasks_run), ("late timers", tick.timers_late)] {
                pen.group(&[(&format!("  {name} "), dim), (&units::count(u64::from(count)), text)]);
            }
        }
        Subject::Timer(late) => {
            if let Some(tick) = late.tick {
                pen.group(&[("  in tick ", dim), (&units::count(tick), text)]);
            }
            if late.skipped > 0 {
                pen.group(&[("  skipped ", dim), (&units::count(u64::from(late.skipped)), text)]);
            }
        }
        Subject::Unfinished(tick) => {
            if let Some((doing, (_, since))) =
                tick.describe(&state.picture().timeline.labels).zip(tick.running)
            {
                pen.group(&[("  in ", dim), (&doing, text)]);
                pen.group(&[(" since ", dim), (&units::position_us(state.since_start_ns(since)), text)]);
            }
        }
        Subject::Overdue(timer) if timer.is_final => {
            pen.group(&[("  when its loop stopped", dim)]);
        }
        Subject::Overdue(_) | Subject::Signal { .. } | Subject::Slow { .. } | Subject::Wait { .. } => {}
    }
}
