//! One tag: its histogram, its worst runs, what queued it. Beside the table in part, on its own page in full.

use loop_traces::analysis::loss::Missing;
use loop_traces::timeline::{MissingSamples, RunStats, TagStats};

use super::breakdown::below;
use super::paint::Canvas;
use super::when_width;
use super::{bounds, delay_caused, histogram, tasks};
use crate::app::layout::{self, Area};
use crate::app::overview::{self, RunPlace};
use crate::app::state::{AppState, Part};
use crate::units;

/// Width of a task's id.
const TASK_WIDTH: u16 = 9;
/// Runs below a microsecond form one bucket.
const FLOOR_NS: u64 = 1_000;

/// The selected tag and its runs.
fn selected(state: &AppState) -> Option<(&TagStats, (RunPlace, &RunStats))> {
    let stats = state.tag.and_then(|tag| state.picture().timeline.tags.tag(tag))?;
    Some((stats, overview::runs(stats)?))
}

/// The table of the tags, with the selected one beside it.
pub(super) fn detail_pane(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let (list, detail) = layout::list_and_detail(body);
    tasks::draw(canvas, state, list, true);
    let Some((stats, (ran, runs))) = selected(state) else {
        return none(canvas, detail, &canvas.theme.arrow_keys("↑↓ select one"));
    };
    let histogram_rows = (detail.height.saturating_sub(6) / 2).clamp(8, 20);
    let upper = Area { height: (histogram_rows + 3).min(detail.height), ..detail };
    distribution(canvas, state, upper, stats, (ran, runs));
    let lower = Area { y: upper.y + upper.height, height: detail.height - upper.height, ..detail };
    let delay_caused_rows = if lower.height >= 14 { 7 } else { 6 };
    delay_caused::of_tag(canvas, state, Area { height: delay_caused_rows.min(lower.height), ..lower }, stats);
    worst(canvas, state, below(lower, delay_caused_rows), runs, None);
}

/// The page of the selected tag.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let Some((stats, (ran, runs))) = selected(state) else {
        return none(canvas, body, "Esc goes back, 3 shows the tags");
    };
    let page = layout::tag(body);
    distribution(canvas, state, page.histogram, stats, (ran, runs));
    worst(canvas, state, page.worst, runs, (state.part == Part::First).then_some(state.row));
    queued_by(canvas, state, page.queued_by);
    delay_caused::of_tag(canvas, state, page.delay_caused, stats);
    delay_caused::delayed(canvas, state, page.delayed, (state.part == Part::Second).then_some(state.row));
}

fn none(canvas: &mut Canvas<'_>, area: Area, remedy: &str) {
    let inner = canvas.pane(area, "no tag selected", "", false);
    let dim = canvas.theme.dim();
    canvas.pen(inner, 0).gap(1).put(remedy, dim);
}

/// Its figures and its histogram.
fn distribution(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Area,
    stats: &TagStats,
    (ran, runs): (RunPlace, &RunStats),
) {
    let theme = canvas.theme;
    let name = crate::text::cut(
        &state.picture().timeline.labels.tag(stats.tag),
        area.width.saturating_sub(8).into(),
    );
    let inner = canvas.pane(area, &name, "run time", false);
    let mut pen = canvas.pen(inner, 0);
    let missing = runs_missing(ran, stats, &state.picture().timeline.missing());
    let shown = runs.run_ns.percentiles_missing(&missing);
    let noun = if shown.count == 1 { " run" } else { " runs" };
    pen.gap(1).put(&units::short_count(shown.count), theme.strong()).put(noun, theme.dim());
    let figures = [
        (" p50 ", units::duration(shown.p50)),
        (" p99 ", bounds::p99(&shown)),
        (" max ", units::duration(shown.max)),
    ];
    for (name, figure) in figures {
        pen.group(&[(name, theme.dim()), (&figure, theme.text())]);
    }
    if runs.failed > 0 {
        pen.whole(&format!(" failed {}", units::short_count(runs.failed)), theme.held());
    }
    let head = 1 + u16::from(bounds::row(canvas, state, &shown, inner, 1));
    let rows = below(inner, head);
    histogram::buckets(canvas, state, rows, &overview::buckets(&runs.run_ns), FLOOR_NS);
}

/// What may be missing from `runs`: only for tasks on the loop's thread do its gaps give a bound.
fn runs_missing(ran: RunPlace, stats: &TagStats, missing: &MissingSamples) -> Missing {
    if ran == RunPlace::Tasks { missing.tasks_of(stats.tag) } else { missing.others.clone() }
}

/// Its longest runs; `selected` is one of them on the page on which they can be opened.
fn worst(canvas: &mut Canvas<'_>, state: &AppState, area: Area, runs: &RunStats, selected: Option<usize>) {
    let theme = canvas.theme;
    let is_kept = |at| {
        let mut unfinished = state.picture().timeline.unfinished_ticks().into_iter();
        state.is_replay() || state.picture().tick_at(at).is_some() || unfinished.any(|tick| tick.start <= at)
    };
    let remark = match selected.map(|place| runs.worst().get(place)) {
        None => "",
        Some(Some(run)) if !is_kept(run.at) => "tick evicted from history",
        Some(_) => "Enter opens the tick",
    };
    let inner = canvas.pane(area, "worst runs", remark, selected.is_some());
    let first = layout::first_row(selected.unwrap_or(0), inner.height);
    let shown = runs.worst().iter().enumerate().skip(first);
    for (line, (place, run)) in shown.enumerate() {
        let line = line as u16;
        let mut pen = canvas.pen(inner, line);
        let over = run.run_ns > state.about.stall_limit_ns;
        let style = if over { theme.over() } else { theme.text() };
        // Like ticks and stalls, a run stands at its start.
        let started_ns = state.since_start_ns(run.at).saturating_sub(run.run_ns);
        pen.gap(1).left(&units::position(started_ns), when_width(state), theme.dim()).gap(1);
        pen.number(&units::duration(run.run_ns), 7, style).gap(1);
        pen.left(&format!("#{}", run.task), TASK_WIDTH, theme.text());
        if let Some(waited_ns) = run.queue_wait_ns {
            let waited = units::duration(waited_ns);
            pen.group(&[("waited ", theme.dim()), (&format!("{waited:>6}"), theme.dim())]);
        }
        if selected == Some(place) {
            canvas.tint(inner, line, theme.selected());
        }
    }
}

/// What queued its tasks, among the events still in the log.
fn queued_by(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let log = state.picture().log();
    let back_ns = log.back().zip(log.front()).map_or(0, |(last, first)| last.at.ns_since(first.at));
    let remark = format!("in the last {}", units::duration(back_ns));
    let inner = canvas.pane(area, "queued by", &remark, false);
    let mut line = 0;
    let mut pen = canvas.pen(inner, line);
    pen.gap(1);
    if state.queued_by.is_empty() {
        pen.put("enqueuer no longer in log", theme.dim());
    }
    for (place, (origin, count)) in state.queued_by.iter().enumerate() {
        let text = format!("{origin} ×{}", units::short_count(*count));
        if usize::from(pen.room()) < text.chars().count() + 2 && place > 0 {
            line += 1;
            pen = canvas.pen(inner, line);
            pen.gap(1);
        }
        pen.put(origin, theme.text()).put(&format!(" ×{}  ", units::short_count(*count)), theme.dim());
    }
}
