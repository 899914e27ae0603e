//! Queues, microtasks, GC and signals: a pane each, or a line each if there is no room for frames.

use loop_probes::event::{GcAction, Queue};
use ratatui::style::Style;

use super::bounds;
use super::paint::Canvas;
use crate::app::layout::{Area, Overview, Pane};
use crate::app::overview::{GcFigures, QueueRow};
use crate::app::state::AppState;
use crate::units;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, panes: &Overview) {
    if panes.compact {
        queues_line(canvas, state, panes.queues);
        microtasks_line(canvas, state, panes.microtasks);
        gc_line(canvas, state, panes.gc);
        signals_line(canvas, state, panes.signals);
    } else {
        queues_pane(canvas, state, panes.queues);
        microtasks_pane(canvas, state, panes.microtasks);
        gc_pane(canvas, state, panes.gc);
        signals_pane(canvas, state, panes.signals);
    }
}

/// The display order of queues: those that a tick processes first. The agenda has a pane of its own.
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
    let find = |queue: &Queue| state.overview.queues.iter().find(|row| row.queue == *queue);
    QUEUE_ORDER.iter().filter_map(find).collect()
}

/// Merges samples into cells by their maximum, because a single sample would pass too fast to be seen. A cell without a
/// known sample is `None`.
pub(super) fn deepest<T: Copy + Into<Option<u64>>>(samples: &[T], cells: usize) -> Vec<Option<u64>> {
    let per_cell = samples.len().div_ceil(cells.max(1)).max(1);
    let deepest = |chunk: &[T]| chunk.iter().filter_map(|sample| (*sample).into()).max();
    samples.rchunks(per_cell).rev().map(deepest).collect()
}

pub(super) fn line<'c, 'a>(
    canvas: &'c mut Canvas<'a>,
    state: &AppState,
    area: Area,
    pane: Pane,
    name: &str,
) -> super::paint::Pen<'c, 'a> {
    let focused = state.focus == pane;
    let theme = canvas.theme;
    let mut pen = canvas.pen(area, 0);
    pen.put(if focused { "▸" } else { " " }, theme.key());
    pen.left(name, 12, theme.title(focused));
    pen
}

fn queues_line(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let mut pen = line(canvas, state, area, Pane::Queues, "queues");
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
            pen.gap(1).sparkline(&deepest(&queue.through_time, spark), spark as u16, theme.bar());
        }
        pen.gap(2);
    }
}

/// Width of a depth, including the blank before it.
pub(super) const DEPTH_WIDTH: u16 = 5;

/// A depth in four cells: `7`, `1204`, `12k`.
pub(super) fn depth(depth: u32) -> String {
    match depth {
        0..10_000 => depth.to_string(),
        10_000..10_000_000 => format!("{}k", depth / 1_000),
        10_000_000..1_000_000_000 => format!("{}M", depth / 1_000_000),
        _ => format!("{}G", depth / 1_000_000_000),
    }
}

fn depth_now(queue: &QueueRow) -> String {
    queue.depth.map_or_else(|| units::UNKNOWN.to_owned(), depth)
}

const fn depth_style(some: Style, none: Style, queue: &QueueRow) -> Style {
    if matches!(queue.depth, None | Some(0)) { none } else { some }
}

fn queues_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    // The sparkline is more informative than the maximum.
    let max_width = if area.width >= 36 { 6 } else { 0 };
    let remark = if max_width > 0 { "now, max" } else { "" };
    let inner = canvas.pane(area, "queues", remark, state.focus == Pane::Queues);
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
        pen.number(&depth(queue.depth_max), max_width, theme.dim()).gap(1);
        pen.sparkline(&deepest(&queue.through_time, usize::from(spark)), spark, theme.bar());
    }
    let mut pen = canvas.pen(inner, whole as u16);
    pen.gap(1);
    for (place, queue) in queues[whole..].iter().enumerate() {
        let (gap, depth) = (if place > 0 { "  " } else { "" }, depth_now(queue));
        let dim = theme.dim();
        pen.group(&[(gap, dim), (queue.queue.name(), dim), (" ", dim), (&depth, theme.text())]);
    }
}

/// Depths are recorded when they change.
fn none_sampled(state: &AppState) -> &'static str {
    if state.about.since_attach { "no change since attach" } else { "none was sampled yet" }
}

/// A mean in at most six cells: `3.4`, `1,204`.
fn mean(mean: f64) -> String {
    if mean < 999.95 { format!("{mean:.1}") } else { units::short_count(mean.round() as u64) }
}

fn microtasks_line(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let figures = &state.overview.microtasks;
    let mut pen = line(canvas, state, area, Pane::Microtasks, "microtasks");
    if figures.checkpoints == 0 {
        pen.put("no checkpoint had any yet", theme.dim());
        return;
    }
    pen.put(&mean(figures.ran_mean), theme.strong()).put(" a checkpoint  max ", theme.dim());
    pen.put(&units::short_count(figures.ran.max.unwrap_or(0)), theme.text()).put("  run p99 ", theme.dim());
    pen.number(&units::duration(figures.run_ns.p99), 6, theme.text());
    pen.left(figures.run_ns.p99_mark(), 2, theme.text());
    pen.sparkline(&deepest(&figures.samples, 20), 20, theme.bar());
}

fn microtasks_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let inner = canvas.pane(area, "microtasks", "", state.focus == Pane::Microtasks);
    let figures = &state.overview.microtasks;
    if figures.checkpoints == 0 {
        canvas.pen(inner, 0).gap(1).put("none yet", theme.dim());
        return;
    }
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).put(&mean(figures.ran_mean), theme.strong()).put(" a checkpoint", theme.dim());
    let mut pen = canvas.pen(inner, 1);
    pen.gap(1).put("max ", theme.dim()).put(&units::short_count(figures.ran.max.unwrap_or(0)), theme.text());
    pen.whole(" at once", theme.dim());
    let mut pen = canvas.pen(inner, 2);
    pen.gap(1).put("run p99 ", theme.dim()).put(&bounds::p99(&figures.run_ns), theme.text());
    pen.group(&[("  max ", theme.dim()), (&units::duration(figures.run_ns.max), theme.text())]);
    let spark = inner.width.saturating_sub(2);
    for row in 3..inner.height.min(4) {
        let samples = deepest(&figures.samples, usize::from(spark));
        canvas.pen(inner, row).gap(1).sparkline(
            &samples,
            spark,
            theme.phase(loop_probes::event::Phase::Microtasks),
        );
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

fn gc_line(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let gc = &state.overview.gc;
    let mut pen = line(canvas, state, area, Pane::Gc, "gc");
    if gc.decided.is_none_or(|decided| decided == [0; 3]) && gc.heap_bytes.is_none() {
        pen.put("no decision yet", theme.dim());
        return;
    }
    // Changing figures have fixed cells, so that the rest stands still.
    pen.put("heap ", theme.dim()).left(&heap(gc), 19, theme.text()).gap(1);
    match gc.last.first() {
        Some((look, ran)) => {
            pen.left(look.action.name(), 8, theme.strong()).left(look.reason.name(), 10, theme.text());
            pen.number(&ran.map_or_else(String::new, units::duration), 6, theme.text());
        }
        None => drop(pen.gap(24)),
    }
    let collect = gc.decided.map(|[collect, _, _]| collect);
    pen.gap(2).whole(&format!("{} collected", known(collect, units::short_count)), theme.dim());
}

fn gc_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let gc = &state.overview.gc;
    let mode = gc.mode.map_or("", |mode| mode.name());
    let inner = canvas.pane(area, "gc", mode, state.focus == Pane::Gc);
    if gc.decided.is_none_or(|decided| decided == [0; 3]) && gc.heap_bytes.is_none() {
        canvas.pen(inner, 0).gap(1).put("no decision yet", theme.dim());
        return;
    }
    let tall = inner.height >= 6;
    let rows = usize::from(inner.height.saturating_sub(if tall { 3 } else { 2 }));
    for (row, (look, ran)) in gc.last.iter().take(rows).enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        let acted = look.action == GcAction::Collect;
        pen.gap(1).left(look.action.name(), 8, if acted { theme.strong() } else { theme.text() });
        pen.put(look.reason.name(), theme.dim());
        let end = ran.map_or_else(|| units::short_bytes(look.heap_bytes), units::duration);
        let pen = canvas.pen(Area { width: inner.width - 1, ..inner }, row as u16);
        right_of(pen, look.action.name(), look.reason.name(), &end, theme.text());
    }
    let last = inner.height - 1;
    if tall {
        let spark = inner.width.saturating_sub(2);
        let gc_style = theme.phase(loop_probes::event::Phase::Gc);
        canvas.pen(inner, last - 1).gap(1).sparkline(&deepest(&gc.heap, usize::from(spark)), spark, gc_style);
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

/// A number, or the sign for one that is not known.
fn known(number: Option<u64>, text: fn(u64) -> String) -> String {
    number.map_or_else(|| units::UNKNOWN.to_owned(), text)
}

/// Writes right-aligned text if the words before it leave room.
fn right_of(mut pen: super::paint::Pen<'_, '_>, action: &str, reason: &str, text: &str, style: Style) {
    if usize::from(pen.room()) > 1 + action.len().max(8) + reason.len() + text.chars().count() {
        pen.right(text, style);
    }
}

fn signals_line(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let overview = &state.overview;
    let mut pen = line(canvas, state, area, Pane::Signals, "signals");
    for signal in overview.signals.iter().take(4) {
        pen.put(&signal.name, theme.text())
            .put(&format!(" ×{}", units::short_count(signal.arrived)), theme.dim());
        pen.gap(2);
    }
    if overview.signals.is_empty() {
        pen.put("none yet", theme.dim()).gap(2);
    } else {
        pen.group(&[("p99 ", theme.dim()), (&bounds::p99(&overview.signal_latency_ns), theme.text())]);
        pen.gap(2);
    }
    let dropped = overview.signals_dropped;
    let style = if dropped > Some(0) { theme.held() } else { theme.dim() };
    pen.whole(&format!("dropped {}", known(dropped, units::short_count)), style);
}

fn signals_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let overview = &state.overview;
    let remark = if area.width >= 36 { "latency p50 p99" } else { "p50 p99" };
    let inner = canvas.pane(area, "signals", remark, state.focus == Pane::Signals);
    if inner.height == 1 {
        signals_briefly(canvas, state, inner);
        return;
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    if overview.signals.is_empty() {
        canvas.pen(inner, 0).gap(1).put("none yet", theme.dim());
    }
    for (row, signal) in overview.signals.iter().take(rows).enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1).left(&signal.name, 5, theme.text());
        pen.left(&format!("×{}", units::tiny_count(signal.arrived)), 5, theme.dim());
        pen.number(&units::duration(signal.latency_ns.p50), 6, theme.text());
        pen.number(&units::duration(signal.latency_ns.p99), 7, theme.strong());
        pen.put(signal.latency_ns.p99_mark(), theme.dim());
    }
    let dropped = overview.signals_dropped;
    let style = if dropped > Some(0) { theme.held() } else { theme.dim() };
    let mut pen = canvas.pen(inner, inner.height.saturating_sub(1));
    pen.gap(1).put(&format!("dropped {}", known(dropped, units::count)), style);
    let hidden = overview.signals.len().saturating_sub(rows);
    if hidden > 0 {
        pen.whole(&format!("  {hidden} more"), theme.dim());
    }
}

/// All signals in one row: the most frequent ones, and the number dropped if there are any.
fn signals_briefly(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let overview = &state.overview;
    let mut pen = canvas.pen(area, 0);
    pen.gap(1);
    if overview.signals.is_empty() {
        pen.put("none yet", theme.dim());
    }
    if let Some(dropped @ 1..) = overview.signals_dropped {
        let dropped = units::short_count(dropped);
        pen.put(&format!("dropped {dropped} "), theme.held());
    }
    for signal in &overview.signals {
        let arrived = format!(" ×{}  ", units::short_count(signal.arrived));
        pen.group(&[(&signal.name, theme.text()), (&arrived, theme.dim())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_the_deepest_of_its_samples() {
        assert_eq!(deepest(&[1, 9, 0, 2, 3], 2), [9, 3].map(Some));
        assert_eq!(deepest(&[1, 2], 5), [1, 2].map(Some));
        assert_eq!(deepest(&[] as &[u64], 5), []);
        assert_eq!(deepest(&[None, None, Some(0), None], 2), [None, Some(0)]);
    }
}
