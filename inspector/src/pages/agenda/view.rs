//! Draws the agenda.

use loop_probes::event::{Phase, WorkerPhase};
use loop_probes::recorder::Running;
use loop_traces::loss::Bounds;
use loop_traces::source::NowRunning;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Span;

use crate::app::figures::{AgendaFigures, PriorityRow, Starvation, WorkerRow};
use crate::app::layout::NARROW;
use crate::app::state::AppState;
use crate::describe;
use crate::theme::Theme;
use crate::units;
use crate::view::bounds;
use crate::view::paint::{Canvas, DEPTH_WIDTH, Pen, depth};
use crate::view::table::{Column, cell};
use crate::view::time::{so_far, when_width};

/// The style of a priority's row, in which a starving priority stands out.
pub(crate) fn waiting_style(theme: Theme, agenda: &AgendaFigures, row: &PriorityRow) -> Style {
    match agenda.starving {
        Some(starving) if starving.priority == row.priority => theme.held(),
        _ if row.waiting > 0 => theme.strong(),
        _ => theme.dim(),
    }
}

/// The number of waiting tasklets, or its range: `12`, `≥12`, `9–12`; `~1,204` without room.
pub(crate) fn waiting(waiting: u32, bounds: Option<Bounds>) -> String {
    let shown = |count| units::short_count(count);
    match bounds {
        None => shown(waiting.into()),
        Some(Bounds { lo, hi: None }) => format!("{}{}", bounds::AT_LEAST, shown(lo)),
        Some(Bounds { lo, hi: Some(hi) }) => match format!("{}–{}", shown(lo), shown(hi)) {
            long if long.chars().count() > usize::from(DEPTH_WIDTH) => {
                format!("{}{}", bounds::MARK, shown(waiting.into()))
            }
            range => range,
        },
    }
}

/// Writes one glyph per worker, as many as fit, and the number of running workers.
pub(crate) fn workers_briefly(pen: &mut Pen<'_, '_>, theme: Theme, agenda: &AgendaFigures) {
    let reported = format!(" {} of {} running", agenda.running(), agenda.workers.len());
    for worker in &agenda.workers {
        if usize::from(pen.room()) <= reported.len() {
            break;
        }
        let (glyph, style) = glyph(theme, worker.state.map(|(phase, _)| phase));
        pen.put(glyph, style);
    }
    pen.whole(&reported, theme.dim());
}

/// The glyph and style for the activity of a worker.
const fn glyph(theme: Theme, phase: Option<WorkerPhase>) -> (&'static str, Style) {
    match phase {
        Some(WorkerPhase::Run) => ("▶", theme.phase(Phase::Agenda)),
        Some(WorkerPhase::Gc | WorkerPhase::EndGc) => ("■", theme.phase(Phase::Gc)),
        Some(WorkerPhase::Idle) | None => ("·", theme.dim()),
    }
}

/// The current phase of a worker: its *now running* cell is ahead of the events, so a worker in a tasklet is not idle.
fn phase(state: &AppState, worker: &WorkerRow) -> Option<WorkerPhase> {
    let reported = worker.state.map(|(phase, _)| phase);
    match reported {
        Some(WorkerPhase::Idle) | None if running(state, worker).is_some() => Some(WorkerPhase::Run),
        _ => reported,
    }
}

/// The tasklet that a worker is running, according to its ring's *now running* cell.
fn running<'s>(state: &'s AppState, worker: &WorkerRow) -> Option<&'s NowRunning> {
    let all = &state.shown().running;
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
    // The workers get the rows they need, up to two thirds, and the collections the rest.
    let needed = u16::try_from(agenda.workers.len()).unwrap_or(u16::MAX).saturating_add(WORKERS_FRAME);
    let panes = Layout::vertical([Length(upper), Length(needed.min(left - left / 3)), Fill(1)]);
    let [upper, middle, lower] = panes.areas(body);
    priorities(canvas, state, upper, agenda);
    workers(canvas, state, middle, agenda);
    collections(canvas, state, lower, agenda);
}

/// Rows of the priorities pane: the frame, a heading, three priorities, a sentence.
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
    let mut columns = vec![Column::text("PRIORITY", 8)];
    let (wait, ran) = if area.width < NARROW { (8, 6) } else { (9, 7) };
    for (title, width) in
        [("WAITING", 7), ("MAX", 5), ("OLDEST", 7), ("RAN", ran), ("WAIT p50", wait), ("p99 ", 8)]
    {
        columns.push(Column::figure(title, width));
    }
    let runs = [Column::figure("MAX", 7), Column::figure("RUN p50", 9), Column::figure("MAX", 7)];
    columns.extend(runs.into_iter().filter(|_| wide));
    columns.push(Column::rest("DEPTH"));
    let mut depths = Rect::ZERO;
    let rows = &agenda.priorities;
    canvas.table(inner, &columns, rows.len(), (0, false), |place, cells| {
        let row = &rows[place];
        depths = cells.last().copied().unwrap_or_default();
        let style = waiting_style(theme, agenda, row);
        // At the time of the figures, as in the sentence below the rows.
        let at = state.figures.at.unwrap_or_else(|| state.picture_at());
        let oldest_ns = row.oldest.and_then(|oldest| oldest.waited_ns(at));
        let oldest = cell(
            oldest_ns.map_or_else(|| "-".to_owned(), units::duration),
            if oldest_ns.is_some() { style } else { theme.dim() },
        );
        let (wait, run) = (&row.wait_ns, &row.run_ns);
        let (wait_bounds, run_bounds) = (wait.bounds.as_ref(), run.bounds.as_ref());
        let p99 = bounds::marked(wait.p99, wait_bounds.map(|all| all.p99));
        let mut p99 = cell(p99, theme.strong());
        p99.push_span(Span::styled(format!("{:1}", row.wait_ns.p99_mark()), theme.dim()));
        let time = |ns, bounds| cell(bounds::marked(ns, bounds), theme.text());
        let runs = [
            time(wait.max, wait_bounds.map(|all| all.max)),
            time(run.p50, run_bounds.map(|all| all.p50)),
            time(run.max, run_bounds.map(|all| all.max)),
        ];
        let most = format!("{}{}", if row.is_lossy { bounds::AT_LEAST } else { "" }, depth(row.depth_max));
        [
            cell(row.priority.name(), theme.text()),
            cell(waiting(row.waiting, row.waiting_bounds), style),
            cell(most, theme.dim()),
            oldest,
            cell(units::short_count(row.ran), theme.text()),
            time(wait.p50, wait_bounds.map(|all| all.p50)),
            p99,
        ]
        .into_iter()
        .chain(runs.into_iter().filter(|_| wide))
        .collect::<Vec<_>>()
    });
    for (row, priority) in rows.iter().enumerate() {
        let mut pen = canvas.pen(depths, row as u16 + 1);
        pen.sparkline_of_maxima(&priority.through_time, depths.width, theme.phase(Phase::Agenda));
    }
    let mut pen = canvas.pen(inner, 4);
    match agenda.starving {
        Some(starving) => pen.gap(1).put(&sentence(starving, inner.width), theme.held()),
        None => pen.gap(1).put(&calm(agenda), theme.dim()),
    };
}

fn sentence(Starvation { priority, waited_ns, passed_by }: Starvation, width: u16) -> String {
    let (waited, passed_by) = (units::duration(waited_ns), units::count(passed_by));
    let whole = if width < 96 { "" } else { " of higher priority" };
    format!("▲ {priority} starves: oldest waited {waited}, overtaken by {passed_by}{whole}")
}

/// The sentence while nothing starves: how many overtook the most overtaken tasklet.
fn calm(agenda: &AgendaFigures) -> String {
    let passed_by = agenda.priorities.iter().map(|row| row.passed_by_max).max().unwrap_or(0);
    match passed_by {
        0 if agenda.priorities.iter().any(|row| row.is_lossy) => {
            "no tasklet known to be overtaken by a higher priority".to_owned()
        }
        _ if agenda.priorities.iter().any(|row| row.is_lossy) => {
            format!(
                "{}{} of higher priority overtook a waiting tasklet",
                bounds::AT_LEAST,
                units::count(passed_by)
            )
        }
        0 => "no tasklet overtaken by a higher priority".to_owned(),
        _ => format!("at most {} of higher priority overtook a waiting tasklet", units::count(passed_by)),
    }
}

fn workers(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let run = agenda.workers.iter().filter(|worker| phase(state, worker) == Some(WorkerPhase::Run)).count();
    let remark = format!("{run} of {} running", agenda.workers.len());
    let inner = canvas.pane(area, "workers", &remark, true);
    let has_tasklet = inner.width >= TASKLET_FROM;
    let columns = [
        Column::figure("#", 3),
        Column::text("  STATE", STATE_WIDTH),
        Column::figure("RAN", 7),
        Column::figure("FAILED", 6),
        Column::figure("BUSY", 6),
        Column::figure("MAX", 7),
        Column::rest(if has_tasklet { "TASKLET" } else { "" }),
    ];
    let all = &agenda.workers;
    let mark = |is_least| if is_least { bounds::AT_LEAST } else { "" };
    let shown = canvas.table(inner, &columns, all.len(), (state.row, state.row > 0), |place, _| {
        let worker = &all[place];
        let now = phase(state, worker);
        let (glyph, style) = glyph(theme, now);
        let mut doing = cell(format!("{glyph} {:6}", now.map_or("unknown", WorkerPhase::name)), style);
        if let Some((_, since)) = worker.state.filter(|(reported, _)| Some(*reported) == now) {
            let lasted = units::duration(state.picture_at().ns_since(since));
            doing.push_span(Span::styled(format!("{lasted:>7}"), theme.dim()));
        }
        let (tasklet, style) = tasklet(state, theme, worker);
        [
            cell(worker.worker.to_string(), theme.text()),
            doing,
            cell(units::short_count(worker.ran), theme.text()),
            cell(
                units::short_count(worker.failed),
                if worker.failed > 0 { theme.held() } else { theme.dim() },
            ),
            cell(format!("{}{}", mark(worker.may_be_busier), units::percent(worker.busy)), theme.strong()),
            cell(format!("{}{}", mark(worker.is_lossy), units::duration(worker.run_ns_max)), theme.text()),
            cell(if has_tasklet { tasklet } else { String::new() }, style),
        ]
    });
    canvas.position(area, shown, all.len());
}

/// Minimum width for the names of tasklets.
const TASKLET_FROM: u16 = 64;
/// Width of a worker's state and its duration.
const STATE_WIDTH: u16 = 15;

/// The tasklet that a worker is running, else the last one that it finished.
fn tasklet(state: &AppState, theme: Theme, worker: &WorkerRow) -> (String, Style) {
    let running_at = state.shown().running_at;
    if let Some(running) = running(state, worker) {
        let labels = &state.picture().timeline.labels;
        return (describe::running(running, labels, running_at), theme.text());
    }
    match &worker.last {
        Some((name, _)) => (format!("last {name}"), theme.dim()),
        None => (String::new(), theme.dim()),
    }
}

/// Minimum width for an explanation in the title.
const WIDE: u16 = 100;

fn collections(canvas: &mut Canvas<'_>, state: &AppState, area: Rect, agenda: &AgendaFigures) {
    let theme = canvas.theme;
    let [tried, failed] = agenda.rendezvous;
    let remark = match tried {
        0 => String::new(),
        _ => {
            let waited = agenda.rendezvous_ns;
            let of = waited.bounds.as_ref();
            let p50 = bounds::marked(waited.p50, of.map(|all| all.p50));
            let max = bounds::marked(waited.max, of.map(|all| all.max));
            format!(
                "{} tried, {} failed, waited p50 {p50}, max {max}",
                units::count(tried),
                units::count(failed)
            )
        }
    };
    let title = if area.width < WIDE { "collections" } else { "collections (stop all workers)" };
    let inner = canvas.pane(area, title, &remark, false);
    if tried == 0 {
        canvas.pen(inner, 0).gap(1).put(&format!("none{}", so_far(state)), theme.dim());
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
            pen.put(&format!("{} workers stopped after {waited}", met.arrived), theme.text());
        }
    }
}
