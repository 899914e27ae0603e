//! The agenda: what waits in each priority and for how long, which one starves, what each worker is doing.
//!
//! A line or a pane of the overview, and a page of its own.

use loop_probes::event::{Phase, WorkerPhase};
use loop_probes::recorder::Running;
use loop_traces::source::NowRunning;
use ratatui::style::Style;

use super::paint::{Canvas, Pen};
use super::panels::{DEPTH_WIDTH, deepest, depth, line};
use super::when_width;
use crate::app::layout::{self, Area, Overview, Pane};
use crate::app::overview::{AgendaFigures, PriorityRow, Starvation, WorkerRow};
use crate::app::state::AppState;
use crate::describe;
use crate::theme::Theme;
use crate::units;

/// The agenda in the overview, if there is one.
pub(super) fn overview(canvas: &mut Canvas<'_>, state: &AppState, panes: &Overview) {
    let Some(agenda) = &state.overview.agenda else { return };
    if panes.compact {
        in_a_line(canvas, state, panes.agenda, agenda);
    } else {
        in_a_pane(canvas, state, panes.agenda, agenda);
    }
}

/// Starving rows stand out.
fn waiting_style(theme: Theme, agenda: &AgendaFigures, row: &PriorityRow) -> Style {
    match agenda.starving {
        Some(starving) if starving.priority == row.priority => theme.held(),
        _ if row.waiting > 0 => theme.strong(),
        _ => theme.dim(),
    }
}

fn in_a_line(canvas: &mut Canvas<'_>, state: &AppState, area: Area, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let mut pen = line(canvas, state, area, Pane::Agenda, "agenda");
    for row in &agenda.priorities {
        pen.put(row.priority.name(), theme.dim());
        pen.number(&depth(row.waiting), DEPTH_WIDTH, waiting_style(theme, agenda, row)).gap(2);
    }
    workers_briefly(&mut pen, theme, agenda);
    if let Some(starving) = agenda.starving {
        pen.whole(&format!("  {} starves", starving.priority), theme.held());
    }
}

fn in_a_pane(canvas: &mut Canvas<'_>, state: &AppState, area: Area, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let remark = match agenda.starving {
        Some(starving) => format!("{} starves", starving.priority),
        None => "wait p99".to_owned(),
    };
    let inner = canvas.pane(area, "agenda", &remark, state.focus == Pane::Agenda);
    for (row, priority) in agenda.priorities.iter().enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1).left(priority.priority.name(), 6, theme.dim());
        pen.number(&depth(priority.waiting), DEPTH_WIDTH, waiting_style(theme, agenda, priority)).gap(1);
        let spark = inner.width.saturating_sub(6 + DEPTH_WIDTH + 2 + 9);
        let style = theme.phase(Phase::Agenda);
        pen.sparkline(&deepest(&priority.through_time, usize::from(spark)), spark, style);
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

/// One glyph per worker, as many as fit, and the number of those that run.
fn workers_briefly(pen: &mut Pen<'_, '_>, theme: Theme, agenda: &AgendaFigures) {
    let reported = format!(" {} of {} run", agenda.running(), agenda.workers.len());
    for worker in &agenda.workers {
        if usize::from(pen.room()) <= reported.len() {
            break;
        }
        let (glyph, style) = glyph(theme, worker.state.map(|(phase, _)| phase));
        pen.put(glyph, style);
    }
    pen.whole(&reported, theme.dim());
}

/// The activity of a worker, as one cell.
const fn glyph(theme: Theme, phase: Option<WorkerPhase>) -> (&'static str, Style) {
    match phase {
        Some(WorkerPhase::Run) => ("▶", theme.phase(Phase::Agenda)),
        Some(WorkerPhase::Gc | WorkerPhase::EndGc) => ("■", theme.phase(Phase::Gc)),
        Some(WorkerPhase::Idle) | None => ("·", theme.dim()),
    }
}

/// The current phase of a worker. The cell in its ring is ahead of its events: a worker in a tasklet is not idle.
fn phase(state: &AppState, worker: &WorkerRow) -> Option<WorkerPhase> {
    let reported = worker.state.map(|(phase, _)| phase);
    match reported {
        Some(WorkerPhase::Idle) | None if running(state, worker).is_some() => Some(WorkerPhase::Run),
        _ => reported,
    }
}

/// The tasklet that a worker is running, according to its ring's *now running* cell.
fn running<'s>(state: &'s AppState, worker: &WorkerRow) -> Option<&'s NowRunning> {
    let (all, ..) = state.picture_running();
    let running = all.iter().find(|running| worker.source == Some(running.source));
    running.filter(|running| matches!(running.running, Running::Task { .. }))
}

/// Draws the page.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let Some(agenda) = &state.overview.agenda else {
        let inner = canvas.pane(body, "agenda", "", true);
        let theme = canvas.theme;
        canvas.pen(inner, 0).gap(1).put("no agenda reported", theme.dim());
        canvas.pen(inner, 1).gap(1).put("loopscope demo --policy agenda shows one", theme.dim());
        return;
    };
    let upper = Area { height: UPPER_ROWS.min(body.height), ..body };
    priorities(canvas, state, upper, agenda);
    let left = body.height - upper.height;
    // The workers get the rows they need, the collections the rest; but neither leaves the other without any.
    let needed = u16::try_from(agenda.workers.len()).unwrap_or(u16::MAX).saturating_add(WORKERS_FRAME);
    let middle = Area { y: upper.y + upper.height, height: needed.min(left - left / 3), ..body };
    workers(canvas, state, middle, agenda);
    let lower = Area { y: middle.y + middle.height, height: left - middle.height, ..body };
    collections(canvas, state, lower, agenda);
}

/// Rows of the priorities: the frame, a heading, three rows, a sentence.
const UPPER_ROWS: u16 = 7;
/// Rows of the workers pane besides one per worker: the frame and a heading.
const WORKERS_FRAME: u16 = 3;

fn priorities(canvas: &mut Canvas<'_>, state: &AppState, area: Area, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let sum = |of: fn(&PriorityRow) -> u64| agenda.priorities.iter().map(of).sum::<u64>();
    let remark = format!(
        "added {}, ran {}, failed {}",
        units::count(sum(|row| row.added)),
        units::count(sum(|row| row.ran)),
        units::count(sum(|row| row.failed))
    );
    let inner = canvas.pane(area, "agenda", &remark, false);
    let wide = inner.width >= 110;
    let wait = if area.width < layout::NARROW { 9 } else { 10 };
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).left("PRIORITY", 9, theme.dim());
    for (name, width) in
        [("WAITING", 8), ("MAX", 6), ("OLDEST", 8), ("RAN", 8), ("WAIT p50", wait), ("p99", 7)]
    {
        pen.number(name, width, theme.dim());
    }
    if wide {
        pen.number("MAX", 8, theme.dim()).number("RUN p50", 10, theme.dim()).number("MAX", 8, theme.dim());
    }
    pen.gap(2).whole("DEPTH", theme.dim());
    for (line, row) in agenda.priorities.iter().enumerate() {
        let mut pen = canvas.pen(inner, line as u16 + 1);
        let style = waiting_style(theme, agenda, row);
        pen.gap(1).left(row.priority.name(), 9, theme.text());
        pen.number(&units::short_count(u64::from(row.waiting)), 8, style);
        pen.number(&depth(row.depth_max), 6, theme.dim());
        let oldest_ns = row.oldest.and_then(|oldest| oldest.waited_ns(state.picture_at()));
        let oldest = oldest_ns.map(units::duration);
        pen.number(oldest.as_deref().unwrap_or("-"), 8, if oldest.is_some() { style } else { theme.dim() });
        pen.number(&units::short_count(row.ran), 8, theme.text());
        pen.number(&units::duration(row.wait_ns.p50), wait, theme.text());
        pen.number(&units::duration(row.wait_ns.p99), 7, theme.strong());
        pen.left(row.wait_ns.p99_mark(), 1, theme.dim());
        if wide {
            pen.number(&units::duration(row.wait_ns.max), 7, theme.text());
            pen.number(&units::duration(row.run_ns.p50), 10, theme.text());
            pen.number(&units::duration(row.run_ns.max), 8, theme.text());
        }
        pen.gap(if wide { 2 } else { 1 });
        let spark = pen.room().saturating_sub(1);
        let samples = deepest(&row.through_time, usize::from(spark));
        pen.sparkline(&samples, spark, theme.phase(Phase::Agenda));
    }
    let mut pen = canvas.pen(inner, 4);
    match agenda.starving {
        Some(starving) => pen.gap(1).put(&sentence(starving, inner.width), theme.held()),
        None => pen.gap(1).put(&calm(agenda), theme.dim()),
    };
}

fn sentence(Starvation { priority, waited_ns, passed_by }: Starvation, width: u16) -> String {
    let (waited, passed_by) = (units::duration(waited_ns), units::count(passed_by));
    let whole = if width < 96 { "" } else { " of a higher priority" };
    format!("▲ {priority} starves: its oldest has waited {waited} while {passed_by}{whole} overtook it")
}

/// The sentence for when nothing starves: how often the most patient tasklet was overtaken.
fn calm(agenda: &AgendaFigures) -> String {
    let passed_by = agenda.priorities.iter().map(|row| row.passed_by_max).max().unwrap_or(0);
    match passed_by {
        0 => "no tasklet overtaken by a higher priority so far".to_owned(),
        _ => format!("at most {} of a higher priority ran while one waited", units::count(passed_by)),
    }
}

fn workers(canvas: &mut Canvas<'_>, state: &AppState, area: Area, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let run = agenda.workers.iter().filter(|worker| phase(state, worker) == Some(WorkerPhase::Run)).count();
    let remark = format!("{run} of {} run", agenda.workers.len());
    let inner = canvas.pane(area, "workers", &remark, true);
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).number("#", 3, theme.dim()).gap(2).left("STATE", STATE_WIDTH, theme.dim());
    for (name, width) in [("RAN", 8), ("FAILED", 7), ("BUSY", 7), ("LONGEST", 8)] {
        pen.number(name, width, theme.dim());
    }
    pen.gap(2).whole("TASKLET", theme.dim());
    let rows = layout::rows(area, true);
    let first = layout::first_row(state.row, rows.height);
    let last = first + usize::from(rows.height).min(agenda.workers.len() - first);
    canvas.more_below(area, agenda.workers.len() - last);
    let shown = agenda.workers.iter().enumerate().skip(first).take(usize::from(rows.height));
    for (line, (place, worker)) in shown.enumerate() {
        let line = line as u16;
        let now = phase(state, worker);
        let (glyph, style) = glyph(theme, now);
        let mut pen = canvas.pen(rows, line);
        pen.gap(1).number(&worker.worker.to_string(), 3, theme.text()).gap(1).put(glyph, style).gap(1);
        let at = pen.at();
        pen.left(now.map_or("unknown", WorkerPhase::name), if now.is_some() { 6 } else { 8 }, style);
        if let Some((_, since)) = worker.state.filter(|(reported, _)| Some(*reported) == now) {
            let lasted = units::duration(state.picture_at().ns_since(since));
            pen.number(&lasted, STATE_WIDTH - 8, theme.dim());
        }
        pen.to(at + STATE_WIDTH - 1);
        pen.number(&units::short_count(worker.ran), 8, theme.text());
        let failed = if worker.failed > 0 { theme.held() } else { theme.dim() };
        pen.number(&units::short_count(worker.failed), 7, failed);
        pen.number(&units::percent(worker.busy), 7, theme.strong());
        pen.number(&units::duration(worker.run_ns_max), 8, theme.text()).gap(2);
        let (tasklet, style) = tasklet(state, theme, worker);
        if pen.room() >= TASKLET_MIN {
            pen.put(&tasklet, style);
        }
        if place == state.row && state.row > 0 {
            canvas.tint(rows, line, theme.selected());
        }
    }
}

/// The least room for the name of a tasklet.
const TASKLET_MIN: u16 = 12;
/// Width of a worker's state and its duration.
const STATE_WIDTH: u16 = 15;

/// The tasklet that a worker is running, else the last one that it finished.
fn tasklet(state: &AppState, theme: Theme, worker: &WorkerRow) -> (String, Style) {
    let (_, running_at, _) = state.picture_running();
    if let Some(running) = running(state, worker) {
        let labels = &state.picture().timeline.labels;
        return (describe::running(running, labels, running_at), theme.text());
    }
    match &worker.last {
        Some((name, _)) => (format!("last {name}"), theme.dim()),
        None => (String::new(), theme.dim()),
    }
}

/// From this width on there is room for an explanation.
const WIDE: u16 = 100;

fn collections(canvas: &mut Canvas<'_>, state: &AppState, area: Area, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let [tried, failed] = agenda.rendezvous;
    let remark = match tried {
        0 => String::new(),
        _ => {
            let waited = agenda.rendezvous_ns;
            let (p50, max) = (units::duration(waited.p50), units::duration(waited.max));
            format!(
                "{} tried, {} failed, waited p50 {p50}, max {max}",
                units::count(tried),
                units::count(failed)
            )
        }
    };
    let title = if area.width < WIDE { "collections" } else { "collections: all workers stop" };
    let inner = canvas.pane(area, title, &remark, false);
    if tried == 0 {
        canvas.pen(inner, 0).gap(1).put("none so far", theme.dim());
    }
    for (row, met) in agenda.last_met.iter().take(usize::from(inner.height)).enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        pen.gap(1)
            .left(&units::position(state.since_start_ns(met.at)), when_width(state), theme.dim())
            .gap(2);
        let waited = units::duration(met.waited_ns);
        if met.is_failed() {
            let text =
                format!("abandoned: {} of {} workers stopped within {waited}", met.arrived, met.expected);
            pen.put(&text, theme.held());
        } else {
            pen.put(&format!("{} met after {waited}", met.arrived), theme.text());
        }
    }
}
