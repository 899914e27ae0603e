//! What a tick delayed: in one row, and as a list.

use loop_probes::event::Event;
use loop_traces::timeline::TickSummary;

use super::paint::{Canvas, Pen};
use super::when_width;
use crate::app::delayed::{self, Delayed, DelayedByTick};
use crate::app::layout::{self, Area};
use crate::app::lists;
use crate::app::state::AppState;
use crate::units;
use unicode_width::UnicodeWidthStr as _;

/// Width of a figure, including the blank before it.
const FIGURE: u16 = 8;
/// Width of a position, including the blanks behind it.
pub(super) fn when(state: &AppState) -> u16 {
    when_width(state) + 3
}

/// Maximum width of a name, if there is room for a bar, too.
const NAME_MAX: u16 = 32;

/// One row, such as `delayed: Heartbeat 38.9ms  HttpRequest ×14 512ms`; what does not fit is counted: `and 3 more`.
pub(super) fn row(pen: &mut Pen<'_, '_>, state: &AppState, tick: &TickSummary) {
    let theme = pen.theme();
    let (dim, text) = (theme.dim(), theme.text());
    let labels = &state.picture().timeline.labels;
    let delayed = delayed::by_tick(state.picture(), tick);
    // A fold of the distant past only has the worst ones.
    let kept = if delayed.worst_only && !delayed.all.is_empty() { ", of the worst in history" } else { "" };
    pen.gap(1).put(&format!("delayed{kept}: "), dim);
    if delayed.all.is_empty() {
        pen.put(none_text(&delayed), dim).put(&up_to(state), dim);
        return;
    }
    let all = delayed.by_name(labels);
    for (place, one) in all.iter().enumerate() {
        let count =
            if one.count > 1 { format!(" ×{}", units::short_count(one.count)) } else { String::new() };
        let ns = format!("{count} {}  ", units::duration(one.ns));
        let more = all.len() - place - 1;
        let rest = if more > 0 { format!("and {more} more") } else { String::new() };
        let needed = one.name.width() + ns.chars().count() + rest.len();
        if place > 0 && needed >= usize::from(pen.room()) {
            pen.put(&format!("and {} more", more + 1), dim);
            return;
        }
        pen.put(&one.name, text).put(&ns, dim);
    }
}

const fn none_text(delayed: &DelayedByTick) -> &'static str {
    if delayed.worst_only { "none with a breakdown in history" } else { "nothing" }
}

/// The time up to which the figures hold, if more is known than is shown: ` up to 00:01.6`.
pub(super) fn up_to(state: &AppState) -> String {
    state.up_to_ns().map_or_else(String::new, |ns| format!(" up to {}", units::position(ns)))
}

/// The same, or ` so far` if everything known is shown.
pub(super) fn so_far(state: &AppState) -> String {
    if state.up_to_ns().is_some() { up_to(state) } else { " so far".to_owned() }
}

/// The key that shows more.
pub(super) const fn way_on(state: &AppState) -> &'static str {
    if state.is_replay() { "> seeks forward 1 s" } else { "Space resumes live" }
}

/// All waits, largest part within the tick first.
pub(super) fn list(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let delayed = lists::delayed_by_tick(state);
    let kept = if delayed.worst_only { "of the worst in history, " } else { "" };
    let remark = match area.width {
        0..96 => "Enter opens the breakdown".to_owned(),
        _ => format!("{kept}Enter: breakdown, Tab: runs"),
    };
    canvas.pane(area, "what it delayed", &remark, true);
    if delayed.all.is_empty() {
        canvas
            .pen(area.inner(), 0)
            .gap(1)
            .put(none_text(&delayed), theme.dim())
            .put(&up_to(state), theme.dim());
        if state.up_to_ns().is_some() {
            canvas.pen(area.inner(), 1).gap(1).put(way_on(state), theme.dim());
        }
        return;
    }
    let rows = layout::rows(area, true);
    let when = when(state);
    let left = rows.width.saturating_sub(1 + when + 2 * FIGURE + 1);
    let name = if left > NAME_MAX + 10 { NAME_MAX } else { left };
    let bar = (left - name).saturating_sub(2);
    let mut pen = canvas.pen(area.inner(), 0);
    pen.gap(1).left("WHEN", when, theme.dim()).left("DELAYED", name, theme.dim());
    pen.number("ITS PART", FIGURE, theme.strong()).number("WAIT", FIGURE, theme.dim());
    let most = delayed.all.first().map_or(1, |most| most.ns.max(1));
    let first = layout::first_row(state.row, rows.height);
    let shown = delayed.all.iter().enumerate().skip(first).take(usize::from(rows.height));
    for (line, (place, delayed)) in shown.enumerate() {
        let line = line as u16;
        let waited_ns = delayed.waited_ns();
        let over = waited_ns > state.about.stall_limit_ns;
        let mut pen = canvas.pen(rows, line);
        pen.gap(1).left(&units::position(state.since_start_ns(delayed.to)), when, theme.dim());
        pen.left(&describe(delayed, state), name, theme.text());
        pen.number(&units::duration(delayed.ns), FIGURE, theme.text());
        pen.number(&units::duration(waited_ns), FIGURE, if over { theme.over() } else { theme.dim() });
        let at = pen.at() + 2 - rows.x;
        canvas.bar(rows, line, at, bar, delayed.ns as f64 / most as f64, theme.bar());
        if place == state.row {
            canvas.tint(rows, line, theme.selected());
        }
    }
    canvas.more_below(area, delayed.all.len().saturating_sub(first + usize::from(rows.height)));
}

/// Its name; for a task with its id, because there are many.
fn describe(delayed: &Delayed, state: &AppState) -> String {
    let name = delayed.name(&state.picture().timeline.labels);
    match delayed.stamped.event {
        Event::TaskRan { task, .. } => format!("task {name} #{task}"),
        Event::TimerFired { .. } => format!("timer {name}"),
        _ => name,
    }
}
