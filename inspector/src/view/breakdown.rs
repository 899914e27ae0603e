//! A breakdown in full, as a table: each line with its share and a bar to scale, and their sum.

use loop_traces::attribution::{Breakdown, Share, What};
use loop_traces::timeline::Cause;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::paint::{Canvas, Pen, cells};
use super::{bounds, shares};
use crate::app::attribution::Subject;
use crate::app::layout::{below, first_row};
use crate::app::state::AppState;
use crate::units;

/// From this width on, times are also given to the nanosecond.
const EXACT_FROM: u16 = 96;

/// The widths of the columns: name, duration, exact nanoseconds if there is room, share, bar.
struct Columns {
    name: u16,
    exact: u16,
    bar: u16,
}

impl Columns {
    const TIME: u16 = 8;
    const SHARE: u16 = 7;

    fn new(width: u16, total_ns: u64) -> Self {
        let exact = if width >= EXACT_FROM { (units::count(total_ns).len() as u16 + 4).max(18) } else { 0 };
        let left = width.saturating_sub(3 + Self::TIME + Self::SHARE + 2 + exact);
        let name = (left / 2).clamp(22, 44).min(left);
        Self { name, exact, bar: left - name }
    }
}

/// Draws the lines of `breakdown` and their sum, keeping the selected one visible. If none is selected and there is too
/// little room, the sum gives the number of lines it stands for.
pub(crate) fn table(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    (subject, breakdown): (&Subject, &Breakdown),
    selected: Option<usize>,
) {
    let theme = canvas.theme;
    let columns = Columns::new(area.width, breakdown.total_ns);
    let mut pen = canvas.pen(area, 0);
    pen.gap(3).left("CAUSE", columns.name, theme.dim()).number("TIME", Columns::TIME, theme.dim());
    pen.number("EXACTLY", columns.exact, theme.dim()).number("SHARE", Columns::SHARE, theme.dim());
    let rows = below(area, 1);
    let all = breakdown.shares.len();
    let first = first_row(selected.unwrap_or(0), rows.height);
    for (place, row) in (first..=all).zip(rows.rows()) {
        let last = row.bottom() == rows.bottom() && selected.is_none();
        match breakdown.shares.get(place).filter(|_| !last) {
            Some(share) => one(canvas, state, row, &columns, (subject, breakdown), share),
            None => sum(canvas, row, &columns, (subject, breakdown), all - place),
        }
        if selected == Some(place) {
            canvas.buffer.set_style(row, theme.selected());
        }
    }
}

fn one(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    row: Rect,
    columns: &Columns,
    (subject, breakdown): (&Subject, &Breakdown),
    share: &Share,
) {
    let theme = canvas.theme;
    let style = theme.cause(Cause::of(&share.what));
    let known = !share.what.is_ignorance();
    let (name_style, mark) = if known { (theme.text(), "■") } else { (theme.dim(), "·") };
    let name = shares::name(&share.what, &state.picture().timeline.labels);
    let part = share.ns as f64 / breakdown.total_ns.max(1) as f64;
    let mut pen = canvas.pen(row, 0);
    pen.gap(1).put(mark, style).gap(1).left(&name, columns.name, name_style);
    figures(&mut pen, columns, (share.ns, subject.is_open(&share.what)), theme.text());
    pen.number(&units::percent(part), Columns::SHARE, theme.text());
    let at = 3 + columns.name + Columns::TIME + columns.exact + Columns::SHARE + 1;
    if matches!(share.what, What::Unknown { .. } | What::BeforeRecording | What::Evicted) {
        canvas.hatch(cells(row, at, columns.bar), part);
    } else {
        canvas.bar(cells(row, at, columns.bar), part, style);
    }
}

fn sum(
    canvas: &mut Canvas<'_>,
    row: Rect,
    columns: &Columns,
    (subject, breakdown): (&Subject, &Breakdown),
    more: usize,
) {
    let theme = canvas.theme;
    let name = match more {
        0 => "total".to_owned(),
        1 => "total (incl. 1 more)".to_owned(),
        _ => format!("total (incl. {more} more)"),
    };
    let mut pen = canvas.pen(row, 0);
    pen.gap(1).put("=", theme.strong()).gap(1).left(&name, columns.name, theme.strong());
    figures(
        &mut pen,
        columns,
        (breakdown.total_ns, matches!(subject, Subject::Unfinished(_))),
        theme.strong(),
    );
}

/// Writes a time; `at_least` marks a lower bound.
fn figures(pen: &mut Pen<'_, '_>, columns: &Columns, (ns, at_least): (u64, bool), style: Style) {
    let mark = if at_least { bounds::AT_LEAST } else { "" };
    pen.number(&format!("{mark}{}", units::duration(ns)), Columns::TIME, style);
    if columns.exact > 0 {
        let dim = pen.theme().dim();
        pen.number(&format!("{} ns", units::count(ns)), columns.exact, dim);
    }
}

/// What happened, and when, in one row.
pub(crate) fn about(canvas: &mut Canvas<'_>, state: &AppState, subject: &Subject, inner: Rect) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.strong());
    let limit = state.about.stall_limit_ns;
    let lasted_ns = subject.lasted_ns();
    let (lasted, began, ended) = match subject {
        Subject::Tick(_) => ("busy ", "  began ", "  ended "),
        Subject::Unfinished(_) => ("busy at least ", "  began ", "  as of "),
        Subject::Timer(_) => ("lag ", "  due ", "  fired "),
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
        Subject::Signal { .. } | Subject::Slow { .. } | Subject::Wait { .. } => {}
    }
}
