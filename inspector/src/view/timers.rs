//! The timers: how many, how late, what delayed them, and the breakdown of the selected one.

use loop_probes::event::Queue;
use loop_traces::histogram::Histogram;
use loop_traces::labels::Labels;

use super::hurt::so_far;
use super::paint::Canvas;
use super::{bounds, harm, histogram, ledger, stalls};
use crate::app::account::Subject;
use crate::app::layout::{self, Area};
use crate::app::lists::{self, LateRow};
use crate::app::state::{Part, State};
use crate::units;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, body: Area) {
    let page = layout::timers(body);
    figures(canvas, state, page.figures);
    if !page.lag.is_empty() {
        histogram::lag(canvas, state, page.lag, false);
    }
    harm::ranking(canvas, state, page.harm, (state.part == Part::Second).then_some(state.row));
    late(canvas, state, page.late);
    account(canvas, state, page.ledger);
}

/// The figures, those first that a small page has room for.
fn figures(canvas: &mut Canvas<'_>, state: &State, area: Area) {
    let theme = canvas.theme;
    let timeline = &state.picture().timeline;
    let timers = &timeline.timers;
    let inner = canvas.pane(area, "timers", "", false);
    // Sampled when it changes: whoever attached later may not have seen it yet.
    let armed_now = timeline.queues.queue(Queue::Timers).samples.newest();
    let lag = state.glance.lag_ns;
    let over = lag.max > Some(state.about.stall_limit_ns);
    let mut rows = [
        ("fired", units::count(timers.fired)),
        ("late", units::count(timers.late)),
        ("periods skipped", units::count(timers.skipped)),
        ("lag p99", units::duration(lag.p99)),
        ("lag max", units::duration(lag.max)),
        ("lag p50", units::duration(lag.p50)),
        ("armed now", armed_now.map_or("not seen yet".to_owned(), |depth| units::count(u64::from(*depth)))),
        ("armed", units::count(timers.armed)),
        ("cleared", units::count(timers.cleared)),
    ];
    let mut open = [false; 9];
    if let Some(all) = lag.bounds {
        for (row, value, bounds) in [(3, lag.p99, all.p99), (4, lag.max, all.max), (5, lag.p50, all.p50)] {
            if let Some(words) = bounds::words(value, Some(bounds)) {
                (rows[row].1, open[row]) = (words, true);
            }
        }
    }
    let inner = Area { width: inner.width.saturating_sub(1), ..inner };
    for (row, (name, value)) in rows.iter().enumerate() {
        let style = match row {
            4 if over => theme.over(),
            row if open[row] => theme.held(),
            _ => theme.strong(),
        };
        canvas.pen(inner, row as u16).gap(1).put(name, theme.dim()).right(value, style);
    }
}

/// The late ones, the worst first.
fn late(canvas: &mut Canvas<'_>, state: &State, area: Area) {
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
        _ => format!("{of}later than {limit}, worst first, Enter opens the ledger"),
    };
    let focused = state.part == Part::First;
    let inner = canvas.pane(area, "late timers and signals", &remark, focused);
    if lists::late_shown(state).next().is_none() {
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
        pen.gap(1).put(&units::position(state.since_start_ns(at)), theme.dim()).gap(2);
        pen.left(&late_name(&row.subject, labels), 16, theme.text()).gap(1);
        pen.number(&units::duration(lag_ns), 7, if over { theme.over() } else { theme.text() });
        pen.put(" = ", theme.dim());
        stalls::shares(&mut pen, &row.ledger.shares, labels, (theme.text(), theme.dim()));
        if focused && place == selected {
            canvas.tint(inner, left, theme.selected());
        }
        left += 1;
    }
    canvas.more_below(area, lists::late_shown(state).count().saturating_sub(first + usize::from(left)));
}

/// The number of all late ones, including those whose breakdowns are not kept.
fn late_so_far(state: &State) -> u64 {
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
fn selected(state: &State) -> usize {
    if state.part == Part::First { state.row } else { 0 }
}

/// The breakdown of the selected one.
fn account(canvas: &mut Canvas<'_>, state: &State, area: Area) {
    let Some(LateRow { subject, ledger }) = lists::late_shown(state).nth(selected(state)) else {
        canvas.pane(area, "ledger", "", false);
        return;
    };
    let title = subject.title(&state.picture().timeline.labels);
    let inner = canvas.pane(area, &title, "who used the time", false);
    ledger::about(canvas, state, subject, inner);
    ledger::lines(canvas, state, ledger::below(inner, 1), ledger, None);
}
