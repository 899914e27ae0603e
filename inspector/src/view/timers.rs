//! The timers: how many, how late, what delayed them, and the breakdown of the selected one.

use loop_probes::event::Queue;
use loop_traces::analysis::loss::Bounds;
use loop_traces::histogram::{Histogram, Percentiles};
use loop_traces::labels::Labels;

use super::delayed::so_far;
use super::paint::Canvas;
use super::when_width;
use super::{bounds, breakdown, delay_caused, histogram, stalls};
use crate::app::attribution::Subject;
use crate::app::layout::{self, Area};
use crate::app::lists::{self, LateRow};
use crate::app::state::{AppState, Part};
use crate::units;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let page = layout::timers(body);
    figures(canvas, state, page.figures);
    if !page.lag.is_empty() {
        histogram::lag(canvas, state, page.lag, false);
    }
    delay_caused::ranking(
        canvas,
        state,
        page.delay_caused,
        (state.part == Part::Second).then_some(state.row),
    );
    late(canvas, state, page.late);
    attribution(canvas, state, page.breakdown);
}

/// Widths of the columns for raw and for corrected lag.
const RAW: u16 = 8;
const CORRECTED: u16 = 10;

/// Raw and corrected lag, then the counts in order of importance: a small page has room for the first ones only.
fn figures(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let timers = &state.picture().timeline.timers;
    let inner = canvas.pane(area, "timers", "", false);
    let inner = Area { width: inner.width.saturating_sub(1), ..inner };
    let name = inner.width.saturating_sub(1 + RAW + CORRECTED);
    let (raw, corrected) = (state.overview.lag_ns, state.overview.lag_corrected_ns);
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
    // Sampled only on change: after attaching, there may be no sample yet.
    let armed_now = state.picture().timeline.queues.queue(Queue::Timers).depth_now();
    let counts = [
        ("periods skipped", Some(timers.skipped)),
        ("late", Some(timers.late)),
        ("fired", Some(timers.fired)),
        ("armed now", armed_now.map(u64::from)),
        ("armed", Some(timers.armed)),
        ("cleared", Some(timers.cleared)),
    ];
    for (title, value) in counts {
        let mut pen = canvas.pen(inner, row);
        pen.gap(1).put(title, theme.dim());
        let value = value.map_or("unknown".to_owned(), |value| match units::count(value) {
            long if long.len() >= usize::from(pen.room()) => units::short_count(value),
            count => count,
        });
        pen.right(&value, theme.strong());
        row += 1;
    }
}

/// One figure of a lag.
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

/// The late ones, worst first.
fn late(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let limit = units::duration(state.picture().timeline.config().late_timer_ns).replace(".0", "");
    let (kept, all) = (lists::late_shown(state).count(), late_so_far(state));
    let of = if (kept as u64) < all && state.filter.is_empty() {
        format!("{} of {} shown, ", units::count(kept as u64), units::count(all))
    } else {
        String::new()
    };
    let remark = match area.width {
        0..96 => format!("{of}later than {limit}, worst first"),
        _ => format!("{of}later than {limit}, worst first, Enter opens the breakdown"),
    };
    let focused = state.part == Part::First;
    let inner = canvas.pane(area, "late timers and signals", &remark, focused);
    if kept == 0 {
        let text = match state.late.is_empty() {
            true => format!("none{}", so_far(state)),
            false => "none that contains the filter".to_owned(),
        };
        canvas.pen(inner, 0).gap(1).put(&text, theme.dim());
        return;
    }
    let labels = &state.picture().timeline.labels;
    let selected = selected(state);
    let first = layout::first_row(selected, inner.height);
    let late = lists::late_shown(state).enumerate();
    let mut left = 0;
    for (place, row) in late.skip(first) {
        if left >= inner.height {
            break;
        }
        let (at, lag_ns) = (row.subject.extent().1, row.subject.lasted_ns());
        let over = lag_ns > state.about.stall_limit_ns;
        let mut pen = canvas.pen(inner, left);
        pen.gap(1).left(&units::position(state.since_start_ns(at)), when_width(state), theme.dim()).gap(2);
        pen.left(&late_name(&row.subject, labels), 16, theme.text()).gap(1);
        pen.number(&units::duration(lag_ns), 7, if over { theme.over() } else { theme.text() });
        pen.put(" = ", theme.dim());
        stalls::shares(&mut pen, &row.breakdown.shares, labels, (theme.text(), theme.dim()));
        if focused && place == selected {
            canvas.tint(inner, left, theme.selected());
        }
        left += 1;
    }
    canvas.more_below(area, kept.saturating_sub(first + usize::from(left)));
}

/// The number of all late ones, including those whose breakdowns are not kept.
fn late_so_far(state: &AppState) -> u64 {
    let timeline = &state.picture().timeline;
    let limit_ns = timeline.config().late_signal_ns;
    let late = |latency: &Histogram| latency.count_between(limit_ns, u64::MAX);
    timeline.timers.late
        + timeline.signals.by_signo.iter().map(|signal| late(&signal.latency_ns)).sum::<u64>()
}

/// Signals are marked as such: a tag may be called `CHLD`.
pub(super) fn late_name(subject: &Subject, labels: &Labels) -> String {
    let name = subject.name(labels);
    if matches!(subject, Subject::Signal { .. }) { format!("signal {name}") } else { name }
}

/// The selected late one; while the other list has the focus, the worst.
fn selected(state: &AppState) -> usize {
    if state.part == Part::First { state.row } else { 0 }
}

/// The breakdown of the selected one.
fn attribution(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let Some(LateRow { subject, breakdown }) = lists::late_shown(state).nth(selected(state)) else {
        canvas.pane(area, "breakdown", "", false);
        return;
    };
    let title = subject.title(&state.picture().timeline.labels);
    let inner = canvas.pane(area, &title, "time by cause", false);
    breakdown::about(canvas, state, subject, inner);
    breakdown::lines(canvas, state, breakdown::below(inner, 1), (subject, breakdown), None);
}
