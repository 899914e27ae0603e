//! One tag in full: its histogram, its worst runs, who queued it.

use super::paint::Canvas;
use super::{histogram, tasks};
use crate::app::glance;
use crate::app::layout::{self, Area};
use crate::app::state::State;
use crate::units;

/// Cells of a task's id.
const TASK_WIDTH: u16 = 9;
/// Runs below a microsecond are one bucket.
const FLOOR_NS: u64 = 1_000;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, body: Area) {
    let (list, detail) = layout::list_and_detail(body);
    tasks::draw(canvas, state, list, true);
    let theme = canvas.theme;
    let timeline = &state.picture().timeline;
    let stats = state.tag.and_then(|tag| timeline.tags.tag(tag));
    let Some((stats, (_, runs))) = stats.and_then(|stats| Some((stats, glance::runs(stats)?))) else {
        let inner = canvas.pane(detail, "no tag selected", "", false);
        canvas.pen(inner, 0).gap(1).put("↑↓ select one", theme.dim());
        return;
    };
    let name = super::paint::cut(&timeline.labels.tag(stats.tag), detail.width.saturating_sub(8));
    let histogram_rows = (detail.height.saturating_sub(6) / 2).clamp(8, 20);
    let upper = Area { height: (histogram_rows + 3).min(detail.height), ..detail };
    let inner = canvas.pane(upper, &name, "run time", false);
    let mut pen = canvas.pen(inner, 0);
    let shown = runs.run_ns.percentiles();
    let noun = if shown.count == 1 { " run" } else { " runs" };
    pen.gap(1).put(&units::short_count(shown.count), theme.strong()).put(noun, theme.dim());
    let figures = [(" p50 ", shown.p50), (" p99 ", shown.p99), (" max ", shown.max)];
    for (name, ns) in figures {
        pen.group(&[(name, theme.dim()), (&units::duration(ns), theme.text())]);
    }
    if runs.failed > 0 {
        pen.whole(&format!(" failed {}", units::short_count(runs.failed)), theme.held());
    }
    let rows = Area { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    histogram::buckets(canvas, state, rows, &glance::buckets(&runs.run_ns), FLOOR_NS);

    let lower = Area { y: upper.y + upper.height, height: detail.height - upper.height, ..detail };
    let inner = canvas.pane(lower, "worst runs", "Enter opens the worst", false);
    let mut line = 0;
    for run in runs.worst() {
        let mut pen = canvas.pen(inner, line);
        let over = run.run_ns > state.about.stall_limit_ns;
        let style = if over { theme.over() } else { theme.text() };
        pen.gap(1).put(&units::position(state.since_start_ns(run.at)), theme.dim()).gap(1);
        pen.number(&units::duration(run.run_ns), 7, style).gap(1);
        pen.left(&format!("#{}", run.task), TASK_WIDTH, theme.text());
        if !runs.queue_wait_ns.is_empty() {
            pen.group(&[
                ("waited ", theme.dim()),
                (&format!("{:>6}", units::duration(run.queue_wait_ns)), theme.dim()),
            ]);
        }
        line += 1;
    }
    let mut pen = canvas.pen(inner, line);
    pen.gap(1).put("queued by ", theme.dim());
    if state.queued_by.is_empty() {
        let log = state.picture().log();
        let back_ns = log.back().zip(log.front()).map_or(0, |(last, first)| last.at.ns_since(first.at));
        pen.put(&format!("nobody in the log's last {}", units::duration(back_ns)), theme.dim());
    }
    for (place, (who, count)) in state.queued_by.iter().enumerate() {
        let text = format!("{who} ×{}", units::short_count(*count));
        if usize::from(pen.room()) < text.chars().count() + 2 && place > 0 {
            line += 1;
            pen = canvas.pen(inner, line);
            pen.gap(11);
        }
        pen.put(who, theme.text()).put(&format!(" ×{}  ", units::short_count(*count)), theme.dim());
    }
}
