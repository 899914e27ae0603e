//! The stalls, newest first, each with what ran in it.

use loop_traces::analysis::attribution::{Share, What};
use loop_traces::labels::Labels;
use loop_traces::timeline::Stall;

use super::paint::{Canvas, Pen};
use crate::app::layout::{self, Area};
use crate::app::state::State;
use crate::units;

/// A share that is shown: half of the last digit.
pub(super) const TOLD_NS: u64 = 50_000;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, area: Area, focused: bool) {
    let timeline = &state.picture().timeline;
    let stalls = &timeline.stalls;
    let rows = layout::rows(area, false);
    let limit = units::duration(state.about.stall_limit_ns).replace(".0", "");
    let remark = match area.width {
        0..96 => format!("busier than {limit}, newest first"),
        _ => format!("ticks busier than {limit}, newest first, Enter opens"),
    };
    canvas.pane(area, "stalls", &remark, focused);
    let theme = canvas.theme;
    if stalls.count == 0 {
        canvas.pen(rows, 0).gap(1).put("none so far", theme.dim());
        return;
    }
    let first = layout::first_row(state.stall_row, rows.height);
    let shown = stalls.newest_first().enumerate().skip(first).take(usize::from(rows.height));
    for (line, (place, stall)) in shown.enumerate() {
        let line = line as u16;
        row(canvas, state, rows, line, stall);
        if focused && place == state.stall_row {
            canvas.tint(rows, line, theme.selected());
        }
    }
}

fn row(canvas: &mut Canvas<'_>, state: &State, rows: Area, line: u16, stall: &Stall) {
    let theme = canvas.theme;
    let labels = &state.picture().timeline.labels;
    let tick = &stall.tick;
    let mut pen = canvas.pen(rows, line);
    pen.gap(1).put(&units::position(state.since_start_ns(tick.start)), theme.dim()).gap(2);
    pen.left(&format!("tick {}", units::count(tick.tick)), 12, theme.text()).gap(1);
    pen.number(&units::duration(tick.busy_ns), 6, theme.over()).put(" = ", theme.dim());
    shares(&mut pen, &stall.blame.shares, labels, (theme.text(), theme.dim()));
}

/// `ReadFile #8812 38.2 + microtasks 2.1 + …`, in milliseconds, as far as there is room.
pub(super) fn shares(
    pen: &mut Pen<'_, '_>,
    shares: &[Share],
    labels: &Labels,
    (text, dim): (ratatui::style::Style, ratatui::style::Style),
) {
    // What would read 0.0 is left out, unless it is all there is.
    let told = shares.iter().enumerate().filter(|(place, share)| *place == 0 || share.ns >= TOLD_NS);
    let mut rest: u64 = shares.iter().map(|share| share.ns).sum();
    for (place, share) in told {
        let name = name(&share.what, labels);
        let ms = units::millis(share.ns);
        let joint = if place > 0 { " + " } else { "" };
        rest -= share.ns;
        let more = if rest >= TOLD_NS { " + …".chars().count() } else { 0 };
        let needed = joint.len() + name.chars().count() + 1 + ms.len() + more;
        if place > 0 && usize::from(pen.room()) < needed {
            rest = TOLD_NS;
            break;
        }
        pen.put(joint, dim).put(&name, text).put(&format!(" {ms}"), dim);
    }
    if rest >= TOLD_NS {
        pen.whole(" + …", dim);
    }
}

/// Who, without the word "task": in a ledger nearly all are.
pub(super) fn name(what: &What, labels: &Labels) -> String {
    match what {
        What::Task { task, tag } => format!("{} #{task}", labels.tag(*tag)),
        What::Io { tag, task, .. } => format!("io {} #{task}", labels.tag(*tag)),
        other => other.describe(labels),
    }
}
