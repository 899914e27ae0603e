//! Draws one tick in full: its flame chart, what ran in it, in order, and its breakdown.

mod flame;

use loop_probes::event::{Event, Phase};
use loop_traces::timeline::{OpenedSpan, OpenedTick, SpanKind, TickSummary};
use ratatui::layout::Rect;

use super::flame::Flame;
use super::{TickPage, enqueued_during, first_shown, is_filtered_out, is_over, lost_in, panes, selected};
use crate::app::delayed::Delayed;
use crate::app::state::{AppState, Part};
use crate::describe;
use crate::units;
use crate::view::delayed::{self, DelayedRow};
use crate::view::paint::Canvas;
use crate::view::shares;
use crate::view::time::{up_to, way_on};

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: TickPage, body: Rect) {
    let Some(tick) = state.shown_tick() else {
        let inner = canvas.pane(body, "tick", "", true);
        let style = canvas.theme.dim();
        canvas.pen(inner, 0).gap(1).put("no tick has ended yet", style);
        return;
    };
    let [upper, lower] = panes(body);
    let title = format!("tick {}", units::count(tick.tick));
    let opened = state.picture().timeline.opened(tick);
    let at = units::position(state.since_start_ns(tick.start));
    let remark = match body.width {
        0..96 => format!("at {at} ── ←→ previous and next tick"),
        _ => format!("at {at} ── ←→ previous and next tick, Enter opens a line"),
    };
    let remark = canvas.theme.arrow_keys(&remark);
    let focused = state.part == Part::First;
    let inner = canvas.pane(upper, &title, &remark, focused);
    match &opened {
        Some(opened) => {
            let flame = Flame::new(opened, inner, page.zoom, selected(state));
            flame::draw(canvas, state, opened, &flame);
            spans(canvas, state, upper, opened, &flame);
        }
        None => {
            let style = canvas.theme.dim();
            canvas.pen(inner, 0).gap(1).put("runs evicted from history", style);
        }
    }
    if focused {
        summary(canvas, state, lower, tick);
    } else {
        delayed_list(canvas, state, lower);
    }
}

/// Draws the waits that the tick lengthened.
fn delayed_list(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let dim = canvas.theme.dim();
    let delayed = super::delayed(state);
    let kept = if delayed.worst_only { "of the worst in history, " } else { "" };
    let remark = match area.width {
        0..96 => "Enter opens the breakdown".to_owned(),
        _ => format!("{kept}Enter: breakdown, Tab: runs"),
    };
    let inner = canvas.pane(area, "what it delayed", &remark, true);
    if delayed.all.is_empty() {
        canvas.pen(inner, 0).gap(1).put(delayed::none_text(&delayed), dim).put(&up_to(state), dim);
        if state.up_to_ns().is_some() {
            canvas.pen(inner, 1).gap(1).put(way_on(state), dim);
        }
        return;
    }
    delayed::table(canvas, state, area, delayed.all.len(), Some(state.row), |place| {
        let one = &delayed.all[place];
        DelayedRow { at: one.to, name: describe_delayed(one, state), ns: one.ns, waited_ns: one.waited_ns() }
    });
}

/// The kind and name of what waited; for a task also the id, because many share a name.
fn describe_delayed(delayed: &Delayed, state: &AppState) -> String {
    let name = delayed.name(&state.picture().timeline.labels);
    match delayed.stamped.event {
        Event::TaskRan { task, .. } => format!("task {name} #{task}"),
        Event::TimerFired { .. } => format!("timer {name}"),
        _ => name,
    }
}

/// The widths of the columns; those of time and duration are constants.
struct Columns {
    name: u16,
    detail: u16,
}

impl Columns {
    const AT: u16 = 9;
    const RUN: u16 = 8;

    fn new(width: u16) -> Self {
        let left = width.saturating_sub(Self::AT + Self::RUN + 4);
        let name = (left / 2).clamp(24, 44).min(left);
        Self { name, detail: left - name }
    }
}

/// Lists what ran, in order.
fn spans(canvas: &mut Canvas<'_>, state: &AppState, pane: Rect, opened: &OpenedTick, flame: &Flame<'_>) {
    let theme = canvas.theme;
    let columns = Columns::new(flame.list.width);
    let mut pen = canvas.pen(flame.list, 0);
    pen.gap(1).number("AT", Columns::AT - 1, theme.dim()).gap(2).left("WHAT", columns.name, theme.dim());
    pen.number("RUN", Columns::RUN, theme.dim()).gap(1);
    pen.put(&format!("of {} busy", units::duration(opened.tick.busy_ns)), theme.dim());

    let rows = flame.list_rows();
    let first = first_shown(selected(state), opened.spans.len(), rows.height);
    for (area, (place, span)) in rows.rows().zip(opened.spans.iter().enumerate().skip(first)) {
        row(canvas, state, area, &columns, flame, span);
        if place == selected(state) && state.part == Part::First {
            canvas.buffer.set_style(area, theme.selected());
        }
    }
    let left_out = opened.tick.spans_left_out;
    if left_out > 0 && rows.height > 0 {
        let text = format!(" +{} shorter ", units::count(u64::from(left_out)));
        let foot =
            Rect { x: pane.x + 1, y: pane.bottom() - 1, width: pane.width.saturating_sub(2), height: 1 };
        canvas.pen(foot, 0).right(&text, theme.dim());
    }
}

fn row(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    columns: &Columns,
    flame: &Flame<'_>,
    opened: &OpenedSpan,
) {
    let theme = canvas.theme;
    let span = &opened.span;
    let (name, detail) = describe::span(&span.what, &state.picture().timeline.labels);
    let filtered_out = is_filtered_out(state, span.what);
    let name_style = match (&span.what, filtered_out) {
        (_, true) => theme.dim(),
        (SpanKind::Phase(phase), false) => theme.phase(*phase),
        _ => theme.text(),
    };
    let poll = matches!(span.what, SpanKind::Poll { .. });
    let indent = (opened.depth as u16 * 2).min(12);
    let at = flame.busy_until(span.start);
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).number(&format!("+{}", units::duration(at)), Columns::AT - 1, theme.dim()).gap(2 + indent);
    pen.left(&name, columns.name - indent - 1, name_style).gap(1);
    if span.what.is_point() {
        pen.gap(Columns::RUN);
    } else {
        let style = if is_over(state, opened) { theme.over() } else { theme.text() };
        let style = if filtered_out || poll { theme.dim() } else { style };
        pen.number(&units::duration(span.run_ns()), Columns::RUN, style);
    }
    let waited = format!("waited: {detail}");
    let detail = if poll && waited.len() < usize::from(columns.detail) { waited } else { detail };
    pen.gap(1).put(&detail, theme.dim());
}

fn summary(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, tick: &TickSummary) {
    let theme = canvas.theme;
    let inner = canvas.pane(area, "time by phase and run", "Tab: what it delayed", false);
    let labels = &state.picture().timeline.labels;
    let (text, dim) = (theme.text(), theme.dim());
    let mut pen = canvas.pen(inner, 0);
    let busy_style = if tick.stall { theme.over() } else { theme.strong() };
    pen.gap(1).put("busy ", dim).put(&units::duration(tick.busy_ns), busy_style);
    pen.put("  idle in poll ", dim).put(&units::duration(tick.poll_wait_ns), text);
    for (name, count) in [
        ("tasks", tick.tasks_run),
        ("queued", tick.tasks_queued),
        ("microtasks", tick.microtasks_run),
        ("timers", tick.timers_fired),
        ("late", tick.timers_late),
        ("collections", tick.gc_runs),
    ] {
        pen.group(&[(&format!("  {name} "), dim), (&units::count(u64::from(count)), text)]);
    }
    let mut pen = canvas.pen(inner, 1);
    pen.gap(1);
    let mut phases: Vec<(Phase, u64)> =
        Phase::ALL.iter().map(|phase| (*phase, tick.phases.of(*phase))).filter(|(_, ns)| *ns > 0).collect();
    phases.sort_by_key(|(_, ns)| std::cmp::Reverse(*ns));
    for (phase, ns) in phases {
        if !pen.group(&[("■ ", theme.phase(phase)), (&format!("{phase} {}  ", units::duration(ns)), dim)]) {
            break;
        }
    }
    if let Some(blame) = state.picture().timeline.blame_tick(tick, 8) {
        let mut pen = canvas.pen(inner, 2);
        pen.gap(1).put(&units::duration(tick.busy_ns), busy_style).put(" = ", dim);
        let room = pen.room().into();
        pen.spans(shares::line(&blame.shares, labels, room, (text, dim)));
    }
    let queued = enqueued_during(state.picture(), tick);
    let mut pen = canvas.pen(inner, 3);
    pen.gap(1).put("enqueued during this tick: ", dim);
    if queued.is_empty() {
        let kept = state.picture().log().front().is_some_and(|oldest| oldest.at <= tick.start);
        pen.put(if kept { "nothing" } else { "evicted" }, dim);
    }
    for (tag, count) in queued {
        pen.group(&[(&labels.tag(tag), text), (&format!(" ×{}  ", units::count(count)), dim)]);
    }
    let mut pen = canvas.pen(inner, 4);
    delayed::row(&mut pen, state, tick);
    let mut pen = canvas.pen(inner, 5);
    if tick.incomplete {
        let lost = lost_in(state.picture(), tick);
        let count = lost.iter().fold(0u64, |sum, (.., count)| sum.saturating_add(*count));
        let how_many = match count {
            0 => "records of this tick are missing".to_owned(),
            1 => "a record of this tick was lost".to_owned(),
            _ => format!("{} records of this tick were lost", units::count(count)),
        };
        pen.gap(1).put(&format!("{how_many}: its figures are lower bounds"), theme.held());
    } else if let Some(longest) = tick.longest {
        pen.gap(1).put("longest ", dim).put(&format!("{} #{}", labels.tag(longest.tag), longest.task), text);
        pen.put(&format!(" {}", units::duration(longest.run_ns)), text);
    }
}
