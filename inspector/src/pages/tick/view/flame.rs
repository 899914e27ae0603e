//! Draws the flame chart of a tick: an axis of busy time and, below, the runs as blocks, each below the run around it.

use loop_probes::event::Phase;
use loop_traces::timeline::{OpenedTick, SpanKind};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::app::state::{AppState, Part};
use crate::describe;
use crate::pages::tick::flame::Flame;
use crate::pages::tick::{is_filtered_out, is_over, lost_in};
use crate::theme::Theme;
use crate::units;
use crate::view::paint::{Canvas, HATCH};

/// Columns between two labels of the axis.
const LABELS_APART: u16 = 16;
/// The narrowest block with a name.
const NAMED_MIN: u16 = 4;
/// The left edge of a block, which parts it from its neighbour.
const EDGE: &str = "▏";

/// Draws the chart.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, opened: &OpenedTick, flame: &Flame<'_>) {
    axis(canvas, flame, opened.tick.busy_ns);
    hatch(canvas, state, opened, flame);
    let labels = &state.picture().timeline.labels;
    for (place, run, block) in flame.blocks() {
        let what = &run.span.what;
        let color = if is_over(state, run) { canvas.theme.over() } else { style_of(canvas.theme, what) };
        let color = if is_filtered_out(state, *what) { canvas.theme.dim() } else { color };
        let is_selected = state.part == Part::First && state.row == place;
        if block.width == 0 {
            sliver(canvas, block, color, is_selected);
            continue;
        }
        let marks = if is_selected { Modifier::BOLD | Modifier::UNDERLINED } else { Modifier::empty() };
        let style = color.remove_modifier(Modifier::BOLD).add_modifier(Modifier::REVERSED | marks);
        (block.x..block.right()).for_each(|x| canvas.cell(x, block.y, " ", style));
        canvas.cell(block.x, block.y, EDGE, style);
        if block.width >= NAMED_MIN {
            let (name, _) = describe::span(what, labels);
            canvas.pen(Rect { x: block.x + 1, width: block.width - 1, ..block }, 0).put(&name, style);
        }
    }
}

/// Draws a run that is too short for a block, unless something longer is in its place.
fn sliver(canvas: &mut Canvas<'_>, at: Rect, color: Style, is_selected: bool) {
    let is_free = canvas.buffer.cell((at.x, at.y)).is_some_and(|cell| matches!(cell.symbol(), " " | HATCH));
    if is_selected {
        canvas.cell(at.x, at.y, EDGE, color.add_modifier(Modifier::BOLD | Modifier::UNDERLINED));
    } else if is_free {
        canvas.cell(at.x, at.y, EDGE, color);
    }
}

/// Draws how much busy time there is before some of the columns.
fn axis(canvas: &mut Canvas<'_>, flame: &Flame<'_>, busy_ns: u64) {
    let dim = canvas.theme.dim();
    let shown_ns = flame.shown_ns();
    let shown_ns = shown_ns.end - shown_ns.start;
    let mut remarks = Vec::new();
    if shown_ns < busy_ns {
        remarks.push(format!("{} of {}", units::duration(shown_ns), units::duration(busy_ns)));
    }
    for (hidden, arrow) in flame.depths_hidden().into_iter().zip(["▲", "▼"]) {
        remarks.extend((hidden > 0).then(|| format!("{arrow} {hidden} more")));
    }
    let remark = remarks.join("  ");
    let remark_width = remark.chars().count() as u16;
    let right = flame.axis.right().saturating_sub(remark_width + 1);
    for x in (flame.axis.x..right).step_by(LABELS_APART.into()) {
        let room = Rect { x, width: right - x, ..flame.axis };
        canvas.pen(room, 0).whole(&format!("{EDGE}{}", units::duration(flame.ns_at(x))), dim);
    }
    canvas.pen(flame.axis, 0).right(&remark, dim);
}

/// Hatches the time with lost records: what ran then is missing. Runs hide it, but not on the axis.
fn hatch(canvas: &mut Canvas<'_>, state: &AppState, opened: &OpenedTick, flame: &Flame<'_>) {
    let style = canvas.theme.held();
    for (from, to, _) in lost_in(state.picture(), &opened.tick) {
        let Some(cells) = flame.cells(from, to) else { continue };
        for x in cells.start..cells.end.max(cells.start + 1) {
            (flame.axis.y..flame.rows.bottom()).for_each(|y| canvas.cell(x, y, HATCH, style));
        }
    }
}

/// The colour of a run: that of its phase.
fn style_of(theme: Theme, what: &SpanKind) -> Style {
    theme.phase(match what {
        SpanKind::Phase(phase) => *phase,
        SpanKind::Poll { .. } => Phase::Poll,
        SpanKind::Microtasks { .. } => Phase::Microtasks,
        SpanKind::Deferred { .. } => Phase::Deferred,
        SpanKind::Immediates { .. } => Phase::Immediates,
        SpanKind::Io { .. } => Phase::Io,
        SpanKind::Gc { .. } => Phase::Gc,
        SpanKind::Task { .. } => Phase::Tasks,
        _ => return theme.bar(),
    })
}
