//! Queues, microtasks, GC, signals, the agenda: a pane each, or a line each without room for frames; and the
//! active handles.

use loop_probes::event::{GcAction, Phase, Queue};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::figures::{Figures, GcFigures, QueueRow};
use crate::app::state::AppState;
use crate::pages::agenda::view::{waiting, waiting_style, workers_briefly};
use crate::pages::handles::view::age;
use crate::pages::overview::layout::{Pane, Panes};
use crate::units;
use crate::view::bounds;
use crate::view::paint::{Canvas, DEPTH_WIDTH, Pen, depth};

/// Draws the panes.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, panes: &Panes, focus: Pane) {
    let draw = if panes.compact {
        [queues_line, microtasks_line, gc_line, signals_line, agenda_line]
    } else {
        [queues_pane, microtasks_pane, gc_pane, signals_pane, agenda_pane]
    };
    let all = [Pane::Queues, Pane::Microtasks, Pane::Gc, Pane::Signals, Pane::Agenda];
    for (pane, draw) in all.into_iter().zip(draw) {
        draw(canvas, state, panes.area(pane), focus == pane);
    }
    keep_alive(canvas, state, panes.area(Pane::KeepAlive), focus == Pane::KeepAlive);
}

/// The display order of queues. The agenda has its own pane.
const QUEUE_ORDER: [Queue; 9] = [
    Queue::Tasks,
    Queue::Concurrent,
    Queue::Timers,
    Queue::Immediates,
    Queue::Work,
    Queue::Deferred,
    Queue::Microtasks,
    Queue::Signals,
    Queue::AfterLoop,
];

fn queues_in_order(state: &AppState) -> Vec<&QueueRow> {
    let find = |queue: &Queue| state.figures.queues.iter().find(|row| row.queue == *queue);
    QUEUE_ORDER.iter().filter_map(find).collect()
}

fn line<'c, 'a>(canvas: &'c mut Canvas<'a>, area: Rect, name: &str, focused: bool) -> Pen<'c, 'a> {
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, 0);
    pen.put(if focused { "▸" } else { " " }, theme.key());
    pen.left(name, 12, theme.title(focused));
    pen
}

fn queues_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let mut pen = line(canvas, area, "queues", focused);
    let queues = queues_in_order(state);
    if queues.is_empty() {
        pen.put(none_sampled(state), theme.dim());
    }
    for (place, queue) in queues.into_iter().enumerate() {
        let depth = depth_now(queue);
        let spark = if place < 2 { 6 } else { 0 };
        if usize::from(pen.room()) < queue.queue.name().len() + usize::from(DEPTH_WIDTH) + spark + 1 {
            continue;
        }
        pen.put(queue.queue.name(), theme.dim());
        pen.number(&depth, DEPTH_WIDTH, depth_style(theme.text(), theme.dim(), queue));
        if spark > 0 {
            pen.gap(1).sparkline_of_maxima(&queue.through_time, spark as u16, theme.bar());
        }
        pen.gap(2);
    }
}

fn depth_now(queue: &QueueRow) -> String {
    queue.depth.map_or_else(|| units::UNKNOWN.to_owned(), depth)
}

const fn depth_style(some: Style, none: Style, queue: &QueueRow) -> Style {
    if matches!(queue.depth, None | Some(0)) { none } else { some }
}

fn queues_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    // The sparkline is more informative than the maximum.
    let max_width = if area.width >= 36 { 6 } else { 0 };
    let remark = if max_width > 0 { "now, max" } else { "" };
    let inner = canvas.pane(area, "queues", remark, focused);
    let queues = queues_in_order(state);
    if queues.is_empty() {
        canvas.pen(inner, 0).gap(1).put(none_sampled(state), theme.dim());
        return;
    }
    let rows = usize::from(inner.height);
    let whole = if queues.len() > rows { rows - 1 } else { queues.len() };
    let spark = inner.width.saturating_sub(11 + DEPTH_WIDTH + max_width + 2);
    for (row, queue) in queues[..whole].iter().enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1).left(queue.queue.name(), 10, theme.dim());
        pen.number(&depth_now(queue), DEPTH_WIDTH, depth_style(theme.strong(), theme.dim(), queue));
        let mark = if queue.may_be_deeper { bounds::AT_LEAST } else { "" };
        pen.number(&format!("{mark}{}", depth(queue.depth_max)), max_width, theme.dim()).gap(1);
        pen.sparkline_of_maxima(&queue.through_time, spark, theme.bar());
    }
    let mut pen = canvas.pen(inner, whole as u16);
    pen.gap(1);
    for (place, queue) in queues[whole..].iter().enumerate() {
        let (gap, depth) = (if place > 0 { "  " } else { "" }, depth_now(queue));
        let dim = theme.dim();
        pen.group(&[(gap, dim), (queue.queue.name(), dim), (" ", dim), (&depth, theme.text())]);
    }
}

/// The text without samples: depths are recorded only when they change.
fn none_sampled(state: &AppState) -> &'static str {
    if state.about.since_attach { "no change since attach" } else { "none sampled yet" }
}

/// A mean in at most six cells: `3.4`, `1,204`.
fn mean(mean: f64) -> String {
    if mean < 999.95 { format!("{mean:.1}") } else { units::short_count(mean.round() as u64) }
}

fn microtasks_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let figures = &state.figures.microtasks;
    let mut pen = line(canvas, area, "microtasks", focused);
    if figures.checkpoints == 0 {
        pen.put("none yet", theme.dim());
        return;
    }
    pen.put(&mean(figures.ran_mean), theme.strong()).put("/checkpoint  max ", theme.dim());
    pen.put(&units::short_count(figures.ran.max.unwrap_or(0)), theme.text()).put("  run p99 ", theme.dim());
    pen.number(&units::duration(figures.run_ns.p99), 6, theme.text());
    pen.left(figures.run_ns.p99_mark(), 2, theme.text());
    pen.sparkline_of_maxima(&figures.samples, 20, theme.bar());
}

fn microtasks_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let inner = canvas.pane(area, "microtasks", "", focused);
    let figures = &state.figures.microtasks;
    if figures.checkpoints == 0 {
        canvas.pen(inner, 0).gap(1).put("none yet", theme.dim());
        return;
    }
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).put(&mean(figures.ran_mean), theme.strong()).put("/checkpoint", theme.dim());
    let mut pen = canvas.pen(inner, 1);
    pen.gap(1).put("max ", theme.dim()).put(&units::short_count(figures.ran.max.unwrap_or(0)), theme.text());
    pen.whole(" at once", theme.dim());
    let mut pen = canvas.pen(inner, 2);
    pen.gap(1).put("run p99 ", theme.dim()).put(&bounds::p99(&figures.run_ns), theme.text());
    pen.group(&[("  max ", theme.dim()), (&units::duration(figures.run_ns.max), theme.text())]);
    let spark = inner.width.saturating_sub(2);
    for row in 3..inner.height.min(4) {
        let style = theme.phase(Phase::Microtasks);
        canvas.pen(inner, row).gap(1).sparkline_of_maxima(&figures.samples, spark, style);
    }
    let count = units::short_count(figures.checkpoints);
    canvas.pen(inner, 4).gap(1).group(&[(&count, theme.text()), (" checkpoints", theme.dim())]);
}

/// The heap and its threshold, in one unit: `18.2 / 40.0 MiB`.
fn heap(gc: &GcFigures) -> String {
    let Some(heap) = gc.heap_bytes else { return String::new() };
    match gc.threshold_bytes.filter(|bytes| *bytes > 0) {
        Some(threshold) => units::bytes_of(heap, threshold),
        None => units::short_bytes(heap),
    }
}

fn gc_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let gc = &state.figures.gc;
    let mut pen = line(canvas, area, "gc", focused);
    if gc.decided.is_none_or(|decided| decided == [0; 3]) && gc.heap_bytes.is_none() {
        pen.put("no decisions yet", theme.dim());
        return;
    }
    // Changing figures have fixed widths, so that the words around them stand still.
    pen.put("heap ", theme.dim()).left(&heap(gc), 19, theme.text()).gap(1);
    match gc.last.first() {
        Some((check, ran)) => {
            pen.left(check.action.name(), 8, theme.strong()).left(check.reason.name(), 10, theme.text());
            pen.number(&ran.map_or_else(String::new, units::duration), 6, theme.text());
        }
        None => drop(pen.gap(24)),
    }
    let collect = gc.decided.map(|[collect, _, _]| collect);
    pen.gap(2).whole(&format!("{} collected", known(collect, units::short_count)), theme.dim());
}

fn gc_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let gc = &state.figures.gc;
    let mode = gc.mode.map_or("", |mode| mode.name());
    let inner = canvas.pane(area, "gc", mode, focused);
    if gc.decided.is_none_or(|decided| decided == [0; 3]) && gc.heap_bytes.is_none() {
        canvas.pen(inner, 0).gap(1).put("no decisions yet", theme.dim());
        return;
    }
    let tall = inner.height >= 6;
    let rows = usize::from(inner.height.saturating_sub(if tall { 3 } else { 2 }));
    for (row, (check, ran)) in gc.last.iter().take(rows).enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        let collects = check.action == GcAction::Collect;
        pen.gap(1).left(check.action.name(), 8, if collects { theme.strong() } else { theme.text() });
        pen.put(check.reason.name(), theme.dim());
        let end = ran.map_or_else(|| units::short_bytes(check.heap_bytes), units::duration);
        let pen = canvas.pen(Rect { width: inner.width - 1, ..inner }, row as u16);
        right_of(pen, check.action.name(), check.reason.name(), &end, theme.text());
    }
    let last = inner.height - 1;
    if tall {
        let spark = inner.width.saturating_sub(2);
        let mut pen = canvas.pen(inner, last - 1);
        pen.gap(1).sparkline_of_maxima(&gc.heap, spark, theme.phase(Phase::Gc));
    }
    let counts = if tall { last - 2 } else { last - 1 };
    let mut pen = canvas.pen(inner, counts);
    pen.gap(1);
    let names = ["collect ", "  defer ", "  skip "];
    for (name, count) in names.into_iter().zip(gc.decided.map_or([None; 3], |decided| decided.map(Some))) {
        pen.group(&[(name, theme.dim()), (&known(count, units::short_count), theme.text())]);
    }
    canvas.pen(inner, last).gap(1).put("heap ", theme.dim()).put(&heap(gc), theme.strong());
}

/// A number, or the sign for an unknown one.
fn known(number: Option<u64>, text: fn(u64) -> String) -> String {
    number.map_or_else(|| units::UNKNOWN.to_owned(), text)
}

/// Writes right-aligned text if the words before it leave room.
fn right_of(mut pen: Pen<'_, '_>, action: &str, reason: &str, text: &str, style: Style) {
    if usize::from(pen.room()) > 1 + action.len().max(8) + reason.len() + text.chars().count() {
        pen.right(text, style);
    }
}

fn signals_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let figures = &state.figures;
    let mut pen = line(canvas, area, "signals", focused);
    for signal in figures.signals.iter().take(4) {
        pen.put(&signal.name, theme.text())
            .put(&format!(" ×{}", units::short_count(signal.arrived)), theme.dim());
        pen.gap(2);
    }
    if figures.signals.is_empty() {
        pen.put("none yet", theme.dim()).gap(2);
    } else {
        pen.group(&[("p99 ", theme.dim()), (&bounds::p99(&figures.signal_latency_ns), theme.text())]);
        pen.gap(2);
    }
    let dropped = figures.signals_dropped;
    let style = if dropped > Some(0) { theme.held() } else { theme.dim() };
    pen.whole(&format!("dropped {}{}", dropped_mark(figures), known(dropped, units::short_count)), style);
}

fn signals_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let theme = canvas.theme;
    let figures = &state.figures;
    let remark = if area.width >= 36 { "latency p50 p99" } else { "p50 p99" };
    let inner = canvas.pane(area, "signals", remark, focused);
    if inner.height == 1 {
        signals_briefly(canvas, state, inner);
        return;
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    if figures.signals.is_empty() {
        canvas.pen(inner, 0).gap(1).put("none yet", theme.dim());
    }
    for (row, signal) in figures.signals.iter().take(rows).enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1).left(&signal.name, 5, theme.text());
        pen.left(&format!("×{}", units::tiny_count(signal.arrived)), 5, theme.dim());
        pen.number(&units::duration(signal.latency_ns.p50), 6, theme.text());
        pen.number(&units::duration(signal.latency_ns.p99), 7, theme.strong());
        pen.put(signal.latency_ns.p99_mark(), theme.dim());
    }
    let dropped = figures.signals_dropped;
    let style = if dropped > Some(0) { theme.held() } else { theme.dim() };
    let mut pen = canvas.pen(inner, inner.height.saturating_sub(1));
    pen.gap(1).put(&format!("dropped {}{}", dropped_mark(figures), known(dropped, units::count)), style);
    let hidden = figures.signals.len().saturating_sub(rows);
    if hidden > 0 {
        pen.whole(&format!("  {hidden} more"), theme.dim());
    }
}

/// The mark of the number of dropped signals: a report of more may have been lost.
fn dropped_mark(figures: &Figures) -> &'static str {
    if figures.lost_records > 0 && figures.signals_dropped.is_some() { bounds::AT_LEAST } else { "" }
}

/// All signals in one row: the most frequent ones, and the number dropped if there are any.
fn signals_briefly(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let theme = canvas.theme;
    let figures = &state.figures;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    if figures.signals.is_empty() {
        pen.put("none yet", theme.dim());
    }
    if let Some(dropped @ 1..) = figures.signals_dropped {
        let dropped = units::short_count(dropped);
        pen.put(&format!("dropped {dropped} "), theme.held());
    }
    for signal in &figures.signals {
        let arrived = format!(" ×{}  ", units::short_count(signal.arrived));
        pen.group(&[(&signal.name, theme.text()), (&arrived, theme.dim())]);
    }
}

fn agenda_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let Some(agenda) = &state.figures.agenda else { return };
    let theme = canvas.theme;
    let mut pen = line(canvas, area, "agenda", focused);
    for row in &agenda.priorities {
        pen.put(row.priority.name(), theme.dim());
        let waiting = waiting(row.waiting, row.waiting_bounds);
        pen.number(&waiting, DEPTH_WIDTH, waiting_style(theme, agenda, row)).gap(2);
    }
    workers_briefly(&mut pen, theme, agenda);
    if let Some(starving) = agenda.starving {
        pen.whole(&format!("  {} starves", starving.priority), theme.held());
    }
}

fn agenda_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    let Some(agenda) = &state.figures.agenda else { return };
    let theme = canvas.theme;
    let remark = match agenda.starving {
        Some(starving) => format!("{} starves", starving.priority),
        None => "wait p99".to_owned(),
    };
    let inner = canvas.pane(area, "agenda", &remark, focused);
    for (row, priority) in agenda.priorities.iter().enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1).left(priority.priority.name(), 6, theme.dim());
        let waiting = waiting(priority.waiting, priority.waiting_bounds);
        pen.number(&waiting, DEPTH_WIDTH, waiting_style(theme, agenda, priority)).gap(1);
        let spark = inner.width.saturating_sub(6 + DEPTH_WIDTH + 2 + 9);
        let style = theme.phase(Phase::Agenda);
        pen.sparkline_of_maxima(&priority.through_time, spark, style);
        pen.number(&units::duration(priority.wait_ns.p99), 7, theme.text());
        pen.put(priority.wait_ns.p99_mark(), theme.dim());
    }
    let below = agenda.priorities.len() as u16;
    let mut pen = canvas.pen(inner, below);
    pen.gap(1);
    workers_briefly(&mut pen, theme, agenda);
    let [met, failed] = agenda.rendezvous;
    let mut pen = canvas.pen(inner, below + 1);
    pen.gap(1).put("collections ", theme.dim()).put(&units::short_count(met), theme.text());
    if failed > 0 {
        pen.whole(&format!("  failed {}", units::short_count(failed)), theme.held());
    }
}

/// The active handles: the number of each kind, then the names.
fn keep_alive(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, focused: bool) {
    if area.is_empty() {
        return;
    }
    let theme = canvas.theme;
    let keep_alive = &state.figures.keep_alive;
    let inner = canvas.pane(area, "handles", &age(state, keep_alive), focused);
    let rows = usize::from(inner.height);
    let whole = if keep_alive.held.len() > rows { rows - 1 } else { keep_alive.held.len() };
    for (row, held) in keep_alive.held[..whole].iter().enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        let count = units::short_count(held.count);
        let named = inner.width.saturating_sub(count.len() as u16 + 2);
        let name = named.saturating_sub(held.what.name().len() as u16 + 2);
        pen.gap(1).put(held.what.name(), theme.dim()).gap(1).left(&held.name, name, theme.text());
        pen.to(inner.x + named).gap(1).put(&count, theme.strong());
    }
    if whole < keep_alive.held.len() {
        let more = format!(
            "+{} others, {} total",
            keep_alive.held.len() - whole,
            units::short_count(keep_alive.total())
        );
        canvas.pen(inner, whole as u16).gap(1).put(&more, theme.dim());
    }
}
