//! Draws the agenda.

use loop_probes::event::{Phase, WorkerPhase};
use loop_probes::recorder::Running;
use loop_traces::source::NowRunning;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};
use ratatui::style::Style;

use crate::app::figures::{AgendaFigures, PriorityRow, Starvation, WorkerRow};
use crate::app::layout::{NARROW, rows};
use crate::app::state::AppState;
use crate::describe;
use crate::theme::Theme;
use crate::units;
use crate::view::paint::{Canvas, Pen, depth};
use crate::view::time::when_width;

/// Starving rows stand out.
pub(crate) fn waiting_style(theme: Theme, agenda: &AgendaFigures, row: &PriorityRow) -> Style {
    match agenda.starving {
        Some(starving) if starving.priority == row.priority => theme.held(),
        _ if row.waiting > 0 => theme.strong(),
        _ => theme.dim(),
    }
}

/// One glyph per worker, as many as fit, and the number of those that run.
pub(crate) fn workers_briefly(pen: &mut Pen<'_, '_>, theme: Theme, agenda: &AgendaFigures) {
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
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Rect) {
    let Some(agenda) = &state.figures.agenda else {
        let inner = canvas.pane(body, "agenda", "", true);
        let theme = canvas.theme;
        canvas.pen(inner, 0).gap(1).put("no agenda reported", theme.dim());
        canvas.pen(inner, 1).gap(1).put("loopscope demo --policy agenda shows one", theme.dim());
        return;
    };
    let upper = UPPER_ROWS.min(body.height);
    let left = body.height - upper;
    // The workers get the rows they need, the collections the rest; but neither leaves the other without any.
    let needed = u16::try_from(agenda.workers.len()).unwrap_or(u16::MAX).saturating_add(WORKERS_FRAME);
    let panes = Layout::vertical([Length(upper), Length(needed.min(left - left / 3)), Fill(1)]);
    let [upper, middle, lower] = panes.areas(body);
    priorities(canvas, state, upper, agenda);
    workers(canvas, state, middle, agenda);
    collections(canvas, state, lower, agenda);
}

/// Rows of the priorities: the frame, a heading, three rows, a sentence.
const UPPER_ROWS: u16 = 7;
/// Rows of the workers pane besides one per worker: the frame and a heading.
const WORKERS_FRAME: u16 = 3;

fn priorities(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, agenda: &AgendaFigures) {
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
    let wait = if area.width < NARROW { 9 } else { 10 };
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
        pen.sparkline_of_maxima(&row.through_time, spark, theme.phase(Phase::Agenda));
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

fn workers(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, agenda: &AgendaFigures) {
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
    let all = &agenda.workers;
    let selected = (state.row, state.row > 0);
    let below = canvas.list(rows(area, true), all.len(), selected, |canvas, row, place| {
        let worker = &all[place];
        let now = phase(state, worker);
        let (glyph, style) = glyph(theme, now);
        let mut pen = canvas.pen(row, 0);
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
    });
    canvas.more_below(area, below);
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

fn collections(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, agenda: &AgendaFigures) {
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
