//! Draws one tag: on its own page in full, beside the table of the tags in part.

use loop_traces::timeline::{Cause, Impact, RunStats, TagStats, Waiter, WorstImpact};
use ratatui::layout::Rect;

use super::{TagPage, panes, selected};
use crate::app::figures::{self, RunPlace, cause_tag, is_own_cause, own_impact, runs_missing, runs_shown};
use crate::app::layout::{below, from_top};
use crate::app::state::{AppState, Part};
use crate::units;
use crate::view::delayed::{self, DelayedRow};
use crate::view::paint::{Canvas, Pen};
use crate::view::table::{Column, cell};
use crate::view::time::{up_to, way_on, when_width};
use crate::view::{bounds, histogram};

/// Width of a task's id.
const TASK_WIDTH: u16 = 9;
/// Minimum width of a pane for a title of `caused up to 00:05.912`.
const NARROW_TITLE: u16 = 28;
/// Minimum width of a list of runs for their ids.
const TASKS_FROM: u16 = 27;
/// Runs below a microsecond form one bucket.
const FLOOR_NS: u64 = 1_000;

/// Draws the part shown beside the table.
pub(crate) fn detail(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let Some(stats) = selected(state) else {
        return none(canvas, area, &canvas.theme.arrow_keys("↑↓ select one"));
    };
    let (stats, (ran, runs)) = (&*stats, runs_shown(&stats));
    let histogram_rows = (area.height.saturating_sub(6) / 2).clamp(8, 20);
    let [upper, lower] = from_top(area, histogram_rows + 3);
    distribution(canvas, state, upper, stats, (ran, runs));
    let [delay_caused, lower] = from_top(lower, if lower.height >= 14 { 7 } else { 6 });
    self::delay_caused(canvas, state, delay_caused, stats);
    worst(canvas, state, lower, runs, None);
}

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &TagPage, body: Rect) {
    let Some(stats) = selected(state) else {
        return none(canvas, body, "Esc goes back, 3 shows the tags");
    };
    let (stats, (ran, runs)) = (&*stats, runs_shown(&stats));
    let panes = panes(body);
    let selected = |part| (state.part == part).then_some(state.row);
    distribution(canvas, state, panes.histogram, stats, (ran, runs));
    worst(canvas, state, panes.worst, runs, selected(Part::First));
    queued_by(canvas, state, page, panes.queued_by);
    delay_caused(canvas, state, panes.delay_caused, stats);
    delayed(canvas, state, page, panes.delayed, selected(Part::Second));
}

fn none(canvas: &mut Canvas<'_>, area: Rect, remedy: &str) {
    let inner = canvas.pane(area, "no tag selected", "", false);
    let dim = canvas.theme.dim();
    canvas.pen(inner, 0).gap(1).put(remedy, dim);
}

/// Draws the tag's figures and histogram.
fn distribution(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    area: Rect,
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
    let timeline = state.of_window();
    let missing = timeline.missing_with(&timeline.unfinished_so_far());
    let missing = runs_missing(ran, stats.tag, &missing);
    let shown = runs.run_ns.percentiles_missing(&missing);
    let noun = if shown.count == 1 { " run" } else { " runs" };
    pen.gap(1).put(&units::short_count(shown.count), theme.strong()).put(noun, theme.dim());
    let figures = [
        (" p50 ", units::duration(shown.p50)),
        (" p99 ", bounds::p99(&shown)),
        (" max ", bounds::marked(shown.max, shown.bounds.map(|bounds| bounds.max))),
    ];
    for (name, figure) in figures {
        pen.group(&[(name, theme.dim()), (&figure, theme.text())]);
    }
    if runs.failed > 0 {
        pen.whole(&format!(" failed {}", units::short_count(runs.failed)), theme.held());
    }
    let head = 1 + u16::from(bounds::row(canvas, state, &shown, inner, 1));
    let rows = below(inner, head);
    histogram::buckets(canvas, state, rows, &figures::buckets(&runs.run_ns), FLOOR_NS);
}

/// Draws the longest runs; `selected` is `None` beside the table, where runs cannot be opened.
fn worst(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, runs: &RunStats, selected: Option<usize>) {
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
    let all = runs.worst();
    // Beside the table on a narrow screen, times matter more than ids, which open nothing there.
    let task_width = if inner.width < TASKS_FROM { 0 } else { TASK_WIDTH };
    let columns = [
        Column::text("", when_width(state)),
        Column::figure("", 7),
        Column::text("", task_width),
        Column::rest(""),
    ];
    let scroll = (selected.unwrap_or(0), selected.is_some());
    let shown = canvas.table(inner, &columns, all.len(), scroll, |place, cells| {
        let run = &all[place];
        let over = run.run_ns > state.about.stall_limit_ns;
        // As for ticks and stalls, the time shown is the start.
        let started_ns = state.since_start_ns(run.at).saturating_sub(run.run_ns);
        let waited = run.queue_wait_ns.map(|ns| format!("waited {:>6}", units::duration(ns)));
        let waited = waited.filter(|waited| waited.chars().count() <= cells[3].width.into());
        [
            cell(units::position(started_ns), theme.dim()),
            cell(units::duration(run.run_ns), if over { theme.over() } else { theme.text() }),
            cell(format!("#{}", run.task), theme.text()),
            cell(waited.unwrap_or_default(), theme.dim()),
        ]
    });
    canvas.position(area, shown, all.len());
}

/// Draws what queued the tag's tasks, among the events still in the log.
fn queued_by(canvas: &mut Canvas<'_>, state: &AppState, page: &TagPage, area: Rect) {
    let theme = canvas.theme;
    let log = state.picture().log();
    let back_ns = log.back().zip(log.front()).map_or(0, |(last, first)| last.at.ns_since(first.at));
    let remark = format!("in the last {}", units::duration(back_ns));
    let inner = canvas.pane(area, "queued by", &remark, false);
    let mut line = 0;
    let mut pen = canvas.pen(inner, line);
    pen.gap(1);
    if page.queued_by.is_empty() {
        pen.put("none in the log", theme.dim());
    }
    for (place, (origin, count)) in page.queued_by.iter().enumerate() {
        let text = format!("{origin} ×{}", units::short_count(*count));
        if usize::from(pen.room()) < text.chars().count() + 2 && place > 0 {
            line += 1;
            pen = canvas.pen(inner, line);
            pen.gap(1);
        }
        pen.put(origin, theme.text()).put(&format!(" ×{}  ", units::short_count(*count)), theme.dim());
    }
}

/// Draws the delay caused by the tag's runs: in total, by kind of what waited, and by the worst run; then other causes
/// named after the tag.
fn delay_caused(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, stats: &TagStats) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let delay_caused = &state.figures.delay_caused;
    let title = match (up_to(state), area.width) {
        (up_to, _) if up_to.is_empty() => "delay caused".to_owned(),
        (up_to, 36..) => format!("delay caused{up_to}"),
        (up_to, NARROW_TITLE..) => format!("caused{up_to}"),
        // The header has the time.
        _ => "delay caused".to_owned(),
    };
    let inner = canvas.pane(area, &title, "of others", false);
    let mut line;
    if let Some(caused) = own_impact(stats, delay_caused) {
        let all_ns = delay_caused.iter().map(Impact::total_ns).fold(0, u64::saturating_add);
        let share = caused.total_ns() as f64 / all_ns.max(1) as f64;
        let mut pen = canvas.pen(inner, 0);
        pen.gap(1).put(&units::duration(caused.total_ns()), theme.strong());
        pen.put(&format!(" = {}", units::percent(share)), text).group(&[(" of all delay", dim)]);
        line = 1 + by_waiter(canvas, below(inner, 1), &caused);
        if let Some(worst) = caused.worst {
            worst_impact(&mut canvas.pen(inner, line), state, &worst);
            line += 1;
        }
    } else {
        canvas.pen(inner, 0).gap(1).put("none known", dim);
        if state.up_to_ns().is_some() {
            canvas.pen(inner, 1).gap(1).put(way_on(state), dim);
        }
        line = 2;
    }
    let labels = &state.picture().timeline.labels;
    let others = delay_caused
        .iter()
        .filter(|impact| cause_tag(impact.cause) == Some(stats.tag) && !is_own_cause(stats, impact.cause));
    for others in others {
        let name = match others.cause {
            Cause::Microtasks(_) => "microtasks after it".to_owned(),
            cause => cause.describe(labels),
        };
        let mut pen = canvas.pen(inner, line);
        pen.gap(1).put(&name, dim).put(&format!(" {}", units::duration(others.total_ns())), text);
        line += 1;
    }
}

/// Draws the delay caused by kind of what waited; returns the number of rows used.
fn by_waiter(canvas: &mut Canvas<'_>, area: Rect, caused: &Impact) -> u16 {
    let (dim, text) = (canvas.theme.dim(), canvas.theme.text());
    let waited = Waiter::ALL.into_iter().zip(caused.lateness_ns).zip(caused.delayed);
    let mut line = 0;
    for ((waiter, ns), count) in waited.filter(|(_, count)| *count > 0) {
        let mut pen = canvas.pen(area, line);
        pen.gap(1).left(name(waiter), 8, dim).number(&units::duration(ns), 7, text);
        let times = if count == 1 { " time" } else { " times" };
        pen.number(&units::short_count(count), 7, text).group(&[(times, dim)]);
        line += 1;
    }
    line
}

fn worst_impact(pen: &mut Pen<'_, '_>, state: &AppState, worst: &WorstImpact) {
    let (dim, text) = (pen.theme().dim(), pen.theme().text());
    let run = worst.task.map_or_else(|| "one run".to_owned(), |task| format!("#{task}"));
    pen.gap(1).put("worst ", dim).put(&run, text);
    pen.put(&format!(" {}", units::duration(worst.lateness_ns)), text);
    pen.group(&[(" at ", dim), (&units::position(state.since_start_ns(worst.at)), dim)]);
    pen.group(&[("  delayed ", dim), (&units::count(worst.delayed), text)]);
}

const fn name(waiter: Waiter) -> &'static str {
    match waiter {
        Waiter::Timer => "timers",
        Waiter::Signal => "signals",
        Waiter::Task => "tasks",
    }
}

/// Draws what the tag delayed, among the waits whose breakdowns are kept.
fn delayed(canvas: &mut Canvas<'_>, state: &AppState, page: &TagPage, area: Rect, selected: Option<usize>) {
    let remark = if area.width >= 60 {
        "of the worst in history, Enter opens the breakdown"
    } else {
        "Enter opens the breakdown"
    };
    let inner = canvas.pane(area, "delayed most", remark, selected.is_some());
    if page.delayed.is_empty() {
        let dim = canvas.theme.dim();
        canvas.pen(inner, 0).gap(1).put("none with a breakdown in history", dim);
        return;
    }
    let labels = &state.picture().timeline.labels;
    delayed::table(canvas, state, area, page.delayed.len(), selected, |place| {
        let delayed = &page.delayed[place];
        let subject = &delayed.row.subject;
        DelayedRow {
            at: subject.extent().1,
            name: delayed.row.name(labels),
            ns: delayed.ns,
            waited_ns: subject.lasted_ns(),
        }
    });
}
