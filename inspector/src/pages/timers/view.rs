//! Draws the timers.

use loop_probes::event::Queue;
use loop_traces::histogram::{Histogram, Percentiles};
use loop_traces::loss::Bounds;
use loop_traces::timeline::Impact;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::{TimersPage, delay_caused_shown, late_shown, panes};
use crate::app::attribution::{LateRow, Subject};
use crate::app::layout::below;
use crate::app::state::{AppState, Part};
use crate::units;
use crate::view::paint::Canvas;
use crate::view::table::{Column, bar, cell};
use crate::view::time::{so_far, when_width};
use crate::view::{bounds, breakdown, histogram, shares};

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &TimersPage, body: Rect) {
    let panes = panes(body);
    figures(canvas, state, panes.figures);
    if !panes.lag.is_empty() {
        histogram::lag(canvas, state, panes.lag, false);
    }
    ranking(canvas, state, panes.delay_caused, (state.part == Part::Second).then_some(state.row));
    late(canvas, state, page, panes.late);
    attribution(canvas, state, page, panes.breakdown);
}

/// Widths of the columns for raw and for corrected lag.
const RAW: u16 = 8;
const CORRECTED: u16 = 10;

/// Draws raw and corrected lag, then the counts in order of importance: a small page shows only the first ones.
fn figures(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let theme = canvas.theme;
    let timers = &state.of_window().timers;
    let inner = canvas.pane(area, "timers", "", false);
    let inner = Rect { width: inner.width.saturating_sub(1), ..inner };
    let name = inner.width.saturating_sub(1 + RAW + CORRECTED);
    let (raw, corrected) = (state.figures.lag_ns, state.figures.lag_corrected_ns);
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).left("lag", name, theme.dim());
    pen.number("raw", RAW, theme.dim()).number("corrected", CORRECTED, theme.dim());
    let mut row = 1;
    for (title, of) in PERCENTILES.iter().skip(usize::from(inner.height < 7)) {
        let mut pen = canvas.pen(inner, row);
        pen.gap(1).left(title, name, theme.dim());
        for (lag, width) in [(raw, RAW), (corrected, CORRECTED)] {
            let Lag { ns, bounds, few } = of(&lag);
            let open = bounds::words(ns, bounds).is_some();
            let mark = if open { bounds::MARK } else { "" };
            let style = match () {
                () if *title == "max" && ns > Some(state.about.stall_limit_ns) => theme.over(),
                () if open => theme.held(),
                () => theme.strong(),
            };
            pen.number(&format!("{mark}{}{few}", units::duration(ns)), width, style);
        }
        row += 1;
    }
    for (title, of) in PERCENTILES.iter().skip(1).filter(|_| inner.height >= 7) {
        let Lag { ns, bounds, .. } = of(&raw);
        if let Some(words) = bounds::words(ns, bounds) {
            canvas.pen(inner, row).gap(1).put(title, theme.dim()).right(&words, theme.held());
            row += 1;
        }
    }
    // Depths are sampled only on change: after attaching, there may be none yet.
    let armed_now = state.picture().timeline.queues.queue(Queue::Timers).depth_now();
    let recorded = state.picture().timeline.families();
    let of_fired = |count| recorded.timers.then_some(count);
    let of_armed = |count| recorded.timers_armed.then_some(count);
    let counts = [
        ("periods skipped", of_fired(state.figures.timers_skipped)),
        ("late", of_fired(state.figures.timers_late)),
        ("fired", of_fired(timers.fired)),
        ("armed now", armed_now.map(u64::from)),
        ("armed", of_armed(timers.armed)),
        ("cleared", of_armed(timers.cleared)),
    ];
    for (title, value) in counts {
        let mut pen = canvas.pen(inner, row);
        pen.gap(1).put(title, theme.dim());
        let value = value.map_or(units::UNKNOWN.to_owned(), |value| match units::count(value) {
            long if long.len() >= usize::from(pen.room()) => units::short_count(value),
            count => count,
        });
        pen.right(&value, theme.strong());
        row += 1;
    }
}

/// A percentile of the lag, with its bounds and its mark for few samples.
struct Lag {
    ns: Option<u64>,
    bounds: Option<Bounds>,
    few: &'static str,
}

type Of = fn(&Percentiles) -> Lag;

/// The rows of the lag table.
const PERCENTILES: [(&str, Of); 3] = [
    ("p50", |lag| Lag { ns: lag.p50, bounds: lag.bounds.map(|all| all.p50), few: "" }),
    ("p99", |lag| Lag { ns: lag.p99, bounds: lag.bounds.map(|all| all.p99), few: lag.p99_mark() }),
    ("max", |lag| Lag { ns: lag.max, bounds: lag.bounds.map(|all| all.max), few: "" }),
];

/// Draws the late timers and signals, worst first.
fn late(canvas: &mut Canvas<'_>, state: &AppState, page: &TimersPage, area: Rect) {
    let theme = canvas.theme;
    let limit = units::limit(state.picture().timeline.config().late_timer_ns);
    let late: Vec<&LateRow> = late_shown(&page.late, state).collect();
    let (kept, all) = (late.len() as u64, late_so_far(state));
    let of = if kept < all && state.filter.is_empty() {
        format!("{} of {} shown, ", units::count(kept), units::count(all))
    } else {
        String::new()
    };
    let remark = match area.width {
        0..96 => format!("{of}later than {limit}, worst first"),
        _ => format!("{of}later than {limit}, worst first, Enter opens the breakdown"),
    };
    let focused = state.part == Part::First;
    let inner = canvas.pane(area, "late timers and signals", &remark, focused);
    if late.is_empty() {
        let text = match page.late.is_empty() {
            true => format!("none{}", so_far(state)),
            false => "none match the filter".to_owned(),
        };
        canvas.pen(inner, 0).gap(1).put(&text, theme.dim());
        return;
    }
    let labels = &state.picture().timeline.labels;
    let columns = [Column::text("", when_width(state) + 1), Column::text("", 16), Column::rest("")];
    let shown = canvas.table(inner, &columns, late.len(), (selected(state), focused), |place, cells| {
        let row = late[place];
        let (at, lag_ns) = (row.subject.extent().1, row.subject.lasted_ns());
        let over = lag_ns > state.about.stall_limit_ns;
        let mark = if row.subject.is_unfinished() { bounds::AT_LEAST } else { "" };
        let not_fired = matches!(row.subject, Subject::Overdue(_));
        let lag = format!("{:>7}", format!("{mark}{}", units::duration(lag_ns)));
        let mut sum = cell(lag, if over { theme.over() } else { theme.text() });
        sum.push_span(Span::styled(if not_fired { " not fired = " } else { " = " }, theme.dim()));
        let width = usize::from(cells[2].width).saturating_sub(sum.width());
        sum.extend(shares::line(&row.breakdown.shares, labels, width, (theme.text(), theme.dim())));
        let when = cell(units::position(state.since_start_ns(at)), theme.dim());
        [when, cell(row.name(labels), theme.text()), sum]
    });
    canvas.position(area, shown, late.len());
}

/// The number of late timers and signals so far, overdue timers included, and also those whose breakdowns are not kept.
fn late_so_far(state: &AppState) -> u64 {
    let timeline = state.of_window();
    let limit_ns = timeline.config().late_signal_ns;
    let late = |latency: &Histogram| latency.count_between(limit_ns, u64::MAX);
    state.figures.timers_late
        + timeline.signals.by_signo.iter().map(|signal| late(&signal.latency_ns)).sum::<u64>()
}

/// The selected row of the late timers and signals; the worst while the other list has the focus.
fn selected(state: &AppState) -> usize {
    if state.part == Part::First { state.row } else { 0 }
}

/// Draws the breakdown of the selected row.
fn attribution(canvas: &mut Canvas<'_>, state: &AppState, page: &TimersPage, area: Rect) {
    let Some(LateRow { subject, breakdown: shares }) = late_shown(&page.late, state).nth(selected(state))
    else {
        canvas.pane(area, "breakdown", "", false);
        return;
    };
    let title = subject.title(&state.picture().timeline.labels);
    let inner = canvas.pane(area, &title, "time by cause", false);
    breakdown::about(canvas, state, subject, inner);
    breakdown::table(canvas, state, below(inner, 1), (subject, shares), None);
}

/// Width of a figure of the ranking.
const FIGURE: u16 = 7;
/// Minimum widths for the columns beyond the total: timers, signals and tasks separately; the bar.
const APART_FROM: u16 = 62;
const BAR_FROM: u16 = 40;

/// Draws the causes of delay, worst first.
fn ranking(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, selected: Option<usize>) {
    let theme = canvas.theme;
    let so_far = so_far(state);
    let span =
        if state.windowed.is_none() && state.up_to_ns().is_none() { "in total" } else { so_far.trim_start() };
    let remark = if area.width >= 64 { format!("{span}, Enter opens the tag") } else { span.to_owned() };
    let inner = canvas.pane(area, "blame: delay caused", &remark, selected.is_some());
    let delay_caused: Vec<&Impact> = delay_caused_shown(state).collect();
    if delay_caused.is_empty() {
        let pen = &mut canvas.pen(inner, 0);
        pen.gap(1).put("nothing delayed", theme.dim()).put(&so_far, theme.dim());
        return;
    }
    let kinds = if inner.width >= APART_FROM { 3 } else { 0 };
    let figures = (FIGURE + 1) * (2 + kinds as u16);
    let has_bar = inner.width >= BAR_FROM;
    let bar_width = if has_bar { (inner.width - figures) / 4 } else { 0 };
    let mut columns = vec![Column::rest("DELAYED OTHERS"), Column::figure("TOTAL", FIGURE).strong(true)];
    columns.extend(has_bar.then(|| Column::text("", bar_width)));
    columns.extend(["TIMERS", "SIGNALS", "TASKS"][..kinds].iter().map(|title| Column::figure(title, FIGURE)));
    columns.push(Column::figure("OWN RUN", FIGURE));

    // Unattributed delays do not affect the scale.
    let known = delay_caused.iter().filter(|impact| !impact.cause.is_ignorance());
    let most = known.map(|impact| impact.total_ns()).max().unwrap_or(0).max(1);
    let labels = &state.picture().timeline.labels;
    let scroll = (selected.unwrap_or(0), selected.is_some());
    let shown = canvas.table(inner, &columns, delay_caused.len(), scroll, |place, _| {
        let impact = delay_caused[place];
        let style = if impact.cause.is_ignorance() { theme.dim() } else { theme.text() };
        let share = impact.total_ns() as f64 / most as f64;
        let figure = |ns: Option<u64>| cell(ns.map_or("·".to_owned(), units::duration), theme.dim());
        let name = cell(impact.cause.describe(labels), style);
        [name, cell(units::duration(impact.total_ns()), style)]
            .into_iter()
            .chain(has_bar.then(|| cell(bar(share, bar_width), theme.cause(impact.cause))))
            .chain(impact.lateness_ns.iter().take(kinds).map(|ns| figure((*ns > 0).then_some(*ns))))
            .chain([figure(impact.run_ns)])
            .collect::<Vec<_>>()
    });
    canvas.position(area, shown, delay_caused.len());
}
