//! Draws one tick in full: what ran in it, in order, each with a bar to scale, and its breakdown.
//!
//! The scale is the busy clock, on which a poll has no length: otherwise a tick that waited for a second and worked for
//! a millisecond would show a blank line.

use loop_probes::event::{Event, Phase};
use loop_probes::ids::Timestamp;
use loop_traces::timeline::{OpenedSpan, OpenedTick, SpanKind, TickSummary};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{enqueued_during, lost_in, panes, tag_of};
use crate::app::delayed::Delayed;
use crate::app::layout::below;
use crate::app::state::{AppState, Part};
use crate::describe;
use crate::theme::Theme;
use crate::units;
use crate::view::delayed::{self, DelayedRow};
use crate::view::paint::{Canvas, HATCH};
use crate::view::shares;
use crate::view::time::{up_to, way_on};

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Rect) {
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
        Some(opened) => spans(canvas, state, inner, opened),
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
    bar: u16,
}

impl Columns {
    const AT: u16 = 9;
    const RUN: u16 = 8;

    fn new(width: u16) -> Self {
        let left = width.saturating_sub(Self::AT + Self::RUN + 4);
        let detail = if width >= 110 { left / 4 } else { 0 };
        let name = ((left - detail) * 2 / 5).clamp(24, 44);
        Self { name, detail, bar: left - detail - name }
    }
}

fn spans(canvas: &mut Canvas<'_>, state: &AppState, inner: Rect, opened: &OpenedTick) {
    let theme = canvas.theme;
    let columns = Columns::new(inner.width);
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).number("AT", Columns::AT - 1, theme.dim()).gap(2);
    pen.left("WHAT", columns.name + columns.detail, theme.dim());
    pen.number("RUN", Columns::RUN, theme.dim()).gap(1);
    pen.put(&format!("of {} busy", units::duration(opened.tick.busy_ns)), theme.dim());

    let rows = below(inner, 1);
    let clock = BusyClock::new(opened);
    // The selected row is in the middle, so that what ran before and after it is visible.
    let height = usize::from(rows.height);
    let selected = if state.part == Part::First { state.row } else { 0 };
    let first = selected.saturating_sub(height / 2).min(opened.spans.len().saturating_sub(height));
    hatch(canvas, state, rows, &columns, &clock, &opened.tick);
    for (area, (place, span)) in rows.rows().zip(opened.spans.iter().enumerate().skip(first)) {
        row(canvas, state, area, &columns, &clock, span);
        if place == selected && state.part == Part::First {
            canvas.buffer.set_style(area, theme.selected());
        }
    }
    let left_out = opened.tick.spans_left_out;
    if left_out > 0 && rows.height > 0 {
        let text = format!(" +{} shorter ", units::count(u64::from(left_out)));
        let foot = Rect { y: inner.y + inner.height, height: 1, ..inner };
        canvas.pen(foot, 0).right(&text, theme.dim());
    }
}

/// Hatches the time with lost records in all rows: what ran then is missing from the list.
fn hatch(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    rows: Rect,
    columns: &Columns,
    clock: &BusyClock,
    tick: &TickSummary,
) {
    let left = rows.x + Columns::AT + 2 + columns.name + columns.detail + Columns::RUN + 1;
    let style = canvas.theme.held();
    for (from, to, _) in lost_in(state.picture(), tick) {
        let (from, to) = clock.cells(from, to, columns.bar);
        let last = columns.bar.saturating_sub(1);
        for cell in from.min(last)..to.max(from + 1).min(columns.bar.max(1)).max(from.min(last) + 1) {
            (0..rows.height).for_each(|row| canvas.cell(left + cell, rows.y + row, HATCH, style));
        }
    }
}

fn row(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
    columns: &Columns,
    clock: &BusyClock,
    opened: &OpenedSpan,
) {
    let theme = canvas.theme;
    let labels = &state.picture().timeline.labels;
    let span = &opened.span;
    let (name, detail) = describe::span(&span.what, labels);
    let tag = tag_of(&span.what);
    let filtered_out = !state.filter.is_empty() && !tag.is_some_and(|tag| state.lets_through(tag));
    let name_style = match (&span.what, filtered_out) {
        (_, true) => theme.dim(),
        (SpanKind::Phase(phase), false) => theme.phase(*phase),
        _ => theme.text(),
    };
    let poll = matches!(span.what, SpanKind::Poll { .. });
    let indent = (opened.depth as u16 * 2).min(12);
    let at = clock.busy_until(span.start);
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).number(&format!("+{}", units::duration(at)), Columns::AT - 1, theme.dim()).gap(2 + indent);
    pen.left(&name, columns.name - indent - 1, name_style).gap(1);
    if columns.detail > 0 {
        // A poll has no bar: its details take the bar's place.
        pen.left(if poll { "" } else { &detail }, columns.detail, theme.dim());
    }
    if span.what.is_point() {
        pen.gap(Columns::RUN + 1);
        if columns.detail == 0 {
            pen.put(&detail, theme.dim());
        }
        return;
    }
    let run_ns = span.run_ns();
    let over = run_ns > state.about.stall_limit_ns && !poll && !matches!(span.what, SpanKind::Phase(_));
    let style = if over { theme.over() } else { theme.text() };
    let style = if filtered_out || poll { theme.dim() } else { style };
    pen.number(&units::duration(run_ns), Columns::RUN, style).gap(1);
    if poll {
        let text = format!("waited: {detail}");
        let fits = text.len() <= usize::from(pen.room());
        pen.put(if fits { &text } else { &detail }, theme.dim());
        return;
    }
    let (from, to) = clock.cells(span.start, span.end, columns.bar);
    let start = pen.at();
    let style = if over { theme.over() } else { style_of(theme, &span.what) };
    for cell in from..to {
        canvas.cell(start + cell, area.y, "█", style);
    }
    if to == from {
        canvas.cell(start + from.min(columns.bar.saturating_sub(1)), area.y, "▏", style);
    }
}

/// The colour of a span: that of its phase.
fn style_of(theme: Theme, what: &SpanKind) -> Style {
    theme.phase(match what {
        SpanKind::Phase(phase) => *phase,
        SpanKind::Microtasks { .. } => Phase::Microtasks,
        SpanKind::Deferred { .. } => Phase::Deferred,
        SpanKind::Immediates { .. } => Phase::Immediates,
        SpanKind::Io { .. } => Phase::Io,
        SpanKind::Gc { .. } => Phase::Gc,
        SpanKind::Task { .. } => Phase::Tasks,
        _ => return theme.bar(),
    })
}

/// The tick's clock without its polls.
struct BusyClock {
    start: Timestamp,
    polls: Vec<(Timestamp, Timestamp)>,
    busy_ns: u64,
}

impl BusyClock {
    fn new(opened: &OpenedTick) -> Self {
        let is_poll = |span: &&OpenedSpan| matches!(span.span.what, SpanKind::Poll { .. });
        let polls =
            opened.spans.iter().filter(is_poll).map(|span| (span.span.start, span.span.end)).collect();
        let mut clock = Self { start: opened.tick.start, polls, busy_ns: 0 };
        clock.busy_ns = clock.busy_until(opened.tick.end);
        clock
    }

    fn busy_until(&self, at: Timestamp) -> u64 {
        let before =
            |(start, end): &(Timestamp, Timestamp)| (*end).min(at).ns_since((*start).max(self.start));
        at.ns_since(self.start).saturating_sub(self.polls.iter().map(before).sum())
    }

    /// The range of cells of a bar.
    fn cells(&self, start: Timestamp, end: Timestamp, width: u16) -> (u16, u16) {
        let cell = |at: Timestamp| {
            let share = self.busy_until(at) as f64 / self.busy_ns.max(1) as f64;
            ((share * f64::from(width)).round() as u16).min(width)
        };
        (cell(start), cell(end))
    }
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
