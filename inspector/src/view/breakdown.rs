//! A breakdown in full: each line with its share and a bar to scale, and their sum.

use loop_traces::analysis::attribution::{Breakdown, Share, What};
use loop_traces::timeline::Cause;
use ratatui::style::Style;

use super::paint::{Canvas, Pen};
use super::{bounds, delay_caused, delayed, stalls};
use crate::app::attribution::{Attribution, Subject};
use crate::app::layout::{self, Area};
use crate::app::state::AppState;
use crate::describe;
use crate::text::cut;
use crate::units;

/// From this width on, times are also given to the nanosecond.
const EXACT_FROM: u16 = 96;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let Some(attribution @ Attribution { subject, breakdown, .. }) = &state.attribution else {
        let inner = canvas.pane(body, "breakdown", "", true);
        let dim = canvas.theme.dim();
        canvas.pen(inner, 0).gap(1).put("none is open: Enter on a stall or on a late timer opens one", dim);
        return;
    };
    let title = subject.title(&state.picture().timeline.labels);
    let slow = matches!(subject, Subject::Slow { .. });
    let remark = match (slow, body.width >= 96) {
        (true, true) => "Enter opens the task's tag, on the sum the tick",
        (true, false) => "Enter opens the task's tag",
        (false, true) => "Enter opens a line's tag, else the tick",
        (false, false) => "Enter opens a line",
    };
    let inner = canvas.pane(body, &title, remark, true);
    about(canvas, state, subject, inner);
    let list = layout::breakdown_lines(body);
    let heading = layout::BREAKDOWN_HEAD - 1;
    let list = Area { y: inner.y + heading, height: list.height + 1, ..list };
    lines(canvas, state, list, (subject, breakdown), Some(state.row));
    let hidden = (breakdown.shares.len() + 1)
        .saturating_sub(layout::first_row(state.row, list.height - 1) + usize::from(list.height - 1));
    canvas.more_below(body, hidden);
    let explained = match breakdown.shares.get(state.row) {
        Some(share) => describe::what(&share.what),
        None if matches!(subject, Subject::Unfinished(_)) => describe::SUM_SO_FAR,
        None => describe::SUM,
    };
    let foot = Area { y: inner.y + inner.height.saturating_sub(1), height: 1, ..inner };
    let dim = canvas.theme.dim();
    canvas.pen(foot, 0).gap(1).put(explained, dim);
    if let Subject::Tick(tick) = subject {
        delayed::row(&mut canvas.pen(Area { y: foot.y.saturating_sub(1), ..foot }, 0), state, tick);
    }
    if attribution.is_bare() {
        bare(canvas, state, subject, below(list, 4));
    }
}

/// Says that nothing within a slow task is labelled, and where to go from there.
fn bare(canvas: &mut Canvas<'_>, state: &AppState, subject: &Subject, area: Area) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let labels = &state.picture().timeline.labels;
    let tag = subject.tag().map_or_else(String::new, |tag| labels.tag(tag).into_owned());
    let name = cut(&tag, usize::from(area.width / 3));
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put("nothing inside it is labelled", text).put(": where its time went is unknown", dim);
    let mut pen = canvas.pen(area, 1);
    pen.gap(1).put("Enter", theme.key()).put(" opens ", dim).put(&name, text);
    pen.put(": its statistics, what it delayed", dim);
    let mut pen = canvas.pen(area, 2);
    pen.gap(1).put("a span within it, of tracing or of the probe, becomes a line here", dim);
}

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
pub(super) fn lines(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Area,
    (subject, breakdown): (&Subject, &Breakdown),
    selected: Option<usize>,
) {
    let theme = canvas.theme;
    let columns = Columns::new(area.width, breakdown.total_ns);
    let mut pen = canvas.pen(area, 0);
    pen.gap(3).left("CAUSE", columns.name, theme.dim()).number("TIME", Columns::TIME, theme.dim());
    pen.number("EXACTLY", columns.exact, theme.dim()).number("SHARE", Columns::SHARE, theme.dim());
    let rows = below(area, 1);
    let (all, height) = (breakdown.shares.len(), usize::from(rows.height));
    let first = layout::first_row(selected.unwrap_or(0), rows.height);
    for line in 0..height {
        let (place, row) = (first + line, line as u16);
        let last = line + 1 == height && selected.is_none();
        match breakdown.shares.get(place) {
            Some(share) if !last => one(canvas, state, (rows, row), &columns, (subject, breakdown), share),
            _ => {
                sum(canvas, (rows, row), &columns, (subject, breakdown), all.saturating_sub(place));
            }
        }
        if selected == Some(place) {
            canvas.tint(rows, row, theme.selected());
        }
        if place >= all || last {
            break;
        }
    }
}

/// The rest of `area` below its first rows.
pub(super) fn below(area: Area, rows: u16) -> Area {
    let rows = rows.min(area.height);
    Area { y: area.y + rows, height: area.height - rows, ..area }
}

fn one(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    (rows, line): (Area, u16),
    columns: &Columns,
    (subject, breakdown): (&Subject, &Breakdown),
    share: &Share,
) {
    let theme = canvas.theme;
    let style = delay_caused::style_of(theme, Cause::of(&share.what));
    let known = !share.what.is_ignorance();
    let (name_style, mark) = if known { (theme.text(), "■") } else { (theme.dim(), "·") };
    let name = stalls::name(&share.what, &state.picture().timeline.labels);
    let part = share.ns as f64 / breakdown.total_ns.max(1) as f64;
    let mut pen = canvas.pen(rows, line);
    pen.gap(1).put(mark, style).gap(1).left(&name, columns.name, name_style);
    figures(&mut pen, columns, (share.ns, subject.is_open(&share.what)), theme.text());
    pen.number(&units::percent(part), Columns::SHARE, theme.text());
    let at = 3 + columns.name + Columns::TIME + columns.exact + Columns::SHARE + 1;
    if matches!(share.what, What::Unknown { .. } | What::BeforeRecording | What::Evicted) {
        canvas.hatch(rows, line, at, columns.bar, part);
    } else {
        canvas.bar(rows, line, at, columns.bar, part, style);
    }
}

fn sum(
    canvas: &mut Canvas<'_>,
    (rows, line): (Area, u16),
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
    let mut pen = canvas.pen(rows, line);
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
pub(super) fn about(canvas: &mut Canvas<'_>, state: &AppState, subject: &Subject, inner: Area) {
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
    let mut pen = canvas.pen(Area { width: inner.width.saturating_sub(1), ..inner }, 0);
    let style = if lasted_ns > limit { theme.over() } else { text };
    pen.gap(1).put(lasted, dim).put(&units::duration(lasted_ns), style);
    let (from, to) = subject.extent();
    for (name, at) in [(began, from), (ended, to)] {
        pen.put(name, dim).put(&units::position_us(state.since_start_ns(at)), text);
    }
    match subject {
        Subject::Tick(tick) => {
            pen.group(&[("  limit ", dim), (&units::duration(limit).replace(".0", ""), text)]);
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
